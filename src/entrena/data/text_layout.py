"""The layout of a text file: its names, its dialect and the types of its columns, as a sample shows them."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from entrena.data.dialect import Dialect, Request
from entrena.data.headers import column_names
from entrena.data.number_marks import find_number_marks
from entrena.data.rows import refuse_malformed
from entrena.data.sample import Sample, fields_of, find_quote, find_separator, read_sample
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# Polars compares every field with every mark.
MOST_MARKS_FOR_POLARS = 6

LONGEST_MARK = 40


@dataclass(frozen=True)
class Layout:
    """What is known of a text file before it is read.

    Attributes:
        path: The file, in UTF-8.
        name: What messages call it.
        dialect: How it is written.
        header_row: The number of the row with the names, as the user counts: blank lines before it count as well.
        names: The columns' names; `nameless(number)` for one that has none.
        marks: The fields that stand for missing values, as they are written.
        types: The columns' types: Int64, Float64, Boolean or String.
        whole: The numbers of the columns that seem to hold whole numbers.
        keeps_marks: Whether marks are read as they are written, because a target may have them as classes.
    """

    path: Path
    name: str
    dialect: Dialect
    header_row: int
    names: tuple[str, ...]
    marks: tuple[str, ...]
    types: tuple[pl.DataType, ...] = ()
    whole: tuple[int, ...] = ()
    keeps_marks: bool = False

    def with_texts(self, numbers: Collection[int]) -> Layout:
        """The same with texts in these columns."""
        import polars as pl

        types = (pl.String() if number in numbers else dtype for number, dtype in enumerate(self.types))
        return replace(self, types=tuple(types))


def find_layout(path: Path, name: str, encoding: str, request: Request) -> Layout:
    """The layout of a file.

    Args:
        path: The file, in UTF-8 or another encoding that keeps ASCII.
        name: What messages call it.
        encoding: What messages call its encoding.
        request: What the user said of it.

    Raises:
        DataError: There are no rows, or the first names no columns.
    """
    sample = read_sample(path)
    quote = find_quote(sample)
    options = request.options
    separator = options.separator_mark or find_separator(sample, quote)
    dialect = Dialect(
        separator,
        quote,
        encoding=encoding,
        marks=options.missing,
        date_order=options.date_order,
        usual_order=request.usual_order,
    )
    rows = list(sample.rows(separator, quote))
    if sample.is_all and not sample.begin.strip():
        raise DataError(f"{name} is empty")
    if not rows:
        # A quote that is never closed, or a name longer than any.
        refuse_malformed(path, name, dialect)
        raise DataError(f"{name} cannot be read as text: its first row does not end")
    fields = [[row[j].strip() for row in rows[1:] if j < len(row)] for j in range(len(rows[0]))]
    names = column_names(rows[0], fields, path, name, dialect)
    marks = find_number_marks(fields, separator, request)
    dialect = replace(
        dialect, decimal=marks.decimal, thousands=marks.thousands, doubts=marks.doubts, shows_decimal=marks.is_seen
    )
    layout = Layout(path, name, dialect, _header_row(sample, dialect), names, _marks(rows[1:], dialect))
    layout = _with_types(layout, rows[1:], request.text_columns)
    if _has_marks_as_classes(layout, fields, request):
        layout = _with_types(replace(layout, marks=(), keeps_marks=True), rows[1:], request.text_columns)
    return layout


def _has_marks_as_classes(layout: Layout, fields: list[list[str]], request: Request) -> bool:
    """Whether a target's texts hold marks that may be classes: then Polars must not take these for missing values."""
    import polars as pl

    for number, name in enumerate(layout.names):
        if not request.may_be_class(name) or layout.types[number] != pl.String():
            continue
        marks = {field for field in fields[number] if field and layout.dialect.is_missing(field)}
        known = request.known_classes(name)
        if marks if known is None else marks & set(known):
            return True
    return False


def _header_row(sample: Sample, dialect: Dialect) -> int:
    rows = fields_of(sample.begin, dialect.separator, dialect.quote)
    return next(number for number, fields in enumerate(rows, start=1) if fields)


def _marks(rows: list[list[str]], dialect: Dialect) -> tuple[str, ...]:
    """The marks that Polars takes for missing values while it reads; others are found in columns of texts."""
    distinct = {field for row in rows for field in row if 0 < len(field) < LONGEST_MARK}
    marks = {field for field in distinct if dialect.is_missing(field.strip())}
    return tuple(sorted({*marks, *(dialect.marks or ())} - {""})[:MOST_MARKS_FOR_POLARS])


def _with_types(layout: Layout, rows: list[list[str]], text_columns: Collection[str]) -> Layout:
    """The layout with the types that Polars finds in the sample's rows."""
    import polars as pl

    width, dialect = len(layout.names), layout.dialect
    text = io.StringIO()
    writer = csv.writer(text, delimiter=dialect.separator, quotechar=dialect.quote or '"', lineterminator="\n")
    writer.writerow([f"c{number}" for number in range(width)])
    # An empty field alone in its row would be a blank line.
    writer.writerows(row for row in rows if len(row) == width and (width > 1 or row[0]))
    sample = text.getvalue().encode("utf-8", "replace")
    quote, marks = dialect.quote or '"', list(layout.marks) or None
    found = dialect.marks_for_polars()
    try:
        frame = pl.read_csv(sample, quote_char=quote, null_values=marks, infer_schema_length=None, **found)
    except pl.exceptions.ComputeError:
        # Some versions take a whole number of more than 64 bits for one of 64: then all columns are looked at as texts.
        frame = pl.read_csv(sample, quote_char=quote, null_values=marks, infer_schema_length=0, **found)
    types: list[pl.DataType] = []
    for name, dtype in zip(layout.names, frame.dtypes, strict=True):
        # Whole numbers of more than 64 bits are floats.
        known = pl.Float64() if dtype == pl.Int128 else dtype
        is_known = known in (pl.Int64, pl.Float64, pl.Boolean) and name not in text_columns
        # Polars knows no decimal comma between commas: it would take 1.500 for a number with a decimal point.
        is_known &= not (known == pl.Float64 and dialect.decimal == "," == dialect.separator)
        types.append(known if is_known else pl.String())
    whole = (number for number, dtype in enumerate(frame.dtypes) if dtype in (pl.Int64, pl.Int128))
    return replace(layout, types=tuple(types), whole=tuple(number for number in whole if types[number] != pl.String))
