"""A run that was stopped goes on to the same weights, history and result, bit by bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from entrena.errors import DataError, RunError, StorageError, UsageError
from entrena.model import Model
from entrena.run import train
from entrena.storage import RunDirectory, read_history

# A child that trains slowly enough to be killed: each look waits a little, and every look writes a checkpoint.
CHILD = """
import json, sys, time
from entrena.training import loop
loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, 0
from entrena.run import train
recipe, runs_dir, resume = json.loads(sys.argv[1])
def wait(progress):
    time.sleep(0.01)
if resume:
    train(resume=resume, callbacks=[wait])
else:
    train(recipe, "two_spirals", runs_dir=runs_dir, name="killed", callbacks=[wait])
"""


def without_times(records):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def assert_same_run(one, other):
    a, b = Model.load(one), Model.load(other)
    for left, right in zip(a.params, b.params, strict=True):
        assert np.array_equal(left["weights"], right["weights"])
        assert np.array_equal(left["biases"], right["biases"])
    histories = [without_times(read_history(path / "history.jsonl")) for path in (one, other)]
    assert histories[0] == histories[1]
    assert [a.facts[key] for key in ("outcome", "n_epochs", "best_epoch", "test")] == [
        b.facts[key] for key in ("outcome", "n_epochs", "best_epoch", "test")
    ]


@pytest.mark.parametrize(
    "recipe",
    [
        {"optimizer": "sgd", "schedule": "cosine", "early_stopping": True},
        {"optimizer": "adamw", "schedule": "one_cycle"},
        {"optimizer": "adam", "schedule": "constant", "early_stopping": True, "patience": 60, "precision": "float64"},
    ],
    ids=lambda recipe: f"{recipe['optimizer']}-{recipe['schedule']}",
)
def test_killed_at_random_moments(tmp_path, recipe, seed):
    chance = random.Random(seed)
    recipe = {**recipe, "hidden": [8], "max_epochs": 60}
    whole = train(recipe, "two_spirals", runs_dir=tmp_path / "whole")

    arguments = [recipe, str(tmp_path / "killed"), None]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    kills, reached = 0, None
    for _ in range(12):
        child = subprocess.Popen([sys.executable, "-c", CHILD, json.dumps(arguments)], env=environment)
        while child.poll() is None:  # begin to count when there is something to lose
            found = list((tmp_path / "killed").glob("*/history.jsonl"))
            if found and found[0].stat().st_size:
                reached = found[0].parent
                break
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.4))
        if child.poll() is None and kills < 3:
            child.send_signal(signal.SIGKILL)
            kills += 1
        status = child.wait()
        runs = [path for path in (tmp_path / "killed").glob("*") if (path / "status.json").exists()]
        if status == 0:
            break
        assert status == -signal.SIGKILL
        if RunDirectory.open(runs[0]).state() == "done":
            break  # killed on its way out
        assert RunDirectory.open(runs[0]).state() == "interrupted"
        arguments[2] = str(runs[0])
    assert kills >= 1, f"nothing was killed ({reached})"
    assert RunDirectory.open(runs[0]).state() == "done"
    assert_same_run(whole.path, runs[0])


def test_interrupted_by_ctrl_c_keeps_the_best_model_and_goes_on(tmp_path):
    recipe = {"hidden": (8,), "max_epochs": 40, "early_stopping": True}
    whole = train(recipe, "iris", runs_dir=tmp_path / "whole")

    def interrupt(progress):
        if progress.epoch == 7:
            signal.raise_signal(signal.SIGINT)

    run = train(recipe, "iris", runs_dir=tmp_path / "cut", callbacks=[interrupt])
    assert run.outcome.name == "interrupted"
    assert run.outcome.sentence.startswith("Interrupted after ")
    assert Model.load(run.path).facts["outcome"] == "interrupted"
    assert RunDirectory.open(run.path).state() == "interrupted"
    resumed = train(resume=run.path)
    assert resumed.outcome.name == whole.outcome.name
    assert_same_run(whole.path, run.path)


def test_wrong_resumptions_are_explained(tmp_path):
    recipe = {"hidden": (8,), "max_epochs": 40}
    X = np.random.default_rng(0).normal(size=(50, 2))
    y = X[:, 0] > 0

    def interrupt(progress):
        if progress.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    done = train(recipe, "iris", runs_dir=tmp_path)
    with pytest.raises(RunError, match=r"run '.*-iris' is done: --from .*-iris starts a new run from its weights"):
        train(resume=done.path)
    cut = train(recipe, (X, y), runs_dir=tmp_path, callbacks=[interrupt])
    with pytest.raises(UsageError, match="was trained on data handed in from Python: give the same"):
        train(resume=cut.path)
    with pytest.raises(DataError, match="not the data with which run '.*' began: --resume needs the same rows"):
        train(resume=cut.path, data=(X + 1, y))
    assert train(resume=cut.path, data=(X, y)).n_epochs == 40


def test_two_processes_cannot_train_one_run(tmp_path):
    def interrupt(progress):
        if progress.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    cut = train({"hidden": (8,), "max_epochs": 40}, "iris", runs_dir=tmp_path, callbacks=[interrupt])
    code = f"""
from entrena.storage import RunDirectory
import time
with RunDirectory({str(cut.path)!r}):
    print("locked", flush=True)
    time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match=f"is being trained by process {holder.pid}"):
            train(resume=cut.path)
        holder.kill()
    assert train(resume=cut.path).n_epochs == 40


def interrupt_at(epoch):
    def interrupt(progress):
        if progress.epoch == epoch:
            signal.raise_signal(signal.SIGINT)

    return interrupt


def test_a_run_that_fails_while_its_end_is_written_down_has_ended_all_the_same(tmp_path, monkeypatch):
    recipe = {"hidden": (8,), "schedule": "constant", "early_stopping": True, "patience": 3, "learning_rate": 0.05}
    whole = train(recipe, "iris", runs_dir=tmp_path / "whole")
    assert whole.outcome.name == "stopped_early"
    with monkeypatch.context() as broken:
        broken.setattr(Model, "save", lambda *_: (_ for _ in ()).throw(StorageError("no space left")))
        with pytest.raises(StorageError):
            train(recipe, "iris", runs_dir=tmp_path / "cut")
    (cut,) = (tmp_path / "cut").iterdir()
    assert RunDirectory.open(cut).state() == "failed"
    train(resume=cut)
    assert_same_run(whole.path, cut)
    assert RunDirectory.open(cut).status()["error"] is None


def test_a_callback_that_fails_loses_nothing(tmp_path):
    recipe = {"hidden": (8,), "max_epochs": 30}
    whole = train(recipe, "iris", runs_dir=tmp_path / "whole")

    def fail(progress):
        if progress.epoch == 17:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(recipe, "iris", runs_dir=tmp_path / "cut", callbacks=fail)
    (cut,) = (tmp_path / "cut").iterdir()
    seen = []
    train(resume=cut, callbacks=[lambda progress: seen.append(progress.epoch)])
    assert seen[0] == 18
    assert_same_run(whole.path, cut)


def test_a_run_from_a_model_resumes_with_its_columns_in_another_order(tmp_path):
    generator = np.random.default_rng(0)
    table = pl.DataFrame(generator.normal(size=(80, 3)), schema=["a", "b", "c"])
    table = table.with_columns(y=pl.when(pl.col("a") > 0).then(pl.lit("yes")).otherwise(pl.lit("no")))
    table.write_csv(tmp_path / "one.csv")
    table.select("c", "y", "a", "b").write_csv(tmp_path / "two.csv")
    recipe = {"hidden": (8,), "max_epochs": 20}
    first = train(recipe, tmp_path / "one.csv", target="y", runs_dir=tmp_path)
    options = {"target": "y", "from_run": first.path}
    whole = train(None, tmp_path / "two.csv", runs_dir=tmp_path / "whole", **options)
    cut = train(None, tmp_path / "two.csv", runs_dir=tmp_path / "cut", callbacks=interrupt_at(5), **options)
    assert cut.outcome.name == "interrupted"
    train(resume=cut.path)
    assert_same_run(whole.path, cut.path)


def test_other_validation_rows_or_another_start_are_refused(tmp_path):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 2))
    y = X[:, 0] > 0
    recipe = {"hidden": (8,), "max_epochs": 20}
    cut = train(recipe, (X, y), validation_data=(X, y), runs_dir=tmp_path, callbacks=interrupt_at(5))
    with pytest.raises(UsageError, match="was given validation_data: give the same"):
        train(resume=cut.path, data=(X, y))
    with pytest.raises(DataError, match="not the validation rows with which run"):
        train(resume=cut.path, data=(X, y), validation_data=(X[:30], y[:30]))
    first = train(recipe, "iris", runs_dir=tmp_path, name="first")
    cut = train(None, "iris", from_run=first.path, runs_dir=tmp_path, callbacks=interrupt_at(5))
    other = train({**recipe, "random_state": 3}, "iris", runs_dir=tmp_path, name="other")
    other.model.save(first.path / "model.safetensors")
    with pytest.raises(RunError, match="is not the model any more from which run"):
        train(resume=cut.path)


def test_a_folder_of_the_name_of_an_embedded_set_is_no_obstacle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris").mkdir()
    cut = train({"hidden": (8,), "max_epochs": 20}, "iris", runs_dir="runs", callbacks=interrupt_at(5))
    assert train(resume=cut.path).n_epochs == 20


def test_choices_beside_resume_are_refused(tmp_path):
    with pytest.raises(UsageError, match="resume goes on with the run's own choices: leave out recipe, task"):
        train({"max_epochs": 3}, resume=tmp_path, task="regression")


def test_a_recipe_that_was_changed_is_refused(tmp_path):
    cut = train({"hidden": (8,), "max_epochs": 20}, "iris", runs_dir=tmp_path, callbacks=interrupt_at(5))
    recipe = cut.path / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(text.replace("max_epochs = 20", "max_epochs = 4"))
    with pytest.raises(RunError, match=r"recipe.toml was changed since the run began: put it back"):
        train(resume=cut.path)
    recipe.write_text(text)
    assert train(resume=cut.path).n_epochs == 20
