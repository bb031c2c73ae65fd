"""`entrena techniques`: every entry of every registry, and the ways to ask for some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from entrena.recipe import REGISTRIES

Entrena = Callable[..., Any]
IDS = [f"{registry.name}={name}" for registry in REGISTRIES for name in registry]


def test_the_json_has_each_technique_with_its_keys(entrena: Entrena) -> None:
    told = entrena("techniques", "--json").json["techniques"]
    assert [each["id"] for each in told] == IDS
    keys = {"id", "chapter", "formula", "meaning", "source", "settings", "lesson", "other_names", "key"}
    assert all(set(each) == keys for each in told)
    elu = next(each for each in told if each["id"] == "activation=elu")
    assert elu["settings"][0]["name"] == "alpha"
    assert elu["settings"][0]["allowed"] == "a number above 0"


def test_the_text_has_each_technique_under_its_key(entrena: Entrena) -> None:
    out = entrena("techniques").out
    for registry in REGISTRIES:
        assert f"\n{registry.chapter}\n" in f"\n{out}"
        part = out.split(f"  {registry.key}\n")[1].split("\n\n")[0]
        for name, entry in registry.items():
            assert f"    {name} " in part
            assert entry.meaning in part


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ("elu", ["activation=elu"]),
        ("ELU", ["activation=elu"]),
        ("activation=elu", ["activation=elu"]),
        ("network.activation=elu", ["activation=elu"]),
        ("schedule", [id_ for id_ in IDS if id_.startswith("schedule=")]),
        ("rate.schedule", [id_ for id_ in IDS if id_.startswith("schedule=")]),
        ("hyperbolic_tangent", ["activation=tanh"]),
    ],
)
def test_some_of_them(wanted: str, ids: list[str], entrena: Entrena) -> None:
    assert [each["id"] for each in entrena("techniques", wanted, "--json").json["techniques"]] == ids


def test_one_is_shown_with_all_there_is_to_it(entrena: Entrena) -> None:
    out = entrena("techniques", "elu").out
    assert "  activation.alpha  " in out
    assert ": a number above 0; default 1.0\n" in out
    assert "  source            Clevert" in out


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [("elo", "did you mean 'elu'?"), ("qqqq", "the keys are " + ", ".join(registry.name for registry in REGISTRIES))],
)
def test_an_unknown_one(wanted: str, hint: str, entrena: Entrena) -> None:
    assert entrena("techniques", wanted) == (2, "", f"Error: there is no technique '{wanted}': {hint}\n")
