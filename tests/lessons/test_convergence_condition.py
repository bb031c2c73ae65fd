"""The lesson convergence_condition: its verdict on made-up results, its searches against NumPy, and its pages."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from entrena.lessons import Size, convergence_condition, edge_of_stability, pages
from entrena.lessons.convergence_condition import (
    LESSON,
    Problem,
    contraction_seen,
    converges,
    narrow_edge,
    narrow_fastest,
    numbers_of,
    problem,
)
from entrena.lessons.edge_of_stability import has_learned, path_found
from entrena.lessons.quadratics import first_weights, ravine
from entrena.lessons.running import run
from entrena.lessons.trials import Trials
from tests.lessons.checks import assert_told

NETWORK = {"hidden": [4], "rows": 40, "seeds": 2, "multiples": [0.5, 1e3], "updates": 40, "shares": [0.5, 1.0]}
TINY = {
    "cases": ["κ = 1", "κ = 3", "diabetes, whitened"],
    "seeds": 2,
    "edge_rounds": [[4, 30], [4, 60]],
    "fastest_rounds": [4, 4],
    "network": NETWORK | {"stage": 3, "stages": 2},
}


def case(name, edge, fastest, half=0.005, **more):
    """A case whose two ratios have intervals of that half width."""
    ratios = {
        kind: {"mean": mean, "low": mean - half, "high": mean + half}
        for kind, mean in (("edge", edge), ("fastest", fastest))
    }
    told = {"condition": 3.0, "edge_in_theory": 0.5, "fastest_in_theory": 0.75, "out_of_order": 0}
    return {"name": name, **ratios, **told, "contraction": 0.5, "contraction_in_theory": 0.5, **more}


@pytest.mark.parametrize(
    ("ratios", "half", "name", "words"),
    [
        ([(1.0, 1.0), (1.01, 0.99)], 0.005, "holds", "holds"),
        ([(1.2, 0.8), (1.1, 1.5)], 0.005, "fails", "fails"),
        ([(1.0, 1.0), (1.0, 1.2)], 0.005, "depends", "depends on the case"),
        ([(1.0, 1.0), (1.03, 1.0)], 0.005, "not_decided", "not decided at this size"),
        ([(1.0, 1.0), (1.0, 1.0)], 0.2, "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(ratios, half, name, words):
    results = {"cases": [case(f"case {k}", *pair, half) for k, pair in enumerate(ratios)]}
    verdict = LESSON.judge(results)
    assert (verdict.name, verdict.words) == (name, words)
    for k in range(len(ratios)):
        assert f"case {k}: " in verdict.sentence
    assert ("It fails" in verdict.sentence) == (name in ("fails", "depends"))
    assert ("It is not decided" in verdict.sentence) == (name == "not_decided")


def test_the_verdict_names_the_rate_that_fails():
    verdict = LESSON.judge({"cases": [case("one", 1.0, 1.2), case("other", 1.0, 1.0)]})
    assert "It fails on one (fastest rate)." in verdict.sentence
    assert "one: 1.200 (1.195–1.205)" in verdict.sentence


def descent(table, targets, weights, rate, n):
    """Losses before n updates of gradient descent on a mean of squares, and the weights after them."""
    losses = []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(n):
            errors = table @ weights - targets
            losses.append(np.square(errors).mean())
            weights = weights - rate * 2 / targets.size * table.T @ errors
    return np.array(losses), weights


def rows_of(of):
    """The rows of a problem as its network sees them, with a column of ones."""
    part = of.prepare(0.1, 1).training
    inputs, targets = part.inputs[: part.n_rows], part.targets[: part.n_rows]
    return np.column_stack([inputs, np.ones(len(inputs))]), targets


@pytest.mark.parametrize("name", ["κ = 3", "iris", "diabetes, whitened"])
def test_the_edge_that_is_found_is_one_by_numpy(name):
    of = problem(name, 4)
    for n_rates, n_updates in ((5, 40), (5, 80), (4, 300)):
        narrow_edge([of], n_rates, n_updates, Trials("convergence_condition"))
    table, targets = rows_of(of)
    start = first_weights(of.prepare(0.1, 1))
    least = np.square(table @ np.linalg.lstsq(table, targets, rcond=None)[0] - targets).mean()
    below, _ = descent(table, targets, start, of.low, 2000)
    above, _ = descent(table, targets, start, of.high, 2000)
    assert below[-1] - least < 0.9 * (below[0] - least)
    assert not above[-1] - least < 2 * (above[0] - least)
    # The greatest eigenvalue by SciPy's singular values of the table, not by the lesson's Hessian.
    greatest = 2 / targets.size * np.linalg.norm(table, 2) ** 2
    assert of.low < 2 / greatest * 1.01 and of.high > 2 / greatest * 0.99
    assert of.high / of.low < 1.2 and of.out_of_order == 0


def test_the_contractions_are_those_of_numpy():
    of = problem("κ = 3", 2)
    of.low = of.high = 2 / float(np.linalg.norm(rows_of(of)[0], 2) ** 2 * 2 / 200)
    narrow_fastest([of], 5, Trials("convergence_condition"))
    narrow_fastest([of], 3, Trials("convergence_condition"))
    table, targets = rows_of(of)
    best = np.linalg.lstsq(table, targets, rcond=None)[0]
    for rate, found in of.contractions.items():
        start = first_weights(of.prepare(rate, 1))
        # κ = 3 is left with ½: ln 2 · 37.5 = 26, in five parts of 7 updates.
        ends = [np.linalg.norm(descent(table, targets, start, rate, n)[1] - best) for n in (28, 35)]
        assert found == pytest.approx((ends[1] / ends[0]) ** (1 / 7), rel=1e-4)
    # At 0.7 of the edge 1 − 0.7·2/3 = 0.53 is left, at 0.6 and 0.8 it is 0.6: the second round lies around 0.7.
    shares = sorted(rate / of.edge for rate in of.contractions)
    assert shares == pytest.approx([0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9])
    assert of.fastest / of.edge == pytest.approx(0.75, abs=1e-6)


def test_whether_losses_converge():
    falling, rising = 2 + 0.5 ** np.arange(9), 2 + 0.5 ** np.arange(9) + 1e-6 * 3.0 ** np.arange(9)
    assert converges(falling, 2.0)
    assert not converges(rising, 2.0)
    assert converges(rising[:6], 2.0)  # not long enough to see it
    assert not converges(np.array([3.0, np.inf]), 2.0)
    assert not converges(np.array([3.0, np.nan]), 2.0)
    # At the minimum the last digits go up and down.
    assert converges(np.array([3.0, 2.0, 2.0 + 1e-15]), 2.0)


def test_what_an_update_leaves():
    assert contraction_seen([1.0, 1e-4, 1e-5], 2) == pytest.approx(10**-0.5)
    assert contraction_seen([1.0, 1e-8, 1e-13], 2) == pytest.approx(0.1)  # only rounding is left: the parts before
    assert contraction_seen([1.0, 1e3, np.inf], 2) == np.inf
    assert contraction_seen([1.0, 1e3, np.nan], 2) == np.inf


def test_rates_out_of_order_are_counted(monkeypatch):
    of = Problem(lambda rate, n: rate, problem("κ = 1", 0).quadratic, low=1.0, high=64.0)
    works = iter([True, False, True, False, True])
    monkeypatch.setattr(convergence_condition, "converges", lambda losses, least: next(works))
    monkeypatch.setattr(convergence_condition, "losses_of", lambda fitted: None)

    class Nothing:
        def train(self, said, prepared, watching):
            assert prepared == pytest.approx([2, 4, 8, 16, 32])
            return prepared

    narrow_edge([of], 5, 100, Nothing())
    assert (of.low, of.high, of.out_of_order) == (pytest.approx(2), pytest.approx(4), 2)
    assert of.edge == pytest.approx(8**0.5)


def test_classes_as_numbers():
    examples = numbers_of("iris")
    assert examples.targets.shape == (150, 3) and (examples.targets.sum(axis=1) == 1).all()
    assert examples.target_names == ("setosa", "versicolor", "virginica")
    assert numbers_of("diabetes").targets.ndim == 1


def test_of_a_seed_rows_and_theory_are_its_own():
    one, other, again = problem("diabetes", 1), problem("diabetes", 2), problem("diabetes", 1)
    assert one.quadratic.edge == again.quadratic.edge != other.quadratic.edge
    table, _ = rows_of(one)
    assert len(table) == 354  # four fifths of 442
    made = ravine(3.0, 200, 8, np.random.default_rng((6, 1)))
    np.testing.assert_array_equal(
        rows_of(problem("κ = 3", 6))[0][:, :-1], np.column_stack([column.values for column in made.inputs])
    )


def test_what_a_path_tells():
    products = np.array([[1.8, 1.0, 1.2, 1.1], [1.8, 0.9, 1.0, 1.2], [1.8, 0.9, 1.3, 1.1]])
    losses = np.array([[8, 4, 2, 3, 1, 1.5], [8, 4, 2, 1.5, 1, 0.5], [8, 4, 4, 4, 4, 5.0]])
    found = path_found(1.8, 2, products, losses)
    late = np.array([1.15, 1.1, 1.2])
    half = stats.t.ppf(0.975, 2) * np.sqrt(late.var(ddof=1) * (1 / 3 + 0.25))  # Nadeau & Bengio: n₂/n₁ = ¼
    assert (found["late"]["mean"], found["late"]["high"]) == pytest.approx((1.15, 1.15 + half))
    assert found["rises"]["mean"] == pytest.approx(np.mean([0.5, 0, 0.5]))
    assert found["fall"]["mean"] == pytest.approx(np.mean([0.5, 1 / 3, 1.25]))
    assert found["products"] == [1.8, 0.9, 1.2, 1.1] and found["losses"] == [8, 2, 1]


def test_whether_a_network_has_learned():
    assert has_learned(np.array([1.0, 2.0, 0.5]))
    assert not has_learned(np.array([1.0, 0.51]))
    assert not has_learned(np.array([1.0, np.inf, 0.1]))


def test_training_in_stages_is_training_in_one_go():
    examples = numbers_of("digits")
    trials = Trials("convergence_condition")
    size = NETWORK | {"shares": [1.0]}
    (short,) = edge_of_stability.observed(examples, size | {"stage": 2, "stages": 3}, 0, trials)["paths"]
    (long,) = edge_of_stability.observed(examples, size | {"stage": 6, "stages": 1}, 0, trials)["paths"]
    assert short["products"][0] == pytest.approx(1.0, rel=1e-4)  # the share itself
    assert short["products"][-1] == pytest.approx(long["products"][-1], rel=1e-4)
    assert short["losses"][0] == long["losses"][0]
    assert trials.n_networks == 2 * (2 * 2 + 2)


@pytest.fixture(scope="module")
def tiny():
    return convergence_condition.experiment(TINY, 3, Trials("convergence_condition"))


def test_the_same_seed_gives_the_same_results(tiny):
    again = convergence_condition.experiment(TINY, 3, Trials("convergence_condition"))
    assert json.dumps(again) == json.dumps(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    again = assert_told(LESSON, tiny, 3, 3)
    assert [each["name"] for each in again["cases"]] == TINY["cases"]
    assert tiny["network"]["works"] == [1.0, 0.0]
    assert (
        any("inputs were whitened" in said for said in LESSON.meaning(again)) is False
    )  # diabetes itself is not there
    assert LESSON.judge(again).name in ("holds", "fails", "depends", "not_decided")


def test_intervals_of_a_data_set_are_the_corrected_ones(tiny):
    for each in tiny["cases"]:
        for kind in ("edge", "fastest"):
            ratios = np.array(each[kind]["ratios"])
            share = 0.0 if each["name"].startswith("κ") else 0.25
            half = stats.t.ppf(0.975, 1) * np.sqrt(ratios.var(ddof=1) * (1 / 2 + share))
            assert each[kind]["high"] - each[kind]["mean"] == pytest.approx(half, abs=1e-12)


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['network']['seeds']} seeds" in said
    assert all(each.removeprefix("κ = ") in said for each in choices["cases"])


def test_pages(tmp_path):
    lesson = replace(LESSON, sizes={**LESSON.sizes, "quick": Size(TINY, "All else is left out.")})
    record = run(lesson, "quick", seed=3)
    # Edges, fastest rates, and of the multilayer network two rates and two shares for two seeds.
    assert record["networks"] == 3 * 2 * (4 + 4) + 3 * 2 * (4 + 4) + 2 * 2 + 2 * 2
    pages.write(str(tmp_path / "found.md"), lesson, record)
    text = (tmp_path / "found.md").read_text(encoding="utf-8")
    assert f"**Verdict: {record['verdict']['words']}.** {record['verdict']['sentence']}" in text
    pages.write(str(tmp_path / "found.html"), lesson, record)
    assert "What an update leaves of the error" in (tmp_path / "found.html").read_text(encoding="utf-8")
