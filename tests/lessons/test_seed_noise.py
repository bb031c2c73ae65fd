"""The lesson seed_noise: its verdict on made-up results, its pairs, its judges, and that it can be repeated."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from entrena.lessons import Size, pages, seed_noise, trials
from entrena.lessons.running import run
from entrena.lessons.seed_noise import (
    CORRECTED,
    JUDGES,
    LESSON,
    ONE_RUN,
    SEEN,
    SHIFTS,
    USUAL,
    comparisons_found,
    pairs_found,
    smallest_found,
    usual_t,
)
from entrena.lessons.trials import Trials
from entrena.population.statistics import corrected_t, power_of
from tests.lessons.checks import assert_told

TINY = {"data": ["iris", "diabetes"], "pairs": 3, "samples": 2, "splits": 2, "unseen": 200, "samples_at_once": 1}


def data(name, noise, n=192, *, seed=0):
    """Results of pairs whose scores scatter so much."""
    scores = 0.9 + noise * np.random.default_rng(seed).standard_normal((3, n))
    return {"name": name, "score": "accuracy", "rows": 500, "held_out": 100, **pairs_found(*scores, 0.2)}


def comparisons(n=30, splits=5):
    chance = np.random.default_rng(1)
    scores = 0.8 + 0.02 * chance.standard_normal((n, splits, len(SEEN)))
    truths = 0.8 + 0.002 * chance.standard_normal((n, len(SEEN)))
    return {"samples": n, "splits": splits, "situations": comparisons_found(scores, truths)}


# Of normal differences with deviation √2·noise the share beyond 0.01 is 2Φ(−0.01/(√2·noise)).
@pytest.mark.parametrize(
    ("noises", "n", "name", "words"),
    [
        ((0.02, 0.03), 192, "holds", "holds"),
        ((0.001, 0.002), 192, "fails", "fails"),
        ((0.02, 0.001), 192, "depends", "depends on the data set"),
        ((0.02, 0.0043), 20, "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(noises, n, name, words):
    found = {"data": [data(f"set {k}", noise, n, seed=k) for k, noise in enumerate(noises)]}
    verdict = LESSON.judge({**found, "comparisons": {}})
    assert (verdict.name, verdict.words) == (name, words)
    for each in found["data"]:
        assert each["name"] in verdict.sentence


def test_what_pairs_tell():
    a, b, c = (
        np.array([0.90, 0.80, 0.85, 0.95]),
        np.array([0.89, 0.80, 0.849, 0.95]),
        np.array([0.80, 0.81, 0.85, 0.90]),
    )
    found = pairs_found(a, b, c, 0.2)
    assert found["seed"]["enough"]["count"] == 1  # 0.90 − 0.89 is 0.01, though not in floating point
    assert found["split"]["enough"]["count"] == 3
    assert found["split"]["largest"] == pytest.approx(0.1)
    assert found["split"]["median"] == pytest.approx(0.03)
    assert found["split"]["deviation"] == pytest.approx(np.sqrt((0.1**2 + 0.01**2 + 0.05**2) / 4))
    assert found["split"]["differences"] == pytest.approx([0.1, -0.01, 0, 0.05])
    assert found["mean"] == pytest.approx(np.mean([a, b, c]))


def test_the_share_of_large_differences_is_the_normal_one():
    found = data("made up", 0.01, n=20_000)["seed"]["enough"]
    expected = 2 * stats.norm.cdf(-0.01 / (np.sqrt(2) * 0.01))
    assert found["low"] < expected < found["high"]


def test_the_smallest_difference_that_ten_splits_find():
    found = smallest_found(0.02, 0.2)
    assert power_of(found, 0.02, 0.2, 10) == pytest.approx(0.8, abs=1e-6)
    assert smallest_found(0.04, 0.2) == pytest.approx(2 * found)
    assert smallest_found(0.0, 0.2) == 0


def test_pairs_are_disjoint(monkeypatch):
    """No network is in two pairs of a kind, each pair has a split of its own, and no two have the same seed."""
    seen = []

    class Recording(Trials):
        def train(self, said, prepared):
            seen.extend(prepared)
            return super().train(said, prepared)

    met = []

    def recorded(a, b, c, held_share):
        met.append((a, b, c))
        return pairs_found(a, b, c, held_share)

    monkeypatch.setattr(seed_noise, "pairs_found", recorded)
    seed_noise._on_data("iris", 4, 7, Recording("seed_noise"))
    assert len(seen) == 12
    random_states = [each.recipe.random_state for each in seen]
    assert len(set(random_states)) == 12
    rows = [tuple(map(tuple, np.asarray(each.training.inputs[: each.training.n_rows]).round(4))) for each in seen]
    for k in range(4):
        assert rows[2 * k] == rows[2 * k + 1]  # A and B: one split
    assert len(set(rows)) == 8  # of its own for each pair, and for each C
    ((a, b, c),) = met
    assert len(a) == len(b) == len(c) == 4
    # All choices but the seed are equal.
    assert len({each.recipe.change({"random_state": 0}).to_json() for each in seen}) == 1


def test_who_declares_a_winner():
    names = list(SEEN)
    i, j = names.index("all columns"), names.index("without x3")
    scores = np.full((1, 5, len(SEEN)), 0.8)
    scores[0, :, i] += [0.025, 0.05, 0.025, 0.05, 0.025]  # ahead on every split
    truths = np.full((1, len(SEEN)), 0.8)
    differences = scores[0, :, i] - scores[0, :, j]
    _, _, better = comparisons_found(np.concatenate([scores] * 2), np.concatenate([truths] * 2))
    expected = {
        ONE_RUN: True,
        USUAL: stats.ttest_rel(scores[0, :, i], scores[0, :, j]).pvalue < 0.05,
        CORRECTED: corrected_t(differences.tolist(), 0.2, 1 / 40).p_value < 0.05,
    }
    assert expected[USUAL] and not expected[CORRECTED]
    for name in JUDGES:
        assert better["declared"][name]["first"]["share"] == expected[name]
        assert better["declared"][name]["second"]["share"] == 0
    equal, alike, _ = comparisons_found(np.concatenate([scores] * 2), np.concatenate([truths] * 2))
    for name in JUDGES:  # "all columns" is ahead of its twin as well; of the two without a column none is
        assert equal["declared"][name]["either"]["share"] == expected[name]
        assert alike["declared"][name]["either"]["count"] == 0


def test_the_second_may_win():
    names = list(SEEN)
    scores = np.full((2, 5, len(SEEN)), 0.8)
    scores[:, :, names.index("without x3")] += [0.05, 0.075, 0.05, 0.075, 0.05]
    _, _, better = comparisons_found(scores, np.full((2, len(SEEN)), 0.8))
    assert better["declared"][ONE_RUN]["second"]["share"] == 1
    assert better["declared"][USUAL]["second"]["share"] == 1
    assert better["declared"][ONE_RUN]["first"]["count"] == 0


def test_the_usual_t_test_is_scipys():
    chance = np.random.default_rng(0)
    a, b = chance.normal(size=(2, 10))
    assert usual_t(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert usual_t(np.zeros(5)) == 1
    assert usual_t(np.full(5, 0.025)) == 0


def test_two_of_the_recipes_are_equal_by_symmetry():
    assert SHIFTS[0] == SHIFTS[1] > SHIFTS[2] > 0
    assert {SEEN["without x1"], SEEN["without x2"]} == {(("x2", "x3"), 0), (("x1", "x3"), 0)}


@pytest.fixture(scope="module")
def tiny():
    return seed_noise.experiment(TINY, 3, Trials("seed_noise"))


def test_the_same_seed_gives_the_same_results(tiny):
    assert json.dumps(seed_noise.experiment(TINY, 3, Trials("seed_noise"))) == json.dumps(tiny)
    assert json.dumps(seed_noise.experiment(TINY, 500, Trials("seed_noise"))) != json.dumps(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 2, 3)
    assert [each["score"] for each in tiny["data"]] == ["accuracy", "r2"]
    assert [each["held_out"] for each in tiny["data"]] == [30, 88]


def test_samples_do_not_depend_on_how_many_are_trained_at_once(monkeypatch):
    seen = []

    def recorded(scores, truths):
        seen.append((scores, truths))
        return comparisons_found(scores, truths)

    monkeypatch.setattr(seed_noise, "comparisons_found", recorded)
    for at_once in (1, 2):
        seed_noise.experiment({**TINY, "data": [], "samples_at_once": at_once}, 3, Trials("seed_noise"))
    (scores, truths), (scores_together, truths_together) = seen
    assert scores.shape == (2, 2, len(SEEN)) and truths.shape == (2, len(SEEN))
    # Beside others a network comes out a little different in its last bits, so a row may change its side.
    np.testing.assert_allclose(scores_together, scores, atol=0.026)
    np.testing.assert_allclose(truths_together, truths, atol=0.006)
    assert np.abs(truths[0] - truths[1]).max() > 0.006  # samples do differ


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    for number in (choices["pairs"], choices["samples"], choices["splits"]):
        assert f"{number} " in said
    assert all(each in said for each in choices["data"])


def test_pages(tmp_path):
    sizes = {**LESSON.sizes, "quick": Size(TINY, "All else is left out.")}
    lesson = replace(LESSON, sizes=sizes)
    record = run(lesson, "quick", seed=3)
    assert record["networks"] == 2 * 9 + 2 * 2 * 5
    assert record["command"] == "entrena lesson seed_noise --seed 3"
    pages.write(str(tmp_path / "found.md"), lesson, record)
    text = (tmp_path / "found.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {LESSON.title}\n\n**The claim.** {LESSON.claim}\n")
    assert f"**Verdict: {record['verdict']['words']}.** {record['verdict']['sentence']}" in text
    for said in ("All else is left out.", record["machine"], record["versions"], record["command"], "pairs 3"):
        assert said in text
    pages.write(str(tmp_path / "found.html"), lesson, record)
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    for said in (LESSON.claim, "All else is left out.", "split and seed differ", record["command"]):
        assert said in page


def test_ctrl_c_while_networks_train(monkeypatch):
    @contextmanager
    def pressed():
        yield lambda: True

    monkeypatch.setattr(trials, "interrupt_as_flag", pressed)
    with pytest.raises(KeyboardInterrupt, match="keeps nothing of its networks; entrena lesson seed_noise begins anew"):
        seed_noise.experiment(TINY, 0, Trials("seed_noise"))
