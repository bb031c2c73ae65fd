"""Settled columns: what further values of a column mean, once its first rows and its role have shown it.

`Meanings` looks at all values of a column before it says what they are. Here each value counts for itself, so that rows
which arrive in blocks of any length read the same; one that does not fit is refused with its row.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from entrena.data.dates import MONTH_FIRST, moments_in, times_of_day
from entrena.data.dialect import MARKS, MARKS_AMONG_NUMBERS, Dialect
from entrena.data.frames import polars_column
from entrena.data.number_forms import plain_numbers
from entrena.data.schema import Label, class_numbers
from entrena.data.table import Column, Kind, texts_of
from entrena.data.texts import (
    TIMES_OF_DAY,
    Meanings,
    Texts,
    are_numbers,
    encode,
    encode_target,
    number_column,
    plainly_written,
    text_column,
    truths,
)
from entrena.data.values import Place
from entrena.errors import shortened

if TYPE_CHECKING:
    import polars as pl

_PLAIN = "1"  # a number that all programs write so

_FEW_NUMBERS = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_FEW_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_FEW_DATES = re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?")
_FEW_TRUTHS = {"true": True, "false": False}


@dataclass(eq=False)
class SettledColumn:
    """What a column's values mean.

    Attributes:
        name: Its name.
        kind: What its values are.
        dialect: How they are written.
        order: The order of day and month, in a column of dates.
        example: A number with its unit, as the first rows write it.
        is_time: Whether numbers are times of day.
        may_be_text: Whether a value that does not fit makes a block a column of texts instead of being refused.
        known: The classes of a target, among which may be marks of missing values; None for other columns.
        classes: The classes of a target that are no texts.
        is_target: Whether it is one, for messages.
        is_open: Whether the first rows show no value, so that the first that comes says how its like are written.
    """

    name: str
    kind: Kind
    dialect: Dialect
    order: str | None = None
    example: str = _PLAIN
    is_time: bool = False
    may_be_text: bool = False
    known: Collection[object] | None = None
    classes: tuple[Label, ...] = ()
    is_target: bool = False
    is_open: bool = False

    def like(self, column: Column, meanings: Meanings) -> SettledColumn:
        """The same, whose values are written as those of the first rows."""
        self.is_open = bool(column.missing().all())
        self._take_form(meanings)
        return self

    def column(self, series: pl.Series, place: Place) -> Column:
        """A block's values.

        Args:
            series: As Polars read them.
            place: Where the block stands, for messages.

        Raises:
            DataError: A value is something else than the column holds; the message names its row.
        """
        import polars as pl

        if series.dtype == pl.Null or not len(series):
            return self._missing(len(series))
        if series.dtype != pl.String:
            return self._typed(polars_column(series, self.name), place)
        if self.known is not None:
            texts = encode_target(series, self.name, self.dialect, self.known)
        else:
            texts = encode(series, self.name, self.dialect)
        if not len(texts.levels):
            return self._missing(len(series))
        if self.is_open:
            self._settle(texts.levels)
        if self.kind == "number":
            return self._numbers(texts, place)
        if self.kind == "date":
            return self._dates(texts, place)
        if self.kind == "boolean":
            return truths(texts) or self._truths(texts, place)
        return text_column(texts)

    def of_fields(self, fields: Sequence[str]) -> Column | None:
        """The values of a few fields, without Polars' costs; None where that would take more than a glance.

        Args:
            fields: As they stand in the file, with the spaces around them.
        """
        if self.is_open or self.is_time or self.example != _PLAIN:
            return None
        values = [None if self._is_missing(field) else field for field in map(str.strip, fields)]
        if self.kind == "text":
            return self._few_texts(values)
        present = [value for value in values if value is not None]
        if self.kind == "number" and not self.dialect.thousands and self.dialect.decimal == ".":
            if all(map(_FEW_NUMBERS.fullmatch, present)):
                return self._few_numbers(values, whole=all(map(_FEW_WHOLE.fullmatch, present)))
        elif self.kind == "date" and all(map(_FEW_DATES.fullmatch, present)):
            return self._few_dates(values)
        elif self.kind == "boolean" and all(value.lower() in _FEW_TRUTHS for value in present):
            return self._few_truths([None if value is None else _FEW_TRUTHS[value.lower()] for value in values])
        return None

    def _is_missing(self, field: str) -> bool:
        if not field:
            return True
        marks = self.dialect.marks
        is_mark = field.lower() in MARKS if marks is None else field in marks
        return is_mark and (self.known is None or field not in self.known)

    def of_values(self, values: Sequence[object]) -> Column | None:
        """The values of a few JSON objects, where None stands for a missing one; None as for `of_fields`."""
        if self.is_open or self.dialect.marks:
            return None
        present = [value for value in values if value is not None]
        if self.kind == "text" and all(type(value) is str for value in present):
            return self._few_texts([value.strip() or None if isinstance(value, str) else None for value in values])
        if self.kind == "number" and all(type(value) is float or type(value) is int for value in present):
            whole = all(type(value) is int and abs(value) < 10**18 for value in present)
            return self._few_numbers(values, whole=whole)
        if self.kind == "boolean" and all(type(value) is bool for value in present):
            return self._few_truths(values)
        if self.kind == "date" and all(type(value) is str and _FEW_DATES.fullmatch(value) for value in present):
            return self._few_dates(values)
        return None

    def _few_texts(self, values: Sequence[str | None]) -> Column:
        numbers: dict[str, int] = {}
        codes = [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values]
        return Column(self.name, "text", np.array(codes, np.int32), tuple(numbers))

    def _few_numbers(self, values: Sequence[object], *, whole: bool) -> Column:
        if whole and None not in values:
            return Column(self.name, "number", np.array([int(value) for value in values], np.int64))  # type: ignore[call-overload]
        numbers = [np.nan if value is None else float(value) for value in values]  # type: ignore[arg-type]
        return Column(self.name, "number", np.array(numbers, np.float64))

    def _few_truths(self, values: Sequence[object]) -> Column:
        if None not in values:
            return Column(self.name, "boolean", np.array(values, bool))
        numbers = [np.nan if value is None else float(bool(value)) for value in values]
        return Column(self.name, "boolean", np.array(numbers, np.float32))

    def _few_dates(self, values: Sequence[object]) -> Column | None:
        try:
            moments = [np.datetime64("NaT" if value is None else str(value), "us") for value in values]
        except ValueError:
            return None
        return Column(self.name, "date", np.array(moments, "datetime64[us]"))

    def _missing(self, n_rows: int) -> Column:
        if self.kind == "text":
            return Column(self.name, "text", np.full(n_rows, -1, np.int32))
        if self.kind == "date":
            return Column(self.name, "date", np.full(n_rows, np.datetime64("NaT", "us")))
        return Column(self.name, self.kind, np.full(n_rows, np.nan, np.float32 if self.kind == "boolean" else None))

    def _typed(self, column: Column, place: Place) -> Column:
        """The column of values that have a type of their own."""
        if self.kind == "text" and column.kind != "nested":
            return texts_of(column)
        if column.kind == self.kind or {column.kind, self.kind} == {"number", "boolean"}:
            self.is_open = self.is_open and bool(column.missing().all())
            return column
        if column.missing().all():
            return self._missing(len(column.values))
        if self.may_be_text and column.kind != "nested":
            return texts_of(column)
        row = int((~column.missing()).argmax())
        if column.kind == "nested":
            self._refuse(None, row, place, column.levels[0])
        self._refuse(column.values[row].item(), row, place)

    def _settle(self, levels: pl.Series) -> None:
        """Finds from the first text of all how such values are written."""
        self.is_open = False
        found = Meanings()
        found.add(Texts(self.name, np.zeros(1, np.int32), levels.head(1)), self.dialect)
        found.table([self.name], Place(""), self.dialect)
        self._take_form(found)

    def _take_form(self, found: Meanings) -> None:
        self.order = found.orders.get(self.name, self.order)
        self.example = found.examples.get(self.name, self.example)
        self.is_time = self.name in found.forms.get(TIMES_OF_DAY, ())
        if self.kind == "date" and self.order is None:
            self.order = self.dialect.date_order or self.dialect.usual_order or MONTH_FIRST

    def _numbers(self, texts: Texts, place: Place) -> Column:
        levels = texts.levels
        if self.is_time:
            seconds = times_of_day(levels)
            if seconds is not None:
                return Column(self.name, "number", texts.spread(seconds, np.nan))
            return self._odd(texts, lambda some: times_of_day(some) is not None, place)
        plain = self._plain_numbers(levels)
        if plain is not None:
            return number_column(texts, plain)
        return self._odd(texts, lambda some: self._plain_numbers(some) is not None, place)

    def _plain_numbers(self, levels: pl.Series) -> pl.Series | None:
        """Each number as every program writes it, no value for a mark of a missing one; None where one is neither."""
        import polars as pl

        is_number = are_numbers(levels, self.dialect)
        if not is_number.all() or self.example != _PLAIN:
            # The example shows which unit is meant.
            written = plain_numbers(pl.concat([pl.Series([self.example]), levels]))
            if written is not None:
                levels = written[0].slice(1)
                is_number = are_numbers(levels, self.dialect)
            elif self.example != _PLAIN:
                is_number &= False
        others = levels.filter(~is_number).str.to_lowercase()
        if len(others) and (self.dialect.marks is not None or not others.is_in(list(MARKS_AMONG_NUMBERS)).all()):
            return None
        return plainly_written(levels.set(~is_number, None), self.dialect)

    def _dates(self, texts: Texts, place: Place) -> Column:
        order = self.order or MONTH_FIRST
        moments = moments_in(texts.levels, order)
        if np.isnat(moments).any():
            return self._odd(texts, lambda some: not np.isnat(moments_in(some, order)).any(), place)
        return Column(self.name, "date", texts.spread(moments, np.datetime64("NaT", "us")))

    def _truths(self, texts: Texts, place: Place) -> Column:
        return self._odd(texts, lambda some: bool(some.str.to_lowercase().is_in(list(_FEW_TRUTHS)).all()), place)

    def _odd(self, texts: Texts, fit: Callable[[pl.Series], bool], place: Place) -> Column:
        """What becomes of a block with texts that do not fit: texts, or an error about the first of them.

        Args:
            texts: The block's, their levels in the order of their first rows.
            fit: Whether all of some levels fit.
            place: Where the block stands.
        """
        if self.may_be_text:
            return text_column(texts)
        first = bisect_left(range(1, len(texts.levels)), True, key=lambda n: not fit(texts.levels.head(n)))
        self._refuse(texts.levels[first], int((texts.codes == first).argmax()), place)

    def _refuse(self, value: object, row: int, place: Place, shown: str = "") -> NoReturn:
        """Raises the DataError about a value that is no number, date or truth value; `shown` says what it is."""
        place = replace(place, target=self.is_target)
        if value == self.name:
            place.refuse(f"{place.row(row)} repeats the header: delete it")
        if self.classes and not shown:
            where = f"{place.source}: {place.column(self.name)}"
            class_numbers(np.array([value]), self.classes, source=where, row=lambda _: place.row(row))
        needed = {"date": "a date", "boolean": "true or false"}.get(self.kind, "a number")
        shown = shown or shortened(repr(value) if isinstance(value, str) else str(value))
        where = f"{place.column(self.name)}, {place.row(row)}"
        place.refuse(f"{where} holds {shown} where {needed} is needed{self._hint(value)}")

    def _hint(self, value: object) -> str:
        """What to say of a decimal mark that the first rows do not show."""
        other = "," if self.dialect.decimal == "." else "."
        pattern = rf"[+-]?[0-9]+[{other}][0-9]+"
        if self.kind != "number" or not isinstance(value, str) or not re.fullmatch(pattern, value):
            return ""
        word = "comma" if other == "," else "point"
        return f"; the first rows show no decimal {word}: --decimal {other} if this is one"
