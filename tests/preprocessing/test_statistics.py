"""Weighted statistics, against exact fractions and NumPy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from entrena.errors import DataError
from entrena.preprocessing import statistics
from entrena.preprocessing.statistics import column_statistics

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 0.1, 1e8 + 0.1, -3.0])


def exact_mean_and_deviation(column, weights):
    """In fractions, without any rounding but that of the root."""
    xs, ws = [Fraction(float(x)) for x in column], [Fraction(float(w)) for w in weights]
    total = sum(ws)
    mean = sum(w * x for w, x in zip(ws, xs, strict=True)) / total
    variance = sum(w * (x - mean) ** 2 for w, x in zip(ws, xs, strict=True)) / total
    # The root of a fraction that float64 may not hold: scaled by an even power of two.
    if variance == 0:
        return float(mean), 0.0
    shift = (variance.denominator.bit_length() - variance.numerator.bit_length()) // 2
    return float(mean), float(np.sqrt(float(variance * Fraction(4) ** shift))) * 2.0**-shift


@given(hnp.arrays(np.float64, shapes, elements=numbers), st.data())
def test_equal_to_exact_arithmetic(values, data):
    weights = np.array(data.draw(st.lists(st.floats(0, 100), min_size=len(values), max_size=len(values))))
    weights[data.draw(st.integers(0, len(values) - 1))] = 1.5
    found = column_statistics(values, weights)
    for j, column in enumerate(values.T):
        mean, deviation = exact_mean_and_deviation(column, weights)
        there = column[weights > 0]
        size = np.abs(there).max()
        assert found.low[j] == there.min() and found.high[j] == there.max()
        assert found.mean[j] == pytest.approx(mean, rel=0, abs=4e-16 * size)
        if deviation > 1e-9 * size:
            assert found.deviation[j] == pytest.approx(deviation, rel=1e-6 if deviation < 1e-5 * size else 1e-12)


@given(
    hnp.arrays(st.sampled_from([np.float32, np.float64]), shapes, elements=st.floats(-1000, 1000, width=32)), st.data()
)
def test_weights_count_rows(values, data):
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values))))
    counts[0] += 1
    weighted = column_statistics(values, counts)
    repeated = column_statistics(np.repeat(values, counts, axis=0))
    assert np.array_equal(weighted.low, repeated.low) and np.array_equal(weighted.high, repeated.high)
    size = np.abs(values).max()
    np.testing.assert_allclose(weighted.mean, repeated.mean, rtol=1e-12, atol=1e-15 * size)
    np.testing.assert_allclose(weighted.deviation, repeated.deviation, rtol=1e-12, atol=1e-15 * size)


@given(numbers | st.floats(-1e300, 1e300), st.integers(1, 50), st.data())
def test_constant_columns_have_exactly_their_value_and_no_deviation(value, n_rows, data):
    weights = data.draw(st.none() | st.lists(st.floats(0.1, 10), min_size=n_rows, max_size=n_rows).map(np.array))
    found = column_statistics(np.full((n_rows, 1), value), weights)
    assert found.mean[0] == value and found.deviation[0] == 0


def test_rounding_is_no_deviation():
    column = np.array([[0.1 * 3], [0.3], [0.3]])
    assert column[0] != column[1] and column_statistics(column).deviation[0] == 0
    # 1e-9 of the size is far above rounding.
    assert column_statistics(np.array([[1.0], [1 + 2e-9]])).deviation[0] == pytest.approx(1e-9, rel=1e-6)


@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-160, 1.0, 1e160, 1e300, 1.7e308])
def test_no_overflow_and_no_underflow(size):
    found = column_statistics(np.array([[-size], [size], [size], [-size]]))
    assert found.mean[0] == 0 and found.deviation[0] == pytest.approx(size, rel=1e-15)


def test_several_blocks_give_what_one_gives(generator, monkeypatch):
    values = 1e8 + generator.standard_normal((1001, 3))
    weights = generator.integers(0, 3, 1001).astype(float)
    whole = column_statistics(values, weights)
    monkeypatch.setattr(statistics, "BLOCK_VALUES", 21)
    pieces = column_statistics(values, weights)
    np.testing.assert_allclose(pieces.mean, whole.mean, rtol=1e-15)
    np.testing.assert_allclose(pieces.deviation, whole.deviation, rtol=1e-12)
    np.testing.assert_allclose(whole.deviation, np.repeat(values, weights.astype(int), axis=0).std(axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"sample weights have shape (2,); there must be one for each of the 3 rows"),
        ([1, -2, 1], "the sample weight of row 2 is -2.0; weights must be finite and at least 0"),
        ([1, 2, np.nan], "the sample weight of row 3 is nan; weights must be finite and at least 0"),
        ([0, 0, 0], "all sample weights are zero; at least one row must count"),
        (["a", "b", "c"], "sample weights must be numbers"),
    ],
)
def test_weights_that_are_refused(weights, message):
    with pytest.raises(DataError) as caught:
        column_statistics(np.ones((3, 1)), weights)
    assert str(caught.value) == message


def test_no_rows():
    with pytest.raises(DataError, match="^there are no rows to compute means and deviations from$"):
        column_statistics(np.ones((0, 2)))


@pytest.mark.parametrize("large", [1.5, 1e300])
def test_the_row_of_a_tiny_weight_is_there(large):
    found = column_statistics(np.array([[0.0], [1.0]]), np.array([large, 5e-324]))
    assert found.low[0] == 0 and found.high[0] == 1


def test_huge_weights_stay_in_range():
    found = column_statistics(np.array([[1.0], [3.0]]), np.array([1e308, 1.7e308]))
    assert found.mean[0] == pytest.approx(1 + 2 * 1.7 / 2.7, rel=1e-15)


def test_pieces_cover_the_rows_and_have_many_of_them_where_columns_are_many():
    for n_rows, n_columns in ((0, 3), (1, 1), (100_000, 30), (5000, 784), (300, 100_000), (7, 10**7)):
        found = list(statistics.pieces(n_rows, n_columns))
        assert [row for start, stop in found for row in range(start, stop)] == list(range(n_rows))
    # A piece of a wide table is of several blocks, and no larger than fits the memory.
    assert next(statistics.pieces(5000, 784)) == (0, 3 * (2**18 // 784))
    assert max(stop - start for start, stop in statistics.pieces(300, 100_000)) * 100_000 <= statistics.MOST_VALUES


@pytest.mark.parametrize("n_threads", [1, 3])
def test_results_come_in_order_and_the_first_error_is_told(n_threads, monkeypatch):
    monkeypatch.setattr(statistics, "_usable_cores", lambda: n_threads)
    parts = [(start, start + 1) for start in range(20)]
    assert list(statistics.in_pieces(lambda start, stop: start * 10 + stop, parts)) == [k * 11 + 1 for k in range(20)]

    def fail(start, stop):
        if start >= 5:
            raise DataError(f"row {start}")

    with pytest.raises(DataError, match="^row 5$"):
        list(statistics.in_pieces(fail, parts))
