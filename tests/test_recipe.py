"""The recipe: names, files, mistakes."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.errors import RecipeError, UsageError
from entrena.recipe import OTHER_NAMES, PLANNED, REGISTRIES, Recipe, allowed, keys, parse_assignments, sections
from entrena.registry import Choice

# The names of the design that this version has; the design is the oracle.
DESIGN = {
    "inputs": "transform center scale decorrelate components missing categories dates augment input_noise mixup",
    "targets": "target_coding target_scale calibration class_weight label_smoothing",
    "network": "hidden activation output initialization normalization batch_statistics dropout alpha_dropout residual",
    "training": "loss optimizer momentum nesterov mode batch_size order max_epochs max_seconds early_stopping patience "
    "scoring validation_fraction refit ema precision device",
    "rate": "learning_rate schedule",
    "regularization": "weight_decay l1 max_norm",
}


def problems_of(**values: object) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        Recipe(**values)
    return [str(problem) for problem in caught.value.problems]


def test_names_are_the_designs():
    assert {section: set(model.model_fields) for section, model in sections().items()} == {
        section: set(names.split()) for section, names in DESIGN.items()
    }


def test_short_names_full_keys_and_sections_are_the_same():
    by_name = Recipe(hidden=(64,), activation="elu", learning_rate=0.01)
    by_key = Recipe.make({"network.hidden": [64], "network.activation": "elu", "rate.learning_rate": 0.01})
    by_section = Recipe(network={"hidden": [64], "activation": "elu"}, rate={"learning_rate": 0.01})
    assert by_name == by_key == by_section
    assert by_name.network.hidden == (64,)


def test_settings_of_a_choice():
    assert Recipe(activation={"name": "elu", "alpha": 0.5}).network.activation == Choice("elu", (("alpha", 0.5),))
    by_set = Recipe.make(parse_assignments(["activation.alpha=0.5", "activation=elu"]))
    assert by_set == Recipe(activation={"name": "elu", "alpha": 0.5})
    assert Recipe.make({"schedule.peak": 0.3}).rate.schedule == Choice("one_cycle", (("peak", 0.3),))  # of the default
    assert Recipe.make({"network.activation.alpha": 0.2, "activation": "leaky_relu"}).network.activation.given == (
        ("alpha", 0.2),
    )


def test_numbers_of_numpy_are_numbers():
    recipe = Recipe(
        hidden=np.array([4, 5]), max_epochs=np.int64(3), learning_rate=np.float32(0.5), batch_size=np.int32(8)
    )
    assert recipe == Recipe(hidden=(4, 5), max_epochs=3, learning_rate=0.5, batch_size=8)
    assert Recipe(hidden=np.int64(4)).network.hidden == (4,)


def test_none_is_a_name_where_there_is_one():
    assert Recipe.make(parse_assignments(["scale=none", "target_scale=none"])).inputs.scale == Choice("none")
    assert problems_of(output=None) == ["network.output: 'none' is called 'linear' here"]


def test_the_table_of_class_weights_by_its_entries():
    recipe = Recipe.make(parse_assignments(["class_weight.yes=2", "class_weight.no=1"]))
    assert recipe.targets.class_weight == {"yes": 2.0, "no": 1.0}


def test_change_keeps_the_rest():
    recipe = Recipe(hidden=(8,), activation={"name": "elu", "alpha": 0.5}, random_state=3)
    changed = recipe.change({"learning_rate": 0.1, "activation.alpha": 0.7})
    assert changed.network.hidden == (8,)
    assert changed.rate.learning_rate == 0.1
    assert changed.random_state == 3


def test_recipe_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().network.hidden = (3,)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"activation": "sigmoid"}, "network.activation: 'sigmoid' is called 'logistic' here"),
        ({"activation": "swish"}, "network.activation: 'swish' is called 'silu' here"),
        (
            {"initialization": "xavier_uniform"},
            "network.initialization: 'xavier_uniform' is called 'glorot_uniform' here",
        ),
        ({"initialization": "kaiming_normal"}, "network.initialization: 'kaiming_normal' is called 'he_normal' here"),
        ({"loss": "mse"}, "training.loss: 'mse' is called 'squared_error' here"),
        ({"schedule": "OneCycleLR"}, "rate.schedule: 'OneCycleLR' is called 'one_cycle' here"),
        ({"activation": "rleu"}, "network.activation: unknown name 'rleu': did you mean 'relu'?"),
        ({"activation": "RELU"}, "network.activation: 'RELU' is written 'relu'"),
        ({"hidden_layer_sizes": (3,)}, "hidden_layer_sizes: 'hidden_layer_sizes' is called 'hidden' here"),
        ({"max_iter": 3}, "max_iter: 'max_iter' is called 'max_epochs' here"),
        ({"alpha": 3}, "alpha: 'alpha' is called 'weight_decay' here"),
        ({"solver": "adam"}, "solver: 'solver' is called 'optimizer' here"),
        ({"activatoin": "elu"}, "activatoin: no such key: did you mean 'activation'?"),
        ({"ensemble": 5}, "ensemble: not in this version of entrena yet"),
        ({"learning_rate": -1}, "rate.learning_rate: -1 is not allowed: a number above 0, or none"),
        (
            {"momentum": 1.0, "optimizer": "sgd"},
            "training.momentum: 1.0 is not allowed: a number at least 0 and below 1, or none",
        ),
        (
            {"hidden": (64, 0)},
            "network.hidden: 0 is not allowed: a list, each a whole number above 0 and at most 1,000,000",
        ),
        ({"batch_size": "big"}, "training.batch_size: 'big' is not allowed: a whole number at least 1, or auto"),
        ({"mode": "mini"}, "training.mode: 'mini' is not allowed: one of auto, online, mini_batch, batch"),
        ({"device": "cuda"}, "training.device: 'cuda' is not allowed: auto, cpu, gpu, gpu:1, tpu, …"),
        (
            {"activation": {"name": "elu", "beta": 1}},
            "network.activation: 'elu' has no setting 'beta': its settings are alpha",
        ),
        (
            {"activation": {"name": "relu", "beta": 1}},
            "network.activation: 'relu' has no setting 'beta': it has no settings",
        ),
        ({"activation": {"name": "elu", "alpha": 0}}, "network.activation: alpha: 0 is not allowed: a number above 0"),
        ({"network": 3}, "network: 3 is not allowed: a table of its keys"),
        (
            {"network": {"learning_rate": 1}},
            "network.learning_rate: 'learning_rate' belongs to another section: write rate.learning_rate",
        ),
        ({"network": {"lr": 1}}, "network.lr: 'lr' is called 'learning_rate' here"),
        (
            {"momentum": 0.9},
            "training.momentum: optimizer 'adamw' does not use it: leave it out, or take optimizer=sgd",
        ),
        (
            {"nesterov": True},
            "training.nesterov: optimizer 'adamw' does not use it: leave it out, or take optimizer=sgd",
        ),
        (
            {"mode": "online", "batch_size": 32},
            "training.batch_size: mode=online fixes it: leave batch_size out, or take mode=mini_batch",
        ),
        (
            {"loss": "cross_entropy", "output": "linear"},
            "training.loss: 'cross_entropy' does not fit output=linear: it needs one of softmax, logistic",
        ),
        (
            {"momentum": "0.5", "optimizer": "sgd"},
            "training.momentum: '0.5' is not allowed: a number at least 0 and below 1, or none",
        ),
        ({"learning_rate": True}, "rate.learning_rate: True is not allowed: a number above 0, or none"),
        ({"learning_rate": float("inf")}, "rate.learning_rate: inf is not allowed: a number above 0, or none"),
        ({"early_stopping": 1}, "training.early_stopping: 1 is not allowed: true or false, or auto"),
        ({"random_state.x": 1}, "random_state.x: 'random_state' has no settings of its own"),
        ({"hidden.x": 1}, "network.hidden.x: 'hidden' has no settings of its own"),
        ({"hidden": 5, "network": {"hidden": 6}}, "network.hidden: given twice: leave one of them out"),
        ({"ensemble.x": 1}, "ensemble: not in this version of entrena yet"),
        ({"class_weight": {"a": -1}}, "targets.class_weight: a = -1 is not allowed: a weight is a number above 0"),
        ({"random_state": -1}, "random_state: -1 is not allowed: a whole number at least 0 and below 4,294,967,296"),
    ],
)
def test_message_says_what_to_type(values, message):
    assert problems_of(**values) == [message]


def test_five_mistakes_are_reported_at_once_in_the_order_of_the_keys():
    found = problems_of(learning_rate=0, activation="sigmoid", hidden=(0,), optimizer="adm", epochs=3)
    assert [problem.partition(":")[0] for problem in found] == [
        "network.hidden",
        "network.activation",
        "training.optimizer",
        "rate.learning_rate",
        "epochs",
    ]
    with pytest.raises(RecipeError, match="^5 mistakes in the recipe:\n  - network.hidden: 0 is not allowed"):
        Recipe(learning_rate=0, activation="sigmoid", hidden=(0,), optimizer="adm", epochs=3)


def test_other_libraries_names_lead_to_names_that_exist():
    assert set(OTHER_NAMES.values()) <= set(keys())
    assert not set(OTHER_NAMES) & set(keys())
    assert not set(PLANNED) & set(keys())


def test_every_registry_name_is_accepted_and_every_foreign_name_explained():
    for registry in REGISTRIES:
        for entry in registry.values():
            for other in entry.other_names:
                assert registry.explain_unknown(other) == f"'{other}' is called '{entry.name}' here" or (
                    other.lower() == entry.name
                ), other
            assert registry.choose(entry.name).name == entry.name


def every_value() -> st.SearchStrategy[dict[str, object]]:
    """Recipes drawn over registries, numbers and tables."""

    def choice(key: str) -> st.SearchStrategy[object]:
        registry = next(registry for registry in REGISTRIES if registry.key == key)
        return st.sampled_from(list(registry)).flatmap(
            lambda name: st.fixed_dictionaries(
                {"name": st.just(name)},
                optional={
                    setting.name: st.floats(0.01, 0.99)
                    for setting in registry[name].settings
                    if setting.default == 0.01
                },
            )
        )

    return st.fixed_dictionaries(
        {},
        optional={
            "hidden": st.lists(st.integers(1, 1000), max_size=4),
            "activation": choice("network.activation"),
            "initialization": st.none() | choice("network.initialization"),
            "schedule": choice("rate.schedule"),
            "learning_rate": st.none() | st.floats(1e-12, 1e6, allow_nan=False),
            "max_seconds": st.none() | st.floats(1e-3, 1e6),
            "early_stopping": st.sampled_from([True, "auto"]),
            "batch_size": st.integers(1, 10**6) | st.just("auto"),
            "class_weight": st.none()
            | st.just("balanced")
            | st.dictionaries(st.text(min_size=1, max_size=8), st.floats(0.1, 10), min_size=1, max_size=3),
            "random_state": st.integers(0, 2**32 - 1),
            "center": st.booleans(),
        },
    )


@given(every_value())
def test_toml_and_json_give_the_recipe_back(values):
    recipe = Recipe(**values)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert Recipe.from_json(recipe.to_json()) == recipe
    tomllib.loads(recipe.to_toml())


def test_every_key_whose_value_may_be_none_has_none_as_its_default():
    # TOML has no None: a key left out must mean the same.
    for section, model in sections().items():
        for name, field in model.model_fields.items():
            if "none" in allowed(f"{section}.{name}").split(", or "):
                assert field.default is None, name


def test_json_schema_lists_names_and_bounds():
    schema = json.dumps(Recipe.model_json_schema())
    assert '"lecun_tanh"' in schema
    assert '"exclusiveMinimum": 0' in schema
    network = Recipe.model_json_schema()["$defs"]["NetworkSettings"]["properties"]
    assert network["activation"]["default"] == "relu"


def test_files(tmp_path):
    recipe = Recipe(activation="elu")
    (tmp_path / "r.toml").write_text(recipe.to_toml(), encoding="utf-8")
    (tmp_path / "r.json").write_text(recipe.to_json(), encoding="utf-8")
    assert Recipe.read(tmp_path / "r.toml") == Recipe.read(tmp_path / "r.json") == recipe
    with pytest.raises(UsageError, match=r"recipe file '.*rr.toml' does not exist: did you mean 'r.toml'\?"):
        Recipe.read(tmp_path / "rr.toml")
    (tmp_path / "bad.toml").write_text("hidden = [", encoding="utf-8")
    with pytest.raises(RecipeError, match="the recipe is not TOML: "):
        Recipe.read(tmp_path / "bad.toml")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(RecipeError, match="the recipe is not JSON: "):
        Recipe.read(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(RecipeError, match="a recipe is a table of sections"):
        Recipe.read(tmp_path / "list.json")
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(UsageError, match="cannot be read"):
        Recipe.read(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("elu", "elu"),
        ("[64, 32]", [64, 32]),
        ("64,32", [64, 32]),
        ("(64,32)", [64, 32]),
        ("none", None),
        ("True", True),
        ("false", False),
        ('{name = "elu", alpha = 0.5}', {"name": "elu", "alpha": 0.5}),
        ('"auto"', "auto"),
        ("", ""),
    ],
)
def test_assignments(text, value):
    parsed = parse_assignments([f"key={text}"])["key"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_assignment_without_a_value():
    with pytest.raises(UsageError, match="--set activation: write key=value, such as --set activation=elu"):
        parse_assignments(["activation"])
