"""Arrays: inputs as something that NumPy can read, and their targets."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from entrena.data.values import (
    NUMERIC_KINDS,
    Place,
    blocks,
    check_finite,
    column_of_numbers,
    exact_float,
    labels,
)
from entrena.errors import DataError


def as_array(values: Any, what: str) -> np.ndarray:
    """Values as a NumPy array, without a copy where they are one.

    Raises:
        DataError: Rows have different lengths, or the values are a sparse matrix.
    """
    if hasattr(values, "toarray"):
        raise DataError(f"{what}: sparse matrices cannot be used yet; hand in .toarray()")
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


def inputs_of(values: Any, columns: Sequence[str] | None, place: Place) -> np.ndarray:
    """Inputs as [rows, columns] finite numbers.

    Args:
        values: What the user gave.
        columns: The columns' names, or None for x0, x1, …
        place: Where they come from.

    Returns:
        float64, or float32 where that loses nothing. An array that is right already is returned as it is.

    Raises:
        DataError: No rows, no columns, not two-dimensional, or a value that is no finite number.
    """
    array = as_array(values, place.source)
    if array.ndim != 2:
        advice = "; X[:, None] makes one column of it, X[None, :] one row" if array.ndim == 1 else ""
        place.refuse(f"inputs need two dimensions, rows × columns; these have shape {array.shape}{advice}")
    if array.shape[0] == 0:
        place.refuse(f"there are no rows (the inputs have shape {array.shape})")
    if array.shape[1] == 0:
        place.refuse(f"there are no input columns (the inputs have shape {array.shape})")
    names = columns or input_names(array.shape[1])
    if array.dtype.kind in NUMERIC_KINDS:
        check_finite(array, names, place)
        return _as_float(array, names, place)
    if array.dtype.names is not None:
        place.refuse("inputs are a structured array; hand in a table (Polars, pandas) or a plain array")
    parts = [column_of_numbers(array[:, j], name, place) for j, name in enumerate(names)]
    stacked = np.stack(parts, axis=1, dtype=np.float64)
    check_finite(stacked, names, place)
    return stacked


def _as_float(array: np.ndarray, names: Sequence[str], place: Place) -> np.ndarray:
    kind = exact_float([array.dtype])
    if array.dtype == kind:
        return array
    with np.errstate(over="ignore"):
        converted = array.astype(kind)
    # Only a float longer than 64 bits can have become infinite here.
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        check_finite(converted, names, place)
    return converted


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


def stack_columns(parts: Sequence[np.ndarray], names: Sequence[str], place: Place) -> np.ndarray:
    """Columns side by side as one [rows, columns] array of finite numbers, row after row in memory."""
    out = np.empty((len(parts[0]), len(parts)), exact_float(part.dtype for part in parts))
    for rows in blocks(*out.shape):
        np.stack([part[rows] for part in parts], axis=1, out=out[rows], casting="unsafe")
    check_finite(out, names, place)
    return out
