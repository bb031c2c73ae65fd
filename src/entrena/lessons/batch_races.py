"""Networks that race to levels of the training loss: techniques for batches against each other and mini-batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.levels import Racer, best_rates, end_of_race, median_passes, passes_to, speed_up

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Fitted, Prepared
    from entrena.lessons.trials import Trials
    from entrena.population.rows import Rows

EARLY, DEEP = "early", "deep"

CONJUGATE = "conjugate gradients"
# Recipe → what it changes, and the rates that are tried; None: it has none.
RATES = tuple(2.0**k for k in range(-3, 6))  # η/(1 − μ)
ADAM_RATES = tuple(10 ** (k / 2) for k in range(-8, 0))
IN_BATCHES: dict[str, tuple[dict[str, Any], tuple[float, ...] | None]] = {
    "gradient descent": ({"optimizer": "sgd", "momentum": 0.0}, RATES),
    "momentum 0.9": ({"optimizer": "sgd", "momentum": 0.9}, tuple(0.1 * rate for rate in RATES)),
    CONJUGATE: ({"optimizer": "conjugate_gradient"}, None),
    "L-BFGS": ({"optimizer": "lbfgs"}, None),
    "BFGS": ({"optimizer": "bfgs"}, None),
    "Levenberg–Marquardt": ({"optimizer": "levenberg_marquardt"}, None),
}
IN_MINI_BATCHES: dict[str, tuple[dict[str, Any], tuple[float, ...] | None]] = {
    "mini-batches, momentum 0.9": ({"optimizer": "sgd", "momentum": 0.9}, tuple(0.1 * rate for rate in RATES)),
    "mini-batches, adamw": ({"optimizer": "adamw"}, ADAM_RATES),
}
PLAIN = ("gradient descent", "momentum 0.9")
ONLY_BATCH = tuple(name for name in IN_BATCHES if name not in PLAIN)
EVERY = {**IN_BATCHES, **IN_MINI_BATCHES}
BATCH_SIZE = 32
BASE: dict[str, Any] = {"activation": "tanh", "schedule": "constant", "weight_decay": 0.0, "early_stopping": False}


@dataclass(frozen=True)
class Task:
    """Data, a network and the training losses that it is to reach.

    Attributes:
        data: The embedded set.
        hidden: Its hidden layers.
        levels: `early` and `deep`.
        copies: How often each training row is there.
        squares: Whether the loss is a sum of squares, which Levenberg–Marquardt needs.
    """

    data: str
    hidden: tuple[int, ...]
    levels: Mapping[str, float]
    copies: int = 1
    squares: bool = False


TASKS = {
    "breast_cancer": Task("breast_cancer", (16,), {EARLY: 0.06, DEEP: 0.002}),
    "diabetes": Task("diabetes", (16,), {EARLY: 0.45, DEEP: 0.3}, squares=True),
    "moons": Task("moons", (16,), {EARLY: 0.15, DEEP: 0.08}),
    "digits": Task("digits", (32,), {EARLY: 0.1, DEEP: 0.002}),
    "digits in 4 copies": Task("digits", (32,), {EARLY: 0.1, DEEP: 0.002}, copies=4),
}


def methods_of(task: Task) -> list[str]:
    """The recipes that can do a task."""
    return [name for name in EVERY if task.squares or name != "Levenberg–Marquardt"]


def race_on(
    name: str, size: Mapping[str, Any], seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> dict[str, Any]:
    """Passes, seconds and held-out scores at both levels, for each recipe."""
    from entrena.data import EMBEDDED

    task, examples = TASKS[name], EMBEDDED[TASKS[name].data].load()
    rows, held = rows_by_seed(task, examples, [*seeds, *others])
    racers = {
        (method, level): _racer(task, method, level, size["most"], rows)
        for method in methods_of(task)
        for level in task.levels
    }
    tuned = [key for key in racers if EVERY[key[0]][1] is not None]
    rates = dict(zip(tuned, best_rates(name, [racers[key] for key in tuned], others, trials), strict=True))
    seconds = _seconds(name, racers, rates, seeds[0], size["rounds"])
    found = []
    for key, racer in racers.items():
        fitted = _raced(f"{name}: {key[0]}, {key[1]}", racer, rates.get(key), seeds, trials)
        method, level = key
        found.append(
            {
                "method": method,
                "level": level,
                "rate": rates.get(key),
                "passes": [_passes(one, racer) for one in fitted],
                "seconds_a_pass": seconds[method],
                "scores": [_score(one, held[each]) for one, each in zip(fitted, seeds, strict=True)],
            }
        )
    first = rows[seeds[0], False].training
    return {
        "name": name,
        "rows": first.n_rows,
        "weights": racers[CONJUGATE, DEEP].prepare(seeds[0], 1.0, 1).network.n_weights,
        "levels": dict(task.levels),
        "most": size["most"],
        "found": found,
    }


def _raced(said: str, racer: Racer, rate: float | None, seeds: Sequence[int], trials: Trials) -> list[Fitted]:
    """A racer with each seed.

    The programs of line searches take long to compile, and one network after the other needs one of them only.
    """
    own = [racer.prepare(one, rate or 1.0, racer.most) for one in seeds]
    watching = [end_of_race(racer.level(one), watched=racer.watched) for one in seeds]
    if rate is not None:
        return trials.train(said, own, watching)
    return [trials.train(said, [one], [watch])[0] for one, watch in zip(own, watching, strict=True)]


def rows_by_seed(
    task: Task, examples: Examples, seeds: Sequence[int]
) -> tuple[dict[tuple[int, bool], Rows], dict[int, Examples]]:
    """For each seed the training rows, copied as the task says, unwatched and watched, and the rows held out."""
    from entrena.data import EMBEDDED
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import make_splits

    stratify = EMBEDDED[task.data].task == "classification"
    rows, held = {}, {}
    for split in make_splits(examples, list(seeds), None, stratify=stratify):
        split = replace(split, training=np.tile(split.training, task.copies))
        alone, watched = rows_of(examples, split), rows_of(examples, split)
        rows[split.seed, False], rows[split.seed, True] = alone, replace(watched, watched=watched.training)
        held[split.seed] = examples.take(split.held)
    return rows, held


def _racer(
    task: Task, method: str, level: str, most: Mapping[str, int], rows: Mapping[tuple[int, bool], Rows]
) -> Racer:
    from entrena.recipe import Recipe

    changes, rates = EVERY[method]
    watched = method in IN_MINI_BATCHES
    mode = {"mode": "mini_batch", "batch_size": BATCH_SIZE} if watched else {"mode": "batch"}
    recipe = Recipe.make({**BASE, "hidden": list(task.hidden), **changes, **mode})

    def prepare(seed: int, rate: float, passes: int) -> Prepared:
        own: dict[str, Any] = {"max_epochs": passes, "random_state": seed}
        if rates is not None:
            own["learning_rate"] = rate
        return rows[seed, watched].prepare(recipe.change(own))

    def to_reach(seed: int) -> float:
        # The history has the loss of a number in the target's unit squared.
        return task.levels[level] * (prepare(seed, 1.0, 1).coder.scale[0] ** 2 if task.squares else 1.0)

    allowed = most["mini_batch" if watched else "batch"]
    return Racer(method, prepare, to_reach, rates or (1.0,), allowed, watched)


def _passes(fitted: Fitted, racer: Racer) -> float | None:
    return passes_to(fitted.training.history, racer.level(fitted.plan.seed), watched=racer.watched)


def _score(fitted: Fitted, held: Examples) -> float:
    from entrena.lessons.trials import leading_score

    return leading_score(fitted, held)[1]


def _seconds(
    name: str, racers: Mapping[tuple[str, str], Racer], rates: Mapping[tuple[str, str], float], seed: int, rounds: int
) -> dict[str, list[float]]:
    """For each recipe the seconds of a pass, one network alone, in turns."""
    from entrena.lessons.timing import seconds_a_pass

    def making(key: tuple[str, str]) -> Callable[[int], Prepared]:
        return lambda passes: replace(racers[key].prepare(seed, rates.get(key, 1.0), passes), validation=None)

    keys = [key for key in racers if key[1] == DEEP]
    found = seconds_a_pass("conjugate_gradients", [making(key) for key in keys], rounds)
    return {method: own for (method, _), own in zip(keys, found, strict=True)}


def row_of(task: Mapping[str, Any], method: str, level: str) -> Mapping[str, Any]:
    """What was found of a recipe at a level."""
    return next(each for each in task["found"] if (each["method"], each["level"]) == (method, level))


def most_of(task: Mapping[str, Any], method: str) -> float:
    """The passes that a recipe was allowed."""
    return float(task["most"]["mini_batch" if method in IN_MINI_BATCHES else "batch"])


def best_of(task: Mapping[str, Any], methods: Sequence[str], level: str) -> str:
    """Of these recipes the one with the least median of passes; those that cannot do the task are left out."""
    medians = {
        each["method"]: median_passes(each["passes"])
        for each in task["found"]
        if each["level"] == level and each["method"] in methods
    }
    return min(medians, key=lambda name: (medians[name] is None, medians[name] or 0.0))


def gain(task: Mapping[str, Any], one: str, other: str, level: str, *, seconds: bool = False) -> dict[str, Any]:
    """How many times fewer passes, or seconds, one recipe takes than another; see `speed_up`."""
    a, b = row_of(task, other, level), row_of(task, one, level)
    most = most_of(task, other)
    slow = [most if x is None and y is not None else x for x, y in zip(a["passes"], b["passes"], strict=True)]
    found = speed_up(slow, b["passes"], most_of(task, one))
    if seconds:
        ratio = float(np.median(a["seconds_a_pass"]) / np.median(b["seconds_a_pass"]))
        found |= {end: ratio * found[end] for end in ("mean", "low", "high")}
    return found
