"""Paired comparison: learners run alternately, and what is reported is the median of the paired ratios.

The machines drift by tens of per cent within minutes, so times of different rounds are never compared.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A median with its order-statistic (sign-test) interval.

    Attributes:
        coverage: The interval's confidence; below `CONFIDENCE` where even the whole range has less (under 6 values).
    """

    median: float
    low: float
    high: float
    coverage: float

    def __str__(self) -> str:
        return f"{number(self.median)} [{number(self.low)}, {number(self.high)}]"


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The median and the narrowest interval between order statistics that covers it with at least `confidence`.

    For n independent values, the k-th smallest and the k-th largest enclose the true median with probability
    1 − 2·P(Binomial(n, ½) < k), whatever the distribution.

    >>> median_interval([1, 2, 3, 4, 5, 6, 7])
    Interval(median=4, low=1, high=7, coverage=0.984375)
    """
    ordered = sorted(values)
    n, k, outside = len(ordered), 1, 2 / 2 ** len(ordered)
    while k < n // 2 and outside + 2 * math.comb(n, k) / 2**n <= 1 - confidence:
        outside += 2 * math.comb(n, k) / 2**n
        k += 1
    return Interval(statistics.median(ordered), ordered[k - 1], ordered[n - k], max(0.0, 1 - outside))


def run_alternately(
    measure: Mapping[str, Callable[[], float]], rounds: Mapping[str, int], title: str = ""
) -> dict[str, list[float]]:
    """Runs A B C A B C …: each name as often as `rounds` says, always in the first rounds.

    Returns:
        The results of each name; those of equal index are a pair.
    """
    results: dict[str, list[float]] = {name: [] for name in measure}
    for i in range(max(rounds.values())):
        for name, function in measure.items():
            if i < rounds[name]:
                results[name].append(function())
        print(f"{title} round {i + 1}: " + latest(results, i), file=sys.stderr, flush=True)
    return results


def latest(results: Mapping[str, Sequence[float]], i: int) -> str:
    """The numbers of one round, for whoever watches."""
    return ", ".join(f"{name} {number(values[i])}" for name, values in results.items() if i < len(values))


def paired_ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """The ratios of those rounds in which both ran."""
    return [a / b for a, b in zip(numerator, denominator, strict=False)]


def met(interval: Interval, goal: float) -> str:
    """Whether a target is met, in words: the interval's lower end decides."""
    if interval.coverage < CONFIDENCE:
        return "too few rounds"
    return "yes" if interval.low >= goal else "**no**"


def number(value: float) -> str:
    """Three digits or all before the point: `0.163`, `17.5`, `84,400`.

    >>> number(0.16321), number(17.46), number(84400.2)
    ('0.163', '17.5', '84,400')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
