"""Preprocessing as scikit-learn has it: transformers for pipelines of one's own.

A recipe has all of this already (`decorrelate`, `components`); these are for those who want a single step.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from entrena.data.values import Place
from entrena.errors import DataError, UsageError
from entrena.preprocessing.decorrelation import Rotation
from entrena.preprocessing.estimator_inputs import read_numbers
from entrena.preprocessing.principal_components import (
    METHODS,
    Components,
    Rows,
    Wanted,
    choose_method,
    find_components,
    shortfall,
)
from entrena.preprocessing.statistics import check_weights, pieces

BATCH_ROWS = 65_536  # of a file, at once
BLOCK_VALUES = 2**20  # of an array


class PrincipalComponents(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The directions in which rows vary most, and rows in terms of them.

    Args:
        n_components: How many are kept: a number, a share of the variance (0.9: as many as hold 90 %), or None: all
            whose variance is more than rounding.
        method: `auto`, `eigen`, `svd`, `randomized` or `incremental`: equal up to rounding.
        whiten: Whether each component is divided by its deviation, so that the covariance is the identity.
        random_state: The seed of `randomized`.

    Attributes:
        components_: [kept, columns] directions of length 1; the entry of each that is greatest in size is positive.
        explained_variance_: [kept] variances of the rows along them, the greatest first; the divisor is n − 1, the sum
            of the weights less 1.
        explained_variance_ratio_: [kept] their shares of the whole variance.
        mean_: [columns].
        n_components_: How many are kept.
        method_: How they were found.
        n_features_in_: Columns of X.
        n_samples_: Rows of weight above 0.

    Raises:
        DataError: A value is missing, infinite or no number; the message names column and row.
        UsageError: More components than columns.

    Warns:
        UserWarning: The rows vary in fewer directions than were asked for; or in none: one component of variance 0 is
            kept then; or in more, by so little beside the greatest variance that rounding hides it.

    Source: Hotelling, Journal of Educational Psychology 24 (1933).

    >>> X = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    >>> PrincipalComponents().fit(X).explained_variance_.round(12).tolist()
    [5.0]
    """

    def __init__(
        self,
        n_components: int | float | None = None,
        *,
        method: str = "auto",
        whiten: bool = False,
        random_state: int = 0,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.whiten = whiten
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Finds the components.

        Args:
            X: [rows, columns] numbers; or the path of a Parquet file of numbers, of which some rows are in memory at a
                time (`incremental`).
            y: Not looked at.
            sample_weight: [rows] weights; 0: as if absent.
        """
        wanted = Wanted.of(self.n_components)
        METHODS.choose(self.method)
        if isinstance(X, str | Path):
            if sample_weight is not None:
                raise UsageError("sample_weight: a file's rows have none; hand in arrays")
            self._keep(self._fit_file(Path(X), wanted))
            return self
        X = self._numbers(X, reset=True)
        checked = check_weights(sample_weight, len(X))
        weights = None if checked is None else np.asarray(sample_weight, np.float64)  # 2 is two rows, not a ratio

        def read() -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
            for start in range(0, len(X), step):
                yield X[start : start + step], None if weights is None else weights[start : start + step]

        step = max(1, BLOCK_VALUES // X.shape[1])
        method = choose_method(len(X), X.shape[1], wanted) if self.method == "auto" else self.method
        with np.errstate(over="ignore", invalid="ignore"):
            rows = Rows.look(read, scatter=method in ("eigen", "incremental"))
        if not np.isfinite(rows.mean).all():  # a gap or an infinity in X is in the mean as well
            self._check_finite(X)
        self._keep(find_components(rows, wanted, self.method, seed=self.random_state))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Rows in terms of the components, [rows, kept]."""
        check_is_fitted(self)
        X = self._numbers(X, reset=False)
        out = np.empty((len(X), self.n_components_), X.dtype)
        mean, matrix = (each.astype(X.dtype) for each in (self._rotation.components.mean, self._rotation.matrix))
        step = max(1, BLOCK_VALUES // X.shape[1])
        centred = np.empty((min(step, len(X)), X.shape[1]), X.dtype)  # once: fresh memory costs more than the product
        for start in range(0, len(X), step):
            rows = X[start : start + step]
            with np.errstate(over="ignore", invalid="ignore"):
                np.subtract(rows, mean, out=centred[: len(rows)])
                np.matmul(centred[: len(rows)], matrix, out=out[start : start + step])
            if not np.isfinite(out[start : start + step]).all():
                self._check_finite(X)
        return out

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Rows in terms of the columns, [rows, columns]: those that were transformed, if all components were kept."""
        check_is_fitted(self)
        Z = (
            check_array(Z, dtype=(np.float64, np.float32), ensure_all_finite=False)
            if np.ndim(Z) == 2
            else np.asarray(Z)
        )
        if Z.ndim != 2 or Z.shape[1] != self.n_components_:
            n = self.n_components_
            are = "there is 1 component" if n == 1 else f"there are {n:,} components"
            wrong = f"has shape {Z.shape}" if Z.ndim != 2 else f"has {Z.shape[1]:,} column{'s' * (Z.shape[1] != 1)}"
            raise DataError(f"Z {wrong}, and {are}: hand in [rows, {n}], as transform returns them")
        return self._rotation.undo(Z).astype(Z.dtype if Z.dtype.kind == "f" else np.float64, copy=False)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def _keep(self, found: Components) -> None:
        self._rotation = Rotation(found, self.whiten)
        self.components_, self.mean_ = found.directions, found.mean
        self.explained_variance_, self.explained_variance_ratio_ = found.variances, found.shares
        self.n_components_, self.n_samples_, self.method_ = found.n, found.n_rows, found.method
        said = shortfall(found, Wanted.of(self.n_components).number)
        if said:
            warnings.warn(said, UserWarning, stacklevel=3)

    def _numbers(self, X: Any, *, reset: bool) -> np.ndarray:
        """X as floats; whether they are finite is seen from what is computed."""
        if isinstance(X, str | Path):
            raise UsageError(f"transform takes rows, and {X} is a file: read it first, as with polars.read_parquet")
        return read_numbers(self, X, reset=reset)

    def _check_finite(self, X: np.ndarray) -> None:
        names = getattr(self, "feature_names_in_", None)
        check_finite(X, "X", [f"x{k}" for k in range(X.shape[1])] if names is None else list(names), 0)

    def _fit_file(self, path: Path, wanted: Wanted) -> Components:
        """Reads a Parquet file some rows at a time, once."""
        import polars as pl

        if self.method not in ("auto", "incremental"):
            raise UsageError(f"method = {self.method} needs all rows in memory: for a file take incremental")
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
        try:
            schema = pl.scan_parquet(path).collect_schema()
            n_rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path.name} cannot be read as Parquet ({str(error).splitlines()[0]})") from None
        texts = [name for name, kind in schema.items() if not (kind.is_numeric() or kind == pl.Boolean())]
        if texts:
            raise DataError(f"{path.name}: column '{texts[0]}' holds {schema[texts[0]]} and no numbers: leave it out")
        names = list(schema)
        kind = pl.Float32() if all(each == pl.Float32() for each in schema.values()) else pl.Float64()

        def read() -> Iterator[tuple[np.ndarray, None]]:
            # One slice after the other: batches of a stream pile up in memory where they are read faster than used.
            for first in range(0, n_rows, BATCH_ROWS):
                block = pl.scan_parquet(path).slice(first, BATCH_ROWS).cast(kind).collect().to_numpy()
                check_finite(block, path.name, names, first)
                yield block, None

        found = find_components(Rows.look(read, scatter=True), wanted, "incremental", seed=self.random_state)
        self.n_features_in_, self.feature_names_in_ = len(names), np.asarray(names, object)
        return found


def check_finite(X: np.ndarray, source: str, names: list[str], first_row: int) -> None:
    """Raises a DataError for a gap or an infinity, with its column and row, counted from 1."""
    for start, stop in pieces(*X.shape):  # no mask of the data's size
        finite = np.isfinite(X[start:stop])
        if not finite.all():
            break
    else:
        return
    row, column = (int(at) for at in np.argwhere(~finite)[0])
    row += start
    place = Place(source, first_row=first_row + 1)
    if np.isnan(X[row, column]):
        said = f"has a missing value (NaN) in {place.row(row)}; fill it in, or leave out the row or the column"
        place.refuse(f"{place.column(names[column])} {said}")
    place.refuse_infinite(names[column], X[row, column], row)
