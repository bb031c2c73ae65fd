"""Tables: named columns from Polars, or from any frame that looks like pandas', as inputs and targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from entrena.data.arrays import stack_columns
from entrena.data.files import check_names, refuse_malformed
from entrena.data.values import Place, blocks, check_finite, column_of_numbers, exact_float, holds_numbers, labels

if TYPE_CHECKING:
    import polars as pl

# What a CSV file may say where a number is missing; an empty field says it to Polars.
MISSING_MARKS = ("", "NA", "N/A", "na", "n/a", "NaN", "nan", "NULL", "Null", "null", "None", "none", "?")


class Table(Protocol):
    """Named columns."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, distinct."""

    @property
    def n_rows(self) -> int:
        """The number of rows."""

    def numbers(self, names: Sequence[str], *, target: bool = False) -> np.ndarray:
        """[rows, columns] finite numbers of these columns, or a DataError."""

    def labels(self, name: str) -> np.ndarray:
        """[rows] labels or numbers of a target, or a DataError."""


class PolarsTable:
    """A Polars frame.

    Args:
        frame: The frame.
        source: What messages call it.
        csv: The CSV file that it was read from: there numbers may stand as text, and the header is row 1.
    """

    def __init__(self, frame: pl.DataFrame, source: str, csv: Path | None = None) -> None:
        self._frame = frame
        self._source = source
        self._csv = csv
        self.names = tuple(frame.columns)
        self.n_rows = frame.height

    def _place(self, target: bool) -> Place:
        return Place(self._source, first_row=2 if self._csv else 1, target=target)

    def numbers(self, names: Sequence[str], *, target: bool = False) -> np.ndarray:
        """[rows, columns] finite numbers of these columns, or a DataError."""
        place = self._place(target)
        parts = [self._as_numbers(self._frame[name]) for name in names]
        texts = [name for name, part in zip(names, parts, strict=True) if part is None]
        if texts:
            self._refuse_text(texts, place)
        return self._stack([part for part in parts if part is not None], names, place)

    def _stack(self, parts: list[pl.Series], names: Sequence[str], place: Place) -> np.ndarray:
        for name, part in zip(names, parts, strict=True):
            self._check_complete(part, name, place)
        # A series in several pieces is copied when it becomes an array: so only some rows at a time.
        dtypes = [part.head(1).to_numpy().dtype for part in parts]
        out = np.empty((self.n_rows, len(parts)), exact_float(dtypes))
        for rows in blocks(*out.shape):
            some = [part.slice(rows.start, rows.stop - rows.start).to_numpy() for part in parts]
            np.stack(some, axis=1, out=out[rows], casting="unsafe")
        check_finite(out, names, place)
        return out

    def labels(self, name: str) -> np.ndarray:
        """[rows] labels or numbers of a target, or a DataError."""
        import polars as pl

        place = self._place(target=True)
        series = self._frame[name]
        if series.dtype in (pl.Categorical, pl.Enum):
            series = series.cast(pl.String)
        if self._csv and series.dtype == pl.String:
            series = series.str.strip_chars()
            series = series.set(series == "", None)
        numbers = self._as_numbers(series)
        if numbers is None:
            self._check_complete(series, name, place)
            return labels(series.to_numpy(), name, place)
        self._check_complete(numbers, name, place)
        return labels(numbers.to_numpy(), name, place)

    def _as_numbers(self, series: pl.Series) -> pl.Series | None:
        """The series as numbers or truth values that NumPy knows; None where it holds something else."""
        import polars as pl

        if series.dtype in (pl.Decimal, pl.Int128, pl.UInt128, pl.Null):
            return series.cast(pl.Float64)
        if series.dtype.is_numeric() or series.dtype == pl.Boolean:
            return series
        if not self._csv or series.dtype != pl.String:
            return None
        parsed, is_text = _parse(series)
        return None if is_text.any() else parsed

    def _check_complete(self, series: pl.Series, name: str, place: Place) -> None:
        count = series.null_count()
        if not count:
            return
        if self._csv:
            # A row with too few values looks as if the last ones were missing.
            refuse_malformed(self._csv)
        place.refuse_missing(name, count, int(series.is_null().arg_max() or 0))

    def _refuse_text(self, names: list[str], place: Place) -> None:
        import polars as pl

        series = self._frame[names[0]]
        if self._csv and series.dtype == pl.String:
            first = int(_parse(series)[1].arg_max() or 0)
        else:
            first = int(series.is_not_null().arg_max() or 0)
        place.refuse_text(names[0], series[first], first, names[1:])


def _parse(series: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Texts as numbers, and which of them are neither a number nor a mark of a missing value."""
    import polars as pl

    texts = series.str.strip_chars()
    whole = texts.cast(pl.Int64, strict=False)
    parsed = texts.cast(pl.Float64, strict=False)
    is_text = (parsed.is_null() & texts.is_not_null() & ~texts.is_in(MISSING_MARKS)).fill_null(False)
    if whole.null_count() == parsed.null_count():
        return whole, is_text
    return parsed, is_text


class ColumnTable:
    """A frame of another library, read column by column: `columns`, `frame[name]`, `to_numpy`.

    Args:
        frame: The frame.
        source: What messages call it.
    """

    def __init__(self, frame: Any, source: str) -> None:
        self._frame = frame
        self._source = source
        self._keys = {str(key): key for key in frame.columns}
        check_names([str(key) for key in frame.columns], source)
        self.names = tuple(self._keys)
        self.n_rows = len(frame)

    def _column(self, name: str) -> np.ndarray:
        column = self._frame[self._keys[name]]
        return np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)

    def numbers(self, names: Sequence[str], *, target: bool = False) -> np.ndarray:
        """[rows, columns] finite numbers of these columns, or a DataError."""
        place = Place(self._source, target=target)
        parts = [self._column(name) for name in names]
        texts = [number for number, part in enumerate(parts) if not holds_numbers(part)]
        if texts:
            others = [names[number] for number in texts[1:]]
            column_of_numbers(parts[texts[0]], names[texts[0]], place, others)
        parts = [column_of_numbers(part, name, place) for name, part in zip(names, parts, strict=True)]
        return stack_columns(parts, names, place)

    def labels(self, name: str) -> np.ndarray:
        """[rows] labels or numbers of a target, or a DataError."""
        return labels(self._column(name), name, Place(self._source, target=True))


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


def as_table(frame: Any) -> Table:
    """A frame as a table. Polars is imported only for what is neither a Polars frame nor like pandas'.

    Raises:
        DataError: Two columns have the same name.
    """
    if _is_polars(frame):
        return PolarsTable(frame.collect() if hasattr(frame, "collect") else frame, "table")
    if hasattr(frame, "columns") and hasattr(frame, "to_numpy"):
        return ColumnTable(frame, "table")
    import polars as pl

    if hasattr(frame, "__arrow_c_stream__"):
        return PolarsTable(pl.DataFrame(frame), "table")
    return PolarsTable(pl.from_dataframe(frame), "table")
