"""Rows of separated values that arrive, in blocks."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from entrena.data.arrivals import Arrivals
from entrena.data.dialect import Request, encoding_name
from entrena.data.headers import is_nameless, repeated_header
from entrena.data.row_blocks import RowBlocks, Settle, all_or_none
from entrena.data.row_cutter import Records
from entrena.data.rows import Before, place_without, refuse_malformed
from entrena.data.sample import BEGIN_BYTES, Sample, find_quote, find_separator, reader_of
from entrena.data.survey import count_separators_in
from entrena.data.table import Table
from entrena.data.text_files import TextReading, empty_columns, read_utf8, separator_line
from entrena.data.text_layout import Layout
from entrena.data.text_parser import parse
from entrena.data.values import Place
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# What Python and Polars may see in different ways.
_UNUSUAL = re.compile(rb"[\0\x1c-\x1f]|\r(?!\n)")

# Found from bytes that are no UTF-8, by the names that messages call them.
_FOUND_ENCODINGS = ("Latin-1", "CP1252")


class TextRows(RowBlocks):
    """Rows of separated values below a header."""

    n_header_rows = 1

    def __init__(self, arrivals: Arrivals, start: bytes) -> None:
        self._said_separator = separator_line(start)
        if self._said_separator is not None:
            # A blank line in its place, so that the rows keep their numbers.
            start = start[start.index(b"\n") :]
        super().__init__(arrivals, start)
        self._header = b""
        self._codec = "utf-8"
        self._layout: Layout
        self._reading: TextReading

    def _with_separator(self, request: Request) -> Request:
        if self._said_separator is None or request.options.separator is not None:
            return request
        return replace(request, options=replace(request.options, separator=self._said_separator))

    def _first_marks(self, request: Request) -> tuple[str, str | None]:
        begin = b"".join(self._held)[:BEGIN_BYTES].decode("utf-8-sig", "replace")
        sample = Sample(begin, (), is_all=True)
        quote = find_quote(sample)
        return self._with_separator(request).options.separator_mark or find_separator(sample, quote), quote

    def _read(self, records: Records, request: Request) -> tuple[Table, tuple[str, str | None]]:
        with TemporaryDirectory(prefix="entrena-") as folder:
            path = Path(folder, "text")
            path.write_bytes(records.content)
            reading = read_utf8(path, self.name, self._arrivals.encoding, self._with_separator(request))
        self._reading = reading
        dialect = reading.layout.dialect
        first = int(np.setdiff1d(np.arange(len(records.ends)), records.blank)[0])
        self._header = records.content[records.ends[first - 1] if first else 0 : records.ends[first]]
        if self._arrivals.encoding is None and dialect.encoding in _FOUND_ENCODINGS:
            self._codec = dialect.encoding
        return reading.table, (dialect.separator, dialect.quote)

    def _settle(self, table: Table, request: Request, settle: Settle) -> None:
        layout = self._reading.layout
        self.columns = settle(table, self._reading.meanings, layout.dialect)
        del self._reading
        self._layout = replace(layout, types=self._types(layout))
        if any(layout.dialect.is_missing(str(label)) for column in self.columns for label in column.known or ()):
            self._layout = replace(self._layout, marks=(), keeps_marks=True)
        self._quoted = _quoted_fields(layout.dialect.separator, layout.dialect.quote or '"')
        self._numbers = [layout.names.index(column.name) for column in self.columns]
        self._nameless = [number for number, name in enumerate(layout.names) if is_nameless(name)]
        self._named = next(number for number, name in enumerate(layout.names) if not is_nameless(name))

    def _types(self, layout: Layout) -> tuple[pl.DataType, ...]:
        """The columns' types: texts where a column is one, or is not read; numbers also where none was seen yet."""
        import polars as pl

        settled = {column.name: column for column in self.columns}
        has_plain_numbers = not layout.dialect.thousands and layout.dialect.decimal != layout.dialect.separator
        types = []
        for name, dtype in zip(layout.names, layout.types, strict=True):
            column = settled.get(name)
            is_empty = column is not None and column.kind == "number" and column.is_open and has_plain_numbers
            is_text = column is None or column.kind == "text"
            types.append(pl.Float64() if is_empty else pl.String() if is_text else dtype)
        return tuple(types)

    def _block(self, records: Records) -> Table:
        place = place_without(self.name, records.first_row, records.blank)
        frame = self._frame(records, place)
        return Table(tuple(column.column(frame[column.name], place) for column in self.columns), place)

    def _frame(self, records: Records, place: Place) -> pl.DataFrame:
        """The rows as Polars reads them, once each has as many values as the header."""
        content = self._utf8(records)
        if self._cutter.quote != self._layout.dialect.quote:
            self._layout = replace(self._layout, dialect=replace(self._layout.dialect, quote=self._cutter.quote))
        frame, layout = parse(self._layout, content)
        if frame is None or frame.height != records.n_rows:
            self._refuse(records)
        self._layout = layout
        n_separators = records.n_rows * (frame.width - 1)
        dialect = layout.dialect
        # Polars fills short rows up with missing values.
        if (
            frame.to_series(-1).null_count()
            and count_separators_in(content, dialect.separator, dialect.quote) != n_separators
        ):
            self._refuse(records)
        repeated = repeated_header(frame)
        if repeated is not None:
            place.refuse(f"{place.row(repeated)} repeats the header: delete it")
        empty_columns(frame, layout)
        return frame

    def _utf8(self, records: Records) -> bytes:
        content = records.without_blank()
        if b"\0" in content:
            line = records.first_line + records.content.count(b"\n", 0, records.content.index(b"\0"))
            raise DataError(f"{self.name} is no text: line {line:,} holds a NUL byte")
        try:
            return content if content.isascii() else content.decode(self._codec).encode()
        except UnicodeDecodeError:
            self._refuse_encoding(records)

    def _refuse_encoding(self, records: Records) -> NoReturn:
        for number, line in enumerate(records.content.split(b"\n"), start=records.first_line):
            try:
                line.decode(self._codec)
            except UnicodeDecodeError as error:
                byte, name = line[error.start], encoding_name(self._codec)
                raise DataError(
                    f"{self.name}: line {number:,} holds the byte 0x{byte:02x}, which is no {name}; say the encoding "
                    "(--encoding utf-8, --encoding latin-1, …)"
                ) from None
        raise DataError(f"{self.name} is no text in {encoding_name(self._codec)}")

    def _refuse(self, records: Records) -> NoReturn:
        """Raises the DataError about rows that do not fit the header."""
        n_lines = self._header.count(b"\n")
        before = Before(records.first_row - 2, records.first_line - 1 - n_lines)
        with TemporaryDirectory(prefix="entrena-") as folder:
            path = Path(folder, "text")
            path.write_bytes((self._header + records.content).decode(self._codec, "replace").encode())
            refuse_malformed(path, self.name, self._layout.dialect, before)
        last = records.first_row + len(records.ends) - 1
        raise DataError(
            f"{self.name} cannot be read as text: between rows {records.first_row:,} and {last:,} quotes do not match"
        )

    def _few(self, records: Records) -> Table | None:
        rows = self._fields(records.without_blank())
        if rows is None or not all(map(self._is_plain, rows)):
            return None
        columns = (
            column.of_fields([row[number] for row in rows])
            for column, number in zip(self.columns, self._numbers, strict=True)
        )
        return all_or_none(columns, place_without(self.name, records.first_row, records.blank))

    def _fields(self, content: bytes) -> list[list[str]] | None:
        """The rows' fields as Python sees them; None where Polars may see others."""
        separator, quote = self._layout.dialect.separator, self._cutter.quote
        has_quotes = quote is not None and quote.encode() in content
        if _UNUSUAL.search(content) or (has_quotes and str(quote).encode() in self._quoted.sub(b"", content)):
            return None
        try:
            text = content.decode(self._codec)
        except UnicodeDecodeError:
            return None
        if has_quotes:
            return list(reader_of(io.StringIO(text, newline=""), separator, quote))
        return [line.removesuffix("\r").split(separator) for line in text.removesuffix("\n").split("\n")]

    def _is_plain(self, row: list[str]) -> bool:
        """Whether a row has as many fields as the header, has values below names only, and does not repeat these."""
        names = self._layout.names
        is_whole = len(row) == len(names) and not any(row[number].strip() for number in self._nameless)
        return is_whole and row[self._named].strip() != names[self._named]


def _quoted_fields(separator: str, quote: str) -> re.Pattern[bytes]:
    """Fields that begin and end with a quote."""
    mark = re.escape(separator.encode())
    inner = rb"[^%b]*" % quote.encode()
    field = rb"%b%b(?:%b%b)*%b" % (quote.encode(), inner, 2 * quote.encode(), inner, quote.encode())
    return re.compile(rb"(?:(?<=%b)|(?<=\n)|\A)%b(?=%b|[\r\n]|\Z)" % (mark, field, mark))
