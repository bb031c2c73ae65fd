"""Missing values: what stands for them, and the median that fills the gaps of numbers.

The registry `MISSING` names what the preprocessor does; its entries have no function of their own.
"""

from __future__ import annotations

import numpy as np

from entrena.registry import Entry, Registry

VAN_NESS = (
    "Van Ness, Bosschieter, Halpin-Gregorio & Udell, The Missing Indicator Method: From Low to High Dimensions, 2023"
)

# Sums of weights that differ by less than this share are equal but for rounding.
ROUNDING = 1e-12

# Of more values than these a sample is taken first.
MANY_VALUES = 20_000
SAMPLE = 4_000

MISSING = Registry(
    "inputs.missing",
    "Preprocessing",
    (
        Entry(
            "indicator",
            "x = median, and a further input m = 1 where x is missing, else 0",
            "A gap in numbers, dates or truth values becomes the median of the training rows, and a further input says "
            "that it was one, where the training rows have gaps; in categories it is a level of its own.",
            source=VAN_NESS,
            other_names=("MissingIndicator", "add_indicator", "missing_indicator", "flag"),
        ),
        Entry(
            "impute",
            "x = median",
            "A gap becomes the median of the training rows, and nothing tells that it was one; in categories it is a "
            "level of its own.",
            other_names=("SimpleImputer", "median", "fillna", "fill", "mean"),
        ),
        Entry(
            "refuse",
            "x must be there",
            "A gap ends in an error that names the column and the row.",
            other_names=("error", "raise", "forbid"),
        ),
    ),
)


def median(values: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The weighted median: that of the values, each as often as its weight says.

    With values in order, it is the first whose weights up to there reach half of all weights; where they are exactly
    half, the middle between it and the next.

    Args:
        values: [n] finite numbers, at least one.
        weights: [n] weights above 0; None: 1 for each.

    >>> median(np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0]))
    3.0
    """
    if weights is not None and (weights != weights[0]).any():
        return _weighted_median(values, weights)
    if values.dtype.itemsize <= 2:  # float32 holds these exactly, and NumPy selects among them faster
        values = values.astype(np.float32)
    half, low = len(values) // 2, values.min()
    # Most pixels are black: selecting among equal values takes long, and counting them does not.
    if np.count_nonzero(values == low) > half:
        return float(low)
    # One place is selected and the other is the greatest below it: selecting two takes several times as long.
    parted = np.partition(values, half)
    upper = float(parted[half])
    return upper if len(values) % 2 else _middle(float(parted[:half].max()), upper)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    total = weights.sum()
    half, tolerance = total / 2, ROUNDING * total
    below = 0.0
    if len(values) > MANY_VALUES:
        # Only the values near the median need to be in order; a sample tells where about it is.
        low, high = _near_median(values[:: len(values) // SAMPLE], weights[:: len(values) // SAMPLE])
        is_below, is_above = values < low, values > high
        below, above = weights[is_below].sum(), weights[is_above].sum()
        if below < half - tolerance and above < half - tolerance:
            near = ~(is_below | is_above)
            values, weights = values[near], weights[near]
        else:
            below = 0.0
    order = np.argsort(values, kind="stable")
    upto = below + np.cumsum(weights[order])
    at = int(np.searchsorted(upto, half - tolerance))
    lower = float(values[order[at]])
    is_half = upto[at] <= half + tolerance and at + 1 < len(order)
    return _middle(lower, float(values[order[at + 1]])) if is_half else lower


def _near_median(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Values between which the median lies very probably, if these are a sample."""
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order])
    low, high = np.searchsorted(upto, np.array([0.45, 0.55]) * upto[-1])
    return values[order[low]], values[order[min(high, len(order) - 1)]]


def _middle(lower: float, upper: float) -> float:
    both = lower + upper
    return both / 2 if np.isfinite(both) else lower / 2 + upper / 2
