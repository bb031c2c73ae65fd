"""Principal components: the directions in which rows vary most, found in four ways that agree.

With weights w, W = Σw, mean m and centred rows x − m, the covariance is

    C = Σ w·(x − m)(x − m)ᵀ / D,   D = W − 1 where all weights are whole: a weight of 2 is two rows,
                                   D = W·(n − 1)/n where they are not: they count in their ratios,

and C·v = λ·v: the eigenvectors v with the greatest λ are the components. A row is x = m + Σ (vᵀ(x − m))·v, and keeping
the first k of them leaves the least mean square that any k directions can leave: the sum of the other λ.

A function of the registry `METHODS` is called as `function(rows, k, seed)` with `Rows` and the number of components
that may be kept at most; it returns the variances [at most k], descending, and the directions [at most k, columns],
each of length 1. The sign is set afterwards: the entry that is greatest in size is positive.

Sources: Hotelling, Journal of Educational Psychology 24 (1933); Halko, Martinsson & Tropp, SIAM Review 53 (2011), for
`randomized`; Chan, Golub & LeVeque, The American Statistician 37 (1983), for the merging of sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from entrena.errors import DataError, UsageError
from entrena.registry import Entry, Registry

BLOCK_VALUES = 2**21  # of rows that are multiplied with each other at once
MOST_COLUMNS = 10_000  # of a covariance: 800 MB in float64
MOST_COLUMNS_EIGEN = 1_000  # up to which the covariance is the quickest way where rows are many
ROWS_FOR_EIGEN = 10  # times the columns: so many are many
MOST_VALUES_SVD = 2**27  # rows × columns that are decomposed where the covariance hides small components
SMALL = 500  # rows and columns of a table that is decomposed whole
FEW_COMPONENTS = 0.8  # of the greatest possible number: fewer are worth the randomized way
ROUNDINGS = 8  # a variance below so many rounding errors of a covariance matrix is none
MEAN_ULPS = 4  # a deviation of fewer roundings of the mean is none
EXACTLY_ALL = 1e-9  # by which a share of the variance may be missed for rounding

Read = Callable[[], Iterator[tuple[np.ndarray, np.ndarray | None]]]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows whose components are sought; they may be read block by block, and more than once.

    Attributes:
        read: Gives blocks [rows, columns] of finite floats with their weights or None, from the first on.
        n: How many rows there are of weight above 0.
        weight: W.
        divisor: D; 0 for a single row.
        mean: [columns] float64.
        dtype: In which products of rows are computed.
        scatter: [columns, columns] D·C, where it was found together with the mean; else None.
    """

    read: Read
    n: int
    weight: float
    divisor: float
    mean: np.ndarray
    dtype: np.dtype
    scatter: np.ndarray | None = None

    @classmethod
    def look(cls, read: Read, *, scatter: bool = False) -> Rows:
        """Reads everything once, for the mean.

        Args:
            read: As the attribute.
            scatter: Whether the covariance is found in the same pass, so that rows need not be read again for it.

        Raises:
            DataError: There are no rows.
        """
        n, weight, mean, dtype, squares = 0, 0.0, np.zeros(0), np.dtype(np.float32), np.zeros((0, 0))
        are_whole = True
        for block, weights in read():
            are_whole &= _are_whole(weights)
            dtype = np.result_type(dtype, block.dtype if block.dtype.kind == "f" else np.float64)
            if scatter and len(block) and (weights is None or weights.any()):
                _check_columns(block.shape[1])
                own, own_mean, own_squares = _scatter_of(block, weights)
                mean, squares = (np.zeros_like(own_mean), np.zeros_like(own_squares)) if n == 0 else (mean, squares)
                # Chan, Golub & LeVeque, The American Statistician 37 (1983).
                away = own_mean - mean
                squares += own_squares + np.outer(away, away) * (weight * own / (weight + own))
                mean = mean + away * (own / (weight + own))
                n, weight = n + (len(block) if weights is None else int((weights > 0).sum())), weight + own
                continue
            counted = len(block) if weights is None else int((weights > 0).sum())
            if not counted:
                continue
            own = float(counted) if weights is None else float(weights.sum())
            mean = np.zeros(block.shape[1]) if n == 0 else mean
            mean = mean + _mean_away(block, weights, mean) * own / (weight + own)
            n, weight = n + counted, weight + own
        if n == 0:
            raise DataError("there are no rows to find principal components of")
        return cls(read, n, weight, _divisor(n, weight, are_whole), mean, dtype, squares if scatter else None)

    @classmethod
    def centred_already(cls, read: Read, n_columns: int, n: int, weights: np.ndarray | None, dtype: DTypeLike) -> Rows:
        """Rows whose mean is known to be 0, so that they need not be read for it.

        Args:
            read: As the attribute.
            n_columns: How many columns there are.
            n: How many rows there are of weight above 0, at least one.
            weights: [rows] or None.
            dtype: Of the blocks.
        """
        weight = float(n if weights is None else weights.sum())
        return cls(read, n, weight, _divisor(n, weight, _are_whole(weights)), np.zeros(n_columns), np.dtype(dtype))

    @property
    def n_columns(self) -> int:
        """How many columns there are."""
        return len(self.mean)

    def centred(self, dtype: DTypeLike | None = None) -> Iterator[np.ndarray]:
        """Blocks of √w·(x − m), with m rounded to the blocks' type."""
        dtype = self.dtype if dtype is None else dtype
        mean = self.mean.astype(dtype)
        for block, weights in self.read():
            centred = np.subtract(block, mean, dtype=dtype) if mean.any() else block.astype(dtype, copy=False)
            yield centred if weights is None else centred * np.sqrt(weights).astype(dtype)[:, None]

    def whole(self) -> np.ndarray:
        """All of them, [rows, columns] √w·(x − m)."""
        return np.concatenate(list(self.centred()))

    @cached_property
    def covariance(self) -> np.ndarray:
        """C, [columns, columns] in float64.

        Raises:
            DataError: There are too many columns.
        """
        d = self.n_columns
        _check_columns(d)
        if self.scatter is not None:
            return (self.scatter + self.scatter.T) / (2 * (self.divisor or 1.0))
        scatter = np.zeros((d, d))
        for block in self.centred():
            scatter += block.T @ block  # of float32 the sums of one block; from block to block float64
        away = self.mean - self.mean.astype(self.dtype)  # what rounding took from the mean
        scatter -= self.weight * np.outer(away, away)
        return (scatter + scatter.T) / (2 * (self.divisor or 1.0))

    @cached_property
    def total(self) -> float:
        """The sum of all variances."""
        squares = 0.0
        for block in self.centred(np.float64):
            squares += float(np.einsum("ij,ij->", block, block))
        return squares / (self.divisor or 1.0)


def _check_columns(d: int) -> None:
    if d > MOST_COLUMNS:
        raise DataError(
            f"a covariance of {d:,} columns needs {8 * d * d / 2**30:.1f} GiB: take method = randomized, and say how "
            "many components"
        )


def _scatter_of(block: np.ndarray, weights: np.ndarray | None) -> tuple[float, np.ndarray, np.ndarray]:
    """W, the mean, and Σ w·(x − mean)(x − mean)ᵀ of a block; products in its type, from part to part float64.

    The mean is found in two steps, both as products: roughly, and what the rough one leaves.
    """
    dtype = block.dtype if block.dtype.kind == "f" else np.dtype(np.float64)
    ones = np.ones(len(block), dtype) if weights is None else weights.astype(dtype)
    own = float(len(block)) if weights is None else float(weights.sum())
    rough = (ones @ block / dtype.type(own)).astype(dtype)
    centred = np.subtract(block, rough, dtype=dtype)
    left = (ones @ centred).astype(np.float64) / own
    if weights is not None:
        centred *= np.sqrt(weights).astype(dtype)[:, None]
    squares = (centred.T @ centred).astype(np.float64) - own * np.outer(left, left)
    return own, rough.astype(np.float64) + left, squares


def _are_whole(weights: np.ndarray | None) -> bool:
    return weights is None or bool((np.rint(weights) == weights).all())


def _divisor(n: int, weight: float, are_whole: bool) -> float:
    return weight - 1 if are_whole else weight * (n - 1) / n


def _mean_away(block: np.ndarray, weights: np.ndarray | None, start: np.ndarray) -> np.ndarray:
    """[columns] the mean of a block less `start`, in float64: roughly, and what the rough one leaves."""
    if weights is None:
        rough = block.sum(axis=0, dtype=np.float64) / len(block)
        return rough - start + np.subtract(block, rough, dtype=np.float64).sum(axis=0) / len(block)
    rough = weights @ block / weights.sum()
    return rough - start + weights @ (block - rough) / weights.sum()


Found = tuple[np.ndarray, np.ndarray]  # variances [k], directions [k, columns]


def eigen(rows: Rows, k: int, seed: int) -> Found:
    """The eigenvectors of the covariance matrix."""
    from scipy.linalg import eigh

    d = rows.n_columns
    values, vectors = eigh(rows.covariance, subset_by_index=(d - k, d - 1) if k < d else None)
    return values[::-1], vectors.T[::-1]


def svd(rows: Rows, k: int, seed: int) -> Found:
    """The right singular vectors of the centred rows; λ = s²/D."""
    from scipy.linalg import svd as decompose

    _, singular, vectors = decompose(rows.whole(), full_matrices=False, check_finite=False)
    return np.square(singular[:k].astype(np.float64)) / (rows.divisor or 1.0), vectors[:k]


def randomized(rows: Rows, k: int, seed: int) -> Found:
    """The singular vectors of what the centred rows make of a few random directions."""
    from sklearn.utils.extmath import randomized_svd

    _, singular, vectors = randomized_svd(rows.whole(), k, random_state=seed)
    return np.square(singular.astype(np.float64)) / (rows.divisor or 1.0), vectors


METHODS = Registry(
    "method",
    "Preprocessing",
    (
        Entry(
            "auto",
            "eigen, svd or randomized, by rows and columns",
            "`eigen` up to 1,000 columns with ten times as many rows; `randomized` where few components of a large "
            "table are asked for; else `svd`.",
        ),
        Entry(
            "eigen",
            "C·v = λ·v",
            "Eigenvectors of the covariance matrix, which is summed block by block: the quickest way where rows are "
            "many and columns few.",
            eigen,
            source="Hotelling 1933",
            other_names=("covariance_eigh", "eigh", "eig", "covariance"),
        ),
        Entry(
            "svd",
            "√w·(x − m) = U·S·Vᵀ, λ = s²/D",
            "Singular vectors of the centred rows, which are in memory as a whole: the squares of small variances are "
            "not lost in those of great ones.",
            svd,
            other_names=("full", "lapack"),
        ),
        Entry(
            "randomized",
            "U·S·Vᵀ of Qᵀ·X, with Q a basis of X·Ω for random Ω",
            "For the few greatest components of tables with many columns.",
            randomized,
            source="Halko, Martinsson & Tropp 2011",
            other_names=("random", "arpack", "truncated"),
        ),
        Entry(
            "incremental",
            "C = Σ over blocks",
            "As `eigen`, from rows that are read block by block: a Parquet file that is larger than the memory.",
            eigen,
            source="Chan, Golub & LeVeque 1983",
            other_names=("IncrementalPCA", "batch", "streaming", "out_of_core"),
        ),
    ),
)


@dataclass(frozen=True, eq=False)
class Components:
    """The components that were kept.

    Attributes:
        mean: [columns] m.
        directions: [kept, columns] of length 1, at right angles to each other, the greatest variance first.
        variances: [kept] λ.
        total: The sum of the variances of all columns.
        n_rows: How many rows of weight above 0 they were found from.
        method: How they were found.
        n_hidden: In how many more directions the rows vary, by so little beside the greatest that rounding hides it.
    """

    mean: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    total: float
    n_rows: int
    method: str
    n_hidden: int = 0

    @property
    def n(self) -> int:
        """How many components there are."""
        return len(self.variances)

    @property
    def shares(self) -> np.ndarray:
        """[kept] of the whole variance."""
        return self.variances / self.total if self.total > 0 else np.zeros(self.n)


class Wanted(NamedTuple):
    """How many components are to be kept: a number, a share of the variance, or None: all that are not rounding."""

    number: int | None = None
    share: float | None = None

    @classmethod
    def of(cls, value: Any) -> Wanted:
        """From what users type: 20, 0.9 or None.

        Raises:
            ValueError: With what is allowed.
        """
        refused = ValueError(f"{value!r} is not allowed: a whole number from 1 on, or a share of the variance below 1")
        if value is None:
            return cls()
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise refused
        if isinstance(value, int | np.integer):
            if value < 1:
                raise refused
            return cls(number=int(value))
        if not 0 < value < 1:
            raise refused
        return cls(share=float(value))


def choose_method(n_rows: int, n_columns: int, wanted: Wanted) -> str:
    """The method that `auto` takes.

    >>> choose_method(100_000, 50, Wanted()), choose_method(400, 4096, Wanted(20)), choose_method(400, 4096, Wanted())
    ('eigen', 'randomized', 'svd')
    """
    if n_columns <= MOST_COLUMNS_EIGEN and n_rows >= ROWS_FOR_EIGEN * n_columns:
        return "eigen"
    most = min(n_rows, n_columns)
    is_large = max(n_rows, n_columns) > SMALL
    if is_large and wanted.number is not None and wanted.number < FEW_COMPONENTS * most:
        return "randomized"
    return "svd"


def find_components(rows: Rows, wanted: Wanted, method: str = "auto", *, seed: int = 0) -> Components:
    """The principal components of some rows.

    A component whose variance is rounding beside the greatest one is left out, however many are wanted: a constant or
    collinear column adds none.

    Args:
        rows: Centred by their mean.
        wanted: How many are to be kept at most.
        method: A name of `METHODS`.
        seed: Of the random directions of `randomized`.

    Raises:
        DataError: There are too many columns for the method.
        UsageError: More components are wanted than there are columns.
    """
    d = rows.n_columns
    if wanted.number is not None and wanted.number > d:
        raise UsageError(f"components = {wanted.number} is more than the {d} columns that there are: take at most {d}")
    asked, method = method, choose_method(rows.n, d, wanted) if method == "auto" else method
    most = max(1, min(rows.n - 1, d))
    k = most if wanted.number is None else min(wanted.number, most)
    variances, directions, kept = _of_method(method, rows, k, seed)
    n_hidden = 0
    if 0 < kept < k and d <= MOST_COLUMNS_EIGEN:
        rank = min(_rank(rows), k)
        if kept < rank and asked == "auto" and method == "eigen" and rows.n * d <= MOST_VALUES_SVD:
            method = "svd"  # a covariance holds the squares: what is small is lost in them twice as early
            variances, directions, kept = _of_method(method, rows, k, seed)
        n_hidden = max(0, rank - kept)
    total = float(np.trace(rows.covariance)) if method in ("eigen", "incremental") else rows.total
    if not kept:
        variances = np.zeros_like(variances)
    if wanted.share is not None and kept:
        reached = np.cumsum(variances[:kept]) >= (wanted.share - EXACTLY_ALL) * total
        if reached.any():
            kept, n_hidden = min(kept, int(reached.argmax()) + 1), 0
    kept = max(1, kept)
    return Components(rows.mean, _signed(directions[:kept]), variances[:kept], total, rows.n, method, n_hidden)


def _of_method(method: str, rows: Rows, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Variances [at most k], directions, and how many of them are more than rounding."""
    function = METHODS[method].function
    assert function is not None
    variances, directions = function(rows, k, seed)
    variances, directions = np.maximum(variances.astype(np.float64), 0), directions.astype(np.float64)
    # The entries of a covariance are rounded by eps each, whatever the number of rows, whose blocks add in float64;
    # singular values, the roots of the variances, are so, too.
    of_greatest = ROUNDINGS * np.sqrt(rows.n_columns) * float(np.finfo(rows.dtype).eps)
    if method in ("svd", "randomized"):
        of_greatest = of_greatest**2
    at_least = of_greatest * variances.max(initial=0)
    of_means = np.square(directions * _mean_rounding(rows)).sum(axis=1)
    above = np.flatnonzero((variances > at_least) & (variances > of_means))
    return variances, directions, int(above[-1]) + 1 if rows.n > 1 and len(above) else 0


def _mean_rounding(rows: Rows) -> np.ndarray:
    """[columns] by how much rounding may move each mean: 0.1 less the mean of many is not always 0."""
    ulps = MEAN_ULPS if rows.dtype == np.float64 else 1
    return ulps * float(np.finfo(rows.dtype).eps) * np.abs(rows.mean)


def _rank(rows: Rows) -> int:
    """In how many directions rows vary, whatever the units of their columns: the rank of their correlations."""
    from scipy.linalg import eigvalsh

    deviations = np.sqrt(np.maximum(np.diag(rows.covariance), 0))
    varies = deviations > _mean_rounding(rows)
    if not varies.any():
        return 0
    own = deviations[varies]
    found = eigvalsh(rows.covariance[np.ix_(varies, varies)] / np.outer(own, own))
    eps = np.finfo(rows.dtype).eps
    return int((found > ROUNDINGS * np.sqrt(rows.n_columns) * eps * found.max()).sum())


def shortfall(found: Components, number: int | None) -> str:
    """What is to be said where fewer components were found than were asked for, or than there are; empty: nothing.

    Args:
        found: Of these rows.
        number: How many components were asked for; None: no number was.

    >>> one_row = Rows.look(lambda: iter([(np.ones((1, 3)), None)]))
    >>> shortfall(find_components(one_row, Wanted()), None)
    'principal components of 1 row: nothing varies, so the one that is kept is 0 there; rows that differ are needed'
    """
    n = found.n_rows
    if found.variances[0] <= 0:
        rows, where = ("1 row", "there") if n == 1 else (f"{n:,} rows that are all alike", "in all of them")
        said = f"principal components of {rows}: nothing varies, so the one that is kept is 0 {where}"
        return f"{said}; rows that differ are needed"
    if found.n_hidden:
        more = "1 more direction" if found.n_hidden == 1 else f"{found.n_hidden:,} more directions"
        are = "it is" if found.n_hidden == 1 else "they are"
        return (
            f"principal components: the {n:,} rows vary in {more}, by so little beside the greatest variance that "
            f"rounding hides it, so {are} left out; bring the columns to one scale first"
        )
    if number is None or found.n >= number:
        return ""
    are, directions = ("is", "1 direction") if found.n == 1 else ("are", f"{found.n:,} directions")
    return (
        f"components = {number}: the {n:,} rows vary in {directions} only, so {found.n:,} {are} kept; ask for no more, "
        "or for a share of the variance"
    )


def _signed(directions: np.ndarray) -> np.ndarray:
    """The directions with the greatest entry of each positive; of two that are equal in size the first counts."""
    greatest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), greatest])
    return directions * np.where(signs == 0, 1.0, signs)[:, None]
