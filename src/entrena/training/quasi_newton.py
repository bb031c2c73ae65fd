"""Quasi-Newton methods: the curvature from the steps s that were taken and the changes y of the gradient on them.

Sources: Nocedal & Wright, Numerical Optimization (2nd ed., 2006), 6.1 and 7.2; Liu & Nocedal, On the Limited Memory
BFGS Method for Large Scale Optimization, Mathematical Programming 45 (1989); Byrd, Lu, Nocedal & Zhu, A Limited Memory
Algorithm for Bound Constrained Optimization, SIAM J. Sci. Comput. 16 (1995).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from entrena.training.batch_optimizers import (
    BatchOptimizer,
    Cost,
    Rule,
    Size,
    Tree,
    Turn,
    add_scaled,
    along_lines,
    dot,
    n_entries,
)
from entrena.training.line_search import Wolfe


class Pairs(NamedTuple):
    """The last m steps s and changes y of the gradient, in the places 0 … m − 1, each written over the oldest.

    Attributes:
        s: A tree of arrays [m, …].
        y: The same.
        inverse: [m] 1/(s·y).
        scale: s·y/y·y of the newest: about the inverse of the curvature.
        n_known: Pairs since the last restart.
    """

    s: Tree
    y: Tree
    inverse: Float[Array, " m"]
    scale: Float[Array, ""]
    n_known: Int[Array, ""]


def lbfgs_cost(size: Size, *, memory: int) -> Cost:
    """2·m vectors beside those of conjugate gradients; each is used twice."""
    return Cost((2 * memory + 8) * size.n_weights * size.item, (8 * memory + 20) * size.n_weights)


def lbfgs(*, memory: int, tolerance: Float[Array, ""]) -> BatchOptimizer:
    """L-BFGS: the inverse Hessian of BFGS as a product of its last `memory` corrections, never formed.

    Nocedal & Wright algorithm 7.4 (the two-loop recursion), starting from s·y/y·y times the identity (eq. 7.20). A pair
    with s·y ≤ ε·|s·g before| does not enter, as in L-BFGS-B (Byrd, Lu, Nocedal & Zhu 1995).
    """

    def init(params: Tree) -> Pairs:
        dtype = jax.tree.leaves(params)[0].dtype
        many = jax.tree.map(lambda leaf: jnp.zeros((memory, *leaf.shape), leaf.dtype), params)
        return Pairs(many, many, jnp.zeros(memory, dtype), jnp.zeros((), dtype), jnp.zeros((), jnp.int32))

    def turn(own: Pairs, told: Turn) -> tuple[Pairs, Tree, Float[Array, ""]]:
        s = jax.tree.map(lambda d: told.step * d, told.direction)
        y = jax.tree.map(jnp.subtract, told.gradient, told.before)
        sy, yy = told.step * (told.along - told.slope), dot(y, y)
        enters = _curved(told, sy)
        place = own.n_known % memory

        def put(many: Float[Array, m * shape], one: Float[Array, "*shape"]) -> Float[Array, m * shape]:
            return many.at[place].set(jnp.where(enters, one, many[place]))

        own = Pairs(
            jax.tree.map(put, own.s, s),
            jax.tree.map(put, own.y, y),
            put(own.inverse, 1 / sy),
            jnp.where(enters, sy / yy, own.scale),
            jnp.where(told.forget, 0, own.n_known + enters.astype(jnp.int32)),
        )
        direction = jax.lax.cond(told.now, lambda: _two_loops(own, told.gradient, memory), lambda: told.direction)
        return own, direction, dot(told.gradient, direction)

    return along_lines(Rule(init, turn, Wolfe(1e-3, 0.9), unit=True), tolerance)


def _curved(told: Turn, sy: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether a step shows a curvature above 0, so that it may enter: s·y > ε·|s·g before|."""
    return told.learn & (sy > jnp.finfo(sy.dtype).eps * told.step * jnp.abs(told.slope))


def _two_loops(own: Pairs, gradient: Tree, memory: int) -> Tree:
    """−H·g."""
    kept = jnp.minimum(own.n_known, memory)

    def pair(i: Int[Array, ""]) -> tuple[Tree, Tree, Float[Array, ""]]:
        s, y = (jax.tree.map(lambda many: many[i], tree) for tree in (own.s, own.y))
        return s, y, own.inverse[i]

    def back(k: Int[Array, ""], carry: tuple[Tree, Float[Array, " m"]]) -> tuple[Tree, Float[Array, " m"]]:
        q, alphas = carry
        i = (own.n_known - 1 - k) % memory
        s, y, inverse = pair(i)
        alpha = inverse * dot(s, q)
        return add_scaled(q, -alpha, y), alphas.at[i].set(alpha)

    def forth(k: Int[Array, ""], r: Tree) -> Tree:
        i = (own.n_known - kept + k) % memory
        s, y, inverse = pair(i)
        return add_scaled(r, alphas[i] - inverse * dot(y, r), s)

    q, alphas = jax.lax.fori_loop(0, kept, back, (gradient, jnp.zeros_like(own.inverse)))
    scale = jnp.where(own.n_known > 0, own.scale, 1)
    r = jax.lax.fori_loop(0, kept, forth, jax.tree.map(lambda leaf: scale * leaf, q))
    return jax.tree.map(jnp.negative, r)


BFGS_MATRICES = 4  # in memory at once, as the compiled program says


class InverseHessian(NamedTuple):
    """The matrix of BFGS.

    Attributes:
        matrix: H, about the inverse of the matrix of second derivatives, in the order of the flattened weights.
        n_known: Corrections since the last restart; 0: H is the identity, whatever stands in `matrix`.
    """

    matrix: Float[Array, "n n"]
    n_known: Int[Array, ""]


def bfgs_cost(size: Size) -> Cost:
    """The matrix and its copies; two products with it and a correction."""
    return Cost(BFGS_MATRICES * size.n_weights**2 * size.item, 12 * size.n_weights**2)


def bfgs(*, tolerance: Float[Array, ""]) -> BatchOptimizer:
    """BFGS: H ← (I − ρ·s·yᵀ)·H·(I − ρ·y·sᵀ) + ρ·s·sᵀ with ρ = 1/s·y; d = −H·g.

    Nocedal & Wright eq. 6.17. H begins as the identity, and is not scaled before the first correction (eq. 6.20): on
    networks that took up to twice the evaluations. The matrix has n² entries, so the weights are one flat vector here.
    """

    def init(params: Tree) -> InverseHessian:
        n, dtype = n_entries(params), jax.tree.leaves(params)[0].dtype
        return InverseHessian(jnp.zeros((n, n), dtype), jnp.zeros((), jnp.int32))

    def turn(own: InverseHessian, told: Turn) -> tuple[InverseHessian, Tree, Float[Array, ""]]:
        g, unflatten = ravel_pytree(told.gradient)
        before, d = ravel_pytree(told.before)[0], ravel_pytree(told.direction)[0]
        s, y = told.step * d, g - before
        sy = told.step * (told.along - told.slope)
        enters = _curved(told, sy)
        known = own.n_known > 0
        rho = jnp.where(enters, 1 / sy, 0)
        Hy = jnp.where(known, _times(own.matrix, y), y)
        # (I − ρ·s·yᵀ)·H·(I − ρ·y·sᵀ) + ρ·s·sᵀ = H − ρ·(s·Hyᵀ + Hy·sᵀ) + ρ·(1 + ρ·yᵀHy)·s·sᵀ
        both = s[:, None] * Hy
        matrix = jnp.where(known, own.matrix, jnp.eye(len(g), dtype=g.dtype))
        matrix = matrix - rho * (both + both.T) + rho * (1 + rho * (y @ Hy)) * (s[:, None] * s)
        count = jnp.where(told.forget, 0, own.n_known + enters.astype(jnp.int32))
        direction = -jnp.where(count > 0, _times(matrix, g), g)
        return InverseHessian(matrix, count), unflatten(jnp.where(told.now, direction, d)), g @ direction

    return along_lines(Rule(init, turn, Wolfe(1e-4, 0.9), unit=True), tolerance)


def _times(matrix: Float[Array, "n n"], vector: Float[Array, " n"]) -> Float[Array, " n"]:
    return jnp.dot(matrix, vector, precision=jax.lax.Precision.HIGHEST)
