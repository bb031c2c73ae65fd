"""`entrena compare`."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
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
    assert "8 networks in " in lines[-3]
    saved = lines[-1].split()[-1]
    assert saved.startswith("runs/") and saved.endswith("-comparison-iris")
    # What it found can be looked at again, and is listed among the runs.
    assert entrena("show", "last").out.splitlines()[5:] == lines[5:]
    (listed,) = entrena("runs", "--json").json["runs"]
    assert (listed["kind"], listed["state"], listed["data"]) == ("comparison", "done", "iris")
    assert listed["score_name"] == "accuracy"


def test_it_is_no_run(entrena: Entrena) -> None:
    assert entrena("compare", "iris", "--vary", "activation=relu,tanh", "--seeds", "2", *SHORT, "-q").code == 0
    said = entrena("predict", "last", "new.csv")
    assert (said.code, said.out) == (1, "")
    assert "is a comparison: it has no model of its own" in said.err
    said = entrena("train", "--resume", "last")
    assert said.code == 2 and "there are no runs in runs yet" in said.err
    (path,) = Path("runs").iterdir()
    said = entrena("train", "--resume", path)
    assert said.code == 1 and "is a comparison, not a run: entrena compare --resume goes on with it" in said.err
    said = entrena("compare", "--resume", path)
    assert said.code == 1 and "is done: there is nothing to go on with" in said.err
    said = entrena("compare", "--resume", path, "--vary", "activation=relu", "--seeds", "3")
    assert said.code == 2 and "leave out --vary, --seeds" in said.err
    assert entrena("train", "iris", *SHORT, "-q").code == 0
    said = entrena("compare", "--resume", "last")  # the comparison, not the run that is newer
    assert said.code == 1 and "is done" in said.err


def test_nothing_is_saved_where_that_is_wished(entrena: Entrena) -> None:
    said = entrena("compare", "iris", "--vary", "activation=relu,tanh", "--seeds", "2", *SHORT, "--no-save", "--json")
    assert said.json["path"] is None
    assert not Path("runs").exists()


def test_a_page_with_figures(entrena: Entrena) -> None:
    words = ("compare", "iris", "--vary", "activation=relu,tanh", "--seeds", "2", *SHORT)
    said = entrena(*words, "--html", "found.html", "-q")
    assert said.code == 0 and "  page        found.html" in said.out.splitlines()
    page = Path("found.html").read_text()
    assert "activation=tanh" in page and "iris" in page
    said = entrena(*words, "--html", "found.txt")
    assert said.code == 2 and "must end in .html, as in --html found.html" in said.err
    said = entrena(*words, "--html", "nowhere/found.html")
    assert said.code == 2 and "there is no folder" in said.err


def test_the_page_tells_what_was_typed(tmp_path: Path) -> None:
    words = [
        "compare",
        "iris",
        "--vary",
        "activation=relu,tanh",
        "--seeds",
        "2",
        *SHORT,
        "--html",
        "a b.html",
        "--json",
    ]
    words.append("--json")
    done = subprocess.run([sys.executable, "-m", "entrena", *words], cwd=tmp_path, capture_output=True, check=True)
    command = json.loads(done.stdout)["command"]
    assert shlex.split(command) == ["entrena", *words]
    assert command.replace("'", "&#x27;") in (tmp_path / "a b.html").read_text()


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "entrena", "compare", "digits", "--vary", "learning_rate=0.01,0.02", "--json"]
    process = subprocess.Popen(
        [*command, "--set", "max_epochs=100000"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not any("heartbeat" in path.read_text() for path in tmp_path.glob("runs/2*/status.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (path,) = (tmp_path / "runs").iterdir()
    told = f"interrupted: entrena compare --resume runs/{path.name} goes on with it"
    assert json.loads(out) == {"error": {"kind": "interrupted", "message": told}}
    assert told in err.decode()
    assert (path / "checkpoint" / "data-0" / "checkpoint.json").is_file()


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
