"""How a learner's rows are cut into calls of the program changes nothing but the time."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax.errors import JaxRuntimeError

from entrena import NetworkClassifier, NetworkRegressor
from entrena.errors import DataError
from entrena.preprocessing import RunningMoments
from entrena.training import stream as stream_module

N_ROWS = 300


def rows(kind: type) -> tuple[np.ndarray, np.ndarray]:
    """Columns of other means and deviations; classes, or two numbers a row."""
    generator = np.random.default_rng(3)
    X = generator.normal(3, 5, size=(N_ROWS, 4))
    return X, generator.integers(0, 3, N_ROWS) if kind is NetworkClassifier else generator.normal(2, 7, (N_ROWS, 2))


def begun(kind: type, X: np.ndarray, y: np.ndarray, **settings: Any) -> Any:
    """An estimator that has learned the first 50 rows."""
    classes = {"classes": [0, 1, 2]} if kind is NetworkClassifier else {}
    return kind((6,), learning_rate=0.01, **settings).partial_fit(X[:50], y[:50], **classes)


def knows(estimator: Any) -> list[np.ndarray]:
    """All that an estimator has learned, and what it found on the way."""
    learner, tested = estimator._learner, estimator._tested
    found = [tested.losses, tested.z, tested.numbers, tested.reported_losses]
    made = estimator.model_
    return [*map(np.asarray, jax.tree.leaves(learner.stream.state)), *found, made.preprocessor.shift, made.coder.shift]


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
@pytest.mark.parametrize("settings", [{"mode": "online", "optimizer": "sgd"}, {"mode": "mini_batch", "batch_size": 8}])
def test_a_long_call_is_several_of_the_program(kind, settings, monkeypatch):
    X, y = rows(kind)
    whole, cut = begun(kind, X, y, **settings), begun(kind, X, y, **settings)
    whole.partial_fit(X[50:], y[50:])
    monkeypatch.setattr(stream_module, "MOST_UPDATES", 16)
    assert cut._learner.stream.rows_a_call < len(X) - 50
    cut.partial_fit(X[50:], y[50:])
    for a, b in zip(knows(whole), knows(cut), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
def test_of_a_long_call_that_fails_in_its_midst_nothing_is_learned(kind, monkeypatch):
    monkeypatch.setattr(stream_module, "MOST_UPDATES", 16)
    X, y = rows(kind)
    estimator, other = begun(kind, X, y, mode="online"), begun(kind, X, y, mode="online")
    wrong = X[50:].copy()
    wrong[133, 2] = 1e300
    with pytest.raises(DataError, match="row 134 of input 'x2' is too large"):
        estimator.partial_fit(wrong, y[50:])
    assert estimator._learner.n_rows == 50
    for one in (estimator, other):
        one.partial_fit(X[50:], y[50:])
    for a, b in zip(knows(estimator), knows(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_where_the_compiler_refuses_the_one_function_form_the_ordinary_one_runs(monkeypatch):
    compiled, asked = stream_module._compiled, []

    def refusing(structure: Any, *packings: Any) -> Any:
        asked.append(structure.form)
        if structure.form == "loop":
            return compiled(structure, *packings)

        def program(*arguments: Any) -> Any:
            raise JaxRuntimeError("UNIMPLEMENTED: this fusion kind")

        return program

    X, y = rows(NetworkClassifier)
    settings = {"mode": "online", "momentum": 0.5, "optimizer": "sgd", "hidden": (7, 3)}  # of no other test
    usual = NetworkClassifier(**settings).partial_fit(X, y, classes=[0, 1, 2])
    stream_module._compiled.cache_clear()
    monkeypatch.setattr(stream_module, "_compiled", refusing)
    refused: set[Any] = set()
    monkeypatch.setattr("entrena.training.compiled._refused", refused)
    estimator = NetworkClassifier(**settings).partial_fit(X, y, classes=[0, 1, 2])
    assert asked == ["one_function", "loop"]
    assert len(refused) == 1
    NetworkClassifier(**settings).partial_fit(X, y, classes=[0, 1, 2])
    assert asked[2:] == ["loop"]  # it is asked once only
    for a, b in zip(knows(usual), knows(estimator), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_the_moments_of_a_row_at_a_time_are_those_of_all_rows():
    X = np.random.default_rng(0).normal(1e6, 3, size=(40, 3))
    means, deviations, moments = RunningMoments.none(3).after(X)
    one = RunningMoments.none(3)
    for k in range(len(X)):
        mean, deviation, one = one.after(X[k : k + 1])
        np.testing.assert_array_equal(mean[0], means[k])
        np.testing.assert_array_equal(deviation[0], deviations[k])
    for name in ("weight", "first", "total", "squares"):
        np.testing.assert_array_equal(getattr(one, name), getattr(moments, name))
    np.testing.assert_allclose(means[-1], X.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(deviations[-1], X.std(axis=0), rtol=1e-10)
