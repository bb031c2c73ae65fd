"""What a treatment of the inputs is worth in passes: the same rows as they are and treated, raced to one level.

Linear units with squared error, whose passes are predicted by the eigenvalues of their Hessian, the second moments of
the inputs and the bias; then networks with a hidden layer on real data, each treatment at its own best rate. What the
lessons on preprocessing share; each of them says its treatment, its made-up inputs and its claim.

Source of the theory: LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), sections 4.3 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.levels import Racer, end_of_race, median_passes, passes_to, race
from entrena.lessons.quadratics import (
    GRADIENT_DESCENT,
    Quadratic,
    as_examples,
    best_contraction,
    first_weights,
    quadratic_of,
)
from entrena.lessons.rate_search import Candidate, cheapest_rates

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Fitted, Prepared
    from entrena.lessons.lesson import Results
    from entrena.lessons.trials import Trials
    from entrena.population.rows import Rows

LEVEL = 0.01  # of the first excess of a linear unit's loss over the least: 99 % of what can be explained is explained
MADE_ROWS, MADE_AXES = 128, 6
MADE_NOISE = 0.5  # the deviation of what the targets have beside the law
HELD_SHARE = 0.2  # of the rows of a data set, which a seed leaves out
FROM_ZERO: dict[str, Any] = {"initialization": {"name": "constant", "value": 0.0}}
RAW, TREATED = "raw", "treated"
DESCENT, ADAM = "gradient descent", "adam"

METHODS: dict[str, dict[str, Any]] = {
    DESCENT: {"optimizer": "sgd", "momentum": 0.0},
    ADAM: {"optimizer": "adam"},
}
NETWORK: dict[str, Any] = {
    "activation": "tanh",
    "mode": "batch",
    "schedule": "constant",
    "weight_decay": 0.0,
    "early_stopping": False,
}
# Hidden layer, and the training loss that is to be reached.
NETWORKS: dict[str, tuple[list[int], float]] = {
    "wine": ([16], 0.002),
    "breast_cancer": ([16], 0.02),
    "digits": ([32], 0.01),
}
RATES: dict[str, tuple[float, ...]] = {
    DESCENT: tuple(2.0**k for k in range(-20, 7, 2)),
    ADAM: tuple(10 ** (k / 2) for k in range(-9, 1)),
}

Made = Callable[[float, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Treatment:
    """What is compared.

    Attributes:
        raw: The recipe's keys without the treatment; all else is the same.
        treated: With it.
        raw_name: In tables and sentences.
        treated_name: With it.
        made: From a strength and inputs [rows, columns] of mean 0 whose covariance is the identity to inputs that need
            the treatment.
        made_name: What a strength is, such as `means of {:g} deviations`.
    """

    raw: Mapping[str, Any]
    treated: Mapping[str, Any]
    raw_name: str
    treated_name: str
    made: Made
    made_name: str

    @property
    def sides(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Both, the raw one first."""
        return self.raw, self.treated


def experiment(treatment: Treatment, size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Passes of linear units on made-up inputs and real ones, then passes of networks.

    Args:
        treatment: What is compared.
        size: `strengths`, `linear`, `linear_most`, `networks`, `methods`, `most`, `seeds`, `tuning_seeds`.
        seed: The first.
        trials: Trains the networks.
    """
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    linear = [_linear(treatment, name, seeds, size["linear_most"], trials) for name in size["strengths"]]
    linear += [_linear(treatment, name, seeds, size["linear_most"], trials) for name in size["linear"]]
    networks = [
        _networks(treatment, name, method, size["most"], seeds, others, trials)
        for name in size["networks"]
        for method in size["methods"]
    ]
    return {"linear": linear, "networks": networks}


def made_inputs(made: Made, strength: float, chance: np.random.Generator) -> Examples:
    """Rows for a linear unit; the targets depend alike on each direction in which the inputs vary, and on noise.

    Args:
        made: As of a `Treatment`.
        strength: Its first argument.
        chance: Where the numbers come from.
    """
    raw = chance.standard_normal((MADE_ROWS, MADE_AXES))
    directions = np.linalg.qr(raw - raw.mean(axis=0))[0] * np.sqrt(
        MADE_ROWS
    )  # of mean 0, their covariance the identity
    axes = np.linalg.qr(chance.standard_normal((MADE_AXES, MADE_AXES)))[0]
    directions = directions @ axes
    targets = directions @ chance.standard_normal(MADE_AXES) + MADE_NOISE * chance.standard_normal(MADE_ROWS)
    return as_examples(made(strength, directions), targets, "made up")


def _linear(treatment: Treatment, name: float | str, seeds: Sequence[int], most: int, trials: Trials) -> dict[str, Any]:
    """Passes of a linear unit to the level at the fastest rate of theory, predicted and found, for both sides."""
    made = not isinstance(name, str)
    called = treatment.made_name.format(name) if made else str(name)
    problems = [[_problem(treatment, name, side, seed) for seed in seeds] for side in treatment.sides]
    found: dict[str, Any] = {"name": called, "made": made, "most": most, "seeds": len(seeds)}
    prepared, watching, levels = [], [], []
    for side, of_side in zip((RAW, TREATED), problems, strict=True):
        theory = [quadratic_of(*_seen(make(1.0, 1))) for make in of_side]
        found[side] = {
            "condition": [own.condition for own in theory],
            "bound": [passes_bound(own.condition) for own in theory],
            "predicted": [
                passes_predicted(own, first_weights(make(1.0, 1)), own.fastest)
                for own, make in zip(theory, of_side, strict=True)
            ],
        }
        for own, make in zip(theory, of_side, strict=True):
            ready = make(own.fastest, most + 1)
            scale = ready.coder.scale
            unit = float(scale[0]) ** 2 if len(scale) == 1 else 1.0  # the history's, of a single number
            levels.append(unit * _level(own, ready))
            prepared.append(ready)
            watching.append(end_of_race(levels[-1]))
    fitted = trials.train(f"{called}: {len(prepared)} linear units", prepared, watching)
    passes = [passes_to(one.training.history, level) for one, level in zip(fitted, levels, strict=True)]
    found[RAW]["found"], found[TREATED]["found"] = passes[: len(seeds)], passes[len(seeds) :]
    return found


def _problem(treatment: Treatment, name: float | str, side: Mapping[str, Any], seed: int) -> Callable[..., Prepared]:
    """From a rate and a number of updates to a linear unit on rows made for the seed, or on four fifths of a set."""
    from entrena.lessons.convergence_condition import numbers_of
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import Split, make_splits
    from entrena.recipe import Recipe

    if isinstance(name, str):
        examples = numbers_of(name)
        examples = examples.take(next(make_splits(examples, [seed], None, stratify=False)).training)
    else:
        examples = made_inputs(treatment.made, name, np.random.default_rng((seed, 1)))
    rows = rows_of(examples, Split(seed, 0, np.arange(examples.n_rows), np.arange(0)))
    recipe = Recipe.make(GRADIENT_DESCENT | FROM_ZERO | dict(side) | {"random_state": seed})

    def prepare(rate: float, n_updates: int) -> Prepared:
        return rows.prepare(recipe.change({"learning_rate": rate, "max_epochs": n_updates}))

    return prepare


def _seen(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    part = prepared.training
    return part.inputs[: part.n_rows], part.targets[: part.n_rows]


def _level(quadratic: Quadratic, prepared: Prepared) -> float:
    """The loss of which the excess over the least is a hundredth of that at the first weights, which are 0."""
    first = float(np.square(_seen(prepared)[1].astype(float)).mean())
    return quadratic.least + LEVEL * (first - quadratic.least)


def passes_bound(condition: float) -> float:
    """Passes to the level that gradient descent takes at most at the fastest rate, from the condition number alone.

    ((κ − 1)/(κ + 1))^2t = the level, since no part of the excess shrinks more slowly than by the square of that.

    >>> round(passes_bound(100.0), 1), passes_bound(1.0)
    (115.1, 1.0)
    """
    left = best_contraction(condition)
    return max(1.0, log(LEVEL) / (2 * log(left))) if 0 < left < 1 else (1.0 if left <= 0 else inf)


def passes_predicted(quadratic: Quadratic, start: np.ndarray, rate: float) -> float:
    """Passes to the level, from the eigenvalues and the distances along the eigenvectors; infinite where never.

    The least t for which Σ_k λ_k·e_k²·(1 − ηλ_k)^2t ≤ level · Σ_k λ_k·e_k².

    Args:
        quadratic: What is known of the loss.
        start: [inputs + 1, outputs] the first weights.
        rate: η.
    """
    error = quadratic.eigenvectors.T @ (start - quadratic.minimum)
    heights = quadratic.eigenvalues * np.square(error).sum(axis=1)
    factors = np.square(1 - rate * quadratic.eigenvalues)

    def reached(t: int) -> bool:
        with np.errstate(over="ignore"):
            return bool((heights * factors**t).sum() <= LEVEL * heights.sum())

    after = 1
    while not reached(after):
        after *= 2
        if after > 2**50:
            return inf
    before = after // 2
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if reached(middle) else (middle, after)
    return float(after)


def _networks(
    treatment: Treatment,
    name: str,
    method: str,
    most: int,
    seeds: Sequence[int],
    others: Sequence[int],
    trials: Trials,
) -> dict[str, Any]:
    """Passes of a network on a data set, both sides at their own best rates."""
    from entrena.data import EMBEDDED
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import make_splits
    from entrena.recipe import Recipe

    examples, (hidden, level) = EMBEDDED[name].load(), NETWORKS[name]
    by_seed: dict[int, Rows] = {
        split.seed: rows_of(examples, split) for split in make_splits(examples, [*seeds, *others], None, stratify=True)
    }
    base = Recipe.make(NETWORK | METHODS[method] | {"hidden": hidden})

    def racer(side: Mapping[str, Any]) -> Racer:
        def prepare(seed: int, rate: float, passes: int) -> Prepared:
            own = {"learning_rate": rate, "max_epochs": passes, "random_state": seed}
            return by_seed[seed].prepare(base.change({**side, **own}))

        return Racer(name, prepare, lambda _: level, RATES[method], most)

    racers = [racer(side) for side in treatment.sides]
    said = f"{name}, {method}"
    rates = cheapest_rates(said, [_candidate(each) for each in racers], RATES[method], others, trials, n_between=3)
    passes = race(said, racers, rates, seeds, trials)
    found: dict[str, Any] = {"name": name, "method": method, "level": level, "most": most}
    for side, each, rate, taken in zip((RAW, TREATED), racers, rates, passes, strict=True):
        inputs, targets = _seen(each.prepare(seeds[0], rate, 1))
        found[side] = {
            "condition": condition_where_it_varies(quadratic_of(inputs, targets).eigenvalues),
            "rate": rate,
            "found": taken,
        }
    return found


def _candidate(racer: Racer) -> Candidate:
    """A racer whose rate is sought: by its passes; where it does not arrive, by how far it is from the level."""

    def cost(seed: int, fitted: Fitted) -> float:
        history, level = fitted.training.history, racer.level(seed)
        passes = passes_to(history, level)
        if passes is not None:
            return passes
        loss = history[-1]["loss"] if history else inf
        return racer.most * (2 + log(loss / level)) if isfinite(loss) else inf

    def prepare(seed: int, rate: float) -> Prepared:
        return racer.prepare(seed, rate, racer.most)

    return Candidate(racer.name, prepare, cost, lambda seed: end_of_race(racer.level(seed)))


def condition_where_it_varies(eigenvalues: np.ndarray) -> float:
    """λmax/λmin over the directions in which the inputs vary at all.

    >>> condition_where_it_varies(np.array([0.0, 1.0, 8.0]))
    8.0
    """
    there = eigenvalues[eigenvalues > 1e-6 * eigenvalues[-1] / len(eigenvalues)]
    return float(there[-1] / there[0])


def gain_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """How many times the passes the raw inputs take: geometric mean over seeds with its 95 % interval.

    A run that did not reach the level counts with the passes that it was allowed; where both did not, nothing is known.
    Splits of a data set have rows in common, so their interval is the corrected one.
    """
    from entrena.population.statistics import mean_interval

    most, logs = float(case["most"]), []
    for a, b in zip(case[RAW]["found"], case[TREATED]["found"], strict=True):
        taken = [log(most if one is None else max(one, 1.0)) for one in (a, b)]
        logs.append(nan if a is None and b is None else taken[0] - taken[1])
    mean, low, high = (exp(end) for end in mean_interval(logs, 0.0 if case.get("made") else HELD_SHARE))
    return {"mean": mean, "low": low, "high": high}


def predicted_gain(case: Mapping[str, Any]) -> float:
    """The same by the eigenvalues, of a linear unit: the geometric mean of the ratios of the predicted passes."""
    logs = [log(a) - log(b) for a, b in zip(case[RAW]["predicted"], case[TREATED]["predicted"], strict=True)]
    return exp(float(np.mean(logs)))


def farthest_from_theory(linear: Sequence[Mapping[str, Any]]) -> float:
    """The greatest difference between predicted and found passes, of all linear units that reached the level."""
    pairs = [
        (own, theory)
        for case in linear
        for side in (RAW, TREATED)
        for own, theory in zip(case[side]["found"], case[side]["predicted"], strict=True)
        if own is not None and isfinite(theory)
    ]
    return max((abs(own - theory) for own, theory in pairs), default=nan)


def middle(values: Sequence[float | None]) -> float | None:
    """The median; None where that is unknown or infinite."""
    return median_passes([None if value is None or not isfinite(value) else value for value in values])
