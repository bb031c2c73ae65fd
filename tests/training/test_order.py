"""Orders: every promise of the catalogue, short batches, and coefficients that are already divided."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrena.registry import Choice
from entrena.training.balanced import class_shares
from entrena.training.by_error import relative_probabilities, resample
from entrena.training.order import NO_EXAMPLE, ORDERS, Pool, batch_weights, batches, draw, n_batches, needs
from entrena.training.seeds import generator

SIZES = st.tuples(st.integers(1, 200), st.integers(1, 40))
EACH_ONCE = ("sequential", "shuffled", "interleaved")


# Counts of the classes: any; one with about half of the rows, where the least number of neighbours is hardest to reach;
# two with about a third; one with most of the rows.
@st.composite
def class_counts(draw_one, greatest=60):
    few = draw_one(st.lists(st.integers(1, greatest), min_size=1, max_size=7))
    n = sum(few)
    more = draw_one(
        st.one_of(
            st.just([]),
            st.integers(max(1, n - 2), n + 2).map(lambda m: [m]),
            st.integers(-1, 1).map(lambda d: [max(1, n + d), max(1, n - d)]),
            st.integers(n, 6 * n).map(lambda m: [m]),
        )
    )
    return draw_one(st.permutations(few + more))


@st.composite
def pools(draw_one, counts=class_counts()):  # noqa: B008
    """Rows with gaps between their numbers, classes with gaps between theirs, in any sequence."""
    counts = draw_one(counts)
    n, chance = sum(counts), np.random.default_rng(draw_one(st.integers(0, 2**32)))
    numbers = np.sort(chance.choice(3 * len(counts), len(counts), replace=False))
    classes = chance.permutation(np.repeat(numbers, counts))
    rows = np.sort(chance.choice(2 * n, n, replace=False)).astype(np.int32)
    losses = np.where(chance.random(n) < 0.2, np.nan, chance.exponential(size=n))
    return Pool(rows, draw_one(st.integers(1, 2 * n)), draw_one(st.integers(0, 2**40)), classes, losses)


def classes_in(pool, sequence):
    """The class of each row of a sequence."""
    return pool.classes[np.searchsorted(pool.rows, sequence)]


def n_equal_neighbours(classes):
    return int((classes[1:] == classes[:-1]).sum())


def least(counts):
    return max(0, 2 * max(counts) - sum(counts) - 1)


@pytest.mark.parametrize("name", EACH_ONCE)
@given(pool=pools(), epoch=st.integers(0, 100))
def test_each_row_once_an_epoch(name, pool, epoch):
    before = [array.copy() for array in (pool.rows, pool.classes)]
    drawn = draw(Choice(name), pool, epoch)
    assert sorted(drawn.sequence.tolist()) == pool.rows.tolist()
    assert drawn.sequence.dtype == np.int32
    assert drawn.importance is None
    drawn.sequence[:] = -5
    for array, kept in zip((pool.rows, pool.classes), before, strict=True):
        np.testing.assert_array_equal(array, kept)  # what the caller has is left as it was


@pytest.mark.parametrize("name", sorted(ORDERS))
@given(pool=pools(), epoch=st.integers(0, 100))
def test_an_epoch_is_a_function_of_pool_and_number(name, pool, epoch):
    first, second = draw(Choice(name), pool, epoch), draw(Choice(name), pool, epoch)
    np.testing.assert_array_equal(first.sequence, second.sequence)
    assert first.sequence.dtype == np.int32
    assert len(first.sequence) == len(pool.rows)
    assert set(first.sequence.tolist()) <= set(pool.rows.tolist())  # rows of weight 0 are in no pool


@pytest.mark.parametrize("name", sorted(set(ORDERS) - {"sequential"}))
def test_epochs_and_seeds_differ(name):
    classes, losses = np.arange(100) % 3, np.linspace(0, 1, 100)
    sequences = [
        draw(Choice(name), Pool(np.arange(100, dtype=np.int32), 10, seed, classes, losses), epoch).sequence
        for seed in (0, 1)
        for epoch in range(4)
    ]
    assert len(np.unique(sequences, axis=0)) == 8


@given(pools(), st.integers(0, 100))
def test_sequential_is_as_given(pool, epoch):
    assert draw(Choice("sequential"), pool, epoch).sequence.tolist() == pool.rows.tolist()


@given(pools(), st.integers(0, 100))
def test_shuffled_is_the_permutation_that_a_seed_has_meant_so_far(pool, epoch):
    expected = np.random.default_rng((pool.seed, 1, epoch)).permutation(pool.rows)
    np.testing.assert_array_equal(draw(Choice("shuffled"), pool, epoch).sequence, expected)


def test_shuffled_is_uniform():
    # Each of the 24 permutations of 4 rows equally often: chi-squared with 23 degrees of freedom, 99.9 % at 49.7.
    pool = Pool(np.arange(4, dtype=np.int32), 1, 7)
    draws = [tuple(draw(Choice("shuffled"), pool, e).sequence.tolist()) for e in range(4800)]
    counts = np.unique(draws, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert ((counts - 200) ** 2 / 200).sum() < 49.7


# --- interleaved ---


def every_count(n, most=None):
    """All ways to write n as a sum of class counts, greatest first."""
    if n == 0:
        yield ()
    for first in range(min(n, most or n), 0, -1):
        for others in every_count(n - first, first):
            yield (first, *others)


@pytest.mark.parametrize("counts", [c for n in range(1, 8) for c in every_count(n)], ids=str)
def test_the_formula_is_the_least_number_of_equal_neighbours_of_all_permutations(counts):
    letters = np.repeat(np.arange(len(counts)), counts)
    brute = min(n_equal_neighbours(np.array(each)) for each in set(itertools.permutations(letters.tolist())))
    assert least(counts) == brute
    pool = Pool(np.arange(len(letters), dtype=np.int32), 2, 3, letters)
    for epoch in range(20):
        assert n_equal_neighbours(letters[draw(Choice("interleaved"), pool, epoch).sequence]) == brute


@given(pools(), st.integers(0, 10))
def test_interleaved_has_the_least_number_of_equal_neighbours(pool, epoch):
    classes = classes_in(pool, draw(Choice("interleaved"), pool, epoch).sequence)
    assert n_equal_neighbours(classes) == least(list(Counter(classes.tolist()).values()))


def excess_in_tenths(classes, starts):
    """By how much a tenth has more or less than a tenth of a class, at most."""
    numbers, classes = np.unique(classes, return_inverse=True)
    tenths = np.array(
        [np.bincount(classes[a:b], minlength=len(numbers)) for a, b in itertools.pairwise(starts.tolist())]
    )
    return np.abs(10 * tenths - tenths.sum(axis=0)).max() / 10


@given(pools(), st.integers(0, 10))
def test_interleaved_has_a_tenth_of_each_class_in_each_tenth_of_the_epoch(pool, epoch):
    sequence = draw(Choice("interleaved"), pool, epoch).sequence
    starts = np.arange(11) * len(sequence) // 10
    assert excess_in_tenths(classes_in(pool, sequence), starts) <= 2


@pytest.mark.parametrize(
    "counts",
    [(10_000,) * 10, (50_000, 49_999, 1), (50_001, 50_000), (90_000, *range(1, 100)), (3,) * 20_000, (33_334,) * 3],
    ids=["equal", "two", "half", "majority", "many", "three"],
)
def test_interleaved_keeps_its_promises_where_there_are_many_rows(counts):
    classes = np.repeat(np.arange(len(counts)), counts)
    pool = Pool(np.arange(len(classes), dtype=np.int32), 32, 1, classes)
    for epoch in range(2):
        drawn = classes[draw(Choice("interleaved"), pool, epoch).sequence]
        assert n_equal_neighbours(drawn) == least(counts)
        if len(counts) < 1000:
            assert excess_in_tenths(drawn, np.arange(11) * len(drawn) // 10) <= 2


def test_interleaved_pairs_each_class_with_all_others():
    # 10 classes of 1,000: 90 kinds of neighbours, 111 of each on average if all were equally likely. Spreading the
    # classes makes them less than independent, so half and twice are far outside of chance only for something wrong.
    classes = np.arange(10_000) % 10
    pool = Pool(np.arange(10_000, dtype=np.int32), 1, 0, classes)
    for epoch in range(5):
        drawn = classes[draw(Choice("interleaved"), pool, epoch).sequence]
        counts = np.zeros((10, 10), int)
        np.add.at(counts, (drawn[:-1], drawn[1:]), 1)
        assert np.diagonal(counts).max() == 0
        others = counts[~np.eye(10, dtype=bool)]
        assert others.min() > 55
        assert others.max() < 222


@pytest.mark.parametrize("counts", [(7, 7, 6), (14, 6), (30, 4, 3, 3)], ids=str)
def test_each_row_stands_in_each_tenth_equally_often(counts):
    # Chi-squared of a row's tenths over 3,000 epochs: 9 degrees of freedom, 45 is passed once in a million.
    classes = np.repeat(np.arange(len(counts)), counts)
    n, n_epochs = len(classes), 3000
    pool = Pool(np.arange(n, dtype=np.int32), 1, 5, classes)
    table = np.zeros((n, 10))
    tenth_of = np.searchsorted(np.arange(11) * n // 10, np.arange(n), side="right") - 1
    for epoch in range(n_epochs):
        table[draw(Choice("interleaved"), pool, epoch).sequence, tenth_of] += 1
    for number in range(len(counts)):  # rows of a class are alike; how a class is spread is not uniform for so few rows
        of_class = table[classes == number]
        expected = of_class.mean(axis=0)
        assert ((of_class - expected) ** 2 / np.maximum(expected, 1)).sum(axis=1).max() < 45


# --- balanced ---


@given(pools(), st.integers(0, 30))
def test_balanced_has_exact_quotas_in_each_batch(pool, epoch):
    sequence = draw(Choice("balanced"), pool, epoch).sequence
    present = np.unique(pool.classes)
    for table in batches(classes_in(pool, sequence), pool.batch_size):
        batch = table[table != NO_EXAMPLE]
        counts = np.array([(batch == number).sum() for number in present])
        assert counts.min() >= len(batch) // len(present)
        assert counts.max() <= -(-len(batch) // len(present))


@given(pools(class_counts(12)), st.integers(1, 6))
def test_balanced_repeats_no_row_before_all_of_its_class_were_used_across_epochs(pool, n_epochs):
    online = Pool(pool.rows, 1, pool.seed, pool.classes)
    sequence = np.concatenate([draw(Choice("balanced"), online, epoch).sequence for epoch in range(n_epochs)])
    classes = classes_in(pool, sequence)
    present = np.unique(classes)
    for i in range(len(present)):  # single examples keep the cycle of the classes, across epochs
        assert len(set(classes[i :: len(present)].tolist())) == 1
    for number in np.unique(pool.classes):
        walk = sequence[classes == number].tolist()
        members = pool.rows[pool.classes == number].tolist()
        for begin in range(0, len(walk), len(members)):
            once = walk[begin : begin + len(members)]
            assert len(set(once)) == len(once)
            assert set(once) <= set(members)


@given(pools(), st.integers(0, 8))
def test_batches_of_balanced_hold_the_same_rows_in_another_sequence(pool, epoch):
    online = Pool(pool.rows, 1, pool.seed, pool.classes)
    one_by_one = batches(draw(Choice("balanced"), online, epoch).sequence, pool.batch_size)
    in_batches = batches(draw(Choice("balanced"), pool, epoch).sequence, pool.batch_size)
    np.testing.assert_array_equal(np.sort(one_by_one, axis=1), np.sort(in_batches, axis=1))


def test_balanced_walks_through_a_class_in_ever_new_permutations():
    # 3 rows of the rare class: each of its 6 permutations equally often in 1,200 walks. Chi-squared with 5 degrees of
    # freedom, 99.9 % at 20.5.
    classes = np.array([0] * 30 + [4] * 3)
    pool = Pool(np.arange(33, dtype=np.int32), 1, 0, classes)
    drawn = np.concatenate([draw(Choice("balanced"), pool, epoch).sequence for epoch in range(220)])
    walks = drawn[drawn >= 30][:3600].reshape(-1, 3)
    counts = np.unique(walks, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert ((counts - 200) ** 2 / 200).sum() < 20.5


def test_balanced_with_one_class_shows_each_row_once_an_epoch():
    pool = Pool(np.arange(17, dtype=np.int32), 5, 0, np.full(17, 3))
    for epoch in range(5):
        assert sorted(draw(Choice("balanced"), pool, epoch).sequence.tolist()) == list(range(17))


def test_restoring_the_priors_changes_nothing_in_the_draws():
    pool = Pool(np.arange(30, dtype=np.int32), 4, 0, np.arange(30) % 7)
    without = Choice("balanced", (("restore_priors", False),))
    np.testing.assert_array_equal(draw(Choice("balanced"), pool, 2).sequence, draw(without, pool, 2).sequence)


def test_shares_of_the_classes():
    true, drawn = class_shares(np.array([0, 0, 3, 0, 1, 3, 0, 0]))
    assert true.tolist() == [5 / 8, 1 / 8, 0, 2 / 8]
    assert drawn.tolist() == [1 / 3, 1 / 3, 0, 1 / 3]


@given(pools(), st.integers(1, 20))
def test_drawn_shares_are_those_of_the_draws(pool, n_epochs):
    _, share = class_shares(pool.classes)
    drawn = np.concatenate([draw(Choice("balanced"), pool, epoch).sequence for epoch in range(n_epochs)])
    counts = np.bincount(classes_in(pool, drawn), minlength=len(share))
    assert np.abs(counts - share * len(drawn)).max() < 1


# --- by_error ---

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
    # A count is a step function of the offset with two steps at most, so the mean over 1,000 offsets in the middle of
    # equal parts is within 2/1,000 of the mean over all.
    expected = relative_probabilities(np.array(losses), **settings)
    n = len(losses)
    counts = sum(np.bincount(resample(expected, (k + 0.5) / 1000), minlength=n) for k in range(1000))
    np.testing.assert_allclose(counts / 1000, expected, atol=2e-3)


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


# --- the registry ---


def test_what_the_orders_ask_for():
    asked = {name: needs(Choice(name)) for name in ORDERS}
    assert asked == {
        "sequential": (),
        "shuffled": (),
        "interleaved": ("classes",),
        "balanced": ("classes",),
        "by_error": ("losses",),
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"name": "by_error", "cap": 0.5}, "cap: 0.5 is not allowed: a number at least 1"),
        ({"name": "by_error", "floor": 1.5}, "floor: 1.5 is not allowed: a number at least 0 and at most 1"),
        ({"name": "by_error", "exponent": -1}, "exponent: -1 is not allowed: a number at least 0"),
        ({"name": "balanced", "restore_priors": 1}, "restore_priors: 1 is not allowed: true or false"),
        ({"name": "shuffled", "seed": 1}, "'shuffled' has no setting 'seed': it has no settings"),
        ("WeightedRandomSampler", "'WeightedRandomSampler' is called 'by_error' here"),
        ("interleavd", "unknown name 'interleavd': did you mean 'interleaved'?"),
    ],
    ids=str,
)
def test_refusals(value, text):
    with pytest.raises(ValueError) as caught:
        ORDERS.choose(value)
    assert str(caught.value) == text


# --- batches ---


@given(SIZES)
def test_a_table_is_the_sequence_with_fillers_at_its_end_only(sizes):
    n, size = sizes
    sequence = np.random.default_rng(0).permutation(n)
    table = batches(sequence, size)
    assert table.shape == (n_batches(n, size), size)
    assert table.dtype == np.int32
    flat = table.ravel()
    assert flat[:n].tolist() == sequence.tolist()
    assert (flat[n:] == NO_EXAMPLE).all()
    assert len(flat) - n < size


@given(SIZES, st.booleans())
def test_coefficients_of_an_update_are_weight_over_real_examples(sizes, weighted):
    n, size = sizes
    chance = np.random.default_rng(n)
    table = batches(chance.permutation(n), size)
    table = np.concatenate([table, np.full((2, size), NO_EXAMPLE, np.int32)])  # padded updates
    example_weight = chance.uniform(0.1, 3, n) if weighted else None
    weights = batch_weights(table, example_weight, np.float64)
    for rows, coefficients in zip(table.tolist(), weights.tolist(), strict=True):
        real = [row for row in rows if row != NO_EXAMPLE]
        for row, coefficient in zip(rows, coefficients, strict=True):
            weight = 1.0 if example_weight is None else example_weight[row]
            expected = 0.0 if row == NO_EXAMPLE else weight / len(real)
            assert coefficient == pytest.approx(expected, rel=1e-14)
    if not weighted:
        np.testing.assert_allclose(weights.sum(axis=1), [1.0] * (len(table) - 2) + [0, 0], rtol=1e-12)


def test_coefficients_have_the_programs_type():
    table = batches(np.arange(5), 3)
    assert batch_weights(table, None, np.float32).dtype == np.float32
    assert batch_weights(table, np.ones(5), np.float32).dtype == np.float32


# --- seeds ---


def test_generators_differ_by_seed_purpose_and_number_and_repeat():
    def draw_from(*key):
        return generator(*key).integers(2**62)

    numbers = [(0,), (1,), (2,), (0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (0, 2), (0, 0, 0), (1, 0, 0), (2, 3, 0)]
    keys = [(s, p, *n) for s in (0, 1, 2) for p in ("order", "weights", "validation", "test") for n in numbers]
    assert len({draw_from(*key) for key in keys}) == len(keys)
    assert [draw_from(*key) for key in keys] == [draw_from(*key) for key in keys]


@pytest.mark.parametrize(("purpose", "number"), [("order", 1), ("weights", 2), ("validation", 3), ("test", 4)])
def test_a_seed_means_what_it_has_meant_so_far(purpose, number):
    for epoch in (0, 1, 77):
        assert generator(9, purpose, epoch).random() == np.random.default_rng((9, number, epoch)).random()
    assert generator(9, purpose).random() == np.random.default_rng((9, number, 0)).random()
