"""Batch normalization's statistics over the whole training set, for given weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from entrena.network.multilayer import Network, Params
from entrena.network.normalization import Moments
from entrena.training.structure import Data, Sight

BLOCK_ROWS = 1_024


def training_set_moments(network: Network, params: Params, data: Data, n_rows: Float[Array, ""]) -> tuple[Moments, ...]:
    """Mean and variance of each hidden layer's net inputs over all training rows.

    A pass for each layer, lower layers with the statistics found for them before; so the network predicts what it makes
    of all training rows as one mini-batch. Blocks of rows are joined by their counts, means and sums of squares (Chan,
    Golub & LeVeque, 1979), so that no digits are lost.

    Args:
        network: With batch normalization.
        params: The trained parameters.
        data: The training rows, first in their table.
        n_rows: How many they are.
    """
    statistics: tuple[Moments, ...] = ()
    dtype = params[0]["weights"].dtype
    size = min(BLOCK_ROWS, len(data.inputs))
    n_blocks = -(-len(data.inputs) // size)
    for number in range(network.n_hidden):
        known = tuple(statistics)
        width = network.sizes[number + 1]

        def join(k: Array, found: tuple[Array, Array, Array], number: int = number, known: tuple = known) -> tuple:
            n_before, mean, squares = found
            first = k.astype(jnp.int32) * size
            start = jnp.minimum(first, len(data.inputs) - size)
            rows = start + jnp.arange(size, dtype=jnp.int32)
            present = ((rows >= first) & (rows < n_rows)).astype(dtype)[:, None]
            X = seen(jax.lax.dynamic_slice_in_dim(data.inputs, start, size), data.sight)
            z = network.product(params, known, X, number)
            n = jnp.sum(present)
            own = jnp.sum(z * present, axis=0) / jnp.maximum(n, 1)
            own_squares = jnp.sum(jnp.square(z - own) * present, axis=0)
            after = n_before + n
            step, share = own - mean, n / jnp.maximum(after, 1)
            return after, mean + step * share, squares + own_squares + jnp.square(step) * (n_before * share)

        blank = (jnp.zeros((), dtype), jnp.zeros(width, dtype), jnp.zeros(width, dtype))
        n, mean, squares = jax.lax.fori_loop(0, n_blocks, join, blank)
        statistics += (Moments(mean, squares / jnp.maximum(n, 1)),)
    return statistics


def seen(images: Float[Array, "batch pixels"], sight: Sight | None) -> Float[Array, "batch inputs"]:
    """The network's inputs of images as they were read, but for their scale; other inputs as they are."""
    if sight is None:
        return images
    inputs = images - sight.shift
    return inputs if sight.turn is None else inputs @ sight.turn
