"""Roles: what a column is, from its values alone."""

from __future__ import annotations

import numpy as np
import pytest

from entrena.data.roles import ColumnRole, check_roles, infer_roles, roles_by_kind
from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.errors import DataError, UsageError

NUMBERS = np.linspace(0, 1, 100)


def column(name, values):
    """A column of numbers, truth values, moments, or texts with None where missing."""
    array = np.asarray(values)
    if array.dtype.kind == "M":
        return Column(name, "date", array.astype("datetime64[us]"))
    if array.dtype.kind == "b":
        return Column(name, "boolean", array)
    if array.dtype.kind in "iuf":
        return Column(name, "number", array)
    levels = tuple(dict.fromkeys(value for value in values if value is not None))
    return Column(name, "text", np.array([levels.index(v) if v is not None else -1 for v in values], np.int32), levels)


def table(**columns):
    return Table(tuple(column(name, values) for name, values in columns.items()), Place("houses.csv"))


def role_of(values, n_rows=None):
    found = infer_roles(table(other=NUMBERS[: len(values)], it=values), {}, n_rows or len(values))
    return found[1].role, found[1].reason


RANDOM = np.random.default_rng(0)
WORDS = ["red", "green", "blue", "white"]
SENTENCE = "the quick brown fox jumps over dog number {}"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (NUMBERS, ("number", "numbers")),
        (RANDOM.integers(0, 1000, 100), ("number", "whole numbers")),
        (np.arange(100), ("identifier", "consecutive whole numbers, each once")),
        (RANDOM.permutation(np.arange(500, 600)), ("identifier", "consecutive whole numbers, each once")),
        (np.arange(100.0), ("number", "numbers")),  # never floats
        (np.arange(100) * 3, ("number", "whole numbers")),  # a span beyond the table's rows
        (np.arange(30), ("number", "whole numbers")),  # too few to be sure
        (np.full(100, np.nan), ("ignore", "empty")),
        ([None] * 30, ("ignore", "empty")),
        (np.arange(100) % 2 == 0, ("boolean", "true or false")),
        ([["yes", "no"][i % 2] for i in range(100)], ("boolean", "'no' or 'yes'")),
        (["Ja", "nein"] * 10, ("boolean", "'Ja' or 'nein'")),
        ([WORDS[i % 4] for i in range(100)], ("category", "4 levels")),
        (["only"] * 100, ("category", "1 level")),
        ([f"P{i:04}" for i in range(100)], ("identifier", "all 100 values differ")),
        ([SENTENCE.format(i) for i in range(100)], ("text", "100 different texts in 100 rows")),
        ([f"ticket {i % 60}" for i in range(100)], ("text", "60 different texts in 100 rows")),
        ([f"town {i % 40}" for i in range(100)], ("category", "40 levels")),
        ([f"P{i}" for i in range(10)], ("category", "10 levels")),  # ten values may all differ by chance
        (np.arange(100).astype("datetime64[D]"), ("date", "dates")),
    ],
)
def test_a_role_comes_from_the_values(values, expected):
    assert role_of(values) == expected


def test_row_numbers_are_found_in_the_rows_that_a_split_leaves():
    kept = np.sort(np.random.default_rng(3).permutation(1000)[:720])
    rest = table(id=np.arange(1, 1001), x=np.linspace(0, 1, 1000)).take(kept)
    assert [role.role for role in infer_roles(rest, {}, n_rows=1000)] == ["identifier", "number"]


def test_only_the_rows_of_the_table_count():
    """The texts beyond the training rows would make the column a category."""
    texts = [f"P{i}" for i in range(50)] + ["P0"] * 500
    everything = table(it=texts, x=np.linspace(0, 1, 550))
    assert infer_roles(everything, {}, 550)[0].role == "category"
    assert infer_roles(everything.take(np.arange(50)), {}, 550)[0].role == "identifier"


def test_a_given_role_wins():
    found = infer_roles(table(id=np.arange(100), x=NUMBERS), {"id": "number"}, 100)
    assert found[0] == ColumnRole("id", "number", "as said")
    assert found[0].is_input


def test_the_columns_of_an_array_are_numbers():
    array = Table.of_array(np.arange(200).reshape(100, 2), ["a", "b"], Place("array"))
    assert [role.role for role in infer_roles(array, {}, 100)] == ["number", "number"]


def test_something_must_be_left_to_predict_from():
    with pytest.raises(DataError) as error:
        infer_roles(table(id=np.arange(100), name=[SENTENCE.format(i) for i in range(100)]), {}, 100)
    assert str(error.value) == (
        "houses.csv: no column is left to predict from: 'id' (identifier: consecutive whole numbers, each once), "
        "'name' (text: 100 different texts in 100 rows); --role 'id=category' (or number) uses one all the same"
    )


def test_what_was_not_read_as_a_date_cannot_be_one():
    for values, held in ((["soon"] * 30, "'soon' where a date is needed, such as 2024"), (NUMBERS[1:31], "0.010101")):
        with pytest.raises(DataError, match=f"^houses.csv: column 'day', row 1 holds {held}[^()]*$"):
            infer_roles(table(day=values, x=NUMBERS[:30]), {"day": "date"}, 30)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"age": "numbr"}, "role of 'age': unknown name 'numbr': did you mean 'number'?"),
        ({"agee": "number"}, "houses.csv: there is no column 'agee' to give a role; did you mean 'age'?"),
    ],
)
def test_a_wrong_role_is_refused(given, message):
    with pytest.raises(UsageError) as error:
        check_roles(given, ["age", "job"], "houses.csv")
    assert str(error.value) == message


def test_by_type_no_column_is_left_out():
    every = table(id=np.arange(100), name=[SENTENCE.format(i) for i in range(100)], ok=NUMBERS > 0.5)
    assert [role.role for role in roles_by_kind(every)] == ["number", "category", "boolean"]
    nested = Table((Column("tags", "nested", np.ones(3, bool)),), Place("table"))
    with pytest.raises(DataError, match="table: column 'tags' holds lists or structures, which cannot be used"):
        roles_by_kind(nested)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (NUMBERS[:30], "has 30 different values, and truth values are two; --role it=number takes them as they are"),
        ([0.5, 1.5, np.nan, 2.5] * 8, "has 3 different values, and truth values are two; --role it=number takes"),
        (np.arange(30), "has 30 different values"),
        (
            ["a", "b", "c"] * 10,
            "holds 'a' and others, where yes and no, true and false or the like are needed; --role it=category takes",
        ),
        (["yes", "no", "maybe"] * 10, "holds 'maybe', where yes and no"),
    ],
)
def test_what_is_more_than_two_values_cannot_be_truths(values, message):
    with pytest.raises(DataError) as caught:
        infer_roles(table(it=values, x=NUMBERS[: len(values)]), {"it": "boolean"}, len(values))
    assert str(caught.value).startswith(f"houses.csv: column 'it' {message}")


@pytest.mark.parametrize(
    "values",
    [[0.0, 1.0, np.nan] * 10, [1, 2] * 15, ["Yes ", "no", "YES", "y", "0", None] * 5, NUMBERS[:30] > 0.1, [None] * 30],
)
def test_truths_as_said(values):
    assert infer_roles(table(it=values, x=NUMBERS[:30]), {"it": "boolean"}, 30)[0].role == "boolean"


def test_messages_are_one_line_whatever_a_column_is_called():
    odd = table(**{"a\nb\x1b[31m": ["soon"] * 30, "x": NUMBERS[:30]})
    with pytest.raises(DataError, match=r"^houses\.csv: column 'a\\nb\\x1b\[31m', row 1 holds 'soon'") as caught:
        infer_roles(odd, {"a\nb\x1b[31m": "date"}, 30)
    assert str(caught.value).isprintable()
    for given in ({"a\tb": "number"}, {"a\nb\x1b[31m": "nmber"}):
        with pytest.raises(UsageError) as refused:
            check_roles(given, odd.names, "houses.csv")
        assert "\t" not in str(refused.value)
