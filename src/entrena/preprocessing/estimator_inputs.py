"""What estimators and transformers are given as X: checked as scikit-learn asks for, and as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from entrena.data.arrays import input_names, inputs_of
from entrena.data.frames import frame_table, is_frame
from entrena.data.table import Table
from entrena.data.values import Place


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
    has_names = is_frame(X) and not _holds_numbers_only(X)
    if has_names or _holds_texts(X):
        checked = validate_data(estimator, X, reset=reset, skip_check_array=True)
        table = frame_table(checked, text_columns=text_columns) if has_names else inputs_of(X, None, Place("X"))
    else:
        kind = {"dtype": (np.float64, np.float32), "accept_sparse": True, "ensure_all_finite": "allow-nan"}
        table = inputs_of(validate_data(estimator, X, reset=reset, **kind), None, Place("X"))
    known = getattr(estimator, "feature_names_in_", None)
    names = input_names(len(table.columns)) if known is None else tuple(known)
    if table.matrix is not None:
        return Table.of_array(table.matrix, names, table.place)
    renamed = (replace(column, name=name) for column, name in zip(table.columns, names, strict=True))
    return replace(table, columns=tuple(renamed))


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
