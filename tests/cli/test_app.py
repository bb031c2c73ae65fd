"""The frame of the command line: help, exit codes, one message for each failure, JSON, late imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrena import __version__
from entrena.cli import failures
from entrena.errors import EntrenaError, ModelFileError

COMMANDS = ("train", "predict", "evaluate", "compare", "runs", "show", "surface", "data", "techniques")
PROGRAM = [sys.executable, "-c", "from entrena.cli import main; main()"]
HEAVY = ("jax", "numpy", "polars", "sklearn", "pandas", "plotly", "pyarrow", "scipy", "rich")


def start(*words: str, folder: Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_without_a_command_the_help_is_printed(entrena: Callable[..., Any]) -> None:
    said = entrena()
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Usage: entrena ")
    assert [command for command in COMMANDS if f"\n  {command} " not in said.out] == []
    assert "Begin with: entrena train digits" in said.out
    assert said.out == entrena("--help").out == entrena("-h").out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_json_and_debug(command: str, entrena: Callable[..., Any]) -> None:
    said = entrena(command, "--help")
    assert said.code == 0
    assert "--json" in said.out
    assert "--debug" in said.out
    assert max(map(len, said.out.splitlines())) <= 100


def test_version(entrena: Callable[..., Any]) -> None:
    assert entrena("--version") == (0, f"entrena {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "there is no command 'trian': did you mean 'train'?"),
        (
            ["fit"],
            "there is no command 'fit': there are train, predict, evaluate, compare, runs, show, surface, data, "
            "techniques",
        ),
        (["train", "--sed", "3"], "there is no option --sed: did you mean '--seed'?"),
        (["predict"], "Missing argument 'RUN'\n'entrena predict --help' tells what can be typed."),
        (["data", "iris", "wine"], "Got unexpected extra argument"),
        (["train", "iris", "--seed", "x"], "Invalid value for '--seed'"),
    ],
)
def test_wrong_usage_ends_in_one_message_and_code_2(
    words: list[str], message: str, entrena: Callable[..., Any]
) -> None:
    said = entrena(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"Error: {message}")
    in_json = entrena(*words, "--json")
    assert in_json.code == 2
    assert in_json.json["error"]["kind"] == "usage"
    assert in_json.json["error"]["message"].startswith(message)
    assert in_json.err == said.err


@pytest.mark.parametrize(
    ("error", "kind", "code", "message"),
    [
        (ModelFileError("m.safetensors is damaged"), "model_file", 1, "m.safetensors is damaged"),
        (EntrenaError("something"), "entrena", 1, "something"),
        (KeyboardInterrupt(), "interrupted", 130, "interrupted"),
        (OSError(28, "No space left on device"), "system", 1, "no space left on device"),
        (PermissionError(13, "Permission denied", "x.csv"), "system", 1, "x.csv: permission denied"),
        (
            RuntimeError("odd\n thing"),
            "internal",
            1,
            "something unforeseen happened (RuntimeError: odd thing): --debug shows where",
        ),
    ],
)
def test_whatever_fails_is_told(
    error: BaseException,
    kind: str,
    code: int,
    message: str,
    entrena: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            raise error

    monkeypatch.setattr("entrena.data.EMBEDDED", Broken())
    assert entrena("data", "iris") == (code, "", f"Error: {message}\n")
    in_json = entrena("data", "iris", "--json")
    assert in_json.code == code
    assert in_json.json == {"error": {"kind": kind, "message": message}}
    told = entrena("data", "iris", "--debug").err
    assert told.startswith("Traceback (most recent call last):")
    assert told.endswith(f"Error: {message}\n")


def test_a_recipe_with_five_mistakes_lists_them_all(entrena: Callable[..., Any]) -> None:
    wrong = ["activation=rellu", "max_epochs=0", "optimiser=adam", "learning_rate=-1", "solver=sgd"]
    words = ["train", "iris", *(word for choice in wrong for word in ("--set", choice))]
    said = entrena(*words)
    assert said.code == 2
    assert said.err.startswith("Error: 5 mistakes in the recipe:\n  - ")
    for part in (
        "did you mean 'relu'?",
        "max_epochs: 0 is not",
        "did you mean 'optimizer'?",
        "learning_rate: -1",
        "'solver' is called 'optimizer'",
    ):
        assert part in said.err
    problems = entrena(*words, "--json").json["error"]["problems"]
    assert len(problems) == 5
    assert {"network.activation", "training.max_epochs"} < {problem["key"] for problem in problems}
    assert not Path("runs").exists()


def test_red_only_on_a_terminal_that_wants_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    failures.complain("x")
    assert capsys.readouterr().err == "Error: x\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    failures.complain("x")
    assert capsys.readouterr().err == "\033[1;31mError:\033[0m x\n"
    monkeypatch.setenv("NO_COLOR", "1")
    failures.complain("x")
    assert capsys.readouterr().err == "Error: x\n"


def test_the_help_imports_nothing_heavy() -> None:
    program = (
        "import json, sys\nfrom entrena.cli.app import run\nassert run(['train', '--help']) == 0\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout.splitlines()[-1])) & set(HEAVY) == set()


def test_training_with_json_imports_no_table_and_no_rich(tmp_path: Path) -> None:
    program = (
        "import json, sys\nfrom entrena.cli.app import run\n"
        "assert run(['train', 'iris', '--json', '--no-save', '--set', 'max_epochs=1']) == 0\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded & {"rich", "polars", "sklearn", "pandas", "plotly", "pyarrow", "scipy"} == set()


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    process = start("data", "digits", "--json", folder=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["data"], ["data", "--json"], ["--help"]])
def test_a_full_disk_under_the_output_is_told(words: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([*PROGRAM, *words], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "Error: no space left on device\n")


def test_a_terminal_without_the_sign_is_no_failure(diabetes_run: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*PROGRAM, "show", str(diabetes_run)], env=environment, capture_output=True, text=True, encoding="ascii"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "R\\xb2" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_saves_prints_and_ends_with_130(tmp_path: Path) -> None:
    forever = ["--set", "max_epochs=1000000", "--set", "schedule=constant", "--set", "early_stopping=false"]
    process = start("train", "iris", "--json", *forever, folder=tmp_path)
    until = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob("runs/*/history.jsonl")):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    told = json.loads(out)
    assert told["outcome"]["name"] == "interrupted"
    assert told["n_epochs"] >= 1
    assert (tmp_path / told["model"]).is_file()
    listed = subprocess.run([*PROGRAM, "runs", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    (run,) = json.loads(listed.stdout)["runs"]
    assert (run["state"], run["n_epochs"]) == ("interrupted", told["n_epochs"])


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_before_training_is_one_word(tmp_path: Path) -> None:
    program = (
        "import signal, entrena.data\n"
        "def read(*a, **k): signal.raise_signal(signal.SIGINT)\n"
        "import entrena.job; entrena.job.read = read\n"
        "import sys; sys.argv[1:] = ['train', 'iris', '--json']\n"
        "from entrena.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "Error: interrupted\n")
    assert json.loads(done.stdout)["error"] == {"kind": "interrupted", "message": "interrupted"}
