"""Holding out: every row on exactly one side, classes in proportion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrena.data.examples import Examples
from entrena.data.split import hold_out, hold_out_groups, hold_out_last, split_rows
from entrena.data.table import Table
from entrena.data.values import Place
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


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.floats(0.05, 0.95), st.integers(0, 100))
def test_groups_stay_together(groups, share, seed):
    groups = np.array(groups)
    if len(np.unique(groups)) < 2:
        with pytest.raises(DataError, match="needs at least 2 groups, the rows have one: leave --group out"):
            hold_out_groups(groups, share, np.random.default_rng(seed))
        return
    kept, held = hold_out_groups(groups, share, np.random.default_rng(seed))
    assert len(kept) and len(held)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(len(groups)))
    assert not set(groups[kept]) & set(groups[held])


def test_groups_of_equal_size_give_the_share(generator):
    groups = np.repeat(np.arange(50), 4)
    kept, held = hold_out_groups(groups, 0.2, generator)
    assert (len(kept), len(held)) == (160, 40)


@pytest.mark.parametrize("seed", range(8))
def test_large_groups_stay_where_small_ones_come_closer_to_the_share(seed):
    groups = np.repeat(np.arange(11), [200, *[10] * 10])
    kept, held = hold_out_groups(groups, 0.2, np.random.default_rng(seed))
    assert (len(kept), len(held)) == (240, 60)
    # Where every group is far too large, the smallest one is held.
    kept, held = hold_out_groups(np.repeat([0, 1], [290, 160]), 0.1, np.random.default_rng(seed))
    assert (len(kept), len(held)) == (290, 160)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.floats(0.05, 0.95))
def test_the_last_in_time_are_held_out(times, share):
    times = np.array(times)
    if len(np.unique(times)) < 2:
        with pytest.raises(DataError, match="needs at least 2 different times, the rows have one: leave --time out"):
            hold_out_last(times, share)
        return
    kept, held = hold_out_last(times, share)
    assert len(kept) and len(held)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(len(times)))
    assert times[kept].max() < times[held].min()
    # No other cut between two moments comes closer to the share.
    sizes = [int((times >= moment).sum()) for moment in np.unique(times)[1:]]
    assert abs(len(held) - share * len(times)) <= min(abs(size - share * len(times)) for size in sizes) + 1e-9


def test_dates_are_times_as_well():
    days = np.array(["2024-03-01", "2024-01-01", "2024-02-01", "2024-04-01"], "datetime64[us]")
    assert [rows.tolist() for rows in hold_out_last(days, 0.25)] == [[0, 1, 2], [3]]


def test_times_come_before_groups_and_groups_before_classes(generator):
    table = Table.of_array(np.zeros((8, 1)), ["x"], Place("t"))
    classes, groups, times = np.array([0, 1] * 4), np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.arange(8)[::-1]
    every = Examples(table, classes, ("y",), "t", None, groups, times)
    assert split_rows(every, 0.25, generator, stratify=True)[1].tolist() == [0, 1]
    grouped = replace(every, times=None)
    assert split_rows(grouped, 0.4, generator, stratify=True)[1].tolist() in ([0, 1, 2, 3], [4, 5, 6, 7])
    plain = split_rows(replace(grouped, groups=None), 0.25, generator, stratify=True)[1]
    assert sorted(classes[plain].tolist()) == [0, 1]
