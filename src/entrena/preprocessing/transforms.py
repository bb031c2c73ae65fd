"""Transforms of single columns, before they are centred and scaled: for skewed columns and outliers.

A function of the registry `TRANSFORMS` is called as `function(values, parameters)` with [rows] float64, NaN for a gap,
and what was found of the training rows; it returns [rows]. Every transform rises, so the order of values stays. An
entry's details are `fit`, from the column's values, its weights and the settings to those parameters, and `inverse`,
called as `function`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import numpy as np

from entrena.preprocessing.missing import ROUNDING
from entrena.registry import Choice, Entry, Registry, Setting

BETTER_BY_DEFAULT = "Holzmüller, Grinsztajn & Steinwart, Better by Default, NeurIPS 2024, appendix B"
LEAST_SHARE = 1e-7  # of the rows: what lies outside the training rows becomes no infinity
MOST_ROWS_FOR_QUANTILES = 100_000  # of more rows as many are looked at, evenly spaced

Transform = Callable[[np.ndarray], np.ndarray]


def log1p(values: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """sign(x)·ln(1 + |x|)."""
    return np.copysign(np.log1p(np.abs(values)), values)


def expm1(values: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """The inverse of `log1p`."""
    return np.copysign(np.expm1(np.abs(values)), values)


def clip(values: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """z/√(1 + (z/c)²) with z = (x − median)/spread."""
    median, spread, limit = parameters
    with np.errstate(over="ignore", divide="ignore"):
        t = (values - median) / spread / limit
        # Each operation rounds correctly and rises or falls, so the whole rises to the last digit; t/hypot(1, t) does
        # not. Beyond float64 it is the limit itself, below 1e-154 it is 0.
        return np.copysign(limit / np.sqrt(1 + 1 / np.square(t)), t)


def unclip(values: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """The inverse of `clip`; what is at the limit or beyond becomes a great number."""
    median, spread, limit = parameters
    inside = np.clip(values / limit, -1 + 1e-12, 1 - 1e-12)
    return median + spread * limit * inside / np.sqrt(1 - np.square(inside))


def quantile(values: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """The share of the training rows below x, or the normal number with as large a share below it."""
    is_normal, known = bool(parameters[0]), parameters[1:]
    known = known[~np.isnan(known)]
    shares = np.linspace(0, 1, len(known))
    # Of values that occur often several shares are right: the middle of the least and the greatest.
    least = np.interp(values, known, shares)
    greatest = -np.interp(-values, -known[::-1], -shares[::-1])
    share = (least + greatest) / 2
    if not is_normal:
        return cast(np.ndarray, share)
    from scipy.special import ndtri

    return cast(np.ndarray, ndtri(np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)))


def unquantile(values: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """The inverse of `quantile`, by straight lines between the known quantiles."""
    is_normal, known = bool(parameters[0]), parameters[1:]
    known = known[~np.isnan(known)]
    if is_normal:
        from scipy.special import ndtr

        values = ndtr(values)
    return np.interp(values, np.linspace(0, 1, len(known)), known)


def _fit_nothing(values: np.ndarray, weights: np.ndarray | None, settings: Mapping[str, Any]) -> np.ndarray:
    return np.zeros(0)


def _fit_clip(values: np.ndarray, weights: np.ndarray | None, settings: Mapping[str, Any]) -> np.ndarray:
    median, spread = robust_statistics(values, weights)
    return np.array([median, spread or 1.0, settings["limit"]])


def _fit_quantile(values: np.ndarray, weights: np.ndarray | None, settings: Mapping[str, Any]) -> np.ndarray:
    step = max(1, len(values) // MOST_ROWS_FOR_QUANTILES)
    values, weights = values[::step], None if weights is None else weights[::step]
    n = int(settings["quantiles"])
    known = np.full(n, np.nan)
    if len(values):
        shares = np.linspace(0, 1, min(n, max(2, len(values))))
        known[: len(shares)] = quantiles(values, weights, shares)
    else:
        known[:2] = 0.0
    return np.concatenate([[float(settings["output"] == "normal")], known])


def robust_statistics(values: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    """The median, and the width of the middle half; where that is 0, half of the range, which may be 0 as well."""
    if not len(values):
        return 0.0, 0.0
    low, median, high = quantiles(values, weights, np.array([0.25, 0.5, 0.75]))
    if high > low:
        half = high / 2 - low / 2  # the difference of two great numbers may be beyond float64
        return float(median), float(2 * min(half, np.finfo(np.float64).max / 2))
    return float(median), float(values.max() / 2 - values.min() / 2)


def quantiles(values: np.ndarray, weights: np.ndarray | None, shares: np.ndarray) -> np.ndarray:
    """[shares] quantiles, those of the values each as often as its weight says.

    In order, the first value up to which the weights reach the share of all; where they are exactly the share, the
    middle between it and the next. (Hyndman & Fan, The American Statistician 50 (1996), definition 2: a definition by
    straight lines between values, as scikit-learn's, knows no weights; with many values they are alike.)

    Args:
        values: [rows] finite, at least one.
        weights: [rows] above 0; None: all alike.
        shares: Rising, 0 to 1.
    """
    if weights is None:
        return cast(np.ndarray, np.quantile(values, shares, method="averaged_inverted_cdf"))
    order = np.argsort(values, kind="stable")
    values, reached = values[order], np.cumsum(weights[order])
    asked, rounding = shares * reached[-1], ROUNDING * reached[-1]
    first = np.minimum(np.searchsorted(reached, asked - rounding), len(values) - 1)
    after = np.minimum(np.searchsorted(reached, asked + rounding), len(values) - 1)
    # Exactly the value where both are equal; halves, for the difference of two great numbers is beyond float64.
    return cast(np.ndarray, values[first] + (values[after] / 2 - values[first] / 2))


TRANSFORMS = Registry(
    "inputs.transform",
    "Preprocessing",
    (
        Entry("none", "x′ = x", "Columns stay as they are.", other_names=("identity", "off", "passthrough")),
        Entry(
            "log1p",
            "x′ = sign(x)·ln(1 + |x|)",
            "For skewed columns, such as prices and counts: a factor becomes a difference. Negative numbers are "
            "mirrored.",
            log1p,
            other_names=("log", "symlog", "log_transform", "PowerTransformer", "yeo_johnson"),
            details={"fit": _fit_nothing, "inverse": expm1},
        ),
        Entry(
            "quantile",
            "x′ = Φ⁻¹(share of the training rows below x)",
            "The ranks of the values in place of the values: no outliers and no skew are left, and distances are lost.",
            quantile,
            source="Beasley, Erickson & Allison, Behavior Genetics 39 (2009), on rank-based normal scores",
            other_names=("QuantileTransformer", "rank", "rank_gauss", "rankgauss", "normal_scores"),
            settings=(
                Setting("quantiles", 1000, "how many quantiles are kept of each column", low=2, high=100_000),
                Setting("output", "normal", "what the ranks become", choices=("normal", "uniform")),
            ),
            details={"fit": _fit_quantile, "inverse": unquantile},
        ),
        Entry(
            "clip",
            "x′ = z/√(1 + (z/c)²), z = (x − median)/(width of the middle half)",
            "Smooth clipping for outliers: near the median almost straight, and never beyond ±c.",
            clip,
            source=BETTER_BY_DEFAULT,
            other_names=("winsorize", "smooth_clip", "robust_clip"),
            settings=(Setting("limit", 3.0, "the c that no value is beyond", low=0, low_open=True),),
            details={"fit": _fit_clip, "inverse": unclip},
        ),
    ),
)


def fit_transform(choice: Choice, values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """What a transform has to know of a column.

    Args:
        choice: From `TRANSFORMS`, not `none`.
        values: [rows] without gaps.
        weights: [rows] above 0, or None.
    """
    settings = TRANSFORMS.settings_of(choice)
    return cast(np.ndarray, TRANSFORMS[choice.name].details["fit"](values, weights, settings))


def transform_of(choice: Choice, parameters: np.ndarray) -> Transform:
    """The transform of a column."""
    function = TRANSFORMS[choice.name].function
    assert function is not None
    return partial(function, parameters=parameters)


def inverse_of(choice: Choice, parameters: np.ndarray) -> Transform:
    """Back from a transform."""
    return partial(TRANSFORMS[choice.name].details["inverse"], parameters=parameters)
