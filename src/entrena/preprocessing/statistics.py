"""Column statistics: weighted, in float64, without overflow and without a second array of the data's size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np

from entrena.errors import DataError

# Rows are looked at in pieces of about this many values.
BLOCK_VALUES = 2**18

# A piece of rows has at least so many rows, as long as it has no more than so many values.
LEAST_ROWS = 1024
MOST_VALUES = 2**22

# NumPy lets other threads run while it computes; fewer pieces than these are not worth starting them.
MOST_THREADS = 4
FEW_PIECES = 4

Result = TypeVar("Result")

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
        median: [columns] medians, where a scale asks for them; else empty.
        spread: [columns] the width of the middle half, or where that is 0 half of the range; else empty.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    median: np.ndarray = field(default_factory=lambda: np.zeros(0))
    spread: np.ndarray = field(default_factory=lambda: np.zeros(0))


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
    for start, stop in pieces(*values.shape):
        counted, _ = _counted(values[start:stop].astype(np.float64, copy=False), weights, start)
        if len(counted):
            np.minimum(low, counted.min(axis=0), out=low)
            np.maximum(high, counted.max(axis=0), out=high)

    def block(start: int, stop: int) -> np.ndarray:
        return values[start:stop].astype(np.float64, copy=False)

    return moments(block, len(values), low, high, weights)


def moments(
    block: Callable[[int, int], np.ndarray],
    n_rows: int,
    low: np.ndarray,
    high: np.ndarray,
    weights: np.ndarray | None = None,
) -> ColumnStatistics:
    """The statistics of columns whose least and greatest values are known.

    The sums are taken over the same pieces of rows in the same order wherever the numbers come from and however many
    threads there are, so that equal numbers give equal bits.

    Args:
        block: From the first row and the one after the last to [rows, columns] finite float64, not to be written to.
        n_rows: How many rows there are, at least 1.
        low: [columns] the least values.
        high: [columns] the greatest values.
        weights: [n_rows] as `check_weights` returns them.
    """
    n_columns = len(low)
    factor = power_of_two_below(np.maximum(np.abs(low), np.abs(high)))
    total = float(n_rows) if weights is None else float(weights.sum())
    step = max(1, BLOCK_VALUES // max(1, n_columns))

    def sums_of(start: int, stop: int, first: np.ndarray | None) -> list[tuple[np.ndarray, np.ndarray]]:
        rows, found = block(start, stop), []
        for at in range(0, stop - start, step):
            counted, weight = _counted(rows[at : at + step], weights, start + at)
            if len(counted):
                scaled = counted * factor
                if first is None:
                    found.append((_sum(scaled, weight), factor))
                else:
                    scaled -= first
                    linear = _sum(scaled, weight)
                    scaled *= scaled
                    found.append((linear, _sum(scaled, weight)))
        return found

    def sums(first: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return chain.from_iterable(in_pieces(partial(sums_of, first=first), pieces(n_rows, n_columns)))

    first = np.asarray(sum(linear for linear, _ in sums(None))) / total
    linear, square = np.zeros(n_columns), np.zeros(n_columns)
    for of_block, squares_of_block in sums(first):
        linear += of_block
        square += squares_of_block
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
        raise DataError("all sample weights are zero; at least one row must count")
    # Only ratios matter; so the sum of large weights stays in range. A weight above 0 stays above 0: its row is there.
    scaled = weights * power_of_two_below(weights.max())
    return np.where(weights > 0, np.maximum(scaled, np.finfo(np.float64).smallest_subnormal), 0.0)


def power_of_two_below(magnitude: np.ndarray) -> np.ndarray:
    """A power of two by which numbers of this magnitude become about 1; 1 for 0."""
    exponent = np.frexp(np.where(magnitude == 0, 1.0, magnitude))[1]
    return np.ldexp(1.0, -np.clip(exponent, -1000, 1000))


def _sum(block: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return block.sum(axis=0) if weight is None else weight @ block


def _counted(block: np.ndarray, weights: np.ndarray | None, start: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows of a block that count, with their weights."""
    if weights is None:
        return block, None
    weight = weights[start : start + len(block)]
    counts = weight > 0
    return (block, weight) if counts.all() else (block[counts], weight[counts])


def pieces(n_rows: int, n_columns: int) -> Iterator[tuple[int, int]]:
    """First rows and those after the last, of pieces that are asked for at once: whole numbers of blocks."""
    step = max(1, BLOCK_VALUES // max(1, n_columns))
    # A piece costs some work for each column: where columns are many, a piece has several blocks.
    blocks = max(1, min(LEAST_ROWS, MOST_VALUES // max(1, n_columns)) // step)
    return ((start, min(start + step * blocks, n_rows)) for start in range(0, n_rows, step * blocks))


def in_pieces(function: Callable[[int, int], Result], parts: Iterable[tuple[int, int]]) -> Iterator[Result]:
    """The results of a function of (start, stop), in order; computed side by side where there are many pieces."""
    parts = list(parts)
    n_threads = min(MOST_THREADS, _usable_cores())
    if len(parts) < FEW_PIECES or n_threads == 1:
        yield from (function(start, stop) for start, stop in parts)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(function, *zip(*parts, strict=True))


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
