"""What estimators and transformers are given as X: checked as scikit-learn asks for, and as a table."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from entrena.data.arrays import check_table_shape, input_names, inputs_of
from entrena.data.frames import check_names, frame_table, is_frame
from entrena.data.sparse import is_sparse
from entrena.data.table import Table, as_numbers
from entrena.data.values import Place
from entrena.errors import DataError

FIRST_ROWS = 100  # in which dates among objects are looked for


def read_table(estimator: Any, X: Any, *, reset: bool, text_columns: frozenset[str] = frozenset()) -> Table:
    """Checked inputs: a frame's columns by their types, or an array of numbers, NaN where one is missing.

    Args:
        estimator: A scikit-learn estimator; it learns `n_features_in_` and, of names, `feature_names_in_`.
        X: [rows, columns] frame, array or sparse matrix.
        reset: Whether X says what the columns are, or has to have those that were said.
        text_columns: Columns of a frame that are texts whatever their type.

    Raises:
        ValueError: X has other columns than before, or no two dimensions.
        DataError: A value cannot be used.
    """
    check_table_shape(X, Place("X"))
    _check_no_objects_of_dates(X)
    if is_frame(X) and not hasattr(X, "collect") and len(set(X.columns)) < len(X.columns):
        check_names([str(name) for name in X.columns], "X")
    has_names = is_frame(X) and not _holds_numbers_only(X)
    if has_names or _holds_texts(X) or getattr(getattr(X, "dtype", None), "kind", "") == "M":
        checked = validate_data(estimator, X, reset=reset, skip_check_array=True)
        table = frame_table(checked, text_columns=text_columns) if has_names else inputs_of(X, None, Place("X"))
    else:
        kind = {"dtype": (np.float64, np.float32), "accept_sparse": True, "ensure_all_finite": False}
        checked = validate_data(estimator, X, reset=reset, **kind)
        known = getattr(estimator, "feature_names_in_", None)  # a message names the column
        table = inputs_of(checked, None if known is None else tuple(known), Place("X"))
    known = getattr(estimator, "feature_names_in_", None)
    names = input_names(len(table.columns)) if known is None else tuple(known)
    if table.matrix is not None:
        return Table.of_array(table.matrix, names, table.place)
    renamed = (replace(column, name=name) for column, name in zip(table.columns, names, strict=True))
    return replace(table, columns=tuple(renamed))


def _check_no_objects_of_dates(X: Any) -> None:
    """Raises a DataError for an array of objects that holds dates: which column is of dates, it does not say."""
    if getattr(getattr(X, "dtype", None), "kind", "") != "O" or getattr(X, "ndim", 0) != 2 or is_frame(X):
        return
    for row, column in np.ndindex(*X[:FIRST_ROWS].shape):
        if isinstance(X[row, column], datetime.date | np.datetime64):
            raise DataError(
                f"X: row {row + 1} of column x{column} is a date among objects: hand in a frame (pandas.DataFrame(X)"
                ".infer_objects()), or an array of datetime64 alone"
            )


MAKES_NUMBERS = 'TableTransformer(decorrelate="pca")'


def read_numbers(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """X as [rows, columns] floats, for what takes nothing but numbers; whether they are finite is not looked at.

    Args:
        estimator: As for `read_table`.
        X: [rows, columns] frame or array of numbers.
        reset: As for `read_table`.

    Raises:
        ValueError: X has other columns than before, or no two dimensions.
        DataError: X is sparse, or holds a text or a date; the message names the column.
    """
    check_table_shape(X, Place("X"))
    if is_sparse(X):
        rows, columns = X.shape
        raise DataError(
            f"X: a sparse matrix ({rows:,} × {columns:,}) is not taken, since centred rows are dense: hand in "
            f"X.toarray(), or take {MAKES_NUMBERS}, which reads sparse ones"
        )
    kind = {"dtype": [np.float64, np.float32], "ensure_all_finite": False, "ensure_min_samples": 1}
    try:
        checked: np.ndarray = validate_data(estimator, X, reset=reset, **kind)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        _name_what_is_no_number(X)
        raise
    return checked


def _name_what_is_no_number(X: Any) -> None:
    """Raises a DataError with the first column that holds texts or dates, if there is one."""
    if is_frame(X):
        table = replace(frame_table(X), place=Place("X"))
    else:
        array = np.asarray(X, object) if isinstance(X, list | tuple) else X
        if not _holds_texts(array) or array.ndim != 2:
            return
        table = inputs_of(array, None, Place("X"))
    for name in table.names:
        kind = table.column(name).kind
        if kind == "nested":
            raise DataError(f"X: column '{name}' holds lists or structures, where numbers are needed: leave it out")
        try:
            as_numbers(table, name)
        except DataError as error:
            said = f"{error}: leave the column out, or take {MAKES_NUMBERS}, which makes numbers of it"
            raise DataError(said) from None


def _holds_numbers_only(frame: Any) -> bool:
    """Whether all columns of a frame are of numbers or truth values, so that it is an array with names."""
    dtypes = None if hasattr(frame, "collect") else getattr(frame, "dtypes", None)
    if dtypes is None:
        return False
    return all(
        dtype.is_numeric() or str(dtype) == "Boolean"
        if hasattr(dtype, "is_numeric") and callable(dtype.is_numeric)
        else getattr(dtype, "kind", "O") in "biuf"
        for dtype in dtypes
    )


def _holds_texts(X: Any) -> bool:
    """Whether an array of texts or objects holds texts, and nothing but texts, numbers and gaps."""
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "kind", None) in ("U", "T"):
        return True
    if getattr(dtype, "kind", None) != "O" or getattr(X, "ndim", 0) != 2:
        return False
    kinds = {type(value) for value in X.flat}
    known = all(issubclass(kind, str | float | int | np.generic | type(None)) for kind in kinds)
    return known and any(issubclass(kind, str) for kind in kinds)
