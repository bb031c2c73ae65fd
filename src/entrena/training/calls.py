"""The calls of the compiled program in a run: order, weights and controls of each, made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from entrena.network.dropout import update_words
from entrena.training import rates
from entrena.training.compilation import find_device
from entrena.training.order import NO_EXAMPLE, ORDERS, batch_weights, batches
from entrena.training.parts import TrainingPart
from entrena.training.plan import Plan
from entrena.training.program import Block
from entrena.training.seeds import generator


class Call(NamedTuple):
    """One call of the program: epochs `epoch`+1 … `epoch`+`n_epochs`, or a part of the first of them."""

    epoch: int
    n_epochs: int
    update: int  # first update within the epoch
    n_updates: int
    sequences: list[np.ndarray]  # the rows shown, epoch by epoch
    rates: np.ndarray  # [epochs, updates]
    block: Block

    @property
    def ends_epoch(self) -> bool:
        """Whether its last update is the last of an epoch."""
        return bool(self.block.look[0])


def calls(plan: Plan, training: TrainingPart, epoch: int, update: int) -> Iterator[Call]:
    """The calls of a run from a position on, each made when it is asked for."""
    rows = np.arange(plan.n_rows, dtype=np.int32)
    uniform: dict[tuple[int, int, int], Any] = {}  # equal weights differ only by position: sent once

    device = find_device(plan.device)
    while epoch < plan.max_epochs:
        size = plan.epochs_a_call  # the same for every call, so that one program serves the run
        n_epochs = min(size, plan.max_epochs - epoch)
        n_updates = min(plan.updates_a_call, plan.n_updates - update)
        sequences, tables = [], []
        for e in range(epoch, epoch + n_epochs):
            sequence = epoch_sequence(plan, rows, e)
            sequences.append(sequence[update * plan.batch_size : (update + n_updates) * plan.batch_size])
            tables.append(_pad(batches(sequences[-1], plan.batch_size), plan.updates_a_call))
        tables += [np.full_like(tables[0], NO_EXAMPLE)] * (size - n_epochs)
        order = np.stack(tables)
        key = (n_epochs, n_updates, len(sequences[0]))
        if training.weight is not None:
            weights: Any = jax.device_put(_weights(plan, order, training.weight), device)
        elif key in uniform:
            weights = uniform[key]
        else:
            weights = uniform[key] = jax.device_put(_weights(plan, order, None), device)
        t = np.arange(size)[:, None] * plan.n_updates + np.arange(plan.updates_a_call)
        t += epoch * plan.n_updates + update
        rate = rates.rates(plan.schedule, t.ravel(), plan.n_run_updates, plan.learning_rate).reshape(t.shape)
        controls = {"learning_rate": rate.astype(plan.dtype)}
        if plan.momentum is not None:
            controls["momentum"] = np.full(t.shape, plan.momentum, plan.dtype)
        if plan.structure.dropout:
            controls["dropout"] = update_words(plan.seed, t)
        last = update + n_updates == plan.n_updates
        block = Block(
            None if plan.whole_batch else order,
            weights,
            controls,
            np.where(np.arange(size) < n_epochs, n_updates, 0).astype(np.int32),
            np.full(size, last) & (np.arange(size) < n_epochs),
        )
        yield Call(epoch, n_epochs, update, n_updates, sequences, rate, block)
        epoch, update = (epoch + n_epochs, 0) if last else (epoch, update + n_updates)


def epoch_sequence(plan: Plan, rows: np.ndarray, epoch: int) -> np.ndarray:
    """The rows of an epoch in the sequence in which they are shown."""
    if plan.whole_batch:
        return rows
    function = ORDERS[plan.order].function
    assert function is not None
    return function(rows, generator(plan.seed, "order", epoch))


def _weights(plan: Plan, order: np.ndarray, example_weight: np.ndarray | None) -> np.ndarray:
    """The coefficients of a call's examples, [epochs, updates, batch]."""
    weights = batch_weights(order.reshape(-1, order.shape[-1]), example_weight, plan.dtype)
    if plan.whole_batch:  # by row of the table instead of by position
        table = np.zeros_like(weights)
        for row, coefficients, shown in zip(table, weights, order.reshape(-1, order.shape[-1]), strict=True):
            row[shown[shown >= 0]] = coefficients[shown >= 0]
        weights = table
    return weights.reshape(order.shape)


def _pad(table: np.ndarray, n_updates: int) -> np.ndarray:
    return np.pad(table, ((0, n_updates - len(table)), (0, 0)), constant_values=NO_EXAMPLE)


def in_sequence(losses: np.ndarray, sequence: np.ndarray, by_row: bool) -> np.ndarray:
    """The losses of the examples shown, in the order in which they were."""
    return losses.reshape(-1)[sequence] if by_row else losses.reshape(-1)[: len(sequence)]
