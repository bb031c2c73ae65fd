"""Curves of several splits as one, and long ones thinned, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from entrena.reporting.curves import kept_points, over_splits


def test_mean_lowest_and_highest(generator: np.random.Generator) -> None:
    table = generator.uniform(0.1, 2.0, (5, 30))
    found = over_splits(table.tolist())
    assert found.mean == pytest.approx([sum(table[:, k]) / 5 for k in range(30)])
    assert found.low.tolist() == [min(table[:, k]) for k in range(30)]
    assert found.high.tolist() == [max(table[:, k]) for k in range(30)]


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_network_that_has_ended_counts_with_its_last_loss(nothing: float | None) -> None:
    found = over_splits([[4.0, 2.0, nothing, nothing, nothing], [2.0, 2.0, 1.0, 0.5, nothing]])
    assert found.mean.tolist() == [3.0, 2.0, 1.5, 1.25]  # by hand; the fifth epoch, which nobody ran, is not there
    assert found.low.tolist() == [2.0, 2.0, 1.0, 0.5]
    assert found.high.tolist() == [4.0, 2.0, 2.0, 2.0]


def test_networks_without_any_loss_do_not_count() -> None:
    found = over_splits([[None, None], [3.0, 1.0]])
    assert (found.mean.tolist(), found.n_splits) == ([3.0, 1.0], 1)
    assert over_splits([[None], [None]]).n_splits == 0
    assert over_splits([[], []]).mean.tolist() == []


@pytest.mark.parametrize("length", [1001, 4000, 123_457])
def test_thinning_keeps_the_extremes(length: int, generator: np.random.Generator) -> None:
    mean, high = generator.normal(size=length), generator.normal(size=length) + 9
    mean[[length // 3, length // 2]] = [50.0, -50.0]  # spikes of one epoch
    high[length // 5] = 99.0
    kept = kept_points([mean, high])
    assert len(kept) <= 1000
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, length - 1)
    assert {length // 3, length // 2, length // 5} <= set(kept)
    # Not only the extremes of the whole: those of each fiftieth part are there as well.
    for part in np.array_split(np.arange(length), 50):
        for series in (mean, high):
            inside = series[[k for k in kept if part[0] <= k <= part[-1]]]
            assert (inside.min(), inside.max()) == pytest.approx((series[part].min(), series[part].max()), abs=1.5)


def test_short_curves_keep_all_points() -> None:
    assert kept_points([np.zeros(1000)]) == list(range(1000))
    assert kept_points([np.zeros(0)]) == []
