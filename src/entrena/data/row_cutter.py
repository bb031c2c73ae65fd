"""Bytes that arrive in pieces, cut into rows: behind the line ends that stand in no quoted value."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

import numpy as np

from entrena.data.limits import LONGEST_LINE, in_words
from entrena.errors import DataError

_NEWLINE = ord("\n")
_SPACES = b" \t\r\n"

# What may stand before a quote that opens a value, whatever separator was found.
_BETWEEN = b",;\t|\n"


@dataclass(frozen=True, eq=False)
class Records:
    """Whole rows of a source as bytes.

    Attributes:
        content: The rows, one after the other.
        ends: [rows] where each ends within the content.
        blank: Which of them, from 0, hold no value: they are no rows of a table.
        first_row: The number of the first, as the user counts: from 1, blank ones and the header included.
        first_line: The number of its first line.
        n_before: How many rows with values stand before.
    """

    content: bytes
    ends: np.ndarray
    blank: np.ndarray
    first_row: int
    first_line: int
    n_before: int

    @property
    def n_rows(self) -> int:
        """How many hold a value."""
        return len(self.ends) - len(self.blank)

    def part(self, start: int, stop: int) -> Records:
        """Some of the rows that hold a value, given from 0."""
        if start == 0 and stop >= self.n_rows:
            return self
        rows = np.delete(np.arange(len(self.ends)), self.blank)[start:stop]
        first, last = int(rows[0]), int(rows[-1])
        begin = int(self.ends[first - 1]) if first else 0
        blank = self.blank[(self.blank > first) & (self.blank < last)] - first
        return Records(
            self.content[begin : int(self.ends[last])],
            self.ends[first : last + 1] - begin,
            blank,
            self.first_row + first,
            self.first_line + self.content.count(b"\n", 0, begin),
            self.n_before + start,
        )

    def without_blank(self) -> bytes:
        """The rows that hold a value, as bytes."""
        if not len(self.blank):
            return self.content
        starts = np.concatenate([[0], self.ends[:-1]])
        kept = np.delete(np.arange(len(self.ends)), self.blank)
        return b"".join(self.content[starts[row] : self.ends[row]] for row in kept.tolist())


class RowCutter:
    """Keeps the bytes that are not taken yet, and knows where their rows end.

    Args:
        name: What messages call the source.
        separator: What stands between values; empty: each line is one value.
        quote: What stands around values that hold a separator or a line end; None: nothing does.
        is_certain: Whether the quote is one wherever it stands. Otherwise the first of all decides: where it does not
            open a value, quotes are plain text.

    Attributes:
        n_complete: How many whole rows with values wait.
        quote: The quote, None once it proved to be plain text.
        trouble: Why nobody knows where the row behind those ends, or None.
    """

    def __init__(self, name: str, separator: str, quote: str | None, *, is_certain: bool = False) -> None:
        self.name = name
        self.separator = separator
        self.quote = quote
        self.n_complete = 0
        self.trouble: DataError | None = None
        self._n_records = 0
        self._n_lines = 0
        self._n_rows = 0
        self._is_certain = is_certain
        self._bytes = bytearray()
        self._ends = np.empty(0, np.int64)
        self._is_blank = np.empty(0, bool)
        self._opening = -1  # where the quote stands that is not closed yet
        self._nothing = _SPACES + separator.encode() + (quote or "").encode()
        # Only rows that begin so may hold no value.
        self._may_be_blank = np.isin(np.arange(256, dtype=np.uint8), np.frombuffer(self._nothing, np.uint8))

    def add(self, piece: bytes) -> None:
        """Takes in the next bytes; none any more once there is trouble."""
        if self.trouble is not None:
            return
        start = len(self._bytes)
        self._bytes += piece
        whole = np.frombuffer(piece, np.uint8)
        newlines = np.flatnonzero(whole == _NEWLINE) + start
        if self.quote is not None and (self._opening >= 0 or self.quote.encode() in piece):
            newlines = self._outside(newlines, np.flatnonzero(whole == ord(self.quote)) + start)
        if len(newlines):
            self._note(newlines + 1)
        if len(self._bytes) - self._end > LONGEST_LINE and self.trouble is None:
            self.trouble = self._too_long()

    def end(self) -> None:
        """Says that no more bytes will come: what is there is a row."""
        if len(self._bytes) > self._end and self.trouble is None:
            self._note(np.array([len(self._bytes)]))

    def take(self, most: int) -> Records:
        """The first whole rows, at most so many of them with values; and the blank ones between them."""
        n = len(self._ends)
        if self.n_complete > most:
            n = most
            while (n_lacking := most - n + int(self._is_blank[:n].sum())) > 0:
                n += n_lacking
        ends, is_blank = self._ends[:n], self._is_blank[:n]
        end = int(ends[-1]) if n else 0
        content = bytes(self._bytes[:end])
        blank = np.flatnonzero(is_blank)
        records = Records(content, ends, blank, self._n_records + 1, self._n_lines + 1, self._n_rows)
        del self._bytes[:end]
        self._ends, self._is_blank = self._ends[n:] - end, self._is_blank[n:]
        self._opening = max(-1, self._opening - end)
        self.n_complete -= records.n_rows
        self._n_rows += records.n_rows
        self._n_records += n
        has_quotes = self.quote is not None and self.quote.encode() in content
        self._n_lines += content.count(b"\n") if has_quotes else n
        return records

    @property
    def _end(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def _note(self, ends: np.ndarray) -> None:
        starts = np.concatenate([[self._end], ends[:-1]])
        first = np.frombuffer(self._bytes, np.uint8)[starts]
        is_blank = self._may_be_blank[first]
        for row in np.flatnonzero(is_blank).tolist():
            is_blank[row] = not self._bytes[starts[row] : ends[row]].strip(self._nothing)
        self._ends = np.concatenate([self._ends, ends])
        self._is_blank = np.concatenate([self._is_blank, is_blank])
        self.n_complete += int((~is_blank).sum())

    def _outside(self, newlines: np.ndarray, quotes: np.ndarray) -> np.ndarray:
        """The line ends that are in no quoted value; arguments as places in the bytes that are kept."""
        if not self._is_certain and self._opening < 0:
            self._is_certain = True
            if not self._opens_value(int(quotes[0])):
                self.quote = None
                return newlines
        if self._opening >= 0:
            quotes = np.append(self._opening, quotes)
        n_before = np.searchsorted(quotes, newlines)
        is_inside = n_before % 2 == 1
        self._opening = int(quotes[-1]) if len(quotes) % 2 else -1
        for opening in np.unique(quotes[n_before[is_inside] - 1]).tolist():
            if not self._opens_value(opening):
                self.trouble = self._stray_quote(opening, newlines[~is_inside])
                return newlines[~is_inside & (newlines < opening)]
        return newlines[~is_inside]

    def _opens_value(self, place: int) -> bool:
        """Whether a quote stands at the beginning of a value, or behind another quote, which it doubles."""
        before = bytes(self._bytes[max(0, place - 3) : place])
        if not before or before == codecs.BOM_UTF8:
            return True
        between = _BETWEEN + self.separator.encode()
        if before[-1] in between or before[-1] == ord(self.quote or "\n"):
            return True
        return before[-1:] == b" " and (place == 1 or before[-2] in between)

    def _stray_quote(self, place: int, newlines: np.ndarray) -> DataError:
        n_before = len(self._ends) + int(np.searchsorted(newlines, place))
        line = self._n_lines + 1 + self._bytes.count(b"\n", 0, place)
        return DataError(
            f"{self.name}: row {self._n_records + n_before + 1:,} is malformed: in line {line:,} a quote stands within "
            "a value; delete it, or put the whole value in quotes and double the one within"
        )

    def _too_long(self) -> DataError:
        line = self._n_lines + 1 + self._bytes.count(b"\n", 0, max(self._end, self._opening))
        if self._opening >= 0:
            row = self._n_records + len(self._ends) + 1
            return DataError(
                f"{self.name}: row {row:,} is malformed: the quote that opens in line {line:,} is not closed; "
                "close it, or delete it"
            )
        return DataError(
            f"{self.name}: line {line:,} is longer than {in_words(LONGEST_LINE)}; "
            "a table has a line for each row, with a line end behind it"
        )
