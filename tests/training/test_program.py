"""The compiled program: what padding, cutting into calls, `vmap` and the form of compilation may not change."""

from __future__ import annotations

import itertools
from dataclasses import replace

import jax
import numpy as np
import pytest

from entrena.network import Network
from entrena.network.chance import PURPOSES
from entrena.network.dropout import masks
from entrena.random_bits import update_words
from entrena.registry import Choice
from entrena.training import program, update
from entrena.training.compiled import Together, accepted, call, compiled
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
from entrena.training.structure import Block, Data, State, Structure, initial_state

N_ROWS, BATCH = 20, 4
NETWORK = Network((3, 5, 2), Choice("tanh"), "softmax")
EMBEDDED = Network((2 + 3, 5, 2), Choice("tanh"), "softmax", None, ((6, 3),))  # the third column is a level
CHANCY = Network(
    (2 + 3, 5, 5, 2), (Choice("rrelu"), Choice("tanh")), "softmax", None, ((6, 3),), Choice("layer"), residual=True
)


def normalised(name: str) -> Network:
    return Network((3, 5, 4, 2), Choice("prelu"), "softmax", normalization=Choice(name))


STRUCTURES = {
    "sgd": Structure(NETWORK, "cross_entropy", "sgd", decay=True),
    "momentum": Structure(NETWORK, "cross_entropy", "sgd", momentum=True),
    "nesterov": Structure(NETWORK, "cross_entropy", "sgd", momentum=True, nesterov=True, decay=True),
    "adam": Structure(NETWORK, "cross_entropy", "adam", decay=True),
    "adamw": Structure(NETWORK, "cross_entropy", "adamw", decay=True),
    "dropout": Structure(Network((3, 5, 4, 2), Choice("tanh"), "softmax"), "cross_entropy", "adam", dropout=True),
    "embeddings": Structure(EMBEDDED, "cross_entropy", "sgd", momentum=True, decay=True),
    "both": Structure(EMBEDDED, "cross_entropy", "adamw", decay=True, dropout=True),
    "batch normalization, l1, max_norm, ema": Structure(
        normalised("batch"), "cross_entropy", "adamw", decay=True, l1=True, max_norm=True, ema=True
    ),
    "rrelu, layer normalization, alpha dropout, noise, mixup": Structure(
        CHANCY, "cross_entropy", "sgd", dropout=True, alpha_dropout=True, input_noise=True, mixup=True
    ),
}
each_optimizer = pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)


def make_data(dtype: str = "float32", n_blocks: int = 2) -> Data:
    generator = np.random.default_rng(1)
    X = generator.normal(size=(N_ROWS, 3)).astype(dtype)
    targets = np.eye(2, dtype=dtype)[generator.integers(0, 2, N_ROWS)]
    held = generator.normal(size=(n_blocks, 3, 3)).astype(dtype)
    X[:, 2], held[..., 2] = np.arange(N_ROWS) % 6, 6  # level 6 is only held out
    return Data(X, targets, held, np.eye(2, dtype=dtype)[generator.integers(0, 2, (n_blocks, 3))])


def make_settings(structure: Structure, dtype: str = "float32") -> dict:
    settings = {setting.name: setting.default for setting in OPTIMIZERS[structure.optimizer].settings}
    if structure.decay:
        settings["weight_decay"] = 0.05
    if structure.dropout:
        settings["kept"] = 0.7
    settings |= {"input_noise": 0.1, "ema": 0.8, "l1": 0.02, "max_norm": 0.9, "statistics_momentum": 0.6}
    numbers = {name: np.asarray(value, dtype) for name, value in settings.items()}
    return {**numbers, "n_rows": np.asarray(N_ROWS, np.int32)}


def make_block(
    structure: Structure, n_epochs: int, n_updates: int, dtype: str = "float32", batch: int = BATCH
) -> Block:
    generator = np.random.default_rng(2)
    shape = (n_epochs, n_updates)
    controls = {"learning_rate": generator.uniform(0.02, 0.1, shape).astype(dtype)}
    if structure.momentum:
        controls["momentum"] = generator.uniform(0.5, 0.9, shape).astype(dtype)
    for name in structure.drawn.words:
        controls[name] = update_words(8, np.arange(n_epochs * n_updates).reshape(shape), PURPOSES[name])
    if structure.mixup:
        controls["mix_share"] = generator.uniform(0, 1, shape).astype(dtype)
        controls["mix_offset"] = generator.integers(0, 100, shape).astype(np.int32)
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


def begin(structure: Structure, dtype: str = "float32", seed: int = 0) -> State:
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


@pytest.mark.parametrize("form", [LOOP, ONE_FUNCTION])
@pytest.mark.parametrize("order", [True, False], ids=["order", "whole"])
def test_an_update_with_dropout_and_embeddings_equals_numpy(order, form):
    """Two updates of gradient descent with decay, worked out in float64."""
    n, rate, decay, kept = (1 if form == ONE_FUNCTION and order else N_ROWS if not order else BATCH), 0.1, 0.05, 0.7
    network = Network((2 + 3, 5, 4, 2), Choice("tanh"), "linear", None, ((6, 3),))
    structure = Structure(network, "squared_error", "sgd", decay=True, dropout=True, form=form)
    with jax.enable_x64(True):
        data, settings = make_data("float64"), make_settings(structure, "float64")
        block = make_block(structure, 1, 2, "float64", batch=n)
        block.controls["learning_rate"][:] = rate
        start = begin(structure, "float64")
        result = call(structure, start, data, block if order else block._replace(order=None), settings)
        drawn = [masks((5, 4), n, words, np.float64(kept)) for words in block.controls["dropout"][0]]
    params = [{name: np.array(values) for name, values in layer.items()} for layer in start.params]
    for i in range(2):
        rows = block.order[0, i] if order else np.arange(N_ROWS)
        levels = data.inputs[rows, 2].astype(int)
        y = [np.concatenate([data.inputs[rows, :2], params[0]["embedding_0"][levels]], axis=1)]
        for layer, mask in zip(params, drawn[i], strict=False):
            y.append(np.tanh(y[-1] @ layer["weights"] + layer["biases"]) * np.asarray(mask) / kept)
        z = y[-1] @ params[2]["weights"] + params[2]["biases"]
        losses = ((z - data.targets[rows]) ** 2).sum(axis=1) / 2
        np.testing.assert_allclose(result.losses[0, i], losses, rtol=1e-10)
        delta, gradients = (z - data.targets[rows]) / n, [{}, {}, {}]
        for number in (2, 1, 0):
            gradients[number] = {"weights": y[number].T @ delta, "biases": delta.sum(axis=0)}
            delta = delta @ params[number]["weights"].T
            if number:
                mask = np.asarray(drawn[i][number - 1])
                delta = delta * mask / kept * (1 - (y[number] * kept) ** 2)
        gradients[0]["embedding_0"] = np.zeros((7, 3))
        np.add.at(gradients[0]["embedding_0"], levels, delta[:, 2:] * (levels > 0)[:, None])
        for layer, gradient in zip(params, gradients, strict=True):
            for name, g in gradient.items():
                layer[name] -= rate * (g + (0 if name == "biases" else decay * layer[name]))
    assert_close(result.state.params, tuple(params), 1e-10)
    squared = sum((w**2).sum() for layer in params for name, w in layer.items() if name != "biases")
    assert float(result.squared_weights[0]) == pytest.approx(squared, rel=1e-10)
    assert not np.asarray(result.state.params[0]["embedding_0"])[0].any()


@pytest.mark.parametrize("name", ["dropout", "both", list(STRUCTURES)[-1]])
def test_masks_made_before_the_loop_or_in_it_are_the_same(name, monkeypatch):
    structure = STRUCTURES[name]
    data, settings, block = make_data(), make_settings(structure), make_block(structure, 2, 9)
    first = call(structure, begin(structure), data, block, settings)
    monkeypatch.setattr(program, "CHANCE_FIRST_BYTES", 0)
    compiled.cache_clear()
    try:
        again = call(structure, begin(structure), data, block, settings)
    finally:
        compiled.cache_clear()
    if name.startswith("rrelu"):  # slopes and noise are used as they are made: their last bit may be another
        assert_close(first, again, 1e-6)
    else:
        assert_bitwise(first, again)


def test_dropout_differs_by_update_and_seed_and_is_for_training_alone():
    structure = STRUCTURES["dropout"]
    data, settings, block = make_data(), make_settings(structure), make_block(structure, 1, 3)
    block = block._replace(order=np.broadcast_to(block.order[:, :1], block.order.shape))
    block.controls["learning_rate"][:] = 0
    result = call(structure, begin(structure), data, block, settings)
    losses = np.asarray(result.losses)[0]
    assert len({tuple(row) for row in losses}) == 3
    other = block._replace(controls=block.controls | {"dropout": update_words(9, np.arange(3)[None])})
    assert not np.array_equal(call(structure, begin(structure), data, other, settings).losses[0], losses)
    plain = replace(structure, dropout=False)
    controls = {"learning_rate": block.controls["learning_rate"]}
    held = call(plain, begin(plain), data, block._replace(controls=controls), make_settings(plain))
    np.testing.assert_array_equal(held.validation_z, result.validation_z)


def test_an_unseen_level_is_never_trained():
    for name in ("embeddings", "both"):
        structure = STRUCTURES[name]
        data, settings, block = make_data(), make_settings(structure), make_block(structure, 2, 12)
        assert (data.inputs[block.order, 2] == 0).any()
        before, result = begin(structure), call(structure, begin(structure), data, block, settings)
        table = np.asarray(result.state.params[0]["embedding_0"])
        assert not table[0].any()
        assert (table[1:6] != before.params[0]["embedding_0"][1:6]).all()
        # Level 6 has no examples: its vector only decays.
        ratio = table[6] / before.params[0]["embedding_0"][6]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
        assert 0.5 < ratio[0] < 1


def test_levels_are_read_before_the_cast_to_bfloat16():
    network = Network((4, 2), Choice("tanh"), "softmax", None, ((600, 4),))
    structure = Structure(network, "cross_entropy", "sgd", compute_dtype="bfloat16")
    params = network.initialize(np.random.default_rng(0))
    levels = np.array([[255], [256], [257], [258], [599]], np.float32)
    _, z, _ = update.batch_losses(structure, params, levels, np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 0]])
    expected = params[0]["embedding_0"][levels[:, 0].astype(int)] @ params[0]["weights"]
    np.testing.assert_allclose(z, expected, atol=0.05)


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


AT_ONCE = [
    *itertools.product(["nesterov", "adamw", "both"], [False, True], [LOOP, ONE_FUNCTION]),
    ("batch normalization, l1, max_norm, ema", False, ONE_FUNCTION),
    (list(STRUCTURES)[-1], True, LOOP),
]


@pytest.mark.parametrize(("name", "own_order", "form"), AT_ONCE, ids=str)
def test_networks_at_once_equal_networks_alone(name, own_order, form):
    structure = replace(STRUCTURES[name], form=form)
    generator = np.random.default_rng(5)
    data, n_networks = make_data(), 3
    blocks, states, settings = [], [], []
    for k in range(n_networks):
        block = make_block(structure, 2, 8)
        real = ("learning_rate", "momentum", "mix_share")
        controls = {name: block.controls[name] * np.float32(1 - 0.2 * k) for name in real if name in block.controls}
        for name in structure.drawn.words:
            controls[name] = update_words(k, np.arange(16).reshape(2, 8), PURPOSES[name])
        if structure.mixup:
            controls["mix_offset"] = block.controls["mix_offset"] + np.int32(k)
        block = block._replace(controls=controls)
        if own_order:
            block = block._replace(order=generator.permutation(block.order.ravel()).reshape(block.order.shape))
        blocks.append(block)
        states.append(begin(structure, seed=k))
        scaled = {name: value * np.float32(1 - 0.1 * k) for name, value in make_settings(structure).items()}
        settings.append({**scaled, "n_rows": np.asarray(N_ROWS, np.int32)})

    def stacked(trees):
        return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)

    together = stacked(blocks)
    shared = blocks[0]
    own = {} if own_order else {"order": shared.order, "weights": shared.weights}
    together = together._replace(n_updates=shared.n_updates, look=shared.look, **own)
    own_parts = Together(order=own_order, weights=own_order, data=False)
    result = compiled(structure, own_parts)(stacked(states), data, together, stacked(settings))
    for k in range(n_networks):
        alone = call(structure, states[k], data, blocks[k], settings[k])
        assert_close(jax.tree.map(lambda leaf, k=k: leaf[k], result), alone, 1e-5)
    weights = np.asarray(result.state.params[0]["weights"])
    assert not np.allclose(weights[0], weights[1])


@pytest.mark.parametrize("batch", [1, 4])
@each_optimizer
def test_forms_agree_within_rounding(structure, batch, monkeypatch):
    monkeypatch.setattr("entrena.training.compiled._refused", set())
    data, settings, block = make_data(), make_settings(structure), make_block(structure, 2, 12, batch=batch)
    other = replace(structure, form=ONE_FUNCTION)
    result = call(other, begin(structure), data, block, settings)
    if batch == 1 or not structure.network.embeddings:
        assert accepted(other).form == ONE_FUNCTION  # the compiler took it
    assert_close(call(structure, begin(structure), data, block, settings), result, 2e-5)


@pytest.fixture
def refusing_compiler(monkeypatch):
    monkeypatch.setitem(COMPILER_OPTIONS, ONE_FUNCTION, {"xla_there_is_no_such_option": "true"})
    monkeypatch.setattr("entrena.training.compiled._refused", set())
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
    assert choose_form(10, 1, "cpu", embeddings=True) == ONE_FUNCTION
    assert choose_form(10, 2, "cpu", embeddings=True) == LOOP


def test_the_initial_memory_is_what_optax_makes():
    for structure in STRUCTURES.values():
        state = begin(structure)
        for leaf in jax.tree.leaves(state.opt_state):
            assert isinstance(leaf, np.ndarray)
            assert not leaf.any()
        memories = {"sgd": 1 if structure.momentum else 0, "adam": 2, "adamw": 2}[structure.optimizer]
        sizes = sum(leaf.size for leaf in jax.tree.leaves(state.opt_state) if leaf.dtype == np.float32)
        assert sizes == memories * structure.network.n_weights
