"""The calls of the compiled program in a run: order, weights and controls of each, made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from entrena.network.chance import PURPOSES
from entrena.random_bits import AUGMENTATION, NOISE, update_words
from entrena.training import rates
from entrena.training.compilation import find_device
from entrena.training.compiled import Together
from entrena.training.order import NO_EXAMPLE, ORDERS, Drawn, Pool, batch_weights, batches, draw, in_batches, needs
from entrena.training.parts import TrainingPart
from entrena.training.plan import Plan
from entrena.training.seeds import generator
from entrena.training.structure import Block


class Place(NamedTuple):
    """Which updates a call computes: those of whole epochs, or a part of one.

    Attributes:
        epoch: Epochs before it.
        n_epochs: Epochs of it, whole or begun.
        update: First update within the epoch.
        n_updates: Updates of each epoch.
        ends_epoch: Whether its last update is the last of an epoch.
    """

    epoch: int
    n_epochs: int
    update: int
    n_updates: int
    ends_epoch: bool


class Call(NamedTuple):
    """One call of the program.

    Attributes:
        place: Which updates it computes.
        slots: The number of the network in each of the program's slots.
        sequences: For each slot the rows shown, epoch by epoch.
        rates: For each slot [epochs, updates].
        block: What the program is given.
    """

    place: Place
    slots: tuple[int, ...]
    sequences: list[list[np.ndarray]]
    rates: list[np.ndarray]
    block: Block


class Shape(NamedTuple):
    """The size of a call's tables: the same for all calls of a program."""

    epochs: int
    updates: int


def calls(
    shows: Sequence[Show],
    slots: Callable[[], tuple[int, ...]],
    shape: Shape,
    together: Together | None,
    epoch: int = 0,
    update: int = 0,
) -> Iterator[Call]:
    """The calls of a run from a position on, each made when it is asked for.

    Args:
        shows: For each network what it is shown.
        slots: Which networks the next call is for, by number; empty: there is no next one.
        shape: Of the calls.
        together: What several networks have for themselves; None: there is one, and its block has no axis for it.
        epoch: Epochs done.
        update: Updates done of the epoch that follows.
    """
    while chosen := slots():
        plans = [shows[number].plan for number in chosen]
        last_epoch = max(plan.max_epochs for plan in plans)
        if epoch >= last_epoch:
            return
        n_in_epoch = plans[0].n_updates
        n_epochs = min(shape.epochs, last_epoch - epoch)
        n_updates = min(shape.updates, n_in_epoch - update)
        place = Place(epoch, n_epochs, update, n_updates, update + n_updates == n_in_epoch)
        yield _call([shows[number] for number in chosen], chosen, place, shape, together)
        epoch, update = (epoch + n_epochs, 0) if place.ends_epoch else (epoch, update + n_updates)


def _call(shows: list[Show], slots: tuple[int, ...], place: Place, shape: Shape, together: Together | None) -> Call:
    own = together or Together(order=False, weights=False, data=False)
    shown = [show.order(place, shape) for show in (shows if own.order else shows[:1])]
    weighing = shows if own.weights else shows[:1]
    weights = [show.weights(place, shown[k if own.order else 0]) for k, show in enumerate(weighing)]
    rates_of, controls = zip(*(show.controls(place, shape) for show in shows), strict=True)
    plan, several = shows[0].plan, together is not None
    block = Block(
        None if plan.whole_batch else _side_by_side([each.table for each in shown], own.order),
        jax.device_put(_side_by_side(weights, own.weights), find_device(plan.device)),
        {name: _side_by_side([each[name] for each in controls], several) for name in controls[0]},
        np.where(np.arange(shape.epochs) < place.n_epochs, place.n_updates, 0).astype(np.int32),
        np.full(shape.epochs, place.ends_epoch) & (np.arange(shape.epochs) < place.n_epochs),
    )
    sequences = [shown[k if own.order else 0].sequences for k in range(len(shows))]
    return Call(place, slots, sequences, list(rates_of), block)


def _side_by_side(arrays: Sequence[Any], own: bool) -> Any:
    """The arrays of networks along a first axis, or the one that they share."""
    return np.stack(arrays) if own else arrays[0]


class Shown(NamedTuple):
    """The rows of a call.

    Attributes:
        sequences: Epoch by epoch, one row after the other.
        table: The same as int32 [epochs, updates, batch].
        importance: The same form, 1/(n·p) of rows that are drawn with the probability p; None where all are alike.
    """

    sequences: list[np.ndarray]
    table: np.ndarray
    importance: np.ndarray | None


class Show:
    """What one network is shown, call by call: its order, weights and controls.

    Args:
        plan: What to do, in numbers.
        training: The rows.
        last_losses: Asked at the start of an epoch for the loss that each row had when it was last shown, where the
            order depends on it.
    """

    def __init__(self, plan: Plan, training: TrainingPart, last_losses: Callable[[], np.ndarray | None]) -> None:
        self.plan, self.training = plan, training
        self._last_losses = last_losses
        self._rows = np.arange(plan.n_rows, dtype=np.int32)
        self._drawn: dict[int, Drawn] = {}  # of the last epochs, which may be shown in several calls
        self._uniform: dict[tuple[int, ...], Any] = {}  # equal weights differ only by position: sent once

    def drawn(self, epoch: int) -> Drawn:
        """The rows of an epoch in the sequence in which they are shown."""
        if self.plan.whole_batch:
            return Drawn(self._rows, None)
        if epoch not in self._drawn:
            while len(self._drawn) > 2 * self.plan.epochs_a_call:
                del self._drawn[next(iter(self._drawn))]
            plan = self.plan
            classes = self.training.classes if "classes" in needs(plan.order) else None
            pool = Pool(self._rows, plan.batch_size, plan.seed, classes, self._last_losses())
            self._drawn[epoch] = draw(plan.order, pool, epoch)
        return self._drawn[epoch]

    def order(self, place: Place, shape: Shape) -> Shown:
        """The rows of a call."""
        sizes, width = self.plan.sizes, self.plan.batch_size
        first, now = int(sizes[: place.update].sum()), sizes[place.update : place.update + place.n_updates]
        part = slice(first, first + int(now.sum()))
        drawn = [self.drawn(epoch) for epoch in range(place.epoch, place.epoch + place.n_epochs)]
        sequences = [each.sequence[part] for each in drawn]
        table = np.full((*shape, width), NO_EXAMPLE, np.int32)
        for of_epoch, sequence in zip(table, sequences, strict=False):
            of_epoch[: len(now)] = batches(sequence, now, width)
        importance = None
        if drawn[0].importance is not None:
            importance = np.zeros(table.shape)
            for blank, each in zip(importance, drawn, strict=False):
                assert each.importance is not None
                blank.reshape(-1)[in_batches(now, width)] = each.importance[part]
        return Shown(sequences, table, importance)

    def weights(self, place: Place, shown: Shown) -> Any:
        """The coefficients of a call's examples, [epochs, updates, batch]; on the device where they serve again."""
        if weighs_draws(self.plan):
            weights = _weights(self.plan, shown.table, self.training.weight)
            return (weights * shown.importance).astype(weights.dtype)
        if self.training.weight is not None:
            return _weights(self.plan, shown.table, self.training.weight)
        key = (place.n_epochs, place.n_updates, len(shown.sequences[0]))
        if key not in self._uniform:
            weights = _weights(self.plan, shown.table, None)
            self._uniform[key] = jax.device_put(weights, find_device(self.plan.device))
        return self._uniform[key]

    def controls(self, place: Place, shape: Shape) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The rates of a call in float64, and all its controls, [epochs, updates, …]."""
        plan = self.plan
        t = np.arange(shape.epochs)[:, None] * plan.n_updates + np.arange(shape.updates)
        t += place.epoch * plan.n_updates + place.update
        rate = rates.rates(plan.schedule, t.ravel(), plan.n_run_updates, plan.learning_rate).reshape(t.shape)
        controls = {"learning_rate": rate.astype(plan.dtype)}
        if plan.momentum is not None:
            controls["momentum"] = np.full(t.shape, plan.momentum, plan.dtype)
        for name in plan.structure.drawn.words:
            controls[name] = update_words(plan.seed, t, PURPOSES[name])
        if plan.structure.mixup:
            controls |= self._mixing(place, shape)
        augmentation = plan.structure.augmentation
        if augmentation is not None:
            controls["augmentation"] = update_words(plan.seed, t, AUGMENTATION)
            if augmentation.noise:
                controls["noise"] = update_words(plan.seed, t // plan.n_updates, NOISE)
        return rate, controls

    def _mixing(self, place: Place, shape: Shape) -> dict[str, np.ndarray]:
        """With mixup: λ of each update, and how far in its batch an example's partner is, before it wraps around."""
        plan = self.plan
        shares, offsets = np.ones(shape, plan.dtype), np.zeros(shape, np.int32)
        part = slice(place.update, place.update + place.n_updates)
        for e in range(place.n_epochs):
            chance = generator(plan.seed, "mixup", place.epoch + e)
            shares[e, : place.n_updates] = chance.beta(plan.mixup, plan.mixup, plan.n_updates)[part]
            offsets[e, : place.n_updates] = chance.integers(2**31 - 1, size=plan.n_updates)[part]
        return {"mix_share": shares, "mix_offset": offsets}


def waits(plan: Plan) -> bool:
    """Whether an epoch's order depends on the losses of the epoch before it."""
    return "losses" in needs(plan.order) and not plan.whole_batch


def weighs_draws(plan: Plan) -> bool:
    """Whether rows that are drawn more often count less each time, so that the mean gradient stays what it was."""
    return waits(plan) and bool(ORDERS.settings_of(plan.order).get("importance_weights"))


def _weights(plan: Plan, order: np.ndarray, example_weight: np.ndarray | None) -> np.ndarray:
    """The coefficients of a call's examples, [epochs, updates, batch]."""
    weights = batch_weights(order.reshape(-1, order.shape[-1]), example_weight, plan.dtype)
    if plan.whole_batch:  # by row of the table instead of by position
        table = np.zeros_like(weights)
        for row, coefficients, shown in zip(table, weights, order.reshape(-1, order.shape[-1]), strict=True):
            row[shown[shown >= 0]] = coefficients[shown >= 0]
        weights = table
    return weights.reshape(order.shape)


def in_sequence(plan: Plan, place: Place, losses: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """The losses of the examples shown in an epoch of a call, [updates, batch], in the order in which they were."""
    if plan.whole_batch:
        return losses.reshape(-1)[sequence]
    now = plan.sizes[place.update : place.update + place.n_updates]
    return losses.reshape(-1)[in_batches(now, plan.batch_size)]
