"""Decimal and thousands marks, found from the fields that are numbers in one way or another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from entrena.data.dialect import MARKS, MARKS_AMONG_NUMBERS, SPACES, Request
from entrena.data.number_forms import bare

# The share of a column's values that must look like numbers before its marks count.
_SHARE_OF_NUMBERS = 0.9

# From so many whole numbers with points on, and nothing else, the points group their digits.
_A_HANDFUL = 10

_SPACE = f"[{SPACES}]"
_LOOKS_LIKE_A_NUMBER = re.compile(rf"[+-]?[0-9.,'\u2019{SPACES}]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?")


def _decimal(mark: str) -> re.Pattern[str]:
    return re.compile(rf"[+-]?[0-9]*{mark}[0-9]+(?:[eE][+-]?[0-9]+)?|[+-]?[0-9]+{mark}")


def _one_group(mark: str) -> re.Pattern[str]:
    return re.compile(rf"[+-]?[1-9][0-9]{{0,2}}{mark}[0-9]{{3}}")


def _groups(mark: str, decimal: str) -> re.Pattern[str]:
    several = rf"(?:{mark}[0-9]{{3}}){{2,}}(?:{decimal}[0-9]+)?"
    return re.compile(rf"[+-]?[1-9][0-9]{{0,2}}(?:{several}|(?:{mark}[0-9]{{3}})+{decimal}[0-9]+)")


_MARKS = {",": ",", ".": r"\."}
_DECIMAL = {mark: _decimal(pattern) for mark, pattern in _MARKS.items()}
_ONE_GROUP = {mark: _one_group(pattern) for mark, pattern in _MARKS.items()}
_GROUPS = {",": _groups(",", r"\."), ".": _groups(r"\.", ",")}
_OTHER_GROUPS = {
    mark: re.compile(rf"[+-]?[1-9][0-9]{{0,2}}(?:{pattern}[0-9]{{3}})+(?:[.,][0-9]+)?")
    for mark, pattern in (("'", "['\u2019]"), (" ", _SPACE))
}
_NO_NUMBERS = frozenset((*MARKS, *MARKS_AMONG_NUMBERS))
_NO_OTHER_GROUPS = str.maketrans("", "", f"'\u2019{SPACES}")


@dataclass
class _Counts:
    """How many columns show each use of a mark.

    Attributes:
        decimal: `1,5`: it can only be a decimal mark.
        either: `1,234` and nothing else: thousands or decimals.
        n_either: How many values those columns show.
        thousands: `1,234,567` or `1,234.5`: it can only group digits.
    """

    decimal: int = 0
    either: int = 0
    n_either: int = 0
    thousands: int = 0

    @property
    def is_seen(self) -> bool:
        """Whether any column has the mark."""
        return bool(self.decimal or self.either or self.thousands)


@dataclass(frozen=True)
class NumberMarks:
    """The marks in a file's numbers.

    Attributes:
        decimal: The decimal mark.
        thousands: The thousands mark, or an empty text.
        doubts: The options that would settle what is not certain.
        is_seen: Whether the sample shows a mark, or the user named one.
    """

    decimal: str
    thousands: str
    doubts: tuple[str, ...] = ()
    is_seen: bool = True


def find_number_marks(columns: Sequence[Sequence[str]], separator: str, request: Request) -> NumberMarks:
    """The marks in numbers: what the user says, what the fields show, what a model is used to; in this order.

    Args:
        columns: A sample of each column's fields, without spaces around them.
        separator: What stands between values.
        request: What the user said, and how the numbers of a model's own data were written.
    """
    options = request.options
    counts, others = _count(columns)
    # With a single column, nobody knows what would stand between two.
    decimal, doubts = _find_decimal(counts, others, separator if len(columns) > 1 else "", request)
    is_said = bool(options.decimal_mark or options.thousands_mark)
    is_seen = is_said or counts[","].is_seen or counts["."].is_seen
    if options.thousands_mark is not None:
        return NumberMarks(decimal, options.thousands_mark, doubts, is_seen)
    other = "." if decimal == "," else ","
    if counts[other].thousands or counts[other].either:
        return NumberMarks(decimal, other, doubts, is_seen)
    most = max(others, key=lambda mark: others[mark]) if any(others.values()) else ""
    return NumberMarks(decimal, most, doubts, is_seen)


def _find_decimal(
    counts: dict[str, _Counts], others: dict[str, int], separator: str, request: Request
) -> tuple[str, tuple[str, ...]]:
    options, usual = request.options, request.usual_decimal
    if options.decimal_mark is not None:
        return options.decimal_mark, ()
    if options.thousands_mark in (",", "."):
        return ("," if options.thousands_mark == "." else "."), ()
    comma, point = counts[","], counts["."]
    votes_comma, votes_point = (comma.decimal + point.thousands), (point.decimal + comma.thousands)
    if votes_comma or votes_point:
        if votes_comma == votes_point and usual is not None:
            return usual, ()
        return ("," if votes_comma > votes_point else "."), ()
    # Nothing is certain from here on.
    if usual is not None:
        # Between commas, a point that stands alone is a decimal point, whatever the model is used to.
        if separator == "," == usual and point.either and not comma.either:
            return ".", ("--decimal ,",)
        return usual, ()
    # Whoever separates by semicolons does so because commas are in the numbers.
    if comma.either and point.either:
        return (",", ("--decimal .",)) if separator == ";" else (".", ("--decimal ,",))
    if comma.either:
        if separator == ";" or any(others.values()):
            return ",", ("--decimal .",)
        return ".", ("--thousands none --decimal ,",)
    if point.either and separator in (";", "\t") and point.n_either >= _A_HANDFUL:
        return ",", ("--decimal .",)
    if point.either and separator == ";":
        return ".", ("--decimal ,",)
    return ".", ()


def _count(columns: Iterable[Sequence[str]]) -> tuple[dict[str, _Counts], dict[str, int]]:
    counts = {",": _Counts(), ".": _Counts()}
    others = {"'": 0, " ": 0}
    for column in columns:
        fields = [bare(field) for field in column if field and field.casefold() not in _NO_NUMBERS]
        # A column of texts is known by its first fields.
        if sum(_LOOKS_LIKE_A_NUMBER.fullmatch(field) is None for field in fields[:20]) > 5:
            continue
        numbers = [field for field in fields if _LOOKS_LIKE_A_NUMBER.fullmatch(field)]
        if len(numbers) < _SHARE_OF_NUMBERS * len(fields):
            continue
        for mark, pattern in _OTHER_GROUPS.items():
            if any(pattern.fullmatch(number) for number in numbers if not number.isdecimal()):
                others[mark] += 1
                # Without these, the decimal mark stands alone.
                numbers = [number.translate(_NO_OTHER_GROUPS) for number in numbers]
        for mark, uses in counts.items():
            _count_column([number for number in numbers if mark in number], mark, uses)
    return counts, others


def _count_column(numbers: list[str], mark: str, uses: _Counts) -> None:
    """Adds what one column's numbers with a mark show."""
    if not numbers:
        return
    n_groups = sum(_GROUPS[mark].fullmatch(number) is not None for number in numbers)
    n_either = sum(_ONE_GROUP[mark].fullmatch(number) is not None for number in numbers)
    n_decimal = sum(_DECIMAL[mark].fullmatch(number) is not None for number in numbers) - n_either
    if n_groups > n_decimal:
        uses.thousands += 1
    elif n_decimal:
        uses.decimal += 1
    elif n_either == len(numbers):
        uses.either += 1
        uses.n_either += n_either
