"""The lesson redundancy: its verdict on made-up results, copies, passes against a hand-written gradient descent."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from scipy import stats

from entrena.data import EMBEDDED
from entrena.lessons import redundancy
from entrena.lessons.intervals import median_interval
from entrena.lessons.levels import race
from entrena.lessons.redundancy import (
    BATCH,
    EXACT,
    LESSON,
    MINI_BATCH,
    MODES,
    NOISY,
    ONLINE,
    copied,
    growth,
    ratios,
    varied,
)
from entrena.lessons.trials import Trials
from entrena.network.multilayer import Network
from entrena.training.seeds import generator
from tests.lessons.checks import assert_told, assert_trained_pages

TINY = {"data": ["moons"], "rows": 20, "copies": [1, 3], "kinds": [EXACT], "seeds": 2, "tuning_seeds": 1, "most": 30}


def data(name, ratio, times_more, n=20, *, kind=EXACT, spread=0.05, seed=0):
    """Results of a data set on which batch learning takes so many times the passes of online learning."""
    chance = np.random.default_rng(seed)

    def situation(copies, own_kind, own_ratio):
        online = 10 * np.exp(spread * chance.standard_normal(n))
        batch = online * own_ratio * np.exp(spread * chance.standard_normal(n))
        taken = {ONLINE: online, MINI_BATCH: online, BATCH: batch}
        modes = {mode: {"rate": 0.1, "passes": passes.tolist()} for mode, passes in taken.items()}
        return {"kind": own_kind, "copies": copies, "modes": modes}

    found = [situation(1, EXACT, ratio / times_more), situation(10, EXACT, ratio)]
    if kind == NOISY:
        found.append(situation(10, NOISY, ratio))
    seconds = dict.fromkeys(MODES, 0.001)
    return {"name": name, "level": 0.1, "hidden": [4], "found": found, "seconds_a_pass": seconds}


def results(*sets):
    return {"rows": 100, "most": 500, "data": list(sets)}


@pytest.mark.parametrize(
    ("sets", "name", "words"),
    [
        ([(8, 4), (3, 2)], "holds", "holds"),
        ([(1.2, 1.1), (1.5, 1.4)], "fails", "fails"),
        ([(8, 0.5), (9, 0.8)], "fails", "fails"),  # faster, but no more so than without copies
        ([(8, 4), (1.2, 1.1)], "depends", "depends on the data set and the kind of copies"),
        ([(8, 4), (2.0, 2.0)], "not_decided", "not decided at this size"),
        ([(8, 1.0)], "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(sets, name, words):
    made = results(*(data(f"set {k}", *each, seed=k) for k, each in enumerate(sets)))
    verdict = LESSON.judge(made)
    assert (verdict.name, verdict.words) == (name, words)
    for each in made["data"]:
        assert f"{each['name']} (exact)" in verdict.sentence


def test_noisy_copies_are_a_case_of_their_own():
    verdict = LESSON.judge(results(data("set", 8, 4, kind=NOISY)))
    assert verdict.name == "holds"
    assert "set (exact)" in verdict.sentence and "set (noisy)" in verdict.sentence


def test_runs_that_do_not_get_there_never_help_the_claim():
    each = data("set", 8, 4)
    online = each["found"][1]["modes"][ONLINE]["passes"]
    assert LESSON.judge(results(each)).name == "holds"
    online[:8] = [None] * 8  # of 20: online learning is stuck
    assert ratios(each)[1]["low"] == 0
    assert LESSON.judge(results(each)).name == "not_decided"
    batch = each["found"][1]["modes"][BATCH]["passes"]
    batch[:8] = [None] * 8  # batch learning as well: of these seeds nothing is known
    found = ratios(each)[1]
    assert (found["low"], found["high"]) == (-inf, inf)


def test_ratios_are_medians_of_pairs():
    each = data("set", 8, 4, n=20)
    taken = [np.array(each["found"][1]["modes"][mode]["passes"]) for mode in (BATCH, ONLINE)]
    pairs = np.sort(taken[0] / taken[1])
    found = ratios(each)[1]
    assert found["median"] == pytest.approx(np.median(pairs))
    assert (found["low"], found["high"]) == (pairs[5], pairs[14])  # the 6th of 20 from both ends: 95.9 %
    single = [np.array(each["found"][0]["modes"][mode]["passes"]) for mode in (BATCH, ONLINE)]
    more = (taken[0] / taken[1]) / (single[0] / single[1])
    assert growth(each, EXACT)["median"] == pytest.approx(np.median(more))


@pytest.mark.parametrize("n", [6, 8, 12, 20, 37])
def test_the_interval_of_a_median_is_scipys(n):
    values = np.random.default_rng(n).normal(size=n)
    expected = stats.quantile_test(values, q=0, p=0.5).confidence_interval(0.95)
    found = median_interval(values.tolist())
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert found["median"] == pytest.approx(np.median(values))


def test_the_interval_of_a_median_of_few_or_unknown_values():
    assert median_interval([1.0, 2.0, 3.0]) == {"median": 2.0, "low": -inf, "high": inf}
    found = median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, nan])
    assert (found["low"], found["high"]) == (-inf, inf) and np.isnan(found["median"])
    assert median_interval([1.0] * 4 + [inf] * 16)["median"] == inf


def test_copies():
    examples = EMBEDDED["iris"].load().take(np.arange(0, 150, 10))
    exact = copied(examples, 3, 0.0, np.random.default_rng(0))
    inputs = np.column_stack([column.values for column in examples.inputs])
    made = np.column_stack([column.values for column in exact.inputs])
    assert exact.n_rows == 45 and exact.columns == examples.columns
    np.testing.assert_array_equal(made, np.concatenate([inputs] * 3))
    np.testing.assert_array_equal(exact.targets, np.concatenate([examples.targets] * 3))


def test_columns_that_are_nearly_constant_are_left_out():
    examples = EMBEDDED["digits"].load()
    kept = varied(examples)
    inputs = np.column_stack([column.values for column in examples.inputs])
    most = [max(np.bincount(column.astype(int))) for column in inputs.T]
    assert [name for name, count in zip(examples.columns, most, strict=True) if count < 0.9 * 1797] == [*kept.columns]
    assert 30 < len(kept.columns) < 60 and kept.n_rows == 1797
    assert varied(EMBEDDED["moons"].load()).columns == ("x", "y")
    # So networks of different seeds have equal shapes, and are trained side by side.
    made = [redundancy._racer("digits", EXACT, 1, BATCH, 100).prepare(seed, 0.1, 2) for seed in range(12)]
    assert len({each.network.sizes for each in made}) == 1


def test_noisy_copies():
    examples = EMBEDDED["digits"].load()
    noisy = copied(examples, 3, 0.1, np.random.default_rng(0))
    inputs = np.column_stack([column.values for column in examples.inputs])
    made = np.column_stack([column.values for column in noisy.inputs])
    np.testing.assert_array_equal(made[: len(inputs)], inputs)  # the first copy is the row itself
    apart = made[len(inputs) :] - np.concatenate([inputs] * 2)
    spread = inputs.std(axis=0)
    np.testing.assert_allclose(apart.std(axis=0), 0.1 * spread, rtol=0.06)
    assert (apart[:, spread == 0] == 0).all() and (spread == 0).any()


def test_modes_start_from_the_same_weights_and_rows():
    starts = {}
    for kind, copies in ((EXACT, 1), (EXACT, 3), (NOISY, 3)):
        for mode in MODES:
            made = redundancy._racer("moons", kind, copies, mode, 20).prepare(5, 0.1, 10)
            starts[kind, copies, mode] = made
            assert made.training.n_rows == 20 * copies
            assert made.validation is not None and made.validation.n_rows == 20
            assert made.plan.patience is None and not made.plan.restore_best  # who looks on changes nothing
            assert (made.plan.momentum, made.plan.structure.decay) == (None, False)
    first, *others = [weights(made.network, made.plan) for made in starts.values()]
    for other in others:
        np.testing.assert_array_equal(other, first)
    sizes = {mode: starts[EXACT, 3, mode].plan.n_updates for mode in MODES}
    assert sizes == {ONLINE: 60, MINI_BATCH: 6, BATCH: 1}


def weights(network: Network, plan):
    return np.concatenate(
        [
            leaf.ravel()
            for layer in network.initialize(generator(plan.seed, "weights"), plan.dtype)
            for leaf in layer.values()
        ]
    )


def test_passes_are_those_of_a_gradient_descent_by_hand():
    """Batch learning with three copies of each row and with one: the same passes, which NumPy counts."""
    rate, level, most = 0.5, 0.2, 400  # a rate with which the loss does not oscillate, which would magnify rounding
    made = redundancy._racer("moons", EXACT, 1, BATCH, 20).prepare(3, rate, most)
    passes = {}
    for copies in (1, 3):
        racer = redundancy._racer("moons", EXACT, copies, BATCH, 20)
        racer = replace(racer, most=most, level=lambda _: level)
        (passes[copies],) = race("", [racer], [rate], [3], Trials("redundancy"))[0]
    expected = passes_by_hand(made, rate, level, most)
    assert 5 < expected < most
    assert passes[1] == pytest.approx(expected, rel=1e-3)
    assert passes[3] == pytest.approx(expected, rel=1e-3)


def passes_by_hand(made, rate, level, most):
    """tanh, softmax and cross-entropy in float64; the loss between two passes falls by equal factors."""
    params = [
        {name: leaf.astype(float) for name, leaf in layer.items()}
        for layer in made.network.initialize(generator(made.plan.seed, "weights"), made.plan.dtype)
    ]
    (W1, b1), (W2, b2) = [sorted(layer.values(), key=lambda leaf: -leaf.ndim) for layer in params]
    X, T = (np.asarray(table[: made.training.n_rows], float) for table in (made.training.inputs, made.training.targets))
    before = inf
    for done in range(1, most + 1):
        for step in (True, False):
            hidden = np.tanh(X @ W1 + b1)
            z = hidden @ W2 + b2
            p = np.exp(z - z.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            if not step:
                break
            down = (p - T) / len(X)
            back = (down @ W2.T) * (1 - hidden**2)
            W2, b2 = W2 - rate * hidden.T @ down, b2 - rate * down.sum(axis=0)
            W1, b1 = W1 - rate * X.T @ back, b1 - rate * back.sum(axis=0)
        loss = -(T * np.log(p)).sum(axis=1).mean()
        if loss <= level:
            return done - 1 + np.log(before / level) / np.log(before / loss)
        before = loss
    return inf


@pytest.fixture(scope="module")
def tiny():
    return redundancy.experiment(TINY, 3, Trials("redundancy"))


def without_seconds(found):
    return json.dumps(
        [{name: value for name, value in each.items() if "seconds" not in name} for each in found["data"]]
    )


def test_the_same_seed_gives_the_same_passes(tiny):
    assert without_seconds(redundancy.experiment(TINY, 3, Trials("redundancy"))) == without_seconds(tiny)
    assert without_seconds(redundancy.experiment(TINY, 50, Trials("redundancy"))) != without_seconds(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 2)
    assert [(own["kind"], own["copies"]) for own in tiny["data"][0]["found"]] == [(EXACT, 1), (EXACT, 3)]


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['tuning_seeds']} other seeds" in said
    assert all(each in said for each in choices["data"])
    assert ("noise" in said) == (NOISY in choices["kinds"])


def test_pages(tmp_path):
    assert_trained_pages(LESSON, TINY, "moons", tmp_path)
