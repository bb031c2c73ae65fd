"""Dropout: in training each hidden unit is left out now and then, so that no unit relies on a certain other one.

Which units an update leaves out is a hash of where they are (`random_bits`): seed, number of the update, layer, example
and unit. A resumed run leaves out the same ones.

Sources: Srivastava et al., JMLR 15 (2014); alpha dropout: Klambauer et al., NIPS (2017), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from entrena.network.activations import SELU_ALPHA, SELU_SCALE
from entrena.random_bits import hashed, places

SELU_LIMIT = -SELU_SCALE * SELU_ALPHA  # of selu(z) for z → −∞


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
        found.append((hashed(places(n_examples, width, n_before), words) >> 8).astype(jnp.int32) < limit)
        n_before += n_examples * width
    return tuple(found)


def drop_units(
    y: Float[Array, "batch units"], mask: Bool[Array, "batch units"], kept: Float[Array, ""]
) -> Float[Array, "batch units"]:
    """y/q for the units that are kept, 0 for the others; its mean over all masks is y."""
    return jnp.where(mask, y * (1 / kept).astype(y.dtype), jnp.zeros_like(y))


def alpha_drop_units(
    y: Float[Array, "batch units"], mask: Bool[Array, "batch units"], kept: Float[Array, ""]
) -> Float[Array, "batch units"]:
    """a·x + b, where x is y for the units that are kept and α′ = −λα, the limit of SELU, for the others.

    With a = (q + α′²·q·(1 − q))^(−1/2) and b = −a·(1 − q)·α′ outputs of mean 0 and variance 1 stay so.
    """
    a = jax.lax.rsqrt(kept + SELU_LIMIT**2 * kept * (1 - kept))
    b = -a * (1 - kept) * SELU_LIMIT
    return jnp.where(mask, a.astype(y.dtype) * y + b.astype(y.dtype), (a * SELU_LIMIT + b).astype(y.dtype))
