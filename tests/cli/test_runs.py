"""`entrena runs`: newest first, with state, score and epochs; on narrow terminals what can be missed is left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrena.cli.runs import age
from entrena.storage import RunDirectory

Entrena = Callable[..., Any]


@pytest.fixture
def runs_dir(tmp_path: Path, iris_run: Path, diabetes_run: Path) -> Path:
    """Two runs that are done, one that goes on, one that is damaged."""
    folder = tmp_path / "all"
    for number, run in enumerate((iris_run, diabetes_run)):
        copy = shutil.copytree(run, folder / run.name)
        status = json.loads((copy / "status.json").read_text())
        (copy / "status.json").write_text(json.dumps({**status, "created": 1e9 + number}))
    running = RunDirectory.create(folder, "long")
    running.history_path.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    damaged = folder / "20010101-000000-damaged"
    damaged.mkdir()
    (damaged / "status.json").write_text("{")
    return folder


def test_the_list(entrena: Entrena, runs_dir: Path, iris_run: Path, diabetes_run: Path) -> None:
    said = entrena("runs", "--runs-dir", runs_dir)
    assert (said.code, said.err) == (0, "")
    header, running, second, first, damaged = (line.split() for line in said.out.splitlines())
    assert header == ["run", "state", "data", "task", "score", "epochs", "seconds", "age"]
    assert running[1:] == ["running", "–", "–", "–", "2", "–", "now"]
    assert second[0] == diabetes_run.name
    assert second[1:5] == ["done", "diabetes", "regression", "R²"]
    assert first[0] == iris_run.name
    assert first[1:5] == ["done", "iris", "classification", "accuracy"]
    assert first[6] == "3"
    assert damaged[:2] == ["20010101-000000-damaged", "damaged"]


def test_the_json(entrena: Entrena, runs_dir: Path, iris_run: Path) -> None:
    runs = entrena("runs", "--runs-dir", runs_dir, "--json").json["runs"]
    assert [run["state"] for run in runs] == ["running", "done", "done", "damaged"]
    iris = runs[2]
    assert iris["name"] == iris_run.name
    assert iris["path"] == str(runs_dir / iris_run.name)
    assert (iris["data"], iris["task"], iris["score_name"], iris["n_epochs"]) == (
        "iris",
        "classification",
        "accuracy",
        3,
    )
    assert 0 <= iris["score"] <= 1


def test_no_runs(entrena: Entrena) -> None:
    assert entrena("runs") == (0, "", "there are no runs in runs yet: entrena train digits makes one\n")
    assert entrena("runs", "--json").json == {"runs": []}


def test_a_file_is_no_folder_of_runs(entrena: Entrena) -> None:
    Path("runs").touch()
    assert entrena("runs") == (1, "", "Error: runs is a file, not a folder of runs\n")


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        (200, ["run", "state", "data", "task", "score", "epochs", "seconds", "age"]),
        (90, ["run", "state", "data", "score", "epochs", "seconds", "age"]),
        (75, ["run", "state", "score", "epochs", "seconds", "age"]),
        (70, ["run", "state", "score", "epochs", "age"]),
    ],
)
def test_a_narrow_terminal(
    columns: int, header: list[str], runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    from entrena.cli import runs as module
    from entrena.cli.app import run

    monkeypatch.setattr(module, "open_console", lambda: Console(width=columns, force_terminal=True, no_color=True))
    assert run(["runs", "--runs-dir", str(runs_dir)]) == 0
    lines = capsys.readouterr().out.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert lines[0].split() == header
    assert len(lines) == 5  # no row takes two lines
    assert max(map(len, lines)) <= columns


def test_ages() -> None:
    assert [age(seconds) for seconds in (0, 59, 60, 3599, 7200, 86400 * 3)] == [
        "now",
        "now",
        "1 min",
        "59 min",
        "2 h",
        "3 d",
    ]
