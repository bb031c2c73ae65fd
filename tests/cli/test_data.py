"""`entrena data`: the embedded sets listed, shown and written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from entrena.data import EMBEDDED, read

Entrena = Callable[..., Any]


def test_the_list(entrena: Entrena) -> None:
    said = entrena("data")
    header, *rows = said.out.splitlines()
    assert header.split() == ["name", "task", "rows", "columns", "meaning"]
    assert [row.split()[0] for row in rows] == list(EMBEDDED)
    told = entrena("data", "--json").json["data"]
    assert [each["name"] for each in told] == list(EMBEDDED)
    assert told[0]["rows"] == 1797


@pytest.mark.parametrize("name", list(EMBEDDED))
def test_each_set_is_shown_as_it_is(name: str, entrena: Entrena) -> None:
    said = entrena("data", name)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"  {name}")
    told = entrena("data", name, "--json").json
    examples = EMBEDDED[name].load()
    assert examples.targets is not None
    assert told["names"] == [*examples.columns, told["target"]]
    assert (told["rows"], told["columns"]) == examples.inputs.matrix.shape
    assert told["first_rows"][4] == [*examples.inputs.matrix[4].tolist(), examples.targets[4].item()]


def test_the_classes_are_counted(entrena: Entrena) -> None:
    out = entrena("data", "iris").out
    assert "  target   species, classification: setosa (50), versicolor (50), virginica (50)\n" in out
    assert "  target    progression, regression: 25 to 346\n" in entrena("data", "diabetes").out


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_is_read_back(suffix: str, entrena: Entrena) -> None:
    said = entrena("data", "iris", "-o", f"i{suffix}")
    assert said == (0, "", f"150 rows in i{suffix}; the target is species\n")
    back, iris = read(f"i{suffix}", target="species"), EMBEDDED["iris"].load()
    np.testing.assert_array_equal(np.stack([column.values for column in back.inputs], 1), iris.inputs.matrix)
    assert back.targets is not None
    assert iris.targets is not None
    assert back.targets.tolist() == iris.targets.tolist()
    table = (pl.read_csv if suffix == ".csv" else pl.read_parquet)(f"i{suffix}")
    assert table.columns == [*iris.columns, "species"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["irs"], "there is no embedded data set 'irs': did you mean 'iris'?"),
        (["-o", "x.csv"], "-o x.csv: name the set to write: entrena data iris -o x.csv"),
        (["iris", "-o", "x.xls"], "-o x.xls: name a file that ends in .csv or .parquet"),
    ],
)
def test_wrong_usage(words: list[str], message: str, entrena: Entrena) -> None:
    assert entrena("data", *words) == (2, "", f"Error: {message}\n")
    assert list(Path().iterdir()) == []
