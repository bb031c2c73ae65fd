"""A tree packed into few arrays comes back as it was."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.training.packing import Packing

shapes = st.lists(st.tuples(st.lists(st.integers(1, 4), max_size=3), st.sampled_from(["float32", "int32"])), max_size=6)


def tree_of(described: list[tuple[list[int], str]]) -> dict[str, tuple[np.ndarray, ...]]:
    """Arrays whose numbers are all different."""
    leaves, first = [], 1
    for shape, dtype in described:
        n = int(np.prod(shape))
        leaves.append(np.arange(first, first + n, dtype=dtype).reshape(shape))
        first += n
    return {"a": tuple(leaves[::2]), "b": tuple(leaves[1::2])}


def assert_same(tree, other):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@given(described=shapes)
def test_a_tree_comes_back(described):
    tree = tree_of(described)
    packing = Packing.of(tree, "float32")
    arrays = packing.pack(tree)
    n_floats = sum(dtype == "float32" for _, dtype in described)
    assert len(arrays) == len(described) - n_floats + min(n_floats, 1)
    assert_same(tree, packing.unpack(arrays))


def test_numbers_lie_one_after_the_other():
    tree = {"w": np.array([[1, 2], [3, 4]], np.float32), "n": np.int32(7), "b": np.array([5, 6], np.float32)}
    vector, n = Packing.of(tree, "float32").pack(tree)
    assert vector.tolist() == [5, 6, 1, 2, 3, 4]  # in the order of the names
    assert n == 7


@pytest.mark.parametrize("dtype", ["float32", None])
def test_a_program_packs_and_unpacks_as_numpy_does(dtype):
    tree = {"w": np.array([[1.5, -0.0], [np.inf, 4]], np.float32), "n": np.int32(7), "b": np.float32(3)}
    packing = Packing.of(tree, dtype)
    arrays = packing.pack(tree)
    assert len(arrays) == (2 if dtype else 3)
    again = jax.jit(lambda arrays: packing.pack(packing.unpack(arrays), jnp))(arrays)
    for a, b in zip(arrays, again, strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_equal_trees_have_equal_packings():
    # A packing is a part of the key under which a compiled program is found.
    a, b = tree_of([([2], "float32"), ([3, 1], "int32")]), tree_of([([2], "float32"), ([3, 1], "int32")])
    assert Packing.of(a, "float32") == Packing.of(b, "float32")
    assert hash(Packing.of(a, "float32")) == hash(Packing.of(b, "float32"))
    assert Packing.of(a, "float32") != Packing.of(a, None)
