"""One run from data to a saved model."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss

from entrena.data import read
from entrena.errors import DataError, EntrenaError, RecipeError, RunError, StorageError, UsageError
from entrena.model import Model
from entrena.recipe import Recipe
from entrena.run import train
from entrena.storage import RunDirectory, read_history
from entrena.training import loop

QUICK = {"hidden": (16,), "max_epochs": 20}


def table(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 3))
    return X, np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")


def test_digits_reach_what_the_issue_asks(tmp_path):
    run = train(None, "digits", runs_dir=tmp_path)
    assert run.test["accuracy"] >= 0.96
    assert run.outcome.name == "out_of_epochs"
    assert run.sizes == {"training": 1438, "validation": 0, "test": 359}


def test_run_directory_holds_what_the_design_says(tmp_path):
    run = train(QUICK, "iris", runs_dir=tmp_path, name="first try")
    assert run.path.parent == tmp_path
    assert run.path.name.endswith("-first-try")
    names = {path.name for path in run.path.iterdir()}
    assert {
        "recipe.toml",
        "status.json",
        "history.jsonl",
        "history.parquet",
        "findings.json",
        "model.safetensors",
    } <= names
    assert Recipe.read(run.path / "recipe.toml") == run.recipe
    history = read_history(run.path / "history.jsonl")
    assert [record["epoch"] for record in history] == list(range(1, 21))
    assert history == [dict(record) for record in run.history]
    assert {"loss", "penalty", "validation_loss", "score", "learning_rate", "seconds"} <= set(history[0])
    assert json.loads((run.path / "findings.json").read_text()) == []
    assert RunDirectory.open(run.path).state() == "done"


def test_scores_are_scikit_learns_on_the_held_out_rows(tmp_path):
    run = train(QUICK, "iris", runs_dir=tmp_path)
    examples = read("iris")
    # The test rows are those that the model was not given: found by training on the same split without saving.
    from entrena.data import hold_out
    from entrena.training.seeds import generator

    _, held = hold_out(examples.n_rows, 0.2, generator(0, "test"), examples.targets)
    test = examples.take(held)
    p = run.model.predict_proba(test.inputs)
    assert run.test["accuracy"] == pytest.approx(accuracy_score(test.targets, run.model.predict(test.inputs)))
    assert run.test["log_loss"] == pytest.approx(log_loss(test.targets, p, labels=list(run.schema.classes)), rel=1e-6)
    assert {name: run.result[name] for name in ("score", "value", "on")} == {
        "score": "accuracy",
        "value": run.test["accuracy"],
        "on": "test",
    }
    assert run.result["low"] <= run.result["value"] <= run.result["high"]


def test_saved_model_predicts_bit_by_bit(tmp_path):
    X, y = load_digits(return_X_y=True)
    run = train({**QUICK, "precision": "float64"}, (X, y), runs_dir=tmp_path)
    loaded = Model.load(run.path)
    assert np.array_equal(loaded.predict_proba(X), run.model.predict_proba(X))
    assert loaded.recipe == run.recipe
    assert loaded.schema == run.schema
    assert loaded.facts["n_epochs"] == 20


def test_a_rows_prediction_does_not_depend_on_its_neighbours(tmp_path):
    run = train(QUICK, "digits", save=False)
    X = read("digits").inputs.matrix
    together = run.model.net_inputs(X)
    alone = np.concatenate([run.model.net_inputs(X[i : i + 1]) for i in (0, 700, 1796)])
    assert np.array_equal(together[[0, 700, 1796]], alone)
    assert run.model.net_inputs(X[:0]).shape == (0, 10)


def test_same_seed_same_bits_other_seed_others():
    first, second = (train(QUICK, "iris", save=False) for _ in range(2))
    other = train({**QUICK, "random_state": 1}, "iris", save=False)
    for a, b, c in zip(first.model.params, second.model.params, other.model.params, strict=True):
        assert np.array_equal(a["weights"], b["weights"])
        assert not np.array_equal(a["weights"], c["weights"])


def test_losses_of_a_regression_are_in_the_targets_units():
    X = np.linspace(-1, 1, 200)[:, None]
    run = train({**QUICK, "early_stopping": True}, (X, 1000 * X[:, 0] ** 3), save=False)
    # The validation loss is a mean squared error in units², the score R²: they must agree through the variance.
    best = min(run.history, key=lambda record: record["validation_loss"])
    assert run.validation["rmse"] ** 2 == pytest.approx(best["validation_loss"], rel=1e-4)
    assert run.validation["r2"] == pytest.approx(best["score"], rel=1e-4)


def test_validation_data_of_ones_own():
    X, y = table(200)
    run = train({**QUICK, "scoring": "accuracy"}, (X[:120], y[:120]), validation_data=(X[120:], y[120:]), save=False)
    assert run.sizes["validation"] == 80
    assert run.validation["accuracy"] == max(record["score"] for record in run.history)


def test_start_from_a_run_takes_over_its_weights_and_scaling(tmp_path):
    first = train(QUICK, "iris", runs_dir=tmp_path)
    # A rate so small that nothing moves: the weights must be the first run's.
    second = train(None, "iris", from_run=first.path, save=False)
    still = train(
        first.recipe.change({"learning_rate": 1e-30, "weight_decay": 0.0, "max_epochs": 1}),
        "iris",
        from_run=first.path,
        save=False,
    )
    for a, b, c in zip(first.model.params, second.model.params, still.model.params, strict=True):
        assert np.array_equal(a["weights"], c["weights"])
        assert not np.array_equal(a["weights"], b["weights"])
    X, y = table()
    with pytest.raises(RunError, match="not the model's columns: the data lack sepal"):
        train(None, (X, y), from_run=first.path, save=False)
    with pytest.raises(
        RunError, match="layers: the model has 4-16-3, the recipe 4-8-3; to start from it they must be equal"
    ):
        train({"hidden": (8,)}, "iris", from_run=first.path, save=False)


def test_two_classes_with_one_logistic_unit():
    X, y = table(300)
    run = train({**QUICK, "output": "logistic"}, (X, y), save=False)
    assert run.model.network.n_outputs == 1
    p = run.model.predict_proba(X)
    assert p.shape == (300, 2)
    assert np.allclose(p.sum(axis=1), 1)
    assert run.test["accuracy"] > 0.8


def test_several_outputs():
    X, _ = table(200)
    Y = np.stack([X[:, 0] * 100, X[:, 1] - X[:, 2]], axis=1)
    run = train({**QUICK, "max_epochs": 300}, (X, Y), save=False)
    assert run.model.predict(X).shape == (200, 2)
    assert run.test["r2"] > 0.8


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"output": "linear"}, "network.output: 'linear' does not predict classes: take softmax or logistic"),
        (
            {"scoring": "rmse"},
            "training.scoring: 'rmse' does not score classes: take one of accuracy, balanced_accuracy, log_loss, "
            "brier, roc_auc, average_precision, f1, f1_macro, precision, recall, mcc",
        ),
        ({"precision": "bfloat16"}, "training.precision: bfloat16 needs a GPU or TPU: take float32"),
        ({"device": "tpu"}, "training.device: 'tpu' is not here: this JAX sees only cpu"),
        ({"device": "gpu:7"}, "training.device: 'gpu:7' is not here: this JAX sees only cpu"),
    ],
)
def test_recipes_that_do_not_fit_the_task(recipe, message):
    with pytest.raises(EntrenaError) as caught:
        train(recipe, table(), save=False)
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


def test_recipes_that_do_not_fit_numbers():
    X, _ = table()
    with pytest.raises(RecipeError) as caught:
        train({"output": "softmax", "loss": "cross_entropy", "class_weight": "balanced"}, (X, X[:, 0]), save=False)
    assert [str(problem) for problem in caught.value.problems] == [
        "network.output: 'softmax' does not predict numbers: take linear",
        "training.loss: 'cross_entropy' is for classes; numbers need squared_error",
        "targets.class_weight: numbers have no classes: leave it out",
    ]


def test_arguments_that_are_wrong():
    with pytest.raises(UsageError, match="no data: give the name of an embedded set"):
        train()
    with pytest.raises(UsageError, match="test_fraction: 1 is not allowed: at least 0 and below 1"):
        train(None, "iris", test_fraction=1)
    with pytest.raises(UsageError, match="task: unknown name 'clasification': did you mean 'classification'"):
        train(None, "iris", task="clasification")
    with pytest.raises(RunError, match="no run"):
        train(resume="runs/nothing-here")


def test_an_exploding_loss_ends_with_a_finding_and_finite_weights(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 3))
    run = train(
        {**QUICK, "optimizer": "sgd", "learning_rate": 1e6, "schedule": "constant"}, (X, X[:, 0]), runs_dir=tmp_path
    )
    assert run.outcome.name == "diverged"
    assert run.outcome.sentence.startswith("Diverged in epoch ")
    assert all(np.isfinite(layer["weights"]).all() for layer in Model.load(run.path).params)
    (finding,) = json.loads((run.path / "findings.json").read_text())
    assert finding["name"] == "diverged"
    assert finding["advice"] == "The rate 1e+06 is too high for this network: try --set learning_rate=0.05."


def test_a_read_only_disk_is_said(mount):
    disk = mount("size=1m", "ro")
    with pytest.raises(StorageError, match="read-only"):
        train(QUICK, "iris", runs_dir=disk / "runs")


def test_a_full_disk_ends_the_run_with_a_message_and_what_was_saved_is_kept(mount, monkeypatch):
    disk = mount("size=256k")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 0)

    def fill(progress):
        if progress.epoch == 10:
            with open(disk / "other", "wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1024))

    with pytest.raises(StorageError, match="no space left"):
        train(QUICK, "iris", runs_dir=disk, callbacks=[fill])
    (path,) = (path for path in disk.iterdir() if path.is_dir())
    (disk / "other").unlink()
    assert RunDirectory.open(path).state() in ("failed", "interrupted", "running")
    resumed = train(resume=path)
    whole = train(QUICK, "iris", save=False)
    assert resumed.n_epochs == 20
    for a, b in zip(resumed.model.params, whole.model.params, strict=True):
        assert np.array_equal(a["weights"], b["weights"])


@settings(max_examples=12)
@given(
    n_rows=st.integers(2, 40),
    n_columns=st.integers(1, 4),
    batch_size=st.integers(1, 60),
    hidden=st.sampled_from([(), (1,), (3, 2)]),
    classes=st.booleans(),
)
def test_any_shape_trains(n_rows, n_columns, batch_size, hidden, classes):
    generator = np.random.default_rng(n_rows)
    X = generator.normal(size=(n_rows, n_columns))
    y = np.arange(n_rows) % 2 == 0 if classes else X[:, 0]
    recipe = {"hidden": hidden, "batch_size": batch_size, "max_epochs": 2}
    run = train(recipe, (X, y), save=False, test_fraction=0)
    assert run.n_epochs == 2
    assert all(np.isfinite(record["loss"]) for record in run.history)
    assert len(run.model.predict(X)) == n_rows


def test_one_column_and_batch_larger_than_the_data():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    run = train({"hidden": (), "batch_size": 1000, "max_epochs": 3}, (X, X[:, 0] * 0.5), save=False, test_fraction=0)
    assert run.result is None
    assert run.n_epochs == 3


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(rows):
    X, y = table(10)
    with pytest.raises(DataError):
        train(QUICK, (X[:rows], y[:rows]), save=False)


def test_callbacks_see_the_history_and_can_stop():
    seen = []

    def stop_at_five(progress):
        seen.append(progress.record())
        return "stop" if progress.epoch == 5 else None

    run = train(QUICK, "iris", callbacks=[stop_at_five], save=False)
    assert run.n_epochs == 5
    assert run.outcome.name == "stopped_by_callback"
    assert seen == [dict(record) for record in run.history]


class Watcher:
    def __init__(self):
        self.epochs = []

    def on_look(self, progress):
        self.epochs.append(progress.epoch)


def test_callbacks_of_every_kind():
    watcher = Watcher()
    train(QUICK, "iris", callbacks=watcher, save=False)
    assert watcher.epochs == list(range(1, 21))
    with pytest.raises(UsageError, match="callbacks: 3 is neither a function of a Progress nor has a method on_look"):
        train(QUICK, "iris", callbacks=[3], save=False)
    run = train(QUICK, "iris", callbacks=lambda progress: "stop" if progress.epoch == 20 else None, save=False)
    assert run.outcome.name == "out_of_epochs"


def test_a_score_that_cannot_be_computed_is_said_before_training():
    X, y = table(200)
    held = X[y == "yes"], y[y == "yes"]
    with pytest.raises(DataError, match="training.scoring: 'roc_auc' cannot be computed on these validation rows"):
        train({**QUICK, "scoring": "roc_auc"}, (X, y), validation_data=held, save=False)


def test_starting_from_a_model_that_differs_is_refused(tmp_path):
    first = train({**QUICK, "activation": "tanh"}, "iris", runs_dir=tmp_path)
    for changed, message in [
        ({"activation": "relu"}, "activation: the model has tanh, the recipe relu"),
        ({"scale": "none"}, "scale: the model has standard, the recipe none"),
    ]:
        with pytest.raises(RunError, match=message):
            train(changed, "iris", from_run=first.path, save=False)


def test_a_model_predicts_where_its_device_is_absent(tmp_path):
    run = train(QUICK, "iris", save=False)
    elsewhere = replace(run.model, recipe=run.recipe.change({"device": "gpu"}))
    X = read("iris").inputs.matrix
    assert np.array_equal(elsewhere.predict(X.tolist()), run.model.predict(X))


def test_what_to_try_after_a_divergence(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 3))
    far = train({**QUICK, "optimizer": "sgd", "learning_rate": 1e30, "schedule": "constant"}, (X, X[:, 0]), save=False)
    assert far.findings[0].advice.endswith("try --set learning_rate=0.05.")
    heavy = train({**QUICK, "weight_decay": 1e9}, (X, X[:, 0]), save=False)
    assert heavy.findings[0].technique == "regularization.weight_decay"
    assert len(repr(far)) < 200


def test_a_constant_target_is_refused():
    X = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(DataError, match="has the same value in every row, 3.5: there is nothing to learn"):
        train(QUICK, (X, np.full(20, 3.5)), save=False)


@pytest.mark.parametrize("first", ["houses.csv", "iris", ([[1.0]], [1])])
def test_the_table_in_the_recipes_place(first):
    with pytest.raises(UsageError, match=r"^the first argument is the recipe, not the data: train\(data="):
        train(first, "price")
