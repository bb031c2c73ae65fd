"""One run, from data to a saved model: `train()`, and going on with a run that was stopped."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from entrena.data import EMBEDDED, Examples, Schema, hold_out, infer_schema, read, read_inputs
from entrena.errors import DataError, EntrenaError, RunError, UsageError, did_you_mean
from entrena.fitting import Fitted, Parts, Prepared, fit, main_score, prepare, split_validation
from entrena.interrupt import interrupt_as_flag
from entrena.model import Model
from entrena.recipe import Recipe
from entrena.registry import Choice
from entrena.reporting.progress import ProgressBar
from entrena.storage import (
    HistoryWriter,
    RunDirectory,
    load_checkpoint,
    read_history,
    save_checkpoint,
    write_history_parquet,
    write_text,
)
from entrena.storage.json_text import to_json
from entrena.training.checkpoint import Checkpoint
from entrena.training.optimizers import own_default
from entrena.training.seeds import generator
from entrena.training.stopping import Outcome
from entrena.training.watching import OnLook, Progress, Watchers, as_watchers

HEARTBEAT_SECONDS = 2.0


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """What came of a training run.

    Attributes:
        path: The run's directory, or None where nothing was saved.
        recipe: The choices.
        schema: Columns, targets, task, classes.
        model: The trained model.
        history: A record for each epoch: epoch, update, loss, penalty, validation_loss, score, learning_rate, seconds.
        outcome: How the run ended, as data and as a sentence.
        validation: Scores on the validation rows, or None without any.
        test: Scores on the test rows, or None without any.
        sizes: Rows of each part: training, validation, test.
        findings: What the run showed, each with its evidence and advice.
    """

    path: Path | None
    recipe: Recipe
    schema: Schema
    model: Model
    history: tuple[Mapping[str, Any], ...]
    outcome: Outcome
    validation: Mapping[str, float] | None
    test: Mapping[str, float] | None
    sizes: Mapping[str, int]
    findings: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"Run(path={str(self.path)!r}, outcome={self.outcome.name!r}, result={self.result})"

    @property
    def task(self) -> str:
        """`classification` or `regression`."""
        return self.schema.task

    @property
    def n_epochs(self) -> int:
        """Epochs that were run."""
        return int(self.model.facts["n_epochs"])

    @property
    def seconds(self) -> float:
        """Training time."""
        return float(self.model.facts["seconds"])

    @property
    def result(self) -> dict[str, Any] | None:
        """The score to read first: its name, its value, and on which rows; None where all rows were trained on."""
        scores, part = (self.test, "test") if self.test is not None else (self.validation, "validation")
        if scores is None:
            return None
        name = main_score(self.recipe, self.schema)
        return {"score": name, "value": scores[name], "on": part}


@dataclass(frozen=True)
class _Job:
    """What a run needs to be told again when it is resumed; a part of its `status.json`."""

    data: str
    target: tuple[str, ...] | None
    task: str | None
    test_fraction: float
    from_file: bool
    fingerprint: str
    recipe_fingerprint: str
    from_run: str | None = None
    start_fingerprint: str | None = None
    validation_fingerprint: str | None = None


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """The rows that are not trained on, and how many rows each part has."""

    validation: Examples | None
    test: Examples | None
    sizes: Mapping[str, int]


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    data: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    validation_data: Any = None,
    test_fraction: float = 0.2,
    resume: str | Path | None = None,
    from_run: str | Path | None = None,
    callbacks: Sequence[OnLook] = (),
    runs_dir: str | Path = "runs",
    name: str | None = None,
    save: bool = True,
    verbose: bool = False,
) -> Run:
    """Trains a network on a data set and saves the run.

    Args:
        recipe: The choices: a `Recipe`, a mapping of its keys, or a recipe file; None: the defaults.
        data: The name of an embedded set, a CSV or Parquet file, a frame, or a pair of arrays (X, y).
        target: The target column, or several for a regression with several outputs.
        task: `classification` or `regression`, where the data do not tell.
        validation_data: Validation rows of one's own, in any form of `data`; else the recipe decides.
        test_fraction: Share of the rows that is held out for the final scores; 0: none.
        resume: A run that was stopped: goes on to the result that it would have had.
        from_run: A run or model whose weights and preprocessing are the start.
        callbacks: Functions called with a `Progress` after each epoch; the answer "stop" ends the run.
        runs_dir: Where run directories are made.
        name: The last part of the run's name; None: the data's.
        save: Whether a run directory is made at all.
        verbose: Whether a progress bar is shown.

    Returns:
        The run with its model, history and scores.

    Raises:
        EntrenaError: A wrong recipe, column, value or file; the message says what would be right.
    """
    with contextlib.ExitStack() as shown:
        callbacks = as_watchers(callbacks)
        if verbose:
            callbacks = (*callbacks, shown.enter_context(ProgressBar()))
        if resume is not None:
            given = {"recipe": recipe, "target": target, "task": task, "from_run": from_run, "name": name}
            wrong = [argument for argument, value in given.items() if value is not None]
            if wrong:
                raise UsageError(f"resume goes on with the run's own choices: leave out {', '.join(wrong)}")
            return _resume(Path(resume), data, validation_data, callbacks)
        if data is None:
            raise UsageError(
                "no data: give the name of an embedded set (digits), a file (houses.csv), a frame or (X, y)"
            )
        if not 0 <= test_fraction < 1:
            raise UsageError(f"test_fraction: {test_fraction} is not allowed: at least 0 and below 1")
        if task not in (None, "classification", "regression"):
            tasks = ["classification", "regression"]
            raise UsageError(f"task: unknown name '{task}': {did_you_mean(str(task), tasks)}")
        start = None if from_run is None else Model.load(from_run)
        chosen = _as_recipe(recipe, Recipe() if start is None else start.recipe)
        names = (target,) if isinstance(target, str) else None if target is None else tuple(target)
        job = _Job(
            data=_absolute(data) if isinstance(data, str | Path) else "",
            target=names,
            task=task,
            test_fraction=test_fraction,
            from_file=isinstance(data, str | Path),
            fingerprint="",
            recipe_fingerprint=_checksum(chosen.to_toml()),
            from_run=None if from_run is None else str(Path(from_run).absolute()),
            start_fingerprint=None if start is None else start.fingerprint(),
        )
        return _begin(chosen, data, job, start, validation_data, callbacks, runs_dir if save else None, name)


def _begin(
    recipe: Recipe,
    data: Any,
    job: _Job,
    start: Model | None,
    validation_data: Any,
    callbacks: Sequence[OnLook],
    runs_dir: str | Path | None,
    name: str | None,
) -> Run:
    """A new run; without `runs_dir` nothing is saved."""
    examples = _read(data, job)
    if runs_dir is not None:
        job = replace(job, fingerprint=_fingerprint(examples))
    schema, examples = _meant(examples, job, start)
    parts, held = _parts(recipe, schema, examples, job.test_fraction, validation_data)
    if runs_dir is not None and validation_data is not None and parts.validation is not None:
        job = replace(job, validation_fingerprint=_fingerprint(parts.validation))
    prepared = prepare(recipe, schema, parts, start=start)
    source = examples.source
    del parts, examples  # the network's inputs are made: the raw rows need not stay in memory
    if runs_dir is None:
        return _train(prepared, held, None, None, callbacks)
    directory = RunDirectory.create(runs_dir, name or _short_name(source))
    with directory, _told(directory):
        directory.write_recipe(recipe.to_toml())
        directory.write_status(
            {"state": "running", "created": time.time(), "data": source, "task": schema.task, "job": job.__dict__}
        )
        return _train(prepared, held, directory, None, callbacks)


def _read(data: Any, job: _Job) -> Examples:
    target = job.target if job.target is None or len(job.target) > 1 else job.target[0]
    return read(data, target=target)


def _resume(path: Path, data: Any, validation_data: Any, callbacks: Sequence[OnLook]) -> Run:
    directory = RunDirectory.open(path)
    with directory:
        status = directory.status()
        if status.get("state") == "done":
            raise RunError(f"run '{directory.name}' is done: --from {directory.name} starts a new run from its weights")
        try:
            job = _Job(**status["job"])
        except (KeyError, TypeError):
            raise RunError(f"run '{directory.name}' has no record of its data: start it anew") from None
        recipe = Recipe.from_toml(directory.read_recipe())
        if _checksum(recipe.to_toml()) != job.recipe_fingerprint:
            raise RunError(
                f"run '{directory.name}': recipe.toml was changed since the run began: put it back, or start a new run "
                "with --recipe"
            )
        if not job.from_file and data is None:
            raise UsageError(
                f"run '{directory.name}' was trained on data handed in from Python: "
                "give the same to train(data=…, resume=…)"
            )
        if job.validation_fingerprint is not None and validation_data is None:
            raise UsageError(f"run '{directory.name}' was given validation_data: give the same to train(resume=…)")
        examples = _read(job.data if data is None else data, job)
        if _fingerprint(examples) != job.fingerprint:
            raise DataError(
                f"{examples.source}: not the data with which run '{directory.name}' began: --resume needs the same rows"
            )
        start = None if job.from_run is None else Model.load(job.from_run)
        if start is not None and start.fingerprint() != job.start_fingerprint:
            raise RunError(f"'{job.from_run}' is not the model any more from which run '{directory.name}' started")
        schema, examples = _meant(examples, job, start)
        parts, held = _parts(recipe, schema, examples, job.test_fraction, validation_data)
        if parts.validation is not None and job.validation_fingerprint not in (None, _fingerprint(parts.validation)):
            raise DataError(
                f"{parts.validation.source}: not the validation rows with which run '{directory.name}' began"
            )
        prepared = prepare(recipe, schema, parts, start=start)
        saved = load_checkpoint(directory.checkpoint_path)
        checkpoint = None if saved is None else Checkpoint.from_parts(prepared.template(), *saved)
        del parts, examples
        with _told(directory):
            directory.write_status({"state": "running", "error": None})
            return _train(prepared, held, directory, checkpoint, callbacks)


def _train(
    prepared: Prepared,
    held: _HeldOut,
    directory: RunDirectory | None,
    checkpoint: Checkpoint | None,
    callbacks: Sequence[OnLook],
) -> Run:
    """Trains, scores and saves; the directory is locked by the caller."""
    if directory is None:
        with interrupt_as_flag() as interrupted:
            fitted = fit(prepared, Watchers(callbacks, None, interrupted), checkpoint)
        return _run_of(fitted, held, None, fitted.training.history)
    # The history's table at the end needs Polars: it is imported while the program compiles, which takes longer.
    threading.Thread(target=importlib.import_module, args=("polars",), daemon=True).start()
    fitted, history = _train_recorded(prepared, directory, checkpoint, callbacks)
    run = _run_of(fitted, held, directory.path, history)
    run.model.save(directory.model_path)
    write_history_parquet(directory.history_parquet_path, history)
    write_text(directory.findings_path, to_json(list(run.findings), indent=2) + "\n")
    directory.write_status(_status_at_end(run))
    return run


@contextlib.contextmanager
def _told(directory: RunDirectory) -> Iterator[None]:
    """Writes into the run's status how it failed, if it does; the first error is the one to tell."""
    try:
        yield
    except BaseException as error:
        state = "failed" if isinstance(error, EntrenaError) else "interrupted"
        with contextlib.suppress(EntrenaError):
            directory.write_status({"state": state, "error": str(error) or type(error).__name__})
        raise


def _train_recorded(
    prepared: Prepared, directory: RunDirectory, checkpoint: Checkpoint | None, callbacks: Sequence[OnLook]
) -> tuple[Fitted, tuple[Mapping[str, Any], ...]]:
    """Trains with the history and checkpoints going to the run's directory."""
    with HistoryWriter(directory.history_path) as writer, interrupt_as_flag() as interrupted:
        done = 0 if checkpoint is None else checkpoint.epoch
        writer.truncate_to(done)
        earlier = tuple(map(_with_nan, read_history(directory.history_path))) if done else ()
        next_beat = 0.0

        def record(progress: Progress) -> None:
            nonlocal next_beat
            writer.append(progress.record())
            if time.monotonic() >= next_beat:
                directory.heartbeat()
                next_beat = time.monotonic() + HEARTBEAT_SECONDS

        def save(reached: Checkpoint) -> None:
            writer.flush(durable=True)  # the checkpoint must never be ahead of the history
            save_checkpoint(directory.checkpoint_path, *reached.to_parts())

        fitted = fit(prepared, Watchers((record, *callbacks), save, interrupted), checkpoint)
    return fitted, earlier + fitted.training.history


def _with_nan(record: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the history as it was in memory: JSON has no NaN, and null where a score could not be computed."""
    validated = record["validation_loss"] is not None or record["score"] is not None
    absent = () if validated else ("validation_loss", "score")
    return {name: math.nan if value is None and name not in absent else value for name, value in record.items()}


def _run_of(fitted: Fitted, held: _HeldOut, path: Path | None, history: tuple[Mapping[str, Any], ...]) -> Run:
    model, outcome = fitted.model, fitted.training.outcome
    validation, tested = (None if part is None else model.evaluate(part) for part in (held.validation, held.test))
    sizes = dict(held.sizes)
    facts = {**model.facts, "sizes": sizes, "validation": validation, "test": tested}
    model = replace(model, facts=facts)
    findings = (_divergence(outcome, fitted),) if outcome.name == "diverged" else ()
    return Run(path, model.recipe, model.schema, model, history, outcome, validation, tested, sizes, findings)


def _divergence(outcome: Outcome, fitted: Fitted) -> dict[str, Any]:
    """The finding of a run that diverged, with what to try: a decay that overshoots is told before the rate."""
    plan = fitted.plan
    rate, decay = plan.learning_rate, plan.optimizer_settings.get("weight_decay", 0.0)
    usual = own_default(Choice(plan.structure.optimizer), "learning_rate") or rate
    if min(rate, usual) * decay >= 1:
        technique = "regularization.weight_decay"
        advice = f"The decay {decay:g} times the rate {rate:g} is 1 or more: try --set weight_decay=0.1."
    else:
        technique = "rate.learning_rate"
        advice = f"The rate {rate:g} is too high for this network: try --set learning_rate={min(rate / 10, usual):g}."
    return {
        "name": "diverged",
        "severity": "error",
        "place": f"epoch {fitted.training.checkpoint.epoch}",
        "evidence": outcome.sentence,
        "technique": technique,
        "advice": advice,
    }


def _status_at_end(run: Run) -> dict[str, Any]:
    result = run.result or {}
    return {
        "state": {"interrupted": "interrupted", "diverged": "failed"}.get(run.outcome.name, "done"),
        "outcome": run.outcome.name,
        "n_epochs": run.n_epochs,
        "seconds": run.seconds,
        "score_name": result.get("score"),
        "score": result.get("value"),
        "score_on": result.get("on"),
        "ended": time.time(),
    }


def _parts(
    recipe: Recipe, schema: Schema, examples: Examples, test_fraction: float, validation_data: Any
) -> tuple[Parts, _HeldOut]:
    """Test rows first, then validation rows of what is left."""
    test = None
    if test_fraction > 0:
        labels = examples.targets if schema.classes is not None else None
        kept, away = hold_out(examples.n_rows, test_fraction, generator(recipe.random_state, "test"), labels)
        examples, test = examples.take(kept), examples.take(away)
    if validation_data is None:
        parts = split_validation(recipe, schema, examples)
    else:
        validation = read_inputs(validation_data, schema.columns, target_names=schema.target_names)
        if validation.targets is None:
            raise DataError(f"{validation.source}: validation needs the target {', '.join(schema.target_names)}")
        parts = Parts(examples, validation)
    sizes = [0 if part is None else part.n_rows for part in (parts.training, parts.validation, test)]
    named = dict(zip(("training", "validation", "test"), sizes, strict=True))
    return parts, _HeldOut(parts.validation, test, named)


def _meant(examples: Examples, job: _Job, start: Model | None) -> tuple[Schema, Examples]:
    """What the examples are for: by their content, or as the model to start from has it, their columns in its order.

    Raises:
        RunError: The data have other columns or another number of targets than the model.
    """
    if start is None:
        return infer_schema(examples, job.task), examples  # type: ignore[arg-type]
    schema = start.schema
    missing = [column for column in schema.columns if column not in examples.columns]
    extra = [column for column in examples.columns if column not in schema.columns]
    if missing or extra:
        said = [f"lack {', '.join(missing)}"] if missing else []
        said += [f"have {', '.join(extra)} more"] if extra else []
        raise RunError(f"{examples.source}: not the model's columns: the data {' and '.join(said)}")
    if len(examples.target_names) != len(schema.target_names):
        raise RunError(f"{examples.source}: the model is for {schema.task} of {', '.join(schema.target_names)}")
    if schema.classes is None:
        infer_schema(examples, "regression")  # refuses what is no number
    order = [examples.columns.index(column) for column in schema.columns]
    return schema, replace(examples, inputs=examples.inputs[:, order], columns=schema.columns)


def _as_recipe(recipe: Recipe | Mapping[str, Any] | str | Path | None, base: Recipe) -> Recipe:
    if recipe is None:
        return base
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, str | Path):
        return Recipe.read(recipe)
    return base.change(recipe)


def _absolute(data: str | Path) -> str:
    """A file's path as it will be found again from another folder; an embedded set's name as it is."""
    return str(data) if data in EMBEDDED else str(Path(data).absolute())


def _short_name(source: str) -> str:
    return Path(source).stem or "data"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(examples: Examples) -> str:
    """A checksum of columns, inputs and targets, by which a resumed run knows its data."""
    digest = hashlib.sha256(repr((examples.columns, examples.target_names, examples.inputs.shape)).encode())
    digest.update(np.ascontiguousarray(examples.inputs).data)
    targets = examples.targets
    if targets is not None:
        digest.update(
            repr(targets.tolist()).encode() if targets.dtype == object else np.ascontiguousarray(targets).tobytes()
        )
    return digest.hexdigest()
