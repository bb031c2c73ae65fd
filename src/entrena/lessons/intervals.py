"""Intervals for what lessons count."""

from __future__ import annotations

from collections.abc import Mapping
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
