"""Samples of a text file: its beginning, and pieces from all over it, as rows of fields."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from entrena.data.limits import LONGEST_LINE

BEGIN_BYTES = 2**18
PIECE_BYTES = 2**14
N_PIECES = 16

# What the beginning and the pieces are looked at by Python's reader: some milliseconds.
MOST_ROWS = 400
MOST_FIELDS = 12_000

# The header and one row are looked at however long they are.
_FEWEST_LINES = 8

_SEPARATORS = ",;\t|"

# Below a title, so many rows are of equal width.
_SHARE_OF_ROWS = 0.8

# A title of two words has a space; only where other rows have one as well, it may stand between values.
_SHARE_BETWEEN_SPACES = 0.5

# Of the fields that begin with an apostrophe, so many must end with one before it is taken for a quote.
_SHARE_OF_WHOLE_FIELDS = 0.9


@dataclass(frozen=True)
class Sample:
    """Parts of a file.

    Attributes:
        begin: Text from the beginning, in whole lines.
        pieces: Texts from within and from the end, in whole lines; within a quoted field, for all that is known.
        is_all: Whether the beginning is the whole file.
    """

    begin: str
    pieces: tuple[str, ...]
    is_all: bool

    def rows(self, separator: str, quote: str | None) -> Iterator[list[str]]:
        """Rows from the beginning, its header first, then those of the pieces that have as many fields.

        Args:
            separator: What stands between values.
            quote: What stands around them.
        """
        budget = MOST_FIELDS
        width = 0
        begin = _complete(fields_of(self.begin, separator, quote), self.is_all)
        for number, fields in enumerate(begin):
            width = width or len(fields)
            if number >= MOST_ROWS or (budget <= 0 and number > 1):
                break
            budget -= len(fields)
            yield fields
        budget = MOST_FIELDS
        for piece in self.pieces:
            for number, fields in enumerate(fields_of(piece, separator, quote)):
                if number >= MOST_ROWS // N_PIECES or budget <= 0:
                    break
                if len(fields) == width:
                    budget -= len(fields)
                    yield fields


def _complete(rows: Iterable[list[str]], is_all: bool) -> Iterator[list[str]]:
    """The rows that are not blank, without the last one where it may be cut off."""
    waiting = None
    for fields in rows:
        if fields:
            if waiting is not None:
                yield waiting
            waiting = fields
    if waiting is not None and is_all:
        yield waiting


def fields_of(text: str, separator: str, quote: str | None) -> Iterator[list[str]]:
    """The rows of a text as Python's reader sees them; a blank line is a row without fields."""
    try:
        yield from reader_of(io.StringIO(text, newline=""), separator, quote)
    except csv.Error:
        # What is wrong is said when the whole file is read.
        return


def reader_of(lines: Iterable[str], separator: str, quote: str | None, *, strict: bool = False) -> Iterator[list[str]]:
    """Python's reader of rows."""
    csv.field_size_limit(LONGEST_LINE)
    if quote is None:
        return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE, strict=strict)
    return csv.reader(lines, delimiter=separator, quotechar=quote, strict=strict)


def read_sample(path: Path) -> Sample:
    """The sample of a text file, in UTF-8 or taken for Latin-1."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(BEGIN_BYTES)
        while begin.count(b"\n") < _FEWEST_LINES and len(begin) < min(size, _FEWEST_LINES * LONGEST_LINE):
            more = file.read(len(begin))
            if not more:
                break
            begin += more
        is_all = len(begin) >= size
        if not is_all:
            begin = begin[: begin.rfind(b"\n") + 1]
        length = max(PIECE_BYTES, 4 * len(begin) // max(1, begin.count(b"\n")))
        starts = [] if is_all else [size * (k + 1) // N_PIECES - length for k in range(N_PIECES)]
        pieces = [_piece(file, start, length) for start in starts if start > len(begin)]
    return Sample(_decoded(begin), tuple(_decoded(piece) for piece in pieces), is_all)


def _piece(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    piece = file.read(length)
    return piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1]


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def find_quote(sample: Sample) -> str | None:
    """What stands around values: `"`, or `'` where more fields have that at both ends.

    None where there are double quotes, but only within fields: there they are plain text.
    """
    text = sample.begin + "".join(sample.pieces)
    if '"' not in text and "'" not in text:
        return '"'
    double, single = _whole_fields(text, '"', _SEPARATORS), _whole_fields(text, "'", _SEPARATORS)
    begun = len(re.findall(rf"(?m)(?:^|[{_SEPARATORS}]) ?'", text))
    if single > double and single >= _SHARE_OF_WHOLE_FIELDS * begun:
        return "'"
    if double or '"' not in text or re.search(rf'(?m)(?:^|[{_SEPARATORS}]) ?"', text):
        return '"'
    return '"' if _whole_fields(text, '"', " ") else None


def _whole_fields(text: str, quote: str, separators: str) -> int:
    """How many fields begin and end with a quote."""
    inner = f"[^{quote}\n]*"
    field = f"{quote}{inner}(?:{quote}{quote}{inner})*{quote}"
    return len(re.findall(rf"(?m)(?:^|[{separators}]) ?{field}(?=[{separators}\r\n]|$)", text))


def find_separator(sample: Sample, quote: str | None) -> str:
    """What stands between values: what the header and the rows have equally often.

    A space is one only where nothing else is. Where the header has one value only, as a title has, it is what nearly
    all rows have equally often.
    """
    best, best_share, best_width = ",", 0.0, 1
    for separator in (*_SEPARATORS, " "):
        if separator == " " and best_width > 1:
            break
        widths = [len(fields) for fields in sample.rows(separator, quote)]
        if not widths or widths[0] < 2:
            continue
        share = widths.count(widths[0]) / len(widths)
        if (share, widths[0]) > (best_share, best_width):
            best, best_share, best_width = separator, share, widths[0]
    if best_width > 1 and (best != " " or best_share > _SHARE_BETWEEN_SPACES):
        return best
    return _separator_below_title(sample, quote) or best


def _separator_below_title(sample: Sample, quote: str | None) -> str | None:
    """What nearly all rows but the first have equally often, once at least; None where there is nothing."""
    for separator in _SEPARATORS:
        rows = _complete(fields_of(sample.begin, separator, quote), sample.is_all)
        widths = [len(fields) for fields in islice(rows, MOST_ROWS)][1:]
        width, n_rows = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if width > 1 and n_rows > 1 and n_rows >= _SHARE_OF_ROWS * len(widths):
            return separator
    return None
