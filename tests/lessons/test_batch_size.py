"""The lesson batch_size: verdicts on made-up results, the interval of a product, what is timed, repeatable counts."""

from __future__ import annotations

import json
from math import log

import numpy as np
import pytest
from scipy import stats

from entrena.lessons import batch_size, timing
from entrena.lessons.batch_size import ALL, LESSON, ONLINE, PROBLEMS, by_size, cost, ratio, three_digits
from entrena.lessons.timing import pass_seconds, seconds_a_pass
from entrena.lessons.trials import Trials
from tests.lessons.checks import assert_told, assert_trained_pages

TINY = {"problems": ["moons 2-16-2"], "sizes": [1, 32, "all"], "seeds": 2, "tuning_seeds": 1, "most": 12, "rounds": 2}


def problem(name, over_online, over_batch, *, spread=0.02, n=12, rounds=10, seed=0):
    """Results in which online and batch learning take so many times the seconds of mini-batches of 32."""
    chance = np.random.default_rng(seed)

    def one(size, passes, seconds):
        def scattered(value, count):
            return (value * np.exp(spread * chance.standard_normal(count))).tolist()

        own = {"size": size, "rate": 0.1, "updates_a_pass": 1 if size == ALL else 1000 // size, "form": "loop"}
        return {**own, "passes": scattered(passes, n), "seconds": scattered(seconds, rounds)}

    found = [one(ONLINE, 5, 0.01 * over_online), one(32, 10, 0.005), one(ALL, 100, 0.0005 * over_batch)]
    return {"name": name, "rows": 1000, "weights": 82, "level": 0.1, "chosen": 32, "found": found}


def results(*problems):
    return {"most": 400, "problems": list(problems)}


@pytest.mark.parametrize(
    ("sets", "name", "words"),
    [
        ([(3, 4), (2, 2)], "holds", "holds"),
        ([(0.5, 4), (3, 0.5)], "fails", "fails"),  # not fast enough beside one of the two
        ([(3, 4), (0.5, 4)], "depends", "depends on the network"),
        ([(3, 4), (1.0, 4)], "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(sets, name, words):
    made = results(*(problem(f"net {k}", *each, seed=k) for k, each in enumerate(sets)))
    verdict = LESSON.judge(made)
    assert (verdict.name, verdict.words) == (name, words)
    for each in made["problems"]:
        assert f"{each['name']}: mini-batches of 32" in verdict.sentence


def test_the_ratio_is_a_product_with_its_interval():
    """Against Welch's t-interval of SciPy: ln passes and ln seconds as two samples whose means are added."""
    each = by_size(problem("net", 3, 4, spread=0.2))
    found = ratio(each[ONLINE], each[32], 400)
    passes = np.log(np.array(each[ONLINE]["passes"]) / each[32]["passes"])
    seconds = np.log(np.array(each[ONLINE]["seconds"]) / each[32]["seconds"])
    # The sum of two means is the difference of one and the other turned over.
    expected = stats.ttest_ind(passes, -seconds, equal_var=False).confidence_interval(0.95)
    assert (log(found["low"]), log(found["high"])) == pytest.approx((expected.low, expected.high))
    assert log(found["mean"]) == pytest.approx(passes.mean() + seconds.mean())


def test_the_interval_covers():
    """Made-up measurements with a known ratio: the interval has it in about 95 % of 400 tries."""
    hits = 0
    for seed in range(400):
        each = by_size(problem("net", 3, 4, spread=0.3, seed=seed, n=6, rounds=5))
        found = ratio(each[ONLINE], each[32], 400)
        hits += found["low"] < 3 < found["high"]
    assert stats.binomtest(hits, 400, 0.95).pvalue > 0.01


def test_runs_that_do_not_get_there():
    each = by_size(problem("net", 3, 4))
    before = ratio(each[ALL], each[32], 400)
    each[ALL]["passes"][0] = None  # counts with the passes that it was allowed: 400 in place of 100
    after = ratio(each[ALL], each[32], 400)
    assert before["mean"] < after["mean"] < before["mean"] * 4 ** (1.2 / 12)
    assert cost(each[ALL], 400)["mean"] > 0
    each[32]["passes"][0] = None
    assert np.isnan(ratio(each[ALL], each[32], 400)["low"])
    made = problem("net", 3, 4)
    by_size(made)[32]["passes"][0] = None
    assert LESSON.judge(results(made)).name == "not_decided"


def test_measurements_without_spread():
    each = by_size(problem("net", 3, 4, spread=0.0))
    assert ratio(each[ONLINE], each[32], 400) == pytest.approx({"mean": 3, "low": 3, "high": 3})


def test_three_digits():
    assert [three_digits(value) for value in (0.00123456, 0.5, 9.999, 12.34, 123.4, 12345.6)] == [
        "0.00123",
        "0.500",
        "10.00",
        "12.3",
        "123",
        "12,346",
    ]
    assert three_digits(float("nan")) == "–"


def test_sizes_are_modes():
    made = batch_size._Problem("moons 2-16-2")
    plans = {size: made.maker(size, 0.1, 0)(3).plan for size in (ONLINE, 2, 300, ALL)}
    assert {size: plan.n_updates for size, plan in plans.items()} == {ONLINE: 1000, 2: 500, 300: 4, ALL: 1}
    assert [plan.whole_batch for plan in plans.values()] == [False, False, False, True]
    watched = made.racer(32).prepare(0, 0.1, 3)
    assert watched.validation is not None and watched.validation.n_rows == watched.training.n_rows == 1000
    assert made.maker(32, 0.1, 0)(3).validation is None  # its loss would take time
    for name in PROBLEMS:
        assert "-".join(map(str, PROBLEMS[name]["hidden"])) in name


def test_networks_take_turns(monkeypatch):
    """Round by round A B C, each for as many passes as fill a round; the runs that compile are left out."""
    trained = []

    class Fake:
        def __init__(self, lesson):
            assert lesson == "batch_size"

        def train(self, said, prepared):
            ((name, passes),) = prepared
            trained.append((name, passes))
            took = {"A": 0.0098, "B": 0.1, "C": 1e-6}[name]
            history = [{"seconds": 1.0 + took * k} for k in range(passes)]  # the first pass may compile
            return [type("Fitted", (), {"training": type("Training", (), {"history": history})})]

    monkeypatch.setattr("entrena.lessons.trials.Trials", Fake)
    makers = [lambda passes, name=name: (name, passes) for name in "ABC"]
    found = seconds_a_pass("batch_size", makers, 2, 0.15)
    assert [name for name, _ in trained] == list("ABC" + "ABC" + "ABC" + "ABC")
    assert [passes for _, passes in trained[6:9]] == [15, timing.LEAST, timing.MOST]
    assert np.array(found) == pytest.approx(np.array([[0.0098] * 2, [0.1] * 2, [1e-6] * 2]), rel=1e-3)


def test_the_seconds_of_a_pass_leave_the_first_out():
    assert pass_seconds([{"seconds": 9.0}, {"seconds": 9.5}, {"seconds": 10.2}]) == pytest.approx(0.6)


@pytest.fixture(scope="module")
def tiny():
    return batch_size.experiment(TINY, 3, Trials("batch_size"))


def without_seconds(found):
    own = ("size", "rate", "passes", "updates_a_pass", "form")
    return json.dumps([[{name: one[name] for name in own} for one in each["found"]] for each in found["problems"]])


def test_the_same_seed_gives_the_same_passes(tiny):
    assert without_seconds(batch_size.experiment(TINY, 3, Trials("batch_size"))) == without_seconds(tiny)
    assert without_seconds(batch_size.experiment(TINY, 50, Trials("batch_size"))) != without_seconds(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 3)
    assert tiny["problems"][0]["chosen"] == 32
    assert all(len(one["seconds"]) == 2 for one in tiny["problems"][0]["found"])


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['tuning_seeds']} seeds" in said and f"{choices['rounds']} rounds" in said
    assert all(each in said for each in choices["problems"])


def test_pages(tmp_path):
    assert_trained_pages(LESSON, TINY, "moons 2-16-2", tmp_path)
