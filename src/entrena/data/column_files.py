"""Files that hold columns with their types: Parquet, and Arrow's, which are also called Feather."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from entrena.data.dialect import Request
from entrena.data.frames import first_line, polars_table, without_marks
from entrena.data.limits import VALUE_BYTES, check_columns, check_size, most_bytes
from entrena.data.table import Table
from entrena.data.values import Place
from entrena.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# The description of a batch takes some bytes for each of its columns.
MOST_DESCRIPTION_BYTES = 2**26

_RECORD_BATCH = 3


def read_parquet(path: Path, name: str, request: Request) -> Table:
    """A Parquet file as a table.

    Args:
        path: The file.
        name: What messages call it.
        request: Of its options the marks for missing values count, and the order of dates where texts have to be dates.

    Raises:
        DataError: The file is damaged, or would not fit the memory.
    """
    import polars as pl

    def read() -> pl.DataFrame:
        lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        _check_shape(lazy, name)
        return pl.read_parquet(path, glob=False, hive_partitioning=False)

    return _table(_guarded(read, name, "Parquet"), name, request)


def read_arrow(path: Path, name: str, request: Request) -> Table:
    """An Arrow file or stream as a table; arguments as in `read_parquet`.

    Raises:
        DataError: The file is damaged, or would not fit the memory.
    """
    import polars as pl

    def read() -> pl.DataFrame:
        # Files that are open, for in their names Polars takes * and [ for patterns.
        with path.open("rb", buffering=0) as file:
            is_stream = file.read(6) != b"ARROW1"
            file.seek(0)
            if is_stream:
                check_size(_values_of_stream(file) * VALUE_BYTES, most_bytes(), name)
                file.seek(0)
                return pl.read_ipc_stream(file)
            _check_shape(pl.scan_ipc(file), name)
            file.seek(0)
            return pl.read_ipc(file)

    return _table(_guarded(read, name, "Arrow"), name, request)


def _table(frame: pl.DataFrame, name: str, request: Request) -> Table:
    order = request.options.date_order or request.usual_order
    frame = without_marks(frame, request.options.missing or ())
    return polars_table(frame, Place(name, has_types=True), request.text_columns, order)


def _check_shape(lazy: pl.LazyFrame, name: str) -> None:
    """Checks what the file says of its size, before any value is read."""
    import polars as pl

    schema = lazy.collect_schema()
    check_columns(len(schema), name)
    n_rows = lazy.select(pl.len()).collect().item()
    # A text takes at least the 16 bytes that say where it is.
    width = sum(2 if dtype == pl.String else 1 for dtype in schema.dtypes())
    check_size(n_rows * width * VALUE_BYTES, most_bytes(), name)


def _values_of_stream(file: IO[bytes]) -> int:
    """How many values the batches of an Arrow stream say that they have, rows × columns, before any is unpacked.

    A message is four bytes of ones, the length of its description, the description, and its body; the description is
    a FlatBuffer: Arrow's columnar format, "Encapsulated message format", and its Message.fbs.
    """
    total = 0
    while (head := file.read(8)) and head[:4] == b"\xff\xff\xff\xff":
        n_bytes = int.from_bytes(head[4:], "little")
        if not 0 < n_bytes < MOST_DESCRIPTION_BYTES:
            break
        message = _FlatBuffer(file.read(n_bytes))
        root = message.number(0, 4)
        if message.field(root, 1, 1) == _RECORD_BATCH:
            batch = message.target(root, 2)
            total += message.field(batch, 0, 8) * message.number(message.target(batch, 1), 4)
        file.seek(message.field(root, 3, 8), 1)
    return total


class _FlatBuffer:
    """The fields of a FlatBuffer; one that is damaged holds zeros."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def number(self, at: int, n_bytes: int) -> int:
        """The whole number at a place."""
        return int.from_bytes(self._content[at : at + n_bytes], "little")

    def field(self, table: int, number: int, n_bytes: int) -> int:
        """A field of a table as a whole number, 0 where the table lacks it."""
        at = self._place(table, number)
        return self.number(at, n_bytes) if at else 0

    def target(self, table: int, number: int) -> int:
        """The place that a field of a table points to."""
        at = self._place(table, number)
        return at + self.number(at, 4) if at else len(self._content)

    def _place(self, table: int, number: int) -> int:
        # The names of the fields stand before or behind their table.
        names = table - int.from_bytes(self._content[table : table + 4], "little", signed=True)
        offset = self.number(names + 4 + 2 * number, 2) if 4 + 2 * number < self.number(names, 2) else 0
        return table + offset if offset else 0


def _guarded(read: Callable[[], pl.DataFrame], name: str, kind: str) -> pl.DataFrame:
    import polars as pl

    try:
        return read()
    # Polars panics on some damaged files, and its PanicException is no Exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} is a damaged {kind} file ({first_line(error)})") from None
