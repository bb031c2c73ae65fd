"""The lesson better_minima: verdicts on made-up results, what is measured against NumPy, and repetition."""

from __future__ import annotations

import json
from math import inf, log

import numpy as np
import pytest
from scipy import stats

from entrena.lessons import better_minima
from entrena.lessons.better_minima import (
    BATCH,
    HELD_SHARE,
    LESSON,
    MINI_BATCH,
    MODES,
    ONLINE,
    lower,
    mean_ratio,
    ratios,
)
from entrena.lessons.trials import Trials
from entrena.population.statistics import corrected_t
from tests.lessons.checks import assert_told, assert_trained_pages

TINY = {"data": ["moons"], "passes": [2, 8], "seeds": 3, "tuning_seeds": 1}


def data(name, share_lower, n=40, *, seed=0):
    """Results of a data set on which online learning ends lower in this share of the runs, and equal in the others."""
    chance = np.random.default_rng(seed)
    online = 0.1 * np.exp(0.3 * chance.standard_normal(n))
    batch = online * np.where(np.arange(n) < round(share_lower * n), 1.5, 1.001)
    found = []
    for passes in (100, 1000):
        for mode, ends in ((ONLINE, online), (MINI_BATCH, online), (BATCH, batch if passes == 1000 else 3 * batch)):
            own = {"passes": passes, "mode": mode, "rate": 0.1}
            found.append({**own, "objective": ends.tolist(), "held": (2 * ends).tolist()})
    return {"name": name, "task": "classification", "hidden": [4], "found": found}


def results(*sets):
    return {"passes": [100, 1000], "data": list(sets)}


@pytest.mark.parametrize(
    ("shares", "name", "words"),
    [
        ((0.8, 0.9), "holds", "holds"),
        ((0.1, 0.25), "fails", "fails"),  # after 100 passes it would hold everywhere
        ((0.9, 0.1), "depends", "depends on the data set"),
        ((0.9, 0.5), "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(shares, name, words):
    made = results(*(data(f"set {k}", each, seed=k) for k, each in enumerate(shares)))
    verdict = LESSON.judge(made)
    assert (verdict.name, verdict.words) == (name, words)
    for each in made["data"]:
        assert each["name"] in verdict.sentence


def test_equal_minima_are_lower_for_nobody():
    found = lower([1.0, 1.009, 1 / 1.009, 1.02, 1.5, 0.9, inf, 0.0])
    assert [found[who]["count"] for who in ("other", "batch")] == [3, 2]
    expected = stats.binomtest(3, 8).proportion_ci(0.95, "exact")
    assert (found["other"]["low"], found["other"]["high"]) == pytest.approx((expected.low, expected.high))


def test_a_run_that_diverges_is_the_worse_one():
    each = data("set", 0.5, n=4)
    own = {one["mode"]: one for one in each["found"] if one["passes"] == 1000}
    own[BATCH]["objective"][0] = None
    own[ONLINE]["objective"][1] = None
    own[BATCH]["objective"][2] = own[ONLINE]["objective"][2] = None
    found = ratios(each, 1000)
    assert found[:3] == [inf, 0.0, 1.0]
    assert np.isnan(mean_ratio(found)["mean"])
    text = LESSON.tables(results(each))[0].rows[1]
    assert "(2 diverged)" in text[2] and "(2 diverged)" in text[4]


def test_the_mean_ratio_is_that_of_scipy():
    values = np.exp(np.random.default_rng(0).normal(0.2, 0.3, 25))
    found = mean_ratio(values.tolist())
    expected = stats.ttest_1samp(np.log(values), 0).confidence_interval(0.95)
    assert (log(found["low"]), log(found["high"])) == pytest.approx((expected.low, expected.high))
    assert found["mean"] == pytest.approx(stats.gmean(values))
    held = mean_ratio(values.tolist(), HELD_SHARE)
    corrected = corrected_t(np.log(values).tolist(), HELD_SHARE)
    assert (log(held["low"]), log(held["high"])) == pytest.approx((corrected.low, corrected.high))


@pytest.mark.parametrize("name", ["moons", "diabetes"])
def test_what_is_measured_is_what_is_minimised(name):
    """Loss of the training rows plus λ/2·Σw², weights only, and the loss of the held-out rows, in NumPy."""
    setting = better_minima._Setting(name, [4])
    prepared = setting.prepare(6, MINI_BATCH, 0.05, 4)
    (fitted,) = Trials("better_minima").train("", [prepared])
    objective, held = setting.ends(fitted, 4)
    split = setting.splits[4]
    assert len(split.held) == round(HELD_SHARE * setting.examples.n_rows)
    (hidden, output) = fitted.model.params
    decay = better_minima.RECIPE["weight_decay"] / 2

    def loss(rows):
        inputs = prepared.preprocessor.transform(setting.examples.take(rows).inputs)
        X = np.asarray(getattr(inputs, "dense", inputs), float)
        z = np.tanh(X @ hidden["weights"] + hidden["biases"]) @ output["weights"] + output["biases"]
        targets = setting.examples.targets[rows]
        if name == "diabetes":
            return np.square(z[:, 0] * prepared.coder.scale[0] + prepared.coder.shift[0] - targets).mean()
        return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), targets]).mean()

    unit = prepared.coder.scale[0] ** 2 if name == "diabetes" else 1.0
    penalty = unit * decay * sum(float(np.square(layer["weights"].astype(float)).sum()) for layer in (hidden, output))
    assert objective == pytest.approx(loss(split.training) + penalty, rel=1e-4)
    assert held == pytest.approx(loss(split.held), rel=1e-4)


def test_a_run_that_diverged_ends_nowhere():
    setting = better_minima._Setting("diabetes", [0])
    (fitted,) = Trials("better_minima").train("", [setting.prepare(30, BATCH, 1e3, 0)])
    assert fitted.training.outcome.name == "diverged"
    assert setting.ends(fitted, 0) == (inf, inf)


def test_modes_start_alike():
    setting = better_minima._Setting("moons", [7])
    made = [setting.prepare(3, mode, 0.01, 7) for mode in MODES]
    assert len({id(each.training) for each in made}) == 1
    assert {each.plan.seed for each in made} == {7}
    assert {each.plan.momentum for each in made} == {0.9}
    assert all(each.plan.structure.decay and each.plan.schedule.name == "cosine" for each in made)
    assert [each.plan.n_updates for each in made] == [800, 50, 1]


@pytest.fixture(scope="module")
def tiny():
    return better_minima.experiment(TINY, 3, Trials("better_minima"))


def test_the_same_seed_gives_the_same_results(tiny):
    assert json.dumps(better_minima.experiment(TINY, 3, Trials("better_minima"))) == json.dumps(tiny)
    assert json.dumps(better_minima.experiment(TINY, 50, Trials("better_minima"))) != json.dumps(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 2)
    assert [(own["passes"], own["mode"]) for own in tiny["data"][0]["found"]] == [(p, m) for p in (2, 8) for m in MODES]


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['tuning_seeds']} other seeds" in said
    assert all(each in said for each in choices["data"])
    assert all(f"{passes:,}" in said for passes in choices["passes"])


def test_pages(tmp_path):
    record = assert_trained_pages(LESSON, TINY, "moons", tmp_path)
    assert record["networks"] == 2 * (6 + 6 + 6) + 2 * 3 * 3
