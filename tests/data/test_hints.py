"""Hints: what a person would notice in a column."""

from __future__ import annotations

import numpy as np
import pytest

from entrena.data.hints import alike, hint_for, is_numeral, look_like_numbers
from entrena.data.table import Column, Table
from entrena.data.values import Place


def hint(values, name="it"):
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        return hint_for(Table((Column(name, "number", array),), Place("t")), name)
    levels = tuple(dict.fromkeys(values))
    column = Column(name, "text", np.array([levels.index(value) for value in values], np.int32), levels)
    return hint_for(Table((column,), Place("t")), name)


def test_numbers_among_which_a_word_stands():
    values = [str(k % 40) for k in range(200)] + ["k.A."] * 7 + ["Total"]
    assert hint(values, "bed rooms") == (
        "200 numbers and 'k.A.' 7 times, 'Total' once: if that means missing, --missing k.A. --missing Total (beside "
        "the other marks in use)"
    )
    assert hint(["a", "b"] * 50 + ["1", "2", "3"]) == ""


def test_levels_that_differ_in_capitals_or_blanks():
    assert hint(["Yes", "no", "yes", "No "] * 10) == "'Yes' and 'yes' differ only in capitals or blanks"
    assert alike(["a", "b"]) == ""


def test_rows_that_may_belong_together():
    assert hint([f"P{k // 3}x" for k in range(600)], "patient") == (
        "200 values, about 3 rows each: if rows belong together, --group patient"
    )
    assert hint([f"town {k % 20}" for k in range(600)]) == ""


def test_whole_numbers_that_name_the_rows():
    chance = np.random.default_rng(0)
    assert hint(chance.choice(10**9, 500, replace=False), "PID") == (
        "whole numbers that nearly all differ: if they only name the rows, --role PID=ignore"
    )
    assert hint(chance.integers(0, 300, 500)) == ""
    assert hint(chance.normal(size=500)) == ""


@pytest.mark.parametrize("text", ["1", "-2.5", "1.234,56", "1 234", "1e-3", "12'000"])
def test_numerals(text):
    assert is_numeral(text)


@pytest.mark.parametrize("text", ["", "a", "1a", "k.A.", "12 €", "-"])
def test_no_numerals(text):
    assert not is_numeral(text)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["16.884,92 €", "3,50 €"], True),
        (["$1,200", "$3.5"], True),
        (["21.5%", "3%"], True),
        (["215.0k", "1.2k"], True),
        (["CHF 452'600.00", "CHF 3"], True),
        (["name 0", "name 1"], False),
        (["c0", "c1"], False),
        (["red", "green"], False),
    ],
)
def test_texts_that_look_like_numbers(texts, expected):
    assert look_like_numbers(texts) is expected
