"""Embeddings: a category's level becomes a short vector of trained numbers.

A network reads a level as the number of a row of its table E [levels + 1, size]: rows 1 to `levels` are the vectors of
the levels that were seen; row 0 stands for every other level and is the zero vector for ever, so an unseen level says
nothing.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

LARGEST_SIZE = 8
EMBEDDING = "embedding_"  # begins the name of a table among the parameters of the first layer


def embedding_size(levels: int) -> int:
    """The length of the vectors for so many levels.

    >>> [embedding_size(levels) for levels in (1, 5, 12, 5000)]
    [1, 3, 6, 8]
    """
    return min(LARGEST_SIZE, math.ceil(levels / 2))


def embedding_name(number: int) -> str:
    """Under which name the table of a category stands among the parameters of the first layer."""
    return f"{EMBEDDING}{number}"


def initial_embedding(generator: np.random.Generator, levels: int, size: int) -> np.ndarray:
    """The first vectors, [levels + 1, size] in float64: N(0, 1/size), so of squared length 1, as a standardised number.

    The row of unseen levels is 0.
    """
    table = generator.standard_normal((levels + 1, size)) / np.sqrt(size)
    table[0] = 0
    return table


def look_up(table: Float[Array, "rows size"], levels: Int[Array, " batch"]) -> Float[Array, "batch size"]:
    """The vectors of some levels; level 0 has the zero vector, whose gradient is 0.

    On a CPU rows are gathered, and their gradients are added where they came from: the fastest way for every size that
    was measured. Elsewhere many threads would add to one row in an order of their own, and two equal runs would differ:
    there the lookup is a product, whose gradients are products.
    """
    vectors = jax.lax.platform_dependent(table, levels, cpu=gathered, default=multiplied)
    return jnp.where((levels > 0)[:, None], vectors, jnp.zeros_like(vectors))


def gathered(table: Float[Array, "rows size"], levels: Int[Array, " batch"]) -> Float[Array, "batch size"]:
    """E[c]."""
    return jnp.take(table, levels, axis=0, mode="clip")


def multiplied(table: Float[Array, "rows size"], levels: Int[Array, " batch"]) -> Float[Array, "batch size"]:
    """E[c] as a product with one-hot rows; the numbers are those of `gathered`, bit by bit.

    With c = a·r + b and E cut into blocks of r rows, onehot(a)·E gives block a, and onehot(b) picks its row b. So an
    example takes about 2·√(levels·size) numbers instead of `levels`.
    """
    n_rows, size = table.shape
    r = max(1, round(math.sqrt(n_rows / size)))
    n_blocks = -(-n_rows // r)
    blocks = jnp.pad(table, ((0, n_blocks * r - n_rows), (0, 0))).reshape(n_blocks, r * size)
    block = jnp.dot(_one_hot(levels // r, n_blocks, table), blocks, precision=jax.lax.Precision.HIGHEST)
    return jnp.sum(_one_hot(levels % r, r, table)[:, :, None] * block.reshape(-1, r, size), axis=1)


def _one_hot(numbers: Int[Array, " batch"], n: int, like: Array) -> Float[Array, "batch n"]:
    return (numbers[:, None] == jnp.arange(n, dtype=numbers.dtype)).astype(like.dtype)
