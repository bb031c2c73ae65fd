"""Text files: rows of separated values as a table, at the speed of Polars' own reader.

A sample shows the layout. Then Polars reads the file once, while a survey of its bytes finds what Polars does not say.
Only columns of texts are looked at again.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from entrena.data.dialect import ReadOptions, encoding_name
from entrena.data.encodings import (
    encoding_by_survey,
    encoding_of,
    only_carriage_returns,
    refuse_broken,
    replace_carriage_returns,
    to_utf8,
)
from entrena.data.frames import polars_column
from entrena.data.limits import check_size, most_bytes
from entrena.data.rows import check_rows, refuse_malformed
from entrena.data.survey import check_lines, survey
from entrena.data.table import Column, Table
from entrena.data.text_layout import Layout, find_layout
from entrena.data.text_parser import parse
from entrena.data.texts import Meanings, Texts, encode
from entrena.data.values import Place
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl

START_BYTES = 4096

# Columns are made side by side; each takes as much memory again while it is.
N_THREADS = 4


def read_text(path: Path, name: str, options: ReadOptions, text_columns: Collection[str] = ()) -> Table:
    """A text file as a table.

    Args:
        path: The file.
        name: What messages call it.
        options: What the user said of it.
        text_columns: Columns that stay texts as they are written.

    Raises:
        DataError: The file is empty, damaged, or no table.
    """
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    if not start.strip():
        _refuse_empty(path, name)
    encoding = options.encoding or encoding_of(start)
    if encoding is not None and encoding_name(encoding) != "UTF-8":
        return _read_as(path, name, encoding, options, text_columns)
    if not only_carriage_returns(start):
        return _read_utf8(path, name, options, None if encoding is None else "UTF-8", text_columns)
    with TemporaryDirectory(prefix="entrena-") as folder:
        changed = Path(folder, "text")
        with changed.open("wb") as out:
            replace_carriage_returns(path, out)
        return _read_utf8(changed, name, options, None if encoding is None else "UTF-8", text_columns)


def _refuse_empty(path: Path, name: str) -> None:
    check_lines(path, name)
    with path.open("rb") as file:
        if not any(line.strip() for line in file):
            raise DataError(f"{name} is empty")


def _read_as(path: Path, name: str, encoding: str, options: ReadOptions, text_columns: Collection[str]) -> Table:
    with TemporaryDirectory(prefix="entrena-") as folder:
        text = Path(folder, "text")
        with text.open("wb") as out:
            to_utf8(path, out, encoding, name)
        return _read_utf8(text, name, options, encoding_name(encoding), text_columns)


def _read_utf8(
    path: Path, name: str, options: ReadOptions, encoding: str | None, text_columns: Collection[str]
) -> Table:
    """Reads a file in an encoding that keeps ASCII; None: it is UTF-8 unless its bytes say otherwise."""
    check_size(path.stat().st_size, most_bytes(), name, "holds")
    check_lines(path, name)
    layout = find_layout(path, name, encoding or "UTF-8", options, text_columns)
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
        return _read_as(path, name, actual, options, text_columns)
    zeros = [number for number in whole if found.zeros_anywhere or number in found.zero_columns]
    if zeros and frame is not None:
        frame, layout = parse(layout.with_texts(zeros))
    if frame is None:
        _refuse(layout)
    return _table(check_rows(frame, path, name, layout.dialect), layout, text_columns)


def _refuse(layout: Layout) -> NoReturn:
    refuse_malformed(layout.path, layout.name, layout.dialect)
    raise DataError(f"{layout.name} cannot be read as text: its quotes do not match")


def _table(frame: pl.DataFrame, layout: Layout, text_columns: Collection[str]) -> Table:
    """The frame's columns, each released when it is done."""
    import polars as pl

    def make(series: pl.Series) -> Column | Texts:
        if series.dtype == pl.String:
            return encode(series, series.name, layout.dialect)
        return polars_column(series, series.name)

    # Each series leaves the list when a thread is free for it, and its memory is free when its column is made.
    waiting = frame.get_columns()[::-1]
    frame.clear()
    with ThreadPoolExecutor(N_THREADS) as pool:
        made = list(pool.map(lambda _: make(waiting.pop()), layout.names))
    meanings = Meanings(marks=dict.fromkeys(mark.strip() for mark in layout.marks if mark.strip()))
    for column in made:
        if isinstance(column, Column):
            meanings.columns[column.name] = column
        else:
            meanings.add(column, layout.dialect, as_text=column.name in text_columns)
    place = Place(layout.name, first_row=layout.header_row + 1)
    return meanings.table(layout.names, place, layout.dialect)
