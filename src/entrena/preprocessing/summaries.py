"""Summaries: what each column's training rows say before anything is computed from all columns together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from entrena.data.table import Table
from entrena.preprocessing.columns import NumberBlocks
from entrena.preprocessing.missing import median
from entrena.preprocessing.statistics import in_pieces

ENOUGH_FOR_A_MEDIAN = 10_000  # rows; of fewer than twice as many, all are looked at


@dataclass(frozen=True, eq=False)
class Summaries:
    """What is known of each number that the columns give; rows of weight 0 do not exist.

    Attributes:
        low: [numbers] least values; 0 where there is none.
        high: [numbers] greatest values; 0 where there is none.
        median: [numbers] medians; 0 where there is no value. Of a column without gaps in many rows, that of at least
            `ENOUGH_FOR_A_MEDIAN` rows.
        missing: [numbers] shares of the weight that are missing.
    """

    low: np.ndarray
    high: np.ndarray
    median: np.ndarray
    missing: np.ndarray


def summarize(numbers: NumberBlocks, weights: np.ndarray | None, *, refuse: bool) -> Summaries:
    """Looks through every column once.

    Args:
        numbers: The numbers, gaps among them.
        weights: [rows] as `check_weights` returns them.
        refuse: Whether a gap is an error.

    Raises:
        DataError: A number is infinite, or a gap is refused; the message names the column and the first row.
    """
    found = np.zeros((4, numbers.shape[1]))
    there = None if weights is None or (weights > 0).all() else np.flatnonzero(weights > 0)
    counted = weights if weights is None or there is None else weights[there]

    def look(first: int, last: int) -> None:
        for j, values in enumerate(numbers.columns(first, last), start=first):
            present = values if there is None else values[there]
            weight, share = counted, 0.0
            if present.dtype.kind == "f" and not np.isfinite(present).all():
                _check(present, there, numbers.names[j], numbers.table, refuse=refuse)
                missing = np.isnan(present)
                share = share_of(missing, counted)
                present, weight = present[~missing], None if counted is None else counted[~missing]
            if len(present):
                found[:2, j] = present.min(), present.max()
                # Without gaps the median is for those of later tables only: rows evenly spaced tell it well enough.
                step = 1 if share > 0 else max(1, len(present) // ENOUGH_FOR_A_MEDIAN)
                found[2, j] = median(present[::step], None if weight is None else weight[::step])
            found[3, j] = share

    groups = range(0, numbers.shape[1], numbers.group)
    for _ in in_pieces(look, ((first, min(first + numbers.group, numbers.shape[1])) for first in groups)):
        pass
    return Summaries(*found)


def share_of(mask: np.ndarray, weights: np.ndarray | None) -> float:
    """The share of the rows' weight where the mask is true; exactly 1 where it is true throughout."""
    if mask.all():
        return 1.0
    return float(mask.mean() if weights is None else weights[mask].sum() / weights.sum())


def check_gaps(mask: np.ndarray, there: np.ndarray | None, name: str, table: Table) -> None:
    """Raises a DataError where there are gaps.

    Args:
        mask: [rows that count] where a value is missing.
        there: [rows that count] their row numbers, or None: all rows count.
        name: The column.
        table: Where it stands.
    """
    if mask.any():
        first = int(mask.argmax())
        row = first if there is None else int(there[first])
        table.place.refuse_missing(name, int(mask.sum()), table.file_row(row))


def _check(values: np.ndarray, there: np.ndarray | None, name: str, table: Table, *, refuse: bool) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        first = int(infinite.argmax())
        row = first if there is None else int(there[first])
        table.place.refuse_infinite(name, values[first], table.file_row(row))
    if refuse:
        check_gaps(np.isnan(values), there, name, table)
