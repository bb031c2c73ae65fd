"""Columns of a table as numbers, a piece of rows at a time, so that no second table is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from entrena.data.roles import Role
from entrena.data.sparse import SparseMatrix
from entrena.data.table import Column, SparseColumn, Table, as_numbers, as_texts
from entrena.preprocessing.categories import Levels
from entrena.preprocessing.dates import PARTS, as_moments, date_parts
from entrena.preprocessing.encoding import Encoding
from entrena.preprocessing.transforms import Transform

# The words of texts that are truth values, in lower case.
TRUE_WORDS = frozenset("true t yes y on 1 sí si ja oui sim".split())
FALSE_WORDS = frozenset("false f no n off 0 nein non não nao".split())

# Columns of an array are taken side by side as far as they have no more values than this together.
GROUP_VALUES = 2**22
GROUP_COLUMNS = 16


@dataclass(frozen=True, eq=False)
class Series:
    """One number for each row of a table.

    Attributes:
        values: [rows of the column].
        rows: The numbers of the table's rows among them, or None: all.
        lookup: What stands for each value, where the values are numbers of levels, −1 among them; or None.
    """

    values: np.ndarray
    rows: np.ndarray | None = None
    lookup: np.ndarray | None = None

    def piece(self, start: int, stop: int) -> np.ndarray:
        """The numbers of some rows."""
        values = self.values[start:stop] if self.rows is None else self.values.take(self.rows[start:stop])
        return values if self.lookup is None else self.lookup.take(values, mode="wrap")

    def whole(self) -> np.ndarray:
        """The numbers of all rows."""
        return self.piece(0, len(self.values) if self.rows is None else len(self.rows))


@dataclass(frozen=True, eq=False)
class SparseSeries(Series):
    """A series of a sparse column: its numbers are made each time that they are asked for.

    Attributes:
        column: The column; `values` is empty.
    """

    column: Column | None = None

    def piece(self, start: int, stop: int) -> np.ndarray:
        """The numbers of some rows."""
        assert self.column is not None
        values = self.column.values
        return values[start:stop] if self.rows is None else values[self.rows[start:stop]]

    def whole(self) -> np.ndarray:
        """The numbers of all rows."""
        assert self.column is not None
        return self.column.values if self.rows is None else self.column.values[self.rows]


def series_of(table: Table, column: Column, role: Role, parts: Sequence[str]) -> tuple[Series, ...]:
    """A column's numbers, NaN where one is missing.

    Args:
        table: The table.
        column: One of its columns, with all rows that the source has.
        role: number, boolean or date.
        parts: Of a date, which parts; else one empty text.

    Raises:
        DataError: The column holds something else; the message names the first row.
    """
    if role == "date":
        return tuple(Series(part) for part in date_parts(as_moments(table, column.name), parts))
    if isinstance(column, SparseColumn):
        return (SparseSeries(np.zeros(0), table.rows, column=column),)
    if column.kind in ("number", "boolean"):
        return (Series(column.values, table.rows),)
    if role == "boolean" and column.kind == "text":
        return (Series(column.values, table.rows, truths(column)),)
    return (Series(as_numbers(table, column.name)),)


def truths(column: Column) -> np.ndarray:
    """[levels + 1] 0 or 1 for each level, NaN for any other word, and last NaN for a missing value."""
    words = [level.strip().lower() for level in column.levels]
    truths = [1.0 if word in TRUE_WORDS else 0.0 if word in FALSE_WORDS else np.nan for word in words]
    return np.array([*truths, np.nan], np.float32)


def level_numbers(table: Table, column: Column, levels: Levels) -> Series:
    """A category's column as numbers of levels, 0 for those that were not seen; arguments as in `series_of`.

    Raises:
        DataError: The column holds nested values.
    """
    if column.kind == "text":
        return Series(column.values, table.rows, levels.numbers(column.levels))
    column = as_texts(table, column.name)
    return Series(column.values, None, levels.numbers(column.levels))


def category_series(table: Table, column: Column, encoding: Encoding, placed: np.ndarray | None) -> tuple[Series, ...]:
    """The numbers that stand for a category's levels.

    Args:
        table: The table.
        column: One of its columns, with all rows that the source has.
        encoding: What becomes of it.
        placed: [rows of the column, parts] the numbers of rows that get others than their levels', or None.
    """
    if placed is not None:
        return tuple(Series(placed[:, j], table.rows) for j in range(len(encoding.parts)))
    found = level_numbers(table, column, encoding.levels)
    assert found.lookup is not None
    return tuple(replace(found, lookup=values[found.lookup]) for values in encoding.values.T)


def gaps_of(table: Table, column: Column, role: Role) -> Series:
    """NaN where a number, truth value or date is missing, else any number; arguments as in `series_of`."""
    return series_of(table, column, role, PARTS[:1] if role == "date" else ("",))[0]


@dataclass(frozen=True, eq=False)
class NumberBlocks:
    """The numbers of several columns side by side, a piece of rows at a time.

    Attributes:
        table: The table, for its rows and for messages.
        names: [numbers] the column that each comes from.
        series: [numbers].
        fill: [numbers] what stands in the gaps.
        has_gaps: Whether gaps are to be looked for.
        matrix: The array whose columns the series are, all or some, or None.
        picked: Which columns of it; None: all.
        transforms: [numbers] what becomes of each once its gaps are filled, None for those that stay; or None: all do.
    """

    table: Table
    names: tuple[str, ...]
    series: tuple[Series, ...]
    fill: np.ndarray
    has_gaps: bool = True
    matrix: np.ndarray | SparseMatrix | None = None
    picked: np.ndarray | None = None
    transforms: tuple[Transform | None, ...] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and numbers."""
        return self.table.n_rows, len(self.series)

    def filled(self, fill: np.ndarray, *, has_gaps: bool) -> NumberBlocks:
        """These numbers with other values in the gaps."""
        return replace(self, fill=fill, has_gaps=has_gaps)

    def transformed(self, transforms: tuple[Transform | None, ...] | None) -> NumberBlocks:
        """These numbers with transforms."""
        return replace(self, transforms=transforms)

    def block(self, start: int, stop: int) -> np.ndarray:
        """[rows, numbers] in float64, gaps filled, transformed; it may be a part of the user's array.

        Raises:
            DataError: A number is infinite; the message names the row.
        """
        block = self._filled(start, stop)
        if self.transforms is None:
            return block
        return np.column_stack(
            [
                block[:, j] if transform is None else transform(block[:, j])
                for j, transform in enumerate(self.transforms)
            ]
        )

    def _filled(self, start: int, stop: int) -> np.ndarray:
        block = self._raw(start, stop)
        if not self.has_gaps or np.isfinite(block).all():
            return block
        infinite = np.isinf(block)
        if infinite.any():
            row, j = (int(index) for index in np.argwhere(infinite)[0])
            self.table.place.refuse_infinite(self.names[j], block[row, j], self.table.file_row(start + row))
        return np.where(np.isnan(block), self.fill, block)

    def column(self, j: int, start: int, stop: int) -> np.ndarray:
        """[rows] one of the numbers in float64, as `block` has it."""
        values = self._filled_column(j, start, stop)
        transform = None if self.transforms is None else self.transforms[j]
        return values if transform is None else transform(values)

    def _filled_column(self, j: int, start: int, stop: int) -> np.ndarray:
        values = self.series[j].piece(start, stop).astype(np.float64, copy=False)
        if not self.has_gaps or np.isfinite(values).all():
            return values
        infinite = np.isinf(values)
        if infinite.any():
            row = int(infinite.argmax())
            self.table.place.refuse_infinite(self.names[j], values[row], self.table.file_row(start + row))
        return np.where(np.isnan(values), self.fill[j], values)

    def _raw(self, start: int, stop: int) -> np.ndarray:
        rows = self.table.rows
        if self.matrix is not None:
            block = self.matrix[start:stop] if rows is None else self.matrix[rows[start:stop]]
            block = block if self.picked is None else block[:, self.picked]
            return block.astype(np.float64, copy=False)
        # Gathered column by column and turned once: writing each column into a table of rows takes twice as long.
        columns = np.empty((len(self.series), stop - start))
        for j, series in enumerate(self.series):
            columns[j] = series.piece(start, stop)
        return np.ascontiguousarray(columns.T)

    def columns(self, first: int, last: int) -> Iterator[np.ndarray]:
        """All rows of some of the numbers, one [rows] array after the other, gaps as they are."""
        if self.matrix is None or last - first == 1:
            yield from (series.whole() for series in self.series[first:last])
            return
        side = self.matrix[:, slice(first, last) if self.picked is None else self.picked[first:last]]
        yield from np.ascontiguousarray((side if self.table.rows is None else side[self.table.rows]).T)

    @property
    def group(self) -> int:
        """How many columns are best asked for at once."""
        if self.matrix is None:
            return 1
        return max(1, min(GROUP_COLUMNS, GROUP_VALUES // max(1, self.table.n_rows)))


def number_blocks(
    table: Table, encodings: Sequence[Encoding], placed: Mapping[str, np.ndarray] | None = None
) -> NumberBlocks:
    """The numbers that columns give, in the order of the columns; gaps are not filled yet.

    Args:
        table: A table of these columns only, in their order.
        encodings: Which numbers each column gives.
        placed: [rows of the source, parts] of categories whose rows get other numbers than their levels'.
    """
    names = tuple(encoding.name for encoding in encodings for _ in encoding.parts)
    placed = placed or {}
    series = tuple(
        one
        for column, encoding in zip(table.columns, encodings, strict=True)
        if encoding.parts
        for one in (
            category_series(table, column, encoding, placed.get(encoding.name))
            if encoding.role == "category"
            else series_of(table, column, encoding.role, encoding.parts)
        )
    )
    matrix, picked = table.matrix, None
    if any(encoding.role not in ("number", "boolean") for encoding in encodings):
        matrix = None
    elif len(series) < len(encodings):
        picked = np.flatnonzero([bool(encoding.parts) for encoding in encodings])
    return NumberBlocks(table, names, series, np.zeros(len(series)), True, matrix, picked)
