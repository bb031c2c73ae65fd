"""`entrena train`: what is printed, the JSON, options that do not go together, what is left on the disk."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrena.model import Model
from entrena.recipe import Recipe
from entrena.run import train

SHORT = ("--set", "max_epochs=3")
Entrena = Callable[..., Any]


def test_it_tells_what_was_decided_the_scores_and_what_to_type_next(entrena: Entrena) -> None:
    said = entrena("train", "breast_cancer", *SHORT, "--set", "early_stopping=true")
    assert said.code == 0
    lines = said.out.splitlines()
    (run,) = Path("runs").iterdir()
    assert lines[0] == "  task      classification of diagnosis, 2 classes, from 30 columns"
    assert lines[1] == "  rows      409 training, 46 validation, 114 test"
    assert lines[2] == "  network   30 → 128 → 64 → 2, relu; 12,354 weights"
    assert lines.pop(3) == "  start     weights he_normal, as suits relu"
    assert lines[3].startswith("  training  adamw, batches of 16, one_cycle rate ")
    assert re.fullmatch(r"  end       All 3 epochs were run\..* \(\d+\.\d+ s\)", lines[4])
    assert lines[5] == f"  saved in  {run}"
    assert lines[7].split() == ["validation", "test"]
    assert [line.split("  ")[1] for line in lines[8:12]] == ["accuracy", "balanced accuracy", "log loss", "ROC AUC"]
    assert lines[13].split("  ")[1] == "accuracy"
    assert [line.split("  ")[1] for line in lines[14:17]] == ["network", "linear model", "majority class"]
    assert f"entrena predict {run} new.csv -o out.csv" in said.out
    assert f"entrena show {run}" in said.out
    test = Model.load(run).facts["test"]
    assert lines[8].split()[-1] == f"{test['accuracy']:.4f}"
    assert [line for line in lines if line != line.rstrip()] == []
    # In a pipe: a plain line at the end, and no control characters.
    assert re.fullmatch(r"epoch 3/3  loss \S+  \S+ \S+  rate \S+  \d+\.\d s\n", said.err)
    assert "\x1b" not in said.out + said.err
    assert "\r" not in said.out + said.err


def test_the_scores_of_a_regression(entrena: Entrena) -> None:
    said = entrena("train", "diabetes", *SHORT)
    assert [line.split()[0] for line in said.out.splitlines()[9:12]] == ["R²", "RMSE", "MAE"]
    assert "  task      regression of progression from 10 columns\n" in said.out


def test_the_json_is_one_object_with_all_that_happened(entrena: Entrena) -> None:
    said = entrena("train", "moons", *SHORT, "--json", "--seed", "7", "--name", "first", "--set", "activation=elu")
    told = said.json
    assert (said.code, said.err) == (0, "")
    run = Path(told["run"])
    assert run.name.endswith("-first")
    assert told["model"] == str(run / "model.safetensors")
    assert Path(told["model"]).is_file()
    assert (told["task"], told["seed"], told["n_epochs"]) == ("classification", 7, 3)
    assert told["outcome"] == {"name": "out_of_epochs", "sentence": "All 3 epochs were run."}
    assert told["result"]["value"] == told["test"]["accuracy"] == told["comparison"]["models"]["network"]["value"]
    assert (told["result"]["score"], told["result"]["on"]) == ("accuracy", "test")
    assert set(told["test"]) == {"accuracy", "balanced_accuracy", "log_loss", "roc_auc"}
    assert [column["role"] for column in told["columns"]] == ["number", "number"]
    assert told["validation"] is None
    assert told["rows"] == {"training": 800, "validation": 0, "test": 200}
    assert told["seconds"] > 0
    assert told["recipe"]["network"]["activation"] == "elu"
    assert Recipe(**told["recipe"]).random_state == 7
    same = train(Recipe(max_epochs=3, random_state=7, activation="elu"), "moons", save=False)
    assert told["test"] == same.test


def test_without_test_rows_there_is_no_result(entrena: Entrena) -> None:
    told = entrena("train", "moons", *SHORT, "--json", "--test-fraction", "0", "--no-save").json
    assert (told["result"], told["test"], told["run"], told["model"]) == (None, None, None, None)
    assert not Path("runs").exists()


def test_quiet_prints_nothing_but_errors(entrena: Entrena) -> None:
    assert entrena("train", "iris", *SHORT, "--quiet") == (0, "", "")
    assert entrena("train", "irsi", "--quiet").err == "Error: there is no data set or file irsi: did you mean 'iris'?\n"


def test_no_save_leaves_nothing_and_names_no_run(entrena: Entrena) -> None:
    said = entrena("train", "iris", *SHORT, "--no-save")
    assert "saved in" not in said.out
    assert "entrena predict" not in said.out
    assert list(Path().iterdir()) == []


def test_the_recipe_file_and_what_wins_over_it(entrena: Entrena, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[network]\nhidden = [5]\nactivation = {name = "elu", alpha = 0.5}\n')
    words = ["train", "iris", *SHORT, "--no-save", "--json", "--recipe", "r.toml"]
    assert entrena(*words).json["recipe"]["network"]["hidden"] == [5]
    changed = entrena(*words, "--set", "hidden=[6]", "--set", "activation.alpha=0.25").json["recipe"]["network"]
    assert (changed["hidden"], changed["activation"]) == ([6], {"name": "elu", "alpha": 0.25})


def test_several_targets(entrena: Entrena, iris_csv: Path) -> None:
    columns = ["sepal length (cm)", "petal width (cm)"]
    header, *rows = iris_csv.read_text().splitlines()
    numbers = [header, *(row.rpartition(",")[0] + f",{i % 3}.5" for i, row in enumerate(rows))]
    Path("numbers.csv").write_text("\n".join(numbers) + "\n")
    told = entrena("train", "numbers.csv", *SHORT, "--json", "-t", columns[0], "-t", columns[1]).json
    assert (told["task"], set(told["test"])) == ("regression", {"rmse", "mae", "r2"})
    out = entrena("predict", "last", "numbers.csv").out.splitlines()
    assert out[0] == "prediction_sepal length (cm),prediction_petal width (cm)"
    assert len(out) == 151


def test_validation_rows_of_ones_own(entrena: Entrena, iris_csv: Path) -> None:
    told = entrena("train", "iris", *SHORT, "--no-save", "--json", "--validation", iris_csv).json
    assert told["rows"]["validation"] == 150
    assert told["validation"]["accuracy"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "nothing to train on: entrena train houses.csv --target price, or entrena train digits"),
        (
            ["train", "iris", "--task", "clasification"],
            "task: unknown name 'clasification': did you mean 'classification'?",
        ),
        (["train", "iris", "--test-fraction", "1"], "test_fraction: 1.0 is not allowed: at least 0 and below 1"),
        (["train", "iris", "--set", "elu"], "--set elu: write key=value, such as --set activation=elu"),
        (
            ["train", "iris", "--seed", "1", "--set", "random_state=2"],
            "--seed and --set random_state are the same: leave one of them out",
        ),
        (["train", "iris", "--recipe", "no.toml"], "recipe file 'no.toml' does not exist"),
        (["train", "--resume", "last"], "there are no runs in runs yet: entrena train digits makes one"),
        (["train", "iris", "--from", "nothing"], "there is no run 'nothing': there are no runs in runs"),
        (["train", "missing.csv", "--target", "y"], "there is no file missing.csv"),
        (["train", "iris", "--target", "size"], "iris: its target is 'species', not size; leave --target out"),
    ],
)
def test_wrong_usage(words: list[str], message: str, entrena: Entrena) -> None:
    assert entrena(*words) == (2, "", f"Error: {message}\n")


def test_a_file_needs_its_target(entrena: Entrena, iris_csv: Path) -> None:
    said = entrena("train", "iris.csv")
    assert said.code == 2
    assert "iris.csv: which column is to be predicted? say --target NAME" in said.err
    said = entrena("train", "iris.csv", "--target", "speces")
    assert said.code == 2
    assert said.err == "Error: iris.csv: there is no column 'speces' to predict; did you mean 'species'?\n"


def test_resume_takes_nothing_that_would_change_the_run(entrena: Entrena, iris_run: Path) -> None:
    said = entrena("train", "--resume", iris_run, "--seed", "0", "--set", "max_epochs=9", "--test-fraction", "0.1")
    message = "--resume goes on with the run as it began: leave out --set, --seed, --test-fraction"
    assert said == (2, "", f"Error: {message}\n")


def test_a_run_that_is_done_is_not_resumed(entrena: Entrena, iris_run: Path) -> None:
    said = entrena("train", "--resume", iris_run)
    assert said.code == 1
    assert (
        said.err == f"Error: run '{iris_run.name}' is done: --from {iris_run.name} starts a new run from its weights\n"
    )


def test_resume_by_name_and_by_last(entrena: Entrena) -> None:
    def interrupt(progress: Any) -> str | None:
        if progress.epoch == 2:
            raise KeyboardInterrupt
        return None

    with pytest.raises(KeyboardInterrupt):
        train({"max_epochs": 5}, "iris", callbacks=[interrupt])
    (run,) = Path("runs").iterdir()
    assert entrena("runs", "--json").json["runs"][0]["state"] == "interrupted"
    said = entrena("predict", "last", "iris")
    assert said.code == 1
    assert said.err == (
        f"Error: run {run.name} is interrupted and has no model yet: entrena train --resume {run} goes on with it\n"
    )
    shown = entrena("show", run.name)
    assert shown.code == 0
    assert "state  interrupted" in shown.out
    assert "max_epochs=5" in shown.out
    told = entrena("train", "--resume", "last", "--json").json
    assert (told["run"], told["n_epochs"]) == (str(run), 5)
    assert told["test"] == train({"max_epochs": 5}, "iris", save=False).test


def test_starting_from_a_run_takes_its_recipe(entrena: Entrena, iris_run: Path) -> None:
    words = ["train", "iris", "--json", "--no-save"]
    told = entrena(*words, "--from", iris_run, "--set", "learning_rate=0.0001").json
    assert (told["recipe"]["training"]["max_epochs"], told["recipe"]["rate"]["learning_rate"]) == (3, 0.0001)
    assert told["test"] != entrena(*words, *SHORT, "--set", "learning_rate=0.0001").json["test"]
    assert entrena(*words, "--from", iris_run / "model.safetensors").code == 0


def test_a_loss_that_explodes_is_a_failure_with_advice(entrena: Entrena) -> None:
    words = ["train", "diabetes", "--set", "optimizer=sgd", "--set", "learning_rate=1e12", *SHORT]
    said = entrena(*words)
    assert said.code == 1
    message = said.err.splitlines()[-1]
    assert re.match(r"Error: Diverged in epoch \d: the .* became (nan|inf)\..* The rate 1e\+12 is too high", message)
    assert message.endswith("try --set learning_rate=0.05.")
    told = entrena(*words, "--json")
    assert told.code == 1
    assert told.json["outcome"]["name"] == "diverged"
    assert told.json["findings"][0]["name"] == "diverged"
    assert Path(told.json["model"]).is_file()
    assert all(value is None or math.isfinite(value) for value in told.json["test"].values())


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals on Windows")
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_on_a_terminal_there_is_a_bar_and_no_line_is_too_long(columns: int, tmp_path: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1"}
    environment.pop("COLUMNS", None)
    program = "from entrena.cli import main; main()"
    words = ["train", "iris", "--set", "max_epochs=3", "--name", "n"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words], cwd=tmp_path, env=environment, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "epoch 3/3" in text
    tables = [line for line in re.split(r"[\r\n]+", text) if "entrena " not in line]
    assert max(map(len, tables)) <= columns
