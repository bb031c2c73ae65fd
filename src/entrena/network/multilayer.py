"""A multilayer network: what it computes, and its first weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from entrena.network.activations import activation_function, default_initialization, negative_slope
from entrena.network.embeddings import embedding_name, initial_embedding, look_up
from entrena.network.initialization import initial_weights
from entrena.registry import Choice

Params = tuple[dict[str, Array], ...]
"""`({"weights": [m, n], "biases": [n]}, …)`, one dictionary a layer, lowest first.

The first layer holds the tables of embedded categories as well: `embedding_0`, `embedding_1`, … [levels + 1, size].
"""

BIASES = "biases"  # all the other parameters are weights: they decay, and count in the sum of squares


@dataclass(frozen=True)
class Network:
    """The structure of a network; hashable, so that it is the key of the programs compiled for it.

    Attributes:
        sizes: Units of every layer, inputs first, outputs last: `(64, 128, 10)`; the units of the input layer are the
            dense inputs and the numbers of all embeddings.
        activation: What every hidden unit makes of its net input.
        output: A name of `OUTPUTS` (never `auto`).
        initialization: How the first weights are drawn; None: what suits the activation.
        embeddings: (levels, size) of each embedded category.
    """

    sizes: tuple[int, ...]
    activation: Choice
    output: str
    initialization: Choice | None = None
    embeddings: tuple[tuple[int, int], ...] = ()

    @property
    def n_dense(self) -> int:
        """Inputs that are numbers."""
        return self.sizes[0] - sum(size for _, size in self.embeddings)

    @property
    def n_inputs(self) -> int:
        """Columns of the inputs: the dense ones, then one for each embedded category."""
        return self.n_dense + len(self.embeddings)

    @property
    def n_outputs(self) -> int:
        """Units of the output layer."""
        return self.sizes[-1]

    @property
    def n_weights(self) -> int:
        """Weights, biases and embeddings together."""
        return sum(math.prod(shape) for layer in self.shapes for shape in layer.values())

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """The shape of every parameter, layer by layer."""
        tables = {embedding_name(k): (levels + 1, size) for k, (levels, size) in enumerate(self.embeddings)}
        return tuple(
            {"weights": (m, n), BIASES: (n,), **({} if number else tables)}
            for number, (m, n) in enumerate(pairwise(self.sizes))
        )

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
            layers.append({"weights": weights.astype(dtype), BIASES: np.zeros(fan_out, dtype)})
        for number, (levels, size) in enumerate(self.embeddings):
            layers[0][embedding_name(number)] = initial_embedding(generator, levels, size).astype(dtype)
        return tuple(layers)  # type: ignore[arg-type]

    def net_inputs(
        self,
        params: Params,
        X: Float[Array, "batch inputs"],
        drop: Callable[[Float[Array, "batch units"], int], Float[Array, "batch units"]] | None = None,
    ) -> Float[Array, "batch outputs"]:
        """The output layer's net inputs (the logits of a softmax), computed in the type of the weights.

        y⁰ = [dense, E₁[c₁], E₂[c₂], …];  zˡ = yˡ⁻¹·Wˡ + bˡ;  yˡ = f(zˡ) for the hidden layers;  returns z of the last.

        Args:
            params: The parameters.
            X: The dense inputs, then the level of each embedded category as a number: 0 for a level that was not seen
                in training, else 1 to `levels`.
            drop: What becomes of yˡ in training, called with yˡ and l = 1, 2, …; None: nothing.
        """
        activate = activation_function(self.activation)
        y = self._first_outputs(params[0], X)
        for number, layer in enumerate(params[:-1], 1):
            y = activate(_net_input(layer, y))
            if drop is not None:
                y = drop(y, number)
        return _net_input(params[-1], y)

    def _first_outputs(
        self, layer: dict[str, Array], X: Float[Array, "batch inputs"]
    ) -> Float[Array, "batch input_units"]:
        dtype = layer["weights"].dtype
        if not self.embeddings:
            return X.astype(dtype)
        dense = X[:, : self.n_dense].astype(dtype)
        # The levels are read from the numbers as they came: bfloat16 has none between 256 and 258.
        levels = X[:, self.n_dense :].astype(jnp.int32)
        vectors = [look_up(layer[embedding_name(k)], levels[:, k]) for k in range(len(self.embeddings))]
        return jnp.concatenate([dense, *vectors], axis=1)


def _net_input(layer: dict[str, Array], y: Float[Array, "batch m"]) -> Float[Array, "batch n"]:
    # HIGHEST: GPUs would otherwise round the factors to TF32; on a CPU it changes nothing.
    return jnp.dot(y, layer["weights"], precision=jax.lax.Precision.HIGHEST) + layer[BIASES]
