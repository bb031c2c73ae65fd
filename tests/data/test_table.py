"""Tables: rows taken without a copy, columns as numbers and texts."""

from __future__ import annotations

import numpy as np
import pytest

from entrena.data.table import Column, Table, as_numbers, as_texts, joined_tables, text_of
from entrena.data.values import Place, distinct
from entrena.errors import DataError


def sample():
    return Table(
        (
            Column("age", "number", np.array([30.0, np.nan, 50.0, 41.5])),
            Column("job", "text", np.array([1, 0, -1, 1], np.int32), ("clerk", "baker")),
            Column("owns", "boolean", np.array([True, False, True, True])),
            Column("born", "date", np.array(["1990-05-01", "NaT", "1970-01-01", "1980-02-29"], "datetime64[us]")),
        ),
        Place("people.csv", first_row=2),
    )


def test_rows_of_rows():
    table = sample().take(np.array([3, 1, 0])).take(np.array([False, True, True]))
    assert table.n_rows == 2
    assert table.column("job").values.tolist() == [0, 1]
    assert np.isnan(table.column("age").values[0])
    assert table.column("age").values[1] == 30
    assert [table.file_row(0), table.file_row(1)] == [1, 0]


def test_nothing_is_copied_before_a_column_is_asked_for():
    table = sample()
    assert table.take(np.array([0, 1])).columns[0].values is table.columns[0].values


def test_a_block_counts_its_rows_as_the_file_does():
    block = sample().block(2, 4)
    assert block.n_rows == 2
    assert block.place.row(block.file_row(0)) == "row 4"
    shuffled = sample().take(np.array([3, 0, 2])).block(1, 3)
    assert shuffled.place.row(shuffled.file_row(0)) == "row 2"
    assert shuffled.column("age").values.tolist() == [30, 50]


def test_missing_values_of_each_kind():
    assert [column.missing().tolist() for column in sample()] == [
        [False, True, False, False],
        [False, False, True, False],
        [False, False, False, False],
        [False, True, False, False],
    ]


def test_numbers_where_texts_are():
    with pytest.raises(DataError, match="people.csv: column 'job', row 3 holds 'clerk' where a number is needed"):
        as_numbers(sample().take(np.array([1, 2])), "job")
    numerals = Table((Column("n", "text", np.array([0, -1, 1], np.int32), ("1.5", "2")),), Place("t"))
    assert as_numbers(numerals, "n").tolist()[::2] == [1.5, 2]
    mixed = Table((Column("n", "text", np.array([0, -1, 1], np.int32), ("1.5", "1_0")),), Place("t"))
    with pytest.raises(DataError, match="t: column 'n', row 3 holds '1_0' where a number is needed"):
        as_numbers(mixed, "n")
    infinite = Table((Column("x", "number", np.array([1.0, np.inf])),), Place("people.csv", first_row=2))
    with pytest.raises(DataError, match="people.csv: column 'x', row 3 holds inf; numbers must be finite"):
        as_numbers(infinite, "x")
    assert as_numbers(sample(), "owns").tolist() == [True, False, True, True]


def test_an_infinity_beside_a_gap_is_found():
    both = Table((Column("x", "number", np.array([np.nan, np.inf, -np.inf])),), Place("t"))
    with pytest.raises(DataError, match="row 2 holds inf"):
        as_numbers(both, "x")


def test_texts_of_numbers_are_written_as_people_write_them():
    column = as_texts(Table((Column("zip", "number", np.array([3.0, 3.5, np.nan, 3.0])),), Place("t")), "zip")
    assert [column.levels[code] if code >= 0 else None for code in column.values] == ["3", "3.5", None, "3"]
    owns = as_texts(sample(), "owns")
    assert [owns.levels[code] for code in owns.values] == ["true", "false", "true", "true"]
    gaps = Table((Column("b", "boolean", np.array([1, np.nan, 0], np.float32)),), Place("t"))
    assert [as_texts(gaps, "b").levels[code] for code in as_texts(gaps, "b").values[::2]] == ["true", "false"]
    assert [text_of(value) for value in (3.0, 3, np.float64(2.5), True, "x", 1e300)] == [
        "3",
        "3",
        "2.5",
        "true",
        "x",
        "1e+300",
    ]


def test_tables_below_each_other_share_their_levels():
    table = sample()
    other = Table(
        (
            Column("age", "number", np.array([7])),
            Column("job", "text", np.array([0], np.int32), ("cook",)),
            Column("owns", "text", np.array([0], np.int32), ("perhaps",)),
            table.columns[3].take(np.array([0])),
        ),
        Place("more.csv"),
    )
    both = joined_tables([table.take(np.array([0, 2])), other])
    assert both.column("age").values.tolist() == [30, 50, 7]
    jobs = both.column("job")
    assert [jobs.levels[code] if code >= 0 else None for code in jobs.values] == ["baker", None, "cook"]
    owns = both.column("owns")
    assert [owns.levels[code] for code in owns.values] == ["true", "true", "perhaps"]
    arrays = [Table.of_array(np.full((n, 2), n), ["a", "b"], Place("array")) for n in (1, 2)]
    assert joined_tables(arrays).matrix.tolist() == [[1, 1], [2, 2], [2, 2]]


def test_values_as_a_table_writes_them():
    written = {column.name: column.as_written().tolist() for column in sample()}
    assert written["job"] == ["baker", "clerk", None, "baker"]
    assert written["owns"] == [True, False, True, True]
    whole = Column("n", "number", np.array([1.0, np.nan, 3.0]))
    assert whole.as_written().tolist() == [1, None, 3]


def test_distinct_values_are_numpys(generator):
    for values in (
        generator.integers(0, 5, 30_000),
        generator.choice(["u", "vw", "x"], 30_000),
        generator.integers(0, 500, 30_000),
        np.r_[np.zeros(20_000), 7.0],  # one that shows late
        np.array([True, False]),
    ):
        found, numbers = distinct(values)
        expected = np.unique(values, return_inverse=True)
        assert np.array_equal(found, expected[0]) and np.array_equal(numbers, expected[1])
