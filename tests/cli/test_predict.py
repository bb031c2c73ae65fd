"""`entrena predict`: the right numbers, in the rows' order, in every form; and what it refuses."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from entrena.data import EMBEDDED
from entrena.model import Model

Entrena = Callable[..., Any]


def test_csv_on_the_standard_output_is_what_the_model_says(entrena: Entrena, iris_run: Path) -> None:
    said = entrena("predict", iris_run, "iris")
    assert (said.code, said.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    model, inputs = Model.load(iris_run), EMBEDDED["iris"].load().inputs
    assert list(rows[0]) == [
        "prediction",
        "probability_setosa",
        "probability_versicolor",
        "probability_virginica",
    ]
    assert [row["prediction"] for row in rows] == model.predict(inputs).tolist()
    p = np.array([[float(row[f"probability_{label}"]) for label in model.schema.classes or ()] for row in rows])
    np.testing.assert_array_equal(p, model.predict_proba(inputs))  # bit by bit: CSV loses nothing
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_the_file_keeps_the_order_of_the_rows(
    suffix: str, entrena: Entrena, iris_run: Path, iris_csv: Path, generator: np.random.Generator
) -> None:
    table = pl.read_csv(iris_csv)
    order = generator.permutation(150)
    shuffled = table[order.tolist()].select(sorted(table.columns)).with_columns(note=pl.lit("x"))
    shuffled.write_csv("new.csv")
    said = entrena("predict", iris_run, "new.csv", "-o", f"out{suffix}", "--no-probabilities")
    assert said == (0, "", f"150 predictions in out{suffix}\n")
    got = (pl.read_parquet if suffix == ".parquet" else pl.read_csv)(f"out{suffix}")
    assert got.columns == ["prediction"]
    expected = Model.load(iris_run).predict(EMBEDDED["iris"].load().inputs)
    assert got["prediction"].to_list() == expected[order].tolist()


def test_a_regression_has_one_column(entrena: Entrena, diabetes_run: Path) -> None:
    lines = entrena("predict", diabetes_run, "diabetes").out.splitlines()
    assert lines[0] == "prediction"
    expected = Model.load(diabetes_run).predict(EMBEDDED["diabetes"].load().inputs)
    np.testing.assert_array_equal([float(line) for line in lines[1:]], expected)


def test_the_json_holds_the_predictions_unless_a_file_does(entrena: Entrena, moons_run: Path) -> None:
    told = entrena("predict", moons_run, "moons", "--json").json
    assert (told["rows"], told["output"]) == (1000, None)
    assert told["columns"] == ["prediction", "probability_0", "probability_1"]
    assert set(told["predictions"]["prediction"]) == {0, 1}
    assert len(told["predictions"]["probability_1"]) == 1000
    said = entrena("predict", moons_run, "moons", "-o", "out.csv", "--json")
    assert (said.json["output"], said.json["predictions"], said.err) == ("out.csv", None, "")
    assert Path("out.csv").is_file()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["iris", "-o", "out.txt"], 2, "-o out.txt: name a file that ends in .csv or .parquet"),
        (["iris", "-o", "out"], 2, "-o out: name a file that ends in .csv or .parquet"),
        (["iris", "-o", "no/out.csv"], 1, "cannot write no/out.csv: the folder no does not exist"),
        (["wine"], 2, "wine: the model needs 4 columns that are not there: sepal length (cm)"),
        (["empty.csv"], 1, "empty.csv is empty"),
        (["nothing.csv"], 2, "there is no file nothing.csv"),
    ],
)
def test_what_it_refuses(words: list[str], code: int, message: str, entrena: Entrena, iris_run: Path) -> None:
    Path("empty.csv").touch()
    said = entrena("predict", iris_run, *words)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(f"Error: {message}")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("nothing", 2, "there is no run 'nothing': there are no runs in runs"),
        ("last", 2, "there are no runs in runs yet: entrena train digits makes one"),
        ("m.safetensors", 2, "there is no file m.safetensors"),
        (".", 1, ". is not a run directory"),
        ("text.safetensors", 1, "text.safetensors is "),
    ],
)
def test_a_run_that_is_none(name: str, code: int, message: str, entrena: Entrena) -> None:
    Path("text.safetensors").write_text("this is no model")
    said = entrena("predict", name, "iris")
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(f"Error: {message}")


def test_the_nearest_run_is_named(entrena: Entrena, iris_run: Path) -> None:
    said = entrena("predict", iris_run.name + "s", "iris", "--runs-dir", iris_run.parent)
    assert said == (2, "", f"Error: there is no run '{iris_run.name}s': did you mean '{iris_run.name}'?\n")


@pytest.mark.parametrize("typed", ["path", "name", "last", "file"])
def test_a_run_is_named_in_four_ways(typed: str, entrena: Entrena, iris_run: Path) -> None:
    ways = {"path": iris_run, "name": iris_run.name, "last": "last", "file": iris_run / "model.safetensors"}
    told = entrena("predict", ways[typed], "iris", "--runs-dir", iris_run.parent, "--json").json
    assert told["model"] == str(iris_run / "model.safetensors")


def test_the_table_itself_is_not_overwritten(entrena, tmp_path, moons_run):
    table = tmp_path / "in.csv"
    assert entrena("data", "moons", "-o", table).code == 0
    before = table.read_text()
    told = entrena("predict", moons_run, table, "-o", table)
    assert told.code == 2
    assert "that is the table itself, and its columns would be lost: name another file" in told.err
    assert table.read_text() == before
