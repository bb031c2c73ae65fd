"""Where the gradient points in a ravine, and what momentum gains there: on quadratics, and on networks and real data.

The quadratics are linear networks on rows whose Hessian is made to measure. All recipes are run at their own best
rates, which are sought with other seeds than those by which they are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import acos, degrees, log, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import Case, Decision, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide
from entrena.lessons.levels import Racer, best_rates, median_passes, race, speed_up
from entrena.lessons.quadratics import (
    AS_THEY_ARE,
    GRADIENT_DESCENT,
    best_contraction,
    degrees_between,
    fastest_contraction,
    final_weights,
    first_weights,
    greatest_rate,
    matched_momentum,
    quadratic_of,
    spectrum,
    steps,
)
from entrena.lessons.quadratics import ravine as made_rows

if TYPE_CHECKING:
    from entrena.fitting import Prepared
    from entrena.lessons.trials import Trials

ROWS, AXES = 64, 8
LEVEL = 1e-5  # of the first excess of the loss
PLAIN, MOMENTUM, NESTEROV, MATCHED = "plain", "momentum 0.9", "Nesterov 0.9", "momentum that suits κ"
METHODS: dict[str, dict[str, Any]] = {
    PLAIN: {"momentum": 0.0},
    "momentum 0.5": {"momentum": 0.5},
    MOMENTUM: {"momentum": 0.9},
    "Nesterov 0.5": {"momentum": 0.5, "nesterov": True},
    NESTEROV: {"momentum": 0.9, "nesterov": True},
}
OF_NETWORKS = (PLAIN, "momentum 0.5", MOMENTUM, NESTEROV)
OF_EDGE = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96, 0.99)  # rates that are tried, over the greatest that converges
AT_LEAST = 160  # passes that are allowed, and three times κ more
PROBE = 1e-3  # the rate of the one update by which a gradient is seen
CIRCLE, ELLIPSE = 1.0, 5.0  # degrees: below the first a gradient points at the minimum, above the second it does not

# The networks: a hidden layer, and the training loss that is to be reached.
NETWORKS: dict[str, dict[str, Any]] = {
    "breast_cancer": {"hidden": [16], "level": 0.01},
    "wine": {"hidden": [16], "level": 0.002},
    "digits": {"hidden": [32], "level": 0.01},
}
NETWORK_RECIPE = GRADIENT_DESCENT | {"activation": "tanh", "precision": "float32"}
MODES: dict[str, dict[str, Any]] = {"batch": {"mode": "batch"}, "mini_batch": {"mode": "mini_batch", "batch_size": 32}}
NETWORK_RATES = tuple(2.0**k for k in range(-3, 6))  # η/(1 − μ)


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Angles, passes on quadratics, passes of networks."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    conditions = size["conditions"]
    return {
        "angles": [_angles(condition, range(seed, seed + size["starts"]), trials) for condition in conditions],
        "quadratics": _quadratics(conditions, seeds, others, trials),
        "networks": [
            _networks(name, mode, size["most"][mode], seeds, others, trials)
            for name in size["data"]
            for mode in size["modes"]
        ],
    }


def _angles(condition: float, seeds: Sequence[int], trials: Trials) -> dict[str, Any]:
    """Angles between the first step and the way to the minimum, from starts in random directions."""
    starts = [_quadratic(condition, seed, PROBE, 1, {}) for seed in seeds]
    trained = trials.train(f"where the gradient points, κ = {condition:g}", starts)
    found = []
    for start, fitted in zip(starts, trained, strict=True):
        part = start.training
        minimum = quadratic_of(part.inputs[: part.n_rows], part.targets[: part.n_rows]).minimum
        here = first_weights(start)
        found.append(degrees_between(final_weights(fitted) - here, minimum - here))
    return {"condition": condition, **_mean(found), "greatest": max(found)}


def _mean(values: Sequence[float]) -> dict[str, float]:
    from entrena.population.statistics import mean_interval

    mean, low, high = mean_interval(list(values), 0.0)
    return {"mean": mean, "low": low, "high": high}


def _quadratic(condition: float, seed: int, rate: float, n_updates: int, changes: dict[str, Any]) -> Prepared:
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import Split
    from entrena.recipe import Recipe

    examples = made_rows(condition, ROWS, AXES, np.random.default_rng((seed, 1)))
    recipe = Recipe.make(GRADIENT_DESCENT | AS_THEY_ARE | {"learning_rate": rate, "max_epochs": n_updates} | changes)
    rows = rows_of(examples, Split(seed, 0, np.arange(ROWS), np.arange(0)))
    return rows.prepare(recipe.change({"random_state": seed}))


def _level(condition: float, seed: int) -> float:
    """The loss of which the excess over the least one is a small share of that at the first weights."""
    start = _quadratic(condition, seed, PROBE, 1, {})
    X, targets = start.training.inputs[:ROWS], start.training.targets[:ROWS]
    least = quadratic_of(X, targets).least
    weights = first_weights(start)
    first = float(np.square(X @ weights[:-1] + weights[-1] - targets).mean())
    return least + LEVEL * (first - least)


def _quadratics(
    conditions: Sequence[float], seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> list[dict[str, Any]]:
    """Passes of each method with each condition number."""
    racers = {}
    for condition in conditions:
        methods = {**METHODS, MATCHED: {"momentum": matched_momentum(condition)}}
        for name, changes in methods.items():
            racers[condition, name] = _racer(condition, name, changes)
    rates = best_rates("ravines", list(racers.values()), others, trials)
    passes = race("ravines", list(racers.values()), rates, seeds, trials)
    return [
        {
            "condition": condition,
            "method": name,
            "rate": rate / each.rates[-1] * OF_EDGE[-1],
            "most": each.most,
            "passes": taken,
        }
        for ((condition, name), each), rate, taken in zip(racers.items(), rates, passes, strict=True)
    ]


def _racer(condition: float, name: str, changes: dict[str, Any]) -> Racer:
    edge = greatest_rate(sqrt(condition) * 2, changes["momentum"], nesterov=changes.get("nesterov", False))
    levels: dict[int, float] = {}

    def level(seed: int) -> float:
        if seed not in levels:
            levels[seed] = _level(condition, seed)
        return levels[seed]

    def prepare(seed: int, rate: float, most: int) -> Prepared:
        return _quadratic(condition, seed, rate, most, changes)

    return Racer(name, prepare, level, [share * edge for share in OF_EDGE], AT_LEAST + round(3 * condition))


def _networks(
    name: str, mode: str, most: int, seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> dict[str, Any]:
    """Passes of each method on a data set."""
    from entrena.data import EMBEDDED
    from entrena.lessons.trials import rows_of
    from entrena.population.rows import Rows
    from entrena.population.splits import make_splits
    from entrena.recipe import Recipe

    examples, choices = EMBEDDED[name].load(), NETWORKS[name]
    watched = mode != "batch"
    recipe = Recipe.make(NETWORK_RECIPE | MODES[mode] | {"hidden": choices["hidden"]})
    by_seed: dict[int, Rows] = {}
    for split in make_splits(examples, [*seeds, *others], None, stratify=True):
        rows = rows_of(examples, split)
        by_seed[split.seed] = replace(rows, watched=rows.training) if watched else rows

    def racer(method: str, changes: Mapping[str, Any]) -> Racer:
        def prepare(seed: int, rate: float, most: int) -> Prepared:
            own = {"learning_rate": rate, "max_epochs": most, "random_state": seed}
            return by_seed[seed].prepare(recipe.change({**changes, **own}))

        rates = [(1 - changes["momentum"]) * rate for rate in NETWORK_RATES]
        return Racer(method, prepare, lambda _: choices["level"], rates, most, watched)

    racers = [racer(method, METHODS[method]) for method in OF_NETWORKS]
    said = f"{name}, {mode}"
    rates = best_rates(said, racers, others, trials)
    passes = race(said, racers, rates, seeds, trials)
    methods = [
        {"method": each.name, "rate": rate, "passes": taken}
        for each, rate, taken in zip(racers, rates, passes, strict=True)
    ]
    return {"name": name, "mode": mode, "level": choices["level"], "most": most, "methods": methods}


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    levels = ", ".join(f"{name} to {NETWORKS[name]['level']:g}" for name in size["data"])
    return [
        f"Ravines made to measure: linear networks, squared error, all examples in each update, on {ROWS} rows in "
        f"{AXES} columns whose Hessian has the condition number κ = λmax/λmin. Where the gradient points is seen by "
        f"one update with a small rate, from {size['starts']} starts in random directions. Then each method is trained "
        f"until the excess of the loss over the least one is 10⁻⁵ of the first one, for {size['seeds']} seeds.",
        "Each method has the rate at which it takes the fewest passes; it is sought in two rounds with "
        f"{size['tuning_seeds']} other seed{'' if size['tuning_seeds'] == 1 else 's'}. The momentum that suits κ is "
        "((√κ − 1)/(√κ + 1))².",
        "Then networks with one hidden layer of tanh units, cross-entropy, inputs standardised, one rate from first to "
        f"last: passes until the training loss is down ({levels}), with all examples in each update and in "
        "mini-batches of 32, where the loss is measured on all training rows after each pass.",
    ]


def found_cases(results: Results) -> list[tuple[str, Case, Decision]]:
    """What was measured, which kind of it, and what it says of the claim."""
    found = []
    for each in results["angles"]:
        case = Case(f"κ = {each['condition']:g}", each["mean"], each["low"], each["high"])
        circle = each["condition"] == 1
        found.append(("angle", case, decide(case, -1.0, CIRCLE) if circle else decide(case, ELLIPSE)))
    for name, _, own in speed_ups(results):
        case = Case(name, own["mean"], own["low"], own["high"])
        found.append(("passes", case, decide(case, 1.0)))
    return found


def speed_ups(results: Results, method: str = MOMENTUM) -> list[tuple[str, Mapping[str, Any], dict[str, Any]]]:
    """Case, its passes by method, and how many times fewer passes a method takes than plain gradient descent.

    A circle is no ravine; it is in the tables only.
    """
    found: list[tuple[str, Mapping[str, Any], dict[str, Any]]] = []
    for condition in dict.fromkeys(each["condition"] for each in results["quadratics"]):
        if condition > 1:
            own = {e["method"]: e["passes"] for e in results["quadratics"] if e["condition"] == condition}
            most = next(e["most"] for e in results["quadratics"] if e["condition"] == condition)
            found.append((f"κ = {condition:g}", own, speed_up(own[PLAIN], own[method], most)))
    for each in results["networks"]:
        own = {e["method"]: e["passes"] for e in each["methods"]}
        name = f"{each['name']}, {each['mode'].replace('_', '-')}"
        found.append((name, own, speed_up(own[PLAIN], own[method], each["most"])))
    return found


def judge(results: Results) -> Verdict:
    """By the angle, which has to be none for a circle only, and by the passes that momentum 0.9 saves."""
    cases = found_cases(results)
    failed = {case.name for _, case, decision in cases if decision == "fails"}
    only_made = all(name.startswith("κ = ") for name in failed)
    on = "how long the ravine is" if only_made else "the network and the mode"
    verdict = conclude([(case, decision) for _, case, decision in cases], on)
    angles, passes = (
        [f"{case.name}: {_said(case, digits)}" for kind, case, _ in cases if kind == of]
        for of, digits in (("angle", 1), ("passes", 2))
    )
    parts = [
        f"Between the gradient and the way to the minimum are, in the mean, so many degrees: {'; '.join(angles)}.",
        f"Plain gradient descent takes so many times the passes of momentum 0.9: {'; '.join(passes)}.",
    ]
    for decision, words in (("fails", "It fails"), ("undecided", "It is not decided")):
        said = [f"{case.name} ({kind})" for kind, case, own in cases if own == decision]
        if said:
            parts.append(f"{words} on {', '.join(said)}.")
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


def _said(case: Case, digits: int) -> str:
    return span_of({"mean": case.value, "low": case.low, "high": case.high}, digits)


def tables(results: Results) -> list[Table]:
    """Angles, passes over κ, what momentum gains."""
    angles = [
        [
            f"{each['condition']:g}",
            f"{each['mean']:.1f} ({each['low']:.1f}–{each['high']:.1f})",
            f"{each['greatest']:.1f}",
            f"{degrees(acos(2 * sqrt(each['condition']) / (each['condition'] + 1))):.1f}",
        ]
        for each in results["angles"]
    ]
    conditions = list(dict.fromkeys(each["condition"] for each in results["quadratics"]))
    by_case = {(each["method"], each["condition"]): each for each in results["quadratics"]}
    powers = growth(results)
    passes = [
        [
            name,
            *(_passes_text(by_case[name, condition]["passes"]) for condition in conditions),
            span_of(powers[name], 2),
        ]
        for name in (*METHODS, MATCHED)
    ]
    gains = []
    for (name, own, gain), (*_, of_nesterov) in zip(speed_ups(results), speed_ups(results, NESTEROV), strict=True):
        theory = _gain_in_theory(float(name.removeprefix("κ = "))) if name.startswith("κ = ") else None
        gains.append(
            [
                name,
                *(_passes_text(own[method]) for method in (PLAIN, MOMENTUM, NESTEROV)),
                span_of(gain, 2),
                span_of(of_nesterov, 2),
                "" if theory is None else f"{theory:.2f}",
            ]
        )
    return [
        Table(
            "Degrees between the gradient and the way to the minimum",
            ("κ", "mean", "greatest", "greatest in theory"),
            angles,
            f"Over {AXES + 1} weights, mean with its 95 % interval. Theory: arccos 2√κ/(κ + 1).",
            n_texts=0,
        ),
        Table(
            "Passes until the excess of the loss is 10⁻⁵ of the first one",
            ("method", *(f"κ = {condition:g}" for condition in conditions), "grows as κ to the"),
            passes,
            "Medians over seeds, each method at its own best rate. The last column: the exponent from the least κ "
            "above 1 to the greatest, mean with its 95 % interval; theory has 1 for plain gradient descent and ½ for "
            "the momentum that suits κ.",
        ),
        Table(
            "How many times fewer passes momentum 0.9 takes than plain gradient descent",
            ("case", "plain", "momentum", "Nesterov", "gain", "gain of Nesterov", "in theory"),
            gains,
            "Passes: medians, –: not reached. Gain: geometric mean of the ratios with its 95 % interval; a run that "
            "did not reach the level counts with the passes that it was allowed. In theory: of momentum, in the long "
            "run, both at their best rates.",
            dispensable=("gain of Nesterov", "in theory"),
        ),
    ]


def _passes_text(passes: Sequence[float | None]) -> str:
    found = median_passes(passes)
    return "–" if found is None else f"{found:,.0f}" if found >= 20 else f"{found:.3g}"


def _gain_in_theory(condition: float) -> float:
    """Of momentum 0.9, in the long run: the ratio of what both leave after an update, as logarithms."""
    return log(fastest_contraction(0.9, 2 * spectrum(condition, AXES))) / log(best_contraction(condition))


def growth(results: Results) -> dict[str, dict[str, float]]:
    """By method the exponent with which its passes grow with κ, from the least κ above 1 to the greatest."""
    found = {}
    for name in (*METHODS, MATCHED):
        own = [each for each in results["quadratics"] if each["method"] == name and each["condition"] > 1]
        first, last = own[0], own[-1]
        span = log(last["condition"] / first["condition"]) if len(own) > 1 else float("nan")
        pairs = zip(first["passes"], last["passes"], strict=True)
        found[name] = _mean([float("nan") if None in pair else log(pair[1] / pair[0]) / span for pair in pairs])
    return found


def meaning(results: Results) -> list[str]:
    """What who chooses a momentum should know."""
    gains = {name: own for name, _, own in speed_ups(results)}
    ravines = [name for name in gains if name.startswith("κ = ")]
    longest = ravines[-1]
    flat, steep = 1 / (1 - 0.9), 1 / (1 + 0.9)
    parts = [
        "In a ravine the gradient points across it. A momentum μ adds up what is consistent and cancels what is not: "
        f"along a direction whose gradient keeps its sign the rate is in the end 1/(1 − μ) = {flat:.0f} times, along "
        f"one whose gradient changes sign with each update 1/(1 + μ) = {steep:.2f} times that of plain gradient "
        "descent, for μ = 0.9. So the rate may be larger before the steep direction diverges.",
        f"With {longest} plain gradient descent takes {gains[longest]['mean']:.1f} times the passes of momentum 0.9.",
    ]
    lost = [name for name in ravines if gains[name]["high"] < 1]
    if lost:
        parts.append(
            f"With {', '.join(lost)} momentum 0.9 takes more passes than none, at the best rate of each: it overshoots "
            "where the way is short. The momentum has to suit the ravine."
        )
    powers = growth(results)
    parts.append(
        f"From {ravines[0]} to {longest} the passes grow as κ to the {powers[PLAIN]['mean']:.2f} without momentum, and "
        f"as κ to the {powers[MATCHED]['mean']:.2f} with the momentum that suits each κ; theory says 1 and ½."
    )
    for mode, words in (("batch", "With all examples in each update"), ("mini-batch", "In mini-batches of 32")):
        said = [f"{name.split(', ')[0]} {span_of(own, 2)}" for name, own in gains.items() if name.endswith(f", {mode}")]
        if said:
            parts.append(f"{words} networks with real data need so many times fewer passes: {', '.join(said)}.")
    return parts


SHOWN = (1.0, 30.0)  # the eigenvalues of the ravine that is drawn
SHOWN_START, SHOWN_UPDATES = (-10.0, 1.0), 24


def figures(results: Results) -> list[Drawing]:
    """A ravine with ways down, passes over κ, gains, angles."""
    from entrena.lessons.drawings import Line, dots, lines, ravine_with_ways

    angles, quadratics = results["angles"], results["quadratics"]
    theory = np.geomspace(1, max(each["condition"] for each in angles), 60)
    worst = np.degrees(np.arccos(2 * np.sqrt(theory) / (theory + 1)))
    drawn = []
    for place, name in enumerate((PLAIN, MOMENTUM, NESTEROV, MATCHED)):
        own = [each for each in quadratics if each["method"] == name]
        known = [(e["condition"], median_passes(e["passes"])) for e in own]
        points = [(condition, passes) for condition, passes in known if passes is not None]
        xs, ys = zip(*points, strict=True) if points else ((), ())
        drawn += [Line(name, xs, ys, place), Line("", xs, ys, place, dots=True)]
    return [
        Drawing(
            f"A ravine with κ = {SHOWN[1] / SHOWN[0]:g}: the ways of {SHOWN_UPDATES} updates",
            ravine_with_ways(SHOWN, SHOWN_START, shown_paths()),
            "Computed, not trained: both with the rate that is fastest for them in theory, and momentum "
            f"{matched_momentum(SHOWN[1] / SHOWN[0]):.2f}. Dotted: straight to the minimum. Each ellipse is a level of "
            "the loss; the gradient is at right angles to it.",
        ),
        Drawing(
            "Passes over the condition number",
            lines("κ (logarithmic)", "passes (logarithmic)", drawn, logarithmic="xy"),
            "Until the excess of the loss is 10⁻⁵ of the first one; medians over seeds, each at its best rate.",
        ),
        Drawing(
            "What momentum gains",
            dots(
                "times fewer passes than plain gradient descent (logarithmic)",
                {name: {case: own for case, _, own in speed_ups(results, name)} for name in (MOMENTUM, NESTEROV)},
                mark=1.0,
                logarithmic=True,
            ),
            "With 95 % intervals. To the left of the dashed line it loses.",
        ),
        Drawing(
            "Where the gradient points",
            lines(
                "κ (logarithmic)",
                "degrees from the way to the minimum",
                [
                    Line("greatest in theory", theory.tolist(), worst.tolist(), 7, dash="dash"),
                    Line("greatest", [e["condition"] for e in angles], [e["greatest"] for e in angles], 1, dots=True),
                    Line("mean", [e["condition"] for e in angles], [e["mean"] for e in angles], 0, dots=True),
                ],
                logarithmic="x",
            ),
            f"From starts in random directions, over {AXES + 1} weights. None for a circle, κ = 1.",
        ),
    ]


def shown_paths() -> dict[str, np.ndarray]:
    """[updates + 1, 2] the ways of plain gradient descent and of momentum, each with its fastest rate in theory."""
    low, high = SHOWN
    plain = steps(SHOWN, SHOWN_START, 2 / (low + high), 0.0, SHOWN_UPDATES)
    rate, momentum = 4 / (sqrt(low) + sqrt(high)) ** 2, matched_momentum(high / low)
    return {PLAIN: plain, f"momentum {momentum:.2f}": steps(SHOWN, SHOWN_START, rate, momentum, SHOWN_UPDATES)}


LESSON = Lesson(
    id="ravine",
    chapter="Training modes",
    title="Where the gradient points in a ravine, and what momentum gains there",
    claim=(
        "The direction of steepest descent does not point at the minimum unless the ellipse is a circle; momentum, "
        "which moves faster along small consistent gradients and slower along large inconsistent ones, gets through "
        "the ravine in fewer passes."
    ),
    source=(
        "Hinton, Neural Networks for Machine Learning, lecture 6; Polyak, Some methods of speeding up the convergence "
        "of iteration methods, USSR Computational Mathematics and Mathematical Physics 4 (1964); Nesterov, Soviet "
        "Mathematics Doklady 27 (1983)."
    ),
    sizes={
        "quick": Size(
            {
                "conditions": [1, 10, 100],
                "starts": 20,
                "data": ["breast_cancer"],
                "modes": ["batch", "mini_batch"],
                "most": {"batch": 400, "mini_batch": 40},
                "seeds": 4,
                "tuning_seeds": 1,
            },
            "The full study adds κ = 1000, wine and digits; it has 12 seeds in place of 4, and looks for the rates "
            "with 3 others in place of 1.",
        ),
        "full": Size(
            {
                "conditions": [1, 10, 100, 1000],
                "starts": 100,
                "data": ["breast_cancer", "wine", "digits"],
                "modes": ["batch", "mini_batch"],
                "most": {"batch": 600, "mini_batch": 60},
                "seeds": 12,
                "tuning_seeds": 3,
            }
        ),
    },
    experiment=experiment,
    method=method,
    judge=judge,
    tables=tables,
    meaning=meaning,
    figures=figures,
)
