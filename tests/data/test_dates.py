"""Dates: which texts are some, what settles the order of day and month, and slips among many."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from entrena.data.dates import as_moments
from entrena.data.dialect import ReadOptions
from entrena.data.files import read_file
from entrena.data.frames import frame_table
from entrena.data.roles import infer_roles
from entrena.errors import DataError
from tests.data.excel_files import write_excel
from tests.data.readers import read, values

DAY_FIRST, MONTH_FIRST = ReadOptions(date_order="day_first"), ReadOptions(date_order="month_first")


@pytest.mark.parametrize(
    ("field", "like", "date", "said"),
    [
        ("01/02/2024", DAY_FIRST, "2024-02-01", "dates day first"),
        ("01/02/2024", MONTH_FIRST, "2024-01-02", "dates month first"),
        ("01.02.2024", MONTH_FIRST, "2024-01-02", "dates month first"),
        ("01/02/2024", ReadOptions(), "2024-01-02", "dates month first (not certain: --date-order day_first)"),
        ("01-02-03", ReadOptions(date_order="year_first"), "2001-02-03", "dates year first"),
        # What the file shows counts for more.
        ("18/02/2024", MONTH_FIRST, "2024-02-18", "dates day first"),
        ("02/18/2024", DAY_FIRST, "2024-02-18", "dates month first"),
        ("2024-02-18", DAY_FIRST, "2024-02-18", ""),
    ],
)
def test_what_a_model_knows_decides_what_is_open(tmp_path, field, like, date, said):
    table = read(tmp_path, f"d,x\n{field},1\n", like=like)
    assert table.column("d").values[0] == np.datetime64(date) and table.said == said


def test_another_column_of_the_file_counts_for_more_than_the_model(tmp_path):
    table = read(tmp_path, "d,e\n01/02/2024,18/02/2024\n", like=MONTH_FIRST)
    assert table.column("d").values[0] == np.datetime64("2024-02-01") and table.found.date_order == "day_first"


@pytest.mark.parametrize(
    "pattern", ["%d-%b-%Y", "%d %B %Y", "%d/%b/%y", "%d. %B %Y", "%B %d, %Y", "%b %d %Y", "%d %b, %Y"]
)
def test_months_with_english_names(tmp_path, pattern):
    days = [datetime.datetime(2011 + month % 3, month, 1 + 2 * month) for month in range(1, 13)]
    table = read(tmp_path, "d;x\n" + "".join(f"{day.strftime(pattern)};1\n" for day in days))
    assert table.column("d").kind == "date" and values(table, "d") == days
    assert table.said == "separator ;"


def test_months_in_other_writing(tmp_path):
    rows = ("1-JAN-2011 07:30", "02-sept-11 07:30", "3-May-2011", "31-Dec-1999 11:59:59 PM")
    table = read(tmp_path, "d,x\n" + "".join(f"{row},1\n" for row in rows))
    moments = ["2011-01-01T07:30", "2011-09-02T07:30", "2011-05-03", "1999-12-31T23:59:59"]
    assert (table.column("d").values == np.array(moments, "datetime64[us]")).all()
    for other in ("1-Foo-2011", "31-Feb-2011", "1 Janus 2011", "Maybe 1 2011"):
        assert values(read(tmp_path, f"d,x\n{other},1\n1-Jan-2011,1\n"), "d")[0] == other


@pytest.mark.parametrize("slip", ["31/02/2021", "00/00/0000", "31.02.2021", "2021-02-13", "soon", "13/02/2021 25:00"])
def test_few_slips_among_many_dates_are_missing(tmp_path, slip):
    rows = [f"{1 + k % 28:02d}/03/2021,1\n" for k in range(298)]
    rows[5:5] = [f"{slip},1\n"] * 2
    table = read(tmp_path, "joined,x\n" + "".join(rows))
    assert table.column("joined").kind == "date" and table.column("joined").missing().sum() == 2
    assert table.column("joined").missing()[5:7].all() and values(table, "joined")[-1].month == 3
    assert table.said == f"dates day first; joined: 2 values are no dates (row 7: '{slip}')"


def test_slips_count_by_rows(tmp_path):
    """At least 99 of 100 values and 20 in all, however often a date comes back."""
    date, slip = "2021-03-05,1\n", "0000-00-00,1\n"
    for n_dates, n_slips, kind in (
        (99, 1, "date"),
        (98, 1, "text"),
        (19, 0, "date"),
        (990, 10, "date"),
        (980, 10, "text"),
    ):
        table = read(tmp_path, "d,x\n" + slip * n_slips + date * n_dates)
        assert table.column("d").kind == kind and table.n_rows == n_dates + n_slips
    assert read(tmp_path, "d,x\n" + date * 99 + slip).said == "d: 1 value is no date (row 101: '0000-00-00')"


def test_the_order_is_the_one_in_which_most_are_dates(tmp_path):
    """One day beyond 12 in first place: it is no slip of a month first, but tells that the day comes first."""
    table = read(tmp_path, "d,x\n" + "01/02/2021,1\n" * 300 + "13/02/2021,1\n", like=MONTH_FIRST)
    assert values(table, "d")[0] == datetime.datetime(2021, 2, 1) and not table.column("d").missing().any()
    said = read(tmp_path, "d,x\n" + "01/02/2021,1\n" * 300 + "13/02/2021,1\n", options=MONTH_FIRST)
    assert values(said, "d")[0] == datetime.datetime(2021, 1, 2) and said.column("d").missing().sum() == 1
    assert said.said == "dates month first; d: 1 value is no date (row 302: '13/02/2021')"


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ("07:38 23:59", [7 * 3600 + 38 * 60, 23 * 3600 + 59 * 60]),
        ("7:38:05 00:00:00.25", [27485, 0.25]),
        ("12:00am 1:30PM", [0, 48600]),
        ("07:38 NA", [27480, None]),
        ("07:38 24:00", None),
        ("07:38 7:60", None),
        ("07:38 late", None),
    ],
)
def test_times_of_day(tmp_path, fields, seconds):
    table = read(tmp_path, "time,x\n" + "".join(f"{field},1\n" for field in fields.split()))
    if seconds is None:
        assert values(table, "time") == fields.split() and table.said == ""
    else:
        assert values(table, "time") == seconds and table.said.endswith("time: times of day in seconds")


DAYS = [datetime.date(2024, 1 + k % 12, 1 + k % 28) for k in range(60)]


def typed_sources(folder, days):
    """The same texts from files and frames that have types of their own."""
    frame = pl.DataFrame({"d": days, "x": range(len(days))})
    frame.write_parquet(folder / "t.parquet")
    frame.write_ipc(folder / "t.arrow")
    frame.write_ipc_stream(folder / "s.arrow")
    frame.write_ndjson(folder / "t.jsonl")
    files = {name: read_file(folder / name) for name in ("t.parquet", "t.arrow", "s.arrow", "t.jsonl")}
    return {**files, "polars": frame_table(frame), "arrow": frame_table(frame.to_arrow())}


@pytest.mark.parametrize("pattern", ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%y", "%d %b %Y"])
def test_dates_that_other_sources_hold_as_texts(tmp_path, pattern):
    for name, table in typed_sources(tmp_path, [day.strftime(pattern) for day in DAYS]).items():
        roles = infer_roles(table, {"d": "date"}, len(DAYS))
        assert (roles[0].role, roles[0].reason) == ("date", "as said"), name
        assert as_moments(table, "d").astype("datetime64[D]").tolist() == DAYS, name


def test_the_order_that_is_said_or_remembered_decides_for_texts_elsewhere(tmp_path):
    texts = [f"{1 + k % 12:02}/03/2024" for k in range(30)]
    for name, table in typed_sources(tmp_path, texts).items():
        if name != "t.jsonl":  # there the reader itself looks for dates
            with pytest.raises(DataError, match="'01/03/2024', where day or month may come first"):
                infer_roles(table, {"d": "date"}, len(texts))
    for order, month in (("day_first", 3), ("month_first", 1)):
        for name in ("t.parquet", "t.arrow", "s.arrow", "t.jsonl"):
            for table in (
                read_file(tmp_path / name, ReadOptions(date_order=order)),
                read_file(tmp_path / name, like=ReadOptions(date_order=order)),
            ):
                assert as_moments(table, "d").tolist()[0].month == month and table.found.date_order == order
        table = frame_table(pl.DataFrame({"d": texts}), date_order=order)
        assert as_moments(table, "d").tolist()[0].month == month


def test_excel_remembers_the_order_of_its_texts(tmp_path):
    pytest.importorskip("fastexcel")
    write_excel(tmp_path / "t.xlsx", [["d"], ["31/12/2024"], ["01/02/2024"]])
    table = read_file(tmp_path / "t.xlsx")
    assert table.found == DAY_FIRST and values(table, "d")[1] == datetime.datetime(2024, 2, 1)
