"""The preprocessor on numbers, against scikit-learn's scalers; tables of all kinds in test_mixed_tables.py."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from entrena.data import read
from entrena.data.roles import ColumnRole
from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.errors import DataError
from entrena.preprocessing import SCALES, InputSettings, Preprocessor, columns, statistics

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=10)
EVERY_SETTING = [InputSettings(center=center, scale=scale) for center in (True, False) for scale in SCALES]
every_setting = st.sampled_from(EVERY_SETTING)


def array_table(values):
    values = np.asarray(values)
    return Table.of_array(values, [f"x{j}" for j in range(values.shape[1])], Place("array"))


def column_table(values):
    names = [f"x{j}" for j in range(values.shape[1])]
    kind = "boolean" if values.dtype.kind == "b" else "number"
    return Table(tuple(Column(name, kind, values[:, j].copy()) for j, name in enumerate(names)), Place("t.csv", 2))


def fit(table, settings, weights=None):
    return Preprocessor.fit(table, [ColumnRole(name, "number") for name in table.names], settings, weights)


def fitted(inputs, weights=None, **settings):
    return fit(array_table(inputs), InputSettings(**settings), weights)


def varying(values):
    """The columns that are inputs; where none varies, the first stands for all."""
    there = (values != values[0]).any(axis=0)
    return there if there.any() else np.arange(values.shape[1]) == 0


@pytest.mark.parametrize("name", ["digits", "wine", "diabetes"])
@pytest.mark.parametrize("center", [True, False])
def test_z_scores_are_scikit_learns(name, center, generator):
    table = read(name).inputs
    inputs = table.matrix
    weights = generator.integers(0, 3, len(inputs)).astype(float)
    for weight in (None, weights):
        theirs = StandardScaler(with_mean=center).fit(inputs, sample_weight=weight)
        ours = fit(table, InputSettings(center=center), weight)
        expected = theirs.transform(inputs)[:, varying(inputs if weight is None else inputs[weight > 0])]
        np.testing.assert_allclose(ours.transform(table, np.float64), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["wine", "diabetes"])
@pytest.mark.parametrize(("center", "reach"), [(True, (-1, 1)), (False, (0, 1))])
def test_min_max_is_scikit_learns(name, center, reach):
    table = read(name).inputs
    inputs = table.matrix
    ours = fit(table, InputSettings(center=center, scale="min_max")).transform(table, np.float64)
    np.testing.assert_allclose(ours, MinMaxScaler(reach).fit_transform(inputs), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.min(axis=0), reach[0], rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(ours.max(axis=0), reach[1], rtol=1e-15)


def test_without_scale():
    table = array_table([[1.0, 10.0], [3.0, 30.0]])
    assert fitted(table.matrix, scale="none").transform(table).tolist() == [[-1, -10], [1, 10]]
    assert np.array_equal(fitted(table.matrix, scale="none", center=False).transform(table), table.matrix)


@given(hnp.arrays(np.float64, shapes, elements=st.floats(-1e6, 1e6)), every_setting, st.data())
def test_weights_count_rows(values, settings, data):
    counts = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(values), max_size=len(values))))
    counts[0] += 1
    # Whole numbers: a deviation is then either 0 or far from rounding.
    values = np.round(values)
    weighted = fit(array_table(values), settings, counts)
    repeated = fit(array_table(np.repeat(values, counts, axis=0)), settings)
    assert np.array_equal(weighted.fill, repeated.fill)
    size = np.abs(values).max()
    np.testing.assert_allclose(weighted.shift, repeated.shift, rtol=1e-12, atol=1e-15 * size)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-12)


constants = st.sampled_from([0.1, 1e8 + 0.1, -1e8 - 0.3, 1 / 3, 0.0, 1e300, 1e-310]) | st.floats(-1e300, 1e300)


@given(constants, st.integers(1, 40), every_setting, st.sampled_from([np.float32, np.float64]), st.data())
def test_constant_columns_become_exactly_zero(value, n_rows, settings, dtype, data):
    weights = data.draw(st.none() | st.lists(st.floats(0.01, 10), min_size=n_rows, max_size=n_rows).map(np.array))
    inputs = np.full((n_rows, 1), value)
    table = array_table(inputs)
    prepared = fit(table, settings, weights)
    assert prepared.scale.tolist() == [1] and prepared.feature_names == ("x0",)
    if settings.center or settings.scale.name == "min_max":
        assert np.array_equal(prepared.transform(table, dtype), np.zeros((n_rows, 1)))
    else:
        assert np.array_equal(prepared.transform(table, np.float64), inputs)
    # What was never seen to vary says nothing of later rows.
    later = prepared.transform(array_table([[3.25], [np.nan]]), np.float64)
    assert np.array_equal(later, np.repeat(prepared.transform(table, np.float64)[:1], 2, axis=0))


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), shapes, elements=st.integers(0, 1)
    ),
    every_setting,
    st.sampled_from([np.float32, np.float64]),
)
def test_shapes_types_and_layout(values, settings, dtype):
    values.flags.writeable = False
    table = array_table(values)
    prepared = fit(table, settings)
    out = prepared.transform(table, dtype)
    assert out.shape == (len(values), varying(values).sum()) == (len(values), prepared.n_features)
    assert out.dtype == dtype and out.flags.c_contiguous and out.flags.owndata
    again = fit(array_table(np.asfortranarray(values).astype(np.float64)), settings).transform(table, dtype)
    np.testing.assert_allclose(out, again, rtol=1e-6)


@given(hnp.arrays(np.float64, shapes, elements=st.floats(-1e308, 1e308)), every_setting)
def test_training_rows_stay_finite(values, settings):
    table = array_table(values)
    prepared = fit(table, settings)
    assert np.isfinite(prepared.shift).all() and np.isfinite(prepared.scale).all() and (prepared.scale > 0).all()
    if settings.center and settings.scale.name in ("standard", "min_max"):
        out = prepared.transform(table)
        # No value is further from the mean than √(n − 1) deviations.
        assert np.abs(out).max() <= max(1.0, np.sqrt(len(values))) * (1 + 1e-6)


@pytest.mark.parametrize("scale", ["standard", "min_max"])
@pytest.mark.parametrize("size", [1e-300, 1e300, 1.7e308])
def test_extreme_sizes(scale, size):
    inputs = np.array([[-size], [size]])
    assert fitted(inputs, scale=scale).transform(array_table(inputs)).tolist() == [[-1], [1]]


def test_min_max_without_center_at_the_limit_of_float64():
    inputs = np.array([[-1.7e308], [1.7e308]])
    out = fitted(inputs, scale="min_max", center=False).transform(array_table(inputs), np.float64)
    assert out[0, 0] == 0 and 1 <= out[1, 0] < 2


def test_integers_in_float32_and_float64_are_prepared_alike(generator):
    inputs = generator.integers(0, 256, (500, 20)).astype(np.float64)
    tables = [array_table(inputs.astype(dtype)) for dtype in (np.float32, np.float64)]
    one, two = (fit(table, InputSettings()).transform(table) for table in tables)
    assert np.array_equal(one, two)


def test_blocks_and_threads_do_not_show(generator, monkeypatch):
    table = array_table(generator.random((101, 7)))
    prepared = fit(table, InputSettings())
    whole = prepared.transform(table)
    for n_threads in (1, 3):
        monkeypatch.setattr(statistics, "_usable_cores", lambda n=n_threads: n)
        monkeypatch.setattr(statistics, "LEAST_ROWS", 1)
        monkeypatch.setattr(statistics, "BLOCK_VALUES", 30)
        assert np.array_equal(prepared.transform(table), whole)
        assert np.array_equal(prepared.transform(column_table(table.matrix)), whole)


@pytest.mark.parametrize("n_columns", [1, 2, 5, 300])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_array_and_its_columns_give_the_same_bits(n_columns, dtype, weighted, generator, monkeypatch):
    monkeypatch.setattr(statistics, "BLOCK_VALUES", 2000)
    monkeypatch.setattr(columns, "GROUP_VALUES", 5000)
    values = generator.normal(size=(1500, n_columns)) * 10.0 ** generator.integers(-5, 5, n_columns)
    values = values > 0 if dtype is bool else values.astype(dtype)
    weights = generator.integers(0, 3, 1500) * 0.7 if weighted else None
    rows = np.sort(generator.permutation(1500)[:1100])
    for taken in (None, rows):
        tables = [array_table(values), column_table(values)]
        tables = tables if taken is None else [table.take(taken) for table in tables]
        weight = weights if taken is None or weights is None else weights[taken]
        first, second = (fit(table, InputSettings(), weight) for table in tables)
        for name in ("shift", "scale", "fill", "mean", "deviation"):
            assert np.array_equal(getattr(first, name), getattr(second, name)), name
        outs = [prepared.transform(table) for prepared in (first, second) for table in tables]
        assert all(np.array_equal(out, outs[0]) for out in outs)
        # The definition: sums over the rows' own block.
        given = values if taken is None else values[taken]
        found = statistics.column_statistics(given, weight)
        assert np.array_equal(first.mean, found.mean[found.deviation > 0])


def test_medians_are_numpys(generator):
    values = generator.normal(size=(101, 40)).round(1)
    for table in (array_table(values), column_table(values)):
        assert np.array_equal(fit(table, InputSettings()).fill, np.median(values, axis=0))


def test_memory_is_the_result_and_a_block(generator):
    table = array_table(generator.random((50_000, 64), dtype=np.float32))
    tracemalloc.start()
    try:
        prepared = fit(table, InputSettings())
        _, fit_peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        out = prepared.transform(table)
        _, transform_peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A thread has a block and another computed from it.
    block = 8 * statistics.BLOCK_VALUES * min(statistics.MOST_THREADS, statistics._usable_cores())
    assert fit_peak < 3 * block
    assert transform_peak < out.nbytes + 3 * block


def test_what_cannot_be_prepared():
    prepared = fitted([[1.0, 2.0], [3.0, 5.0]])
    wide = Table(column_table(np.ones((1, 2))).columns, Place("array"), matrix=np.ones((1, 3)))
    with pytest.raises(DataError, match=r"^inputs have shape \(1, 3\); the model was trained on 2 columns$"):
        prepared.transform(wide)
    with pytest.raises(DataError, match="^t.csv: there is no column 'x1', which the model was trained on$"):
        prepared.transform(column_table(np.ones((1, 1))))
    many = fitted(np.arange(14.0).reshape(2, 7))
    with pytest.raises(DataError, match="no column 'x1', 'x2', 'x3', 'x4', 'x5' and 1 more, which"):
        many.transform(column_table(np.ones((1, 1))))
    far = np.array([[1, 2], [1, 1e300]])
    advice = "is beyond the range of float32 after scaling; inputs.scale = standard keeps training rows near 0"
    for table, place in ((array_table(far), "array: row 2"), (column_table(far), "t.csv: row 3")):
        with pytest.raises(DataError) as caught:
            prepared.transform(table)
        assert str(caught.value) == f"{place} of input 'x1' {advice}"
    assert np.isfinite(prepared.transform(array_table(far), np.float64)).all()
    for make in (array_table, column_table):
        with pytest.raises(DataError, match="there are no rows to compute means and deviations from"):
            fit(make(np.ones((0, 2))), InputSettings())


@pytest.mark.parametrize("make", [array_table, column_table])
def test_infinities_are_named_by_row(make):
    values = np.array([[1.0, 2.0], [np.nan, -np.inf], [4.0, 5.0]])
    place = make(values).place
    with pytest.raises(DataError) as caught:
        fit(make(values), InputSettings())
    assert str(caught.value) == f"{place.source}: column 'x1', {place.row(1)} holds -inf; numbers must be finite"
    prepared = fitted([[1.0, 2.0], [3.0, 5.0]])
    with pytest.raises(DataError) as caught:
        prepared.transform(make(values).take(np.array([2, 1])))
    assert str(caught.value) == f"{place.source}: column 'x1', {place.row(1)} holds -inf; numbers must be finite"
    # Rows that do not count may hold anything.
    assert fit(make(values), InputSettings(), np.array([1.0, 0.0, 1.0])).shift.tolist() == [2.5, 3.5]


@pytest.mark.parametrize("settings", EVERY_SETTING, ids=str)
def test_it_comes_back_from_its_parts(settings, generator):
    table = array_table(generator.standard_normal((20, 3)) * 100)
    before = fit(table, settings)
    after = Preprocessor.from_parts(json.loads(json.dumps(before.to_plain())), before.to_arrays())
    assert after.settings == before.settings
    assert np.array_equal(after.transform(table), before.transform(table))
