"""A run over rows as they come: `train_stream()`, and going on with a stream that was stopped.

    for each block of rows:   test them, learn them           in their sequence, an update for each row
                              every `look_rows` rows → history, callbacks
                              now and then → checkpoint, model

Memory holds the rows that were looked at ahead and one block, however long the stream is.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from time import time as clock
from typing import Any

import numpy as np

from entrena.data import EMBEDDED, Examples, ReadOptions, RowStream, Schema, infer_schema
from entrena.data.files import STANDARD_INPUT
from entrena.data.schema import Label
from entrena.diagnosis import Finding, diverged
from entrena.errors import DataError, RunError, UsageError
from entrena.finished_run import Run, save_run
from entrena.interrupt import interrupt_as_flag
from entrena.job import Job, make_job, typed
from entrena.learner import Learner, restored
from entrena.model import Model, true_values
from entrena.prequential import Prequential
from entrena.recipe import Recipe, as_recipe
from entrena.registry import Choice
from entrena.reporting.stream_bar import StreamBar
from entrena.storage import HistoryWriter, RunDirectory, load_checkpoint, read_history, save_checkpoint
from entrena.training.optimizers import own_default
from entrena.training.stopping import Outcome
from entrena.training.watching import OnLook, Progress, as_watchers

LOOK_ROWS = 1_000
FIRST_ROWS = 1_000  # by which the columns and classes are known, where no warm rows are asked for
CHECKPOINT_SECONDS = 10.0
HEARTBEAT_SECONDS = 2.0


@dataclass(frozen=True)
class StreamOptions:
    """What a stream needs to be told again when it goes on; a part of the run's `status.json`.

    Attributes:
        look_rows: Rows between two looks.
        warm_rows: The first rows whose means and deviations stay; None: they run.
        classes: All labels that will come, as texts; empty: those of the first rows.
    """

    look_rows: int = LOOK_ROWS
    warm_rows: int | None = None
    classes: tuple[str, ...] = ()


def train_stream(
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    data: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    roles: Mapping[str, str] | None = None,
    weight: str | None = None,
    classes: Sequence[Any] = (),
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

    What the columns are is found from the first rows: `warm_rows` of them, else 1,000 or as many as there are.

    Args:
        recipe: The choices, as for `train`; the mode is online.
        data: The path of a file of separated values or JSON lines, `-` for the standard input, an open file of bytes,
            or the name of an embedded set.
        target: The target column, or several for a regression with several outputs.
        task: `classification` or `regression`, where the first rows do not tell.
        roles: What columns are, by name, where their content does not tell.
        weight: The column that says how much each row counts.
        classes: All labels that will ever come; empty: the first rows show them all.
        warm_rows: How many first rows say what means and deviations are, once and for all; None: these are those of
            the rows so far, at every row.
        look_rows: Rows between two looks: a line of the history, a call of the callbacks.
        options: How a text is written, where that is not to be found from its first rows.
        from_run: A run or model whose weights and preprocessing are the start.
        resume: A stream that was stopped or came to its end: goes on after the last row that it learned. A file is
            read from that row on; the standard input has to bring the rows that follow.
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
        return _resume(Path(resume), data, watchers, verbose=verbose)
    if data is None:
        raise UsageError("no data: give the path of a file, - for the standard input, or the name of an embedded set")
    for given, value in (("look_rows", look_rows), ("warm_rows", warm_rows)):
        if value is not None and value < 1:
            raise UsageError(f"{given}: {value} is not allowed: at least 1")
    start = None if from_run is None else Model.load(from_run)
    if start is not None and (warm_rows is not None or classes or roles or task is not None):
        raise UsageError("from_run takes the model's columns and statistics: leave out warm_rows, classes, roles, task")
    chosen = _online(as_recipe(recipe, Recipe() if start is None else _as_stream(start.recipe)))
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
    told = StreamOptions(look_rows, warm_rows, tuple(str(label) for label in classes))
    with interrupt_as_flag() as interrupted, _opened(data, job, start) as source:
        if start is not None:
            learner = Learner.of_model(start, chosen)
        else:
            learner = _begun(chosen, job, told, source, interrupted, classes)
        follow = _Follow(learner, told, watchers, interrupted, source, verbose=verbose)
        if not save:
            return follow.run(None, 0)
        directory = RunDirectory.create(runs_dir, name or Path(source.source).stem or "stream")
        with directory, directory.telling_failure():
            directory.write_recipe(chosen.to_toml())
            status = {"state": "running", "created": clock(), "data": source.source, "task": learner.schema.task}
            directory.write_status({**status, "job": job.to_plain(), "stream": asdict(told)})
            return follow.run(directory, 0)


def _as_stream(recipe: Recipe) -> Recipe:
    """The recipe of a model, for a stream: what only a pass over all rows knows is left out."""
    plain: dict[str, Any] = {"refit": False, "calibration": "none", "early_stopping": "auto", "order": "shuffled"}
    usual = Recipe()
    plain |= {"schedule": usual.rate.schedule.to_plain(), "batch_size": "auto", "mode": "online"}
    return recipe.change(plain)


def _online(recipe: Recipe) -> Recipe:
    if recipe.training.mode in ("mini_batch", "batch"):
        mode = recipe.training.mode
        raise UsageError(f"training.mode: '{mode}' gathers rows; a stream learns each as it comes: take online")
    return recipe.change({"mode": "online"})


def _opened(data: Any, job: Job, start: Model | None) -> RowStream:
    target = job.target
    if target is None and isinstance(data, str) and data in EMBEDDED:
        target = EMBEDDED[data].load().target_names
    if target is None and start is not None:
        target = start.schema.target_names
    if target is None:
        raise UsageError("which column is to be predicted? say --target NAME (in Python target=NAME)")
    texts = {column for column, role in job.roles.items() if role == "category"}
    texts |= set() if start is None else start.schema.text_columns
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
) -> Learner:
    """A learner for the columns that the first rows show."""
    first = source.ahead(told.warm_rows or FIRST_ROWS, stop=interrupted)
    if told.warm_rows is not None and first.n_rows + first.n_without_target < told.warm_rows:
        raise DataError(f"{source.source} has {first.n_rows:,} rows, and warm_rows asks for {told.warm_rows:,}")
    schema = _with_classes(first, job.task, classes)
    schema = typed(schema, job, first, first, first.n_rows)
    return Learner.begin(recipe, schema, first, running=told.warm_rows is None)


def _with_classes(first: Examples, task: str | None, classes: Sequence[Any]) -> Schema:
    """Task and classes by the first rows, or by all labels that the user names."""
    if not classes:
        return infer_schema(first, task)  # type: ignore[arg-type]
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
        source_is_file = job.from_file and data in (None, job.data)
        given = job.data if data is None else data
        if not job.from_file and data is None:
            raise UsageError(
                f"run '{directory.name}' learned from the standard input: bring it the rows that follow, "
                f"as in … | entrena train - --resume {directory.name}"
            )
        with interrupt_as_flag() as interrupted, _opened(given, job, learner.model()) as source:
            follow = _Follow(learner, told, watchers, interrupted, source, verbose=verbose)
            follow.restore(arrays, record)
            with directory.telling_failure():
                directory.write_status({"state": "running", "error": None})
                return follow.run(directory, int(record["n_taken"]) if source_is_file else 0)


class _Follow:
    """Follows a stream: tests and learns its rows, looks, and keeps what was learned."""

    def __init__(
        self,
        learner: Learner,
        told: StreamOptions,
        watchers: tuple[OnLook, ...],
        interrupted: Callable[[], bool],
        source: RowStream,
        *,
        verbose: bool,
    ) -> None:
        self.learner, self.told, self.watchers = learner, told, watchers
        self.interrupted, self.source, self.verbose = interrupted, source, verbose
        self.scores = Prequential(learner.recipe, learner.schema, learner.network.output)
        self.history: list[dict[str, Any]] = []
        self.n_looks = self.n_without_target = self.n_taken = 0
        self.seconds_before = 0.0
        self.started = monotonic()
        self.ended: Outcome | None = None
        self.findings: tuple[Finding, ...] = ()

    @property
    def seconds(self) -> float:
        """Time of the stream so far, waiting included."""
        return self.seconds_before + monotonic() - self.started

    def restore(self, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
        """Goes on where `checkpoint` stopped."""
        under = {name.removeprefix("scores."): each for name, each in arrays.items() if name.startswith("scores.")}
        self.scores.restore(under, record["scores"])
        self.n_looks, self.n_taken = int(record["n_looks"]), int(record["n_taken"])
        self.n_without_target, self.seconds_before = int(record["n_without_target"]), float(record["seconds"])

    def run(self, directory: RunDirectory | None, skip: int) -> Run:
        """Learns all rows that come.

        Args:
            directory: Where history, checkpoints and the model go, or None.
            skip: Rows of the source that were learned before.
        """
        with contextlib.ExitStack() as stack:
            bar = stack.enter_context(StreamBar()) if self.verbose else None
            writer = None
            if directory is not None:
                writer = stack.enter_context(HistoryWriter(directory.history_path))
                writer.truncate_to(self.n_looks)
                self._save(directory)
            try:
                self._follow(directory, writer, bar, skip)
            except BaseException:
                if directory is not None:  # whatever is wrong with a row, what was learned before it is kept
                    self._save(directory, writer)
                raise
            if directory is not None:
                self._save(directory, writer)
        run = self._finished(directory)
        if directory is not None:
            save_run(run, directory)
        return run

    def _follow(
        self, directory: RunDirectory | None, writer: HistoryWriter | None, bar: StreamBar | None, skip: int
    ) -> None:
        next_save = monotonic() + CHECKPOINT_SECONDS
        next_beat = 0.0
        taken, left_out = self.n_taken - skip, self.n_without_target
        for block in self.source.blocks(self.learner.schema, skip=skip, stop=self.interrupted):
            for part in self._cut(block):
                self._learn(part)
                if not self.has_diverged and self.scores.n_in_window >= self.told.look_rows:
                    self._look(writer)
                if self.has_diverged:
                    break
            self.n_taken = taken + self.source.n_rows
            self.n_without_target = left_out + self.source.n_without_target
            if bar is not None:
                bar.show(self.learner.n_rows, self.seconds, self.scores.overall())
            now = monotonic()
            limit = self.learner.recipe.training.max_seconds
            if self.ended is None and limit is not None and self.seconds >= limit:
                self.ended = Outcome("out_of_time", f"{self._rows} were learned: max_seconds was reached.")
            if self.ended is not None or self.interrupted():
                break
            if directory is not None and now >= next_save:
                self._save(directory, writer)
                next_save = monotonic() + max(CHECKPOINT_SECONDS, 100 * (monotonic() - now))
            if directory is not None and now >= next_beat:
                directory.heartbeat()
                next_beat = now + HEARTBEAT_SECONDS
        if self.ended is None and self.interrupted():
            self.ended = Outcome("interrupted", f"Interrupted after {self._rows}.")

    @property
    def has_diverged(self) -> bool:
        """Whether a loss was no number."""
        return self.ended is not None and self.ended.name == "diverged"

    @property
    def _rows(self) -> str:
        n = self.learner.n_rows
        return f"{n:,} row{'' if n == 1 else 's'}"

    def _cut(self, block: Examples) -> Iterator[Examples]:
        """The rows of a block that count, up to the looks: where blocks are cut changes nothing."""
        if block.weight is not None and np.any(block.weight == 0):
            block = block.take(np.flatnonzero(block.weight))
        at = 0
        while at < block.n_rows:
            n = min(block.n_rows - at, self.told.look_rows - self.scores.n_in_window)
            yield block if n == block.n_rows else block.take(np.arange(at, at + n))
            at += n

    def _learn(self, part: Examples) -> None:
        learner = self.learner
        before = learner.stream.state, learner.stream.n_updates, learner.inputs, learner.targets, learner.n_rows
        tested = learner.learn(part)
        losses = tested.losses
        if not np.isfinite(losses).all():
            # The weights go back to where they stood before these rows.
            learner.stream.state, learner.stream.n_updates, learner.inputs, learner.targets, learner.n_rows = before
            self._diverge(int(np.argmin(np.isfinite(losses))))
            return
        assert part.targets is not None
        truth = true_values(learner.schema, part.targets, part.source)
        predicted = tested.z if learner.schema.classes is not None else tested.numbers
        self.scores.add(truth, predicted, losses * self._loss_unit(tested.scale), part.weight)

    def _loss_unit(self, scale: np.ndarray) -> np.ndarray:
        """[rows] or 1: from the network's squared error to the target's unit, as known before each row."""
        one_number = self.learner.schema.classes is None and scale.shape[1] == 1
        return np.square(scale[:, 0]) if one_number else np.ones(1)

    def _diverge(self, row: int) -> None:
        learner, plan = self.learner, self.learner.stream.plan
        n = learner.n_rows + row
        sentence = f"Diverged at row {n:,} of the stream: the loss is no number. The weights of row "
        sentence += f"{learner.n_rows:,} are kept."
        self.ended = Outcome("diverged", sentence)
        self.findings = diverged(
            sentence,
            1,
            learning_rate=plan.learning_rate,
            usual_rate=(own_default(Choice(plan.structure.optimizer), "learning_rate") or plan.learning_rate) / 10,
            weight_decay=plan.optimizer_settings.get("weight_decay", 0.0),
        )

    def _look(self, writer: HistoryWriter | None) -> None:
        loss, score = self.scores.look()
        self.n_looks += 1
        progress = Progress(
            epoch=self.n_looks,
            n_epochs=self.n_looks,
            update=self.learner.stream.n_updates,
            loss=loss,
            penalty=0.0,
            validation_loss=None,
            score=None if math.isnan(score) else score,
            learning_rate=self.learner.stream.plan.learning_rate,
            seconds=self.seconds,
            score_name=self.scores.score_name,
        )
        if writer is not None:
            writer.append(progress.record())
        else:
            self.history.append(progress.record())
        if "stop" in [on_look(progress) for on_look in self.watchers]:
            # The rest of the block at hand is learned still: its rows are taken from the source already.
            self.ended = Outcome("stopped_by_callback", f"Stopped by a callback after {self._rows}.")

    def _save(self, directory: RunDirectory, writer: HistoryWriter | None = None) -> None:
        """A checkpoint, and the model as it is now."""
        if writer is not None:
            writer.flush(durable=True)
        arrays, record = self.learner.to_parts()
        score_arrays, score_record = self.scores.to_parts()
        arrays |= {f"scores.{name}": each for name, each in score_arrays.items()}
        own = {"scores": score_record, "n_looks": self.n_looks, "n_taken": self.n_taken}
        own |= {"n_without_target": self.n_without_target, "seconds": self.seconds}
        self._model().save(directory.model_path)
        save_checkpoint(directory.checkpoint_path, arrays, {**record, **own})

    def _model(self) -> Model:
        outcome = self.ended or Outcome("end_of_stream", f"All {self._rows} of the stream were learned.")
        facts: dict[str, Any] = {"outcome": outcome.name, "sentence": outcome.sentence, "seconds": self.seconds}
        running = self.told.warm_rows is None and self.learner.recipe is not None
        facts |= {"prequential": self.scores.overall(), "looks": self.n_looks, "running_statistics": running}
        return self.learner.model(facts)

    def _finished(self, directory: RunDirectory | None) -> Run:
        model = self._model()
        outcome = Outcome(model.facts["outcome"], model.facts["sentence"])
        sizes = {"training": self.learner.n_rows, "validation": 0, "test": 0}
        data = {"source": self.source.source, "read": "", "rows_without_target": self.n_without_target}
        data |= {"rows_of_weight_0": 0, "shared_groups": {}, "repeated": {}}
        facts = {**model.facts, "validation": None, "test": None, "sizes": sizes, "data": data, "comparison": None}
        model = replace(model, facts=facts)
        history: tuple[Mapping[str, Any], ...] = tuple(self.history)
        path = None
        if directory is not None:
            history, path = tuple(read_history(directory.history_path)), directory.path
        told = None, None, None, sizes, data
        return Run(
            path, model.recipe, model.schema, model, history, outcome, *told, self.findings, self.scores.overall()
        )
