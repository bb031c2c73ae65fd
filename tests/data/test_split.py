"""Holding out: every row on exactly one side, classes in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.data import hold_out
from entrena.errors import DataError

shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
seeds = st.integers(0, 2**32)


@given(st.integers(2, 300), shares, seeds)
def test_a_partition(n_rows, share, seed):
    kept, held = hold_out(n_rows, share, np.random.default_rng(seed))
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(n_rows))
    assert np.array_equal(kept, np.sort(kept)) and np.array_equal(held, np.sort(held))
    assert len(held) == min(max(round(share * n_rows), 1), n_rows - 1)
    again = hold_out(n_rows, share, np.random.default_rng(seed))
    assert np.array_equal(kept, again[0]) and np.array_equal(held, again[1])


@given(st.lists(st.integers(0, 5), min_size=2, max_size=200), shares, seeds)
def test_classes_keep_their_proportions(labels, share, seed):
    labels = np.array(labels)
    kept, held = hold_out(len(labels), share, np.random.default_rng(seed), labels)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(len(labels)))
    n_held = min(max(round(share * len(labels)), 1), len(labels) - 1)
    assert len(held) == n_held
    values, counts = np.unique(labels, return_counts=True)
    out = np.array([(labels[held] == value).sum() for value in values])
    exact = counts * n_held / len(labels)
    if (np.floor(exact) <= counts - 1).all() and n_held <= (counts - 1).sum():
        assert (out <= counts - 1).all()  # no class gives its last row
        if (np.ceil(exact) <= counts - 1).all():
            assert (np.abs(out - exact) < 1).all()


def test_every_row_is_as_likely(generator):
    held = np.zeros(10)
    for _ in range(4000):
        held[hold_out(10, 0.3, generator)[1]] += 1
    # Binomial(4000, 0.3): deviation 29.
    assert np.abs(held - 1200).max() < 6 * 29
    labels = np.array([0] * 6 + [1] * 4)
    held = np.zeros(10)
    for _ in range(4000):
        held[hold_out(10, 0.5, generator, labels)[1]] += 1
    assert np.abs(held - 2000).max() < 6 * 32


def test_labels_of_text_and_the_worked_case(generator):
    labels = np.array(["a"] * 6 + ["b"] * 3 + ["c"])
    kept, held = hold_out(10, 0.3, generator, labels)
    assert sorted(labels[held]) == ["a", "a", "b"]
    assert "c" in labels[kept]


def test_refused(generator):
    with pytest.raises(DataError, match="^holding rows out needs at least 2 rows, the data have 1$"):
        hold_out(1, 0.5, generator)
    for share in (0, 1, -0.1, 1.5):
        with pytest.raises(ValueError, match="share must be above 0 and below 1"):
            hold_out(10, share, generator)
