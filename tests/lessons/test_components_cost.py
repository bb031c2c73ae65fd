"""The lesson components_cost: the verdict on made-up results, what is kept, the counterexample, and a tiny study."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from entrena.lessons.components_cost import (
    ALL,
    COLUMNS,
    COUNTEREXAMPLE,
    JUDGED,
    LESSON,
    NARROW,
    SHIFT,
    components_for,
    counterexample,
    experiment,
    explained,
    held_by,
    least_kept,
    loss_ratio,
    seconds_ratio,
)
from entrena.lessons.trials import Trials
from entrena.population.statistics import corrected_t
from tests.lessons.checks import assert_pages, assert_told

TINY = {"data": ["diabetes", COUNTEREXAMPLE], "shares": [0.95], "seeds": 3, "rounds": 2}


@pytest.fixture(scope="module")
def found():
    return experiment(TINY, 1, Trials("components_cost"))


def data(name, ratio, spread, n=20, *, held=0.2):
    chance = np.random.default_rng(len(name))
    whole = 0.1 * np.exp(0.2 * chance.standard_normal(n))
    fewer = whole * ratio * np.exp(spread * chance.standard_normal(n))
    found = [
        {"kept": 10, "shares": [JUDGED], "held": 0.951, "loss": fewer.tolist(), "seconds": [0.5] * 9},
        {"kept": 30, "shares": [0.999, ALL], "held": 1.0, "loss": whole.tolist(), "seconds": [1.0] * 9},
    ]
    return {"name": name, "inputs": 30, "share": held, "found": found}


@pytest.mark.parametrize(
    ("ratios", "spread", "name", "words"),
    [
        ((1.0, 0.9), 0.02, "holds", "holds"),
        ((1.2, 3.0), 0.02, "fails", "fails"),
        ((1.0, 3.0), 0.02, "depends", "depends on where the target stands in the inputs"),
        ((1.0, 1.05), 0.3, "not_decided", "not decided at this size"),
        ((1.05, 1.2), 0.02, "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(ratios, spread, name, words):
    sets = [data(f"set {k}", ratio, spread) for k, ratio in enumerate(ratios)]
    verdict = LESSON.judge({"data": sets})
    assert (verdict.name, verdict.words) == (name, words)
    assert all(f"set {k} " in verdict.sentence for k in range(2)) and "with 10 of 30" in verdict.sentence


def test_ratios_are_geometric_and_corrected():
    each = data("a", 1.1, 0.1)
    own, whole = each["found"]
    logs = np.log(np.array(own["loss"]) / whole["loss"])
    expected = corrected_t(logs.tolist(), 0.2)
    found = loss_ratio(each, own)
    assert found["mean"] == pytest.approx(stats.gmean(np.array(own["loss"]) / whole["loss"]))
    assert (found["low"], found["high"]) == pytest.approx((np.exp(expected.low), np.exp(expected.high)))
    fresh = data("a", 1.1, 0.1, held=0.0)  # new rows for each seed: Student's own interval
    interval = stats.t.interval(0.95, 19, logs.mean(), stats.sem(logs))
    assert (loss_ratio(fresh, own)["low"], loss_ratio(fresh, own)["high"]) == pytest.approx(tuple(np.exp(interval)))
    assert seconds_ratio(each, own)["mean"] == 0.5


def test_the_fewest_that_cost_little():
    assert least_kept(data("a", 1.0, 0.01))["kept"] == 10
    assert least_kept(data("a", 1.5, 0.01))["kept"] == 30


def test_held_and_kept_against_numpy():
    rows = np.random.default_rng(0).standard_normal((200, 6)) * [5, 3, 2, 1, 0.5, 0.1]
    squares = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    shares = np.cumsum(squares) / squares.sum()
    np.testing.assert_allclose(held_by(rows), shares, atol=1e-10)
    kept = components_for(held_by(rows), [0.5, 0.9, 0.99])
    for k, wanted in kept.items():
        for share in wanted:
            assert shares[k - 1] >= share - 1e-9 and (k == 1 or share == ALL or shares[k - 2] < share)
    assert list(kept)[-1] == 6


def test_what_the_target_explains():
    chance = np.random.default_rng(3)
    labels, values = np.repeat([0, 1, 2], [20, 30, 50]), chance.standard_normal(100)
    values[labels == 2] += 1
    groups = [values[labels == each] for each in range(3)]
    f = stats.f_oneway(*groups).statistic  # η² = F·(g − 1)/(F·(g − 1) + n − g)
    assert explained(values, labels, numbers=False) == pytest.approx(2 * f / (2 * f + 97))
    assert explained(values, labels, numbers=True) == pytest.approx(stats.pearsonr(values, labels).statistic ** 2)


def test_the_class_stands_in_the_smallest_component():
    rows = counterexample(20_000, np.random.default_rng(0))
    inputs = np.column_stack([column.values for column in rows.inputs])
    values, vectors = np.linalg.eigh(np.cov(inputs.T))
    last = inputs @ vectors[:, 0]
    assert values[0] == pytest.approx(NARROW**2 * (1 + SHIFT**2 / 4), rel=0.05)
    np.testing.assert_allclose(values[1:], 1, atol=0.06)
    means = [last[rows.targets == label].mean() for label in (0, 1)]
    assert abs(means[1] - means[0]) == pytest.approx(SHIFT * NARROW, rel=0.03)
    told = [explained(own, rows.targets, numbers=False) for own in (inputs @ vectors).T]
    assert told[0] > 0.6 and max(told[1:]) < 0.01
    again = counterexample(50, np.random.default_rng(1))
    assert again.n_rows == 50 and len(list(again.inputs)) == COLUMNS


def test_a_tiny_study(found, tmp_path):
    assert_told(LESSON, found, 2, 2)
    assert_pages(LESSON, TINY, found, tmp_path)
    diabetes, made = found["data"]
    assert (diabetes["loss"], diabetes["score"], made["loss"]) == ("rmse", "r2", "log_loss")
    for each in found["data"]:
        assert [own["kept"] for own in each["found"]] == sorted({own["kept"] for own in each["found"]})
        weights = [own["weights"] for own in each["found"]]
        # One hidden layer of 32: each input more is 32 weights more.
        inputs = [own["kept"] for own in each["found"]]
        assert np.diff(weights).tolist() == (32 * np.diff(inputs)).tolist()
        assert all(len(own["seconds"]) == 2 and len(own["loss"]) == 3 for own in each["found"])
    dropped, whole = made["found"][-2], made["found"][-1]
    assert max(dropped["score"]) < 0.65 < 0.85 < min(whole["score"])
    assert "made up, class in the last component the component that the target explains most" in " ".join(
        LESSON.meaning(found)
    )


def test_losses_are_those_of_the_seed(found):
    again = experiment({**TINY, "data": ["diabetes"]}, 1, Trials("components_cost"))
    for own, other in zip(again["data"][0]["found"], found["data"][0]["found"], strict=True):
        assert own["loss"] == other["loss"]
