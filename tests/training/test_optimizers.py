"""Ten updates of every optimizer for 0 to 3 hidden layers, against backpropagation and optimizers written in NumPy."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.special import softmax

from entrena.network import Network
from entrena.registry import Choice
from entrena.training.compiled import compiled
from entrena.training.optimizers import (
    OPTIMIZERS,
    batch_optimizer,
    finds_step,
    is_batch_only,
    is_decoupled,
    own_decay,
    own_default,
    settings_by_use,
)
from entrena.training.structure import Block, Data, Structure, initial_state

N_ROWS, N_UPDATES, BATCH = 23, 10, 5
RATES = np.linspace(0.05, 0.2, N_UPDATES)
MOMENTA = np.linspace(0.5, 0.95, N_UPDATES)
ADAM = {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}  # far from the defaults, so that each one shows
DECAY = 0.3
KINDS = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": True},
    "nesterov": {"optimizer": "sgd", "momentum": True, "nesterov": True},
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw"},
}


class NumpyOptimizer:
    """The published formulas, for one array at a time."""

    def __init__(self, kind: str, decay: float) -> None:
        self.kind, self.decay = kind, decay
        self.v = self.m = self.s = 0.0
        self.t = 0

    def step(self, w, g, rate: float, momentum: float, decays: bool):
        decay = self.decay if decays else 0.0
        if self.kind in ("sgd", "momentum", "nesterov"):
            g = g + decay * w
            if self.kind == "sgd":
                return w - rate * g
            self.v = momentum * self.v + g  # as PyTorch's SGD: the rate outside of the velocity
            return w - rate * (g + momentum * self.v if self.kind == "nesterov" else self.v)
        if self.kind == "adam":
            g = g + decay * w
        self.t += 1
        self.m = ADAM["beta1"] * self.m + (1 - ADAM["beta1"]) * g
        self.s = ADAM["beta2"] * self.s + (1 - ADAM["beta2"]) * g**2
        mean = self.m / (1 - ADAM["beta1"] ** self.t)
        square = self.s / (1 - ADAM["beta2"] ** self.t)
        shrunk = (1 - rate * decay) * w if self.kind == "adamw" else w  # Loshchilov & Hutter 2019, algorithm 2
        return shrunk - rate * mean / (np.sqrt(square) + ADAM["epsilon"])


def numpy_updates(params, X, targets, batches, kind: str, decay: float):
    """Backpropagation by hand: tanh layers, softmax, cross-entropy. Returns the weights and each batch's losses."""
    params = [dict(layer) for layer in params]
    optimizers = [{name: NumpyOptimizer(kind, decay) for name in layer} for layer in params]
    seen = []
    for (rows, weights), rate, momentum in zip(batches, RATES, MOMENTA, strict=True):
        outputs = [X[rows]]
        for layer in params[:-1]:
            outputs.append(np.tanh(outputs[-1] @ layer["weights"] + layer["biases"]))
        p = softmax(outputs[-1] @ params[-1]["weights"] + params[-1]["biases"], axis=1)
        seen.append(-np.log((p * targets[rows]).sum(axis=1)))
        delta = weights[:, None] * (p - targets[rows])
        gradients = []
        for layer, y in zip(reversed(params), reversed(outputs), strict=True):
            gradients.append({"weights": y.T @ delta, "biases": delta.sum(axis=0)})
            delta = (delta @ layer["weights"].T) * (1 - y**2)
        for layer, gradient, own in zip(params, reversed(gradients), optimizers, strict=True):
            for name in layer:
                layer[name] = own[name].step(layer[name], gradient[name], rate, momentum, name == "weights")
    return params, seen


@pytest.mark.parametrize("hidden", [(), (6,), (6, 4), (6, 4, 5)], ids=len)
@pytest.mark.parametrize("decay", [0.0, DECAY], ids=["plain", "decay"])
@pytest.mark.parametrize("kind", KINDS)
def test_ten_updates_equal_numpy(kind, decay, hidden, generator):
    network = Network((4, *hidden, 3), Choice("tanh"), "softmax")
    structure = Structure(network, "cross_entropy", **KINDS[kind], decay=decay > 0)
    params = network.initialize(generator, np.float64)
    X = generator.normal(size=(N_ROWS, 4))
    targets = np.eye(3)[generator.integers(0, 3, N_ROWS)]
    order = generator.integers(0, N_ROWS, (1, N_UPDATES, BATCH)).astype(np.int32)
    weights = generator.uniform(0.5, 1.5, order.shape) / BATCH
    settings = {**(ADAM if "adam" in kind else {}), **({"weight_decay": decay} if decay else {})}
    controls = {"learning_rate": RATES[None], **({"momentum": MOMENTA[None]} if structure.momentum else {})}
    block = Block(order, weights, controls, np.array([N_UPDATES], np.int32), np.array([False]))
    with jax.enable_x64(True):
        data = Data(X, targets, np.zeros((0, 1, 4)), np.zeros((0, 1, 3)))
        settings = {name: np.float64(value) for name, value in settings.items()}
        result = compiled(structure)(initial_state(structure, params), data, block, settings)
    expected, losses = numpy_updates(params, X, targets, zip(order[0], weights[0], strict=True), kind, decay)
    for got, layer in zip(result.state.params, expected, strict=True):
        for name in layer:
            assert got[name].dtype == np.float64
            np.testing.assert_allclose(got[name], layer[name], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.losses[0], losses, rtol=1e-9)
    squared = sum((layer["weights"] ** 2).sum() for layer in expected)
    np.testing.assert_allclose(result.squared_weights, [squared], rtol=1e-9)


def test_kinds_cover_the_registry():
    # Those that need all rows in each update: test_batch_optimizers.py.
    others = {name for name in OPTIMIZERS if not is_batch_only(Choice(name))}
    assert {kind["optimizer"] for kind in KINDS.values()} == others


def test_own_defaults_and_kind_of_decay():
    assert own_default(Choice("adam"), "momentum") is None
    assert own_default(Choice("sgd"), "momentum") == 0.9
    for name, entry in OPTIMIZERS.items():
        assert own_default(Choice(name), "learning_rate") > 0
        assert own_decay(Choice(name), 0.01, 1000) >= 0
        assert set(entry.details["uses"]) <= {"momentum", "nesterov"}
    assert [name for name in OPTIMIZERS if is_decoupled(Choice(name))] == ["adamw"]


def test_which_optimizers_need_all_rows_and_which_find_their_step():
    step = ["conjugate_gradient", "lbfgs", "bfgs", "levenberg_marquardt"]
    assert [name for name in OPTIMIZERS if finds_step(Choice(name))] == step
    assert [name for name in OPTIMIZERS if is_batch_only(Choice(name))] == [*step, "rprop"]


def test_every_setting_of_a_batch_only_optimizer_reaches_it_or_the_host():
    for name, entry in OPTIMIZERS.items():
        numbers, compiled_, host = settings_by_use(Choice(name))
        assert {**numbers, **compiled_, **host} == OPTIMIZERS.settings_of(Choice(name))
        assert all(isinstance(value, float) for value in numbers.values())
        if is_batch_only(Choice(name)):
            assert "tolerance" in numbers
            made = batch_optimizer(Choice(name), compiled_, numbers, 0.1)
            memory = jax.eval_shape(made.init, {"w": np.zeros(3, np.float32)})
            assert {"loss", "gradient", "ended"} <= set(memory.standing._fields)
            assert entry.details["decay"] == "coupled"


@pytest.mark.parametrize(
    ("n_rows", "rate", "expected"),
    [(1000, 0.01, 1.0), (4000, 0.01, 0.25), (1000, 0.02, 0.5), (100, 0.01, 1.0), (1_000_000, 0.01, 0.05)],
)
def test_adamws_own_decay_is_ten_rows_an_update(n_rows, rate, expected):
    assert own_decay(Choice("adamw"), rate, n_rows) == pytest.approx(expected)
    assert own_decay(Choice("sgd"), rate, n_rows) == 1e-4


def test_a_batch_only_optimizers_own_decay_is_one_row():
    for name in ("conjugate_gradient", "lbfgs", "bfgs", "levenberg_marquardt", "rprop"):
        assert own_decay(Choice(name), 1.0, 400) == 1 / 400
        assert own_decay(Choice(name), 0.1, 400_000) == 1 / 400_000


def test_adams_settings_are_the_papers():
    # Kingma & Ba 2015, algorithm 1.
    assert OPTIMIZERS.settings_of(Choice("adam")) == {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
