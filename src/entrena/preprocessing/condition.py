"""Condition numbers of inputs: how long the ravine is that a linear unit's error has over its weights.

κ = λmax/λmin of the covariance of the inputs, over the directions in which they vary at all. Plain gradient descent
takes a number of passes in proportion to it (Efficient BackProp, section 5.2).
"""

from __future__ import annotations

import numpy as np

MOST_ROWS = 2_000  # of more, as many are looked at, evenly spaced
MOST_COLUMNS = 300  # beyond, it would take longer than it is worth


def sample(n_rows: int) -> np.ndarray:
    """The numbers of the rows that are looked at."""
    return np.linspace(0, n_rows - 1, min(n_rows, MOST_ROWS)).astype(np.intp)


def condition_number(rows: np.ndarray) -> float | None:
    """κ of the covariance of some rows; None where they do not vary, or where columns are very many.

    Args:
        rows: [rows, columns] finite.

    >>> condition_number(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 1.0]]))
    4.0
    """
    if rows.shape[1] > MOST_COLUMNS or len(rows) < 2:
        return None
    size = np.abs(rows).max(initial=0.0)
    if size == 0:
        return None
    scaled = rows / np.float64(size)  # sums and squares stay in range
    centred = scaled - scaled.mean(axis=0)
    greatest = np.abs(centred).max(initial=0.0)
    if greatest <= np.finfo(np.float64).eps:
        return None
    singular = np.linalg.svd(centred / greatest, compute_uv=False)
    singular = singular[singular > singular[0] * max(rows.shape) * np.finfo(np.float64).eps]
    return float(np.square(singular[0] / singular[-1]))
