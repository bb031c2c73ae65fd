"""`entrena compare`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Entrena = Callable[..., Any]
SHORT = ("--set", "max_epochs=3", "--set", "hidden=[6]")


def test_it_says_what_differs(entrena: Entrena) -> None:
    said = entrena("compare", "iris", "--vary", "learning_rate=1e-9,0.03", "--seeds", "4", *SHORT, "-q")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "  data      iris, classification of species"
    assert lines[1] == "  splits    4 splits: 96 rows train, 24 score"
    assert lines[2] == "  not seen  30 test rows"
    assert lines[5].split()[0] == "learning_rate=0.03"  # the best one first
    assert "8 networks in " in lines[-1]


def test_json(entrena: Entrena) -> None:
    words = ("compare", "iris", "wine", "--vary", "activation=relu,tanh", "--seeds", "2", "--folds", "3", "--json")
    said = entrena(*words, *SHORT)
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert [each["name"] for each in found["variants"]] == ["activation=relu", "activation=tanh"]
    assert [each["data"] for each in found["data"]] == ["iris", "wine"]
    assert len(found["data"][0]["scores"]["accuracy"]) == 6
    assert found["ranking"]["mean_ranks"] and found["verdicts"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--vary", "activaton=relu"), "did you mean 'activation'?"),
        (("--vary", "activation"), "write a key and its values"),
        (("--folds", "1"), "folds: 1 is not allowed"),
        (("--metric", "rmse"), "'rmse' does not score classes"),
    ],
)
def test_wrong_words_end_in_one_message(entrena: Entrena, words: tuple[str, ...], message: str) -> None:
    said = entrena("compare", "iris", *words, *SHORT)
    assert said.code == 2
    assert message in said.err
    assert said.out == ""
