"""What is remembered of one network in training, and what is decided at each look: best weights, patience, the end.

The judge sees what a call of the program returned, epoch by epoch; whether the network was alone in the program or one
of several makes no difference to it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from entrena.network.multilayer import BIASES, Params
from entrena.registry import Choice
from entrena.training.batch_optimizers import Standing
from entrena.training.calls import Place, Show, in_sequence, waits
from entrena.training.checkpoint import Checkpoint, ShownRows
from entrena.training.compiled import accepted
from entrena.training.optimizers import finds_step, is_decoupled
from entrena.training.parts import TrainingPart, ValidationPart
from entrena.training.plan import Plan
from entrena.training.scores import sign
from entrena.training.stopping import Best, Outcome, OutcomeName, describe_convergence, describe_end, out_of_patience
from entrena.training.structure import State
from entrena.training.watching import OnLook, Progress


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
        draws: [rows] how often each row was shown, where the order draws some more often than others; else None.
    """

    params: Params
    history: tuple[dict[str, Any], ...]
    outcome: Outcome
    best: Best
    form: str
    checkpoint: Checkpoint
    draws: np.ndarray | None = None


class Seen(NamedTuple):
    """What a call of the program returned for one network, on the host.

    Attributes:
        losses: [epochs, updates, batch] the loss of each example shown.
        squared_weights: [epochs] Σw² after each.
        absolute_weights: [epochs] Σ|w|.
        validation_z: [epochs, blocks, block_rows, outputs].
        validation_losses: [epochs, blocks, block_rows].
        state_after: The state after an epoch of the call; asked for when it is needed, because that may be a copy.
        predicting_after: What of it predicts.
        standings: [epochs] where a batch-only optimizer stood after each; None of the others.
    """

    losses: np.ndarray
    squared_weights: np.ndarray
    absolute_weights: np.ndarray
    validation_z: np.ndarray
    validation_losses: np.ndarray
    state_after: Callable[[int], State]
    predicting_after: Callable[[int], State]
    standings: Standing | None = None

    def standing(self, e: int) -> Standing | None:
        """Where a batch-only optimizer stood after an epoch of the call."""
        return None if self.standings is None else Standing(*(values[e] for values in self.standings))


class _Position(NamedTuple):
    """Where a run stands; replaced as a whole, so that a signal between two statements finds no half of one.

    Attributes:
        state: Weights and the optimizer's memory, when they are asked for.
        epoch: Epochs done.
        update: Updates done of the epoch that follows.
        losses: The losses of the examples that these updates have seen, call by call.
        best: The best look.
        best_state: What predicts then.
        shown: What is known of each row, where the order asks for it.
    """

    state: Callable[[], State]
    epoch: int
    update: int
    losses: tuple[np.ndarray, ...]
    best: Best
    best_state: State
    shown: ShownRows | None


class Judge:
    """What the loop remembers of one network, and what it decides at each look."""

    def __init__(
        self,
        plan: Plan,
        training: TrainingPart,
        validation: ValidationPart | None,
        start: Checkpoint,
        loss_unit: float,
        on_look: tuple[OnLook, ...],
        deliver: Callable[[State], Params] = lambda state: state.params,
    ) -> None:
        self.deliver = deliver  # makes of a state the parameters that predict
        self.plan, self.training, self.validation = plan, training, validation
        self.loss_unit, self.on_look = loss_unit, on_look
        losses = (start.partial_losses,)
        shown = (start.shown or ShownRows.none(plan.n_rows)) if waits(plan) else None
        self.at = _Position(lambda: start.state, start.epoch, start.update, losses, start.best, start.best_state, shown)
        self.show = Show(plan, training, lambda: None if self.at.shown is None else self.at.shown.losses)
        self.history: list[dict[str, Any]] = []
        # A run that was killed after its last checkpoint, while its end was written down, has ended all the same.
        self.ended: tuple[OutcomeName, str] | None = (start.ended, start.why) if start.ended else None
        self.seconds_before, self.started = start.seconds, time.perf_counter()
        self.seconds_at_end: float | None = start.seconds if self.is_done else None
        self.own_seconds = 0.0

    @property
    def settings(self) -> dict[str, np.ndarray]:
        """The numbers that the program is given once."""
        return self.plan.settings

    @property
    def seconds(self) -> float:
        """Training time so far; the time of a program with several networks counts for each of them."""
        if self.seconds_at_end is not None:
            return self.seconds_at_end
        return self.seconds_before + time.perf_counter() - self.started

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train."""
        return self.ended is not None or self.at.epoch >= self.plan.max_epochs

    @property
    def has_diverged(self) -> bool:
        """Whether a loss or a weight is no longer a number."""
        return self.ended is not None and self.ended[0] == "diverged"

    def look(
        self, place: Place, sequences: list[np.ndarray], rates: np.ndarray, seen: Seen, own_seconds: float
    ) -> None:
        """Takes in what a call returned.

        Args:
            place: Which updates it computed.
            sequences: The rows shown, epoch by epoch.
            rates: [epochs, updates].
            seen: What it returned.
            own_seconds: This network's share of the time that it took.
        """
        for e in range(place.n_epochs):
            self.own_seconds += own_seconds / place.n_epochs
            if not place.ends_epoch:
                losses = (*self.at.losses, in_sequence(self.plan, place, seen.losses[e], sequences[e]))
                after = place.update + place.n_updates
                self.at = self.at._replace(state=partial(seen.state_after, e), update=after, losses=losses)
                break
            last = in_sequence(self.plan, place, seen.losses[e], sequences[e])
            of_epoch = np.concatenate((*self.at.losses, last))
            standing = seen.standing(e)
            own_step = standing is not None and finds_step(Choice(self.plan.structure.optimizer))
            rate = standing.step if standing is not None and own_step else rates[e, place.n_updates - 1]
            progress = self._progress(place.epoch + e + 1, of_epoch, float(rate), seen, e)
            shown = self.at.shown
            if shown is not None:
                shown = shown.after(self.show.drawn(place.epoch + e).sequence, of_epoch)
            self._judge(shown, progress, standing, partial(seen.state_after, e), partial(seen.predicting_after, e))
            if self.is_done:
                break
        if self.is_done:
            self.settle()

    def check_time(self) -> None:
        """Ends a run whose time is over."""
        if not self.is_done and self.plan.max_seconds is not None and self.seconds >= self.plan.max_seconds:
            self.ended = ("out_of_time", "")
            self.settle()

    def interrupt(self) -> None:
        """Ends a run that was not done."""
        if not self.is_done:
            self.ended = ("interrupted", "")
            self.settle()

    def settle(self) -> None:
        """Keeps the last state by itself: those that others go on from are no longer needed."""
        state = self.at.state()
        self.at = self.at._replace(state=lambda: state)
        self.seconds_at_end = self.seconds

    def finish(self) -> Training:
        """The result of the run: the best weights where they were sought, else the last."""
        name, why = self.ended or ("out_of_epochs", "")
        # Without a look there is no best but the initial weights: only a divergence goes back to them.
        restored = (self.plan.restore_best and self.at.best.epoch > 0) or self.has_diverged
        state = self.at.best_state if restored else self.at.state()
        return Training(
            params=self._delivered(state),
            history=tuple(self.history),
            outcome=describe_end(name, epoch=self.at.epoch, best=self.at.best, restored=restored, why=why),
            best=self.at.best,
            form=accepted(self.plan.structure).form,
            checkpoint=self.checkpoint(),
            draws=None if self.at.shown is None else self.at.shown.draws,
        )

    def checkpoint(self) -> Checkpoint:
        """All that a later run needs to go on from here."""
        at = self.at
        return Checkpoint(
            state=jax.tree.map(np.asarray, at.state()),
            best_state=jax.tree.map(np.asarray, at.best_state),
            best=at.best,
            epoch=at.epoch,
            update=at.update,
            partial_losses=np.concatenate((np.zeros(0, np.float32), *at.losses)),
            seconds=self.seconds,
            ended=self.ended[0] if self.ended and self.ended[0] != "interrupted" else None,
            why=self.ended[1] if self.ended else "",
            shown=at.shown,
        )

    def _progress(self, epoch: int, losses: np.ndarray, rate: float, seen: Seen, e: int) -> Progress:
        plan = self.plan
        squared_weights = float(seen.squared_weights[e])
        weight = self.training.weight
        if weight is not None or waits(plan):
            drawn = self.show.drawn(epoch - 1)
            weight = None if weight is None else weight[drawn.sequence]
            if drawn.importance is not None:  # hard rows are shown more often: the mean is that of the rows, not draws
                weight = drawn.importance if weight is None else weight * drawn.importance
        penalty = 0.0
        if plan.structure.decay and not is_decoupled(Choice(plan.structure.optimizer)):
            penalty = plan.optimizer_settings["weight_decay"] / 2 * squared_weights
        if plan.structure.l1:
            penalty += plan.beside["l1"] * float(seen.absolute_weights[e])
        validation_loss, score = self._validated(seen, e)
        return Progress(
            epoch=epoch,
            n_epochs=plan.max_epochs,
            update=epoch * plan.n_updates,
            loss=self.loss_unit * float(np.average(losses.astype(float), weights=weight)),
            penalty=self.loss_unit * penalty if math.isfinite(squared_weights) else squared_weights,
            validation_loss=validation_loss,
            score=score,
            learning_rate=rate,
            seconds=self.seconds,
            score_name="score" if self.validation is None else self.validation.score_name,
            own_seconds=self.own_seconds,
            weights=partial(self._weights, seen.predicting_after, e),
        )

    def _weights(self, predicting_after: Callable[[int], State], e: int) -> Params:
        """The weights after an epoch as they predict, in arrays of their own."""
        return self._delivered(predicting_after(e))

    def _delivered(self, state: State) -> Params:
        return with_priors(jax.tree.map(np.array, self.deliver(state)), self.settings.get("prior_shift"))

    def _validated(self, seen: Seen, e: int) -> tuple[float | None, float | None]:
        if self.validation is None:
            return None, None
        n = len(self.validation.inputs)
        losses = seen.validation_losses[e].reshape(-1)[:n].astype(float)
        z = seen.validation_z[e]
        z = z.reshape(-1, z.shape[-1])[:n]
        loss = self.loss_unit * float(np.average(losses, weights=self.validation.weight))
        return loss, self.validation.score(z) if np.isfinite(z).all() else float("nan")

    def _judge(
        self,
        shown: ShownRows | None,
        progress: Progress,
        standing: Standing | None,
        state: Callable[[], State],
        predicting: Callable[[], State],
    ) -> None:
        """Takes a look: is it the best, is it the last? Then shows it to who watches."""
        plan, epoch = self.plan, progress.epoch
        best, best_state = self.at.best, self.at.best_state
        why = _not_finite(progress)
        if why is None:
            value = progress.loss if progress.validation_loss is None else progress.validation_loss
            if progress.score is not None and plan.scoring is not None:
                value = -sign(plan.scoring) * progress.score
            better = best.better(epoch, value)
            if better is not best:
                best, best_state = better, predicting()
        converged = None
        if standing is not None:
            converged = describe_convergence(standing, plan.optimizer_settings["tolerance"], plan.dtype)
        if why is not None:
            self.ended = ("diverged", why)
        elif converged is not None:
            self.ended = ("converged", converged)
        elif epoch < plan.max_epochs and out_of_patience(best, epoch, plan.patience):
            self.ended = ("stopped_early", "")
        self.at = _Position(state, epoch, 0, (), best, best_state, shown)
        self.history.append(progress.record())
        answers = [on_look(progress) for on_look in self.on_look]
        if self.ended is None and epoch < plan.max_epochs and "stop" in answers:
            self.ended = ("stopped_by_callback", "")


def with_priors(params: Params, shift: np.ndarray | None) -> Params:
    """The weights of a network that predicts by the true shares of the classes, not by those in which they were drawn.

    log-odds + log(true/drawn prior): what is added to the net inputs is added to the output layer's biases.
    """
    if shift is None:
        return params
    *hidden, output = params
    return (*hidden, {**output, BIASES: output[BIASES] + shift})


def _not_finite(progress: Progress) -> str | None:
    if not math.isfinite(progress.loss):
        return f"the loss became {progress.loss}"
    if progress.validation_loss is not None and not math.isfinite(progress.validation_loss):
        return f"the validation loss became {progress.validation_loss}"
    if not math.isfinite(progress.penalty):
        return f"the weights became {progress.penalty}"
    return None
