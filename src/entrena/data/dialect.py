"""Dialects: how a text file writes its table, what the user may say of it, and the line that tells what was found."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from entrena.errors import UsageError, did_you_mean

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
_SEPARATOR_WORDS = {character: word for word, character in SEPARATORS.items()}

# A space as a thousands mark is often one that does not break: U+00A0, or the narrow U+202F.
SPACES = " \u00a0\u202f"

_DECIMALS = {".": ".", ",": ",", "point": ".", "comma": ","}
_THOUSANDS = {".": ".", ",": ",", "'": "'", "\u2019": "'", **dict.fromkeys(SPACES, " ")}
_THOUSANDS |= {"point": ".", "comma": ",", "space": " ", "": "", "none": ""}

DATE_ORDERS = ("day_first", "month_first", "year_first")

# What stands for "missing" wherever it is the whole field, in any case.
MARKS = ("na", "n/a", "#n/a", "<na>", "nan", "null", "?", "-")

# What stands for "missing" among numbers only: among texts it may be a class.
MARKS_AMONG_NUMBERS = ("none", "nil", "missing", "--", ".")


@dataclass(frozen=True)
class ReadOptions:
    """How a text file is written, as far as the user says; None is found from the file.

    Attributes:
        separator: What stands between values: one character, or tab, comma, semicolon, bar, space.
        decimal: The decimal mark, `.` or `,`.
        thousands: What groups the digits of large numbers: `.`, `,`, `'`, a space; an empty text or `none` for nothing.
        encoding: The name of a text encoding, as Python knows it.
        missing: The texts that stand for a missing value, beside the empty one.
        date_order: `day_first`, `month_first` or `year_first`.
        image: Of a table or array whose columns are the pixels of images: `28x28`, or with channels `32x32x3`; of a
            folder of pictures: to which size they are brought.
        skip_bad: Of a folder of pictures: whether those that cannot be read are left out.

    Raises:
        UsageError: A value is not one of these.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] | None = None
    date_order: str | None = None
    image: str | tuple[int, ...] | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.separator is not None and not is_separator(self.separator):
            raise UsageError(
                f"separator: '{self.separator}' is not allowed: one character, or one of {', '.join(SEPARATORS)}"
            )
        if self.decimal is not None and self.decimal not in _DECIMALS:
            raise UsageError(f"decimal: '{self.decimal}' is not allowed: . or ,")
        if self.thousands is not None and self.thousands not in _THOUSANDS:
            raise UsageError(f"thousands: '{self.thousands}' is not allowed: . or , or ' or a space, or none")
        if self.decimal_mark is not None and self.decimal_mark == self.thousands_mark:
            raise UsageError(f"thousands: '{self.thousands}' is the decimal mark already")
        if self.date_order is not None and self.date_order not in DATE_ORDERS:
            raise UsageError(
                f"date_order: '{self.date_order}' is not allowed; {did_you_mean(self.date_order, DATE_ORDERS)}"
            )
        if self.encoding is not None and not _is_encoding(self.encoding):
            raise UsageError(f"encoding: '{self.encoding}' is not known; try utf-8, utf-16, latin-1 or cp1252")

    @property
    def separator_mark(self) -> str | None:
        """The separator as one character."""
        return None if self.separator is None else SEPARATORS.get(self.separator, self.separator)

    @property
    def decimal_mark(self) -> str | None:
        """The decimal mark as one character."""
        return None if self.decimal is None else _DECIMALS[self.decimal]

    @property
    def thousands_mark(self) -> str | None:
        """The thousands mark as one character, or an empty text."""
        return None if self.thousands is None else _THOUSANDS[self.thousands]


def is_separator(text: str) -> bool:
    """Whether a text may stand between values: one of the characters or words that can."""
    # Polars takes one byte; a quote, a digit or a line end between values would be read as something else.
    return text in SEPARATORS or (
        len(text) == 1 and text.isascii() and not text.isalnum() and text not in "\"'\r\n\0.+-"
    )


def _is_encoding(name: str) -> bool:
    try:
        return isinstance(b"".decode(name), str) and isinstance("a".encode(name), bytes)
    except (LookupError, ValueError, UnicodeError):
        return False


@dataclass(frozen=True)
class Request:
    """What is asked of a reader.

    Attributes:
        options: How the source is written, as far as the user says.
        text_columns: Columns that stay texts as they are written.
        like: How the numbers and dates were written that a model was trained with; it decides what the source leaves
            open.
        targets: Columns in which a mark such as `-` may be a class; or a mapping of them to the classes that a model
            knows: there it is one where it is among these.
    """

    options: ReadOptions = ReadOptions()
    text_columns: Collection[str] = ()
    like: ReadOptions | None = None
    targets: Collection[str] = ()

    @property
    def usual_decimal(self) -> str | None:
        """The decimal mark where a source shows two readings."""
        if self.like is None:
            return None
        other = {",": ".", ".": ","}.get(self.like.thousands_mark or "")
        return self.like.decimal_mark or other

    @property
    def usual_order(self) -> str | None:
        """The order of dates where a source shows several."""
        return None if self.like is None else self.like.date_order

    def may_be_class(self, name: str) -> bool:
        """Whether marks in a column may be classes: it is a target, and the user did not name the marks."""
        return name in self.targets and self.options.missing is None

    def known_classes(self, name: str) -> Collection[object] | None:
        """The classes of a target that a model knows; None: they are to be found."""
        known = self.targets.get(name) if isinstance(self.targets, Mapping) else None
        return known if isinstance(known, Collection) else None


@dataclass(frozen=True)
class Dialect:
    """How a text file writes its table.

    Attributes:
        separator: What stands between values.
        quote: What stands around values that hold a separator; None: nothing does.
        decimal: The decimal mark.
        thousands: The thousands mark, or an empty text; a space stands for the spaces that do not break as well.
        encoding: The encoding, as messages call it.
        marks: The texts that stand for a missing value; None: those that usually do.
        date_order: What the user said of it.
        usual_order: The order of dates where the file leaves it open.
        doubts: The options that would settle what was found but may be otherwise, such as `--decimal .`.
        shows_decimal: Whether a number with a decimal or a thousands mark was seen, or the user named the marks.
    """

    separator: str = ","
    quote: str | None = '"'
    decimal: str = "."
    thousands: str = ""
    encoding: str = "UTF-8"
    marks: tuple[str, ...] | None = None
    date_order: str | None = None
    usual_order: str | None = None
    doubts: tuple[str, ...] = ()
    shows_decimal: bool = True

    def is_missing(self, text: str) -> bool:
        """Whether a field says that there is no value; spaces around it are gone."""
        return not text or (text.casefold() in MARKS if self.marks is None else text in self.marks)

    def marks_for_polars(self) -> dict[str, Any]:
        """The separator and the decimal mark as arguments of `polars.read_csv`.

        With commas for both, numbers are quoted: Polars reads them as texts.
        """
        return {"separator": self.separator, "decimal_comma": self.decimal == "," != self.separator}

    def said(self, marks: tuple[str, ...] = (), dates: str = "") -> str:
        """What differs from plain comma-separated text, in one line.

        Args:
            marks: The texts that stood for a missing value.
            dates: How dates are written.
        """
        parts = []
        if self.separator != ",":
            mark = self.separator
            parts.append(f"separator {mark if mark.strip() else _SEPARATOR_WORDS.get(mark, repr(mark))}")
        if self.quote == "'":
            parts.append("quotes '")
        if self.decimal != "." and self.shows_decimal:
            parts.append("decimal comma" + self._doubt("decimal"))
        if self.thousands:
            parts.append(f"thousands {'space' if self.thousands == ' ' else self.thousands}" + self._doubt("thousands"))
        elif self._doubt("decimal") and self.decimal == ".":
            parts.append("decimal point" + self._doubt("decimal"))
        if self.encoding != "UTF-8":
            parts.append(self.encoding)
        if marks:
            parts.append("missing " + " ".join(f'"{mark}"' for mark in marks))
        if dates:
            parts.append(dates)
        return ", ".join(parts)

    def _doubt(self, word: str) -> str:
        found = [doubt for doubt in self.doubts if doubt.startswith(f"--{word}")]
        return f" (not certain: {found[0]})" if found else ""


def encoding_name(codec: str) -> str:
    """An encoding as messages call it.

    >>> encoding_name("latin_1"), encoding_name("utf8"), encoding_name("windows-1252")
    ('Latin-1', 'UTF-8', 'CP1252')
    """
    name = codecs.lookup(codec).name
    return {"iso8859-1": "Latin-1", "utf-8-sig": "UTF-8"}.get(name, name.upper())
