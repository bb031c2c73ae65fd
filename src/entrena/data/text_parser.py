"""Reading a text file's rows through Polars, each column with a type that all of its values have."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from entrena.data.text_layout import MOST_MARKS_FOR_POLARS, Layout

if TYPE_CHECKING:
    import polars as pl

# After so many columns that turned out to be something else, all are read as texts.
MOST_SURPRISES = 6

_DOES_NOT_FIT = re.compile(r"could not parse `(.*)` as dtype `\w+` at column .*\(column number ([0-9]+)\)", re.DOTALL)


def parse(layout: Layout, rows: bytes | None = None) -> tuple[pl.DataFrame | None, Layout]:
    """The frame of a file, and the layout as it proved to be.

    A value that does not fit the sample is a mark of a missing value, or a float among whole numbers; for anything
    else, its column is read as text.

    Args:
        layout: The file's.
        rows: Further rows of the same layout, which are read in place of the file's.

    Returns:
        The frame, None where the rows are malformed; and the layout.
    """
    import polars as pl

    n_surprises = 0
    while True:
        try:
            return (_parse(layout) if rows is None else _parse_rows(layout, rows)), layout
        except pl.exceptions.ComputeError as error:
            n_surprises += 1
            misfit = _DOES_NOT_FIT.search(str(error))
            number = int(misfit[2]) - 1 if misfit else -1
            if misfit and 0 <= number < len(layout.names) and layout.types[number] != pl.String:
                layout = _surprised(layout, number, misfit[1], n_surprises)
            elif rows is None and layout.dialect.quote == '"' and _has_no_quoted_field(layout):
                layout = replace(layout, dialect=replace(layout.dialect, quote=None))
            else:
                return None, layout
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None, layout


def _parse(layout: Layout) -> pl.DataFrame:
    import polars as pl

    with ExitStack() as stack:
        # A name with * or [ would be taken for a pattern; a file that is open has none.
        is_plain = not set("*?[]") & set(str(layout.path))
        frame = pl.read_csv(
            layout.path if is_plain else stack.enter_context(layout.path.open("rb")),
            quote_char=layout.dialect.quote,
            null_values=list(layout.marks) or None,
            schema_overrides=list(layout.types),
            infer_schema_length=0,
            **layout.dialect.marks_for_polars(),
        )
    if frame.width != len(layout.names):
        raise pl.exceptions.SchemaError(f"{frame.width} columns")
    # Polars renames what is not distinct before spaces are gone.
    frame.columns = list(layout.names)
    return frame


def _parse_rows(layout: Layout, rows: bytes) -> pl.DataFrame:
    import polars as pl

    frame = pl.read_csv(
        rows,
        has_header=False,
        quote_char=layout.dialect.quote,
        null_values=list(layout.marks) or None,
        schema={str(number): dtype for number, dtype in enumerate(layout.types)},
        **layout.dialect.marks_for_polars(),
    )
    frame.columns = list(layout.names)
    return frame


def _surprised(layout: Layout, number: int, field: str, n_surprises: int) -> Layout:
    """The layout after a field that does not fit its column."""
    import polars as pl

    if n_surprises > MOST_SURPRISES:
        return layout.with_texts(range(len(layout.names)))
    text = field.strip().strip('"')
    has_room = not layout.keeps_marks and len(layout.marks) < MOST_MARKS_FOR_POLARS
    if layout.dialect.is_missing(text) and field not in layout.marks and has_room:
        return replace(layout, marks=(*layout.marks, field))
    decimal = re.escape(layout.dialect.decimal)
    is_float = re.fullmatch(rf"[+-]?([0-9]+({decimal}[0-9]*)?|{decimal}[0-9]+)([eE][+-]?[0-9]+)?", field)
    if is_float and layout.types[number] == pl.Int64:
        types = [*layout.types]
        types[number] = pl.Float64()
        return replace(layout, types=tuple(types))
    return layout.with_texts([number])


def _has_no_quoted_field(layout: Layout) -> bool:
    """Whether no field of the file's beginning starts with a quote: then quotes are plain text."""
    with layout.path.open("rb") as file:
        begin = file.read(2**18)
    mark = re.escape(layout.dialect.separator.encode())
    return re.search(rb"(?m)(?:^|" + mark + rb') ?"', begin) is None
