"""A run over rows as they come: scores, statistics and weights by a rewrite in NumPy; stopping, killing, going on."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from entrena import NetworkClassifier, NetworkRegressor, following, load
from entrena.data import EMBEDDED
from entrena.errors import DataError, RecipeError, RunError, UsageError
from entrena.model import Model
from entrena.recipe import Recipe
from entrena.run import train
from entrena.storage import RunDirectory, read_history
from entrena.stream_run import train_stream
from entrena.training.seeds import generator as seeded

RECIPE = {"hidden": [5], "activation": "tanh", "optimizer": "sgd", "momentum": 0, "learning_rate": 0.05}
CLASSES = ("no", "yes")


def rows(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three columns, whether the class is the second one, and a number to predict."""
    generator = np.random.default_rng(seed)
    X = generator.normal([3, 0, -40], [2, 1, 9], size=(n_rows, 3))
    number = 20 + 3 * X[:, 0] - X[:, 1] + generator.normal(size=n_rows)
    return X, (X[:, 0] - X[:, 1] > 3).astype(int), number


def text(X: np.ndarray, targets: Any, *, weight: np.ndarray | None = None, header: bool = True) -> str:
    """A table whose numbers are read back as they are; None is a gap."""
    columns = [*X.T.tolist(), *([] if weight is None else [weight.tolist()]), list(targets)]
    names = ["a", "b", "c", *([] if weight is None else ["w"]), "y"]
    lines = [",".join("" if value is None else str(value) for value in row) for row in zip(*columns, strict=True)]
    return "\n".join([*([",".join(names)] if header else []), *lines]) + "\n"


def labels(is_second: np.ndarray) -> list[str]:
    return [CLASSES[k] for k in is_second]


@pytest.fixture
def table(tmp_path) -> Path:
    """3,000 rows of two classes as a file."""
    X, is_second, _ = rows(3_000)
    path = tmp_path / "t.csv"
    path.write_text(text(X, labels(is_second)))
    return path


class Pieces(io.RawIOBase):
    """An open file that gives its bytes in pieces of some sizes, over and over."""

    def __init__(self, content: str, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.content, self.sizes, self.n_reads = content.encode(), sizes, 0

    def read(self, size: int = -1) -> bytes:
        n = self.sizes[self.n_reads % len(self.sizes)]
        self.n_reads += 1
        piece, self.content = self.content[:n], self.content[n:]
        return piece


def without_seconds(records) -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def assert_same(a, b) -> None:
    """Weights, statistics, history and scores, bit by bit."""
    for left, right in zip(a.model.params, b.model.params, strict=True):
        for name, values in left.items():
            np.testing.assert_array_equal(values, right[name])
    for part in ("preprocessor", "coder"):
        left, right = getattr(a.model, part).to_arrays(), getattr(b.model, part).to_arrays()
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])
    assert without_seconds(a.history) == without_seconds(b.history)
    assert a.prequential == b.prequential
    assert (a.sizes, a.data["rows_without_target"]) == (b.sizes, b.data["rows_without_target"])


class Rewrite:
    """Running standardisation, a tanh layer, and an update by plain gradient descent for each row, in float64."""

    def __init__(self, recipe: Recipe, sizes: tuple[int, ...], numbers: bool) -> None:
        from entrena.network import Network

        network = Network(sizes, recipe.network.activation, "linear" if numbers else "softmax")
        self.layers = [
            {name: np.array(values) for name, values in layer.items()}
            for layer in network.initialize(seeded(recipe.random_state, "weights"), "float64")
        ]
        self.rate, self.numbers = recipe.rate.learning_rate, numbers

    def output(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = np.tanh(x @ self.layers[0]["weights"] + self.layers[0]["biases"])
        return y, y @ self.layers[1]["weights"] + self.layers[1]["biases"]

    def learn(self, x: np.ndarray, target: np.ndarray, weight: float) -> np.ndarray:
        """Returns the net inputs of the output layer before the update."""
        y, z = self.output(x)
        if self.numbers:
            d = weight * 2 * (z - target)
        else:
            p = np.exp(z - z.max())
            d = weight * (p / p.sum() - target)
        back = (self.layers[1]["weights"] @ d) * (1 - y * y)
        for layer, inputs, delta in ((self.layers[1], y, d), (self.layers[0], x, back)):
            layer["weights"] -= self.rate * np.outer(inputs, delta)
            layer["biases"] -= self.rate * delta
        return z


def standardised(X: np.ndarray, k: int, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the first k rows; 1 for no deviation."""
    if k == 0:
        return np.zeros(X.shape[1]), np.ones(X.shape[1])
    mean = np.average(X[:k], axis=0, weights=weight[:k])
    deviation = np.sqrt(np.average((X[:k] - mean) ** 2, axis=0, weights=weight[:k]))
    return mean, np.where(deviation > 1e-9 * np.abs(mean).max(), deviation, 1)


@pytest.mark.parametrize("warm", [False, True], ids=["running", "warm_rows"])
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_classes_by_a_rewrite_in_numpy(tmp_path, weighted, warm):
    X, is_second, _ = rows(300)
    weight = np.random.default_rng(1).uniform(0.2, 3, 300) if weighted else np.ones(300)
    weight[[5, 77]] = 0 if weighted else 1
    path = tmp_path / "t.csv"
    path.write_text(text(X, labels(is_second), weight=weight if weighted else None))
    recipe = Recipe(**RECIPE, precision="float64", weight_decay=0, class_weight={"yes": 2.0} if weighted else None)
    run = train_stream(
        recipe,
        path,
        target="y",
        weight="w" if weighted else None,
        warm_rows=50 if warm else None,
        look_rows=100,
        save=False,
    )

    counts = weight > 0
    fixed = standardised(X[:50][counts[:50]], int(counts[:50].sum()), weight[:50][counts[:50]])
    X, is_second, weight = X[counts], is_second[counts], weight[counts]
    rewrite = Rewrite(recipe, (3, 5, 2), numbers=False)
    zs = []
    for k, x in enumerate(X):
        mean, deviation = fixed if warm else standardised(X, k + 1, weight)
        by_class = 2.0 if weighted and is_second[k] else 1.0
        zs.append(rewrite.learn((x - mean) / deviation, np.eye(2)[is_second[k]], weight[k] * by_class))
    z = np.array(zs)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), is_second]
    hits = z.argmax(axis=1) == is_second
    assert run.prequential["accuracy"] == pytest.approx(np.average(hits, weights=weight), rel=1e-12)
    assert run.prequential["log_loss"] == pytest.approx(np.average(losses, weights=weight), rel=1e-8)
    assert len(run.history) == len(X) // 100
    for number, look in enumerate(run.history):
        part = slice(100 * number, 100 * (number + 1))
        assert look["loss"] == pytest.approx(np.average(losses[part], weights=weight[part]), rel=1e-8)
        assert look["score"] == pytest.approx(np.average(hits[part], weights=weight[part]), rel=1e-12)
        assert (look["epoch"], look["update"]) == (number + 1, 100 * (number + 1))
    for layer, same in zip(run.model.params, rewrite.layers, strict=True):
        np.testing.assert_allclose(layer["weights"], same["weights"], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(layer["biases"], same["biases"], rtol=1e-8, atol=1e-10)
    mean, deviation = fixed if warm else standardised(X, len(X), weight)
    _, last = rewrite.output((X[:7] - mean) / deviation)
    p = np.exp(last) / np.exp(last).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(run.model.predict_proba(X[:7]), p, rtol=1e-8)


def test_numbers_by_a_rewrite_in_numpy(tmp_path):
    X, _, y = rows(300)
    path = tmp_path / "t.csv"
    path.write_text(text(X, y.tolist()))
    recipe = Recipe(**{**RECIPE, "learning_rate": 0.01}, precision="float64", weight_decay=0)
    run = train_stream(recipe, path, target="y", look_rows=100, save=False)
    rewrite, alike = Rewrite(recipe, (3, 5, 1), numbers=True), np.ones(300)
    said, losses = [], []
    for k, x in enumerate(X):
        mean, deviation = standardised(X, k + 1, alike)
        centre, unit = standardised(y[:, None], k + 1, alike)
        coded = (y[k] - centre) / unit
        z = rewrite.learn((x - mean) / deviation, coded, 1.0)
        # It is read by what was known before the row came.
        known_centre, known_unit = standardised(y[:, None], k, alike)
        said.append(float(z[0] * known_unit[0] + known_centre[0]))
        losses.append(float((z[0] - coded[0]) ** 2 * known_unit[0] ** 2))
    away = np.array(said) - y
    assert run.prequential["rmse"] == pytest.approx(np.sqrt(np.mean(away**2)), rel=1e-8)
    assert run.prequential["mae"] == pytest.approx(np.mean(np.abs(away)), rel=1e-8)
    assert run.prequential["r2"] == pytest.approx(1 - np.mean(away**2) / np.var(y), rel=1e-8)
    for number, look in enumerate(run.history):
        part = slice(100 * number, 100 * (number + 1))
        assert look["loss"] == pytest.approx(np.mean(losses[part]), rel=1e-8)
        assert look["score"] == pytest.approx(1 - np.mean(away[part] ** 2) / np.var(y[part]), rel=1e-8)
    mean, deviation = standardised(X, 300, alike)
    _, z = rewrite.output((X[:7] - mean) / deviation)
    np.testing.assert_allclose(run.model.predict(X[:7]), z[:, 0] * y.std() + y.mean(), rtol=1e-8)


def test_several_numbers_have_the_means_of_their_scores(tmp_path):
    X, _, y = rows(200)
    path = tmp_path / "t.csv"
    path.write_text(text(X, y.tolist()))
    run = train_stream(RECIPE, path, target=("b", "y"), save=False, look_rows=50)
    # The same by partial_fit, a row after the other, each predicted before.
    Y = np.stack([X[:, 1], y], axis=1)
    network = NetworkRegressor(**{**RECIPE, "hidden": (5,)}, mode="online")
    network.partial_fit(X[:1][:, [0, 2]], Y[:1])
    said = [np.zeros(2)]
    for k in range(1, 200):
        said.append(network.predict(X[k : k + 1, [0, 2]])[0])
        network.partial_fit(X[k : k + 1, [0, 2]], Y[k : k + 1])
    # predict() standardises by the rows before, the stream by the row itself as well: the scores are near.
    away = np.array(said) - Y
    r2 = 1 - (away**2).mean(axis=0) / Y.var(axis=0)
    assert run.prequential["r2"] == pytest.approx(r2.mean(), abs=0.1)
    np.testing.assert_array_equal(run.model.params[0]["weights"], network.model_.params[0]["weights"])


def test_the_scores_are_those_of_partial_fit_step_by_step(table):
    X, is_second, _ = rows(3_000)
    start = train_stream(RECIPE, table, target="y", save=False)
    network = NetworkClassifier(**{**RECIPE, "hidden": (5,)}, mode="online")
    y = np.array(labels(is_second))
    network.partial_fit(X[:1], y[:1], classes=CLASSES)
    for first in range(1, 3_000, 700):
        network.partial_fit(X[first : first + 700], y[first : first + 700])
    for left, right in zip(start.model.params, network.model_.params, strict=True):
        np.testing.assert_array_equal(left["weights"], right["weights"])
    np.testing.assert_array_equal(start.model.preprocessor.shift, network.model_.preprocessor.shift)
    # With fixed statistics a row is tested by what predict() says of it before.
    X2, is_second2, _ = rows(60, seed=4)
    later = table.parent / "later.csv"
    later.write_text(text(X2, labels(is_second2)))
    model_file = table.parent / "model.safetensors"
    start.model.save(model_file)
    run = train_stream(None, later, from_run=model_file, look_rows=20, save=False)
    network, p = load(model_file), []
    frame = polars.DataFrame(X2, schema=["a", "b", "c"])
    for k in range(60):
        p.append(network.predict_proba(frame[k : k + 1])[0])
        network.partial_fit(frame[k : k + 1], np.array(labels(is_second2))[k : k + 1])
    p = np.array(p)
    assert run.prequential["accuracy"] == pytest.approx(np.mean(p.argmax(axis=1) == is_second2), abs=1e-12)
    assert run.prequential["log_loss"] == pytest.approx(-np.mean(np.log(p[np.arange(60), is_second2])), rel=1e-4)
    assert not run.model.facts["running_statistics"]


@pytest.mark.parametrize("sizes", [(1_000_000,), (1_777,), (9_000, 64, 3)])
def test_blocks_of_any_length_give_the_same(table, sizes):
    X, _, y = rows(2_500)
    weight = np.random.default_rng(3).choice([0.0, 0.5, 1.0, 3.0], 2_500)
    targets = [None if k % 97 == 5 else value for k, value in enumerate(y.tolist())]
    content = text(X, targets, weight=weight)
    options = {"target": "y", "weight": "w", "look_rows": 300, "save": False}
    whole = train_stream(RECIPE, io.BytesIO(content.encode()), **options)
    pieces = train_stream(RECIPE, Pieces(content, sizes), **options)
    assert_same(whole, pieces)
    assert len(whole.history) == int((weight[[t is not None for t in targets]] > 0).sum()) // 300
    assert whole.data["rows_taken"] == 2_500
    assert whole.data["rows_without_target"] == sum(target is None for target in targets)


def stopping_at(look: int):
    return lambda progress: "stop" if progress.epoch == look else None


def pressing_ctrl_c_at(look: int):
    def on_look(progress):
        if progress.epoch == look:
            signal.raise_signal(signal.SIGINT)

    return on_look


@pytest.mark.parametrize("target", ["y", "c"], ids=["classes", "numbers"])
@pytest.mark.parametrize("stop", [stopping_at, pressing_ctrl_c_at], ids=["callback", "ctrl-c"])
def test_stopped_and_resumed_is_uninterrupted(table, tmp_path, stop, target):
    recipe = {**RECIPE, "optimizer": "adam", "momentum": None, "learning_rate": 0.01}
    options = {"target": target, "look_rows": 170, "runs_dir": tmp_path / "runs"}
    whole = train_stream(recipe, table, **options, name="whole")
    run = train_stream(recipe, table, **options, name="cut", callbacks=[stop(4)])
    assert run.outcome.name == ("stopped_by_callback" if stop is stopping_at else "interrupted")
    assert run.sizes["training"] == 4 * 170
    assert "680 rows" in run.outcome.sentence
    assert RunDirectory(run.path).state() == ("done" if stop is stopping_at else "interrupted")
    run = train_stream(resume=run.path, callbacks=[stop(9)])
    assert run.sizes["training"] == 9 * 170
    run = train_stream(resume=run.path)
    assert_same(whole, run)
    assert run.outcome.sentence == "All 3,000 rows of the stream were learned."
    assert without_seconds(read_history(run.path / "history.jsonl")) == without_seconds(whole.history)


def test_gaps_in_the_target_and_weights_of_zero_do_not_shift_the_place(tmp_path):
    X, _, y = rows(900)
    weight = np.random.default_rng(3).choice([0.0, 1.0, 3.0], 900)
    targets = [None if k % 3 == 0 else value for k, value in enumerate(y.tolist())]
    path = tmp_path / "t.csv"
    path.write_text(text(X, targets, weight=weight))
    options = {"target": "y", "weight": "w", "look_rows": 50, "runs_dir": tmp_path / "runs"}
    whole = train_stream(RECIPE, path, **options)
    run = train_stream(RECIPE, path, **options, callbacks=[stopping_at(1)])
    for look in (2, 5):
        run = train_stream(resume=run.path, callbacks=[stopping_at(look)])
    assert_same(whole, train_stream(resume=run.path))


def test_a_file_that_has_grown_goes_on_with_its_new_rows(table, tmp_path):
    content = table.read_text().splitlines(keepends=True)
    whole = train_stream(RECIPE, table, target="y", look_rows=400, runs_dir=tmp_path / "a")
    table.write_text("".join(content[:1_751]))
    run = train_stream(RECIPE, table, target="y", look_rows=400, runs_dir=tmp_path / "b")
    assert run.sizes["training"] == 1_750  # within a look
    same = train_stream(resume=run.path)  # nothing new
    assert_same(run, same)
    table.write_text("".join(content))
    assert_same(whole, train_stream(resume=run.path))


def test_its_own_file_is_known_however_it_is_written(table, tmp_path, monkeypatch):
    run = train_stream(RECIPE, table, target="y", runs_dir=tmp_path / "runs")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(table)
    monkeypatch.chdir(tmp_path / "folder")
    for same in ("../t.csv", tmp_path / "link.csv", tmp_path / "folder" / ".." / "t.csv"):
        assert_same(run, train_stream(resume=run.path, data=same))


def test_a_file_that_has_shrunk_is_not_the_same(table, tmp_path):
    run = train_stream(RECIPE, table, target="y", runs_dir=tmp_path / "runs")
    weights = Model.load(run.path).params[0]["weights"]
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:200]))
    with pytest.raises(DataError, match=r"t\.csv has 199 rows, and 3,000 were read before: is it the same source\?"):
        train_stream(resume=run.path)
    np.testing.assert_array_equal(Model.load(run.path).params[0]["weights"], weights)


def test_what_follows_comes_from_a_pipe_or_from_other_data(table, tmp_path):
    lines = table.read_text().splitlines(keepends=True)
    whole = train_stream(RECIPE, io.BytesIO("".join(lines).encode()), target="y", look_rows=400, save=False)
    first = io.BytesIO("".join(lines[:1_300]).encode())
    run = train_stream(RECIPE, first, target="y", look_rows=400, runs_dir=tmp_path / "b")
    with pytest.raises(UsageError, match=r"learned from the standard input: bring it the rows that follow, as in … \|"):
        train_stream(resume=run.path)
    rest = io.BytesIO("".join([lines[0], *lines[1_300:]]).encode())
    assert_same(whole, train_stream(resume=run.path, data=rest))

    # The run of a file learns from elsewhere, and then goes on in its file where it was.
    X, is_second, _ = rows(150, seed=8)
    (tmp_path / "other.csv").write_text(text(X, labels(is_second)))
    table.write_text("".join(lines[:1_300]))
    run = train_stream(RECIPE, table, target="y", look_rows=400, runs_dir=tmp_path / "c")
    run = train_stream(resume=run.path, data=tmp_path / "other.csv")
    assert run.sizes["training"] == 1_299 + 150
    table.write_text("".join(lines))
    assert train_stream(resume=run.path).sizes["training"] == 3_000 + 150


CHILD = """
import json, sys, time
from entrena import following
from entrena.stream_run import train_stream
following.CHECKPOINT_SECONDS = 0.0
recipe, table, runs_dir, resume = json.loads(sys.argv[1])
def wait(progress):
    time.sleep(0.02)
    print(progress.epoch, flush=True)
if resume:
    train_stream(resume=resume, callbacks=[wait])
else:
    train_stream(recipe, table, target="y", look_rows=35, runs_dir=runs_dir, name="killed", callbacks=[wait])
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_a_process_that_is_ended_goes_on_to_the_same(table, tmp_path, sign, monkeypatch):
    recipe = {**RECIPE, "optimizer": "adam", "momentum": None, "learning_rate": 0.01}
    whole = train_stream(recipe, table, target="y", look_rows=35, runs_dir=tmp_path / "whole")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [recipe, str(table), str(tmp_path / "killed"), None]
    command = [sys.executable, "-c", CHILD, json.dumps(arguments)]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if int(line) >= 17:
            break
    child.send_signal(sign)
    child.communicate(timeout=60)
    (run,) = (tmp_path / "killed").iterdir()
    assert RunDirectory(run).state() == "interrupted"
    facts = Model.load(run).facts
    assert facts["sentence"].startswith("Interrupted after ")
    assert 0 < facts["n_rows"] < 3_000
    assert_same(whole, train_stream(resume=run))


def test_fewer_first_rows_are_waited_for(table, tmp_path):
    """A pipe that brings 50 rows, of which the third look begins a wait for ever."""
    lines = table.read_text().splitlines(keepends=True)
    whole = train_stream(RECIPE, table, target="y", look_rows=20, first_rows=40, runs_dir=tmp_path / "a")
    assert_same(whole, train_stream(RECIPE, table, target="y", look_rows=20, save=False))
    reader, writer = os.pipe()
    os.write(writer, "".join(lines[:51]).encode())
    seen = []

    def on_look(progress):
        seen.append(progress.update)
        if len(seen) == 2:
            os.close(writer)

    with open(reader, "rb", buffering=0) as pipe:
        run = train_stream(RECIPE, pipe, target="y", look_rows=20, first_rows=40, save=False, callbacks=[on_look])
    assert (seen, run.sizes["training"]) == ([20, 40], 50)
    # A file whose first rows were fewer goes on with what those showed.
    table.write_text("".join(lines[:1_751]))
    run = train_stream(RECIPE, table, target="y", look_rows=20, first_rows=40, runs_dir=tmp_path / "b")
    table.write_text("".join(lines))
    assert_same(whole, train_stream(resume=run.path))


INTERRUPTED_WHILE_WAITING = """
import json, sys
from entrena.stream_run import train_stream
run = train_stream(json.loads(sys.argv[1]), "-", target="y", look_rows=20, runs_dir=sys.argv[2], verbose=True)
print(json.dumps([run.outcome.name, run.sizes["training"], len(run.history)]))
"""


@pytest.mark.parametrize("n_rows", [0, 1, 130])
def test_ctrl_c_while_rows_are_waited_for_learns_those_that_are_there(table, tmp_path, n_rows):
    lines = table.read_text().splitlines(keepends=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", INTERRUPTED_WHILE_WAITING, json.dumps(RECIPE), str(tmp_path / "runs")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        child.stdin.write("".join(lines[: n_rows + 1]))
        child.stdin.flush()
        said = child.stderr.readline()
        assert said.startswith("Waiting for the first 1,000 rows, which show what the columns and classes are")
        child.send_signal(signal.SIGINT)
        code, out, err = child.wait(timeout=60), child.stdout.read(), child.stderr.read()
    if n_rows <= 1:  # of a single class
        assert code != 0
        assert "KeyboardInterrupt: interrupted before the first rows were there: nothing was learned" in err
        assert not list((tmp_path / "runs").glob("*/model.safetensors"))
        return
    assert (code, json.loads(out)) == (0, ["interrupted", 130, 6])
    (run,) = (tmp_path / "runs").iterdir()
    X, is_second, _ = rows(3_000)
    short = tmp_path / "short.csv"
    short.write_text(text(X[:130], labels(is_second[:130])))
    same = train_stream(RECIPE, short, target="y", save=False)
    for left, right in zip(load(run).model_.params, same.model.params, strict=True):
        np.testing.assert_array_equal(left["weights"], right["weights"])


# --- what goes wrong ---


@pytest.mark.parametrize("given", [{"max_epochs": 5}, {"patience": 3}, {"validation_fraction": 0.3}])
def test_what_a_stream_has_not_is_refused(table, given):
    with pytest.raises(RecipeError, match=f"training.{next(iter(given))}: means nothing in a stream"):
        train_stream({**RECIPE, **given}, table, target="y", save=False)


def test_a_batch_only_optimizer_is_refused_for_what_it_is(table):
    with pytest.raises(
        RecipeError, match=r"training.optimizer: 'lbfgs' needs all rows for each step: take adamw or sgd"
    ):
        train_stream({"optimizer": "lbfgs"}, table, target="y", save=False)


def test_a_rare_class_has_balanced_accuracy_in_front(tmp_path):
    X, is_second, _ = rows(2_000)
    kept = np.flatnonzero((is_second == 0) | (np.arange(2_000) % 12 == 0))
    weight = np.random.default_rng(4).uniform(0.1, 3, len(kept))
    (tmp_path / "t.csv").write_text(text(X[kept], labels(is_second[kept]), weight=weight))
    found = []
    options = {"target": "y", "weight": "w", "look_rows": len(kept), "callbacks": [lambda p: found.append(p.score)]}
    run = train_stream(RECIPE, tmp_path / "t.csv", **options, save=False)
    assert list(run.prequential) == ["balanced_accuracy", "accuracy", "log_loss"]
    # One look over all rows is scored by another program than the sums that run.
    assert run.prequential["balanced_accuracy"] == pytest.approx(found[0], rel=1e-12)
    assert run.prequential["balanced_accuracy"] < run.prequential["accuracy"]
    stopped = train_stream(
        RECIPE, tmp_path / "t.csv", **(options | {"callbacks": [lambda _: "stop"], "look_rows": 300})
    )
    assert train_stream(resume=stopped.path).prequential == run.prequential


def test_divergence_keeps_the_last_good_weights(tmp_path):
    X, is_second, _ = rows(600)
    X[400:, 0] = 1e25  # an update with so large an input makes weights of which the next loss is infinite
    path = tmp_path / "t.csv"
    path.write_text(text(X, labels(is_second)))
    recipe = {**RECIPE, "activation": "identity", "center": False, "scale": "none", "learning_rate": 1e-4}
    options = {"target": "y", "look_rows": 50, "runs_dir": tmp_path / "runs"}
    run = train_stream(recipe, path, **options)
    assert run.outcome.name == "diverged"
    assert "The weights after row 400 are kept." in run.outcome.sentence
    assert run.sizes["training"] == 400
    assert all(np.isfinite(values).all() for layer in run.model.params for values in layer.values())
    path.write_text(text(X[:400], labels(is_second[:400])))
    same = train_stream(recipe, path, **options)
    for left, right in zip(run.model.params, same.model.params, strict=True):
        np.testing.assert_array_equal(left["weights"], right["weights"])
    assert without_seconds(run.history) == without_seconds(same.history)
    assert run.prequential == same.prequential
    (finding,) = run.findings
    assert (finding.name, finding.technique) == ("diverged", "rate.learning_rate")
    assert finding.place.startswith("row 40")
    assert json.loads((run.path / "findings.json").read_text())[0]["name"] == "diverged"
    assert RunDirectory(run.path).status()["state"] == "failed"


def test_weights_that_end_as_no_numbers_are_not_kept_even_if_no_row_follows(tmp_path):
    X, is_second, _ = rows(101)
    X[100, 0] = 1e30  # the loss of the last row is finite still, the weights after it are not
    path = tmp_path / "t.csv"
    path.write_text(text(X, labels(is_second)))
    recipe = {**RECIPE, "activation": "identity", "center": False, "scale": "none", "learning_rate": 1e10}
    run = train_stream(recipe, path, target="y", look_rows=100, save=False)
    assert run.outcome.name == "diverged"
    assert all(np.isfinite(values).all() for layer in run.model.params for values in layer.values())


@pytest.mark.parametrize("bad", ["1,2,3,maybe", "1,x,3,yes", "1,2,3"])
def test_a_bad_row_ends_the_run_and_what_was_learned_is_kept(table, tmp_path, bad):
    lines = table.read_text().splitlines(keepends=True)
    content = "".join([*lines[:2_001], bad + "\n", *lines[2_001:]])
    # In pieces, so that the rows before the bad one are blocks of their own.
    with pytest.raises(DataError, match=r"row 2,?002"):
        train_stream(RECIPE, Pieces(content, (7_000, 100)), target="y", look_rows=100, runs_dir=tmp_path / "runs")
    (run,) = (tmp_path / "runs").iterdir()
    status = RunDirectory(run).status()
    assert status["state"] == "failed"
    assert "2002" in status["error"].replace(",", "")
    n_rows = Model.load(run).facts["n_rows"]
    assert 1_000 < n_rows <= 2_000
    rest = io.BytesIO("".join([lines[0], *lines[n_rows + 1 :]]).encode())
    whole = train_stream(RECIPE, table, target="y", look_rows=100, save=False)
    assert_same(whole, train_stream(resume=run, data=rest))


def test_labels_that_come_later_are_named_before(table, tmp_path):
    X, is_second, _ = rows(1_500)
    y = labels(is_second)
    y[1_200] = "perhaps"
    path = tmp_path / "late.csv"
    path.write_text(text(X, y))
    said = "target 'y', row 1202 holds 'perhaps', which is none of the known classes: 'no', 'yes'"
    with pytest.raises(DataError, match=said):
        train_stream(RECIPE, path, target="y", save=False)
    run = train_stream(RECIPE, path, target="y", classes=("yes", "perhaps", "no"), save=False)
    assert run.schema.classes == ("no", "perhaps", "yes")
    assert run.sizes["training"] == 1_500
    with pytest.raises(DataError, match="unknown class 'no'"):
        train_stream(RECIPE, path, target="y", classes=("yes", "perhaps"), save=False)


def test_labels_that_are_numbers(tmp_path):
    X, is_second, _ = rows(300)
    path = tmp_path / "t.csv"
    path.write_text(text(X, is_second.tolist()))
    run = train_stream(RECIPE, path, target="y", classes=("0", "1", "2"), save=False)
    assert run.schema.classes == (0, 1, 2)
    assert train_stream(RECIPE, path, target="y", classes=(0, 1), save=False).schema.classes == (0, 1)
    # One that is no number makes texts of all.
    path.write_text(path.read_text() + "1,2,3,none\n")
    run = train_stream(RECIPE, path, target="y", classes=(0, 1, "none"), save=False)
    assert (run.schema.classes, run.sizes["training"]) == (("0", "1", "none"), 301)


def test_an_embedded_set_goes_on(tmp_path):
    whole = train_stream(RECIPE, "drifting_stream", runs_dir=tmp_path / "runs", look_rows=300)
    run = train_stream(RECIPE, "drifting_stream", runs_dir=tmp_path / "runs", look_rows=300, callbacks=[stopping_at(5)])
    assert_same(whole, train_stream(resume=run.path))


def test_warm_rows_say_means_and_deviations_once(table):
    X, _, _ = rows(3_000)
    run = train_stream(RECIPE, table, target="y", warm_rows=200, save=False)
    np.testing.assert_allclose(run.model.preprocessor.mean, X[:200].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(run.model.preprocessor.deviation, X[:200].std(axis=0), rtol=1e-12)
    assert run.sizes["training"] == 3_000
    with pytest.raises(DataError, match="has 3,000 rows, and warm_rows asks for 4,000"):
        train_stream(RECIPE, table, target="y", warm_rows=4_000, save=False)
    # Scales that need many rows are learned from them.
    scaled = train_stream({**RECIPE, "scale": "min_max"}, table, target="y", warm_rows=200, save=False)
    low, high = X[:200].min(axis=0), X[:200].max(axis=0)
    np.testing.assert_allclose(scaled.model.preprocessor.scale, (high - low) / 2, rtol=1e-12)


def test_it_starts_from_a_model(table, tmp_path):
    recipe = Recipe(hidden=(5,), max_epochs=2, schedule="cosine", batch_size=64, class_weight="balanced", refit=True)
    model = train(recipe, table, target="y", runs_dir=tmp_path / "runs")
    run = train_stream(None, table, from_run=model.path, save=False)
    np.testing.assert_array_equal(run.model.preprocessor.shift, model.model.preprocessor.shift)
    assert (run.recipe.training.mode, run.recipe.network.hidden) == ("online", (5,))
    assert run.sizes["training"] == 3_000
    assert run.prequential["accuracy"] > 0.9
    with pytest.raises(RunError, match="layers: the model has 3-5-2, the recipe 3-6-2"):
        train_stream({"hidden": [6]}, table, from_run=model.path, save=False)
    with pytest.raises(UsageError, match="leave out first_rows, warm_rows, classes, roles, task"):
        train_stream(None, table, from_run=model.path, warm_rows=10)


def test_memory_does_not_grow_with_the_stream(tmp_path):
    X, is_second, _ = rows(25_000)
    block = text(X, labels(is_second))
    body = block.partition("\n")[2]

    def peak(n_times: int) -> int:
        path = tmp_path / f"{n_times}.csv"
        with path.open("w") as file:
            file.write(block)
            file.writelines(body for _ in range(n_times - 1))
        tracemalloc.start()
        run = train_stream(RECIPE, path, target="y", runs_dir=tmp_path / "runs")
        assert run.sizes["training"] == 25_000 * n_times
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    train_stream(RECIPE, "drifting_stream", save=False)  # imports
    small = peak(1)
    assert peak(4) < small + 2**20


def test_a_long_history_keeps_its_end_in_memory(table, tmp_path, monkeypatch):
    monkeypatch.setattr(following, "MOST_LOOKS", 5)
    run = train_stream(RECIPE, table, target="y", look_rows=100, runs_dir=tmp_path / "runs")
    assert [record["epoch"] for record in run.history] == [26, 27, 28, 29, 30]
    assert len(read_history(run.path / "history.jsonl")) == 30
    assert run.model.facts["looks"] == 30
    run = train_stream(RECIPE, table, target="y", look_rows=300, save=False)
    assert [record["epoch"] for record in run.history] == [6, 7, 8, 9, 10]


def test_the_scores_follow_what_changes():
    # The class turns once around: a fixed line is right half of the time, a network that learns on is not lost.
    examples = EMBEDDED["drifting_stream"].load()
    run = train_stream({"learning_rate": 0.01}, "drifting_stream", save=False, look_rows=500)
    assert run.prequential["accuracy"] > 0.75
    assert run.sizes["training"] == examples.n_rows
    assert len(run.history) == 8


def test_max_seconds_ends_it(table):
    run = train_stream({**RECIPE, "max_seconds": 1e-6}, table, target="y", save=False, look_rows=100)
    assert run.outcome.name == "out_of_time"
    assert run.outcome.sentence == "Stopped after 100 rows: max_seconds was reached."


def test_ctrl_c_while_nothing_comes_ends_it_quietly():
    reader, writer = os.pipe()
    os.write(writer, b"a,y\n1,2\n")

    def press() -> None:
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGINT)

    import threading

    threading.Thread(target=press, daemon=True).start()
    try:
        with os.fdopen(reader, "rb", buffering=0) as source, pytest.raises(KeyboardInterrupt, match="before the first"):
            train_stream(RECIPE, source, target="y", save=False)
    finally:
        os.close(writer)


REFUSED = [
    ({"order": "balanced"}, "training.order: 'balanced' needs all rows: a stream is learned as it comes"),
    ({"schedule": "cosine"}, "rate.schedule: 'cosine' is planned for a number of updates, and a stream has no end"),
    ({"early_stopping": True}, "training.early_stopping: a stream has no validation rows"),
    ({"refit": True, "early_stopping": "auto"}, "training.refit: a stream holds no rows back"),
    ({"calibration": "temperature"}, "targets.calibration: needs validation rows, and a stream has none"),
    ({"class_weight": "balanced"}, "targets.class_weight: 'balanced' needs the number of rows of each class before"),
    ({"scale": "min_max"}, "inputs.scale: 'min_max' needs all rows before the first: in a stream take standard"),
]


@pytest.mark.parametrize(("choice", "said"), REFUSED, ids=[next(iter(choice)) for choice, _ in REFUSED])
def test_what_needs_all_rows_is_refused(table, choice, said):
    with pytest.raises(RecipeError) as refused:
        train_stream({"hidden": [4], **choice}, table, target="y", save=False)
    assert said in str(refused.value)


@pytest.mark.parametrize("mode", ["mini_batch", "batch"])
def test_other_modes_are_refused(table, mode):
    said = f"training.mode: '{mode}' gathers rows; a stream learns each as it comes: take online"
    with pytest.raises(UsageError, match=said):
        train_stream({"mode": mode}, table, target="y", save=False)


def test_wrong_arguments_are_explained(table, tmp_path):
    with pytest.raises(UsageError, match="no data: give the path of a file, - for the standard input"):
        train_stream()
    with pytest.raises(UsageError, match="look_rows: 0 is not allowed: at least 1"):
        train_stream(None, table, target="y", look_rows=0)
    with pytest.raises(UsageError, match="warm_rows: 0 is not allowed: at least 1"):
        train_stream(None, table, target="y", warm_rows=0)
    with pytest.raises(UsageError, match="which column is to be predicted"):
        train_stream(None, table)
    with pytest.raises(UsageError, match="classes: at least two labels are needed"):
        train_stream(None, table, target="y", classes=["yes"], save=False)
    with pytest.raises(UsageError, match="classes are for classification"):
        train_stream(None, table, target="y", classes=["yes", "no"], task="regression", save=False)
    run = train(Recipe(max_epochs=1), "iris", runs_dir=tmp_path / "runs")
    with pytest.raises(RunError, match=r"is no stream: train\(resume=…\) goes on with it"):
        train_stream(resume=run.path)
    stream = train_stream(RECIPE, table, target="y", runs_dir=tmp_path / "runs")
    with pytest.raises(RunError, match=r"is a stream: train_stream\(resume=…\) goes on with it"):
        train(resume=stream.path)
    with pytest.raises(UsageError, match="resume goes on with the run's own choices: leave out target, warm_rows"):
        train_stream(resume=stream.path, target="y", warm_rows=3)
