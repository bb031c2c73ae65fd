"""Orders: each row once an epoch, short batches, and coefficients that are already divided."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.training.order import NO_EXAMPLE, ORDERS, batch_weights, batches, n_batches
from entrena.training.seeds import generator

SIZES = st.tuples(st.integers(1, 200), st.integers(1, 40))


@pytest.mark.parametrize("name", sorted(ORDERS))
@given(rows=st.lists(st.integers(0, 10_000), min_size=1, max_size=60, unique=True), seed=st.integers(0, 2**40))
def test_each_row_once_an_epoch(name, rows, seed):
    rows = np.array(rows, np.int32)
    before = rows.copy()
    sequence = ORDERS[name].function(rows, generator(seed, "order", 0))
    assert sorted(sequence.tolist()) == sorted(rows.tolist())
    assert sequence.dtype == np.int32
    np.testing.assert_array_equal(rows, before)  # the caller's rows are left as they were


@given(SIZES)
def test_a_table_is_the_sequence_with_fillers_at_its_end_only(sizes):
    n, size = sizes
    sequence = np.random.default_rng(0).permutation(n)
    table = batches(sequence, size)
    assert table.shape == (n_batches(n, size), size)
    assert table.dtype == np.int32
    flat = table.ravel()
    assert flat[:n].tolist() == sequence.tolist()
    assert (flat[n:] == NO_EXAMPLE).all()
    assert len(flat) - n < size


@given(SIZES, st.booleans())
def test_coefficients_of_an_update_are_weight_over_real_examples(sizes, weighted):
    n, size = sizes
    chance = np.random.default_rng(n)
    table = batches(chance.permutation(n), size)
    table = np.concatenate([table, np.full((2, size), NO_EXAMPLE, np.int32)])  # padded updates
    example_weight = chance.uniform(0.1, 3, n) if weighted else None
    weights = batch_weights(table, example_weight, np.float64)
    for rows, coefficients in zip(table.tolist(), weights.tolist(), strict=True):
        real = [row for row in rows if row != NO_EXAMPLE]
        for row, coefficient in zip(rows, coefficients, strict=True):
            weight = 1.0 if example_weight is None else example_weight[row]
            expected = 0.0 if row == NO_EXAMPLE else weight / len(real)
            assert coefficient == pytest.approx(expected, rel=1e-14)
    if not weighted:
        np.testing.assert_allclose(weights.sum(axis=1), [1.0] * (len(table) - 2) + [0, 0], rtol=1e-12)


def test_coefficients_have_the_programs_type():
    table = batches(np.arange(5), 3)
    assert batch_weights(table, None, np.float32).dtype == np.float32
    assert batch_weights(table, np.ones(5), np.float32).dtype == np.float32


def test_shuffled_is_uniform():
    # Each of the 24 permutations of 4 rows equally often: chi-squared with 23 degrees of freedom, 99.9 % at 49.7.
    draws = [tuple(ORDERS["shuffled"].function(np.arange(4), generator(7, "order", e)).tolist()) for e in range(4800)]
    counts = np.unique(draws, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert ((counts - 200) ** 2 / 200).sum() < 49.7


def test_generators_differ_by_seed_purpose_and_number_and_repeat():
    def draw(*key):
        return generator(*key).integers(2**62)

    keys = [(s, p, n) for s in (0, 1, 2) for p in ("order", "weights", "validation", "test") for n in (0, 1, 2)]
    assert len({draw(*key) for key in keys}) == len(keys)
    assert [draw(*key) for key in keys] == [draw(*key) for key in keys]
