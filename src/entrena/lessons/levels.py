"""Passes that training takes to reach a level of the loss, and the rate at which a recipe takes the fewest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, nan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from entrena.fitting import Prepared
    from entrena.lessons.trials import Trials
    from entrena.training.watching import OnLook, Progress

HOPELESS = 1e6  # times the first loss
NOT_REACHED = 2.0  # times the passes that were allowed: how a run counts that did not get there, where rates are chosen


@dataclass(frozen=True)
class Racer:
    """A recipe that is to reach a level.

    Attributes:
        name: What it is called.
        prepare: From a seed, a rate and the passes that are allowed to a network.
        level: From a seed to the loss that is to be reached.
        rates: Those that are tried, rising.
        most: Passes that are allowed.
        watched: Whether the loss is that of the rows that only look on, after each pass, instead of the pass's own.
    """

    name: str
    prepare: Callable[[int, float, int], Prepared]
    level: Callable[[int], float]
    rates: Sequence[float]
    most: int
    watched: bool = False


def best_rates(
    said: str, racers: Sequence[Racer], seeds: Sequence[int], trials: Trials, n_between: int = 2
) -> list[float]:
    """For each racer the rate at which it takes the fewest passes, in the mean over seeds.

    After its own rates as many others are tried on both sides of the best one, up to the next.

    Args:
        said: What is raced, for the bar.
        racers: Who is raced.
        seeds: Others than those by which the racers are compared later.
        trials: Trains them.
        n_between: Rates on each side in the second round.
    """
    found: list[dict[float, float]] = [{} for _ in racers]
    tried = [list(each.rates) for each in racers]
    for _ in range(2):
        runs = [(k, seed, rate) for k in range(len(racers)) for rate in tried[k] for seed in seeds]
        passes = iter(_passes(f"{said}, the rates", [(racers[k], seed, rate) for k, seed, rate in runs], trials))
        for k, each in enumerate(racers):
            for rate in tried[k]:
                taken = [next(passes) for _ in seeds]
                found[k][rate] = float(np.mean([NOT_REACHED * each.most if one is None else one for one in taken]))
        tried = [_around(own, n_between) for own in found]
    return [min(own, key=own.__getitem__) for own in found]


def _around(found: Mapping[float, float], n_between: int) -> list[float]:
    """Rates between the best one and its two neighbours."""
    rates = sorted(found)
    at = rates.index(min(found, key=found.__getitem__))
    sides = [(rates[k], rates[k + 1]) for k in (at - 1, at) if 0 <= k < len(rates) - 1]
    return [float(rate) for low, high in sides for rate in np.geomspace(low, high, n_between + 2)[1:-1]]


def race(
    said: str, racers: Sequence[Racer], rates: Sequence[float], seeds: Sequence[int], trials: Trials
) -> list[list[float | None]]:
    """For each racer and seed the passes to the level; None where it was not reached."""
    runs = [(each, seed, rate) for each, rate in zip(racers, rates, strict=True) for seed in seeds]
    passes = iter(_passes(said, runs, trials))
    return [[next(passes) for _ in seeds] for _ in racers]


def _passes(said: str, runs: Sequence[tuple[Racer, int, float]], trials: Trials) -> list[float | None]:
    prepared = [each.prepare(seed, rate, each.most) for each, seed, rate in runs]
    levels = [each.level(seed) for each, seed, _ in runs]
    watching = [end_of_race(level, watched=each.watched) for (each, _, _), level in zip(runs, levels, strict=True)]
    fitted = trials.train(f"{said}: {len(prepared)} networks", prepared, watching)
    return [
        passes_to(one.training.history, level, watched=each.watched)
        for (each, _, _), level, one in zip(runs, levels, fitted, strict=True)
    ]


def end_of_race(level: float = 0.0, *, watched: bool = False) -> OnLook:
    """Ends a training when its loss is at a level, or a million times the first one.

    Args:
        level: Of the loss.
        watched: As of a `Racer`.
    """
    first: list[float] = []

    def on_look(progress: Progress) -> Literal["stop"] | None:
        loss = progress.validation_loss if watched else progress.loss
        assert loss is not None
        if not first:
            first.append(loss)
        return "stop" if loss <= level or loss > HOPELESS * first[0] else None

    return on_look


def passes_to(history: Sequence[Mapping[str, Any]], level: float, *, watched: bool = False) -> float | None:
    """Passes after which the loss is at a level; None where it never is.

    The loss of a pass over all examples at once is that before its update, so that of the first one is after none. The
    loss of rows that look on is that after the pass; between two passes it falls by equal factors, it is assumed.
    """
    losses = [epoch["validation_loss" if watched else "loss"] for epoch in history]
    at = next((k for k, loss in enumerate(losses) if loss <= level), None)
    if at is None or not watched:
        return None if at is None else float(at)
    if at == 0:
        return 1.0
    before, after = losses[at - 1], losses[at]
    part = 1.0 if after <= 0 else (log(before) - log(level)) / (log(before) - log(after))
    return at + part


def speed_up(slow: Sequence[float | None], fast: Sequence[float | None], most: float) -> dict[str, Any]:
    """How many times fewer passes the second takes: geometric mean over seeds with its 95 % interval.

    A run that did not reach the level counts with the passes that it was allowed; where both did not, nothing is known.

    Args:
        slow: [seeds] passes of the first.
        fast: [seeds] passes of the second, from the same starts.
        most: Passes that were allowed.
    """
    from entrena.population.statistics import mean_interval

    logs = []
    for a, b in zip(slow, fast, strict=True):
        both = a is None and b is None
        logs.append(nan if both else log(most if a is None else max(a, 1.0)) - log(most if b is None else max(b, 1.0)))
    mean, low, high = (exp(end) for end in mean_interval(logs, 0.0))
    return {"mean": mean, "low": low, "high": high, "not_reached": [slow.count(None), fast.count(None)]}


def median_passes(passes: Sequence[float | None]) -> float | None:
    """The median, runs that did not reach the level above all others; None where that is the median.

    >>> median_passes([3.0, None, 1.0]), median_passes([3.0, None, None])
    (3.0, None)
    """
    found = float(np.median([np.inf if one is None else one for one in passes]))
    return None if np.isinf(found) or np.isnan(found) else found
