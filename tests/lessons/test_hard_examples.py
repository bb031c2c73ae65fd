"""The lesson hard_examples: its verdict on made-up results, mislabelled rows and draws by hand, and its pages."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from entrena.data import EMBEDDED
from entrena.lessons import hard_examples
from entrena.lessons.hard_examples import (
    BY_ERROR,
    COMPARED,
    LESSON,
    ORDERS,
    SHUFFLED,
    WEIGHTED,
    accuracy_gains,
    loss_gains,
    speed_gains,
)
from entrena.lessons.mislabelling import FINDING, drawn_of, mislabel, said_of_finding
from entrena.lessons.trials import Trials
from tests.lessons.checks import assert_pages, assert_told

TINY = {"data": ["breast_cancer"], "mislabelled": [0, 20], "most": 2, "passes": 2, "seeds": 2, "tuning_seeds": 1}


def made_up(speed, losses, *, noise=0.02, n=16):
    """Results in which by_error is so many times faster, and its loss so many times lower with 0 and 10 % wrong."""
    signs = (-1) ** np.arange(n)
    orders = []
    for order in ORDERS:
        passes = (10 / (1 if order == SHUFFLED else speed) * np.exp(noise * signs * (order == BY_ERROR))).tolist()
        orders.append({"order": order, "rate": 0.1, "passes": passes})
    wrong = []
    for percent, gain in zip((0, 10), losses, strict=True):
        own = []
        for order in COMPARED:
            loss = 0.3 / (1 if order == SHUFFLED else gain) * np.exp(noise * signs * (order == BY_ERROR))
            own.append({"order": order, "rate": 0.01, "log_loss": loss.tolist(), "accuracy": [0.9] * n})
            if order != SHUFFLED:
                shares = [0.4] * n if percent else []
                finding = {"count": 3 if percent else 0, "n": n, "right": [0.5] * 3, "named": [0.25] * 3}
                own[-1] |= {"draws": shares, "lift": [10 * share for share in shares], "finding": finding}
        wrong.append({"name": "moons", "mislabelled": percent, "orders": own})
    return {"speed": [{"name": "moons", "level": 0.1, "most": 40, "orders": orders}], "mislabelled": wrong}


@pytest.mark.parametrize(
    ("speed", "losses", "noise", "name", "words"),
    [
        (2.0, (1.2, 1.3), 0.02, "holds", "holds"),
        (0.9, (1.0, 0.8), 0.02, "fails", "fails"),
        (2.0, (0.9, 0.5), 0.02, "depends", "depends on what is measured"),
        (2.0, (1.3, 0.5), 0.02, "depends", "depends on what is measured and on the data set"),
        (1.1, (1.06, 1.04), 0.4, "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(speed, losses, noise, name, words):
    results = made_up(speed, losses, noise=noise)
    verdict = LESSON.judge(results)
    assert (verdict.name, verdict.words) == (name, words)
    assert "moons, 0 % wrong" in verdict.sentence and "moons, 10 % wrong" in verdict.sentence
    assert LESSON.tables(results) and LESSON.meaning(results)


def test_gains_are_ratios_and_differences():
    results = made_up(2.0, (1.2, 0.5), noise=0.0)
    assert speed_gains(results)["moons"]["mean"] == pytest.approx(2)
    assert speed_gains(results, WEIGHTED)["moons"]["mean"] == pytest.approx(2)
    assert [each["mean"] for each in loss_gains(results).values()] == pytest.approx([1.2, 0.5])
    results["mislabelled"][1]["orders"][1]["accuracy"] = [0.95, 0.93] * 8
    found = accuracy_gains(results)["moons, 10 % wrong"]
    # Nadeau & Bengio: 1/J + n₂/n₁ in place of 1/J, for a fifth that is held out.
    half = stats.t.ppf(0.975, 15) * np.std([0.05, 0.03] * 8, ddof=1) * np.sqrt(1 / 16 + 0.2 / 0.8)
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((0.04, 0.04 - half, 0.04 + half))


def test_as_many_rows_as_said_are_mislabelled():
    examples = EMBEDDED["digits"].load()
    training = np.arange(0, examples.n_rows, 2)
    spoiled, rows = mislabel(examples, training, 0.5, np.random.default_rng(0))
    changed = np.flatnonzero(spoiled.targets != examples.targets)
    np.testing.assert_array_equal(changed, rows)  # each of them wrongly, and no other row
    assert len(rows) == round(0.5 * len(training)) and np.isin(rows, training).all()
    # Each other class equally often.
    steps = (spoiled.targets[rows] - examples.targets[rows]) % 10
    counts = np.bincount(steps, minlength=10)
    assert counts[0] == 0 and stats.chisquare(counts[1:]).pvalue > 1e-3
    assert set(np.unique(spoiled.targets)) == set(np.unique(examples.targets))


def test_classes_with_names_stay_names():
    examples = EMBEDDED["breast_cancer"].load()
    spoiled, rows = mislabel(examples, np.arange(100), 0.1, np.random.default_rng(0))
    assert len(rows) == 10 and spoiled.targets.dtype == examples.targets.dtype
    assert np.all(spoiled.targets[rows] != examples.targets[rows])
    clean, none = mislabel(examples, np.arange(100), 0.0, np.random.default_rng(0))
    assert len(none) == 0 and np.array_equal(clean.targets, examples.targets)


def test_who_is_drawn_and_named():
    def fitted(draws, rows=None):
        findings = (
            () if rows is None else (SimpleNamespace(name="other", rows=()), SimpleNamespace(name=FINDING, rows=rows))
        )
        return SimpleNamespace(training=SimpleNamespace(draws=np.array(draws)), findings=findings)

    masks = [np.array([True, False, False, False]), np.array([False, True, True, False])]
    numbers = [np.array([2]), np.array([12, 13])]
    found = drawn_of([fitted([6, 2, 2, 2]), fitted([1, 4, 5, 2], (12, 14, 15))], masks, numbers)
    assert found["draws"] == pytest.approx([6 / 12, 9 / 12])
    assert found["lift"] == pytest.approx([0.5 / 0.25, 0.75 / 0.5])
    assert found["finding"] == {"count": 1, "n": 2, "right": [1 / 3], "named": [1 / 2]}
    clean = drawn_of([fitted([1, 1, 1, 1], (3,))], [np.zeros(4, bool)], [np.array([], int)])
    assert clean == {"draws": [], "lift": [], "finding": {"count": 1, "n": 1, "right": [0.0], "named": []}}


def test_what_is_said_of_the_finding():
    def case(percent, *found):
        orders = [{"finding": {"count": count, "n": 8, "right": right}} for count, right in found]
        return {"mislabelled": percent, "orders": [{}, *orders]}

    cases = [case(0, (2, [0.0, 0.0]), (1, [0.0])), case(5, (0, []), (2, [0.5, 1.0])), case(20, (1, [0.6]))]
    said = said_of_finding(cases)
    assert "appears in 3 of 16 runs with clean rows and in 3 of 24 runs with mislabelled rows." in said
    assert "70 % are so" in said  # (0.5 + 1 + 0.6)/3; rows of clean data are not counted
    assert "are so" not in said_of_finding(cases[:1])


def test_wrong_labels_are_in_the_training_rows_only(monkeypatch):
    """All orders see the same rows, and the rows are numbered as a finding names them."""
    seen, told = [], []

    class Recording(Trials):
        def train(self, said, networks, watching=(), *, same=False):
            seen.append(networks)
            return super().train(said, networks, watching, same=same)

    def recorded(fitted, masks, numbers):
        told.append((masks, numbers))
        return drawn_of(fitted, masks, numbers)

    monkeypatch.setattr(hard_examples, "drawn_of", recorded)
    monkeypatch.setattr(hard_examples, "USUAL_RATES", (0.01,))
    hard_examples._mislabelled("breast_cancer", 10, 1, range(3, 5), range(5, 6), Recording("hard_examples"))
    examples = EMBEDDED["breast_cancer"].load()
    networks = seen[-1]
    assert [each.plan.seed for each in networks] == [3, 4] * len(COMPARED)
    for k in range(2):
        own = networks[k::2]
        assert all(np.array_equal(each.training_targets, own[0].training_targets) for each in own)
        masks, numbers = told[0]
        split = next(s for s in hard_examples._splits("breast_cancer", [3 + k])[1])
        wrong = own[0].training_targets != examples.targets[split.training]
        np.testing.assert_array_equal(wrong, masks[k])
        assert wrong.sum() == round(0.1 * len(wrong))
        # The network's own numbers of the rows, by which a finding names them.
        np.testing.assert_array_equal(own[1].file_rows[wrong], numbers[k])


@pytest.fixture(scope="module")
def tiny():
    return hard_examples.experiment(TINY, 3, Trials("hard_examples"))


def test_the_same_seed_gives_the_same_results(tiny):
    assert json.dumps(hard_examples.experiment(TINY, 3, Trials("hard_examples"))) == json.dumps(tiny)
    assert json.dumps(hard_examples.experiment(TINY, 50, Trials("hard_examples"))) != json.dumps(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 3, 3)


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['tuning_seeds']} other seeds" in said
    assert all(each in said for each in choices["data"])


def test_pages(tmp_path, tiny):
    assert_pages(LESSON, TINY, tiny, tmp_path)
