"""What becomes of conjugate gradients when each step sees another mini-batch: on a quadratic, in NumPy.

entrena refuses such a recipe, so this is the one experiment of the lessons that trains nothing. Each step takes the
gradient of its own mini-batch, the direction of Polak & Ribière from this gradient and the one before, and the step
that is exactly the best along it on the mini-batch. With all rows in each step these are the conjugate gradients of
Hestenes & Stiefel (1952), which are at the minimum after as many steps as there are weights.

Schraudolph & Graepel, Combining Conjugate Direction Methods with Stochastic Approximation of Gradients, AISTATS (2003).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from entrena.lessons.quadratics import quadratic_of


class Walk(NamedTuple):
    """What came of a walk.

    Attributes:
        excess: [steps + 1] of the loss over all rows, as a share of the first.
        conjugacy: |d·H·d′|/√(d·H·d)(d′·H·d′) of successive directions, 0 where they are conjugate; of as many steps as
            there are weights, since with all rows there are none but rounding's after them.
    """

    excess: np.ndarray
    conjugacy: np.ndarray


def conjugate_gradients_on(
    X: np.ndarray, targets: np.ndarray, batch_size: int, n_passes: int, chance: np.random.Generator
) -> Walk:
    """Walks from all weights 0.

    Args:
        X: [rows, inputs].
        targets: [rows].
        batch_size: Rows of a step; a divisor of their number.
        n_passes: Passes over the rows, each in a fresh order.
        chance: Draws the orders.
    """
    table = np.column_stack([X, np.ones(len(X))])
    hessian = 2 * table.T @ table / len(table)
    minimum = quadratic_of(X, targets[:, None]).minimum[:, 0]
    weights = np.zeros(table.shape[1])
    direction, before = np.zeros_like(weights), np.zeros_like(weights)
    errors, conjugacy = [weights - minimum], []
    for _ in range(n_passes):
        for rows in chance.permutation(len(table)).reshape(-1, batch_size):
            own = table[rows]
            gradient = 2 * own.T @ (own @ weights - targets[rows]) / batch_size
            new = _direction(gradient, before, direction)
            if 0 < len(errors) - 1 < len(weights):
                lengths = np.sqrt((new @ hessian @ new) * (direction @ hessian @ direction))
                conjugacy.append(abs(new @ hessian @ direction) / lengths)
            along = 2 * np.square(own @ new).mean()
            weights = weights - (gradient @ new / along if along > 0 else 0.0) * new
            direction, before = new, gradient
            errors.append(weights - minimum)
    excess = np.array([error @ hessian @ error for error in errors])
    return Walk(excess / excess[0], np.array(conjugacy))


def plain_steps_on(
    X: np.ndarray, targets: np.ndarray, batch_size: int, n_passes: int, rate: float, chance: np.random.Generator
) -> float:
    """The excess that gradient descent on the same mini-batches leaves, as a share of the first."""
    table = np.column_stack([X, np.ones(len(X))])
    hessian = 2 * table.T @ table / len(table)
    minimum = quadratic_of(X, targets[:, None]).minimum[:, 0]
    weights = np.zeros(table.shape[1])
    for _ in range(n_passes):
        for rows in chance.permutation(len(table)).reshape(-1, batch_size):
            own = table[rows]
            weights = weights - rate * 2 * own.T @ (own @ weights - targets[rows]) / batch_size
    error = weights - minimum
    return float(error @ hessian @ error / (minimum @ hessian @ minimum))


def _direction(gradient: np.ndarray, before: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """−g + β·d with the β of Polak & Ribière, not below 0; steepest descent where that would go uphill."""
    squared = before @ before
    beta = max(0.0, gradient @ (gradient - before) / squared) if squared > 0 else 0.0
    new = -gradient + beta * direction
    return new if gradient @ new < 0 else -gradient
