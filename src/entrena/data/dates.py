"""Dates: which texts are moments, and in which order they name day and month."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from entrena.data.table import Column, Table
from entrena.errors import shortened

if TYPE_CHECKING:
    import polars as pl

_CLOCK = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)? ?([AaPp][Mm])?"
_TIME = rf"(?:[T ]+{_CLOCK}(?:Z|UTC| ?[+-][0-9]{{2}}:?(?:[0-9]{{2}})?)?)?$"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"((?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?))"
)
_YEAR_FIRST = r"^([0-9]{4})([-/.])([0-9]{1,2})([-/.])([0-9]{1,2})" + _TIME
_YEAR_LAST = r"^([0-9]{1,2})([-/.])([0-9]{1,2})([-/.])([0-9]{4}|[0-9]{2})" + _TIME
_NAMED_MONTH = rf"^([0-9]{{1,2}})(?i:st|nd|rd|th)?([-/. ]) ?{_MONTH}\.?,?([-/. ])([0-9]{{4}}|[0-9]{{2}})" + _TIME
_NAMED_MONTH_FIRST = rf"^{_MONTH}( )([0-9]{{1,2}})(?i:st|nd|rd|th)?,?( )([0-9]{{4}})" + _TIME

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "day_first", "month_first", "year_first"

# The patterns, and the orders of their three parts: None where the order of day and month is open.
_PATTERNS: tuple[tuple[str, str | None], ...] = (
    (_YEAR_FIRST, YEAR_FIRST),
    (_YEAR_LAST, None),
    (_NAMED_MONTH, DAY_FIRST),
    (_NAMED_MONTH_FIRST, MONTH_FIRST),
)
_PARTS = ("first", "mark", "second", "mark_2", "third", "hour", "minute", "second_of_minute", "fraction", "half")

# Years of two digits are 1970 to 2069.
_FIRST_SHORT_YEAR = 70

# Among so many dates, a share of so many other values are slips.
_MANY_DATES = 20
_SHARE_OF_DATES = 0.99

# Of a column's first texts, at least half must look like dates before all are looked at.
_FIRST_TEXTS = 20


@dataclass(frozen=True, eq=False)
class DateTexts:
    """The parts of a column's distinct texts, of which all are dates, or nearly all of many.

    Attributes:
        parts: A frame with a row for each text: `first`, `second`, `third` as numbers, and the time of day in
            microseconds; no values where a text is no date.
        mark: What stands between them.
        order: The order where the form leaves no choice: year of four digits first, or a month with its name.
        counts: [texts] how many rows each has.
    """

    parts: pl.DataFrame
    mark: str
    order: str | None
    counts: np.ndarray

    @property
    def is_open(self) -> bool:
        """Whether the form alone leaves the order of day and month open."""
        return self.order is None

    def orders(self) -> tuple[str, ...]:
        """The orders of day and month in which most texts are dates: all of them, or nearly all of many."""
        possible = (DAY_FIRST, MONTH_FIRST, YEAR_FIRST) if self.order is None else (self.order,)
        n_dates = {order: self._n_dates(order) for order in possible}
        most = max(n_dates.values())
        return tuple(order for order in possible if n_dates[order] == most and self._are_enough(most))

    def allows(self, order: str) -> bool:
        """Whether the texts are dates in an order, but for a few of many."""
        return order == self.order if self.order else self._are_enough(self._n_dates(order))

    def _n_dates(self, order: str) -> int:
        """How many rows are dates in an order."""
        return int(self.counts[~np.isnat(self.moments(order))].sum())

    def _are_enough(self, n_dates: int) -> bool:
        total = int(self.counts.sum())
        return n_dates == total or (n_dates >= _MANY_DATES and n_dates >= _SHARE_OF_DATES * total)

    def moments(self, order: str) -> np.ndarray:
        """[texts] datetime64[us], NaT where a text is no date in that order."""
        names = {DAY_FIRST: ("third", "second", "first"), MONTH_FIRST: ("third", "first", "second")}
        # Where there is no part, a month 0 makes it no date.
        parts = self.parts.fill_null(0)
        year, month, day = (parts[name].to_numpy() for name in names.get(order, ("first", "second", "third")))
        year = np.where(year < 100, year + np.where(year < _FIRST_SHORT_YEAR, 2000, 1900), year)
        is_date = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (np.where(is_date, month, 1) - 1)
        days = months.astype("datetime64[D]") + (np.where(is_date, day, 1) - 1)
        is_date &= days.astype("datetime64[M]") == months
        moments = days.astype("datetime64[us]") + parts["time"].to_numpy().astype("timedelta64[us]")
        moments[~is_date] = np.datetime64("NaT")
        return moments


def date_texts(levels: pl.Series, count: Callable[[], np.ndarray]) -> DateTexts | None:
    """The parts of texts that are dates of one form; None where they are not.

    Args:
        levels: Distinct texts.
        count: Gives [levels] how many rows each has; it is asked only where texts look like dates.
    """
    for pattern, order in _PATTERNS:
        # Columns of other texts are many: the first texts tell.
        if 2 * levels.head(_FIRST_TEXTS).str.contains(pattern).sum() < max(1, len(levels.head(_FIRST_TEXTS))):
            continue
        # Where a month has a name, nobody minds the marks: 1. January 2011.
        parts, mark = _parts(levels, pattern, same_marks=order in (None, YEAR_FIRST))
        dates = DateTexts(parts, mark, order, count())
        return dates if dates.orders() else None
    return None


def moments_in(levels: pl.Series, order: str) -> np.ndarray:
    """[texts] datetime64[us] of texts that are dates each for itself, NaT where one is none.

    Args:
        levels: Texts.
        order: The order of day and month where the form leaves it open.
    """
    moments = np.full(len(levels), np.datetime64("NaT", "us"))
    for pattern, own_order in _PATTERNS:
        rows = np.flatnonzero(levels.str.contains(pattern).to_numpy() & np.isnat(moments))
        if len(rows):
            some = levels.gather(rows)
            parts, mark = _parts(some, pattern, same_marks=own_order in (None, YEAR_FIRST), in_all=False)
            moments[rows] = DateTexts(parts, mark, own_order, np.ones(len(rows))).moments(own_order or order)
    return moments


def _parts(levels: pl.Series, pattern: str, *, same_marks: bool, in_all: bool = True) -> tuple[pl.DataFrame, str]:
    """The numbers in texts, without values where a text does not fit; and the mark that stands between them.

    Args:
        levels: Texts, at least one of which fits the pattern.
        pattern: How day, month and year follow.
        same_marks: Whether the same mark stands between day, month and year.
        in_all: Whether it is the same in all texts.
    """
    import polars as pl

    frame = pl.DataFrame([levels.str.extract(pattern, k).alias(name) for k, name in enumerate(_PARTS, start=1)])
    marks = frame["mark"].drop_nulls().unique(maintain_order=True)
    mark = marks[0] if len(marks) == 1 else frame["mark"].drop_nulls().mode().sort()[0]
    time, is_time = _seconds()
    numbers = [_number_of_month(frame[name]).alias(name) for name in ("first", "second", "third")]
    fits = pl.col("mark").is_not_null() & is_time
    if same_marks:
        fits &= pl.col("mark") == pl.col("mark_2")
    if same_marks and in_all:
        fits &= pl.col("mark") == mark
    times = frame.select(fits=fits.fill_null(False), time=(time * 1_000_000).fill_null(0) + _microseconds())
    fits_all = times["fits"]
    columns = [pl.select(pl.when(fits_all).then(part)).to_series().alias(part.name) for part in numbers]
    return pl.DataFrame([*columns, times["time"]]), mark


def _number_of_month(part: pl.Series) -> pl.Series:
    """The numbers of a part: digits, or the name of a month."""
    import polars as pl

    if part.str.contains(r"^[0-9]*$").all():
        return part.cast(pl.Int64)
    numbers = {name: number for number, name in enumerate(_MONTHS, start=1)}
    return part.str.slice(0, 3).str.to_lowercase().replace_strict(numbers, default=None, return_dtype=pl.Int64)


def _seconds() -> tuple[pl.Expr, pl.Expr]:
    """The seconds since midnight of the parts of a time, and whether it is one; without a time it is midnight."""
    import polars as pl

    hour, minute = pl.col("hour").cast(pl.Int64), pl.col("minute").cast(pl.Int64)
    second = pl.col("second_of_minute").cast(pl.Int64).fill_null(0)
    half = pl.col("half").str.to_lowercase()
    # 12 am is midnight, 12 pm noon.
    hour = pl.when(half.is_null()).then(hour).when(half == "am").then(hour % 12).otherwise(hour % 12 + 12)
    is_time = (hour.fill_null(0) < 24) & (minute.fill_null(0) < 60) & (second < 60)
    return hour * 3600 + minute * 60 + second, is_time


def _microseconds() -> pl.Expr:
    """What is left of a second."""
    import polars as pl

    return pl.col("fraction").str.pad_end(9, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)


def times_of_day(levels: pl.Series) -> np.ndarray | None:
    """[texts] the seconds since midnight; None where a text is no time of day such as `07:38` or `7:38:05`."""
    import polars as pl

    pattern = f"^{_CLOCK}$"
    if not len(levels) or not levels.head(1).str.contains(pattern).all() or not levels.str.contains(pattern).all():
        return None
    frame = pl.DataFrame([levels.str.extract(pattern, k).alias(name) for k, name in enumerate(_PARTS[5:], start=1)])
    seconds, is_time = _seconds()
    times = frame.select(seconds=seconds, parts=_microseconds(), is_time=is_time)
    if not times["is_time"].all():
        return None
    whole = times["seconds"].to_numpy()
    return whole + times["parts"].to_numpy() / 1e6 if (times["parts"] != 0).any() else whole


def choose_order(
    columns: Sequence[DateTexts], given: str | None, usual: str | None = None
) -> tuple[list[str | None], str]:
    """The order of each column, and what is to be said of it.

    What one column leaves open, another settles, and then what is usual. Where all are open, points mean that the day
    comes first; with other marks the month does, which is said to be uncertain.

    Args:
        columns: Columns of dates.
        given: What the user said.
        usual: The order in which a model's own data have them.

    Returns:
        An order for each column, None where it is no date in the order that was given; and the words, empty where all
        dates begin with their years.
    """
    if given is not None:
        chosen: list[str | None] = [column.order or (given if column.allows(given) else None) for column in columns]
        open_ = [order for order, column in zip(chosen, columns, strict=True) if column.is_open]
        return chosen, f"dates {_words(given)}" if any(open_) else ""
    orders = [column.orders() for column in columns]
    open_orders = [possible for possible, column in zip(orders, columns, strict=True) if column.is_open]
    certain = {_one_of(possible) for possible in open_orders if _one_of(possible) not in (None, YEAR_FIRST)}
    settled = certain.pop() if len(certain) == 1 else None
    chosen = []
    said: dict[str, None] = {}
    for column, possible in zip(columns, orders, strict=True):
        order = _one_of(possible) or settled or (usual if usual in possible else None)
        doubt = ""
        if order is None:
            order = DAY_FIRST if column.mark == "." else MONTH_FIRST
            doubt = "" if column.mark == "." else f" (not certain: --date-order {DAY_FIRST})"
        chosen.append(order)
        if column.is_open:
            said[f"dates {_words(order)}{doubt}"] = None
    return chosen, ", ".join(said)


def order_shown(columns: Sequence[DateTexts], orders: Sequence[str | None]) -> str | None:
    """The order in which columns were read whose form leaves it open; None where there is none, or several."""
    shown = {order for order, column in zip(orders, columns, strict=True) if column.is_open and order is not None}
    return shown.pop() if len(shown) == 1 else None


def _one_of(possible: tuple[str, ...]) -> str | None:
    """The order where only one is possible; years of two digits come first only where nothing else fits."""
    usual = [order for order in possible if order != YEAR_FIRST] or list(possible)
    return usual[0] if len(usual) == 1 else None


def _words(order: str) -> str:
    return order.replace("_", " ")


def as_moments(table: Table, name: str) -> np.ndarray:
    """A column as [rows] datetime64, NaT where missing.

    Files and frames with types of their own may keep dates as texts: where one is needed, such texts are dates if all
    of them are of one form.

    Raises:
        DataError: It holds something else, or does not show which of day and month comes first; the message names the
            first row.
    """
    column = table.column(name)
    if column.kind == "date":
        return column.values
    gap = np.datetime64("NaT", "us")
    present = ~column.missing()
    if not present.any():
        return np.full(table.n_rows, gap)
    moments, is_certain = np.full(table.n_rows, gap), True
    if column.kind == "text":
        of_level, is_certain = _moments_of(column.levels, None if table.found is None else table.found.date_order)
        moments = np.append(of_level, gap)[column.values]
    odd = present & np.isnat(moments)
    # What a text file writes was looked at when it was read.
    if is_certain and not odd.any() and table.place.has_types:
        return moments
    row = int((odd if odd.any() else present).argmax())
    place = table.place
    holds = f"{place.column(name)}, {place.row(table.file_row(row))} holds {_shown(column, row)}"
    if not odd.any():
        if not is_certain:
            place.refuse(f"{holds}, where day or month may come first; --date-order says which")
        place.refuse(f"{holds}, which was not read as a date; --date-order says how days, months and years follow")
    place.refuse(f"{holds} where a date is needed" + (", such as 2024-12-31" if column.kind == "text" else ""))


def _shown(column: Column, row: int) -> str:
    value = column.levels[column.values[row]] if column.kind == "text" else column.values[row].item()
    return shortened(repr(value)) if column.kind != "nested" else "no single value"


def _moments_of(texts: Sequence[str], usual: str | None) -> tuple[np.ndarray, bool]:
    """[texts] the moments of texts of one form, NaT where one is no date; and whether the order is certain.

    Args:
        texts: Distinct texts.
        usual: The order of day and month where the texts show several.
    """
    import polars as pl

    levels = pl.Series(list(texts), dtype=pl.String).str.strip_chars()
    pattern, order = max(_PATTERNS, key=lambda form: levels.str.contains(form[0]).sum())
    if not levels.str.contains(pattern).any():
        return np.full(len(texts), np.datetime64("NaT", "us")), True
    parts, mark = _parts(levels, pattern, same_marks=order in (None, YEAR_FIRST))
    dates = DateTexts(parts, mark, order, np.ones(len(texts), np.int64))
    possible = [order] if order else [DAY_FIRST, MONTH_FIRST, YEAR_FIRST]
    n_dates = {order: int((~np.isnat(dates.moments(order))).sum()) for order in possible}
    likely = tuple(order for order in possible if n_dates[order] == max(n_dates.values()))
    chosen = usual if usual in likely else _one_of(likely)
    # Points mean that the day comes first.
    is_certain = chosen is not None or mark == "."
    return dates.moments(chosen or DAY_FIRST), is_certain
