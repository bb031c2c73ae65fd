"""The surface around a trained network: its losses against NumPy, its middle against the run, its path, its rows."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import entrena
from entrena import train
from entrena.data import EMBEDDED
from entrena.diagnosis.directions import flat, random_directions
from entrena.errors import DataError, RunError, UsageError
from entrena.surface import error_surface

TINY = {"hidden": [4], "activation": "tanh", "max_epochs": 6, "early_stopping": True}


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    return train({**TINY, "precision": "float64"}, "iris", runs_dir=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """A run on a file: numbers, weighted rows, float32."""
    folder = tmp_path_factory.mktemp("houses")
    chance = np.random.default_rng(0)
    X, weight = chance.normal(size=(80, 2)), chance.uniform(0.5, 2, 80)
    table = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "w": weight, "price": 40 * X[:, 0] + 7 * X[:, 1] ** 2})
    table.write_csv(folder / "houses.csv")
    return train(TINY, folder / "houses.csv", target="price", weight="w", runs_dir=folder / "runs")


def rows_of(run):
    """The training rows of a run on iris, as the recipe splits them, found again by hand."""
    from entrena.job import divide, make_job, read_examples

    job = make_job(
        "iris", target=None, task=None, test_fraction=0.2, roles=None, rows={}, options=None, metrics=(), own={}
    )
    return divide(run.recipe, job, read_examples("iris", job), None).parts


def test_the_grid_is_numpys(iris):
    found = error_surface(iris, grid=5, reach=0.7, seed=2)
    training = rows_of(iris).training
    X = iris.model.preprocessor.transform(training.inputs, "float64")
    classes = np.unique(EMBEDDED["iris"].load().targets)
    truth = np.searchsorted(classes, training.targets)
    first, second = random_directions(iris.model.params, 2).along

    def loss(a, b):
        low, high = (
            {name: w + a * d[name] + b * e[name] for name, w in layer.items()}
            for layer, d, e in zip(iris.model.params, first, second, strict=True)
        )
        z = np.tanh(X @ low["weights"] + low["biases"]) @ high["weights"] + high["biases"]
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return -np.log(p[np.arange(len(p)), truth] / p.sum(axis=1)).mean()

    assert found["x"] == found["y"] == pytest.approx(np.linspace(-0.7, 0.7, 5))
    expected = [[loss(a, b) for a in found["x"]] for b in found["y"]]
    assert np.array(found["losses"]) == pytest.approx(np.array(expected), rel=1e-10)
    assert found["loss"]["centre"] == pytest.approx(expected[2][2], rel=1e-10)
    assert found["rows"] == {"on": "training", "n": len(X), "of": len(X)}
    lowest = np.min(expected)
    assert found["loss"]["least"] == pytest.approx(lowest)
    a, b = found["loss"]["least_at"]
    assert loss(a, b) == pytest.approx(lowest)


def test_the_middle_is_the_runs_own_loss(iris, houses):
    for run in (iris, houses):
        best = run.history[run.model.facts["best_epoch"] - 1]
        middle = error_surface(run.path, on="validation", grid=3)["loss"]["centre"]
        assert middle == pytest.approx(best["validation_loss"], rel=1e-6)
    scores = iris.model.evaluate(rows_of(iris).training)
    assert error_surface(iris, grid=3)["loss"]["centre"] == pytest.approx(scores["log_loss"], rel=1e-9)
    test = error_surface(houses, on="test", grid=3)
    assert test["loss"]["unit"] == "the target's unit squared"
    assert test["loss"]["centre"] == pytest.approx(houses.test["rmse"] ** 2, rel=1e-4)


def test_class_weights_count_on_the_training_rows(tmp_path):
    run = train({**TINY, "class_weight": "balanced"}, "breast_cancer", runs_dir=tmp_path)
    plain = error_surface(run, data="breast_cancer", grid=3)
    last = run.history[-1]["loss"]
    assert plain["loss"]["centre"] == pytest.approx(last, rel=0.2)  # of an epoch earlier, before its updates
    from entrena.job import divide, make_job, read_examples

    job = make_job(
        "breast_cancer",
        target=None,
        task=None,
        test_fraction=0.2,
        roles=None,
        rows={},
        options=None,
        metrics=(),
        own={},
    )
    training = divide(run.recipe, job, read_examples("breast_cancer", job), None).parts.training
    p = run.model.predict_proba(training.inputs)
    truth = np.searchsorted(run.schema.classes, training.targets)
    losses = -np.log(p[np.arange(len(p)), truth])
    expected = np.mean([losses[truth == k].mean() for k in (0, 1)])  # balanced: both classes count alike
    assert plain["loss"]["centre"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("fixture", ["iris", "houses"])
def test_the_path_is_the_runs(fixture, request):
    run = request.getfixturevalue(fixture)
    found = error_surface(run.path, directions="path", grid=5)
    path, best = found["path"], run.model.facts["best_epoch"]
    assert path["same_bits"] and path["epochs"] == list(range(7))
    assert path["model_epoch"] == best
    assert path["places"][best] == [0, 0] and path["off_plane"][best] == 0
    assert path["losses"][best] == pytest.approx(found["loss"]["centre"], rel=1e-6)
    assert 0.5 < sum(found["directions"]["shares"]) <= 1 + 1e-9
    for place in path["places"]:
        assert found["x"][0] < place[0] < found["x"][-1]
        assert found["y"][0] < place[1] < found["y"][-1]


def test_callbacks_see_the_weights():
    seen = []
    run = train({**TINY, "early_stopping": False}, "iris", save=False, callbacks=[lambda p: seen.append(p.weights())])
    assert len(seen) == 6
    assert np.array_equal(flat(seen[-1]), flat(run.model.params))
    assert not np.array_equal(flat(seen[0]), flat(seen[-1]))
    assert "weights" not in run.history[0]


def test_the_path_of_balanced_batches_has_the_priors(tmp_path):
    run = train({**TINY, "order": "balanced"}, "breast_cancer", runs_dir=tmp_path)
    found = error_surface(run, directions="path", grid=3)["path"]
    assert found["same_bits"]
    assert found["off_plane"][found["model_epoch"]] == 0


def test_the_path_of_a_refitted_run_is_the_last_one(tmp_path):
    run = train({**TINY, "refit": True}, "iris", runs_dir=tmp_path)
    found = error_surface(run, directions="path", grid=3)
    assert found["path"]["same_bits"] and found["path"]["epochs"][-1] == run.model.facts["refit"]["epochs"]
    assert found["rows"] == {"on": "all, on which it was trained", "n": 150, "of": 150}


def test_of_many_rows_a_sample(iris, monkeypatch):
    monkeypatch.setattr("entrena.surface.MOST_ROWS", 10)
    found = error_surface(iris, grid=3)
    assert found["rows"]["n"] == 10
    rows = rows_of(iris).training
    taken = rows.take(np.linspace(0, rows.n_rows - 1, 10).astype(int))
    assert found["loss"]["centre"] == pytest.approx(iris.model.evaluate(taken)["log_loss"], rel=1e-9)


def test_it_is_plain_and_repeatable(iris):
    first, second = (error_surface(iris, grid=3) for _ in range(2))
    assert json.loads(json.dumps(first)) == first
    first.pop("seconds"), second.pop("seconds")
    assert first == second


def test_the_data_where_they_are_now(houses, tmp_path):
    there = error_surface(houses, grid=3)["loss"]["centre"]
    file = houses.path.parents[1] / "houses.csv"
    moved = file.rename(tmp_path / "moved.csv")
    try:
        with pytest.raises(UsageError, match=r"there is no file .*houses.csv.*; name the rows with --data FILE"):
            error_surface(houses, grid=3)
        found = error_surface(houses, data=moved, grid=3)
        assert (found["loss"]["centre"], found["rows"]["on"]) == (there, "training")
        pl.read_csv(moved).head(30).write_csv(tmp_path / "other.csv")
        other = error_surface(houses, data=tmp_path / "other.csv", grid=3)
        assert other["rows"] == {"on": "all", "n": 30, "of": 30}
        with pytest.raises(DataError, match="not the data with which run .* began: its path can be trained again on"):
            error_surface(houses, data=tmp_path / "other.csv", directions="path")
        pl.read_csv(moved).drop("price").write_csv(tmp_path / "bare.csv")
        with pytest.raises(UsageError, match=r"bare.csv: a loss needs the target price"):
            error_surface(houses, data=tmp_path / "bare.csv")
    finally:
        moved.rename(file)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"directions": "paths"}, "directions: unknown name 'paths': did you mean 'path'?"),
        ({"on": "tests"}, "on: unknown name 'tests': did you mean 'test'?"),
        ({"grid": 2}, "grid: 2 is not allowed: a whole number from 3 to 101"),
        ({"grid": 102}, "grid: 102 is not allowed: a whole number from 3 to 101"),
        ({"reach": 0}, "reach: 0 is not allowed: above 0 and at most 1000"),
        ({"seed": -1}, "seed: -1 is not allowed: a whole number from 0 on"),
    ],
)
def test_what_is_not_allowed(iris, wrong, said):
    with pytest.raises(UsageError) as error:
        error_surface(iris, **wrong)
    assert str(error.value) == said


def test_runs_without_a_record(iris, tmp_path):
    model = tmp_path / "alone.safetensors"
    iris.model.save(model)
    with pytest.raises(UsageError, match="a model by itself keeps no record of its data: name the rows with --data"):
        error_surface(model)
    with pytest.raises(UsageError, match="a model by itself keeps no record of its training: name its run"):
        error_surface(model, directions="path")
    assert error_surface(model, data="iris", grid=3)["rows"] == {"on": "all", "n": 150, "of": 150}
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    run = train({**TINY, "early_stopping": False}, (X, y), runs_dir=tmp_path)
    with pytest.raises(RunError, match="did not read the data from a file: name the rows with --data"):
        error_surface(run)
    found = error_surface(run, data=(X, y), directions="path", grid=3)
    assert found["path"]["same_bits"] and found["rows"]["on"] == "training"
    with pytest.raises(UsageError, match="on: the run has no validation rows: take training"):
        error_surface(run, data=(X, y), on="validation")
    with pytest.raises(UsageError, match="a model by itself"):
        error_surface(replace(run, path=None))


def test_a_short_path(tmp_path):
    run = train({**TINY, "max_epochs": 1, "early_stopping": False}, "iris", runs_dir=tmp_path)
    with pytest.raises(UsageError, match="the path cannot be looked at: 2 points of a path: .*: take random"):
        error_surface(run, directions="path")


def test_streams_keep_no_rows(tmp_path):
    EMBEDDED["iris"].load()
    run = entrena.train_stream({"hidden": [4]}, "iris", runs_dir=tmp_path)
    with pytest.raises(RunError, match="is a stream, whose rows are gone: name the rows with --data FILE"):
        error_surface(run)
    assert error_surface(run, data="iris", grid=3)["rows"]["n"] == 150
