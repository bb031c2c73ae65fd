"""Texts: what the fields of a file mean, column by column, and their distinct texts as numbered levels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from entrena.data.dates import DateTexts, choose_order, date_texts
from entrena.data.dialect import MARKS, MARKS_AMONG_NUMBERS, SPACES, Dialect
from entrena.data.table import Column, Table
from entrena.data.values import Place

if TYPE_CHECKING:
    import polars as pl

_TRUTHS = ("true", "false")

_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_WHOLE = r"^[+-]?\d+$"
_LEADING_ZERO = r"^[+-]?0\d+$"


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts.

    Attributes:
        name: Its name.
        codes: [rows] int32, each row's level; −1 where the value is missing.
        levels: The distinct texts.
        marks: The texts that stood for a missing value.
    """

    name: str
    codes: np.ndarray
    levels: pl.Series
    marks: tuple[str, ...] = ()

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
    """

    columns: dict[str, Column] = field(default_factory=dict)
    dates: list[tuple[Texts, DateTexts]] = field(default_factory=list)
    marks: dict[str, None] = field(default_factory=dict)

    def add(self, texts: Texts, dialect: Dialect, *, as_text: bool = False, only_dates: bool = False) -> None:
        """Adds what a column of texts is: numbers, truth values, dates or texts.

        One value that is something else makes it a column of texts: none is ever taken for missing because it does not
        fit.

        Args:
            texts: The column.
            dialect: How numbers are written.
            as_text: Whether it is one of texts whatever they look like.
            only_dates: Whether the source has numbers and truth values of its own, so that texts are texts or dates.
        """
        self.marks.update(dict.fromkeys(texts.marks))
        column = None
        if not as_text and not only_dates:
            column = _numbers(texts, dialect, self.marks) or _truths(texts)
        if column is None and not as_text:
            dates = date_texts(texts.levels)
            if dates is not None:
                self.dates.append((texts, dates))
                return
        self.columns[texts.name] = column or _text_column(texts)

    def table(self, names: Sequence[str], place: Place, dialect: Dialect) -> Table:
        """The table of all columns, once the order of their dates is chosen.

        Args:
            names: The columns' names, in order.
            place: Where they come from.
            dialect: How the source is written.
        """
        orders, said = choose_order([dates for _, dates in self.dates], dialect.date_order)
        for (texts, dates), order in zip(self.dates, orders, strict=True):
            moments = None if order is None else dates.moments(order)
            if moments is None:
                self.columns[texts.name] = _text_column(texts)
            else:
                gap = np.datetime64("NaT", "us")
                self.columns[texts.name] = Column(texts.name, "date", texts.spread(moments, gap))
        columns = tuple(self.columns[name] for name in names)
        return Table(columns, place, said=dialect.said(tuple(self.marks), said))


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


def _codes(texts: pl.Series, levels: pl.Series) -> np.ndarray:
    """[rows] int32, the number of each text among the levels; −1 where there is none."""
    import polars as pl

    return texts.cast(pl.Enum(levels)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()


def _is_mark(texts: pl.Series, dialect: Dialect) -> pl.Series:
    if dialect.marks is not None:
        return texts.is_in(["", *dialect.marks])
    return texts.str.to_lowercase().is_in(["", *MARKS])


def _text_column(texts: Texts) -> Column:
    """The column of these texts."""
    return Column(texts.name, "text", texts.codes, tuple(texts.levels.to_list()))


def _numbers(texts: Texts, dialect: Dialect, marks: dict[str, None]) -> Column | None:
    """The column of numbers, or None where a text is none; 007 is no number where all are whole ones."""
    import polars as pl

    levels = texts.levels
    if not len(levels):
        return Column(texts.name, "number", np.full(len(texts.codes), np.nan))
    # Most columns of texts are seen to be no numbers by their first level.
    is_number = levels.str.contains(_number_pattern(dialect)) | levels.str.contains(_INFINITE)
    if not is_number.any():
        return None
    if not is_number.all():
        others = levels.filter(~is_number)
        if dialect.marks is not None or not others.str.to_lowercase().is_in(list(MARKS_AMONG_NUMBERS)).all():
            return None
        marks.update(dict.fromkeys(others.to_list()))
    plain = levels.set(~is_number, None)
    if dialect.thousands:
        plain = plain.str.replace_all(f"[{_thousands_class(dialect.thousands)}]", "")
    if dialect.decimal != ".":
        plain = plain.str.replace(dialect.decimal, ".", literal=True)
    plain = plain.str.strip_prefix("+")
    whole = plain.str.contains(_WHOLE)
    if whole.all() and levels.str.contains(_LEADING_ZERO).any():
        return None
    missing_level = plain.is_null().any()
    if whole.all() and not missing_level:
        numbers = plain.cast(pl.Int64, strict=False)
        if not numbers.null_count():
            return Column(texts.name, "number", texts.spread(numbers.to_numpy(), np.nan))
    return Column(texts.name, "number", texts.spread(plain.cast(pl.Float64).to_numpy(), np.nan))


def _number_pattern(dialect: Dialect) -> str:
    decimal = re.escape(dialect.decimal)
    plain = rf"(?:\d+(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?"
    if not dialect.thousands:
        return rf"^[+-]?{plain}$"
    mark = f"[{_thousands_class(dialect.thousands)}]"
    return rf"^[+-]?(?:{plain}|[1-9]\d{{0,2}}(?:{mark}\d{{3}})+(?:{decimal}\d*)?)$"


def _thousands_class(mark: str) -> str:
    return {" ": SPACES, "'": "'\u2019"}.get(mark, re.escape(mark))


def _truths(texts: Texts) -> Column | None:
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
