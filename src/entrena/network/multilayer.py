"""A multilayer network: what it computes, and its first weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from entrena.network.activations import activation_function, default_initialization, first_slope, negative_slope
from entrena.network.chance import Chance
from entrena.network.embeddings import EMBEDDING, embedding_name, initial_embedding, look_up
from entrena.network.initialization import initial_biases, initial_weights
from entrena.network.normalization import Moments, epsilon_of, over_batch, over_layer, with_moments
from entrena.registry import Choice, Choices

Params = tuple[dict[str, Array], ...]
"""`({"weights": [m, n], "biases": [n]}, …)`, one dictionary a layer, lowest first.

The first layer holds the tables of embedded categories as well: `embedding_0`, `embedding_1`, … [levels + 1, size]. A
normalised layer has `gains` γ and `shifts` β [n] in place of biases; with trained slopes (PReLU) a layer has `slopes`
[n]. What predicts has with batch normalization also `means` and `variances` [n], which are not trained.
"""

WEIGHTS, BIASES = "weights", "biases"
GAINS, SHIFTS, SLOPES = "gains", "shifts", "slopes"
MEANS, VARIANCES = "means", "variances"
NONE = Choice("none")


def is_weight(name: str) -> bool:
    """Whether a parameter is a weight or an embedding: these decay, and count in the sum of squares."""
    return name == WEIGHTS or name.startswith(EMBEDDING)


class During(NamedTuple):
    """What an update makes of signals, beside what the network computes.

    Attributes:
        present: With batch normalization: 1 for an example, 0 for a row that only fills up the batch.
        chance: What chance decides.
        noise: The standard deviation of the noise on the inputs, where there is some.
        drop: What becomes of the outputs of a hidden layer of which some units are left out, called with them and the
            mask; None: no unit is.
        mix: With mixup: λ, and for each example the one that it is mixed with.
    """

    present: Float[Array, " batch"] | None = None
    chance: Chance = Chance()
    noise: Float[Array, ""] | None = None
    drop: Callable[[Array, Array], Array] | None = None
    mix: tuple[Float[Array, ""], Int[Array, " batch"]] | None = None

    def mixed(self, y: Float[Array, "batch units"]) -> Float[Array, "batch units"]:
        """λ·y + (1 − λ)·y of the partner."""
        if self.mix is None:
            return y
        share, partner = self.mix
        share = share.astype(y.dtype)
        return share * y + (1 - share) * jnp.take(y, partner, axis=0, mode="clip")


@dataclass(frozen=True)
class Network:
    """The structure of a network; hashable, so that it is the key of the programs compiled for it.

    Attributes:
        sizes: Units of every layer, inputs first, outputs last: `(64, 128, 10)`; the units of the input layer are the
            dense inputs and the numbers of all embeddings.
        activation: What hidden units make of their net input: one choice, or one for each hidden layer.
        output: A name of `OUTPUTS` (never `auto`).
        initialization: How the first weights are drawn: one choice, or one for each layer, the output layer's last;
            None: what suits the activation.
        embeddings: (levels, size) of each embedded category.
        normalization: Of the net inputs of the hidden layers.
        residual: Whether the outputs of a hidden layer are added to those of the next, where they are as many.
    """

    sizes: tuple[int, ...]
    activation: Choices
    output: str
    initialization: Choices | None = None
    embeddings: tuple[tuple[int, int], ...] = ()
    normalization: Choice = NONE
    residual: bool = False

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
    def n_hidden(self) -> int:
        """Hidden layers."""
        return len(self.sizes) - 2

    @property
    def n_weights(self) -> int:
        """All trained numbers: weights, biases, embeddings and what normalization and slopes need."""
        return sum(math.prod(shape) for layer in self.shapes for shape in layer.values())

    @property
    def activations(self) -> tuple[Choice, ...]:
        """The activation of each hidden layer."""
        if isinstance(self.activation, Choice):
            return (self.activation,) * self.n_hidden
        return self.activation

    @property
    def initializations(self) -> tuple[Choice, ...]:
        """The initialization of each layer, the activation's own where none was chosen.

        The output layer has that of the layer below it.
        """
        if isinstance(self.initialization, Choice):
            return (self.initialization,) * (self.n_hidden + 1)
        if self.initialization is not None:
            return self.initialization
        return tuple(map(default_initialization, self._activations_with_output))

    @property
    def _activations_with_output(self) -> tuple[Choice, ...]:
        hidden = self.activations
        return (*hidden, hidden[-1] if hidden else Choice("identity"))

    @property
    def has_batch_statistics(self) -> bool:
        """Whether prediction needs statistics of mini-batches or of the training rows."""
        return self.normalization.name == "batch" and self.n_hidden > 0

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """The shape of every trained parameter, layer by layer."""
        layers: list[dict[str, tuple[int, ...]]] = []
        for number, (m, n) in enumerate(pairwise(self.sizes)):
            layer: dict[str, tuple[int, ...]] = {WEIGHTS: (m, n)}
            is_normalised = number < self.n_hidden and self.normalization.name != "none"
            layer |= {GAINS: (n,), SHIFTS: (n,)} if is_normalised else {BIASES: (n,)}
            if number < self.n_hidden and first_slope(self.activations[number]) is not None:
                layer[SLOPES] = (n,)
            layers.append(layer)
        tables = {embedding_name(k): (levels + 1, size) for k, (levels, size) in enumerate(self.embeddings)}
        return ({**layers[0], **tables}, *layers[1:])

    @property
    def predicting_shapes(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """The shape of every parameter of a network that predicts, its batch statistics among them."""
        if not self.has_batch_statistics:
            return self.shapes
        *hidden, output = self.shapes
        return (*({**layer, MEANS: layer[GAINS], VARIANCES: layer[GAINS]} for layer in hidden), output)

    def trained(self, params: Params) -> Params:
        """The trained parameters of a network that predicts."""
        return tuple({name: layer[name] for name in shapes} for layer, shapes in zip(params, self.shapes, strict=True))

    def predicting(self, params: Params, statistics: tuple[Moments, ...]) -> Params:
        """The parameters with which a network predicts: the trained ones, and the batch statistics."""
        if not self.has_batch_statistics:
            return params
        *hidden, output = params
        moments = zip(hidden, statistics, strict=True)
        return (*({**layer, MEANS: each.mean, VARIANCES: each.variance} for layer, each in moments), output)

    def initialize(self, generator: np.random.Generator, dtype: np.typing.DTypeLike = np.float32) -> Params:
        """The first parameters, as NumPy arrays.

        Args:
            generator: The source of randomness; the weights are drawn in float64, so that every precision starts alike.
            dtype: The type of the arrays.
        """
        layers = []
        activations, shapes = self._activations_with_output, self.shapes
        for choice, activation, own in zip(self.initializations, activations, shapes, strict=True):
            m, n = own[WEIGHTS]
            layer = {WEIGHTS: initial_weights(choice, generator, m, n, slope=negative_slope(activation))}
            layer[SHIFTS if SHIFTS in own else BIASES] = initial_biases(choice, generator, n)
            if GAINS in own:
                layer[GAINS] = np.ones(n)
            if SLOPES in own:
                layer[SLOPES] = np.full(n, first_slope(activation))
            layers.append({name: values.astype(dtype) for name, values in layer.items()})
        for number, (levels, size) in enumerate(self.embeddings):
            layers[0][embedding_name(number)] = initial_embedding(generator, levels, size).astype(dtype)
        return tuple(layers)  # type: ignore[arg-type]

    def net_inputs(self, params: Params, X: Float[Array, "batch inputs"]) -> Float[Array, "batch outputs"]:
        """The output layer's net inputs (the logits of a softmax) in prediction, in the type of the weights.

        Args:
            params: Of a network that predicts: with batch normalization, statistics are among them.
            X: The dense inputs, then the level of each embedded category as a number: 0 for a level that was not seen
                in training, else 1 to `levels`.
        """
        return self.forward(params, X)[0]

    def forward(
        self, params: Params, X: Float[Array, "batch inputs"], during: During | None = None
    ) -> tuple[Float[Array, "batch outputs"], tuple[Moments, ...]]:
        """The output layer's net inputs, computed in the type of the weights; and the mini-batch's statistics.

        y⁰ = [dense, E₁[c₁], E₂[c₂], …];  zˡ = yˡ⁻¹·Wˡ + bˡ, or normalised;  yˡ = f(zˡ), or f(zˡ) + yˡ⁻¹, of the hidden
        layers;  returns z of the last.

        Args:
            params: The parameters.
            X: As in `net_inputs`.
            during: What the update makes of signals; None: this is prediction.

        Returns:
            z, and in an update with batch normalization the moments of each hidden layer's net inputs.
        """
        y = self._first_outputs(params[0], X, during)
        statistics: tuple[Moments, ...] = ()
        for number in range(self.n_hidden):
            y, moments = self._hidden(params[number], y, number, during)
            statistics += () if moments is None else (moments,)
        return _product(params[-1], y) + params[-1][BIASES], statistics

    def product(
        self, params: Params, statistics: tuple[Moments, ...], X: Float[Array, "batch inputs"], number: int
    ) -> Float[Array, "batch units"]:
        """yˡ⁻¹·Wˡ of a hidden layer in prediction, before it is normalised.

        Args:
            params: The trained parameters.
            statistics: Of the layers below, with batch normalization.
            X: As in `net_inputs`.
            number: Of the layer, from 0 on.
        """
        y = self._first_outputs(params[0], X, None)
        for below, moments in enumerate(statistics[:number]):
            layer = {**params[below], MEANS: moments.mean, VARIANCES: moments.variance}
            y, _ = self._hidden(layer, y, below, None)
        return _product(params[number], y)

    def _hidden(
        self, layer: dict[str, Array], y: Float[Array, "batch units"], number: int, during: During | None
    ) -> tuple[Float[Array, "batch units"], Moments | None]:
        """yˡ of a hidden layer from yˡ⁻¹, and the mini-batch's moments."""
        z, moments = self._normalised(layer, _product(layer, y), during)
        h = _activated(self.activations[number], layer, z, during, number)
        if during is not None and during.drop is not None:
            assert during.chance.kept is not None
            h = during.drop(h, during.chance.kept[number])
        return (y + h if self._skips(number) else h), moments

    def _skips(self, number: int) -> bool:
        """Whether the outputs of the hidden layer below are added to those of this one."""
        return self.residual and number > 0 and self.sizes[number] == self.sizes[number + 1]

    def _normalised(
        self, layer: dict[str, Array], product: Float[Array, "batch units"], during: During | None
    ) -> tuple[Float[Array, "batch units"], Moments | None]:
        """The net inputs of a hidden layer: with its biases, or normalised; and the mini-batch's moments."""
        if self.normalization.name == "none":
            return product + layer[BIASES], None
        dtype = np.promote_types(product.dtype, np.float32)  # bfloat16 has too few digits for sums
        z, gains, shifts = (each.astype(dtype) for each in (product, layer[GAINS], layer[SHIFTS]))
        epsilon, moments = epsilon_of(self.normalization), None
        if self.normalization.name == "layer":
            z = over_layer(z, gains, shifts, epsilon)
        elif during is None:
            known = Moments(layer[MEANS].astype(dtype), layer[VARIANCES].astype(dtype))
            z = with_moments(z, known, gains, shifts, epsilon)
        else:
            assert during.present is not None
            z, moments = over_batch(z, during.present.astype(dtype), gains, shifts, epsilon)
        return z.astype(product.dtype), moments

    def _first_outputs(
        self, layer: dict[str, Array], X: Float[Array, "batch inputs"], during: During | None
    ) -> Float[Array, "batch input_units"]:
        dtype = layer[WEIGHTS].dtype
        dense = X[:, : self.n_dense].astype(dtype) if self.embeddings else X.astype(dtype)
        if during is not None and during.noise is not None:
            assert during.chance.noise is not None
            dense = dense + during.noise.astype(dtype) * during.chance.noise.astype(dtype)
        y = dense
        if self.embeddings:
            # The levels are read from the numbers as they came: bfloat16 has none between 256 and 258.
            levels = X[:, self.n_dense :].astype(jnp.int32)
            vectors = [look_up(layer[embedding_name(k)], levels[:, k]) for k in range(len(self.embeddings))]
            y = jnp.concatenate([dense, *vectors], axis=1)
        return y if during is None else during.mixed(y)


def _product(layer: dict[str, Array], y: Float[Array, "batch m"]) -> Float[Array, "batch n"]:
    # HIGHEST: GPUs would otherwise round the factors to TF32; on a CPU it changes nothing.
    return jnp.dot(y, layer[WEIGHTS], precision=jax.lax.Precision.HIGHEST)


def _activated(
    choice: Choice, layer: dict[str, Array], z: Float[Array, "batch units"], during: During | None, number: int
) -> Float[Array, "batch units"]:
    """f(z) of a hidden layer, with trained slopes, or with those that chance draws in an update."""
    activate = activation_function(choice)
    if SLOPES in layer:
        return activate(z, slopes=layer[SLOPES])
    drawn = None if during is None or during.chance.slopes is None else during.chance.slopes[number]
    return activate(z) if drawn is None else activate(z, slopes=drawn)
