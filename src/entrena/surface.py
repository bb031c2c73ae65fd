"""The error surface around a trained network: its loss on a run's rows over two directions through its weights.

The rows are those of the run, in the parts that it had. The path of the training is not kept by a run: it is trained
again, which gives the same weights on the same machine, and watched on its way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np

from entrena.data import Examples, read_inputs
from entrena.data.files import STANDARD_INPUT, options_for
from entrena.diagnosis.directions import coordinates, path_directions, random_directions
from entrena.diagnosis.grid_losses import SeenRows, losses_along, losses_over
from entrena.errors import EntrenaError, RunError, UsageError, did_you_mean
from entrena.finished_run import Run
from entrena.fitting import Parts, Prepared, fit, loss_unit, prepare
from entrena.interrupt import interrupt_as_flag
from entrena.job import Divided, Job, fingerprint, joined, read_again, read_examples, recorded
from entrena.model import Model
from entrena.network.multilayer import Params
from entrena.recipe import Recipe
from entrena.seen import as_seen, training_weight
from entrena.storage import RunDirectory
from entrena.task import resolve
from entrena.training.compilation import find_device
from entrena.training.seeds import generator
from entrena.training.watching import OnLook, Progress, Watchers

KINDS = ("random", "path")
PARTS = ("training", "validation", "test")
GRID = (3, 101)
MOST_ROWS, LEAST_ROWS = 4096, 256
MOST_PRODUCTS = 5e11  # rows × weights × points: about half a minute on two cores
MOST_POINTS = 200  # of a path
PATH_BYTES = 2**29
ROOM = 1.15  # times the extent of the path


@dataclass(frozen=True, eq=False)
class _Source:
    """Which rows there are.

    Attributes:
        name: Of the data.
        divided: The parts of the run's own data; None: other rows.
        other: Those.
        job: What the run wrote down; None of other rows.
        recipe: Its choices.
        start: The model from which it began, or None.
    """

    name: str
    recipe: Recipe
    divided: Divided | None = None
    other: Examples | None = None
    job: Job | None = None
    start: Model | None = None


def error_surface(
    run: Run | str | Path,
    *,
    data: Any = None,
    directions: str = "random",
    on: str = "training",
    grid: int = 25,
    reach: float = 1.0,
    seed: int = 0,
    callbacks: Sequence[OnLook] = (),
) -> dict[str, Any]:
    """The loss of a trained network over two directions through its weights, w + α·first + β·second.

    The loss is the mean over the rows, weighted as in training, without dropout and penalties; in nats for classes, the
    target's unit squared for a number. Of many rows a sample is taken, evenly spaced.

    Args:
        run: A run, its directory, or a model file.
        data: Rows in place of those that the run read, in any form of `train`; the run's own data are known again and
            split as they were, of others all rows are taken.
        directions: `random`: normal ones, normalised filter by filter, biases unmoved (Li et al., NeurIPS 2018, section
            4); `path`: the first two principal components of the weights along training, which is done again for it.
        on: Which rows of the run: `training`, `validation` or `test`.
        grid: Points along each direction.
        reach: How far: of `random`, α and β in lengths of the units' own weights; of `path`, times the path's extent.
        seed: Of random directions.
        callbacks: Who looks on while the path is trained again.

    Returns:
        Plain values, as `entrena surface --json` prints: `x` and `y`, the places; `losses`, a row for each of `y`;
        `loss`, `rows`, `directions`, `path`.

    Raises:
        UsageError: An argument is not allowed, or there are no such rows.
        RunError: The run has no model, or no record of its data.
        DataError: The rows do not fit.
    """
    began = perf_counter()
    _check(directions, on, grid, reach, seed)
    model, directory = _model(run)
    source = _source(model, directory, data, needs_own=directions == "path")
    path: _Path | None = None
    if directions == "path":
        path = _trained_again(model, source, callbacks)
        try:
            plane = path_directions(path.weights)
        except ValueError as error:
            raise UsageError(f"directions: the path cannot be looked at: {error}: take random") from None
    else:
        plane = random_directions(model.params, seed)
    rows, told = _rows(model, source, on, grid)
    places, away = (None, None) if path is None else coordinates(path.weights, model.params, plane)
    x, y = _axes(grid, reach, places)
    points = np.array([(0.0, 0.0), *((a, b) for b in y for a in x)])
    name, device = resolve(model.recipe, model.schema)[1], _device(model)
    unit = loss_unit(model.schema, model.coder)
    found = unit * losses_over(model.network, name, model.params, plane, points, rows, device)
    over = found[1:].reshape(grid, grid)
    plain: dict[str, Any] = {
        "model": str(run.path if isinstance(run, Run) else run),
        "data": source.name,
        "rows": told,
        "loss": {"name": name, "unit": _unit(model, name), "centre": float(found[0]), **_least(x, y, over)},
        "weights": model.network.n_weights,
        "directions": {
            "kind": directions,
            "seed": seed if directions == "random" else None,
            "cosine": plane.cosine,
            "shares": None if plane.shares is None else list(plane.shares),
        },
        "grid": grid,
        "reach": reach,
        "x": x.tolist(),
        "y": y.tolist(),
        "losses": [[_known(value) for value in line] for line in over],
        "path": None,
    }
    if path is not None and places is not None and away is not None:
        losses = unit * losses_along(model.network, name, path.weights, rows, device)
        plain["path"] = {
            "epochs": path.epochs,
            "places": places.tolist(),
            "losses": [_known(value) for value in losses],
            "off_plane": away.tolist(),
            "model_epoch": path.model_epoch,
            "same_bits": path.same_bits,
        }
    return {**plain, "seconds": perf_counter() - began}


def _check(directions: str, on: str, grid: int, reach: float, seed: int) -> None:
    """Raises a UsageError for an argument that is not allowed."""
    for name, value, allowed in (("directions", directions, KINDS), ("on", on, PARTS)):
        if value not in allowed:
            raise UsageError(f"{name}: unknown name '{value}': {did_you_mean(str(value), allowed)}")
    if isinstance(grid, bool) or not isinstance(grid, int) or not GRID[0] <= grid <= GRID[1]:
        raise UsageError(f"grid: {grid} is not allowed: a whole number from {GRID[0]} to {GRID[1]}")
    if not 0 < reach <= 1000:
        raise UsageError(f"reach: {reach:g} is not allowed: above 0 and at most 1000")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed: {seed} is not allowed: a whole number from 0 on")


def _model(run: Run | str | Path) -> tuple[Model, RunDirectory | None]:
    if isinstance(run, Run):
        return run.model, None if run.path is None else RunDirectory(run.path)
    path = Path(run)
    if path.is_dir():
        return Model.load(path), RunDirectory(path)
    beside = RunDirectory(path.parent)
    return Model.load(path), beside if path == beside.model_path and beside.status_path.exists() else None


def _source(model: Model, directory: RunDirectory | None, data: Any, *, needs_own: bool) -> _Source:
    """The rows that were asked for.

    Args:
        model: The network.
        directory: Its run's, or None.
        data: What the user gave, or None.
        needs_own: Whether no other rows will do than those with which the run began.
    """
    way = "name the rows with --data FILE (in Python data=…)"
    only = "its path can be trained again on those only: --directions random takes other rows too"
    if directory is None:
        if needs_own:
            raise UsageError(
                "a model by itself keeps no record of its training: name its run, or take random directions"
            )
        if data is None:
            raise UsageError(f"a model by itself keeps no record of its data: {way}")
        return _other(model, data, None)
    name = directory.name
    if "stream" in directory.status():
        if needs_own or data is None:
            also = " and random directions" if needs_own else ""
            raise RunError(f"run '{name}' is a stream, whose rows are gone: {way}{also}")
        return _other(model, data, None)
    if data is not None and not needs_own and not isinstance(directory.status().get("job"), dict):
        return _other(model, data, None)
    job, recipe = recorded(directory, way + (" and take random directions" if needs_own else ""))
    lacking = [part for part, file in job.files.items() if not file]
    if (data is None and (not job.from_file or job.data == STANDARD_INPUT)) or lacking:
        kept = f"the {' and '.join(lacking)} rows" if lacking else "the data"
        if data is None or needs_own:
            also = " and take random directions" if needs_own and lacking else ""
            raise RunError(f"run '{name}' did not read {kept} from a file: {way}{also}")
        return _other(model, data, job)
    if data is not None and not needs_own and not _is_own(data, job):
        return _other(model, data, job)
    own = {part: job.files.get(part) for part in ("validation", "test")}
    try:
        divided, start = read_again(name, job, recipe, data, own, only if needs_own else way)
    except UsageError as error:
        hint = "" if data is not None else f"; {way}"
        raise type(error)(f"{error}{hint}") if type(error) is UsageError else error from None
    return _Source(str(divided.facts["source"]), recipe, divided, None, job, start)


def _is_own(data: Any, job: Job) -> bool:
    """Whether rows are those with which a run began."""
    with contextlib.suppress(EntrenaError):
        start = None if job.from_run is None else Model.load(job.from_run)
        return fingerprint(read_examples(data, job, start)) == job.fingerprint
    return False


def _other(model: Model, data: Any, job: Job | None) -> _Source:
    """Other rows than the run's."""
    if job is None:
        examples = read_inputs(data, model.schema)
    else:
        options = options_for(data, job.read_options)
        examples = read_inputs(data, model.schema, options=options, rows=job.row_columns)
    if examples.targets is None:
        names = ", ".join(model.schema.target_names)
        raise UsageError(f"{examples.source}: a loss needs the target {names}")
    return _Source(examples.source, model.recipe, other=examples)


def _rows(model: Model, source: _Source, on: str, grid: int) -> tuple[SeenRows, dict[str, Any]]:
    """The rows as the network sees them, and what is to be said of them."""
    if source.divided is None:
        examples, part, weight = source.other, "all", None if source.other is None else source.other.weight
    else:
        parts = source.divided.parts
        refitted = bool(model.facts.get("refit")) and on == "training"
        if refitted:
            examples, part = joined(source.divided.everything, model.schema.columns), "all, on which it was trained"
        else:
            held = {"training": parts.training, "validation": parts.validation, "test": source.divided.test}
            examples, part = held[on], on
        if examples is None:
            raise UsageError(f"on: the run has no {on} rows: take training")
        weight = examples.weight
        if on == "training":
            weight = training_weight(source.recipe, model.schema, examples)
    assert examples is not None
    most = MOST_PRODUCTS / (model.network.n_weights * grid**2)
    n, of = int(min(examples.n_rows, MOST_ROWS, max(most, LEAST_ROWS))), examples.n_rows
    taken = np.linspace(0, of - 1, n).astype(np.intp)
    weight = None if weight is None else weight[taken]
    return SeenRows(*as_seen(model, examples.take(taken)), weight), {"on": part, "n": n, "of": of}


@dataclass(frozen=True, eq=False)
class _Path:
    """The weights along a training.

    Attributes:
        epochs: After which.
        weights: The weights then.
        model_epoch: After which the weights were those of the model.
        same_bits: Whether the training that was done again ended with the model's very weights.
    """

    epochs: list[int]
    weights: list[Params]
    model_epoch: int
    same_bits: bool


def _trained_again(model: Model, source: _Source, callbacks: Sequence[OnLook]) -> _Path:
    """Trains a run once more as it was trained, as many epochs, and keeps weights on the way.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    assert source.divided is not None
    prepared, n_epochs = _ready_again(model, source)
    best = int(model.facts["best_epoch"])
    model_epoch = best if prepared.plan.restore_best and best > 0 else n_epochs
    n_points = max(3, min(MOST_POINTS, PATH_BYTES // (4 * prepared.network.n_weights)))
    every = -(-n_epochs // n_points)
    first = prepared.start or prepared.network.initialize(generator(prepared.plan.seed, "weights"), prepared.plan.dtype)
    epochs, weights = [0], [first]

    def look(progress: Progress) -> Literal["stop"] | None:
        if progress.epoch % every == 0 or progress.epoch in (model_epoch, n_epochs):
            assert progress.weights is not None
            own = progress.weights()
            if all(np.isfinite(values).all() for layer in own for values in layer.values()):
                epochs.append(progress.epoch)
                weights.append(own)
        return "stop" if progress.epoch >= n_epochs else None

    with interrupt_as_flag() as interrupted:
        fitted = fit(prepared, Watchers((look, *callbacks), None, interrupted))
        if interrupted():
            raise KeyboardInterrupt("interrupted: nothing was written")
    pairs = zip(fitted.model.params, model.params, strict=True)
    same = all(np.array_equal(own[name], layer[name]) for own, layer in pairs for name in layer)
    return _Path(epochs, weights, model_epoch, same)


def _ready_again(model: Model, source: _Source) -> tuple[Prepared, int]:
    """What stood before the first update of the training that gave the model, and its epochs."""
    assert source.divided is not None
    recipe, again = source.recipe.change({"max_seconds": None}), model.facts.get("refit")
    if again:
        recipe = recipe.change({"early_stopping": False, "calibration": "none"})
        everything = joined(source.divided.everything, model.schema.columns)
        return prepare(recipe, model.schema, Parts(everything)), int(again["epochs"])
    prepared = prepare(recipe, source.divided.schema, source.divided.parts, start=source.start)
    return prepared, int(model.facts["n_epochs"])


def _axes(grid: int, reach: float, places: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """[grid] places along both directions, equally far along both; of a path around it and the model."""
    if places is None:
        return (np.linspace(-reach, reach, grid),) * 2
    around = np.vstack([places, [[0.0, 0.0]]])
    low, high = around.min(axis=0), around.max(axis=0)
    half = reach * ROOM * float((high - low).max()) / 2
    first, second = ((a + b) / 2 for a, b in zip(low, high, strict=True))
    return np.linspace(first - half, first + half, grid), np.linspace(second - half, second + half, grid)


def _least(x: np.ndarray, y: np.ndarray, losses: np.ndarray) -> dict[str, Any]:
    """The least loss of the grid, and where it is."""
    if not np.isfinite(losses).any():
        return {"least": None, "least_at": None}
    row, column = np.unravel_index(np.nanargmin(np.where(np.isfinite(losses), losses, np.nan)), losses.shape)
    return {"least": float(losses[row, column]), "least_at": [float(x[column]), float(y[row])]}


def _unit(model: Model, loss: str) -> str:
    if model.schema.classes is not None:
        return "nats" if loss == "cross_entropy" else ""
    return "the target's unit squared" if len(model.schema.target_names) == 1 else "relative to the targets' variances"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _device(model: Model) -> Any:
    """The device of the training, where it is here."""
    try:
        return find_device(model.recipe.training.device)
    except UsageError:
        return find_device("auto")
