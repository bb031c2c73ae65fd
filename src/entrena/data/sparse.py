"""Sparse matrices: kept as they are, and dense only where a part of them is looked at.

A network's inputs are a dense table in the end, since its first layer multiplies with all of them; until that table is
written, in its own narrow type, nothing of the matrix's whole size is made.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from entrena.data.limits import in_words
from entrena.errors import DataError

# A table of inputs that would be larger is refused.
MOST_DENSE_BYTES = 8 * 2**30


def is_sparse(values: Any) -> bool:
    """Whether something is a sparse matrix of SciPy's."""
    return hasattr(values, "toarray") and hasattr(values, "tocsr")


class SparseMatrix:
    """A matrix of numbers of which most are 0; indexing gives dense parts, as of an array.

    Attributes:
        shape: Rows and columns.
        dtype: The type of its numbers.
    """

    def __init__(self, by_rows: Any) -> None:
        """Of a sparse matrix in any form."""
        self._by_rows = by_rows.tocsr()
        self._by_columns: Any = None
        self.shape: tuple[int, int] = (int(by_rows.shape[0]), int(by_rows.shape[1]))
        self.dtype: np.dtype = self._by_rows.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Dense: `[rows]` or `[rows, columns]`, where rows are a slice, numbers or a mask, columns a slice or numbers.

        All rows of some columns are taken from a copy that is ordered by columns; it has the size of the sparse matrix.
        """
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(rows, slice) and rows == slice(None) and isinstance(key, tuple):
            if self._by_columns is None:
                self._by_columns = self._by_rows.tocsc()
            return np.asarray(self._by_columns[:, columns].toarray())
        chosen = self._by_rows[rows]
        if not (isinstance(columns, slice) and columns == slice(None)):
            chosen = chosen[:, columns]
        return np.asarray(chosen.toarray())

    def rows(self, start: int, stop: int) -> SparseMatrix:
        """Some rows side by side, sparse."""
        return SparseMatrix(self._by_rows[start:stop])

    @property
    def values(self) -> np.ndarray:
        """The numbers that are not 0, in any order."""
        return np.asarray(self._by_rows.data)

    def place_of(self, number: int) -> tuple[int, int]:
        """Row and column of one of `values`."""
        row = int(np.searchsorted(self._by_rows.indptr, number, side="right")) - 1
        return row, int(self._by_rows.indices[number])


def check_dense(matrix: Any, dtype: Any, what: str) -> None:
    """Raises a DataError where a sparse matrix would be too large a table of inputs; an array is there already.

    Args:
        matrix: An array, a sparse matrix, or None.
        dtype: The type of the table's numbers.
        what: What messages call it.
    """
    n_bytes = 0 if matrix is None else math.prod(matrix.shape) * np.dtype(dtype).itemsize
    if isinstance(matrix, SparseMatrix) and n_bytes > MOST_DENSE_BYTES:
        raise DataError(
            f"{what}: the sparse matrix of {matrix.shape[0]:,} × {matrix.shape[1]:,} values would take "
            f"{in_words(n_bytes)} as inputs of a network: take fewer columns"
        )
