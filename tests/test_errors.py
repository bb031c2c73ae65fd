"""Errors: their exit codes, and the sentences that say what to type instead."""

from __future__ import annotations

import pytest

from entrena.errors import (
    DataError,
    EntrenaError,
    ModelFileError,
    Problem,
    RecipeError,
    RunError,
    StorageError,
    UsageError,
    did_you_mean,
    nearest,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(EntrenaError, 1), (DataError, 1), (ModelFileError, 1), (StorageError, 1), (RunError, 1), (UsageError, 2)],
)
def test_exit_codes(kind, code):
    error = kind("the text")
    assert error.exit_code == code
    assert str(error) == "the text"
    assert isinstance(error, ValueError)


def test_one_mistake_is_one_line():
    error = RecipeError([Problem("rate.learning_rate", "-1 is not allowed: above 0")])
    assert str(error) == "rate.learning_rate: -1 is not allowed: above 0"
    assert error.exit_code == 2
    assert isinstance(error, UsageError)


def test_several_mistakes_are_a_list_in_their_order():
    problems = [
        Problem("training.patience", "too small"),
        Problem("", "no such section"),
        Problem("network.hidden", "odd"),
    ]
    error = RecipeError(iter(problems))
    assert error.problems == tuple(problems)
    assert str(error) == (
        "3 mistakes in the recipe:\n  - training.patience: too small\n  - no such section\n  - network.hidden: odd"
    )


@pytest.mark.parametrize(
    ("typed", "names", "found"),
    [
        ("activatoin", ["activation", "optimizer"], "activation"),
        ("PRICE", ["rooms", "Price"], "Price"),
        ("xyz", ["activation", "optimizer"], None),
        ("", ["a"], None),
        ("a", [], None),
    ],
)
def test_nearest(typed, names, found):
    assert nearest(typed, iter(names)) == found


def test_did_you_mean():
    assert did_you_mean("prce", iter(["price", "rooms"])) == "did you mean 'price'?"
    assert did_you_mean("zzz", ["price", "rooms"]) == "there are price, rooms"
    assert did_you_mean("zzz", [f"c{i}" for i in range(5)], limit=3) == "there are c0, c1, c2 and 2 more"
    assert did_you_mean("zzz", [f"c{i}" for i in range(3)], limit=3) == "there are c0, c1, c2"
