"""Scores against scikit-learn's metrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from entrena.training.scores import SCORES, score, sign


def weights_of(generator: np.random.Generator, n: int, kind: str) -> np.ndarray | None:
    return {
        "none": None,
        "real": generator.uniform(0.1, 3, n),
        "with zeros": generator.integers(0, 3, n) + (np.arange(n) == 0),
    }[kind]


KINDS = ("none", "real", "with zeros")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 5])
def test_scores_of_classes(n_classes, kind, generator):
    n = 60
    p = generator.dirichlet(np.ones(n_classes), n)
    truth = generator.integers(0, n_classes, n)
    truth[:n_classes] = np.arange(n_classes)
    p[0, truth[0]] = 0.0
    p[0] /= p[0].sum()
    weight = weights_of(generator, n, kind)
    accuracy = metrics.accuracy_score(truth, p.argmax(axis=1), sample_weight=weight)
    assert score("accuracy", truth, p, weight) == pytest.approx(accuracy)
    log_loss = metrics.log_loss(truth, p, sample_weight=weight, labels=np.arange(n_classes))
    assert score("log_loss", truth, p, weight) == pytest.approx(log_loss, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@given(
    truth=st.lists(st.integers(0, 1), min_size=2, max_size=40).filter(lambda t: len(set(t)) == 2),
    levels=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_area_under_the_curve_with_ties(kind, truth, levels, seed):
    generator = np.random.default_rng(seed)
    truth = np.array(truth)
    p = generator.integers(0, levels, len(truth)) / levels
    weight = weights_of(generator, len(truth), kind)
    if weight is not None and len(set(truth[weight > 0].tolist())) < 2:
        assert np.isnan(score("roc_auc", truth, np.column_stack([1 - p, p]), weight))
        return
    expected = metrics.roc_auc_score(truth, p, sample_weight=weight)
    assert score("roc_auc", truth, np.column_stack([1 - p, p]), weight) == pytest.approx(expected, abs=1e-12)


def test_area_by_hand():
    # Pairs (positive, negative): .8>.1, .8>.6, .6>.1, .6=.6 → 3.5 of 4.
    p = np.array([0.1, 0.6, 0.6, 0.8])
    assert score("roc_auc", np.array([0, 0, 1, 1]), np.column_stack([1 - p, p])) == 3.5 / 4
    assert np.isnan(score("roc_auc", np.array([1, 1, 1, 1]), np.column_stack([1 - p, p])))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_scores_of_numbers(n_outputs, kind, generator):
    truth = generator.normal(size=(40, n_outputs)) * 10 + 3
    prediction = truth + generator.normal(size=truth.shape)
    weight = weights_of(generator, 40, kind)
    squared = metrics.mean_squared_error(truth, prediction, sample_weight=weight)
    assert score("rmse", truth, prediction, weight) == pytest.approx(np.sqrt(squared))
    assert score("mae", truth, prediction, weight) == pytest.approx(
        metrics.mean_absolute_error(truth, prediction, sample_weight=weight)
    )
    assert score("r2", truth, prediction, weight) == pytest.approx(
        metrics.r2_score(truth, prediction, sample_weight=weight)
    )


def test_explained_share_of_a_constant():
    truth = np.array([[2.0, 1.0], [2.0, 3.0]])
    for prediction in (truth, truth + [[1, 0], [0, 0]], truth + [[0, 0.5], [0, 0]]):
        assert score("r2", truth, prediction) == pytest.approx(metrics.r2_score(truth, prediction))
    assert np.isnan(score("r2", truth[:1], truth[:1]))


def test_a_probability_of_0_is_a_finite_loss():
    assert score("log_loss", np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(np.finfo(float).eps))


def test_which_scores_are_better_when_higher():
    assert {name: sign(name) for name in SCORES} == {
        "accuracy": 1,
        "log_loss": -1,
        "roc_auc": 1,
        "rmse": -1,
        "mae": -1,
        "r2": 1,
    }
