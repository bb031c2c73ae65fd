"""Dropout: in training each hidden unit is left out now and then, so that no unit relies on a certain other one.

Which units an update leaves out is a hash of where they are: seed, number of the update, layer, example and unit. So
nothing of it has to be saved, a resumed run leaves out the same ones, and a random bit costs two multiplications of 32
bits; `jax.random` in the loop over the updates would make small networks take three times as long.

The host hashes seed and update into two words for each update; the program hashes them with the place of each unit.

Source: Srivastava et al., JMLR 15 (2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt32

# An integer hash of 32 bits with little bias; its three shifts are 16, 15 and 16 (Wellons, hash-prospector, 2018).
_FIRST, _SECOND = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
# SplitMix64, whose state runs through all numbers of 64 bits (Steele, Lea & Flood, OOPSLA 2014, fig. 17).
_STEP, _MIX_1, _MIX_2 = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def update_words(seed: int, updates: np.ndarray) -> np.ndarray:
    """Two words of 32 bits for each update, [*updates, 2] uint32; no two updates of a run have the same.

    Args:
        seed: The run's.
        updates: The numbers of updates in their run.
    """
    # Of a run's generators the numbers 1 to 4 are for orders, weights and splits (see `training.seeds`).
    start = np.random.SeedSequence((seed, 5)).generate_state(1, np.uint64)
    z = start + updates.astype(np.uint64)[..., None] * _STEP
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    z = z ^ (z >> np.uint64(31))
    return np.concatenate([z >> np.uint64(32), z & np.uint64(0xFFFFFFFF)], axis=-1).astype(np.uint32)


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
        found.append((_hash(place, words) >> 8).astype(jnp.int32) < limit)
        n_before += n
    return tuple(found)


def drop_units(
    y: Float[Array, "batch units"], mask: Bool[Array, "batch units"], kept: Float[Array, ""]
) -> Float[Array, "batch units"]:
    """y/q for the units that are kept, 0 for the others; its mean over all masks is y."""
    return jnp.where(mask, y * (1 / kept).astype(y.dtype), jnp.zeros_like(y))


def _hash(place: UInt32[Array, "*shape"], words: UInt32[Array, " 2"]) -> UInt32[Array, "*shape"]:
    x = place ^ words[0]
    x = (x ^ (x >> 16)) * _FIRST + words[1]
    x = (x ^ (x >> 15)) * _SECOND
    return x ^ (x >> 16)
