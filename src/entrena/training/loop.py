"""The training loop on the host: what to show next, what came of it, whether to go on.

    for each call:   order, weights, controls         made here while the device computes the call before
                     program(state, …) → new state, losses, validation
                     look at each finished epoch → history, best weights, patience, callbacks, checkpoint

The loop trains one network or several side by side in one program, with a judge for each. It knows neither files nor
tables: it is given arrays, and is watched through functions that its caller hands in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from entrena.network.multilayer import Network, Params
from entrena.registry import Choice
from entrena.training.calls import Call, Place, Shape, calls, waits, weighs_draws
from entrena.training.checkpoint import Checkpoint
from entrena.training.compilation import find_device, precision, use_compilation_cache
from entrena.training.compiled import Together, call, call_predicting
from entrena.training.judge import Judge, Seen, Training
from entrena.training.optimizers import is_batch_only
from entrena.training.order import needs
from entrena.training.parts import TrainingPart, ValidationPart, padded, validation_shape, without_weight_zero
from entrena.training.plan import Plan, round_up, updates_a_call
from entrena.training.seeds import generator
from entrena.training.structure import Data, Result, State, initial_state
from entrena.training.update import predicting
from entrena.training.watching import UNWATCHED, OnLook, Watchers

AHEAD_SECONDS = 0.1  # calls shorter than this are computed one ahead of the host's decisions
CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 100  # and a checkpoint that took s seconds is followed by none for 100·s


@dataclass(frozen=True, eq=False)
class Member:
    """A network to be trained, alone or with others.

    Attributes:
        network: The network; its `initialize` draws the first weights from the plan's seed.
        plan: What to do, in numbers.
        training: The rows that are shown; those of weight 0 are as if absent.
        validation: The rows by which the best weights are chosen.
        start: First weights instead of drawn ones.
        resume: Where an earlier run stopped; goes on bitwise as if it had not.
        loss_unit: Factor from the program's loss to the target's units, in which losses are reported.
        on_look: Who looks on after each epoch; the answer "stop" ends the training of this network.
    """

    network: Network
    plan: Plan
    training: TrainingPart
    validation: ValidationPart | None = None
    start: Params | None = None
    resume: Checkpoint | None = None
    loss_unit: float = 1.0
    on_look: Sequence[OnLook] = ()

    def first(self) -> Checkpoint:
        """Where the training begins."""
        if self.resume is not None:
            return self.resume
        params = self.start
        if params is None:
            params = self.network.initialize(generator(self.plan.seed, "weights"), self.plan.dtype)
        return Checkpoint.first(initial_state(self.plan.structure, params))


def train_network(
    network: Network,
    plan: Plan,
    training: TrainingPart,
    validation: ValidationPart | None = None,
    *,
    start: Params | None = None,
    resume: Checkpoint | None = None,
    loss_unit: float = 1.0,
    watchers: Watchers = UNWATCHED,
) -> Training:
    """Trains a network by a plan; the arguments are those of `Member`, and who watches.

    Returns:
        The weights, the history and how it ended.
    """
    member = Member(network, plan, training, validation, start, resume, loss_unit, watchers.on_look)
    save = watchers.on_checkpoint
    on_checkpoints = None if save is None else lambda checkpoints: save(checkpoints[0])
    return train_side_by_side([member], on_checkpoints, watchers.interrupted)[0]


def train_side_by_side(
    members: Sequence[Member],
    on_checkpoints: Callable[[list[Checkpoint]], None] | None = None,
    interrupted: Callable[[], bool] = UNWATCHED.interrupted,
    *,
    ask_first: bool = False,
) -> list[Training]:
    """Trains networks in one program.

    Args:
        members: The networks; of several, `program_key` must be the same, and `place_of` those that are not done.
        on_checkpoints: Called with all checkpoints from time to time, and at the end.
        interrupted: Asked between calls of the program.
        ask_first: Whether it is asked before the first call too.

    Returns:
        For each network the weights, the history and how it ended.
    """
    use_compilation_cache()
    counting = {id(member.training): without_weight_zero(member.training) for member in members}
    members = [replace(member, training=counting[id(member.training)]) for member in members]
    plan = members[0].plan
    with precision(plan.dtype):
        run = _Run(members, on_checkpoints, interrupted)
        if ask_first:
            run.stop_if_interrupted()
        upcoming = run.calls()
        now = next(upcoming, None)
        result = run.call(now) if now else None
        try:
            while now is not None and result is not None:
                # Its order is made while the device computes, unless what is seen decides what is shown next.
                after = None if run.waits else next(upcoming, None)
                ahead = run.call(after, now, result) if after is not None and run.quick else None
                if run.look(now, result):
                    break
                if run.waits:
                    after = next(upcoming, None)
                if after is not None and ahead is None:
                    ahead = run.call(after, now, result)
                now, result = after, ahead
        except BaseException:  # a callback that fails, a second Ctrl-C: what was trained is not lost
            if not run.has_diverged:
                run.save_checkpoints()
            raise
        return run.finish()


def program_key(member: Member) -> tuple[Hashable, ...]:
    """What must be equal for networks to be trained in one program: what it is compiled for."""
    plan, held = member.plan, member.validation
    n_held = 0 if held is None else len(held.inputs)
    names = ("structure", "batch_size", "whole_batch", "n_updates", "dtype", "device")
    return (*(getattr(plan, name) for name in names), round_up(member.training.n_rows), *validation_shape(n_held))


def place_of(member: Member) -> tuple[int, int] | None:
    """Epochs and updates that were done before; None: nothing is left to do."""
    at = member.resume
    if at is None:
        return 0, 0
    return None if at.ended is not None or at.epoch >= member.plan.max_epochs else (at.epoch, at.update)


def what_is_own(members: Sequence[Member]) -> Together:
    """What of the program's arguments differs among networks."""
    first, plans = members[0], [member.plan for member in members]
    data = any(m.training is not first.training or m.validation is not first.validation for m in members)
    shown = {(plan.n_rows,) if plan.whole_batch else (plan.n_rows, plan.seed, plan.order) for plan in plans}
    by_class = any("classes" in needs(plan.order) for plan in plans)
    order = len(shown) > 1 or (by_class and data) or any(waits(plan) for plan in plans)
    weighted = any(member.training.weight is not None or weighs_draws(member.plan) for member in members)
    weights = (weighted and (data or order)) or len({plan.n_rows for plan in plans}) > 1
    return Together(order=order, weights=weights, data=data)


class _Run:
    """Networks side by side: the arrays that they have on the device, and their judges."""

    def __init__(
        self,
        members: Sequence[Member],
        on_checkpoints: Callable[[list[Checkpoint]], None] | None,
        interrupted: Callable[[], bool],
    ) -> None:
        self.members, self.on_checkpoints, self.interrupted = members, on_checkpoints, interrupted
        self.plan = members[0].plan
        self.device = find_device(self.plan.device)
        self.starts = [member.first() for member in members]
        self.judges = [
            Judge(
                each.plan,
                each.training,
                each.validation,
                start,
                each.loss_unit,
                tuple(each.on_look),
                partial(self._deliver, number),
            )
            for number, (each, start) in enumerate(zip(members, self.starts, strict=True))
        ]
        self.together, self.shape = None, Shape(self.plan.epochs_a_call, self.plan.updates_a_call)
        if len(members) > 1:
            self.together = what_is_own(members)
            network, size = self.plan.structure.network, self.plan.batch_size
            self.shape = Shape(1, updates_a_call(network, size, self.plan.n_updates, len(members)))
        self.slots = tuple(range(len(members)))
        self.at_hand: tuple[int, ...] = ()  # the networks whose data and settings are on the device
        self.started = self.last_call = time.perf_counter()
        self.quick = False
        self.states: dict[Place, State] = {}  # in which calls of several epochs begin, until they have been looked at
        self.waits = any(waits(member.plan) for member in members)
        self.next_checkpoint = self.started + CHECKPOINT_SECONDS

    def calls(self) -> Iterator[Call]:
        """The calls of the run."""
        shows = [judge.show for judge in self.judges]
        running = [k for k in self.slots if not self.judges[k].is_done]
        at = self.starts[running[0] if running else 0]
        return calls(shows, self._next_slots, self.shape, self.together, at.epoch, at.update)

    def call(self, now: Call, before: Call | None = None, result: Result | None = None) -> Result:
        """Begins a call of the program, with the state that the one before it leaves."""
        if before is None or result is None:
            state = jax.device_put(self._side_by_side([self.starts[k].state for k in now.slots]), self.device)
        elif now.slots == before.slots:
            state = result.state
        else:
            places = [before.slots.index(k) for k in now.slots]
            state = jax.device_put(jax.tree.map(lambda leaf: np.asarray(leaf)[places], result.state), self.device)
        if now.slots != self.at_hand:
            if not self.at_hand or (self.together is not None and self.together.data):
                self.data = self._data(now.slots)
            self.settings = self._side_by_side([self.judges[k].settings for k in now.slots])
            self.at_hand = now.slots
        if now.place.n_epochs > 1:
            self.states[now.place] = state
        return call(self.plan.structure, state, self.data, now.block, self.settings, self.together)

    def look(self, now: Call, result: Result) -> bool:
        """Takes in a call's result, waiting for it; returns whether the run ends here."""
        seen = [np.asarray(each) for each in result[2:7]]
        standings = jax.tree.map(np.asarray, result.standings)
        replay = self._replay(now)
        moment = time.perf_counter()
        took, self.last_call = moment - self.last_call, moment
        own_seconds = took / max(1, sum(not self.judges[number].is_done for number in now.slots))
        for slot, number in enumerate(now.slots):
            if self.judges[number].is_done:
                continue
            at = None if self.together is None else slot
            losses, squares, magnitudes, z, validation = seen if at is None else [each[at] for each in seen]
            state_after = partial(_state_after, result, replay, now.place.n_epochs, at)
            snapshots = None if result.snapshots is None else result.snapshots.to_predict()
            predicting_after = partial(_tree_after, result.state.to_predict(), snapshots, now.place.n_epochs, at)
            own_standings = standings if at is None else jax.tree.map(lambda values, k=at: values[k], standings)
            after = state_after, predicting_after
            own = Seen(losses, squares, magnitudes, z, validation, *after, own_standings)
            self.judges[number].look(now.place, now.sequences[slot], now.rates[slot], own, own_seconds)
        self.stop_if_interrupted()
        for judge in self.judges:
            judge.check_time()
        self.quick = took < AHEAD_SECONDS
        is_over = all(judge.is_done for judge in self.judges)
        if not is_over and time.perf_counter() >= self.next_checkpoint:
            self.save_checkpoints()
        return is_over

    def stop_if_interrupted(self) -> None:
        """Ends the networks that are not done, where that was asked for."""
        if self.interrupted():
            for judge in self.judges:
                judge.interrupt()

    def finish(self) -> list[Training]:
        """The results of the run."""
        if not self.has_diverged:
            self.save_checkpoints()
        return [judge.finish() for judge in self.judges]

    @property
    def has_diverged(self) -> bool:
        """Whether nothing is left that is worth to be saved."""
        return all(judge.has_diverged for judge in self.judges)

    def save_checkpoints(self) -> None:
        """Hands checkpoints to whoever wants them; the next come after a hundred times as long as these took."""
        if self.on_checkpoints is None:
            return
        before = time.perf_counter()
        self.on_checkpoints([judge.checkpoint() for judge in self.judges])
        took = time.perf_counter() - before
        self.next_checkpoint = before + took + max(CHECKPOINT_SECONDS, CHECKPOINT_SHARE * took)

    def _next_slots(self) -> tuple[int, ...]:
        """The networks of the next call: where those that are done leave room for a power of two fewer, fewer."""
        running = [k for k in self.slots if not self.judges[k].is_done]
        if not running:
            return ()
        n_slots = 1 << (len(running) - 1).bit_length()
        if n_slots < len(self.slots):
            done = [k for k in self.slots if self.judges[k].is_done]
            self.slots = tuple(sorted(running + done[: n_slots - len(running)]))
        return self.slots

    def _replay(self, now: Call) -> Callable[[int], Result] | None:
        """A function that makes a call of several epochs again, as far as one of them; None where none is needed."""
        state = self.states.pop(now.place, None)
        if state is None or not is_batch_only(Choice(self.plan.structure.optimizer)):
            return None
        data, settings = self.data, self.settings

        def until(e: int) -> Result:
            n_updates = np.where(np.arange(len(now.block.n_updates)) <= e, now.block.n_updates, 0).astype(np.int32)
            block = now.block._replace(n_updates=n_updates)
            return call(self.plan.structure, state, data, block, settings, self.together)

        return until

    def _data(self, slots: tuple[int, ...]) -> Data:
        if self.together is not None and self.together.data:
            parts = [padded(self.members[k].training, self.members[k].validation, self.plan) for k in slots]
            return jax.device_put(self._side_by_side(parts), self.device)
        first = self.members[0]
        return jax.device_put(padded(first.training, first.validation, self.plan), self.device)

    def _deliver(self, number: int, state: State) -> Params:
        """The parameters by which a network predicts."""
        member = self.members[number]
        structure, settings = member.plan.structure, member.plan.settings
        if not structure.predicts_otherwise:
            return state.params
        state = jax.tree.map(np.asarray, state)
        if not structure.set_statistics:
            return predicting(structure, state, None, settings, np)
        if self.at_hand and not (self.together is not None and self.together.data):
            return call_predicting(structure, state, self.data, settings)
        return call_predicting(structure, state, padded(member.training, None, member.plan), settings)

    def _side_by_side(self, trees: Sequence[Any]) -> Any:
        """The trees of networks as one, stacked along a first axis; that of one network alone as it is."""
        if self.together is None:
            return trees[0]
        return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


def _state_after(
    result: Result, replay: Callable[[int], Result] | None, n_epochs: int, slot: int | None, e: int
) -> State:
    """The state after an epoch of a call.

    Of a batch-only optimizer the snapshots hold the weights alone, since its memory may be large. So the call is made
    once more as far as that epoch: the same program from the same state gives the same bits, and it is seldom asked
    for.
    """
    if replay is not None and e < n_epochs - 1:
        result, e = replay(e), n_epochs - 1
    return _tree_after(result.state, result.snapshots, n_epochs, slot, e)


def _tree_after(last: Any, snapshots: Any, n_epochs: int, slot: int | None, e: int) -> Any:
    """State or weights after an epoch of a call; those of one of several networks as a copy of its own."""
    tree = last
    if snapshots is not None and e < n_epochs - 1:
        tree = jax.tree.map(lambda leaf: np.asarray(leaf)[e], snapshots)
    return tree if slot is None else jax.tree.map(lambda leaf: np.asarray(leaf)[slot].copy(), tree)
