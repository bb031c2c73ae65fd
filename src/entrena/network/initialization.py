"""Initial weights: what breaks the symmetry between units and keeps signals at a good size through the layers.

A function of this registry is called as `function(generator, fan_in, fan_out, slope, **settings)` and returns a float64
array [fan_in, fan_out]. The weights are made by NumPy on the host: it costs no compilation, and the same seed gives the
same weights on every device. The settings `bias` and `bias_deviation`, which all of them have, are those of the biases.
"""

from __future__ import annotations

import numpy as np

from entrena.registry import Choice, Entry, Registry, Setting

Weights = np.ndarray


def standard_normal(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float) -> Weights:
    """N(0, 1), the twentieth-century way."""
    return generator.standard_normal((fan_in, fan_out))


def lecun_normal(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float) -> Weights:
    """N(0, 1/m), m = fan-in."""
    return generator.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)


def lecun_uniform(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float) -> Weights:
    """U(−r, r) of variance r²/3 = 1/m, m = fan-in."""
    return _uniform(generator, fan_in, fan_out, variance=1 / fan_in)


def glorot_normal(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float) -> Weights:
    """N(0, 1/m), m the mean of fan-in and fan-out."""
    return generator.standard_normal((fan_in, fan_out)) / np.sqrt((fan_in + fan_out) / 2)


def glorot_uniform(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float) -> Weights:
    """U(−r, r), r = √(3/m), m the mean of fan-in and fan-out."""
    return _uniform(generator, fan_in, fan_out, variance=2 / (fan_in + fan_out))


def he_normal(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float) -> Weights:
    """N(0, 2/((1 + a²)·m)), m = fan-in, a the activation's slope for negative net inputs."""
    return generator.standard_normal((fan_in, fan_out)) * np.sqrt(2 / ((1 + slope**2) * fan_in))


def he_uniform(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float) -> Weights:
    """U(−r, r) of the variance of `he_normal`."""
    return _uniform(generator, fan_in, fan_out, variance=2 / ((1 + slope**2) * fan_in))


def orthogonal(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float, *, gain: float) -> Weights:
    """A random matrix with orthonormal rows or columns (whichever are fewer), times a gain."""
    tall = generator.standard_normal((max(fan_in, fan_out), min(fan_in, fan_out)))
    q, r = np.linalg.qr(tall)
    # The signs of R's diagonal make the distribution uniform over the orthogonal matrices (Mezzadri 2007, sect. 5).
    q = q * np.sign(np.diagonal(r))
    return gain * (q if fan_in >= fan_out else q.T)


def constant(generator: np.random.Generator, fan_in: int, fan_out: int, slope: float, *, value: float) -> Weights:
    """Every weight the same."""
    return np.full((fan_in, fan_out), value)


def _uniform(generator: np.random.Generator, fan_in: int, fan_out: int, *, variance: float) -> Weights:
    limit = np.sqrt(3 * variance)
    return generator.uniform(-limit, limit, (fan_in, fan_out))


_BIASES = (
    Setting("bias", 0.0, "where the biases start, or the mean of that"),
    Setting("bias_deviation", 0.0, "standard deviation of the biases, which are normal then", low=0),
)

_EBP = "LeCun et al., Efficient BackProp (1998), sect. 4.6"
_GLOROT = "Glorot & Bengio, AISTATS (2010)"
_HE = "He et al., ICCV (2015)"

INITIALIZATIONS = Registry(
    "network.initialization",
    "Initialization",
    (
        Entry(
            "standard_normal",
            "N(0, 1)",
            "The twentieth-century way: with many inputs the units of the last layers saturate.",
            standard_normal,
            settings=_BIASES,
            other_names=("normal", "RandomNormal", "random_normal"),
            lesson="saturated_start",
        ),
        Entry(
            "lecun_normal",
            "N(0, σ²), σ = 1/√m, m = fan-in",
            "Net inputs of deviation 1 for standardised inputs; for tanh and SELU.",
            lecun_normal,
            source=_EBP,
            settings=_BIASES,
            lesson="signal_depth",
        ),
        Entry(
            "lecun_uniform",
            "U(−r, r), r = √(3/m), m = fan-in",
            "The uniform distribution with the deviation of lecun_normal.",
            lecun_uniform,
            source=_EBP,
            settings=_BIASES,
            lesson="signal_depth",
        ),
        Entry(
            "glorot_normal",
            "N(0, σ²), σ = 1/√m, m = (fan-in + fan-out)/2",
            "A compromise that keeps signals forward and gradients backward at a like size.",
            glorot_normal,
            source=_GLOROT,
            settings=_BIASES,
            other_names=("xavier_normal", "GlorotNormal"),
            lesson="signal_depth",
        ),
        Entry(
            "glorot_uniform",
            "U(−r, r), r = √(3/m), m = (fan-in + fan-out)/2",
            "The uniform distribution with the deviation of glorot_normal.",
            glorot_uniform,
            source=_GLOROT,
            settings=_BIASES,
            other_names=("xavier_uniform", "xavier", "glorot", "GlorotUniform"),
            lesson="signal_depth",
        ),
        Entry(
            "he_normal",
            "N(0, σ²), σ = √(2/((1 + a²)·m)), m = fan-in, a = slope for z < 0",
            "For rectified units, half of whose outputs are 0.",
            he_normal,
            source=_HE,
            settings=_BIASES,
            other_names=("kaiming_normal", "kaiming", "he", "HeNormal"),
            lesson="signal_depth",
        ),
        Entry(
            "he_uniform",
            "U(−r, r), r = √(6/((1 + a²)·m)), m = fan-in, a = slope for z < 0",
            "The uniform distribution with the deviation of he_normal.",
            he_uniform,
            source=_HE,
            settings=_BIASES,
            other_names=("kaiming_uniform", "HeUniform"),
            lesson="signal_depth",
        ),
        Entry(
            "orthogonal",
            "W·Wᵀ = g²·I or Wᵀ·W = g²·I",
            "Random orthonormal rows or columns: a linear layer keeps lengths.",
            orthogonal,
            source="Saxe et al. (2014)",
            settings=(Setting("gain", 1.0, "factor g of every weight", low=0, low_open=True), *_BIASES),
            other_names=("Orthogonal", "orthogonal_"),
            lesson="signal_depth",
        ),
        Entry(
            "constant",
            "w = value",
            "Every weight the same: the units of a layer keep equal gradients and never become different.",
            constant,
            settings=(Setting("value", 0.1, "the value of every weight"), *_BIASES),
            other_names=("zeros", "ones", "Constant"),
            lesson="symmetry",
        ),
    ),
)


def initial_weights(
    choice: Choice, generator: np.random.Generator, fan_in: int, fan_out: int, *, slope: float
) -> Weights:
    """The first weights of one layer, [fan_in, fan_out] in float64."""
    settings = INITIALIZATIONS.settings_of(choice)
    function = INITIALIZATIONS[choice.name].function
    assert function is not None
    own = {name: value for name, value in settings.items() if name not in ("bias", "bias_deviation")}
    return function(generator, fan_in, fan_out, slope, **own)


def initial_biases(choice: Choice, generator: np.random.Generator, n_units: int) -> np.ndarray:
    """The first biases of one layer, [n_units] in float64; without a deviation nothing is drawn."""
    settings = INITIALIZATIONS.settings_of(choice)
    biases = np.full(n_units, float(settings["bias"]))  # type: ignore[arg-type]
    deviation = float(settings["bias_deviation"])  # type: ignore[arg-type]
    return biases + deviation * generator.standard_normal(n_units) if deviation else biases
