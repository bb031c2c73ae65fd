"""A table: named columns of four kinds, the one form in which files, frames and arrays go on.

A column holds numbers, truth values, texts or moments in NumPy arrays, with one mark for "missing" each. Which rows of
the columns a table has is a list of row numbers, so a split copies nothing. `as_numbers` and `as_texts` give a column
the meaning that a model needs, or one message that says which value is in the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from entrena.data.sparse import SparseMatrix
from entrena.data.values import Place

Kind = Literal["number", "boolean", "text", "date", "nested"]


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Attributes:
        name: Its name.
        kind: What its values are.
        values: [rows]. `number`: whole numbers or floats, NaN where missing. `boolean`: bool, or float32 with 0, 1 and
            NaN. `text`: int32, the number of the level, −1 where missing. `date`: datetime64[us], NaT where missing.
            `nested` (lists, structures, bytes): bool, true where something is there; it can only be left out.
        levels: The distinct texts of a text column, in any order; some may not occur in `values`.
    """

    name: str
    kind: Kind
    values: np.ndarray
    levels: tuple[str, ...] = ()

    def take(self, rows: np.ndarray | slice) -> Column:
        """The values of these rows."""
        return replace(self, values=self.values[rows])

    def as_written(self) -> np.ndarray:
        """The values as a table writes them: texts as objects, None where missing."""
        if self.kind == "text":
            return np.array([*self.levels, None], object)[self.values]
        if self.kind in ("date", "nested") or self.values.dtype.kind != "f" or not np.isnan(self.values).any():
            return self.values
        whole = bool((np.floor(self.values) == self.values)[~np.isnan(self.values)].all())
        if self.kind == "number" and not whole:
            return self.values
        kind = bool if self.kind == "boolean" else int
        return np.array([None if value != value else kind(value) for value in self.values.tolist()], object)

    def missing(self) -> np.ndarray:
        """[rows] where there is no value."""
        if self.kind == "text":
            return self.values < 0
        if self.kind == "date":
            return np.isnat(self.values)
        if self.kind == "nested":
            return ~self.values
        return np.isnan(self.values) if self.values.dtype.kind == "f" else np.zeros(len(self.values), bool)


class SparseColumn(Column):
    """A column of a sparse matrix: its values are made when they are asked for, and not kept."""

    _matrix: SparseMatrix
    _number: int

    def __init__(self, name: str, kind: Kind, matrix: SparseMatrix, number: int) -> None:
        for key, value in (("name", name), ("kind", kind), ("levels", ()), ("_matrix", matrix), ("_number", number)):
            object.__setattr__(self, key, value)

    @property
    def values(self) -> np.ndarray:
        """[rows], a fresh array."""
        return self._matrix[:, self._number : self._number + 1][:, 0]

    def take(self, rows: np.ndarray | slice) -> Column:
        """The values of these rows."""
        return Column(self.name, self.kind, self.values[rows])


@dataclass(frozen=True, eq=False)
class Table:
    """Columns side by side.

    Attributes:
        columns: All of equal length, their names distinct.
        place: Where they come from, for messages.
        rows: The numbers of the table's rows within the columns, in order; None: all of them.
        matrix: [rows of the columns, columns] numbers, where the columns are those of one array or sparse matrix.
        said: How the source was read, in one line, such as `separator ;, decimal comma`; empty where nothing is to say.
        is_array: Whether the columns are those of an array of numbers, all or some.
        image: Height, width and channels, where each row is an image, its pixels row after row, channels side by side.
        files: The names of the files that the rows of the columns come from, or None.
        beside: Where a file holds a column of pictures: its other columns, with as many rows as the columns; or None.
        found: The marks of numbers and the order of dates that a text file was read with, as `ReadOptions`, or None.
    """

    columns: tuple[Column, ...]
    place: Place
    rows: np.ndarray | None = None
    matrix: np.ndarray | SparseMatrix | None = None
    said: str = ""
    found: Any = None
    is_array: bool = False
    image: tuple[int, int, int] | None = None
    files: tuple[str, ...] | None = None
    beside: Table | None = None

    @classmethod
    def of_array(cls, array: np.ndarray | SparseMatrix, names: Sequence[str], place: Place) -> Table:
        """The columns of an array [rows, columns] of numbers or truth values; nothing is copied."""
        kind: Kind = "boolean" if array.dtype.kind == "b" else "number"
        columns: tuple[Column, ...]
        if isinstance(array, SparseMatrix):
            columns = tuple(SparseColumn(name, kind, array, j) for j, name in enumerate(names))
        else:
            columns = tuple(Column(name, kind, array[:, j]) for j, name in enumerate(names))
        return cls(columns, place, matrix=array, is_array=True)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        if self.rows is not None:
            return len(self.rows)
        return len(self.columns[0].values) if self.columns else 0

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def column(self, name: str) -> Column:
        """A column with the values of the table's rows only."""
        column = self.columns[self._number_of[name]]
        return column if self.rows is None else column.take(self.rows)

    def __iter__(self) -> Iterator[Column]:
        """The columns, one after the other, as `column` gives them."""
        return (self.column(name) for name in self.names)

    def take(self, rows: np.ndarray) -> Table:
        """The table of these rows, in that order; nothing is copied.

        Args:
            rows: [n] row numbers from 0, or a [rows] mask.
        """
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return replace(self, rows=rows if self.rows is None else self.rows[rows])

    def block(self, start: int, stop: int) -> Table:
        """Some rows side by side; where the table has all of its columns' rows, a view of them."""
        if self.rows is not None:
            return replace(self, rows=self.rows[start:stop])
        place = replace(self.place, first_row=self.place.first_row + start)
        if isinstance(self.matrix, SparseMatrix):
            return Table.of_array(self.matrix.rows(start, stop), self.names, place)
        return replace(
            self,
            columns=tuple(column.take(slice(start, stop)) for column in self.columns),
            place=place,
            matrix=None if self.matrix is None else self.matrix[start:stop],
            files=None if self.files is None else self.files[start:stop],
            beside=None if self.beside is None else self.beside.block(start, stop),
        )

    def pick(self, names: Sequence[str]) -> Table:
        """The table of these columns, in that order."""
        if tuple(names) == self.names:
            return self
        return replace(
            self, columns=tuple(self.columns[self._number_of[name]] for name in names), matrix=None, image=None
        )

    def file_row(self, index: int) -> int:
        """The number of a row among all rows of the source, from 0: what `Place.row` takes."""
        return index if self.rows is None else int(self.rows[index])


def joined_tables(tables: Sequence[Table]) -> Table:
    """Tables with the same columns, one below the other; kinds that differ meet as texts."""
    if len(tables) == 1:
        return tables[0]
    present = [
        table.matrix[slice(None) if table.rows is None else table.rows] for table in tables if table.matrix is not None
    ]
    if len(present) == len(tables):
        joined = Table.of_array(np.concatenate(present), tables[0].names, tables[0].place)
        return replace(joined, image=tables[0].image)
    return Table(tuple(_joined(name, tables) for name in tables[0].names), tables[0].place)


def _joined(name: str, tables: Sequence[Table]) -> Column:
    parts = [table.column(name) for table in tables]
    kinds: set[Kind] = {part.kind for part in parts if not part.missing().all()} or {parts[0].kind}
    if kinds == {"date"}:
        gap = np.datetime64("NaT", "us")
        moments = [part.values if part.kind == "date" else np.full(len(part.values), gap) for part in parts]
        return Column(name, "date", np.concatenate(moments))
    if "text" not in kinds and "date" not in kinds and "nested" not in kinds:
        kind: Kind = "boolean" if kinds == {"boolean"} else "number"
        return Column(name, kind, np.concatenate([as_numbers(table, name) for table in tables]))
    if kinds == {"nested"}:
        return Column(name, "nested", np.concatenate([~part.missing() for part in parts]))
    return _joined_texts(name, [as_texts(table, name) for table in tables])


def _joined_texts(name: str, parts: Sequence[Column]) -> Column:
    number_of: dict[str, int] = {}
    codes = []
    for part in parts:
        numbers = [number_of.setdefault(level, len(number_of)) for level in part.levels]
        codes.append(np.array([*numbers, -1], np.int32)[part.values])
    return Column(name, "text", np.concatenate(codes), tuple(number_of))


def as_numbers(table: Table, name: str) -> np.ndarray:
    """A column as [rows] numbers, NaN where missing; whole numbers and truth values keep their type.

    Raises:
        DataError: It holds texts, moments or an infinity; the message names the first row.
    """
    column, place = table.column(name), table.place
    if column.kind in ("number", "boolean"):
        check_no_infinity(column.values, name, table)
        return column.values
    present = ~column.missing()
    if not present.any():
        return np.full(len(column.values), np.nan)
    row = int(present.argmax())
    if column.kind == "text":
        of_level = np.array([*map(_number, column.levels), np.nan])
        numbers = of_level[column.values]
        if not np.isnan(numbers[present]).any():
            return numbers
        row = int((np.isnan(numbers) & present).argmax())
    place.refuse_text(name, _value(column, row), table.file_row(row))


def as_texts(table: Table, name: str) -> Column:
    """A column as a text column; a number becomes the text that one writes, 3 and 3.0 both `3`.

    Raises:
        DataError: It holds nested values.
    """
    column = table.column(name)
    if column.kind == "nested":
        what = column.levels[0] if column.levels else "lists or structures"
        table.place.refuse(f"{table.place.column(name)} holds {what}, which cannot be used")
    return texts_of(column)


def texts_of(column: Column) -> Column:
    """A column as one of texts: numbers, truth values and moments as one writes them; nested values stay so."""
    if column.kind in ("text", "nested"):
        return column
    missing = column.missing()
    values = column.values[~missing]
    if column.kind == "boolean":
        values = values.astype(bool)  # with gaps they are floats
    distinct, inverse = np.unique(values, return_inverse=True)
    codes = np.full(len(missing), -1, np.int32)
    codes[~missing] = inverse
    return Column(column.name, "text", codes, tuple(text_of(value) for value in distinct))


def text_of(value: object) -> str:
    """A value as the text that stands for it among classes and categories: `3` for 3.0, `true` for True."""
    if isinstance(value, np.generic):
        value = value.item() if value.dtype.kind != "M" else str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return str(value)


def check_no_infinity(values: np.ndarray, name: str, table: Table) -> None:
    """Raises a DataError at the first infinity of a column."""
    infinite = np.isinf(values) if values.dtype.kind == "f" else np.zeros(0, bool)
    if infinite.any():
        row = int(infinite.argmax())
        table.place.refuse_infinite(name, values[row], table.file_row(row))


def _number(text: str) -> float:
    """A text as a number, NaN where it is none."""
    try:
        number = float(text)
    except ValueError:
        return np.nan
    return number if "_" not in text and np.isfinite(number) else np.nan


def _value(column: Column, row: int) -> object:
    value = column.values[row]
    return column.levels[value] if column.kind == "text" else value
