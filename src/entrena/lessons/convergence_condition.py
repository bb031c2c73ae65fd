"""Below which rate gradient descent on all examples converges, and at which it is fastest: theory against training.

Linear networks with squared error, so that the loss is a quadratic function of the weights. The search for both rates
uses no theory: the greatest rate is found by the losses, the fastest by how far the weights still are from the best
ones. Beside it, as an observation without a verdict, a multilayer network, whose curvature changes on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons import edge_of_stability
from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import Case, Decision, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide
from entrena.lessons.levels import end_of_race
from entrena.lessons.quadratics import (
    AS_THEY_ARE,
    GRADIENT_DESCENT,
    Quadratic,
    as_examples,
    best_contraction,
    contraction_of,
    final_weights,
    first_weights,
    losses_of,
    quadratic_of,
    ravine,
    whitened,
)

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Prepared
    from entrena.lessons.trials import Trials

NEAR = (0.97, 1.03)  # what was measured over what theory says: runs are finite
RATES = (2e-3, 15.0)  # between which the greatest rate is sought
FROM_EDGE = (0.4, 1.0)  # of the measured greatest rate, between which the fastest is sought
MADE = "κ = "  # how the names of the cases begin whose rows are made to measure
MADE_ROWS, MADE_AXES = 200, 8
WHITENED = ", whitened"
HELD_SHARE = 0.2  # of the rows of a data set, which a seed leaves out
BEFORE = 4  # parts of a run that go before the last one, in which is seen what an update leaves of the error
MOST_IN_THE_LAST = 240  # updates
NO_DIGITS_LEFT = 1e-11  # of the first excess of the loss, in float64
ROUNDING = 1e-12  # of the first error of the weights


@dataclass(eq=False)
class Problem:
    """One quadratic, and what is known by training of its rates.

    Attributes:
        prepare: From a rate and a number of updates to a network.
        quadratic: What theory knows of it.
        low: The greatest rate so far that converges.
        high: The least one above it that does not.
        out_of_order: Rates that converged though a lower one had not.
        contractions: What an update leaves of the error, by the rates that were tried for it.
    """

    prepare: Callable[[float, int], Prepared]
    quadratic: Quadratic
    low: float = RATES[0]
    high: float = RATES[1]
    out_of_order: int = 0
    contractions: dict[float, float] = field(default_factory=dict)

    @property
    def edge(self) -> float:
        """The greatest rate that converges, between one that did and one that did not."""
        return float(np.sqrt(self.low * self.high))

    @property
    def fastest(self) -> float:
        """The rate with the least contraction."""
        return min(self.contractions, key=self.contractions.__getitem__)

    @property
    def last_part(self) -> int:
        """Updates of the last part of a run, which is so long that also the slowest direction gets far.

        At the fastest rate of the theory e^−26 of the error is left then, just more than rounding leaves.
        """
        left = best_contraction(self.quadratic.condition)
        slowness = -1 / log(left) if left > 0 else 0.0
        return min(max(1, int(26 / (BEFORE + 1) * slowness)), MOST_IN_THE_LAST)


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """The greatest and the fastest rate on quadratics; then what a multilayer network does."""
    problems = {name: [problem(name, each) for each in range(seed, seed + size["seeds"])] for name in size["cases"]}
    every = [each for of_case in problems.values() for each in of_case]
    for n_rates, n_updates in size["edge_rounds"]:
        narrow_edge(every, n_rates, n_updates, trials)
    for n_rates in size["fastest_rounds"]:
        narrow_fastest(every, n_rates, trials)
    cases = [case_found(name, of_case) for name, of_case in problems.items()]
    return {"cases": cases, "network": edge_of_stability.observed(numbers_of("digits"), size["network"], seed, trials)}


def problem(name: str, seed: int) -> Problem:
    """A linear network on rows made for the seed, or on a data set of which the seed takes four fifths."""
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import Split, make_splits
    from entrena.recipe import Recipe

    if name.startswith(MADE):
        condition = float(name.removeprefix(MADE))
        examples = ravine(condition, MADE_ROWS, MADE_AXES, np.random.default_rng((seed, 1)))
    else:
        examples = numbers_of(name.removesuffix(WHITENED))
        examples = examples.take(next(make_splits(examples, [seed], None, stratify=False)).training)
    is_ready = name.startswith(MADE) or name.endswith(WHITENED)
    if name.endswith(WHITENED):
        examples = _whitened(examples)
    rows = rows_of(examples, Split(seed, 0, np.arange(examples.n_rows), np.arange(0)))
    recipe = Recipe.make(GRADIENT_DESCENT | (AS_THEY_ARE if is_ready else {}) | {"random_state": seed})

    def prepare(rate: float, n_updates: int) -> Prepared:
        return rows.prepare(recipe.change({"learning_rate": rate, "max_epochs": n_updates}))

    part = prepare(RATES[0], 1).training
    return Problem(prepare, quadratic_of(part.inputs[: part.n_rows], part.targets[: part.n_rows]))


def numbers_of(name: str) -> Examples:
    """An embedded data set as numbers to predict: of classes one output each, 1 for the rows of the class, else 0."""
    from entrena.data import EMBEDDED

    examples = EMBEDDED[name].load()
    if EMBEDDED[name].task == "regression":
        return examples
    assert examples.targets is not None
    classes = np.unique(examples.targets)
    targets = (examples.targets[:, None] == classes).astype(float)
    return replace(examples, targets=targets, target_names=tuple(map(str, classes.tolist())))


def _whitened(examples: Examples) -> Examples:
    inputs = np.column_stack([column.values for column in examples.inputs]).astype(float)
    targets = np.asarray(examples.targets, float)
    return as_examples(whitened(inputs), (targets - targets.mean()) / targets.std(), examples.source)


def narrow_edge(problems: Sequence[Problem], n_rates: int, n_updates: int, trials: Trials) -> None:
    """Trains each problem with rates between its two, and moves the two to where it stops to converge."""
    tried = [np.geomspace(each.low, each.high, n_rates + 2)[1:-1].tolist() for each in problems]
    prepared = [each.prepare(rate, n_updates) for each, rates in zip(problems, tried, strict=True) for rate in rates]
    watching = [end_of_race() for _ in prepared]
    fitted = iter(trials.train(f"the greatest rate: {len(prepared)} networks", prepared, watching))
    for each, rates in zip(problems, tried, strict=True):
        works = [converges(losses_of(next(fitted)), each.quadratic.least) for _ in rates]
        first_bad = works.index(False) if False in works else n_rates
        each.low = rates[first_bad - 1] if first_bad > 0 else each.low
        each.high = rates[first_bad] if first_bad < n_rates else each.high
        each.out_of_order += sum(works[first_bad:])


def converges(losses: np.ndarray, least: float) -> bool:
    """Whether the last update still brought the loss down, or nothing is left to bring down.

    On a quadratic the excess over L* falls with each update of a rate that converges, and rises from some update on
    with one that does not.

    Args:
        losses: [updates] before each update.
        least: L*.
    """
    excess = losses - least
    if not np.isfinite(excess).all():
        return False
    return bool(excess[-1] <= NO_DIGITS_LEFT * excess[0] or excess[-1] < excess[-2])


def narrow_fastest(problems: Sequence[Problem], n_rates: int, trials: Trials) -> None:
    """Trains each problem with rates around the best so far, in two stages, and notes what an update leaves."""
    tried = []
    for each in problems:
        low, high = (share * each.edge for share in FROM_EDGE)
        if each.contractions:
            known = [low, *sorted(each.contractions), high]
            at = known.index(each.fastest)
            low, high = known[at - 1], known[at + 1]
        tried.append(np.linspace(low, high, n_rates + 2)[1:-1].tolist())
    flat = [(each, rate) for each, rates in zip(problems, tried, strict=True) for rate in rates]
    prepared = [each.prepare(rate, BEFORE * each.last_part) for each, rate in flat]
    said = f"the fastest rate: {len(prepared)} networks"
    trained = trials.train(said, prepared)
    going_on = [
        replace(each.prepare(rate, each.last_part), start=before.training.params)
        for (each, rate), before in zip(flat, trained, strict=True)
    ]
    again = trials.train(said, going_on, same=True)
    for (each, rate), start, before, end in zip(flat, prepared, trained, again, strict=True):
        weights = (first_weights(start), final_weights(before), final_weights(end))
        errors = [float(np.linalg.norm(at - each.quadratic.minimum)) for at in weights]
        each.contractions[rate] = contraction_seen(errors, each.last_part)


def contraction_seen(errors: Sequence[float], last_part: int) -> float:
    """What an update leaves of the error in the long run: the mean over the last part of a run.

    Where rounding is all that is left there, over the parts before.

    Args:
        errors: The distance from the best weights at the start, before the last part, and at the end.
        last_part: Updates of the last part.
    """
    start, before, end = errors
    if not np.isfinite(end):
        return float("inf")
    if end > ROUNDING * start:
        return float((end / before) ** (1 / last_part))
    return float((before / start) ** (1 / (BEFORE * last_part)))


def case_found(name: str, problems: Sequence[Problem]) -> dict[str, Any]:
    """What was measured over what theory says: means over seeds with intervals; all contractions of the first seed.

    Splits of a data set have rows in common, so their interval is the corrected one.
    """
    from entrena.population.statistics import mean_interval

    theory = [each.quadratic for each in problems]
    share = 0.0 if name.startswith(MADE) else HELD_SHARE

    def over(measured: Sequence[float], expected: Sequence[float]) -> dict[str, Any]:
        ratios = [own / of_theory for own, of_theory in zip(measured, expected, strict=True)]
        mean, low, high = mean_interval(ratios, share)
        return {"mean": mean, "low": low, "high": high, "ratios": ratios}

    rates = sorted(problems[0].contractions)
    return {
        "name": name,
        "seeds": len(problems),
        "condition": float(np.median([own.condition for own in theory])),
        "edge": over([each.edge for each in problems], [own.edge for own in theory]),
        "fastest": over([each.fastest for each in problems], [own.fastest for own in theory]),
        "edge_in_theory": float(np.median([own.edge for own in theory])),
        "fastest_in_theory": float(np.median([own.fastest / own.edge for own in theory])),
        "contraction": float(np.median([each.contractions[each.fastest] for each in problems])),
        "contraction_in_theory": float(np.median([best_contraction(own.condition) for own in theory])),
        "out_of_order": sum(each.out_of_order for each in problems),
        "first": {
            "edge": theory[0].edge,
            "eigenvalues": theory[0].eigenvalues.tolist(),
            "rates": rates,
            "contractions": [problems[0].contractions[rate] for rate in rates],
        },
    }


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    made = [name for name in size["cases"] if name.startswith(MADE)]
    data = [name for name in size["cases"] if not name.startswith(MADE)]
    network = size["network"]
    return [
        f"Linear networks, squared error, all examples in each update, float64. Rows made to measure, "
        f"{MADE_ROWS} in {MADE_AXES} columns, whose Hessian has the condition number κ = λmax/λmin "
        f"({', '.join(name.removeprefix(MADE) for name in made)}), new rows for each of {size['seeds']} seeds; and "
        f"{', '.join(data)}, of which each seed takes four fifths (standardised, or whitened, and classes as an output "
        "of 0 and 1 each). Theory is NumPy: the eigenvalues of H = (2/K)·XᵀX/n, where X has a column of ones for the "
        "bias and K is the number of outputs, because the loss is the mean over outputs of (y − t)², without ½.",
        f"The greatest rate is sought between {RATES[0]:g} and {RATES[1]:g} in {len(size['edge_rounds'])} rounds, "
        f"the last one with {size['edge_rounds'][-1][1]} updates: a rate converges where the last update still brings "
        "the loss down. The fastest rate is sought below it in "
        f"{len(size['fastest_rounds'])} rounds: what an update leaves of the distance from the best weights, in the "
        f"mean over the last fifth of as many updates as it takes to get to the bounds of float64 (at most "
        f"{(BEFORE + 1) * MOST_IN_THE_LAST:,}).",
        f"Beside it, without a verdict: a network with hidden layers of {' and '.join(map(str, network['hidden']))} "
        f"tanh units on {network['rows']} digits, squared error, {network['seeds']} seeds. Its λmax is computed at the "
        f"first weights, then every {network['stage']} updates for {network['stage'] * network['stages']:,} updates, "
        "by Lanczos iterations.",
    ]


def decided(results: Results) -> list[tuple[str, str, Mapping[str, Any], Decision]]:
    """Case, which rate, what was found, and what that says of the claim."""
    found = []
    for each in results["cases"]:
        for kind in ("edge", "fastest"):
            own = each[kind]
            decision = decide(Case(each["name"], own["mean"], own["low"], own["high"]), *NEAR)
            found.append((each["name"], kind, own, decision))
    return found


def judge(results: Results) -> Verdict:
    """Both rates in all cases: measured over theory, whose interval has to lie near 1."""
    found = decided(results)
    cases = [
        (Case(f"{name}, {kind}", own["mean"], own["low"], own["high"]), decision) for name, kind, own, decision in found
    ]
    verdict = conclude(cases, "the case")
    parts = [f"Measured over theory; the claim holds where the 95 % interval lies from {NEAR[0]} to {NEAR[1]}."]
    for kind, words in (("edge", "The greatest rate that converges over 2/λmax"), ("fastest", _FASTEST)):
        said = [f"{name}: {span_of(own)}" for name, of_kind, own, _ in found if of_kind == kind]
        parts.append(f"{words}. {'; '.join(said)}.")
    for decision, words in (("fails", "It fails"), ("undecided", "It is not decided")):
        said = [f"{name} ({_KINDS[kind]})" for name, kind, _, own in found if own == decision]
        if said:
            parts.append(f"{words} on {', '.join(said)}.")
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


_FASTEST = "The fastest rate over 2/(λmax + λmin)"
_KINDS = {"edge": "greatest rate", "fastest": "fastest rate"}


def tables(results: Results) -> list[Table]:
    """Both rates and the contraction; the multilayer network."""
    rows = []
    for each in results["cases"]:
        rows.append(
            [
                each["name"],
                f"{each['condition']:,.0f}",
                f"{each['edge_in_theory']:.4f}",
                span_of(each["edge"]),
                f"{each['fastest_in_theory']:.3f}",
                span_of(each["fastest"]),
                f"{each['contraction_in_theory']:.4f}",
                f"{each['contraction']:.4f}",
            ]
        )
    return [
        Table(
            "The greatest and the fastest rate of a linear network",
            ("case", "κ", "2/λmax", "greatest", "fastest at", "fastest", "left in theory", "left"),
            rows,
            "2/λmax: in theory, the median over seeds. Greatest: the greatest rate that converges, over 2/λmax; mean "
            "with 95 % interval. Fastest at: 2/(λmax + λmin) as a share of 2/λmax. Fastest: the fastest rate, over "
            "2/(λmax + λmin). Left in theory: what an update at that rate leaves of the error, (κ − 1)/(κ + 1); left: "
            "what the best of the rates that were tried leaves, the median over seeds.",
            dispensable=("2/λmax", "left in theory", "left"),
        ),
        *edge_of_stability.tables(results["network"]),
    ]


def meaning(results: Results) -> list[str]:
    """What who chooses a rate should know."""
    cases = results["cases"]
    ends = [abs(own[end] - 1) for each in cases for own in (each["edge"],) for end in ("low", "high")]
    disorder = sum(each["out_of_order"] for each in cases)
    parts = [
        f"The edge is where theory has it, to {100 * max(ends):.1f} %, and it is sharp: "
        + (
            "no rate above one that diverged converged."
            if disorder == 0
            else f"yet {disorder} rates above one that diverged converged."
        )
    ]
    slow = max(cases, key=lambda each: each["condition"])
    parts.append(
        f"The longer the ravine, the nearer is the fastest rate to the edge: with κ = {slow['condition']:,.0f} "
        f"({slow['name']}) it is {100 * slow['fastest_in_theory']:.1f} % of it. Half of the edge, 1/λmax, is safe and "
        "takes at most about twice as many updates."
    )
    by_name = {each["name"]: each for each in cases}
    for name, each in by_name.items():
        plain = by_name.get(name.removesuffix(WHITENED))
        if name.endswith(WHITENED) and plain is not None:
            parts.append(
                f"The fastest rate of {plain['name']} leaves {plain['contraction']:.4f} of the error after an update, "
                f"and {each['contraction']:.4f} after its inputs were whitened (κ = {plain['condition']:,.0f} before, "
                f"{each['condition']:.0f} then): preprocessing does what no rate can."
            )
    return parts + edge_of_stability.meaning(results["network"])


def figures(results: Results) -> list[Drawing]:
    """What an update leaves of the error over the rate; the curvature and the loss of the multilayer network."""
    from entrena.lessons.drawings import Line, lines

    made = [each for each in results["cases"] if each["name"].startswith(MADE)]
    grid = np.linspace(0.3, 1.05, 301)
    drawn = []
    for place, each in enumerate(made):
        first = each["first"]
        theory = [contraction_of(share * first["edge"], first["eigenvalues"]) for share in grid]
        drawn.append(Line(f"{each['name']}, theory", grid.tolist(), theory, place))
        shares = [rate / first["edge"] for rate in first["rates"]]
        drawn.append(Line(f"{each['name']}, measured", shares, first["contractions"], place, dots=True))
    contractions = lines("rate over 2/λmax", "left of the error", drawn, mark=("x", 1.0))
    return [
        Drawing(
            "What an update leaves of the error",
            contractions,
            "Lines: max |1 − ηλ|; dots: networks of the first seed. Each line's lowest point is the fastest rate, "
            "2/(λmax + λmin); to the right of the dashed line gradient descent diverges. Dots may lie a little below "
            "their line, because no run is infinitely long.",
        ),
        *edge_of_stability.figures(results["network"]),
    ]


LESSON = Lesson(
    id="convergence_condition",
    chapter="Training modes",
    title="Which rates gradient descent on all examples bears",
    claim=(
        "The convergence conditions of batch learning are known: on a quadratic, gradient descent converges exactly "
        "for rates below 2/λmax, and is fastest at 2/(λmax + λmin)."
    ),
    source=(
        "LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 5; Polyak, Introduction to Optimization "
        "(1987). The multilayer network: Cohen et al., Gradient Descent on Neural Networks Typically Occurs at the "
        "Edge of Stability, ICLR 2021 (arXiv:2103.00065)."
    ),
    sizes={
        "quick": Size(
            {
                "cases": ["κ = 1", "κ = 10", "diabetes", "diabetes, whitened"],
                "seeds": 4,
                "edge_rounds": [[6, 60], [6, 60], [6, 200], [5, 700]],
                "fastest_rounds": [6, 4, 4, 4],
                "network": {
                    "hidden": [32, 32],
                    "rows": 300,
                    "seeds": 3,
                    "multiples": [1, 2, 4],
                    "updates": 150,
                    "shares": [0.5, 1.8],
                    "stage": 40,
                    "stages": 12,
                },
            },
            "The full study adds κ = 3 and 100, iris and wine; it has 8 seeds in place of 4, and follows the "
            "multilayer network, of which it has 6 in place of 3, for 1,600 updates in place of 480.",
        ),
        "full": Size(
            {
                "cases": ["κ = 1", "κ = 3", "κ = 10", "κ = 100", "iris", "wine", "diabetes", "diabetes, whitened"],
                "seeds": 8,
                "edge_rounds": [[6, 60], [6, 60], [6, 200], [5, 700]],
                "fastest_rounds": [6, 4, 4, 4],
                "network": {
                    "hidden": [32, 32],
                    "rows": 300,
                    "seeds": 6,
                    "multiples": [1, 1.5, 2, 2.5, 3, 4],
                    "updates": 200,
                    "shares": [0.5, 1, 1.8],
                    "stage": 40,
                    "stages": 40,
                },
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
