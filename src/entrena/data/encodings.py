"""Encodings of text files: found from the first bytes or from what is no UTF-8, and turned into UTF-8."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import BinaryIO

from entrena.data.dialect import encoding_name
from entrena.data.survey import PIECE, Survey
from entrena.errors import DataError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# The share of NUL bytes at every other place from which on text is UTF-16: all but the letters of few alphabets.
_SHARE_OF_NULS = 0.4


def encoding_of(start: bytes) -> str | None:
    """The encoding that the first bytes of a file tell; None: ASCII, UTF-8 or one that keeps ASCII."""
    for bom, encoding in _BOMS:
        if start.startswith(bom):
            return encoding
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half, other = start[offset::2], start[1 - offset :: 2]
        if half.count(0) > _SHARE_OF_NULS * len(half) and not other.count(0):
            return encoding
    return None


def encoding_by_survey(survey: Survey) -> str | None:
    """The encoding of a file that keeps ASCII; None: it is UTF-8 but for broken bytes.

    A byte beyond ASCII is a letter in Latin-1 and CP1252. Where well-formed UTF-8 is the rule, it is damage.
    """
    if not survey.n_broken:
        return "utf-8"
    if survey.n_wide >= survey.n_broken:
        return None
    return "cp1252" if survey.has_controls else "latin-1"


def to_utf8(path: Path, out: BinaryIO, encoding: str, name: str) -> None:
    """Writes a file's text in UTF-8; lone carriage returns become line ends.

    Args:
        path: The file.
        out: Where the text goes.
        encoding: Its encoding.
        name: What messages call it.

    Raises:
        DataError: Its bytes are not of that encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    n_read = n_waiting = 0
    with path.open("rb") as file:
        try:
            while piece := file.read(PIECE):
                out.write(decoder.decode(piece).encode("utf-8"))
                n_read += len(piece)
                n_waiting = len(decoder.getstate()[0])
            out.write(decoder.decode(b"", final=True).encode("utf-8"))
        except UnicodeError as error:
            where = n_read - n_waiting + getattr(error, "start", 0)
            raise DataError(
                f"{name} is no text in {encoding_name(encoding)}: it cannot be read from byte {where:,} on; "
                "say its encoding (--encoding utf-8, --encoding latin-1, …)"
            ) from None


def refuse_broken(path: Path, name: str) -> None:
    """Raises the DataError that names the first line of a file with a byte that is no UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{name}: line {number:,} holds the byte 0x{line[error.start]:02x}, which is no UTF-8, and other "
                    "letters are; save it as UTF-8 again, or say its encoding (--encoding latin-1)"
                ) from None


def only_carriage_returns(begin: bytes) -> bool:
    """Whether lines end as they did on old Macintoshes."""
    return b"\n" not in begin and b"\r" in begin


def replace_carriage_returns(path: Path, out: BinaryIO) -> None:
    """Writes a file with line feeds for its carriage returns."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            out.write(piece.replace(b"\r", b"\n"))
