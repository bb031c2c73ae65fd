"""Frames: tables of Polars, of pandas, of anything like it, and Arrow streams. They are only read.

Polars is imported only for what is neither a Polars frame nor like pandas'.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.data.dialect import ReadOptions
from entrena.data.table import Column, Table, text_of, texts_of
from entrena.data.texts import encode
from entrena.data.values import NUMERIC_KINDS, Place, is_missing
from entrena.errors import DataError, shortened

if TYPE_CHECKING:
    import polars as pl

FRAME = "table"

# What columns hold that no model reads.
LISTS, BINARY = "lists or structures", "binary data"

_PLACE = Place(FRAME, has_types=True)


def is_frame(source: object) -> bool:
    """Whether something is a table with named columns."""
    if _is_polars(source):
        return True
    if hasattr(source, "dtype"):
        # Arrays and series, some of which offer an Arrow stream as well.
        return False
    is_like_pandas = hasattr(source, "columns") and hasattr(source, "to_numpy")
    return is_like_pandas or hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__")


def _is_polars(source: object) -> bool:
    # Asking a lazy frame for its columns is slow, and warns.
    return type(source).__module__.partition(".")[0] == "polars" and hasattr(source, "collect_schema")


def frame_table(frame: Any, *, text_columns: Collection[str] = (), date_order: str | None = None) -> Table:
    """A frame as a table; what a column is follows from its type alone.

    Args:
        frame: A Polars frame, lazy or not; a pandas frame or one like it; or anything with an Arrow stream.
        text_columns: Columns whose values become texts, whatever their type.
        date_order: The order of day and month in texts that have to be dates.

    Raises:
        DataError: Two columns have the same name.
    """
    if _is_polars(frame):
        return polars_table(frame.collect() if hasattr(frame, "collect") else frame, _PLACE, text_columns, date_order)
    if hasattr(frame, "columns") and hasattr(frame, "to_numpy"):
        return _columns_table(frame, text_columns, date_order)
    import polars as pl

    try:
        whole = pl.DataFrame(frame) if hasattr(frame, "__arrow_c_stream__") else pl.from_dataframe(frame)
    except pl.exceptions.DuplicateError:
        raise DataError(f"{FRAME}: two columns have the same name; names must differ") from None
    return polars_table(whole, _PLACE, text_columns, date_order)


def check_names(names: Sequence[str], source: str) -> None:
    """Raises a DataError where a column has no name or two have the same."""
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise DataError(
                f"{source}: column {number} has no name; name it or leave it out "
                "(pandas writes row numbers so: to_csv(…, index=False) leaves them out)"
            )
        if name in seen:
            raise DataError(
                f"{source}: columns {seen[name]} and {number} are both called '{shortened(name)}'; names must differ"
            )
        seen[name] = number


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line."""
    lines = str(error).strip().splitlines()
    return shortened(lines[0], 200) if lines else type(error).__name__


def polars_table(
    frame: pl.DataFrame, place: Place, text_columns: Collection[str] = (), date_order: str | None = None
) -> Table:
    """A Polars frame as a table."""
    check_names(frame.columns, place.source)
    columns = (polars_column(frame[name], name) for name in frame.columns)
    columns = (texts_of(column) if column.name in text_columns else column for column in columns)
    return Table(tuple(columns), place, found=_found(date_order))


def without_marks(frame: pl.DataFrame, marks: Collection[str]) -> pl.DataFrame:
    """A frame without the values that stand for missing ones: texts, and numbers that are written so."""
    import polars as pl

    if not marks:
        return frame
    numbers = [float(mark) for mark in marks if re.fullmatch(r"[+-]?[0-9]*\.?[0-9]+", mark)]
    numeric = [name for name, dtype in frame.schema.items() if dtype.is_numeric() and numbers]
    return frame.with_columns(
        pl.when(~pl.col(pl.String).is_in(list(marks))).then(pl.col(pl.String)),
        *(pl.when(~pl.col(name).cast(pl.Float64).is_in(numbers)).then(pl.col(name)) for name in numeric),
    )


def _found(date_order: str | None) -> ReadOptions | None:
    return None if date_order is None else ReadOptions(date_order=date_order)


def polars_column(series: pl.Series, name: str) -> Column:
    """A Polars series as a column; numbers without gaps in one piece are not copied."""
    import polars as pl

    dtype = series.dtype
    if dtype == pl.Null:
        return Column(name, "number", np.full(len(series), np.nan))
    if dtype == pl.Boolean:
        return Column(name, "boolean", (series.cast(pl.Float32) if series.null_count() else series).to_numpy())
    if dtype.is_numeric():
        known = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32)
        if dtype not in known or (series.null_count() and dtype != pl.Float32):
            series = series.cast(pl.Float64)
        return Column(name, "number", series.to_numpy())
    if dtype == pl.Date or dtype == pl.Datetime:
        if getattr(dtype, "time_zone", None) is not None:
            # The time that the clocks showed.
            series = series.dt.replace_time_zone(None)
        return Column(name, "date", series.cast(pl.Datetime("us")).to_numpy())
    if dtype == pl.Duration:
        return Column(name, "number", series.dt.total_microseconds().cast(pl.Float64).to_numpy() / 1e6)
    if dtype == pl.Time:
        return Column(name, "number", series.to_physical().cast(pl.Float64).to_numpy() / 1e9)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        texts = encode(series.cast(pl.String), name)
        return Column(name, "text", texts.codes, tuple(texts.levels.to_list()))
    nested = dtype.is_nested()
    what = LISTS if nested else BINARY if dtype == pl.Binary else f"values of type {dtype}"
    return Column(name, "nested", series.is_not_null().to_numpy(), (what,))


def _columns_table(frame: Any, text_columns: Collection[str], date_order: str | None) -> Table:
    names = [str(key) for key in frame.columns]
    check_names(names, FRAME)
    columns = []
    for name, key in zip(names, frame.columns, strict=True):
        column = _column(frame[key], name)
        columns.append(texts_of(column) if name in text_columns else column)
    return Table(tuple(columns), _PLACE, found=_found(date_order))


def _column(series: Any, name: str) -> Column:
    """A column of pandas, or of something like it, by its type."""
    if hasattr(getattr(series, "dtype", None), "categories") and hasattr(series, "cat"):
        return _categorical(series, name)
    texts = _only_texts(series, name)
    if texts is not None:
        return texts
    values = _values(series)
    kind = values.dtype.kind
    if kind == "b":
        return Column(name, "boolean", values)
    if kind in NUMERIC_KINDS:
        return Column(name, "number", values.astype(np.float64) if values.dtype.itemsize > 8 else values)
    if kind == "M":
        return Column(name, "date", values.astype("datetime64[us]"))
    if kind == "m":
        return Column(name, "number", _seconds(values))
    if kind in "UT":
        return _texts(list(values), name)
    return _objects(values.astype(object), name)


def _values(series: Any) -> np.ndarray:
    """A series as an array: a type of pandas' own as the one of NumPy that holds its values and their gaps."""
    dtype = getattr(series, "dtype", None)
    kind = getattr(dtype, "kind", "O")
    if getattr(dtype, "tz", None) is not None or "tz=" in str(dtype):
        # The time that the clocks showed.
        series = series.dt.tz_localize(None)
    if isinstance(dtype, np.dtype) or kind not in NUMERIC_KINDS or not hasattr(series, "isna"):
        return np.asarray(series.to_numpy() if hasattr(series, "to_numpy") else series)
    missing = np.asarray(series.isna().to_numpy(), bool)
    if kind == "b":
        if not missing.any():
            return np.asarray(series.to_numpy(dtype=bool))
        # As objects, so that a gap keeps the column one of truth values.
        return np.asarray(series.to_numpy(dtype=object))
    if missing.any() and kind != "f":
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    narrow = np.dtype(f"{kind}{getattr(dtype, 'itemsize', 8)}")
    return np.asarray(series.to_numpy(dtype=narrow, na_value=np.nan) if kind == "f" else series.to_numpy(dtype=narrow))


def _categorical(series: Any, name: str) -> Column:
    categories = [text_of(value) for value in series.cat.categories]
    codes = np.asarray(series.cat.codes.to_numpy(), np.int32)
    if len(set(categories)) < len(categories):
        # 1 and '1' are two categories of pandas and one text.
        number_of = {text: number for number, text in enumerate(dict.fromkeys(categories))}
        codes = np.append([number_of[text] for text in categories], -1).astype(np.int32)[codes]
        categories = list(number_of)
    return Column(name, "text", codes, tuple(categories))


def _only_texts(series: Any, name: str) -> Column | None:
    """A column of pandas that holds texts alone, by its distinct values; None for any other."""
    if getattr(getattr(series, "dtype", None), "kind", "") != "O" or not hasattr(series, "factorize"):
        return None
    try:
        codes, distinct = series.factorize()
    except TypeError:
        # Lists cannot be compared.
        return None
    levels = tuple(distinct)
    if not levels or any(type(level) is not str for level in levels):
        return None
    return Column(name, "text", np.asarray(codes, np.int32), levels)


def _seconds(values: np.ndarray) -> np.ndarray:
    seconds = values.astype("timedelta64[us]").astype(np.float64) / 1e6
    seconds[np.isnat(values)] = np.nan
    return seconds


_MOMENTS = (datetime.date, np.datetime64)
_NESTED = (list, tuple, dict, set, bytes, bytearray, np.ndarray)


def _objects(values: np.ndarray, name: str) -> Column:
    """A column of Python objects, by all of its values; texts win over numbers, nested values over all."""
    missing = np.array([is_missing(value) for value in values], bool)
    present = values[~missing]
    unknown = next((value for value in present if isinstance(value, _NESTED) or not _is_known(value)), None)
    if unknown is not None:
        return Column(name, "nested", ~missing, (_words_for(unknown),))
    if len(present) and all(isinstance(value, bool | np.bool_) for value in present):
        truths = present.astype(bool)
        if not missing.any():
            return Column(name, "boolean", truths)
        return Column(name, "boolean", _filled(truths.astype(np.float32), missing, np.float32(np.nan)))
    if len(present) and all(isinstance(value, _MOMENTS) for value in present):
        moments = np.array([_moment(value) for value in present], "datetime64[us]")
        return Column(name, "date", _filled(moments, missing, np.datetime64("NaT", "us")))
    if len(present) and all(isinstance(value, datetime.timedelta | np.timedelta64) for value in present):
        return Column(name, "number", _filled(_seconds(present.astype("timedelta64[us]")), missing, np.nan))
    if len(present) and all(isinstance(value, datetime.time) for value in present):
        return Column(name, "number", _filled(np.array([_seconds_of(value) for value in present]), missing, np.nan))
    if all(_is_number(value) for value in present):
        return Column(name, "number", _filled(_numbers(present, name, missing), missing, np.nan))
    return _texts([None if gap else value for value, gap in zip(values, missing, strict=True)], name)


def _words_for(value: object) -> str:
    """What a column of values that no model reads holds."""
    if isinstance(value, bytes | bytearray):
        return BINARY
    if isinstance(value, _NESTED):
        return LISTS
    kind = type(value).__name__
    return "periods; .dt.to_timestamp() makes dates of them" if kind == "Period" else f"values of type {kind}"


def _is_known(value: object) -> bool:
    known = (str, *_MOMENTS, datetime.time, datetime.timedelta, np.timedelta64)
    return isinstance(value, known) or _is_number(value)


def _is_number(value: object) -> bool:
    if isinstance(value, int | float | np.bool_ | np.integer | np.floating):
        return True
    return not isinstance(value, str | complex) and hasattr(value, "__float__")


def _numbers(present: np.ndarray, name: str, missing: np.ndarray) -> np.ndarray:
    if all(isinstance(value, int | np.integer) and -(2**63) <= value < 2**63 for value in present) and len(present):
        return present.astype(np.int64)
    try:
        return np.array([float(value) for value in present], np.float64)
    except OverflowError:
        rows = np.flatnonzero(~missing)
        row = next(int(rows[at]) for at, value in enumerate(present) if abs(value) > 1e308)
        _PLACE.refuse(f"{_PLACE.column(name)}, {_PLACE.row(row)} holds a number beyond the range of float64")


def _filled(values: np.ndarray, missing: np.ndarray, gap: Any) -> np.ndarray:
    """[rows] the values where there are some, else the gap."""
    if not missing.any():
        return values
    filled = np.full(len(missing), gap, np.result_type(values.dtype, np.asarray(gap)))
    filled[~missing] = values
    return filled


def _moment(value: Any) -> np.datetime64:
    if isinstance(value, datetime.datetime):
        return np.datetime64(value.replace(tzinfo=None), "us")
    return np.datetime64(value, "us")


def _seconds_of(time: datetime.time) -> float:
    return time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6


def _texts(values: list[Any], name: str) -> Column:
    """A column of texts; what is none becomes the text that one writes."""
    numbers: dict[str, int] = {}
    codes = np.empty(len(values), np.int32)
    for row, value in enumerate(values):
        if is_missing(value):
            codes[row] = -1
            continue
        text = value if type(value) is str else text_of(value)
        codes[row] = numbers.setdefault(text, len(numbers))
    return Column(name, "text", codes, tuple(numbers))
