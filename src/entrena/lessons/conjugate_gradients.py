"""Whether techniques that work only with batch learning are worth it, and what becomes of them on mini-batches.

Networks on data: passes over the training rows, and seconds, until the training loss is down to an early and to a deep
level. An evaluation of loss and gradient over all rows is a pass, also where a line search only looks. Then conjugate
gradients whose every step sees another mini-batch, on quadratics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.batch_races import (
    DEEP,
    EARLY,
    IN_MINI_BATCHES,
    ONLY_BATCH,
    PLAIN,
    TASKS,
    best_of,
    gain,
    race_on,
    row_of,
)
from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import Case, Decision, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide
from entrena.lessons.levels import median_passes

if TYPE_CHECKING:
    from entrena.lessons.trials import Trials

NOISY_ROWS, NOISY_AXES = 512, 8


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Networks on data; conjugate gradients on mini-batches."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    return {
        "walks": size["walks"],
        "tasks": [race_on(name, size, seeds, others, trials) for name in size["tasks"]],
        "noisy": [
            _noisy(condition, batch_size, size, seed)
            for condition in size["conditions"]
            for batch_size in size["batch_sizes"]
        ],
    }


def _noisy(condition: float, batch_size: int, size: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Decades by which the excess of the loss has fallen, of conjugate gradients and of plain steps."""
    from entrena.lessons.conjugacy import conjugate_gradients_on, plain_steps_on
    from entrena.lessons.quadratics import ravine

    def rows(one: int) -> tuple[np.ndarray, np.ndarray]:
        examples = ravine(condition, NOISY_ROWS, NOISY_AXES, np.random.default_rng((one, 1)))
        return np.column_stack([column.values for column in examples.inputs]), np.asarray(examples.targets)

    def plain(one: int, rate: float) -> float:
        return log10(plain_steps_on(*rows(one), batch_size, size["walks"], rate, np.random.default_rng((one, 2))))

    n = size["starts"]
    rates = [2.0**-k / condition**0.5 for k in range(10)]  # 1/√κ is the greatest rate of them all: λmax = 2√κ
    others = range(seed + n, seed + n + size["tuning_seeds"])
    best = min(rates, key=lambda rate: float(np.mean([plain(one, rate) for one in others])))
    walks = [
        conjugate_gradients_on(*rows(one), batch_size, size["walks"], np.random.default_rng((one, 2)))
        for one in range(seed, seed + n)
    ]
    conjugate = [log10(walk.excess[-1]) for walk in walks]
    steps = [plain(one, best) for one in range(seed, seed + n)]
    return {
        "condition": condition,
        "batch_size": batch_size,
        "conjugate": _mean(conjugate),
        "plain": _mean(steps),
        "gain": _mean([b - a for a, b in zip(conjugate, steps, strict=True)]),
        "conjugacy": _mean([float(walk.conjugacy.mean()) for walk in walks]),
    }


def _mean(values: Sequence[float]) -> dict[str, float]:
    from entrena.population.statistics import mean_interval

    mean, low, high = mean_interval(list(values), 0.0)
    return {"mean": mean, "low": low, "high": high}


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    tasks = [
        f"{name} (hidden {', '.join(map(str, TASKS[name].hidden))}; loss {TASKS[name].levels[EARLY]:g} and "
        f"{TASKS[name].levels[DEEP]:g})"
        for name in size["tasks"]
    ]
    return [
        f"Networks of tanh units, without weight decay: {'; '.join(tasks)}. The loss is cross-entropy, of diabetes the "
        f"squared error over the variance. For {size['seeds']} seeds, each with a split of its own, passes over the "
        "training rows until the training loss is down to the early and to the deep level. An evaluation of loss and "
        "gradient over all rows is a pass, also where a line search only looks; mini-batches have 32 rows, and their "
        "loss is measured on all training rows after each pass, which is not counted.",
        "Gradient descent, momentum and adamw have one rate from first to last, that at which they take the fewest "
        f"passes to the level, sought with {size['tuning_seeds']} other "
        f"seed{'' if size['tuning_seeds'] == 1 else 's'}; the others have no rate. Seconds: the passes times the "
        f"seconds of a pass of one network alone, the median of {size['rounds']} rounds in turns.",
        f"Then, in NumPy, conjugate gradients whose every step takes gradient and best step from another mini-batch of "
        f"{', '.join(map(str, size['batch_sizes']))} of {NOISY_ROWS} rows, on a linear network whose Hessian has the "
        f"condition number κ = {', '.join(f'{c:g}' for c in size['conditions'])}: {size['walks']} passes, "
        f"{size['starts']} samples; beside it plain gradient steps on the same mini-batches at their best rate.",
    ]


def comparisons(results: Results) -> list[dict[str, Any]]:
    """The best technique for batches against the best gradient descent on all rows and the best mini-batches."""
    found = []
    for task in results["tasks"]:
        for level in task["levels"]:
            best = best_of(task, ONLY_BATCH, level)
            for against, methods in ((BATCH, PLAIN), (MINI, tuple(IN_MINI_BATCHES))):
                other = best_of(task, methods, level)
                own = {
                    "passes": gain(task, best, other, level),
                    "seconds": gain(task, best, other, level, seconds=True),
                }
                case = f"{task['name']} ({level})"
                found.append({"case": case, "best": best, "other": other, "against": against, **own})
    return found


BATCH, MINI, NOISY = "gradient descent on all rows", "mini-batches", "conjugate gradients on mini-batches"
SAID = {
    BATCH: "Gradient descent on all rows takes so many times the passes of the best technique that needs them",
    MINI: "Mini-batches take so many times the passes of it",
    NOISY: "On mini-batches plain steps bring the excess of the loss by so many decades further down than conjugate "
    "gradients",
}


def found_cases(results: Results) -> list[tuple[str, Case, Decision]]:
    """Against what, what was measured, and what it says of the claim."""
    found: list[tuple[str, Case, Decision]] = []
    for each in comparisons(results):
        passes = each["passes"]
        own = Case(each["case"], passes["mean"], passes["low"], passes["high"])
        found.append((each["against"], own, decide(own, 1.0)))
    for each in results["noisy"]:
        if each["batch_size"] < NOISY_ROWS:
            lost, name = each["gain"], f"{each['batch_size']} rows, κ = {each['condition']:g}"
            own = Case(name, -lost["mean"], -lost["high"], -lost["low"])
            found.append((NOISY, own, decide(own, 0.0)))
    return sorted(found, key=lambda each: list(SAID).index(each[0]))


def judge(results: Results) -> Verdict:
    """By passes, against gradient descent and against mini-batches, and by conjugate gradients on mini-batches."""
    cases = found_cases(results)
    verdict = conclude([(case, decision) for _, case, decision in cases], "what is compared, the data and the level")
    parts = []
    for kind, words in SAID.items():
        said = [
            f"{case.name}: {span_of({'mean': case.value, 'low': case.low, 'high': case.high}, 2, ' to ')}"
            for own, case, _ in cases
            if own == kind
        ]
        if said:
            parts.append(f"{words}. {'; '.join(said)}.")
    for decision, words in (("fails", "It fails"), ("undecided", "It is not decided")):
        said = [f"{case.name}, {kind}" for kind, case, own in cases if own == decision]
        if said:
            parts.append(f"{words} on {'; '.join(said)}.")
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


def tables(results: Results) -> list[Table]:
    """What conjugate gradients gain; each task; the mini-batches."""
    gains = [
        [each["case"], each["best"], each["other"], *(span_of(each[kind], 2) for kind in ("passes", "seconds"))]
        for each in comparisons(results)
    ]
    noisy = [
        [
            f"{each['condition']:g}",
            "all" if each["batch_size"] == NOISY_ROWS else f"{each['batch_size']}",
            f"{each['conjugacy']['mean']:.2f}",
            *(span_of(each[name], 1, " to ") for name in ("conjugate", "plain")),
        ]
        for each in results["noisy"]
    ]
    return [
        Table(
            "How many times fewer passes, and seconds, the best technique for batches takes",
            ("task, level", "best", "than", "passes", "seconds"),
            gains,
            "Best: of those that work only with batches. Than: the better of gradient descent and momentum, and the "
            "better of both kinds of mini-batches. Geometric mean of the ratios with its 95 % interval over seeds; a "
            "run that did not reach the level counts with the passes that it was allowed.",
            n_texts=3,
        ),
        *(_table_of(task) for task in results["tasks"]),
        Table(
            "Conjugate gradients whose every step sees another mini-batch",
            ("κ", "rows", "not conjugate by", "conjugate gradients", "plain steps"),
            noisy,
            f"Rows of a step, of {NOISY_ROWS}. Not conjugate by: |d·H·d′| of successive directions of length 1, which "
            "is 0 where they are conjugate. Then the excess of the loss after the last pass, as a power of ten of the "
            "first one: mean with its 95 % interval.",
            n_texts=0,
        ),
    ]


def _table_of(task: Mapping[str, Any]) -> Table:
    rows = []
    for name in dict.fromkeys(each["method"] for each in task["found"]):
        both = [row_of(task, name, level) for level in (EARLY, DEEP)]
        passes = [median_passes(each["passes"]) for each in both]
        a_pass = float(np.median(both[0]["seconds_a_pass"]))
        rows.append(
            [
                name,
                *("–" if one is None else f"{one:.3g}" for one in passes),
                f"{1000 * a_pass:.2g}",
                *("–" if one is None else f"{one * a_pass:.2g}" for one in passes),
                *(f"{float(np.median(each['scores'])):.3f}" for each in both),
            ]
        )
    levels = task["levels"]
    return Table(
        f"{task['name']}: {task['rows']:,} rows, {task['weights']:,} weights",
        ("recipe", "passes: early", "deep", "ms a pass", "seconds: early", "deep ", "score: early", "deep  "),
        rows,
        f"Medians of the passes to the training loss {levels[EARLY]:g} (early) and {levels[DEEP]:g} (deep), –: not "
        "reached; then seconds, of which small networks spend a good part between the passes; then the median score on "
        "held-out rows at the end of those runs.",
        dispensable=("ms a pass", "score: early", "deep  "),
    )


def meaning(results: Results) -> list[str]:
    """What who chooses between batches and mini-batches should know."""
    found = comparisons(results)

    def listed(group: Sequence[Mapping[str, Any]], kind: str, *, wins: bool) -> str:
        own = [each for each in group if (each[kind]["low"] > 1 if wins else each[kind]["high"] < 1)]
        return ", ".join(each["case"] for each in own) or "none"

    parts = []
    said = {BATCH: "gradient descent on all rows, at its best rate", MINI: "mini-batches, at their best rate"}
    for against, words in said.items():
        group = [each for each in found if each["against"] == against]
        parts.append(
            f"Against {words}, the best technique for batches takes fewer passes on "
            f"{listed(group, 'passes', wins=True)}; more on {listed(group, 'passes', wins=False)}. It takes less time "
            f"on {listed(group, 'seconds', wins=True)}; more on {listed(group, 'seconds', wins=False)}."
        )
    parts.append(
        "What it took to find the rates of the others is not counted; the techniques for batches have none to be "
        "found. Where rows repeat each other, a pass of mini-batches has more updates, and a technique for batches "
        "sees each copy in every evaluation."
    )
    scores = [
        f"{task['name']} {_median_score(task, EARLY):.3f} and {_median_score(task, DEEP):.3f}"
        for task in results["tasks"]
    ]
    parts.append(
        f"What the deep level is worth: the median scores on held-out rows are, early and deep, {', '.join(scores)}."
    )
    small = [each["conjugate"]["mean"] for each in results["noisy"] if each["batch_size"] < NOISY_ROWS]
    if small:
        parts.append(
            "Conjugate gradients need gradients of one and the same function. With all rows they are at the minimum of "
            f"a quadratic after as many steps as there are weights, {NOISY_AXES + 1}; with another mini-batch in each "
            "step the directions are not conjugate, and the excess of the loss stays, in the mean, at 10 to the "
            f"{min(small):.1f} to {max(small):.1f} of the first."
        )
    return parts


def _median_score(task: Mapping[str, Any], level: str) -> float:
    """Over recipes and seeds."""
    return float(np.median([each["scores"] for each in task["found"] if each["level"] == level]))


def figures(results: Results) -> list[Drawing]:
    """What conjugate gradients gain, and what they lose on mini-batches."""
    from entrena.lessons.drawings import dots

    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for each in comparisons(results):
        for kind in ("passes", "seconds"):
            groups.setdefault(f"{kind}, against {each['against']}", {})[each["case"]] = each[kind]
    noisy = {
        words: {f"{_rows_said(each)}, κ = {each['condition']:g}": each[name] for each in results["noisy"]}
        for name, words in (("conjugate", "conjugate gradients"), ("plain", "plain steps at the best rate"))
    }
    return [
        Drawing(
            "What the best technique for batches gains",
            dots("times fewer (logarithmic)", groups, mark=1.0, logarithmic=True),
            "With 95 % intervals over seeds. To the left of the dashed line it loses.",
        ),
        Drawing(
            "Conjugate gradients on mini-batches",
            dots("excess of the loss, as a power of ten of the first", noisy),
            f"On quadratics, after {results['walks']} passes, with 95 % intervals; further to the left is better. With "
            "all rows conjugate gradients are at the minimum, up to rounding.",
        ),
    ]


def _rows_said(each: Mapping[str, Any]) -> str:
    return "all rows" if each["batch_size"] == NOISY_ROWS else f"{each['batch_size']} rows"


LESSON = Lesson(
    id="conjugate_gradients",
    chapter="Training modes",
    title="Whether techniques that work only with batch learning are worth it",
    claim=(
        "Many optimization techniques, such as conjugate gradients, work only with batch learning, and that is a "
        "reason for it despite the advantages of mini-batches."
    ),
    source=(
        "LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 4.1; Schraudolph & Graepel, Combining "
        "Conjugate Direction Methods with Stochastic Approximation of Gradients, AISTATS 2003."
    ),
    sizes={
        "quick": Size(
            {
                "tasks": ["breast_cancer"],
                "seeds": 4,
                "tuning_seeds": 1,
                "most": {"batch": 500, "mini_batch": 60},
                "rounds": 3,
                "conditions": [10, 100],
                "batch_sizes": [32, 128, 512],
                "walks": 20,
                "starts": 20,
            },
            "The full study adds diabetes, moons, digits and digits in 4 copies, with Levenberg–Marquardt on diabetes; "
            "it has 8 seeds in place of 4, and looks for the rates with 2 others in place of 1.",
        ),
        "full": Size(
            {
                "tasks": list(TASKS),
                "seeds": 8,
                "tuning_seeds": 2,
                "most": {"batch": 500, "mini_batch": 60},
                "rounds": 5,
                "conditions": [10, 100],
                "batch_sizes": [32, 128, 512],
                "walks": 20,
                "starts": 40,
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
