"""All of the recipe's preparation of inputs as one scikit-learn transformer, and back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from pydantic import ValidationError
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
)

from entrena.data.examples import Examples
from entrena.data.frames import is_frame
from entrena.data.roles import roles_by_kind
from entrena.data.schema import Schema, infer_schema
from entrena.data.sparse import check_dense
from entrena.data.table import Column, Table
from entrena.data.values import is_missing
from entrena.errors import DataError, Problem, RecipeError, UsageError
from entrena.preprocessing.categories import CATEGORIES
from entrena.preprocessing.estimator_inputs import read_table
from entrena.preprocessing.inverse import columns_of
from entrena.preprocessing.original_types import in_type
from entrena.preprocessing.preprocessor import Preprocessor
from entrena.preprocessing.settings import IN_TRAINING_ONLY, InputSettings
from entrena.preprocessing.target_encoding import EncodingTargets, OutOfFold


class TableTransformer(TransformerMixin, BaseEstimator):
    """Columns of any kind as numbers that are easy to learn, by the steps of a recipe, and back.

    The steps come in this order: categories and dates become numbers, gaps are filled, then transform, centre, scale,
    rotation, components. Each parameter is the recipe's and the estimators' of the same name, with the same default.

    Args:
        missing: What stands for a gap: `indicator`, `impute` or `refuse`.
        input_transform: What straightens columns of numbers: `none`, `log1p`, `quantile` or `clip`.
        center: Whether each input is shifted to mean 0.
        scale: `standard`, `min_max`, `robust` or `none`.
        decorrelate: `none`, `pca` or `whiten`.
        components: How many components are kept, or which share of the variance; None: all.
        categories: `auto`, `one_hot`, `embedding` (the number of the level), `frequency` or `target`.
        dates: `cyclic` or `numbers`.
        random_state: By which the rows are dealt out to the folds of `target`.

    Attributes:
        preprocessor_: The fitted `Preprocessor`; `describe()` says what became of each column.
        n_features_in_: Columns of X.
        feature_names_in_: Their names, where X has some.

    Raises:
        RecipeError: A parameter has no such value, or `target` is not given y.
        DataError: A value cannot be used; the message names column and row.

    Warns:
        UserWarning: The rows vary in fewer directions than there were to be components, or in none.

    >>> X = np.array([[1.0, 10.0], [2.0, 20.0], [np.nan, 30.0]])
    >>> whitened = TableTransformer(decorrelate="whiten").fit(X)
    >>> bool(np.allclose(whitened.inverse_transform(whitened.transform(X)), X, equal_nan=True))
    True
    """

    preprocessor_: Preprocessor
    _pandas: Any  # column labels and types of a pandas frame in `fit`, or None

    def __init__(
        self,
        *,
        missing: Any = "indicator",
        input_transform: Any = "none",
        center: bool = True,
        scale: Any = "standard",
        decorrelate: Any = "none",
        components: int | float | None = None,
        categories: Any = "auto",
        dates: Any = "cyclic",
        random_state: int = 0,
    ) -> None:
        self.missing = missing
        self.input_transform = input_transform
        self.center = center
        self.scale = scale
        self.decorrelate = decorrelate
        self.components = components
        self.categories = categories
        self.dates = dates
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learns from rows.

        Args:
            X: [rows, columns] frame, array of numbers or objects, or sparse matrix.
            y: [rows] labels or numbers, or [rows, outputs] numbers; only `categories=target` looks at them.
            sample_weight: [rows] weights; 0: as if absent.
        """
        self._fit(X, y, sample_weight)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Learns from rows and transforms them: with `categories=target` each by the rows of other folds only.

        Arguments as for `fit`; returns as `transform`.
        """
        table, placed = self._fit(X, y, sample_weight)
        return self.preprocessor_.transform(table, self._dtype(table), placed=placed)

    def transform(self, X: Any) -> np.ndarray:
        """Rows as inputs of a network, [rows, inputs]: float32 where X is an array of that type, else float64."""
        check_is_fitted(self)
        texts = frozenset(each.name for each in self.preprocessor_.encodings if each.role == "category")
        table = read_table(self, X, reset=False, text_columns=texts)
        return self.preprocessor_.transform(table, self._dtype(table))

    def inverse_transform(self, Z: Any) -> Any:
        """Columns from inputs.

        What comes back: everything at full rank, but for gaps without an indicator (their median), components that
        were left out, levels that share a number, what `clip` and `quantile` pressed together beyond the training
        rows, and seconds of dates. A level that was not seen comes back as missing, or as `(rare)`, or where one-hot as
        the most frequent.

        Args:
            Z: [rows, inputs] as `transform` returns them.

        Returns:
            A frame of the library that the frame in `fit` was of; an array of numbers where X was one, else of objects.
            A frame of pandas has the index of Z, where Z is one, and the columns' names and types of that in `fit`,
            where the values fit these: whole numbers as such where all are whole but for rounding.
        """
        check_is_fitted(self)
        given = Z
        Z = check_array(Z, dtype=(np.float64, np.float32), ensure_min_features=0)
        plan = self.preprocessor_
        if Z.shape[1] != plan.n_features:
            raise DataError(f"Z has {Z.shape[1]} columns, and the transformer makes {plan.n_features}")
        columns = columns_of(plan, Z)
        if self._library is None and all(encoding.role == "number" for encoding in plan.encodings):
            return np.column_stack([column.values for column in columns]).astype(Z.dtype, copy=False)
        if self._library == "pandas":
            return self._frame(columns, getattr(given, "index", None) if is_frame(given) else None)
        return _together(columns, self._library)

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """[inputs] their names: `age`, `age (missing)`, `job=clerk`, `sold (month sin)`, `component 1`.

        Args:
            input_features: Other names of the columns, where X in `fit` had none.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        pairs = zip(self.preprocessor_.encodings, names, strict=True)
        renamed = tuple(replace(encoding, name=str(name)) for encoding, name in pairs)
        found = replace(self.preprocessor_, encodings=renamed).feature_names
        return np.asarray(_each_once(found), object)

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> tuple[Table, OutOfFold]:
        settings = self._settings()
        table = read_table(self, X, reset=True)
        check_dense(table.matrix, self._dtype(table), "X")
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, np.empty(table.n_rows), ensure_non_negative=True)
        roles = roles_by_kind(table)
        targets = None
        if settings.categories.name == "target" and y is not None:
            targets = self._targets(table, y, weight, settings)
        self.preprocessor_, placed = Preprocessor.fit_training(table, roles, settings, weight, targets)
        said = self.preprocessor_.shortfall()
        if said:
            warnings.warn(said, UserWarning, stacklevel=3)
        self._library = type(X).__module__.partition(".")[0] if is_frame(X) else None
        self._pandas = (X.columns, list(X.dtypes)) if self._library == "pandas" else None
        return table, placed

    def _frame(self, columns: Sequence[Column], index: Any) -> Any:
        """Columns as a frame of pandas, with the names and types of that in `fit`."""
        import pandas as pd

        names, dtypes = self._pandas
        series = [pd.Series(_series_values(column), index=index) for column in columns]
        found = [in_type(each, dtype) for each, dtype in zip(series, dtypes, strict=True)]
        frame = pd.concat(found, axis=1) if found else pd.DataFrame(index=index)
        frame.columns = names
        return frame

    def _settings(self) -> InputSettings:
        given = {name: getattr(self, "input_transform" if name == "transform" else name) for name in _SETTINGS}
        try:
            settings = InputSettings(**given)
        except ValidationError as error:
            raise RecipeError([_problem(dict(each)) for each in error.errors()]) from None
        if settings.components is not None and settings.decorrelate.name == "none":
            raise RecipeError([Problem("components", "only rotated inputs have components: take decorrelate=pca")])
        return settings

    def _targets(self, table: Table, y: Any, weight: np.ndarray | None, settings: InputSettings) -> EncodingTargets:
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y", ensure_all_finite="allow-nan")
        check_consistent_length(np.empty(table.n_rows), y)
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        missing = np.array([is_missing(value) for value in y.flat], bool).reshape(len(y), -1).any(axis=1)
        if missing.any():
            raise DataError(f"y: the target of row {int(missing.argmax()) + 1} is missing: leave such rows out")
        names = ("y",) if y.ndim == 1 else tuple(f"y{number}" for number in range(y.shape[1]))
        schema: Schema = infer_schema(Examples(table, y.astype(str) if y.dtype.kind == "O" else y, names, "X"))
        n_folds = int(CATEGORIES.settings_of(settings.categories)["folds"] or 0)
        try:
            chance = np.random.default_rng(self.random_state)
        except (TypeError, ValueError):
            raise UsageError(f"random_state: {self.random_state!r} is not allowed: a whole number from 0 on") from None
        return EncodingTargets.of(y.astype(str) if y.dtype.kind == "O" else y, schema, n_folds, chance, weight)

    def _dtype(self, table: Table) -> np.dtype:
        return np.dtype(np.float32 if table.matrix is not None and table.matrix.dtype == np.float32 else np.float64)


# What changes images in training only is no preparation of inputs.
_SETTINGS = tuple(name for name in InputSettings.model_fields if name not in IN_TRAINING_ONLY)


def _problem(details: dict[str, Any]) -> Problem:
    """One Pydantic error in our words."""
    name = str(details["loc"][0])
    key = "input_transform" if name == "transform" else name
    if "message" in details.get("ctx", {}):  # said by a validator of ours
        return Problem(key, details["msg"])
    return Problem(key, f"{details['input']!r} is not allowed: true or false")


def _each_once(names: Sequence[str]) -> list[str]:
    """Names that differ: of those that are equal the second gets a number, as where a column is called `a (missing)`.

    >>> _each_once(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    found: dict[str, None] = {}
    for name in names:
        own, number = name, 1
        while own in found:
            number += 1
            own = f"{name} ({number})"
        found[own] = None
    return list(found)


def _together(columns: Sequence[Column], library: str | None) -> Any:
    """Columns as a frame of a library, or as an array of objects [rows, columns]."""
    if library == "polars":
        import polars as pl

        return pl.DataFrame([pl.Series(each.name, _series_values(each), nan_to_null=True) for each in columns])
    out = np.empty((len(columns[0].values), len(columns)), object)
    for j, column in enumerate(columns):
        out[:, j] = _series_values(column)
    return out


def _series_values(column: Column) -> Any:
    """A column's values as lists of frames take them: None where a text, a truth value or a date is missing."""
    if column.kind == "text":
        return [None if code < 0 else column.levels[code] for code in column.values.tolist()]
    if column.kind == "boolean":
        return [None if value != value else bool(value) for value in column.values.tolist()]
    return column.values
