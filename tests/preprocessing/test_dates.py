"""The parts of dates, against Python's datetime."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.errors import DataError
from entrena.preprocessing.dates import PARTS, as_moments, date_parts


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
    assert {part: values.tolist() for part, values in zip(PARTS, found, strict=True)} == expected


def test_a_gap_is_one_in_every_part_and_parts_are_chosen():
    moments = np.array(["NaT", "2024-02-29T13:05"], "datetime64[us]")
    for part in date_parts(moments):
        assert np.isnan(part).tolist() == [True, False]
    minute, year = date_parts(moments, ("minute", "year"))
    assert (minute[1], year[1]) == (5, 2024)


def test_what_is_no_date():
    def table(column):
        return Table((column,), Place("sales.csv", first_row=2))

    texts = table(Column("sold", "text", np.array([-1, 0], np.int32), ("soon",)))
    with pytest.raises(DataError, match="^sales.csv: column 'sold', row 3 holds 'soon' where a date is needed$"):
        as_moments(texts, "sold")
    with pytest.raises(DataError, match="^sales.csv: column 'sold', row 2 holds 7 where a date is needed$"):
        as_moments(table(Column("sold", "number", np.array([7, 8]))), "sold")
    empty = table(Column("sold", "text", np.array([-1, -1], np.int32), ("soon",)))
    assert np.isnat(as_moments(empty, "sold")).tolist() == [True, True]
