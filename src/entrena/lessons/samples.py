"""Made-up samples of which the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, hypot, sqrt

import numpy as np

from entrena.data import Examples
from entrena.data.table import Table
from entrena.data.values import Place


def two_classes(n_rows: int, shifts: Sequence[float], chance: np.random.Generator) -> Examples:
    """Rows of two classes, half of each, in independent normal columns x1, x2, … of deviation 1.

    Args:
        n_rows: How many rows.
        shifts: How far apart the means of the classes are, in each column.
        chance: Where the numbers come from.
    """
    classes = np.arange(n_rows) % 2
    inputs = chance.standard_normal((n_rows, len(shifts))) + (classes[:, None] - 0.5) * np.asarray(shifts)
    names = tuple(f"x{column + 1}" for column in range(len(shifts)))
    return Examples(Table.of_array(inputs, names, Place("sample")), classes, ("class",), "sample")


def best_accuracy(shifts: Sequence[float]) -> float:
    """The accuracy that no classifier of such rows exceeds: Φ(√Σ shift²/2).

    >>> round(best_accuracy([2.0]), 4)
    0.8413
    """
    return (1 + erf(hypot(*shifts) / 2 / sqrt(2))) / 2
