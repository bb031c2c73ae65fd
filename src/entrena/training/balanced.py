"""The order `balanced`: each class equally often, in every mini-batch and over the whole run."""

from __future__ import annotations

import numpy as np

from entrena.training.pool import Drawn, Pool
from entrena.training.seeds import generator


def balanced(pool: Pool, epoch: int, *, restore_priors: bool = True) -> Drawn:
    """The classes in turn, and each class walked through in fresh permutations.

    The run is one long sequence of slots, s = epoch·n + position, and slot s belongs to class s mod C of a cycle that
    is drawn once. So B consecutive slots have ⌊B/C⌋ or ⌈B/C⌉ of each class, wherever they begin: in each mini-batch, a
    short one included. How many slots a class had before this epoch is arithmetic; the epoch depends on no other.

    Args:
        pool: With classes.
        epoch: Its number, from 0.
        restore_priors: For prediction only; the draws do not depend on it (see `class_shares`).
    """
    n, first_slot = len(pool.rows), epoch * len(pool.rows)
    classes = pool.by_class()
    n_classes = len(classes.present)
    sequence = np.empty(n, np.int32)
    for turn, k in enumerate(generator(pool.seed, "order", 0, 0).permutation(n_classes)):
        first = (turn - first_slot) % n_classes  # of its slots in this epoch
        slots_before = -((turn - first_slot) // n_classes)
        n_slots = len(range(first, n, n_classes))
        if n_slots:
            walk = _Walk(classes.positions[k], pool.seed, int(classes.present[k]), n // n_classes)
            sequence[first::n_classes] = pool.rows[walk.part(slots_before, n_slots)]
    if pool.batch_size > 1:
        _shuffle_batches(sequence, pool.batch_size, generator(pool.seed, "order", epoch))
    return Drawn(sequence)


class _Walk:
    """The endless walk through a class: one random permutation of its members after the other.

    Args:
        members: All of the class.
        seed: The run's.
        number: The class's.
        n_slots: About the steps of an epoch.
    """

    def __init__(self, members: np.ndarray, seed: int, number: int, n_slots: int) -> None:
        self.key = (seed, number)
        # Short permutations are made several at a time: a generator costs as much as 1,000 steps.
        rounds = max(1, max(n_slots // 4, 1000) // len(members))
        self.permutations = np.tile(members, (rounds, 1))

    def part(self, start: int, length: int) -> np.ndarray:
        """So many steps from the given one on."""
        steps = self.permutations.size
        chapters = range(start // steps, (start + length - 1) // steps + 1)
        begin = start - chapters.start * steps
        return np.concatenate([self._chapter(chapter) for chapter in chapters])[begin : begin + length]

    def _chapter(self, number: int) -> np.ndarray:
        seed, of_class = self.key
        return generator(seed, "order", of_class + 1, number).permuted(self.permutations, axis=1).ravel()


def _shuffle_batches(sequence: np.ndarray, batch_size: int, chance: np.random.Generator) -> None:
    """Puts the rows of each mini-batch in a random sequence, in place; those of whole ones all in the same."""
    n_whole = len(sequence) // batch_size * batch_size
    if n_whole:
        whole = sequence[:n_whole].reshape(-1, batch_size)
        whole[:] = whole[:, chance.permutation(batch_size)]
    chance.shuffle(sequence[n_whole:])


def class_shares(classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shares of the classes among the rows, and among the draws of `balanced`.

    Their ratio is what puts the priors back in prediction: log-odds + log(true/drawn). Weights of rows or classes do
    not change it: they weigh rows and draws of a class alike.

    Args:
        classes: int [n] the number of each row's class.

    Returns:
        Two arrays [classes], by number; 0 in both for a class without rows.
    """
    counts = np.bincount(classes)
    return counts / counts.sum(), (counts > 0) / np.count_nonzero(counts)
