"""The rate that suits each of several recipes best by a cost, sought with other seeds than those that compare them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING

import numpy as np

from entrena.lessons.levels import passes_to

if TYPE_CHECKING:
    from entrena.fitting import Fitted, Prepared
    from entrena.lessons.trials import Trials
    from entrena.training.watching import OnLook


@dataclass(frozen=True)
class Candidate:
    """A recipe whose rate is sought.

    Attributes:
        name: What it is called.
        prepare: From a seed and a rate to a network.
        cost: From a seed and a trained network to what is to be as small as can be; NaN counts as infinite.
        watch: Who may end a training, called for each anew; None: nobody.
    """

    name: str
    prepare: Callable[[int, float], Prepared]
    cost: Callable[[int, Fitted], float]
    watch: Callable[[int], OnLook] | None = None


def cheapest_rates(
    said: str,
    candidates: Sequence[Candidate],
    rates: Sequence[float],
    seeds: Sequence[int],
    trials: Trials,
    n_between: int = 1,
) -> list[float]:
    """For each candidate the rate with the least mean cost over the seeds.

    After the given rates others between the best one and its two neighbours are tried: the geometric means, or more.

    Args:
        said: What is tried, for the bar.
        candidates: Whose rates are sought.
        rates: Those that are tried first, rising.
        seeds: Others than those by which the candidates are compared later.
        trials: Trains the networks.
        n_between: Rates on each side in the second round.
    """
    found: list[dict[float, float]] = [{} for _ in candidates]
    tried = [list(rates) for _ in candidates]
    for _ in range(2):
        runs = [(k, seed, rate) for k in range(len(candidates)) for rate in tried[k] for seed in seeds]
        if not runs:  # of a single rate there are no neighbours
            break
        fitted = train_all(f"{said}, the rates", [(candidates[k], seed, rate) for k, seed, rate in runs], trials)
        costs: list[dict[float, list[float]]] = [{} for _ in candidates]
        for (k, seed, rate), one in zip(runs, fitted, strict=True):
            cost = candidates[k].cost(seed, one)
            costs[k].setdefault(rate, []).append(cost if isfinite(cost) else inf)
        for own, more in zip(found, costs, strict=True):
            own |= {rate: float(np.mean(each)) for rate, each in more.items()}
        tried = [neighbours_between(own, n_between) for own in found]
    return [min(own, key=own.__getitem__) for own in found]


def neighbours_between(costs: Mapping[float, float], n_between: int = 1) -> list[float]:
    """The geometric means of the cheapest rate and the rates beside it; more on each side divide it evenly.

    >>> neighbours_between({1.0: 3.0, 4.0: 2.0, 16.0: 5.0})
    [2.0, 8.0]
    """
    rates = sorted(costs)
    at = rates.index(min(costs, key=costs.__getitem__))
    sides = [(rates[k], rates[k + 1]) for k in (at - 1, at) if 0 <= k < len(rates) - 1]
    if n_between == 1:
        return [float(np.sqrt(low * high)) for low, high in sides]
    return [float(rate) for low, high in sides for rate in np.geomspace(low, high, n_between + 2)[1:-1]]


def train_all(said: str, runs: Sequence[tuple[Candidate, int, float]], trials: Trials) -> list[Fitted]:
    """Trains candidates with seeds and rates, all in one population."""
    prepared = [each.prepare(seed, rate) for each, seed, rate in runs]
    watching = [_nobody if each.watch is None else each.watch(seed) for each, seed, _ in runs]
    return trials.train(f"{said}: {len(prepared)} networks", prepared, watching)


def _nobody(_: object) -> None:
    """Looks on and says nothing."""


def passes_or_more(fitted: Fitted, level: float, most: float) -> float:
    """Passes until the watched loss is at a level; without a level, the cost rises with the loss at the end.

    Args:
        fitted: A trained network.
        level: Of the loss.
        most: Passes that are allowed.
    """
    history = fitted.training.history
    passes = passes_to(history, level, watched=True)
    if passes is not None:
        return passes
    loss = history[-1]["validation_loss"] if history else inf
    if fitted.training.outcome.name == "diverged" or not isfinite(loss):
        return inf
    return float(most * (2 + np.log(loss / level)))
