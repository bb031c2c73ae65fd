"""Randomness on the host: one generator for each purpose, all from the run's seed.

A generator is a function of seed, purpose and number, so nothing of it has to be saved: a resumed run makes it anew.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Purpose = Literal["order", "weights", "validation", "test", "folds", "encoding", "mixup"]

# The numbers are part of the meaning of a seed: changing one changes every result. None is 0, because NumPy's seed
# sequences take trailing zeros for absent. 5, 8 and 9 are those of bits that are no generator's (random_bits.py).
_NUMBER: dict[Purpose, int] = {
    "order": 1,
    "weights": 2,
    "validation": 3,
    "test": 4,
    "folds": 6,
    "encoding": 7,
    "mixup": 10,
}


def generator(seed: int, purpose: Purpose, *numbers: int) -> np.random.Generator:
    """The generator for one purpose.

    Args:
        seed: The run's `random_state`.
        purpose: What it is for.
        numbers: Which of several, such as the epoch of an order; none is the same as 0.
    """
    if len(numbers) <= 1:
        return np.random.default_rng((seed, _NUMBER[purpose], *(numbers or (0,))))
    # Their count goes behind them, for else (…, 3, 0) would be (…, 3): trailing zeros are taken for absent.
    return np.random.default_rng((seed, _NUMBER[purpose], *numbers, len(numbers)))
