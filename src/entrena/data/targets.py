"""Targets: the column that is predicted, as labels or numbers, and which rows have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from entrena.data.table import Column, Table, check_no_infinity
from entrena.data.values import LONGEST_LABEL
from entrena.errors import shortened


def read_targets(table: Table, names: Sequence[str], *, regression: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The targets of a table.

    Args:
        table: The table.
        names: The columns to predict; several are numbers.
        regression: Whether even a single one must be numbers.

    Returns:
        Targets, [rows] labels or numbers or [rows, outputs] numbers, and [rows] where all of them are there. Where one
        is missing, the target's value means nothing.

    Raises:
        DataError: A column holds what cannot be predicted.
    """
    table = replace(table, place=replace(table.place, target=True))
    if len(names) == 1 and not regression:
        column = table.column(names[0])
        return _labels(column, table), ~column.missing()
    columns = [_numbers(name, table) for name in names]
    present = ~np.any([np.isnan(values) for values in columns], axis=0)
    if len(names) == 1:
        return columns[0], present
    return np.stack([values.astype(np.float64) for values in columns], axis=1), present


def _labels(column: Column, table: Table) -> np.ndarray:
    if column.kind in ("number", "boolean"):
        check_no_infinity(column.values, column.name, table)
        return _of_one_type(column)
    if column.kind != "text":
        what = "dates" if column.kind == "date" else "lists or structures"
        table.place.refuse(
            f"target '{shortened(column.name)}' holds {what}; a target is a text, a number or true/false"
        )
    longest = max(column.levels, key=len, default="")
    if len(longest) > LONGEST_LABEL:
        row = int((column.values == column.levels.index(longest)).argmax())
        table.place.refuse(
            f"target '{shortened(column.name)}', {table.place.row(table.file_row(row))} holds a text of "
            f"{len(longest):,} characters; a class's name has at most {LONGEST_LABEL:,}"
        )
    return np.array([*column.levels, ""], dtype=str)[column.values]


def _of_one_type(column: Column) -> np.ndarray:
    """Numbers as they are; what has become floats only because values are missing becomes whole or true again."""
    values, missing = column.values, column.missing()
    if not missing.any():
        return values
    filled = np.where(missing, 0, values)
    if column.kind == "boolean":
        return filled != 0
    is_whole = bool((filled == np.floor(filled)).all()) and bool((np.abs(filled) < 2**53).all())
    return filled.astype(np.int64) if is_whole else values


def _numbers(name: str, table: Table) -> np.ndarray:
    column, place = table.column(name), table.place
    if column.kind not in ("number", "boolean"):
        row = int((~column.missing()).argmax())
        value = column.levels[column.values[row]] if column.kind == "text" and len(column.levels) else "no number"
        place.refuse(
            f"target '{shortened(name)}', {place.row(table.file_row(row))} holds {shortened(value)!r} where a number "
            "is needed"
        )
    check_no_infinity(column.values, name, table)
    return column.values
