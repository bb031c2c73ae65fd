"""Dropout: in training each hidden unit is left out now and then, so that no unit relies on a certain other one.

Which units an update leaves out is a hash of where they are (`random_bits`): seed, number of the update, layer, example
and unit. A resumed run leaves out the same ones.

Source: Srivastava et al., JMLR 15 (2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt32

from entrena.random_bits import hashed


def masks(
    widths: Sequence[int], n_examples: int, words: UInt32[Array, " 2"], kept: Float[Array, ""]
) -> tuple[Bool[Array, "examples units"], ...]:
    """Which units an update keeps: each with probability `kept`, to 24 bits, independently of every other.

    Args:
        widths: The units of each hidden layer.
        n_examples: The examples of the update.
        words: Those of the update.
        kept: q, the share of the units that are kept.

    Returns:
        A mask for each hidden layer.
    """
    # Numbers of 24 bits, signed: CPUs compare them in one instruction, and no share of float32 overflows.
    limit = (kept * 2**24).astype(jnp.int32)
    found, n_before = [], 0
    for width in widths:
        n = n_examples * width
        place = jax.lax.iota(jnp.uint32, n).reshape(n_examples, width) + np.uint32(n_before % 2**32)
        found.append((hashed(place, words) >> 8).astype(jnp.int32) < limit)
        n_before += n
    return tuple(found)


def drop_units(
    y: Float[Array, "batch units"], mask: Bool[Array, "batch units"], kept: Float[Array, ""]
) -> Float[Array, "batch units"]:
    """y/q for the units that are kept, 0 for the others; its mean over all masks is y."""
    return jnp.where(mask, y * (1 / kept).astype(y.dtype), jnp.zeros_like(y))
