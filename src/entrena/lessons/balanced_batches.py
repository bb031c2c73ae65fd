"""What mini-batches that are balanced over the classes gain, and how much of it is only another prior in prediction.

A network can be trained on rows as they are or on balanced mini-batches, and it can predict by the classes' true priors
or by equal ones: four combinations from two trainings, since one constant for each class in the net inputs turns one
prior into the other. Only where both predict by the same priors is a difference one of the batches.

Held-out rows are as balanced as the data set; each class is weighted so that it has its share of the training rows.
Splits of one data set share rows, so their intervals are corrected; each seed of the made classes has fresh ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import Case, Decision, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Fitted, Prepared
    from entrena.lessons.rate_search import Candidate
    from entrena.lessons.trials import Trials
    from entrena.population.rows import Rows

NORMAL = "normal"  # two classes of which all is known
SHIFTS = (1.35, 1.35, 1.0)
NORMAL_ROWS = 4000
HELD_SHARE = 0.2
RARE: dict[str, Any] = {NORMAL: 1, "moons": 1, "breast_cancer": "malignant", "digits": 8}
HIDDEN: dict[str, list[int]] = {NORMAL: [8], "moons": [16], "breast_cancer": [16], "digits": [32]}
RECIPE: dict[str, Any] = {"early_stopping": False, "batch_size": 20}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
SHUFFLED, BALANCED, AS_DRAWN = "shuffled", "balanced", "balanced, as drawn"
ORDERS: dict[str, Any] = {
    SHUFFLED: "shuffled",
    BALANCED: "balanced",
    AS_DRAWN: {"name": "balanced", "restore_priors": False},
}
EVENED = "shuffled, equal priors"  # the same networks as `shuffled`, which predict as if all classes were equal
WAYS = (SHUFFLED, BALANCED, EVENED, AS_DRAWN)

# What is compared: a score, of which two ways, and from where on the second counts as better.
TIMES, POINTS = 1.05, 0.01
MEASURES: dict[str, tuple[str, str, str, float]] = {
    "log loss, true priors": ("log_loss", SHUFFLED, BALANCED, TIMES),
    "balanced accuracy, equal priors": ("balanced_accuracy", EVENED, AS_DRAWN, POINTS),
    "log loss, as drawn": ("log_loss", SHUFFLED, AS_DRAWN, TIMES),
    "balanced accuracy, as drawn": ("balanced_accuracy", SHUFFLED, AS_DRAWN, POINTS),
}


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Scores of each way, for each data set and share of the rare class."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    cases = [
        _case(name, ratio, size["passes"], seeds, others, trials) for name in size["data"] for ratio in size["ratios"]
    ]
    return {"cases": cases}


def _case(
    name: str, ratio: int, passes: int, seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> dict[str, Any]:
    """What each way makes of one data set whose rare class has so many times fewer rows than another one."""
    from entrena.lessons.rate_search import cheapest_rates, train_all

    parts = {seed: _parts(name, ratio, seed) for seed in (*seeds, *others)}
    settings = {**RECIPE, "hidden": HIDDEN[name], "max_epochs": passes}
    held = {seed: each[1:] for seed, each in parts.items()}
    rows = {seed: each[0] for seed, each in parts.items()}
    tried = [_candidate(order, rows, held, settings) for order in ORDERS]
    said = f"{name}, 1:{ratio}"
    rates = cheapest_rates(said, tried[:2], RATES, others, trials)
    rates.append(rates[-1])  # the same training
    fitted = train_all(said, [(c, seed, rate) for c, rate in zip(tried, rates, strict=True) for seed in seeds], trials)
    by_order = {order: fitted[k * len(seeds) : (k + 1) * len(seeds)] for k, order in enumerate(ORDERS)}
    first = rows[seeds[0]].training
    found = {way: _scores_of(way, by_order, [held[seed] for seed in seeds], RARE[name]) for way in WAYS}
    counts = np.unique(np.asarray(first.targets), return_counts=True)
    n_rare = int(counts[1][list(counts[0]).index(RARE[name])])
    return {
        "name": name,
        "ratio": ratio,
        "rows": first.n_rows,
        "rare": n_rare,
        "rates": dict(zip(ORDERS, rates, strict=True)),
        "scores": found,
    }


def _parts(name: str, ratio: int, seed: int) -> tuple[Rows, Examples, np.ndarray]:
    """The training rows of a seed, its held-out rows, and their weights."""
    from entrena.data import EMBEDDED, split_rows
    from entrena.lessons.samples import two_classes
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import Split

    chance = np.random.default_rng((seed, ratio, 2))
    examples = two_classes(NORMAL_ROWS, SHIFTS, chance) if name == NORMAL else EMBEDDED[name].load()
    assert examples.targets is not None
    kept, out = split_rows(examples, HELD_SHARE, np.random.default_rng((seed, 1)), stratify=True)
    kept = thinned(kept, examples.targets, RARE[name], ratio, chance)
    held = examples.take(out)
    weight = weights_like(examples.targets[kept], examples.targets[out])
    return rows_of(examples, Split(seed, 0, kept, out)), held, weight


def thinned(rows: np.ndarray, targets: np.ndarray, rare: Any, ratio: float, chance: np.random.Generator) -> np.ndarray:
    """The rows without so many of the rare class that it has 1/ratio of another class's mean; 1: all rows.

    Args:
        rows: [n] numbers of rows.
        targets: The classes of all rows.
        rare: The class that is made rare.
        ratio: From 1.
        chance: Draws the rows that stay.
    """
    if ratio == 1:
        return rows
    is_rare = targets[rows] == rare
    others = np.unique(targets[rows][~is_rare], return_counts=True)[1].mean()
    n_stay = min(max(round(others / ratio), 1), int(is_rare.sum()))
    stay = chance.choice(rows[is_rare], n_stay, replace=False)
    return np.sort(np.concatenate([rows[~is_rare], stay]))


def weights_like(training: np.ndarray, held: np.ndarray) -> np.ndarray:
    """[held rows] weights of mean 1 with which each class has the share that it has among the training rows."""
    classes, of_held = np.unique(held, return_inverse=True)
    shares = np.array([np.mean(training == label) for label in classes])
    return (shares / np.bincount(of_held) * len(held))[of_held]


def _candidate(
    order: str,
    rows: Mapping[int, Rows],
    held: Mapping[int, tuple[Examples, np.ndarray]],
    settings: Mapping[str, Any],
) -> Candidate:
    from entrena.lessons.rate_search import Candidate
    from entrena.recipe import Recipe

    recipe = Recipe.make({**settings, "order": ORDERS[order]})

    def prepare(seed: int, rate: float) -> Prepared:
        return rows[seed].prepare(recipe.change({"learning_rate": rate, "random_state": seed}))

    def cost(seed: int, fitted: Fitted) -> float:
        examples, weight = held[seed]
        return float(fitted.model.evaluate(examples, weight)["log_loss"])

    return Candidate(order, prepare, cost)


def _scores_of(
    way: str, by_order: Mapping[str, Sequence[Fitted]], held: Sequence[tuple[Examples, np.ndarray]], rare: Any
) -> dict[str, list[float]]:
    """By score a number for each seed."""
    found: dict[str, list[float]] = {}
    for fitted, (examples, weight) in zip(by_order[SHUFFLED if way == EVENED else way], held, strict=True):
        model = fitted.model
        classes = np.asarray(model.schema.classes)
        truth = np.searchsorted(classes, np.asarray(examples.targets))
        p = model.predict_proba(examples.inputs)
        if way == EVENED:
            p = with_equal_priors(p, np.bincount(truth, weight))
        for name, value in measured(p, truth, weight, int(np.searchsorted(classes, rare))).items():
            found.setdefault(name, []).append(value)
    return found


def with_equal_priors(p: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Probabilities as they are where all classes are equally frequent: p_k/prior_k, of sum 1.

    Args:
        p: [rows, classes] by the given priors.
        priors: [classes] of any sum.

    Source: Saerens, Latinne & Decaestecker, Neural Computation 14 (2002), equation 2.4.
    """
    even = p / priors
    return even / even.sum(axis=1, keepdims=True)


def measured(p: np.ndarray, truth: np.ndarray, weight: np.ndarray, rare: int) -> dict[str, float]:
    """Scores of probabilities.

    Args:
        p: [rows, classes].
        truth: [rows] class numbers.
        weight: [rows] with which the classes have their true shares.
        rare: The number of the rare class.

    Returns:
        `log_loss`; `balanced_accuracy`; `recall` of the rare class; `false_alarms`, the share of the other rows that
        are taken for it; `expected`, how many times as many rare rows are expected as there are.
    """
    called, is_rare = p.argmax(axis=1), truth == rare
    own = np.maximum(p[np.arange(len(p)), truth], np.finfo(float).tiny)
    recalls = [np.mean(called[truth == k] == k) for k in np.unique(truth)]
    return {
        "log_loss": float(np.average(-np.log(own), weights=weight)),
        "balanced_accuracy": float(np.mean(recalls)),
        "recall": float(np.mean(called[is_rare] == rare)),
        "false_alarms": float(np.average(called[~is_rare] == rare, weights=weight[~is_rare])),
        "expected": float(np.average(p[:, rare], weights=weight) / np.average(is_rare, weights=weight)),
    }


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    ratios = ", ".join(f"1:{ratio}" for ratio in size["ratios"])
    return [
        "Four fifths of the rows train, and of one class only as many of them are kept as make it "
        f"{ratios} against another class (1:1: all). {NORMAL}: {NORMAL_ROWS:,} fresh rows for each seed, two classes "
        f"of three normal columns, whose means are {', '.join(map(str, SHIFTS))} deviations apart. The other fifth is "
        "held out whole, so that there are rare rows enough to score by; in log loss, false alarms and expected rows "
        "each class is weighted so that it has its share of the training rows.",
        "One hidden layer, entrena's default optimizer and schedule, mini-batches of 20 and "
        f"{size['passes']} passes for both orders: shuffled, and balanced, with as many rows of each class in every "
        "mini-batch. Each order has the rate with the lowest held-out log loss by the true priors, sought in two "
        f"rounds with {size['tuning_seeds']} other seeds; {size['seeds']} seeds compare them.",
        "Both predict in two ways: by the true priors (shuffled as it is; balanced with the priors put back, as "
        "entrena does by default) and by equal ones (shuffled with each probability divided by its class's prior; "
        "balanced as drawn, restore_priors=false). Same priors on both sides show what the batches do. As drawn "
        "against shuffled, which is how balancing is commonly tried, shows the batches and the priors together.",
        f"Balanced counts as better where its log loss is {TIMES:g} times lower, or its balanced accuracy "
        f"{POINTS:g} higher, with the whole 95 % interval.",
    ]


def gains(results: Results, measure: str) -> dict[str, dict[str, float]]:
    """By case how much better the balanced way is: times lower for a log loss, points higher for an accuracy."""
    from entrena.population.statistics import mean_interval

    score, plain, balanced, _ = MEASURES[measure]
    found = {}
    for each in results["cases"]:
        a, b = (each["scores"][way][score] for way in (plain, balanced))
        share = 0.0 if each["name"] == NORMAL else HELD_SHARE
        if score == "log_loss":
            ends = [exp(end) for end in mean_interval([log(x) - log(y) for x, y in zip(a, b, strict=True)], share)]
        else:
            ends = list(mean_interval([y - x for x, y in zip(a, b, strict=True)], share))
        found[_name(each)] = dict(zip(("mean", "low", "high"), ends, strict=True))
    return found


def _name(each: Mapping[str, Any]) -> str:
    return f"{each['name']} 1:{each['ratio']}"


def found_cases(results: Results) -> list[tuple[str, Case, Decision]]:
    """By which measure, what was measured, and what it says of the claim."""
    return [
        (measure, case, decide(case, MEASURES[measure][-1]))
        for measure in MEASURES
        for case in (Case(name, own["mean"], own["low"], own["high"]) for name, own in gains(results, measure).items())
    ]


def judge(results: Results) -> Verdict:
    """By two scores, each with the same priors on both sides and with those that the batches leave."""
    cases = found_cases(results)
    verdict = conclude([(case, decision) for _, case, decision in cases], _depends_on(cases))
    parts = []
    for measure, (score, _, _, threshold) in MEASURES.items():
        words = "times lower" if score == "log_loss" else "higher"
        own = [(case, decision) for name, case, decision in cases if name == measure]
        means = sorted(case.value for case, _ in own)
        digits = 2 if score == "log_loss" else 3
        counts = [
            f"{said} {sum(found == decision for _, found in own)}"
            for decision, said in (("holds", "holds in"), ("fails", "fails in"), ("undecided", "is not decided in"))
            if any(found == decision for _, found in own)
        ]
        parts.append(
            f"{_capital(measure)}: it {', '.join(counts)} of {len(own)} cases (from {means[0]:.{digits}f} to "
            f"{means[-1]:.{digits}f} {words}; the limit is {threshold:g})."
        )
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


def _depends_on(cases: Sequence[tuple[str, Case, Decision]]) -> str:
    """The fewest words that tell the cases in which it holds from those in which it fails."""
    by_measure: dict[object, set[Decision]] = {}
    by_both: dict[object, set[Decision]] = {}
    for measure, case, decision in cases:
        by_measure.setdefault(measure, set()).add(decision)
        by_both.setdefault((measure, case.name.endswith(" 1:1")), set()).add(decision)
    if not any({"holds", "fails"} <= found for found in by_measure.values()):
        return "the measure"
    if not any({"holds", "fails"} <= found for found in by_both.values()):
        return "the measure and on how unbalanced the classes are"
    return "the measure and on the data"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def tables(results: Results) -> list[Table]:
    """What balanced batches gain by each measure, and all scores of all ways."""
    told = {measure: gains(results, measure) for measure in MEASURES}
    gained = [
        [
            _name(each),
            f"{each['rare']:,}/{each['rows']:,}",
            *(span_of(told[m][_name(each)], 2 if MEASURES[m][0] == "log_loss" else 3) for m in MEASURES),
        ]
        for each in results["cases"]
    ]
    scores = []
    for each in results["cases"]:
        for way in WAYS:
            own = {name: float(np.mean(values)) for name, values in each["scores"][way].items()}
            cells = [f"{own[name]:.3f}" for name in ("log_loss", "balanced_accuracy", "recall", "false_alarms")]
            scores.append([_name(each) if way == SHUFFLED else "", way, *cells, f"{own['expected']:.2f}"])
    n = len(results["cases"][0]["scores"][SHUFFLED]["log_loss"])
    return [
        Table(
            "What balanced mini-batches gain",
            ("case", "rare rows", *(name.replace("balanced ", "") for name in MEASURES)),
            gained,
            "Log loss: how many times lower, geometric mean; accuracy: the balanced one, how much higher. Over "
            f"{n} seeds with 95 % intervals, corrected for rows that splits share. The first two: both sides predict "
            "by the same priors. As drawn: by those of their batches.",
            dispensable=("rare rows",),
        ),
        Table(
            "All scores",
            ("case", "way", "log loss", "balanced accuracy", "recall", "false alarms", "expected"),
            scores,
            "Means over seeds. Recall of the rare class; false alarms: share of the other rows taken for it; expected: "
            "how many times as many rare rows the probabilities add up to as there are (calibrated: 1).",
            n_texts=2,
            dispensable=("false alarms",),
        ),
    ]


def meaning(results: Results) -> list[str]:
    """What who has a rare class should know."""
    rare = [each for each in results["cases"] if each["ratio"] > 1]
    if not rare:
        return ["On classes that are about equally frequent, balanced mini-batches change little."]
    most = max(rare, key=lambda each: _mean(each, EVENED, "recall") - _mean(each, SHUFFLED, "recall"))
    plain, evened, drawn = (_mean(most, way, "recall") for way in (SHUFFLED, EVENED, AS_DRAWN))
    told = {measure: gains(results, measure) for measure in MEASURES}
    same, apart = told["balanced accuracy, equal priors"], told["balanced accuracy, as drawn"]
    n_same = sum(same[_name(each)]["low"] > POINTS for each in rare)
    n_worse = sum(same[_name(each)]["high"] < -POINTS for each in rare)
    n_apart = sum(apart[_name(each)]["low"] > POINTS for each in rare)
    parts = [
        f"With a rare class balanced batches as drawn raise the balanced accuracy in {n_apart} of {len(rare)} cases. "
        f"Where the shuffled networks predict by equal priors too, which takes no training at all, it is {n_same} of "
        f"{len(rare)}, and in {n_worse} the shuffled ones are the better by more than {POINTS:g}.",
        f"On {_name(most)} a shuffled network finds {100 * plain:.0f} % of the rare rows; the same network with equal "
        f"priors {100 * evened:.0f} %, one that was trained on balanced batches {100 * drawn:.0f} %. So most of what "
        "balancing seems to gain is another prior: a threshold that was moved.",
    ]
    loss = told["log loss, true priors"]
    higher = [_name(each) for each in rare if loss[_name(each)]["high"] < 1]
    lower = [_name(each) for each in rare if loss[_name(each)]["low"] > 1]
    said = [f"lower on {', '.join(lower)}"] if lower else []
    said += [f"higher on {', '.join(higher)}"] if higher else []
    if said:
        parts.append(
            f"With the priors put back the log loss of balanced training is {' and '.join(said)}. Balanced "
            "mini-batches show the few rows of a rare class again and again, and each row of a frequent one less "
            "often: the first are easily learned by heart."
        )
    worst = max(rare, key=lambda each: _mean(each, AS_DRAWN, "expected"))
    parts.append(
        f"Probabilities as drawn are not to be believed: on {_name(worst)} they add up to "
        f"{_mean(worst, AS_DRAWN, 'expected'):.1f} times as many rare rows as there are, with the priors put back to "
        f"{_mean(worst, BALANCED, 'expected'):.1f} times. That is why entrena puts them back unless told otherwise."
    )
    return parts


def _mean(each: Mapping[str, Any], way: str, score: str) -> float:
    return float(np.mean(each["scores"][way][score]))


def figures(results: Results) -> list[Drawing]:
    """What balanced batches gain by log loss and by balanced accuracy."""
    from entrena.lessons.drawings import dots

    shown = {measure: gains(results, measure) for measure in MEASURES}
    same, drawn = "same priors on both sides", "as drawn against shuffled"
    return [
        Drawing(
            "Balanced accuracy: what balanced batches gain",
            dots(
                "how much higher",
                {same: shown["balanced accuracy, equal priors"], drawn: shown["balanced accuracy, as drawn"]},
                mark=0.0,
            ),
            "With 95 % intervals. Same priors: both predict as if the classes were equally frequent. As drawn: "
            "shuffled predicts by the classes' own priors, which is how balancing is commonly tried.",
        ),
        Drawing(
            "Log loss: how many times lower it is with balanced batches",
            dots(
                "times lower (logarithmic)",
                {same: shown["log loss, true priors"], drawn: shown["log loss, as drawn"]},
                mark=1.0,
                logarithmic=True,
            ),
            "With 95 % intervals; to the left of the dashed line it is higher. Same priors: the balanced networks have "
            "the true ones put back.",
        ),
    ]


LESSON = Lesson(
    id="balanced_batches",
    chapter="Training modes",
    title="What mini-batches gain that are balanced over the classes",
    claim="Mini-batches should be balanced over the classes.",
    source=(
        "Hinton, Neural Networks for Machine Learning, lecture 6. Here it is asked by which measure, on classes that "
        "are as they are and on one that is made rare; Saerens, Latinne & Decaestecker, Neural Computation 14 (2002), "
        "for the priors in prediction."
    ),
    sizes={
        "quick": Size(
            {"data": [NORMAL, "breast_cancer"], "ratios": [1, 10], "passes": 20, "seeds": 8, "tuning_seeds": 2},
            "The full study adds moons, digits and 1:50; it has 24 seeds in place of 8, looks for the rates with 4 "
            "others in place of 2, and trains for 30 passes in place of 20.",
        ),
        "full": Size(
            {
                "data": [NORMAL, "moons", "breast_cancer", "digits"],
                "ratios": [1, 10, 50],
                "passes": 30,
                "seeds": 24,
                "tuning_seeds": 4,
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
