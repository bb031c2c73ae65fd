"""The history of a run: one JSON object per line while it trains, and one Parquet file at the end.

A line counts once its newline is there, so a reader that follows the file, and one that reads what a kill left, never
sees half a record. A number that is not finite is null, in both files: JSON has no word for it.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

from entrena.errors import RunError
from entrena.storage.atomic import BINARY, FILE_MODE, system_reason, write_all, write_bytes, writing_to
from entrena.storage.json_text import to_json, without_non_finite

FLUSH_SECONDS = 0.2
"""Lines are handed to the operating system at most this often while training."""


class HistoryWriter:
    """Appends records to `history.jsonl`.

    Lines wait in memory up to `FLUSH_SECONDS`. Call `flush(durable=True)` before a checkpoint that counts them, so that
    a resumed run finds them. Where a write fails the records are kept for the next try.

    Args:
        path: The file; made where it does not exist, continued where it does.
        clock: Seconds from any start; replaced in tests.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = Path(path)
        self._clock = clock
        self._waiting: list[str] = []
        self._flushed_at = clock()
        with writing_to(self.path):
            self._descriptor: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT | BINARY, FILE_MODE)
            self._size = _size_of_whole_lines(self.path)
            self._cut()

    def append(self, record: Mapping[str, object]) -> None:
        """Adds one record.

        Raises:
            StorageError: The lines so far could not be written; they are kept and tried again.
        """
        self._waiting.append(to_json(record) + "\n")
        if self._clock() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self, *, durable: bool = False) -> None:
        """Hands the waiting lines to the operating system, and with `durable` on to the disk.

        Raises:
            StorageError: They could not be written; they are kept and tried again.
        """
        data = "".join(self._waiting).encode("ascii")
        with writing_to(self.path):
            descriptor = self._open_descriptor()
            self._cut()  # A flush that failed may have left half a line, which readers leave out until now.
            write_all(descriptor, data)
            self._size += len(data)
            self._waiting.clear()
            self._flushed_at = self._clock()
            if durable:
                os.fsync(descriptor)

    def truncate_to(self, n_lines: int) -> None:
        """Keeps the first `n_lines` records and drops the others: those after the checkpoint from which a run resumes.

        Raises:
            RunError: The file holds fewer.
        """
        self.flush()
        with writing_to(self.path):
            lines = self.path.read_bytes()[: self._size].splitlines(keepends=True)
            if len(lines) < n_lines:
                raise RunError(
                    f"{self.path} is damaged: it holds {len(lines)} records, "
                    f"and the checkpoint was made after {n_lines}"
                )
            self._size = sum(map(len, lines[:n_lines]))
            self._cut()

    def close(self) -> None:
        """Writes what is waiting, forces it to the disk and closes the file."""
        if self._descriptor is None:
            return
        try:
            self.flush(durable=True)
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> HistoryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError(f"the history {self.path} is closed")
        return self._descriptor

    def _cut(self) -> None:
        """Makes the file end after the last whole line; works on a full disk too."""
        descriptor = self._open_descriptor()
        os.ftruncate(descriptor, self._size)
        os.lseek(descriptor, self._size, os.SEEK_SET)


def read_history(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The records of a `history.jsonl`, also of a run that is training or was killed.

    A last line without its newline is left out; a file that does not exist holds no records.

    Raises:
        RunError: The file cannot be read, or a line in it is damaged.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{os.fspath(path)} cannot be read: {system_reason(error)}") from error
    return [_record(path, number, line) for number, line in enumerate(data.split(b"\n")[:-1], start=1)]


def read_last_records(path: str | os.PathLike[str], n: int) -> list[dict[str, Any]]:
    """The last `n` records of a `history.jsonl` of any length, as `read_history` gives them.

    Raises:
        RunError: The file cannot be read, or one of these lines is damaged.
    """
    last: deque[tuple[int, bytes]] = deque(maxlen=n)
    try:
        with open(path, "rb") as file:
            last.extend((number, line) for number, line in enumerate(file, start=1) if line.endswith(b"\n"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{os.fspath(path)} cannot be read: {system_reason(error)}") from error
    return [_record(path, number, line) for number, line in last]


def write_history_parquet(path: str | os.PathLike[str], records: Iterable[Mapping[str, object]]) -> None:
    """Writes the history as one Parquet table, a row for each record; a key that a record lacks is null.

    Raises:
        StorageError: It could not be written.
    """
    import polars

    table = polars.DataFrame([without_non_finite(record) for record in records], infer_schema_length=None, strict=False)
    # A column of nothing but nulls would have a type of its own, which few readers know.
    table = table.with_columns(polars.selectors.by_dtype(polars.Null).cast(polars.Float64))
    buffer = BytesIO()
    table.write_parquet(buffer)
    write_bytes(path, buffer.getbuffer())


def _record(path: str | os.PathLike[str], number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise RunError(f"{os.fspath(path)} is damaged: line {number} is not a JSON object")
    return record


def _size_of_whole_lines(path: Path) -> int:
    """Bytes up to and with the last newline."""
    return path.read_bytes().rfind(b"\n") + 1
