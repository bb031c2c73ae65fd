"""Column statistics: weighted, in float64, without overflow and without a second array of the data's size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from entrena.errors import DataError

# Rows are looked at in pieces of about this many values.
BLOCK_VALUES = 2**18

# A deviation of fewer units in the last place than this is rounding, not information.
ROUNDING_ULPS = 4


@dataclass(frozen=True, eq=False)
class ColumnStatistics:
    """What the scales are computed from; rows of weight 0 do not exist, a row of weight 2 is there twice.

    Attributes:
        low: [columns] least values.
        high: [columns] greatest values.
        mean: [columns] means; of a constant column exactly its value.
        deviation: [columns] standard deviations (divisor: the sum of the weights); of a constant column exactly 0.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray


def column_statistics(values: np.ndarray, weights: np.ndarray | None = None) -> ColumnStatistics:
    """The statistics of each column.

    Each column is first multiplied by a power of two, which rounds nothing, so that its greatest value is about 1: the
    squares of 1e300 or 1e-300 stay in range. Mean m and variance are then, with weights w and W = Σw,

        m₁ = Σ w·x/W,   d = x − m₁,   m = m₁ + Σ w·d/W,   σ² = Σ w·d²/W − (Σ w·d/W)²,

    where the second terms take back the rounding of m₁.

    Args:
        values: [rows, columns] finite numbers.
        weights: [rows] weights of at least 0, not all 0; None: 1 for each.

    Raises:
        DataError: The weights are not as they should be, or there are no rows.
    """
    weights = check_weights(weights, len(values))
    if not len(values):
        raise DataError("there are no rows to compute means and deviations from")
    low = np.full(values.shape[1], np.inf)
    high = -low
    for block, _ in _blocks(values, weights):
        np.minimum(low, block.min(axis=0), out=low)
        np.maximum(high, block.max(axis=0), out=high)
    factor = power_of_two_below(np.maximum(np.abs(low), np.abs(high)))
    total = float(len(values)) if weights is None else float(weights.sum())
    first = sum(_sum(block * factor, weight) for block, weight in _blocks(values, weights)) / total
    linear = np.zeros(values.shape[1])
    square = np.zeros(values.shape[1])
    for block, weight in _blocks(values, weights):
        difference = block * factor - first
        linear += _sum(difference, weight)
        square += _sum(difference * difference, weight)
    correction = linear / total
    deviation = np.sqrt(np.maximum(square / total - correction**2, 0)) / factor
    # The mean of 0.1, 0.1, … is not always 0.1, and a constant column must become exactly 0: there low = high.
    mean = np.clip((first + correction) / factor, low, high)
    rounding = ROUNDING_ULPS * np.finfo(np.float64).eps * np.maximum(np.abs(low), np.abs(high))
    deviation = np.where(deviation <= rounding, 0.0, deviation)
    return ColumnStatistics(low, high, mean, deviation)


def check_weights(weights: np.ndarray | None, n_rows: int) -> np.ndarray | None:
    """Weights as [rows] float64, scaled so that the greatest is about 1; None where all are equal to 1.

    Raises:
        DataError: Another number of weights than rows, one below 0 or not finite, or all of them 0.
    """
    if weights is None:
        return None
    try:
        weights = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("sample weights must be numbers") from None
    if weights.shape != (n_rows,):
        raise DataError(f"sample weights have shape {weights.shape}; there must be one for each of the {n_rows} rows")
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"the sample weight of row {row + 1} is {weights[row]}; weights must be finite and at least 0")
    if not weights.any():
        raise DataError("all sample weights are 0; at least one row must count")
    # Only ratios matter; so the sum of large weights stays in range. A weight above 0 stays above 0: its row is there.
    scaled = weights * power_of_two_below(weights.max())
    return np.where(weights > 0, np.maximum(scaled, np.finfo(np.float64).smallest_subnormal), 0.0)


def power_of_two_below(magnitude: np.ndarray) -> np.ndarray:
    """A power of two by which numbers of this magnitude become about 1; 1 for 0."""
    exponent = np.frexp(np.where(magnitude == 0, 1.0, magnitude))[1]
    return np.ldexp(1.0, -np.clip(exponent, -1000, 1000))


def _sum(block: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return block.sum(axis=0) if weight is None else weight @ block


def _blocks(values: np.ndarray, weights: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Pieces of the rows that count, in float64, with their weights."""
    step = max(1, BLOCK_VALUES // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        block = values[start : start + step].astype(np.float64, copy=False)
        if weights is None:
            yield block, None
            continue
        weight = weights[start : start + step]
        counts = weight > 0
        if counts.all():
            yield block, weight
        elif counts.any():
            yield block[counts], weight[counts]
