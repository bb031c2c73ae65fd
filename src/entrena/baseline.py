"""Baselines: what a network has to beat. The guess that needs no inputs, and a linear model on the network's own table.

The linear model is scikit-learn's `LogisticRegression` or `Ridge` at their defaults (C = 1, alpha = 1, the intercept
without penalty); tests hold it to them. It is written here because importing `sklearn.linear_model` takes 0.9 s and
`scipy.optimize` 0.5 s, where a whole run may take 2 s. L-BFGS minimises it from a good start: the curvature at
probabilities of chance, an upper bound of all later ones, is inverted once for the dense columns together (Böhning &
Lindsay, Monotonicity of quadratic-approximation algorithms, 1988), so that correlated columns do not slow it down; for
numbers and without embedded columns that is the solution itself.

Of many rows a random part is fitted: at most 50,000, fewer where columns or classes are many (`MOST_VALUES`,
`MOST_PRODUCTS`), and with many classes it ends after fewer steps (`MOST_WORK`), so that time and memory stay bounded. A
model of more than `MOST_UNKNOWNS` coefficients is not fitted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from entrena.preprocessing.statistics import column_statistics

PENALTY = 1.0  # of ½·Σ w², beside the sum of the rows' losses

MOST_ROWS = 50_000
MOST_VALUES = 2**24  # rows × (columns + 4·classes): numbers of 8 bytes in memory
MOST_PRODUCTS = 2**28  # rows × columns × classes: the work of a step
FEWEST_ROWS = 100
MOST_UNKNOWNS = 2**22
MOST_TOGETHER = 2_000  # dense columns whose curvatures are inverted together; beyond, each by itself

MOST_STEPS, FEWEST_STEPS = 200, 25
MOST_WORK = 2**33  # rows × columns × classes × steps
TOLERANCE = 1e-9  # of the fall of the mean loss that a step promises
MEMORY = 10  # steps from which L-BFGS knows the curvature
HISTORY_VALUES = 2**25  # numbers that these steps may take

BLOCK_VALUES = 2**20  # of the table that is predicted at a time


@dataclass(frozen=True, eq=False)
class MeanModel:
    """The same prediction for every row.

    Attributes:
        value: [classes] their shares, or [outputs] the means.
    """

    value: np.ndarray

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """The shares or means once for each row of the inputs, [rows, classes] or [rows, outputs], read-only."""
        return np.broadcast_to(self.value, (len(inputs), len(self.value)))


def fit_mean(truth: np.ndarray, *, n_classes: int | None, weight: np.ndarray | None = None) -> MeanModel:
    """The shares of the classes, whose most frequent one is the majority, or the means of the numbers.

    Args:
        truth: [rows] class numbers, or [rows, outputs] numbers.
        n_classes: How many classes there are; None for numbers.
        weight: [rows] weights of at least 0, not all 0, or None: all equal.
    """
    if n_classes is None:
        return MeanModel(column_statistics(truth.astype(float, copy=False), weight).mean)
    counts = np.bincount(truth, weight, n_classes)
    return MeanModel(counts / counts.sum())


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Logistic regression, or ridge regression of numbers, on the network's table.

    Attributes:
        intercept: [outputs].
        slopes: [dense columns, outputs].
        levels: Of each embedded column [levels + 1, outputs], what a level adds; the first one, of levels that were
            not seen, adds 0.
        classes: [present classes] numbers of the classes that the outputs stand for; None for numbers. Of two classes
            one output is the net input of the second.
        n_classes: How many classes there are; absent ones get probability 0.
    """

    intercept: np.ndarray
    slopes: np.ndarray
    levels: tuple[np.ndarray, ...]
    classes: np.ndarray | None = None
    n_classes: int = 0

    def net_inputs(self, inputs: np.ndarray) -> np.ndarray:
        """What is linear in the inputs [rows, dense + embedded columns]: [rows, outputs] float64."""
        n_dense = len(self.slopes)
        z = inputs[:, :n_dense].astype(float) @ self.slopes + self.intercept
        for column, of_level in enumerate(self.levels):
            z += of_level[inputs[:, n_dense + column].astype(np.int64)]
        return z

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Probabilities [rows, classes], or numbers [rows, outputs], in float64.

        Args:
            inputs: [rows, dense + embedded columns] as the network sees them.
        """
        found = np.zeros((len(inputs), len(self.intercept) if self.classes is None else self.n_classes))
        step = max(1, BLOCK_VALUES // (inputs.shape[1] + found.shape[1]))
        for first in range(0, len(inputs), step):
            rows = slice(first, first + step)
            z = self.net_inputs(inputs[rows])
            if self.classes is None:
                found[rows] = z
            else:
                found[rows, self.classes] = _softmax(_of_each_class(z, len(self.classes)))[0]
        return found


def fit_linear(
    inputs: np.ndarray,
    n_dense: int,
    n_levels: tuple[int, ...],
    truth: np.ndarray,
    *,
    n_classes: int | None,
    weight: np.ndarray | None = None,
    seed: int = 0,
) -> LinearModel | None:
    """Fits logistic regression to classes, ridge regression to numbers.

    Minimised is Σ weight·loss + ½·Σ w² with the cross-entropy, or half the squared error, as the loss.

    Args:
        inputs: [rows, dense + embedded columns] finite; an embedded column holds level numbers, 0 for unseen ones.
        n_dense: How many of the columns are numbers.
        n_levels: How many levels each embedded column has.
        truth: [rows] class numbers, or [rows, outputs] numbers.
        n_classes: How many classes there are; None for numbers.
        weight: [rows] weights of at least 0, not all 0, or None: 1 for each.
        seed: Which rows are taken where there are too many.

    Returns:
        The model; None where it would have more than `MOST_UNKNOWNS` coefficients.
    """
    n_outputs = truth.shape[1] if n_classes is None else n_classes
    if (1 + n_dense + sum(n_levels)) * n_outputs > MOST_UNKNOWNS:
        return None
    rows = _chosen_rows(truth, weight, inputs.shape[1], n_outputs, is_number=n_classes is None, seed=seed)
    weights = np.ones(len(rows)) if weight is None else weight[rows].astype(float)
    if n_classes is None:
        return _fit_numbers(_Design.of(inputs[rows], n_dense, n_levels, weights), truth[rows])
    classes, numbers = np.unique(truth[rows], return_inverse=True)
    if len(classes) == 1:
        levels = tuple(np.zeros((n + 1, 1)) for n in n_levels)
        return LinearModel(np.zeros(1), np.zeros((n_dense, 1)), levels, classes, n_classes)
    return _fit_classes(_Design.of(inputs[rows], n_dense, n_levels, weights), numbers, classes, n_classes)


def _chosen_rows(
    truth: np.ndarray, weight: np.ndarray | None, n_columns: int, n_outputs: int, *, is_number: bool, seed: int
) -> np.ndarray:
    """The rows of weight above 0 that are fitted: all, or a random part in which no class is lost."""
    rows = np.arange(len(truth)) if weight is None else np.flatnonzero(weight > 0)
    by_memory = MOST_VALUES // (n_columns + 4 * n_outputs)
    by_work = MOST_PRODUCTS // (max(1, n_columns) * n_outputs)
    most = max(FEWEST_ROWS, min(MOST_ROWS, by_memory, by_work))
    if len(rows) <= most:
        return rows
    rows = np.random.default_rng(seed).permutation(rows)
    if is_number:
        return np.sort(rows[:most])
    first_of_class = np.unique(truth[rows], return_index=True)[1]
    return np.union1d(rows[:most], rows[first_of_class])


@dataclass(frozen=True, eq=False)
class _Design:
    """The columns of a linear model, in a form in which its curvature is about the same in all directions.

    Dense columns have mean 0 and deviation 1 (constant ones are 0), and their penalty grows by as much as their
    coefficients shrink. Coefficients are one array [1 + dense + all levels, outputs], the intercept first.

    Attributes:
        dense: [rows, 1 + dense] float64, the first one 1.
        numbers: [embedded, rows] level numbers, 0: unseen.
        n_levels: How many levels each embedded column has.
        weight: [rows] above 0.
        mean: [dense].
        deviation: [dense]; 1 where the column is constant.
        penalty: [1 + dense + all levels] of each coefficient.
        offsets: The number of each embedded column's first coefficient.
    """

    dense: np.ndarray
    numbers: np.ndarray
    n_levels: tuple[int, ...]
    weight: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    penalty: np.ndarray
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, inputs: np.ndarray, n_dense: int, n_levels: tuple[int, ...], weight: np.ndarray) -> _Design:
        """The design of rows of the network's table."""
        statistics = column_statistics(inputs[:, :n_dense], weight)
        # A column whose coefficient would cost more than float64 can say is treated as constant: its effect is 0.
        varies = statistics.deviation > 1e-150
        deviation = np.where(varies, statistics.deviation, 1.0)
        dense = np.empty((len(inputs), 1 + n_dense))
        dense[:, 0] = 1
        np.subtract(inputs[:, :n_dense], statistics.mean, out=dense[:, 1:])
        dense[:, 1:] /= deviation
        dense[:, 1:][:, ~varies] = 0
        penalty = np.full(1 + n_dense + sum(n_levels), PENALTY)
        penalty[0] = 0
        penalty[1 : 1 + n_dense] = np.where(varies, PENALTY / np.square(deviation), PENALTY)
        numbers = inputs[:, n_dense:].astype(np.int64).T
        offsets = tuple(int(n) for n in np.cumsum([1 + n_dense, *n_levels])[:-1])
        return cls(dense, numbers, n_levels, weight, statistics.mean, deviation, penalty, offsets)

    def net_inputs(self, coefficients: np.ndarray) -> np.ndarray:
        """[rows, outputs] of coefficients [1 + dense + all levels, outputs]."""
        z = self.dense @ coefficients[: self.dense.shape[1]]
        for of_level, number in zip(self._levels(coefficients), self.numbers, strict=True):
            z += of_level[number]
        return z

    def gradient(self, of_z: np.ndarray) -> np.ndarray:
        """What a gradient by the net inputs [rows, outputs] is by the coefficients, without the penalty's part."""
        parts = [self.dense.T @ of_z]
        for number, n in zip(self.numbers, self.n_levels, strict=True):
            parts.append(np.stack([np.bincount(number, column, n + 1)[1:] for column in of_z.T], axis=1))
        return np.concatenate(parts)

    def preconditioner(self, curvature: float) -> Callable[[np.ndarray], np.ndarray]:
        """From a gradient to a step: the inverse of curvature·XᵀWX + penalty; of levels its diagonal alone."""
        n = self.dense.shape[1]
        levels = [
            np.bincount(number, self.weight, n + 1)[1:] for number, n in zip(self.numbers, self.n_levels, strict=True)
        ]
        diagonal = curvature * np.concatenate([np.zeros(n), *levels]) + self.penalty
        if n > MOST_TOGETHER:
            diagonal[:n] += curvature * np.einsum("rc,rc,r->c", self.dense, self.dense, self.weight)
            return lambda gradient: gradient / diagonal[:, None]
        together = curvature * (self.dense.T @ (self.dense * self.weight[:, None])) + np.diag(self.penalty[:n])
        # Columns that say the same would leave nothing to invert where their penalty is beyond float64's digits.
        together[np.diag_indices(n)] *= 1 + 1e-12
        inverse = np.linalg.inv(together)

        def step(gradient: np.ndarray) -> np.ndarray:
            return np.concatenate([inverse @ gradient[:n], gradient[n:] / diagonal[n:, None]])

        return step

    def model(self, coefficients: np.ndarray, classes: np.ndarray | None = None, n_classes: int = 0) -> LinearModel:
        """The model in the units of the table."""
        slopes = coefficients[1 : self.dense.shape[1]] / self.deviation[:, None]
        intercept = coefficients[0] - self.mean @ slopes
        return LinearModel(intercept, slopes, tuple(self._levels(coefficients)), classes, n_classes)

    def _levels(self, coefficients: np.ndarray) -> list[np.ndarray]:
        zero = np.zeros((1, coefficients.shape[1]))
        return [
            np.concatenate([zero, coefficients[first : first + n]])
            for first, n in zip(self.offsets, self.n_levels, strict=True)
        ]


def _fit_numbers(design: _Design, truth: np.ndarray) -> LinearModel:
    of_truth = column_statistics(truth.astype(float, copy=False), design.weight)
    unit = np.where(of_truth.deviation > 0, of_truth.deviation, 1.0)
    t = (truth - of_truth.mean) / unit

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        error = design.net_inputs(coefficients) - t
        weighted = error * design.weight[:, None]
        return 0.5 * float(np.vdot(weighted, error)), design.gradient(weighted)

    found = _minimise(loss, design, 1.0, truth.shape[1]) * unit
    found[0] += of_truth.mean
    return design.model(found)


def _fit_classes(design: _Design, numbers: np.ndarray, classes: np.ndarray, n_classes: int) -> LinearModel:
    rows, k = np.arange(len(numbers)), len(classes)

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        p, log_sum = _softmax(z := _of_each_class(design.net_inputs(coefficients), k))
        value = float(design.weight @ (log_sum - z[rows, numbers]))
        p[rows, numbers] -= 1
        p *= design.weight[:, None]
        return value, design.gradient(p[:, 1:] if k == 2 else p)

    # p(1 − p) is at most 1/4; of several outputs the curvature is at most ½ in every direction.
    found = _minimise(loss, design, 0.25 if k == 2 else 0.5, 1 if k == 2 else k)
    return design.model(found, classes, n_classes)


def _of_each_class(z: np.ndarray, n_classes: int) -> np.ndarray:
    """Net inputs [rows, classes]; a single one is the second class's, and the first one's is 0."""
    return np.concatenate([np.zeros_like(z), z], axis=1) if n_classes == 2 else z


def _softmax(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [rows, classes] and ln Σ e^z [rows]."""
    highest = z.max(axis=1, keepdims=True)
    p = np.exp(z - highest)
    total = p.sum(axis=1, keepdims=True)
    p /= total
    return p, (highest + np.log(total))[:, 0]


def _minimise(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], design: _Design, curvature: float, n_outputs: int
) -> np.ndarray:
    """The coefficients [1 + dense + all levels, outputs] of the least loss + penalty, by L-BFGS.

    Source: Nocedal & Wright, Numerical Optimization, 2006, algorithms 7.4 and 3.1; the loss is convex, so that every
    step has curvature above 0.
    """
    penalty = design.penalty[:, None]
    precondition = design.preconditioner(curvature)

    def value_and_gradient(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(at)
        shrunk = penalty * at
        return value + 0.5 * float(np.vdot(shrunk, at)), gradient + shrunk

    x = np.zeros((len(design.penalty), n_outputs))
    value, gradient = value_and_gradient(x)
    small = TOLERANCE * design.weight.sum()
    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(
        maxlen=max(2, min(MEMORY, HISTORY_VALUES // (2 * x.size)))
    )
    n_steps = MOST_WORK // (design.dense.size * n_outputs)
    for _ in range(max(FEWEST_STEPS, min(MOST_STEPS, n_steps))):
        direction = -_inverse_times(gradient, pairs, precondition)
        slope = float(np.vdot(gradient, direction))
        if -slope <= small:
            break
        size = 1.0
        while True:
            next_x = x + size * direction
            next_value, next_gradient = value_and_gradient(next_x)
            if next_value <= value + 1e-4 * size * slope:
                break
            size /= 2
            if size < 1e-6:  # the loss has no more digits
                return x
        change = next_gradient - gradient
        bend = float(np.vdot(change, next_x - x))
        if bend > 0:
            pairs.append((next_x - x, change, bend))
        x, value, gradient = next_x, next_value, next_gradient
    return x


def _inverse_times(
    gradient: np.ndarray,
    pairs: deque[tuple[np.ndarray, np.ndarray, float]],
    precondition: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """The inverse curvature times the gradient, as the last steps and their changes of gradient show it."""
    q, shares = gradient, []
    for step, change, bend in reversed(pairs):
        shares.append(float(np.vdot(step, q)) / bend)
        q = q - shares[-1] * change
    found = precondition(q)
    if pairs:
        _, change, bend = pairs[-1]
        found *= bend / float(np.vdot(change, precondition(change)))
    for step, change, bend in pairs:
        found += (shares.pop() - float(np.vdot(change, found)) / bend) * step
    return found
