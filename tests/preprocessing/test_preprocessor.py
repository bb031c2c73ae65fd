"""The preprocessor, against scikit-learn's scalers and by its properties."""

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
from entrena.errors import DataError
from entrena.preprocessing import SCALES, InputSettings, Preprocessor, preprocessor, statistics

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=10)
EVERY_SETTING = [InputSettings(center=center, scale=scale) for center in (True, False) for scale in SCALES]
every_setting = st.sampled_from(EVERY_SETTING)


def fitted(inputs, weights=None, **settings):
    return Preprocessor.fit(np.asarray(inputs), InputSettings(**settings), weights)


@pytest.mark.parametrize("name", ["digits", "wine", "diabetes"])
@pytest.mark.parametrize("center", [True, False])
def test_z_scores_are_scikit_learns(name, center, generator):
    inputs = read(name).inputs
    weights = generator.integers(0, 3, len(inputs)).astype(float)
    for weight in (None, weights):
        theirs = StandardScaler(with_mean=center).fit(inputs, sample_weight=weight)
        ours = fitted(inputs, weight, center=center)
        np.testing.assert_allclose(ours.transform(inputs, np.float64), theirs.transform(inputs), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["wine", "diabetes"])
@pytest.mark.parametrize(("center", "reach"), [(True, (-1, 1)), (False, (0, 1))])
def test_min_max_is_scikit_learns(name, center, reach):
    inputs = read(name).inputs
    ours = fitted(inputs, center=center, scale="min_max").transform(inputs, np.float64)
    np.testing.assert_allclose(ours, MinMaxScaler(reach).fit_transform(inputs), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.min(axis=0), reach[0], rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(ours.max(axis=0), reach[1], rtol=1e-15)


def test_without_scale():
    inputs = np.array([[1.0, 10.0], [3.0, 30.0]])
    assert fitted(inputs, scale="none").transform(inputs).tolist() == [[-1, -10], [1, 10]]
    assert np.array_equal(fitted(inputs, scale="none", center=False).transform(inputs), inputs)


@given(hnp.arrays(np.float64, shapes, elements=st.floats(-1e6, 1e6)), every_setting, st.data())
def test_weights_count_rows(values, settings, data):
    counts = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(values), max_size=len(values))))
    counts[0] += 1
    # Whole numbers: a deviation is then either 0 or far from rounding.
    values = np.round(values)
    weighted = Preprocessor.fit(values, settings, counts)
    repeated = Preprocessor.fit(np.repeat(values, counts, axis=0), settings)
    size = np.abs(values).max()
    np.testing.assert_allclose(weighted.shift, repeated.shift, rtol=1e-12, atol=1e-15 * size)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-12)


constants = st.sampled_from([0.1, 1e8 + 0.1, -1e8 - 0.3, 1 / 3, 0.0, 1e300, 1e-310]) | st.floats(-1e300, 1e300)


@given(constants, st.integers(1, 40), every_setting, st.sampled_from([np.float32, np.float64]), st.data())
def test_constant_columns_become_exactly_zero(value, n_rows, settings, dtype, data):
    weights = data.draw(st.none() | st.lists(st.floats(0.01, 10), min_size=n_rows, max_size=n_rows).map(np.array))
    inputs = np.full((n_rows, 1), value)
    prepared = Preprocessor.fit(inputs, settings, weights)
    assert prepared.scale.tolist() == [1]
    if settings.center or settings.scale.name == "min_max":
        assert np.array_equal(prepared.transform(inputs, dtype), np.zeros((n_rows, 1)))
    else:
        assert np.array_equal(prepared.transform(inputs, np.float64), inputs)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), shapes, elements=st.integers(0, 1)
    ),
    every_setting,
    st.sampled_from([np.float32, np.float64]),
)
def test_shapes_types_and_layout(values, settings, dtype):
    values.flags.writeable = False
    out = Preprocessor.fit(values, settings).transform(values, dtype)
    assert out.shape == values.shape and out.dtype == dtype and out.flags.c_contiguous and out.flags.owndata
    again = Preprocessor.fit(np.asfortranarray(values).astype(np.float64), settings).transform(values, dtype)
    np.testing.assert_allclose(out, again, rtol=1e-6)


@given(hnp.arrays(np.float64, shapes, elements=st.floats(-1e308, 1e308)), every_setting)
def test_training_rows_stay_finite(values, settings):
    prepared = Preprocessor.fit(values, settings)
    assert np.isfinite(prepared.shift).all() and np.isfinite(prepared.scale).all() and (prepared.scale > 0).all()
    if settings.center and settings.scale.name != "none":
        out = prepared.transform(values)
        # No value is further from the mean than √(n − 1) deviations.
        assert np.abs(out).max() <= max(1.0, np.sqrt(len(values))) * (1 + 1e-6)


@pytest.mark.parametrize("scale", ["standard", "min_max"])
@pytest.mark.parametrize("size", [1e-300, 1e300, 1.7e308])
def test_extreme_sizes(scale, size):
    inputs = np.array([[-size], [size]])
    assert fitted(inputs, scale=scale).transform(inputs).tolist() == [[-1], [1]]


def test_min_max_without_center_at_the_limit_of_float64():
    inputs = np.array([[-1.7e308], [1.7e308]])
    out = fitted(inputs, scale="min_max", center=False).transform(inputs, np.float64)
    assert out[0, 0] == 0 and 1 <= out[1, 0] < 2


def test_integers_in_float32_and_float64_are_prepared_alike(generator):
    inputs = generator.integers(0, 256, (500, 20)).astype(np.float64)
    one, two = (fitted(inputs.astype(dtype)).transform(inputs.astype(dtype)) for dtype in (np.float32, np.float64))
    assert np.array_equal(one, two)


def test_blocks_do_not_show(generator, monkeypatch):
    inputs = generator.random((101, 7))
    prepared = fitted(inputs)
    whole = prepared.transform(inputs)
    monkeypatch.setattr(preprocessor, "BLOCK_VALUES", 30)
    assert np.array_equal(prepared.transform(inputs), whole)


def test_memory_is_the_result_and_a_block(generator):
    inputs = generator.random((50_000, 64), dtype=np.float32)
    tracemalloc.start()
    try:
        prepared = fitted(inputs)
        _, fit_peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        out = prepared.transform(inputs)
        _, transform_peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    block = 8 * statistics.BLOCK_VALUES
    assert fit_peak < 6 * block < inputs.nbytes
    assert transform_peak < out.nbytes + 6 * block


def test_what_cannot_be_prepared():
    prepared = fitted([[1.0, 2.0], [3.0, 5.0]])
    with pytest.raises(DataError, match=r"^inputs have shape \(1, 3\); the model was trained on 2 columns$"):
        prepared.transform(np.ones((1, 3)))
    with pytest.raises(DataError) as caught:
        prepared.transform(np.array([[1, 2], [1, 1e300]]))
    assert str(caught.value) == (
        "row 2 of input column 2 is beyond the range of float32 after scaling; "
        "inputs.scale = standard keeps training rows near 0"
    )
    assert np.isfinite(prepared.transform(np.array([[1, 1e300]]), np.float64)).all()


@pytest.mark.parametrize("settings", EVERY_SETTING, ids=str)
def test_it_comes_back_from_its_parts(settings, generator):
    inputs = generator.standard_normal((20, 3)) * 100
    before = Preprocessor.fit(inputs, settings)
    after = Preprocessor.from_parts(json.loads(json.dumps(before.to_plain())), before.to_arrays())
    assert after.settings == before.settings
    assert np.array_equal(after.transform(inputs), before.transform(inputs))
