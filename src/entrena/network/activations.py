"""Activation functions: what a unit makes of its net input z.

A function of this registry is called as `function(z, **settings)` on an array of any shape and works on each element.
`details["initialization"]` names the initial weights that suit the activation; `details["slope"]` is its slope for
negative net inputs, which He's initialization takes into account.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from entrena.registry import Choice, Entry, Registry, Setting

SELU_ALPHA = 1.6732632423543772  # Klambauer et al. 2017, eq. 14: the fixed point (mean 0, variance 1)
SELU_SCALE = 1.0507009873554805


def lecun_tanh(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1.7159·tanh(2z/3): near ±1 at z = ±1, where its curvature is greatest."""
    return 1.7159 * jnp.tanh(z * (2 / 3))


def tanh_linear(z: Float[Array, "*shape"], *, a: float) -> Float[Array, "*shape"]:
    """tanh z + a·z."""
    return jnp.tanh(z) + a * z


def leaky_relu(z: Float[Array, "*shape"], *, alpha: float) -> Float[Array, "*shape"]:
    """max(αz, z) for 0 < α < 1."""
    return jnp.where(z >= 0, z, alpha * z)


def elu(z: Float[Array, "*shape"], *, alpha: float) -> Float[Array, "*shape"]:
    """z if z ≥ 0, else α(e^z − 1)."""
    # expm1 of the clipped value: e^z of a large positive z would make the unused branch, and so the gradient, infinite.
    return jnp.where(z >= 0, z, alpha * jnp.expm1(jnp.minimum(z, 0)))


def selu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """λ·elu(z) with the α and λ that keep mean 0 and variance 1."""
    return SELU_SCALE * elu(z, alpha=SELU_ALPHA)


def mish(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """z·tanh(softplus z)."""
    return z * jnp.tanh(jax.nn.softplus(z))


def _suits(initialization: str, slope: float = 0.0) -> dict[str, Any]:
    return {"initialization": initialization, "slope": slope}


ACTIVATIONS = Registry(
    "network.activation",
    "Activations and outputs",
    (
        Entry(
            "logistic",
            "1/(1 + e^−z)",
            "The classical sigmoid, between 0 and 1; its mean output is not 0, which slows learning.",
            jax.nn.sigmoid,
            other_names=("sigmoid",),
            lesson="symmetric_sigmoids",
            details=_suits("glorot_uniform"),
        ),
        Entry(
            "tanh",
            "tanh z = 2·logistic(2z) − 1",
            "The symmetric sigmoid, between −1 and 1; usually converges faster than the logistic function.",
            jnp.tanh,
            other_names=("Tanh", "hyperbolic_tangent"),
            lesson="symmetric_sigmoids",
            details=_suits("lecun_normal"),
        ),
        Entry(
            "lecun_tanh",
            "1.7159·tanh(2z/3)",
            "The recommended sigmoid of Efficient BackProp: unit variance for standardised inputs.",
            lecun_tanh,
            source="LeCun et al., Efficient BackProp (1998), sect. 4.4",
            other_names=("scaled_tanh", "stanh"),
            lesson="symmetric_sigmoids",
            details=_suits("lecun_normal"),
        ),
        Entry(
            "tanh_linear",
            "tanh z + a·z",
            "A sigmoid with a small linear term, which avoids flat spots of gradient 0.",
            tanh_linear,
            source="LeCun et al., Efficient BackProp (1998), sect. 4.4",
            settings=(Setting("a", 0.01, "slope of the linear term", low=0, low_open=True),),
            other_names=("twisted_tanh",),
            lesson="linear_term",
            details=_suits("lecun_normal"),
        ),
        Entry(
            "relu",
            "max(0, z)",
            "Rectified linear unit: trains fast; a unit whose net input stays negative is dead.",
            jax.nn.relu,
            source="Nair & Hinton (2010)",
            other_names=("rectifier", "rectified_linear", "ramp"),
            lesson="relu_speed",
            details=_suits("he_normal"),
        ),
        Entry(
            "leaky_relu",
            "max(αz, z)",
            "A rectified unit that keeps a small slope for negative net inputs, so that it never dies.",
            leaky_relu,
            source="Maas et al. (2013)",
            settings=(Setting("alpha", 0.01, "slope for z < 0", low=0, high=1, low_open=True, high_open=True),),
            other_names=("lrelu", "leakyrelu"),
            lesson="dying_relu",
            details={"initialization": "he_normal", "slope": "alpha"},
        ),
        Entry(
            "elu",
            "z if z ≥ 0, else α(e^z − 1)",
            "Exponential linear unit: smooth, with outputs of mean near 0.",
            elu,
            source="Clevert et al., ICLR (2016)",
            settings=(Setting("alpha", 1.0, "−α is the limit for z → −∞", low=0, low_open=True),),
            lesson="activation_ranking",
            details=_suits("he_normal"),
        ),
        Entry(
            "selu",
            "λ·elu(z), α = 1.6733, λ = 1.0507",
            "Self-normalising unit: outputs keep mean 0, deviation 1 through plain layers with lecun_normal weights.",
            selu,
            source="Klambauer et al., NIPS (2017)",
            lesson="self_normalising",
            details=_suits("lecun_normal"),
        ),
        Entry(
            "identity",
            "z",
            "No nonlinearity; a network of these computes a linear function.",
            lambda z: z,
            other_names=("linear",),
            details=_suits("lecun_normal", slope=1.0),
        ),
        Entry(
            "softplus",
            "ln(1 + e^z)",
            "A smooth rectifier.",
            jax.nn.softplus,
            details=_suits("he_normal"),
        ),
        Entry(
            "gelu",
            "z·Φ(z)",
            "The net input times the probability that a normal variable lies below it.",
            partial(jax.nn.gelu, approximate=False),
            source="Hendrycks & Gimpel (2016)",
            lesson="activation_ranking",
            details=_suits("he_normal"),
        ),
        Entry(
            "silu",
            "z·logistic(z)",
            "The net input times its logistic function.",
            jax.nn.silu,
            source="Hendrycks & Gimpel (2016)",
            other_names=("swish",),
            details=_suits("he_normal"),
        ),
        Entry(
            "mish",
            "z·tanh(ln(1 + e^z))",
            "A smooth rectifier with a small dip below 0.",
            mish,
            source="Misra (2019)",
            details=_suits("he_normal"),
        ),
    ),
)


def activation_function(choice: Choice) -> Callable[[Array], Array]:
    """The function of one activation with its settings filled in."""
    settings = ACTIVATIONS.settings_of(choice)
    function = ACTIVATIONS[choice.name].function
    assert function is not None
    return partial(function, **settings) if settings else function


def negative_slope(choice: Choice) -> float:
    """The slope of the activation for negative net inputs, as He's initialization needs it."""
    slope = ACTIVATIONS[choice.name].details["slope"]
    return float(ACTIVATIONS.settings_of(choice)[slope] if isinstance(slope, str) else slope)  # type: ignore[arg-type]


def default_initialization(choice: Choice) -> Choice:
    """The initial weights that suit an activation."""
    return Choice(ACTIVATIONS[choice.name].details["initialization"])
