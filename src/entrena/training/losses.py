"""Losses: how wrong an output is, example by example.

A function of this registry is called as `function(z, targets, output)` with the output layer's net inputs z and the
targets, both [batch, outputs], and the name of the output; it returns the loss of each example, [batch]. Losses work on
net inputs because softmax with cross-entropy is exact there where probabilities round to 0.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from entrena.network.outputs import OUTPUTS
from entrena.registry import Entry, Registry


def cross_entropy(
    z: Float[Array, "batch outputs"], targets: Float[Array, "batch outputs"], output: str
) -> Float[Array, " batch"]:
    """−Σ_k t_k ln p_k for softmax; the sum of −t ln p − (1 − t) ln(1 − p) over independent logistic outputs.

    Written without logarithms of probabilities and without indexing: ln Σ e^z − Σ t·z, and ln(1 + e^z) − t·z.
    """
    if output == "softmax":
        return jax.nn.logsumexp(z, axis=-1) - jnp.sum(targets * z, axis=-1)
    return jnp.sum(jax.nn.softplus(z) - targets * z, axis=-1)


def squared_error(
    z: Float[Array, "batch outputs"], targets: Float[Array, "batch outputs"], output: str
) -> Float[Array, " batch"]:
    """(1/K)·Σ_k (y_k − t_k)², the mean over the K outputs."""
    function = OUTPUTS[output].function
    assert function is not None
    return jnp.mean(jnp.square(function(z) - targets), axis=-1)


LOSSES = Registry(
    "training.loss",
    "Activations and outputs",
    (
        Entry(
            "auto",
            "by the task",
            "Classes: cross_entropy. Numbers: squared_error.",
        ),
        Entry(
            "cross_entropy",
            "−Σ_k t_k ln p_k;  logistic outputs: −Σ_k [t_k ln p_k + (1 − t_k) ln(1 − p_k)]",
            "The negative log-likelihood of the classes, in nats.",
            cross_entropy,
            other_names=("log_loss", "nll", "categorical_crossentropy", "binary_crossentropy", "CrossEntropyLoss"),
            details={"outputs": ("softmax", "logistic")},
        ),
        Entry(
            "squared_error",
            "(1/K)·Σ_k (y_k − t_k)²",
            "The mean over the outputs of the squared difference, without a factor ½.",
            squared_error,
            other_names=("mse", "mean_squared_error", "l2", "MSELoss"),
            details={"outputs": ("linear", "softmax", "logistic")},
        ),
    ),
)
