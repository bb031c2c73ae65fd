"""The order of the examples: which of them, in which sequence, the updates of an epoch see.

A function of this registry is called as `function(pool, epoch, **settings)` and returns the epoch's rows. It is pure:
what it draws depends on nothing else, so an epoch can be made ahead, or again. It runs on the host while the block
before is computed; the compiled program sees only its result, cut into batches by `batches`. `details["needs"]`: what
it asks of the pool beside the rows, `classes` or `losses`.
"""

from __future__ import annotations

import numpy as np

from entrena.registry import Choice, Entry, Registry, Setting
from entrena.training.balanced import balanced
from entrena.training.balanced import class_shares as class_shares
from entrena.training.by_error import by_error
from entrena.training.interleaved import interleaved
from entrena.training.pool import Drawn, Pool
from entrena.training.seeds import generator

NO_EXAMPLE = -1  # fills up a short batch; it enters neither the loss nor batch statistics


def sequential(pool: Pool, epoch: int) -> Drawn:
    """As given, the same in each epoch."""
    return Drawn(pool.rows.copy())


def shuffled(pool: Pool, epoch: int) -> Drawn:
    """A fresh random permutation."""
    return Drawn(generator(pool.seed, "order", epoch).permutation(pool.rows))


ORDERS = Registry(
    "training.order",
    "Training modes",
    (
        Entry(
            "sequential",
            "1, 2, …, N",
            "Each example once an epoch, as given: for streams, and for data that change with time.",
            sequential,
            other_names=("in_order", "as_given", "SequentialSampler", "no_shuffle"),
            lesson="interleaving",
        ),
        Entry(
            "shuffled",
            "a random permutation, new in each epoch",
            "Each example once an epoch, in random sequence.",
            shuffled,
            other_names=("shuffle", "random", "RandomSampler"),
        ),
        Entry(
            "interleaved",
            "equal-class neighbours: max(0, 2·n_max − n − 1), the least possible",
            "Each example once an epoch; neighbours differ in class wherever they can, and each tenth of the epoch has "
            "a tenth of every class, ±2. For single-label classification.",
            interleaved,
            source="LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.2",
            other_names=("alternating", "interleave", "round_robin"),
            lesson="interleaving",
            details={"needs": ("classes",)},
        ),
        Entry(
            "balanced",
            "⌊B/C⌋ or ⌈B/C⌉ of each class in a mini-batch; prediction: log-odds + log(true/drawn prior)",
            "Rare classes are shown as often as frequent ones; nothing is repeated before all of its class were shown. "
            "For single-label classification.",
            balanced,
            source="the priors in prediction: Saerens, Latinne & Decaestecker, Neural Computation 14 (2002)",
            settings=(Setting("restore_priors", True, "whether the class priors are put back in prediction"),),
            other_names=(
                "class_balanced",
                "oversampling",
                "RandomOverSampler",
                "BalancedBatchGenerator",
                "ImbalancedDatasetSampler",
            ),
            lesson="balanced_batches",
            details={"needs": ("classes",)},
        ),
        Entry(
            "by_error",
            "N·p_i = min(cap, floor + λ·loss_i^exponent) with Σ p_i = 1; importance weight 1/(N·p_i)",
            "Examples are drawn the more often, the greater their loss was when they were last shown.",
            by_error,
            source="LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.2; Loshchilov & Hutter, "
            "arXiv:1511.06343 (2015); Katharopoulos & Fleuret, arXiv:1803.00942 (2018)",
            settings=(
                Setting("exponent", 1.0, "how much the loss counts; 0: not at all", low=0),
                Setting(
                    "floor",
                    0.2,
                    "the share of the probability that is equal for all; 0: those of loss 0 are not drawn",
                    0,
                    1,
                ),
                Setting("cap", 10.0, "the most that one example may have of the uniform probability", low=1),
                Setting("importance_weights", False, "whether weights 1/(N·p_i) keep the gradient unbiased"),
            ),
            other_names=(
                "importance_sampling",
                "emphasizing",
                "hard_example_mining",
                "online_batch_selection",
                "prioritized",
                "WeightedRandomSampler",
            ),
            lesson="hard_examples",
            details={"needs": ("losses",)},
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


def n_batches(n_rows: int, batch_size: int, *, even: bool = False) -> int:
    """Updates of an epoch: ⌈N/B⌉; even: no more than leave each at least two examples."""
    n = -(-n_rows // batch_size)
    return min(n, max(1, n_rows // 2)) if even else n


def batch_sizes(n_rows: int, batch_size: int, *, even: bool = False) -> np.ndarray:
    """Examples of each update of an epoch: B and a rest; even: sizes that differ by at most one.

    >>> batch_sizes(9, 4), batch_sizes(9, 4, even=True), batch_sizes(3, 2, even=True)
    (array([4, 4, 1]), array([3, 3, 3]), array([3]))
    """
    n = n_batches(n_rows, batch_size, even=even)
    if even:
        return n_rows // n + (np.arange(n) < n_rows % n)
    sizes = np.full(n, batch_size)
    sizes[-1:] = n_rows - (n - 1) * batch_size
    return sizes


def batches(sequence: np.ndarray, sizes: np.ndarray, width: int) -> np.ndarray:
    """A sequence as int32 [updates, width], each filled up with `NO_EXAMPLE` behind its examples.

    >>> batches(np.array([4, 2, 0, 1, 3]), np.array([2, 2, 1]), 2)
    array([[ 4,  2],
           [ 0,  1],
           [ 3, -1]], dtype=int32)
    """
    table = np.full((len(sizes), width), NO_EXAMPLE, np.int32)
    table.reshape(-1)[in_batches(sizes, width)] = sequence
    return table


def in_batches(sizes: np.ndarray, width: int) -> slice | np.ndarray:
    """Where the examples of updates of these sizes lie in a table [updates, width], counted row by row."""
    if np.all(sizes[:-1] == width):  # one after the other, which a slice says without a copy
        return slice(int(sizes.sum()))
    return np.flatnonzero(np.arange(width) < sizes[:, None])


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
