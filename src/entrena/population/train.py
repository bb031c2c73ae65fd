"""Many networks on one data set: trained side by side, scored on the same rows, saved as runs of one population."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from time import time as clock
from typing import Any

import numpy as np

from entrena.data import Examples, ReadOptions
from entrena.errors import DataError, RunError, UsageError
from entrena.finished_run import HeldOut, Run, held_out, run_of, save_run
from entrena.fitting import Fitted, Prepared, fit_many, prepare, prepare_like
from entrena.interrupt import interrupt_as_flag
from entrena.job import (
    Divided,
    Job,
    checksum,
    divide,
    fingerprint,
    make_job,
    own_fingerprints,
    read_examples,
)
from entrena.population.directory import create, finish, open_to_resume
from entrena.population.progress import Together
from entrena.population.saved import Keeper
from entrena.population.variants import Variant
from entrena.recipe import Recipe, as_recipe
from entrena.results import check_scorable, simple_predictions
from entrena.storage import RunDirectory
from entrena.training.watching import OnLook, as_watchers

KIND = "population"


@dataclass(frozen=True, eq=False)
class Population:
    """Networks that were trained together.

    Attributes:
        path: Their directory, with a run's directory for each (`001`, `002`, …), or None where nothing was saved.
        runs: What came of each, in the order of the recipes.
        seconds: How long it all took.
    """

    path: Path | None
    runs: tuple[Run, ...]
    seconds: float

    @property
    def best(self) -> Run:
        """The run whose leading score is the best, the first of several.

        On test rows that choose it the score is no estimate for new rows any more.
        """
        scored = [(run.result or {}).get("value") for run in self.runs]
        known = [k for k, value in enumerate(scored) if value is not None and np.isfinite(value)]
        if not known:
            raise UsageError("no run has a score: keep rows for a test, or give validation rows")
        from entrena.training import scores

        name = str((self.runs[known[0]].result or {})["score"]).partition("(")[0]
        return self.runs[max(known, key=lambda k: scores.sign(name) * float(scored[k] or 0.0))]


def train(
    recipes: Sequence[Recipe | Mapping[str, Any] | Variant] | None = None,
    data: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    roles: Mapping[str, str] | None = None,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    test_data: Any = None,
    validation_data: Any = None,
    test_fraction: float = 0.2,
    split_seed: int | None = None,
    metrics: str | Sequence[str | Mapping[str, Any]] = (),
    options: ReadOptions | None = None,
    resume: str | Path | None = None,
    callbacks: Sequence[OnLook] = (),
    runs_dir: str | Path = "runs",
    name: str | None = None,
    save: bool = True,
    verbose: bool = False,
) -> Population:
    """Trains many networks on the same rows, as many at once as the machine does best.

    Recipes that differ in rates, decays, dropout, seeds, schedules or orders share one compiled program; what changes
    shapes (layers, batch size, optimizer) is another one. Each network is what it would be alone, up to rounding.

    Args:
        recipes: A `Recipe` or a mapping of its keys for each network: `[Recipe(random_state=k) for k in range(8)]`.
        data: As for `entrena.train`.
        target: The target column, or several.
        task: `classification` or `regression`, where the data do not tell.
        roles: What columns are, where their content does not tell.
        weight: The column that says how much each row counts.
        group: The column whose equal values keep rows on one side of every split.
        time: The column by which the last rows become the test and validation rows.
        test_data: Test rows of one's own.
        validation_data: Validation rows of one's own; else the recipes decide.
        test_fraction: Share of the rows that is held out for the final scores; 0: none.
        split_seed: Of the test and validation rows, which are the same for all; None: the first recipe's random_state.
        metrics: Scores to report, the first of which leads.
        options: How text files are written, where that is not to be found from the file.
        resume: The directory of a population that was stopped: goes on to the result that it would have had.
        callbacks: Called with the `Progress` of each network after each of its epochs, from several threads; the answer
            "stop" ends that network's training.
        runs_dir: Where the directory is made.
        name: The last part of its name; None: the data's.
        save: Whether one is made at all.
        verbose: Whether a progress bar is shown.

    Returns:
        The runs with their models, histories and scores.

    Raises:
        EntrenaError: A wrong recipe, column, value or file; the message says what would be right.
    """
    began = perf_counter()
    own = {"validation": validation_data, "test": test_data}
    watching = as_watchers(callbacks)
    if resume is not None:
        given: dict[str, Any] = {
            "recipes": recipes,
            "target": target,
            "task": task,
            "roles": roles,
            "weight": weight,
            "group": group,
        }
        given |= {"time": time, "split_seed": split_seed, "options": options}
        given |= {"name": name, "metrics": metrics or None}
        wrong = [argument for argument, value in given.items() if value is not None]
        if wrong:
            raise UsageError(f"resume goes on with the population's own choices: leave out {', '.join(wrong)}")
        with open_to_resume(resume, KIND) as directory:
            ready = _ready_again(directory, data, own)
            return _train(ready, directory, watching, began, verbose=verbose)
    chosen = _recipes(recipes)
    if data is None:
        raise UsageError("no data: give the name of an embedded set (digits), a file (houses.csv), a frame or (X, y)")
    seed = chosen[0].random_state if split_seed is None else split_seed
    job = make_job(
        data,
        target=target,
        task=task,
        test_fraction=test_fraction,
        roles=roles,
        rows={"weight": weight, "group": group, "time": time},
        options=options,
        metrics=metrics,
        own=own,
        recipe_fingerprint=_fingerprint_of(chosen),
    )
    ready = _ready(chosen, job, read_examples(data, job), own, seed)
    if not save:
        return _train(ready, None, watching, began, verbose=verbose)
    asked = {"job": ready.job.to_plain(), "recipes": [each.to_plain() for each in chosen], "split_seed": seed}
    source = str(ready.held[0].facts["source"])
    with create(runs_dir, name or Path(source).stem or "data", KIND, chosen[0], source, asked) as directory:
        return _train(ready, directory, watching, began, verbose=verbose)


@dataclass(frozen=True, eq=False)
class _Ready:
    """Each network before its first update, and the rows by which it is scored."""

    job: Job
    prepared: Sequence[Prepared]
    held: Sequence[HeldOut]


def _train(
    ready: _Ready, directory: RunDirectory | None, callbacks: Sequence[OnLook], began: float, *, verbose: bool
) -> Population:
    prepared = ready.prepared
    folder = None if directory is None else directory.checkpoint_path
    keeper = Keeper(prepared, folder, None if directory is None else directory.heartbeat)
    with interrupt_as_flag() as interrupted, Together(len(prepared), shown=verbose) as bar:
        watching = [(keeper.watch(k), bar.watch(k), *callbacks) for k in range(len(prepared))]
        save = None if directory is None else keeper.save
        try:
            fitted = keeper.whole(fit_many(prepared, watching, interrupted, keeper.resume, save))
        finally:
            keeper.flush()
    with interrupt_as_flag() as interrupted:  # while they are scored, and refitted where that was asked for
        runs = tuple(_scored(prepared, fitted, ready.held, directory, interrupted))
    population = Population(None if directory is None else directory.path, runs, perf_counter() - began)
    if directory is not None:
        stopped = any(run.outcome.name == "interrupted" for run in runs)
        said: dict[str, Any] = {"seconds": population.seconds, "task": runs[0].task, "networks": len(runs)}
        if runs[0].result is not None:
            best = population.best.result or {}
            said |= {"score_name": best["score"], "score": best["value"], "score_on": best["on"]}
        finish(directory, "interrupted" if stopped else "done", said)
    return population


def _ready(recipes: Sequence[Recipe], job: Job, examples: Examples, own: Mapping[str, Any], seed: int) -> _Ready:
    """Prepares every network; what several of them see alike is made once."""
    job = replace(job, fingerprint=fingerprint(examples))
    divided: dict[Any, tuple[Divided, HeldOut]] = {}
    made: dict[Any, list[Prepared]] = {}
    prepared, held = [], []
    for recipe in recipes:
        training = recipe.training
        holds = training.early_stopping, training.validation_fraction, training.refit, recipe.targets.calibration
        if holds not in divided:
            with_seed = recipe.change({"random_state": seed})  # by which rows are held out
            parts = divide(with_seed, job, examples, None, own["validation"], own["test"])
            divided[holds], made[holds] = (parts, held_out(parts, job)), []
        parts, rows = divided[holds]
        like = next((found for each in made[holds] if (found := prepare_like(each, recipe)) is not None), None)
        if like is None:
            like = prepare(recipe, parts.schema, parts.parts)
            check_scorable(like, parts.test)
            made[holds].append(like)
        prepared.append(like)
        held.append(rows)
    first = next(iter(divided.values()))[0]
    return _Ready(replace(job, fingerprints=own_fingerprints(job, first)), prepared, held)


def _ready_again(directory: RunDirectory, data: Any, own: Mapping[str, Any]) -> _Ready:
    """The networks of a population that was stopped.

    Raises:
        RunError: It has no whole record of what was asked for.
        DataError: The rows are others.
        UsageError: Rows that were handed in from Python are missing.
    """
    name = directory.name
    try:
        asked = directory.status()["asked"]
        job = Job.from_plain(asked["job"])
        recipes = [Recipe(**plain) for plain in asked["recipes"]]
        seed = int(asked["split_seed"])
    except (KeyError, TypeError):
        raise RunError(f"'{name}' has no record of what was asked for: start it anew") from None
    if _fingerprint_of(recipes) != job.recipe_fingerprint:
        raise RunError(f"'{name}': its status.json was changed since it began: put it back, or start anew")
    if data is None and not job.from_file:
        raise UsageError(
            f"'{name}' was trained on data handed in from Python: give the same to population.train(data=…, resume=…)"
        )
    rows = {part: job.files.get(part) or None if given is None else given for part, given in own.items()}
    for part in job.files:
        if rows[part] is None:
            raise UsageError(f"'{name}' was given {part}_data: give the same to population.train(resume=…)")
    examples = read_examples(job.data if data is None else data, job)
    ready = _ready(recipes, job, examples, rows, seed)
    if ready.job.fingerprint != job.fingerprint:
        raise DataError(f"{examples.source}: not the data with which '{name}' began: resume needs the same rows")
    for part, found in ready.job.fingerprints.items():
        if found != job.fingerprints.get(part):
            raise DataError(f"not the {part} rows with which '{name}' began")
    return ready


def _scored(
    prepared: Sequence[Prepared],
    fitted: Sequence[Fitted],
    held: Sequence[HeldOut],
    directory: RunDirectory | None,
    interrupted: Callable[[], bool],
) -> list[Run]:
    """The runs with their scores; the simple models beside them are fitted once for all that see the same rows."""
    simple: dict[int, Mapping[str, np.ndarray]] = {}
    runs = []
    for number, (each, trained, rows) in enumerate(zip(prepared, fitted, held, strict=True), 1):
        leading = rows.validation if rows.test is None else rows.test
        key = id(each.training)
        if leading is not None and key not in simple:
            simple[key] = simple_predictions(each, leading)
        member = None if directory is None else _member_directory(directory, number)
        path = None if member is None else member.path
        run = run_of(each, trained, rows, path, trained.training.history, simple.get(key), interrupted)
        if interrupted():
            way = "" if directory is None else f": population.train(resume={str(directory.path)!r}) goes on with it"
            raise KeyboardInterrupt(f"interrupted{way}")
        if member is not None:
            member.write_recipe(each.recipe.to_toml())
            member.write_status(
                {"state": "running", "created": clock(), "data": rows.facts["source"], "task": each.schema.task}
            )
            save_run(run, member)
        runs.append(run)
    return runs


def _member_directory(directory: RunDirectory, number: int) -> RunDirectory:
    member = RunDirectory(directory.path / f"{number:03d}")
    with contextlib.suppress(FileExistsError):
        member.path.mkdir()
    return member


def _recipes(recipes: Any) -> list[Recipe]:
    if recipes is None or isinstance(recipes, Recipe | Mapping | str | Path) or not isinstance(recipes, Sequence):
        raise UsageError("recipes: give a list of them, such as [Recipe(random_state=k) for k in range(8)]")
    if not recipes:
        raise UsageError("recipes: the list is empty; give at least one")
    if any(each is None for each in recipes):
        raise UsageError("recipe: None is neither a Recipe nor a mapping of its keys nor the path of a recipe file")
    return [each.recipe if isinstance(each, Variant) else as_recipe(each, Recipe()) for each in recipes]


def _fingerprint_of(recipes: Sequence[Recipe]) -> str:
    return checksum("\n".join(recipe.to_toml() for recipe in recipes))
