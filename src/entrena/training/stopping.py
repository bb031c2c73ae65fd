"""When training ends, and how that is said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from entrena.training.batch_optimizers import CONVERGED, GOES_ON, Standing

OutcomeName = Literal[
    "out_of_epochs",
    "converged",
    "stopped_early",
    "out_of_time",
    "stopped_by_callback",
    "interrupted",
    "diverged",
    "end_of_stream",
]

# A run that ended so may be far from what it would have become.
ENDED_BADLY: tuple[OutcomeName, ...] = ("interrupted", "diverged")


@dataclass(frozen=True)
class Outcome:
    """How a run ended, as data and as a sentence.

    Attributes:
        name: One of `out_of_epochs` (the planned end), `converged` (a batch-only optimizer found no lower loss),
            `stopped_early`, `out_of_time`, `stopped_by_callback`, `interrupted`, `diverged`, `end_of_stream` (its rows
            were all learned).
        sentence: The same for people, with the numbers.
    """

    name: OutcomeName
    sentence: str


@dataclass(frozen=True)
class Best:
    """The best look so far.

    Attributes:
        epoch: After which epoch, counted from 1; 0: no look yet.
        value: What was compared; smaller is better.
    """

    epoch: int = 0
    value: float = math.inf

    def better(self, epoch: int, value: float) -> Best:
        """The better of this look and another; NaN is worse than anything."""
        return Best(epoch, value) if value < self.value else self


def out_of_patience(best: Best, epoch: int, patience: int | None) -> bool:
    """Whether `patience` epochs went by without a better look."""
    return patience is not None and epoch - best.epoch >= patience


def describe_convergence(standing: Standing, tolerance: float, dtype: str) -> str | None:
    """Why a batch-only optimizer has ended, where it has.

    Args:
        standing: Where it stands, as plain numbers.
        tolerance: For the largest entry of the gradient.
        dtype: Of the weights.
    """
    if int(standing.ended) == GOES_ON:
        return None
    entry = f"no entry of the gradient is larger than {float(standing.gradient):.2g}"
    if int(standing.ended) == CONVERGED:
        return f"{entry}, and the tolerance is {tolerance:g}"
    return f"no step lowers the loss any more in {dtype}; {entry}"


def describe_end(name: OutcomeName, *, epoch: int, best: Best, restored: bool, why: str = "") -> Outcome:
    """The outcome with its sentence; `why` belongs to `converged` and `diverged`."""
    epochs = f"{epoch} epoch{'' if epoch == 1 else 's'}"
    said = {
        "out_of_epochs": f"All {epochs} were run." if epoch != 1 else "The one epoch was run.",
        "converged": f"Converged after {epochs}: {why}.",
        "stopped_early": f"Stopped after {epochs}: no improvement since epoch {best.epoch}.",
        "out_of_time": f"Stopped after {epochs}: max_seconds was reached.",
        "stopped_by_callback": f"Stopped after {epochs} by a callback.",
        "interrupted": f"Interrupted after {epochs}.",
        "diverged": f"Diverged in epoch {epoch}: {why}.",
    }[name]
    if restored and best.epoch not in (0, epoch):
        said += f" The weights of epoch {best.epoch}, the best, are kept."
    elif name == "diverged":
        said += " The initial weights are kept." if best.epoch == 0 else ""
    return Outcome(name, said)
