"""Following a stream: its rows are tested and learned, its looks recorded, and what was learned is kept.

    for each block of rows:   test them, learn them           in their sequence, an update for each row
                              every `look_rows` rows → history, callbacks
                              now and then → checkpoint, model

Where the blocks are cut changes nothing: not the weights, the looks or the scores.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import numpy as np

from entrena.data import Examples, RowStream
from entrena.data.schema import OF_NO_KNOWN_CLASS, UNKNOWN_CLASS
from entrena.diagnosis import Finding, diverged, doubtful_choices
from entrena.errors import DataError, shortened
from entrena.finished_run import Run, save_run
from entrena.learner import Learner
from entrena.model import Model, true_values
from entrena.preprocessing import RunningInputs
from entrena.prequential import Prequential
from entrena.registry import Choice
from entrena.reporting.stream_bar import StreamBar
from entrena.storage import HistoryWriter, RunDirectory, read_last_records, save_checkpoint
from entrena.training.optimizers import own_default
from entrena.training.stopping import Outcome, OutcomeName
from entrena.training.watching import OnLook, Progress

LOOK_ROWS = 1_000
FIRST_ROWS = 1_000
CHECKPOINT_SECONDS = 10.0
HEARTBEAT_SECONDS = 2.0
MOST_LOOKS = 10_000  # of a run's history in memory; `history.jsonl` has them all


@dataclass(frozen=True)
class StreamOptions:
    """What a stream needs to be told again when it goes on; a part of the run's `status.json`.

    Attributes:
        look_rows: Rows between two looks.
        first_rows: Those by which the columns and classes are known.
        warm_rows: The first rows whose means and deviations stay, and which say what the columns are; None: they run.
        classes: All labels that will come, as texts; empty: those of the first rows.
    """

    look_rows: int = LOOK_ROWS
    first_rows: int = FIRST_ROWS
    warm_rows: int | None = None
    classes: tuple[str, ...] = ()

    @property
    def n_ahead(self) -> int:
        """How many rows are looked at before the first one is learned."""
        return self.warm_rows or self.first_rows


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of a block that are learned at once.

    Attributes:
        examples: The rows.
        n_taken: Rows of the source that are done with once these are learned, those left out among them.
        n_without_target: How many of them have no target.
    """

    examples: Examples
    n_taken: int
    n_without_target: int


class Following:
    """Follows a stream to its end, or to where it is stopped.

    Args:
        learner: What learns the rows.
        told: How.
        watchers: Called at each look.
        interrupted: Whether Ctrl-C was pressed.
        source: The rows.
        verbose: Whether a bar is shown.
        is_elsewhere: Whether the rows are not those of the run's own file, whose position stays then.
        least_rows: Rows that are learned even if Ctrl-C was pressed: those that were there while others were awaited.
    """

    def __init__(
        self,
        learner: Learner,
        told: StreamOptions,
        watchers: tuple[OnLook, ...],
        interrupted: Callable[[], bool],
        source: RowStream,
        *,
        verbose: bool,
        is_elsewhere: bool = False,
        least_rows: int = 0,
    ) -> None:
        self.learner, self.told, self.watchers = learner, told, watchers
        self.interrupted, self.source, self.verbose = interrupted, source, verbose
        self.scores = Prequential(learner.recipe, learner.schema, learner.network.output)
        self.history: deque[Mapping[str, Any]] = deque(maxlen=MOST_LOOKS)
        self.n_looks = self.n_without_target = self.n_taken = 0
        self._taken_before = self._without_before = 0
        self.is_elsewhere, self.least_rows = is_elsewhere, least_rows
        self.seconds_before = 0.0
        self.started = monotonic()
        self.ended: Outcome | None = None
        self.findings: tuple[Finding, ...] = doubtful_choices(learner.recipe)

    @property
    def seconds(self) -> float:
        """Time of the stream so far, waiting included."""
        return self.seconds_before + monotonic() - self.started

    def restore(self, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
        """Goes on where a checkpoint was written."""
        under = {name.removeprefix("scores."): each for name, each in arrays.items() if name.startswith("scores.")}
        self.scores.restore(under)
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
                self._save(directory, writer)
            try:
                self._follow(directory, writer, bar, skip)
            except DataError as error:
                raise DataError(self._after_a_bad_row(str(error), directory)) from error
            finally:  # whatever is wrong with a row, what was learned before it is kept
                if directory is not None:
                    self._save(directory, writer)
        run = self._finished(directory)
        if directory is not None:
            save_run(run, directory)
        return run

    def _after_a_bad_row(self, said: str, directory: RunDirectory | None) -> str:
        """What is wrong with a row, and what to do then."""
        is_unknown = OF_NO_KNOWN_CLASS in said or UNKNOWN_CLASS in said
        if is_unknown and not self.told.classes:
            said += "; labels that come later are named at the start: --classes A,B,… (in Python classes=[…])"
        if directory is None:
            return said
        name = shortened(directory.name)
        return (
            f"{said}\nThe {self._rows} before are learned and saved: mend the row, then entrena train --resume {name}"
        )

    def _follow(
        self, directory: RunDirectory | None, writer: HistoryWriter | None, bar: StreamBar | None, skip: int
    ) -> None:
        next_save, next_beat = monotonic() + CHECKPOINT_SECONDS, 0.0
        self._taken_before, self._without_before = self.n_taken - skip, self.n_without_target
        for part in self._parts(skip):
            self._learn(part, writer)
            if bar is not None:
                bar.show(self.learner.n_rows, self.seconds, self.scores.overall())
            self._check_end()
            if self.ended is not None:
                return
            now = monotonic()
            if directory is not None and now >= next_save:
                self._save(directory, writer)
                next_save = monotonic() + max(CHECKPOINT_SECONDS, 100 * (monotonic() - now))
            if directory is not None and now >= next_beat:
                directory.heartbeat()
                next_beat = now + HEARTBEAT_SECONDS
        self._count(self.source.n_rows, self.source.n_without_target)  # the last may have no target
        self.least_rows = 0
        self._check_end()
        if self.ended is None:
            self.ended = Outcome("end_of_stream", f"All {self._rows} of the stream were learned.")

    def _check_end(self) -> None:
        limit = self.learner.recipe.training.max_seconds
        if self.ended is not None:
            return
        if self.interrupted() and self.learner.n_rows >= self.least_rows:
            self._end("interrupted", f"Interrupted after {self._rows}.")
        elif limit is not None and self.seconds >= limit:
            self._end("out_of_time", f"Stopped after {self._rows}: max_seconds was reached.")

    def _end(self, name: OutcomeName, sentence: str) -> None:
        self.ended = Outcome(name, sentence)

    @property
    def _rows(self) -> str:
        n = self.learner.n_rows
        return f"{n:,} row{'' if n == 1 else 's'}"

    def _parts(self, skip: int) -> Iterator[Part]:
        """The rows, cut at the looks."""
        n_taken, n_without = skip, 0
        for block in self.source.blocks(self.learner.schema, skip=skip, stop=self.interrupted):
            for part in self._cut(block):
                yield replace(part, n_taken=n_taken + part.n_taken, n_without_target=n_without + part.n_without_target)
            n_taken, n_without = self.source.n_rows, self.source.n_without_target

    def _cut(self, block: Examples) -> Iterator[Part]:
        """The rows of a block that count, cut at the looks, and where many rows would take long.

        The numbers of the parts are those of the block's rows.
        """
        counting = np.arange(block.n_rows) if block.weight is None else np.flatnonzero(block.weight)
        # Where each stands among the block's rows, those without a target among them.
        places = counting if block.inputs.rows is None else block.inputs.rows[counting]
        at = 0
        while at < len(counting):
            left = self.told.look_rows - self.scores.n_in_window
            stop = at + min(len(counting) - at, left, self.learner.stream.plan.updates_a_call)
            examples = block if stop - at == block.n_rows else block.take(counting[at:stop])
            last = stop - 1
            yield Part(examples, int(places[last]) + 1, int(places[last] - counting[last]))
            at = stop

    def _count(self, n_taken: int, n_without_target: int) -> None:
        """Counts the rows of the source that are done with."""
        self.n_without_target = self._without_before + n_without_target
        if not self.is_elsewhere:
            self.n_taken = self._taken_before + n_taken

    def _learn(self, part: Part, writer: HistoryWriter | None) -> None:
        learner, examples = self.learner, part.examples
        before = learner.mark()
        tested = learner.learn(examples)
        losses = tested.losses
        finite = np.isfinite(losses)
        if not (finite.all() and learner.stream.is_finite):
            learner.go_back(before)  # the weights go back to where they stood before these rows
            self._diverge(int(np.argmin(finite)) if not finite.all() else len(losses) - 1)
            return
        assert examples.targets is not None
        truth = true_values(learner.schema, examples.targets, examples.source)
        predicted = tested.z if learner.schema.classes is not None else tested.numbers
        self.scores.add(truth, predicted, tested.reported_losses, examples.weight)
        self._count(part.n_taken, part.n_without_target)
        if self.scores.n_in_window >= self.told.look_rows:
            self._look(writer)

    def _diverge(self, row: int) -> None:
        learner, plan = self.learner, self.learner.stream.plan
        n = learner.n_rows
        kept = f"The weights after row {n:,} are kept." if n else "The initial weights are kept."
        sentence = f"Diverged at row {n + row + 1:,} of the stream: the loss or a weight is no number. {kept}"
        self._end("diverged", sentence)
        found = diverged(
            sentence,
            1,
            learning_rate=plan.learning_rate,
            usual_rate=(own_default(Choice(plan.structure.optimizer), "learning_rate") or plan.learning_rate) / 10,
            weight_decay=plan.optimizer_settings.get("weight_decay", 0.0),
        )
        self.findings += tuple(replace(finding, place=f"row {n + row + 1:,}") for finding in found)

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
            self._end("stopped_by_callback", f"Stopped after {self._rows} by a callback.")

    def _save(self, directory: RunDirectory, writer: HistoryWriter | None) -> None:
        """A checkpoint, and the model as it is now."""
        if writer is not None:
            writer.flush(durable=True)
        arrays, record = self.learner.to_parts()
        arrays |= {f"scores.{name}": each for name, each in self.scores.to_arrays().items()}
        own: dict[str, Any] = {"n_looks": self.n_looks, "n_taken": self.n_taken}
        own |= {"n_without_target": self.n_without_target, "seconds": self.seconds}
        self._model().save(directory.model_path)
        save_checkpoint(directory.checkpoint_path, arrays, {**record, **own})

    def _model(self) -> Model:
        # Whoever finds the model of a stream that was killed is told how far it came.
        outcome = self.ended or Outcome("interrupted", f"Interrupted after {self._rows}.")
        facts: dict[str, Any] = {"outcome": outcome.name, "sentence": outcome.sentence, "seconds": self.seconds}
        facts |= {"prequential": self.scores.overall(), "looks": self.n_looks}
        facts["running_statistics"] = isinstance(self.learner.inputs, RunningInputs)
        return self.learner.model(facts)

    def _finished(self, directory: RunDirectory | None) -> Run:
        model = self._model()
        outcome = Outcome(model.facts["outcome"], model.facts["sentence"])
        sizes = {"training": self.learner.n_rows, "validation": 0, "test": 0}
        data = {"source": self.source.source, "read": "", "rows_without_target": self.n_without_target}
        data["rows_taken"] = self.n_taken
        data |= {"rows_of_weight_0": 0, "shared_groups": {}, "repeated": {}}
        facts = {**model.facts, "validation": None, "test": None, "sizes": sizes, "data": data, "comparison": None}
        model = replace(model, facts=facts)
        history, path = tuple(self.history), None
        if directory is not None:
            history, path = tuple(read_last_records(directory.history_path, MOST_LOOKS)), directory.path
        told = None, None, None, sizes, data
        return Run(
            path, model.recipe, model.schema, model, history, outcome, *told, self.findings, self.scores.overall()
        )
