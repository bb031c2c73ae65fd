"""The order of the examples: which of them, in which sequence, the updates of an epoch see.

A function of this registry is called as `function(rows, generator)` with the rows that may be drawn (those of weight 0
are left out) and returns the epoch's sequence of rows. It runs on the host while the block before is computed. The
compiled program sees only its result, cut into batches by `batches`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from entrena.registry import Choice, Entry, Registry
from entrena.training.seeds import generator

NO_EXAMPLE = -1  # fills up a short batch; it enters neither the loss nor batch statistics


@dataclass(frozen=True, eq=False)
class Pool:
    """What an order draws from.

    Attributes:
        rows: int32 [n] the rows that may be drawn.
        batch_size: Examples of an update.
        seed: The run's.
        classes: [n] the number of each row's class, or None.
        losses: [n] the loss of each row when it was last shown, NaN where it was not; or None.
    """

    rows: np.ndarray
    batch_size: int
    seed: int
    classes: np.ndarray | None = None
    losses: np.ndarray | None = None


class Drawn(NamedTuple):
    """The rows of an epoch.

    Attributes:
        sequence: int32 [n] one after the other.
        importance: [n] 1/(n·p) of a row that is drawn with the probability p, where rows are drawn unequally.
    """

    sequence: np.ndarray
    importance: np.ndarray | None


def shuffled(pool: Pool, epoch: int) -> Drawn:
    """A fresh random permutation."""
    return Drawn(generator(pool.seed, "order", epoch).permutation(pool.rows), None)


def sequential(pool: Pool, epoch: int) -> Drawn:
    """As given."""
    return Drawn(pool.rows, None)


ORDERS = Registry(
    "training.order",
    "Training modes",
    (
        Entry(
            "shuffled",
            "a random permutation, new in each epoch",
            "Each example once an epoch, in random sequence.",
            shuffled,
            other_names=("shuffle", "random"),
        ),
    ),
)


def draw(choice: Choice, pool: Pool, epoch: int) -> Drawn:
    """The rows of an epoch in the chosen order."""
    function = ORDERS[choice.name].function
    assert function is not None
    return function(pool, epoch, **ORDERS.settings_of(choice))


def needs(choice: Choice) -> tuple[str, ...]:
    """What an order asks for beside the rows: `classes`, `losses`."""
    return tuple(ORDERS[choice.name].details.get("needs", ()))


def n_batches(n_rows: int, batch_size: int) -> int:
    """Updates of an epoch: ⌈N/B⌉."""
    return -(-n_rows // batch_size)


def batches(sequence: np.ndarray, batch_size: int) -> np.ndarray:
    """An epoch's sequence as int32 [updates, batch_size], the last batch filled up with `NO_EXAMPLE`.

    >>> batches(np.array([4, 2, 0, 1, 3]), 2)
    array([[ 4,  2],
           [ 0,  1],
           [ 3, -1]], dtype=int32)
    """
    table = np.full((n_batches(len(sequence), batch_size), batch_size), NO_EXAMPLE, np.int32)
    table.reshape(-1)[: len(sequence)] = sequence
    return table


def batch_weights(table: np.ndarray, example_weight: np.ndarray | None, dtype: np.typing.DTypeLike) -> np.ndarray:
    """The coefficient of each example in its update's loss, already divided by the update's number of real examples.

    Args:
        table: Rows, int [updates, batch_size], with `NO_EXAMPLE` where a batch is short.
        example_weight: The weight of every row, of mean 1 over the training part, or None where all are equal.
        dtype: The type of the result, [updates, batch_size].
    """
    real = table != NO_EXAMPLE
    share = 1.0 / np.maximum(real.sum(axis=1, keepdims=True), 1)
    if example_weight is None:
        return (real * share).astype(dtype)
    return np.where(real, example_weight[table] * share, 0.0).astype(dtype)


def class_shares(classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shares of the classes among the rows, and among the draws of `balanced`."""
    counts = np.bincount(classes)
    return counts / counts.sum(), (counts > 0) / np.count_nonzero(counts)
