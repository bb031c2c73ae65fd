"""Writers: what writes the network's inputs, a group of them and a piece of rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from entrena.data.sparse import SparseMatrix
from entrena.data.table import Table
from entrena.preprocessing.categories import one_hot_rows
from entrena.preprocessing.columns import NumberBlocks, gaps_of, level_numbers, number_blocks
from entrena.preprocessing.number_statistics import transforms_of
from entrena.preprocessing.target_encoding import OutOfFold

if TYPE_CHECKING:
    from entrena.preprocessing.preprocessor import Preprocessor

# Called with the first row, the one after the last, and [rows, inputs before a rotation] to write to.
Writer = Callable[[int, int, np.ndarray], None]

# Beyond this, the difference of two finite numbers may be infinite.
LARGE = np.finfo(np.float64).max / 4
# Of a block that is scaled at a time: it stays in the processor's cache, and its memory is used again.
PART_VALUES = 2**16


def writers_of(
    preprocessor: Preprocessor, table: Table, fill: np.ndarray, placed: OutOfFold | None = None
) -> list[Writer]:
    """What writes the inputs before a rotation, in their order.

    Args:
        preprocessor: What becomes of the columns.
        table: A table of these columns only, in their order.
        fill: [numbers] what stands in gaps.
        placed: What the rows get for categories that are coded by the target, where it is not what their levels say.
    """
    plan = preprocessor
    if plan.constant is not None:
        value = (np.array([plan.constant]) - plan.shift) / plan.scale
        return [lambda start, stop, piece: np.copyto(piece, value, casting="same_kind")]
    columns = dict(zip(table.names, table.columns, strict=True))
    n = len(fill)
    writers: list[Writer] = []
    if n:
        numbers = number_blocks(table, plan.encodings, placed).filled(fill, has_gaps=True)
        numbers = numbers.transformed(transforms_of(plan.settings.transform, plan.parameters))
        writers.append(number_writer(numbers, plan.shift[:n], plan.scale[:n]))
    at = n
    for encoding in plan.encodings:
        if encoding.indicator:
            gaps = gaps_of(table, columns[encoding.name], encoding.role)
            writers.append(gap_writer(gaps.piece, at, plan.shift[at]))
            at += 1
    for encoding in plan.encodings:
        if encoding.form == "one_hot":
            levels = level_numbers(table, columns[encoding.name], encoding.levels)
            shift = plan.shift[at : at + encoding.n_one_hot]
            writers.append(level_writer(levels.piece, at, one_hot_rows(shift, encoding.levels.n)))
            at += len(shift)
    for encoding in plan.encodings:
        if encoding.form == "embedding":
            levels = level_numbers(table, columns[encoding.name], encoding.levels)
            writers.append(level_writer(levels.piece, at, np.arange(encoding.levels.n + 1.0)[:, None]))
            at += 1
    return writers


def number_writer(numbers: NumberBlocks, shift: np.ndarray, scale: np.ndarray) -> Writer:
    """x′ = (x − shift)/scale."""
    n = len(shift)
    # Halving both sides leaves the quotient and keeps the difference in range.
    half = np.float64(0.5 if max(np.abs(shift).max(), scale.max()) > LARGE else 1.0)

    step = max(1, PART_VALUES // n)

    def write_array(start: int, stop: int, piece: np.ndarray) -> None:
        for first in range(start, stop, step):
            last = min(first + step, stop)
            block = numbers.block(first, last)
            block = block - shift if half == 1 else half * block - half * shift
            np.divide(block, half * scale, out=piece[first - start : last - start, :n], casting="same_kind")

    def write_columns(start: int, stop: int, piece: np.ndarray) -> None:
        # One after the other, while they are in the processor's cache; turned once, in the narrower type.
        columns = np.empty((n, stop - start), piece.dtype)
        for j in range(n):
            values = numbers.column(j, start, stop) * half
            values -= half * shift[j]
            values /= half * scale[j]
            columns[j] = values
        piece[:, :n] = columns.T

    if isinstance(numbers.matrix, SparseMatrix):  # a column of it costs a look at all of its rows
        return write_array
    return write_columns if numbers.matrix is None or numbers.transforms is not None else write_array


def gap_writer(piece_of: Callable[[int, int], np.ndarray], at: int, shift: float) -> Writer:
    """1 − shift where a value is missing, else −shift."""

    def write(start: int, stop: int, piece: np.ndarray) -> None:
        piece[:, at] = np.isnan(piece_of(start, stop)) - shift

    return write


def level_writer(piece_of: Callable[[int, int], np.ndarray], at: int, rows: np.ndarray) -> Writer:
    """For each level's number its row of a table."""
    width = rows.shape[1]

    def write(start: int, stop: int, piece: np.ndarray) -> None:
        piece[:, at : at + width] = rows.take(piece_of(start, stop), axis=0)

    return write
