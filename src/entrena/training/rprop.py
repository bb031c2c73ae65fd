"""Resilient backpropagation: a step for each weight, from the signs of its gradients alone.

    Δᵢ ← min(1.2·Δᵢ, 50)   where gᵢ has the sign that it had before:   wᵢ ← wᵢ − sign(gᵢ)·Δᵢ
    Δᵢ ← max(0.5·Δᵢ, 1e-6) where the sign has changed, a minimum was jumped over: the last step of wᵢ is taken back
    where gᵢ was 0 before, or the last step was taken back:                          wᵢ ← wᵢ − sign(gᵢ)·Δᵢ

The size of the gradient plays no part, so its signs must be exact: all rows in each update. Source: Riedmiller & Braun,
A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm, IEEE ICNN (1993).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from entrena.training.batch_optimizers import (
    BatchOptimizer,
    Cost,
    Objective,
    Size,
    Standing,
    Tree,
    add_scaled,
    first_standing,
    next_standing,
)

Shaped = Float[Array, "*shape"]


class SignMemory(NamedTuple):
    """What is remembered of each weight.

    Attributes:
        n_updates: So far; before the first every Δ is `first_step`, whatever stands here.
        delta: Δ.
        gradient: The gradient before; 0 where the last step was taken back.
        step: The last step.
    """

    n_updates: Int[Array, ""]
    delta: Tree
    gradient: Tree
    step: Tree


class RpropMemory(NamedTuple):
    """What is remembered between two updates."""

    standing: Standing
    signs: SignMemory


def scale_by_signs(
    *,
    first_step: Float[Array, ""],
    increase: Float[Array, ""],
    decrease: Float[Array, ""],
    smallest: Float[Array, ""],
    largest: Float[Array, ""],
    backtracking: bool,
) -> optax.GradientTransformation:
    """The Optax transformation of gradients into the steps that are subtracted from the weights.

    Args:
        first_step: Δ of every weight before the first update.
        increase: Factor of Δ where the sign stays; above 1.
        decrease: Factor of Δ where it changes; below 1.
        smallest: Least Δ.
        largest: Greatest Δ.
        backtracking: Whether a weight whose gradient has changed its sign goes back to where it was, as in the paper;
            else it stays where it is for one update, as in PyTorch.
    """

    def init(params: Tree) -> SignMemory:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return SignMemory(jnp.zeros((), jnp.int32), zeros, zeros, zeros)

    def one(g: Shaped, delta: Shaped, before: Shaped, step: Shaped) -> tuple[Shaped, Shaped, Shaped]:
        agreement = jnp.sign(g) * jnp.sign(before)  # not g·before, which is 0 where both are small
        grown, shrunk = jnp.minimum(delta * increase, largest), jnp.maximum(delta * decrease, smallest)
        delta = jnp.where(agreement > 0, grown, jnp.where(agreement < 0, shrunk, delta))
        back = -step if backtracking else jnp.zeros_like(step)
        return delta, jnp.where(agreement < 0, 0, g), jnp.where(agreement < 0, back, jnp.sign(g) * delta)

    def update(gradients: Tree, memory: SignMemory, params: Tree = None) -> tuple[Tree, SignMemory]:
        first = memory.n_updates == 0
        delta = jax.tree.map(lambda delta: jnp.where(first, first_step, delta), memory.delta)
        after = jax.tree.map(one, gradients, delta, memory.gradient, memory.step)
        delta, kept, step = jax.tree.transpose(jax.tree.structure(gradients), None, after)
        return step, SignMemory(memory.n_updates + 1, delta, kept, step)

    return optax.GradientTransformation(init, update)


def rprop_cost(size: Size) -> Cost:
    """Three vectors, and the step."""
    return Cost(5 * size.n_weights * size.item, 20 * size.n_weights)


def rprop(
    *,
    tolerance: Float[Array, ""],
    first_step: Float[Array, ""],
    increase: Float[Array, ""],
    decrease: Float[Array, ""],
    smallest: Float[Array, ""],
    largest: Float[Array, ""],
    backtracking: bool,
) -> BatchOptimizer:
    """The batch-only optimizer: every point is accepted, and it has converged where the gradient is small enough.

    Value and loss are those of the weights before the step, as for the other optimizers without a line search.
    """
    signs = scale_by_signs(
        first_step=first_step,
        increase=increase,
        decrease=decrease,
        smallest=smallest,
        largest=largest,
        backtracking=backtracking,
    )

    def init(params: Tree) -> RpropMemory:
        return RpropMemory(first_standing(jnp.zeros((), jax.tree.leaves(params)[0].dtype)), signs.init(params))

    def update(objective: Objective, params: Tree, memory: RpropMemory) -> tuple[Tree, RpropMemory]:
        seen = objective.evaluate(params)
        standing = next_standing(memory.standing, jnp.ones((), bool), seen, tolerance, most_idle=None)
        step, own = signs.update(seen.gradient, memory.signs)
        goes_on = jnp.where(standing.gradient <= tolerance, 0, 1).astype(standing.gradient.dtype)
        return add_scaled(params, -goes_on, step), RpropMemory(standing, own)

    return BatchOptimizer(init, update)
