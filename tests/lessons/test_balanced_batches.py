"""The lesson balanced_batches: its verdict on made-up results, priors by Bayes' rule, scores against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from entrena.lessons import balanced_batches
from entrena.lessons.balanced_batches import (
    AS_DRAWN,
    BALANCED,
    EVENED,
    LESSON,
    MEASURES,
    NORMAL,
    ORDERS,
    SHIFTS,
    SHUFFLED,
    WAYS,
    gains,
    measured,
    thinned,
    weights_like,
    with_equal_priors,
)
from entrena.lessons.trials import Trials
from tests.lessons.checks import assert_pages, assert_told

TINY = {"data": [NORMAL, "breast_cancer"], "ratios": [1, 10], "passes": 2, "seeds": 2, "tuning_seeds": 1}


def case(name, ratio, *, loss=1.0, even=0.0, drawn_loss=1.0, drawn=0.0, noise=0.001, n=16):
    """A case in which balanced batches gain so much: by log loss, and by balanced accuracy, in both comparisons."""
    wave = noise * (-1.0) ** np.arange(n)
    losses = {SHUFFLED: 0.3, BALANCED: 0.3 / loss, EVENED: 0.4, AS_DRAWN: 0.3 / drawn_loss}
    right = {SHUFFLED: 0.8, BALANCED: 0.8, EVENED: 0.8 + drawn - even, AS_DRAWN: 0.8 + drawn}
    scores = {
        way: {
            "log_loss": (losses[way] * np.exp(wave * (way in (BALANCED, AS_DRAWN)))).tolist(),
            "balanced_accuracy": (right[way] + wave * (way == AS_DRAWN)).tolist(),
            **{other: [0.5] * n for other in ("recall", "false_alarms", "expected")},
        }
        for way in WAYS
    }
    return {"name": name, "ratio": ratio, "rows": 200, "rare": 20, "rates": {}, "scores": scores}


@pytest.mark.parametrize(
    ("cases", "name", "words"),
    [
        ([case("a", 10, loss=1.2, even=0.05, drawn_loss=1.2, drawn=0.1)], "holds", "holds"),
        ([case("a", 1), case("a", 10)], "fails", "fails"),
        ([case("a", 10, drawn_loss=0.5, drawn=0.1)], "depends", "depends on the measure"),
        (
            [case("a", 1), case("a", 10, drawn_loss=0.5, drawn=0.1)],
            "depends",
            "depends on the measure and on how unbalanced the classes are",
        ),
        (
            [case("a", 10, drawn=0.1), case("b", 10, drawn_loss=0.5)],
            "depends",
            "depends on the measure and on the data",
        ),
        ([case("a", 10, loss=1.06, even=0.011, drawn_loss=1.06, drawn=0.011, noise=0.1)], "not_decided", None),
    ],
)
def test_the_verdict_on_made_up_results(cases, name, words):
    results = {"cases": cases}
    verdict = LESSON.judge(results)
    assert verdict.name == name and words in (None, verdict.words)
    for measure in MEASURES:
        assert measure[0].upper() + measure[1:] in verdict.sentence
    assert f"of {len(cases)} cases" in verdict.sentence
    assert LESSON.tables(results) and LESSON.meaning(results)


def test_gains_by_hand():
    results = {"cases": [case("a", 10, loss=1.5, even=0.02, drawn_loss=0.5, drawn=0.1, noise=0.0)]}
    found = {measure: gains(results, measure)["a 1:10"]["mean"] for measure in MEASURES}
    assert list(found.values()) == pytest.approx([1.5, 0.02, 0.5, 0.1])


def test_intervals_are_corrected_where_splits_share_rows():
    by_name = {name: {"cases": [case(name, 10, even=0.02, noise=0.01)]} for name in ("moons", NORMAL)}
    differences = 0.02 + 0.01 * (-1.0) ** np.arange(16)
    for name, share in (("moons", 1 / 16 + 0.2 / 0.8), (NORMAL, 1 / 16)):
        half = stats.t.ppf(0.975, 15) * np.std(differences, ddof=1) * np.sqrt(share)
        found = gains(by_name[name], "balanced accuracy, equal priors")[f"{name} 1:10"]
        assert (found["mean"], found["low"], found["high"]) == pytest.approx((0.02, 0.02 - half, 0.02 + half))


def test_equal_priors_are_bayes_rule():
    """Of two normal classes the posterior is known for any priors."""
    x = np.linspace(-3, 3, 13)
    likelihoods = np.stack([stats.norm.pdf(x, -1), stats.norm.pdf(x, 1), stats.norm.pdf(x, 0, 2)], axis=1)

    def posterior(priors):
        joint = likelihoods * priors
        return joint / joint.sum(axis=1, keepdims=True)

    priors = np.array([0.7, 0.05, 0.25])
    np.testing.assert_allclose(with_equal_priors(posterior(priors), 40 * priors), posterior(np.full(3, 1 / 3)))


def test_scores_against_scikit_learn():
    chance = np.random.default_rng(0)
    truth, p = chance.integers(0, 3, 300), chance.dirichlet([1, 1, 1], 300)
    weight = np.array([1.0, 0.2, 3.0])[truth]
    found = measured(p, truth, weight, 1)
    called = p.argmax(axis=1)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, p, sample_weight=weight))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, called))
    assert found["recall"] == pytest.approx(metrics.recall_score(truth == 1, called == 1))
    specificity = metrics.recall_score(truth != 1, called != 1, sample_weight=weight)
    assert found["false_alarms"] == pytest.approx(1 - specificity)
    # The truth expects as many as there are, and half of the truth half as many.
    sure = np.eye(3)[truth]
    assert measured(sure, truth, weight, 1)["expected"] == pytest.approx(1)
    assert measured(0.5 * sure + np.array([0.5, 0, 0]), truth, weight, 1)["expected"] == pytest.approx(0.5)


def test_one_class_is_thinned():
    targets = np.repeat([0, 1, 2], [120, 300, 180])
    rows = np.arange(0, 600, 2)
    found = thinned(rows, targets, 1, 10, np.random.default_rng(0))
    counts = np.bincount(targets[found])
    assert counts.tolist() == [60, 8, 90]  # (60 + 90)/2 over 10, to the even number
    assert np.isin(found, rows).all() and np.all(np.diff(found) > 0)
    assert thinned(rows, targets, 1, 1, np.random.default_rng(0)) is rows
    assert (targets[thinned(rows, targets, 1, 1e9, np.random.default_rng(0))] == 1).sum() == 1
    assert (targets[thinned(rows, targets, 1, 0.1, np.random.default_rng(0))] == 1).sum() == 150


def test_held_out_classes_are_weighted_like_the_training_rows():
    training, held = np.repeat([0, 1, 2], [90, 10, 100]), np.repeat([2, 1, 0], [20, 70, 10])
    weight = weights_like(training, held)
    assert weight.mean() == pytest.approx(1)
    shares = [weight[held == k].sum() / weight.sum() for k in range(3)]
    assert shares == pytest.approx([0.45, 0.05, 0.5])
    assert all(np.ptp(weight[held == k]) == 0 for k in range(3))


def test_rows_that_train_are_not_held_out():
    rows, held, weight = balanced_batches._parts("breast_cancer", 10, 3)
    assert rows.training.n_rows + held.n_rows < 569 and held.n_rows == 114 and len(weight) == held.n_rows
    assert not set(rows.training.inputs.rows) & set(held.inputs.rows)
    rare = np.mean(np.asarray(rows.training.targets) == "malignant")
    assert rare == pytest.approx(1 / 11, abs=0.005)
    assert np.average(np.asarray(held.targets) == "malignant", weights=weight) == pytest.approx(rare)


def test_the_ways_of_one_training_differ_by_the_priors_only():
    """Balanced as drawn is balanced with the drawn, equal, priors; and each seed compares the same rows."""
    seen = []

    class Recording(Trials):
        def train(self, said, networks, watching=(), *, same=False):
            fitted = super().train(said, networks, watching, same=same)
            seen.append((networks, fitted))
            return fitted

    balanced_batches._case("breast_cancer", 10, 3, range(3, 5), range(5, 6), Recording("balanced_batches"))
    networks, fitted = seen[-1]
    assert {each.plan.seed for each in seen[0][0]} == {5}
    assert [each.plan.seed for each in networks] == [3, 4] * len(ORDERS)
    for k in range(2):
        shuffled, restored, drawn = fitted[k::2]
        for each in networks[k::2]:
            np.testing.assert_array_equal(each.training_targets, networks[k].training_targets)
        priors = np.mean(networks[k].training_targets[:, None] == np.array(["benign", "malignant"]), axis=0)
        rows = balanced_batches._parts("breast_cancer", 10, 3 + k)[1].inputs
        even = with_equal_priors(restored.model.predict_proba(rows), priors)
        np.testing.assert_allclose(drawn.model.predict_proba(rows), even, atol=1e-4)
        assert not np.allclose(shuffled.model.predict_proba(rows), even, atol=1e-2)


def test_the_normal_classes_are_learned_as_well_as_can_be():
    """With equal classes no network is better than the best of all classifiers, and a trained one comes near."""
    from entrena.lessons.samples import best_accuracy

    choices = {"data": [NORMAL], "ratios": [1], "passes": 15, "seeds": 2, "tuning_seeds": 1}
    (found,) = balanced_batches.experiment(choices, 0, Trials("balanced_batches"))["cases"]
    for way in WAYS:
        right = np.mean(found["scores"][way]["balanced_accuracy"])
        assert abs(right - best_accuracy(SHIFTS)) < 0.04  # of 1,600 held-out rows, 4 standard deviations


@pytest.fixture(scope="module")
def tiny():
    return balanced_batches.experiment(TINY, 3, Trials("balanced_batches"))


def test_the_same_seed_gives_the_same_results(tiny):
    assert json.dumps(balanced_batches.experiment(TINY, 3, Trials("balanced_batches"))) == json.dumps(tiny)
    assert json.dumps(balanced_batches.experiment(TINY, 50, Trials("balanced_batches"))) != json.dumps(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 2, 2)
    assert [each["rare"] for each in tiny["cases"]][:2] == [1600, 160]


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['tuning_seeds']} other seeds" in said
    assert all(f"1:{ratio}" in said for ratio in choices["ratios"])


def test_pages(tmp_path, tiny):
    assert_pages(LESSON, TINY, tiny, tmp_path)
