"""Condition numbers of inputs: how long the ravine is that a linear unit's error has over its weights.

κ = λmax/λmin of the covariance of the inputs, over the directions in which they vary at all. Plain gradient descent
takes a number of passes in proportion to it (Efficient BackProp, section 5.2).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from entrena.preprocessing.columns import NumberBlocks
from entrena.preprocessing.principal_components import Rows
from entrena.preprocessing.statistics import pieces

# Of more rows as many are looked at, evenly spaced: so much work (rows × columns²), and so many rows to a column.
MOST_WORK, LEAST_TO_A_COLUMN = 2e8, 20
MOST_COLUMNS = 300  # beyond, too few rows would be looked at


def sample(n_rows: int, n_columns: int) -> np.ndarray:
    """The numbers of the rows that are looked at.

    >>> len(sample(15_000, 14)), len(sample(10**6, 100)), len(sample(10**6, 300))
    (15000, 20000, 6000)
    """
    d = max(1, n_columns)
    most = max(int(MOST_WORK / d**2), LEAST_TO_A_COLUMN * d)
    return np.linspace(0, n_rows - 1, min(n_rows, most)).astype(np.intp)


def rows_with(numbers: NumberBlocks, inputs: Rows) -> Rows:
    """Inputs with other numbers in front: those that came before the transform.

    Args:
        numbers: Gaps filled, not transformed.
        inputs: Whose first columns are made of them, in blocks of `pieces`.
    """
    n_rows, n = numbers.shape

    def read() -> Iterator[tuple[np.ndarray, None]]:
        for (start, stop), (block, _) in zip(pieces(n_rows, inputs.n_columns), inputs.read(), strict=True):
            yield np.concatenate([numbers.block(start, stop), block[:, n:]], axis=1), None

    return Rows.look(read)


def condition_number(covariance: np.ndarray) -> float | None:
    """κ of a covariance; None where nothing varies, or where squares are beyond float64.

    What is below 10⁻¹⁵ of the greatest λ cannot be told from nothing, so κ is never greater than that.

    >>> condition_number(np.diag([4.0, 1.0]))
    4.0
    """
    if not np.isfinite(covariance).all():
        return None
    values = np.linalg.eigvalsh(covariance)
    values = values[values > values[-1] * len(values) * np.finfo(np.float64).eps]
    return float(values[-1] / values[0]) if len(values) else None
