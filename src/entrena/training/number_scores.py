"""Scores of numbers.

Each is called with the true and the predicted numbers, both [rows, outputs] in the targets' units. Unless it says
otherwise, a score of several outputs is the mean over them.
"""

from __future__ import annotations

import numpy as np

from entrena.training.score_kinds import (
    PlainScore,
    RankScore,
    SumScore,
    Terms,
    Weighing,
    mean_of_first,
    root_mean_of_first,
    share,
)

# A variance below this share of the mean square is rounding: the numbers are constant.
ROUNDING = 1e-14


def _squared_errors(truth: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Terms:
    return _mean_over_outputs(np.square(truth - y))


def _absolute_errors(truth: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Terms:
    return _mean_over_outputs(np.abs(truth - y))


def _relative_errors(truth: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Terms:
    return _mean_over_outputs(np.abs(truth - y) / np.maximum(np.abs(truth), np.finfo(float).eps))


def _pinball_losses(truth: np.ndarray, y: np.ndarray, weight: np.ndarray, alpha: float) -> Terms:
    under = truth - y
    return _mean_over_outputs(np.where(under >= 0, alpha * under, (alpha - 1) * under))


def _squared_log_errors(truth: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Terms | None:
    if truth.min() <= -1 or y.min() <= -1:
        return None
    return _mean_over_outputs(np.square(np.log1p(truth) - np.log1p(y)))


def _mean_over_outputs(errors: np.ndarray) -> Terms:
    return Terms(errors.mean(axis=1, keepdims=True).astype(float, copy=False))


def _with_squares(truth: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Terms | None:
    """Of each output the squared error, the target and its square."""
    if len(truth) < 2:
        return None
    centred = _centred(truth, weight)
    return Terms(np.concatenate([np.square(truth - y), centred, np.square(centred)], axis=1))


def _with_errors_and_squares(truth: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Terms | None:
    """Of each output the error and its square, the target and its square."""
    if len(truth) < 2:
        return None
    errors, centred = _centred(truth - y, weight), _centred(truth, weight)
    return Terms(np.concatenate([errors, np.square(errors), centred, np.square(centred)], axis=1))


def _centred(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Columns minus their means, so that Σx² − (Σx)²/n loses no digits; exactly 0 where a column is constant."""
    columns = columns.astype(float, copy=False)
    constant = (columns == columns[0]).all(axis=0)
    return columns - np.where(constant, columns[0], np.average(columns, axis=0, weights=weight))


def _r2(sums: np.ndarray) -> np.ndarray:
    residual, mean, square = _means(sums, 3)
    return _explained(residual, _variance(mean, square)).mean(axis=-1)


def _explained_variance(sums: np.ndarray) -> np.ndarray:
    error, squared_error, mean, square = _means(sums, 4)
    return _explained(_variance(error, squared_error), _variance(mean, square)).mean(axis=-1)


def _means(sums: np.ndarray, n_parts: int) -> tuple[np.ndarray, ...]:
    """The weighted means of the values, in equal parts of [..., outputs]."""
    means = share(sums[..., 1:], sums[..., :1])
    return tuple(np.split(means, n_parts, axis=-1))


def _variance(mean: np.ndarray, square: np.ndarray) -> np.ndarray:
    variance = square - np.square(mean)
    return np.where(variance > ROUNDING * square, variance, 0.0)


def _explained(residual: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """1 − residual/variance; without variance 1 where nothing is left, else 0."""
    constant = variance == 0
    return np.where(constant, np.where(residual == 0, 1.0, 0.0), 1 - residual / np.where(constant, 1.0, variance))


def _median_ranks(truth: np.ndarray, y: np.ndarray) -> Weighing:
    errors = np.abs(truth - y)
    orders = np.argsort(errors, axis=0, kind="stable")

    def weigh(weights: np.ndarray) -> np.ndarray:
        medians = np.empty((len(weights), errors.shape[1]))
        for output, order in enumerate(orders.T):
            below = np.cumsum(np.take(weights, order, axis=1), axis=1)
            half = below[:, -1:] / 2
            # Of an even number of rows, the middle of the two in the middle. Sums of weights are not exact.
            lower = (below < half * (1 - 1e-12)).sum(axis=1)
            upper = (below <= half * (1 + 1e-12)).sum(axis=1)
            ranked = errors[order, output]
            medians[:, output] = ranked[lower] / 2 + ranked[np.minimum(upper, len(ranked) - 1)] / 2
        return medians.mean(axis=1)

    return weigh


def _greatest(truth: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    return float(np.abs(truth - y).max())


rmse = SumScore(_squared_errors, root_mean_of_first)
"""√ of the mean squared error over rows and outputs."""

mae = SumScore(_absolute_errors, mean_of_first)
"""The mean absolute error."""

median_absolute_error = RankScore(_median_ranks)
"""The weighted median of the absolute error; half the weight lies on either side."""

max_error = PlainScore(_greatest)
"""The greatest absolute error of all outputs. It has no interval: resampling says nothing about a maximum."""

mape = SumScore(_relative_errors, mean_of_first)
"""The mean of |t − y|/max(|t|, 2.2e-16): a share, not per cent; huge where a target is 0."""

rmsle = SumScore(_squared_log_errors, root_mean_of_first)
"""√ of the mean of (ln(1 + t) − ln(1 + y))² over rows and outputs; NaN where one of them is −1 or less."""

pinball = SumScore(_pinball_losses, mean_of_first)
"""The mean of α(t − y) where t ≥ y, else (1 − α)(y − t): least for the α-quantile."""

r2 = SumScore(_with_squares, _r2)
"""1 − mean squared error/variance; NaN for fewer than two rows. A constant output counts 1 where it is predicted
exactly, else 0."""

explained_variance = SumScore(_with_errors_and_squares, _explained_variance)
"""1 − variance of the error/variance: R² that forgives a constant shift; NaN for fewer than two rows."""
