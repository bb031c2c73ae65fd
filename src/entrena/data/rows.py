"""Rows of text files: which are blank, whether each has as many values as the header, and which one has not."""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.data.dialect import Dialect
from entrena.data.headers import title_hint
from entrena.data.sample import reader_of
from entrena.data.survey import count_separators
from entrena.data.values import Place
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_END = 2**20


@dataclass(frozen=True)
class Before:
    """What stood in a source between its header and the rows that are looked at.

    Attributes:
        rows: The number of rows, blank ones included.
        lines: The number of lines.
    """

    rows: int = 0
    lines: int = 0


_NOTHING = Before()


@dataclass(frozen=True)
class PlaceWithGaps(Place):
    """Where values stand in a source with blank rows between others, which are no rows of the table.

    Attributes:
        n_before: For each blank row, the number of the row behind it if no blank rows counted, in ascending order.
    """

    n_before: tuple[int, ...] = ()

    def row(self, index: int) -> str:
        """`row 5`, as the user counts: blank rows count as well."""
        number = index + self.first_row
        return f"row {number + bisect_right(self.n_before, number)}"


def place_without(name: str, first_row: int, blank: np.ndarray) -> Place:
    """The place of a table without its blank rows.

    Args:
        name: What messages call the source.
        first_row: The number of the first row, blank or not.
        blank: The blank rows, from 0.
    """
    if not len(blank):
        return Place(name, first_row)
    return PlaceWithGaps(name, first_row, n_before=tuple((blank - np.arange(len(blank)) + first_row).tolist()))


def words_for_blank(blank: np.ndarray) -> str:
    """What is said of blank rows; empty where there are none."""
    if not len(blank):
        return ""
    return f"{len(blank):,} blank rows left out" if len(blank) > 1 else "1 blank row left out"


def check_rows(
    frame: pl.DataFrame, path: Path, name: str, dialect: Dialect, header_row: int, *, has_marks: bool
) -> tuple[pl.DataFrame, np.ndarray]:
    """The frame without blank rows, and which those are.

    Polars fills short rows and blank lines up with missing values. So where the last column lacks any, the separators
    are counted: a table has as many in each row.

    Args:
        frame: What Polars read.
        path: The file.
        name: What messages call it.
        dialect: How it is written.
        header_row: The number of the row with the names.
        has_marks: Whether Polars took marks for missing values: then a row without values may be one of marks.

    Returns:
        The frame, and the numbers of its blank rows, from 0; blank lines at the end do not count.

    Raises:
        DataError: A row is too short.
    """
    n_blank = min(blank_end(path, dialect.separator), frame.height)
    kept = frame.head(frame.height - n_blank) if n_blank and _is_blank(frame.tail(n_blank)) else frame
    blank = rows_without_values(kept)
    last = kept.to_series(kept.width - 1)
    lacks = last.null_count() > 0
    expected = (kept.height + 1) * (kept.width - 1)
    if len(blank) and (has_marks or kept.width == 1):
        found = np.array(refuse_malformed(path, name, dialect), np.int64) - header_row - 1
        blank = np.intersect1d(blank, found)
    elif lacks and count_separators(path, dialect.separator, dialect.quote) != expected:
        refuse_malformed(path, name, dialect)
    return without_rows(kept, blank), blank


def without_rows(frame: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
    """A frame without some of its rows, given from 0."""
    import polars as pl

    if not len(rows):
        return frame
    keep = np.ones(frame.height, bool)
    keep[rows] = False
    return frame.filter(pl.Series(keep))


def rows_without_values(frame: pl.DataFrame) -> np.ndarray:
    """The numbers, from 0, of the rows in which all fields are missing or spaces."""
    import polars as pl

    # What is no text is quick to look at, and most often has no row that lacks it.
    columns = sorted(frame.iter_columns(), key=lambda series: series.dtype == pl.String)
    rows: pl.Series | None = None
    for series in columns:
        some = series if rows is None else series.gather(rows)
        if some.dtype == pl.String:
            is_blank = some.is_null() | (some.str.strip_chars() == "").fill_null(False)
        elif some.null_count():
            is_blank = some.is_null()
        else:
            return np.zeros(0, np.int64)
        rows = is_blank.arg_true() if rows is None else rows.filter(is_blank)
        if not len(rows):
            break
    return np.zeros(0, np.int64) if rows is None else rows.to_numpy().astype(np.int64)


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


def refuse_malformed(
    path: Path, name: str = "", dialect: Dialect | None = None, before: Before = _NOTHING
) -> list[int]:
    """Raises a DataError that names the first row of a text file that does not fit its header, if there is one.

    Args:
        path: The file.
        name: What messages call it.
        dialect: How it is written.
        before: What the file lacks behind its first row, where it is a part of another source.

    Returns:
        The numbers of the rows that hold nothing, as the user counts.
    """
    name = name or path.name
    dialect = dialect or Dialect()
    n_columns = 0
    blank = []
    for number, fields in _rows(path, name, dialect, before):
        if not n_columns:
            n_columns = len(fields)
        elif not any(field.strip() for field in fields) and len(fields) in (0, 1, n_columns):
            # A field in quotes is one, even where it is empty and alone.
            if fields != [""]:
                blank.append(number)
        elif len(fields) != n_columns:
            values = f"{len(fields):,} value{'s' if len(fields) > 1 else ''}"
            message = f"{name}: row {number} has {values}, the header has {n_columns:,}"
            raise DataError(message + (title_hint(path, dialect) or _comment_hint(fields)))
    return blank


def _comment_hint(fields: list[str]) -> str:
    """What to do with a line of words."""
    is_comment = len(fields) == 1 and re.search(r"[^\W\d]", fields[0]) is not None
    return "; if it is a title or a comment, delete it" if is_comment else ""


def _rows(path: Path, name: str, dialect: Dialect, before: Before) -> Iterator[tuple[int, list[str]]]:
    """The file's rows as the user counts them, read by Python's own reader: slow, and it says what is wrong."""
    number = n_lines = 0
    reader: Any = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = reader_of(file, dialect.separator, dialect.quote, strict=True)
            for number, fields in enumerate(reader, start=1):
                yield number + (before.rows if number > 1 else 0), fields
                n_lines = reader.line_num
    except csv.Error as error:
        what = str(error)
        is_behind = "expected after" in what  # the next quote was taken for the end
        if reader is not None and dialect.quote and (reader.line_num > n_lines + 1 or not is_behind):
            line = _open_quote(path, dialect.quote, n_lines + 1, reader.line_num - is_behind)
            what = f"the quote that opens in line {line + before.lines:,} is not closed; close it, or delete it"
        raise DataError(f"{name}: row {number + 1 + before.rows:,} is malformed: {what}") from None
    except UnicodeDecodeError:
        raise DataError(f"{name} is no text in UTF-8") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from None


def _open_quote(path: Path, quote: str, first: int, last: int) -> int:
    """The line, among those from `first` to `last`, in which a quote opens that none of them closes."""
    found, is_open = first, False
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, line in enumerate(islice(file, first - 1, last), start=first):
            # Two quotes in a row are one within a field, or an empty one.
            n_quotes = line.replace(2 * quote, "").count(quote)
            if n_quotes > is_open:
                found = number
            is_open ^= n_quotes % 2 == 1
    return found
