"""Activations: values and slopes against closed forms in NumPy and SciPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf, expit, log1p

from entrena.network.activations import (
    ACTIVATIONS,
    SELU_ALPHA,
    SELU_SCALE,
    activation_function,
    default_initialization,
    first_slope,
    negative_slope,
)
from entrena.network.initialization import INITIALIZATIONS
from entrena.registry import Choice


def softplus(z):
    return np.maximum(z, 0) + log1p(np.exp(-np.abs(z)))


def sech2(z):
    return 1 / np.cosh(np.clip(z, -300, 300)) ** 2


def density(z):
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def exp_low(z):
    """e^z where z < 0, without overflow where it is not asked for."""
    return np.exp(np.minimum(z, 0))


# Name → value and slope as textbooks write them, settings at their defaults.
CLOSED_FORMS = {
    "logistic": (expit, lambda z: expit(z) * expit(-z)),
    "tanh": (np.tanh, sech2),
    "lecun_tanh": (lambda z: 1.7159 * np.tanh(2 * z / 3), lambda z: 1.7159 * 2 / 3 * sech2(2 * z / 3)),
    "tanh_linear": (lambda z: np.tanh(z) + 0.01 * z, lambda z: sech2(z) + 0.01),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.maximum(0.01 * z, z), lambda z: np.where(z < 0, 0.01, 1.0)),
    "rrelu": (lambda z: np.where(z < 0, 11 / 48 * z, z), lambda z: np.where(z < 0, 11 / 48, 1.0)),
    "prelu": (lambda z: np.where(z < 0, 0.25 * z, z), lambda z: np.where(z < 0, 0.25, 1.0)),
    "elu": (lambda z: np.where(z < 0, exp_low(z) - 1, z), lambda z: np.where(z < 0, exp_low(z), 1.0)),
    "selu": (
        lambda z: 1.0507009873554805 * np.where(z < 0, 1.6732632423543772 * (exp_low(z) - 1), z),
        lambda z: 1.0507009873554805 * np.where(z < 0, 1.6732632423543772 * exp_low(z), 1.0),
    ),
    "identity": (lambda z: z, np.ones_like),
    "softplus": (softplus, expit),
    "gelu": (
        lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
        lambda z: (1 + erf(z / np.sqrt(2))) / 2 + z * density(z),
    ),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) * (1 + z * expit(-z))),
    "mish": (
        lambda z: z * np.tanh(softplus(z)),
        lambda z: np.tanh(softplus(z)) + z * sech2(softplus(z)) * expit(z),
    ),
}
NAMES = sorted(ACTIVATIONS)
Z = np.concatenate([np.linspace(-6, 6, 121), [-800.0, -30.0, -1e-9, 1e-9, 30.0, 800.0]])


def function_of(choice: Choice):
    """The function with which a network predicts before it is trained."""
    function, slope = activation_function(choice), first_slope(choice)
    return function if slope is None else lambda z: function(z, slopes=jnp.asarray(slope, z.dtype))


def slopes(function, z):
    return jax.vmap(jax.grad(function))(z)


def test_each_activation_has_a_closed_form_here():
    assert sorted(CLOSED_FORMS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_are_the_closed_forms(name):
    value, slope = CLOSED_FORMS[name]
    with jax.enable_x64(True):
        function = function_of(Choice(name))
        np.testing.assert_allclose(function(jnp.asarray(Z)), value(Z), rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(slopes(function, jnp.asarray(Z)), slope(Z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        (Choice("elu", (("alpha", 0.3),)), lambda z: np.where(z < 0, 0.3 * np.expm1(np.minimum(z, 0)), z)),
        (Choice("leaky_relu", (("alpha", 0.2),)), lambda z: np.where(z < 0, 0.2 * z, z)),
        (Choice("rrelu", (("divisor", True),)), lambda z: np.where(z < 0, 2 / 11 * z, z)),
        (Choice("prelu", (("start", -0.5),)), lambda z: np.where(z < 0, -0.5 * z, z)),
        (Choice("tanh_linear", (("a", 0.5),)), lambda z: np.tanh(z) + 0.5 * z),
    ],
    ids=lambda value: str(value) if isinstance(value, Choice) else "formula",
)
def test_settings_reach_the_function(choice, value):
    with jax.enable_x64(True):
        np.testing.assert_allclose(function_of(choice)(jnp.asarray(Z)), value(Z), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_finite_far_out(name):
    function = function_of(Choice(name))
    z = np.array([-1e4, -200, -90, 0, 90, 200, 1e4], np.float32)
    assert np.isfinite(function(z)).all()
    assert np.isfinite(slopes(function, z)).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keeps_dtype_and_shape(name, dtype):
    with jax.enable_x64(True):
        function = function_of(Choice(name))
        out = function(jnp.zeros((2, 0, 3), dtype))
        assert (out.dtype, out.shape) == (dtype, (2, 0, 3))
        assert jax.grad(lambda z: function(z).sum())(jnp.ones(3, dtype)).dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_jit_equals_eager(name):
    function = function_of(Choice(name))
    z = np.linspace(-5, 5, 64, dtype=np.float32)
    np.testing.assert_allclose(jax.jit(function)(z), function(z), rtol=3e-6, atol=1e-6)


def test_selu_keeps_mean_0_and_variance_1():
    # Klambauer et al. 2017, eq. 14: mean and mean square of the output for a normal net input, integrated by hand.
    half = np.exp(0.5) * (1 + erf(-1 / np.sqrt(2))) / 2  # ∫_{z<0} e^z φ
    mean = SELU_SCALE * (1 / np.sqrt(2 * np.pi) + SELU_ALPHA * (half - 0.5))
    twice = np.exp(2.0) * (1 + erf(-2 / np.sqrt(2))) / 2  # ∫_{z<0} e^2z φ
    square = SELU_SCALE**2 * (0.5 + SELU_ALPHA**2 * (twice - 2 * half + 0.5))
    assert mean == pytest.approx(0, abs=1e-14)
    assert square == pytest.approx(1, abs=1e-14)


def test_lecun_tanh_is_near_1_at_1():
    assert activation_function(Choice("lecun_tanh"))(np.float32(1)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_default_initialization_exists(name):
    assert default_initialization(Choice(name)).name in INITIALIZATIONS


def test_negative_slope_is_the_slope_far_below_0():
    for name in ("relu", "leaky_relu", "identity"):
        assert negative_slope(Choice(name)) == pytest.approx(CLOSED_FORMS[name][1](np.array([-50.0]))[0])
    assert negative_slope(Choice("leaky_relu", (("alpha", 0.25),))) == 0.25
