"""JSON lines that arrive, in blocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from entrena.data.arrivals import Arrivals
from entrena.data.dialect import Request
from entrena.data.frames import without_marks
from entrena.data.json_lines import check_depth, dialect_of, read_json_lines, refuse_line
from entrena.data.limits import DEEPEST_NESTING
from entrena.data.row_blocks import RowBlocks, Settle, all_or_none
from entrena.data.row_cutter import Records
from entrena.data.table import Column, Kind, Table
from entrena.data.texts import Meanings
from entrena.data.values import Place
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl


class JsonRows(RowBlocks):
    """Rows of JSON lines: an object on each."""

    def __init__(self, arrivals: Arrivals, start: bytes) -> None:
        super().__init__(arrivals, start)
        self._missing: Sequence[str] = ()
        self._types: dict[str, pl.DataType] = {}
        self._meanings: Meanings

    def _first_marks(self, request: Request) -> tuple[str, str | None]:
        return "", None

    def _read(self, records: Records, request: Request) -> tuple[Table, tuple[str, str | None]]:
        with TemporaryDirectory(prefix="entrena-") as folder:
            path = Path(folder, "lines")
            path.write_bytes(records.content)
            table, self._meanings = read_json_lines(path, self.name, request)
        return table, ("", None)

    def _settle(self, table: Table, request: Request, settle: Settle) -> None:
        self.columns = settle(table, self._meanings, dialect_of(request))
        self._missing = request.options.missing or ()
        self._types = {column.name: _type_of(table.column(column.name), column.kind) for column in self.columns}

    def _place(self, records: Records) -> Place:
        return Place(self.name, records.n_before + 1, has_types=True)

    def _block(self, records: Records) -> Table:
        import polars as pl

        content = records.without_blank()
        if content.count(b"{") + content.count(b"[") > DEEPEST_NESTING:
            check_depth(records.content, records.first_line - 1, self.name)
        try:
            content.decode("utf-8")
            frame = without_marks(self._frame(content), self._missing)
        except UnicodeDecodeError:
            raise DataError(f"{self.name}: JSON lines must be UTF-8") from None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
            self._refuse(records)
        if frame.height != records.n_rows:
            self._refuse(records)
        place, gaps = self._place(records), pl.Series(values=[None] * frame.height, dtype=pl.Null)
        columns = (
            column.column(frame[column.name] if column.name in frame.columns else gaps, place)
            for column in self.columns
        )
        return Table(tuple(columns), place)

    def _frame(self, content: bytes) -> pl.DataFrame:
        """The rows with the types of the first rows where they fit, which is four times as fast as finding them."""
        import polars as pl

        if not any(column.is_open for column in self.columns):
            try:
                return pl.read_ndjson(BytesIO(content), schema=self._types)
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
                pass  # a type that does not fit raises
        frame = pl.read_ndjson(BytesIO(content), infer_schema_length=None)
        for name in self._types:
            # Whole numbers are floats from the first of these on; other types that do not fit are odd.
            if frame.schema.get(name) == pl.Float64() and self._types[name] == pl.Int64():
                self._types[name] = pl.Float64()
        return frame

    def _refuse(self, records: Records) -> NoReturn:
        with TemporaryDirectory(prefix="entrena-") as folder:
            path = Path(folder, "lines")
            path.write_bytes(records.content)
            refuse_line(path, self.name, records.first_line - 1)
        if records.n_rows > 1:
            # Each is one for itself; the first that holds something else than its column says so.
            for row in range(records.n_rows):
                self.table(records.part(row, row + 1), 1)
        # Each can be read, and all together cannot. The stream asks for fewer rows until the last one is the culprit.
        last = records.first_line + records.content.rstrip(b"\n").count(b"\n")
        raise DataError(
            f"{self.name}: line {last:,} holds a value of another kind than the lines before it, as true among "
            "numbers: write a column's values the same way in all lines"
        )

    def _few(self, records: Records) -> Table | None:
        try:
            rows = [json.loads(line, parse_constant=_no_constant) for line in records.without_blank().splitlines()]
        except (ValueError, RecursionError):
            return None
        if not all(type(row) is dict for row in rows):
            return None
        columns = (column.of_values([row.get(column.name) for row in rows]) for column in self.columns)
        return all_or_none(columns, self._place(records))


def _type_of(column: Column, kind: Kind) -> pl.DataType:
    """Polars' type for a column's values, as the first rows show it."""
    import polars as pl

    if kind == "number":
        return pl.Int64() if column.values.dtype.kind == "i" else pl.Float64()
    return pl.Boolean() if kind == "boolean" else pl.String()


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(constant)
