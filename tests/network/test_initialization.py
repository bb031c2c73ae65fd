"""Initial weights: their distributions at fixed seeds, by the Kolmogorov-Smirnov test and moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from entrena.network import INITIALIZATIONS, Network
from entrena.network.initialization import initial_weights
from entrena.registry import Choice

FAN_IN, FAN_OUT, SLOPE = 300, 100, 0.5
# Name → the distribution that the literature gives, fan-in 300, fan-out 100, slope 0.5 for negative net inputs.
NORMAL = {
    "standard_normal": 1.0,
    "lecun_normal": np.sqrt(1 / 300),
    "glorot_normal": np.sqrt(2 / 400),
    "he_normal": np.sqrt(2 / (1.25 * 300)),
}
UNIFORM = {
    "lecun_uniform": np.sqrt(3 / 300),
    "glorot_uniform": np.sqrt(6 / 400),
    "he_uniform": np.sqrt(6 / (1.25 * 300)),
}
DISTRIBUTIONS = {name: stats.norm(scale=deviation) for name, deviation in NORMAL.items()} | {
    name: stats.uniform(-limit, 2 * limit) for name, limit in UNIFORM.items()
}


def draw(
    choice: Choice, fan_in: int = FAN_IN, fan_out: int = FAN_OUT, slope: float = SLOPE, seed: int = 3
) -> np.ndarray:
    return initial_weights(choice, np.random.default_rng(seed), fan_in, fan_out, slope=slope)


def test_each_initialization_is_tested():
    assert set(DISTRIBUTIONS) | {"orthogonal", "constant"} == set(INITIALIZATIONS)


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_distribution(name):
    weights = draw(Choice(name))
    expected = DISTRIBUTIONS[name]
    assert weights.shape == (FAN_IN, FAN_OUT)
    assert weights.dtype == np.float64
    assert stats.kstest(weights.ravel(), expected.cdf).pvalue > 0.01
    # 30,000 draws: mean and deviation within four standard errors.
    assert abs(weights.mean()) < 4 * expected.std() / np.sqrt(weights.size)
    assert weights.std() == pytest.approx(expected.std(), rel=4 / np.sqrt(2 * weights.size))
    low, high = expected.support()
    assert weights.min() >= low
    assert weights.max() <= high


def test_kolmogorov_smirnov_would_see_a_factor():
    assert stats.kstest(draw(Choice("he_normal"), slope=0.0).ravel(), DISTRIBUTIONS["he_normal"].cdf).pvalue < 1e-6


@pytest.mark.parametrize(("fan_in", "fan_out"), [(7, 4), (4, 7), (5, 5), (1, 3), (3, 1), (1, 1)])
def test_orthogonal(fan_in, fan_out):
    weights = draw(Choice("orthogonal", (("gain", 1.5),)), fan_in, fan_out)
    assert weights.shape == (fan_in, fan_out)
    product = weights.T @ weights if fan_in >= fan_out else weights @ weights.T
    np.testing.assert_allclose(product, 1.5**2 * np.eye(min(fan_in, fan_out)), atol=1e-13)


def test_orthogonal_is_uniform_over_the_orthogonal_matrices():
    # For Haar measure on O(3) the trace has mean 0 and variance 1; plain QR without the signs is biased.
    traces = np.array([np.trace(draw(Choice("orthogonal"), 3, 3, seed=seed)) for seed in range(2000)])
    assert abs(traces.mean()) < 4 / np.sqrt(2000)
    assert traces.var() == pytest.approx(1, abs=0.15)


def test_constant():
    assert (draw(Choice("constant")) == 0.1).all()
    assert (draw(Choice("constant", (("value", -2.0),))) == -2.0).all()


def test_he_takes_the_slope_of_the_networks_activation():
    def deviation(activation: Choice) -> float:
        network = Network((400, 400, 1), activation, "linear", Choice("he_normal"))
        return network.initialize(np.random.default_rng(0))[0]["weights"].std()

    slope = 0.5
    ratio = deviation(Choice("relu")) / deviation(Choice("leaky_relu", (("alpha", slope),)))
    assert ratio == pytest.approx(np.sqrt(1 + slope**2), rel=1e-5)


@pytest.mark.parametrize(
    ("activation", "initialization"),
    [("logistic", "glorot_uniform"), ("tanh", "lecun_normal"), ("relu", "he_normal"), ("selu", "lecun_normal")],
)
def test_default_by_activation(activation, initialization):
    default = Network((6, 5, 2), Choice(activation), "softmax")
    chosen = Network((6, 5, 2), Choice(activation), "softmax", Choice(initialization))
    assert set(default.initializations) == {Choice(initialization)}
    for a, b in zip(*(net.initialize(np.random.default_rng(1)) for net in (default, chosen)), strict=True):
        np.testing.assert_array_equal(a["weights"], b["weights"])


def test_biases_are_0_and_every_precision_starts_alike():
    network = Network((6, 5, 2), Choice("tanh"), "softmax")
    single, double = (network.initialize(np.random.default_rng(1), dtype) for dtype in (np.float32, np.float64))
    for a, b in zip(single, double, strict=True):
        assert (a["weights"].dtype, b["weights"].dtype) == (np.float32, np.float64)
        np.testing.assert_array_equal(a["weights"], b["weights"].astype(np.float32))
        assert not a["biases"].any()
        assert a["biases"].dtype == np.float32


def test_another_seed_gives_other_weights():
    network = Network((6, 5), Choice("tanh"), "softmax")
    a, b, c = (network.initialize(np.random.default_rng(seed))[0]["weights"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()
