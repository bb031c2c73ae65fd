"""Batch-only optimizers as their users meet them: from the estimators, `train`, a population and the command line."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression, LogisticRegression

from entrena import NetworkClassifier, NetworkRegressor, Recipe, population, train
from entrena.errors import RecipeError

OF_ANY_LOSS = ["conjugate_gradient", "lbfgs", "bfgs"]
BATCH_ONLY = [*OF_ANY_LOSS, "levenberg_marquardt"]


def numbers() -> tuple[np.ndarray, np.ndarray]:
    """A linear function of three columns with noise."""
    chance = np.random.default_rng(3)
    X = chance.standard_normal((120, 3)) @ [[1, 0.5, 0], [0, 1, 0.2], [0, 0, 0.3]]
    return X, X @ [1.0, -2.0, 0.5] + 4 + 0.1 * chance.standard_normal(120)


@pytest.mark.parametrize("optimizer", BATCH_ONLY)
def test_a_linear_network_is_the_least_squares_solution(optimizer):
    X, y = numbers()
    settings = dict(hidden=(), precision="float64", max_epochs=300, weight_decay=0.0)
    fitted = NetworkRegressor(optimizer=optimizer, **settings).fit(X, y)
    assert fitted.outcome_.name == "converged"
    assert "no entry of the gradient is larger than" in fitted.outcome_.sentence
    np.testing.assert_allclose(fitted.predict(X), LinearRegression().fit(X, y).predict(X), atol=1e-4)


@pytest.mark.parametrize("optimizer", OF_ANY_LOSS)
def test_a_network_without_hidden_units_is_logistic_regression(optimizer):
    chance = np.random.default_rng(0)
    X = chance.standard_normal((300, 2))
    y = (X[:, 0] + chance.standard_normal(300) > 0).astype(int)
    settings = dict(hidden=(), output="logistic", precision="float64", max_epochs=300)
    settings["optimizer"] = {"name": optimizer, "tolerance": 1e-8}
    fitted = NetworkClassifier(weight_decay=0.0, **settings).fit(X, y)
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), reference.predict_proba(X), atol=1e-5)
    # The optimizers' own decay is the strength that scikit-learn's regression has by default.
    own = NetworkClassifier(**settings).fit(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    reference = LogisticRegression(tol=1e-10).fit(Z, y)
    assert reference.C == 1
    np.testing.assert_allclose(own.predict_proba(X), reference.predict_proba(Z), atol=1e-5)
    assert np.abs(own.predict_proba(X) - fitted.predict_proba(X)).max() > 1e-4


@pytest.mark.parametrize(("n_classes", "C"), [(2, 2), (3, 1)], ids=["two classes", "three classes"])
def test_the_own_decay_of_softmax_is_a_strength_of_scikit_learns_regression(n_classes, C):
    # Of two classes scikit-learn has the difference w of the two units' weights: their ½Σw² is ¼Σw², as with C = 2.
    chance = np.random.default_rng(0)
    X = chance.standard_normal((300, 2))
    y = np.digitize(X[:, 0] + chance.standard_normal(300), [-0.5, 0.5][: n_classes - 1])
    optimizer = {"name": "lbfgs", "tolerance": 1e-8}
    own = NetworkClassifier(hidden=(), precision="float64", max_epochs=300, optimizer=optimizer).fit(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    reference = LogisticRegression(C=C, tol=1e-10).fit(Z, y)
    np.testing.assert_allclose(own.predict_proba(X), reference.predict_proba(Z), atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_weight_decay_and_sample_weights_are_part_of_what_is_minimised(weighted):
    X, y = numbers()
    weight = np.random.default_rng(1).uniform(0.1, 3, len(y)) if weighted else None
    decay = 0.2
    optimizer = {"name": "lbfgs", "tolerance": 1e-9}
    settings = dict(hidden=(), precision="float64", max_epochs=300, weight_decay=decay, optimizer=optimizer)
    fitted = NetworkRegressor(**settings).fit(X, y, sample_weight=weight)
    # The same by SciPy, on the standardised columns and targets: Σ w·(z − t)²/Σ w + λ/2·Σ W².
    own = np.ones(len(y)) if weight is None else weight
    share = own / own.sum()
    Z = (X - share @ X) / np.sqrt(share @ (X - share @ X) ** 2)
    mean = share @ y
    deviation = np.sqrt(share @ (y - mean) ** 2)

    def objective(wb):
        return share @ (Z @ wb[:3] + wb[3] - (y - mean) / deviation) ** 2 + decay / 2 * wb[:3] @ wb[:3]

    best = minimize(objective, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x
    (layer,) = fitted.model_.params
    np.testing.assert_allclose(layer["weights"][:, 0], best[:3], atol=1e-5)


def test_an_epoch_is_an_evaluation_and_the_loss_never_rises():
    X, y = numbers()
    settings = dict(hidden=(6,), activation="tanh", max_epochs=60, weight_decay=0.0)
    fitted = NetworkRegressor(optimizer="lbfgs", **settings).fit(X, y**2)
    losses = fitted.loss_curve_
    assert len(losses) == fitted.n_epochs_ == 60
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(losses))
    assert losses[-1] < losses[0] / 4


def test_a_stopped_run_goes_on_bit_by_bit(tmp_path):
    recipe = {"optimizer": "lbfgs", "hidden": [5], "max_epochs": 50}
    whole = train(recipe, "diabetes", runs_dir=tmp_path, name="whole")
    asked = iter([None] * 19)

    def interrupt(progress):
        if next(asked, "now") == "now":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, "diabetes", runs_dir=tmp_path, name="part", callbacks=[interrupt])
    (path,) = tmp_path.glob("*-part")
    resumed = train(resume=path)
    for a, b in zip(whole.model.params, resumed.model.params, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    assert resumed.n_epochs == whole.n_epochs


def test_side_by_side_as_alone():
    recipes = [
        {"optimizer": name, "hidden": [4], "max_epochs": 12, "random_state": seed, "precision": "float64"}
        for name in BATCH_ONLY
        for seed in (0, 1)
    ]
    recipes = [Recipe.make(each) for each in recipes]
    found = population.train(recipes, "diabetes", split_seed=0, save=False)
    for recipe, run in zip(recipes, found.runs, strict=True):
        (alone,) = population.train([recipe], "diabetes", split_seed=0, save=False).runs
        assert run.recipe.training.optimizer == recipe.training.optimizer
        for together, by_itself in zip(run.model.params, alone.model.params, strict=True):
            np.testing.assert_allclose(together["weights"], by_itself["weights"], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mode": "online"}, "training.mode: lbfgs needs the loss over all rows in each update, and mode=online shows"),
        ({"mode": "mini_batch"}, "mode=mini_batch shows some of them: leave mode out, or take optimizer=adamw"),
        ({"batch_size": 32}, "training.batch_size: lbfgs needs all rows in each update: leave batch_size out"),
        ({"order": "balanced"}, "lbfgs sees all rows in each update, so 'balanced' changes nothing"),
        ({"dropout": 0.1}, "network.dropout: lbfgs compares losses, and dropout makes another function of the loss"),
        ({"learning_rate": 0.1}, "rate.learning_rate: lbfgs finds its own step: leave learning_rate out"),
        ({"schedule": "cosine"}, "so it follows no schedule: leave schedule out"),
        ({"momentum": 0.9}, "training.momentum: optimizer 'lbfgs' does not use it"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(settings, said):
    with pytest.raises(RecipeError) as refused:
        NetworkClassifier(optimizer="lbfgs", **settings).fit(np.eye(4), [0, 1, 0, 1])
    assert said in str(refused.value)


def test_levenberg_marquardt_needs_squared_error():
    with pytest.raises(
        RecipeError, match="needs loss=squared_error with output=linear, and here they are cross_entropy"
    ):
        NetworkClassifier(optimizer="levenberg_marquardt").fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.parametrize("optimizer", ["bfgs", "levenberg_marquardt"])
def test_too_much_memory_is_refused_before_anything_is_trained(optimizer):
    X, y = numbers()
    with pytest.raises(
        RecipeError, match=r"GiB of memory for .* weights, and its limit is 2 GiB: take optimizer=lbfgs"
    ):
        NetworkRegressor(hidden=(2000, 2000), optimizer=optimizer).fit(X, y)
    small = {"name": optimizer, "memory_limit": 1e-6}
    with pytest.raises(RecipeError, match="raise optimizer.memory_limit"):
        NetworkRegressor(hidden=(8,), optimizer=small).fit(X, y)


def test_the_memory_is_said_before_training(capsys):
    said_by_then = []
    run = train(
        {"optimizer": "bfgs", "hidden": [40], "max_epochs": 2},
        "diabetes",
        save=False,
        verbose=True,
        callbacks=[lambda _: said_by_then.append(capsys.readouterr().err)],
    )
    n_weights = 10 * 40 + 40 + 40 + 1
    assert run.model.network.n_weights == n_weights
    matrix = 4 * n_weights**2 / 2**20  # float32, in MiB: the inverse Hessian, and what replaces it
    said = re.match(r"bfgs takes (\S+) MiB of memory", said_by_then[0])
    assert said, said_by_then[0]
    assert 2 * matrix <= float(said[1]) <= 4 * matrix
