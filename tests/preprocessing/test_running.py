"""Means and deviations that run: those of the rows so far, at every row."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from entrena.data import Table
from entrena.data.roles import ColumnRole
from entrena.data.schema import Schema
from entrena.data.table import Column
from entrena.data.values import Place
from entrena.errors import DataError, RecipeError
from entrena.preprocessing import Preprocessor, RunningInputs, RunningMoments, RunningTargets, TargetCoder
from entrena.preprocessing.running import check_running_scale
from entrena.preprocessing.settings import InputSettings, TargetSettings
from entrena.registry import Choice


def columns(n_rows: int = 40, n_columns: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(2)
    X = generator.normal([0.0, 5.0, -300.0][:n_columns], [1.0, 0.01, 70.0][:n_columns], (n_rows, n_columns))
    return X, generator.uniform(0.1, 4, n_rows)


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_they_are_those_of_the_rows_so_far(weighted):
    X, weight = columns()
    means, deviations, after = RunningMoments.none(3).after(X, weight if weighted else None)
    for k in range(len(X)):
        w = weight[: k + 1] if weighted else np.ones(k + 1)
        mean = np.average(X[: k + 1], axis=0, weights=w)
        deviation = np.sqrt(np.average((X[: k + 1] - mean) ** 2, axis=0, weights=w))
        np.testing.assert_allclose(means[k], mean, rtol=1e-12)
        np.testing.assert_allclose(deviations[k], deviation, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(after.mean, means[-1])
    np.testing.assert_array_equal(after.deviation, deviations[-1])
    assert after.weight == pytest.approx(np.full(3, math.fsum(weight) if weighted else 40))


def test_before_the_first_row_they_are_zero():
    none = RunningMoments.none(2)
    assert none.mean.tolist() == none.deviation.tolist() == [0, 0]
    assert none.is_finite


def test_a_row_of_weight_two_is_the_row_twice():
    X, _ = columns()
    weight = np.ones(40)
    weight[7] = 2
    one = RunningMoments.none(3).after(X, weight)[2]
    two = RunningMoments.none(3).after(np.insert(X, 7, X[7], axis=0))[2]
    np.testing.assert_allclose(one.mean, two.mean, rtol=1e-13)
    np.testing.assert_allclose(one.deviation, two.deviation, rtol=1e-13)


@pytest.mark.parametrize("level", [1e8, -1e12, 1e15])
def test_a_large_mean_does_not_drown_the_deviation(level):
    # Exact in fractions: E[x²] − E[x]² would have no digit left.
    noise = np.random.default_rng(3).normal(size=2_000)
    x = level + noise
    means, deviations, _ = RunningMoments.none(1).after(x[:, None])
    for k in (2, 50, 1_999):
        exact = [Fraction(value) for value in x[: k + 1]]
        mean = sum(exact) / (k + 1)
        variance = sum((value - mean) ** 2 for value in exact) / (k + 1)
        assert means[k, 0] == pytest.approx(float(mean), rel=1e-15)
        assert deviations[k, 0] == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_a_level_that_jumps_away_from_the_first_row():
    x = np.concatenate([[0.0], 1e8 + np.random.default_rng(3).normal(size=500)])
    mean, deviation, _ = RunningMoments.none(1).after(x[:, None])
    assert mean[-1, 0] == pytest.approx(math.fsum(x) / 501, rel=1e-14)
    centre = Fraction(0) + sum(map(Fraction, x)) / 501
    variance = sum((Fraction(value) - centre) ** 2 for value in x) / 501
    assert deviation[-1, 0] == pytest.approx(math.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 + 0.1, -1e300])
def test_a_constant_column_has_no_deviation(value):
    weight = np.random.default_rng(1).uniform(0.1, 3, 300)
    means, deviations, _ = RunningMoments.none(1).after(np.full((300, 1), value), weight)
    assert set(means.ravel()) == {value}
    assert set(deviations.ravel()) == {0.0}


finite = st.floats(-1e12, 1e12, allow_subnormal=True)


@given(X=arrays.arrays(float, (17, 2), elements=finite), cuts=st.lists(st.integers(1, 16), max_size=6))
@settings(max_examples=150)
def test_where_the_rows_are_cut_changes_no_bit(X, cuts):
    weight = np.random.default_rng(1).uniform(0.1, 3, 17)
    means, deviations, after = RunningMoments.none(2).after(X, weight)
    assert np.isfinite(deviations).all()
    moments, found = RunningMoments.none(2), []
    ends = [*sorted(set(cuts)), 17]
    for a, b in zip([0, *ends[:-1]], ends, strict=True):
        *statistics, moments = moments.after(X[a:b], weight[a:b])
        found.append(statistics)
    np.testing.assert_array_equal(np.concatenate([each[0] for each in found]), means)
    np.testing.assert_array_equal(np.concatenate([each[1] for each in found]), deviations)
    for name in ("first", "total", "squares"):
        np.testing.assert_array_equal(getattr(moments, name), getattr(after, name))


# --- inputs ---


ROLES = tuple(ColumnRole(name, "number") for name in ("a", "b", "c"))


def numbers(X: np.ndarray) -> Table:
    return Table.of_array(X, ("a", "b", "c"), Place("t.csv", first_row=2))


def running(first: Table, roles=ROLES, **settings) -> RunningInputs:
    own = InputSettings(**settings)
    filled = own.model_copy(update={"missing": Choice("impute"), "scale": Choice("none")})
    return RunningInputs.begin(Preprocessor.fit(first, roles, filled, None, keep_constant=True), own)


@pytest.mark.parametrize(
    ("settings_", "center", "scale"),
    [
        ({}, True, True),
        ({"center": False}, False, True),
        ({"scale": "none"}, True, False),
        ({"scale": "none", "center": False}, False, False),
    ],
)
def test_inputs_are_standardised_by_the_rows_up_to_theirs(settings_, center, scale):
    X, weight = columns()
    out, after = running(numbers(X), **settings_).transform(numbers(X), np.float64, weight)
    for k in range(len(X)):
        mean = np.average(X[: k + 1], axis=0, weights=weight[: k + 1])
        deviation = np.sqrt(np.average((X[: k + 1] - mean) ** 2, axis=0, weights=weight[: k + 1]))
        expected = (X[k] - (mean if center else 0)) / (np.where(deviation > 0, deviation, 1) if scale else 1)
        np.testing.assert_allclose(out[k], expected, rtol=1e-9, atol=1e-9)
    if center:
        assert np.all(out[0] == 0)
    # What a model that is taken out now does with the last row is what was learned of it.
    np.testing.assert_allclose(after.fixed().transform(numbers(X[-1:]), np.float64), out[-1:], rtol=1e-12, atol=1e-12)


def test_a_gap_counts_in_no_mean_and_becomes_the_mean_so_far():
    X, weight = columns()
    X[np.random.default_rng(5).random(X.shape) < 0.4] = np.nan
    X[:6, 1], X[7] = np.nan, np.nan  # one column begins late, one row has nothing
    out, after = running(numbers(X)).transform(numbers(X), np.float64, weight)
    for k in range(len(X)):
        for j in range(3):
            there = ~np.isnan(X[: k + 1, j])
            if np.isnan(X[k, j]) or there.sum() == 1:
                assert out[k, j] == 0
                continue
            values, w = X[: k + 1, j][there], weight[: k + 1][there]
            mean = np.average(values, weights=w)
            deviation = np.sqrt(np.average((values - mean) ** 2, weights=w))
            assert out[k, j] == pytest.approx((X[k, j] - mean) / deviation, rel=1e-8, abs=1e-9)
    np.testing.assert_allclose(
        after.fixed().mean, [np.average(c[~np.isnan(c)], weights=weight[~np.isnan(c)]) for c in X.T]
    )
    gaps = numbers(np.full((1, 3), np.nan))
    np.testing.assert_array_equal(after.fixed().transform(gaps, np.float64), np.zeros((1, 3)))


def test_without_centring_a_gap_is_the_mean_as_well():
    X = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 9.0], [np.nan, 6.0, np.nan]])
    out, after = running(numbers(X), center=False).transform(numbers(X), np.float64)
    np.testing.assert_allclose(out[2, [0, 2]], [2 / 1, 6 / 3])
    np.testing.assert_allclose(after.fixed().transform(numbers(X[2:]), np.float64), out[2:])


@given(chance=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 16), max_size=16))
@settings(max_examples=60)
def test_where_rows_with_gaps_are_cut_changes_no_bit(chance, cuts):
    generator = np.random.default_rng(chance)
    X = generator.normal(size=(17, 3))
    X[generator.random((17, 3)) < generator.random()] = np.nan
    inputs = running(numbers(np.zeros((2, 3))))
    whole, after = inputs.transform(numbers(X), np.float32)
    found, ends = [], [*sorted(set(cuts)), 17]
    for a, b in zip([0, *ends[:-1]], ends, strict=True):
        out, inputs = inputs.transform(numbers(X[a:b]), np.float32)
        found.append(out)
    np.testing.assert_array_equal(np.concatenate(found), whole)
    for name in ("weight", "first", "total", "squares"):
        np.testing.assert_array_equal(getattr(inputs.moments, name), getattr(after.moments, name))


def test_a_column_that_is_constant_at_first_stays_an_input():
    X = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]])
    begun = running(numbers(X))
    assert begun.raw.n_dense == 3
    out, after = begun.transform(numbers(X), np.float64)
    np.testing.assert_allclose(out, [[0, 0, 0], [0, 0, 1]])
    out, _ = after.transform(numbers(np.array([[4.0, 2.0, 5.0]])), np.float64)
    np.testing.assert_allclose(out, [[2 / math.sqrt(2), 0, 1 / math.sqrt(2 / 3)]])


def test_levels_are_centred_and_not_scaled():
    levels = np.array(["x", "y"], object)
    table = Table(
        (Column("a", "number", np.array([1.0, 3.0, 5.0])), Column("k", "text", np.array([0, 1, 1]), tuple(levels))),
        Place("t.csv"),
    )
    roles = (ColumnRole("a", "number"), ColumnRole("k", "category"))
    begun = running(table, roles)
    out, _ = begun.transform(table, np.float64)
    raw = begun.raw.transform(table, np.float64)[:, 1:]
    shares = np.cumsum(raw, axis=0) / np.arange(1, 4)[:, None]
    np.testing.assert_allclose(out[:, 1:], raw - shares, atol=1e-15)


def test_a_scale_that_needs_all_rows_is_refused():
    said = (
        "inputs.scale: 'robust' needs all rows before the first: in a stream take standard or none, or learn it from "
    )
    with pytest.raises(RecipeError, match=said + "the first rows with --warm-rows"):
        check_running_scale("inputs.scale", "robust")
    check_running_scale("inputs.scale", "standard")
    check_running_scale("inputs.scale", "none")


def test_a_number_whose_square_is_beyond_float64_is_refused_and_changes_nothing():
    X, _ = columns()
    _, begun = running(numbers(X)).transform(numbers(X), np.float32)
    bad = X[:3].copy()
    bad[1, 2] = 1e200
    said = "t.csv: row 3 of input 'c' is too large for running means and deviations, or for float32"
    with pytest.raises(DataError, match=said):
        begun.transform(numbers(bad), np.float32)
    assert begun.moments.is_finite
    # Not its square, but the number itself is beyond float32.
    with pytest.raises(DataError, match="row 2 of input 'a' is too large"):
        running(numbers(X), scale="none", center=False).transform(
            numbers(np.array([[1e60, 0.0, 0.0], [2.0, 0, 0]])), np.float32
        )


# --- targets ---


def coder(targets: np.ndarray, **settings) -> TargetCoder:
    names = ("y",) if targets.ndim == 1 else tuple(f"y{k}" for k in range(targets.shape[1]))
    return TargetCoder.fit(targets, Schema((), names, "regression"), TargetSettings(**settings), None)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_targets_are_coded_with_their_row_and_read_without_it(n_outputs):
    Y, weight = columns(n_columns=n_outputs)
    targets = Y[:, 0] if n_outputs == 1 else Y
    coded, shift, scale, after = RunningTargets.begin(coder(targets)).encode(targets, np.float64, weight)
    assert shift[0].tolist() == [0] * n_outputs
    assert scale[0].tolist() == [1] * n_outputs
    for k in range(len(Y)):
        mean = np.average(Y[: k + 1], axis=0, weights=weight[: k + 1])
        deviation = np.sqrt(np.average((Y[: k + 1] - mean) ** 2, axis=0, weights=weight[: k + 1]))
        deviation = np.where(deviation > 0, deviation, 1)
        np.testing.assert_allclose(coded[k], (Y[k] - mean) / deviation, rtol=1e-9, atol=1e-9)
        if k + 1 < len(Y):
            np.testing.assert_allclose(shift[k + 1], mean, rtol=1e-12)
            np.testing.assert_allclose(scale[k + 1], deviation, rtol=1e-9)
    np.testing.assert_allclose(after.coder.shift, np.average(Y, axis=0, weights=weight), rtol=1e-12)
    same = RunningTargets.of_moments(coder(targets), after.moments, runs=True)
    np.testing.assert_array_equal(same.coder.shift, after.coder.shift)
    np.testing.assert_array_equal(same.coder.scale, after.coder.scale)


def test_targets_without_a_scale_stay_as_they_are():
    targets = columns()[0][:, 0]
    coded, shift, scale, after = RunningTargets.begin(coder(targets, target_scale="none")).encode(targets, np.float64)
    np.testing.assert_array_equal(coded[:, 0], targets)
    assert (set(shift.ravel()), set(scale.ravel())) == ({0.0}, {1.0})
    assert not after.runs


def test_a_target_whose_square_is_beyond_float64_is_refused():
    begun = RunningTargets.begin(coder(np.array([1.0, 2.0])))
    _, _, _, begun = begun.encode(np.array([1.0, 2.0]), np.float32)
    with pytest.raises(DataError, match="a target is too large for a running mean and deviation: leave the row out"):
        begun.encode(np.array([1e200]), np.float32)
