"""Transforms of single columns, the robust scale, and the order of the steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.preprocessing import QuantileTransformer, RobustScaler

from entrena.data import Table
from entrena.data.roles import ColumnRole
from entrena.data.values import Place
from entrena.preprocessing import TRANSFORMS, InputSettings, Preprocessor
from entrena.preprocessing.transforms import fit_transform, inverse_of, quantiles, robust_statistics, transform_of

NAMES = [name for name in TRANSFORMS if name != "none"]


def fitted(values: np.ndarray, weights: np.ndarray | None = None, **settings) -> tuple[Preprocessor, Table]:
    values = np.asarray(values, float)
    names = [f"x{j}" for j in range(values.shape[1])]
    table = Table.of_array(values, names, Place("array"))
    return Preprocessor.fit(
        table, [ColumnRole(each, "number") for each in names], InputSettings(**settings), weights
    ), table


def outputs(values: np.ndarray, **settings) -> np.ndarray:
    preprocessor, table = fitted(values, **settings)
    return preprocessor.transform(table, np.float64)


def skewed(n_rows: int = 401) -> np.ndarray:
    generator = np.random.default_rng(3)
    return np.column_stack(
        [generator.lognormal(3, 2, n_rows), -generator.exponential(5, n_rows), generator.normal(size=n_rows)]
    )


def test_log1p_is_the_logarithm_of_both_sides():
    X = skewed()
    raw = outputs(X, transform="log1p", center=False, scale="none")
    np.testing.assert_allclose(raw, np.sign(X) * np.log1p(np.abs(X)), rtol=1e-14)


def test_clip_is_smooth_and_keeps_within_its_limit():
    X = skewed()
    raw = outputs(X, transform={"name": "clip", "limit": 2.5}, center=False, scale="none")
    assert np.abs(raw).max() < 2.5
    low, median, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0, method="averaged_inverted_cdf")
    z = (X - median) / (high - low)
    np.testing.assert_allclose(raw, z / np.sqrt(1 + (z / 2.5) ** 2), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("output", ["normal", "uniform"])
def test_quantiles_are_scikit_learns(output):
    # With as many quantiles as rows both know every value.
    X = skewed()
    raw = outputs(X, transform={"name": "quantile", "quantiles": 401, "output": output}, center=False, scale="none")
    theirs = QuantileTransformer(n_quantiles=401, output_distribution=output, subsample=None).fit_transform(X)
    np.testing.assert_allclose(raw, theirs, atol=1e-2)
    np.testing.assert_allclose(raw[np.abs(theirs) < 2], theirs[np.abs(theirs) < 2], atol=5e-3)
    # The ranks themselves are exact.
    assert (np.argsort(raw, axis=0, kind="stable") == np.argsort(X, axis=0, kind="stable")).all()


def test_quantiles_of_a_skewed_column_are_normal():
    raw = outputs(skewed(5_000)[:, :1], transform="quantile", center=False, scale="none")
    assert stats.kstest(raw[:, 0], "norm").statistic < 0.01
    assert abs(stats.skew(raw[:, 0])) < 0.05 < abs(stats.skew(skewed(5_000)[:, 0]))


@pytest.mark.parametrize("center", [True, False])
def test_robust_is_scikit_learns(center):
    # Of 4k + 1 rows the quartiles are rows by either definition.
    X = skewed()
    theirs = RobustScaler(with_centering=center).fit_transform(X)
    np.testing.assert_allclose(outputs(X, scale="robust", center=center), theirs, rtol=1e-12, atol=1e-13)


def test_a_column_half_of_which_is_equal_has_its_half_range_as_width():
    X = np.array([[0.0], [0], [0], [0], [0], [0], [8], [-2]])
    assert outputs(X, scale="robust").ravel().tolist() == [0, 0, 0, 0, 0, 0, 8 / 5, -2 / 5]


@pytest.mark.parametrize("name", NAMES)
def test_the_way_back(name):
    X = skewed()[:, 0]
    choice = TRANSFORMS.choose(name)
    parameters = fit_transform(choice, X, None)
    there = transform_of(choice, parameters)(X)
    back = inverse_of(choice, parameters)(there)
    inside = (X.min() < X) & (X.max() > X)  # the normal numbers of the outermost two would be infinite
    np.testing.assert_allclose(back[inside], X[inside], rtol=1e-6)
    np.testing.assert_allclose(back, X, rtol=1e-4)


columns = hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e300, 1e300))


@given(columns, st.sampled_from(NAMES), st.data())
def test_they_rise_and_stay_finite_and_keep_gaps(values, name, data):
    choice = TRANSFORMS.choose(name)
    transform = transform_of(choice, fit_transform(choice, values, None))
    others = np.sort(np.array(data.draw(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=10))))
    with np.errstate(over="ignore"):
        found = transform(others)
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    assert np.isnan(transform(np.array([np.nan]))).all()


@given(
    hnp.arrays(np.float64, st.integers(1, 15), elements=st.integers(-20, 20).map(float)),
    st.lists(st.floats(0, 1), min_size=1, max_size=6).map(sorted),
    st.data(),
)
def test_a_weight_of_two_is_a_value_twice(values, shares, data):
    counts = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(values), max_size=len(values))))
    repeated = np.repeat(values, counts)
    by_weight = quantiles(values, counts.astype(float), np.array(shares))
    expected = np.quantile(repeated, shares, method="averaged_inverted_cdf")
    # Where share × weight is a whole number but for rounding, either neighbour or their middle may be meant.
    exact = np.abs(np.array(shares) * len(repeated) - np.round(np.array(shares) * len(repeated))) > 1e-9
    np.testing.assert_array_equal(by_weight[exact], expected[exact])
    assert robust_statistics(values, counts.astype(float)) == robust_statistics(repeated, None)


def test_the_steps_come_in_their_order():
    # missing → transform → center → scale → decorrelate → components, each with what NumPy says.
    X = skewed(200)
    X[::7, 0] = np.nan
    own = {"missing": "impute", "transform": "log1p", "scale": "standard", "decorrelate": "whiten", "components": 2}
    found = outputs(X, **own)
    filled = np.where(np.isnan(X), np.nanmedian(X, axis=0), X)
    straight = np.sign(filled) * np.log1p(np.abs(filled))
    scaled = (straight - straight.mean(axis=0)) / straight.std(axis=0)
    values, vectors = np.linalg.eigh(np.cov(scaled.T))
    expected = (scaled @ vectors / np.sqrt(values))[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    for other in (own | {"transform": "none"}, own | {"scale": "none"}, own | {"components": None}):
        different = outputs(X, **other)
        assert different.shape != found.shape or np.abs(different - found).max() > 0.1


def test_truth_values_and_dates_stay():
    table = Table.of_array(np.array([[0.0, 1.0], [1.0, 100.0], [0.0, 10_000.0]]), ["b", "x"], Place("array"))
    roles = [ColumnRole("b", "boolean"), ColumnRole("x", "number")]
    found = Preprocessor.fit(table, roles, InputSettings(transform="log1p", center=False, scale="none"), None)
    np.testing.assert_allclose(
        found.transform(table, np.float64), np.column_stack([[0, 1, 0], np.log1p([1, 100, 1e4])])
    )
