"""What a program of updates is compiled for, what it is given, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from entrena.network.chance import Drawn
from entrena.network.multilayer import Network, Params
from entrena.network.normalization import Moments
from entrena.preprocessing.augmentation import Augmentation
from entrena.registry import Choice, Value
from entrena.training.batch_optimizers import Standing
from entrena.training.forms import LOOP
from entrena.training.optimizers import batch_optimizer, is_batch_only, settings_by_use, transformation

# A compiled program takes 10 to 200 of the 65,530 memory mappings that Linux gives a process: too many end it.
MOST_PROGRAMS = 128

Settings = dict[str, Any]
"""As traced numbers: the optimizer's settings, and beside them those that `NOT_THE_OPTIMIZERS` names."""

NOT_THE_OPTIMIZERS = (
    "weight_decay",
    "kept",
    "prior_shift",
    "input_noise",
    "ema",
    "l1",
    "max_norm",
    "statistics_momentum",
    "n_rows",
)


@dataclass(frozen=True)
class Structure:
    """All that a program is compiled for, except the shapes of its arguments; the key of the cache of programs.

    Attributes:
        network: The network; how its first weights were drawn does not matter here.
        loss: A name of `LOSSES` (never `auto`).
        optimizer: The optimizer's name; its settings are arguments, but for those in `fixed`.
        momentum: Whether the optimizer has a momentum.
        nesterov: Whether that is Nesterov's.
        decay: Whether there is a weight decay.
        compute_dtype: The type of the products in the forward and backward pass, where it is not the weights' own.
        form: `loop`, or `one_function` (see `forms`).
        dropout: Whether an update leaves out hidden units.
        alpha_dropout: Whether these become the lower limit of selu, and not 0.
        input_noise: Whether an update adds noise to the inputs.
        mixup: Whether an update mixes its examples with each other.
        l1: Whether an update brings weights nearer to 0.
        max_norm: Whether it shortens long vectors of incoming weights.
        ema: Whether running means of the weights predict.
        set_statistics: With batch normalization, whether the statistics of prediction are those of the training set
            instead of moving averages.
        augmentation: How images are changed, or None: examples are seen as they are.
        prior_shift: Whether validation adds the setting of that name to the output layer's net inputs.
        fixed: Names and values of those settings of the optimizer that shape the program.
    """

    network: Network
    loss: str
    optimizer: str
    momentum: bool = False
    nesterov: bool = False
    decay: bool = False
    compute_dtype: str | None = None
    form: str = LOOP
    dropout: bool = False
    alpha_dropout: bool = False
    input_noise: bool = False
    mixup: bool = False
    l1: bool = False
    max_norm: bool = False
    ema: bool = False
    set_statistics: bool = False
    augmentation: Augmentation | None = None
    prior_shift: bool = False
    fixed: tuple[tuple[str, Value], ...] = ()

    @property
    def drawn(self) -> Drawn:
        """What chance decides in each update."""
        network = self.network
        n_disturbed = network.n_dense if self.input_noise else 0
        return Drawn(network.sizes[1:-1], network.activations, self.dropout, n_disturbed)

    @property
    def moves_statistics(self) -> bool:
        """Whether each update moves the statistics by which the network predicts."""
        return self.network.has_batch_statistics and not self.set_statistics

    @property
    def predicts_otherwise(self) -> bool:
        """Whether prediction needs more than the weights, or others."""
        return self.network.has_batch_statistics or self.ema


class Running(NamedTuple):
    """A running mean: s ← m·s + (1 − m)·ŝ from 0 on; divided by 1 − m^k after k updates it is right at once.

    Attributes:
        sums: s, a tree of arrays.
        left: m^k: how much of the 0 is left in s.
    """

    sums: Any
    left: Array

    def moved(self, values: Any, m: Array) -> Running:
        """After another update."""
        sums = jax.tree.map(lambda s, new: m * s + (1 - m) * new, self.sums, values)
        return Running(sums, self.left * m)

    def means(self, before: Any, numpy: Any) -> Any:
        """The running means; `before` where there was no update yet.

        Args:
            before: A tree like `sums`.
            numpy: NumPy or, inside a program, `jax.numpy`.
        """
        known = self.left < 1
        share = numpy.where(known, 1 - self.left, numpy.ones_like(self.left))
        return jax.tree.map(lambda s, first: numpy.where(known, s / share, first), self.sums, before)


class State(NamedTuple):
    """What training changes.

    Attributes:
        params: The trained parameters.
        opt_state: The optimizer's memory; None where a state is kept only to predict.
        statistics: Running `Moments` of each normalised layer, where each update moves them; else None.
        average: Running means of the trained parameters, where these predict; else None.
    """

    params: Params
    opt_state: Any
    statistics: Running | None = None
    average: Running | None = None

    def to_predict(self) -> State:
        """The state without the optimizer's memory."""
        return self._replace(opt_state=None)


class Sight(NamedTuple):
    """What makes inputs of images as they were read, after augmentation.

    Attributes:
        shift: What is taken off each pixel.
        turn: What the pixels are multiplied with then, or None.
    """

    shift: Float[Array, " pixels"]
    turn: Float[Array, "pixels inputs"] | None = None


class Data(NamedTuple):
    """The examples, once on the device; `validation_*` are cut into equal blocks, or have no blocks at all.

    With augmentation the training inputs are images as they were read, but for their scale, and `sight` makes inputs of
    them.
    """

    inputs: Float[Array, "rows inputs"]
    targets: Float[Array, "rows outputs"]
    validation_inputs: Float[Array, "blocks block_rows inputs"]
    validation_targets: Float[Array, "blocks block_rows outputs"]
    sight: Sight | None = None


class Block(NamedTuple):
    """What the host decides for one call.

    Attributes:
        order: The rows of each update, −1 where a batch is short; None: every update sees all rows, as they lie.
        weights: The coefficient of each example in the loss of its update.
        controls: `learning_rate` of each update, and `momentum` where the optimizer has one. Two words
            [epochs, updates, 2] each: those of `Drawn.words`, and with augmentation `augmentation`, and `noise` where
            there is some. With mixup `mix_share` and `mix_offset`, an example's distance from its partner.
        n_updates: How many of the updates are real, epoch by epoch.
        look: Whether the network is validated after each epoch.
    """

    order: Int[np.ndarray, "epochs updates batch"] | None
    weights: Float[Array, "epochs updates batch"]
    controls: dict[str, Shaped[np.ndarray, "epochs updates *words"]]
    n_updates: Int[np.ndarray, " epochs"]
    look: Bool[np.ndarray, " epochs"]


class Result(NamedTuple):
    """What a call returns.

    Attributes:
        state: After the last update.
        snapshots: The state after each epoch, so that the host can go back to any of them; None for a single epoch. Of
            a batch-only optimizer what predicts alone: its memory may be large.
        losses: The loss of each example in each update, before that update, without penalties. With a batch-only
            optimizer, in place of each, their weighted mean at the weights after the update.
        squared_weights: Σw² over all weights and embeddings, without biases, after each epoch.
        absolute_weights: Σ|w| of the same, 0 where no l1 asks for it.
        validation_z: The output layer's net inputs for the validation rows after each epoch.
        validation_losses: The validation rows' losses.
        standings: Where a batch-only optimizer stood after each epoch; None for the others.
    """

    state: State
    snapshots: State | None
    losses: Float[Array, "epochs updates batch"]
    squared_weights: Float[Array, " epochs"]
    absolute_weights: Float[Array, " epochs"]
    validation_z: Float[Array, "epochs blocks block_rows outputs"]
    validation_losses: Float[Array, "epochs blocks block_rows"]
    standings: Standing | None


def initial_state(structure: Structure, params: Params) -> State:
    """The state before the first update: the optimizer's memory is empty. NumPy in, NumPy out, nothing is compiled."""
    dtype = jax.tree.leaves(params)[0].dtype
    memory = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), _memory(structure, dtype))
    statistics = average = None
    one: Any = np.ones((), dtype)
    if structure.moves_statistics:
        widths = structure.network.sizes[1:-1]
        moments: Any = tuple(Moments(*np.zeros((2, n), dtype)) for n in widths)
        statistics = Running(moments, one)
    if structure.ema:
        average = Running(jax.tree.map(np.zeros_like, params), one)
    return State(params, memory, statistics, average)


@lru_cache(maxsize=MOST_PROGRAMS)
def _memory(structure: Structure, dtype: np.dtype) -> Any:
    """The shapes of the optimizer's memory: found by tracing, some milliseconds that many networks share."""
    choice, momentum = Choice(structure.optimizer), 0.0 if structure.momentum else None
    settings, _, _ = settings_by_use(choice)
    optimizer: Any
    if is_batch_only(choice):
        optimizer = batch_optimizer(choice, dict(structure.fixed), settings, 1.0)
    else:
        optimizer = transformation(choice, momentum, structure.nesterov, settings)
    shapes = structure.network.shapes
    params = tuple({name: jax.ShapeDtypeStruct(shape, dtype) for name, shape in layer.items()} for layer in shapes)
    return jax.eval_shape(optimizer.init, params)
