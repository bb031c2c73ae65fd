"""Normalization: net inputs brought to mean 0 and deviation 1 inside the network, then scaled and shifted by training.

    ẑ = (z − μ)/√(σ² + ε);  out = γ·ẑ + β

With `batch`, μ and σ² are those of each unit over the examples of a mini-batch; in prediction there is none, so
statistics of the training rows take their place (`BATCH_STATISTICS`). With `layer` they are those of each example over
the units of a layer. The layer's own bias would change nothing that β does not, and is left out.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from entrena.registry import Choice, Entry, Registry, Setting

_IOFFE = "Ioffe & Szegedy, ICML (2015)"

NORMALIZATIONS = Registry(
    "network.normalization",
    "Normalization",
    (
        Entry(
            "none",
            "z",
            "Net inputs as they are.",
            other_names=("off", "no"),
        ),
        Entry(
            "batch",
            "γ·(z − μ)/√(σ² + ε) + β, μ and σ² over the mini-batch",
            "Each unit's net input standardised over the mini-batch: deep networks and large rates train; it needs "
            "mini-batches of at least 2 examples.",
            source=_IOFFE,
            settings=(Setting("epsilon", 1e-5, "ε, added to the variance under the root", low=0, low_open=True),),
            other_names=("BatchNormalization", "batch_norm", "batchnorm", "BatchNorm1d", "bn"),
            lesson="batch_normalization",
        ),
        Entry(
            "layer",
            "γ·(z − μ)/√(σ² + ε) + β, μ and σ² over the units of the layer",
            "Each example's net inputs standardised over its layer: the same in training and prediction, with any "
            "batch size.",
            source="Ba, Kiros & Hinton, arXiv:1607.06450 (2016)",
            settings=(Setting("epsilon", 1e-5, "ε, added to the variance under the root", low=0, low_open=True),),
            other_names=("LayerNormalization", "layer_norm", "layernorm", "LayerNorm", "ln"),
            lesson="batch_normalization",
        ),
    ),
)

BATCH_STATISTICS = Registry(
    "network.batch_statistics",
    "Normalization",
    (
        Entry(
            "moving_average",
            "s ← m·s + (1 − m)·ŝ, divided by 1 − m^k after k updates; ŝ: μ and B/(B − 1)·σ² of the mini-batch of B",
            "Prediction uses running means of the mini-batches' statistics, which need no pass of their own. With ema, "
            "whose weights no mini-batch has seen, it uses those of training_set.",
            source=_IOFFE,
            settings=(Setting("momentum", 0.9, "m", low=0, high=1, high_open=True),),
            other_names=("running", "running_mean", "moving", "track_running_stats"),
            lesson="batch_statistics",
        ),
        Entry(
            "training_set",
            "μ and σ² over all training rows, for the weights that are delivered, layer by layer",
            "Prediction uses the statistics of the whole training set, found in one pass for each normalised layer at "
            "the end, and before each look at the validation rows.",
            source=_IOFFE,
            other_names=("population", "exact", "update_bn", "precise_bn", "PreciseBN"),
            lesson="batch_statistics",
        ),
    ),
)


class Moments(NamedTuple):
    """Mean and variance of a layer's net inputs, [units] each."""

    mean: Float[Array, " units"]
    variance: Float[Array, " units"]


def epsilon_of(choice: Choice) -> float:
    """ε of a normalization."""
    return float(NORMALIZATIONS.settings_of(choice)["epsilon"])  # type: ignore[arg-type]


def with_moments(
    z: Float[Array, "batch units"],
    moments: Moments,
    gains: Float[Array, " units"],
    shifts: Float[Array, " units"],
    epsilon: float,
) -> Float[Array, "batch units"]:
    """γ·(z − μ)/√(σ² + ε) + β with statistics that are known: prediction."""
    return (z - moments.mean) * (gains * jax.lax.rsqrt(moments.variance + epsilon)) + shifts


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def over_batch(
    z: Float[Array, "batch units"],
    present: Float[Array, " batch"],
    gains: Float[Array, " units"],
    shifts: Float[Array, " units"],
    epsilon: float,
) -> tuple[Float[Array, "batch units"], Moments]:
    """γ·(z − μ)/√(σ² + ε) + β with the statistics of the mini-batch.

    μ = Σ z/B;  σ² = Σ (z − μ)²/B, over the examples that are present; the statistics themselves have no gradient.

    Args:
        z: Net inputs.
        present: 1 for an example, 0 for a row that only fills up the batch.
        gains: γ.
        shifts: β.
        epsilon: ε.

    Returns:
        The normalised net inputs, and μ with B/(B − 1)·σ².
    """
    return _over_batch(z, present, gains, shifts, epsilon)[0]


def _over_batch(z: Array, present: Array, gains: Array, shifts: Array, epsilon: float) -> tuple[tuple, tuple]:
    n = jnp.sum(present)
    mean = jnp.sum(z * present[:, None], axis=0) / n
    centred = z - mean
    variance = jnp.sum(jnp.square(centred) * present[:, None], axis=0) / n
    inverse = jax.lax.rsqrt(variance + epsilon)
    moments = Moments(mean, variance * (n / jnp.maximum(n - 1, 1)))
    return (centred * (inverse * gains) + shifts, moments), (centred, inverse, present, n, gains)


def _over_batch_back(epsilon: float, kept: tuple, cotangents: tuple[Array, Moments]) -> tuple:
    """The gradients, from the gradient g at the output and ẑ = (z − μ)/√(σ² + ε).

    dβ = Σ g;  dγ = Σ g·ẑ;  dz = γ/√(σ² + ε)·(g − (dβ + ẑ·dγ)/B) where an example is present, else 0.
    """
    centred, inverse, present, n, gains = kept
    g = cotangents[0] * present[:, None]
    shifts = jnp.sum(g, axis=0)
    products = jnp.sum(g * centred, axis=0) * inverse  # dγ
    along = inverse * products / n
    dz = (gains * inverse) * (g - present[:, None] * (shifts / n + centred * along))
    return dz, jnp.zeros_like(present), products, shifts


over_batch.defvjp(_over_batch, _over_batch_back)


def over_layer(
    z: Float[Array, "batch units"], gains: Float[Array, " units"], shifts: Float[Array, " units"], epsilon: float
) -> Float[Array, "batch units"]:
    """γ·(z − μ)/√(σ² + ε) + β with μ and σ² over the units of each example."""
    centred = z - jnp.mean(z, axis=1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + epsilon) * gains + shifts
