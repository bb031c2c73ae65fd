"""Dropout: the hash against whole numbers of Python, the masks against chance."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from entrena.network.dropout import drop_units, masks
from entrena.random_bits import update_words

WIDTHS, N_EXAMPLES, N_UPDATES = (48, 48, 24), 32, 300
MOST = 4  # standard errors


def split_mix(state: int) -> tuple[int, int]:
    """One step of SplitMix64: the next state, and its number."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return state, z ^ (z >> 31)


def drawn(share: float, seed: int = 0, widths=WIDTHS, n_updates: int = N_UPDATES) -> list[np.ndarray]:
    """For each layer the masks of some updates, [updates, examples, units]."""
    words = update_words(seed, np.arange(n_updates))
    draw = jax.jit(jax.vmap(lambda words: masks(widths, N_EXAMPLES, words, jnp.float32(1 - share))))
    return [np.asarray(mask) for mask in draw(words)]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1])


def test_the_oracle_is_split_mix():
    state, found = 1234567, []
    for _ in range(5):
        state, number = split_mix(state)
        found.append(number)
    # The numbers of Vigna's C code for this seed, as Rosetta Code prints them.
    assert found == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_words_of_updates_are_split_mix(seed):
    words = update_words(seed, np.arange(6).reshape(2, 3))
    assert (words.shape, words.dtype) == ((2, 3, 2), np.uint32)
    start = int(np.random.SeedSequence((seed, 5)).generate_state(1, np.uint64)[0])
    state = (start - 0x9E3779B97F4A7C15) % 2**64
    for first, second in words.reshape(-1, 2):
        state, number = split_mix(state)
        assert (int(first) << 32) + int(second) == number
    late = update_words(seed, np.array([10**12]))  # a number beyond 32 bits is none of the first
    assert not (late == words.reshape(-1, 2)).all(axis=1).any()


def test_masks_are_the_hash_of_their_places():
    words, kept = update_words(3, np.array(17)), 0.6
    found = masks((5, 3), 4, words, jnp.float32(kept))
    place = 0
    for mask, width in zip(found, (5, 3), strict=True):
        assert mask.shape == (4, width)
        for example, unit in np.ndindex(4, width):
            x = place ^ int(words[0])
            x = ((x ^ (x >> 16)) * 0x7FEB352D + int(words[1])) % 2**32
            x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
            x = x ^ (x >> 16)
            assert bool(mask[example, unit]) == ((x >> 8) < int(np.float32(kept) * 2**24))
            place += 1


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9])
def test_the_share_is_kept(share):
    for layer in drawn(share):
        assert abs(layer.mean() - (1 - share)) < MOST * np.sqrt(share * (1 - share) / layer.size)
        # Binomial over a unit's draws, an example's and an update's: of the variance that independence gives.
        for axes in ((0, 1), (1, 2), (0, 2)):
            means = layer.mean(axis=axes)
            n = layer.size / means.size
            ratio = means.var() / (share * (1 - share) / n)
            assert abs(ratio - 1) < MOST * np.sqrt(2 / (means.size - 1))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_units_examples_updates_layers_and_seeds_are_independent(share):
    one, two, three = drawn(share)
    limit = MOST / np.sqrt(one.size)
    for lag in (1, 2, 3, 7, 8, 16, 31):
        assert abs(correlation(one[:, :, lag:], one[:, :, :-lag])) < limit * np.sqrt(48 / (48 - lag)), f"units {lag}"
        assert abs(correlation(one[:, lag:], one[:, :-lag])) < limit * np.sqrt(32 / (32 - lag)), f"examples {lag}"
    for lag in (1, 2, 4, 10, 64, 128):
        assert abs(correlation(one[lag:], one[:-lag])) < limit * np.sqrt(300 / (300 - lag)), f"updates {lag}"
    assert abs(correlation(one, two)) < limit
    assert abs(correlation(one[:, :, :24], three)) < limit * np.sqrt(2)
    for seed in (1, 2, 2**31):
        assert abs(correlation(one, drawn(share, seed)[0])) < limit, f"seed {seed}"


def test_each_pair_of_units_is_independent():
    layer = drawn(0.5)[0]
    n_rows = layer.shape[0] * layer.shape[1]
    for table in (layer.reshape(n_rows, -1), layer.transpose(0, 2, 1).reshape(-1, N_EXAMPLES)):
        r = np.corrcoef(table.T.astype(float))
        squares = r[np.triu_indices(len(r), 1)] ** 2 * len(table)  # χ² of one degree each
        assert abs(squares.mean() - 1) < MOST * np.sqrt(2 / squares.size)
        assert squares.max() < 30  # 5.5 deviations; about a thousand pairs


def test_the_mean_over_masks_is_the_output(generator):
    y = generator.normal(size=(N_EXAMPLES, 48)).astype(np.float32)
    share, n_updates = 0.3, 2000
    layer = drawn(share, widths=(48,), n_updates=n_updates)[0]
    dropped = jax.jit(jax.vmap(lambda mask: drop_units(y, mask, jnp.float32(1 - share))))(layer)
    mean = np.asarray(dropped, float).mean(axis=0)
    error = np.abs(y) * np.sqrt(share / (1 - share) / n_updates)
    assert (np.abs(mean - y) / error).max() < 5.5
    assert ((mean - y) ** 2 / error**2).mean() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_kept_units_are_scaled_and_so_is_their_gradient(dtype, generator):
    y = jnp.asarray(generator.normal(size=(6, 9)), dtype)
    mask = masks((9,), 6, update_words(0, np.array(5)), jnp.float32(0.75))[0]
    dropped, pull = jax.vjp(lambda y: drop_units(y, mask, jnp.float32(0.75)), y)
    factor = np.where(mask, 1 / 0.75, 0)
    assert 0 < mask.mean() < 1
    assert dropped.dtype == dtype
    tolerance = 1e-6 if dtype == jnp.float32 else 0.02
    np.testing.assert_allclose(np.asarray(dropped, float), factor * np.asarray(y, float), rtol=tolerance)
    np.testing.assert_allclose(np.asarray(pull(y)[0], float), factor * np.asarray(y, float), rtol=tolerance)


@pytest.mark.parametrize("share", [1e-12, 1 - 1e-12])
def test_shares_near_0_and_1_stay_finite(share, generator):
    y = jnp.asarray(generator.normal(size=(6, 9)), jnp.float32)
    kept = jnp.asarray(1 - share, jnp.float32)
    mask = masks((9,), 6, update_words(0, np.array(5)), kept)[0]
    np.testing.assert_array_equal(drop_units(y, mask, kept), y if share < 0.5 else jnp.zeros_like(y))
