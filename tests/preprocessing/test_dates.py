"""The parts of dates, against Python's datetime."""

from __future__ import annotations

import calendar
import datetime
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrena.data.dialect import ReadOptions
from entrena.data.roles import ColumnRole
from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.errors import DataError
from entrena.preprocessing import InputSettings, Preprocessor
from entrena.preprocessing.dates import NUMBERS, as_moments, date_parts


@given(st.lists(st.datetimes(), min_size=1, max_size=20))
@example([datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)])
@example([datetime.datetime(1969, 12, 31, 23, 59), datetime.datetime(1900, 2, 28), datetime.datetime(2000, 2, 29)])
def test_parts_are_pythons(moments):
    found = date_parts(np.array(moments, "datetime64[us]"))
    expected = {
        "year": [moment.year for moment in moments],
        "month": [moment.month for moment in moments],
        "day": [moment.day for moment in moments],
        "weekday": [moment.weekday() for moment in moments],
        "hour": [moment.hour for moment in moments],
        "minute": [moment.minute for moment in moments],
    }
    assert {part: values.tolist() for part, values in zip(NUMBERS, found, strict=True)} == expected


def test_a_gap_is_one_in_every_part_and_parts_are_chosen():
    moments = np.array(["NaT", "2024-02-29T13:05"], "datetime64[us]")
    for part in date_parts(moments):
        assert np.isnan(part).tolist() == [True, False]
    minute, year = date_parts(moments, ("minute", "year"))
    assert (minute[1], year[1]) == (5, 2024)


def texts_of(*texts, **place):
    levels = tuple(dict.fromkeys(text for text in texts if text is not None))
    codes = np.array([-1 if text is None else levels.index(text) for text in texts], np.int32)
    return Table((Column("sold", "text", codes, levels),), Place("sales.parquet", has_types=True, **place))


def refusal(table):
    with pytest.raises(DataError) as caught:
        as_moments(table, "sold")
    return str(caught.value)


def test_what_is_no_date():
    assert refusal(texts_of(None, "soon", first_row=2)) == (
        "sales.parquet: column 'sold', row 3 holds 'soon' where a date is needed, such as 2024-12-31"
    )
    numbers = Table((Column("sold", "number", np.array([np.nan, 7.5])),), Place("sales.csv", first_row=2))
    assert refusal(numbers) == "sales.csv: column 'sold', row 3 holds 7.5 where a date is needed"
    lists = Table((Column("sold", "nested", np.ones(2, bool)),), Place("table"))
    assert refusal(lists) == "table: column 'sold', row 1 holds no single value where a date is needed"
    empty = replace(texts_of("soon"), columns=(Column("sold", "text", np.array([-1, -1], np.int32), ("soon",)),))
    assert np.isnat(as_moments(empty, "sold")).tolist() == [True, True]


@pytest.mark.parametrize(
    ("texts", "order", "expected"),
    [
        (["2024-03-05", None, "2024-12-31 07:30"], None, ["2024-03-05", "NaT", "2024-12-31T07:30"]),
        (["2024-03-05T01:02:03.5Z"], None, ["2024-03-05T01:02:03.5"]),
        ([" 5 Mar 2024", "31 Dec 2024 "], None, ["2024-03-05", "2024-12-31"]),
        (["05/03/2024", "31/12/2024"], None, ["2024-03-05", "2024-12-31"]),
        (["03/05/2024", "12/31/2024"], None, ["2024-03-05", "2024-12-31"]),
        (["05.03.2024"], None, ["2024-03-05"]),
        (["05/03/2024"], "day_first", ["2024-03-05"]),
        (["05/03/2024"], "month_first", ["2024-05-03"]),
        (["05-03-24"], "year_first", ["2005-03-24"]),
        # What the texts show counts for more than what a model is used to.
        (["05/03/2024", "31/12/2024"], "month_first", ["2024-03-05", "2024-12-31"]),
        (["2024-03-05"], "day_first", ["2024-03-05"]),
    ],
)
def test_texts_where_dates_are_needed(texts, order, expected):
    table = replace(texts_of(*texts), found=None if order is None else ReadOptions(date_order=order))
    assert np.array_equal(as_moments(table, "sold"), np.array(expected, "datetime64[us]"), equal_nan=True)


def test_texts_that_do_not_show_their_order():
    assert refusal(texts_of("05/03/2024")) == (
        "sales.parquet: column 'sold', row 1 holds '05/03/2024', where day or month may come first; --date-order says "
        "which"
    )


def test_one_text_that_is_no_date_is_named():
    table = texts_of("05/03/2024", "31/12/2024", "31/02/2024", "x")
    assert "row 3 holds '31/02/2024' where a date is needed" in refusal(table)
    # Only the table's own rows count, and all the texts of the column say which order it is.
    assert as_moments(table.take(np.array([0])), "sold").tolist() == [datetime.datetime(2024, 3, 5)]


def test_a_text_files_texts_were_looked_at_when_it_was_read():
    table = replace(texts_of("2024-03-05"), place=Place("sales.csv"))
    assert refusal(table) == (
        "sales.csv: column 'sold', row 1 holds '2024-03-05', which was not read as a date; --date-order says how days, "
        "months and years follow"
    )


@given(st.lists(st.datetimes(), min_size=1, max_size=20))
@example([datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)])
def test_turns_are_pythons(moments):
    """Sine and cosine of where in its turn each part stands."""
    names = [f"{part} {wave}" for part in NUMBERS[1:] for wave in ("sin", "cos")]
    found = dict(zip(names, date_parts(np.array(moments, "datetime64[us]"), names), strict=True))
    for row, moment in enumerate(moments):
        turns = {
            "month": (moment.month - 1) / 12,
            "day": (moment.day - 1) / calendar.monthrange(moment.year, moment.month)[1],
            "weekday": moment.weekday() / 7,
            "hour": moment.hour / 24,
            "minute": moment.minute / 60,
        }
        for name, turn in turns.items():
            assert abs(found[f"{name} sin"][row] - math.sin(2 * math.pi * turn)) < 1e-14
            assert abs(found[f"{name} cos"][row] - math.cos(2 * math.pi * turn)) < 1e-14


def test_neighbours_in_the_calendar_are_neighbours():
    def away(first, second, part):
        pairs = [f"{part} sin", f"{part} cos"]
        one, two = np.array(date_parts(np.array([first, second], "datetime64[us]"), pairs)).T
        return float(np.hypot(*(one - two)))

    assert away("2020-12-05", "2021-01-05", "month") == pytest.approx(away("2020-06-05", "2020-07-05", "month"))
    assert away("2020-12-31T23", "2021-01-01T00", "hour") == pytest.approx(2 * math.sin(math.pi / 24))
    assert away("2023-02-28", "2023-03-01", "day") == pytest.approx(2 * math.sin(math.pi / 28))
    assert away("2024-01-07", "2024-01-08", "weekday") == pytest.approx(2 * math.sin(math.pi / 7))
    assert away("2020-06-05", "2020-12-05", "month") == pytest.approx(2)


def test_what_does_not_vary_is_no_input_though_its_sine_is_rounded():
    """Months 1 and 7: sines 0 and 1.2e-16, which would be blown up to deviation 1."""
    moments = np.array(["2020-01-01", "2020-07-01", "2020-01-01"], "datetime64[us]")
    table = Table((Column("sold", "date", moments),), Place("t"))
    fitted = Preprocessor.fit(table, [ColumnRole("sold", "date")], InputSettings())
    assert fitted.feature_names == ("sold (month cos)",)  # both are Wednesdays
    assert fitted.describe()[0]["numbers"]["sold (month cos)"]["mean"] == pytest.approx(1 / 3)
