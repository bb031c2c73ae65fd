"""Rows that occur twice."""

from __future__ import annotations

import numpy as np
import pandas as pd

from entrena.data.duplicates import count_repeated
from entrena.data.examples import Examples
from entrena.data.table import Column, Table
from entrena.data.values import Place


def examples(numbers, texts, targets, levels=("a", "b", "c")):
    codes = np.array([levels.index(text) if text else -1 for text in texts], np.int32)
    columns = Column("x", "number", np.asarray(numbers)), Column("c", "text", codes, levels)
    return Examples(Table(columns, Place("t")), np.asarray(targets), ("y",), "t")


def test_inputs_and_target_must_be_equal():
    training = examples([1.0, 2.0, np.nan], ["a", "b", None], [0, 1, 1])
    held = examples([1, 1, 2, 5], ["a", "a", "c", "b"], [0, 1, 1, 0], levels=("c", "b", "a"))
    assert count_repeated(held, training) == 1
    assert count_repeated(examples([np.nan], [None], [1]), training) == 1
    assert count_repeated(examples([-0.0], ["a"], [0]), examples([0.0], ["a"], [0])) == 1


def test_against_pandas_on_random_small_numbers():
    """Small whole numbers in many columns: rows that differ by little must not be taken for each other."""
    chance = np.random.default_rng(1)
    rows = chance.integers(0, 3, (4000, 9))
    names = [f"x{j}" for j in range(9)]

    def part(some):
        return Examples(Table.of_array(some[:, :8], names[:8], Place("t")), some[:, 8], ("y",), "t")

    training, held = pd.DataFrame(rows[:3000], columns=names), pd.DataFrame(rows[3000:], columns=names)
    expected = len(held.merge(training.drop_duplicates(), on=names))
    assert 0 < expected < 1000
    assert count_repeated(part(rows[3000:]), part(rows[:3000])) == expected


def test_columns_are_told_apart():
    first = np.array([[1.0, 2.0]])
    one, other = (
        Examples(Table.of_array(rows, ["a", "b"], Place("t")), np.array([0]), ("y",), "t")
        for rows in (first, first[:, ::-1])
    )
    assert count_repeated(one, other) == 0


def test_labels_of_any_type():
    for labels in (["yes", "no"], [True, False], [1.5, 2.5]):
        one = examples([1, 2], ["a", "b"], labels)
        assert count_repeated(one, one) == 2
