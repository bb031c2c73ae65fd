"""Activation functions: what a unit makes of its net input z.

A function of this registry is called as `function(z, **settings)` on an array of any shape and works on each element.
`details["initialization"]` names the initial weights that suit the activation; `details["slope"]` is its slope for
negative net inputs, which He's initialization takes into account.

Two of them take `slopes` as well: with `details["trained"]`, the setting of that name is where the slopes start that
are trained with the weights, one for each unit; `details["drawn"]` is called as `drawn(u, **settings)` with uniform
numbers u in [0, 1) and makes of them the slopes that one update draws for each unit and example.
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

MEAN_SLOPE = 11 / 48  # of U(1/8, 1/3)
DIVISOR_SLOPE = 2 / 11  # the inverse of the mean of U(3, 8)


def lecun_tanh(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1.7159·tanh(2z/3): near ±1 at z = ±1, where its curvature is greatest."""
    return 1.7159 * jnp.tanh(z * (2 / 3))


def tanh_linear(z: Float[Array, "*shape"], *, a: float) -> Float[Array, "*shape"]:
    """tanh z + a·z."""
    return jnp.tanh(z) + a * z


def leaky_relu(z: Float[Array, "*shape"], *, alpha: float) -> Float[Array, "*shape"]:
    """max(αz, z) for 0 < α < 1."""
    return jnp.where(z >= 0, z, alpha * z)


def rrelu(
    z: Float[Array, "*shape"], *, divisor: bool, slopes: Float[Array, "*shape"] | None = None
) -> Float[Array, "*shape"]:
    """z if z ≥ 0, else slope·z; without slopes drawn for an update, with the one of prediction."""
    if slopes is None:
        return jnp.where(z >= 0, z, (DIVISOR_SLOPE if divisor else MEAN_SLOPE) * z)
    return jnp.where(z >= 0, z, slopes.astype(z.dtype) * z)


def drawn_slopes(u: Float[Array, "*shape"], *, divisor: bool) -> Float[Array, "*shape"]:
    """U(1/8, 1/3), or 1/U(3, 8), of uniform numbers."""
    return 1 / (3 + 5 * u) if divisor else 1 / 8 + (5 / 24) * u


def prelu(
    z: Float[Array, "*batch units"], *, start: float, slopes: Float[Array, " units"]
) -> Float[Array, "*batch units"]:
    """z if z ≥ 0, else slope·z, with a slope for each unit."""
    return jnp.where(z >= 0, z, slopes * z)


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
            "rrelu",
            "z if z ≥ 0, else s·z; training: s from U(1/8, 1/3); prediction: s = 11/48",
            "A leaky rectified unit whose slope each update draws anew for every unit and example: it regularizes.",
            rrelu,
            source="Xu et al., arXiv:1505.00853 (2015)",
            settings=(
                Setting(
                    "divisor", False, "slopes 1/U(3, 8) in training and 2/11 in prediction, as the paper prints them"
                ),
            ),
            other_names=("randomized_relu", "randomized_leaky_relu", "RReLU"),
            lesson="activation_ranking",
            details={"initialization": "he_normal", "slope": MEAN_SLOPE, "drawn": drawn_slopes},
        ),
        Entry(
            "prelu",
            "z if z ≥ 0, else s·z, s trained, one for each unit",
            "A leaky rectified unit that learns its slope; the slopes do not decay.",
            prelu,
            source="He et al., ICCV (2015)",
            settings=(Setting("start", 0.25, "where the slopes start"),),
            other_names=("parametric_relu", "PReLU"),
            lesson="dying_relu",
            details={"initialization": "he_normal", "slope": "start", "trained": "start"},
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
    function=Entry("function", "f(z)", "A function of one's own, written with jax.numpy.", details=_suits("he_normal")),
)


def activation_function(choice: Choice) -> Callable[..., Array]:
    """The function of one activation with its settings filled in; `slopes` are left to be given, where it has some."""
    settings = ACTIVATIONS.settings_of(choice)
    function = ACTIVATIONS.entry_of(choice).function
    assert function is not None
    return partial(function, **settings) if settings else function


def first_slope(choice: Choice) -> float | None:
    """Where the slopes start that are trained with the weights, one for each unit; None: there are none."""
    setting = ACTIVATIONS.entry_of(choice).details.get("trained")
    return None if setting is None else float(ACTIVATIONS.settings_of(choice)[setting])  # type: ignore[arg-type]


def drawing(choice: Choice) -> Callable[[Array], Array] | None:
    """What makes of uniform numbers the slopes that an update draws; None: the activation draws none."""
    function = ACTIVATIONS.entry_of(choice).details.get("drawn")
    return None if function is None else partial(function, **ACTIVATIONS.settings_of(choice))


def negative_slope(choice: Choice) -> float:
    """The slope of the activation for negative net inputs, as He's initialization needs it."""
    slope = ACTIVATIONS.entry_of(choice).details["slope"]
    return float(ACTIVATIONS.settings_of(choice)[slope] if isinstance(slope, str) else slope)  # type: ignore[arg-type]


def default_initialization(choice: Choice) -> Choice:
    """The initial weights that suit an activation."""
    return Choice(ACTIVATIONS.entry_of(choice).details["initialization"])


def check_function(choice: Choice) -> str | None:
    """What is wrong with a function of the user's own, or None: it works on each element, in JAX, and has a slope."""
    if choice.function is None:
        return None
    z, function = jax.ShapeDtypeStruct((2, 3), jnp.float32), choice.function
    try:
        value = jax.eval_shape(lambda z: function(z), z)
        jax.eval_shape(jax.grad(lambda z: function(z).sum()), z)
    except Exception as error:  # whatever a user's function raises
        said = str(error).strip().partition("\n")[0]
        return f"'{choice.name}' cannot be computed and differentiated by JAX (write it with jax.numpy): {said}"
    if (value.shape, value.dtype) != (z.shape, z.dtype):
        return (
            f"'{choice.name}' must return an array of the shape and type of its argument: "
            f"of float32 (2, 3) it made {value.dtype} {value.shape}"
        )
    return None
