"""`partial_fit`: rows as they come, by scikit-learn's conventions."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import estimator_checks

from entrena import NetworkClassifier, NetworkRegressor, load
from entrena.errors import DataError, RecipeError, RunError

ONLINE = {"hidden": (4,), "mode": "online", "optimizer": "adam", "learning_rate": 0.01}
ESTIMATORS = [NetworkClassifier, NetworkRegressor]


def flowers(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order], y[order]


def weights_of(estimator) -> list[np.ndarray]:
    own = [values for layer in estimator.model_.params for values in layer.values()]
    return [
        *own,
        estimator.model_.preprocessor.shift,
        estimator.model_.preprocessor.scale,
        estimator.model_.coder.shift,
    ]


def assert_same(a, b) -> None:
    for left, right in zip(weights_of(a), weights_of(b), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def begun(kind=NetworkClassifier, n_rows: int = 40, **settings):
    """An estimator that has learned the first rows."""
    X, y = flowers()
    own = {"classes": [0, 1, 2]} if kind is NetworkClassifier else {}
    return kind(**{**ONLINE, **settings}).partial_fit(X[:n_rows], y[:n_rows], **own)


# --- calls ---


def test_the_first_call_needs_all_classes():
    X, y = flowers()
    network = NetworkClassifier(**ONLINE)
    with pytest.raises(ValueError, match="classes: the first call of partial_fit needs all labels that will come"):
        network.partial_fit(X, y)
    with pytest.raises(DataError, match="classes names one class only, 1; at least two are needed"):
        network.partial_fit(X[y == 1], y[y == 1], classes=[1])
    with pytest.raises(NotFittedError):
        network.predict(X)
    network.partial_fit(X[:1], y[:1], classes=[2, 0, 1])
    assert network.classes_.tolist() == [0, 1, 2]
    assert network.predict_proba(X).shape == (150, 3)
    network.partial_fit(X, y)
    network.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"classes are \[0, 1\], and were \[0, 1, 2\] before"):
        network.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(DataError, match="target 'y': unknown class 5; there are 0, 1, 2"):
        network.partial_fit(X, np.where(y == 1, 5, y))


def test_a_first_call_that_fails_leaves_nothing_behind():
    X, y = flowers()
    network = NetworkClassifier(**ONLINE)
    with pytest.raises(DataError, match="unknown class 2"):
        network.partial_fit(X, y, classes=[0, 1])
    assert not network.__sklearn_is_fitted__()
    assert_same(network.partial_fit(X[:40], y[:40], classes=[0, 1, 2]), begun())


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_call_that_fails_learns_nothing(kind):
    X, y = flowers()
    network, same = begun(kind), begun(kind)
    bad = X.copy()
    bad[7, 1] = np.inf
    with pytest.raises(ValueError, match="column 'x1', row 8 holds inf; numbers must be finite"):
        network.partial_fit(bad, y)
    bad[7, 1] = 1e300
    with pytest.raises(DataError, match="X: row 8 of input 'x1' is too large for running means and deviations"):
        network.partial_fit(bad, y)
    with pytest.raises(ValueError, match="X has 3 features, but Network(Classifier|Regressor) is expecting 4 features"):
        network.partial_fit(X[:, :3], y)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[150, 149\]"):
        network.partial_fit(X, y[:-1])
    with pytest.raises(ValueError, match="NaN"):
        network.partial_fit(X, np.where(y == 1, np.nan, y))
    with pytest.raises(ValueError, match="Negative values"):
        network.partial_fit(X, y, sample_weight=np.where(y == 1, -1.0, 1.0))
    assert_same(network, same)
    assert_same(network.partial_fit(X, y), same.partial_fit(X, y))


def test_one_row_at_a_time_is_many_at_once():
    X, y = flowers()
    for kind in ESTIMATORS:
        own = {"classes": [0, 1, 2]} if kind is NetworkClassifier else {}
        whole, single = kind(**ONLINE).partial_fit(X[:60], y[:60], **own), kind(**ONLINE)
        for k in range(60):
            single.partial_fit(X[k : k + 1], y[k : k + 1], **own)
        assert_same(whole, single)


def test_batches_are_those_of_each_call():
    X, y = flowers()
    network = NetworkClassifier(**{**ONLINE, "mode": "mini_batch", "batch_size": 32})
    network.partial_fit(X[:64], y[:64], classes=[0, 1, 2])
    assert network.model_.facts["updates"] == 2
    network.partial_fit(X[64:74], y[64:74])
    assert network.model_.facts["updates"] == 3
    network.partial_fit(X[74:], y[74:])
    assert network.model_.facts["updates"] == 6
    assert network.model_.facts["n_rows"] == 150
    assert begun(mode="auto").model_.facts["batch_size"] == 32


def test_it_learns():
    X, y = flowers()
    network = begun()
    for _ in range(20):
        network.partial_fit(X, y)
    assert network.score(X, y) > 0.9
    curve = np.sin(3 * X[:, 0]) + X[:, 2]
    regressor = NetworkRegressor(hidden=(16,), mode="online", learning_rate=0.005)
    for _ in range(60):
        regressor.partial_fit(X, curve)
    assert regressor.score(X, curve) > 0.9


def test_the_loss_is_that_of_the_rows_before_they_were_learned():
    X, y = flowers()
    # Fixed statistics: what is said of a row that is learned alone is what predict_proba says of it before.
    fitted = NetworkClassifier(hidden=(4,), mode="online", precision="float64", max_epochs=2).fit(X, y)
    p = fitted.predict_proba(X[:1])
    fitted.partial_fit(X[:1], y[:1])
    assert fitted.loss_ == pytest.approx(-np.log(p[0, y[0]]), rel=1e-10)
    number = NetworkRegressor(hidden=(4,), mode="online", precision="float64", max_epochs=2).fit(X, 7 * X[:, 0])
    assert number.loss_ == number.loss_curve_[-1]
    said = number.predict(X[:1])
    number.partial_fit(X[:1], 7 * X[:1, 0])
    assert number.loss_ == pytest.approx((said[0] - 7 * X[0, 0]) ** 2, rel=1e-10)
    with pytest.raises(AttributeError, match="is not fitted yet: it has no loss_"):
        NetworkClassifier().loss_  # noqa: B018
    with pytest.raises(AttributeError, match="is not fitted yet: it has no model_"):
        NetworkClassifier().model_  # noqa: B018


# --- weights ---


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_weight_zero_is_absent(kind):
    X, y = flowers()
    weight = np.where(np.arange(150) % 3 == 0, 0.0, 1.5)
    network, same = begun(kind), begun(kind)
    network.partial_fit(X, y, sample_weight=weight)
    assert_same(network, same.partial_fit(X[weight > 0], y[weight > 0], sample_weight=weight[weight > 0]))
    assert_same(network.partial_fit(X[:1], y[:1], sample_weight=[0]), same)  # nothing happens
    assert_same(network.partial_fit(X[:9], y[:9], sample_weight=np.zeros(9)), same)
    # The first call does not look at such rows either.
    own = {"classes": [0, 1, 2]} if kind is NetworkClassifier else {}
    far = np.where(weight[:, None] == 0, 1e6, X)
    first = kind(**ONLINE).partial_fit(far, y, sample_weight=weight, **own)
    again = kind(**ONLINE).partial_fit(X[weight > 0], y[weight > 0], sample_weight=weight[weight > 0], **own)
    assert_same(first, again)
    np.testing.assert_array_equal(first.model_.preprocessor.fill, again.model_.preprocessor.fill)
    with pytest.raises(ValueError, match="at least one"):
        kind(**ONLINE).partial_fit(X, y, sample_weight=np.zeros(150), **own)


def test_whole_weights_are_rows_that_count_more():
    X, y = flowers()
    ones = begun().partial_fit(X, y, sample_weight=np.ones(150, int))
    assert_same(ones, begun().partial_fit(X, y))
    # A step of plain gradient descent is as many times as long.
    chosen = {"optimizer": "sgd", "momentum": 0, "weight_decay": 0, "precision": "float64", "scale": "none"}
    start = begun(**chosen, center=False)
    moved = []
    for w in (1, 3):
        network = pickle.loads(pickle.dumps(start)).partial_fit(X[50:51], y[50:51], sample_weight=[w])
        moved.append(
            [after - before for after, before in zip(weights_of(network)[:4], weights_of(start), strict=False)]
        )
    for one, three in zip(*moved, strict=True):
        np.testing.assert_allclose(three, 3 * one, rtol=1e-9, atol=1e-15)


# --- inputs ---


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_the_quick_way_is_the_other_way(kind, monkeypatch):
    X, y = flowers()
    quick, slow = begun(kind), begun(kind)
    fitted = [kind(**ONLINE, max_epochs=2).fit(X, y) for _ in range(2)]
    for a, b in ((quick, slow), fitted):
        with monkeypatch.context() as patched:
            patched.setattr(type(b), "_is_quick", lambda *_: False)
            for first in range(0, 150, 7):
                b.partial_fit(X[first : first + 7], y[first : first + 7])
        for first in range(0, 150, 7):
            a.partial_fit(X[first : first + 7], y[first : first + 7])
            assert a._is_quick(X, a._learner, None)
        assert a.loss_ == b.loss_
        assert_same(a, b)


def test_other_forms_of_the_same_numbers_learn_the_same():
    X, y = flowers()
    X = np.round(X * 4)  # exact in each of these types
    expected = NetworkClassifier(**ONLINE).partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    for form in (
        lambda X: X.astype(np.float32),
        lambda X: X.astype(int),
        lambda X: X.tolist(),
        lambda X: np.asfortranarray(X),
        lambda X: X.astype(object),
        lambda X: np.repeat(X, 2, axis=0)[::2],
    ):
        network = NetworkClassifier(**ONLINE).partial_fit(form(X), y, classes=[0, 1, 2]).partial_fit(form(X), y)
        assert_same(network, expected)
    for labels in (y.tolist(), y.astype(np.int32), y.astype(float), y[:, None]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a column where a row is expected
            network = begun(n_rows=1)
            expected = begun(n_rows=1).partial_fit(X, y)
            assert_same(network.partial_fit(X, labels), expected)


def test_the_rows_may_be_written_to_afterwards():
    X, y = flowers()
    network, same = begun(), begun()
    mine, labels = X.copy(), y.copy()
    network.partial_fit(mine, labels)
    mine[:], labels[:] = 1e9, 0
    assert_same(network, same.partial_fit(X, y))


def test_gaps_take_the_mean_so_far_wherever_the_rows_are_cut():
    X, y = flowers()
    X[::3, 2], X[:7, 1], X[0, 0] = np.nan, np.nan, np.nan
    whole = NetworkClassifier(**ONLINE).partial_fit(X, y, classes=[0, 1, 2])
    for cuts in ([1, 2, 3, 150], [5, 40, 150], [149, 150]):
        network, at = NetworkClassifier(**ONLINE), 0
        for stop in cuts:
            network.partial_fit(X[at:stop], y[at:stop], classes=[0, 1, 2])
            at = stop
        assert_same(network, whole)
    np.testing.assert_allclose(whole.model_.preprocessor.fill, np.nanmean(X, axis=0))
    assert np.isfinite(whole.predict_proba(X)).all()
    with pytest.raises(DataError, match="missing value"):
        begun(missing="refuse").partial_fit(X, y)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames_with_categories(library):
    X, y = flowers()
    colours = np.array(["red", "green", "blue"])[(y + np.arange(150) % 2) % 3]
    first = {"size": X[:60, 0].tolist(), "colour": colours[:60].tolist()}
    later = {"size": X[60:, 0].tolist(), "colour": [*colours[60:-1].tolist(), "never seen"]}
    with pytest.warns(UserWarning, match="the levels of 'colour' are those of this first call, which has 60 rows;"):
        network = NetworkClassifier(**ONLINE).partial_fit(library(first), y[:60], classes=[0, 1, 2])
    network.partial_fit(library(later), y[60:])
    assert network.feature_names_in_.tolist() == ["size", "colour"]
    # The same with columns of zeros and ones, which are centred and not scaled.
    levels = sorted(set(colours))
    coded = np.array([[colour == level for level in levels] for colour in [*first["colour"], *later["colour"]]], float)
    shares = np.cumsum(coded, axis=0) / np.arange(1, 151)[:, None]
    found = network.model_.preprocessor
    np.testing.assert_allclose(found.shift[1:4], shares[-1], rtol=1e-12)
    np.testing.assert_allclose(found.shift[0], X[:, 0].mean(), rtol=1e-12)
    np.testing.assert_allclose(found.scale, [X[:, 0].std(), 1, 1, 1], rtol=1e-12)
    with pytest.raises(ValueError, match="feature names"):
        network.partial_fit(library({"colour": later["colour"], "size": later["size"]}), y[60:])


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["0", "1"], r"classes: \['0', '1'\] are texts, and y holds numbers: name the labels as in y"),
        ([0, None], "labels of several kinds"),
    ],
)
def test_classes_are_named_as_in_y(classes, said):
    with pytest.raises(ValueError, match=said):
        NetworkClassifier(**ONLINE).partial_fit(np.ones((3, 2)), [0, 1, 0], classes=classes)


def test_a_short_first_call_warns_of_the_levels_that_it_does_not_show():
    frame = pd.DataFrame({"size": [1.0, 2.0], "colour": ["red", "green"]})
    with pytest.warns(UserWarning, match="the levels of 'colour' are those of this first call, which has 2 rows;"):
        NetworkClassifier(**ONLINE).partial_fit(frame, [0, 1], classes=[0, 1])


def test_several_outputs():
    X, _ = flowers()
    Y = X[:, :2] * [1, 100]
    network = NetworkRegressor(**ONLINE).partial_fit(X[:, 2:], Y)
    assert network.predict(X[:, 2:]).shape == (150, 2)
    np.testing.assert_allclose(network.model_.coder.shift, Y.mean(axis=0), rtol=1e-12)
    with pytest.raises(ValueError, match="y has 1 outputs, and had 2 before"):
        network.partial_fit(X[:, 2:], Y[:, 0])


# --- after fit, load, pickle; other parameters ---


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_after_fit_it_goes_on_with_what_fit_made(kind):
    X, y = flowers()
    network = kind(**ONLINE, max_epochs=3).fit(X, y)
    before, statistics = weights_of(network), network.model_.preprocessor
    network.partial_fit(X[:30] + 100, y[:30])
    assert network.model_.preprocessor.shift is statistics.shift
    assert any((a != b).any() for a, b in zip(before, weights_of(network), strict=True))
    again = kind(**ONLINE, max_epochs=3).fit(X, y).partial_fit(X[:30] + 100, y[:30])
    assert_same(network, again)
    assert_same(network.fit(X, y), kind(**ONLINE, max_epochs=3).fit(X, y))  # fit begins anew


def test_after_fit_the_network_stays():
    X, y = flowers()
    network = NetworkClassifier(hidden=(4,), max_epochs=2).fit(X, y).set_params(hidden=(5,))
    with pytest.raises(RunError, match="layers: the model has 4-4-3, the recipe 4-5-3; to start from it"):
        network.partial_fit(X, y)
    network.set_params(hidden=(4,), activation="elu")
    with pytest.raises(RunError, match="activation: the model has relu, the recipe elu"):
        network.partial_fit(X, y)
    network.set_params(activation="relu", early_stopping=True)
    with pytest.raises(RecipeError, match="training.early_stopping: a stream has no validation rows"):
        network.partial_fit(X, y)
    network.set_params(early_stopping="auto").partial_fit(X, y)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_saved_model_goes_on(kind, tmp_path):
    X, y = flowers()
    network = kind(**ONLINE, max_epochs=2).fit(X, y)
    network.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert_same(network.partial_fit(X, y), again.partial_fit(X, y))
    # One that streams is saved with its statistics so far, which stay from there on.
    streamed = begun(kind)
    streamed.save(tmp_path / "s.safetensors")
    loaded = load(tmp_path / "s.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), streamed.predict(X))
    shift = loaded.model_.preprocessor.shift
    np.testing.assert_array_equal(loaded.partial_fit(X, y).model_.preprocessor.shift, shift)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("copied", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy], ids=["pickle", "copy"])
def test_a_pickle_goes_on_bit_by_bit(kind, copied):
    X, y = flowers()
    for network in (begun(kind), kind(**ONLINE, max_epochs=2).fit(X, y).partial_fit(X[:9], y[:9])):
        again = copied(network)
        assert_same(network, again)
        assert_same(network.partial_fit(X, y), again.partial_fit(X, y))
        assert network.loss_ == again.loss_


def test_a_clone_is_not_fitted():
    X, y = flowers()
    network = begun().set_params(learning_rate=0.5)
    other = clone(network)
    assert other.get_params() == network.get_params()
    with pytest.raises(NotFittedError):
        other.predict(X)
    assert_same(clone(begun()).partial_fit(X[:40], y[:40], classes=[0, 1, 2]), begun())


def test_parameters_that_are_set_on_the_way_count_from_then_on():
    X, y = flowers()
    slow = begun(optimizer="sgd", momentum=0, learning_rate=1e-9, weight_decay=0)
    before = weights_of(slow)
    slow.partial_fit(X, y)
    np.testing.assert_allclose(weights_of(slow)[0], before[0], atol=1e-5)
    slow.set_params(learning_rate=0.1)
    slow.set_params()  # nothing, and not that nothing was set before
    slow.partial_fit(X, y)
    assert np.abs(weights_of(slow)[0] - before[0]).max() > 1e-2
    assert slow.recipe_.rate.learning_rate == 0.1
    slow.learning_rate = 0.0001
    assert slow.partial_fit(X, y).recipe_.rate.learning_rate == 0.0001
    # The memory of the optimizer, the statistics and the number of rows go on.
    changed, same = begun(), begun()
    changed.set_params(learning_rate=ONLINE["learning_rate"], verbose=False)
    assert_same(changed.partial_fit(X, y), same.partial_fit(X, y))
    assert changed.model_.facts["n_rows"] == 190


FIXED = [
    ("hidden", (5,), "network.hidden: cannot change within a stream: call fit, or begin with a clone"),
    ("activation", "elu", "network.activation: cannot change within a stream"),
    ("scale", "none", "inputs.scale: cannot change within a stream"),
    ("precision", "float64", "training.precision: cannot change within a stream: the weights have theirs"),
    ("optimizer", "sgd", "training.optimizer: has a memory of its own: it cannot change within a stream"),
    ("schedule", "cosine", "rate.schedule: 'cosine' is planned for a number of updates, and a stream has no end"),
    ("mode", "batch", "training.mode: 'batch' needs all rows: take online or mini_batch"),
]


@pytest.mark.parametrize(("name", "value", "said"), FIXED, ids=[name for name, _, _ in FIXED])
def test_what_cannot_change_within_a_stream_is_said(name, value, said):
    X, y = flowers()
    network, same = begun(), begun()
    network.set_params(**{name: value})
    for _ in range(2):
        with pytest.raises(RecipeError) as refused:
            network.partial_fit(X, y)
        assert said in str(refused.value)
    network.set_params(**{name: getattr(same, name)})
    assert_same(network.partial_fit(X, y), same.partial_fit(X, y))


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(3), np.random.default_rng(3)])
def test_a_seed_that_is_drawn_is_drawn_once(random_state):
    X, y = flowers()
    network = begun(random_state=random_state, dropout=0.2)
    seed = network.recipe_.random_state
    network.set_params(learning_rate=0.02).partial_fit(X, y)
    assert network.recipe_.random_state == seed


def test_weights_that_are_no_numbers_are_told_when_the_model_is_asked_for():
    network = begun(optimizer="sgd", learning_rate=1e30)
    with pytest.warns(ConvergenceWarning, match=r"the weights became nan: the rate 1e\+30 is too high"):
        network.model_  # noqa: B018
    assert np.isnan(network.loss_) or network.loss_ > 1e6


# --- scikit-learn's own checks ---

CHECKS = [
    "check_estimators_partial_fit_n_features",
    "check_n_features_in_after_fitting",
    "check_dataframe_column_names_consistency",
    "check_fit_score_takes_y",
    "check_fit2d_1sample",
    "check_estimators_overwrite_params",
    "check_no_attributes_set_in_init",
    "check_dict_unchanged",
    "check_estimators_pickle",
    "check_set_params",
]


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(kind, check):
    getattr(estimator_checks, check)(kind.__name__, kind(hidden=(3,), max_epochs=2))
