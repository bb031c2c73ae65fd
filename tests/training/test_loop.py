"""The loop: what is shown, what is recorded, what is kept, and how it ends."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.special import logsumexp

from entrena.registry import Choice
from entrena.training import loop
from entrena.training.loop import train_network
from entrena.training.parts import TrainingPart, blank_table, without_weight_zero
from entrena.training.rates import rates
from entrena.training.seeds import generator as seeded
from entrena.training.watching import Watchers
from tests.training.same_run import assert_bitwise, assert_same_run, without_seconds


def forward(params, X):
    y = np.asarray(X, float)
    for layer in params[:-1]:
        y = np.tanh(y @ layer["weights"] + layer["biases"])
    return y @ params[-1]["weights"] + params[-1]["biases"]


def cross_entropies(params, part) -> np.ndarray:
    z = forward(params, part.inputs)
    return logsumexp(z, axis=1) - (part.targets * z).sum(axis=1)


# --- the whole loop, rewritten in NumPy -------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("mode", ["online", "mini_batch", "batch"])
def test_a_run_equals_a_loop_in_numpy(mode, weighted, make_problem):
    n, rate, momentum, decay, n_epochs = 22, 0.1, 0.6, 0.02, 4
    weight = np.random.default_rng(3).uniform(0.2, 2, n) if weighted else None
    if weight is not None:
        weight /= weight.mean()
    problem = make_problem(n, dtype="float64", weight=weight)
    plan = problem.plan(
        optimizer="sgd",
        momentum=momentum,
        learning_rate=rate,
        weight_decay=decay,
        schedule="cosine",
        mode=mode,
        batch_size=5,
        max_epochs=n_epochs,
        precision="float64",
        early_stopping=True,
        seed=6,
    )
    result = problem.run(plan)
    params = [dict(layer) for layer in problem.network.initialize(seeded(6, "weights"), np.float64)]
    velocity = jax.tree.map(np.zeros_like, params)
    X, targets = problem.training.inputs, problem.training.targets
    size = {"online": 1, "mini_batch": 5, "batch": n}[mode]
    of_row = np.ones(n) if weight is None else weight
    per_epoch = math.ceil(n / size)
    looks = []
    for epoch in range(n_epochs):
        sequence = np.arange(n) if mode == "batch" else seeded(6, "order", epoch).permutation(n)
        total = 0.0
        for i in range(per_epoch):
            rows = sequence[i * size : (i + 1) * size]
            losses = cross_entropies(params, TrainingPart(X[rows], targets[rows]))
            total += of_row[rows] @ losses
            hidden = np.tanh(X[rows] @ params[0]["weights"] + params[0]["biases"])
            z = hidden @ params[1]["weights"] + params[1]["biases"]
            p = np.exp(z - logsumexp(z, axis=1, keepdims=True))
            upper = (of_row[rows] / len(rows))[:, None] * (p - targets[rows])
            lower = upper @ params[1]["weights"].T * (1 - hidden**2)
            now = rate * (1 + np.cos(np.pi * (epoch * per_epoch + i) / (n_epochs * per_epoch))) / 2
            for number, (y, delta) in enumerate([(X[rows], lower), (hidden, upper)]):
                layer, v = params[number], velocity[number]
                v["weights"] = momentum * v["weights"] + y.T @ delta + decay * layer["weights"]
                v["biases"] = momentum * v["biases"] + delta.sum(axis=0)
                for name in layer:
                    layer[name] = layer[name] - now * v[name]
        penalty = decay / 2 * sum((layer["weights"] ** 2).sum() for layer in params)
        held = cross_entropies(params, problem.validation).mean()
        looks.append([epoch + 1, (epoch + 1) * per_epoch, total / of_row.sum(), penalty, held, now])
    names = ("epoch", "update", "loss", "penalty", "validation_loss", "learning_rate")
    np.testing.assert_allclose([[record[name] for name in names] for record in result.history], looks, rtol=1e-10)
    assert set(result.history[0]) == {*names, "score", "seconds"}
    assert result.outcome.name == "out_of_epochs"
    for got, layer in zip(result.checkpoint.state.params, params, strict=True):
        for name in layer:
            np.testing.assert_allclose(got[name], layer[name], rtol=1e-9, atol=1e-12)


def test_loss_unit_is_a_factor_of_what_is_reported_and_nothing_else(make_problem):
    problem = make_problem(numbers=True)
    plan = problem.plan(loss="squared_error", max_epochs=5, optimizer="sgd", weight_decay=0.1)
    plain, scaled = problem.run(plan), problem.run(plan, loss_unit=9.0)
    assert_bitwise(plain.params, scaled.params)
    for a, b in zip(plain.history, scaled.history, strict=True):
        for name in ("loss", "penalty", "validation_loss"):
            assert b[name] == pytest.approx(9 * a[name], rel=1e-12)
        assert a["score"] == b["score"]


def test_penalty_is_0_where_the_decay_is_no_part_of_the_gradient(make_problem):
    problem = make_problem()
    for settings in ({"optimizer": "adamw", "weight_decay": 0.1}, {"optimizer": "sgd", "weight_decay": 0.0}):
        assert {record["penalty"] for record in problem.run(problem.plan(max_epochs=3, **settings)).history} == {0.0}


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weight_2_is_the_row_twice(make_problem):
    counts = np.array([1, 2, 3, 1, 1, 2, 1, 1])
    problem = make_problem(8, 0, dtype="float64", weight=counts / counts.mean())
    twice = np.repeat(np.arange(8), counts)
    repeated = replace(problem, training=TrainingPart(problem.training.inputs[twice], problem.training.targets[twice]))
    settings = {"mode": "batch", "optimizer": "adam", "precision": "float64", "max_epochs": 30, "learning_rate": 0.05}
    a, b = (p.run(p.plan(**settings)) for p in (problem, repeated))
    for x, y in zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose([r["loss"] for r in a.history], [r["loss"] for r in b.history], rtol=1e-10)


@pytest.mark.parametrize("mode", ["online", "mini_batch", "batch"])
def test_weight_0_is_absent(mode, make_problem):
    weight = np.random.default_rng(0).uniform(0.5, 1.5, 22)
    weight[[0, 3, 4, 21]] = 0
    problem = make_problem(weight=weight)
    kept = weight > 0
    part = TrainingPart(problem.training.inputs[kept], problem.training.targets[kept], weight[kept])
    absent = replace(problem, training=part)
    settings = {"mode": mode, "batch_size": 4, "max_epochs": 3}
    assert problem.plan(**settings) == absent.plan(**settings)
    assert_same_run(problem.run(problem.plan(**settings)), absent.run(absent.plan(**settings)))
    assert without_weight_zero(absent.training) is absent.training


def test_batch_mode_is_one_mini_batch_of_all_rows(make_problem):
    problem = make_problem(dtype="float64")
    settings = {"optimizer": "sgd", "precision": "float64", "max_epochs": 10}
    a = problem.run(problem.plan(mode="batch", **settings))
    b = problem.run(problem.plan(mode="mini_batch", batch_size=22, **settings))
    for x, y in zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("n_rows", "n_validation", "batch_size"), [(1, 0, 4), (1, 1, 1), (3, 2, 50), (2, 0, "auto")])
@pytest.mark.parametrize("hidden", [(), (2,)], ids=len)
def test_smallest_data(n_rows, n_validation, batch_size, hidden, make_problem):
    problem = make_problem(n_rows, n_validation, hidden)
    result = problem.run(problem.plan(mode="mini_batch", batch_size=batch_size, max_epochs=2))
    assert len(result.history) == 2
    assert all(math.isfinite(record["loss"]) for record in result.history)
    first = problem.network.initialize(seeded(0, "weights"))
    if n_rows <= 4:  # one update: the loss of the first epoch is that of the initial weights
        assert result.history[0]["loss"] == pytest.approx(cross_entropies(first, problem.training).mean(), rel=1e-5)


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["mini_batch", "batch"])
def test_the_cutting_into_calls_changes_no_bit(mode, make_problem):
    weight = np.random.default_rng(0).uniform(0.5, 1.5, 22)
    problem = make_problem(weight=weight / weight.mean())
    plan = replace(problem.plan(mode=mode, batch_size=3, max_epochs=7, early_stopping=True), epochs_a_call=7)
    whole = problem.run(plan)
    for epochs in (1, 3, 16):
        assert_same_run(whole, problem.run(replace(plan, epochs_a_call=epochs)))
    if mode == "mini_batch":
        assert plan.n_updates == 8
        for updates in (3, 5, 11):
            assert_same_run(whole, problem.run(replace(plan, epochs_a_call=1, updates_a_call=updates)))


def test_computing_ahead_changes_no_bit(make_problem, monkeypatch):
    problem = make_problem()
    plan = replace(problem.plan(max_epochs=9, early_stopping=True, patience=2), epochs_a_call=2)
    runs = []
    for seconds in (-1.0, 1e9):
        monkeypatch.setattr(loop, "AHEAD_SECONDS", seconds)
        runs.append(problem.run(plan))
    assert_same_run(*runs)


def test_a_seed_is_repeated_bit_by_bit(make_problem):
    problem = make_problem()
    a, b, c = (problem.run(problem.plan(max_epochs=3, seed=seed)) for seed in (1, 1, 2))
    assert_same_run(a, b)
    assert not np.array_equal(a.params[0]["weights"], c.params[0]["weights"])


def test_float64_is_float64_and_leaves_the_users_jax_alone(make_problem):
    assert not jax.config.jax_enable_x64
    settings = {"optimizer": "sgd", "max_epochs": 3, "weight_decay": 0.01}
    problem = make_problem(dtype="float64")
    double = problem.run(problem.plan(precision="float64", **settings))
    single = problem.run(problem.plan(**settings))
    assert not jax.config.jax_enable_x64
    assert {leaf.dtype for leaf in jax.tree.leaves(double.params)} == {np.dtype(np.float64)}
    assert {leaf.dtype for leaf in jax.tree.leaves(single.params)} == {np.dtype(np.float32)}
    # More digits than float32 has: no weight is a float32 number.
    weights = double.params[0]["weights"]
    assert (weights != weights.astype(np.float32)).all()
    np.testing.assert_allclose(weights, single.params[0]["weights"], rtol=1e-4, atol=1e-5)
    with jax.enable_x64(True):  # a user who has 64 bits switched on gets the same single precision
        assert_same_run(single, problem.run(problem.plan(**settings)))


def test_given_first_weights_are_used_and_not_touched(make_problem):
    problem = make_problem(n_validation=0)
    start = problem.network.initialize(np.random.default_rng(99))
    before = jax.tree.map(np.copy, start)
    plan = problem.plan(mode="batch", max_epochs=2)
    result = problem.run(plan, start=start)
    assert result.history[0]["loss"] == pytest.approx(cross_entropies(start, problem.training).mean(), rel=1e-5)
    assert_bitwise(start, before)


# --- best weights and ends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs_a_call", [1, 4])
def test_the_best_weights_by_validation_loss_are_kept(epochs_a_call, make_problem):
    problem = make_problem(hidden=(20,))
    plan = problem.plan(mode="mini_batch", batch_size=4, max_epochs=40, optimizer="adam", schedule="constant")
    result = problem.run(replace(plan, epochs_a_call=epochs_a_call, patience=None))
    losses = [record["validation_loss"] for record in result.history]
    best = int(np.argmin(losses))
    assert 0 < best < 39  # a case that overfits
    assert (result.best.epoch, result.best.value) == (best + 1, losses[best])
    assert cross_entropies(result.params, problem.validation).mean() == pytest.approx(losses[best], rel=1e-5)
    last = cross_entropies(result.checkpoint.state.params, problem.validation).mean()
    assert last == pytest.approx(losses[-1], rel=1e-5)
    assert result.outcome.sentence == f"All 40 epochs were run. The weights of epoch {best + 1}, the best, are kept."


@pytest.mark.parametrize(("scoring", "sign"), [("accuracy", 1), ("log_loss", -1)])
def test_the_best_weights_by_a_score_are_kept(scoring, sign, make_problem):
    problem = make_problem()
    answers = iter([0.5, 0.7, 0.6, 0.7, 0.4, 0.5])
    problem = replace(problem, validation=replace(problem.validation, score=lambda z: next(answers)))
    result = problem.run(problem.plan(max_epochs=6, scoring=scoring))
    assert [record["score"] for record in result.history] == [0.5, 0.7, 0.6, 0.7, 0.4, 0.5]
    assert result.best.epoch == (2 if sign == 1 else 5)  # the first of equals
    expected = result.history[result.best.epoch - 1]["validation_loss"]
    assert cross_entropies(result.params, problem.validation).mean() == pytest.approx(expected, rel=1e-5)


def test_the_score_sees_each_validation_row_once(make_problem):
    problem = make_problem(n_validation=1500)  # more than one block
    seen = []
    problem = replace(problem, validation=replace(problem.validation, score=lambda z: seen.append(z) or 0.0))
    result = problem.run(problem.plan(max_epochs=1))
    np.testing.assert_allclose(seen[0], forward(result.params, problem.validation.inputs), rtol=1e-4, atol=1e-5)
    expected = cross_entropies(result.params, problem.validation).mean()
    assert result.history[0]["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_validation_weights_count(make_problem):
    problem = make_problem()
    weight = np.arange(9.0)
    problem = replace(problem, validation=replace(problem.validation, weight=weight))
    result = problem.run(problem.plan(max_epochs=1))
    expected = np.average(cross_entropies(result.params, problem.validation), weights=weight)
    assert result.history[0]["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_early_stopping_switched_off_keeps_the_last_weights(make_problem):
    problem = make_problem()
    result = problem.run(problem.plan(max_epochs=30, learning_rate=0.2, optimizer="adam", early_stopping=False))
    assert_bitwise(result.params, result.checkpoint.state.params)
    assert result.outcome.sentence == "All 30 epochs were run."


@pytest.mark.parametrize("epochs_a_call", [1, 4, 16])
def test_patience(epochs_a_call, make_problem):
    problem = make_problem()
    settings = {"max_epochs": 60, "schedule": "constant", "learning_rate": 0.1, "optimizer": "adam", "patience": 5}
    result = problem.run(replace(problem.plan(**settings), epochs_a_call=epochs_a_call))
    losses = [record["validation_loss"] for record in result.history]
    best = int(np.argmin(losses)) + 1
    assert result.outcome.name == "stopped_early"
    assert len(losses) == best + 5 == result.checkpoint.epoch
    assert result.outcome.sentence == (
        f"Stopped after {best + 5} epochs: no improvement since epoch {best}. "
        f"The weights of epoch {best}, the best, are kept."
    )
    # One epoch earlier there was still patience.
    for end in range(best, best + 5):
        assert end - (int(np.argmin(losses[:end])) + 1) < 5


def test_a_schedule_with_an_end_is_not_cut_by_patience(make_problem):
    problem = make_problem()
    settings = {"max_epochs": 30, "learning_rate": 0.2, "optimizer": "adam", "patience": 1}
    assert problem.run(problem.plan(**settings)).outcome.name == "out_of_epochs"
    assert problem.run(problem.plan(**settings, early_stopping=True)).outcome.name == "stopped_early"


@pytest.mark.parametrize("epochs_a_call", [1, 4])
def test_a_callback_sees_every_look_and_may_stop(epochs_a_call, make_problem):
    problem = make_problem()
    seen, also = [], []

    def on_look(progress):
        seen.append(progress)
        return "stop" if progress.epoch == 6 else None

    plan = replace(problem.plan(max_epochs=20), epochs_a_call=epochs_a_call)
    result = problem.run(plan, watchers=Watchers(on_look=(on_look, also.append)))
    assert [progress.epoch for progress in seen] == [1, 2, 3, 4, 5, 6]
    assert also == seen
    assert [progress.record() for progress in seen] == list(result.history)
    assert seen[0].n_epochs == 20
    assert result.outcome.name == "stopped_by_callback"
    assert result.outcome.sentence.startswith("Stopped after 6 epochs by a callback.")
    full = problem.run(plan)
    assert without_seconds(result.history) == without_seconds(full.history[:6])


def test_out_of_time(make_problem):
    problem = make_problem(n_validation=0)
    result = problem.run(replace(problem.plan(max_epochs=50, max_seconds=1e-9), epochs_a_call=1))
    assert result.outcome.name == "out_of_time"
    assert result.outcome.sentence == "Stopped after 1 epoch: max_seconds was reached."
    assert len(result.history) == 1
    assert_bitwise(result.params, result.checkpoint.state.params)


def test_interrupted(make_problem):
    problem = make_problem(n_validation=0)
    answers = iter([False, False, True])
    plan = replace(problem.plan(max_epochs=50), epochs_a_call=2)
    saved = []
    result = problem.run(plan, watchers=Watchers(on_checkpoint=saved.append, interrupted=lambda: next(answers)))
    assert result.outcome.name == "interrupted"
    assert result.outcome.sentence == "Interrupted after 6 epochs."
    assert len(result.history) == 6
    assert len(saved) == 1
    assert_bitwise(saved[0].state, result.checkpoint.state)


@pytest.mark.parametrize("reason", ["interrupted", "out_of_time"])
def test_what_was_learnt_in_an_unfinished_first_epoch_is_kept(reason, make_problem):
    problem = make_problem(200)
    plan = problem.plan(mode="mini_batch", batch_size=2, max_seconds=1e-9 if reason == "out_of_time" else None)
    plan = replace(plan, epochs_a_call=1, updates_a_call=50)
    result = problem.run(plan, watchers=Watchers(interrupted=lambda: reason == "interrupted"))
    assert (result.outcome.name, result.history) == (reason, ())
    assert result.checkpoint.update == 50
    assert_bitwise(result.params, result.checkpoint.state.params)


@pytest.mark.parametrize("n_validation", [0, 9])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_run_that_diverges_ends_with_finite_weights(optimizer, n_validation, make_problem):
    problem = make_problem(n_validation=n_validation, numbers=True)
    problem = replace(problem, network=replace(problem.network, activation=Choice("relu")))
    plan = problem.plan(
        loss="squared_error", optimizer=optimizer, learning_rate=1e25, schedule="constant", max_epochs=30, mode="online"
    )
    saved = []
    result = problem.run(plan, watchers=Watchers(on_checkpoint=saved.append))
    assert result.outcome.name == "diverged"
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.params))
    assert f"Diverged in epoch {len(result.history)}: the " in result.outcome.sentence
    if result.best.epoch == 0:
        assert_bitwise(result.params, problem.network.initialize(seeded(0, "weights")))
        assert result.outcome.sentence.endswith("The initial weights are kept.")
    assert saved == []  # the last good checkpoint is not overwritten


def test_a_rate_of_a_million_diverges_in_words(make_problem):
    problem = make_problem(n_validation=0, numbers=True, hidden=())
    plan = problem.plan(loss="squared_error", optimizer="sgd", learning_rate=1e6, schedule="constant", max_epochs=50)
    result = problem.run(plan)
    assert result.outcome.name == "diverged"
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.params))
    said = result.outcome.sentence
    assert said.startswith(f"Diverged in epoch {len(result.history)}: the ")
    assert " became inf" in said or " became nan" in said


def test_rates_are_given_update_by_update(make_problem):
    problem = make_problem(n_validation=0)
    plan = problem.plan(mode="mini_batch", batch_size=4, max_epochs=5, learning_rate=0.3)
    schedule = rates(Choice("one_cycle"), np.arange(30), 30, 0.3)
    for cut in (plan, replace(plan, epochs_a_call=1, updates_a_call=4)):
        assert [record["learning_rate"] for record in problem.run(cut).history] == schedule[5::6].tolist()


def test_the_form_that_ran_is_recorded(make_problem):
    problem = make_problem()
    online = problem.run(problem.plan(mode="online", max_epochs=1))
    large = make_problem(100)
    batch = large.run(large.plan(mode="mini_batch", batch_size=64, max_epochs=1))
    assert (online.form, batch.form) == ("one_function", "loop")


def test_the_callers_arrays_may_change_after_the_call(make_problem):
    problem = make_problem()
    plan = problem.plan(max_epochs=2)
    first = problem.run(plan)
    kept = jax.tree.map(np.copy, first.params)
    problem.training.inputs[:] = 0
    train_network(problem.network, plan, problem.training, problem.validation)
    assert_bitwise(first.params, kept)


def test_a_table_that_belongs_to_the_training_is_as_good_as_its_rows(make_problem):
    weight = np.array([1.0, 0.0, 2.0] * 7)
    problem = make_problem(21, weight=weight)
    tables = []
    for array in (problem.training.inputs, problem.training.targets):
        table = blank_table(21, array.shape[1], "float32")
        assert (table.shape, table.dtype) == ((22, array.shape[1]), np.float32)
        assert table.ctypes.data % 64 == 0
        assert not table.any()
        table[:21] = array
        table[21:] = np.nan  # never read as an example
        tables.append(table)
    for weights in (None, weight / weight[weight > 0].mean()):
        rows = replace(problem, training=replace(problem.training, weight=weights))
        filled = replace(problem, training=TrainingPart(*tables, weights, table_rows=21))
        assert filled.training.n_rows == 21
        plan = rows.plan(mode="mini_batch", batch_size=4, max_epochs=3)
        assert_same_run(rows.run(plan), filled.run(plan))
