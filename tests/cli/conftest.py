"""The command line called in this process, and one trained run for all tests that only read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from entrena.cli.app import run


class Said(NamedTuple):
    """What a command did: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The standard output as the one JSON object that it has to be."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        value = json.loads(self.out, parse_constant=refuse)
        assert isinstance(value, dict)
        return value


Entrena = Callable[..., Said]


@pytest.fixture
def entrena(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entrena:
    """Calls `entrena` with some words in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*words: object) -> Said:
        capsys.readouterr()
        code = run([str(word) for word in words])
        return Said(code, *capsys.readouterr())

    return call


def _train(folder: Path, *words: str) -> Path:
    runs = folder / "runs"
    assert run(["train", *words, "--runs-dir", str(runs), "--quiet", "--set", "max_epochs=3"]) == 0
    return next(runs.iterdir())


@pytest.fixture(scope="session")
def iris_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs on iris."""
    return _train(tmp_path_factory.mktemp("iris"), "iris")


@pytest.fixture(scope="session")
def moons_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs on moons, with validation rows."""
    return _train(tmp_path_factory.mktemp("moons"), "moons", "--set", "early_stopping=true")


@pytest.fixture(scope="session")
def diabetes_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs on diabetes: a regression."""
    return _train(tmp_path_factory.mktemp("diabetes"), "diabetes")


@pytest.fixture
def iris_csv(tmp_path: Path, entrena: Entrena) -> Path:
    """Iris as a file."""
    path = tmp_path / "iris.csv"
    assert entrena("data", "iris", "-o", path).code == 0
    return path
