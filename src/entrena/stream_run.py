"""A run over rows as they come: `train_stream()`, and going on with a stream that was stopped.

first rows → what the columns are → a learner, which follows the stream to its end

Memory holds the rows that were looked at ahead and one block, however long the stream is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from time import time as clock
from typing import Any

import numpy as np

from entrena.data import EMBEDDED, Examples, ReadOptions, RowStream, Schema, infer_schema
from entrena.data.files import STANDARD_INPUT
from entrena.data.schema import Label
from entrena.errors import DataError, Problem, RecipeError, RunError, UsageError
from entrena.finished_run import Run
from entrena.following import FIRST_ROWS, LOOK_ROWS, Following, StreamOptions
from entrena.interrupt import interrupt_as_flag
from entrena.job import Job, absolute, make_job, typed
from entrena.learner import Learner, check_streamable, restored
from entrena.model import Model
from entrena.recipe import Recipe, as_recipe
from entrena.reporting.stream_bar import saying_so
from entrena.storage import RunDirectory, load_checkpoint
from entrena.training.optimizers import is_batch_only
from entrena.training.watching import OnLook, as_watchers

# What an ordinary run has, and a stream has not: with another value than the usual one somebody meant something by it.
NOT_OF_STREAMS = ("max_epochs", "patience", "validation_fraction")


def train_stream(
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    data: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    roles: Mapping[str, str] | None = None,
    weight: str | None = None,
    classes: Sequence[Any] = (),
    first_rows: int | None = None,
    warm_rows: int | None = None,
    look_rows: int = LOOK_ROWS,
    options: ReadOptions | None = None,
    from_run: str | Path | None = None,
    resume: str | Path | None = None,
    callbacks: Sequence[OnLook] = (),
    runs_dir: str | Path = "runs",
    name: str | None = None,
    save: bool = True,
    verbose: bool = False,
) -> Run:
    """Trains a network on rows as they come, each tested before it is learned, and saves the run.

    What the columns are is found from the first rows: `first_rows` of them, or as many as there are.

    Args:
        recipe: The choices, as for `train`; the mode is online.
        data: The path of a file of separated values or JSON lines, `-` for the standard input, an open file of bytes,
            or the name of an embedded set.
        target: The target column, or several for a regression with several outputs.
        task: `classification` or `regression`, where the first rows do not tell.
        roles: What columns are, by name, where their content does not tell.
        weight: The column that says how much each row counts.
        classes: All labels that will ever come; empty: the first rows show them all.
        first_rows: How many rows are waited for before the first is learned; None: 1,000, or the `warm_rows`.
        warm_rows: How many first rows say what means and deviations are, once and for all; None: these are those of
            the rows so far, at every row.
        look_rows: Rows between two looks: a line of the history, a call of the callbacks.
        options: How a text is written, where that is not to be found from its first rows.
        from_run: A run or model whose weights and preprocessing are the start.
        resume: A stream that was stopped or came to its end: goes on after the last row that it learned. A file is
            read from that row on; the standard input, or other data, has to bring the rows that follow.
        callbacks: Functions called with a `Progress` at each look; the answer "stop" ends the run.
        runs_dir: Where run directories are made.
        name: The last part of the run's name; None: the data's.
        save: Whether a run directory is made at all.
        verbose: Whether a bar is shown.

    Returns:
        The run; `prequential` has the scores of all rows, each tested before it was learned.

    Raises:
        EntrenaError: A wrong recipe, column, value or file; what was learned until then is kept.
    """
    watchers = as_watchers(callbacks)
    if resume is not None:
        given: dict[str, Any] = {"recipe": recipe, "target": target, "task": task, "roles": roles, "weight": weight}
        given |= {
            "classes": classes or None,
            "first_rows": first_rows,
            "warm_rows": warm_rows,
            "options": options,
            "from_run": from_run,
        }
        wrong = [argument for argument, value in {**given, "name": name}.items() if value is not None]
        if wrong:
            raise UsageError(f"resume goes on with the run's own choices: leave out {', '.join(wrong)}")
        return _resume(Path(resume), data, watchers, verbose=verbose)
    if data is None:
        raise UsageError("no data: give the path of a file, - for the standard input, or the name of an embedded set")
    if first_rows is not None and warm_rows is not None:
        raise UsageError("warm_rows are the first rows: leave out first_rows")
    for argument, value in (("look_rows", look_rows), ("first_rows", first_rows), ("warm_rows", warm_rows)):
        if value is not None and value < 1:
            raise UsageError(f"{argument}: {value} is not allowed: at least 1")
    start = None if from_run is None else Model.load(from_run)
    if start is not None and (first_rows is not None or warm_rows is not None or classes or roles or task is not None):
        raise UsageError(
            "from_run takes the model's columns and statistics: leave out first_rows, warm_rows, classes, roles, task"
        )
    chosen = _online(as_recipe(recipe, Recipe() if start is None else recipe_for_stream(start.recipe)))
    job = make_job(
        data if isinstance(data, str | Path) else STANDARD_INPUT,
        target=target,
        task=task,
        test_fraction=0.0,
        roles=roles,
        rows={"weight": weight, "group": None, "time": None},
        options=options,
        metrics=(),
        own={},
    )
    check_streamable(chosen)  # before the first rows are waited for
    told = StreamOptions(look_rows, first_rows or FIRST_ROWS, warm_rows, tuple(str(label) for label in classes))
    with interrupt_as_flag() as interrupted, _opened(data, job, start, classes) as source:
        n_there = 0
        if start is not None:
            learner = Learner.of_model(start, chosen)
        else:
            waiting = saying_so(interrupted, told.n_ahead) if verbose else interrupted
            learner, n_there = _begun(chosen, job, told, source, waiting, classes)
        follow = Following(learner, told, watchers, interrupted, source, verbose=verbose, least_rows=n_there)
        if not save:
            return follow.run(None, 0)
        directory = RunDirectory.create(runs_dir, name or Path(source.source).stem or "stream")
        with directory, directory.telling_failure():
            directory.write_recipe(chosen.to_toml())
            status = {"state": "running", "created": clock(), "data": source.source, "task": learner.schema.task}
            directory.write_status({**status, "job": job.to_plain(), "stream": asdict(told)})
            return follow.run(directory, 0)


def recipe_for_stream(recipe: Recipe) -> Recipe:
    """The recipe of a model, for a stream that begins with it: what only a pass over all rows knows is left out."""
    usual = Recipe()
    plain: dict[str, Any] = {"refit": False, "calibration": "none", "early_stopping": "auto", "order": "shuffled"}
    plain |= {name: getattr(usual.training, name) for name in NOT_OF_STREAMS}
    plain |= {"schedule": usual.rate.schedule.to_plain(), "batch_size": "auto", "mode": "online"}
    if recipe.targets.class_weight == "balanced":
        plain["class_weight"] = None
    return recipe.change(plain)


def _online(recipe: Recipe) -> Recipe:
    if recipe.training.mode in ("mini_batch", "batch"):
        mode = recipe.training.mode
        raise UsageError(f"training.mode: '{mode}' gathers rows; a stream learns each as it comes: take online")
    usual = Recipe().training
    given = [name for name in NOT_OF_STREAMS if getattr(recipe.training, name) != getattr(usual, name)]
    if given:
        said = "means nothing in a stream, which is learned once and holds no rows back: leave it out"
        raise RecipeError([Problem(f"training.{name}", said) for name in given])
    if is_batch_only(recipe.training.optimizer):
        check_streamable(recipe)  # says what to take instead, before the mode is found not to fit
    return recipe.change({"mode": "online"})


def _opened(data: Any, job: Job, start: Model | None, classes: Sequence[Any] = ()) -> RowStream:
    target = job.target
    if target is None and isinstance(data, str) and data in EMBEDDED:
        target = EMBEDDED[data].load().target_names
    if target is None and start is not None:
        target = start.schema.target_names
    if target is None:
        raise UsageError("which column is to be predicted? say --target NAME (in Python target=NAME)")
    texts = {column for column, role in job.roles.items() if role == "category"}
    texts |= set() if start is None else start.schema.text_columns
    if any(isinstance(_as_number(str(label)), str) for label in classes):
        texts |= set(target)  # the first rows may show numbers only
    return RowStream.open(
        data,
        target=target,
        rows=job.row_columns,
        options=job.read_options,
        text_columns=frozenset(texts),
        like=None if start is None else start.schema.found,
    )


def _begun(
    recipe: Recipe,
    job: Job,
    told: StreamOptions,
    source: RowStream,
    interrupted: Callable[[], bool],
    classes: Sequence[Any],
) -> tuple[Learner, int]:
    """A learner for the columns that the first rows show.

    After Ctrl-C the rows that are there by then are all that there are, and their number is given back as well, else 0.
    """
    try:
        first = source.ahead(told.n_ahead, stop=interrupted)
        n_there = first.n_rows + first.n_without_target
        if told.warm_rows is not None and n_there < told.warm_rows:
            raise DataError(f"{source.source} has {n_there:,} rows, and warm_rows asks for {told.warm_rows:,}")
        schema = _with_classes(first, job.task, classes)
        schema = typed(schema, job, first, first, first.n_rows)
        learner = Learner.begin(recipe, schema, first, running=told.warm_rows is None)
    except DataError as error:
        if interrupted():
            raise KeyboardInterrupt(
                f"interrupted before the first rows were there: nothing was learned ({error})"
            ) from None
        raise
    n_counting = first.n_rows if first.weight is None else int(np.count_nonzero(first.weight))
    return learner, n_counting if interrupted() else 0


def _with_classes(first: Examples, task: str | None, classes: Sequence[Any]) -> Schema:
    """Task and classes by the first rows, or by all labels that the user names."""
    if not classes:
        try:
            return infer_schema(first, task)  # type: ignore[arg-type]
        except DataError as error:
            if "one class only" not in str(error):
                raise
            said = "if others come later, name all labels: --classes A,B,… (in Python classes=[…])"
            raise DataError(f"{error}; {said}") from None
    if task == "regression":
        raise UsageError("classes are for classification: leave out --classes, or --task regression")
    assert first.targets is not None
    are_texts = first.targets.dtype.kind in "UTO"
    labels = {label if are_texts else _as_number(label) for label in (str(each) for each in classes)}
    if len(labels) < 2:
        raise UsageError("classes: at least two labels are needed")
    ordered = sorted(labels, key=lambda label: (isinstance(label, str), label))
    return Schema((), first.target_names, "classification", tuple(ordered))


def _as_number(text: str) -> Label:
    if text in ("true", "True", "false", "False"):
        return text.lower() == "true"
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


def _resume(path: Path, data: Any, watchers: tuple[OnLook, ...], *, verbose: bool) -> Run:
    directory = RunDirectory.open(path)
    with directory:
        status = directory.status()
        if "stream" not in status:
            raise RunError(f"run '{directory.name}' is no stream: train(resume=…) goes on with it")
        job = Job.from_plain(status["job"])
        told = StreamOptions(**{**status["stream"], "classes": tuple(status["stream"]["classes"])})
        saved = load_checkpoint(directory.checkpoint_path)
        if saved is None or not directory.model_path.exists():
            raise RunError(f"run '{directory.name}' has learned no row yet: start it anew")
        arrays, record = saved
        learner = restored(Model.load(directory.model_path), arrays, record)
        if not job.from_file and data is None:
            raise UsageError(
                f"run '{directory.name}' learned from the standard input: bring it the rows that follow, "
                f"as in … | entrena train - --resume {directory.name}"
            )
        is_own_file = job.from_file and (data is None or (isinstance(data, str | Path) and absolute(data) == job.data))
        with (
            interrupt_as_flag() as interrupted,
            _opened(job.data if data is None else data, job, learner.model()) as source,
        ):
            if is_own_file and told.n_ahead != FIRST_ROWS:
                source.ahead(told.n_ahead, stop=interrupted)  # they said how the file is written
            follow = Following(
                learner,
                told,
                watchers,
                interrupted,
                source,
                verbose=verbose,
                is_elsewhere=job.from_file and not is_own_file,
            )
            follow.restore(arrays, record)
            with directory.telling_failure():
                directory.write_status({"state": "running", "error": None})
                return follow.run(directory, follow.n_taken if is_own_file else 0)
