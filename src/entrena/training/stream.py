"""A network that learns examples in the sequence in which they come, a call at a time.

    for each call:   inputs, targets, weights, controls        in the order in which the examples came
                     state, losses, z = program(state, …)      the loss and the outputs of each before it is learned

The loop over the updates is that of a run (`program.update`), so examples that come in calls of any length give the
same weights as a pass over them in the same sequence. The weights stay on the device from call to call, and a call
returns before the device has finished: what it found is fetched when it is asked for.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import JaxRuntimeError
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array, Float, Int

from entrena.network.dropout import masks, update_words
from entrena.network.multilayer import Network, Params
from entrena.training import rates
from entrena.training.compilation import find_device, precision, use_compilation_cache
from entrena.training.forms import COMPILER_OPTIONS, LOOP, ONE_FUNCTION
from entrena.training.order import NO_EXAMPLE, batch_weights, n_batches
from entrena.training.plan import Plan
from entrena.training.program import (
    MOST_PROGRAMS,
    Settings,
    State,
    Structure,
    accepted,
    initial_state,
    refuse_form,
    update,
)

MOST_UPDATES = 4096  # of one call of the program
LEAST_UPDATES = 4  # XLA makes other code, with other last bits, of a loop over a single update
STEP = 4  # calls are as long as the next power of four, so that streams of any rhythm need few programs


class Examples(NamedTuple):
    """The examples of some updates.

    Attributes:
        inputs: [updates, batch, inputs].
        targets: [updates, batch, outputs].
        weights: [updates, batch] the coefficient of each in the loss of its update.
    """

    inputs: Any
    targets: Any
    weights: Any


class Tested:
    """The loss and the outputs of examples before they were learned; fetched from the device when asked for."""

    def __init__(self, parts: list[tuple[int, Array, Array]], dtype: str) -> None:
        self._parts, self._dtype = parts, dtype

    @property
    def losses(self) -> np.ndarray:
        """[rows] without penalties."""
        parts = [np.asarray(losses).reshape(-1)[:n] for n, losses, _ in self._parts]
        return np.concatenate([np.zeros(0, self._dtype), *parts])

    @property
    def z(self) -> np.ndarray:
        """[rows, outputs] the output layer's net inputs."""
        parts = [np.asarray(z).reshape(-1, z.shape[-1])[:n] for n, _, z in self._parts]
        return np.concatenate(parts)


class Stream:
    """Learns what comes.

    Args:
        network: The network; its `initialize` draws the first weights from the plan's seed.
        plan: What to do, in numbers; its mode says how many examples an update has.
        start: Weights to start from instead of drawn ones, or the state in which an earlier stream stopped.
        n_updates: Updates that this state has behind it.
    """

    def __init__(self, network: Network, plan: Plan, start: Params | State | None = None, n_updates: int = 0) -> None:
        from entrena.training.seeds import generator

        use_compilation_cache()
        self.plan, self.n_updates = plan, n_updates
        self._device = find_device(plan.device)
        params = network.initialize(generator(plan.seed, "weights"), plan.dtype) if start is None else start
        settings = {name: np.asarray(value, plan.dtype) for name, value in plan.optimizer_settings.items()}
        if plan.structure.dropout:
            settings["kept"] = np.asarray(1 - plan.dropout, plan.dtype)
        with precision(plan.dtype):
            state = params if isinstance(params, State) else initial_state(plan.structure, params)
            self.state: State = jax.device_put(state, self._device)
            self._settings: Settings = jax.device_put(settings, self._device)
        self._at_hand: dict[Any, Any] = {}  # what is the same for calls of the same length, on the device

    def learn(self, inputs: np.ndarray, targets: np.ndarray, weight: np.ndarray | None = None) -> Tested:
        """Learns examples, one update after the other; the last may be short.

        Args:
            inputs: [rows, inputs] of the plan's dtype; not written to afterwards.
            targets: [rows, outputs] of the plan's dtype; not written to afterwards.
            weight: [rows] how much each counts, 1 being usual; None: all alike.

        Returns:
            What the network made of each example before it was learned.
        """
        rows = MOST_UPDATES * self.plan.batch_size
        tested = []
        for first in range(0, len(inputs), rows):
            part = slice(first, first + rows)
            tested.append(self._learn(inputs[part], targets[part], None if weight is None else weight[part]))
        return Tested(tested, self.plan.dtype)

    def _learn(self, inputs: np.ndarray, targets: np.ndarray, weight: np.ndarray | None) -> tuple[int, Array, Array]:
        plan, n = self.plan, len(inputs)
        size = min(plan.batch_size, _next_power(n, 2))
        n_updates = n_batches(n, size)
        shape = (max(LEAST_UPDATES, _next_power(n_updates, STEP)), size)
        coefficients = self._coefficients(n, shape, weight)
        examples = Examples(_cut(inputs, shape), _cut(targets, shape), coefficients)
        arguments = (examples, self._controls(shape[0]), self._constant(n_updates), self._settings)
        with precision(plan.dtype):
            self.state, losses, z = _call(plan.structure, self.state, *arguments)
        self.n_updates += n_updates
        return n, losses, z

    def _coefficients(self, n: int, shape: tuple[int, int], weight: np.ndarray | None) -> Any:
        if weight is None and (n, shape) in self._at_hand:
            return self._at_hand[n, shape]
        table = np.full(shape, NO_EXAMPLE, np.int32)
        table.reshape(-1)[:n] = np.arange(n)
        weights = batch_weights(table, weight, self.plan.dtype)
        if weight is not None:
            return weights
        return self._keep((n, shape), weights)

    def _controls(self, length: int) -> dict[str, Any]:
        plan = self.plan
        if length not in self._at_hand or not rates.is_constant(plan.schedule):
            t = np.arange(self.n_updates, self.n_updates + length)
            rate = rates.rates(plan.schedule, t, plan.n_run_updates, plan.learning_rate)
            controls = {"learning_rate": rate.astype(plan.dtype)}
            if plan.momentum is not None:
                controls["momentum"] = np.full(length, plan.momentum, plan.dtype)
            self._keep(length, controls)
        controls = self._at_hand[length]
        if plan.structure.dropout:
            t = np.arange(self.n_updates, self.n_updates + length)
            return {**controls, "dropout": update_words(plan.seed, t)}
        return controls

    def _constant(self, number: int) -> Any:
        key = ("n_updates", number)
        return self._at_hand[key] if key in self._at_hand else self._keep(key, np.int32(number))

    def _keep(self, key: Any, values: Any) -> Any:
        while len(self._at_hand) > MOST_PROGRAMS:
            del self._at_hand[next(iter(self._at_hand))]
        with precision(self.plan.dtype):
            self._at_hand[key] = jax.device_put(values, self._device)
        return self._at_hand[key]


def _next_power(n: int, base: int) -> int:
    power = 1
    while power < n:
        power *= base
    return power


def _cut(rows: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Rows as [updates, batch, columns], zeros where there are none left."""
    if len(rows) == shape[0] * shape[1]:
        return rows.reshape(*shape, -1)
    table = np.zeros((*shape, rows.shape[1]), rows.dtype)
    table.reshape(-1, rows.shape[1])[: len(rows)] = rows
    return table


def run_stream(
    structure: Structure,
    state: State,
    examples: Examples,
    controls: dict[str, Array],
    n_updates: Int[Array, ""],
    settings: Settings,
) -> tuple[State, Float[Array, "updates batch"], Float[Array, "updates batch outputs"]]:
    """The program: an update after the other; the losses and net outputs of its examples before each."""
    inputs, targets, weights = examples

    def body(i: Int[Array, ""], carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        state, losses, z = carry
        now = {name: values[i] for name, values in controls.items()}
        kept = None
        if structure.dropout:
            kept = masks(structure.network.sizes[1:-1], weights.shape[1], now["dropout"], settings["kept"])
        state, losses_now, z_now = update(structure, state, (inputs[i], targets[i], weights[i]), now, settings, kept)
        return state, losses.at[i].set(losses_now), z.at[i].set(z_now)

    def loop(state: State, losses: Array, z: Array) -> tuple[State, Array, Array]:
        return jax.lax.fori_loop(0, n_updates, body, (state, losses, z))

    begin = (state, jnp.zeros_like(weights), jnp.zeros_like(targets))
    if structure.form != ONE_FUNCTION:
        return loop(*begin)
    state, losses, z = jax.jit(loop)(*begin)
    return state, set_xla_metadata(losses, xla_cpu_small_call="true", inlineable="false"), z


@lru_cache(maxsize=MOST_PROGRAMS)
def _compiled(structure: Structure) -> Any:
    def stream_program(
        state: State, examples: Examples, controls: dict[str, Array], n_updates: Array, settings: Settings
    ) -> tuple[State, Array, Array]:
        return run_stream(structure, state, examples, controls, n_updates, settings)

    return jax.jit(stream_program, compiler_options=COMPILER_OPTIONS.get(structure.form))


def _call(structure: Structure, *arguments: Any) -> tuple[State, Array, Array]:
    """Runs the program; where the compiler refuses the one-function form, the ordinary one."""
    structure = accepted(structure)
    try:
        return _compiled(structure)(*arguments)
    except JaxRuntimeError:
        if structure.form == LOOP:
            raise
        refuse_form(structure)
        return _call(replace(structure, form=LOOP), *arguments)
