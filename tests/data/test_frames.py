"""Frames of every library become the same columns, by their types alone, and are only read."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from entrena.data.files import read_file
from entrena.data.frames import frame_table, is_frame
from entrena.data.roles import infer_roles, roles_by_kind
from entrena.errors import DataError

MOMENT = datetime.datetime(2024, 2, 29, 12, 30)


def texts(column):
    return [column.levels[code] if code >= 0 else None for code in column.values]


def same(values, expected):
    """Equal, NaN where NaN is expected, and of one type."""
    expected = np.asarray(expected)
    assert values.dtype == expected.dtype
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("lazy", [False, True])
def test_polars(lazy):
    frame = pl.DataFrame(
        {
            "i": [1, 2, 3],
            "gap": [1, None, 3],
            "f": pl.Series([1.5, None, 2], dtype=pl.Float32),
            "b": [True, False, True],
            "b?": [True, None, False],
            "s": ["x", None, "y"],
            "c": pl.Series(["p", "q", None], dtype=pl.Categorical),
            "e": pl.Series(["p", "q", "q"], dtype=pl.Enum(["q", "p", "never"])),
            "d": [datetime.date(2024, 2, 29), None, datetime.date(1969, 12, 31)],
            "t": pl.Series([MOMENT, None, MOMENT], dtype=pl.Datetime("ns", "Europe/Berlin")),
            "u": pl.Series([1500, None, 0], dtype=pl.Duration("ms")),
            "clock": [datetime.time(1, 0, 1), None, datetime.time(0, 0)],
            "money": [decimal.Decimal("1.25"), None, decimal.Decimal("2.5")],
            "big": pl.Series([2**70, 1, None], dtype=pl.Int128),
            "u8": pl.Series([1, 2, 3], dtype=pl.UInt8),
            "l": [[1], None, [2, 3]],
            "bytes": [b"x", None, b"y"],
            "none": [None, None, None],
        }
    )
    before = frame.clone()
    table = frame_table(frame.lazy() if lazy else frame)
    columns = {column.name: column for column in table}
    assert table.n_rows == 3 and table.place.source == "table" and table.place.first_row == 1 and table.said == ""
    same(columns["i"].values, np.array([1, 2, 3]))
    same(columns["gap"].values, np.array([1, np.nan, 3]))
    same(columns["f"].values, np.array([1.5, np.nan, 2], np.float32))
    same(columns["b"].values, np.array([True, False, True]))
    same(columns["b?"].values, np.array([1, np.nan, 0], np.float32))
    assert columns["b"].kind == columns["b?"].kind == "boolean"
    assert texts(columns["s"]) == ["x", None, "y"] and columns["s"].values.dtype == np.int32
    assert texts(columns["c"]) == ["p", "q", None] and texts(columns["e"]) == ["p", "q", "q"]
    same(columns["d"].values, np.array(["2024-02-29", "NaT", "1969-12-31"], "datetime64[us]"))
    # 12:30 in UTC is 13:30 on the clocks of Berlin in winter.
    same(columns["t"].values, np.array(["2024-02-29T13:30", "NaT", "2024-02-29T13:30"], "datetime64[us]"))
    same(columns["u"].values, np.array([1.5, np.nan, 0]))
    same(columns["clock"].values, np.array([3601, np.nan, 0.0]))
    same(columns["money"].values, np.array([1.25, np.nan, 2.5]))
    same(columns["big"].values, np.array([2.0**70, 1, np.nan]))
    same(columns["u8"].values, np.array([1, 2, 3], np.uint8))
    same(columns["l"].values, np.array([True, False, True]))
    assert columns["l"].kind == columns["bytes"].kind == "nested"
    same(columns["none"].values, np.full(3, np.nan))
    assert frame.equals(before)


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "i": [1, 2, 3],
            3: pd.array([4, None, 6], dtype="Int64"),
            "I8": pd.array([4, 5, 6], dtype="Int8"),
            "F": pd.array([1.5, None, 2], dtype="Float32"),
            "b": [True, False, True],
            "B": pd.array([True, None, False], dtype="boolean"),
            "B!": pd.array([True, True, False], dtype="boolean"),
            "s": ["x", None, "y"],
            "o": pd.Series(["x", None, "y"], dtype=object),
            "c": pd.Categorical(["p", None, "q"], categories=["q", "p", "never"]),
            "n": pd.Categorical([1.0, 2.0, 1.0]),
            "d": pd.to_datetime(["2024-02-29 12:30", None, "1969-12-31 00:00"]),
            "z": pd.to_datetime(["2024-02-29 12:30", None, "1970-01-01 00:00"], utc=True).tz_convert("Europe/Berlin"),
            "u": pd.to_timedelta([1500, None, 0], unit="ms"),
            "mixed": pd.Series([1, "x", 2.0], dtype=object),
            "numbers": pd.Series([1, None, 2.5], dtype=object),
            "ints": pd.Series([1, 2, 3], dtype=object),
            "truths": pd.Series([True, None, False], dtype=object),
            "dates": pd.Series([datetime.date(2024, 2, 29), None, MOMENT], dtype=object),
            "lists": pd.Series([[1], None, [2]], dtype=object),
            "period": pd.period_range("2024-01", periods=3, freq="M"),
            "none": pd.Series([None, None, None], dtype=object),
        }
    )
    before = frame.copy(deep=True)
    columns = {column.name: column for column in frame_table(frame)}
    same(columns["i"].values, np.array([1, 2, 3]))
    same(columns["3"].values, np.array([4, np.nan, 6]))
    same(columns["I8"].values, np.array([4, 5, 6], np.int8))
    same(columns["F"].values, np.array([1.5, np.nan, 2], np.float32))
    same(columns["b"].values, np.array([True, False, True]))
    same(columns["B"].values, np.array([1, np.nan, 0], np.float32))
    same(columns["B!"].values, np.array([True, True, False]))
    assert texts(columns["s"]) == texts(columns["o"]) == ["x", None, "y"]
    assert texts(columns["c"]) == ["p", None, "q"] and columns["c"].levels == ("q", "p", "never")
    assert texts(columns["n"]) == ["1", "2", "1"]
    same(columns["d"].values, np.array(["2024-02-29T12:30", "NaT", "1969-12-31"], "datetime64[us]"))
    same(columns["z"].values, np.array(["2024-02-29T13:30", "NaT", "1970-01-01T01:00"], "datetime64[us]"))
    same(columns["u"].values, np.array([1.5, np.nan, 0]))
    assert texts(columns["mixed"]) == ["1", "x", "2"]
    same(columns["numbers"].values, np.array([1, np.nan, 2.5]))
    same(columns["ints"].values, np.array([1, 2, 3]))
    same(columns["truths"].values, np.array([1, np.nan, 0], np.float32))
    same(columns["dates"].values, np.array(["2024-02-29", "NaT", "2024-02-29T12:30"], "datetime64[us]"))
    assert columns["lists"].kind == "nested" and columns["lists"].values.tolist() == [True, False, True]
    assert columns["period"].kind == "nested"
    same(columns["none"].values, np.full(3, np.nan))
    pd.testing.assert_frame_equal(frame, before)


def test_pandas_with_arrow_types():
    pd = pytest.importorskip("pandas")
    pa = pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "i": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
            "f": pd.Series([1.5, 2, 3], dtype="float[pyarrow]"),
            "b": pd.Series([True, None, False], dtype="bool[pyarrow]"),
            "s": pd.Series(["x", None, "y"], dtype="string[pyarrow]"),
            "t": pd.Series([MOMENT, None, MOMENT], dtype=pd.ArrowDtype(pa.timestamp("ms"))),
            "d": pd.Series([datetime.date(2024, 2, 29)] * 3, dtype=pd.ArrowDtype(pa.date32())),
            "money": pd.Series([decimal.Decimal("1.25")] * 3, dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
        }
    )
    columns = {column.name: column for column in frame_table(frame)}
    same(columns["i"].values, np.array([1, np.nan, 3]))
    assert columns["f"].kind == "number" and columns["f"].values.tolist() == [1.5, 2, 3]
    same(columns["b"].values, np.array([1, np.nan, 0], np.float32))
    assert texts(columns["s"]) == ["x", None, "y"]
    same(columns["t"].values, np.array(["2024-02-29T12:30", "NaT", "2024-02-29T12:30"], "datetime64[us]"))
    same(columns["d"].values, np.array(["2024-02-29"] * 3, "datetime64[us]"))
    same(columns["money"].values, np.full(3, 1.25))


def test_arrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, None], "s": pa.array(["x", "y"]).dictionary_encode(), "t": [MOMENT, None]})
    columns = {column.name: column for column in frame_table(table)}
    same(columns["a"].values, np.array([1, np.nan]))
    assert texts(columns["s"]) == ["x", "y"]
    same(columns["t"].values, np.array(["2024-02-29T12:30", "NaT"], "datetime64[us]"))
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(DataError, match=r"^table: two columns have the same name; names must differ$"):
        frame_table(twice)


def test_an_arrow_stream_alone():
    class Capsule:
        """Only the Arrow stream, as an Arrow table without Polars' or pandas' methods has it."""

        def __arrow_c_stream__(self, requested_schema=None):
            return pl.DataFrame({"a": [1, 2]}).__arrow_c_stream__(requested_schema)

    assert is_frame(Capsule())
    same(frame_table(Capsule()).column("a").values, np.array([1, 2]))


def test_something_like_pandas():
    class Duck:
        columns = ("a", "b", "c")

        def __getitem__(self, name):
            return {"a": [1.5, 2.5], "b": ["x", "y"], "c": np.array(["u", "v"])}[name]

        def to_numpy(self):
            raise AssertionError("columns are read one by one")

    table = frame_table(Duck())
    assert is_frame(Duck()) and [column.kind for column in table] == ["number", "text", "text"]
    same(table.column("a").values, np.array([1.5, 2.5]))
    assert texts(table.column("b")) == ["x", "y"] and texts(table.column("c")) == ["u", "v"]


def test_what_is_no_frame():
    assert not any(map(is_frame, (np.ones((2, 2)), [[1]], "t.csv", {"a": [1]}, None, pl.Series([1]), 3)))
    assert is_frame(pl.DataFrame()) and is_frame(pl.LazyFrame())


def test_numbers_are_not_copied():
    frame = pl.DataFrame({"a": np.arange(5.0), "b": np.arange(5)})
    table = frame_table(frame)
    for name in "ab":
        assert np.shares_memory(table.column(name).values, frame[name].to_numpy())


def test_columns_that_are_to_be_texts():
    values = {"a": [1.0, 2.5, None], "b": [True, False, None], "c": [7, 8, 9], "s": ["007", "x", None]}
    expected = {"a": ["1", "2.5", None], "b": ["true", "false", None], "c": ["7", "8", "9"], "s": ["007", "x", None]}
    frames = [pl.DataFrame(values)]
    if (pd := pytest.importorskip("pandas")) is not None:
        frames.append(pd.DataFrame(values))
    for frame in frames:
        table = frame_table(frame, text_columns=("a", "b", "c", "s"))
        assert {column.name: texts(column) for column in table} == expected


def test_names():
    pd = pytest.importorskip("pandas")
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match=r"^table: columns 1 and 2 are both called 'a'; names must differ$"):
        frame_table(twice)
    also = pd.DataFrame([[1, 2]], columns=["1", 1])
    with pytest.raises(DataError, match=r"^table: columns 1 and 2 are both called '1'; names must differ$"):
        frame_table(also)
    long = pd.DataFrame([[1, 2]], columns=["n" * 10_000] * 2)
    with pytest.raises(DataError, match=r"^table: columns 1 and 2 are both called 'n{59}…'; names must differ$"):
        frame_table(long)


def test_a_number_that_no_float_holds():
    pd = pytest.importorskip("pandas")
    with pytest.raises(DataError, match=r"^table: column 'a', row 3 holds a number beyond the range of float64$"):
        frame_table(pd.DataFrame({"a": pd.Series([1, None, 10**400], dtype=object)}))


def test_pandas_frames_do_not_import_polars():
    pytest.importorskip("pandas")
    code = (
        "import sys, pandas as pd; from entrena.data.frames import frame_table; "
        "frame_table(pd.DataFrame({'a': [1, 2], 's': ['x', None], 'd': pd.to_datetime(['2020-01-01'] * 2)})); "
        "print([m for m in ('sklearn', 'scipy', 'polars', 'jax') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TIMES = [datetime.time(7, 38), None, datetime.time(23, 59, 59, 250_000)]
SECONDS = [27480.0, np.nan, 86399.25]


def test_times_of_day_are_seconds(tmp_path):
    frame = pl.DataFrame({"at": TIMES})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow")
    tables = [read_file(tmp_path / "t.parquet"), read_file(tmp_path / "t.arrow")]
    for table in (*tables, frame_table(frame), frame_table(frame.to_arrow())):
        assert table.column("at").kind == "number"
        same(table.column("at").values, SECONDS)
    # An array of Arrow's, without a frame of Polars between.
    pa = pytest.importorskip("pyarrow")
    for kind in (pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        same(frame_table(pa.table({"at": pa.array(TIMES, kind)})).column("at").values, SECONDS)


def test_times_of_day_of_pandas():
    pd = pytest.importorskip("pandas")
    pa = pytest.importorskip("pyarrow")
    for values in (pd.Series(TIMES), pd.Series(TIMES, dtype=pd.ArrowDtype(pa.time64("us")))):
        column = frame_table(pd.DataFrame({"at": values})).column("at")
        assert column.kind == "number"
        same(column.values, SECONDS)
    mixed = frame_table(pd.DataFrame({"at": pd.Series([datetime.time(7, 38), "late"])})).column("at")
    assert texts(mixed) == ["07:38:00", "late"]


def test_what_no_model_reads_is_said(tmp_path):
    days = [datetime.date(2024, 1, 1)] * 3
    frame = pl.DataFrame({"raw": [b"x", b"y", None], "tags": [["a"], [], None], "part": [{"a": 1}] * 3, "d": days})
    frame.write_parquet(tmp_path / "t.parquet")
    expected = {"raw": "binary data", "tags": "lists or structures", "part": "lists or structures", "d": "dates"}
    for table in (frame_table(frame), read_file(tmp_path / "t.parquet")):
        roles = infer_roles(table, {}, 3)
        assert {role.name: role.reason for role in roles} == expected
        assert table.column("raw").missing().tolist() == [False, False, True]


def test_what_no_model_reads_is_said_of_pandas():
    pd = pytest.importorskip("pandas")
    columns = {
        "raw": [b"x", None],
        "tags": [["a"], {"b": 1}],
        "month": pd.period_range("2024-01", periods=2, freq="M"),
        "between": pd.interval_range(0, 2),
        "turn": [1j, 2j],
        "x": [1.5, 2.5],
    }
    roles = infer_roles(frame_table(pd.DataFrame(columns)), {}, 2)
    assert [role.reason for role in roles] == [
        "binary data",
        "lists or structures",
        "periods; .dt.to_timestamp() makes dates of them",
        "values of type Interval",
        "values of type complex",
        "numbers",
    ]
    with pytest.raises(DataError, match="^table: column 'raw' holds binary data, which cannot be used$"):
        roles_by_kind(frame_table(pd.DataFrame(columns)))
