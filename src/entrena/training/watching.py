"""Who follows a run and steers it: what they see, and how they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from entrena.errors import UsageError
from entrena.network.multilayer import Params
from entrena.training.checkpoint import Checkpoint

OnLook = Callable[["Progress"], Literal["stop"] | None]
NOT_IN_THE_HISTORY = ("n_epochs", "score_name", "own_seconds", "weights")


@dataclass(frozen=True)
class Progress:
    """What a callback sees after an epoch; a line of the history.

    Attributes:
        epoch: Epochs done.
        n_epochs: Epochs planned.
        update: Updates done since the start.
        loss: Mean loss of the epoch's examples as trained, before each update, without penalties: nats for classes, the
            target's unit squared for a number; for several numbers relative to their variances.
        penalty: λ/2·Σw² after the epoch, where the weight decay is part of the gradient; else 0.
        validation_loss: Mean loss of the validation rows after the epoch, or None.
        score: Their score, or None.
        learning_rate: The rate of the epoch's last update; of an optimizer that finds its own step, that step.
        seconds: Training time so far.
        score_name: What the score is.
        own_seconds: Its share of the training time, where several networks are trained in one program.
        weights: A function that copies the weights after the epoch, NumPy arrays; None in a stream.
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

    score_name: str = "score"
    own_seconds: float = 0.0
    weights: Callable[[], Params] | None = field(default=None, repr=False, compare=False)

    def record(self) -> dict[str, Any]:
        """The line of the history."""
        return {name: value for name, value in self.__dict__.items() if name not in NOT_IN_THE_HISTORY}


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


def as_watchers(callbacks: object) -> tuple[OnLook, ...]:
    """Callbacks as functions.

    Args:
        callbacks: None, a callback or a sequence of them: functions of a `Progress`, or objects with such a method
            `on_look`.

    Raises:
        UsageError: One is neither.
    """
    if callbacks is None:
        return ()
    many = callbacks if isinstance(callbacks, Sequence) else (callbacks,)
    functions: list[Any] = [getattr(each, "on_look", each) for each in many]
    for function in functions:
        if not callable(function):
            raise UsageError(f"callbacks: {function!r} is neither a function of a Progress nor has a method on_look")
    return tuple(functions)
