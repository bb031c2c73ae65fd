"""`entrena show`: what stands in a model file, read without the engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entrena.model import Model
from entrena.storage import save_model

Entrena = Callable[..., Any]


def test_the_json_agrees_with_the_model(entrena: Entrena, moons_run: Path) -> None:
    told = entrena("show", moons_run, "--json").json
    model = Model.load(moons_run)
    assert (told["path"], told["state"], told["data"]) == (str(moons_run), "done", "moons")
    assert told["recipe"] == model.recipe.to_plain()
    shown = told["model"]
    assert (
        shown["n_weights"]
        == model.network.n_weights
        == sum(array.size for layer in model.params for array in layer.values())
    )
    assert [layer["weights"] for layer in shown["layers"]] == [
        layer["weights"].size + layer["biases"].size for layer in model.params
    ]
    assert [layer["activation"] for layer in shown["layers"]] == ["relu", "relu", "softmax"]
    assert (shown["columns"], shown["classes"], shown["target"]) == (["x", "y"], [0, 1], ["moon"])
    assert shown["test"] == model.facts["test"]
    assert shown["outcome"] == "out_of_epochs"
    assert set(told["versions"]) >= {"entrena", "jax", "numpy", "python"}


def test_the_text(entrena: Entrena, moons_run: Path) -> None:
    said = entrena("show", moons_run)
    assert (said.code, said.err) == (0, "")
    for part in (
        f"  run       {moons_run}\n",
        "  state     done\n",
        "  task      classification of moon\n",
        "  classes   2: 0, 1\n",
        "  columns   2: x, y\n",
        "  rows      720 training, 80 validation, 200 test\n",
        "  weights   8,770\n",
        "  layer     units  activation  weights\n",
        "  hidden 1    128  relu            384\n",
        "  output        2  softmax         130\n",
        "validation    test\n",
        "  random_state    0\n",
        "hidden=[128,64]",
    ):
        assert part in said.out


def test_a_model_file_is_shown_without_its_run(entrena: Entrena, iris_run: Path) -> None:
    shutil.copy(iris_run / "model.safetensors", "m.safetensors")
    said = entrena("show", "m.safetensors")
    assert said.out.startswith("  model     m.safetensors\n  task      classification of species\n")
    assert entrena("show", "m.safetensors", "--json").json["state"] is None


def test_a_settings_table_is_one_word(entrena: Entrena) -> None:
    words = ["train", "iris", "-q", "--set", "max_epochs=1", "--set", "activation=elu", "--set", "activation.alpha=0.5"]
    assert entrena(*words).code == 0
    assert "activation=elu(alpha=0.5)" in entrena("show", "last").out


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("nothing", 2, "there is no run 'nothing': there are no runs in runs"),
        ("other.safetensors", 1, "other.safetensors is a safetensors file of another program"),
        ("cut.safetensors", 1, "cut.safetensors is "),
        (
            "lacking.safetensors",
            1,
            "lacking.safetensors is damaged: its header of entrena is not complete (KeyError('recipe'))",
        ),
    ],
)
def test_what_is_no_model(name: str, code: int, message: str, entrena: Entrena, iris_run: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(2)}, "other.safetensors")
    Path("cut.safetensors").write_bytes((iris_run / "model.safetensors").read_bytes()[:500])
    save_model("lacking.safetensors", {"w": np.zeros(2)}, {})
    said = entrena("show", name)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(f"Error: {message}")
