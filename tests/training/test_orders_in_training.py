"""Orders in a whole training: what is shown next, what it does to the weights, and what is put right afterwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from entrena.diagnosis import few_rows_take_most_draws
from entrena.network import Network
from entrena.registry import Choice
from entrena.training.loop import Member, train_side_by_side
from entrena.training.order import Pool, draw
from entrena.training.parts import TrainingPart, ValidationPart
from entrena.training.seeds import generator
from entrena.training.watching import Watchers
from tests.training.conftest import Problem
from tests.training.same_run import assert_bitwise, assert_same_run

BY_ERROR = Choice("by_error", (("cap", 4.0), ("exponent", 1.5), ("floor", 0.1)))
WEIGHED = Choice("by_error", (("importance_weights", True),))


def linear_problem(n: int = 37, n_classes: int = 3, *, weight: bool = False, held: int = 0) -> Problem:
    """A softmax regression on rows that overlap."""
    chance = np.random.default_rng(4)
    classes = np.sort(chance.integers(n_classes, size=n + held))
    X = chance.standard_normal((n + held, 4)) + classes[:, None] * [0.8, -0.4, 0, 0]
    targets = np.eye(n_classes)[classes]
    weights = chance.uniform(0.2, 2, n) if weight else None
    if weights is not None:
        weights /= weights.mean()
    network = Network((4, n_classes), Choice("tanh"), "softmax", Choice("lecun_normal"))
    validation = None
    if held:
        validation = ValidationPart(X[n:], targets[n:], score=lambda z: 0.0)
    return Problem(network, TrainingPart(X[:n], targets[:n], weights, classes=classes[:n]), validation)


@pytest.mark.parametrize("weight", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("order", [BY_ERROR, WEIGHED], ids=["by_error", "importance"])
def test_by_error_equals_a_loop_in_numpy(order, weight):
    problem = linear_problem(weight=weight)
    n, size, rate, n_epochs = 37, 5, 0.3, 4
    plan = problem.plan(
        optimizer="sgd",
        momentum=0.0,
        order=order,
        batch_size=size,
        max_epochs=n_epochs,
        learning_rate=rate,
        schedule="constant",
        weight_decay=0.0,
        precision="float64",
        seed=3,
    )
    run = problem.run(plan)

    (layer,) = problem.network.initialize(generator(3, "weights"), np.float64)
    W, b = layer["weights"].copy(), layer["biases"].copy()
    X, T = problem.training.inputs, problem.training.targets
    of_row = np.ones(n) if problem.training.weight is None else problem.training.weight
    last, draws = np.full(n, np.nan), np.zeros(n, int)
    for epoch in range(n_epochs):
        pool = Pool(np.arange(n, dtype=np.int32), size, 3, None, last.astype(np.float32))
        sequence, importance = draw(order, pool, epoch)
        factor = importance if order is WEIGHED else np.ones(n)
        seen = np.zeros(n)
        for first in range(0, n, size):
            rows = sequence[first : first + size]
            z = X[rows] @ W + b
            seen[first : first + size] = -(T[rows] * log_softmax(z, axis=1)).sum(axis=1)
            upper = (of_row[rows] * factor[first : first + size] / len(rows))[:, None] * (softmax(z, axis=1) - T[rows])
            W, b = W - rate * X[rows].T @ upper, b - rate * upper.sum(axis=0)
        # The mean over the rows, not over the draws: Σ w·l/(N·p) over Σ w/(N·p).
        told = np.average(seen, weights=of_row[sequence] * importance)
        np.testing.assert_allclose(run.history[epoch]["loss"], told, rtol=1e-9)
        last[sequence] = seen
        np.add.at(draws, sequence, 1)
    np.testing.assert_allclose(run.params[0]["weights"], W, rtol=1e-9)
    np.testing.assert_allclose(run.params[0]["biases"], b, rtol=1e-9)
    np.testing.assert_array_equal(run.draws, draws)
    np.testing.assert_allclose(run.checkpoint.shown.losses, last, rtol=1e-6)


@pytest.mark.parametrize("order", ["sequential", "interleaved", "balanced", "by_error"])
def test_a_stopped_run_goes_on_bit_by_bit(order):
    problem = linear_problem(held=9)
    settings = {"order": Choice(order), "batch_size": 4, "max_epochs": 6, "early_stopping": True}
    if order != "by_error":
        settings["max_epochs"] = 1000  # several epochs in a call
        settings["early_stopping"] = False
    plan = problem.plan(**settings)
    whole = problem.run(plan)

    def stop(progress):
        return "stop" if progress.epoch == 3 else None

    stopped = problem.run(plan, watchers=Watchers(on_look=(stop,)))
    resumed = problem.run(plan, resume=replace(stopped.checkpoint, ended=None))
    assert_bitwise(whole.params, resumed.params)
    assert_bitwise(whole.checkpoint.state, resumed.checkpoint.state)


def test_a_run_that_is_stopped_within_an_epoch_goes_on_bit_by_bit():
    problem = linear_problem(held=9)
    plan = problem.plan(order=Choice("by_error"), batch_size=4, max_epochs=5)
    plan = replace(plan, updates_a_call=3)  # several calls an epoch
    whole = problem.run(plan)
    asked = iter([False] * 6 + [True])
    stopped = problem.run(plan, watchers=Watchers(interrupted=lambda: next(asked, True)))
    assert stopped.outcome.name == "interrupted" and stopped.checkpoint.update > 0
    arrays, record = stopped.checkpoint.to_parts()
    again = type(stopped.checkpoint).from_parts(whole.checkpoint.state, arrays, record)
    resumed = problem.run(plan, resume=again)
    assert_bitwise(whole.params, resumed.params)
    assert whole.history[-1]["loss"] == resumed.history[-1]["loss"]
    np.testing.assert_array_equal(whole.draws, resumed.draws)


def test_networks_side_by_side_are_shown_their_own_rows():
    problem = linear_problem()
    plans = [
        problem.plan(order=Choice(name), seed=seed, batch_size=4, max_epochs=4, precision="float64")
        for name in ("shuffled", "interleaved", "balanced", "by_error")
        for seed in (0, 1)
    ]
    plans.append(problem.plan(order=WEIGHED, batch_size=4, max_epochs=4, precision="float64"))
    together = train_side_by_side([Member(problem.network, plan, problem.training) for plan in plans])
    for plan, trained in zip(plans, together, strict=True):
        alone = problem.run(plan)
        for a, b in zip(alone.params, trained.params, strict=True):
            np.testing.assert_allclose(a["weights"], b["weights"], rtol=1e-9, atol=1e-12)
        assert (alone.draws is None) == (trained.draws is None)
        if alone.draws is not None:
            np.testing.assert_array_equal(alone.draws, trained.draws)


def test_equal_runs_are_equal_bit_by_bit():
    problem = linear_problem(held=9)
    plan = problem.plan(order=Choice("by_error"), batch_size=4, max_epochs=5)
    assert_same_run(problem.run(plan), problem.run(plan))


def test_validation_is_by_the_true_shares_of_the_classes():
    problem = linear_problem(held=9)
    shift = (0.5, -1.0, 0.25)
    plan = replace(
        problem.plan(order=Choice("balanced"), max_epochs=1, early_stopping=True),
        prior_shift=shift,
        beside={"prior_shift": shift},
    )
    plan = replace(plan, structure=replace(plan.structure, prior_shift=True))
    run = problem.run(plan)
    held = problem.validation
    z = held.inputs @ run.checkpoint.state.params[0]["weights"] + run.checkpoint.state.params[0]["biases"] + shift
    expected = -(held.targets * log_softmax(z, axis=1)).sum(axis=1).mean()
    np.testing.assert_allclose(run.history[0]["validation_loss"], expected, rtol=1e-5)
    biases = run.checkpoint.best_state.params[0]["biases"] + np.float32(shift)
    np.testing.assert_allclose(run.params[0]["biases"], biases, rtol=1e-6)


def test_few_rows_that_take_most_draws_are_named():
    draws = np.full(100, 2)
    draws[[7, 40]] = 120, 100
    (finding,) = few_rows_take_most_draws(draws, np.arange(100) + 2)
    assert finding.rows == (9, 42)
    assert finding.evidence == "2 of 100 training rows took 53 % of the draws: rows 9, 42."
    assert (finding.severity, finding.technique) == ("warning", "training.order")


@pytest.mark.parametrize("draws", [np.full(100, 3), np.zeros(100, int), np.r_[np.full(11, 36), np.full(89, 4)]])
def test_rows_that_are_many_or_drawn_seldom_are_no_finding(draws):
    assert few_rows_take_most_draws(draws, np.arange(len(draws))) == ()
