"""Excel files: the first sheet, its first row the names, through calamine."""

from __future__ import annotations

import datetime
import re
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.data.dialect import Dialect, Request
from entrena.data.frames import check_names, first_line, polars_column
from entrena.data.headers import BEGIN_ROWS, header_hint, is_nameless, nameless, refuse_nameless, words_for_empty
from entrena.data.limits import CELL_BYTES, MOST_SHEET_RATIO, check_columns, check_size, check_unpacked, most_bytes
from entrena.data.number_marks import NumberMarks, find_number_marks
from entrena.data.packed import PIECE
from entrena.data.rows import place_without, rows_without_values, without_rows, words_for_blank
from entrena.data.sample import MOST_ROWS
from entrena.data.table import Column, Table, texts_of
from entrena.data.texts import TIMES_OF_DAY, Meanings, encode, encode_target
from entrena.errors import DataError, shortened

if TYPE_CHECKING:
    import polars as pl

ZIP = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"

# A cell that holds something, `<c r="AB12" s="1" t="s"><v>`: one without content ends in `/>`.
_CELL = re.compile(rb'<(?:\w+:)?c(?:\s[^>]*)?\sr="([A-Z]{1,3})(\d{1,7})"[^>]*(?<!/)>')
_LONGEST_TAG = 512

# So many other sheets are named where the first is no table.
_MOST_SHEETS = 3

# Day 0, as calamine and as others count.
_DAYS_OF_TIMES = (datetime.date(1899, 12, 30), datetime.date(1899, 12, 31))


def is_excel(path: Path) -> bool:
    """Whether a zip archive is an Excel file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(entry.startswith("xl/") for entry in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError):
        return False


def read_excel(path: Path, name: str, request: Request) -> Table:
    """The first sheet of an Excel file as a table.

    Args:
        path: The file.
        name: What messages call it.
        request: Of its options the marks for missing values, the number marks of texts and the order of dates count.

    Raises:
        DataError: The extra is not installed, or the file is damaged, empty, or would not fit the memory.
    """
    try:
        import fastexcel
    except ImportError:
        raise DataError(f"{name}: Excel files need an extra: pip install 'entrena[excel]'") from None
    with path.open("rb") as file:
        if file.read(4) == ZIP:
            _check_archive(path, name)
    try:
        book = fastexcel.read_excel(path)
        frame, sheet = _first_sheet(book, name)
    except DataError:
        raise
    # fastexcel and calamine raise what they find, and panic on some damaged files.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise DataError(f"{name} is a damaged Excel file ({first_line(error)})") from None
    table = _table(frame, name, request)
    n_sheets = len(book.sheet_names)
    if not table.n_rows and n_sheets > 1:
        raise DataError(f"{name} has columns but no rows{_other_sheets(book, sheet)}")
    said = f"sheet '{shortened(sheet)}' of {n_sheets}" if n_sheets > 1 else ""
    return replace(table, said=", ".join(part for part in (said, table.said) if part))


def _other_sheets(book: Any, sheet: str) -> str:
    """Which sheet was read and which were not, as the end of a message; empty where there is one only."""
    others = [f"'{shortened(other)}'" for other in book.sheet_names if other != sheet]
    if not others:
        return ""
    listed = ", ".join(others[:_MOST_SHEETS]) + (", …" if len(others) > _MOST_SHEETS else "")
    return (
        f"; of its sheets only the first that holds something is read, '{shortened(sheet)}', and not {listed}: "
        "move the one with the table to the front"
    )


def _check_archive(path: Path, name: str) -> None:
    """Checks how far the sheets reach: a single far cell makes a table of billions, before anything is read."""
    most = most_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(entry.file_size for entry in archive.infolist())
            check_unpacked(n_bytes, path.stat().st_size, most, name, MOST_SHEET_RATIO)
            for entry in archive.infolist():
                if entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml"):
                    _check_sheet(archive, entry, name, most)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{name} is a damaged Excel file ({first_line(error)})") from None


def _check_sheet(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, most: int) -> None:
    last_row = last_column = 0
    rest = b""
    with archive.open(entry) as file:
        while piece := file.read(PIECE):
            text = rest + piece
            cells = _CELL.findall(text)
            if cells:
                last_row = max(last_row, *(int(row) for _, row in cells))
                last_column = max(last_column, *(_column_number(letters) for letters in {cell[0] for cell in cells}))
            rest = text[-_LONGEST_TAG:]
    check_columns(last_column, name)
    check_size(last_row * last_column * CELL_BYTES, most, f"{name}: its last cell is in row {last_row:,}", "it takes")


def _column_number(letters: bytes) -> int:
    """The number of a column from 1 on, as A, B, …, Z, AA, AB stand for.

    >>> _column_number(b"A"), _column_number(b"AB"), _column_number(b"XFD")
    (1, 28, 16384)
    """
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _first_sheet(book: Any, name: str) -> tuple[pl.DataFrame, str]:
    """The first sheet that holds something, with the names of its first row as they are written; and its own name."""
    for sheet in book.sheet_names:
        header = book.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_polars()
        if not header.width:
            continue
        names = ["" if text is None else str(text).strip() for text in header.row(0)] if header.height else []
        names = [text or nameless(number) for number, text in enumerate(names, start=1)]
        check_names(names, name)
        frame = book.load_sheet(sheet, header_row=0, schema_sample_rows=None).to_polars()
        frame.columns = names
        _check_unnamed(frame, book, sheet, name)
        return frame, sheet
    raise DataError(f"{name} is empty")


def _check_unnamed(frame: pl.DataFrame, book: Any, sheet: str, name: str) -> None:
    """Raises a DataError where a column has values and no name."""
    for number, column in enumerate(frame.columns, start=1):
        values = frame[column].drop_nulls()
        if is_nameless(column) and (len(values) or all(map(is_nameless, frame.columns))):
            begin = book.load_sheet(sheet, header_row=None, n_rows=BEGIN_ROWS, dtypes="string").to_polars()
            rows = [["" if text is None else str(text).strip() for text in row] for row in begin.rows()]
            refuse_nameless(name, number, values.head(3).to_list(), header_hint(rows) + _other_sheets(book, sheet))


def _number_marks(frame: pl.DataFrame, request: Request) -> NumberMarks:
    """The marks of numbers that are texts: what the user says, or points; for a model's data, what they show."""
    import polars as pl

    options = request.options
    if request.usual_decimal is None:
        is_said = options.decimal_mark is not None
        return NumberMarks(options.decimal_mark or ".", options.thousands_mark or "", is_seen=is_said)
    texts = (series for series in frame.iter_columns() if series.dtype == pl.String)
    fields = [series.drop_nulls().head(MOST_ROWS).str.strip_chars().to_list() for series in texts]
    return find_number_marks(fields, "", request)


def _table(frame: pl.DataFrame, name: str, request: Request) -> Table:
    """The frame's columns; a column with texts is read as one of a text file."""
    import polars as pl

    options = request.options
    empty = [column for column in frame.columns if is_nameless(column)]
    frame = frame.drop(empty)
    blank = rows_without_values(frame)
    frame = without_rows(frame, blank)
    marks = _number_marks(frame, request)
    dialect = Dialect(
        decimal=marks.decimal,
        thousands=marks.thousands,
        marks=options.missing,
        date_order=options.date_order,
        usual_order=request.usual_order,
        shows_decimal=marks.is_seen,
    )
    meanings = Meanings()
    for series in frame.iter_columns():
        column, as_text = series.name, series.name in request.text_columns
        if series.dtype != pl.String:
            times = _times_of_day(series)
            if times is not None:
                meanings.forms.setdefault(TIMES_OF_DAY, []).append(column)
            made = times or polars_column(series, column)
            meanings.columns[column] = texts_of(made) if as_text else made
        elif request.may_be_class(column):
            texts = encode_target(series, column, dialect, request.known_classes(column))
            meanings.add(texts, dialect, as_text=as_text)
        else:
            meanings.add(encode(series, column, dialect), dialect, as_text=as_text)
    table = meanings.table(frame.columns, place_without(name, 2, blank), dialect)
    said = (table.said, words_for_empty(len(empty)), words_for_blank(blank))
    return replace(table, said="; ".join(filter(None, said)), found=meanings.found())


def _times_of_day(series: pl.Series) -> Column | None:
    """The seconds since midnight of cells that show times alone, for Excel moments of its day 0; else None."""
    import polars as pl

    if series.dtype != pl.Datetime or series.null_count() == len(series):
        return None
    if not series.dt.date().is_in(_DAYS_OF_TIMES).all():
        return None
    seconds = series.dt.time().to_physical().cast(pl.Float64).to_numpy() / 1e9
    # Whole numbers where a text file has them as well.
    is_whole = bool((np.floor(seconds) == seconds).all())
    return Column(series.name, "number", seconds.astype(np.int64) if is_whole else seconds)
