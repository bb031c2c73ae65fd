"""Dates: which texts are moments, and in which order they name day and month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

_TIME = r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)? ?([AaPp][Mm])?(?:Z|UTC| ?[+-]\d{2}:?(?:\d{2})?)?)?$"
_YEAR_FIRST = r"^(\d{4})([-/.])(\d{1,2})([-/.])(\d{1,2})" + _TIME
_YEAR_LAST = r"^(\d{1,2})([-/.])(\d{1,2})([-/.])(\d{4}|\d{2})" + _TIME
_PARTS = ("first", "mark", "second", "mark_2", "third", "hour", "minute", "second_of_minute", "fraction", "half")

# Years of two digits are 1970 to 2069.
_FIRST_SHORT_YEAR = 70

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "day_first", "month_first", "year_first"


@dataclass(frozen=True, eq=False)
class DateTexts:
    """The parts of a column's distinct texts, each a date.

    Attributes:
        parts: A frame with a row for each text: `first`, `second`, `third` as numbers, and the time of day in
            microseconds.
        mark: What stands between them.
        is_year_first: Whether they begin with a year of four digits.
    """

    parts: pl.DataFrame
    mark: str
    is_year_first: bool

    def orders(self) -> tuple[str, ...]:
        """The orders of day and month in which every text is a date."""
        if self.is_year_first:
            return (YEAR_FIRST,)
        return tuple(order for order in (DAY_FIRST, MONTH_FIRST, YEAR_FIRST) if self.moments(order) is not None)

    def moments(self, order: str) -> np.ndarray | None:
        """[texts] datetime64[us], or None where a text is no date in that order."""
        names = {DAY_FIRST: ("third", "second", "first"), MONTH_FIRST: ("third", "first", "second")}
        year, month, day = (self.parts[name].to_numpy() for name in names.get(order, ("first", "second", "third")))
        year = np.where(year < 100, year + np.where(year < _FIRST_SHORT_YEAR, 2000, 1900), year)
        if (month < 1).any() or (month > 12).any() or (day < 1).any() or (day > 31).any():
            return None
        months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
        days = months.astype("datetime64[D]") + (day - 1)
        if (days.astype("datetime64[M]") != months).any():
            return None
        return days.astype("datetime64[us]") + self.parts["time"].to_numpy().astype("timedelta64[us]")


def date_texts(levels: pl.Series) -> DateTexts | None:
    """The parts of texts that are all dates of one form; None where they are not."""
    import polars as pl

    for pattern, is_year_first in ((_YEAR_FIRST, True), (_YEAR_LAST, False)):
        # Columns of other texts are many: their first tells.
        if not levels.head(1).str.contains(pattern).all() or not levels.str.contains(pattern).all():
            continue
        groups = [levels.str.extract(pattern, number).alias(name) for number, name in enumerate(_PARTS, start=1)]
        frame = pl.DataFrame(groups)
        marks = frame["mark"].unique().to_list()
        if len(marks) > 1 or not (frame["mark"] == frame["mark_2"]).all():
            return None
        hour = pl.col("hour").cast(pl.Int64)
        half = pl.col("half").str.to_lowercase()
        # 12 am is midnight, 12 pm noon.
        hour = pl.when(half.is_null()).then(hour).when(half == "am").then(hour % 12).otherwise(hour % 12 + 12)
        seconds = (
            hour * 3600 + pl.col("minute").cast(pl.Int64) * 60 + pl.col("second_of_minute").cast(pl.Int64).fill_null(0)
        )
        microseconds = pl.col("fraction").str.pad_end(9, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
        in_range = (hour.fill_null(0) < 24) & (pl.col("minute").cast(pl.Int64).fill_null(0) < 60)
        in_range &= pl.col("second_of_minute").cast(pl.Int64).fill_null(0) < 60
        if not frame.select(in_range.all()).item():
            return None
        parts = frame.select(
            *(pl.col(name).cast(pl.Int64) for name in ("first", "second", "third")),
            time=(seconds * 1_000_000 + microseconds).fill_null(0),
        )
        dates = DateTexts(parts, marks[0], is_year_first)
        return dates if dates.orders() else None
    return None


def choose_order(columns: Sequence[DateTexts], given: str | None) -> tuple[list[str | None], str]:
    """The order of each column, and what is to be said of it.

    What one column leaves open, another settles. Where all are open, points mean that the day comes first; with other
    marks the month does, which is said to be uncertain.

    Args:
        columns: Columns of dates.
        given: What the user said.

    Returns:
        An order for each column, None where it is no date in the order that was given; and the words, empty where all
        dates begin with their years.
    """
    orders = [column.orders() for column in columns]
    if given is not None:
        chosen = [
            possible[0] if column.is_year_first else (given if given in possible else None)
            for column, possible in zip(columns, orders, strict=True)
        ]
        open_ = [order for order, column in zip(chosen, columns, strict=True) if not column.is_year_first]
        return chosen, f"dates {_words(given)}" if any(open_) else ""
    certain = {_one_of(possible) for possible in orders if _one_of(possible) not in (None, YEAR_FIRST)}
    usual = certain.pop() if len(certain) == 1 else None
    chosen, said = [], dict[str, None]()
    for column, possible in zip(columns, orders, strict=True):
        order = _one_of(possible) or usual
        doubt = ""
        if order is None:
            order = DAY_FIRST if column.mark == "." else MONTH_FIRST
            doubt = "" if column.mark == "." else f" (not certain: --date-order {DAY_FIRST})"
        chosen.append(order)
        if not column.is_year_first:
            said[f"dates {_words(order)}{doubt}"] = None
    return chosen, ", ".join(said)


def _one_of(possible: tuple[str, ...]) -> str | None:
    """The order where only one is possible; years of two digits come first only where nothing else fits."""
    usual = [order for order in possible if order != YEAR_FIRST] or list(possible)
    return usual[0] if len(usual) == 1 else None


def _words(order: str) -> str:
    return order.replace("_", " ")
