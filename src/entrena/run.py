"""One run, from data to a saved model: `train()`, and going on with a run that was stopped."""

from __future__ import annotations

import contextlib
import importlib
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from time import time as clock
from typing import Any

from entrena.data import EMBEDDED, ReadOptions
from entrena.data.files import STANDARD_INPUT
from entrena.data.frames import is_frame
from entrena.errors import RunError, UsageError
from entrena.finished_run import HeldOut, Run, held_out, run_of, save_run
from entrena.fitting import Fitted, Prepared, fit, prepare
from entrena.interrupt import interrupt_as_flag
from entrena.job import (
    Job,
    checksum,
    divide,
    fingerprint,
    make_job,
    own_fingerprints,
    read_again,
    read_examples,
    recorded,
)
from entrena.model import Model, check_functions
from entrena.recipe import Recipe, as_recipe
from entrena.reporting.progress import ProgressBar
from entrena.reporting.wording import size
from entrena.results import check_scorable
from entrena.storage import (
    HistoryWriter,
    RunDirectory,
    load_checkpoint,
    read_history,
    save_checkpoint,
)
from entrena.training.checkpoint import Checkpoint
from entrena.training.watching import OnLook, Progress, Watchers, as_watchers

HEARTBEAT_SECONDS = 2.0
TOLD_BYTES = 2**20  # of an optimizer's memory, from which on it is said before training


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
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
    metrics: str | Sequence[str | Mapping[str, Any]] = (),
    options: ReadOptions | None = None,
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
        data: The name of an embedded set, the path of a table (`-`: the standard input), a frame, or a pair of arrays
            (X, y).
        target: The target column, or several for a regression with several outputs.
        task: `classification` or `regression`, where the data do not tell.
        roles: What columns are, by name, where their content does not tell: `number`, `category`, `boolean`, `date`,
            `text`, `identifier`, `ignore`, `weight`, `group`, `time`.
        weight: The column that says how much each row counts.
        group: The column whose equal values keep rows on one side of every split.
        time: The column of dates or numbers by which the last rows become the test and validation rows.
        test_data: Test rows of one's own, in any form of `data`.
        validation_data: Validation rows of one's own, in any form of `data`; else the recipe decides.
        test_fraction: Share of the rows that is held out for the final scores; 0: none.
        metrics: Scores to report, the first of which leads: names or tables as in a recipe (`scoring`).
        options: How text files are written, where that is not to be found from the file.
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
            given: dict[str, Any] = {
                "recipe": recipe,
                "target": target,
                "task": task,
                "from_run": from_run,
                "name": name,
                "metrics": metrics or None,
            }
            given |= {"roles": roles, "weight": weight, "group": group, "time": time, "options": options}
            wrong = [argument for argument, value in given.items() if value is not None]
            if wrong:
                raise UsageError(f"resume goes on with the run's own choices: leave out {', '.join(wrong)}")
            return _resume(Path(resume), data, {"validation": validation_data, "test": test_data}, callbacks)
        _refuse_dataas_recipe(recipe, data)
        if data is None:
            raise UsageError(
                "no data: give the name of an embedded set (digits), a file (houses.csv), a frame or (X, y)"
            )
        start = None if from_run is None else Model.load(from_run)
        # A model that was trained again on all rows is a start like any other.
        chosen = as_recipe(recipe, Recipe() if start is None else start.recipe.change({"refit": False}))
        if start is not None and (roles or task is not None or chosen.training.refit):
            raise UsageError("from_run takes the model's columns, task and rows: leave out roles, task and refit")
        own = {"validation": validation_data, "test": test_data}
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
            recipe_fingerprint=checksum(chosen.to_toml()),
        )
        if start is not None:
            job = replace(job, from_run=str(Path(str(from_run)).absolute()), start_fingerprint=start.fingerprint())
        return _begin(chosen, data, job, start, own, callbacks, runs_dir if save else None, name)


def _begin(
    recipe: Recipe,
    data: Any,
    job: Job,
    start: Model | None,
    own: Mapping[str, Any],
    callbacks: Sequence[OnLook],
    runs_dir: str | Path | None,
    name: str | None,
) -> Run:
    """A new run; without `runs_dir` nothing is saved."""
    if runs_dir is not None:
        check_functions(recipe)
    examples = read_examples(data, job, start)
    if runs_dir is not None:
        job = replace(job, fingerprint=fingerprint(examples))
    divided = divide(recipe, job, examples, start, own["validation"], own["test"])
    if runs_dir is not None:
        job = replace(job, fingerprints=own_fingerprints(job, divided))
    prepared = prepare(recipe, divided.schema, divided.parts, start=start)
    source = examples.source
    held = held_out(divided, job)
    check_scorable(prepared, held.test)
    del divided, examples  # the network's inputs are made: the raw rows need not stay in memory
    if runs_dir is None:
        return _train(prepared, held, None, None, callbacks)
    directory = RunDirectory.create(runs_dir, name or _short_name(source))
    with directory, directory.telling_failure():
        directory.write_recipe(recipe.to_toml())
        directory.write_status(
            {
                "state": "running",
                "created": clock(),
                "data": source,
                "task": prepared.schema.task,
                "job": job.to_plain(),
            }
        )
        return _train(prepared, held, directory, None, callbacks)


def _resume(path: Path, data: Any, own: Mapping[str, Any], callbacks: Sequence[OnLook]) -> Run:
    directory = RunDirectory.open(path)
    with directory:
        status = directory.status()
        kind = status.get("kind", "run")
        if kind != "run":
            way = "entrena compare --resume" if kind == "comparison" else "population.train(resume=…)"
            raise RunError(f"'{directory.name}' is a {kind}, not a run: {way} goes on with it")
        if "stream" in status:
            raise RunError(f"run '{directory.name}' is a stream: train_stream(resume=…) goes on with it")
        if status.get("state") == "done":
            raise RunError(f"run '{directory.name}' is done: --from {directory.name} starts a new run from its weights")
        job, recipe = recorded(directory, "start it anew")
        if job.data == STANDARD_INPUT and data is None:
            raise UsageError(
                f"run '{directory.name}' was trained on the standard input: give the same rows again, "
                f"as in cat FILE | entrena train - --resume {directory.name}"
            )
        if not job.from_file and data is None:
            raise UsageError(
                f"run '{directory.name}' was trained on data handed in from Python: "
                "give the same to train(data=…, resume=…)"
            )
        rows = {name: job.files.get(name) or None if given is None else given for name, given in own.items()}
        for name in job.files:
            if rows[name] is None:
                raise UsageError(f"run '{directory.name}' was given {name}_data: give the same to train(resume=…)")
        divided, start = read_again(directory.name, job, recipe, data, rows, "--resume needs the same rows")
        prepared = prepare(recipe, divided.schema, divided.parts, start=start)
        held = held_out(divided, job)
        saved = load_checkpoint(directory.checkpoint_path)
        checkpoint = None if saved is None else Checkpoint.from_parts(prepared.template(), *saved)
        del divided
        with directory.telling_failure():
            directory.write_status({"state": "running", "error": None})
            return _train(prepared, held, directory, checkpoint, callbacks)


def _train(
    prepared: Prepared,
    held: HeldOut,
    directory: RunDirectory | None,
    checkpoint: Checkpoint | None,
    callbacks: Sequence[OnLook],
) -> Run:
    """Trains, scores and saves; the directory is locked by the caller."""
    if prepared.plan.optimizer_bytes >= TOLD_BYTES:
        told = f"{prepared.recipe.training.optimizer.name} takes {size(prepared.plan.optimizer_bytes)} of memory"
        for bar in callbacks:
            if isinstance(bar, ProgressBar):
                bar.say(told)
    if directory is None:
        with interrupt_as_flag() as interrupted:
            fitted = fit(prepared, Watchers(callbacks, None, interrupted), checkpoint)
        return run_of(prepared, fitted, held, None, fitted.training.history)
    # The history's table at the end needs Polars: it is imported while the program compiles, which takes longer.
    threading.Thread(target=importlib.import_module, args=("polars",), daemon=True).start()
    fitted, history = _train_recorded(prepared, directory, checkpoint, callbacks)
    fitted.model.save(directory.model_path)  # whatever happens while it is scored
    run = run_of(prepared, fitted, held, directory.path, history)
    save_run(run, directory)
    return run


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
            if monotonic() >= next_beat:
                directory.heartbeat()
                next_beat = monotonic() + HEARTBEAT_SECONDS

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


def _refuse_dataas_recipe(recipe: Any, data: Any) -> None:
    """Raises a UsageError where the table stands in the recipe's place, which comes first."""
    is_name = isinstance(recipe, str | Path)
    is_table = is_name and (str(recipe) in EMBEDDED or not str(recipe).endswith((".toml", ".json")))
    if is_table or is_frame(recipe) or isinstance(recipe, tuple):
        said = repr(str(recipe)) if is_name else "…"
        target = f", target={data!r}" if isinstance(data, str) else ", target=…"
        raise UsageError(f"the first argument is the recipe, not the data: train(data={said}{target})")


def _short_name(source: str) -> str:
    return Path(source).stem or "data"
