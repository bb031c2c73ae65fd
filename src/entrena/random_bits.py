"""Random bits of an update: a hash of where they are used, so that nothing of them has to be saved.

A resumed run draws the same ones, and a random bit costs two multiplications of 32 bits; `jax.random` in the loop over
the updates would make small networks take three times as long. The host hashes seed and number of an update into two
words; the program hashes these with the place of each bit.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

# An integer hash of 32 bits with little bias; its three shifts are 16, 15 and 16 (Wellons, hash-prospector, 2018).
_FIRST, _SECOND = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
# SplitMix64, whose state runs through all numbers of 64 bits (Steele, Lea & Flood, OOPSLA 2014, fig. 17).
_STEP, _MIX_1, _MIX_2 = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))

# Of a run's generators the numbers 1 to 4 are for orders, weights and splits (see `training.seeds`).
DROPOUT, AUGMENTATION, NOISE, SLOPES, INPUT_NOISE = 5, 6, 7, 8, 9


def update_words(seed: int, updates: np.ndarray, purpose: int = DROPOUT) -> np.ndarray:
    """Two words of 32 bits for each update, [*updates, 2] uint32; no two updates of a run have the same.

    Args:
        seed: The run's.
        updates: The numbers of updates in their run.
        purpose: What they are for: `DROPOUT`, `AUGMENTATION`, `NOISE`, `SLOPES` or `INPUT_NOISE`.
    """
    start = np.random.SeedSequence((seed, purpose)).generate_state(1, np.uint64)
    z = start + updates.astype(np.uint64)[..., None] * _STEP
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    z = z ^ (z >> np.uint64(31))
    return np.concatenate([z >> np.uint64(32), z & np.uint64(0xFFFFFFFF)], axis=-1).astype(np.uint32)


def places(n_examples: int, width: int, first: int) -> UInt32[Array, "examples units"]:
    """The places of an update's numbers, one after the other from `first` on, modulo 2³²."""
    place = jax.lax.iota(jnp.uint32, n_examples * width).reshape(n_examples, width)
    return place + np.uint32(first % 2**32)


def hashed(place: UInt32[Array, "*shape"], words: UInt32[Array, " 2"]) -> UInt32[Array, "*shape"]:
    """32 random bits for each place of an update."""
    x = place ^ words[0]
    x = (x ^ (x >> 16)) * _FIRST + words[1]
    x = (x ^ (x >> 15)) * _SECOND
    return x ^ (x >> 16)


def uniforms(place: UInt32[Array, "*shape"], words: UInt32[Array, " 2"]) -> Float[Array, "*shape"]:
    """A number of float32 for each place, uniform in [0, 1), to 24 bits."""
    return (hashed(place, words) >> 8).astype(jnp.int32).astype(jnp.float32) * np.float32(2**-24)


def normals(place: UInt32[Array, "*shape"], words: UInt32[Array, " 2"]) -> Float[Array, "*shape"]:
    """A number of float32 for each place, of mean 0 and variance 1, normal up to 5.2 deviations.

    √2·erf⁻¹(2u − 1) for u from the middles of 2²³ equal parts of (0, 1), which float32 knows exactly.
    """
    u = (hashed(place, words) >> 9).astype(jnp.int32).astype(jnp.float32)
    return np.float32(2**0.5) * jax.lax.erf_inv(u * np.float32(2**-22) + np.float32(2**-23 - 1))
