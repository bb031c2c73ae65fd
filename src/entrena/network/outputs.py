"""Outputs: what the output layer makes of its net inputs.

A function of this registry is called as `function(z)` on net inputs [..., outputs]; `numpy` in its details is the same
function for arrays on the host, in float64.
"""

from __future__ import annotations

import jax
import numpy as np

from entrena.registry import Entry, Registry


def softmax_numpy(z: np.ndarray) -> np.ndarray:
    """Softmax over the last axis; rows sum to 1."""
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def logistic_numpy(z: np.ndarray) -> np.ndarray:
    """1/(1 + e^−z), without overflow."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + small), small / (1 + small))


OUTPUTS = Registry(
    "network.output",
    "Activations and outputs",
    (
        Entry(
            "auto",
            "by the task",
            "Classes: softmax. Numbers: linear.",
        ),
        Entry(
            "softmax",
            "e^z_k / Σ_j e^z_j",
            "Probabilities of classes that exclude each other; they sum to 1.",
            jax.nn.softmax,
            other_names=("multinomial",),
            details={"numpy": softmax_numpy},
        ),
        Entry(
            "logistic",
            "1/(1 + e^−z_k)",
            "A probability for each output on its own; with two classes a single unit, for the second class.",
            jax.nn.sigmoid,
            other_names=("sigmoid",),
            lesson="target_saturation",
            details={"numpy": logistic_numpy},
        ),
        Entry(
            "linear",
            "z_k",
            "Unbounded outputs, for regression.",
            lambda z: z,
            other_names=("identity", "none"),
            details={"numpy": lambda z: z},
        ),
    ),
)
