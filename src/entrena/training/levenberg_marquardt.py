"""The Levenberg–Marquardt method, for sums of squares: Newton's method with JᵀJ in place of the second derivatives.

    (A + μ·I)·p = −g,   w ← w + p   where that lowers the value

For the loss of a network with linear outputs z and squared error, Σᵢ vᵢ·(1/K)·Σₖ (zᵢₖ − tᵢₖ)², the residuals are
√(2·vᵢ/K)·(zᵢₖ − tᵢₖ), J their derivatives, A = JᵀJ and g the gradient; a weight decay λ adds λ to the diagonal of A at
the weights. An update is one evaluation of the residuals at the trial point, and of J where the point is accepted.

The damping μ follows the ratio of the fall of the value to the fall that the linear model foretells (Nielsen 1999):
after an accepted step μ ← μ·max(1/3, 1 − (2·ratio − 1)³), after a rejected one μ ← μ·ν, ν ← 2·ν; it begins at a tenth
of the largest entry of A's diagonal. The weights of a network are of one scale, so all are damped alike, as by
Levenberg. The largest diagonal so far (Moré 1978, MINPACK), or the present one (Marquardt 1963), in place of I hardly
damps the weights of saturated units, which run away: on networks that took several times the evaluations to the same
loss.

A is summed over chunks of rows, so J as a whole is never in memory. A Cholesky decomposition of n² numbers solves for
p; a matrix that is not positive definite gives no number, so its step is rejected and the damping raised.

Sources: Levenberg, Q. Appl. Math. 2 (1944); Marquardt, J. SIAM 11 (1963); Moré, The Levenberg–Marquardt Algorithm:
Implementation and Theory (1978); Nielsen, Damping Parameter in Marquardt's Method, IMM-REP-1999-05 (1999).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from entrena.training.batch_optimizers import (
    GOES_ON,
    NO_LOWER,
    BatchOptimizer,
    Cost,
    Evaluation,
    Objective,
    Size,
    Standing,
    Tree,
    first_standing,
    n_entries,
    next_standing,
    noise_of,
)

FIRST_DAMPING = 0.1  # μ at the start, as a share of the largest entry of A's diagonal: Nielsen's τ
LEAST_RATIO = 1e-3  # of the foretold fall, for a step to be accepted
MOST_REJECTED = 12  # in a row: μ has grown by a factor 2^78
CHUNK_BYTES = 32 * 2**20  # of the derivatives of one chunk of rows


class DampedMemory(NamedTuple):
    """What is remembered between two updates; vectors in the order in which the weights are flattened.

    Attributes:
        standing: Where it stands.
        value: At the accepted point.
        gradient: There.
        matrix: A, there.
        damping: μ.
        growth: ν.
        step: p, to be tried next.
        foretold: By how much the linear model says that p lowers the value.
        rejected: Steps that were rejected since the last accepted one.
    """

    standing: Standing
    value: Float[Array, ""]
    gradient: Float[Array, " n"]
    matrix: Float[Array, "n n"]
    damping: Float[Array, ""]
    growth: Float[Array, ""]
    step: Float[Array, " n"]
    foretold: Float[Array, ""]
    rejected: Int[Array, ""]


MATRICES = 5  # in memory at once, as the compiled program says


def levenberg_marquardt_cost(size: Size) -> Cost:
    """A and its copies, and the derivatives of a chunk of rows; the sum JᵀJ, and the decomposition."""
    n = size.n_weights
    a_row = size.n_outputs * n * size.item
    chunk = chunk_rows(size.n_rows, a_row) * a_row
    operations = 2 * size.n_rows * size.n_outputs * n**2 + n**3 // 3
    return Cost(MATRICES * n**2 * size.item + 3 * chunk, operations)


def levenberg_marquardt(*, tolerance: Float[Array, ""]) -> BatchOptimizer:
    """The method of this file; its objective needs `measure` and `linearise`."""

    def init(params: Tree) -> DampedMemory:
        n, zero = n_entries(params), jnp.zeros((), jax.tree.leaves(params)[0].dtype)
        vector, matrix = jnp.zeros(n, zero.dtype), jnp.zeros((n, n), zero.dtype)
        count = jnp.zeros((), jnp.int32)
        return DampedMemory(first_standing(zero), zero, vector, matrix, zero, zero, vector, zero, count)

    def update(objective: Objective, params: Tree, memory: DampedMemory) -> tuple[Tree, DampedMemory]:
        assert objective.measure is not None
        assert objective.linearise is not None
        linearise = objective.linearise
        flat, unflatten = ravel_pytree(params)
        trial = flat + memory.step
        value, loss = objective.measure(unflatten(trial))
        first = memory.standing.evaluations == 0
        change, noise = value - memory.value, noise_of(memory.value)
        drowned = (memory.foretold <= noise) & (jnp.abs(change) <= noise)
        ratio = jnp.where(drowned, 1, -change / memory.foretold)
        accepted = first | (ratio > LEAST_RATIO)  # NaN is not
        flat = jnp.where(accepted, trial, flat)
        kept = memory.gradient, memory.matrix
        gradient, matrix = jax.lax.cond(accepted, lambda: linearise(unflatten(flat)), lambda: kept)
        damping, growth = _damped(memory, jnp.max(jnp.diag(matrix)), accepted, ratio)
        step, foretold = _step(matrix, gradient, damping)

        seen = Evaluation(value, loss, gradient)
        standing = next_standing(memory.standing, accepted, seen, tolerance)
        rejected = jnp.where(accepted, 0, memory.rejected + 1)
        hopeless = (rejected >= MOST_REJECTED) & (standing.ended == GOES_ON)
        standing = standing._replace(ended=jnp.where(hopeless, NO_LOWER, standing.ended))
        value = jnp.where(accepted, value, memory.value)
        after = DampedMemory(standing, value, gradient, matrix, damping, growth, step, foretold, rejected)
        return unflatten(flat), after

    return BatchOptimizer(init, update)


def _damped(
    memory: DampedMemory, largest: Float[Array, ""], accepted: Bool[Array, ""], ratio: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The next μ and ν; `largest` is the largest entry of A's diagonal."""
    first = memory.standing.evaluations == 0
    less = memory.damping * jnp.maximum(1 / 3, 1 - (2 * ratio - 1) ** 3)
    more = memory.damping * memory.growth
    damping = jnp.where(first, FIRST_DAMPING * largest, jnp.where(accepted, less, more))
    growth = jnp.where(accepted, 2, 2 * memory.growth)
    least = jnp.finfo(damping.dtype).eps * largest  # below this, rounding alone makes A singular
    return jnp.maximum(damping, least), growth


def _step(
    matrix: Float[Array, "n n"], gradient: Float[Array, " n"], damping: Float[Array, ""]
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """p of (A + μ·I)·p = −g, and the fall −g·p − ½·pᵀ·A·p = ½·p·(μ·p − g) that it foretells."""
    damped = matrix + damping * jnp.eye(len(gradient), dtype=gradient.dtype)
    step = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(damped, lower=True), gradient)
    return step, jnp.sum(step * (damping * step - gradient)) / 2


def gauss_newton(
    outputs: Callable[[Float[Array, " n"], Float[Array, " inputs"]], Float[Array, " outputs"]],
    flat: Float[Array, " n"],
    X: Float[Array, "rows inputs"],
    targets: Float[Array, "rows outputs"],
    weights: Float[Array, " rows"],
) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """Gradient and matrix A of Σᵢ vᵢ·(1/K)·Σₖ (zᵢₖ − tᵢₖ)².

    Args:
        outputs: From flat weights and one example's inputs to its outputs z.
        flat: The weights.
        X: The examples.
        targets: t.
        weights: v, 0 for rows that are no examples.
    """
    n_rows, n_outputs = targets.shape
    rows = chunk_rows(n_rows, n_outputs * len(flat) * flat.dtype.itemsize)
    both = jax.vmap(jax.jacrev(lambda w, x: (outputs(w, x),) * 2, has_aux=True), (None, 0))

    def chunk(
        sums: tuple[Float[Array, " n"], Float[Array, "n n"]], part: tuple[Array, ...]
    ) -> tuple[tuple[Float[Array, " n"], Float[Array, "n n"]], None]:
        X, targets, weights = part
        jacobian, z = both(flat, X)
        share = jnp.sqrt(2 * weights / n_outputs)[:, None]
        residuals = (share * (z - targets)).ravel()
        jacobian = (share[:, :, None] * jacobian).reshape(len(residuals), len(flat))
        exact = jax.lax.Precision.HIGHEST
        gradient = jnp.dot(residuals, jacobian, precision=exact)
        return (sums[0] + gradient, sums[1] + jnp.dot(jacobian.T, jacobian, precision=exact)), None

    zeros = jnp.zeros_like(flat), jnp.zeros((len(flat), len(flat)), flat.dtype)
    parts = tuple(array.reshape(n_rows // rows, rows, *array.shape[1:]) for array in (X, targets, weights))
    return jax.lax.scan(chunk, zeros, parts)[0]


def chunk_rows(n_rows: int, bytes_a_row: int) -> int:
    """Rows of a chunk: the largest divisor of their number whose derivatives fit into `CHUNK_BYTES`.

    >>> chunk_rows(480, 2**20), chunk_rows(480, 2**10), chunk_rows(7, 2**30)
    (32, 480, 1)
    """
    most = max(1, CHUNK_BYTES // bytes_a_row)
    return max(rows for rows in range(1, min(n_rows, most) + 1) if n_rows % rows == 0)
