"""A stream learns what a pass over the same rows in the same sequence learns, however its rows are cut into calls."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrena.network import Network
from entrena.registry import Choice
from entrena.training import RateSettings, RegularizationSettings, TrainingSettings
from entrena.training import stream as stream_module
from entrena.training.loop import train_network
from entrena.training.parts import TrainingPart
from entrena.training.plan import Disturbances, Plan, make_plan, make_stream_plan
from entrena.training.stream import Stream

from .same_run import assert_bitwise

N_ROWS = 75
WIDE = (6000,)  # so many weights that the loop runs in its ordinary form


def rows(dtype: str = "float32", n_rows: int = N_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Three columns, and two noisy classes of them."""
    generator = np.random.default_rng(5)
    X = generator.normal(size=(n_rows, 3))
    is_second = X[:, 0] * 2 - X[:, 1] + 0.7 * generator.normal(size=n_rows) > 0
    return X.astype(dtype), np.stack([~is_second, is_second], axis=1).astype(dtype)


def network_of(*hidden: int, activation: str = "tanh", output: str = "softmax") -> Network:
    return Network((3, *hidden, 2), Choice(activation), output)


def sections(settings: dict[str, Any]) -> list[Any]:
    """The recipe's sections of settings that are named as in a recipe."""
    kinds = (TrainingSettings, RateSettings, RegularizationSettings)
    return [kind(**{name: settings[name] for name in settings if name in kind.model_fields}) for kind in kinds]


def stream_plan(network: Network, loss: str = "cross_entropy", dropout: float = 0.0, **settings: Any) -> Plan:
    disturbances = Disturbances(dropout=dropout)
    return make_stream_plan(network, loss, *sections(settings), seed=3, platform="cpu", disturbances=disturbances)


def pass_plan(network: Network, n_rows: int = N_ROWS, dropout: float = 0.0, **settings: Any) -> Plan:
    """One epoch in the sequence of the rows, at a constant rate."""
    own = {"order": "sequential", "schedule": "constant", "max_epochs": 1, "early_stopping": False, **settings}
    return make_plan(
        network,
        "cross_entropy",
        *sections(own),
        n_rows=n_rows,
        n_validation=0,
        seed=3,
        platform="cpu",
        disturbances=Disturbances(dropout=dropout),
    )


OPTIMIZERS = [
    {"optimizer": "sgd", "momentum": 0, "learning_rate": 0.05},
    {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01},
    {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "learning_rate": 0.01, "weight_decay": 1e-3},
    {"optimizer": "adam", "learning_rate": 0.003},
    {"optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.1},
]


CASES = [
    *((chosen, (5,), True) for chosen in OPTIMIZERS),
    (OPTIMIZERS[-1], (5,), False),
    (OPTIMIZERS[1], WIDE, True),
    (OPTIMIZERS[-1], WIDE, False),
]


@pytest.mark.parametrize(("chosen", "hidden", "weighted"), CASES)
def test_it_is_a_pass_of_single_examples_in_their_sequence(chosen, hidden, weighted):
    network, (X, targets) = network_of(*hidden), rows()
    weight = np.random.default_rng(1).uniform(0.2, 3, N_ROWS) if weighted else None
    plan = stream_plan(network, mode="online", **chosen)
    assert plan.structure.form == ("one_function" if hidden == (5,) else "loop")
    stream = Stream(network, plan)
    tested = stream.learn(X, targets, weight)
    same = train_network(network, pass_plan(network, mode="online", **chosen), TrainingPart(X, targets, weight), None)
    assert_bitwise(stream.state, same.checkpoint.state)
    assert stream.n_updates == N_ROWS
    mean = np.average(tested.losses.astype(float), weights=weight)
    assert mean == pytest.approx(same.history[0]["loss"], rel=1e-6)


@pytest.mark.parametrize("size", [1, 8])
def test_dropout_leaves_out_the_units_that_a_pass_leaves_out(size):
    network, (X, targets) = network_of(6, 4), rows(n_rows=72)
    mode = {"mode": "online"} if size == 1 else {"mode": "mini_batch", "batch_size": size}
    chosen = {**mode, "optimizer": "adam", "learning_rate": 0.003}
    stream = Stream(network, stream_plan(network, dropout=0.3, **chosen))
    for first in range(0, 72, 24):
        stream.learn(X[first : first + 24], targets[first : first + 24])
    same = train_network(network, pass_plan(network, 72, dropout=0.3, **chosen), TrainingPart(X, targets, None), None)
    assert_bitwise(stream.state, same.checkpoint.state)


@pytest.mark.parametrize(("size", "hidden"), [(3, (5,)), (50, (5,)), (8, WIDE)])
def test_mini_batches_are_those_of_a_pass(size, hidden):
    network, (X, targets) = network_of(*hidden), rows()
    n_rows = N_ROWS // size * size
    chosen = {"mode": "mini_batch", "batch_size": size, "optimizer": "sgd", "learning_rate": 0.05}
    stream = Stream(network, stream_plan(network, **chosen))
    for first in range(0, n_rows, 2 * size):
        stream.learn(X[first : min(n_rows, first + 2 * size)], targets[first : min(n_rows, first + 2 * size)])
    part = TrainingPart(X[:n_rows], targets[:n_rows], None)
    same = train_network(network, pass_plan(network, n_rows, **chosen), part, None)
    assert_bitwise(stream.state, same.checkpoint.state)


def test_a_short_batch_counts_with_its_true_size():
    # Five rows in batches of 32: an update with the mean of five gradients, as for batches of five.
    network, (X, targets) = network_of(4), rows("float64")
    chosen = {"optimizer": "sgd", "momentum": 0, "learning_rate": 0.5, "precision": "float64", "mode": "mini_batch"}
    short = Stream(network, stream_plan(network, batch_size=32, **chosen))
    whole = Stream(network, stream_plan(network, batch_size=5, **chosen))
    for stream in (short, whole):
        stream.learn(X[:5], targets[:5])
        assert stream.n_updates == 1
    for a, b in zip(jax.tree.leaves(short.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@given(cuts=st.lists(st.integers(1, N_ROWS - 1), max_size=12))
@settings(max_examples=15)
@pytest.mark.parametrize("hidden", [(5,), WIDE], ids=["one_function", "loop"])
def test_where_the_rows_are_cut_changes_no_bit(cuts, hidden):
    network, (X, targets) = network_of(*hidden), rows()
    weight = np.random.default_rng(1).uniform(0.2, 3, N_ROWS)
    plan = stream_plan(network, mode="online", optimizer="adam", learning_rate=0.01)
    whole, pieces = Stream(network, plan), Stream(network, plan)
    tested = whole.learn(X, targets, weight)
    parts = [
        pieces.learn(X[a:b], targets[a:b], weight[a:b])
        for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), N_ROWS], strict=True)
    ]
    assert_bitwise(whole.state, pieces.state)
    np.testing.assert_array_equal(tested.losses, np.concatenate([part.losses for part in parts]))
    np.testing.assert_array_equal(tested.z, np.concatenate([part.z for part in parts if len(part.losses)]))


def test_a_row_at_a_time_is_all_rows_at_once():
    network, (X, targets) = network_of(5), rows()
    plan = stream_plan(network, mode="online", optimizer="adamw")
    whole, single = Stream(network, plan), Stream(network, plan)
    whole.learn(X, targets)
    for row in range(N_ROWS):
        single.learn(X[row : row + 1], targets[row : row + 1])
    assert_bitwise(whole.state, single.state)


def test_rows_beyond_one_call_of_the_program_go_on_in_the_next(monkeypatch):
    monkeypatch.setattr(stream_module, "MOST_UPDATES", 16)
    network, (X, targets) = network_of(5), rows()
    plan = stream_plan(network, mode="online", optimizer="adam")
    long = Stream(network, plan)
    tested = long.learn(X, targets)
    monkeypatch.undo()
    whole = Stream(network, plan)
    assert_bitwise(long.state, (same := whole.learn(X, targets), whole.state)[1])
    np.testing.assert_array_equal(tested.losses, same.losses)
    np.testing.assert_array_equal(tested.z, same.z)


def test_a_state_goes_on_where_another_stream_stopped():
    network, (X, targets) = network_of(5), rows()
    plan = stream_plan(network, mode="online", optimizer="adam", dropout=0.4)
    whole, first = Stream(network, plan), Stream(network, plan)
    whole.learn(X, targets)
    first.learn(X[:31], targets[:31])
    state = jax.tree.map(np.asarray, first.state)
    second = Stream(network, plan, state, first.n_updates)
    second.learn(X[31:], targets[31:])
    assert_bitwise(whole.state, second.state)


class Rewrite:
    """The same updates in NumPy, float64: one tanh layer, softmax and cross-entropy, an example at a time."""

    def __init__(self, params: Any, rate: float, decay: float = 0.0) -> None:
        self.params = [{name: np.array(values) for name, values in layer.items()} for layer in params]
        self.rate, self.decay, self.t = rate, decay, 0
        zeros = [{name: np.zeros_like(values) for name, values in layer.items()} for layer in self.params]
        self.m, self.v = zeros, [{name: values.copy() for name, values in layer.items()} for layer in zeros]

    def gradient(self, x: np.ndarray, target: np.ndarray, weight: float) -> tuple[float, list[dict[str, np.ndarray]]]:
        hidden, output = self.params
        y = np.tanh(x @ hidden["weights"] + hidden["biases"])
        z = y @ output["weights"] + output["biases"]
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        d = weight * (p - target)
        back = (output["weights"] @ d) * (1 - y * y)
        found = [{"weights": np.outer(x, back), "biases": back}, {"weights": np.outer(y, d), "biases": d}]
        for layer, gradients in zip(self.params, found, strict=True):
            gradients["weights"] = gradients["weights"] + self.decay * layer["weights"]
        return float(-np.log(p[target.argmax()])), found

    def sgd(self, gradients: list[dict[str, np.ndarray]], momentum: float, nesterov: bool) -> None:
        for layer, memory, found in zip(self.params, self.m, gradients, strict=True):
            for name, g in found.items():
                memory[name] = momentum * memory[name] + g
                layer[name] -= self.rate * (g + momentum * memory[name] if nesterov else memory[name])

    def adam(self, gradients: list[dict[str, np.ndarray]], b1: float = 0.9, b2: float = 0.999, e: float = 1e-8) -> None:
        self.t += 1
        for layer, m, v, found in zip(self.params, self.m, self.v, gradients, strict=True):
            for name, g in found.items():
                m[name] = b1 * m[name] + (1 - b1) * g
                v[name] = b2 * v[name] + (1 - b2) * g * g
                layer[name] -= self.rate * (m[name] / (1 - b1**self.t)) / (np.sqrt(v[name] / (1 - b2**self.t)) + e)


@pytest.mark.parametrize(
    "chosen",
    [
        {"optimizer": "sgd", "momentum": 0},
        {"optimizer": "sgd", "momentum": 0.8, "weight_decay": 0.01},
        {"optimizer": "sgd", "momentum": 0.8, "nesterov": True},
        {"optimizer": "adam"},
    ],
    ids=lambda chosen: "-".join(map(str, chosen.values())),
)
def test_it_is_the_rewrite_in_numpy(chosen):
    network, (X, targets) = network_of(5), rows("float64")
    weight = np.random.default_rng(1).uniform(0.2, 3, N_ROWS)
    own = {"weight_decay": 0.0, **chosen}
    plan = stream_plan(network, mode="online", precision="float64", learning_rate=0.05, **own)
    stream = Stream(network, plan)
    rewrite = Rewrite(jax.tree.map(np.asarray, stream.state.params), 0.05, own["weight_decay"])
    losses = []
    for x, target, w in zip(X, targets, weight, strict=True):
        loss, gradients = rewrite.gradient(x, target, w)
        losses.append(loss)
        if chosen["optimizer"] == "adam":
            rewrite.adam(gradients)
        else:
            rewrite.sgd(gradients, chosen["momentum"], chosen.get("nesterov", False))
    tested = stream.learn(X, targets, weight)
    np.testing.assert_allclose(tested.losses, losses, rtol=1e-10)
    for layer, same in zip(stream.state.params, rewrite.params, strict=True):
        for name, values in same.items():
            np.testing.assert_allclose(layer[name], values, rtol=1e-10, atol=1e-12)


def test_a_rule_without_end_is_followed_and_one_with_an_end_becomes_constant():
    network = network_of(4)
    assert stream_plan(network, optimizer="adamw").learning_rate == pytest.approx(
        pass_plan(network, optimizer="adamw").learning_rate / 10
    )
    assert stream_plan(network, learning_rate=0.2).learning_rate == 0.2
    assert stream_plan(network).schedule == Choice("constant")
    assert stream_plan(network, mode="online").batch_size == 1
    assert stream_plan(network).batch_size == 32
    assert stream_plan(network, mode="mini_batch", batch_size=7).batch_size == 7


def test_it_says_when_a_weight_is_no_number():
    network, (X, targets) = network_of(4), rows()
    stream = Stream(network, stream_plan(network, mode="online", optimizer="sgd", learning_rate=1e-3))
    stream.learn(X, targets)
    assert stream.is_finite
    large = jax.tree.map(lambda leaf: np.full(leaf.shape, 3e38, leaf.dtype), stream.state)
    assert Stream(network, stream.plan, large).is_finite  # its sum is not
    # A weight that is no number in the first layer alone.
    params = [{name: np.array(values) for name, values in layer.items()} for layer in stream.state.params]
    params[0]["weights"][1, 2] = np.nan
    assert not Stream(network, stream.plan, tuple(params)).is_finite


def test_calls_of_many_lengths_keep_little():
    network, (X, targets) = network_of(4), rows()
    stream = Stream(network, stream_plan(network, mode="online", optimizer="sgd"))
    for n in range(1, N_ROWS):
        stream.learn(X[:n], targets[:n])
    kept = [leaf for value in stream._at_hand.values() for leaf in jax.tree.leaves(value)]
    assert len(stream._at_hand) <= stream_module.MOST_PROGRAMS + 1
    assert sum(leaf.nbytes for leaf in kept) < 2**20
