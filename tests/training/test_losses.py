"""(loss, gradient): every loss × output × number of outputs × weights, against NumPy and finite differences."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.special import expit

from entrena.network import Network
from entrena.registry import Choice
from entrena.training.losses import LOSSES
from entrena.training.structure import State, Structure, initial_state
from entrena.training.update import Batch, batch_losses, update

PAIRS = [(loss, output) for loss in LOSSES if loss != "auto" for output in LOSSES[loss].details["outputs"]]
N_ROWS = 7
CASES = [
    (loss, output, n_outputs, weighted)
    for loss, output in PAIRS
    for n_outputs in (1, 2, 4)
    for weighted in (False, True)
    if not (output == "softmax" and n_outputs == 1)  # a single probability is always 1
]


def naive_loss(loss: str, output: str, z: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The textbook's formula, example by example, without any care for rounding."""
    y = {
        "softmax": lambda: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
        "logistic": lambda: expit(z),
        "linear": lambda: z,
    }[output]()
    if loss == "squared_error":
        return ((y - targets) ** 2).sum(axis=1) / targets.shape[1]
    if output == "softmax":
        return -(targets * np.log(y)).sum(axis=1)
    return -(targets * np.log(y) + (1 - targets) * np.log(1 - y)).sum(axis=1)


def targets_for(output: str, n_outputs: int, generator: np.random.Generator) -> np.ndarray:
    if output == "softmax":
        return np.eye(n_outputs)[generator.integers(0, n_outputs, N_ROWS)]
    if output == "logistic":
        return generator.integers(0, 2, (N_ROWS, n_outputs)).astype(float)
    return generator.normal(size=(N_ROWS, n_outputs))


def forward(params, X: np.ndarray) -> np.ndarray:
    hidden = np.tanh(X @ params[0]["weights"] + params[0]["biases"])
    return hidden @ params[1]["weights"] + params[1]["biases"]


@pytest.fixture
def case(request, generator):
    loss, output, n_outputs, weighted = request.param
    network = Network((3, 5, n_outputs), Choice("tanh"), output)
    params = network.initialize(generator, np.float64)
    params = tuple({**layer, "biases": generator.normal(size=layer["biases"].shape)} for layer in params)
    X = generator.normal(size=(N_ROWS, 3))
    weights = generator.uniform(0, 2, N_ROWS) / N_ROWS if weighted else np.full(N_ROWS, 1 / N_ROWS)
    return Structure(network, loss, "sgd"), params, X, targets_for(output, n_outputs, generator), weights


def test_every_loss_with_every_output_is_a_case():
    assert {(loss, output) for loss, output, *_ in CASES} == {
        ("cross_entropy", "softmax"),
        ("cross_entropy", "logistic"),
        ("squared_error", "linear"),
        ("squared_error", "softmax"),
        ("squared_error", "logistic"),
    }


@pytest.mark.parametrize("case", CASES, indirect=True, ids=lambda case: "-".join(map(str, case)))
def test_loss_and_gradient(case):
    structure, params, X, targets, weights = case
    loss, output = structure.loss, structure.network.output

    def objective(params) -> float:
        return float(weights @ naive_loss(loss, output, forward(params, X), targets))

    with jax.enable_x64(True):
        losses, z, _ = batch_losses(structure, params, X, targets)
        np.testing.assert_allclose(z, forward(params, X), rtol=1e-12)
        np.testing.assert_allclose(
            losses, naive_loss(loss, output, forward(params, X), targets), rtol=1e-11, atol=1e-13
        )
        # Gradient descent at rate 1: the step is the gradient of the weighted sum.
        state = initial_state(structure, params)
        after, losses_before, _ = update(
            structure, state, Batch(X, targets, weights), {"learning_rate": np.float64(1)}, {}
        )
    np.testing.assert_allclose(losses_before, losses, rtol=1e-12, atol=1e-15)
    gradient = jax.tree.map(lambda before, now: before - np.asarray(now), params, after.params)
    step = 1e-5
    for number, layer in enumerate(params):
        for name, array in layer.items():
            differences = np.zeros_like(array)
            for index in np.ndindex(array.shape):
                sides = []
                for h in (step, -step):
                    moved = [dict(part) for part in params]
                    moved[number][name] = array.copy()
                    moved[number][name][index] += h
                    sides.append(objective(moved))
                differences[index] = (sides[0] - sides[1]) / (2 * step)
            np.testing.assert_allclose(gradient[number][name], differences, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("output", ["softmax", "logistic"])
def test_cross_entropy_is_exact_where_probabilities_round_to_0(output, sign):
    # z = (±100, 0), target the second: softmax −ln p = ln(1 + e^±100); logistic adds ln 2 for the second unit.
    function = LOSSES["cross_entropy"].function
    z, targets = np.array([[sign * 100.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
    expected = max(sign * 100.0, 0) + np.log(2) * (output == "logistic")
    loss, gradient = jax.value_and_grad(lambda z: function(z, targets, output)[0])(z)
    assert loss == pytest.approx(expected, rel=1e-6, abs=1e-6)
    low = 1.0 if sign == 1 else 0.0
    second = -low if output == "softmax" else -0.5
    np.testing.assert_allclose(gradient, [[low, second]], atol=1e-6)


def test_soft_targets_of_a_softmax():
    function = LOSSES["cross_entropy"].function
    z, targets = np.array([[0.3, -1.0, 2.0]]), np.array([[0.2, 0.3, 0.5]])
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            function(z, targets, "softmax"), naive_loss("cross_entropy", "softmax", z, targets), rtol=1e-13
        )


@pytest.mark.parametrize("loss, output", PAIRS)
def test_bfloat16_products_give_float32_losses_and_weights(loss, output, generator):
    network = Network((3, 5, 2), Choice("relu"), output)
    structure = Structure(network, loss, "sgd", compute_dtype="bfloat16")
    params = network.initialize(generator)
    X, targets = (
        array.astype(np.float32) for array in (generator.normal(size=(N_ROWS, 3)), targets_for(output, 2, generator))
    )
    weights = np.full(N_ROWS, 1 / N_ROWS, np.float32)
    after, losses, _ = update(
        structure, State(params, ()), Batch(X, targets, weights), {"learning_rate": np.float32(1)}, {}
    )
    assert losses.dtype == np.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(after.params)} == {np.dtype(np.float32)}
    exact, _, _ = batch_losses(Structure(network, loss, "sgd"), params, X, targets)
    np.testing.assert_allclose(losses, exact, rtol=0.1, atol=0.05)
    assert not np.array_equal(losses, exact)
