"""A network that learns examples in the sequence in which they come, a call at a time.

    for each call:   inputs, targets, weights, controls        in the order in which the examples came
                     state, found = program(state, …)          the loss and the outputs of each before it is learned

The loop over the updates is that of a run (`update.update`), so examples that come in calls of any length give the
same weights as a pass over them in the same sequence. The weights stay on the device from call to call, and a call
returns before the device has finished: what it found is fetched when it is asked for.

A call with one row costs many times the update itself: for its arrays, and because XLA runs a program of more than
eight steps on several threads (`benchmarks/results/modes.md`). So in the one-function form the state is one vector,
what the host decides is another, which stays on the device while it is the same, and the whole program is one native
function.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import JaxRuntimeError
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array, Float, Int

from entrena.network.chance import PURPOSES
from entrena.network.multilayer import Network, Params
from entrena.random_bits import update_words
from entrena.training import rates
from entrena.training.compilation import find_device, precision, use_compilation_cache
from entrena.training.compiled import accepted, refuse_form
from entrena.training.forms import COMPILER_OPTIONS, LOOP, ONE_FUNCTION
from entrena.training.order import NO_EXAMPLE, batch_weights, n_batches
from entrena.training.packing import Packing
from entrena.training.plan import Plan
from entrena.training.structure import MOST_PROGRAMS, Settings, State, Structure, initial_state
from entrena.training.update import Batch, update

MOST_UPDATES = 4096  # of one call of the program
MOST_KEPT = 16_384  # coefficients of a table that is kept: of a longer call they cost little
LEAST_UPDATES = 4  # XLA makes other code, with other last bits, of a loop over a single update
STEP = 4  # calls are as long as the next power of four, so that streams of any rhythm need few programs

Arrays = tuple[Any, ...]


class Told(NamedTuple):
    """What the host says of some updates, beside their examples.

    Attributes:
        weights: [updates, batch] the coefficient of each example in the loss of its update.
        controls: [updates] each, as in `structure.Block`.
        n_updates: How many of the updates are real; of the plan's dtype, so that it can be packed.
        settings: The optimizer's.
    """

    weights: Any
    controls: dict[str, Any]
    n_updates: Any
    settings: Settings


class Tested:
    """The loss and the outputs of examples before they were learned; fetched from the device when asked for."""

    def __init__(self, parts: list[tuple[int, Array]], dtype: str) -> None:
        self._parts, self._dtype = parts, dtype

    @classmethod
    def joined(cls, several: Sequence[Tested]) -> Tested:
        """Those of several calls, one after the other; at least one."""
        return cls([part for tested in several for part in tested._parts], several[0]._dtype)

    @property
    def losses(self) -> np.ndarray:
        """[rows] without penalties."""
        return np.concatenate([np.zeros(0, self._dtype), *(found[:, 0] for found in self._found())])

    @property
    def z(self) -> np.ndarray:
        """[rows, outputs] the output layer's net inputs."""
        return np.concatenate([found[:, 1:] for found in self._found()])

    def _found(self) -> list[np.ndarray]:
        return [np.asarray(found).reshape(-1, found.shape[-1])[:n] for n, found in self._parts]


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
        with precision(plan.dtype):
            state = params if isinstance(params, State) else initial_state(plan.structure, params)
            self._packing = Packing.of(state, self._packed_type)
            self.state = state
        self._settings: Settings = plan.settings
        self._packings: dict[tuple[int, int], Packing] = {}  # of what is told, by the call's updates and batch
        self._last: tuple[Any, Any] = (None, None)  # the last call's updates and batch, and its program
        self._at_hand: dict[Any, Any] = {}  # what is the same for calls of the same length, on the device

    @property
    def state(self) -> State:
        """The weights and the optimizer's memory after the last update; to be read only."""
        if self._packed_type is None:
            return self._packing.unpack(self._state)
        vector, *others = self._state
        return self._packing.unpack((np.asarray(vector), *others))

    @state.setter
    def state(self, state: State) -> None:
        packed = state if self._packed_type is None else jax.tree.map(np.asarray, state)
        with precision(self.plan.dtype):
            self._state: Arrays = jax.device_put(self._packing.pack(packed), self._device)

    @property
    def _packed_type(self) -> str | None:
        """The type of the arrays that become one; None for large networks, where it would only be a copy more."""
        return self.plan.dtype if self.plan.structure.form == ONE_FUNCTION else None

    @property
    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        leaves = (np.asarray(leaf) for leaf in jax.tree.leaves(self.state.params))
        with np.errstate(over="ignore", invalid="ignore"):  # a sum is quicker, and may overflow where no weight does
            return all(np.isfinite(leaf.sum()) or np.isfinite(leaf).all() for leaf in leaves)

    @property
    def rows_a_call(self) -> int:
        """The most rows that one call of the program learns."""
        return MOST_UPDATES * self.plan.batch_size

    def learn(self, inputs: np.ndarray, targets: np.ndarray, weight: np.ndarray | None = None) -> Tested:
        """Learns examples, one update after the other; the last may be short.

        Args:
            inputs: [rows, inputs] of the plan's dtype; not written to afterwards.
            targets: [rows, outputs] of the plan's dtype; not written to afterwards.
            weight: [rows] how much each counts, 1 being usual; None: all alike.

        Returns:
            What the network made of each example before it was learned.
        """
        rows = self.rows_a_call
        tested = []
        for first in range(0, len(inputs), rows):
            part = slice(first, first + rows)
            tested.append(self._learn(inputs[part], targets[part], None if weight is None else weight[part]))
        return Tested(tested, self.plan.dtype)

    def _learn(self, inputs: np.ndarray, targets: np.ndarray, weight: np.ndarray | None) -> tuple[int, Array]:
        n = len(inputs)
        n_updates, shape = _cut_of(n, self.plan.batch_size)
        told = self._told(n, shape, weight)
        if shape[0] == LEAST_UPDATES:  # few rows: copying them costs less than another array
            rows: Arrays = (_cut(shape, inputs, targets),)
        else:
            rows = (_cut(shape, inputs), _cut(shape, targets))
        self._state, found = self._call(shape, rows, told)
        self.n_updates += n_updates
        return n, found

    def _call(self, shape: tuple[int, int], rows: Arrays, told: Arrays) -> tuple[Arrays, Array]:
        """Runs the program; where the compiler refuses the one-function form, the ordinary one."""
        if self._last[0] != shape:  # finding it again costs as much as a call
            structure = accepted(self.plan.structure)
            self._last = shape, _compiled(structure, self._packing, self._packings[shape])
        try:
            if self.plan.dtype != "float64":  # a context costs a tenth of a call
                return self._last[1](self._state, rows, told)
            with precision(self.plan.dtype):
                return self._last[1](self._state, rows, told)
        except JaxRuntimeError:
            structure = accepted(self.plan.structure)
            if structure.form == LOOP:
                raise
            refuse_form(structure)
            self._last = None, None
            return self._call(shape, rows, told)

    def _told(self, n: int, shape: tuple[int, int], weight: np.ndarray | None) -> Arrays:
        """What the host says of the updates of n rows."""
        if weight is None and (n, shape) in self._at_hand:
            return self._at_hand[n, shape]
        table = np.full(shape, NO_EXAMPLE, np.int32)
        table.reshape(-1)[:n] = np.arange(n)
        weights = batch_weights(table, weight, self.plan.dtype)
        n_updates = np.asarray(n_batches(n, shape[1]), self.plan.dtype)
        told = Told(weights, self._controls(shape[0]), n_updates, self._settings)
        if shape not in self._packings:
            self._packings[shape] = Packing.of(told, self._packed_type)
        packed = self._packings[shape].pack(told)
        draws = bool(self.plan.structure.drawn.words)
        changes = weight is not None or draws or not rates.is_constant(self.plan.schedule)
        return packed if changes or weights.size > MOST_KEPT else self._keep((n, shape), packed)

    def _controls(self, length: int) -> dict[str, np.ndarray]:
        plan = self.plan
        t = np.arange(self.n_updates, self.n_updates + length)
        rate = rates.rates(plan.schedule, t, plan.n_run_updates, plan.learning_rate)
        controls = {"learning_rate": rate.astype(plan.dtype)}
        if plan.momentum is not None:
            controls["momentum"] = np.full(length, plan.momentum, plan.dtype)
        for name in plan.structure.drawn.words:
            controls[name] = update_words(plan.seed, t, PURPOSES[name])
        return controls

    def _keep(self, key: Any, values: Any) -> Any:
        while len(self._at_hand) > MOST_PROGRAMS:
            del self._at_hand[next(iter(self._at_hand))]
        with precision(self.plan.dtype):
            self._at_hand[key] = jax.device_put(values, self._device)
        return self._at_hand[key]


@lru_cache(maxsize=MOST_PROGRAMS)
def _cut_of(n: int, batch_size: int) -> tuple[int, tuple[int, int]]:
    """The updates of n rows, and the updates and the batch for which the program is made."""
    size = min(batch_size, _next_power(n, 2))
    n_updates = n_batches(n, size)
    return n_updates, (max(LEAST_UPDATES, _next_power(n_updates, STEP)), size)


def _next_power(n: int, base: int) -> int:
    power = 1
    while power < n:
        power *= base
    return power


def _cut(shape: tuple[int, int], *tables: np.ndarray) -> np.ndarray:
    """Tables side by side as [updates, batch, columns], zeros where there are no rows left."""
    whole = tables[0] if len(tables) == 1 else np.concatenate(tables, axis=1)
    n, n_columns = whole.shape
    if n == shape[0] * shape[1]:
        return whole.reshape(*shape, n_columns)
    cut = np.zeros((shape[0] * shape[1], n_columns), whole.dtype)
    cut[:n] = whole
    return cut.reshape(*shape, n_columns)


def run_stream(
    structure: Structure,
    state: State,
    inputs: Float[Array, "updates batch inputs"],
    targets: Float[Array, "updates batch outputs"],
    told: Told,
) -> tuple[State, Float[Array, "updates batch"], Float[Array, "updates batch outputs"]]:
    """The program: an update after the other; the losses and net outputs of its examples before each."""

    def body(i: Int[Array, ""], carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        state, losses, z = carry
        now = {name: values[i] for name, values in told.controls.items()}
        drawn = structure.drawn
        chance = drawn.draw(inputs.shape[1], now, told.settings.get("kept")) if drawn.words else None
        weights = told.weights[i]
        batch = Batch(inputs[i], targets[i], weights, (weights > 0).astype(weights.dtype))
        state, losses_now, z_now = update(structure, state, batch, now, told.settings, chance)
        return state, losses.at[i].set(losses_now), z.at[i].set(z_now)

    begin = (state, jnp.zeros_like(told.weights), jnp.zeros_like(targets))
    return jax.lax.fori_loop(0, told.n_updates.astype(np.int32), body, begin)


@lru_cache(maxsize=MOST_PROGRAMS)
def _compiled(structure: Structure, of_state: Packing, of_told: Packing) -> Any:
    def whole(state: Arrays, rows: Arrays, told: Arrays) -> tuple[Arrays, Array]:
        n_outputs = structure.network.sizes[-1]
        inputs, targets = rows if len(rows) == 2 else (rows[0][..., :-n_outputs], rows[0][..., -n_outputs:])
        after, losses, z = run_stream(structure, of_state.unpack(state), inputs, targets, of_told.unpack(told))
        return of_state.pack(after, jnp), jnp.concatenate([losses[..., None], z], axis=-1)

    def stream_program(state: Arrays, rows: Arrays, told: Arrays) -> tuple[Arrays, Array]:
        if structure.form != ONE_FUNCTION:
            return whole(state, rows, told)
        state, found = jax.jit(whole)(state, rows, told)
        return state, set_xla_metadata(found, xla_cpu_small_call="true", inlineable="false")

    return jax.jit(stream_program, compiler_options=COMPILER_OPTIONS.get(structure.form))
