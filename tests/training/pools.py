"""What the tests of the orders draw from: rows, classes and losses of any kind."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from entrena.training.order import Pool


# Counts of the classes: any; one with about half of the rows, where the least number of neighbours is hardest to reach;
# two with about a third; one with most of the rows.
@st.composite
def class_counts(draw_one, greatest=60):
    few = draw_one(st.lists(st.integers(1, greatest), min_size=1, max_size=7))
    n = sum(few)
    more = draw_one(
        st.one_of(
            st.just([]),
            st.integers(max(1, n - 2), n + 2).map(lambda m: [m]),
            st.integers(-1, 1).map(lambda d: [max(1, n + d), max(1, n - d)]),
            st.integers(n, 6 * n).map(lambda m: [m]),
        )
    )
    return draw_one(st.permutations(few + more))


@st.composite
def pools(draw_one, counts=class_counts()):  # noqa: B008
    """Rows with gaps between their numbers, classes with gaps between theirs, in any sequence."""
    counts = draw_one(counts)
    n, chance = sum(counts), np.random.default_rng(draw_one(st.integers(0, 2**32)))
    numbers = np.sort(chance.choice(3 * len(counts), len(counts), replace=False))
    classes = chance.permutation(np.repeat(numbers, counts))
    rows = np.sort(chance.choice(2 * n, n, replace=False)).astype(np.int32)
    losses = np.where(chance.random(n) < 0.2, np.nan, chance.exponential(size=n))
    return Pool(rows, draw_one(st.integers(1, 2 * n)), draw_one(st.integers(0, 2**40)), classes, losses)


def classes_in(pool, sequence):
    """The class of each row of a sequence."""
    return pool.classes[np.searchsorted(pool.rows, sequence)]
