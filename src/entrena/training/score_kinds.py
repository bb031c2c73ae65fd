"""The kinds of scores: functions of sums over rows, functions of ranked rows, and the rest.

What kind a score is decides how it is resampled (`bootstrap`): sums of rows are added up once and multiplied by the
counts of all resamples; rows are ranked once for all resamples; the rest has no interval. A score is called as
`score(truth, prediction, sample_weight=None, **settings)`. Rows of weight 0 are as if they were not there, and a score
without rows is NaN.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Weight = np.ndarray | None
Weighing = Callable[[np.ndarray], np.ndarray]

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Terms:
    """What each row adds to the sums of a score.

    Attributes:
        values: [rows, values] float64; each column is summed with the rows' weights.
        cells: [rows, cells of a row] whole numbers: the cells to which a row adds its weight; `n_cells` is no cell.
        n_cells: How many cells there are.
    """

    values: np.ndarray
    cells: np.ndarray | None = None
    n_cells: int = 0

    @property
    def n_sums(self) -> int:
        """The number of sums: the rows' weight, the values, the cells."""
        return 1 + self.values.shape[1] + self.n_cells

    def total(self, weight: np.ndarray) -> np.ndarray:
        """The sums over all rows, [sums]."""
        parts = [np.array([weight.sum()]), weight @ self.values]
        if self.cells is not None:
            parts.append(self._tally(np.zeros(len(weight), np.int64), 1, weight)[0])
        return np.concatenate(parts)

    def by_unit(self, unit: np.ndarray, n_units: int, weight: np.ndarray) -> np.ndarray:
        """The sums over the rows of each unit, [units, sums].

        Args:
            unit: [rows] the number of each row's unit.
            n_units: How many units there are.
            weight: [rows].
        """
        sums = np.empty((n_units, self.n_sums))
        sums[:, 0] = np.bincount(unit, weight, n_units)
        last = 1 + self.values.shape[1]
        for column in range(self.values.shape[1]):
            sums[:, 1 + column] = np.bincount(unit, weight * self.values[:, column], n_units)
        if self.cells is not None:
            sums[:, last:] = self._tally(unit, n_units, weight)
        return sums

    def _tally(self, unit: np.ndarray, n_units: int, weight: np.ndarray) -> np.ndarray:
        assert self.cells is not None
        width = self.n_cells + 1
        tally = np.zeros(n_units * width)
        for column in range(self.cells.shape[1]):
            tally += np.bincount(unit * width + self.cells[:, column], weight, len(tally))
        return tally.reshape(n_units, width)[:, : self.n_cells]


class Score(ABC):
    """How good predictions are: a function of truth, prediction and weights."""

    def __call__(
        self, truth: np.ndarray, prediction: np.ndarray, sample_weight: Weight = None, **settings: Any
    ) -> float:
        """The score.

        Args:
            truth: [rows] class numbers, or [rows, outputs] numbers.
            prediction: [rows, classes] probabilities, or [rows, outputs] numbers.
            sample_weight: [rows] weights of at least 0, or None: all equal.
            **settings: The score's own settings, all of them.

        Returns:
            The score; NaN where it is undefined.
        """
        truth, prediction, weight = rows_that_count(truth, prediction, sample_weight)
        # Squares beyond float64 are infinite, which says enough.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.value(truth, prediction, weight, **settings) if len(truth) else NAN

    @abstractmethod
    def value(self, truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray, **settings: Any) -> float:
        """The score of at least one row, of weights [rows] above 0."""


@dataclass(frozen=True)
class SumScore(Score):
    """A score that is a function of sums over the rows.

    Attributes:
        terms: From truth, prediction, weight [rows] and the settings to what each row adds; None where the score is
            undefined.
        combine: From sums [..., sums], the weights' sum first, to the score [...].
        classes_there: From sums [..., sums] to which classes occur, [..., classes], for a mean over the classes that
            do: a resample without one of them would be the mean of others, and has no score. None for other scores.
    """

    terms: Callable[..., Terms | None]
    combine: Callable[[np.ndarray], np.ndarray]
    classes_there: Callable[[np.ndarray], np.ndarray] | None = None

    def value(self, truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray, **settings: Any) -> float:
        """The score of at least one row, of weights [rows] above 0."""
        terms = self.terms(truth, prediction, weight, **settings)
        return NAN if terms is None else float(self.combine(terms.total(weight)))


@dataclass(frozen=True)
class RankScore(Score):
    """A score of the order of the rows.

    Attributes:
        rank: From truth, prediction and the settings to the function that takes weights [resamples, rows] of at least
            0 and gives the score of each resample, [resamples]; None where the score is undefined.
    """

    rank: Callable[..., Weighing | None]

    def value(self, truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray, **settings: Any) -> float:
        """The score of at least one row, of weights [rows] above 0."""
        weigh = self.rank(truth, prediction, **settings)
        return NAN if weigh is None else float(weigh(weight[None])[0])


@dataclass(frozen=True)
class PlainScore(Score):
    """A score that is called as it stands; it has no interval.

    Attributes:
        function: From truth, prediction, weight [rows] above 0 and the settings to the score.
    """

    function: Callable[..., float]

    def value(self, truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray, **settings: Any) -> float:
        """The score of at least one row, of weights [rows] above 0."""
        return float(self.function(truth, prediction, weight, **settings))


def rows_that_count(
    truth: np.ndarray, prediction: np.ndarray, sample_weight: Weight
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, prediction and weights without the rows of weight 0."""
    if sample_weight is None:
        return truth, prediction, np.ones(len(truth))
    weight = np.asarray(sample_weight, dtype=float)
    if np.all(weight > 0):
        return truth, prediction, weight
    rows = np.flatnonzero(weight > 0)
    return truth[rows], prediction[rows], weight[rows]


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part/whole, NaN where the whole is 0."""
    empty = whole == 0
    return np.where(empty, NAN, part / np.where(empty, 1.0, whole))


def mean_of_first(sums: np.ndarray) -> np.ndarray:
    """The weighted mean of the first value."""
    return share(sums[..., 1], sums[..., 0])


def root_mean_of_first(sums: np.ndarray) -> np.ndarray:
    """The root of the weighted mean of the first value."""
    return np.sqrt(mean_of_first(sums))
