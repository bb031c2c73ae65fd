"""Sparse matrices: whatever is asked of them is what the dense array has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from entrena import NetworkClassifier, train
from entrena.data.arrays import inputs_of
from entrena.data.roles import roles_by_kind
from entrena.data.sparse import SparseMatrix
from entrena.data.table import Table, joined_tables
from entrena.data.values import Place
from entrena.errors import DataError
from entrena.job import fingerprint
from entrena.preprocessing import InputSettings, Preprocessor

FORMATS = ("csr", "csc", "coo", "lil", "dok")


def numbers(n=40, d=7, density=0.2, dtype=float, seed=0):
    return sparse.random_array((n, d), density=density, rng=np.random.default_rng(seed), dtype=dtype)


@given(st.data())
def test_parts_are_those_of_the_array(data):
    n, d = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 6))
    matrix = numbers(n, d, 0.4, seed=data.draw(st.integers(0, 99))).asformat(data.draw(st.sampled_from(FORMATS)))
    dense, ours = matrix.toarray(), SparseMatrix(matrix)
    rows = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=20)), int)
    columns = np.array(data.draw(st.lists(st.integers(0, d - 1), min_size=1, max_size=6)), int)
    first, last = sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n))))
    for key in (slice(None), rows, slice(first, last), (slice(None), columns), (slice(None), slice(1, d))):
        assert np.array_equal(ours[key], dense[key])
    assert np.array_equal(ours[rows, columns], dense[rows][:, columns])
    assert np.array_equal(ours.rows(first, last)[:], dense[first:last])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"center": False},
        {"transform": "log1p"},
        {"transform": "clip", "scale": "robust"},
        {"decorrelate": "whiten"},
    ],
    ids=str,
)
def test_the_preprocessor_does_what_it_does_to_the_array(format, settings):
    matrix = numbers(60, 7).asformat(format)
    if format == "coo" and not settings:
        matrix.data[3] = np.nan
    places = [inputs_of(each, None, Place("X")) for each in (matrix, matrix.toarray())]
    rows = np.arange(0, 60, 2)
    fits = [Preprocessor.fit(table.take(rows), roles_by_kind(table), InputSettings(**settings)) for table in places]
    one, other = fits
    assert one.feature_names == other.feature_names
    for name in ("mean", "deviation", "shift", "scale", "parameters"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
    for part in (lambda table: table, lambda table: table.take(rows), lambda table: table.block(5, 23)):
        found = one.transform(part(places[0]))
        assert np.array_equal(found, other.transform(part(places[1])))


def test_tables_of_them_are_joined_and_told_apart():
    matrix = numbers()
    tables = [inputs_of(part, None, Place("X")) for part in (matrix.tocsr()[:10], matrix.tocsr()[10:])]
    joined = joined_tables(tables)
    assert np.array_equal(joined.matrix, matrix.toarray())
    assert isinstance(tables[0].matrix, SparseMatrix)
    assert tables[0].column("x2").values.tolist() == matrix.toarray()[:10, 2].tolist()


def test_an_infinity_is_named():
    matrix = sparse.csr_array(([1.0, np.inf, 2.0], ([0, 2, 3], [1, 2, 0])), shape=(4, 3))
    with pytest.raises(DataError) as caught:
        inputs_of(matrix, None, Place("X"))
    assert str(caught.value).startswith("X: column 'x2', row 3 holds inf")
    with pytest.raises(DataError, match="^X: the sparse matrix holds complex128, where numbers are needed$"):
        inputs_of(sparse.csr_array(np.eye(2) * 1j), None, Place("X"))


def test_a_run_on_one_is_that_on_the_array(generator):
    matrix = numbers(200, 6, 0.4)
    y = (matrix.toarray()[:, 0] > 0).astype(int)
    recipe = {"hidden": [4], "max_epochs": 2}
    runs = [train(recipe, (X, y), save=False) for X in (matrix, matrix.toarray())]
    assert runs[0].result == runs[1].result
    new = numbers(30, 6, 0.4, seed=1)
    assert np.array_equal(runs[0].model.readable(_table(new)), runs[1].model.readable(_table(new.toarray())))
    assert fingerprint(_examples(matrix, y)) == fingerprint(_examples(matrix.toarray(), y))


def test_nothing_of_the_whole_size_is_made_before_the_inputs(monkeypatch):
    """Every dense part that is asked for has few rows or few columns."""
    matrix = numbers(3000, 300, 0.01)
    most, original = [], SparseMatrix.__getitem__

    def watched(self, key):
        part = original(self, key)
        most.append(part.size)
        return part

    monkeypatch.setattr(SparseMatrix, "__getitem__", watched)
    y = (np.arange(3000) % 2).astype(int)
    network = NetworkClassifier(hidden=(4,), max_epochs=1, early_stopping=False).fit(matrix, y)
    assert 0 < max(most) <= 1024 * 300 < matrix.shape[0] * matrix.shape[1] / 2
    most.clear()
    assert len(network.predict(matrix)) == 3000
    assert max(most) <= 1024 * 300


def test_too_large_a_table_is_refused_before_anything_is_made(monkeypatch):
    from entrena.data import sparse as module

    monkeypatch.setattr(module, "MOST_DENSE_BYTES", 2**20)
    with pytest.raises(DataError) as caught:
        NetworkClassifier(max_epochs=1).fit(numbers(3000, 300, 0.01), np.arange(3000) % 2)
    assert str(caught.value) == (
        "X: the sparse matrix of 3,000 × 300 values would take 3.4 MB as inputs of a network: take fewer columns"
    )


def _table(X) -> Table:
    return inputs_of(X, None, Place("X"))


def _examples(X, y):
    from entrena.data import read

    return read((X, y))
