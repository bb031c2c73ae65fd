"""Hints: what a person would notice in a column, said in one line with what to type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from entrena.data.table import Column, Table
from entrena.errors import shortened

_NUMERAL = re.compile(r"[-+−]?[\d.,'\s\u00a0\u202f]*\d[\d.,'\s\u00a0\u202f]*(?:[eE][-+]?\d+)?")
_NUMBER_WITH_UNIT = re.compile(r"(?:[^\w\s]{0,3}|[A-Z]{3})\s?\d[\d.,'\s\u00a0\u202f]*\D{0,5}")

FEW_ODD_TEXTS = 5
MOST_LEVELS = 20_000  # more are not looked at one by one
FEWEST_ROWS = 50


def hint_for(table: Table, name: str) -> str:
    """What the user may want to look at in a column; empty where there is nothing.

    Args:
        table: The training rows.
        name: The column.
    """
    column = table.block(0, FEWEST_ROWS).column(name)
    if column.kind == "number":
        is_whole = column.values.dtype.kind in "iu"
        if not is_whole or len(column.values) < FEWEST_ROWS or len(np.unique(column.values)) < FEWEST_ROWS:
            return ""
        return _of_whole_numbers(table.column(name))
    if column.kind != "text" or len(column.levels) > MOST_LEVELS:
        return ""
    column = table.column(name)
    counts = np.bincount(column.values + 1, minlength=len(column.levels) + 1)[1:]
    used = {column.levels[code]: int(counts[code]) for code in np.flatnonzero(counts)}
    return _of_numbers_among_texts(name, used) or alike(used) or _of_groups(name, used)


def _of_whole_numbers(column: Column) -> str:
    n, k = len(column.values), len(np.unique(column.values))
    if k < 0.99 * n or abs(int(column.values.max())) < 100 * n or (np.diff(column.values) == 1).all():
        return ""
    return f"whole numbers that nearly all differ: if they only name the rows, --role {_quoted(column.name)}=ignore"


def _of_numbers_among_texts(name: str, counts: dict[str, int]) -> str:
    odd = {text: n for text, n in counts.items() if not is_numeral(text)}
    n_numbers = sum(counts.values()) - sum(odd.values())
    if not odd or len(odd) > FEW_ODD_TEXTS or n_numbers < 4 * sum(odd.values()) or len(counts) - len(odd) < 3:
        return ""
    told = ", ".join(f"{shortened(text)!r} {'once' if n == 1 else f'{n:,} times'}" for text, n in odd.items())
    words = " ".join(f"--missing {_quoted(text)}" for text in odd)
    return f"{n_numbers:,} numbers and {told}: if that means missing, {words} (beside the other marks in use)"


def alike(levels: Iterable[str]) -> str:
    """Levels that differ only in capitals or blanks; empty where there are none."""
    first: dict[str, str] = {}
    for level in levels:
        folded = " ".join(level.lower().split())
        if folded in first:
            return f"{shortened(first[folded])!r} and {shortened(level)!r} differ only in capitals or blanks"
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


def look_like_numbers(texts: Sequence[str]) -> bool:
    """Whether nearly all of these texts are numbers, perhaps with a unit or a sign of money."""
    fitting = sum(_NUMBER_WITH_UNIT.fullmatch(text.strip()) is not None for text in texts)
    has_unit_in_common = len({re.sub(r"[\d.,'\s+-]", "", text) for text in texts}) <= 3
    return fitting >= 0.95 * len(texts) and has_unit_in_common


def _quoted(text: str) -> str:
    return f"'{shortened(text)}'" if re.search(r"[^\w.-]", text) else shortened(text)
