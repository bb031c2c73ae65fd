"""Nonlinear conjugate gradients: directions that do not spoil what the last ones have reached.

Sources: Hestenes & Stiefel, J. Res. Nat. Bur. Standards 49 (1952); Fletcher & Reeves, Computer Journal 7 (1964); Polak
& Ribière, Revue Française d'Informatique et de Recherche Opérationnelle 3 (1969); Powell, Restart Procedures for the
Conjugate Gradient Method, Mathematical Programming 12 (1977); Nocedal & Wright, Numerical Optimization (2nd ed., 2006),
5.2.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from entrena.training.batch_optimizers import BatchOptimizer, Cost, Rule, Size, Tree, Turn, along_lines, dot
from entrena.training.line_search import Wolfe

Formula = Literal["polak_ribiere", "fletcher_reeves", "hestenes_stiefel"]
DESCENT = 0.01  # a direction goes downhill at least by this share of steepest descent
POWELL = 0.2  # successive gradients further than this from orthogonal: start again


class ConjugateMemory(NamedTuple):
    """How many steps of conjugate gradients there were since the last restart."""

    n_known: Int[Array, ""]


def conjugate_gradient_cost(size: Size) -> Cost:
    """Three vectors, and the point that is tried."""
    return Cost(6 * size.n_weights * size.item, 20 * size.n_weights)


def conjugate_gradient(*, update: Formula, tolerance: Float[Array, ""]) -> BatchOptimizer:
    """Nonlinear conjugate gradients: d ← −g + β·d, with a strong-Wolfe line search.

    With y = g − g before:
    Polak–Ribière+: β = max(0, g·y/|g before|²);  Hestenes–Stiefel+: β = max(0, g·y/d·y);
    Fletcher–Reeves: β = |g|²/|g before|², set to 0 where |g·g before| ≥ 0.2·|g|² (Powell 1977).
    Where the direction does not go downhill by 1 % of what steepest descent does, it is steepest descent.
    """

    def init(params: Tree) -> ConjugateMemory:
        return ConjugateMemory(jnp.zeros((), jnp.int32))

    def turn(own: ConjugateMemory, told: Turn) -> tuple[ConjugateMemory, Tree, Float[Array, ""]]:
        squared, across = told.squared, dot(told.gradient, told.before)
        if update == "polak_ribiere":
            beta = jnp.maximum(0, (squared - across) / told.squared_before)
        elif update == "fletcher_reeves":
            beta = jnp.where(jnp.abs(across) >= POWELL * squared, 0, squared / told.squared_before)
        else:
            beta = jnp.maximum(0, (squared - across) / (told.along - told.slope))
        downhill = beta * told.along - squared <= -DESCENT * squared
        beta = jnp.where(told.learn & ~told.forget & downhill & jnp.isfinite(beta), beta, 0)
        direction = jax.tree.map(lambda g, d: jnp.where(told.now, beta * d - g, d), told.gradient, told.direction)
        count = jnp.where(told.now, jnp.where(beta > 0, own.n_known + 1, 0), own.n_known)
        return ConjugateMemory(count), direction, beta * told.along - squared

    return along_lines(Rule(init, turn, Wolfe(1e-4, 0.2), unit=False), tolerance)
