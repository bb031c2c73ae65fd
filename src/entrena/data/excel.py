"""Excel files: the first sheet, its first row the names, through calamine."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrena.data.dialect import Dialect, ReadOptions
from entrena.data.frames import as_written, check_names, first_line, polars_column
from entrena.data.limits import CELL_BYTES, MOST_SHEET_RATIO, check_columns, check_size, check_unpacked, most_bytes
from entrena.data.packed import PIECE
from entrena.data.table import Table
from entrena.data.texts import Meanings, encode
from entrena.data.values import Place
from entrena.errors import DataError, shortened

if TYPE_CHECKING:
    import polars as pl

ZIP = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"

# A cell that holds something, `<c r="AB12" s="1" t="s"><v>`: one without content ends in `/>`.
_CELL = re.compile(rb'<(?:\w+:)?c(?:\s[^>]*)?\sr="([A-Z]{1,3})(\d{1,7})"[^>]*(?<!/)>')
_LONGEST_TAG = 512


def is_excel(path: Path) -> bool:
    """Whether a zip archive is an Excel file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(entry.startswith("xl/") for entry in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError):
        return False


def read_excel(path: Path, name: str, options: ReadOptions, text_columns: Collection[str] = ()) -> Table:
    """The first sheet of an Excel file as a table.

    Args:
        path: The file.
        name: What messages call it.
        options: Of these the marks for missing values, the number marks of texts and the order of dates count.
        text_columns: Columns whose values become texts.

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
        frame, said = _first_sheet(book, name)
    except DataError:
        raise
    # fastexcel and calamine raise what they find, and panic on some damaged files.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise DataError(f"{name} is a damaged Excel file ({first_line(error)})") from None
    table = _table(frame, Place(name, first_row=2), options, text_columns)
    return replace(table, said=", ".join(part for part in (said, table.said) if part))


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
    """The first sheet that holds something, with the names of its first row as they are written; and which it is."""
    for sheet in book.sheet_names:
        header = book.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_polars()
        if not header.width:
            continue
        names = ["" if text is None else str(text).strip() for text in header.row(0)] if header.height else []
        check_names(names, name)
        frame = book.load_sheet(sheet, header_row=0, schema_sample_rows=None).to_polars()
        frame.columns = names
        n_sheets = len(book.sheet_names)
        return frame, f"sheet '{shortened(sheet)}' of {n_sheets}" if n_sheets > 1 else ""
    raise DataError(f"{name} is empty")


def _table(frame: pl.DataFrame, place: Place, options: ReadOptions, text_columns: Collection[str]) -> Table:
    """The frame's columns; a column with texts is read as one of a text file."""
    import polars as pl

    dialect = Dialect(
        decimal=options.decimal_mark or ".",
        thousands=options.thousands_mark or "",
        marks=options.missing,
        date_order=options.date_order,
    )
    meanings = Meanings()
    for name in frame.columns:
        series, as_text = frame[name], name in text_columns
        if series.dtype == pl.String:
            meanings.add(encode(series, name, dialect), dialect, as_text=as_text)
        else:
            column = polars_column(series, name)
            meanings.columns[name] = as_written(column) if as_text else column
    return meanings.table(frame.columns, place, dialect)
