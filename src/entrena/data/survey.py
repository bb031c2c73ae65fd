"""One pass over all bytes of a text file: what no sample can promise, and Polars does not say.

It runs at the speed of the memory, in pieces that fit the cache.
"""

from __future__ import annotations

import codecs
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from entrena.data.limits import LONGEST_LINE, in_words
from entrena.errors import DataError

# Small enough for the cache, and for memory that is used again rather than asked from the system each time.
PIECE = 2**17

_NEWLINE, _ZERO = ord("\n"), ord("0")


@dataclass
class Survey:
    """What a text file holds.

    Attributes:
        n_wide: How many characters beyond ASCII are well-formed UTF-8.
        n_broken: How many bytes are not.
        has_controls: Whether bytes 0x80–0x9F are among those: control characters in Latin-1, letters in CP1252.
        zero_columns: The numbers of the columns where a field begins with 0 and another digit, as 007 does.
        zeros_anywhere: Whether there are such fields whose column is not known.
    """

    n_wide: int = 0
    n_broken: int = 0
    has_controls: bool = False
    zero_columns: frozenset[int] = frozenset()
    zeros_anywhere: bool = False


def pieces(path: Path) -> Iterator[bytes]:
    """The file's bytes in pieces, cut behind line ends where there are any."""
    with path.open("rb", buffering=0) as file:
        rest = b""
        while piece := file.read(PIECE):
            end = piece.rfind(b"\n") + 1
            if not end:
                # No line end: such a piece stands alone, so that no long line is put together again and again.
                yield rest + piece
                rest = b""
                continue
            yield rest + piece[:end]
            rest = piece[end:]
        if rest:
            yield rest


def check_lines(path: Path, name: str) -> None:
    """Raises a DataError where a line is longer than any row of a table; only a few bytes of the file are looked at."""
    size = path.stat().st_size
    step = LONGEST_LINE // 2
    if size <= LONGEST_LINE:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for start in range(0, size - step, step):
            if content.find(b"\n", start, start + step) >= 0:
                continue
            begin = content.rfind(b"\n", max(0, start - step), start) + 1 or max(0, start - step)
            end = content.find(b"\n", start + step, start + 3 * step)
            if (min(size, start + 3 * step) if end < 0 else end) - begin > LONGEST_LINE:
                raise DataError(
                    f"{name}: line {_line_at(path, start):,} is longer than {in_words(LONGEST_LINE)}; "
                    "a table has a line for each row, with a line end behind it"
                )


def survey(path: Path, name: str, separator: str, quote: str | None, *, look_for_zeros: bool) -> Survey:
    """Looks through a whole file.

    Args:
        path: The file, in an encoding that keeps ASCII.
        name: What messages call it.
        separator: What stands between values.
        quote: What stands around them.
        look_for_zeros: Whether columns of whole numbers may hold 007.

    Raises:
        DataError: It holds a NUL byte.
    """
    found = Survey()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    zeros = _Zeros(ord(separator), quote)
    n_read = 0
    for piece in pieces(path):
        if (at := piece.find(b"\0")) >= 0:
            raise DataError(f"{name} is no text: line {_line_at(path, n_read + at):,} holds a NUL byte")
        if not piece.isascii() or decoder.getstate()[0]:
            _count_wide(decoder.decode(piece), found)
        if look_for_zeros and not found.zeros_anywhere:
            found.zeros_anywhere = not zeros.look_at(piece)
        n_read += len(piece)
    _count_wide(decoder.decode(b"", final=True), found)
    found.zero_columns = frozenset(zeros.columns)
    return found


def _line_at(path: Path, offset: int) -> int:
    """The number of the line that a byte is in."""
    n_lines = n_read = 0
    for piece in pieces(path):
        if n_read + len(piece) > offset:
            return n_lines + piece.count(b"\n", 0, offset - n_read) + 1
        n_lines += piece.count(b"\n")
        n_read += len(piece)
    return n_lines + 1


def _count_wide(text: str, found: Survey) -> None:
    if text.isascii():
        return
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    is_broken = (codes >= 0xDC80) & (codes <= 0xDCFF)
    found.n_broken += int(is_broken.sum())
    found.n_wide += int((codes > 0x7F).sum() - is_broken.sum())
    found.has_controls |= bool((is_broken & (codes < 0xDCA0)).any())


class _Zeros:
    """Looks for fields like 007, and for the columns that they are in.

    Args:
        separator: The byte between values.
        quote: What stands around them.
    """

    def __init__(self, separator: int, quote: str | None) -> None:
        self.columns: set[int] = set()
        self._separator = separator
        self._quotes = _Quotes(quote)
        self._room = np.empty((2, 0), bool)

    def look_at(self, piece: bytes) -> bool:
        """Adds the columns of a piece that have such a field; False where it does not tell which these are."""
        whole = np.frombuffer(piece, np.uint8)
        has_quotes = self._quotes.are_in(piece)
        is_zero = self._begins_with_zero(whole, has_quotes)
        # The first field of a piece has nothing before it.
        first = [0] if piece[0] == _ZERO and piece[1:2].isdigit() else []
        if not first and not is_zero.any():
            if has_quotes:
                self._quotes.skip(piece)
            return True
        if piece[-1] != _NEWLINE:
            return False
        zeros = np.append(np.flatnonzero(is_zero) + 1, np.array(first, np.int64))
        outside = self._quotes.outside(piece, whole)
        separators = np.flatnonzero((whole == self._separator) & outside)
        starts = np.concatenate([[0], np.flatnonzero((whole == _NEWLINE) & outside) + 1])
        line_starts = starts[np.searchsorted(starts, zeros, side="right") - 1]
        fields = np.searchsorted(separators, zeros) - np.searchsorted(separators, line_starts)
        self.columns.update(np.unique(fields).tolist())
        return True

    def _begins_with_zero(self, piece: np.ndarray, has_quotes: bool) -> np.ndarray:
        """[bytes − 2] where a field begins behind this byte, and does so with 0 and another digit."""
        before, digit, behind = piece[:-2], piece[1:-1], piece[2:]
        if self._room.shape[1] < len(before):
            self._room = np.empty((2, len(before)), bool)
        found, other = self._room[0, : len(before)], self._room[1, : len(before)]
        np.equal(before, self._separator, out=found)
        for byte in (_NEWLINE, *((self._quotes.byte,) if has_quotes else ())):
            found |= np.equal(before, byte, out=other)
        found &= np.equal(digit, _ZERO, out=other)
        # As whole numbers below 256, everything that is no digit is at least 10.
        number = np.subtract(behind, np.uint8(_ZERO), out=other.view(np.uint8))
        found &= np.less(number, 10, out=other)
        return found


class _Quotes:
    """Keeps in mind, from piece to piece, whether a quoted field is open.

    Args:
        quote: What stands around values; None: nothing does.
    """

    def __init__(self, quote: str | None) -> None:
        self._quote = b"" if quote is None else quote.encode()
        self.byte = ord(quote or "\0")
        self._is_open = False

    def are_in(self, piece: bytes) -> bool:
        """Whether a piece has quotes."""
        return bool(self._quote) and self._quote in piece

    def skip(self, piece: bytes) -> None:
        """Takes note of a piece with quotes."""
        if piece.count(self._quote) % 2:
            self._is_open = not self._is_open

    def outside(self, piece: bytes, whole: np.ndarray) -> np.ndarray:
        """[bytes] where a byte is in no quoted field; takes note of the piece."""
        if not self._is_open and not self.are_in(piece):
            return np.ones(len(whole), bool)
        # Odd behind an opening quote, even behind a closing one; a doubled quote changes nothing.
        n_quotes = np.bitwise_xor.accumulate((whole == self.byte).view(np.uint8)) ^ np.uint8(self._is_open)
        self._is_open = bool(n_quotes[-1])
        return n_quotes == 0


def count_separators(path: Path, separator: str, quote: str | None) -> int:
    """How many separators a file has outside of quotes."""
    quotes, total = _Quotes(quote), 0
    for piece in pieces(path):
        whole = np.frombuffer(piece, np.uint8)
        total += int(np.count_nonzero((whole == ord(separator)) & quotes.outside(piece, whole)))
    return total


def count_separators_in(content: bytes, separator: str, quote: str | None) -> int:
    """How many separators some whole rows have outside of quotes."""
    if quote is None or quote.encode() not in content:
        return content.count(separator.encode())
    whole = np.frombuffer(content, np.uint8)
    places, quotes = np.flatnonzero(whole == ord(separator)), np.flatnonzero(whole == ord(quote))
    return int(np.count_nonzero(np.searchsorted(quotes, places) % 2 == 0))
