"""Condition numbers of inputs: how long the ravine is that a linear unit's error has over its weights.

κ = λmax/λmin of the covariance of the inputs, over the directions in which they vary at all. Plain gradient descent
takes a number of passes in proportion to it (Efficient BackProp, section 5.2).
"""

from __future__ import annotations

import numpy as np

from entrena.preprocessing.principal_components import Rows

MOST_WORK = 1e9  # rows × columns²: of more rows as many are looked at, evenly spaced, as take some tenths of a second
MOST_COLUMNS = 300  # beyond, too few rows would be looked at


def sample(n_rows: int, n_columns: int) -> np.ndarray:
    """The numbers of the rows that are looked at.

    >>> len(sample(15_000, 14)), len(sample(10**6, 100)), len(sample(10**6, 300))
    (15000, 100000, 11111)
    """
    return np.linspace(0, n_rows - 1, int(min(n_rows, MOST_WORK / max(1, n_columns) ** 2))).astype(np.intp)


def condition_number(rows: Rows) -> float | None:
    """κ of the covariance of some rows; None where they do not vary, or where squares are beyond float64.

    What is below 10⁻¹⁵ of the greatest λ cannot be told from nothing, so κ is never greater than that.

    >>> X = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    >>> condition_number(Rows.look(lambda: iter([(X, None)])))
    4.0
    """
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = rows.covariance
    if not np.isfinite(covariance).all():
        return None
    values = np.linalg.eigvalsh(covariance)
    values = values[values > values[-1] * len(values) * np.finfo(np.float64).eps]
    return float(values[-1] / values[0]) if len(values) else None
