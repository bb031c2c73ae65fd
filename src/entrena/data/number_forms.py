"""Forms of numbers: minus signs, brackets and units that people write around the digits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from entrena.data.dialect import MARKS_AMONG_NUMBERS, SPACES

if TYPE_CHECKING:
    import polars as pl

UNITS = ("€", "$", "£", "¥", "CHF", "USD", "EUR", "kr", "%")

# The minus of typography, as word processors and statistical offices write it.
MINUS = "\u2212"

_FIRST = frozenset("+-.0123456789")

_GAP = rf"[{SPACES}]*"
_ANY_UNIT = re.compile("|".join(map(re.escape, UNITS)))
_BRACKETS = rf"^\({_GAP}([^()+-]+?){_GAP}\)$"
_DIGITS = re.compile(rf"[+-]?[0-9.,'\u2019{SPACES}]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?")


def _before(unit: str) -> str:
    return rf"^([+-]?\(?[+-]?){_GAP}{re.escape(unit)}{_GAP}"


def _behind(unit: str) -> str:
    return rf"{_GAP}{re.escape(unit)}{_GAP}(\)?)$"


def bare(field: str) -> str:
    """A field without its unit, and with a plain minus where it is negative.

    >>> bare("(27.90 €)"), bare("$ 5"), bare("21.5%"), bare("x")
    ('-27.90', '5', '21.5', 'x')
    """
    if field[:1] in _FIRST and field[-1:].isdecimal():
        return field
    text = field.replace(MINUS, "-")
    unit = _ANY_UNIT.search(text)
    if unit is not None:
        text = re.sub(_behind(unit[0]), r"\1", re.sub(_before(unit[0]), r"\1", text, count=1), count=1)
    return re.sub(_BRACKETS, r"-\1", text)


def first_number(levels: pl.Series) -> str:
    """The first of these distinct texts that is no mark of a missing number; empty where there is none."""
    begin = levels.head(len(MARKS_AMONG_NUMBERS) + 1).to_list()
    return next((text for text in begin if text.lower() not in MARKS_AMONG_NUMBERS), "")


def plain_numbers(levels: pl.Series) -> tuple[pl.Series, str] | None:
    """Texts of numbers with the same unit as plain numbers, and what they had; None where they are none of that kind.

    What stands for a missing value among numbers stays as it is.

    Args:
        levels: Distinct texts.
    """
    import polars as pl

    # Columns of other texts are many: their first tells.
    first = first_number(levels)
    if not _DIGITS.fullmatch(bare(first)):
        return None
    is_value = ~levels.str.to_lowercase().is_in(list(MARKS_AMONG_NUMBERS))
    had = []
    unit = _ANY_UNIT.search(first)
    plain = levels.str.replace_all(MINUS, "-", literal=True)
    if not plain.equals(levels):
        had.append(MINUS)
    if unit is not None:
        for pattern in (_before(unit[0]), _behind(unit[0])):
            without = plain.str.replace(pattern, "${1}")
            if (without != plain).filter(is_value).all():
                plain = without
                had.append(unit[0])
                break
        else:
            return None
    without = plain.str.replace(_BRACKETS, "-${1}")
    if not without.equals(plain):
        had.append("( ) for minus")
    if not had:
        return None
    return pl.select(pl.when(is_value).then(without).otherwise(levels)).to_series(), " and ".join(had)
