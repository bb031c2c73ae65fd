"""What a batch-only optimizer minimises: Σ weights·loss + λ/2·Σw² as functions of the network's weights."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from entrena.network.multilayer import Network, Params, is_weight
from entrena.training.batch_optimizers import Evaluation, Objective
from entrena.training.levenberg_marquardt import gauss_newton


def sum_of_squares(params: Params) -> Float[Array, ""]:
    """Σw² over all weights and embeddings, without biases and their like."""
    return _sum_of_weights(params, jnp.square)


def sum_of_magnitudes(params: Params) -> Float[Array, ""]:
    """Σ|w| over the same."""
    return _sum_of_weights(params, jnp.abs)


def _sum_of_weights(params: Params, function: Callable[[Array], Array]) -> Float[Array, ""]:
    parts = [jnp.sum(function(w)) for layer in params for name, w in layer.items() if is_weight(name)]
    return sum(parts, start=jnp.zeros_like(parts[0]))


def whole_objective(
    network: Network,
    losses: Callable[[Params], Float[Array, " rows"]],
    rows: tuple[Float[Array, "rows inputs"], Float[Array, "rows outputs"], Float[Array, " rows"]],
    decay: Float[Array, ""] | None,
) -> Objective:
    """The objective over all rows.

    Args:
        network: The network.
        losses: From its weights to the loss of each row.
        rows: Inputs, targets, and how much each row counts: 0 for a row that is no example.
        decay: λ; None: 0.
    """
    X, targets, weights = rows

    def measure(params: Params) -> tuple[Float[Array, ""], Float[Array, ""]]:
        loss = jnp.sum(weights * losses(params))
        return (loss if decay is None else loss + decay / 2 * sum_of_squares(params)), loss

    def evaluate(params: Params) -> Evaluation:
        (value, loss), gradient = jax.value_and_grad(measure, has_aux=True)(params)
        return Evaluation(value, loss, gradient)

    def linearise(params: Params) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
        flat, unflatten = ravel_pytree(params)

        def outputs(w: Float[Array, " n"], x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
            return network.net_inputs(unflatten(w), x[None])[0]

        gradient, matrix = gauss_newton(outputs, flat, X, targets, weights)
        if decay is not None:
            decays = [{name: jnp.full_like(w, is_weight(name)) for name, w in layer.items()} for layer in params]
            of_each = decay * ravel_pytree(tuple(decays))[0]
            gradient, matrix = gradient + of_each * flat, matrix + jnp.diag(of_each)
        return gradient, matrix

    return Objective(evaluate, measure, linearise)
