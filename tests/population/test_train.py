"""`population.train`: each network as `entrena.train` makes it, saved, and resumed as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import entrena
from entrena import Recipe, finished_run, load, population
from entrena.errors import DataError, RecipeError, RunError, UsageError
from entrena.population import saved
from entrena.population.variants import make_variants
from entrena.storage import RunDirectory, list_runs
from entrena.training import many

QUICK = {"hidden": [6], "max_epochs": 5, "precision": "float64"}


def made_up(n=200, seed=0):
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n, 3))
    target = np.where(x[:, 0] - x[:, 1] + 0.5 * chance.normal(size=n) > 0, "yes", "no")
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": target})


def histories(runs):
    return [[{k: v for k, v in line.items() if k != "seconds"} for line in run.history] for run in runs]


def assert_equal_weights(one, two):
    for a, b in zip(one.model.params, two.model.params, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("early", [False, True], ids=["", "validated"])
def test_each_is_what_train_makes_of_its_recipe(early):
    recipes = [Recipe(**QUICK, learning_rate=rate, early_stopping=early) for rate in (0.003, 0.01, 0.03)]
    found = population.train(recipes, made_up(), target="y", save=False)
    assert found.path is None
    for run, recipe in zip(found.runs, recipes, strict=True):
        alone = entrena.train(recipe, made_up(), target="y", save=False)
        assert run.recipe == recipe
        assert (run.sizes, run.outcome.name) == (alone.sizes, alone.outcome.name)
        assert run.test == pytest.approx(alone.test, rel=1e-9)
        assert (run.validation is None) == (alone.validation is None) == (not early)
        assert (run.validation or {}) == pytest.approx(alone.validation or {}, rel=1e-9)
        assert run.comparison["models"]["linear"] == alone.comparison["models"]["linear"]
        for name in ("loss", "validation_loss") if early else ("loss",):
            theirs = [line[name] for line in alone.history]
            assert [line[name] for line in run.history] == pytest.approx(theirs, rel=1e-9)


def test_seeds_move_weights_and_orders_but_not_the_rows():
    found = population.train([{**QUICK, "random_state": k} for k in range(3)], made_up(), target="y", save=False)
    first, *others = found.runs
    assert all(run.data == first.data and run.sizes == first.sizes for run in others)
    # The linear model beside them is fitted to the same rows and scored on the same rows.
    linear = [run.comparison["models"]["linear"]["value"] for run in found.runs]
    assert len(set(linear)) == 1
    losses = {run.test["log_loss"] for run in found.runs}
    assert len(losses) == 3
    other = population.train([{**QUICK}], made_up(), target="y", split_seed=7, save=False)
    assert other.runs[0].test != first.test


def test_it_is_saved_as_runs():
    found = population.train(make_variants(Recipe(**QUICK), {"activation": ["relu", "tanh"]}), "iris", name="two")
    assert found.path.name.endswith("-population-two")
    assert [run.path.name for run in found.runs] == ["001", "002"]
    for run in found.runs:
        assert load(run.path).n_features_in_ == 4
        assert entrena.Model.load(run.path).fingerprint() == run.model.fingerprint()
        assert pl.read_parquet(run.path / "history.parquet")["loss"].to_list() == [line["loss"] for line in run.history]
    assert {run.kind for run in list_runs("runs")} == {"population"}
    assert [run.state for run in list_runs(found.path)] == ["done", "done"]
    assert found.best.result["value"] == max(run.result["value"] for run in found.runs)


def interrupt_after(n):
    """A callback that asks for the end as Ctrl-C does."""
    seen = []

    def on_look(progress):
        seen.append(progress.epoch)
        if len(seen) == n:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)

    return on_look


def test_interrupted_and_resumed_it_is_the_same_bit_by_bit():
    recipes = [Recipe(**{**QUICK, "max_epochs": 30}, random_state=k, early_stopping=True) for k in range(6)]
    whole = population.train(recipes, "iris", save=False)
    half = population.train(recipes, "iris", callbacks=[interrupt_after(20)])
    assert {run.outcome.name for run in half.runs} == {"interrupted"}
    assert RunDirectory(half.path).state() == "interrupted"
    again = population.train(resume=half.path)
    assert again.path == half.path and RunDirectory(again.path).state() == "done"
    assert histories(again.runs) == histories(whole.runs)
    for one, two in zip(again.runs, whole.runs, strict=True):
        assert_equal_weights(one, two)
        assert one.outcome == two.outcome


def test_killed_and_resumed_it_is_the_same_bit_by_bit(tmp_path):
    """A process that is killed leaves its last checkpoint, and a state that says so."""
    program = f"""
import entrena.training.loop as loop
loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_SHARE = 0
from entrena import population
import time
def slow(progress):
    time.sleep(0.01)
population.train([{{**{QUICK!r}, "max_epochs": 40, "random_state": k}} for k in range(4)], "iris", callbacks=[slow])
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/*/checkpoint/checkpoint.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)
    process.kill()
    process.wait()
    (path,) = (tmp_path / "runs").iterdir()
    assert RunDirectory(path).state() == "interrupted"
    saved = json.loads((path / "checkpoint" / "checkpoint.json").read_text())
    reached = [each["epoch"] for each in saved["record"]["reached"].values()]
    assert 0 < min(reached) < 40
    again = population.train(resume=path)
    whole = population.train([{**QUICK, "max_epochs": 40, "random_state": k} for k in range(4)], "iris", save=False)
    assert histories(again.runs) == histories(whole.runs)
    for one, two in zip(again.runs, whole.runs, strict=True):
        assert_equal_weights(one, two)


def test_one_that_diverged_says_the_same_after_a_resumption():
    recipes = [Recipe(**{**QUICK, "max_epochs": 30}, optimizer="sgd", learning_rate=rate) for rate in (0.01, 1e30)]
    whole = population.train(recipes, "iris", save=False)
    half = population.train(recipes, "iris", callbacks=[interrupt_after(15)])
    again = population.train(resume=half.path)
    assert [run.outcome for run in again.runs] == [run.outcome for run in whole.runs]
    assert whole.runs[1].outcome.name == "diverged"


def test_ctrl_c_while_networks_are_refitted(monkeypatch):
    recipes = [Recipe(**QUICK, refit=True, random_state=k) for k in range(3)]
    refits = []
    refit = finished_run.refit

    def interrupted_once(*arguments):
        refits.append(1)
        if len(refits) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        return refit(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(finished_run, "refit", interrupted_once)
        with pytest.raises(KeyboardInterrupt, match="goes on with it"):
            population.train(recipes, "iris")
    (path,) = Path("runs").iterdir()
    assert RunDirectory(path).state() == "interrupted"
    again = population.train(resume=path)
    assert [run.model.facts["refit"]["rows"] for run in again.runs] == [150] * 3


def test_many_shares_write_their_checkpoints_seldom(monkeypatch):
    """What ends at many moments is written in a tenth of the time at most, and whole at the end."""
    monkeypatch.setattr(many, "MOST_ON_A_CORE", 1)
    written = []
    save = saved.save_checkpoint

    def slow(*arguments):
        written.append(len(arguments[2]["reached"]))
        time.sleep(0.5)
        save(*arguments)

    monkeypatch.setattr(saved, "save_checkpoint", slow)
    recipes = [Recipe(**{**QUICK, "max_epochs": 2}, random_state=k) for k in range(12)]
    population.train(recipes, "iris")
    assert len(written) < 6
    assert written[-1] == 12


def test_what_cannot_be_resumed(tmp_path):
    recipes = [Recipe(**QUICK)]
    done = population.train(recipes, "iris")
    with pytest.raises(RunError, match="is done: there is nothing to go on with"):
        population.train(resume=done.path)
    with pytest.raises(UsageError, match="leave out recipes, name"):
        population.train(recipes, resume=done.path, name="x")
    run = entrena.train(recipes[0], "iris")
    with pytest.raises(RunError, match="is a run, not a population: entrena train --resume"):
        population.train(resume=run.path)
    half = population.train(recipes * 2, made_up(), target="y", callbacks=[interrupt_after(2)])
    with pytest.raises(UsageError, match="handed in from Python: give the same"):
        population.train(resume=half.path)
    with pytest.raises(DataError, match="not the data with which"):
        population.train(data=made_up(seed=1), resume=half.path)
    with pytest.raises(RunError, match="is a population, not a run"):
        entrena.train(resume=half.path)
    again = population.train(data=made_up(), resume=half.path)
    assert {run.outcome.name for run in again.runs} == {"out_of_epochs"}


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        (None, "recipes: give a list of them"),
        (Recipe(), "recipes: give a list of them"),
        ([], "the list is empty"),
        ([1], "recipe: 1 is neither a Recipe nor a mapping"),
        ([None], "recipe: None is neither a Recipe nor a mapping"),
        ([{"activaton": "relu"}], "did you mean 'activation'?"),
    ],
)
def test_wrong_recipes_end_in_a_message(recipes, message):
    with pytest.raises((UsageError, RecipeError), match=message.replace("?", r"\?")):
        population.train(recipes, "iris")
    assert not Path("runs").exists()


def test_one_bad_recipe_among_many_leaves_no_directory():
    with pytest.raises(RecipeError, match="training.loss"):
        population.train([Recipe(**QUICK), Recipe(**QUICK, loss="cross_entropy")], "diabetes")
    assert not Path("runs").exists()


def test_the_directory_of_a_population_is_no_model():
    found = population.train([Recipe(**QUICK)] * 2, "iris", save=True)
    with pytest.raises(UsageError, match="holds many runs: name one of them, such as runs/.*/001"):
        load(found.path)
    assert not (found.path / "checkpoint").exists()  # nothing is left to go on with
