"""What a learner reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """Some updates, without compilation and the first epoch.

    Attributes:
        seconds: How long they took.
        n_updates: How many they were.
        loss: The training loss at the end, to see that the network learns.
        whole_seconds: The whole call that trains, with compilation and what is written; 0: not measured.
    """

    seconds: float
    n_updates: int
    loss: float
    whole_seconds: float = 0.0
