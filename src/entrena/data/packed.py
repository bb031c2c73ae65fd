"""Compressed files: gzip and zstd, unpacked into a temporary file, with an eye on what comes out."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

from entrena.data.limits import check_unpacked, most_bytes
from entrena.errors import DataError

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"

PIECE = 2**18

# A block of a zstd frame holds at most so much; RFC 8878, 3.1.1.2.4.
_LARGEST_BLOCK = 2**17
_RAW, _REPEATED, _COMPRESSED = 0, 1, 2

# Polars unpacks zstd only while it reads rows: with a separator that no text has, a row is a line.
_NO_SEPARATOR = "\x1f"


def is_packed(start: bytes) -> bool:
    """Whether a file that begins so is compressed."""
    return start.startswith(GZIP) or _is_zstd(start)


def _is_zstd(start: bytes) -> bool:
    return start.startswith(ZSTD) or _is_skipped(start)


def _is_skipped(start: bytes) -> bool:
    """Whether a frame holds something beside the data."""
    return len(start) >= 4 and 0x50 <= start[0] <= 0x5F and start[1:4] == b"\x2a\x4d\x18"


def unpack(path: Path, out: BinaryIO, name: str) -> None:
    """Unpacks a file.

    Args:
        path: The compressed file.
        out: Where its content goes.
        name: What messages call it.

    Raises:
        DataError: It is damaged, or unpacks to more than fits.
    """
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start.startswith(GZIP):
            _unpack_gzip(file, out, name)
            return
        size = path.stat().st_size
        check_unpacked(_most_of_zstd(file, size, name), size, most_bytes() // 2, name)
    _unpack_zstd(path, out, name)


def _unpack_gzip(file: BinaryIO, out: BinaryIO, name: str) -> None:
    most = most_bytes()
    n_in = n_out = 0
    # Several packed files one after the other are one, each with an engine of its own; zeros may fill the end.
    engine = None
    try:
        while piece := file.read(PIECE):
            n_in += len(piece)
            while piece:
                if engine is None:
                    piece = piece.lstrip(b"\0")
                    if not piece:
                        break
                    engine = zlib.decompressobj(wbits=31)
                unpacked = engine.decompress(piece, 4 * PIECE)
                n_out += len(unpacked)
                check_unpacked(n_out, n_in, most, name)
                out.write(unpacked)
                piece = engine.unused_data if engine.eof else engine.unconsumed_tail
                if engine.eof:
                    engine = None
    except zlib.error as error:
        raise DataError(f"{name} is a damaged gzip file ({error})") from None
    if engine is not None:
        raise DataError(f"{name} is a damaged gzip file (it ends too early)")


def _most_of_zstd(file: BinaryIO, size: int, name: str) -> int:
    """At most how many bytes a zstd file unpacks to: its blocks are counted, none is unpacked (RFC 8878, 3.1)."""
    total = 0
    while start := file.read(4):
        if _is_skipped(start):
            file.seek(int.from_bytes(file.read(4), "little"), 1)
            continue
        if start != ZSTD:
            raise DataError(f"{name} is a damaged zstd file")
        total += _most_of_frame(file, name)
        if file.tell() > size:
            raise DataError(f"{name} is a damaged zstd file (it ends too early)")
    return total


def _most_of_frame(file: BinaryIO, name: str) -> int:
    descriptor = _byte(file, name)
    is_single = bool(descriptor & 0x20)
    if not is_single:
        _byte(file, name)
    file.seek((0, 1, 2, 4)[descriptor & 3], 1)
    file.seek((1 if is_single else 0, 2, 4, 8)[descriptor >> 6], 1)
    total = 0
    last = False
    while not last:
        header = file.read(3)
        if len(header) < 3:
            raise DataError(f"{name} is a damaged zstd file (it ends too early)")
        bits = int.from_bytes(header, "little")
        last, kind, n_bytes = bool(bits & 1), bits >> 1 & 3, bits >> 3
        total += n_bytes if kind in (_RAW, _REPEATED) else _LARGEST_BLOCK
        file.seek(1 if kind == _REPEATED else n_bytes, 1)
    if descriptor & 4:
        file.seek(4, 1)
    return total


def _byte(file: BinaryIO, name: str) -> int:
    byte = file.read(1)
    if not byte:
        raise DataError(f"{name} is a damaged zstd file (it ends too early)")
    return byte[0]


def _unpack_zstd(path: Path, out: BinaryIO, name: str) -> None:
    import polars as pl

    try:
        lines = pl.read_csv(
            path,
            glob=False,
            has_header=False,
            separator=_NO_SEPARATOR,
            quote_char=None,
            schema={"line": pl.String},
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        if "utf-8" in str(error):
            raise DataError(f"{name}: text that is packed with zstd must be UTF-8; unpack it first") from None
        if isinstance(error, pl.exceptions.NoDataError):
            return
        raise DataError(f"{name} is a damaged zstd file") from None
    lines.write_csv(out, include_header=False, separator=_NO_SEPARATOR, quote_style="never", null_value="")
