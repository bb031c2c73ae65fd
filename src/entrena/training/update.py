"""One update of the weights, in the order of the mathematics; and the weights by which a network predicts.

losses → gradients → step → new weights → what runs beside them
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from entrena.network.chance import Chance
from entrena.network.dropout import alpha_drop_units, drop_units
from entrena.network.multilayer import WEIGHTS, During, Params, is_weight
from entrena.network.normalization import Moments
from entrena.registry import Choice
from entrena.training.batch_statistics import training_set_moments
from entrena.training.losses import LOSSES
from entrena.training.objective import whole_objective
from entrena.training.optimizers import batch_optimizer, is_decoupled, transformation
from entrena.training.structure import NOT_THE_OPTIMIZERS, Data, Settings, State, Structure


class Batch(NamedTuple):
    """The examples of an update.

    Attributes:
        inputs: As the network sees them.
        targets: As the network learns them.
        weights: The coefficient of each example in the loss.
        present: 1 for an example, 0 for a row that only fills up the batch; None where nothing asks for it.
    """

    inputs: Float[Array, "batch inputs"]
    targets: Float[Array, "batch outputs"]
    weights: Float[Array, " batch"]
    present: Float[Array, " batch"] | None = None


def batch_losses(
    structure: Structure,
    params: Params,
    X: Float[Array, "batch inputs"],
    targets: Float[Array, "batch outputs"],
    during: During | None = None,
    shift: Float[Array, " outputs"] | None = None,
) -> tuple[Float[Array, " batch"], Float[Array, "batch outputs"], tuple[Moments, ...]]:
    """The loss of each example, the output layer's net inputs, to which `shift` is added, and batch statistics."""
    if structure.compute_dtype is not None:
        params = jax.tree.map(lambda leaf: leaf.astype(structure.compute_dtype), params)
    z, statistics = structure.network.forward(params, X, during)
    z = z.astype(targets.dtype)
    z = z if shift is None else z + shift
    function = LOSSES[structure.loss].function
    assert function is not None
    targets = targets if during is None else during.mixed(targets)
    return function(z, targets, structure.network.output), z, statistics


def update(
    structure: Structure,
    state: State,
    batch: Batch,
    controls: dict[str, Float[Array, ""]],
    settings: Settings,
    chance: Chance | None = None,
) -> tuple[State, Float[Array, " batch"], Float[Array, "batch outputs"]]:
    """One update. Returns the losses and net outputs before it; `chance` is what chance decides in it."""
    during = _during(structure, batch, controls, settings, chance)

    def objective(params: Params) -> tuple[Float[Array, ""], tuple[Any, ...]]:
        losses, z, statistics = batch_losses(structure, params, batch.inputs, batch.targets, during)
        return jnp.sum(batch.weights * losses), (losses, z, statistics)

    params = state.params
    gradients, (losses, z, statistics) = jax.grad(objective, has_aux=True)(params)
    decoupled = is_decoupled(Choice(structure.optimizer))
    if structure.decay and not decoupled:
        gradients = _add_decay(gradients, params, settings["weight_decay"])
    optimizer = _optimizer(structure, controls, settings)
    with jax.numpy_dtype_promotion("standard"):  # Optax raises traced decays to the power of a whole number
        step, opt_state = optimizer.update(gradients, state.opt_state, params)
    if structure.decay and decoupled:
        step = _add_decay(step, params, settings["weight_decay"])
    rate = controls["learning_rate"]
    params = jax.tree.map(lambda w, s: w - rate * s, params, step)
    if structure.l1:
        params = _shrunk(params, rate * settings["l1"])
    if structure.max_norm:
        params = _shortened(params, settings["max_norm"])
    state = state._replace(params=params, opt_state=opt_state)
    return _beside(structure, state, batch, statistics, settings), losses, z


def _during(
    structure: Structure, batch: Batch, controls: dict[str, Any], settings: Settings, chance: Chance | None
) -> During:
    """What the update makes of signals, beside what the network computes."""
    drop = None
    if structure.dropout:
        function = alpha_drop_units if structure.alpha_dropout else drop_units
        drop = lambda y, mask: function(y, mask, settings["kept"])  # noqa: E731
    mix = None
    if structure.mixup:
        assert batch.present is not None
        n = jnp.maximum(jnp.sum(batch.present).astype(jnp.int32), 1)
        places = jnp.arange(len(batch.weights), dtype=jnp.int32)
        # From 1 to n − 1 places further on, so that no example meets itself where there are others.
        offset = 1 + controls["mix_offset"] % jnp.maximum(n - 1, 1)
        mix = controls["mix_share"], jnp.where(places < n, (places + offset) % n, places)
    noise = settings["input_noise"] if structure.input_noise else None
    return During(batch.present, chance or Chance(), noise, drop, mix)


def _beside(
    structure: Structure, state: State, batch: Batch, statistics: tuple[Moments, ...], settings: Settings
) -> State:
    """Moves what runs beside the weights: statistics of mini-batches of two and more, means of the weights."""
    if structure.moves_statistics:
        assert state.statistics is not None and batch.present is not None
        m = jnp.where(jnp.sum(batch.present) > 1, settings["statistics_momentum"], 1)  # one example has no variance
        state = state._replace(statistics=state.statistics.moved(statistics, m))
    if structure.ema:
        assert state.average is not None
        state = state._replace(average=state.average.moved(state.params, settings["ema"]))
    return state


def predicting(structure: Structure, state: State, data: Data | None, settings: Settings, numpy: Any = jnp) -> Params:
    """The parameters by which a network in training predicts: means of the weights, batch statistics.

    Args:
        structure: Of the program.
        state: Where training stands.
        data: The training rows; only with `set_statistics` are they looked at, and needed.
        settings: With `n_rows`.
        numpy: NumPy or, inside a program, `jax.numpy`.
    """
    params = state.params
    if state.average is not None:
        params = state.average.means(params, numpy)
    if not structure.network.has_batch_statistics:
        return params
    if structure.set_statistics:
        assert data is not None
        moments = training_set_moments(structure.network, params, data, settings["n_rows"])
    else:
        assert state.statistics is not None
        blank = tuple(Moments(numpy.zeros_like(m), numpy.ones_like(v)) for m, v in state.statistics.sums)
        moments = state.statistics.means(blank, numpy)
    return structure.network.predicting(params, moments)


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
    return state._replace(params=params, opt_state=memory), jnp.full_like(weights, memory.standing.loss)


def _add_decay(tree: Params, params: Params, decay: Float[Array, ""]) -> Params:
    """Adds λ·w to the weights and embeddings of every layer, not to its biases and their like."""
    return tuple(
        {name: g + decay * layer[name] if is_weight(name) else g for name, g in gradients.items()}
        for gradients, layer in zip(tree, params, strict=True)
    )


def _shrunk(params: Params, amount: Float[Array, ""]) -> Params:
    """sign(w)·max(0, |w| − amount) of all weights and embeddings: the proximal step of amount·Σ|w|."""

    def soft(w: Array) -> Array:
        return jnp.sign(w) * jnp.maximum(jnp.abs(w) - amount, 0)

    return tuple({name: soft(w) if is_weight(name) else w for name, w in layer.items()} for layer in params)


def _shortened(params: Params, longest: Float[Array, ""]) -> Params:
    """Each unit's incoming weights, those longer than `longest` brought to that length."""

    def cut(w: Array) -> Array:
        lengths = jnp.sqrt(jnp.sum(jnp.square(w), axis=0))
        return w * (longest / jnp.maximum(lengths, longest))

    return tuple({name: cut(w) if name == WEIGHTS else w for name, w in layer.items()} for layer in params)


def _optimizer(structure: Structure, controls: dict[str, Any], settings: Settings) -> optax.GradientTransformation:
    momentum = controls["momentum"] if structure.momentum else None
    return transformation(Choice(structure.optimizer), momentum, structure.nesterov, _own(settings))


def _own(settings: Settings) -> Settings:
    """The settings that are the optimizer's."""
    return {name: value for name, value in settings.items() if name not in NOT_THE_OPTIMIZERS}
