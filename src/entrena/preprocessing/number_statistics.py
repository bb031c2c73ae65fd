"""What the training rows say of numbers: the parameters of their transforms, and the statistics that scales go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from entrena.preprocessing.columns import NumberBlocks
from entrena.preprocessing.encoding import Encoding
from entrena.preprocessing.scaling import SCALES
from entrena.preprocessing.statistics import ColumnStatistics, moments
from entrena.preprocessing.summaries import Summaries
from entrena.preprocessing.transforms import Transform, fit_transform, robust_statistics, transform_of
from entrena.registry import Choice


def fit_numbers(
    numbers: NumberBlocks, encodings: Sequence[Encoding], transform: Choice, weights: np.ndarray | None
) -> np.ndarray:
    """[numbers, parameters] of the transform of each; NaN for truth values and parts of dates, which stay.

    Args:
        numbers: Of the training rows, gaps among them.
        encodings: What becomes of each column.
        transform: From `TRANSFORMS`.
        weights: [rows] as `check_weights` returns them.
    """
    n = numbers.shape[1]
    roles = [encoding.role for encoding in encodings for _ in encoding.parts]
    if transform.name == "none" or "number" not in roles:
        return np.zeros((n, 0))
    there = None if weights is None else weights > 0
    found = {}
    for first in range(0, n, numbers.group):
        last = min(first + numbers.group, n)
        for j, values in zip(range(first, last), numbers.columns(first, last), strict=True):
            if roles[j] == "number":
                counts = ~np.isnan(values) if there is None else ~np.isnan(values) & there
                values = values[counts].astype(np.float64)
                found[j] = fit_transform(transform, values, None if weights is None else weights[counts])
    # Of a transform without parameters one column says which numbers it is for.
    width = max(1, max(len(each) for each in found.values()))
    parameters = np.full((n, width), np.nan)
    for j, each in found.items():
        parameters[j] = each if len(each) else 0.0
    return parameters


def transforms_of(transform: Choice, parameters: np.ndarray) -> tuple[Transform | None, ...] | None:
    """[numbers] the transform of each, None for those that stay; or None: all stay."""
    if parameters.shape[1] == 0:
        return None
    return tuple(None if np.isnan(own[0]) else transform_of(transform, own) for own in parameters)


def needs_quartiles(scale: Choice) -> bool:
    """Whether a scale goes by medians and quartiles."""
    return bool(SCALES[scale.name].details.get("needs_quartiles"))


def statistics_of(
    numbers: NumberBlocks, found: Summaries, weights: np.ndarray | None, *, quartiles: bool
) -> ColumnStatistics:
    """What scales go by.

    Args:
        numbers: Of the training rows, gaps filled, transformed.
        found: What each column said before the transforms.
        weights: [rows] as `check_weights` returns them.
        quartiles: Whether medians and quartiles are found as well.
    """
    low, high = found.low, found.high
    if numbers.transforms is not None:  # they rise
        low, high = (_each(ends, numbers.transforms) for ends in (low, high))
    statistics = moments(numbers.block, numbers.shape[0], low, high, weights)
    if not quartiles:
        return statistics
    there = None if weights is None else np.flatnonzero(weights > 0)
    counted = weights if weights is None or there is None else weights[there]
    pairs = []
    for j in range(numbers.shape[1]):
        values = numbers.column(j, 0, numbers.shape[0])
        pairs.append(robust_statistics(values if there is None else values[there], counted))
    median, spread = np.array(pairs).reshape(-1, 2).T
    return replace(statistics, median=median, spread=spread)


def of_channels(statistics: ColumnStatistics, n_channels: int) -> ColumnStatistics:
    """Of images: one spread and one range for all pixels of a channel, since these share a unit; means of each pixel.

    The spread is the root of the mean variance. A pixel that hardly ever varies would else be blown up where it does.

    Args:
        statistics: Of each pixel, channels side by side.
        n_channels: How many there are.
    """

    def channels(values: np.ndarray) -> np.ndarray:
        return values.reshape(-1, n_channels)

    n = len(statistics.mean) // n_channels
    deviation = np.sqrt(np.square(channels(statistics.deviation)).mean(axis=0))
    low, high = channels(statistics.low).min(axis=0), channels(statistics.high).max(axis=0)
    own = {name: np.tile(each, n) for name, each in (("deviation", deviation), ("low", low), ("high", high))}
    return replace(statistics, **own)


def _each(values: np.ndarray, transforms: Sequence[Transform | None]) -> np.ndarray:
    pairs = zip(values, transforms, strict=True)
    return np.array([one if transform is None else float(transform(np.array([one]))[0]) for one, transform in pairs])
