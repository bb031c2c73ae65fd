"""Whether two trainings are the same, bit by bit."""

from __future__ import annotations

import jax
import numpy as np


def assert_bitwise(a, b) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(x, y)


def without_seconds(history) -> list[dict]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def assert_same_run(a, b) -> None:
    assert_bitwise(a.params, b.params)
    assert without_seconds(a.history) == without_seconds(b.history)
    assert (a.outcome, a.best) == (b.outcome, b.best)
    assert_bitwise(a.checkpoint.state, b.checkpoint.state)
