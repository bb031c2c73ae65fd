"""Rows of text files: whether each has as many values as the header, and which one has not."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from entrena.data.dialect import Dialect
from entrena.data.sample import reader_of
from entrena.data.survey import count_separators
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_END = 2**20


def check_rows(frame: pl.DataFrame, path: Path, name: str, dialect: Dialect) -> pl.DataFrame:
    """The frame without the blank lines at the end of its file.

    Polars fills short rows and blank lines up with missing values. So where the last column lacks any, the separators
    are counted: a table has as many in each row.

    Raises:
        DataError: A row is too short or blank.
    """
    n_blank = min(blank_end(path, dialect.separator), frame.height)
    kept = frame.head(frame.height - n_blank) if n_blank and _is_blank(frame.tail(n_blank)) else frame
    last = kept.to_series(kept.width - 1)
    if not last.null_count():
        return kept
    expected = (kept.height + 1) * (kept.width - 1)
    if kept.width == 1 or count_separators(path, dialect.separator, dialect.quote) != expected:
        refuse_malformed(path, name, dialect)
    return kept


def _is_blank(frame: pl.DataFrame) -> bool:
    """Whether rows hold nothing, but for spaces in the first field."""
    return all(series.null_count() == len(series) for series in frame.iter_columns() if series.name != frame.columns[0])


def blank_end(path: Path, separator: str) -> int:
    """How many blank lines a file ends with."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _END))
        end = file.read()
    blank = b"\r\n" if separator == " " else b" \r\n"
    rest = end[len(end.rstrip(blank)) :]
    # The first line end closes the last row.
    return max(0, rest.count(b"\n") - 1)


def refuse_malformed(path: Path, name: str = "", dialect: Dialect | None = None) -> None:
    """Raises a DataError that names the first row of a text file that does not fit its header, if there is one."""
    name = name or path.name
    dialect = dialect or Dialect()
    n_columns = 0
    blank = None
    for number, fields in _rows(path, name, dialect):
        if not n_columns:
            n_columns = len(fields)
        elif not fields:
            # A blank line is only one in the middle when something follows it.
            blank = blank or number
        elif len(fields) == 1 and n_columns > 1 and not fields[0].strip():
            blank = blank or number
        elif blank is not None:
            raise DataError(f"{name}: row {blank} is blank; delete the line")
        elif len(fields) != n_columns:
            values = f"{len(fields):,} value{'s' if len(fields) > 1 else ''}"
            raise DataError(f"{name}: row {number} has {values}, the header has {n_columns:,}")


def _rows(path: Path, name: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The file's rows as the user counts them, read by Python's own reader: slow, and it says what is wrong."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = reader_of(file, dialect.separator, dialect.quote, strict=True)
            for number, fields in enumerate(reader, start=1):
                yield number, fields
    except csv.Error as error:
        what = f"a quote is not closed, or {error}" if "field limit" in str(error) else str(error)
        raise DataError(f"{name}: row {number + 1} is malformed: {what}") from None
    except UnicodeDecodeError:
        raise DataError(f"{name} is no text in UTF-8") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from None
