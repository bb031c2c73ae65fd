"""The lesson ravine: its verdict on made-up results, its angles and passes against NumPy, and its pages."""

from __future__ import annotations

import json
from math import log

import numpy as np
import pytest

from entrena.lessons import ravine
from entrena.lessons.levels import Racer
from entrena.lessons.quadratics import degrees_between, final_weights, first_weights
from entrena.lessons.ravine import (
    LESSON,
    MATCHED,
    METHODS,
    MOMENTUM,
    OF_NETWORKS,
    PLAIN,
    growth,
    shown_paths,
    speed_ups,
)
from entrena.lessons.trials import Trials
from tests.lessons.checks import assert_pages, assert_told

TINY = {
    "conditions": [1, 4],
    "starts": 3,
    "data": ["wine"],
    "modes": ["mini_batch"],
    "most": {"mini_batch": 3},
    "seeds": 2,
    "tuning_seeds": 1,
}


def made_up(gains, *, angles=((1, 0.0), (10, 30.0)), noise=0.02, n=8):
    """Results in which momentum 0.9 takes so many times fewer passes on κ = 10 and on a network."""
    signs = (-1) ** np.arange(n)

    def passes(mean):
        return (mean * np.exp(noise * signs)).tolist()

    quadratics = []
    for condition in (1, 10):
        for method in (*METHODS, MATCHED):
            taken = passes(100 / gains[0]) if method == MOMENTUM else [100.0] * n
            quadratics.append({"condition": condition, "method": method, "rate": 0.5, "most": 500, "passes": taken})
    methods = [
        {"method": method, "rate": 0.1, "passes": passes(100 / gains[1]) if method == MOMENTUM else [100.0] * n}
        for method in OF_NETWORKS
    ]
    network = {"name": "wine", "mode": "mini_batch", "level": 0.1, "most": 500, "methods": methods}
    points = [
        {"condition": condition, "mean": mean, "low": mean - 0.5, "high": mean + 0.5, "greatest": mean + 5}
        for condition, mean in angles
    ]
    return {"angles": points, "quadratics": quadratics, "networks": [network]}


@pytest.mark.parametrize(
    ("gains", "more", "name", "words"),
    [
        ((3.0, 2.0), {}, "holds", "holds"),
        ((0.3, 2.0), {}, "depends", "depends on how long the ravine is"),
        ((3.0, 0.5), {}, "depends", "depends on the network and the mode"),
        ((0.3, 0.5), {"angles": ((1, 20.0), (10, 1.0))}, "fails", "fails"),
        ((3.0, 1.0), {"noise": 0.2}, "not_decided", "not decided at this size"),
        ((3.0, 2.0), {"angles": ((1, 0.0), (10, 5.0))}, "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(gains, more, name, words):
    results = made_up(gains, **more)
    verdict = LESSON.judge(results)
    assert (verdict.name, verdict.words) == (name, words)
    for each in ("κ = 1:", "κ = 10:", "wine, mini-batch:"):
        assert each in verdict.sentence
    assert LESSON.tables(results) and LESSON.meaning(results)


def test_a_circle_is_no_ravine():
    results = made_up((0.3, 2.0))
    assert [name for name, _, _ in speed_ups(results)] == ["κ = 10", "wine, mini-batch"]
    assert "It fails on κ = 10 (passes)." in LESSON.judge(results).sentence
    assert "It fails on κ = 1 (angle)." in LESSON.judge(made_up((3.0, 2.0), angles=((1, 9.0), (10, 30.0)))).sentence


def test_degrees():
    assert degrees_between(np.array([[1.0], [0.0]]), np.array([[0.0], [2.0]])) == pytest.approx(90)
    assert degrees_between(np.array([1.0, 0.0]), np.array([-3.0, 0.0])) == pytest.approx(180)
    assert degrees_between(np.array([1.0, 1e-9]), np.array([1.0, 0.0])) == pytest.approx(np.degrees(1e-9), rel=1e-6)


def test_the_angle_is_that_of_the_gradient():
    found = ravine._angles(4, range(5, 8), Trials("ravine"))
    expected = []
    for seed in range(5, 8):
        start = ravine._quadratic(4, seed, 0.1, 1, {})
        table = np.column_stack([start.training.inputs[: ravine.ROWS], np.ones(ravine.ROWS)])
        targets = start.training.targets[: ravine.ROWS]
        way = np.linalg.lstsq(table, targets, rcond=None)[0] - first_weights(start)
        down = -2 * table.T @ (table @ first_weights(start) - targets) / ravine.ROWS
        cosine = (way * down).sum() / np.linalg.norm(way) / np.linalg.norm(down)
        expected.append(np.degrees(np.arccos(cosine)))
        assert cosine > 4 / 5  # 2√κ/(κ + 1), Kantorovich
    assert found["mean"] == pytest.approx(np.mean(expected), rel=1e-6)
    assert found["greatest"] == pytest.approx(max(expected), rel=1e-6)


@pytest.mark.parametrize("method", [PLAIN, "momentum 0.5", "Nesterov 0.9"])
def test_passes_on_a_quadratic_are_those_of_numpy(method):
    changes = METHODS[method]
    racer = ravine._racer(4, method, changes)
    rate = racer.rates[4]
    ((taken,),) = ravine.race("a ravine", [racer], [rate], [3], Trials("ravine"))
    start = ravine._quadratic(4, 3, rate, 1, changes)
    table = np.column_stack([start.training.inputs[: ravine.ROWS], np.ones(ravine.ROWS)])
    targets, weights = start.training.targets[: ravine.ROWS], first_weights(start)
    least = np.square(table @ np.linalg.lstsq(table, targets, rcond=None)[0] - targets).mean()
    first = np.square(table @ weights - targets).mean() - least
    velocity, n = np.zeros_like(weights), 0
    while np.square(table @ weights - targets).mean() - least > 1e-5 * first:
        gradient = 2 * table.T @ (table @ weights - targets) / ravine.ROWS
        velocity = changes["momentum"] * velocity + gradient
        weights = weights - rate * (gradient + changes["momentum"] * velocity if "nesterov" in changes else velocity)
        n += 1
    assert taken == n > 3
    # The rates are shares of the greatest one, which is 2/λmax without momentum.
    if method == PLAIN:
        assert racer.rates[-1] == pytest.approx(0.99 * 2 / (2 / ravine.ROWS * np.linalg.norm(table, 2) ** 2))


def test_all_methods_of_a_seed_begin_alike():
    plain = ravine._quadratic(4, 3, 0.1, 1, METHODS[PLAIN])
    other = ravine._quadratic(4, 3, 0.2, 9, METHODS["Nesterov 0.9"])
    np.testing.assert_array_equal(first_weights(plain), first_weights(other))
    np.testing.assert_array_equal(plain.training.inputs, other.training.inputs)
    assert not np.array_equal(first_weights(plain), first_weights(ravine._quadratic(4, 4, 0.1, 1, {})))


def test_growth_is_an_exponent():
    results = made_up((3.0, 2.0))
    for each in results["quadratics"]:
        power = {PLAIN: 1.0, MATCHED: 0.5}.get(each["method"], 0.0)
        each["condition"] = {1: 10, 10: 1000}[each["condition"]]
        each["passes"] = [7 * each["condition"] ** power] * 8
    found = growth(results)
    assert found[PLAIN]["mean"] == pytest.approx(1) and found[MATCHED]["mean"] == pytest.approx(0.5)
    assert found[MOMENTUM]["mean"] == pytest.approx(0, abs=1e-12)
    results["quadratics"][0]["passes"][3] = None
    assert np.isnan(growth(results)[PLAIN]["mean"])


def test_the_gain_in_theory():
    # With κ = 10, μ = 0.9 is more than suits it: √0.9 is left after an update, 9/11 by plain gradient descent.
    assert ravine._gain_in_theory(10) == pytest.approx(log(0.9**0.5) / log(9 / 11), rel=1e-2)
    # With a long ravine momentum adds up: (1 + μ)/(1 − μ) = 19 times the rate along it.
    assert ravine._gain_in_theory(1e5) == pytest.approx(19, rel=0.02)


def test_the_ways_that_are_drawn_are_those_of_the_fastest_rates():
    plain, momentum = shown_paths().values()
    # Of both directions (κ − 1)/(κ + 1) is left after each update.
    np.testing.assert_allclose(np.abs(plain[1:] / plain[:-1]), 29 / 31)
    assert np.linalg.norm(momentum[-1]) < 0.05 * np.linalg.norm(plain[-1])
    np.testing.assert_array_equal(plain[0], momentum[0])


def test_mini_batches_are_watched_on_the_training_rows(monkeypatch):
    met = []

    def recorded(said, racers, rates, seeds, trials):
        met.extend(racers)
        return [[1.0] * len(seeds)] * len(racers)

    monkeypatch.setattr(ravine, "race", recorded)
    monkeypatch.setattr(ravine, "best_rates", lambda said, racers, seeds, trials: [1.0] * len(racers))
    for mode in ("batch", "mini_batch"):
        ravine._networks("wine", mode, 5, range(2), range(2, 3), Trials("ravine"))
    assert all(isinstance(each, Racer) for each in met) and len(met) == 2 * len(OF_NETWORKS)
    for each in met:
        prepared = each.prepare(1, 0.1, 5)
        assert each.watched == (prepared.validation is not None) == (prepared.plan.batch_size == 32)
        if each.watched:
            np.testing.assert_array_equal(
                prepared.validation.inputs, prepared.training.inputs[: prepared.training.n_rows]
            )
            assert prepared.plan.patience is None and prepared.plan.schedule.name == "constant"
    # The same rates η/(1 − μ) for all.
    shares = {each.name: each.rates[0] for each in met}
    assert shares[MOMENTUM] == pytest.approx(0.1 * shares[PLAIN])


@pytest.fixture(scope="module")
def tiny():
    return ravine.experiment(TINY, 3, Trials("ravine"))


def test_the_same_seed_gives_the_same_results(tiny):
    assert json.dumps(ravine.experiment(TINY, 3, Trials("ravine"))) == json.dumps(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 4, 3)
    assert [each["mode"] for each in tiny["networks"]] == ["mini_batch"]
    # On a circle plain gradient descent is there after one update, at the rate ½·2/λmax, which is one of those tried.
    circle = next(each for each in tiny["quadratics"] if each["condition"] == 1 and each["method"] == PLAIN)
    assert circle["passes"] == [1.0, 1.0] and circle["rate"] == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['starts']} starts" in said
    assert all(each in said for each in choices["data"])


def test_pages(tmp_path, tiny):
    assert_pages(LESSON, TINY, tiny, tmp_path)


def test_final_weights_are_those_after_the_last_update():
    start = ravine._quadratic(4, 3, 0.05, 3, {})
    (fitted,) = Trials("ravine").train("one", [start])
    assert not np.allclose(final_weights(fitted), first_weights(start))
