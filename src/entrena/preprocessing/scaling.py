"""Centre and scale of the inputs: shift s and scale c of each column, x′ = (x − s)/c.

A function of the registry `SCALES` is called as `function(statistics, center)` with `ColumnStatistics` and the choice
of `inputs.center`, and returns the pair (shift, scale), each [columns] in float64. A column without spread has scale 1.
"""

from __future__ import annotations

import numpy as np

from entrena.preprocessing.statistics import ColumnStatistics
from entrena.registry import Entry, Registry

EFFICIENT_BACKPROP = "LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998/2012, section 4.3"


def standard(statistics: ColumnStatistics, center: bool) -> tuple[np.ndarray, np.ndarray]:
    """Shift by the mean (if centred), scale by the standard deviation."""
    return _shift(statistics, center), one_where_zero(statistics.deviation)


def min_max(statistics: ColumnStatistics, center: bool) -> tuple[np.ndarray, np.ndarray]:
    """The training rows reach from −1 to 1 where centred, from 0 to 1 where not."""
    # Halves first: the difference of 1e308 and −1e308 is beyond float64.
    half_range = statistics.high / 2 - statistics.low / 2
    spread = one_where_zero(np.where(statistics.deviation == 0, 0.0, half_range))
    if center:
        middle = np.where(statistics.deviation == 0, statistics.mean, statistics.high / 2 + statistics.low / 2)
        return middle, spread
    greatest = np.finfo(np.float64).max
    doubled = np.where(spread > greatest / 2, greatest, 2 * np.minimum(spread, greatest / 2))
    return statistics.low, np.where(statistics.deviation == 0, 1.0, doubled)


def robust(statistics: ColumnStatistics, center: bool) -> tuple[np.ndarray, np.ndarray]:
    """Shift by the median (if centred), scale by the width of the middle half."""
    shift = statistics.median if center else np.zeros_like(statistics.median)
    return shift, one_where_zero(statistics.spread)


def unscaled(statistics: ColumnStatistics, center: bool) -> tuple[np.ndarray, np.ndarray]:
    """Shift by the mean (if centred), scale 1."""
    return _shift(statistics, center), np.ones_like(statistics.mean)


def _shift(statistics: ColumnStatistics, center: bool) -> np.ndarray:
    return statistics.mean if center else np.zeros_like(statistics.mean)


def one_where_zero(scale: np.ndarray) -> np.ndarray:
    """The scale, with 1 for columns that have no spread."""
    return np.where(scale == 0, 1.0, scale)


SCALES = Registry(
    "inputs.scale",
    "Preprocessing",
    (
        Entry(
            "standard",
            "x′ = (x − μ)/σ",
            "Every column gets standard deviation 1, and with center mean 0 (z-scores): comparable variances, so that "
            "no column's weights learn faster than another's.",
            standard,
            source=EFFICIENT_BACKPROP,
            other_names=("StandardScaler", "standard_scaler", "zscore", "z-score", "z_score", "standardize", "std"),
            details={"shifts_by_mean": True},
            lesson="scaling",
        ),
        Entry(
            "min_max",
            "x′ = (2x − max − min)/(max − min); without center (x − min)/(max − min)",
            "Every column reaches from −1 to 1 on the training rows, or from 0 to 1 without center. One outlier "
            "presses all other values together.",
            min_max,
            source=EFFICIENT_BACKPROP,
            other_names=("MinMaxScaler", "minmax", "min-max", "minmax_scale", "normalize", "range"),
            lesson="scaling",
        ),
        Entry(
            "robust",
            "x′ = (x − median)/(q₇₅ − q₂₅)",
            "Median and width of the middle half in place of mean and deviation, so that outliers move neither. Where "
            "half of the values are equal, half of the range is the width.",
            robust,
            source="Huber & Ronchetti, Robust Statistics, 2009, chapter 5",
            other_names=("RobustScaler", "robust_scale", "iqr", "median"),
            details={"needs_quartiles": True},
            lesson="scaling",
        ),
        Entry(
            "none",
            "x′ = x − μ; without center x",
            "Columns keep their spread: for inputs that share a unit, such as pixels.",
            unscaled,
            source=EFFICIENT_BACKPROP,
            other_names=("passthrough", "identity", "off", "raw"),
            details={"shifts_by_mean": True},
            lesson="scaling",
        ),
    ),
)

# `inputs.center` is true or false; this registry is its place in the catalogue.
CENTER = Registry(
    "inputs.center",
    "Preprocessing",
    (
        Entry(
            "true",
            "x′ = x − μ",
            "Every column gets mean 0: inputs of one sign would move all weights of a unit up or down together, in "
            "zigzags.",
            source=EFFICIENT_BACKPROP,
            other_names=("with_mean",),
            lesson="centring",
        ),
        Entry("false", "x′ = x", "Columns keep their means.", source=EFFICIENT_BACKPROP, lesson="centring"),
    ),
)
