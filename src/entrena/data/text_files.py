"""Text files: rows of separated values as a table, at the speed of Polars' own reader.

A sample shows the layout. Then Polars reads the file once, while a survey of its bytes finds what Polars does not say.
Only columns of texts are looked at again.
"""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from entrena.data.dialect import ReadOptions, Request, encoding_name, is_separator
from entrena.data.encodings import (
    encoding_by_survey,
    encoding_of,
    only_carriage_returns,
    refuse_broken,
    replace_carriage_returns,
    to_utf8,
)
from entrena.data.frames import polars_column
from entrena.data.headers import is_nameless, refuse_nameless, repeated_header, words_for_empty
from entrena.data.limits import check_size, most_bytes
from entrena.data.rows import check_rows, place_without, refuse_malformed, words_for_blank
from entrena.data.survey import check_lines, survey
from entrena.data.table import Column, Table
from entrena.data.text_layout import Layout, find_layout
from entrena.data.text_parser import parse
from entrena.data.texts import Meanings, Texts, encode, encode_target
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl

START_BYTES = 4096

# Columns are made side by side; each takes as much memory again while it is.
N_THREADS = 4

# How Excel writes, before the header, what stands between values.
_SEPARATOR_LINE = re.compile(rb'(?:\xef\xbb\xbf)?"?sep=(.)"?\r?\n', re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class TextReading:
    """What came of reading a text file.

    Attributes:
        table: The file as a table.
        layout: Its layout, as it proved to be.
        meanings: What its columns turned out to be.
    """

    table: Table
    layout: Layout
    meanings: Meanings


def read_text(path: Path, name: str, request: Request) -> Table:
    """A text file as a table.

    Args:
        path: The file.
        name: What messages call it.
        request: What the user said of it.

    Raises:
        DataError: The file is empty, damaged, or no table.
    """
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    if not start.strip():
        _refuse_empty(path, name)
    encoding = request.options.encoding or encoding_of(start)
    if encoding is not None and encoding_name(encoding) != "UTF-8":
        return _read_as(path, name, encoding, request).table
    if not only_carriage_returns(start):
        return read_utf8(path, name, None if encoding is None else "UTF-8", request).table
    with TemporaryDirectory(prefix="entrena-") as folder:
        changed = Path(folder, "text")
        with changed.open("wb") as out:
            replace_carriage_returns(path, out)
        return read_utf8(changed, name, None if encoding is None else "UTF-8", request).table


def _refuse_empty(path: Path, name: str) -> None:
    check_lines(path, name)
    with path.open("rb") as file:
        if not any(line.strip() for line in file):
            raise DataError(f"{name} is empty")


def _read_as(path: Path, name: str, encoding: str, request: Request) -> TextReading:
    with TemporaryDirectory(prefix="entrena-") as folder:
        text = Path(folder, "text")
        with text.open("wb") as out:
            to_utf8(path, out, encoding, name)
        return read_utf8(text, name, encoding_name(encoding), request)


def _read_separated(path: Path, name: str, encoding: str | None, request: Request, separator: str) -> TextReading:
    """Reads a file whose first line says what stands between values."""
    if request.options.separator is None:
        request = replace(request, options=replace(request.options, separator=separator))
    with TemporaryDirectory(prefix="entrena-") as folder:
        changed = Path(folder, "text")
        with path.open("rb") as file, changed.open("wb") as out:
            file.readline()
            # A blank line in its place, so that the rows keep their numbers.
            out.write(b"\n")
            shutil.copyfileobj(file, out)
        return read_utf8(changed, name, encoding, request)


def separator_line(begin: bytes) -> str | None:
    """What stands between values, where a first line such as `sep=;` says it."""
    said = _SEPARATOR_LINE.match(begin[:16])
    mark = None if said is None else said[1].decode("latin-1")
    return mark if mark is not None and is_separator(mark) else None


def read_utf8(path: Path, name: str, encoding: str | None, request: Request) -> TextReading:
    """Reads a file in an encoding that keeps ASCII.

    Args:
        path: The file.
        name: What messages call it.
        encoding: What messages call its encoding; None: it is UTF-8 unless its bytes say otherwise.
        request: What the user said of it.

    Raises:
        DataError: The file is damaged, or no table.
    """
    with path.open("rb") as file:
        said = separator_line(file.read(16))
    if said is not None:
        return _read_separated(path, name, encoding, request, said)
    check_size(path.stat().st_size, most_bytes(), name, "holds")
    check_lines(path, name)
    layout = find_layout(path, name, encoding or "UTF-8", request)
    dialect, whole = layout.dialect, layout.whole
    # What the survey finds seldom changes anything, so both go through the file at the same time.
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(survey, path, name, dialect.separator, dialect.quote, look_for_zeros=bool(whole))
        frame, layout = parse(layout)
        found = looking.result()
    actual = encoding_by_survey(found)
    if actual is None or (actual != "utf-8" and encoding is not None):
        refuse_broken(path, name)
    elif actual != "utf-8":
        return _read_as(path, name, actual, request)
    zeros = [number for number in whole if found.zeros_anywhere or number in found.zero_columns]
    if zeros and frame is not None:
        frame, layout = parse(layout.with_texts(zeros))
    if frame is None:
        _refuse(layout)
    return _table(frame, layout, request)


def _refuse(layout: Layout) -> NoReturn:
    refuse_malformed(layout.path, layout.name, layout.dialect)
    raise DataError(f"{layout.name} cannot be read as text: its quotes do not match")


def _table(frame: pl.DataFrame, layout: Layout, request: Request) -> TextReading:
    """The frame's columns, each released when it is done."""
    import polars as pl

    dialect = layout.dialect
    first_row = layout.header_row + 1
    frame, blank = check_rows(frame, layout.path, layout.name, dialect, layout.header_row, has_marks=bool(layout.marks))
    if not frame.height:
        # A quote that opens in the header may hold all there is.
        refuse_malformed(layout.path, layout.name, dialect)
    place = place_without(layout.name, first_row, blank)
    repeated = repeated_header(frame)
    if repeated is not None:
        place.refuse(f"{place.row(repeated)} repeats the header: delete it")
    empty = empty_columns(frame, layout)
    frame = frame.drop(empty)
    names = tuple(frame.columns)

    def make(series: pl.Series) -> Column | Texts:
        name = series.name
        if series.dtype != pl.String:
            return polars_column(series, name)
        if request.may_be_class(name):
            return encode_target(series, name, dialect, request.known_classes(name))
        return encode(series, name, dialect)

    # Each series leaves the list when a thread is free for it, and its memory is free when its column is made.
    waiting = frame.get_columns()[::-1]
    del frame
    with ThreadPoolExecutor(N_THREADS) as pool:
        made = list(pool.map(lambda _: make(waiting.pop()), names))
    meanings = Meanings(marks=dict.fromkeys(mark.strip() for mark in layout.marks if mark.strip()))
    for column in made:
        if isinstance(column, Column):
            meanings.columns[column.name] = column
        else:
            meanings.add(column, dialect, as_text=column.name in request.text_columns)
    table = meanings.table(names, place, dialect)
    said = (table.said, words_for_empty(len(empty)), words_for_blank(blank))
    found = _found(layout, request.options, meanings.date_order)
    return TextReading(replace(table, said="; ".join(filter(None, said)), found=found), layout, meanings)


def empty_columns(frame: pl.DataFrame, layout: Layout) -> list[str]:
    """The columns that have no name; they must hold nothing."""
    import polars as pl

    empty = [name for name in frame.columns if is_nameless(name)]
    for name in empty:
        values = frame[name].cast(pl.String).str.strip_chars().replace("", None).drop_nulls()
        if len(values):
            refuse_nameless(layout.name, frame.columns.index(name) + 1, values.head(3).to_list())
    return empty


def _found(layout: Layout, options: ReadOptions, date_order: str | None) -> ReadOptions:
    """How the numbers and dates of a file were written, as far as it shows."""
    import polars as pl

    dialect = layout.dialect
    shows_decimal = dialect.shows_decimal or pl.Float64() in layout.types
    thousands = dialect.thousands or (None if options.thousands is None else "")
    return ReadOptions(decimal=dialect.decimal if shows_decimal else None, thousands=thousands, date_order=date_order)
