"""The training loop on the host: what to show next, what came of it, whether to go on.

    for each call:   order, weights, controls         made here while the device computes the call before
                     program(state, …) → new state, losses, validation
                     look at each finished epoch → history, best weights, patience, callbacks, checkpoint

The loop knows neither files nor tables: it is given arrays, and is watched through functions that its caller hands in.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from entrena.network.multilayer import Network, Params
from entrena.registry import Choice
from entrena.training.calls import Call, calls, epoch_sequence, in_sequence
from entrena.training.checkpoint import Checkpoint
from entrena.training.compilation import find_device, precision, use_compilation_cache
from entrena.training.optimizers import is_decoupled
from entrena.training.parts import TrainingPart, ValidationPart, padded, without_weight_zero
from entrena.training.plan import Plan
from entrena.training.program import Result, State, accepted, call, initial_state
from entrena.training.scores import sign
from entrena.training.seeds import generator
from entrena.training.stopping import Best, Outcome, OutcomeName, describe_end, out_of_patience
from entrena.training.watching import UNWATCHED, Progress, Watchers

AHEAD_SECONDS = 0.1  # calls shorter than this are computed one ahead of the host's decisions
CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 100  # and a checkpoint that took s seconds is followed by none for 100·s


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
        data = jax.device_put(padded(training, validation, plan), device)
        run = _Run(plan, training, validation, resume, loss_unit, watchers)
        state = jax.device_put(resume.state, device)
        upcoming = iter(()) if run.ended else calls(plan, training, resume.epoch, resume.update)
        now = next(upcoming, None)
        result = call(plan.structure, state, data, now.block, run.settings) if now else None
        try:
            while now is not None and result is not None:
                after = next(upcoming, None)  # its order is made while the device computes
                ahead = None
                if after is not None and run.quick:
                    ahead = call(plan.structure, result.state, data, after.block, run.settings)
                if run.look(now, result):
                    break
                if after is not None and ahead is None:
                    ahead = call(plan.structure, result.state, data, after.block, run.settings)
                now, result = after, ahead
        except BaseException:  # a callback that fails, a second Ctrl-C: what was trained is not lost
            if not run.has_diverged:
                run.save_checkpoint()
            raise
        return run.finish()


class _Position(NamedTuple):
    """Where a run stands; replaced as a whole, so that a signal between two statements finds no half of one.

    Attributes:
        state: Weights and the optimizer's memory.
        epoch: Epochs done.
        update: Updates done of the epoch that follows.
        losses: The losses of the examples that these updates have seen, call by call.
        best: The best look.
        best_params: Its weights.
    """

    state: State
    epoch: int
    update: int
    losses: tuple[np.ndarray, ...]
    best: Best
    best_params: Params


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
        if plan.structure.dropout:
            self.settings["kept"] = np.asarray(1 - plan.dropout, plan.dtype)
        losses = (start.partial_losses,)
        self.at = _Position(start.state, start.epoch, start.update, losses, start.best, start.best_params)
        self.history: list[dict[str, Any]] = []
        # A run that was killed after its last checkpoint, while its end was written down, has ended all the same.
        self.ended: tuple[OutcomeName, str] | None = (start.ended, "") if start.ended else None
        self.seconds_before, self.started = start.seconds, time.perf_counter()
        self.last_call = self.started
        self.quick = False
        self.next_checkpoint = self.started + CHECKPOINT_SECONDS

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    def look(self, done: Call, result: Result) -> bool:
        """Takes in a call's result, waiting for it; returns whether the run ends here."""
        losses = np.asarray(result.losses)
        squared = np.asarray(result.squared_weights)
        for e in range(done.n_epochs):
            seen = (*self.at.losses, in_sequence(losses[e], done.sequences[e], self.plan.whole_batch))
            if not done.ends_epoch:
                self.at = self.at._replace(state=result.state, update=done.update + done.n_updates, losses=seen)
                break
            progress = self._progress(done, result, e, np.concatenate(seen), float(squared[e]))
            self._judge(progress, _state_after(result, e, done.n_epochs))
            if self.ended:
                break
        if self.ended is None and self.at.epoch < self.plan.max_epochs:
            if self.watchers.interrupted():
                self.ended = ("interrupted", "")
            elif self.plan.max_seconds is not None and self.seconds >= self.plan.max_seconds:
                self.ended = ("out_of_time", "")
        now = time.perf_counter()
        self.quick, self.last_call = now - self.last_call < AHEAD_SECONDS, now
        if self.ended is None and now >= self.next_checkpoint:
            self.save_checkpoint()
        return self.ended is not None

    def finish(self) -> Training:
        """The result of the run: the best weights where they were sought, else the last."""
        name, why = self.ended or ("out_of_epochs", "")
        # Without a look there is no best but the initial weights: only a divergence goes back to them.
        restored = (self.plan.restore_best and self.at.best.epoch > 0) or self.has_diverged
        params = self.at.best_params if restored else self.at.state.params
        if not self.has_diverged:
            self.save_checkpoint()
        return Training(
            params=jax.tree.map(np.asarray, params),
            history=tuple(self.history),
            outcome=describe_end(name, epoch=self.at.epoch, best=self.at.best, restored=restored, why=why),
            best=self.at.best,
            form=accepted(self.plan.structure).form,
            checkpoint=self.checkpoint(),
        )

    @property
    def has_diverged(self) -> bool:
        return self.ended is not None and self.ended[0] == "diverged"

    def checkpoint(self) -> Checkpoint:
        """All that a later run needs to go on from here."""
        at = self.at
        return Checkpoint(
            state=jax.tree.map(np.asarray, at.state),
            best_params=jax.tree.map(np.asarray, at.best_params),
            best=at.best,
            epoch=at.epoch,
            update=at.update,
            partial_losses=np.concatenate((np.zeros(0, np.float32), *at.losses)),
            seconds=self.seconds,
            ended=self.ended[0] if self.ended and self.ended[0] != "interrupted" else None,
        )

    def _progress(self, done: Call, result: Result, e: int, losses: np.ndarray, squared_weights: float) -> Progress:
        plan, epoch = self.plan, done.epoch + e + 1
        weight = self.training.weight
        if weight is not None:
            whole = done.update == 0  # else the call holds only the epoch's last rows
            rows = done.sequences[e] if whole else epoch_sequence(plan, np.arange(plan.n_rows), epoch - 1)
            weight = weight[rows]
        penalty = 0.0
        if plan.structure.decay and not is_decoupled(Choice(plan.structure.optimizer)):
            penalty = plan.optimizer_settings["weight_decay"] / 2 * squared_weights
        validation_loss, score = self._validated(result, e)
        return Progress(
            epoch=epoch,
            n_epochs=plan.max_epochs,
            update=epoch * plan.n_updates,
            loss=self.loss_unit * float(np.average(losses.astype(float), weights=weight)),
            penalty=self.loss_unit * penalty if math.isfinite(squared_weights) else squared_weights,
            validation_loss=validation_loss,
            score=score,
            learning_rate=float(done.rates[e, done.n_updates - 1]),
            seconds=self.seconds,
            score_name="score" if self.validation is None else self.validation.score_name,
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

    def _judge(self, progress: Progress, state: State) -> None:
        """Takes a look: is it the best, is it the last? Then shows it to who watches."""
        plan, epoch = self.plan, progress.epoch
        best, best_params = self.at.best, self.at.best_params
        why = _not_finite(progress)
        if why is None:
            value = progress.loss if progress.validation_loss is None else progress.validation_loss
            if progress.score is not None and plan.scoring is not None:
                value = -sign(plan.scoring) * progress.score
            better = best.better(epoch, value)
            if better is not best:
                best, best_params = better, state.params
        if why is not None:
            self.ended = ("diverged", why)
        elif epoch < plan.max_epochs and out_of_patience(best, epoch, plan.patience):
            self.ended = ("stopped_early", "")
        self.at = _Position(state, epoch, 0, (), best, best_params)
        self.history.append(progress.record())
        answers = [on_look(progress) for on_look in self.watchers.on_look]
        if self.ended is None and epoch < plan.max_epochs and "stop" in answers:
            self.ended = ("stopped_by_callback", "")

    def save_checkpoint(self) -> None:
        """Hands a checkpoint to whoever wants it; the next one comes after a hundred times as long as this one took."""
        if self.watchers.on_checkpoint is None:
            return
        before = time.perf_counter()
        self.watchers.on_checkpoint(self.checkpoint())
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
