"""Bytes as they arrive from a file, a pipe or the standard input, in an encoding that keeps ASCII."""

from __future__ import annotations

import codecs
import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from entrena.data.dialect import encoding_name
from entrena.data.encodings import encoding_of, only_carriage_returns
from entrena.data.files import STANDARD_INPUT, STANDARD_INPUT_NAME, check_standard_input, find_file
from entrena.data.packed import PIECE
from entrena.data.text_files import START_BYTES
from entrena.errors import DataError, UsageError

# How often a pipe that sends nothing is left to ask whether to go on.
SECONDS_BETWEEN_QUESTIONS = 0.2

# While nothing is there, and no system call tells when something is.
_PAUSE = 0.01


def open_bytes(source: str | Path | BinaryIO, other_names: tuple[str, ...]) -> tuple[BinaryIO, str]:
    """What is named, opened so that one call reads what is there, and what messages call it.

    Args:
        source: A path, `-` for the standard input, or an open file of bytes.
        other_names: Names that may have been meant instead of a file.

    Raises:
        UsageError: There is no such file, or nothing is piped in.
    """
    if not isinstance(source, str | Path):
        if not hasattr(source, "read"):
            raise UsageError(f"rows cannot be read from a {type(source).__name__}: name a file, or hand in an open one")
        name = getattr(source, "name", None)
        return source, Path(name).name if isinstance(name, str) else "stream"
    if str(source) == STANDARD_INPUT:
        check_standard_input()
        number = _descriptor(sys.stdin)
        # Without a buffer between, `select` tells the truth.
        own = sys.stdin.buffer if number is None else os.fdopen(number, "rb", buffering=0, closefd=False)
        return own, STANDARD_INPUT_NAME
    path = find_file(source, other_names)
    try:
        return path.open("rb", buffering=0), path.name
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}") from None


def _descriptor(file: Any) -> int | None:
    try:
        return int(file.fileno())
    except (AttributeError, OSError, ValueError):
        return None


class Arrivals:
    """The bytes of an open file as they arrive; UTF-16 and the like come out as UTF-8.

    Args:
        file: An open file of bytes.
        name: What messages call it.
        encoding: What the user says of it, or None.

    Attributes:
        encoding: What messages call the encoding, where the user or the first bytes tell it; None: it is UTF-8 unless
            its bytes say otherwise.
        is_ended: Whether nothing more will come.
    """

    def __init__(self, file: BinaryIO, name: str, encoding: str | None) -> None:
        self.name = name
        self.encoding = encoding
        self.is_ended = False
        self._read: Callable[[int], Any] = getattr(file, "read1", file.read)
        self._number = _descriptor(file)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._has_only_returns = False
        self._n_read = 0

    def start(self, stop: Callable[[], bool] | None = None) -> tuple[bytes, bytes]:
        """Waits for the first line, or for the first 4,096 bytes.

        Args:
            stop: Asked while nothing comes; where it says so, what is there is given back.

        Returns:
            The first bytes as they came, and as text.

        Raises:
            DataError: The source is empty.
        """
        raw = b""
        while not self.is_ended and b"\n" not in raw.lstrip() and len(raw.lstrip()) < START_BYTES:
            piece = self._wait(stop)
            if piece is None:
                break
            raw += piece
        if self.is_ended and not raw.strip():
            raise DataError(f"{self.name} is empty")
        found = self.encoding or encoding_of(raw[:START_BYTES])
        if found is not None:
            self.encoding = encoding_name(found)
            if self.encoding != "UTF-8":
                self._decoder = codecs.getincrementaldecoder(found)("strict")
        if self._decoder is None:
            self._has_only_returns = only_carriage_returns(raw)
        return raw, self._as_text(raw)

    def piece(self, stop: Callable[[], bool] | None = None) -> bytes:
        """Waits for the next bytes; empty at the end, or where `stop` says so."""
        while not self.is_ended:
            raw = self._wait(stop)
            if raw is None:
                break
            if text := self._as_text(raw):
                return text
        return b""

    def is_ready(self) -> bool:
        """Whether more bytes are there, or the end, so that nobody waits for them; False where that is not known."""
        return self._number is not None and self._is_readable(0.0)

    def _wait(self, stop: Callable[[], bool] | None) -> bytes | None:
        """What one call reads, empty at the end; None where `stop` says so."""
        while True:
            if stop is not None:
                while self._number is not None and not self._is_readable(SECONDS_BETWEEN_QUESTIONS):
                    if stop():
                        return None
                if stop():
                    return None
            try:
                raw = self._read(PIECE)
            except BlockingIOError:
                raw = None
            except OSError as error:
                raise DataError(f"{self.name} cannot be read: {error.strerror or error}") from None
            if raw is not None:
                break
            # A file that does not block has nothing yet.
            if self._number is None or not self._is_readable(SECONDS_BETWEEN_QUESTIONS):
                time.sleep(_PAUSE)
        if isinstance(raw, str):
            raise UsageError(f"{self.name} is open for text; open it for bytes (mode 'rb')")
        self.is_ended = not raw
        return raw

    def _is_readable(self, seconds: float) -> bool:
        try:
            return self._number is not None and bool(select.select([self._number], [], [], seconds)[0])
        except (OSError, ValueError):
            # Some systems ask sockets only.
            return seconds > 0

    def _as_text(self, raw: bytes) -> bytes:
        if self._decoder is not None:
            n_waiting = len(self._decoder.getstate()[0])
            try:
                text = self._decoder.decode(raw, final=self.is_ended).encode("utf-8")
            except UnicodeError as error:
                where = self._n_read - n_waiting + getattr(error, "start", 0)
                raise DataError(
                    f"{self.name} is no text in {self.encoding}: it cannot be read from byte {where:,} on; say its "
                    "encoding (--encoding utf-8, --encoding latin-1, …)"
                ) from None
        else:
            text = raw.replace(b"\r", b"\n") if self._has_only_returns else raw
        self._n_read += len(raw)
        return text
