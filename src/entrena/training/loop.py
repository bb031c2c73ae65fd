"""The training loop on the host: what to show next, what came of it, whether to go on.

    for each call:   order, weights, controls         made here while the device computes the call before
                     program(state, …) → new state, losses, validation
                     look at each finished epoch → history, best weights, patience, callbacks, checkpoint

The loop knows neither files nor tables: it is given arrays, and is watched through functions that its caller hands in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from entrena.network.multilayer import Network, Params
from entrena.registry import Choice
from entrena.training import rates
from entrena.training.checkpoint import Checkpoint
from entrena.training.compilation import find_device, precision, use_compilation_cache
from entrena.training.optimizers import is_decoupled
from entrena.training.order import NO_EXAMPLE, ORDERS, batch_weights, batches
from entrena.training.plan import VALIDATION_BLOCK, Plan, round_up
from entrena.training.program import Block, Data, Result, State, accepted, call, initial_state
from entrena.training.scores import sign
from entrena.training.seeds import generator
from entrena.training.stopping import Best, Outcome, OutcomeName, describe_end, out_of_patience

AHEAD_SECONDS = 0.1  # calls shorter than this are computed one ahead of the host's decisions
CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 100  # and a checkpoint that took s seconds is followed by none for 100·s

OnLook = Callable[["Progress"], Literal["stop"] | None]


@dataclass(frozen=True)
class TrainingPart:
    """Examples as the network sees them.

    Attributes:
        inputs: [rows, inputs].
        targets: [rows, outputs].
        weight: The weight of each row, of mean 1 over the rows with a weight above 0, or None: all equal.
        table_rows: Where both arrays are tables of `blank_table`, whose last rows are no examples: how many are. Such
            tables belong to the training and are not copied again.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weight: np.ndarray | None = None
    table_rows: int | None = None

    @property
    def n_rows(self) -> int:
        """The number of examples."""
        return len(self.inputs) if self.table_rows is None else self.table_rows


@dataclass(frozen=True)
class ValidationPart(TrainingPart):
    """Held-out examples, and how good the network's outputs for them are.

    Attributes:
        score: From the output layer's net inputs [rows, outputs] to the score that people read.
    """

    score: Callable[[np.ndarray], float] = field(kw_only=True)


@dataclass(frozen=True)
class Progress:
    """What a callback sees after an epoch; a line of the history.

    Attributes:
        epoch: Epochs done.
        n_epochs: Epochs planned.
        update: Updates done since the start.
        loss: Mean loss of the epoch's examples as trained, before each update, without penalties.
        penalty: λ/2·Σw² after the epoch, where the weight decay is part of the gradient; else 0.
        validation_loss: Mean loss of the validation rows after the epoch, or None.
        score: Their score, or None.
        learning_rate: The rate of the epoch's last update.
        seconds: Training time so far.
    """

    epoch: int
    n_epochs: int
    update: int
    loss: float
    penalty: float
    validation_loss: float | None
    score: float | None
    learning_rate: float
    seconds: float

    def record(self) -> dict[str, Any]:
        """The line of the history."""
        return {name: value for name, value in self.__dict__.items() if name != "n_epochs"}


@dataclass(frozen=True)
class Training:
    """What came of a run.

    Attributes:
        params: The resulting weights, NumPy arrays.
        history: A record for each epoch of this process.
        outcome: How it ended.
        best: The best look.
        form: The form in which the program ran.
        checkpoint: The state in which it ended, from which a run can go on.
    """

    params: Params
    history: tuple[dict[str, Any], ...]
    outcome: Outcome
    best: Best
    form: str
    checkpoint: Checkpoint


class Watchers(NamedTuple):
    """The functions by which the caller follows and steers a run.

    Attributes:
        on_look: Called after each epoch; the answer "stop" ends the run.
        on_checkpoint: Called with a checkpoint from time to time, and at the end.
        interrupted: Asked between calls of the program.
    """

    on_look: Sequence[OnLook] = ()
    on_checkpoint: Callable[[Checkpoint], None] | None = None
    interrupted: Callable[[], bool] = lambda: False


UNWATCHED = Watchers()


def train_network(
    network: Network,
    plan: Plan,
    training: TrainingPart,
    validation: ValidationPart | None = None,
    *,
    start: Params | None = None,
    resume: Checkpoint | None = None,
    loss_unit: float = 1.0,
    watchers: Watchers = UNWATCHED,
) -> Training:
    """Trains a network by a plan.

    Args:
        network: The network; its `initialize` draws the first weights from the plan's seed.
        plan: What to do, in numbers.
        training: The rows that are shown; those of weight 0 are as if absent.
        validation: The rows by which the best weights are chosen.
        start: First weights instead of drawn ones.
        resume: Where an earlier run stopped; goes on bitwise as if it had not.
        loss_unit: Factor from the program's loss to the target's units, in which losses are reported.
        watchers: Who looks on.

    Returns:
        The weights, the history and how it ended.
    """
    use_compilation_cache()
    device = find_device(plan.device)
    training = without_weight_zero(training)
    with precision(plan.dtype):
        if resume is None:
            params = start if start is not None else network.initialize(generator(plan.seed, "weights"), plan.dtype)
            resume = Checkpoint.first(initial_state(plan.structure, params))
        data = jax.device_put(_padded(training, validation, plan), device)
        run = _Run(plan, training, validation, resume, loss_unit, watchers)
        state = jax.device_put(resume.state, device)
        upcoming = iter(()) if run.ended else _calls(plan, training, resume.epoch, resume.update)
        now = next(upcoming, None)
        result = call(plan.structure, state, data, now.block, run.settings) if now else None
        while now is not None and result is not None:
            after = next(upcoming, None)  # its order is made while the device computes
            ahead = call(plan.structure, result.state, data, after.block, run.settings) if after and run.quick else None
            if run.look(now, result):
                break
            if after is not None and ahead is None:
                ahead = call(plan.structure, result.state, data, after.block, run.settings)
            now, result = after, ahead
        return run.finish()


class _Call(NamedTuple):
    """One call of the program: epochs `epoch`+1 … `epoch`+`n_epochs`, or a part of the first of them."""

    epoch: int
    n_epochs: int
    update: int  # first update within the epoch
    n_updates: int
    sequences: list[np.ndarray]  # the rows shown, epoch by epoch
    rates: np.ndarray  # [epochs, updates]
    block: Block

    @property
    def ends_epoch(self) -> bool:
        return bool(self.block.look[0])


def _calls(plan: Plan, training: TrainingPart, epoch: int, update: int) -> Iterator[_Call]:
    """The calls of a run from a position on, each made when it is asked for."""
    rows = np.arange(plan.n_rows, dtype=np.int32)
    uniform: dict[tuple[int, int, int], Any] = {}  # equal weights differ only by position: sent once

    while epoch < plan.max_epochs:
        size = plan.epochs_a_call  # the same for every call, so that one program serves the run
        n_epochs = min(size, plan.max_epochs - epoch)
        n_updates = min(plan.updates_a_call, plan.n_updates - update)
        sequences, tables = [], []
        for e in range(epoch, epoch + n_epochs):
            sequence = _sequence(plan, rows, e)
            sequences.append(sequence[update * plan.batch_size : (update + n_updates) * plan.batch_size])
            tables.append(_pad(batches(sequences[-1], plan.batch_size), plan.updates_a_call))
        tables += [np.full_like(tables[0], NO_EXAMPLE)] * (size - n_epochs)
        order = np.stack(tables)
        key = (n_epochs, n_updates, len(sequences[0]))
        if training.weight is not None:
            weights: Any = _weights(plan, order, training.weight)
        elif key in uniform:
            weights = uniform[key]
        else:
            weights = uniform[key] = jax.device_put(_weights(plan, order, None), find_device(plan.device))
        t = np.arange(size)[:, None] * plan.n_updates + np.arange(plan.updates_a_call)
        t += epoch * plan.n_updates + update
        rate = rates.rates(plan.schedule, t.ravel(), plan.n_run_updates, plan.learning_rate).reshape(t.shape)
        controls = {"learning_rate": rate.astype(plan.dtype)}
        if plan.momentum is not None:
            controls["momentum"] = np.full(t.shape, plan.momentum, plan.dtype)
        last = update + n_updates == plan.n_updates
        block = Block(
            None if plan.whole_batch else order,
            weights,
            controls,
            np.where(np.arange(size) < n_epochs, n_updates, 0).astype(np.int32),
            np.full(size, last) & (np.arange(size) < n_epochs),
        )
        yield _Call(epoch, n_epochs, update, n_updates, sequences, rate, block)
        epoch, update = (epoch + n_epochs, 0) if last else (epoch, update + n_updates)


def without_weight_zero(part: TrainingPart) -> TrainingPart:
    """The rows that count: those whose weight is not 0."""
    if part.weight is None or np.all(part.weight != 0):
        return part
    rows = np.flatnonzero(part.weight)
    return TrainingPart(part.inputs[rows], part.targets[rows], part.weight[rows])


def _sequence(plan: Plan, rows: np.ndarray, epoch: int) -> np.ndarray:
    if plan.whole_batch:
        return rows
    function = ORDERS[plan.order].function
    assert function is not None
    return function(rows, generator(plan.seed, "order", epoch))


def _weights(plan: Plan, order: np.ndarray, example_weight: np.ndarray | None) -> np.ndarray:
    """The coefficients of a call's examples, [epochs, updates, batch]."""
    weights = batch_weights(order.reshape(-1, order.shape[-1]), example_weight, plan.dtype)
    if plan.whole_batch:  # by row of the table instead of by position
        table = np.zeros_like(weights)
        for row, coefficients, shown in zip(table, weights, order.reshape(-1, order.shape[-1]), strict=True):
            row[shown[shown >= 0]] = coefficients[shown >= 0]
        weights = table
    return weights.reshape(order.shape)


def _pad(table: np.ndarray, n_updates: int) -> np.ndarray:
    return np.pad(table, ((0, n_updates - len(table)), (0, 0)), constant_values=NO_EXAMPLE)


def _padded(training: TrainingPart, validation: ValidationPart | None, plan: Plan) -> Data:
    """The arrays as the program takes them: rows padded to a size of the ladder, validation rows in equal blocks."""

    def grow(array: np.ndarray, n_rows: int) -> Any:
        # A copy even where the size is right: the program may still read an array that the caller changes later.
        grown = blank_table(n_rows, array.shape[1], plan.dtype)
        grown[: len(array)] = array
        return grown[:n_rows]

    inputs: Any = training.inputs
    targets: Any = training.targets
    if training.table_rows is None:
        inputs, targets = grow(inputs, round_up(len(inputs))), grow(targets, round_up(len(targets)))
    if validation is None:
        none: list[Any] = [np.zeros((0, 1, table.shape[1]), plan.dtype) for table in (inputs, targets)]
        return Data(inputs, targets, *none)
    rows = min(VALIDATION_BLOCK, round_up(len(validation.inputs)))
    blocks = round_up(-(-len(validation.inputs) // rows))
    held = (grow(array, blocks * rows) for array in (validation.inputs, validation.targets))
    return Data(inputs, targets, *(table.reshape(blocks, rows, -1) for table in held))


def blank_table(n_rows: int, n_columns: int, dtype: str) -> np.ndarray:
    """Zeros [rows of the next size of the ladder, columns] to be filled with `n_rows` examples.

    They begin at a multiple of 64 bytes: JAX on a CPU uses such an array as it is, without another copy.
    """
    shape = (round_up(n_rows), n_columns)
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.zeros(n_bytes + 64, np.uint8)
    first = -buffer.ctypes.data % 64
    return buffer[first : first + n_bytes].view(dtype).reshape(shape)


class _Run:
    """What the loop remembers, and what it decides at each look."""

    def __init__(
        self,
        plan: Plan,
        training: TrainingPart,
        validation: ValidationPart | None,
        start: Checkpoint,
        loss_unit: float,
        watchers: Watchers,
    ) -> None:
        self.plan, self.training, self.validation = plan, training, validation
        self.loss_unit, self.watchers = loss_unit, watchers
        self.settings = {name: np.asarray(value, plan.dtype) for name, value in plan.optimizer_settings.items()}
        self.state, self.epoch, self.update = start.state, start.epoch, start.update
        self.best, self.best_params = start.best, start.best_params
        self.partial_losses = [start.partial_losses]
        self.history: list[dict[str, Any]] = []
        self.ended: tuple[OutcomeName, str] | None = None
        if self._is_out_of_patience(start.epoch):  # killed between its last checkpoint and its end
            self.ended = ("stopped_early", "")
        self.seconds_before, self.started = start.seconds, time.perf_counter()
        self.last_call = self.started
        self.quick = False
        self.next_checkpoint = self.started + CHECKPOINT_SECONDS

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    def look(self, done: _Call, result: Result) -> bool:
        """Takes in a call's result, waiting for it; returns whether the run ends here."""
        losses = np.asarray(result.losses)
        squared = np.asarray(result.squared_weights)
        for e in range(done.n_epochs):
            self.partial_losses.append(_in_sequence(losses[e], done.sequences[e], self.plan.whole_batch))
            self.update = done.update + done.n_updates
            if not done.ends_epoch:
                self.state = result.state
                break
            self.epoch, self.update = done.epoch + e + 1, 0
            self.state = _state_after(result, e, done.n_epochs)
            progress = self._progress(done, result, e, float(squared[e]))
            self._judge(progress)
            if self.ended:
                break
        if self.ended is None and self.watchers.interrupted():
            self.ended = ("interrupted", "")
        if self.ended is None and self.plan.max_seconds is not None and self.seconds >= self.plan.max_seconds:
            self.ended = ("out_of_time", "") if self.epoch < self.plan.max_epochs else None
        now = time.perf_counter()
        self.quick, self.last_call = now - self.last_call < AHEAD_SECONDS, now
        if self.ended is None and self.watchers.on_checkpoint and now >= self.next_checkpoint:
            self._save(self.watchers.on_checkpoint)
        return self.ended is not None

    def finish(self) -> Training:
        """The result of the run: the best weights where they were sought, else the last."""
        name, why = self.ended or ("out_of_epochs", "")
        # Without a look there is no best but the initial weights: only a divergence goes back to them.
        restored = (self.plan.restore_best and self.best.epoch > 0) or name == "diverged"
        params = self.best_params if restored else self.state.params
        checkpoint = self.checkpoint()
        if self.watchers.on_checkpoint and name != "diverged":
            self.watchers.on_checkpoint(checkpoint)
        outcome = describe_end(name, epoch=self.epoch, best=self.best, restored=restored, why=why)
        kept = jax.tree.map(np.asarray, params)
        return Training(kept, tuple(self.history), outcome, self.best, accepted(self.plan.structure).form, checkpoint)

    def checkpoint(self) -> Checkpoint:
        """All that a later run needs to go on from here."""
        return Checkpoint(
            state=jax.tree.map(np.asarray, self.state),
            best_params=jax.tree.map(np.asarray, self.best_params),
            best=self.best,
            epoch=self.epoch,
            update=self.update,
            partial_losses=np.concatenate(self.partial_losses),
            seconds=self.seconds,
        )

    def _progress(self, done: _Call, result: Result, e: int, squared_weights: float) -> Progress:
        plan = self.plan
        losses = np.concatenate(self.partial_losses)
        self.partial_losses = [np.zeros(0, np.float32)]
        weight = self.training.weight
        if weight is not None:
            weight = weight[_sequence(plan, np.arange(plan.n_rows), self.epoch - 1)]
        penalty = 0.0
        if plan.structure.decay and not is_decoupled(Choice(plan.structure.optimizer)):
            penalty = plan.optimizer_settings["weight_decay"] / 2 * squared_weights
        validation_loss, score = self._validated(result, e)
        return Progress(
            epoch=self.epoch,
            n_epochs=plan.max_epochs,
            update=self.epoch * plan.n_updates,
            loss=self.loss_unit * float(np.average(losses.astype(float), weights=weight)),
            penalty=self.loss_unit * penalty if math.isfinite(squared_weights) else squared_weights,
            validation_loss=validation_loss,
            score=score,
            learning_rate=float(done.rates[e, done.n_updates - 1]),
            seconds=self.seconds,
        )

    def _validated(self, result: Result, e: int) -> tuple[float | None, float | None]:
        if self.validation is None:
            return None, None
        n = len(self.validation.inputs)
        losses = np.asarray(result.validation_losses)[e].reshape(-1)[:n].astype(float)
        z = np.asarray(result.validation_z)[e]
        z = z.reshape(-1, z.shape[-1])[:n]
        loss = self.loss_unit * float(np.average(losses, weights=self.validation.weight))
        return loss, self.validation.score(z) if np.isfinite(z).all() else float("nan")

    def _judge(self, progress: Progress) -> None:
        """Adds a look to the history and decides whether it is the last."""
        self.history.append(progress.record())
        plan = self.plan
        why = _not_finite(progress)
        if why is None:
            value = progress.loss if progress.validation_loss is None else progress.validation_loss
            if progress.score is not None and plan.scoring is not None:
                value = -sign(plan.scoring) * progress.score
            better = self.best.better(progress.epoch, value)
            if better is not self.best:
                self.best, self.best_params = better, self.state.params
        answers = [on_look(progress) for on_look in self.watchers.on_look]
        if why is not None:
            self.ended = ("diverged", why)
        elif self._is_out_of_patience(progress.epoch):
            self.ended = ("stopped_early", "")
        elif "stop" in answers:
            self.ended = ("stopped_by_callback", "")

    def _is_out_of_patience(self, epoch: int) -> bool:
        return epoch < self.plan.max_epochs and out_of_patience(self.best, epoch, self.plan.patience)

    def _save(self, on_checkpoint: Callable[[Checkpoint], None]) -> None:
        before = time.perf_counter()
        on_checkpoint(self.checkpoint())
        took = time.perf_counter() - before
        self.next_checkpoint = before + took + max(CHECKPOINT_SECONDS, CHECKPOINT_SHARE * took)


def _not_finite(progress: Progress) -> str | None:
    if not math.isfinite(progress.loss):
        return f"the loss became {progress.loss}"
    if progress.validation_loss is not None and not math.isfinite(progress.validation_loss):
        return f"the validation loss became {progress.validation_loss}"
    if not math.isfinite(progress.penalty):
        return f"the weights became {progress.penalty}"
    return None


def _state_after(result: Result, e: int, n_epochs: int) -> State:
    if result.snapshots is None or e == n_epochs - 1:
        return result.state
    return jax.tree.map(lambda leaf: np.asarray(leaf)[e], result.snapshots)


def _in_sequence(losses: np.ndarray, sequence: np.ndarray, by_row: bool) -> np.ndarray:
    """The losses of the examples shown, in the order in which they were."""
    return losses.reshape(-1)[sequence] if by_row else losses.reshape(-1)[: len(sequence)]
