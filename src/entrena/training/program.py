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

from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array, Float, Int

from entrena.network.chance import Chance
from entrena.preprocessing.augmentation import augmented, draw, noise_pool
from entrena.registry import Choice
from entrena.training.batch_optimizers import GOES_ON
from entrena.training.batch_statistics import seen
from entrena.training.forms import ONE_FUNCTION
from entrena.training.objective import sum_of_magnitudes, sum_of_squares
from entrena.training.optimizers import is_batch_only
from entrena.training.structure import Block, Data, Result, Settings, State, Structure
from entrena.training.update import Batch, batch_losses, predicting, update, update_whole

GATHER_FIRST_BYTES = 4 * 2**20
CHANCE_FIRST_BYTES = 16 * 2**20


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
        snapshot = state.to_predict() if whole else state
        squares = sum_of_squares(state.params)
        magnitudes = sum_of_magnitudes(state.params) if structure.l1 else jnp.zeros_like(squares)
        return state, (snapshot, losses, squares, magnitudes, *validation, standing)

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
    present = _present(structure, order, weights, settings)
    words = {name: controls[name] for name in structure.drawn.words}
    chance = _chance_first(structure, n_examples, words, settings)

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
        own = None
        if words:
            own = (
                _draw(structure, n_examples, now, settings) if chance is None else jax.tree.map(lambda v: v[i], chance)
            )
        batch = Batch(X, targets, weights[i], None if present is None else present[i])
        state, losses_now, _ = update(structure, state, batch, now, settings, own)
        return state, losses.at[i].set(losses_now)

    def loop(state: State, losses: Float[Array, "updates batch"]) -> tuple[State, Float[Array, "updates batch"]]:
        return jax.lax.fori_loop(0, n_updates, body, (state, losses))

    losses = jnp.zeros_like(weights)
    if structure.form == ONE_FUNCTION:
        # Closed-over arrays become arguments of the inner call; XLA emits that call as one native function.
        state, losses = jax.jit(loop)(state, losses)
        return state, set_xla_metadata(losses, xla_cpu_small_call="true", inlineable="false")
    return loop(state, losses)


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
    params = predicting(structure, state, data, settings)

    def one(_: None, block: tuple[Array, Array]) -> tuple[None, tuple[Array, Array]]:
        losses, z, _statistics = batch_losses(structure, params, *block, shift=shift)
        return None, (z, losses)

    return jax.lax.scan(one, None, (data.validation_inputs, data.validation_targets))[1]


def _no_validation(data: Data) -> tuple[Array, Array]:
    return jnp.zeros_like(data.validation_targets), jnp.zeros_like(data.validation_targets[..., 0])


def _chance_first(structure: Structure, n_examples: int, words: dict[str, Array], settings: Settings) -> Chance | None:
    """What chance decides in all updates, side by side; None where it is too much, or nothing.

    XLA would hash twice in the loop, for the outputs and for their gradients: 20 % of a small network's time, not 5 %.
    In the one-function form it is drawn in the loop: XLA 0.10 aborts the process over such an argument.
    """
    if not words or structure.form == ONE_FUNCTION:
        return None
    n_updates = len(next(iter(words.values())))
    if n_updates * structure.drawn.n_bytes(n_examples) > CHANCE_FIRST_BYTES:
        return None
    return jax.vmap(lambda own: _draw(structure, n_examples, own, settings))(words)


def _draw(structure: Structure, n_examples: int, words: dict[str, Array], settings: Settings) -> Chance:
    return structure.drawn.draw(n_examples, words, settings.get("kept"))


def _present(
    structure: Structure,
    order: Int[Array, "updates batch"] | None,
    weights: Float[Array, "updates batch"],
    settings: Settings,
) -> Float[Array, "updates batch"] | None:
    """1 for an example, 0 for a row that only fills up the batch; None where nothing asks for it."""
    if not (structure.network.has_batch_statistics or structure.mixup):
        return None
    if order is None:  # all rows as they lie, those that are none at the end
        one = (jnp.arange(weights.shape[1]) < settings["n_rows"]).astype(weights.dtype)
        return jnp.broadcast_to(one, weights.shape)
    return (order >= 0).astype(weights.dtype)
