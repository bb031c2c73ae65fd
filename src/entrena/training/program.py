"""The compiled program: some updates of the weights, in the order of the mathematics.

The host decides, the program computes. The host sends, with each call, which examples each update sees (`order`), how
much each counts (`weights`, already divided), and the rate, momentum and random words of each update (`controls`). The
program knows no schedule, no order of presentation, no weighting and no stopping rule. Everything that may differ
between two runs of equal structure is an argument, never a constant: one program serves a whole grid search.

A call computes `epochs` × `updates`: several short epochs at once, or a part of a long one. Updates beyond `n_updates`
are padding and are not run at all, so momentum and Adam's means stay as they were. Nothing is donated: after Ctrl-C
the state before the call is still there.

A batch-only optimizer says itself when it has ended; no update of the call is run after that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.errors import JaxRuntimeError
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt32

from entrena.network.dropout import drop_units, masks
from entrena.network.multilayer import BIASES, Network, Params
from entrena.preprocessing.augmentation import Augmentation, augmented, draw, noise_pool
from entrena.registry import Choice, Value
from entrena.training.batch_optimizers import GOES_ON, Standing
from entrena.training.forms import COMPILER_OPTIONS, LOOP, ONE_FUNCTION
from entrena.training.losses import LOSSES
from entrena.training.objective import sum_of_squares, whole_objective
from entrena.training.optimizers import (
    batch_optimizer,
    is_batch_only,
    is_decoupled,
    settings_by_use,
    transformation,
)

GATHER_FIRST_BYTES = 4 * 2**20
MASKS_FIRST_BYTES = 16 * 2**20

# A compiled program takes 10 to 200 of the 65,530 memory mappings that Linux gives a process: too many end it.
MOST_PROGRAMS = 128


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
    augmentation: Augmentation | None = None
    prior_shift: bool = False
    fixed: tuple[tuple[str, Value], ...] = ()


class State(NamedTuple):
    """What training changes: the weights, and the optimizer's memory."""

    params: Params
    opt_state: Any


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
        controls: `learning_rate` of each update, `momentum` where the optimizer has one, and with dropout its two words
            `dropout` [epochs, updates, 2]; with augmentation `augmentation`, and `noise` where there is some.
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
            a batch-only optimizer the weights alone: its memory may be large.
        losses: The loss of each example in each update, before that update, without penalties. With a batch-only
            optimizer, in place of each, their weighted mean at the weights after the update.
        squared_weights: Σw² over all weights and embeddings, without biases, after each epoch.
        validation_z: The output layer's net inputs for the validation rows after each epoch.
        validation_losses: The validation rows' losses.
        standings: Where a batch-only optimizer stood after each epoch; None for the others.
    """

    state: State
    snapshots: State | None
    losses: Float[Array, "epochs updates batch"]
    squared_weights: Float[Array, " epochs"]
    validation_z: Float[Array, "epochs blocks block_rows outputs"]
    validation_losses: Float[Array, "epochs blocks block_rows"]
    standings: Standing | None


Settings = dict[str, Any]  # as traced numbers: the optimizer's settings, and these
NOT_THE_OPTIMIZERS = ("weight_decay", "kept", "prior_shift")
Drop = Callable[[Float[Array, "batch units"], int], Float[Array, "batch units"]]
Masks = tuple[Bool[Array, "*updates batch units"], ...]  # one for each hidden layer


def initial_state(structure: Structure, params: Params) -> State:
    """The state before the first update: the optimizer's memory is empty. NumPy in, NumPy out, nothing is compiled."""
    dtype = jax.tree.leaves(params)[0].dtype
    return State(params, jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), _memory(structure, dtype)))


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


def batch_losses(
    structure: Structure,
    params: Params,
    X: Float[Array, "batch inputs"],
    targets: Float[Array, "batch outputs"],
    drop: Drop | None = None,
    shift: Float[Array, " outputs"] | None = None,
) -> tuple[Float[Array, " batch"], Float[Array, "batch outputs"]]:
    """The loss of each example, and the output layer's net inputs, to which `shift` is added."""
    if structure.compute_dtype is not None:
        params = jax.tree.map(lambda leaf: leaf.astype(structure.compute_dtype), params)
    z = structure.network.net_inputs(params, X, drop).astype(targets.dtype)
    z = z if shift is None else z + shift
    function = LOSSES[structure.loss].function
    assert function is not None
    return function(z, targets, structure.network.output), z


def update(
    structure: Structure,
    state: State,
    batch: tuple[Float[Array, "batch inputs"], Float[Array, "batch outputs"], Float[Array, " batch"]],
    controls: dict[str, Float[Array, ""]],
    settings: Settings,
    kept: Masks | None = None,
) -> tuple[State, Float[Array, " batch"], Float[Array, "batch outputs"]]:
    """One update: losses → gradients → step → new weights. Returns the losses and net outputs before it.

    With dropout, `kept` says which units of each hidden layer stay.
    """
    X, targets, weights = batch
    params, opt_state = state
    drop = None if kept is None else _dropout(kept, settings)

    def objective(
        params: Params,
    ) -> tuple[Float[Array, ""], tuple[Float[Array, " batch"], Float[Array, "batch outputs"]]]:
        losses, z = batch_losses(structure, params, X, targets, drop)
        return jnp.sum(weights * losses), (losses, z)

    gradients, (losses, z) = jax.grad(objective, has_aux=True)(params)
    decoupled = is_decoupled(Choice(structure.optimizer))
    if structure.decay and not decoupled:
        gradients = _add_decay(gradients, params, settings["weight_decay"])
    optimizer = _optimizer(structure, controls, settings)
    with jax.numpy_dtype_promotion("standard"):  # Optax raises traced decays to the power of a whole number
        step, opt_state = optimizer.update(gradients, opt_state, params)
    if structure.decay and decoupled:
        step = _add_decay(step, params, settings["weight_decay"])
    rate = controls["learning_rate"]
    params = jax.tree.map(lambda w, s: w - rate * s, params, step)
    return State(params, opt_state), losses, z


def update_whole(
    structure: Structure,
    state: State,
    rows: tuple[Float[Array, "rows inputs"], Float[Array, "rows outputs"], Float[Array, " rows"]],
    controls: dict[str, Float[Array, ""]],
    settings: Settings,
) -> tuple[State, Float[Array, " rows"]]:
    """One update of a batch-only optimizer: one evaluation over all rows.

    Returns the state, and in place of each row's loss the weighted mean at the accepted weights: a step that a line
    search rejects, be its loss infinite, is no news of the network.
    """
    X, targets, weights = rows

    def losses(params: Params) -> Float[Array, " rows"]:
        return batch_losses(structure, params, X, targets)[0]

    decay = settings["weight_decay"] if structure.decay else None
    objective = whole_objective(structure.network, losses, rows, decay)
    own = _own(settings)
    optimizer = batch_optimizer(Choice(structure.optimizer), dict(structure.fixed), own, controls["learning_rate"])
    params, memory = optimizer.update(objective, state.params, state.opt_state)
    return State(params, memory), jnp.full_like(weights, memory.standing.loss)


def run_block(structure: Structure, state: State, data: Data, block: Block, settings: Settings) -> Result:
    """The whole program: for each epoch its updates, then a look at the validation rows."""
    whole = is_batch_only(Choice(structure.optimizer))

    def run_epoch(state: State, epoch: tuple[Any, ...]) -> tuple[State, tuple[Any, ...]]:
        order, weights, controls, n_updates, look = epoch
        state, losses = _updates(structure, state, data, order, weights, controls, n_updates, settings)
        validation = _no_validation(data)
        if len(data.validation_inputs) > 0:
            validation = jax.lax.cond(look, lambda: _validate(structure, state, data, settings), lambda: validation)
        standing = state.opt_state.standing if whole else None
        snapshot = state._replace(opt_state=None) if whole else state
        return state, (snapshot, losses, sum_of_squares(state.params), *validation, standing)

    epochs = (block.order, block.weights, block.controls, block.n_updates, block.look)
    if len(block.n_updates) == 1:  # no scan and no snapshots, which would be a copy of large weights
        state, (_, *seen) = run_epoch(state, jax.tree.map(lambda values: values[0], epochs))
        return Result(state, None, *jax.tree.map(lambda values: jnp.expand_dims(values, 0), seen))
    state, of_epochs = jax.lax.scan(run_epoch, state, epochs)
    return Result(state, *of_epochs)


def _updates(
    structure: Structure,
    state: State,
    data: Data,
    order: Int[Array, "updates batch"] | None,
    weights: Float[Array, "updates batch"],
    controls: dict[str, Float[Array, " updates"]],
    n_updates: Int[Array, ""],
    settings: Settings,
) -> tuple[State, Float[Array, "updates batch"]]:
    augmentation = structure.augmentation
    gathers = order is not None and augmentation is None
    first = _gather(data, order) if order is not None and gathers and _fits_cache(data, order) else None

    n_examples = weights.shape[1]
    pool = drawn = None
    if augmentation is not None:
        drawn = jax.lax.optimization_barrier(
            jax.vmap(lambda words: draw(augmentation, n_examples, words))(controls["augmentation"])
        )
        if augmentation.noise:
            pool = noise_pool(augmentation, n_examples, controls["noise"][0], data.inputs.dtype)
    whole = is_batch_only(Choice(structure.optimizer))
    if whole:
        n_updates = jnp.where(state.opt_state.standing.ended == GOES_ON, n_updates, 0)
    all_kept = _masks_first(structure, n_examples, controls["dropout"], settings) if structure.dropout else None

    def body(i: Int[Array, ""], carry: tuple[State, Any]) -> tuple[State, Any]:
        state, losses = carry
        if augmentation is not None:
            rows = jnp.arange(n_examples, dtype=jnp.int32) if order is None else order[i]
            images = augmented(augmentation, data.inputs, rows, jax.tree.map(lambda each: each[i], drawn), pool)
            X, targets = seen(images, data.sight), jnp.take(data.targets, rows, axis=0, mode="clip")
        elif order is None:
            X, targets = data.inputs, data.targets
        elif first is not None:
            X, targets = first[0][i], first[1][i]
        else:
            X, targets = _gather(data, order[i])
        now = {name: values[i] for name, values in controls.items()}
        if whole:
            state, losses_now = update_whole(structure, state, (X, targets, weights[i]), now, settings)
            return state, losses.at[i].set(losses_now)
        kept = None
        if all_kept is not None:
            kept = tuple(mask[i] for mask in all_kept)
        elif structure.dropout:
            kept = masks(structure.network.sizes[1:-1], n_examples, now["dropout"], settings["kept"])
        state, losses_now, _ = update(structure, state, (X, targets, weights[i]), now, settings, kept)
        return state, losses.at[i].set(losses_now)

    def loop(state: State, losses: Float[Array, "updates batch"]) -> tuple[State, Float[Array, "updates batch"]]:
        return jax.lax.fori_loop(0, n_updates, body, (state, losses))

    losses = jnp.zeros_like(weights)
    if structure.form == ONE_FUNCTION:
        # Closed-over arrays become arguments of the inner call; XLA emits that call as one native function.
        state, losses = jax.jit(loop)(state, losses)
        return state, set_xla_metadata(losses, xla_cpu_small_call="true", inlineable="false")
    return loop(state, losses)


def seen(images: Float[Array, "batch pixels"], sight: Sight | None) -> Float[Array, "batch inputs"]:
    """The network's inputs of images as they were read, but for their scale."""
    assert sight is not None
    inputs = images - sight.shift
    return inputs if sight.turn is None else inputs @ sight.turn


def _fits_cache(data: Data, order: Int[Array, "updates batch"]) -> bool:
    """Whether the rows of all updates, side by side, are few enough to be gathered before the loop."""
    columns = data.inputs.shape[1] + data.targets.shape[1]
    return order.size * columns * data.inputs.dtype.itemsize <= GATHER_FIRST_BYTES


def _gather(
    data: Data, rows: Int[Array, "*batch"]
) -> tuple[Float[Array, "batch inputs"], Float[Array, "batch outputs"]]:
    # "clip" reads row 0 for −1; its weight is 0.
    return jnp.take(data.inputs, rows, axis=0, mode="clip"), jnp.take(data.targets, rows, axis=0, mode="clip")


def _validate(structure: Structure, state: State, data: Data, settings: Settings) -> tuple[Array, Array]:
    shift = settings["prior_shift"] if structure.prior_shift else None

    def one(_: None, block: tuple[Array, Array]) -> tuple[None, tuple[Array, Array]]:
        losses, z = batch_losses(structure, state.params, *block, shift=shift)
        return None, (z, losses)

    return jax.lax.scan(one, None, (data.validation_inputs, data.validation_targets))[1]


def _no_validation(data: Data) -> tuple[Array, Array]:
    return jnp.zeros_like(data.validation_targets), jnp.zeros_like(data.validation_targets[..., 0])


def _add_decay(tree: Params, params: Params, decay: Float[Array, ""]) -> Params:
    """Adds λ·w to the weights and embeddings of every layer, not to its biases."""
    return tuple(
        {name: g if name == BIASES else g + decay * layer[name] for name, g in gradients.items()}
        for gradients, layer in zip(tree, params, strict=True)
    )


def _dropout(kept: Masks, settings: Settings) -> Drop:
    """What one update makes of the outputs of a hidden layer."""
    return lambda y, layer: drop_units(y, kept[layer - 1], settings["kept"])


def _masks_first(structure: Structure, n_examples: int, words: UInt32[Array, "updates 2"], settings: Settings) -> Any:
    """The masks of all updates, side by side; None where they are too many.

    XLA would hash twice in the loop, for the outputs and for their gradients: 20 % of a small network's time, not 5 %.
    In the one-function form the masks are made in the loop: XLA 0.10 aborts the process over such an argument.
    """
    widths = structure.network.sizes[1:-1]
    if structure.form == ONE_FUNCTION or len(words) * n_examples * sum(widths) > MASKS_FIRST_BYTES:
        return None
    return jax.vmap(lambda words: masks(widths, n_examples, words, settings["kept"]))(words)


def _optimizer(structure: Structure, controls: dict[str, Any], settings: Settings) -> optax.GradientTransformation:
    momentum = controls["momentum"] if structure.momentum else None
    return transformation(Choice(structure.optimizer), momentum, structure.nesterov, _own(settings))


def _own(settings: Settings) -> Settings:
    """The settings that are the optimizer's."""
    return {name: value for name, value in settings.items() if name not in NOT_THE_OPTIMIZERS}


class Together(NamedTuple):
    """What each of K networks in one program has for itself; the rest they share. State, controls and settings are own.

    Attributes:
        order: Each sees its own examples in its own sequence.
        weights: Each example counts differently for each network.
        data: Each has its own examples.
    """

    order: bool
    weights: bool
    data: bool


Shapes = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=MOST_PROGRAMS)
def compiled(structure: Structure, together: Together | None = None, shapes: Shapes = ()) -> Any:
    """The jitted program of a structure for arguments of certain shapes, made once in a process.

    Args:
        structure: What it is compiled for.
        together: None: one network. Else K at once, what is their own with a leading axis K.
        shapes: As `shapes_of` says; so a program that was not used for long is forgotten whole.
    """
    if together is not None and structure.network.embeddings:
        structure = replace(structure, form=LOOP)  # XLA puts the gradients of one row only into one function

    def block_program(state: State, data: Data, block: Block, settings: Settings) -> Result:
        return run_block(structure, state, data, block, settings)

    options = COMPILER_OPTIONS.get(structure.form)
    if together is None:
        return jax.jit(block_program, compiler_options=options)
    order, weights, data = (0 if own else None for own in together)
    axes: Any = Block(order=order, weights=weights, controls=0, n_updates=None, look=None)  # type: ignore[arg-type]
    return jax.jit(jax.vmap(block_program, in_axes=(0, data, axes, 0)), compiler_options=options)


def shapes_of(data: Data, block: Block) -> Shapes:
    """The shapes for which a program is compiled; those of the state follow from them and the structure."""
    return tuple(leaf.shape for leaf in jax.tree.leaves((data, block)))


_refused: set[Structure] = set()  # structures whose one-function form this XLA cannot compile


def accepted(structure: Structure) -> Structure:
    """The structure in the form that will run: the ordinary one where the compiler has refused the other."""
    return replace(structure, form=LOOP) if structure in _refused else structure


def refuse_form(structure: Structure) -> None:
    """Remembers that this XLA cannot compile the structure in its form."""
    _refused.add(structure)


def call(
    structure: Structure, state: State, data: Data, block: Block, settings: Settings, together: Together | None = None
) -> Result:
    """Runs the program of one network, or of several; returns before the device has finished.

    The one-function form rests on an undocumented option of XLA: where compilation refuses it, the ordinary form runs.
    """
    structure = accepted(structure)
    try:
        return compiled(structure, together, shapes_of(data, block))(state, data, block, settings)
    except JaxRuntimeError:
        if structure.form == LOOP:
            raise
        refuse_form(structure)
        return call(structure, state, data, block, settings, together)
