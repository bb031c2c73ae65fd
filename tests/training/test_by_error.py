"""The order by error: probabilities, draws, and weights that keep the gradient unbiased."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrena.registry import Choice
from entrena.training.by_error import relative_probabilities, resample
from entrena.training.order import Pool, draw
from tests.training.pools import pools

LOSSES = st.lists(
    st.one_of(
        st.floats(0, 10, allow_subnormal=False),
        st.just(0.0),
        st.just(np.nan),
        st.floats(1e-200, 1e200),
        st.just(np.inf),
    ),
    min_size=1,
    max_size=60,
)
SETTINGS = st.fixed_dictionaries(
    {"exponent": st.one_of(st.just(1.0), st.floats(0, 4)), "floor": st.floats(0, 1), "cap": st.floats(1, 30)}
)


@given(LOSSES, SETTINGS)
@example([0.0] * 99 + [1.0], {"exponent": 1.0, "floor": 0.0, "cap": 10.0})
@example([2.0**-k for k in range(60)], {"exponent": 2.0, "floor": 0.0, "cap": 1.5})
@example([1e-300, 1e300, 1e299, 1.0], {"exponent": 3.0, "floor": 0.1, "cap": 1.1})
def test_probabilities_sum_to_one_between_floor_and_cap(losses, settings):
    expected = relative_probabilities(np.array(losses), **settings)
    assert expected.dtype == np.float64
    assert expected.sum() == pytest.approx(len(losses), rel=1e-9)
    assert expected.min() >= settings["floor"] - 1e-9
    assert expected.max() <= settings["cap"] * (1 + 1e-9)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=60), SETTINGS)
def test_probabilities_solve_the_equation_with_the_cap(losses, settings):
    """Oracle: λ of Σ min(cap, floor + λ·loss^exponent) = N by halving an interval, in place of sorting."""
    losses, floor, cap = np.array(losses), settings["floor"], settings["cap"]
    weight = (losses / losses.max()) ** settings["exponent"]
    low, high = 0.0, len(losses) * cap / weight.min()
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(cap, floor + middle * weight).sum() < len(losses) else (low, middle)
    expected = np.minimum(cap, floor + low * weight)
    np.testing.assert_allclose(relative_probabilities(losses, **settings), expected, rtol=1e-7, atol=1e-9)


def test_probabilities_by_hand():
    def of(losses, exponent=1.0, floor=0.0, cap=10.0):
        return relative_probabilities(np.array(losses), exponent=exponent, floor=floor, cap=cap).tolist()

    nan, inf = np.nan, np.inf
    assert of([1.0, 3.0]) == [0.5, 1.5]
    assert of([1.0, 3.0], floor=0.5) == [0.75, 1.25]
    assert of([1.0, 3.0], exponent=0.0) == [1, 1]
    assert of([1.0, 3.0], exponent=2.0) == pytest.approx([0.2, 1.8])
    assert of([1.0, 3.0], floor=1.0) == [1, 1]
    assert of([1.0, 3.0], cap=1.0) == [1, 1]
    assert of([1.0, 1.0, 2.0, 4.0], cap=1.5) == pytest.approx([0.625, 0.625, 1.25, 1.5])  # 2 → 1.5, rest 1 : 1 : 2
    assert of([1.0, 2.0, 9.0, 0.0], cap=1.2) == pytest.approx([1.2, 1.2, 1.2, 0.4])  # what is left, evenly
    assert of([0.0, 0.0, 6.0], cap=2.0) == pytest.approx([0.5, 0.5, 2.0])
    assert of([0.0, 0.0, 0.0]) == [1, 1, 1]
    assert of([nan, nan]) == [1, 1]
    assert of([nan, inf]) == [1, 1]
    assert of([1.0, nan, 3.0]) == pytest.approx([0.5, 1.0, 1.5])  # never shown: the mean of the known
    assert of([1.0, inf, 3.0]) == pytest.approx([3 / 7, 9 / 7, 9 / 7])  # as the greatest finite one
    assert of([-1.0, 0.0, 2.0]) == pytest.approx([0, 0.75, 2.25])  # from the least one up
    assert of([-1.7e308, 0.0, 1.7e308]) == pytest.approx([0, 1, 2])
    assert of([-2.0, -2.0]) == [1, 1]
    assert of([1e308, 1e308, 0.0]) == pytest.approx([1.5, 1.5, 0])
    assert of([5.0]) == [1]


def test_losses_of_the_engine_are_taken_as_they_come():
    losses = np.array([1, 3, np.nan], np.float32)
    kept = losses.copy()
    assert relative_probabilities(losses, exponent=2.0, floor=0.2, cap=10.0).dtype == np.float64
    np.testing.assert_array_equal(losses, kept)


@given(LOSSES, SETTINGS, st.floats(0, 1, exclude_max=True))
def test_each_is_drawn_as_often_as_expected_rounded_up_or_down(losses, settings, offset):
    expected = relative_probabilities(np.array(losses), **settings)
    drawn = resample(expected, offset)
    assert len(drawn) == len(losses)
    counts = np.bincount(drawn, minlength=len(losses))
    assert np.abs(counts - expected).max() < 1 + 1e-9


@given(LOSSES, SETTINGS)
def test_the_mean_number_of_draws_is_the_expected_one(losses, settings):
    # A count is a step function of the offset with two steps at most, so the mean over 200 offsets in the middle of
    # equal parts is within 2/200 of the mean over all.
    expected = relative_probabilities(np.array(losses), **settings)
    n = len(losses)
    counts = sum(np.bincount(resample(expected, (k + 0.5) / 200), minlength=n) for k in range(200))
    np.testing.assert_allclose(counts / 200, expected, atol=1e-2)


@given(pools(), st.integers(0, 10), SETTINGS)
def test_importance_is_one_over_n_times_the_probability(pool, epoch, settings):
    drawn = draw(Choice("by_error", tuple(settings.items())), pool, epoch)
    expected = relative_probabilities(pool.losses, **settings)
    assert drawn.importance.dtype == np.float64
    p = expected[np.searchsorted(pool.rows, drawn.sequence)] / len(pool.rows)
    np.testing.assert_allclose(drawn.importance, 1 / (len(pool.rows) * p), rtol=1e-12)
    if settings["floor"] > 0:
        assert drawn.importance.max() <= 1 / settings["floor"] * (1 + 1e-9)


@given(pools())
def test_where_nothing_was_shown_all_are_drawn_once(pool):
    for losses in (None, np.full(len(pool.rows), np.nan)):
        drawn = draw(Choice("by_error"), Pool(pool.rows, 1, pool.seed, None, losses), 0)
        assert sorted(drawn.sequence.tolist()) == pool.rows.tolist()
        assert set(drawn.importance.tolist()) == {1.0}


def test_importance_weights_keep_the_gradient_unbiased():
    """The gradient of a logistic regression, averaged over the draws of 2,000 epochs, against that of all rows."""
    chance = np.random.default_rng(1)
    n, n_epochs = 200, 2000
    X, y, w = chance.normal(size=(n, 3)), chance.integers(0, 2, n), np.array([1.0, -2.0, 0.5])
    p = 1 / (1 + np.exp(-X @ w))
    losses, gradients = -np.log(np.where(y == 1, p, 1 - p)), (p - y)[:, None] * X
    assert relative_probabilities(losses, exponent=2.0, floor=0.1, cap=5.0).max() == 5  # the cap is at work too
    pool = Pool(np.arange(n, dtype=np.int32), 10, 3, None, losses)
    choice = Choice("by_error", (("exponent", 2.0), ("floor", 0.1), ("cap", 5.0)))
    weighted, plain = [], []
    for epoch in range(n_epochs):
        drawn = draw(choice, pool, epoch)
        batch = gradients[drawn.sequence[:10]]  # a mini-batch
        weighted.append((drawn.importance[:10, None] * batch).mean(axis=0))
        plain.append(batch.mean(axis=0))
    full = gradients.mean(axis=0)

    def z(means):
        return np.abs(np.mean(means, axis=0) - full) / (np.std(means, axis=0) / np.sqrt(n_epochs))

    assert z(weighted).max() < 4
    assert z(plain).max() > 10  # without the weights it is another gradient


def test_by_error_shuffles_what_it_draws():
    losses = np.where(np.arange(1000) < 500, 0.1, 1.0)
    pool = Pool(np.arange(1000, dtype=np.int32), 10, 0, None, losses)
    sequence = draw(Choice("by_error"), pool, 1).sequence
    # 0.2 + 0.8·w/w̄ = 1.6545 of each hard one: 827.3 ± 1 of the 1,000 draws, and half of them in each half.
    counts = [(half >= 500).sum() for half in np.split(sequence, 2)]
    assert abs(sum(counts) - 827.3) < 1.5
    assert abs(counts[0] - counts[1]) < 4 * np.sqrt(1000 * 0.827 * 0.173)
