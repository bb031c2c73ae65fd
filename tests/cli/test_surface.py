"""`entrena surface`: pages, JSON, messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Entrena = Callable[..., Any]


def test_a_run(entrena: Entrena, moons_run: Path) -> None:
    said = entrena("surface", moons_run, "--grid", 5, "-o", "page.html")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    names = [line.split()[0] for line in lines]
    assert names == ["model", "data", "loss", "least", "directions", "seconds", "page"]
    assert lines[1].split(maxsplit=1)[1] == "moons, 720 rows (training)"  # of 800 a tenth validates
    assert "random (seed 0), each unit's as long as its own weights, biases unmoved" in lines[4]
    assert "The error surface around a trained network" in Path("page.html").read_text(encoding="utf-8")


def test_json_and_no_page_unasked(entrena: Entrena, moons_run: Path) -> None:
    before = sorted(moons_run.iterdir())
    told = entrena("surface", moons_run, "--grid", 5, "--on", "validation", "--seed", 1, "--json").json
    history = [json.loads(line) for line in (moons_run / "history.jsonl").read_text().splitlines()]
    best = min(history, key=lambda epoch: epoch["validation_loss"])["validation_loss"]
    assert told["loss"]["centre"] == pytest.approx(best, rel=1e-5)
    assert (told["rows"]["on"], told["directions"]["seed"], told["page"]) == ("validation", 1, None)
    assert [len(line) for line in told["losses"]] == [5] * 5
    assert sorted(moons_run.iterdir()) == before


def test_the_path_goes_to_the_runs_folder(entrena: Entrena, moons_run: Path) -> None:
    said = entrena("surface", moons_run, "--directions", "path", "--grid", 5, "-q")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    page = moons_run / "surface.html"
    assert lines[-1].split() == ["page", str(page)]
    assert "so it was trained again, and ended with the model's very weights" in lines[5]
    page.unlink()


def test_the_slides(entrena: Entrena) -> None:
    said = entrena("surface", "--slides")
    assert (said.code, said.err) == (0, "")
    lines = [line.split() for line in said.out.splitlines()]
    assert ["as", "they", "are", "40,403", "1.01", "40,006", "4.95e-05", "4.95e-05", "0.99995", "138,176"] in lines
    assert lines[-1] == ["page", "surface-slides.html"]
    assert Path("surface-slides.html").stat().st_size > 10_000
    told = entrena("surface", "--slides", "--json").json
    assert [round(pair["surfaces"][0]["condition"]) for pair in told["pairs"]] == [40006, 10000]
    assert told["pairs"][1]["surfaces"][0]["minimum"] == pytest.approx([10, 0.1])
    assert told["page"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a run, as in entrena surface last; or --slides for the examples of the slides"),
        (["last", "--slides", "--grid", 9], "--slides needs no run and no data: leave out RUN, --grid"),
        (["--slides", "-o", "page.png"], "-o page.png: the page's name must end in .html, as in -o page.html"),
        (["--slides", "-o", "no/page.html"], "-o no/page.html: there is no folder "),
        (["nothing"], "there is no run 'nothing'"),
    ],
)
def test_what_was_typed_is_wrong(words: list[object], said: str, entrena: Entrena) -> None:
    told = entrena("surface", *words)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"Error: {said}")


def test_a_value_that_is_not_allowed(entrena: Entrena, moons_run: Path) -> None:
    told = entrena("surface", moons_run, "--directions", "randm")
    assert told == (2, "", "Error: directions: unknown name 'randm': did you mean 'random'?\n")


def test_a_folder_with_the_name_of_a_run_hides_no_run(entrena: Entrena, tmp_path: Path) -> None:
    assert entrena("train", "iris", "--set", "max_epochs=1", "-q", "--name", "First").code == 0
    assert entrena("show", "First").code == 0  # a run's own name has small letters
    (tmp_path / "first").mkdir()
    assert entrena("show", "first").code == 0
    assert entrena("surface", "first", "--grid", "5", "-q").code == 0
    (tmp_path / "second").mkdir()
    said = entrena("show", "second")
    assert said.code == 1
    assert "second is not a run directory" in said.err
