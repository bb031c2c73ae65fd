"""Texts: what the fields of a file mean, column by column, and their distinct texts as numbered levels."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from entrena.data.dates import DateTexts, choose_order, date_texts, order_shown, times_of_day
from entrena.data.dialect import MARKS, MARKS_AMONG_NUMBERS, SPACES, Dialect, ReadOptions
from entrena.data.number_forms import first_number, plain_numbers
from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.errors import shortened

if TYPE_CHECKING:
    import polars as pl

# So many columns are named where several were read in the same way.
_MOST_NAMES = 3

# A mark is a class of a target among at most so many, and with at least so many rows.
_MOST_CLASSES = 20
_FEWEST_ROWS = 2

TIMES_OF_DAY = "times of day in seconds"

_TRUTHS = ("true", "false")

_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_WHOLE = r"^[+-]?[0-9]+$"
_LEADING_ZERO = r"^[+-]?0[0-9]+$"


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts.

    Attributes:
        name: Its name.
        codes: [rows] int32, each row's level; −1 where the value is missing.
        levels: The distinct texts.
        marks: The texts that stood for a missing value.
        classes: The levels that would stand for a missing value in other columns, and are classes of a target here.
    """

    name: str
    codes: np.ndarray
    levels: pl.Series
    marks: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def counts(self) -> np.ndarray:
        """[levels] how many rows each level has."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels))

    def spread(self, values: np.ndarray, missing: object) -> np.ndarray:
        """[rows] what belongs to each row's level.

        Args:
            values: [levels].
            missing: What stands where there is no value.
        """
        if not len(values):
            return np.full(len(self.codes), missing)
        spread = values[self.codes]
        gaps = self.codes < 0
        if gaps.any():
            spread = np.where(gaps, np.asarray(missing, np.result_type(values.dtype, np.asarray(missing))), spread)
        return spread


@dataclass
class Meanings:
    """What the text columns of a table turn out to be.

    Attributes:
        columns: The columns that are settled, by name.
        dates: Those whose dates wait for the order of day and month.
        marks: The texts that stood for missing values, in all columns.
        forms: What was read as numbers or as times, and the columns that were.
        classes: The columns of texts with classes that elsewhere stand for missing values.
        date_order: The order of day and month once it is chosen, where the columns show one.
        orders: The order of each column of dates, once it is chosen.
        examples: One text of each column of numbers that are written with a unit, brackets or another minus.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    dates: list[tuple[Texts, DateTexts]] = field(default_factory=list)
    marks: dict[str, None] = field(default_factory=dict)
    forms: dict[str, list[str]] = field(default_factory=dict)
    classes: list[Texts] = field(default_factory=list)
    date_order: str | None = None
    orders: dict[str, str] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, texts: Texts, dialect: Dialect, *, as_text: bool = False, only_dates: bool = False) -> None:
        """Adds what a column of texts is: numbers, truth values, dates or texts.

        One value that is something else makes it a column of texts. Only among dates a few that are none are missing
        values, and that is said.

        Args:
            texts: The column.
            dialect: How numbers are written.
            as_text: Whether it is one of texts whatever they look like.
            only_dates: Whether the source has numbers and truth values of its own, so that texts are texts or dates.
        """
        self.marks.update(dict.fromkeys(texts.marks))
        column = None
        if not as_text and not only_dates:
            column = _numbers(texts, dialect, self.marks) or truths(texts) or self._numbers_of_a_form(texts, dialect)
        if column is None and not as_text:
            dates = date_texts(texts.levels, texts.counts)
            if dates is not None:
                self.dates.append((texts, dates))
                return
            column = self._times(texts)
        if column is None and texts.classes:
            self.classes.append(texts)
        self.columns[texts.name] = column or text_column(texts)

    def _numbers_of_a_form(self, texts: Texts, dialect: Dialect) -> Column | None:
        """The column of numbers with units, brackets or another minus, or None where a text is none."""
        plain = plain_numbers(texts.levels)
        if plain is None:
            return None
        column = _numbers(replace(texts, levels=plain[0]), dialect, self.marks)
        if column is not None:
            self.forms.setdefault(f"numbers with {plain[1]}", []).append(texts.name)
            self.examples[texts.name] = first_number(texts.levels)
        return column

    def _times(self, texts: Texts) -> Column | None:
        """The column of times of day, or None where a text is none."""
        seconds = times_of_day(texts.levels)
        if seconds is None:
            return None
        self.forms.setdefault(TIMES_OF_DAY, []).append(texts.name)
        return Column(texts.name, "number", texts.spread(seconds, np.nan))

    def table(self, names: Sequence[str], place: Place, dialect: Dialect) -> Table:
        """The table of all columns, once the order of their dates is chosen.

        Args:
            names: The columns' names, in order.
            place: Where they come from.
            dialect: How the source is written.
        """
        columns = [dates for _, dates in self.dates]
        orders, said = choose_order(columns, dialect.date_order, dialect.usual_order)
        self.date_order = order_shown(columns, orders)
        notes = [_named(columns) + f": {words}" for words, columns in self.forms.items()]
        for (texts, dates), order in zip(self.dates, orders, strict=True):
            if order is None:
                self.columns[texts.name] = text_column(texts)
                continue
            self.orders[texts.name] = order
            moments = dates.moments(order)
            gap = np.datetime64("NaT", "us")
            self.columns[texts.name] = Column(texts.name, "date", texts.spread(moments, gap))
            if np.isnat(moments).any():
                notes.append(_no_dates(texts, np.isnat(moments), place))
        notes += map(_marks_as_classes, self.classes)
        parts = [dialect.said(tuple(self.marks), said), *notes]
        return Table(tuple(self.columns[name] for name in names), place, said="; ".join(filter(None, parts)))

    def found(self) -> ReadOptions | None:
        """What is to be remembered of a source that has numbers of its own: the order of its dates, if it shows one."""
        return None if self.date_order is None else ReadOptions(date_order=self.date_order)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(map(shortened, names[:_MOST_NAMES])) + more


def _no_dates(texts: Texts, is_none: np.ndarray, place: Place) -> str:
    """What is said of values that are no dates, among many that are."""
    rows = np.flatnonzero((texts.codes >= 0) & is_none[texts.codes])
    first = shortened(texts.levels[int(texts.codes[rows[0]])], 30)
    values = "1 value is no date" if len(rows) == 1 else f"{len(rows):,} values are no dates"
    return f"{shortened(texts.name)}: {values} ({place.row(int(rows[0]))}: '{first}')"


def _marks_as_classes(texts: Texts) -> str:
    """What is said of classes that may have been meant as missing values."""
    named = " and ".join(f"'{shortened(text)}'" for text in texts.classes)
    # A text that begins like an option has to stick to its own.
    words = " ".join(f"--missing{'=' if text.startswith('-') else ' '}{text}" for text in texts.classes)
    if len(texts.classes) == 1:
        return f"{named} is a class of {shortened(texts.name)}: {words} if it means missing"
    return f"{named} are classes of {shortened(texts.name)}: {words} if they mean missing"


def encode(series: pl.Series, name: str, dialect: Dialect | None = None) -> Texts:
    """A series of texts as numbered levels, in the order of their first rows.

    Args:
        series: The texts.
        name: The column's name.
        dialect: How missing values are written, in fields that may have spaces around them; None: texts are taken as
            they are.
    """
    raw = series.unique(maintain_order=True).drop_nulls()
    codes = _codes(series, raw)
    if dialect is None:
        return Texts(name, codes, raw)
    stripped = raw.str.strip_chars()
    is_mark = _is_mark(stripped, dialect)
    if not is_mark.any() and not (stripped != raw).any():
        return Texts(name, codes, raw)
    levels = stripped.filter(~is_mark).unique(maintain_order=True)
    # One more level at the end: that of code −1.
    codes = np.append(_codes(stripped.set(is_mark, None), levels), np.int32(-1))[codes]
    marks = stripped.filter(is_mark).unique(maintain_order=True)
    return Texts(name, codes, levels, tuple(mark for mark in marks.to_list() if mark))


def encode_target(series: pl.Series, name: str, dialect: Dialect, known: Collection[object] | None = None) -> Texts:
    """A series of texts that may be classes, as numbered levels; a mark of a missing value may be one of them.

    In a column of texts a mark is a class where it is at least half as frequent as the rarest other class with two rows
    or more, and there are at most 20 in all; and `-` is one among signs such as `+` and `=`.

    Args:
        series: The texts.
        name: The column's name.
        dialect: How missing values are usually written.
        known: The classes that a model knows: then the marks among these are classes.
    """
    usual = encode(series, name, dialect)
    if known is not None:
        classes = [mark for mark in usual.marks if mark in known]
    elif not usual.marks:
        return _with_doubts(usual, [])
    elif _numbers(usual, dialect, {}) or truths(usual) or date_texts(usual.levels, usual.counts):
        return usual
    else:
        classes = _marks_that_are_classes(encode(series, name, replace(dialect, marks=())), usual.marks)
    if classes:
        marks = tuple(mark for mark in usual.marks if mark not in classes)
        usual = encode(series, name, replace(dialect, marks=marks))
    return usual if known is not None else _with_doubts(usual, classes)


def _with_doubts(texts: Texts, marks: Collection[str]) -> Texts:
    """Texts with the classes that may have been meant as missing values; among other signs, `-` is none of these."""
    if len(texts.levels) > _MOST_CLASSES:
        return texts
    levels = texts.levels.to_list()
    are_signs = all(re.fullmatch(r"[^\w\s]+|0", level) for level in levels)
    classes = (level for level in levels if level in marks or level.lower() in MARKS_AMONG_NUMBERS)
    return texts if are_signs else replace(texts, classes=tuple(classes))


def _marks_that_are_classes(texts: Texts, marks: Collection[str]) -> list[str]:
    n_rows = dict(zip(texts.levels.to_list(), texts.counts().tolist(), strict=True)) if len(texts.levels) < 40 else {}
    others = {level: count for level, count in n_rows.items() if level not in marks}
    frequent = [count for count in others.values() if count >= _FEWEST_ROWS]
    signs = [level for level in others if level != "0"]
    classes = []
    for mark in marks:
        is_sign = mark == "-" and bool(signs) and all(re.fullmatch(r"[^\w\s]+", level) for level in signs)
        is_frequent = bool(frequent) and n_rows[mark] >= max(_FEWEST_ROWS, min(frequent) / 2)
        if is_sign or (is_frequent and len(n_rows) <= _MOST_CLASSES):
            classes.append(mark)
    return classes


def _codes(texts: pl.Series, levels: pl.Series) -> np.ndarray:
    """[rows] int32, the number of each text among the levels; −1 where there is none."""
    import polars as pl

    return texts.cast(pl.Enum(levels)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()


def _is_mark(texts: pl.Series, dialect: Dialect) -> pl.Series:
    if dialect.marks is not None:
        return texts.is_in(["", *dialect.marks])
    return texts.str.to_lowercase().is_in(["", *MARKS])


def text_column(texts: Texts) -> Column:
    """The column of these texts."""
    return Column(texts.name, "text", texts.codes, tuple(texts.levels.to_list()))


def _numbers(texts: Texts, dialect: Dialect, marks: dict[str, None]) -> Column | None:
    """The column of numbers, or None where a text is none; 007 is no number where all are whole ones."""
    levels = texts.levels
    if not len(levels):
        return Column(texts.name, "number", np.full(len(texts.codes), np.nan))
    is_number = are_numbers(levels, dialect)
    if not is_number.any():
        return None
    if not is_number.all():
        others = levels.filter(~is_number)
        if dialect.marks is not None or not others.str.to_lowercase().is_in(list(MARKS_AMONG_NUMBERS)).all():
            return None
        marks.update(dict.fromkeys(others.to_list()))
    plain = plainly_written(levels.set(~is_number, None), dialect)
    if plain.str.contains(_WHOLE).all() and levels.str.contains(_LEADING_ZERO).any():
        return None
    return number_column(texts, plain)


def are_numbers(levels: pl.Series, dialect: Dialect) -> pl.Series:
    """Which texts are numbers without units."""
    return levels.str.contains(_number_pattern(dialect)) | levels.str.contains(_INFINITE)


def plainly_written(numbers: pl.Series, dialect: Dialect) -> pl.Series:
    """Texts of numbers as every program writes them."""
    plain = numbers
    if dialect.thousands:
        plain = plain.str.replace_all(f"[{_thousands_class(dialect.thousands)}]", "")
    if dialect.decimal != ".":
        plain = plain.str.replace(dialect.decimal, ".", literal=True)
    return plain.str.strip_prefix("+")


def number_column(texts: Texts, plain: pl.Series) -> Column:
    """The column of numbers.

    Args:
        texts: The column as texts.
        plain: [levels] the number of each level as every program writes it, or no value.
    """
    import polars as pl

    if not plain.null_count() and plain.str.contains(_WHOLE).all():
        numbers = plain.cast(pl.Int64, strict=False)
        if not numbers.null_count():
            return Column(texts.name, "number", texts.spread(numbers.to_numpy(), np.nan))
    return Column(texts.name, "number", texts.spread(plain.cast(pl.Float64).to_numpy(), np.nan))


def _number_pattern(dialect: Dialect) -> str:
    decimal = re.escape(dialect.decimal)
    plain = rf"(?:[0-9]+(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    if not dialect.thousands:
        return rf"^[+-]?{plain}$"
    mark = f"[{_thousands_class(dialect.thousands)}]"
    return rf"^[+-]?(?:{plain}|[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+(?:{decimal}[0-9]*)?)$"


def _thousands_class(mark: str) -> str:
    return {" ": SPACES, "'": "'\u2019"}.get(mark, re.escape(mark))


def truths(texts: Texts) -> Column | None:
    """The column of truth values, or None where a text is none."""
    if len(texts.levels) > 6:
        return None
    lower = [text.lower() for text in texts.levels.to_list()]
    if not set(lower) <= set(_TRUTHS):
        return None
    values = np.array([text == "true" for text in lower])
    if (texts.codes < 0).any():
        return Column(texts.name, "boolean", texts.spread(values.astype(np.float32), np.float32(np.nan)))
    return Column(texts.name, "boolean", texts.spread(values, False))
