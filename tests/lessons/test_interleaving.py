"""The lesson interleaving: its verdict on made-up results, its orders and curves against formulas, and its pages."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from entrena.data import EMBEDDED
from entrena.lessons import interleaving
from entrena.lessons.interleaving import (
    GIVEN,
    INTERLEAVED,
    LESSON,
    ORDERS,
    SHUFFLED,
    SORTED,
    comparisons,
    equal_neighbours,
    found_of,
)
from entrena.lessons.trials import Trials, rows_of
from entrena.population.splits import Split
from entrena.recipe import Recipe
from tests.lessons.checks import assert_pages, assert_told

TINY = {"data": ["iris"], "modes": ["mini_batch"], "most": 2, "seeds": 2, "tuning_seeds": 1}


def case(name, gain, *, loss=2.0, noise=0.02, n=16):
    """A case in which shuffled takes so many times the passes of interleaved, and sorted so many times those of it."""
    signs = (-1) ** np.arange(n)
    means = {SORTED: 10 * loss, GIVEN: 10.0, SHUFFLED: 10.0, INTERLEAVED: 10 / gain}
    orders = []
    for order, mean in means.items():
        passes = (mean * np.exp((noise if order == INTERLEAVED else 0) * signs)).tolist()
        accuracy = {"mean": 0.9, "low": 0.88, "high": 0.92, "values": [0.9] * n}
        told = {"rate": 0.1, "neighbours": 0.3, "passes": passes, "curve": [0.3, 0.1], "accuracy": accuracy}
        orders.append({"order": order, **told})
    return {"name": name, "mode": "online", "classes": 3, "level": 0.1, "most": 40, "orders": orders}


@pytest.mark.parametrize(
    ("gains", "noise", "name", "words"),
    [
        ((1.3, 1.2), 0.02, "holds", "holds"),
        ((1.0, 0.9), 0.02, "fails", "fails"),
        ((1.3, 1.0), 0.02, "depends", "depends on the data set and the mode"),
        ((1.04, 1.06), 0.3, "not_decided", "not decided at this size"),
        ((1.3, 1.05), 0.3, "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(gains, noise, name, words):
    results = {"cases": [case(f"set {k}", gain, noise=noise) for k, gain in enumerate(gains)]}
    verdict = LESSON.judge(results)
    assert (verdict.name, verdict.words) == (name, words)
    assert "set 0, online" in verdict.sentence and "set 1, online" in verdict.sentence
    assert "sorted takes clearly more passes in 2 of 2 cases" in verdict.sentence
    assert LESSON.meaning(results) and LESSON.tables(results)


def test_sorted_against_shuffled_does_not_decide():
    few, many = ({"cases": [case("a", 1.3, loss=loss)]} for loss in (0.5, 20.0))
    assert LESSON.judge(few).name == LESSON.judge(many).name == "holds"
    assert "in 0 of 1 cases" in LESSON.judge(few).sentence and "in 1 of 1 cases" in LESSON.judge(many).sentence


def test_a_level_that_is_not_reached_counts_as_all_passes():
    results = {"cases": [case("a", 1.0)]}
    results["cases"][0]["orders"][0]["passes"] = [None] * 16
    found = comparisons(results, SORTED, SHUFFLED)["a, online"]
    assert found["mean"] == pytest.approx(4) and found["not_reached"] == [16, 0]
    rows = LESSON.tables(results)[1].rows
    assert rows[0][1].startswith("≥ 4.00")


def prepared(name, order, *, seed=0, by_class=False):
    examples = EMBEDDED[name].load()
    rows = np.arange(examples.n_rows)
    rows = rows[np.argsort(examples.targets, kind="stable")] if by_class else rows
    own = rows_of(examples, Split(seed, 0, rows, np.arange(0)))
    return own.prepare(Recipe.make({"order": order, "hidden": [2], "random_state": seed, "early_stopping": False}))


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "digits"])
def test_equal_neighbours_by_formula(name):
    counts = np.unique(EMBEDDED[name].load().targets, return_counts=True)[1]
    n = counts.sum()
    assert equal_neighbours(prepared(name, "sequential", by_class=True)) == pytest.approx((n - len(counts)) / (n - 1))
    least = max(0, 2 * counts.max() - n - 1) / (n - 1)
    assert equal_neighbours(prepared(name, "interleaved")) == pytest.approx(least)
    # Of a random permutation each pair of neighbours is a random pair.
    expected = (counts * (counts - 1)).sum() / (n * (n - 1))
    found = np.mean([equal_neighbours(prepared(name, "shuffled", seed=seed)) for seed in range(12)])
    assert found == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / (12 * n)))


def test_passes_curve_and_accuracy():
    def fitted(losses, right):
        model = SimpleNamespace(evaluate=lambda rows: {"accuracy": right})
        return SimpleNamespace(
            model=model, training=SimpleNamespace(history=[{"validation_loss": loss} for loss in losses])
        )

    found = found_of([fitted([0.4, 0.1, 0.025], 0.8), fitted([0.1, 0.1], 1.0)], [None, None], 0.05)
    assert found["passes"] == [2.5, None]
    assert found["curve"] == pytest.approx([0.2, 0.1, 0.05])  # the second one counts on with its last loss
    assert found["accuracy"]["mean"] == pytest.approx(0.9) and found["accuracy"]["values"] == [0.8, 1.0]


def test_orders_differ_in_their_sequence_only(monkeypatch):
    """All orders see the same rows, from the same first weights, and are watched on all training rows."""
    seen = []

    class Recording(Trials):
        def train(self, said, networks, watching=(), *, same=False):
            seen.append(networks)
            return super().train(said, networks, watching, same=same)

    monkeypatch.setattr(interleaving, "RATES", {"online": (0.1,)})
    interleaving._case("wine", "online", 2, range(3, 5), range(5, 6), Recording("interleaving"))
    tuning, *_, last = seen
    assert {each.plan.seed for each in tuning} == {5}
    assert [each.plan.order.name for each in last] == [name for name in ORDERS.values() for _ in range(2)]
    assert [each.plan.seed for each in last] == [3, 4] * len(ORDERS)
    tables = [each.training.inputs[: each.training.n_rows] for each in last]
    for table, each in zip(tables, last, strict=True):
        same = tables[(0, 1)[each.plan.seed == 4]]
        np.testing.assert_allclose(np.sort(table, axis=0), np.sort(same, axis=0), atol=1e-5)
        np.testing.assert_array_equal(each.validation.inputs, table)
        assert each.plan.batch_size == 1 and each.plan.patience is None and each.plan.schedule.name == "constant"
    classes = [each.training.classes[: each.training.n_rows] for each in last]
    assert np.all(np.diff(classes[0]) >= 0)  # sorted


@pytest.fixture(scope="module")
def tiny():
    return interleaving.experiment(TINY, 3, Trials("interleaving"))


def test_the_same_seed_gives_the_same_results(tiny):
    assert json.dumps(interleaving.experiment(TINY, 3, Trials("interleaving"))) == json.dumps(tiny)
    assert json.dumps(interleaving.experiment(TINY, 50, Trials("interleaving"))) != json.dumps(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 2, 3)
    # iris comes sorted, so both are one.
    first, second = tiny["cases"][0]["orders"][:2]
    assert {**first, "order": GIVEN} == second


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['tuning_seeds']} other seeds" in said
    assert f"{choices['most']} passes" in said
    assert all(each in said for each in choices["data"])


def test_pages(tmp_path, tiny):
    assert_pages(LESSON, TINY, tiny, tmp_path)
