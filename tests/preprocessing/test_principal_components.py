"""Principal components against NumPy, SciPy and scikit-learn, however they are found."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from entrena.errors import DataError, UsageError
from entrena.preprocessing import PrincipalComponents
from entrena.preprocessing.principal_components import METHODS, Rows, Wanted, choose_method, find_components

EXACT = [name for name in METHODS if name not in ("auto", "randomized")]


def correlated(n_rows: int = 400, n_columns: int = 6, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n_rows, n_columns)) @ generator.normal(size=(n_columns, n_columns)) + 7


def assert_like_scikit_learn(mine: PrincipalComponents, theirs: PCA, tolerance: float) -> None:
    k = mine.n_components_
    scale = theirs.explained_variance_[0]
    np.testing.assert_allclose(mine.explained_variance_, theirs.explained_variance_[:k], atol=tolerance * scale)
    np.testing.assert_allclose(mine.explained_variance_ratio_, theirs.explained_variance_ratio_[:k], atol=tolerance)
    np.testing.assert_allclose(mine.components_, theirs.components_[:k], atol=tolerance)
    np.testing.assert_allclose(mine.mean_, theirs.mean_, rtol=tolerance)


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_like_scikit_learns(method, dtype, tolerance):
    X = correlated().astype(dtype)
    theirs = PCA(svd_solver="full").fit(X.astype(np.float64))
    mine = PrincipalComponents(method=method).fit(X)
    assert_like_scikit_learn(mine, theirs, tolerance)
    Z = mine.transform(X)
    assert Z.dtype == dtype
    np.testing.assert_allclose(Z, theirs.transform(X.astype(np.float64)), atol=tolerance * 50)
    np.testing.assert_allclose(mine.inverse_transform(Z), X, rtol=tolerance * 10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(60, 200), (300, 40), (2_000, 8)])
def test_the_ways_agree(method, shape):
    # With a spectrum that falls the randomized way finds the first ones as well.
    generator = np.random.default_rng(1)
    d = min(shape)
    left, _ = np.linalg.qr(generator.normal(size=(shape[0], d)))
    right, _ = np.linalg.qr(generator.normal(size=(shape[1], d)))
    X = left * 0.5 ** np.arange(d) @ right.T
    mine = PrincipalComponents(3, method=method).fit(X)
    centred = X - X.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / (shape[0] - 1))
    np.testing.assert_allclose(mine.explained_variance_, values[::-1][:3], rtol=1e-8)
    assert np.abs(np.sum(mine.components_ * vectors.T[::-1][:3], axis=1)) == pytest.approx(np.ones(3), abs=1e-8)


@given(
    n_rows=st.integers(1, 30),
    n_columns=st.integers(1, 12),
    constant=st.booleans(),
    twice=st.booleans(),
    seed=st.integers(0, 1_000),
    method=st.sampled_from(EXACT),
)
@settings(max_examples=80)
@pytest.mark.filterwarnings("ignore:principal components of .* nothing varies:UserWarning")
def test_any_shape_with_constant_and_collinear_columns(n_rows, n_columns, constant, twice, seed, method):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, n_columns))
    if constant:
        X[:, 0] = 3.5
    if twice and n_columns > 1:
        X[:, -1] = 2 * X[:, 0]
    mine = PrincipalComponents(method=method).fit(X)
    centred = X - X.mean(axis=0)
    rank = np.linalg.matrix_rank(centred, tol=1e-9) if n_rows > 1 else 0
    assert mine.n_components_ == max(1, rank)
    np.testing.assert_allclose(mine.components_ @ mine.components_.T, np.eye(mine.n_components_), atol=1e-9)
    # Nothing is lost, neither rows nor variance, and the projections have the variances.
    np.testing.assert_allclose(mine.inverse_transform(mine.transform(X)), X, atol=1e-8)
    if n_rows > 1:
        whole = np.square(centred).sum() / (n_rows - 1)
        assert mine.explained_variance_.sum() == pytest.approx(whole, rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(
            np.var(mine.transform(X), axis=0, ddof=1), mine.explained_variance_, rtol=1e-7, atol=1e-10
        )


def test_what_the_first_components_leave_is_the_sum_of_the_other_eigenvalues():
    X = correlated()
    values = np.linalg.eigvalsh(np.cov(X.T))[::-1]
    for k in range(1, 6):
        mine = PrincipalComponents(k).fit(X)
        residual = X - mine.inverse_transform(mine.transform(X))
        assert np.square(residual).sum() / (len(X) - 1) == pytest.approx(values[k:].sum(), rel=1e-9)
        # No other k directions leave less.
        for seed in range(5):
            other, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, k)))
            centred = X - X.mean(axis=0)
            left = centred - centred @ other @ other.T
            assert np.square(left).sum() > np.square(residual).sum()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_whitened_rows_have_the_identity_as_covariance(dtype):
    X = correlated(3_000).astype(dtype)
    Z = PrincipalComponents(whiten=True).fit_transform(X)
    np.testing.assert_allclose(np.cov(Z.T.astype(np.float64)), np.eye(6), atol=1e-10 if dtype == np.float64 else 1e-4)
    mine = PrincipalComponents(whiten=True).fit(X)
    back = mine.inverse_transform(mine.transform(X))
    np.testing.assert_allclose(back, X, rtol=1e-9 if dtype == np.float64 else 1e-4)
    theirs = PCA(whiten=True, svd_solver="full").fit(X.astype(np.float64)).transform(X.astype(np.float64))
    np.testing.assert_allclose(Z, theirs, atol=1e-9 if dtype == np.float64 else 1e-4)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_a_share_of_the_variance(share):
    X = correlated(seed=3)
    mine = PrincipalComponents(share).fit(X)
    ratios = PCA().fit(X).explained_variance_ratio_
    k = mine.n_components_
    assert ratios[:k].sum() >= share > ratios[: k - 1].sum()


@pytest.mark.parametrize("method", EXACT)
def test_weights(method):
    X, whole = correlated(50), np.random.default_rng(2).integers(0, 4, 50)
    mine = PrincipalComponents(method=method).fit(X, sample_weight=whole)
    repeated = np.repeat(X, whole, axis=0)
    theirs = PCA().fit(repeated)
    np.testing.assert_allclose(mine.components_, theirs.components_, atol=1e-9)
    np.testing.assert_allclose(mine.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(mine.mean_, repeated.mean(axis=0), rtol=1e-12)
    weights = np.random.default_rng(2).uniform(0, 2, 50)
    mine.fit(X, sample_weight=weights)
    centred = X - np.average(X, axis=0, weights=weights)
    values = np.linalg.eigvalsh(centred.T @ (weights[:, None] * centred) / (weights.sum() * 49 / 50))[::-1]
    np.testing.assert_allclose(mine.explained_variance_, values, rtol=1e-9)
    ratios = PrincipalComponents(method=method).fit(X, sample_weight=9 * weights).explained_variance_ratio_
    np.testing.assert_allclose(mine.explained_variance_ratio_, ratios, rtol=1e-12)


def test_the_greatest_entry_of_a_component_is_positive():
    components = PrincipalComponents().fit(correlated(seed=5)).components_
    assert (components[np.arange(6), np.abs(components).argmax(axis=1)] > 0).all()


def test_a_large_mean_does_not_drown_the_variances():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(5_000, 3)) * [1, 2, 3]
    X = (noise + 1e6).astype(np.float64)
    np.testing.assert_allclose(
        PrincipalComponents().fit(X).explained_variance_, PCA().fit(noise).explained_variance_, rtol=1e-8
    )


@pytest.mark.parametrize("n_rows", [1_000, 70_001])
def test_a_file_is_read_in_parts(tmp_path, n_rows):
    X = correlated(n_rows)
    names = [f"c{k}" for k in range(6)]
    pl.DataFrame(X, schema=names).write_parquet(tmp_path / "t.parquet")
    mine = PrincipalComponents(4).fit(tmp_path / "t.parquet")
    assert (mine.method_, mine.n_samples_, mine.feature_names_in_.tolist()) == ("incremental", n_rows, names)
    assert_like_scikit_learn(mine, PCA().fit(X), 1e-9)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"n_components": 7}, UsageError, "components = 7 is more than the 6 columns that there are: take at most 6"),
        (
            {"n_components": 0},
            ValueError,
            "0 is not allowed: a whole number from 1 on, or a share of the variance below",
        ),
        ({"n_components": 1.0}, ValueError, "1.0 is not allowed"),
        ({"n_components": True}, ValueError, "True is not allowed"),
        ({"method": "svdd"}, ValueError, "svd"),
    ],
)
def test_what_is_wrong_is_said(given, kind, said):
    with pytest.raises(kind, match=said):
        PrincipalComponents(**given).fit(correlated())


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, r"column 'x2' has a missing value \(NaN\) in row 4"), (np.inf, "column 'x2', row 4 holds inf")],
)
def test_a_value_that_is_no_number_is_named(value, said, tmp_path):
    X = correlated()
    X[3, 2] = value
    with pytest.raises(DataError, match=said):
        PrincipalComponents().fit(X)
    pl.DataFrame(X, schema=[f"x{k}" for k in range(6)]).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=f"t.parquet: {said}"):
        PrincipalComponents().fit(tmp_path / "t.parquet")


def test_a_file_with_texts_and_one_that_is_not_there(tmp_path):
    pl.DataFrame({"a": [1.0, 2.0], "town": ["x", "y"]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: column 'town' holds String and no numbers: leave it out"):
        PrincipalComponents().fit(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="there is no file"):
        PrincipalComponents().fit(tmp_path / "u.parquet")
    (tmp_path / "v.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"v\.parquet cannot be read as Parquet"):
        PrincipalComponents().fit(tmp_path / "v.parquet")


def test_the_method_that_auto_takes():
    assert choose_method(5_000, 100, Wanted()) == "eigen"
    assert choose_method(5_000, 2_000, Wanted(number=10)) == "randomized"
    assert choose_method(5_000, 2_000, Wanted(share=0.9)) == "svd"
    assert choose_method(100, 100, Wanted(number=10)) == "svd"


def test_too_many_columns_for_a_covariance():
    rows = Rows(lambda: iter(()), 5, 5.0, 4.0, np.zeros(20_000), np.dtype(np.float32))
    with pytest.raises(DataError, match=r"a covariance of 20,000 columns needs 3\.0 GiB: take method = randomized"):
        find_components(rows, Wanted(3), "eigen")


AS_NUMBERS = r": leave the column out, or take TableTransformer\(decorrelate=\"pca\"\), which makes numbers of it$"


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (
            pd.DataFrame({"a": [1.0, 2.0], "town": ["x", "y"]}),
            "column 'town', row 1 holds 'x' where a number is needed",
        ),
        (
            pl.DataFrame({"a": [1.0, 2.0], "town": ["3", "y"]}),
            "column 'town', row 2 holds 'y' where a number is needed",
        ),
        (pd.DataFrame({"kind": pd.Categorical(["u", "v"])}), "column 'kind', row 1 holds 'u' where a number is needed"),
        (
            pd.DataFrame({"a": [1.0, 2.0], "d": pd.to_datetime(["2020-01-01"] * 2)}),
            "column 'd', row 1 holds 2020-01-01",
        ),
        (np.array([[1, "a"], [2, "b"]], object), "column 'x1', row 1 holds 'a' where a number is needed"),
        ([[1, "a"], [2, "b"]], "column 'x1', row 1 holds 'a' where a number is needed"),
    ],
)
def test_a_column_of_no_numbers_is_named(X, said):
    with pytest.raises(DataError, match=f"^X: {said}.*{AS_NUMBERS}"):
        PrincipalComponents().fit(X)
    with pytest.raises(
        DataError, match="^X: column 'tags' holds lists or structures, where numbers are needed: leave it"
    ):
        PrincipalComponents().fit(pd.DataFrame({"a": [1.0, 2.0], "tags": [[1], [2]]}))


def test_what_else_is_no_table_of_numbers():
    matrix = sparse.random_array((9, 4), density=0.5, rng=np.random.default_rng(0))
    with pytest.raises(
        DataError, match=r"^X: a sparse matrix \(9 × 4\) is not taken, since .* hand in X.toarray\(\), or"
    ):
        PrincipalComponents().fit(matrix)
    with pytest.raises(
        DataError, match=r"these have shape \(5, 2, 2\); X.reshape\(len\(X\), -1\) makes one row of num"
    ):
        PrincipalComponents().fit(np.zeros((5, 2, 2)))
    mine = PrincipalComponents(2).fit(correlated())
    with pytest.raises(
        DataError, match="^Z has 3 columns, and there are 2 components: hand in .rows, 2., as transform"
    ):
        mine.inverse_transform(np.zeros((4, 3)))
    with pytest.raises(DataError, match=r"^Z has shape \(2,\), and there are 2 components"):
        mine.inverse_transform(np.zeros(2))
    assert mine.inverse_transform([[1, 2]]).shape == (1, 6)


@pytest.mark.parametrize(
    ("X", "given", "said"),
    [
        ([[1.0, 2.0]], {}, "principal components of 1 row: nothing varies, so the one that is kept is 0 there"),
        (np.full((40, 2), 0.1), {}, "principal components of 40 rows that are all alike: nothing varies"),
        (
            correlated(4),
            {"n_components": 5},
            "components = 5: the 4 rows vary in 3 directions only, so 3 are kept; ask for no more, or for a share",
        ),
        (
            np.arange(20.0)[:, None] * [1, 2, 0],
            {"n_components": 2},
            "components = 2: the 20 rows vary in 1 direction only, so 1 is kept",
        ),
    ],
)
@pytest.mark.parametrize("method", ["auto", *EXACT])
def test_fewer_directions_than_were_asked_for_are_said(X, given, said, method, tmp_path):
    with pytest.warns(UserWarning, match=f"^{said}"):
        mine = PrincipalComponents(**given, method=method).fit(X)
    rows = np.asarray(X)
    np.testing.assert_allclose(mine.inverse_transform(mine.transform(rows)), rows, atol=1e-9)
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    with pytest.warns(UserWarning, match=f"^{said}"):
        PrincipalComponents(**given).fit(tmp_path / "t.parquet")


def test_as_many_components_as_were_asked_for_are_no_matter_of_warnings():
    assert PrincipalComponents(5).fit(correlated(6)).n_components_ == 5
    assert PrincipalComponents(0.9).fit(correlated(2)).n_components_ == 1


@parametrize_with_checks([PrincipalComponents(), PrincipalComponents(1, whiten=True)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_small_components_of_many_rows_in_float32_are_kept():
    rng = np.random.default_rng(11)
    spread = np.geomspace(1, 10, 12)  # variances from 1 to 100
    X = (rng.normal(size=(200_000, 12)) * spread).astype(np.float32)
    found = PrincipalComponents().fit(X)
    assert found.n_components_ == 12
    expected = np.sort(np.linalg.eigvalsh(np.cov(X.astype(np.float64).T)))[::-1]
    np.testing.assert_allclose(found.explained_variance_, expected, rtol=1e-5)


@pytest.mark.parametrize("times", [1 / 30, (1 + 1e-15) / 30, 1.0, 7.3])
def test_weights_that_are_not_whole_count_in_their_ratios(times):
    """Their sum may lie on either side of 1: the variances must not jump there."""
    generator = np.random.default_rng(1)
    X, weights = generator.normal(size=(30, 4)), generator.uniform(0.1, 3, 30)
    weights *= 30 / weights.sum()
    found = PrincipalComponents().fit(X, sample_weight=times * weights)
    centred = X - np.average(X, axis=0, weights=weights)
    values = np.linalg.eigvalsh(centred.T @ (weights[:, None] * centred) / 29)[::-1]
    np.testing.assert_allclose(found.explained_variance_, values, rtol=1e-9)


def test_columns_of_very_different_units():
    """A covariance holds squares, and a deviation of 1 beside one of 1e9 is rounding there: then `auto` takes svd."""
    X = np.random.default_rng(3).normal(size=(600, 4)) * [1e9, 1, 30, 1e-3]
    X = np.column_stack([X, X[:, 1] + X[:, 2], np.full(600, 0.1)])
    found = PrincipalComponents().fit(X)
    theirs = PCA().fit(X)
    assert (found.method_, found.n_components_) == ("svd", 4)
    np.testing.assert_allclose(found.explained_variance_, theirs.explained_variance_[:4], rtol=1e-6)
    np.testing.assert_allclose(found.inverse_transform(found.transform(X)), X, rtol=1e-9, atol=1e-6)
    said = "vary in 3 more directions, by so little beside the greatest variance that rounding hides it, so they are"
    with pytest.warns(UserWarning, match=said):
        assert PrincipalComponents(method="eigen").fit(X).n_components_ == 1
    with pytest.warns(UserWarning, match="bring the columns to one scale first"):
        PrincipalComponents().fit(X.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PrincipalComponents().fit(X / [1e9, 1, 30, 1e-3, 30, 1])


@pytest.mark.parametrize("method", ["eigen", "svd", "incremental"])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_the_rounding_of_a_mean_is_no_component(method, offset):
    X = np.random.default_rng(1).normal(size=(20_000, 3))
    X = np.column_stack([X, np.full(20_000, 0.1)]) + offset
    assert PrincipalComponents(method=method).fit(X).n_components_ == 3


def test_a_file_is_for_fit_only(tmp_path):
    pl.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), list("abc")).write_parquet(tmp_path / "t.parquet")
    found = PrincipalComponents().fit(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match=r"transform takes rows, and .*t\.parquet is a file: read it first"):
        found.transform(tmp_path / "t.parquet")
