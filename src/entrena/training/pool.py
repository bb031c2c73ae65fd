"""What an order of the examples draws from, and what it gives back.

A file of its own, because the orders import it and the registry of `order.py` imports them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True, eq=False)
class Pool:
    """What an order draws from.

    Attributes:
        rows: int32 [n] the rows that may be drawn; those of weight 0 are left out already.
        batch_size: Examples of an update.
        seed: The run's.
        classes: int [n] the number of each row's class, from 0; some numbers may be absent. Or None.
        losses: [n] the loss of each row when it was last shown, NaN where it was not; or None.
    """

    rows: np.ndarray
    batch_size: int
    seed: int
    classes: np.ndarray | None = None
    losses: np.ndarray | None = None

    def by_class(self) -> Classes:
        """The positions in `rows` of each class."""
        assert self.classes is not None  # an order that needs classes is refused where there are none
        counts = np.bincount(self.classes)
        # NumPy sorts numbers of 8 and 16 bits by counting, several times as fast as wider ones.
        narrow = self.classes.astype(np.min_scalar_type(len(counts)), copy=False)
        positions = np.argsort(narrow, kind="stable")
        present = np.flatnonzero(counts)
        return Classes(narrow, present, np.split(positions, np.cumsum(counts[present])[:-1]))


class Classes(NamedTuple):
    """The rows of a pool by their classes.

    Attributes:
        of_row: [n] the class of each row, as narrow whole numbers.
        present: The numbers of the classes that have rows, ascending.
        positions: For each of those where in the pool its rows stand.
    """

    of_row: np.ndarray
    present: np.ndarray
    positions: list[np.ndarray]


class Drawn(NamedTuple):
    """The rows of an epoch.

    Attributes:
        sequence: int32 [n] one after the other.
        importance: float64 [n] 1/(N·p) of a row that is drawn with the probability p, where rows are drawn unequally.
    """

    sequence: np.ndarray
    importance: np.ndarray | None = None
