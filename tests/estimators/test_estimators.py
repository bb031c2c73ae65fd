"""NetworkClassifier and NetworkRegressor on arrays."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from entrena import NetworkClassifier, NetworkRegressor, Recipe, load
from entrena.errors import DataError, RecipeError
from entrena.estimators.base import KEYS, _flat
from entrena.recipe import keys

QUICK = {"hidden": (16,), "max_epochs": 30}
NOT_FOR = {
    "classifier": {"target_scale"},
    "regressor": {"target_coding", "class_weight", "calibration", "label_smoothing"},
}


@pytest.mark.parametrize(("estimator", "kind"), [(NetworkClassifier, "classifier"), (NetworkRegressor, "regressor")])
def test_parameters_are_the_recipes_keys_with_its_defaults(estimator, kind):
    parameters = dict(inspect.signature(estimator).parameters)
    for name in ("verbose", "callbacks"):
        del parameters[name]
    parameters = {KEYS.get(name, name): parameter for name, parameter in parameters.items()}
    assert set(parameters) == set(keys()) - NOT_FOR[kind]
    defaults = {name: value for section in Recipe().to_values().items() for name, value in _flat(section)}
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        name: value for name, value in defaults.items() if name in parameters
    }
    documented = inspect.getdoc(estimator).partition("Args:")[2].partition("Attributes:")[0]
    names = {key: name for name, key in KEYS.items()}
    for name in [*(names.get(key, key) for key in parameters), "verbose", "callbacks"]:
        assert f"\n    {name}: " in documented, name


def test_classifier_on_digits():
    X, y = load_digits(return_X_y=True)
    classifier = NetworkClassifier(hidden=(64,)).fit(X[:1400], y[:1400])
    assert classifier.score(X[1400:], y[1400:]) == accuracy_score(y[1400:], classifier.predict(X[1400:]))
    assert classifier.score(X[1400:], y[1400:]) > 0.9
    p = classifier.predict_proba(X[1400:])
    assert np.allclose(p.sum(axis=1), 1)
    assert np.array_equal(classifier.classes_[p.argmax(axis=1)], classifier.predict(X[1400:]))
    assert len(classifier.loss_curve_) == classifier.n_epochs_ == 100
    assert classifier.loss_curve_[-1] < classifier.loss_curve_[0]


@pytest.mark.parametrize("labels", [["a", "b", "c"], [10, 20, 30], [1.0, 2.0, 3.0], [True, False, True]])
def test_labels_of_any_type(labels):
    X, y = load_iris(return_X_y=True)
    y = np.asarray(labels)[y]
    predicted = NetworkClassifier(**QUICK).fit(X, y).predict(X)
    assert predicted.dtype == y.dtype
    assert (predicted == y).mean() > 0.7


def test_regressor_beats_a_linear_model_on_a_curve():
    generator = np.random.default_rng(0)
    X = generator.uniform(-2, 2, (400, 2))
    y = np.sin(2 * X[:, 0]) * 50 + X[:, 1] ** 2
    regressor = NetworkRegressor(hidden=(32,), max_epochs=200).fit(X[:300], y[:300])
    assert regressor.score(X[300:], y[300:]) == pytest.approx(r2_score(y[300:], regressor.predict(X[300:])))
    assert regressor.score(X[300:], y[300:]) > Ridge().fit(X[:300], y[:300]).score(X[300:], y[300:]) + 0.2


def test_weight_zero_is_absent_and_weight_two_is_the_row_twice():
    X, y = load_iris(return_X_y=True)
    weight = np.ones(len(X))
    weight[::3] = 0
    settings = {**QUICK, "mode": "batch", "precision": "float64", "learning_rate": 0.02}
    weighted = NetworkClassifier(**settings).fit(X, y, sample_weight=weight)
    absent = NetworkClassifier(**settings).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(weighted.predict_proba(X), absent.predict_proba(X), rtol=1e-9, atol=1e-12)
    twice = NetworkClassifier(**settings).fit(X, y, sample_weight=np.where(np.arange(len(X)) < 75, 2.0, 1.0))
    repeated = NetworkClassifier(**settings).fit(np.concatenate([X, X[:75]]), np.concatenate([y, y[:75]]))
    np.testing.assert_allclose(twice.predict_proba(X), repeated.predict_proba(X), rtol=1e-7, atol=1e-10)
    equal = NetworkClassifier(**settings).fit(X, y, sample_weight=np.full(len(X), 5.0))
    plain = NetworkClassifier(**settings).fit(X, y)
    np.testing.assert_allclose(equal.predict_proba(X), plain.predict_proba(X), rtol=1e-9, atol=1e-12)


def test_balanced_class_weight_is_the_formula_by_hand():
    X, y = load_iris(return_X_y=True)
    X, y = X[40:], y[40:]  # 10, 50 and 50
    weight = len(y) / (3 * np.bincount(y))[y]
    settings = {**QUICK, "center": False, "scale": "none"}  # statistics of inputs go by sample weight alone
    balanced = NetworkClassifier(**settings, class_weight="balanced").fit(X, y)
    by_hand = NetworkClassifier(**settings).fit(X, y, sample_weight=weight)
    named = NetworkClassifier(**settings, class_weight={"0": weight[0], "1": weight[-1], "2": weight[-1]}).fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(balanced.predict_proba(X), named.predict_proba(X), rtol=1e-5, atol=1e-7)


def test_validation_data_and_its_curve():
    X, y = load_digits(return_X_y=True)
    classifier = NetworkClassifier(**QUICK).fit(X[:1000], y[:1000], validation_data=(X[1000:], y[1000:]))
    curve = classifier.validation_loss_curve_
    assert classifier.best_epoch_ == int(np.argmin(curve)) + 1
    p = classifier.predict_proba(X[1000:])
    truth = p[np.arange(len(p)), y[1000:]]
    assert min(curve) == pytest.approx(-np.log(truth).mean(), rel=1e-4)


def test_save_and_load(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    regressor = NetworkRegressor(**QUICK, activation={"name": "elu", "alpha": 0.5}).fit(X, y)
    regressor.save(tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors")
    assert isinstance(loaded, NetworkRegressor)
    assert np.array_equal(loaded.predict(X), regressor.predict(X))
    assert loaded.get_params()["activation"] == {"name": "elu", "alpha": 0.5}
    assert loaded.get_params()["hidden"] == (16,)


def test_frames_keep_their_names():
    frame, y = load_iris(return_X_y=True, as_frame=True)
    classifier = NetworkClassifier(**QUICK).fit(frame, y)
    assert list(classifier.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(frame.rename(columns={frame.columns[0]: "other"}))
    assert isinstance(frame, pd.DataFrame)


def test_in_scikit_learns_tools():
    X, y = load_iris(return_X_y=True)
    classifier = NetworkClassifier(**QUICK)
    assert clone(classifier).get_params() == classifier.get_params()
    assert cross_val_score(make_pipeline(MinMaxScaler(), classifier), X, y, cv=3).mean() > 0.8
    search = GridSearchCV(classifier, {"learning_rate": [1e-4, 0.02], "weight_decay": [0.0, 0.1]}, cv=3).fit(X, y)
    assert search.best_params_["learning_rate"] == 0.02


def test_messages():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(RecipeError, match="network.activation: 'sigmoid' is called 'logistic' here"):
        NetworkClassifier(activation="sigmoid").fit(X, y)
    with pytest.raises(DataError, match="y holds one class only"):
        NetworkClassifier().fit(X, np.zeros(len(X)))
    with pytest.raises(NotFittedError):
        NetworkClassifier().predict(X)
    with pytest.raises(ValueError, match="column 'x0', row 1 holds inf; numbers must be finite"):
        NetworkRegressor().fit(np.full((4, 2), np.inf), np.arange(4.0))
    with pytest.raises(DataError, match="column 'x0' has 4 missing values, the first in row 1"):
        NetworkRegressor(missing="refuse").fit(np.full((4, 2), np.nan), np.arange(4.0))
    with pytest.raises(ValueError, match="at least one non-zero"):
        NetworkClassifier(**QUICK).fit(X, y, sample_weight=np.zeros(len(X)))


def test_nothing_of_the_users_jax_changes():
    import jax

    NetworkClassifier(**QUICK, precision="float64").fit(*load_iris(return_X_y=True))
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(1).dtype == np.float32


def test_weight_zero_is_absent_where_rows_are_held_out_too():
    X, y = load_iris(return_X_y=True)
    weight = (np.arange(len(X)) % 2).astype(float)
    settings = {**QUICK, "early_stopping": True}
    weighted = NetworkClassifier(**settings).fit(X, y, sample_weight=weight)
    absent = NetworkClassifier(**settings).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(weighted.predict_proba(X), absent.predict_proba(X), rtol=1e-5, atol=1e-7)


def test_a_grid_of_numpy_numbers():
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(NetworkClassifier(**QUICK), {"max_epochs": np.array([1, 20])}, cv=3).fit(X, y)
    assert search.best_params_["max_epochs"] == 20


def test_a_failed_refit_leaves_the_estimator_as_it_was():
    X, y = load_iris(return_X_y=True)
    classifier = NetworkClassifier(**QUICK, early_stopping=True).fit(X, y)
    before = classifier.predict(X)
    classifier.set_params(activation="nonsense")
    with pytest.raises(RecipeError):
        classifier.fit(X, np.asarray(["a", "b", "c"])[y])
    assert np.array_equal(classifier.predict(X), before)
    assert classifier.set_params(activation="relu", early_stopping=False).fit(X, y).validation_loss_curve_ is None


def test_validation_data_are_checked():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        NetworkClassifier(**QUICK).fit(X, y, validation_data=(X, y[:-1]))
    with pytest.raises(ValueError, match="NaN"):
        NetworkRegressor(**QUICK).fit(X, y, validation_data=(X, np.full(len(y), np.nan)))


def test_huge_targets_train_with_losses_relative_to_their_variance():
    X, y = load_diabetes(return_X_y=True)
    regressor = NetworkRegressor(**QUICK, precision="float64").fit(X, y * 1e200)
    assert regressor.outcome_.name == "out_of_epochs"
    assert np.isfinite(regressor.loss_curve_).all()


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("hidden_layer_sizes", "has no parameter 'hidden_layer_sizes': 'hidden_layer_sizes' is called 'hidden' here"),
        ("activatoin", "has no parameter 'activatoin': no such key: did you mean 'activation'?"),
        ("ensemble", "has no parameter 'ensemble': not in this version of entrena yet"),
    ],
)
def test_unknown_parameters_are_explained(parameter, message):
    with pytest.raises(TypeError) as caught:
        NetworkClassifier(**{parameter: 1})
    assert str(caught.value) == f"NetworkClassifier {message}"
