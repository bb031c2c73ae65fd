"""`entrena train --stream`: what is printed, the JSON lines, options that do not go together, pipes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entrena.model import Model
from entrena.stream_run import train_stream

Entrena = Callable[..., Any]
SMALL = ("--set", "hidden=[4]", "--seed", "3")


def lines_of(n_rows: int, seed: int = 0) -> list[str]:
    """Rows of two columns and a class."""
    X = np.random.default_rng(seed).normal(size=(n_rows, 2))
    return [f"{a!r},{b!r},{'yes' if a > b else 'no'}\n" for a, b in X.tolist()]


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text("".join(["a,b,buys\n", *lines_of(2_500)]))
    return path


def test_it_tells_what_was_decided_the_scores_and_what_to_type_next(entrena: Entrena, clicks: Path) -> None:
    said = entrena("train", clicks, "-t", "buys", "--stream", *SMALL)
    assert said.code == 0
    (run,) = Path("runs").iterdir()
    same = train_stream({"hidden": [4], "random_state": 3}, clicks, target="buys", save=False)
    scores = f"accuracy {same.prequential['accuracy']:.4f}, log loss {same.prequential['log_loss']:.4f}"
    lines = said.out.splitlines()
    assert lines[:6] == [
        "  task      classification of buys, 2 classes: no, yes",
        "  columns   2 columns; means and deviations of the rows so far",
        "  rows      2,500",
        "  network   2 → 4 → 2, relu; 22 weights",
        "  start     weights he_normal, as suits relu",
        "  training  adamw, an update for each row, rate 0.001, seed 3",
    ]
    assert re.fullmatch(r"  end       All 2,500 rows of the stream were learned\. \(\d+\.\d+ s\)", lines[6])
    assert lines[7] == f"  tested    {scores}: all rows, each before it was learned"
    assert lines[8] == f"  lately    accuracy {same.history[-1]['score']:.4f}: the rows of the last look"
    assert lines[9] == f"  saved in  {run}"
    assert lines[11:] == [
        f"  go on       entrena train --resume {run}",
        f"  predict     entrena predict {run} new.csv -o out.csv",
        f"  look at it  entrena show {run}",
    ]
    assert (said.err, [line for line in lines if line != line.rstrip()]) == ("", [])


def test_the_json_is_a_line_for_each_look_and_one_at_the_end(entrena: Entrena, clicks: Path) -> None:
    said = entrena("train", clicks, "-t", "buys", "--stream", *SMALL, "--json", "--look-rows", 600)
    assert (said.code, said.err) == (0, "")
    *looks, last = [json.loads(line) for line in said.out.splitlines()]
    assert [(look["look"], look["rows"]) for look in looks] == [(k, 600 * k) for k in range(1, 5)]
    assert set(looks[0]) == {"look", "rows", "score_name", "loss", "score", "learning_rate", "seconds"}
    same = train_stream({"hidden": [4], "random_state": 3}, clicks, target="buys", save=False, look_rows=600)
    assert [look["score"] for look in looks] == [record["score"] for record in same.history]
    assert last["prequential"] == dict(same.prequential)
    assert last["result"] == {"score": "accuracy", "value": same.prequential["accuracy"], "low": None, "high": None} | {
        "on": "stream"
    }
    assert (last["rows"], last["rows_taken"], last["rows_without_target"], last["looks"]) == (2_500, 2_500, 0, 4)
    assert last["outcome"] == {"name": "end_of_stream", "sentence": "All 2,500 rows of the stream were learned."}
    assert Path(last["model"]) == Path(last["run"]) / "model.safetensors"
    assert last["recipe"]["training"]["mode"] == "online"


def test_a_stream_goes_on_where_it_was_also_in_a_file_that_has_grown(entrena: Entrena, clicks: Path) -> None:
    lines = clicks.read_text().splitlines(keepends=True)
    clicks.write_text("".join(lines[:1_501]))
    assert entrena("train", clicks, "-t", "buys", "--stream", *SMALL, "-q") == (0, "", "")
    clicks.write_text("".join(lines))
    said = entrena("train", "--resume", "last")
    assert said.code == 0
    assert "  rows      2,500\n" in said.out
    same = train_stream({"hidden": [4], "random_state": 3}, clicks, target="buys", save=False)
    (run,) = Path("runs").iterdir()
    np.testing.assert_array_equal(Model.load(run).params[0]["weights"], same.model.params[0]["weights"])
    refused = entrena("train", "--resume", "last", "--stream", "--warm-rows", 5, "--look-rows", 7)
    assert refused.code == 2
    assert refused.err == ("Error: --resume goes on with the run as it began: leave out --warm-rows, --look-rows\n")


def test_an_embedded_set_is_a_stream_like_any_other(entrena: Entrena) -> None:
    said = entrena("train", "drifting_stream", "--stream", "--no-save", *SMALL)
    assert said.code == 0
    assert "  rows      4,000\n" in said.out
    assert "saved in" not in said.out
    assert not Path("runs").exists()


def test_numbers_and_fixed_statistics(entrena: Entrena, clicks: Path) -> None:
    said = entrena("train", clicks, "-t", "a", "--stream", "--warm-rows", 100, *SMALL)
    assert "  task      regression of a\n" in said.out
    assert "  columns   2 columns; means and deviations fixed\n" in said.out
    assert re.search(r"\n  tested    R² -?\d\.\d+, RMSE \d\.\d+, MAE \d\.\d+: all rows, each before", said.out)


def test_rows_without_a_target_are_told(entrena: Entrena, clicks: Path) -> None:
    clicks.write_text(clicks.read_text() + "1,2,\n3,4,\n")
    said = entrena("train", clicks, "-t", "buys", "--stream", *SMALL)
    assert "  rows      2,500; 2 without a target were left out\n" in said.out


def test_it_starts_from_a_run_of_its_own_kind_or_another(entrena: Entrena, clicks: Path) -> None:
    words = ("--set", "max_epochs=2", "--set", "batch_size=64", "--set", "schedule=cosine", "--name", "whole", "-q")
    assert entrena("train", clicks, "-t", "buys", *SMALL, *words).code == 0
    said = entrena("train", clicks, "--stream", "--from", "whole")
    assert said.code == 0
    assert "means and deviations fixed" in said.out
    assert entrena("train", clicks, "--from", "last", "--stream", "-q").code == 0


REFUSED = [
    (["--warm-rows", "9"], "--warm-rows: only a stream has it: add --stream"),
    (["--classes", "a,b", "--look-rows", "9"], "--classes, --look-rows: only a stream has it: add --stream"),
    (
        ["--stream", "--time", "a", "--no-test", "--metric", "f1"],
        "--stream tests every row before it is learned and holds none back: leave out --time, --no-test, --metric",
    ),
    (["--stream", "--refit"], "--stream tests every row before it is learned and holds none back: leave out --refit"),
    (
        ["--stream", "--mode", "mini_batch"],
        "training.mode: 'mini_batch' gathers rows; a stream learns each as it comes: take online",
    ),
    (["--stream", "--warm-rows", "0"], "warm_rows: 0 is not allowed: at least 1"),
    (["--stream", "--first-rows", "0"], "first_rows: 0 is not allowed: at least 1"),
    (["--stream", "--first-rows", "9", "--warm-rows", "9"], "warm_rows are the first rows: leave out first_rows"),
    (["--stream", "--set", "max_epochs=7"], "training.max_epochs: means nothing in a stream"),
    (["--stream", "--classes", "yes"], "classes: at least two labels are needed"),
    (["--stream", "--set", "order=balanced"], "training.order: 'balanced' needs all rows: a stream is learned as it "),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_what_does_not_go_together_is_refused(entrena: Entrena, clicks: Path, words: list[str], said: str) -> None:
    refused = entrena("train", clicks, "-t", "buys", *words)
    assert refused.code == 2
    assert refused.out == ""
    assert refused.err.startswith(f"Error: {said}")
    assert not Path("runs").exists()


def test_a_stream_without_a_target(entrena: Entrena, clicks: Path) -> None:
    refused = entrena("train", clicks, "--stream")
    assert (refused.code, refused.err) == (
        2,
        "Error: which column is to be predicted? say --target NAME (in Python target=NAME)\n",
    )


def test_divergence_is_a_failure_with_its_advice(entrena: Entrena, clicks: Path) -> None:
    wild = ("--set", "optimizer=sgd", "--set", "learning_rate=1e25")
    said = entrena("train", clicks, "-t", "buys", "--stream", *SMALL, *wild)
    assert said.code == 1
    assert re.match(r"Error: Diverged at row \d of the stream: the loss or a weight is no number\. ", said.err)
    assert "too high for this network: try --set learning_rate=0.0" in said.err
    assert entrena("train", clicks, "-t", "buys", "--stream", *SMALL, *wild, "--json").code == 1


def test_a_bad_row_is_named_and_the_run_is_kept(entrena: Entrena, clicks: Path) -> None:
    clicks.write_text(clicks.read_text() + "1,2,perhaps\n")
    said = entrena("train", clicks, "-t", "buys", "--stream", *SMALL)
    assert said.code == 1
    assert said.err == (
        "Error: clicks.csv: target 'buys', row 2502 holds 'perhaps', which is none of the known classes: 'no', 'yes'; "
        "labels that come later are named at the start: --classes A,B,… (in Python classes=[…])\n"
        "The 2,500 rows before are learned and saved: mend the row, then entrena train --resume "
        f"{json.loads(entrena('runs', '--json').out)['runs'][0]['name']}\n"
    )
    assert "failed" in entrena("runs").out
    assert entrena("show", "last").code == 0


def test_a_stream_that_begins_with_one_class_is_told_how_to_name_the_others(entrena: Entrena, clicks: Path) -> None:
    header, *lines = clicks.read_text().splitlines(keepends=True)
    clicks.write_text("".join([header, *sorted(lines, key=lambda line: line.rstrip().rsplit(",", 1)[1])]))
    said = entrena("train", clicks, "-t", "buys", "--stream", *SMALL)
    assert "target 'buys' holds one class only, 'no'; classification needs at least two; if others come" in said.err
    assert entrena("train", clicks, "-t", "buys", "--stream", *SMALL, "--classes", "no,yes").code == 0


def test_columns_that_are_left_out_are_told(entrena: Entrena, clicks: Path) -> None:
    header, *lines = clicks.read_text().splitlines()
    rows = [f"{line},{'' if k < 1_000 else 7}" for k, line in enumerate(lines)]
    clicks.write_text("\n".join([f"{header},sensor", *rows]) + "\n")
    said = entrena("train", clicks, "-t", "buys", "--stream", *SMALL)
    assert re.search(r"left out +sensor \(.*empty.*\)", said.out), said.out
    said = entrena("train", clicks, "-t", "buys", "--stream", "--first-rows", 1_100, *SMALL)
    assert "left out" not in said.out


def test_with_json_a_failure_is_one_more_line(entrena: Entrena, clicks: Path) -> None:
    clicks.write_text(clicks.read_text() + "1,2,perhaps\n")
    said = entrena("train", clicks, "-t", "buys", "--stream", *SMALL, "--json", "--look-rows", 600)
    assert said.code == 1
    *looks, last = [json.loads(line) for line in said.out.splitlines()]
    assert [look["look"] for look in looks] == [1, 2, 3, 4]
    assert (last["error"]["kind"], "row 2502 holds 'perhaps'" in last["error"]["message"]) == ("data", True)


def test_other_commands_read_a_streams_run(entrena: Entrena, clicks: Path) -> None:
    assert entrena("train", clicks, "-t", "buys", "--stream", *SMALL, "--look-rows", 100, "-q").code == 0
    assert "accuracy" in entrena("evaluate", "last", clicks).out
    assert len(entrena("predict", "last", clicks).out.splitlines()) == 2_501
    shown = entrena("show", "last").out
    assert "an update for each row, rate 0.001" in shown
    assert "batches of" not in shown
    assert re.search(r"tested +accuracy 0\.\d+, log loss 0\.\d+", shown)
    (run,) = entrena("runs", "--json").json["runs"]
    assert (run["n_epochs"], run["score_name"], run["state"]) == (1, "accuracy", "done")


def started(*words: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "entrena", "train", "-", "--target", "buys", "--stream", *SMALL, *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_pipe_is_learned_as_it_comes(clicks: Path, tmp_path: Path) -> None:
    child = started("--json", "--look-rows", "200", "--name", "piped", folder=tmp_path)
    assert child.stdin is not None
    assert child.stdout is not None
    lines = clicks.read_text().splitlines(keepends=True)
    child.stdin.write("".join(lines[:1_201]))
    child.stdin.flush()
    first = [json.loads(child.stdout.readline()) for _ in range(6)]  # while the pipe is open still
    assert [look["rows"] for look in first] == [200 * k for k in range(1, 7)]
    child.stdin.write("".join(lines[1_201:1_451]))
    child.stdin.flush()
    assert json.loads(child.stdout.readline())["rows"] == 1_400
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, "")
    last = json.loads(out.splitlines()[-1])
    assert last["outcome"]["name"] == "interrupted"
    assert last["rows"] == last["rows_taken"]
    assert last["rows"] in (1_400, 1_450)  # Ctrl-C may come before the last of them

    words = [sys.executable, "-m", "entrena", "train", "-", "--resume", last["run"], "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    rest = "".join([lines[0], *lines[last["rows_taken"] + 1 :]])
    done = subprocess.run(words, cwd=tmp_path, env=environment, input=rest, capture_output=True, text=True, check=True)
    same = train_stream({"hidden": [4], "random_state": 3}, clicks, target="buys", save=False, look_rows=200)
    assert json.loads(done.stdout.splitlines()[-1])["prequential"] == dict(same.prequential)


def test_a_reader_that_goes_away_ends_it(clicks: Path, tmp_path: Path) -> None:
    with started("--json", "--look-rows", "1", folder=tmp_path) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(clicks.read_text())
            child.stdin.close()
        assert child.wait(timeout=60) == 1
        assert "Traceback" not in child.stderr.read()
