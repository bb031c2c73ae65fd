"""The compiled program: what padding, cutting into calls, `vmap` and the form of compilation may not change."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from entrena.network import Network
from entrena.registry import Choice
from entrena.training import program
from entrena.training.forms import (
    COMPILER_OPTIONS,
    LARGEST_SMALL_BATCH,
    LOOP,
    MOST_WEIGHTS_ONLINE,
    MOST_WEIGHTS_SMALL_BATCH,
    ONE_FUNCTION,
    choose_form,
)
from entrena.training.optimizers import OPTIMIZERS
from entrena.training.program import Block, Data, Structure, accepted, call, compiled, initial_state

N_ROWS, BATCH = 20, 4
NETWORK = Network((3, 5, 2), Choice("tanh"), "softmax")
STRUCTURES = {
    "sgd": Structure(NETWORK, "cross_entropy", "sgd", decay=True),
    "momentum": Structure(NETWORK, "cross_entropy", "sgd", momentum=True),
    "nesterov": Structure(NETWORK, "cross_entropy", "sgd", momentum=True, nesterov=True, decay=True),
    "adam": Structure(NETWORK, "cross_entropy", "adam", decay=True),
    "adamw": Structure(NETWORK, "cross_entropy", "adamw", decay=True),
}
each_optimizer = pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)


def make_data(dtype: str = "float32", n_blocks: int = 2) -> Data:
    generator = np.random.default_rng(1)
    X = generator.normal(size=(N_ROWS, 3)).astype(dtype)
    targets = np.eye(2, dtype=dtype)[generator.integers(0, 2, N_ROWS)]
    held = generator.normal(size=(n_blocks, 3, 3)).astype(dtype)
    return Data(X, targets, held, np.eye(2, dtype=dtype)[generator.integers(0, 2, (n_blocks, 3))])


def make_settings(structure: Structure, dtype: str = "float32") -> dict:
    settings = {setting.name: setting.default for setting in OPTIMIZERS[structure.optimizer].settings}
    if structure.decay:
        settings["weight_decay"] = 0.05
    return {name: np.asarray(value, dtype) for name, value in settings.items()}


def make_block(
    structure: Structure, n_epochs: int, n_updates: int, dtype: str = "float32", batch: int = BATCH
) -> Block:
    generator = np.random.default_rng(2)
    shape = (n_epochs, n_updates)
    controls = {"learning_rate": generator.uniform(0.02, 0.1, shape).astype(dtype)}
    if structure.momentum:
        controls["momentum"] = generator.uniform(0.5, 0.9, shape).astype(dtype)
    return Block(
        generator.integers(0, N_ROWS, (*shape, batch)).astype(np.int32),
        np.full((*shape, batch), 1 / batch, dtype),
        controls,
        np.full(n_epochs, n_updates, np.int32),
        np.ones(n_epochs, bool),
    )


def cut(block: Block, epochs: slice, updates: slice) -> Block:
    controls = {name: values[epochs, updates] for name, values in block.controls.items()}
    order, weights = block.order[epochs, updates], block.weights[epochs, updates]
    return Block(order, weights, controls, np.full(len(order), order.shape[1], np.int32), block.look[epochs])


def begin(structure: Structure, dtype: str = "float32", seed: int = 0) -> program.State:
    return initial_state(structure, structure.network.initialize(np.random.default_rng(seed), dtype))


def assert_bitwise(a, b) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def assert_close(a, b, rtol: float) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


@each_optimizer
def test_padded_updates_change_nothing(structure):
    data, settings = make_data(), make_settings(structure)
    block = make_block(structure, 1, 12)
    real = cut(block, slice(0, 1), slice(0, 7))
    padded = block._replace(n_updates=np.array([7], np.int32))  # the other five have rates, rows and weights
    a = call(structure, begin(structure), data, real, settings)
    b = call(structure, begin(structure), data, padded, settings)
    assert_bitwise(a.state, b.state)
    np.testing.assert_array_equal(a.losses[0], b.losses[0, :7])
    assert not np.asarray(b.losses)[0, 7:].any()
    nothing = block._replace(n_updates=np.array([0], np.int32))
    assert_bitwise(call(structure, a.state, data, nothing, settings).state, a.state)
    counts = [leaf for leaf in jax.tree.leaves(b.state.opt_state) if leaf.dtype == np.int32]
    assert [int(count) for count in counts] == ([7] if "adam" in structure.optimizer else [])


@each_optimizer
def test_padded_epochs_change_nothing(structure):
    data, settings = make_data(), make_settings(structure)
    block = make_block(structure, 4, 5)
    half = block._replace(n_updates=np.array([5, 5, 0, 0], np.int32), look=np.array([True, True, False, False]))
    result = call(structure, begin(structure), data, half, settings)
    first = call(structure, begin(structure), data, cut(block, slice(0, 2), slice(None)), settings)
    assert_bitwise(result.state, first.state)
    assert_bitwise(jax.tree.map(lambda leaf: leaf[1], result.snapshots), first.state)
    np.testing.assert_array_equal(result.validation_z[:2], first.validation_z)


@each_optimizer
def test_boundaries_of_calls_do_not_matter(structure):
    data, settings = make_data(), make_settings(structure)
    block = make_block(structure, 1, 100)
    whole = call(structure, begin(structure), data, block, settings)
    state, losses = begin(structure), []
    for first in range(0, 100, 10):
        result = call(structure, state, data, cut(block, slice(0, 1), slice(first, first + 10)), settings)
        state = result.state
        losses.append(np.asarray(result.losses))
    assert_bitwise(whole.state, state)
    np.testing.assert_array_equal(np.concatenate(losses, axis=1), whole.losses)


@each_optimizer
def test_several_epochs_in_one_call_equal_one_by_one(structure):
    data, settings = make_data(), make_settings(structure)
    block = make_block(structure, 3, 6)
    together = call(structure, begin(structure), data, block, settings)
    state = begin(structure)
    for e in range(3):
        alone = call(structure, state, data, cut(block, slice(e, e + 1), slice(None)), settings)
        state = alone.state
        assert alone.snapshots is None
        assert_bitwise(jax.tree.map(lambda leaf, e=e: leaf[e], together.snapshots), state)
        np.testing.assert_array_equal(together.losses[e], alone.losses[0])
        np.testing.assert_array_equal(together.validation_z[e], alone.validation_z[0])
        np.testing.assert_array_equal(together.validation_losses[e], alone.validation_losses[0])
    assert_bitwise(together.state, state)


def test_short_batches_count_with_their_true_size():
    structure = STRUCTURES["momentum"]
    with jax.enable_x64(True):
        data, settings = make_data("float64"), make_settings(structure, "float64")
        block = make_block(structure, 1, 3, "float64")
        full = cut(block, slice(0, 1), slice(None))
        short = full._replace(order=full.order.copy(), weights=full.weights.copy())
        short.order[0, 1, 2:] = -1
        short.weights[0, 1] = [0.5, 0.5, 0, 0]
        a = call(structure, begin(structure, "float64"), data, short, settings)
        state = begin(structure, "float64")
        for i, size in enumerate([4, 2, 4]):
            one = cut(full, slice(0, 1), slice(i, i + 1))
            one = one._replace(order=one.order[..., :size], weights=np.full((1, 1, size), 1 / size))
            state = call(structure, state, data, one, settings).state
    assert_close(a.state, state, 1e-13)


def test_a_call_without_order_sees_all_rows_as_they_lie():
    structure = STRUCTURES["adamw"]
    with jax.enable_x64(True):
        data, settings = make_data("float64"), make_settings(structure, "float64")
        block = make_block(structure, 2, 3, "float64", batch=N_ROWS)
        gathered = block._replace(order=np.broadcast_to(np.arange(N_ROWS, dtype=np.int32), (2, 3, N_ROWS)))
        a = call(structure, begin(structure, "float64"), data, gathered, settings)
        b = call(structure, begin(structure, "float64"), data, block._replace(order=None), settings)
    assert_close(a, b, 1e-13)


def test_no_look_no_validation():
    structure = STRUCTURES["sgd"]
    data, settings = make_data(), make_settings(structure)
    block = make_block(structure, 1, 3)
    seen = call(structure, begin(structure), data, block, settings)
    unseen = call(structure, begin(structure), data, block._replace(look=np.array([False])), settings)
    assert_bitwise(seen.state, unseen.state)
    assert np.asarray(seen.validation_losses).all()
    assert not np.asarray(unseen.validation_losses).any()
    # Softmax and cross-entropy of the validation rows, worked out in NumPy.
    z = np.asarray(seen.validation_z, float)[0]
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(
        seen.validation_losses[0], -np.log((p * data.validation_targets).sum(axis=-1)), rtol=1e-5
    )


def test_nothing_is_donated():
    structure = STRUCTURES["adam"]
    data, settings, block = make_data(), make_settings(structure), make_block(structure, 1, 3)
    state = jax.device_put(begin(structure))
    a = call(structure, state, data, block, settings)
    b = call(structure, state, data, block, settings)
    assert_bitwise(a, b)
    assert_bitwise(state, begin(structure))


@pytest.mark.parametrize("form", [LOOP, ONE_FUNCTION])
@pytest.mark.parametrize("own_order", [False, True], ids=["shared order", "own order"])
@pytest.mark.parametrize("name", ["nesterov", "adamw"])
def test_networks_at_once_equal_networks_alone(name, own_order, form):
    structure = replace(STRUCTURES[name], form=form)
    generator = np.random.default_rng(5)
    data, n_networks = make_data(), 3
    blocks, states, settings = [], [], []
    for k in range(n_networks):
        block = make_block(structure, 2, 8)
        block = block._replace(
            controls={name: values * np.float32(1 - 0.2 * k) for name, values in block.controls.items()}
        )
        if own_order:
            block = block._replace(order=generator.permutation(block.order.ravel()).reshape(block.order.shape))
        blocks.append(block)
        states.append(begin(structure, seed=k))
        settings.append({name: value * np.float32(1 - 0.1 * k) for name, value in make_settings(structure).items()})

    def stacked(trees):
        return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)

    together = stacked(blocks)
    shared = blocks[0]
    own = {} if own_order else {"order": shared.order, "weights": shared.weights}
    together = together._replace(n_updates=shared.n_updates, look=shared.look, **own)
    kind = "own_order" if own_order else "shared_order"
    result = compiled(structure, kind)(stacked(states), data, together, stacked(settings))
    for k in range(n_networks):
        alone = call(structure, states[k], data, blocks[k], settings[k])
        assert_close(jax.tree.map(lambda leaf, k=k: leaf[k], result), alone, 1e-5)
    weights = np.asarray(result.state.params[0]["weights"])
    assert not np.allclose(weights[0], weights[1])


@pytest.mark.parametrize("batch", [1, 4])
@each_optimizer
def test_forms_agree_within_rounding(structure, batch):
    data, settings, block = make_data(), make_settings(structure), make_block(structure, 2, 12, batch=batch)
    other = replace(structure, form=ONE_FUNCTION)
    result = call(other, begin(structure), data, block, settings)
    assert accepted(other).form == ONE_FUNCTION  # the compiler took it
    assert_close(call(structure, begin(structure), data, block, settings), result, 2e-5)


@pytest.fixture
def refusing_compiler(monkeypatch):
    monkeypatch.setitem(COMPILER_OPTIONS, ONE_FUNCTION, {"xla_there_is_no_such_option": "true"})
    monkeypatch.setattr(program, "_refused", set())
    compiled.cache_clear()
    yield
    compiled.cache_clear()


def test_falls_back_where_the_compiler_refuses(refusing_compiler):
    structure = STRUCTURES["sgd"]
    other = replace(structure, form=ONE_FUNCTION)
    data, settings, block = make_data(), make_settings(structure), make_block(structure, 1, 4)
    for _ in range(2):
        result = call(other, begin(structure), data, block, settings)
        assert_bitwise(result, call(structure, begin(structure), data, block, settings))
    assert accepted(other) == structure


def test_other_errors_are_not_swallowed():
    structure = STRUCTURES["sgd"]
    data, settings, block = make_data(), make_settings(structure), make_block(structure, 1, 4)
    with pytest.raises(TypeError):
        call(structure, begin(structure), data._replace(inputs=data.inputs[:, :2]), block, settings)


def test_the_form_is_a_fixed_rule_of_shapes():
    assert choose_form(MOST_WEIGHTS_ONLINE, 1, "cpu") == ONE_FUNCTION
    assert choose_form(MOST_WEIGHTS_ONLINE + 1, 1, "cpu") == LOOP
    assert choose_form(MOST_WEIGHTS_SMALL_BATCH, LARGEST_SMALL_BATCH, "cpu") == ONE_FUNCTION
    assert choose_form(MOST_WEIGHTS_SMALL_BATCH + 1, 2, "cpu") == LOOP
    assert choose_form(10, LARGEST_SMALL_BATCH + 1, "cpu") == LOOP
    assert choose_form(10, 1, "gpu") == LOOP


def test_the_initial_memory_is_what_optax_makes():
    for structure in STRUCTURES.values():
        state = begin(structure)
        for leaf in jax.tree.leaves(state.opt_state):
            assert isinstance(leaf, np.ndarray)
            assert not leaf.any()
        memories = {"sgd": 1 if structure.momentum else 0, "adam": 2, "adamw": 2}[structure.optimizer]
        sizes = sum(leaf.size for leaf in jax.tree.leaves(state.opt_state) if leaf.dtype == np.float32)
        assert sizes == memories * NETWORK.n_weights
