"""Bootstrap intervals: how much a score would vary with other rows.

Rows are drawn with replacement, as many as there are, and the score is computed from the rows drawn; the middle 95 % of
many such resamples is the percentile interval. Every prediction sees the same resamples, so the interval of a
difference is that of pairs. Where rows belong to groups, whole groups are drawn.

A resample is a vector of counts, which multiply the rows' weights; nothing is copied. The work is bounded by a fixed
function of shapes:

- Sums over rows (accuracy, log loss, RMSE, …): what is drawn are *units*, the rows or groups. More than 10,000 of them
  are drawn in 10,000 bundles of equal numbers of randomly chosen units, whose sums vary as those of single units do.
  Scores that count many classes have fewer bundles, at least 100.
- Ranks (ROC AUC, average precision, median): of more than 50,000 rows a random subset is resampled; the interval found
  there is narrowed by √(units of the subset/all units) and laid around the score of all rows. More than 10,000 rows
  have fewer resamples than 1,000, at least 200. The rows of several classes count once for each class.

Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; subsets: Politis, Romano & Wolf,
Subsampling, 1999, chapter 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from entrena.registry import Choice
from entrena.training.score_kinds import NAN, RankScore, Score, SumScore, Weight, rows_that_count
from entrena.training.scores import of_choice, sign

N_RESAMPLES = 1000
LEVEL = 0.95

MOST_UNITS = 10_000
MOST_SUMS = 2**22  # numbers of a table [units, sums]
FEWEST_BUNDLES = 100

MOST_RANKED = 50_000  # rows × columns of probabilities that are ranked
RANK_WORK = 10_000_000  # rows × columns × resamples
FEWEST_RANKED, FEWEST_RESAMPLES = 2_000, 200

BLOCK = 2**17  # numbers that are worked on at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Interval:
    """A score, and where it would lie with other rows of the same kind.

    Attributes:
        value: The score of all rows.
        low: The lower end of the interval; NaN where there is none.
        high: Its upper end.
        lead: By how much the first prediction is better than this one, above 0 where it is, whether more or less of
            the score is better; None for the first one itself.
    """

    value: float
    low: float
    high: float
    lead: Interval | None = None

    def to_plain(self) -> dict[str, object]:
        """The numbers under their names, for JSON."""
        plain: dict[str, object] = {"value": self.value, "low": self.low, "high": self.high}
        return plain if self.lead is None else plain | {"lead": self.lead.to_plain()}


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of weight above 0, and the unit of each."""

    truth: np.ndarray
    weight: np.ndarray
    unit: np.ndarray
    n_units: int


def intervals(
    score: Choice | str,
    truth: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    *,
    weight: Weight = None,
    groups: np.ndarray | None = None,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """The score of each prediction with its percentile interval, and the first one's lead over the others.

    Args:
        score: A score with its settings, or the name of one.
        truth: [rows] class numbers, or [rows, outputs] numbers.
        predictions: Of each model, [rows, classes] probabilities or [rows, outputs] numbers.
        weight: [rows] weights of at least 0, or None: all equal.
        groups: [rows] of which group each row is, or None: rows are drawn one by one.
        n_resamples: How many resamples, at most.
        level: The share of the resamples inside the interval.
        seed: The same seed gives the same resamples.

    Returns:
        An `Interval` for each prediction. Its ends are NaN for fewer than two rows or groups, where more than half of
        the resamples have no score, and for a maximum, about which resampling says nothing.
    """
    function, settings = of_choice(score)
    values, spreads = {}, {}
    for name, prediction in predictions.items():
        truth_that_counts, counting, weights = rows_that_count(truth, prediction, weight)
        values[name] = function(truth_that_counts, counting, weights, **settings)
        unit, n_units = _units(len(truth) if groups is None else groups, weight)
        rows = _Rows(truth_that_counts, weights, unit, n_units)
        with np.errstate(over="ignore", invalid="ignore"):
            spreads[name] = _spread(function, settings, rows, counting, values[name], n_resamples, seed)
    first = next(iter(predictions), None)
    found = {}
    for name, value in values.items():
        lead = None
        if name != first:
            assert first is not None
            better = sign(score)
            lead = _interval(better * (values[first] - value), better * (spreads[first] - spreads[name]), level)
        found[name] = _interval(value, spreads[name], level, lead)
    return found


def _interval(value: float, resampled: np.ndarray, level: float, lead: Interval | None = None) -> Interval:
    there = resampled[~np.isnan(resampled)]
    if len(there) == 0 or 2 * len(there) < len(resampled) or np.isnan(value):
        return Interval(value, NAN, NAN, lead)
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), lead)


def _units(groups: np.ndarray | int, weight: Weight) -> tuple[np.ndarray, int]:
    """The number of the unit of each row of weight above 0, and how many units there are."""
    if isinstance(groups, int):
        n_rows = groups if weight is None else int(np.sum(np.asarray(weight) > 0))
        return np.arange(n_rows), n_rows
    there = groups if weight is None else groups[np.asarray(weight) > 0]
    names, unit = np.unique(there, return_inverse=True)
    return unit, len(names)


def _spread(
    function: Score,
    settings: Mapping[str, object],
    rows: _Rows,
    prediction: np.ndarray,
    value: float,
    n_resamples: int,
    seed: int,
) -> np.ndarray:
    """The score of each resample, [resamples]; empty where there is none."""
    if rows.n_units < 2 or np.isnan(value):
        return np.empty(0)
    if isinstance(function, SumScore):
        return _spread_of_sums(function, settings, rows, prediction, n_resamples, seed)
    if isinstance(function, RankScore):
        return _spread_of_ranks(function, settings, rows, prediction, value, n_resamples, seed)
    return np.empty(0)


def _spread_of_sums(
    function: SumScore,
    settings: Mapping[str, object],
    rows: _Rows,
    prediction: np.ndarray,
    n_resamples: int,
    seed: int,
) -> np.ndarray:
    terms = function.terms(rows.truth, prediction, rows.weight, **settings)
    assert terms is not None  # else the score is NaN
    most = min(MOST_UNITS, max(FEWEST_BUNDLES, MOST_SUMS // terms.n_sums))
    unit, n_units = rows.unit, rows.n_units
    if n_units > most:
        unit, n_units = (_shuffled(n_units, seed) % most)[unit], most
    sums = terms.by_unit(unit, n_units, rows.weight)
    resamples = _resamples(n_units, n_resamples, seed, width=max(sums.shape))
    return np.concatenate([_scores_of(function, counts @ sums, sums.sum(axis=0)) for counts in resamples])


def _scores_of(function: SumScore, sums: np.ndarray, total: np.ndarray) -> np.ndarray:
    """The score of each resample, NaN where it lacks a class of all the rows over which the score is a mean."""
    found = function.combine(sums)
    if function.classes_there is None:
        return found
    complete = (function.classes_there(sums) >= function.classes_there(total)).all(axis=-1)
    return np.where(complete, found, np.nan)


def _spread_of_ranks(
    function: RankScore,
    settings: Mapping[str, object],
    rows: _Rows,
    prediction: np.ndarray,
    value: float,
    n_resamples: int,
    seed: int,
) -> np.ndarray:
    n_columns = max(1, prediction.shape[1] - 1)
    chosen, n_chosen = _subset(rows, max(FEWEST_RANKED, MOST_RANKED // n_columns), seed)
    truth, weight = rows.truth[chosen], rows.weight[chosen]
    weigh = function.rank(truth, prediction[chosen], **settings)
    assert weigh is not None  # else the score is NaN
    n = min(n_resamples, max(FEWEST_RESAMPLES, RANK_WORK // (len(truth) * n_columns)))
    # Units of the subset are numbered anew.
    unit = np.unique(rows.unit[chosen], return_inverse=True)[1]
    resamples = _resamples(n_chosen, n, seed, width=len(truth))
    spread = np.concatenate([weigh(counts[:, unit] * weight) for counts in resamples])
    if n_chosen == rows.n_units:
        return spread
    around = weigh(weight[None])[0]
    return value + (spread - around) * np.sqrt(n_chosen / rows.n_units)


def _subset(rows: _Rows, most_rows: int, seed: int) -> tuple[np.ndarray, int]:
    """The rows of randomly chosen units, about as many as allowed and at least two units, and how many units."""
    if len(rows.unit) <= most_rows:
        return np.arange(len(rows.unit)), rows.n_units
    place = _shuffled(rows.n_units, seed)
    sizes = np.bincount(place[rows.unit], minlength=rows.n_units)
    n_chosen = max(2, int(np.searchsorted(np.cumsum(sizes), most_rows, side="right")))
    return np.flatnonzero(place[rows.unit] < n_chosen), n_chosen


def _shuffled(n: int, seed: int) -> np.ndarray:
    """The numbers below n in a random order of their own stream."""
    return np.random.default_rng((seed, 1)).permutation(n)


def _resamples(n_units: int, n_resamples: int, seed: int, *, width: int) -> Iterator[np.ndarray]:
    """How often each unit is drawn in each resample, in blocks [resamples, units] float64.

    Args:
        n_units: How many units there are.
        n_resamples: How many resamples.
        seed: Of the draws.
        width: How many numbers are needed for each resample.
    """
    counts = _counts(n_units, n_resamples, seed)
    size = max(1, BLOCK // width)
    for first in range(0, n_resamples, size):
        yield counts[first : first + size].astype(float)


@lru_cache(maxsize=2)
def _counts(n_units: int, n_resamples: int, seed: int) -> np.ndarray:
    """All counts [resamples, units]; kept, because every score and prediction sees the same ones."""
    generator = np.random.default_rng(seed)
    counts = np.empty((n_resamples, n_units), np.uint16)
    size = max(1, BLOCK // n_units)
    for first in range(0, n_resamples, size):
        drawn = generator.integers(0, n_units, (min(size, n_resamples - first), n_units))
        for offset, units in enumerate(drawn):
            counts[first + offset] = np.bincount(units, minlength=n_units)
    counts.setflags(write=False)
    return counts
