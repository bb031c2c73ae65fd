"""Scores against scikit-learn's metrics, hand-worked cases, and what weights and absent rows mean."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from entrena.recipe import Recipe, parse_assignments
from entrena.registry import Choice
from entrena.training.score_kinds import Score
from entrena.training.scores import SCORES, fitting_scores, score, sign

KINDS = ("none", "real", "whole")
CLASS_SCORES = [name for name, entry in SCORES.items() if entry.details["task"] == "classification"]
NUMBER_SCORES = [name for name, entry in SCORES.items() if entry.details["task"] == "regression"]


def weights_of(generator: np.random.Generator, n: int, kind: str) -> np.ndarray | None:
    """None, numbers above 0, or whole numbers of which some are 0."""
    return {
        "none": None,
        "real": generator.uniform(0.1, 3, n),
        "whole": generator.integers(0, 3, n) + (np.arange(n) == 0),
    }[kind]


def as_rows(weight, *arrays):
    """Rows for scikit-learn and their weights: whole weights as repeated rows, others as they are."""
    if weight is None or weight.dtype.kind == "f":
        return *arrays, weight
    return *(np.repeat(array, weight, axis=0) for array in arrays), None


def of_scikit_learn(name: str, truth, p, weight, alpha=0.5):
    """The same score by scikit-learn, on the predicted classes where it takes them."""
    truth, p, weight = as_rows(weight, truth, p)
    predicted = p.argmax(axis=1)
    n_classes = p.shape[1]
    positive = {"sample_weight": weight, "zero_division": np.nan}
    labels = np.arange(n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": lambda: metrics.accuracy_score(truth, predicted, sample_weight=weight),
            "balanced_accuracy": lambda: metrics.balanced_accuracy_score(truth, predicted, sample_weight=weight),
            "log_loss": lambda: metrics.log_loss(truth, p, sample_weight=weight, labels=labels),
            "brier": lambda: metrics.brier_score_loss(
                truth, p[:, 1] if n_classes == 2 else p, sample_weight=weight, labels=labels
            ),
            "roc_auc": lambda: metrics.roc_auc_score(
                truth, p[:, 1] if n_classes == 2 else p, sample_weight=weight, multi_class="ovr", average="macro"
            ),
            "average_precision": lambda: metrics.average_precision_score(truth, p[:, 1], sample_weight=weight),
            "f1": lambda: metrics.f1_score(truth, predicted, **positive),
            "f1_macro": lambda: metrics.f1_score(truth, predicted, average="macro", **positive),
            "precision": lambda: metrics.precision_score(truth, predicted, **positive),
            "recall": lambda: metrics.recall_score(truth, predicted, **positive),
            "mcc": lambda: metrics.matthews_corrcoef(truth, predicted, sample_weight=weight),
        }[name]()


def of_scikit_learn_numbers(name: str, truth, y, weight):
    truth, y, weight = as_rows(weight, truth, y)
    if name == "max_error":
        return max(metrics.max_error(t, c) for t, c in zip(truth.T, y.T, strict=True))
    function = {
        "rmse": metrics.mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "median_absolute_error": metrics.median_absolute_error,
        "mape": metrics.mean_absolute_percentage_error,
        "rmsle": metrics.mean_squared_log_error,
        "pinball": metrics.mean_pinball_loss,
        "r2": metrics.r2_score,
        "explained_variance": metrics.explained_variance_score,
    }[name]
    value = function(truth, y, sample_weight=weight)
    return np.sqrt(value) if name in ("rmse", "rmsle") else value  # the root over all outputs


def two(p):
    """Probabilities of two classes from those of the second."""
    p = np.asarray(p, float)
    return np.column_stack([1 - p, p])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_classes", "name"), [(n, name) for n in (2, 5) for name in fitting_scores(n)])
def test_scores_of_classes(name, n_classes, kind, generator):
    for levels in (3, 0):  # with ties and without
        n = 60
        p = generator.integers(0, levels, (n, n_classes)) + 0.1 if levels else generator.random((n, n_classes))
        p /= p.sum(axis=1, keepdims=True)
        truth = generator.integers(0, n_classes, n)
        weight = weights_of(generator, n, kind)
        if weight is not None:
            weight[:n_classes] += 1
        truth[:n_classes] = np.arange(n_classes)
        expected = of_scikit_learn(name, truth, p, weight)
        assert np.isfinite(expected)
        assert score(name, truth, p, weight) == pytest.approx(expected, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@given(
    truth=st.lists(st.integers(0, 1), min_size=2, max_size=40).filter(lambda t: len(set(t)) == 2),
    levels=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_ranks_with_ties(kind, truth, levels, seed):
    generator = np.random.default_rng(seed)
    truth = np.array(truth)
    p = two(generator.integers(0, levels, len(truth)) / levels)
    weight = weights_of(generator, len(truth), kind)
    there = set(truth.tolist()) if weight is None else set(truth[weight > 0].tolist())
    for name in ("roc_auc", "average_precision"):
        if (there != {0, 1}) if name == "roc_auc" else (1 not in there):
            assert np.isnan(score(name, truth, p, weight))
        else:
            expected = of_scikit_learn(name, truth, p, weight)
            assert score(name, truth, p, weight) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["balanced_accuracy", "f1", "f1_macro", "precision", "recall", "mcc"])
@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=6),
)
def test_scores_of_few_rows(name, rows):
    """Every way in which classes may be absent from truth and predictions."""
    truth, predicted, weight = (np.array(column) for column in zip(*rows, strict=True))
    value = score(name, truth, two(predicted), weight)
    counting = weight > 0
    occurs, guessed = truth[counting], predicted[counting]
    undefined = {
        "balanced_accuracy": False,
        "f1_macro": False,
        "f1": not (occurs.any() or guessed.any()),
        "precision": not (occurs.any() or guessed.any()),
        "recall": not occurs.any(),
        "mcc": len(set(occurs.tolist())) < 2,
    }[name]
    if undefined or not counting.any():
        assert np.isnan(value)
        return
    expected = of_scikit_learn(name, truth, two(predicted), weight)
    if name == "precision" and not guessed.any():
        expected = 0.0  # the class occurs and is never predicted
    assert value == pytest.approx(expected, abs=1e-12)


def test_area_by_hand():
    # Pairs (positive, negative): .8>.1, .8>.6, .6>.1, .6=.6 → 3.5 of 4.
    p = two([0.1, 0.6, 0.6, 0.8])
    assert score("roc_auc", np.array([0, 0, 1, 1]), p) == 3.5 / 4
    assert np.isnan(score("roc_auc", np.array([1, 1, 1, 1]), p))


def test_area_of_several_classes_needs_all_of_them(generator):
    p = generator.dirichlet(np.ones(3), 20)
    assert np.isnan(score("roc_auc", np.arange(20) % 2, p))
    assert np.isfinite(score("roc_auc", np.arange(20) % 3, p))
    absent = np.where(np.arange(20) % 3 == 2, 0.0, 1.0)
    assert np.isnan(score("roc_auc", np.arange(20) % 3, p, absent))


def test_the_second_class_is_the_positive_one():
    truth = np.array([0, 0, 0, 1, 1])
    p = two([0.1, 0.2, 0.9, 0.8, 0.3])  # predicted 0 0 1 1 0: TP 1, FP 1, FN 1
    assert score("precision", truth, p) == 0.5
    assert score("recall", truth, p) == 0.5
    assert score("f1", truth, p) == 0.5
    # Of class 0: two of three found, two of three right. (2/3 + 1/2)/2
    assert score("balanced_accuracy", truth, p) == pytest.approx(7 / 12)
    assert score("f1_macro", truth, p) == pytest.approx(7 / 12)
    # (TP·TN − FP·FN)/√(2·2·3·3) = (1·2 − 1·1)/6
    assert score("mcc", truth, p) == pytest.approx(1 / 6)
    # Thresholds .9 .8 .3: precisions 0, 1/2, 2/3 where recall rises by 0, 1/2, 1/2.
    assert score("average_precision", truth, p) == pytest.approx((1 / 2 + 2 / 3) / 2)
    # Squares: .01 .04 .81 .04 .49
    assert score("brier", truth, p) == pytest.approx(1.39 / 5)


def test_the_squared_distance_of_three_classes_by_hand():
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]])
    # .3² + .2² + .1² = .14;  .5² + .75² + .25² = .875
    assert score("brier", np.array([0, 1]), p) == pytest.approx((0.14 + 0.875) / 2)


def test_the_first_of_equally_probable_classes_is_predicted():
    assert score("accuracy", np.array([0, 1]), np.full((2, 2), 0.5)) == 0.5
    assert score("recall", np.array([0, 1]), np.full((2, 2), 0.5)) == 0


def test_a_probability_of_0_is_a_finite_loss():
    assert score("log_loss", np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(np.finfo(float).eps))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_rows", [7, 40])
@pytest.mark.parametrize("name", NUMBER_SCORES)
def test_scores_of_numbers(name, n_rows, n_outputs, kind, generator):
    truth = generator.gamma(2, size=(n_rows, n_outputs)) * 10 + 3
    prediction = truth + generator.normal(size=truth.shape)
    weight = weights_of(generator, n_rows, kind)
    if name != "max_error" and weight is not None:
        weight[:4] += 1
    elif name == "max_error" and kind == "real":
        weight = None  # scikit-learn's takes no weights; every weight above 0 counts the same
    expected = of_scikit_learn_numbers(name, truth, prediction, weight)
    assert score(name, truth, prediction, weight) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_the_pinball_loss_has_its_setting(alpha, generator):
    truth, prediction = generator.normal(size=(2, 30, 2))
    chosen = SCORES.choose({"name": "pinball", "alpha": alpha})
    expected = metrics.mean_pinball_loss(truth, prediction, alpha=alpha)
    assert score(chosen, truth, prediction) == pytest.approx(expected)
    assert sign(chosen) == -1


def test_the_setting_of_a_score_in_a_recipe():
    chosen = Choice("pinball", (("alpha", 0.9),))
    assert Recipe(scoring={"name": "pinball", "alpha": 0.9}).training.scoring == chosen
    assignments = parse_assignments(["scoring=pinball", "scoring.alpha=0.9"])
    assert Recipe().change(assignments).training.scoring == chosen


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"name": "pinball", "alpha": 1}, "alpha: 1 is not allowed: a number above 0 and below 1"),
        ({"name": "r2", "alpha": 0.5}, "'r2' has no setting 'alpha': it has no settings"),
        ("f1_score", "'f1_score' is called 'f1' here"),
        ("matthews_corrcoef", "'matthews_corrcoef' is called 'mcc' here"),
        ("neg_mean_absolute_percentage_error", "'neg_mean_absolute_percentage_error' is called 'mape' here"),
    ],
)
def test_refusals(value, text):
    with pytest.raises(ValueError) as caught:
        SCORES.choose(value)
    assert str(caught.value) == text


def test_explained_variance_is_not_the_explained_share():
    truth = np.array([[1.0], [2.0], [3.0]])
    assert score("explained_variance", truth, truth + 1) == pytest.approx(1)
    assert score("r2", truth, truth + 1) == pytest.approx(1 - 3 / 2)


@pytest.mark.parametrize(
    ("name", "function"),
    [("r2", metrics.r2_score), ("explained_variance", metrics.explained_variance_score)],
)
def test_explained_share_of_a_constant(name, function):
    whole = np.array([[2.0, 1.0], [2.0, 3.0], [2.0, 4.0]])
    truth = np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 4.0]])  # of three times 0.1 NumPy's mean is not 0.1
    for change in ([[0, 0]] * 3, [[1, 0], [0, 0], [0, 0]], [[0, 0.5], [0, 0], [0, 0]]):
        expected = function(whole, whole + change)
        assert score(name, whole, whole + change) == pytest.approx(expected)
        assert score(name, truth, truth + change) == pytest.approx(expected)
    assert np.isnan(score(name, truth[:1], truth[:1]))
    assert np.isnan(score(name, truth, truth, np.array([1.0, 0.0, 0.0])))


@pytest.mark.parametrize("name", ["r2", "explained_variance"])
def test_explained_share_far_from_0(name, generator):
    """Sums of squares lose no digits where the mean is far beyond the deviation."""
    truth = 1e9 + generator.normal(size=(200, 1))
    prediction = truth + 0.3 * generator.normal(size=(200, 1))
    exact = of_scikit_learn_numbers(name, truth - 1e9, prediction - 1e9, None)
    assert score(name, truth, prediction) == pytest.approx(exact, abs=1e-6)


def test_the_median_by_hand():
    errors = np.array([[1.0], [2.0], [4.0], [8.0]])
    zero = np.zeros((4, 1))
    assert score("median_absolute_error", errors, zero) == 3
    assert score("median_absolute_error", errors[:3], zero[:3]) == 2
    assert score("median_absolute_error", errors, zero, np.array([1, 1, 1, 4])) == 8
    # Three tenths lie on either side, although 0.1 + 0.1 + 0.1 is more than 0.3 in float64.
    assert score("median_absolute_error", errors, zero, np.array([0.1, 0.1, 0.1, 0.3])) == 6


@pytest.mark.parametrize("shift", ["truth", "prediction"])
def test_logarithms_need_numbers_above_minus_1(shift):
    truth, prediction = np.array([[0.0], [-0.5]]), np.array([[1.0], [2.0]])
    assert np.isfinite(score("rmsle", truth, prediction))
    (truth if shift == "truth" else prediction)[0] = -1
    assert np.isnan(score("rmsle", truth, prediction))


@pytest.mark.parametrize("name", SCORES)
def test_no_rows_no_score(name):
    truth, prediction = (np.zeros(3, int), two([0.2, 0.7, 0.5])) if name in CLASS_SCORES else np.ones((2, 3, 1))
    assert np.isnan(score(name, truth[:0], prediction[:0]))
    assert np.isnan(score(name, truth, prediction, np.zeros(3)))


@pytest.mark.parametrize("name", SCORES)
def test_rows_of_weight_0_are_not_there(name, generator):
    n = 30
    is_class = name in CLASS_SCORES
    truth = generator.integers(0, 2, n) if is_class else generator.random((n, 2)) * 5
    prediction = two(generator.random(n)) if is_class else generator.random((n, 2)) * 5
    truth[:2] = [0, 1] if is_class else truth[:2]
    weight = generator.uniform(0.5, 2, n)
    weight[20:] = 0
    prediction[20:] = 1e9
    truth[20:] = 0 if is_class else -50
    assert score(name, truth, prediction, weight) == score(name, truth[:20], prediction[:20], weight[:20])


@pytest.mark.parametrize("name", SCORES)
def test_one_precision_suffices_for_the_probabilities(name, generator):
    is_class = name in CLASS_SCORES
    truth = np.arange(40) % 2 if is_class else generator.random((40, 1))
    prediction = (two(generator.random(40)) if is_class else generator.random((40, 1))).astype(np.float32)
    value = score(name, truth, prediction)
    assert type(value) is float
    assert value == pytest.approx(score(name, truth, prediction.astype(float)), rel=1e-6)


@pytest.mark.parametrize("name", NUMBER_SCORES)
def test_numbers_beyond_float64_are_no_crash(name):
    truth = np.array([[1e300], [-1e300], [0.0]])
    value = score(name, truth, -truth)
    assert isinstance(value, float)


def test_each_entry_says_what_its_room_needs():
    for name, entry in SCORES.items():
        assert isinstance(entry.function, Score)
        assert entry.details["classes"] in ("two", "any")
        assert entry.details["title"].strip()
        assert entry.details["unit"] in ("target", None)
        assert sign(name) == sign(Choice(name)) == entry.details["sign"]


def test_which_scores_are_better_when_less():
    assert {name for name in SCORES if sign(name) == -1} == {
        *("log_loss", "brier"),
        *("rmse", "mae", "median_absolute_error", "max_error", "mape", "rmsle", "pinball"),
    }


def test_which_scores_fit_a_task():
    assert set(fitting_scores(2)) - set(fitting_scores(3)) == {"f1", "precision", "recall", "average_precision"}
    assert set(fitting_scores(2)) == set(CLASS_SCORES)
    assert set(fitting_scores(None)) == set(NUMBER_SCORES)
    assert set(fitting_scores(2)) | set(fitting_scores(None)) == set(SCORES)


@pytest.mark.parametrize("name", CLASS_SCORES)
def test_a_perfect_prediction_is_the_best(name):
    truth = np.array([0, 1, 1, 0, 1])
    assert score(name, truth, np.eye(2)[truth]) == (1 if sign(name) == 1 else 0)


@pytest.mark.parametrize("name", NUMBER_SCORES)
def test_the_numbers_themselves_are_the_best(name):
    truth = np.array([[1.0], [2.0], [5.0]])
    assert score(name, truth, truth) == (1 if sign(name) == 1 else 0)
