"""Embeddings: the lookup against one-hot products in NumPy, its gradients against finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from entrena.network import Network, embedding_size
from entrena.network.embeddings import gathered, initial_embedding, look_up, multiplied
from entrena.registry import Choice

TABLES = [(1, 1), (2, 3), (5, 8), (12, 6), (100, 8), (1013, 5)]  # (levels, size)
EMBEDDINGS = ((3, 2), (12, 6), (1, 1))


def example_rows(network: Network, generator, n_rows: int = 40) -> np.ndarray:
    """Dense numbers, then levels; every level from 0 on is there where the rows are enough."""
    columns = [generator.normal(size=n_rows) for _ in range(network.n_dense)]
    for levels, _ in network.embeddings:
        columns.append(generator.permutation(np.arange(n_rows) % (levels + 1)))
    return np.stack(columns, axis=1)


def random_params(network: Network, generator) -> tuple:
    params = network.initialize(generator, np.float64)
    return tuple({**layer, "biases": generator.normal(size=layer["biases"].shape)} for layer in params)


def forward(network: Network, params, X: np.ndarray) -> np.ndarray:
    """The network with one-hot rows times tables, in NumPy; a row of zeros for level 0."""
    parts = [X[:, : network.n_dense]]
    for k, (levels, _) in enumerate(network.embeddings):
        one_hot = (X[:, network.n_dense + k, None] == np.arange(1, levels + 1)).astype(float)
        parts.append(one_hot @ np.asarray(params[0][f"embedding_{k}"])[1:])
    y = np.concatenate(parts, axis=1)
    for number, layer in enumerate(params, 1):
        z = y @ np.asarray(layer["weights"]) + np.asarray(layer["biases"])
        y = z if number == len(params) else np.tanh(z)
    return y


@pytest.mark.parametrize(("levels", "size"), [(1, 1), (2, 1), (3, 2), (11, 6), (15, 8), (16, 8), (17, 8), (10**6, 8)])
def test_default_size(levels, size):
    assert embedding_size(levels) == size


def test_first_vectors_are_of_squared_length_1_on_average(generator):
    levels, size = 5000, 8
    table = initial_embedding(generator, levels, size)
    assert table.shape == (levels + 1, size)
    assert not table[0].any()
    squared = (table[1:] ** 2).sum(axis=1)  # χ² of 8 degrees over 8: mean 1, variance 2/8
    assert abs(squared.mean() - 1) < 4 * np.sqrt(2 / size / levels)
    assert abs(squared.var() - 2 / size) < 0.05
    assert np.abs(table[1:].mean(axis=0)).max() < 5 / np.sqrt(size * levels)


@pytest.mark.parametrize(("levels", "size"), TABLES)
def test_both_lookups_are_the_rows_bit_by_bit(levels, size, generator):
    table = generator.normal(size=(levels + 1, size)).astype(np.float32)
    numbers = generator.integers(0, levels + 1, 50).astype(np.int32)
    numbers[:2] = 0, levels
    for function in (gathered, multiplied):
        np.testing.assert_array_equal(jax.jit(function)(table, numbers), table[numbers])
    expected = np.where(numbers[:, None] > 0, table[numbers], 0)
    np.testing.assert_array_equal(jax.jit(look_up)(table, numbers), expected)
    assert jax.jit(multiplied)(jnp.asarray(table, jnp.bfloat16), numbers).dtype == jnp.bfloat16


@pytest.mark.parametrize("function", [gathered, multiplied, look_up], ids=lambda function: function.__name__)
@pytest.mark.parametrize(("levels", "size"), TABLES)
def test_gradients_are_added_where_the_rows_came_from(levels, size, function, generator):
    with jax.enable_x64(True):
        table, g = generator.normal(size=(levels + 1, size)), generator.normal(size=(50, size))
        numbers = generator.integers(0, levels + 1, 50).astype(np.int32)
        expected = np.zeros_like(table)
        np.add.at(expected, numbers, g)
        if function is look_up:
            expected[0] = 0
        found = jax.jit(jax.grad(lambda table: jnp.sum(g * function(table, numbers))))(table)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("sizes", [(2 + 9, 3), (2 + 9, 5, 3), (9, 4, 4, 1)], ids=str)
def test_network_equals_one_hot_products(sizes, generator):
    network = Network(sizes, Choice("tanh"), "linear", None, EMBEDDINGS)
    assert (network.n_dense, network.n_inputs) == (sizes[0] - 9, sizes[0] - 9 + 3)
    params, X = random_params(network, generator), example_rows(network, generator)
    with jax.enable_x64(True):
        z = jax.jit(network.net_inputs)(params, X)
        np.testing.assert_allclose(network.net_inputs(params, X), z, rtol=1e-13)  # outside of a program
    np.testing.assert_allclose(z, forward(network, params, X), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("hidden", [(), (4,)], ids=["linear", "hidden"])
def test_gradients_equal_finite_differences(hidden, generator):
    network = Network((2 + 9, *hidden, 2), Choice("tanh"), "linear", None, EMBEDDINGS)
    params, X = random_params(network, generator), example_rows(network, generator)
    g = generator.normal(size=(len(X), 2))
    with jax.enable_x64(True):
        found = jax.jit(jax.grad(lambda params: jnp.sum(g * network.net_inputs(params, X))))(params)
    jax.block_until_ready(found)  # JAX reads these very arrays, which are written to below
    step = 1e-6
    for layer, gradients in zip(params, found, strict=True):
        for name, values in layer.items():
            expected = np.empty_like(values)
            for place in np.ndindex(values.shape):
                ends = []
                for sign in (1, -1):
                    old = values[place]
                    values[place] = old + sign * step
                    ends.append((g * forward(network, params, X)).sum())
                    values[place] = old
                expected[place] = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(gradients[name], expected, rtol=1e-6, atol=1e-8, err_msg=name)
    for k in range(3):
        assert not np.asarray(found[0][f"embedding_{k}"])[0].any()


def test_an_unseen_level_is_the_zero_vector_whatever_the_table_holds(generator):
    network = Network((4, 2), Choice("tanh"), "linear", None, ((5, 4),))
    params = random_params(network, generator)
    params[0]["embedding_0"][0] = 7
    with jax.enable_x64(True):
        np.testing.assert_array_equal(network.net_inputs(params, np.zeros((1, 1))), params[0]["biases"][None])


def test_levels_survive_bfloat16(generator):
    network = Network((1 + 4, 3), Choice("tanh"), "linear", None, ((1000, 4),))
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), random_params(network, generator))
    levels = np.array([255, 256, 257, 258, 259, 511, 513, 999, 1000])
    X = np.stack([np.zeros(9), levels], axis=1).astype(np.float32)
    z = network.net_inputs(params, X)
    assert z.dtype == jnp.bfloat16
    exact = forward(network, jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params), X.astype(float))
    np.testing.assert_allclose(np.asarray(z, float), exact, atol=0.1)
    assert len({tuple(row) for row in np.asarray(z, float)}) == 9


def test_shapes_weights_and_key(generator):
    network = Network((2 + 9, 5, 3), Choice("relu"), "softmax", None, EMBEDDINGS)
    params = network.initialize(generator)
    assert network.shapes == tuple({name: values.shape for name, values in layer.items()} for layer in params)
    assert sorted(params[0]) == ["biases", "embedding_0", "embedding_1", "embedding_2", "weights"]
    assert network.n_weights == 4 * 2 + 13 * 6 + 2 * 1 + 12 * 5 + 6 * 3
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}
    plain = Network((2 + 9, 5, 3), Choice("relu"), "softmax")
    assert len({network, Network((11, 5, 3), Choice("relu"), "softmax", None, EMBEDDINGS), plain}) == 2


def test_the_weights_of_a_network_do_not_depend_on_its_embeddings():
    with_tables = Network((11, 5, 3), Choice("relu"), "softmax", None, EMBEDDINGS)
    a = with_tables.initialize(np.random.default_rng(3))
    b = Network((11, 5, 3), Choice("relu"), "softmax").initialize(np.random.default_rng(3))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x["weights"], y["weights"])
