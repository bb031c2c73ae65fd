"""Intervals for what lessons count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isnan, nan
from statistics import median
from typing import Any


def clopper_pearson(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a probability of which `count` in `n` independent trials were hits; (low, high).

    Each end is where so many hits, or more on the one side and fewer on the other, have the probability (1 − level)/2;
    the true value is in it at least as often as the level says.

    Source: Clopper & Pearson, Biometrika 26 (1934).

    >>> clopper_pearson(0, 10)[0], round(clopper_pearson(0, 10)[1], 4)
    (0.0, 0.3085)

    Raises:
        ValueError: There are no trials, or more hits than trials.
    """
    from scipy.stats import beta

    if not 0 <= count <= n or n == 0:
        raise ValueError(f"{count} hits in {n} trials")
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, count, n - count + 1)) if count > 0 else 0.0
    high = float(beta.ppf(1 - tail, count + 1, n - count)) if count < n else 1.0
    return low, high


def median_interval(values: Sequence[float], level: float = 0.95) -> dict[str, float]:
    """The median of independent values and its interval, whatever their distribution: `median`, `low`, `high`.

    The interval reaches from the r-th smallest value to the r-th greatest. The true median is outside where fewer than
    r values are on one side of it, with the probability 2·P(Binomial(n, ½) < r); r is the greatest for which that is
    1 − level at most. Values may be infinite; where some are not known, NaN, each end takes the worse.

    Source: David & Nagaraja, Order Statistics, 3rd ed. (2003), section 7.1.

    >>> median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    {'median': 4.5, 'low': 1.0, 'high': 8.0}
    """
    from scipy.stats import binom

    least = sorted(-inf if isnan(value) else value for value in values)
    most = sorted(inf if isnan(value) else value for value in values)
    middle = median(least) if median(least) == median(most) else nan
    r = int(binom.ppf((1 - level) / 2, len(values), 0.5))
    if r == 0:  # too few values: nothing is known
        return {"median": middle, "low": -inf, "high": inf}
    return {"median": middle, "low": least[r - 1], "high": most[-r]}


def jackknife_interval(value: float, without: Sequence[float], level: float = 0.95) -> dict[str, float]:
    """What was found with its interval, from what is found without one part after the other: `mean`, `low`, `high`.

    Of G parts the squared standard error is (G − 1)/G·Σ (without_g − their mean)², with G − 1 degrees of freedom.

    Args:
        value: Of all parts together.
        without: [G] of all parts but one.
        level: How often the interval has the true value in it.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 11.

    Raises:
        ValueError: There are fewer than two parts.
    """
    from scipy.stats import t

    n = len(without)
    if n < 2:
        raise ValueError(f"a jackknife needs at least 2 parts, not {n}")
    middle = sum(without) / n
    error = ((n - 1) / n * sum((each - middle) ** 2 for each in without)) ** 0.5
    half = float(t.ppf((1 + level) / 2, n - 1)) * error
    return {"mean": value, "low": value - half, "high": value + half}


def share(count: int, n: int) -> dict[str, Any]:
    """A share with its interval as plain values: `count`, `n`, `share`, `low`, `high`."""
    low, high = clopper_pearson(count, n)
    return {"count": count, "n": n, "share": count / n, "low": low, "high": high}


def share_text(found: Mapping[str, Any]) -> str:
    """A share with its interval in a table.

    >>> share_text(share(5, 10))
    '0.50 (0.19–0.81)'
    """
    return f"{found['share']:.2f} ({found['low']:.2f}–{found['high']:.2f})"


def percent_text(found: Mapping[str, Any]) -> str:
    """A share with its interval in a sentence.

    >>> percent_text(share(5, 10))
    '50 % (19 to 81)'
    """
    return f"{percent(found['share'])} ({100 * found['low']:.0f} to {100 * found['high']:.0f})"


def percent(value: float) -> str:
    """A share in a sentence.

    >>> percent(0.123)
    '12 %'
    """
    return f"{100 * value:.0f} %"


def span_of(found: Mapping[str, Any], digits: int = 3, between: str = "–") -> str:
    """A mean with its interval, of which `mean`, `low` and `high` are known.

    >>> span_of({"mean": 1.0, "low": 0.991, "high": 1.009}, 2)
    '1.00 (0.99–1.01)'
    >>> span_of({"mean": -1.0, "low": -2.0, "high": 0.0}, 1, " to ")
    '-1.0 (-2.0 to 0.0)'
    """
    mean, low, high = (f"{found[end]:.{digits}f}" for end in ("mean", "low", "high"))
    return f"{mean} ({low}{between}{high})"
