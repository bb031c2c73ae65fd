"""Choices of the network as a user makes them: per layer, own functions, what is refused and what is doubted."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_iris

from entrena import NetworkClassifier, Recipe, load
from entrena.diagnosis import doubtful_choices
from entrena.errors import ModelFileError, RecipeError, UsageError
from entrena.model import Model
from entrena.registry import Choice, is_importable
from entrena.run import train

X, Y = load_iris(return_X_y=True)
SHORT = {"max_epochs": 2, "hidden": (5, 4)}


def bent(z):
    """An activation that can be imported by its name."""
    return z * jnp.tanh(z)


def test_a_list_gives_each_layer_its_own(tmp_path):
    chosen = {"activation": ["elu", {"name": "leaky_relu", "alpha": 0.3}], "initialization": ["orthogonal", None]}
    with pytest.raises(RecipeError, match="initialization"):
        Recipe(**SHORT, **chosen)
    first = ["orthogonal", "he_normal", {"name": "constant", "value": 0.0, "bias": 0.5}]
    fitted = NetworkClassifier(**SHORT, activation=chosen["activation"], initialization=first).fit(X, Y)
    network = fitted.model_.network
    assert network.activations == (Choice("elu"), Choice("leaky_relu", (("alpha", 0.3),)))
    start = network.initialize(np.random.default_rng(0))
    np.testing.assert_allclose(start[0]["weights"] @ start[0]["weights"].T, np.eye(4), atol=1e-6)
    assert not start[2]["weights"].any() and (start[2]["biases"] == 0.5).all()
    fitted.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert again.model_.recipe == fitted.recipe_
    # Worked out in NumPy.
    y = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    z = y @ fitted.model_.params[0]["weights"] + fitted.model_.params[0]["biases"]
    y = np.where(z < 0, np.expm1(np.minimum(z, 0)), z)
    z = y @ fitted.model_.params[1]["weights"] + fitted.model_.params[1]["biases"]
    z = np.where(z < 0, 0.3 * z, z) @ fitted.model_.params[2]["weights"] + fitted.model_.params[2]["biases"]
    np.testing.assert_allclose(fitted.model_.net_inputs(X), z, rtol=1e-4, atol=1e-5)


def test_a_setting_that_one_technique_has_names_it():
    recipe = Recipe(normalization="batch", **{"batch_statistics.momentum": 0.5})
    assert recipe.network.batch_statistics == Choice("moving_average", (("momentum", 0.5),))


def test_equal_choices_for_all_layers_are_one():
    fitted = NetworkClassifier(**SHORT, activation=["elu", "elu"]).fit(X, Y)
    assert fitted.model_.network.activation == Choice("elu")


def test_biases_have_a_mean_and_a_deviation():
    first = Choice("he_normal", (("bias", 2.0), ("bias_deviation", 0.5)))
    from entrena.network import Network

    biases = Network((3, 4000, 2), Choice("relu"), "softmax", first).initialize(np.random.default_rng(1))[0]["biases"]
    assert biases.mean() == pytest.approx(2, abs=0.04)
    assert biases.std() == pytest.approx(0.5, abs=0.03)


def test_a_function_of_ones_own(tmp_path):
    fitted = NetworkClassifier(**SHORT, activation=[bent, "tanh"]).fit(X, Y)
    name = f"{__name__}.bent"
    assert fitted.recipe_.to_plain()["network"]["activation"] == [{"function": name}, "tanh"]
    path = tmp_path / "m.safetensors"
    fitted.save(path)
    with pytest.raises(ModelFileError, match=f"custom={{'{name}': bent}}"):
        load(path)
    again = load(path, custom={name: bent})
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert again.get_params()["activation"] == (bent, "tanh")
    np.testing.assert_array_equal(again.fit(X, Y).predict_proba(X), fitted.predict_proba(X))
    assert Model.load(path, {name: bent}).recipe.change({"max_epochs": 3}).network == fitted.recipe_.network


def test_a_function_without_an_importable_name_is_not_saved(tmp_path):
    unnamed = lambda z: jnp.tanh(z)  # noqa: E731
    fitted = NetworkClassifier(**SHORT, activation=unnamed).fit(X, Y)
    assert not is_importable(fitted.recipe_.network.activation)
    with pytest.raises(UsageError, match="cannot be imported by that name"):
        fitted.save(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="train with save=False"):  # before anything was trained
        train({**SHORT, "activation": unnamed}, (X, Y), runs_dir=tmp_path)
    assert train({**SHORT, "activation": unnamed}, (X, Y), save=False).path is None


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda z: z.sum(), "must return an array of the shape and type of its argument"),
        (np.sin, "write it with jax.numpy"),
        (lambda z: z.nothing, "cannot be computed and differentiated by JAX"),
    ],
)
def test_a_function_that_is_no_activation_is_refused(function, said):
    with pytest.raises(RecipeError, match=said):
        Recipe(activation=function)


def test_a_recipe_file_brings_no_function():
    recipe = Recipe(activation=bent)
    with pytest.raises(RecipeError, match="is a Python function, which no file brings along"):
        Recipe.from_toml(recipe.to_toml())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"activation": ["elu"]}, "network.activation: 1 activation for 2 hidden layers: name one for each"),
        ({"initialization": ["orthogonal"] * 2}, "2 initializations for 2 hidden layers and the output layer: name 3"),
        ({"activation": ["elu", "rleu"]}, "unknown name 'rleu': did you mean 'relu'"),
        ({"dropout": 0.1, "alpha_dropout": 0.1}, "dropout leaves units out already"),
        ({"batch_statistics": "training_set"}, "only batch normalization has them: take normalization=batch"),
        ({"residual": True, "hidden": (5, 4)}, "needs two hidden layers of equal width one after the other"),
        ({"normalization": "batch", "batch_size": 1}, "a mini-batch of one example has no variance"),
        ({"normalization": "batch", "mode": "online"}, "take mode=mini_batch, or normalization=layer"),
        ({"mixup": 0.2, "mode": "online"}, "mixes the examples of a mini-batch"),
        ({"normalization": "batch", "optimizer": "lbfgs"}, "lbfgs is not made for batch normalization"),
        ({"activation": "rrelu", "optimizer": "lbfgs"}, "a slope drawn anew makes another function of the loss"),
        ({"l1": 0.1, "optimizer": "lbfgs"}, "needs a slope everywhere"),
        ({"max_norm": 0}, "regularization.max_norm: 0 is not allowed: a number above 0, or none"),
        ({"ema": 1.0}, "training.ema: 1.0 is not allowed: a number at least 0 and below 1"),
        ({"initialization.bias": 1}, "is a setting of the initialization that is named: give initialization as well"),
        ({"batch_norm": True}, "'batch_norm' is called 'normalization' here"),
        ({"normalization": "BatchNormalization"}, "'BatchNormalization' is called 'batch' here"),
    ],
    ids=str,
)
def test_what_is_refused(values, said):
    with pytest.raises(RecipeError) as caught:
        Recipe(**{"hidden": (5, 4), **values})
    assert any(said in str(problem) for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    ("values", "techniques"),
    [
        ({"activation": "selu"}, []),
        ({"activation": "selu", "alpha_dropout": 0.1, "initialization": "lecun_normal"}, []),
        ({"activation": "selu", "dropout": 0.1}, ["network.dropout"]),
        ({"activation": ["relu", "selu"], "residual": True}, ["network.residual"]),
        ({"activation": "selu", "normalization": "batch"}, ["network.normalization"]),
        ({"activation": "selu", "initialization": "he_normal"}, ["network.initialization"]),
        ({"activation": "selu", "scale": "min_max"}, ["inputs.scale"]),
        ({"alpha_dropout": 0.1}, ["network.alpha_dropout"]),
        ({"dropout": 0.1, "residual": True}, []),
    ],
    ids=str,
)
def test_what_is_doubted(values, techniques):
    found = doubtful_choices(Recipe(hidden=(5, 5), **values))
    assert [finding.technique for finding in found] == techniques
    assert all(finding.severity == "warning" and finding.advice.startswith("Try ") for finding in found)


def test_doubts_are_findings_of_a_run_and_warnings_of_an_estimator():
    recipe = {"max_epochs": 1, "hidden": [5, 5], "activation": "selu", "dropout": 0.2}
    run = train(recipe, (X, Y), save=False)
    assert [finding.name for finding in run.findings] == ["doubtful_choice"]
    with pytest.warns(UserWarning, match="Try alpha_dropout=0.2 in place of dropout"):
        NetworkClassifier(**recipe).fit(X, Y)


def test_label_smoothing_is_of_training_rows_alone():
    from entrena.preprocessing import TargetSettings, smoothed

    coded = np.eye(4, dtype=np.float32)[[0, 2]]
    found = smoothed(coded, TargetSettings(label_smoothing=0.1), ("a", "b", "c", "d"))
    np.testing.assert_allclose(found, [[0.925, 0.025, 0.025, 0.025], [0.025, 0.025, 0.925, 0.025]], rtol=1e-6)
    single = smoothed(np.array([[0.0], [1]], np.float32), TargetSettings(label_smoothing=0.1), ("no", "yes"))
    np.testing.assert_allclose(single, [[0.05], [0.95]], rtol=1e-6)
    with pytest.raises(RecipeError, match="numbers have no classes"):
        train({"label_smoothing": 0.1, "max_epochs": 1}, (X, Y + 0.5), task="regression", save=False)
