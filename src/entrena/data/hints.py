"""Hints: what a person would notice in a column, said in one line with what to type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from entrena.data.dates import date_texts
from entrena.data.dialect import Request
from entrena.data.number_marks import find_number_marks
from entrena.data.table import Column, Table
from entrena.errors import shortened

_NUMERAL = re.compile(r"[-+−]?[0-9.,'\s\u00a0\u202f]*[0-9][0-9.,'\s\u00a0\u202f]*(?:[eE][-+]?[0-9]+)?")
_WITH_UNIT = r"\s?[0-9][0-9.,'\s\u00a0\u202f]*[^0-9]{0,5}"
_NUMBER_WITH_UNIT = re.compile(r"(?:[^\w\s]{0,3}|[A-Z]{3})" + _WITH_UNIT)
# ABC123 is more often a name than an amount of money.
_SURELY_WITH_UNIT = re.compile(r"(?:[^\w\s]{0,3}|[A-Z]{3}\s)" + _WITH_UNIT)
_NO_UNIT = re.compile(r"[0-9.,'\s+-]")
_MOST_UNITS = 3

FEW_ODD_TEXTS = 5
MOST_LEVELS = 20_000  # more are not looked at one by one
FEWEST_ROWS = 50

# So few other texts, or such a share of them, among so many numbers are slips.
_FEW_SLIPS = 3
_SHARE_OF_SLIPS = 0.01
_MANY_NUMBERS = 20

# Columns of other texts are many: about so many of their levels tell.
_SOME_LEVELS = 500
_MOST_NAMED = 3


def hint_for(table: Table, name: str, *, left_out: bool = False) -> str:
    """What the user may want to look at in a column; empty where there is nothing.

    Args:
        table: The training rows; numbers among texts are looked for in all rows of the source.
        name: The column.
        left_out: Whether no model reads it.
    """
    column = table.block(0, FEWEST_ROWS).column(name)
    if column.kind == "number":
        is_whole = column.values.dtype.kind in "iu"
        if not is_whole or len(column.values) < FEWEST_ROWS or len(np.unique(column.values)) < FEWEST_ROWS:
            return ""
        return _of_whole_numbers(table.column(name))
    if column.kind != "text":
        return ""
    if said := _of_numbers_as_texts(table, name, left_out=left_out):
        return said
    if table.place.has_types and _are_dates(column.levels):
        return f"dates kept as texts: --role {_quoted(name)}=date"
    if len(column.levels) > MOST_LEVELS:
        return ""
    column = table.column(name)
    counts = np.bincount(column.values + 1, minlength=len(column.levels) + 1)[1:]
    used = {column.levels[code]: int(counts[code]) for code in np.flatnonzero(counts)}
    return alike(used) or _of_groups(name, used)


def _are_dates(texts: Sequence[str]) -> bool:
    """Whether texts are dates, which a source with types of its own could have held as such."""
    import polars as pl

    return date_texts(pl.Series(texts, dtype=pl.String), lambda: np.ones(len(texts), np.int64)) is not None


def _of_whole_numbers(column: Column) -> str:
    n = len(column.values)
    if abs(int(column.values.max())) < 100 * n or (np.diff(column.values) == 1).all():
        return ""
    if len(np.unique(column.values)) < 0.99 * n:
        return ""
    return f"whole numbers that nearly all differ: if they only name the rows, --role {_quoted(column.name)}=ignore"


def _of_numbers_as_texts(table: Table, name: str, *, left_out: bool) -> str:
    """What is said of texts that are numbers, all or most of them."""
    column = table.columns[table.names.index(name)]  # with all rows: a line of totals has no target
    some = column.levels[:: max(1, len(column.levels) // _SOME_LEVELS)]
    if 2 * sum(map(_is_like_a_number, some)) <= len(some):
        return ""
    counts = np.bincount(column.values + 1, minlength=len(column.levels) + 1)[1:]
    codes = np.flatnonzero(counts).tolist()
    odd = [code for code in codes if not is_numeral(column.levels[code])]
    plain = len(codes) - len(odd)
    with_unit = {code for code in odd if _SURELY_WITH_UNIT.fullmatch(column.levels[code].strip())}
    units = {_NO_UNIT.sub("", column.levels[code]) for code in with_unit}
    n_others = int(counts[[code for code in odd if code not in with_unit]].sum())
    if left_out and with_unit and len(units) <= _MOST_UNITS and _are_slips(n_others, int(counts.sum()) - n_others):
        return _of_units([column.levels[code] for code in codes if code in with_unit], units)
    if not odd:
        return _of_numerals(table, name, [column.levels[code] for code in codes], left_out=left_out)
    n_odd = int(counts[odd].sum())
    n_numbers = int(counts.sum()) - n_odd
    are_slips = _are_slips(n_odd, n_numbers)
    are_marks = len(odd) <= FEW_ODD_TEXTS and n_numbers >= 4 * n_odd and plain >= 3
    if not are_slips and not are_marks and not (left_out and 2 * plain > len(codes)):
        return ""
    told = ", ".join(_told(table, column, code, int(counts[code])) for code in odd[:_MOST_NAMED])
    told += f" and {len(odd) - _MOST_NAMED:,} others" if len(odd) > _MOST_NAMED else ""
    words = " ".join(f"--missing {_quoted(column.levels[code])}" for code in odd)
    if table.place.has_types or len(odd) > FEW_ODD_TEXTS:
        advice = "a column of numbers holds nothing else: mend or delete those"
    elif are_slips:
        rows = "that row" if n_odd == 1 else "those rows"
        advice = f"delete {rows}, or {words} (beside the other marks in use) if it means missing"
    else:
        advice = f"if that means missing, {words} (beside the other marks in use)"
    return f"{n_numbers:,} numbers and {told}: {advice}"


def _are_slips(n: int, n_numbers: int) -> bool:
    return n == 0 or (n_numbers >= _MANY_NUMBERS and n <= max(_FEW_SLIPS, _SHARE_OF_SLIPS * n_numbers))


def _told(table: Table, column: Column, code: int, n: int) -> str:
    """A text, how often it is there, and where."""
    row = table.place.row(int((column.values == code).argmax()))
    times = f"once ({row})" if n == 1 else f"{n:,} times (first in {row})"
    return f"{_shown(column.levels[code])} {times}"


def _of_units(texts: Sequence[str], units: set[str]) -> str:
    if units == {""} and all(text.rstrip().endswith("-") for text in texts):
        number = shortened(texts[0].strip())
        return f"numbers with the minus behind them: write -{number[:-1].strip()} for {number}"
    named = ", ".join(_shown(unit) for unit in sorted(units - {""}))
    what = f"numbers with {named}" if named else f"numbers such as {_shown(texts[0])}"
    return f"{what}: leave in the cells nothing but the number to use them as numbers"


def _of_numerals(table: Table, name: str, texts: Sequence[str], *, left_out: bool) -> str:
    """What is said of a column that holds nothing but numbers, and is one of texts all the same."""
    if not left_out and not any("." in text or "," in text for text in texts):
        return ""  # names of classes, such as 1 to 5 or zip codes
    example = f"such as {_shown(texts[0])}"
    if _are_floats(texts):
        return f"numbers kept as texts, {example}: if they count something, --role {_quoted(name)}=number"
    if table.place.has_types:
        return f"numbers kept as texts, {example}: store them as numbers"
    marks = find_number_marks([[text.strip() for text in texts]], "", Request())
    options = [] if marks.decimal == "." else ["--decimal ,"]
    options += [f"--thousands {_quoted(marks.thousands)}"] if marks.thousands else []
    bare = (re.sub(r"\s" if marks.thousands == " " else re.escape(marks.thousands), "", text) for text in texts)
    if not options or not _are_floats([text.replace(marks.decimal, ".") for text in bare]):
        return f"numbers in several forms, {example}: write them all in one way"
    what = "a decimal comma" if marks.decimal == "," else "groups of digits"
    return f"numbers with {what}, {example}: {' '.join(options)}"


def _are_floats(texts: Iterable[str]) -> bool:
    try:
        return all(np.isfinite(float(text)) for text in texts)
    except ValueError:
        return False


def alike(levels: Iterable[str]) -> str:
    """Levels that differ only in capitals or blanks; empty where there are none."""
    first: dict[str, str] = {}
    for level in levels:
        folded = " ".join(level.lower().split())
        if folded in first:
            return f"{_shown(first[folded])} and {_shown(level)} differ only in capitals or blanks"
        first[folded] = level
    return ""


def _of_groups(name: str, counts: dict[str, int]) -> str:
    n, k = sum(counts.values()), len(counts)
    if k < 100 or n > 20 * k or n < 1.5 * k:
        return ""
    return f"{k:,} values, about {n / k:.0f} rows each: if rows belong together, --group {_quoted(name)}"


def is_numeral(text: str) -> bool:
    """Whether a text is a number, however its marks are set."""
    return _NUMERAL.fullmatch(text.strip()) is not None


def _is_like_a_number(text: str) -> bool:
    return is_numeral(text) or _SURELY_WITH_UNIT.fullmatch(text.strip()) is not None


def look_like_numbers(texts: Sequence[str]) -> bool:
    """Whether nearly all of these texts are numbers, perhaps with a unit or a sign of money."""
    fitting = sum(_NUMBER_WITH_UNIT.fullmatch(text.strip()) is not None for text in texts)
    has_unit_in_common = len({_NO_UNIT.sub("", text) for text in texts}) <= 3
    return fitting >= 0.95 * len(texts) and has_unit_in_common


def _shown(text: str) -> str:
    return shortened(repr(text))


def _quoted(text: str) -> str:
    """A name as one types it on the command line."""
    if not re.search(r"[^\w.-]", text):
        return shortened(text)
    mark = '"' if "'" in text else "'"
    return f"{mark}{shortened(text)}{mark}"
