"""Whether a difference is one: tests for recipes compared on one data set, or on several.

On one data set the scores come from splits of the same rows, so they are not independent, and the usual t-test finds
differences where there are none; its variance is corrected for the share of rows that two splits have in common. On
several data sets the ranks within each are compared.

Sources: Nadeau & Bengio, Inference for the Generalization Error, Machine Learning 52 (2003); Benavoli, Corani, Demšar &
Zaffalon, Time for a Change, JMLR 18 (2017); Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets,
JMLR 7 (2006); Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian J. of Statistics 6 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """The difference between two recipes on the same splits of one data set.

    Attributes:
        mean: Of the differences; above 0: the first is better.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p_value: Of the hypothesis that there is none, two-sided.
    """

    mean: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Posterior:
    """What a Bayesian holds of the difference between two recipes; the three add up to 1.

    Attributes:
        better: The probability that the first is better by more than what counts as equal.
        equal: That they are equal for all practical purposes.
        worse: That it is worse by more than that.
    """

    better: float
    equal: float
    worse: float


@dataclass(frozen=True)
class Ranking:
    """Recipes ranked on several data sets, 1 being the best.

    Attributes:
        mean_ranks: [recipes].
        statistic: Friedman's χ², ties taken into account.
        p_value: Of the hypothesis that all recipes are equal, by Iman and Davenport's F.
        critical_difference: Two mean ranks that are farther apart differ (Nemenyi, 5 %).
    """

    mean_ranks: tuple[float, ...]
    statistic: float
    p_value: float
    critical_difference: float


def corrected_t(differences: Sequence[float], test_share: float, resolution: float = 0.0) -> Difference:
    """The corrected resampled t-test: J differences count as fewer, because their training rows overlap.

    t = mean/√((1/J + n₂/n₁)·s²) with J − 1 degrees of freedom, for n₁ training and n₂ held-out rows.

    Args:
        differences: [J] a difference for each split.
        test_share: Share of the rows that a split holds out, n₂/(n₁ + n₂).
        resolution: The least difference that one row makes. Where few rows decide, all splits may agree by chance; the
            standard deviation counts as this one at least.

    Raises:
        ValueError: There are fewer than two differences.
    """
    from scipy.stats import t

    mean, scale, freedom = _location(differences, test_share, resolution)
    if scale == 0:
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    half = scale * float(t.ppf(0.975, freedom))
    return Difference(mean, mean - half, mean + half, float(2 * t.sf(abs(mean) / scale, freedom)))


def bayesian_t(differences: Sequence[float], test_share: float, equal: float, resolution: float = 0.0) -> Posterior:
    """The Bayesian form of the corrected t-test: a posterior of the mean difference, Student's t around it.

    Args:
        differences: [J] a difference for each split.
        test_share: Share of the rows that a split holds out.
        equal: Differences up to this size count as none.
        resolution: As for `corrected_t`.

    Raises:
        ValueError: There are fewer than two differences.
    """
    from scipy.stats import t

    mean, scale, freedom = _location(differences, test_share, resolution)
    if scale == 0:
        return Posterior(float(mean > equal), float(abs(mean) <= equal), float(mean < -equal))
    better, worse = float(t.sf((equal - mean) / scale, freedom)), float(t.cdf((-equal - mean) / scale, freedom))
    return Posterior(better, 1 - better - worse, worse)


def mean_interval(values: Sequence[float], test_share: float, resolution: float = 0.0) -> tuple[float, float, float]:
    """Mean and 95 % interval of the scores on several splits, corrected likewise; (mean, low, high).

    Args:
        values: [J] a score for each split.
        test_share: Share of the rows that a split holds out.
        resolution: The least difference that one row makes: scores that agree by chance are not certain.
    """
    if len(values) < 2:
        return float(np.mean(values)), math.nan, math.nan
    found = corrected_t(values, test_share, resolution)
    return found.mean, found.low, found.high


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests, adjusted so that any false finding among all has the nominal probability at most.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)
    result = np.empty(len(order))
    result[order] = np.minimum(np.maximum.accumulate(adjusted), 1.0) if len(order) else adjusted
    return result.tolist()


def rank(scores: np.ndarray) -> Ranking:
    """Friedman's test and Nemenyi's critical difference.

    Args:
        scores: [data sets, recipes], higher is better; equal scores share their ranks.

    Raises:
        ValueError: There are fewer than two recipes or data sets.
    """
    from scipy.stats import f, rankdata

    n, k = scores.shape
    if n < 2 or k < 2:
        raise ValueError(f"ranks need at least 2 data sets and 2 recipes, not {n} and {k}")
    ranks = rankdata(-scores, axis=1)
    mean_ranks = ranks.mean(axis=0)
    spread = np.square(ranks - (k + 1) / 2).sum()  # with ties less than n·k(k² − 1)/12
    if spread == 0:
        return Ranking(tuple(mean_ranks.tolist()), 0.0, 1.0, critical_difference(k, n))
    statistic = float((k - 1) * n**2 * np.square(mean_ranks - (k + 1) / 2).sum() / spread)
    left = n * (k - 1) - statistic
    # Where all data sets agree F is infinite; that they do by chance has this probability.
    p_value = math.factorial(k) ** (1.0 - n)
    if left > 1e-9 * statistic:
        p_value = float(f.sf((n - 1) * statistic / left, k - 1, (k - 1) * (n - 1)))
    return Ranking(tuple(mean_ranks.tolist()), statistic, p_value, critical_difference(k, n))


def critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """Nemenyi's: q·√(k(k + 1)/6n), q the studentised range's quantile over √2.

    Args:
        k: Recipes.
        n: Data sets.
        alpha: The probability that any two of equal recipes are found different.
    """
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - alpha, k, math.inf) / math.sqrt(2)
    return float(q * math.sqrt(k * (k + 1) / (6 * n)))


def splits_for_power(difference: float, deviation: float, test_share: float, power: float = 0.8) -> int | None:
    """How many splits it takes to find a difference at 5 %; None where no number does.

    The correction leaves a share of the variance that no repetition takes away.

    Args:
        difference: The true mean difference.
        deviation: Standard deviation of the differences over splits.
        test_share: Share of the rows that a split holds out.
        power: The probability of finding it.
    """
    for n_splits in (*range(2, 31), *range(35, 101, 5), *range(110, 1001, 10)):
        if power_of(difference, deviation, test_share, n_splits) >= power:
            return n_splits
    return None


def power_of(difference: float, deviation: float, test_share: float, n_splits: int) -> float:
    """The probability that the corrected t-test finds a difference at 5 %."""
    from scipy.stats import nct, t

    scale = deviation * math.sqrt(1 / n_splits + test_share / (1 - test_share))
    limit, shift = t.ppf(0.975, n_splits - 1), difference / scale
    return float(nct.sf(limit, n_splits - 1, shift) + nct.cdf(-limit, n_splits - 1, shift))


def _location(differences: Sequence[float], test_share: float, resolution: float = 0.0) -> tuple[float, float, int]:
    """Mean, corrected standard error and degrees of freedom."""
    found = np.asarray(differences, float)
    if len(found) < 2:
        raise ValueError(f"a difference needs at least 2 splits, not {len(found)}")
    variance = max(float(found.var(ddof=1)), resolution**2) * (1 / len(found) + test_share / (1 - test_share))
    return float(found.mean()), math.sqrt(variance), len(found) - 1
