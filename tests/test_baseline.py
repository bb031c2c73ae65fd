"""Baselines against scikit-learn's linear models, and tables that are hard for them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from entrena import baseline
from entrena.baseline import fit_linear, fit_mean

CLOSE = 1e-3  # in probabilities


def standardised(X):
    return ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)


def written_out(inputs, n_dense, n_levels):
    """The table with a column of 0 and 1 for each level, as scikit-learn takes it."""
    indicators = [
        (inputs[:, n_dense + column, None] == np.arange(1, n + 1)).astype(float) for column, n in enumerate(n_levels)
    ]
    return np.concatenate([inputs[:, :n_dense].astype(float), *indicators], axis=1)


def logistic(inputs, truth, weight=None):
    return LogisticRegression(tol=1e-9, max_iter=20_000).fit(inputs, truth, sample_weight=weight)


def table_of_levels(generator, n=600):
    """Three numbers, a column of 12 levels and one of 40, some of them unseen, and what depends on all."""
    dense = generator.normal(size=(n, 3))
    first, second = generator.integers(0, 13, n), np.minimum(generator.geometric(0.1, n), 40)
    z = dense @ [1.0, -2.0, 0.5] + generator.normal(size=13)[first] + generator.normal(size=41)[second]
    inputs = np.column_stack([dense, first, second]).astype(np.float32)
    return inputs, 3, (12, 40), z


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_logistic_regression_of_known_tables(load, weighted, generator):
    X, truth = load(return_X_y=True)
    X = standardised(X)
    weight = generator.uniform(0.1, 3, len(X)) if weighted else None
    model = fit_linear(X, X.shape[1], (), truth, n_classes=truth.max() + 1, weight=weight)
    p = model.predict(X)
    assert p.dtype == np.float64
    assert p.sum(axis=1) == pytest.approx(np.ones(len(X)))
    np.testing.assert_allclose(p, logistic(X.astype(float), truth, weight).predict_proba(X), atol=CLOSE)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_regression_with_levels(n_classes, generator):
    inputs, n_dense, n_levels, z = table_of_levels(generator)
    truth = np.digitize(z + generator.logistic(size=len(z)), [0.0] if n_classes == 2 else [-1.0, 1.0])
    model = fit_linear(inputs, n_dense, n_levels, truth, n_classes=n_classes)
    theirs = logistic(written_out(inputs, n_dense, n_levels), truth)
    unseen = inputs[:20].copy()
    unseen[:, n_dense:] = 0
    for rows in (inputs, unseen):
        expected = theirs.predict_proba(written_out(rows, n_dense, n_levels))
        np.testing.assert_allclose(model.predict(rows), expected, atol=CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_ridge_regression(n_outputs, weighted, generator):
    X = generator.normal(size=(80, 5)).astype(np.float32) * [1, 10, 0.1, 1, 1] + 3
    X[:, 4] = X[:, 3]
    truth = X @ generator.normal(size=(5, n_outputs)) * 1000 + generator.normal(size=(80, n_outputs)) + 5e4
    weight = generator.uniform(0.1, 3, 80) if weighted else None
    model = fit_linear(X, 5, (), truth, n_classes=None, weight=weight)
    theirs = Ridge(alpha=1).fit(X, truth, sample_weight=weight)
    np.testing.assert_allclose(model.predict(X), theirs.predict(X).reshape(80, -1), rtol=1e-6)


def test_ridge_regression_with_levels(generator):
    inputs, n_dense, n_levels, z = table_of_levels(generator)
    truth = (z + generator.normal(size=len(z)))[:, None]
    model = fit_linear(inputs, n_dense, n_levels, truth, n_classes=None)
    table = written_out(inputs, n_dense, n_levels)
    np.testing.assert_allclose(
        model.predict(inputs)[:, 0], Ridge(alpha=1).fit(table, truth[:, 0]).predict(table), atol=1e-3
    )


def test_levels_alone(generator):
    inputs, n_dense, n_levels, z = table_of_levels(generator)
    truth = (z > 0).astype(int)
    levels = inputs[:, n_dense:]
    theirs = logistic(table := written_out(levels, 0, n_levels), truth)
    model = fit_linear(levels, 0, n_levels, truth, n_classes=2)
    np.testing.assert_allclose(model.predict(levels), theirs.predict_proba(table), atol=CLOSE)


def test_a_weight_of_2_is_the_row_twice(generator):
    X, truth = load_iris(return_X_y=True)
    X = standardised(X)
    weight = generator.integers(0, 3, len(X))
    repeated = fit_linear(np.repeat(X, weight, 0), 4, (), np.repeat(truth, weight), n_classes=3)
    weighted = fit_linear(X, 4, (), truth, n_classes=3, weight=weight)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=CLOSE)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: np.concatenate([x, np.full_like(x, 3), np.zeros_like(x)], axis=1),
        lambda x: np.concatenate([x, x, x], axis=1),
        lambda x: x * 1e4,
        lambda x: np.concatenate([x * 1e2, x * 1e2], axis=1),
        lambda x: x * 1e-3 + 100,
        lambda x: np.concatenate([x, x**3], axis=1),
    ],
    ids=["one column", "constants", "thrice", "large", "large twice", "narrow", "almost the same"],
)
@pytest.mark.parametrize("border", [0.0, 0.9])
def test_separable_rows(make, border):
    x = np.linspace(-1, 1, 60)[:, None]
    X, truth = make(x).astype(np.float32), (x[:, 0] > border).astype(int)
    X.flags.writeable = False
    model = fit_linear(X, X.shape[1], (), truth, n_classes=2)
    # scikit-learn's solver wants columns of mean 0; without penalty of the intercept it is the same model.
    centred = X.astype(float) - X.astype(float).mean(axis=0)
    expected = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(centred, truth)
    np.testing.assert_allclose(model.predict(X), expected.predict_proba(centred), atol=CLOSE)


def test_a_class_of_one_row(generator):
    X = generator.normal(size=(50, 3)).astype(np.float32)
    truth = np.arange(50) % 2
    truth[7] = 2
    model = fit_linear(X, 3, (), truth, n_classes=3)
    np.testing.assert_allclose(model.predict(X), logistic(X.astype(float), truth).predict_proba(X), atol=CLOSE)


def test_absent_classes_have_probability_0(generator):
    X = generator.normal(size=(50, 3)).astype(np.float32)
    truth = np.array([1, 4])[np.arange(50) % 2]
    p = fit_linear(X, 3, (), truth, n_classes=6).predict(X)
    assert np.all(p[:, [0, 2, 3, 5]] == 0)
    np.testing.assert_allclose(p[:, [1, 4]], logistic(X.astype(float), truth).predict_proba(X), atol=CLOSE)


def test_a_single_class_is_certain(generator):
    inputs, n_dense, n_levels, _ = table_of_levels(generator)
    model = fit_linear(inputs, n_dense, n_levels, np.full(len(inputs), 2), n_classes=3)
    assert np.array_equal(model.predict(inputs[:5]), np.eye(3)[[2] * 5])


def test_no_columns_at_all():
    truth = np.array([0, 0, 0, 1])
    p = fit_linear(np.empty((4, 0), np.float32), 0, (), truth, n_classes=2).predict(np.empty((3, 0), np.float32))
    np.testing.assert_allclose(p, [[0.75, 0.25]] * 3, atol=1e-5)
    y = fit_linear(np.empty((4, 0), np.float32), 0, (), truth[:, None], n_classes=None).predict(np.empty((3, 0)))
    np.testing.assert_allclose(y, [[0.25]] * 3)


@pytest.mark.parametrize("size", [1e30, 1e-30, 1e-160])
def test_numbers_of_any_size_stay_finite(size, generator):
    X = generator.normal(size=(40, 2)) * size
    truth = (X[:, 0] > 0).astype(int)
    p = fit_linear(X, 2, (), truth, n_classes=2).predict(X)
    assert np.isfinite(p).all()
    y = fit_linear(X, 2, (), X[:, :1], n_classes=None).predict(X)
    assert np.isfinite(y).all()
    if size > 1:  # penalties do not matter: the order is right, and so is the number itself
        assert ((p[:, 1] > 0.5) == truth).all()
        np.testing.assert_allclose(y, X[:, :1], rtol=1e-6)
    else:  # coefficients would have to be enormous
        np.testing.assert_allclose(p[:, 1], truth.mean(), atol=1e-3)


def test_constant_numbers():
    X = np.arange(6, dtype=np.float32)[:, None]
    y = fit_linear(X, 1, (), np.full((6, 1), 0.1), n_classes=None).predict(X)
    np.testing.assert_allclose(y, 0.1, rtol=1e-12)


def test_of_too_many_rows_a_part_is_taken_and_no_class_is_lost(monkeypatch, generator):
    X = generator.normal(size=(3_000, 2)).astype(np.float32)
    truth = (X[:, 0] + generator.logistic(size=3_000) > 0).astype(int)
    truth[1234] = 2
    monkeypatch.setattr(baseline, "MOST_ROWS", 800)
    seen = []
    original = baseline._Design.of
    monkeypatch.setattr(baseline._Design, "of", lambda rows, *rest: seen.append(rows) or original(rows, *rest))
    models = [fit_linear(X, 2, (), truth, n_classes=3, seed=seed) for seed in (1, 1, 2)]
    one, again, other = (model.predict(X) for model in models)
    assert all(800 <= len(rows) <= 803 for rows in seen)
    assert all((rows == X[1234]).all(axis=1).any() for rows in seen)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    whole = logistic(X.astype(float), truth).predict_proba(X)
    np.testing.assert_allclose(one, whole, atol=0.15)
    fit_linear(X, 2, (), X[:, :1], n_classes=None)
    assert len(seen[-1]) == 800


def test_many_rows_stay_in_bounded_memory():
    X = np.random.default_rng(0).random((300_000, 30), dtype=np.float32)
    truth = (X[:, 0] > 0.5).astype(int)
    tracemalloc.start()
    model = fit_linear(X, 30, (), truth, n_classes=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6  # as float64 the table has 72 MB
    assert np.mean(model.predict(X).argmax(axis=1) == truth) > 0.99


def test_too_many_unknowns_are_not_fitted():
    inputs = np.ones((10, 3), np.float32)
    truth = np.arange(10)
    assert fit_linear(inputs, 2, (500_000,), truth, n_classes=10) is None
    assert fit_linear(inputs, 2, (500_000,), truth[:, None], n_classes=None) is not None


def test_wide_tables_are_inverted_column_by_column(monkeypatch, generator):
    X = generator.normal(size=(200, 10)).astype(np.float32)
    truth = (X[:, 0] + generator.logistic(size=200) > 0).astype(int)
    monkeypatch.setattr(baseline, "MOST_TOGETHER", 5)
    p = fit_linear(X, 10, (), truth, n_classes=2).predict(X)
    np.testing.assert_allclose(p, logistic(X.astype(float), truth).predict_proba(X), atol=CLOSE)


@pytest.mark.parametrize("n_classes", [3, None])
def test_predictions_come_in_blocks(n_classes, monkeypatch, generator):
    inputs, n_dense, n_levels, z = table_of_levels(generator)
    truth = np.digitize(z, [-1, 1]) if n_classes else z[:, None]
    model = fit_linear(inputs, n_dense, n_levels, truth, n_classes=n_classes)
    whole = model.predict(inputs)
    monkeypatch.setattr(baseline, "BLOCK_VALUES", 70)
    np.testing.assert_allclose(model.predict(inputs), whole, rtol=1e-12)
    assert model.predict(inputs[:0]).shape == (0, whole.shape[1])


@pytest.mark.parametrize("weighted", [False, True])
def test_the_shares_of_the_classes(weighted, generator):
    truth = generator.integers(0, 3, 40)
    weight = generator.uniform(0, 2, 40) if weighted else None
    rows = np.zeros((5, 2), np.float32)
    theirs = DummyClassifier(strategy="prior").fit(np.zeros((40, 2)), truth, sample_weight=weight)
    np.testing.assert_allclose(fit_mean(truth, n_classes=3, weight=weight).predict(rows), theirs.predict_proba(rows))
    assert np.array_equal(fit_mean(truth, n_classes=5).predict(rows)[:, 3:], np.zeros((5, 2)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_means_of_the_numbers(n_outputs, weighted, generator):
    truth = generator.normal(size=(40, n_outputs))
    weight = generator.uniform(0, 2, 40) if weighted else None
    rows = np.zeros((5, 2), np.float32)
    theirs = DummyRegressor().fit(np.zeros((40, 2)), truth, sample_weight=weight).predict(rows)
    np.testing.assert_allclose(
        fit_mean(truth, n_classes=None, weight=weight).predict(rows), theirs.reshape(5, -1), rtol=1e-12
    )
