"""Arrays: inputs as something that NumPy can read, and their targets."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from entrena.data.sparse import SparseMatrix, check_dense, is_sparse
from entrena.data.table import Column, Table, text_of
from entrena.data.values import (
    NUMERIC_KINDS,
    Place,
    check_finite,
    check_not_infinite,
    column_of_numbers,
    holds_numbers,
    is_missing,
    labels,
)
from entrena.errors import DataError


def as_array(values: Any, what: str) -> np.ndarray:
    """Values as a NumPy array, without a copy where they are one; a sparse matrix becomes a dense one.

    Raises:
        DataError: Rows have different lengths, or a sparse matrix would not fit the memory.
    """
    if is_sparse(values):
        values = SparseMatrix(values)
        check_dense(values, np.float64, what)
        return values[:]
    try:
        with warnings.catch_warnings():
            # A masked or subclassed array may warn; what it holds is checked value by value below.
            warnings.simplefilter("ignore")
            return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} cannot be read as an array: {error}") from None


def input_names(n_columns: int) -> tuple[str, ...]:
    """The names that the columns of an array get, from x0 on."""
    return tuple(f"x{column}" for column in range(n_columns))


def inputs_of(values: Any, columns: Sequence[str] | None, place: Place) -> Table:
    """Inputs as a table.

    Args:
        values: What the user gave: numbers, NaN where one is missing; or an array of objects, whose columns hold
            numbers or texts.
        columns: The columns' names, or None for x0, x1, …
        place: Where they come from.

    Returns:
        The table; an array of numbers is not copied, and a sparse matrix stays one.

    Raises:
        DataError: No rows, no columns, not two-dimensional, or a value that cannot be used.
    """
    array = values if is_sparse(values) else as_array(values, place.source)
    if array.ndim != 2:
        place.refuse(_wrong_dimensions(array.shape, values))
    if array.shape[0] == 0:
        place.refuse(f"there are no rows (the inputs have shape {array.shape})")
    if array.shape[1] == 0:
        place.refuse(f"there are no input columns (the inputs have shape {array.shape})")
    names = columns or input_names(array.shape[1])
    if is_sparse(array):
        return _sparse_inputs(array, names, place)
    if array.dtype.kind in NUMERIC_KINDS:
        check_not_infinite(array, names, place)
        return Table.of_array(_as_float(array), names, place)
    if array.dtype.names is not None:
        place.refuse("inputs are a structured array; hand in a table (Polars, pandas) or a plain array")
    return Table(tuple(_column(array[:, j], name, place) for j, name in enumerate(names)), place)


def _wrong_dimensions(shape: tuple[int, ...], values: Any) -> str:
    """What is said of inputs that are no rows × columns, with what to type instead."""
    advice = ""
    if len(shape) == 1:
        advice = "; X[:, None] makes one column of it, X[None, :] one row"
    elif len(shape) > 2 and shape[0] and isinstance(values, list | tuple):
        images = "for a network np.asarray(X) makes images of it; " if len(shape) <= 4 else ""
        advice = f"; {images}np.reshape(X, (len(X), -1)) makes one row of numbers of each"
    elif len(shape) > 2 and shape[0]:
        images = "; images are [n, height, width] or [n, height, width, channels]" if len(shape) > 4 else ""
        advice = f"{images}; X.reshape(len(X), -1) makes one row of numbers of each"
    return f"inputs need two dimensions, rows × columns; these have shape {shape}{advice}"


def check_table_shape(values: Any, place: Place) -> None:
    """Raises a DataError where an array or nested lists have three dimensions or more."""
    shape = _shape_of(values)
    if len(shape) > 2:
        place.refuse(_wrong_dimensions(shape, values))


def _shape_of(values: Any) -> tuple[int, ...]:
    """The shape of an array, or of nested lists by their first entries."""
    lengths = []
    while isinstance(values, list | tuple):
        lengths.append(len(values))
        values = values[0] if len(values) else None
    shape = getattr(values, "shape", ())
    return (*lengths, *shape) if isinstance(shape, tuple) else tuple(lengths)


def check_not_one_image(values: Any, n_columns: int, image: tuple[int, int, int] | None, place: Place) -> None:
    """Raises a DataError where a model of images is handed a single one, without the dimension of rows.

    Args:
        values: What the user gave.
        n_columns: How many inputs the model reads.
        image: Height, width and channels of the images that it was trained on, or None.
        place: Where the values come from.
    """
    shape = () if image is None else _shape_of(values)
    if image is None or shape not in (image, image[:2]) or (len(shape) == 2 and shape[1] == n_columns):
        return
    size = " × ".join(map(str, shape))
    place.refuse(
        f"this is one image ({size}), and several are read, [n, …]: hand in X[0:1] in place of X[0], or X[None]"
    )


def _sparse_inputs(matrix: Any, names: Sequence[str], place: Place) -> Table:
    if matrix.dtype.kind not in NUMERIC_KINDS:
        place.refuse(f"the sparse matrix holds {matrix.dtype}, where numbers are needed")
    found = SparseMatrix(matrix.astype(np.float64) if matrix.dtype.itemsize > 8 else matrix)
    infinite = np.isinf(found.values) if found.dtype.kind == "f" else np.zeros(0, bool)
    if infinite.any():
        number = int(infinite.argmax())
        row, column = found.place_of(number)
        place.refuse_infinite(names[column], found.values[number], row)
    return Table.of_array(found, names, place)


def _as_float(array: np.ndarray) -> np.ndarray:
    """Numbers in an array that NumPy computes with as it is: floats longer than 64 bits become float64."""
    return array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array


def _column(values: np.ndarray, name: str, place: Place) -> Column:
    """A column of an array of texts or objects: numbers where all that is not missing is one, else texts."""
    if values.dtype.kind == "M":
        return Column(name, "date", values.astype("datetime64[us]"))
    if values.dtype.kind not in "OUT":
        place.refuse_text(name, values[0], 0)
    if holds_numbers(values):
        numbers = column_of_numbers(values, name, place, missing=np.nan)
        return Column(name, "number", numbers)
    missing = np.array([is_missing(value) for value in values], bool)
    texts = [text_of(value) for value in values[~missing]]
    levels, codes = np.unique(np.array(texts, str), return_inverse=True)
    numbered = np.full(len(values), -1, np.int32)
    numbered[~missing] = codes
    return Column(name, "text", numbered, tuple(levels.tolist()))


def targets_of(
    values: Any, names: Sequence[str] | None, n_rows: int, source: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Targets and their names.

    Args:
        values: [rows] labels or numbers, [rows, 1] the same, or [rows, outputs] numbers.
        names: Their names, or None for `target`, or target0, target1, … where there are several.
        n_rows: How many rows the inputs have.
        source: What messages call the data.

    Raises:
        DataError: Another number of rows, more than two dimensions, or a value that cannot be used.
    """
    array = as_array(values, f"{source}: targets")
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise DataError(
            f"{source}: targets need one value a row, or one row of numbers a row; they have shape {array.shape}"
        )
    if len(array) != n_rows:
        raise DataError(f"{source}: inputs have {n_rows} rows and targets {len(array)}; they must be equal")
    place = Place(source, target=True)
    n_targets = 1 if array.ndim == 1 else array.shape[1]
    if names and len(names) != n_targets:
        place.refuse(f"the number of targets is {n_targets}, and of their names {len(names)}: {', '.join(names)}")
    if array.ndim == 1 or array.shape[1] == 1:
        name = names[0] if names else "target"
        return labels(array.reshape(-1), name, place), (name,)
    several = tuple(names) if names else tuple(f"target{output}" for output in range(array.shape[1]))
    if array.dtype.kind in NUMERIC_KINDS:
        stacked = array.astype(np.float64)
    else:
        columns = [column_of_numbers(array[:, j], name, place) for j, name in enumerate(several)]
        stacked = np.stack(columns, axis=1, dtype=np.float64)
    check_finite(stacked, several, place)
    return stacked, several
