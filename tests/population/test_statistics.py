"""Statistics against SciPy, the worked example of Demšar, and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from entrena.population.statistics import (
    bayesian_t,
    corrected_t,
    critical_difference,
    holm,
    mean_interval,
    power_of,
    rank,
    splits_for_power,
)

# Demšar, JMLR 7 (2006), table 6: the ranks of C4.5 with and without two parameters on 14 data sets.
DEMSAR = np.array(
    [
        (4, 3, 2, 1),
        (1, 2, 3, 4),
        (4, 1, 2, 3),
        (4, 1, 3, 2),
        (4, 2, 3, 1),
        (1, 2.5, 4, 2.5),
        (3, 2, 4, 1),
        (2.5, 2.5, 4, 1),
        (4, 3, 2, 1),
        (2.5, 2.5, 2.5, 2.5),
        (4, 2.5, 1, 2.5),
        (3, 2, 4, 1),
        (4, 1, 2, 3),
        (3, 1, 4, 2),
    ]
)


def test_the_example_of_demsar():
    found = rank(-DEMSAR)
    np.testing.assert_allclose(found.mean_ranks, (3.143, 2.000, 2.893, 1.964), atol=5e-4)
    # The paper's χ² of 9.28 and F of 3.69 leave ties out; with them both are a little larger.
    n, k = DEMSAR.shape
    without_ties = 12 * n / (k * (k + 1)) * (np.square(found.mean_ranks).sum() - k * (k + 1) ** 2 / 4)
    assert without_ties == pytest.approx(9.28, abs=0.01)
    assert (n - 1) * without_ties / (n * (k - 1) - without_ties) == pytest.approx(3.69, abs=0.01)
    assert found.statistic == pytest.approx(stats.friedmanchisquare(*DEMSAR.T).statistic)
    assert 0.01 < found.p_value < 0.05
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.1) == pytest.approx(1.12, abs=0.005)


# Demšar's table 5(a): q at 5 %.
@pytest.mark.parametrize(
    ("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (8, 3.031), (10, 3.164)]
)
def test_critical_values_of_nemenyi(k, q):
    assert critical_difference(k, 30) == pytest.approx(q * math.sqrt(k * (k + 1) / 180), rel=5e-4)


def test_ranks_without_ties_are_scipys():
    scores = np.random.default_rng(0).normal(size=(9, 5))
    found = rank(scores)
    assert found.statistic == pytest.approx(stats.friedmanchisquare(*scores.T).statistic)
    np.testing.assert_allclose(found.mean_ranks, stats.rankdata(-scores, axis=1).mean(axis=0))


def test_all_equal_and_all_agreed():
    assert rank(np.ones((4, 3))).p_value == 1
    # Three orders that agree: the second and the third have each one chance in 3! to be like the first.
    assert rank(np.tile([1.0, 2.0, 3.0], (3, 1))).p_value == pytest.approx(1 / 36)
    with pytest.raises(ValueError, match="not 1 and 3"):
        rank(np.ones((1, 3)))


def test_friedman_finds_nothing_where_nothing_is():
    generator = np.random.default_rng(1)
    found = [rank(generator.normal(size=(10, 4))).p_value < 0.05 for _ in range(1000)]
    assert np.mean(found) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_the_corrected_t_test_by_hand():
    differences, share = [0.02, 0.01, 0.03, 0.00, 0.04], 0.2
    found = corrected_t(differences, share)
    mean, variance = 0.02, 0.00025
    error = math.sqrt((1 / 5 + 0.25) * variance)
    assert found.mean == pytest.approx(mean)
    assert found.p_value == pytest.approx(2 * stats.t.sf(mean / error, 4))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 4, mean, error))
    # Without an overlap it is the usual one.
    assert corrected_t(differences, 0.0).p_value == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert mean_interval(differences, share) == pytest.approx((found.mean, found.low, found.high))


def test_no_spread():
    assert corrected_t([0.0, 0.0, 0.0], 0.2).p_value == 1
    assert corrected_t([0.25, 0.25, 0.25], 0.2).p_value == 0
    posterior = bayesian_t([0.25, 0.25], 0.2, 0.01)
    assert (posterior.better, posterior.equal, posterior.worse) == (1, 0, 0)
    with pytest.raises(ValueError, match="at least 2 splits, not 1"):
        corrected_t([0.1], 0.2)


def test_splits_that_agree_because_one_row_decides_prove_nothing():
    differences = [1 / 288] * 4
    assert corrected_t(differences, 0.2).p_value < 1e-9
    assert corrected_t(differences, 0.2, resolution=1 / 288).p_value > 0.2
    assert bayesian_t(differences, 0.2, 0.01, resolution=1 / 288).better < 0.1


def correlated(generator, n_runs, n_splits, share, mean=0.0):
    """Differences [runs, splits] of deviation 1 whose correlation is the share held out, as the correction assumes."""
    common = generator.normal(size=(n_runs, 1))
    return mean + math.sqrt(share) * common + math.sqrt(1 - share) * generator.normal(size=(n_runs, n_splits))


@pytest.mark.parametrize("n_splits", [5, 25])
def test_equal_recipes_are_found_different_in_one_of_twenty(n_splits):
    runs = correlated(np.random.default_rng(2), 4000, n_splits, 0.2)
    found = np.mean([corrected_t(run, 0.2).p_value < 0.05 for run in runs])
    assert found == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))
    naive = np.mean([stats.ttest_1samp(run, 0).pvalue < 0.05 for run in runs])
    assert naive > 2 * found  # what the correction is for


def test_a_known_difference_is_found_with_the_computed_power():
    share, n_splits, mean = 0.2, 10, 1.2
    runs = correlated(np.random.default_rng(3), 4000, n_splits, share, mean)
    found = np.mean([corrected_t(run, share).p_value < 0.05 for run in runs])
    deviation = math.sqrt(1 - share)  # of the differences around their common part, which is what one sees
    assert found == pytest.approx(power_of(mean, deviation, share, n_splits), abs=0.03)


def test_the_number_of_splits():
    n_splits = splits_for_power(1.0, 1.0, 0.1)
    assert power_of(1.0, 1.0, 0.1, n_splits) >= 0.8 > power_of(1.0, 1.0, 0.1, n_splits - 5)
    assert splits_for_power(0.01, 1.0, 0.2) is None  # the overlap of the splits hides it for ever


def test_the_posterior_is_students_t():
    differences = np.random.default_rng(4).normal(0.01, 0.02, 12)
    found = bayesian_t(differences, 0.1, 0.005)
    error = math.sqrt((1 / 12 + 1 / 9) * differences.var(ddof=1))
    posterior = stats.t(11, differences.mean(), error)
    assert found.better == pytest.approx(posterior.sf(0.005))
    assert found.worse == pytest.approx(posterior.cdf(-0.005))
    assert found.better + found.equal + found.worse == pytest.approx(1)


def test_holm():
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_scores_that_agree_by_chance_are_not_certain():
    """Three splits with one error among 24 rows each: the interval is that of a deviation of one row."""
    mean, low, high = mean_interval([23 / 24] * 3, 0.2, 1 / 24)
    half = stats.t.ppf(0.975, 2) * math.sqrt((1 / 3 + 0.25) / 24**2)
    assert (mean, low, high) == pytest.approx((23 / 24, 23 / 24 - half, 23 / 24 + half))
    assert mean_interval([23 / 24] * 3, 0.2) == pytest.approx((23 / 24,) * 3)
