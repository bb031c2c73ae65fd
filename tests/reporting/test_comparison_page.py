"""The page of a comparison: what stands on it, for whom, in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrena.reporting.comparison_page import comparison_page, comparison_sections
from tests.reporting.made_up import HOSTILE, made_up_comparison
from tests.reporting.test_page import MOST_BYTES, Read


def test_the_order_of_a_page() -> None:
    sections = comparison_sections(made_up_comparison(data=("iris", "wine")))
    assert sections[0].large
    assert sections[0].text == ["4 splits do not tell activation=relu from activation=tanh; activation=elu."]
    assert [section.title for section in sections[1:]] == [
        "What was compared",
        "iris",
        "Scores on iris",
        "Learning on iris",
        "wine",
        "Scores on wine",
        "Learning on wine",
        "Ranks over all data sets",
        "The recipes",
        "",
        "How to do it again",
    ]


def test_the_rows_that_were_compared() -> None:
    (header, (row,)) = comparison_sections(made_up_comparison())[1].table
    assert dict(zip(header, row, strict=True)) == {
        "data": "iris",
        "predicted": "species",
        "task": "classification",
        "splits": "4",
        "rows that train": "96",
        "rows that score": "24",
        "test rows, not seen": "30",
    }


def test_the_table_of_a_data_set() -> None:
    comparison = made_up_comparison()
    (result,) = comparison["data"]
    result["means"] = [{"mean": mean, "low": mean - 0.02, "high": mean + 0.02} for mean in (0.9, 0.95, 0.5)]
    result["best"] = 1
    gap = {"behind": {"mean": 0.05, "low": 0.01, "high": 0.09, "p_value": 0.01}, "p_adjusted": 0.0213}
    far = {"behind": {"mean": 0.45, "low": 0.4, "high": 0.5, "p_value": 0.0001}, "p_adjusted": 0.0002}
    result["against"] = [gap, None, far]
    result["epochs"] = [[10, 20, 30], [20, 20, 30], [30, 20, 30], [20, 20, 31]]
    result["epochs_to_level"] = [[4.0, 2.0, 9.0], [4.0, 2.0, None], [4.0, 2.0, 9.0], [4.0, 3.0, 9.0]]
    result["seconds_to_level"] = [[0.5, 0.02, 1.0], [1.0, 0.02, None], [0.5, 0.02, 1.0], [1.0, 0.02, 1.0]]
    header, rows = comparison_sections(comparison)[2].table
    assert header == [
        "recipe", "accuracy", "95 % interval", "behind the best by", "p", "epochs", "epochs to level", "time to level"
    ]  # fmt: skip
    assert rows == [
        ["activation=tanh", "0.9500", "0.9300 … 0.9700", "", "", "20", "2.25", "20 ms"],
        ["activation=relu", "0.9000", "0.8800 … 0.9200", "0.0100 … 0.0900", "0.021", "20", "4", "0.75 s"],
        ["activation=elu", "0.5000", "0.4800 … 0.5200", "0.4000 … 0.5000", "< 0.001", "30.25", "–", "–"],
    ]


def test_keys_that_an_older_comparison_lacks() -> None:
    comparison = made_up_comparison()
    for key in ("path", "command", "versions"):
        del comparison[key]
    for key in ("classes", "seconds_to_level", "seconds_an_epoch"):
        del comparison["data"][0][key]
    sections = comparison_sections(comparison)
    assert "time to level" not in sections[2].table[0]
    assert sections[-1].lines == ()
    assert not any("Versions" in text for text in sections[-1].text)


def test_one_recipe_and_one_split() -> None:
    comparison = made_up_comparison(["recipe"], n_splits=1)
    comparison["verdicts"] = []
    comparison["variants"][0]["values"] = {}
    (result,) = comparison["data"]
    result["means"][0] |= {"low": None, "high": None}
    sections = comparison_sections(comparison)
    assert sections[0].text == ["One recipe was trained: there is nothing that it could be compared with."]
    assert sections[2].table == (
        ["recipe", "accuracy", "95 % interval", "epochs"],
        [["recipe", f"{result['means'][0]['mean']:.4f}", "", "12"]],
    )
    assert sections[5].title == "The recipe"
    assert sections[5].table[1] == [["max_epochs", "12"]]


def test_networks_that_diverged_are_counted() -> None:
    comparison = made_up_comparison()
    comparison["data"][0]["outcomes"][1][2] = "diverged"
    assert comparison_sections(comparison)[2].text == [
        "The loss of 1 network became infinite or undefined: training ended there."
    ]


def test_how_to_do_it_again() -> None:
    last = comparison_sections({**made_up_comparison(), "path": "runs/2026-iris"})[-1]
    assert last.lines == ["entrena compare iris --vary activation=relu,tanh,elu"]
    assert last.text[0].startswith("Seeds: 0, 1, 2, 3.")
    assert last.text[1:] == ["Versions: entrena 0.1.0, jax 0.10.2.", "Saved in runs/2026-iris."]


@pytest.mark.parametrize("n_variants", [1, 2, 60])
def test_pages_of_any_size(tmp_path: Path, n_variants: int) -> None:
    comparison = made_up_comparison([f"rate={k}" for k in range(n_variants)], n_epochs=3000)
    comparison_page(tmp_path / "page.html", comparison)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert len(Read(text).held["tr"]) == 2 + 2 * (1 + n_variants) + 2  # rows, scores, choices, what is common


def test_hostile_names_change_no_tag(tmp_path: Path) -> None:
    hostile = made_up_comparison(list(HOSTILE), data=(HOSTILE[0], HOSTILE[-1]))
    hostile |= {"command": HOSTILE[0], "path": HOSTILE[1], "verdicts": list(HOSTILE)}
    hostile["data"][0] |= {"target": [HOSTILE[2]], "classes": [HOSTILE[1], HOSTILE[3]], "score": "f1"}
    hostile["data"][0]["scores"]["f1"] = hostile["data"][0]["scores"]["accuracy"]
    plain = made_up_comparison([f"recipe {k}" for k in range(len(HOSTILE))], data=("a", "b"))
    plain |= {"command": "c", "path": "p", "verdicts": ["v"] * len(HOSTILE)}
    comparison_page(tmp_path / "hostile.html", hostile)
    comparison_page(tmp_path / "plain.html", plain)
    found = [Read((tmp_path / f"{name}.html").read_text(encoding="utf-8")) for name in ("hostile", "plain")]
    assert found[0].tags == found[1].tags
    assert max(len(text) for text in found[0].held["td"]) <= 200
