"""JSON lines: an object on each line, its keys the columns."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from entrena.data.dialect import Dialect, Request
from entrena.data.frames import check_names, first_line, polars_column, without_marks
from entrena.data.limits import DEEPEST_NESTING, MOST_COLUMNS, VALUE_BYTES, check_size, most_bytes
from entrena.data.survey import check_lines, pieces, survey
from entrena.data.table import Table, texts_of
from entrena.data.texts import Meanings, encode
from entrena.data.values import Place
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:')


def read_json_lines(path: Path, name: str, request: Request) -> tuple[Table, Meanings]:
    """A file of JSON lines as a table; a key that a line lacks is a missing value there.

    Args:
        path: The file, in UTF-8.
        name: What messages call it.
        request: Of its options the marks for missing values and the order of dates count.

    Returns:
        The table, and what its columns turned out to be.

    Raises:
        DataError: The file is empty, damaged, too deep or too wide.
    """
    import polars as pl

    check_lines(path, name)
    if survey(path, name, ",", None, look_for_zeros=False).n_broken:
        raise DataError(f"{name}: JSON lines must be UTF-8")
    n_lines = _check_shape(path, name)
    if not n_lines:
        raise DataError(f"{name} is empty")
    try:
        with path.open("rb") as file:
            frame = pl.read_ndjson(file, infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        refuse_line(path, name)
        raise DataError(f"{name} cannot be read as JSON lines ({first_line(error)})") from None
    if frame.height != n_lines:
        refuse_line(path, name)
    return _table(frame, Place(name, has_types=True), request)


def _check_shape(path: Path, name: str) -> int:
    """The number of lines, once none is too deep and all keys together are not too many."""
    most = most_bytes()
    n_lines = 0
    keys: set[bytes] = set()
    for piece in pieces(path):
        if piece.count(b"{") + piece.count(b"[") > DEEPEST_NESTING:
            check_depth(piece, n_lines, name)
        keys.update(_KEY.findall(piece))
        n_lines += sum(1 for line in piece.split(b"\n") if line.strip())
        if len(keys) > MOST_COLUMNS:
            raise DataError(f"{name} has more than {MOST_COLUMNS:,} keys; at most so many columns can be read")
        check_size(n_lines * len(keys) * VALUE_BYTES, most, name)
    return n_lines


def check_depth(piece: bytes, n_before: int, name: str) -> None:
    """Raises a DataError for a line that is nested too deep; `n_before` lines stand before the piece."""
    for number, line in enumerate(piece.split(b"\n"), start=n_before + 1):
        if line.count(b"{") + line.count(b"[") <= DEEPEST_NESTING:
            continue
        depth = deepest = 0
        for byte in re.findall(rb"[\[\]{}]", _STRING.sub(b"", line)):
            depth += 1 if byte in b"[{" else -1
            deepest = max(deepest, depth)
        if deepest > DEEPEST_NESTING:
            raise DataError(f"{name}: line {number:,} is nested more than {DEEPEST_NESTING} levels deep")


def refuse_line(path: Path, name: str, n_before: int = 0) -> None:
    """Raises a DataError that names the first line that is no object; `n_before` lines stand before the file."""
    import json

    number = n_before

    def refuse(constant: str) -> NoReturn:
        raise DataError(f"{name}: line {number:,} holds {constant}, which JSON does not have; write null")

    with path.open("rb") as file:
        for number, line in enumerate(file, start=n_before + 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line, parse_constant=refuse)
            except DataError:
                raise
            except ValueError as error:
                raise DataError(f"{name}: line {number:,} is no JSON ({first_line(error)})") from None
            except RecursionError:
                raise DataError(f"{name}: line {number:,} is nested too deep") from None
            if not isinstance(value, dict):
                raise DataError(
                    f"{name}: line {number:,} holds no object; JSON lines have one on each line, "
                    'such as {"rooms": 3, "price": 2.5}'
                )


def dialect_of(request: Request) -> Dialect:
    """How JSON lines are written, as far as it is not the same in all."""
    options = request.options
    return Dialect(marks=options.missing or (), date_order=options.date_order, usual_order=request.usual_order)


def _table(frame: pl.DataFrame, place: Place, request: Request) -> tuple[Table, Meanings]:
    """The frame's columns; texts that are all dates become dates, for JSON has none."""
    import polars as pl

    check_names(frame.columns, place.source)
    frame = without_marks(frame, request.options.missing or ())
    dialect = dialect_of(request)
    meanings = Meanings()
    for name in frame.columns:
        series, as_text = frame[name], name in request.text_columns
        if series.dtype == pl.String:
            meanings.add(encode(series, name, dialect), dialect, as_text=as_text, only_dates=True)
        else:
            column = polars_column(series, name)
            meanings.columns[name] = texts_of(column) if as_text else column
    return replace(meanings.table(frame.columns, place, dialect), found=meanings.found()), meanings
