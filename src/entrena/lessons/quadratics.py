"""The squared error of a linear network: a quadratic function of its weights, of which theory knows everything.

L(w) = L* + ½·(w − w*)ᵀH(w − w*), and the error w − w* of gradient descent with the rate η is multiplied by 1 − ηλ at
each update along the eigenvector of H whose eigenvalue is λ. All here is NumPy in float64, apart from the engine that
trains the networks.

Sources: LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 5; Polyak, Introduction to Optimization
(1987), sections 2.1 and 3.2; Nesterov, Introductory Lectures on Convex Optimization (2004), section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.data import Examples
from entrena.data.table import Table
from entrena.data.values import Place

if TYPE_CHECKING:
    from entrena.fitting import Fitted, Prepared

# What makes of entrena's training the plain gradient descent of the theory: a linear network, all examples for each
# update, one rate from first to last, no decay; and data that come as they are meant.
GRADIENT_DESCENT: dict[str, Any] = {
    "hidden": [],
    "optimizer": "sgd",
    "momentum": 0.0,
    "mode": "batch",
    "schedule": "constant",
    "weight_decay": 0.0,
    "early_stopping": False,
    "precision": "float64",
}
AS_THEY_ARE: dict[str, Any] = {"center": False, "scale": "none", "target_scale": "none"}


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The loss of a linear network on given rows.

    Attributes:
        eigenvalues: [inputs + 1] of the Hessian for the weights and the bias of one output, the least first; with
            several outputs that of each is the same.
        eigenvectors: [inputs + 1, inputs + 1] in columns.
        minimum: [inputs + 1, outputs] the best weights, the biases in the last row.
        least: L*, the loss there.
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    minimum: np.ndarray
    least: float

    @property
    def edge(self) -> float:
        """2/λmax: below this rate gradient descent converges, above it diverges."""
        return 2 / float(self.eigenvalues[-1])

    @property
    def fastest(self) -> float:
        """2/(λmax + λmin), the rate whose slowest direction is the fastest."""
        return 2 / float(self.eigenvalues[-1] + self.eigenvalues[0])

    @property
    def condition(self) -> float:
        """κ = λmax/λmin."""
        return float(self.eigenvalues[-1] / self.eigenvalues[0])


def quadratic_of(inputs: np.ndarray, targets: np.ndarray) -> Quadratic:
    """The quadratic of rows, as the network sees them.

    The loss is the mean over rows and over the K outputs of (y − t)², without ½. So H = (2/K)·[X 1]ᵀ[X 1]/n.

    Args:
        inputs: [rows, inputs].
        targets: [rows, outputs].
    """
    X = np.column_stack([inputs, np.ones(len(inputs))]).astype(float)
    n_rows, n_outputs = targets.shape
    eigenvalues, eigenvectors = np.linalg.eigh(2 / n_outputs * X.T @ X / n_rows)
    minimum = np.linalg.lstsq(X, targets.astype(float), rcond=None)[0]
    least = float(np.square(X @ minimum - targets).mean())
    return Quadratic(eigenvalues, eigenvectors, minimum, least)


def contraction_of(rate: float, eigenvalues: Sequence[float] | np.ndarray) -> float:
    """max |1 − ηλ|: what an update with the rate η leaves of the error in the slowest direction.

    >>> contraction_of(0.5, [1.0, 3.0])
    0.5
    """
    return float(np.abs(1 - rate * np.asarray(eigenvalues, float)).max())


def best_contraction(condition: float) -> float:
    """(κ − 1)/(κ + 1), the contraction at the fastest rate.

    >>> best_contraction(1.0), best_contraction(3.0)
    (0.0, 0.5)
    """
    return (condition - 1) / (condition + 1)


def matched_momentum(condition: float) -> float:
    """((√κ − 1)/(√κ + 1))², the momentum that suits a condition number best; its contraction is the root of it.

    >>> matched_momentum(1.0), matched_momentum(9.0)
    (0.0, 0.25)
    """
    return ((sqrt(condition) - 1) / (sqrt(condition) + 1)) ** 2


def momentum_contraction(rate: float, momentum: float, eigenvalues: np.ndarray, *, nesterov: bool = False) -> float:
    """What an update leaves of the error in the slowest direction, in the long run.

    The greatest modulus of the roots of z² − (1 + μ − ηλ)z + μ, with Nesterov's form of
    z² − (1 + μ)(1 − ηλ)z + μ(1 − ηλ), over the eigenvalues λ.
    """
    step = rate * np.asarray(eigenvalues, float)
    if nesterov:
        b, c = (1 + momentum) * (1 - step), momentum * (1 - step)
    else:
        b, c = 1 + momentum - step, np.full(step.shape, momentum)
    root = np.sqrt((b * b - 4 * c).astype(complex))
    return float(np.maximum(np.abs(b + root), np.abs(b - root)).max() / 2)


def greatest_rate(greatest_eigenvalue: float, momentum: float, *, nesterov: bool = False) -> float:
    """Below which training with momentum converges on a quadratic: 2(1 + μ)/λmax, Nesterov's over 1 + 2μ."""
    return 2 * (1 + momentum) / greatest_eigenvalue / (1 + 2 * momentum if nesterov else 1)


def fastest_contraction(momentum: float, eigenvalues: np.ndarray, *, nesterov: bool = False) -> float:
    """The least `momentum_contraction` of all rates, found on a grid, and on a finer one around its best."""
    edge = greatest_rate(float(np.max(eigenvalues)), momentum, nesterov=nesterov)
    rates = edge * np.geomspace(1e-4, 1, 800)
    found: list[float] = []
    for _ in range(2):
        found = [momentum_contraction(rate, momentum, eigenvalues, nesterov=nesterov) for rate in rates]
        best = int(np.argmin(found))
        rates = np.linspace(rates[max(best - 1, 0)], rates[min(best + 1, len(rates) - 1)], 800)
    return min(found)


def ravine(condition: float, n_rows: int, n_axes: int, chance: np.random.Generator, noise: float = 0.5) -> Examples:
    """Rows of a linear law whose Hessian is made to measure: λmax/λmin is the condition number.

    The inputs have mean 0 and no correlation in coordinates that are then turned at random; their variances are a
    geometric series from κ^−½ to κ^½. The eigenvalue of the bias, that of the variance 1, lies between.

    Args:
        condition: κ.
        n_rows: How many rows.
        n_axes: How many columns.
        chance: Where the numbers come from.
        noise: The deviation of what the targets have beside the law.
    """
    raw = chance.standard_normal((n_rows, n_axes))
    directions = np.linalg.qr(raw - raw.mean(axis=0))[0] * sqrt(n_rows)  # of mean 0, their covariance the identity
    axes = np.linalg.qr(chance.standard_normal((n_axes, n_axes)))[0]
    inputs = directions * np.sqrt(spectrum(condition, n_axes)) @ axes.T
    law, bias = chance.standard_normal(n_axes), chance.standard_normal()
    targets = inputs @ law + bias + noise * chance.standard_normal(n_rows)
    return as_examples(inputs, targets, f"κ = {condition:g}")


def spectrum(condition: float, n_axes: int) -> np.ndarray:
    """The variances: a geometric series from κ^−½ to κ^½."""
    return np.geomspace(condition**-0.5, condition**0.5, n_axes)


def whitened(inputs: np.ndarray) -> np.ndarray:
    """Inputs turned to their principal axes and divided by the deviations there: mean 0, covariance 1."""
    centred = inputs - inputs.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(inputs))
    return centred @ axes / np.sqrt(variances)


def as_examples(inputs: np.ndarray, targets: np.ndarray, name: str) -> Examples:
    """Arrays as examples of numbers to predict: targets [rows] or [rows, outputs]."""
    columns = tuple(f"x{column + 1}" for column in range(inputs.shape[1]))
    names = ("y",) if targets.ndim == 1 else tuple(f"y{k + 1}" for k in range(targets.shape[1]))
    return Examples(Table.of_array(np.ascontiguousarray(inputs), columns, Place(name)), targets, names, name)


def losses_of(fitted: Fitted) -> np.ndarray:
    """The loss before each update of a network that saw all examples in each, in the network's units.

    The history has the loss of a single number in the target's unit squared.
    """
    scale = fitted.model.coder.scale
    unit = float(scale[0]) ** 2 if len(scale) == 1 else 1.0
    return np.array([epoch["loss"] for epoch in fitted.training.history]) / unit


def first_weights(prepared: Prepared) -> np.ndarray:
    """[inputs + 1, outputs] the weights of a linear network before the first update, the biases in the last row."""
    from entrena.training.seeds import generator

    plan = prepared.plan
    return _weights(prepared.network.initialize(generator(plan.seed, "weights"), plan.dtype))


def final_weights(fitted: Fitted) -> np.ndarray:
    """The same after the last update, also where they are no longer numbers."""
    return _weights(fitted.training.checkpoint.state.params)


def _weights(params: Any) -> np.ndarray:
    (layer,) = params
    return np.vstack([layer["weights"], layer["biases"]]).astype(float)


def steps(
    eigenvalues: Sequence[float], start: Sequence[float], rate: float, momentum: float, n_updates: int
) -> np.ndarray:
    """[updates + 1, directions] the error along each eigenvector, from the start on: v ← μ·v + λ·e, e ← e − η·v."""
    curvature, error = np.asarray(eigenvalues, float), np.asarray(start, float)
    velocity, path = np.zeros_like(error), [error]
    for _ in range(n_updates):
        velocity = momentum * velocity + curvature * error
        error = error - rate * velocity
        path.append(error)
    return np.array(path)


def degrees_between(a: np.ndarray, b: np.ndarray) -> float:
    """The angle between two directions, in degrees; exact for small ones too.

    >>> degrees_between(np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    45.0
    """
    a, b = a.ravel() / np.linalg.norm(a), b.ravel() / np.linalg.norm(b)
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))))
