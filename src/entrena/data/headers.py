"""Headers: the names of a text file's columns, and what stands where they should be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from entrena.data.dialect import Dialect
from entrena.data.frames import check_names
from entrena.data.limits import check_columns
from entrena.data.sample import fields_of
from entrena.errors import DataError, shortened

if TYPE_CHECKING:
    import polars as pl

# A title and the lines below it take no more.
_LAST_HEADER_ROW = 30
BEGIN_ROWS = 200
_BEGIN_BYTES = 2**18


def nameless(number: int) -> str:
    """What stands for the name of a column that has none: no file can hold it.

    Args:
        number: The column's, from 1.
    """
    return f"\0{number}"


def is_nameless(name: str) -> bool:
    """Whether a column's name is such a substitute."""
    return name.startswith("\0")


def column_names(
    header: Sequence[str], fields: Sequence[Sequence[str]], path: Path, name: str, dialect: Dialect
) -> tuple[str, ...]:
    """The columns' names; a column without a name and without values gets a substitute.

    Args:
        header: The fields of the header.
        fields: A sample of each column's fields, without spaces around them.
        path: The file.
        name: What messages call it.
        dialect: How it is written.

    Raises:
        DataError: The header names no columns, two alike, or not all that have values.
    """
    names = tuple(field.strip() for field in header)
    given = [text for text in names if text]
    distinct = len(set(given)) == len(given)
    if given and all(map(_is_number, given)) and not (distinct and all(text.isdecimal() for text in given)):
        listed = ", ".join(shortened(text) for text in given[:4])
        raise DataError(f"{name}: the first row holds numbers ({listed}, …); it must name the columns")
    check_columns(len(names), name)
    for number, (text, values) in enumerate(zip(names, fields, strict=True), start=1):
        if not text and (any(values) or not given):
            refuse_nameless(name, number, values, title_hint(path, dialect))
    names = tuple(text or nameless(number) for number, text in enumerate(names, start=1))
    check_names(names, name)
    return names


def refuse_nameless(name: str, number: int, values: Sequence[object], hint: str = "") -> None:
    """Raises the DataError about a column with values and no name.

    Args:
        name: What messages call the source.
        number: The column's number, from 1.
        values: Its first values.
        hint: Where the header seems to be.
    """
    message = f"{name}: column {number} has no name; name it or leave it out"
    counts = [str(value) for value in values]
    if number == 1 and counts and counts == [str(row) for row in range(len(counts))]:
        raise DataError(f"{message} (pandas writes row numbers so: to_csv(…, index=False) leaves them out)")
    raise DataError(message + hint)


def words_for_empty(n_columns: int) -> str:
    """What is said of columns without name and values; empty where there are none."""
    if not n_columns:
        return ""
    columns = "1 empty column" if n_columns == 1 else f"{n_columns:,} empty columns"
    return f"{columns} without a name left out"


def _is_number(text: str) -> bool:
    """Whether a name is a number, with any mark that stands in or between numbers."""
    return re.fullmatch(r"[+-]?[0-9.,;|]*[0-9][0-9.,;|]*([eE][+-]?[0-9]+)?", text) is not None


def title_hint(path: Path, dialect: Dialect) -> str:
    """Where the header seems to be, as the end of a message; empty where it is the first row, or not to be found."""
    with path.open("rb") as file:
        begin = file.read(_BEGIN_BYTES).decode("utf-8-sig", "replace")
    rows = islice(fields_of(begin, dialect.separator, dialect.quote), BEGIN_ROWS)
    return header_hint([[field.strip() for field in fields] for fields in rows])


def header_hint(rows: Sequence[Sequence[str]]) -> str:
    """Where the header seems to be among these rows, the first of the source before all, as the end of a message."""
    number = header_like(rows)
    if number is None:
        return ""
    return (
        ". If the first lines are a title, delete them: the header must be the first row "
        f"(row {number:,} looks like it)"
    )


def header_like(rows: Sequence[Sequence[str]]) -> int | None:
    """The number, from 1, of the row that looks like a header, where others stand before it.

    It is the first with as many values as most rows have, none of them a number where all below it are.

    >>> header_like([["Sales", ""], [], ["town", "price"], ["Bonn", "3"], ["Kiel", "4"]])
    3
    """
    sizes = [sum(bool(field) for field in fields) for fields in rows]
    usual = Counter(size for size in sizes if size > 1).most_common(1)
    if not usual:
        return None
    number = next(number for number, size in enumerate(sizes) if size >= usual[0][0])
    fields = [field for field in rows[number] if field]
    below = [row for row in rows[number + 1 :] if len(row) == len(rows[number])]
    has_numbers = any(all(_is_number(field) for field in column) for column in zip(*below, strict=True))
    is_header = len(set(fields)) == len(fields) and not any(map(_is_number, fields)) and has_numbers
    if not is_header or number > _LAST_HEADER_ROW or not any(map(len, rows[:number])):
        return None
    return number + 1


def repeated_header(frame: pl.DataFrame) -> int | None:
    """The first row, from 0, whose fields are the names of the columns."""
    import polars as pl

    # Such a row makes all columns texts.
    names = [name for name in frame.columns if not is_nameless(name)]
    if len(names) < 2 or any(frame[name].dtype != pl.String for name in names):
        return None
    rows = (frame[names[0]].str.strip_chars() == names[0]).arg_true()
    for name in names[1:]:
        if not len(rows):
            return None
        rows = rows.filter((frame[name].gather(rows).str.strip_chars() == name).fill_null(False))
    return int(rows[0]) if len(rows) else None
