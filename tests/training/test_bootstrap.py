"""Bootstrap intervals against SciPy, against resamples drawn and scored one by one, and against known spreads."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from entrena.training import bootstrap
from entrena.training.bootstrap import Interval, intervals
from entrena.training.scores import SCORES, fitting_scores, score

N, N_RESAMPLES = 60, 40


def drawn_rows(n_units, n_resamples, seed):
    """The units of each resample: the stream that NumPy's generator of that seed gives."""
    return np.random.default_rng(seed).integers(0, n_units, (n_resamples, n_units))


def by_scikit_learn(name):
    """A score of whole rows, as scikit-learn computes it from truth and predictions."""

    def of_class(function, **settings):
        return lambda t, p, w: function(t, p.argmax(axis=1), sample_weight=w, **settings)

    def of_second(function):
        return lambda t, p, w: function(t, p[:, 1], sample_weight=w)

    return {
        "accuracy": of_class(metrics.accuracy_score),
        "balanced_accuracy": of_class(metrics.balanced_accuracy_score),
        "f1": of_class(metrics.f1_score),
        "f1_macro": of_class(metrics.f1_score, average="macro"),
        "precision": of_class(metrics.precision_score),
        "recall": of_class(metrics.recall_score),
        "mcc": of_class(metrics.matthews_corrcoef),
        "log_loss": lambda t, p, w: metrics.log_loss(t, p, sample_weight=w, labels=[0, 1]),
        "brier": of_second(metrics.brier_score_loss),
        "roc_auc": of_second(metrics.roc_auc_score),
        "average_precision": of_second(metrics.average_precision_score),
        "rmse": lambda t, y, w: metrics.root_mean_squared_error(t, y, sample_weight=w),
        "mae": lambda t, y, w: metrics.mean_absolute_error(t, y, sample_weight=w),
        "median_absolute_error": lambda t, y, w: metrics.median_absolute_error(t, y, sample_weight=w),
        "mape": lambda t, y, w: metrics.mean_absolute_percentage_error(t, y, sample_weight=w),
        "rmsle": lambda t, y, w: metrics.root_mean_squared_log_error(t, y, sample_weight=w),
        "pinball": lambda t, y, w: metrics.mean_pinball_loss(t, y, sample_weight=w),
        "r2": lambda t, y, w: metrics.r2_score(t, y, sample_weight=w),
        "explained_variance": lambda t, y, w: metrics.explained_variance_score(t, y, sample_weight=w),
    }[name]


def problem(name, generator, n=N):
    """Truth and two predictions, with ties."""
    if name in fitting_scores(2):
        truth = generator.integers(0, 2, n)
        truth[:2] = [0, 1]
        second = np.clip(np.round(0.5 * truth + generator.normal(0.25, 0.3, (2, n)), 1), 0.05, 0.95)
        return truth, *(np.column_stack([1 - p, p]) for p in second)
    truth = generator.gamma(3, size=(n, 1))
    return truth, *(truth * generator.uniform(0.5, 1.5, (2, n, 1)))


def percentiles(values):
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [name for name in SCORES if name != "max_error"])
def test_each_score_of_resamples_that_are_scored_one_by_one(name, weighted, seed):
    generator = np.random.default_rng(seed)
    truth, first, second = problem(name, generator)
    weight = generator.uniform(0.5, 2, N) if weighted else None
    found = intervals(
        name, truth, {"first": first, "second": second}, weight=weight, n_resamples=N_RESAMPLES, seed=seed
    )
    oracle = by_scikit_learn(name)
    values = {"first": [], "second": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rows in drawn_rows(N, N_RESAMPLES, seed):
            for key, prediction in (("first", first), ("second", second)):
                values[key].append(oracle(truth[rows], prediction[rows], None if weight is None else weight[rows]))
    better = -1 if SCORES[name].details["sign"] == -1 else 1
    for key, prediction in (("first", first), ("second", second)):
        assert found[key].value == score(name, truth, prediction, weight)
        assert [found[key].low, found[key].high] == pytest.approx(percentiles(values[key]), rel=1e-9)
    lead = found["second"].lead
    assert found["first"].lead is None
    assert lead.value == pytest.approx(better * (found["first"].value - found["second"].value))
    differences = better * (np.array(values["first"]) - values["second"])
    assert [lead.low, lead.high] == pytest.approx(percentiles(differences), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["accuracy", "f1", "rmse", "r2", "roc_auc", "average_precision"])
def test_whole_groups_are_drawn(name, seed):
    generator = np.random.default_rng(seed)
    truth, first, _ = problem(name, generator)
    groups = np.array([f"group {g:02}" for g in generator.integers(0, 12, N)])
    names = np.unique(groups)
    found = intervals(name, truth, {"first": first}, groups=groups, n_resamples=N_RESAMPLES, seed=seed)["first"]
    oracle, values = by_scikit_learn(name), []
    for chosen in drawn_rows(len(names), N_RESAMPLES, seed):
        rows = np.concatenate([np.flatnonzero(groups == names[g]) for g in chosen])
        values.append(oracle(truth[rows], first[rows], None))
    assert [found.low, found.high] == pytest.approx(percentiles(values), rel=1e-9)


def test_the_interval_is_scipys(seed):
    losses = np.random.default_rng(seed).exponential(size=(80, 1))
    found = intervals("mae", losses, {"zero": np.zeros((80, 1))}, n_resamples=500, level=0.9, seed=seed)["zero"]
    theirs = stats.bootstrap(
        (losses[:, 0],),
        np.mean,
        n_resamples=500,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_the_interval_covers_the_truth(generator):
    """Of 300 intervals of a mean of 100 rows about 95 % hold the true mean: 94 % is the percentile method's own."""
    n_repeats, covered = 300, 0
    for repeat in range(n_repeats):
        errors = generator.uniform(0, 1, (100, 1))
        found = intervals("mae", errors, {"zero": np.zeros((100, 1))}, n_resamples=400, seed=repeat)["zero"]
        covered += found.low <= 0.5 <= found.high
    least, most = stats.binom.ppf(0.0005, n_repeats, 0.935), stats.binom.ppf(0.9995, n_repeats, 0.95)
    assert least <= covered <= most


def test_bundles_of_rows_vary_as_rows_do(monkeypatch, generator):
    errors = generator.exponential(size=(20_000, 1))
    monkeypatch.setattr(bootstrap, "MOST_UNITS", 1_000)
    found = intervals("mae", errors, {"zero": np.zeros_like(errors)}, seed=1)["zero"]
    # σ = 1: the interval of a mean of n rows is 2·1.96/√n wide. Bundles and resamples are uncertain by some 2 % each.
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(20_000), rel=0.15)
    assert found.low < errors.mean() < found.high


def test_bundles_keep_groups_whole(monkeypatch, generator):
    """The 10 rows of a group are alike, so 4,000 groups are 4,000 observations, however many rows they have."""
    of_group = generator.exponential(size=4_000)
    groups = np.repeat(np.arange(4_000), 10)
    errors = of_group[groups][:, None]
    monkeypatch.setattr(bootstrap, "MOST_UNITS", 1_000)
    found = intervals("mae", errors, {"zero": np.zeros_like(errors)}, groups=groups, seed=1)["zero"]
    assert found.high - found.low == pytest.approx(2 * 1.96 * of_group.std() / np.sqrt(4_000), rel=0.15)


def test_many_classes_have_fewer_bundles(monkeypatch, generator):
    truth = generator.integers(0, 20, 5_000)
    p = generator.dirichlet(np.ones(20), 5_000)
    p[np.arange(5_000), truth] += 0.2
    whole = intervals("mcc", truth, {"p": p}, seed=1)["p"]
    monkeypatch.setattr(bootstrap, "MOST_SUMS", 61 * 500)
    fewer = intervals("mcc", truth, {"p": p}, seed=1)["p"]
    assert fewer.value == whole.value
    assert fewer != whole
    assert fewer.high - fewer.low == pytest.approx(whole.high - whole.low, rel=0.2)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "median_absolute_error"])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_subset_of_ranked_rows_stands_for_all(name, grouped, monkeypatch, generator):
    truth, first, second = problem(name, generator, 8_000)
    groups = np.arange(8_000) // 4 if grouped else None
    whole = intervals(name, truth, {"first": first, "second": second}, groups=groups, seed=1)
    monkeypatch.setattr(bootstrap, "MOST_RANKED", 2_500)
    part = intervals(name, truth, {"first": first, "second": second}, groups=groups, seed=1)
    for key in ("first", "second"):
        assert part[key].value == whole[key].value
        assert part[key].low < part[key].value < part[key].high
        assert part[key].high - part[key].low == pytest.approx(whole[key].high - whole[key].low, rel=0.3)
    assert part["first"] != whole["first"]


def test_long_rankings_have_fewer_resamples(monkeypatch, generator):
    truth, first, _ = problem("roc_auc", generator, 300)
    monkeypatch.setattr(bootstrap, "RANK_WORK", 300 * 250)
    limited = intervals("roc_auc", truth, {"first": first}, seed=1)
    assert limited == intervals("roc_auc", truth, {"first": first}, n_resamples=250, seed=1)
    assert limited != intervals("roc_auc", truth, {"first": first}, n_resamples=200, seed=1)
    monkeypatch.setattr(bootstrap, "RANK_WORK", 1)
    least = intervals("roc_auc", truth, {"first": first}, seed=1)
    assert least == intervals("roc_auc", truth, {"first": first}, n_resamples=200, seed=1)


def test_several_classes(generator):
    truth = np.arange(90) % 3
    p = generator.dirichlet(np.ones(3), 90)
    for name in fitting_scores(3):
        found = intervals(name, truth, {"p": p, "chance": np.full((90, 3), 1 / 3)}, n_resamples=100)
        assert found["p"].low < found["p"].high
        assert np.isfinite(found["chance"].lead.low)


def test_the_seed_decides():
    truth, first, second = problem("roc_auc", np.random.default_rng(0))
    for name in ("log_loss", "roc_auc"):
        one, again, other = (
            intervals(name, truth, {"first": first, "second": second}, seed=seed) for seed in (1, 1, 2)
        )
        assert one == again
        assert one != other


def test_blocks_change_nothing(monkeypatch, generator):
    truth, first, second = problem("roc_auc", generator)
    for name in ("mcc", "roc_auc"):
        expected = intervals(name, truth, {"first": first, "second": second}, n_resamples=50, seed=3)
        monkeypatch.setattr(bootstrap, "BLOCK", 7 * N)
        bootstrap._counts.cache_clear()
        assert intervals(name, truth, {"first": first, "second": second}, n_resamples=50, seed=3) == expected
        monkeypatch.undo()


def test_rows_of_weight_0_are_not_there(generator):
    for name in ("accuracy", "roc_auc"):
        truth, first, _ = problem(name, generator)
        weight = np.where(np.arange(N) < 40, 1.5, 0.0)
        groups = np.arange(N) // 2
        for part in (None, groups):
            found = intervals(name, truth, {"first": first}, weight=weight, groups=part)
            kept = None if part is None else part[:40]
            assert found == intervals(name, truth[:40], {"first": first[:40]}, weight=weight[:40], groups=kept)


def test_a_lead_is_positive_where_the_first_is_better():
    truth = np.arange(200) % 2
    good, bad = (np.where(np.eye(2)[truth] == 1, p, 1 - p) for p in (0.9, 0.6))
    for name in ("log_loss", "brier"):
        assert intervals(name, truth, {"good": good, "bad": bad})["bad"].lead.low > 0
        assert intervals(name, truth, {"bad": bad, "good": good})["good"].lead.high < 0
    wrong = 1 - good
    assert intervals("accuracy", truth, {"good": good, "wrong": wrong})["wrong"].lead == Interval(1, 1, 1)


def has_no_interval(found):
    return np.isnan([found.low, found.high]).all()


def test_where_there_is_no_interval(generator):
    truth, first, second = problem("mae", generator)
    assert has_no_interval(intervals("mae", truth[:1], {"one": first[:1]})["one"])
    assert has_no_interval(intervals("mae", truth, {"one": first}, groups=np.zeros(N))["one"])
    greatest = intervals("max_error", truth, {"first": first, "second": second})
    assert greatest["first"].value == np.abs(truth - first).max()
    assert has_no_interval(greatest["first"])
    assert has_no_interval(greatest["second"].lead)
    assert np.isfinite(greatest["second"].lead.value)
    undefined = intervals("rmsle", truth - 100, {"first": first})["first"]
    assert np.isnan(undefined.value)
    assert has_no_interval(undefined)
    nothing = intervals("mae", truth[:0], {"first": first[:0]})["first"]
    assert np.isnan(nothing.value)
    assert has_no_interval(nothing)
    assert intervals("mae", truth, {}) == {}


def test_resamples_without_a_score_are_left_out():
    # Of three classes with a row each, 6 of 27 resamples have all of them: too few.
    p = np.eye(3) * 0.7 + 0.1
    few = intervals("roc_auc", np.arange(3), {"p": p})["p"]
    assert few.value == 1
    assert has_no_interval(few)
    # Of one positive row in ten, 1 − 0.9¹⁰ = 65 % of the resamples have it.
    truth = np.array([1] + [0] * 9)
    most = intervals("recall", truth, {"p": np.eye(2)[truth]})["p"]
    assert (most.low, most.value, most.high) == (1, 1, 1)


def test_the_plain_form():
    lead = Interval(0.1, 0.05, 0.15)
    assert Interval(0.9, 0.8, 1.0).to_plain() == {"value": 0.9, "low": 0.8, "high": 1.0}
    assert Interval(0.8, 0.7, 0.9, lead).to_plain() == {
        "value": 0.8,
        "low": 0.7,
        "high": 0.9,
        "lead": {"value": 0.1, "low": 0.05, "high": 0.15},
    }


def test_a_mean_over_classes_is_not_compared_with_one_over_fewer_classes(generator):
    """Of a class with two rows one resample in seven has none: there chance would seem better than it is."""
    truth = np.array([0] * 60 + [1] * 60 + [2] * 2)
    majority = np.tile([1.0, 0.0, 0.0], (122, 1))
    found = intervals("balanced_accuracy", truth, {"majority": majority}, seed=3)["majority"]
    assert found.value == found.low == found.high == pytest.approx(1 / 3)
