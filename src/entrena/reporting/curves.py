"""Learning curves of several splits as one, and long ones thinned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

MOST_POINTS = 1000


@dataclass(frozen=True, eq=False)
class OverSplits:
    """Curves of several splits, epoch by epoch.

    Attributes:
        mean: [epochs] mean.
        low: [epochs] the lowest.
        high: [epochs] the highest.
        n_splits: Of how many; those without any loss are left out.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_splits: int


def over_splits(curves: Sequence[Sequence[float | None]]) -> OverSplits:
    """The mean, the lowest and the highest loss after each epoch, until the last network ends.

    One that ended earlier counts with its last loss, so the last mean is the mean of the last losses.

    >>> over_splits([[3.0, 1.0, None], [5.0, 3.0, 2.0], [None, None, None]]).mean.tolist()
    [4.0, 2.0, 1.5]

    Args:
        curves: For each split a loss after each epoch; None or NaN after the end.
    """
    table = np.array(curves, float).reshape(len(curves), -1)
    known = np.isfinite(table)
    table, known = table[known.any(axis=1)], known[known.any(axis=1)]
    if not len(table):
        return OverSplits(np.empty(0), np.empty(0), np.empty(0), 0)
    length = int(np.flatnonzero(known.any(axis=0))[-1]) + 1
    last_known = np.maximum.accumulate(np.where(known, np.arange(table.shape[1]), 0), axis=1)[:, :length]
    carried = np.take_along_axis(table, last_known, axis=1)
    # Before its first loss a network has none; there the first one counts, so that each epoch has all splits.
    first = np.argmax(known, axis=1)
    carried = np.where(np.isfinite(carried), carried, np.take_along_axis(table, first[:, None], axis=1))
    return OverSplits(carried.mean(axis=0), carried.min(axis=0), carried.max(axis=0), len(carried))


def kept_points(series: Sequence[Sequence[float] | np.ndarray], most: int = MOST_POINTS) -> list[int]:
    """Which points of long curves are drawn: of each stretch the lowest and the highest of each curve, and both ends.

    >>> kept_points([[0.0, 1.0, 9.0, 1.0, 0.0, -5.0, 0.0, 0.0]], most=6)
    [0, 2, 4, 5, 7]

    Args:
        series: Curves over the same points.
        most: How many points are kept at most; all of them where there are no more.
    """
    length = len(series[0])
    if length <= most:
        return list(range(length))
    n_stretches = max((most - 2) // (2 * len(series)), 1)
    edges = np.linspace(0, length, n_stretches + 1).astype(int)
    kept = {0, length - 1}
    for values in (np.asarray(each, float) for each in series):
        for start, end in pairwise(edges):
            stretch = values[start:end]
            kept |= {int(start + stretch.argmin()), int(start + stretch.argmax())}
    return sorted(kept)
