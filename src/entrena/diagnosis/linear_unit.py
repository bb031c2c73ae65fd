"""The error surface of a linear unit with two weights: a bowl, of which everything is known.

L(w) = (1/n)·Σ (w·x − t)² over n examples, without a bias and without ½. So H = 2XᵀX/n, and an update of gradient
descent with the rate η multiplies the distance from the minimum along the eigenvector of λ by 1 − ηλ.

Source: LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np


@dataclass(frozen=True, eq=False)
class LinearUnit:
    """Examples of two inputs and a target each, and the surface over the two weights.

    Attributes:
        inputs: [examples, 2], of rank 2.
        targets: [examples].

    >>> unit = LinearUnit(np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([2.0, 0.0]))
    >>> unit.minimum, unit.condition, unit.fastest
    (array([1., 1.]), 1.0, 0.5)
    """

    inputs: np.ndarray
    targets: np.ndarray

    @property
    def hessian(self) -> np.ndarray:
        """[2, 2] the second derivatives of the loss, 2XᵀX/n."""
        return 2 * self.inputs.T @ self.inputs / len(self.inputs)

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """[2] the eigenvalues of the Hessian, the least first, and [2, 2] their eigenvectors in columns.

        By formulas that lose no digits: a rotation by θ with tan 2θ = 2b/(a − c), and λmin = det/λmax.
        """
        (a, b), (_, c) = self.hessian.tolist()
        root = float(np.hypot(a - c, 2 * b))
        greatest = (a + c + root) / 2
        # det XᵀX is the sum of the squared minors of X, which does not cancel as a·c − b² does.
        x, y = self.inputs.T
        minors = [float(x[i] * y[j] - x[j] * y[i]) for i in range(len(x)) for j in range(i)]
        least = (2 / len(self.inputs)) ** 2 * sum(minor**2 for minor in minors) / greatest
        turn = np.arctan2(2 * b, a - c) / 2  # of the direction of λmax
        steep = np.array([np.cos(turn), np.sin(turn)])
        return np.array([min(least, greatest), greatest]), np.column_stack([[-steep[1], steep[0]], steep])

    @property
    def condition(self) -> float:
        """κ = λmax/λmin."""
        least, greatest = self.axes[0].tolist()
        return greatest / least if least > 0 else inf

    @property
    def minimum(self) -> np.ndarray:
        """[2] the best weights."""
        return np.linalg.lstsq(self.inputs, self.targets, rcond=None)[0]

    @property
    def edge(self) -> float:
        """2/λmax: below this rate gradient descent converges."""
        return 2 / float(self.axes[0][1])

    @property
    def fastest(self) -> float:
        """2/(λmax + λmin), the rate at which the slower of both directions is the fastest."""
        return 2 / float(self.axes[0].sum())

    @property
    def left(self) -> float:
        """(κ − 1)/(κ + 1), the share of the distance from the minimum that an update at the fastest rate leaves."""
        least, greatest = self.axes[0].tolist()
        return (greatest - least) / (greatest + least)

    def loss(self, weights: np.ndarray) -> np.ndarray:
        """The mean squared error at weights [..., 2]."""
        return np.square(np.asarray(weights) @ self.inputs.T - self.targets).mean(axis=-1)

    def path(self, start: np.ndarray, rate: float, n_updates: int) -> np.ndarray:
        """[updates + 1, 2] the weights along gradient descent: w ← w − η·∂L/∂w = w − η·(2/n)·Xᵀ(Xw − t)."""
        w, n = np.asarray(start, float), len(self.inputs)
        path = [w]
        for _ in range(n_updates):
            w = w - rate * 2 / n * self.inputs.T @ (self.inputs @ w - self.targets)
            path.append(w)
        return np.array(path)

    def updates_to(self, share: float, start: np.ndarray, rate: float) -> int | None:
        """Updates until the loss, less the least loss, is a share of what it was; None where it never is.

        Counted by the closed form (1 − ηλ)^k, so that long ravines take no time.

        Args:
            share: Above 0, below 1.
            start: [2] the first weights, not the best ones.
            rate: η.
        """
        values, directions = self.axes
        heights = values * np.square(directions.T @ (np.asarray(start, float) - self.minimum))
        factors = np.square(1 - rate * values)

        def reached(k: int) -> bool:
            with np.errstate(over="ignore"):
                return bool((heights * factors**k).sum() <= share * heights.sum())

        if (factors[heights > 0] >= 1).any() and not reached(1):
            return None
        after = 1
        while not reached(after):
            after *= 2
        before = after // 2
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (before, middle) if reached(middle) else (middle, after)
        return after


def start_beside(unit: LinearUnit, share: float = 0.25) -> np.ndarray:
    """[2] where a path begins that is worth to be looked at.

    As far from the minimum as zero weights are, along the bowl's long axis on their side and a share as much across.
    """
    away, (_, directions) = -unit.minimum, unit.axes
    along = directions[:, 0] * (1.0 if away @ directions[:, 0] >= 0 else -1.0)
    across = directions[:, 1] * (1.0 if away @ directions[:, 1] >= 0 else -1.0)
    way = along + share * across
    return unit.minimum + way * np.linalg.norm(away) / np.linalg.norm(way)
