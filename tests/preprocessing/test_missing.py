"""The weighted median, against NumPy's median of repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from entrena.preprocessing import missing
from entrena.preprocessing.missing import median

numbers = st.sampled_from([0.0, 1.0, 2.0, -3.5, 7.0]) | st.floats(-1e6, 1e6)
columns = hnp.arrays(np.float64, st.integers(1, 40), elements=numbers)


@given(columns, st.data())
def test_a_whole_weight_repeats_its_row(values, data):
    counts = np.array(data.draw(st.lists(st.integers(1, 4), min_size=len(values), max_size=len(values))))
    expected = np.median(np.repeat(values, counts))
    assert median(values, counts.astype(float)) == expected
    # Weights mean their ratios: 0.1, 0.2 and 0.3 are 1, 2 and 3.
    assert median(values, counts * 0.1) == expected
    assert median(values) == median(values, np.full(len(values), 0.3)) == np.median(values)


@given(st.sampled_from([np.float32, np.int64, np.uint8, np.bool_, np.float16]), st.integers(1, 30), st.data())
def test_every_type_of_number(dtype, n, data):
    values = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))).astype(dtype)
    assert median(values) == np.median(values.astype(float))


@pytest.mark.parametrize("shape", ["in order", "shuffled", "repeated", "outliers"])
def test_a_sample_leads_to_the_same_median(shape, generator, monkeypatch):
    monkeypatch.setattr(missing, "MANY_VALUES", 50)
    monkeypatch.setattr(missing, "SAMPLE", 20)
    for _ in range(100):
        n = int(generator.integers(51, 300))
        values = {
            "in order": lambda n=n: np.sort(generator.normal(size=n)),
            "shuffled": lambda n=n: generator.normal(size=n),
            "repeated": lambda n=n: np.round(generator.normal(size=n)),
            "outliers": lambda n=n: generator.normal(size=n) * 10.0 ** generator.integers(-300, 300, n),
        }[shape]()
        counts = generator.integers(1, 4, n)
        assert median(values, counts.astype(float)) == np.median(np.repeat(values, counts))


def test_between_two_values_of_any_size():
    assert median(np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0])) == 3
    assert median(np.array([2.0**1023, 1.5 * 2.0**1023])) == 1.25 * 2.0**1023
    assert median(np.array([5e-324, 5e-324])) == 5e-324
    assert median(np.array([3.0, 9.0]), np.array([1.0, 1e-9])) == 3
