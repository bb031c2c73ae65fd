"""Seconds that a pass over the data takes, one network alone, measured in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from entrena.fitting import Prepared

FIRST = 4  # passes of the first run, which compiles and tells how long a pass takes
LEAST, MOST = 4, 500  # passes of a round
ROUND_SECONDS = 0.15


def seconds_a_pass(
    lesson: str, making: Sequence[Callable[[int], Prepared]], rounds: int, round_seconds: float = ROUND_SECONDS
) -> list[list[float]]:
    """For each network and round the seconds of a pass over the training rows.

    The machine drifts, so the networks are timed in turns, A B C A B C …, and a round of one is compared with the same
    round of another. Every run is one of a user who trains one network: what the host does between two calls of the
    program counts, and no progress is shown.

    Args:
        lesson: Its id, for who interrupts it.
        making: From passes to a network, ready to be trained.
        rounds: How many.
        round_seconds: About how long each network trains in a round.
    """
    from entrena.lessons.trials import Trials

    alone = Trials(lesson)

    def timed(make: Callable[[int], Prepared], passes: int) -> float:
        (fitted,) = alone.train("", [make(passes)])
        return pass_seconds(fitted.training.history)

    for make in making:  # compiled, so that it is no part of what is measured
        timed(make, FIRST)
    passes = [int(np.clip(round_seconds / timed(make, FIRST), LEAST, MOST)) for make in making]
    found: list[list[float]] = [[] for _ in making]
    for _ in range(rounds):
        for own, make, n in zip(found, making, passes, strict=True):
            own.append(timed(make, n))
    return found


def pass_seconds(history: Sequence[Mapping[str, Any]]) -> float:
    """The mean seconds of a pass of a run, its first one left out.

    >>> pass_seconds([{"seconds": 1.0}, {"seconds": 1.5}, {"seconds": 2.0}])
    0.5
    """
    seconds = [epoch["seconds"] for epoch in history]
    return float(seconds[-1] - seconds[0]) / (len(seconds) - 1)
