"""A multilayer network: what it computes, and its first weights."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from entrena.network.activations import activation_function, default_initialization, negative_slope
from entrena.network.initialization import initial_weights
from entrena.registry import Choice

Params = tuple[dict[str, Array], ...]


@dataclass(frozen=True)
class Network:
    """The structure of a network; hashable, so that it is the key of the programs compiled for it.

    Attributes:
        sizes: Units of every layer, inputs first, outputs last: `(64, 128, 10)`.
        activation: What every hidden unit makes of its net input.
        output: A name of `OUTPUTS` (never `auto`).
        initialization: How the first weights are drawn; None: what suits the activation.
    """

    sizes: tuple[int, ...]
    activation: Choice
    output: str
    initialization: Choice | None = None

    @property
    def n_inputs(self) -> int:
        """Columns of the inputs."""
        return self.sizes[0]

    @property
    def n_outputs(self) -> int:
        """Units of the output layer."""
        return self.sizes[-1]

    @property
    def n_weights(self) -> int:
        """Weights and biases together."""
        return sum((m + 1) * n for m, n in pairwise(self.sizes))

    @property
    def chosen_initialization(self) -> Choice:
        """The initialization, the activation's own where none was chosen."""
        return self.initialization or default_initialization(self.activation)

    def initialize(self, generator: np.random.Generator, dtype: np.typing.DTypeLike = np.float32) -> Params:
        """The first weights, as NumPy arrays; biases are 0.

        Args:
            generator: The source of randomness; the weights are drawn in float64, so that every precision starts alike.
            dtype: The type of the arrays.
        """
        slope = negative_slope(self.activation)
        layers = []
        for fan_in, fan_out in pairwise(self.sizes):
            weights = initial_weights(self.chosen_initialization, generator, fan_in, fan_out, slope=slope)
            layers.append({"weights": weights.astype(dtype), "biases": np.zeros(fan_out, dtype)})
        return tuple(layers)  # type: ignore[arg-type]

    def net_inputs(self, params: Params, X: Float[Array, "batch inputs"]) -> Float[Array, "batch outputs"]:
        """The output layer's net inputs (the logits of a softmax).

        y⁰ = X;  zˡ = yˡ⁻¹·Wˡ + bˡ;  yˡ = f(zˡ) for the hidden layers;  returns z of the last layer.
        """
        activate = activation_function(self.activation)
        y = X
        for layer in params[:-1]:
            y = activate(_net_input(layer, y))
        return _net_input(params[-1], y)


def _net_input(layer: dict[str, Array], y: Float[Array, "batch m"]) -> Float[Array, "batch n"]:
    # HIGHEST: GPUs would otherwise round the factors to TF32; on a CPU it changes nothing.
    return jnp.dot(y, layer["weights"], precision=jax.lax.Precision.HIGHEST) + layer["biases"]
