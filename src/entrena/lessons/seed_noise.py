"""How large a "difference" two equal recipes show: by the seed alone, with the split, and to the tests that judge it.

Three things are measured. On data sets: networks of one recipe that differ in the seed only, and networks that differ
in the split as well, in pairs; no network is in two pairs of a kind. On samples of two overlapping classes, where the
truth is known: how often one run each, the usual t-test and the corrected one declare a winner, where there is none and
where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import percent, percent_text, share, share_text
from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, combine
from entrena.reporting.wording import count

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.lessons.trials import Trials

ENOUGH = 0.01  # of the score: a difference that papers report
OFTEN = 0.10  # of the pairs
LEVEL = 0.05
FEW_SPLITS = 10
RECIPE: dict[str, Any] = {"hidden": [32], "batch_size": 32, "learning_rate": 0.01, "max_epochs": 50}

# The samples. The first two columns tell equally much, so of two recipes that each leave one of them out, none is
# better on average, though one is on every single sample.
SHIFTS = (1.35, 1.35, 1.0)
SAMPLE_ROWS = 200
SAMPLE_HELD = 0.2
SMALL = {"hidden": [8], "batch_size": 32, "learning_rate": 0.03, "max_epochs": 20}
# Recipe → the columns that it sees, and which of two seeds of a split it has.
SEEN = {
    "all columns": (("x1", "x2", "x3"), 0),
    "all columns, other seed": (("x1", "x2", "x3"), 1),
    "without x1": (("x2", "x3"), 0),
    "without x2": (("x1", "x3"), 0),
    "without x3": (("x1", "x2"), 0),
}
BETTER = "one is better"
SITUATIONS = {
    "equal": ("all columns", "all columns, other seed"),
    "equal on average": ("without x1", "without x2"),
    BETTER: ("all columns", "without x3"),
}
ONE_RUN, USUAL, CORRECTED = "one_run", "usual_t", "corrected_t"
JUDGES = {ONE_RUN: "one run each", USUAL: "usual t-test", CORRECTED: "corrected t-test"}


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Pairs on data sets, and comparisons where the truth is known."""
    found = [_on_data(name, size["pairs"], seed, trials) for name in size["data"]]
    return {"data": found, "comparisons": _comparisons(size, seed, trials)}


def _on_data(name: str, n_pairs: int, seed: int, trials: Trials) -> dict[str, Any]:
    """Pair k is A and B on split k, which differ in their seeds, and A and C, which is on a split of its own."""
    from entrena.data import EMBEDDED
    from entrena.lessons.trials import leading_score, rows_of
    from entrena.population.splits import make_splits
    from entrena.recipe import Recipe

    examples = EMBEDDED[name].load()
    seeds = list(range(seed, seed + 2 * n_pairs))
    recipe = Recipe.make(RECIPE)
    prepared, held = [], []
    for k, split in enumerate(make_splits(examples, seeds, None, stratify=EMBEDDED[name].task == "classification")):
        rows, watched = rows_of(examples, split), examples.take(split.held)
        for random_state in (split.seed, split.seed + 2 * n_pairs)[: 2 if k < n_pairs else 1]:
            prepared.append(rows.prepare(recipe.change({"random_state": random_state})))
            held.append(watched)
    fitted = trials.train(f"{name}: {len(prepared)} networks", prepared)
    scored = [leading_score(each, watched) for each, watched in zip(fitted, held, strict=True)]
    values = np.array([value for _, value in scored])
    pairs, n_held = values[: 2 * n_pairs].reshape(-1, 2), held[0].n_rows
    told = pairs_found(pairs[:, 0], pairs[:, 1], values[2 * n_pairs :], n_held / examples.n_rows)
    return {"name": name, "score": scored[0][0], "rows": examples.n_rows, "held_out": n_held, **told}


def pairs_found(a: np.ndarray, b: np.ndarray, c: np.ndarray, held_share: float) -> dict[str, Any]:
    """What pairs of networks tell.

    Args:
        a: [pairs] scores of the first networks.
        b: [pairs] of those that differ from them in the seed.
        c: [pairs] of those that differ in split and seed.
        held_share: Share of the rows that a split holds out.
    """
    from entrena.population.statistics import splits_for_power

    seed, split = _spread(a - b), _spread(a - c)

    def needed(deviation: float) -> int | None:
        return splits_for_power(ENOUGH, deviation, held_share) if deviation > 0 else 2

    return {
        "mean": float(np.concatenate([a, b, c]).mean()),
        "seed": seed,
        "split": split,
        "splits_for_power": {"same": needed(seed["deviation"]), "own": needed(split["deviation"])},
        "found_by_few": smallest_found(seed["deviation"], held_share),
    }


def _spread(differences: np.ndarray) -> dict[str, Any]:
    """The sizes of differences between equals, whose expectation is 0."""
    sizes = np.abs(differences)
    return {
        "deviation": float(np.sqrt(np.square(differences).mean())),
        "median": float(np.median(sizes)),
        "percentile_95": float(np.percentile(sizes, 95)),
        "largest": float(sizes.max()),
        # Of 200 rows two are 0.01, up to rounding.
        "enough": share(int((sizes >= ENOUGH - 1e-9).sum()), len(sizes)),
        "differences": [round(float(each), 6) for each in differences],
    }


def smallest_found(deviation: float, held_share: float) -> float:
    """The true difference that the corrected test finds with the power 0.8 on ten splits."""
    from scipy.optimize import brentq

    from entrena.population.statistics import power_of

    if deviation == 0:
        return 0.0
    found = brentq(lambda size: power_of(size * deviation, deviation, held_share, FEW_SPLITS) - 0.8, 0.1, 4.0)
    return float(found) * deviation


def _comparisons(size: Mapping[str, Any], seed: int, trials: Trials) -> dict[str, Any]:
    """Comparisons on fresh samples, and the true differences on rows that no network has seen."""
    n_samples, n_splits, at_once = size["samples"], size["splits"], size["samples_at_once"]
    scores, truths = [], []
    for first in range(0, n_samples, at_once):
        numbers = range(first, min(first + at_once, n_samples))
        said = f"samples {numbers[0] + 1} to {numbers[-1] + 1} of {n_samples}"
        held, true = _on_samples(said, numbers, n_splits, size["unseen"], seed, trials)
        scores.append(held)
        truths.append(true)
    found = comparisons_found(np.concatenate(scores), np.concatenate(truths))
    return {"samples": n_samples, "splits": n_splits, "situations": found}


def _on_samples(
    said: str, numbers: range, n_splits: int, n_unseen: int, seed: int, trials: Trials
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies on rows held out, [samples, splits, recipes], and unseen, of first splits, [samples, recipes]."""
    from entrena.lessons.samples import two_classes
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import make_splits
    from entrena.recipe import Recipe

    recipe = Recipe.make(SMALL)
    prepared, held, unseen = [], [], []
    for number in numbers:
        examples = two_classes(SAMPLE_ROWS, SHIFTS, np.random.default_rng((seed, 1, number + 1)))
        unseen.append(two_classes(n_unseen, SHIFTS, np.random.default_rng((seed, 2, number + 1))))
        seeds = [seed + 2 * (number * n_splits + k) for k in range(n_splits)]
        for split in make_splits(examples, seeds, None, stratify=True):
            for columns, second in SEEN.values():
                own = recipe.change({"random_state": split.seed + second})
                prepared.append(rows_of(examples.pick(columns), split).prepare(own))
                held.append(examples.take(split.held))
    models = [each.model for each in trials.train(said, prepared)]
    right = [_accuracy(model, rows) for model, rows in zip(models, held, strict=True)]
    shape = (len(numbers), n_splits, len(SEEN))
    first = np.arange(len(models)).reshape(shape)[:, 0]
    truths = [[_accuracy(models[k], rows) for k in row] for row, rows in zip(first, unseen, strict=True)]
    return np.reshape(right, shape), np.array(truths)


def _accuracy(model: Any, rows: Examples) -> float:
    return float(np.mean(model.predict(rows.inputs.pick(model.schema.columns)) == rows.targets))


def comparisons_found(scores: np.ndarray, truths: np.ndarray) -> list[dict[str, Any]]:
    """How often each judge declares a winner, for each situation.

    Args:
        scores: [samples, splits, recipes] accuracies on the rows that a split holds out.
        truths: [samples, recipes] accuracies of networks on rows that none has seen.
    """
    from entrena.population.statistics import mean_interval

    names, situations = list(SEEN), []
    for name, (first, second) in SITUATIONS.items():
        i, j = names.index(first), names.index(second)
        mean, low, high = mean_interval((truths[:, i] - truths[:, j]).tolist(), 0.0)  # samples share no rows
        winners = np.array([_winners(each) for each in scores[:, :, i] - scores[:, :, j]])  # [samples, judges]
        declared = {
            judge_name: {
                "first": share(int((winners[:, k] > 0).sum()), len(winners)),
                "second": share(int((winners[:, k] < 0).sum()), len(winners)),
                "either": share(int((winners[:, k] != 0).sum()), len(winners)),
            }
            for k, judge_name in enumerate(JUDGES)
        }
        true = {"mean": mean, "low": low, "high": high}
        situations.append({"name": name, "first": first, "second": second, "true": true, "declared": declared})
    return situations


def _winners(differences: np.ndarray) -> list[int]:
    """[judges] 1: the first recipe wins, −1: the second, 0: no winner is declared."""
    from entrena.population.statistics import corrected_t

    one_run = int(np.sign(differences[0])) * int(abs(differences[0]) >= ENOUGH - 1e-9)
    corrected = corrected_t(differences.tolist(), SAMPLE_HELD, 1 / (SAMPLE_HELD * SAMPLE_ROWS)).p_value
    ahead = int(np.sign(differences.mean()))
    return [one_run, ahead * int(usual_t(differences) < LEVEL), ahead * int(corrected < LEVEL)]


def usual_t(differences: np.ndarray) -> float:
    """The p-value of the paired t-test, which takes splits for independent."""
    from scipy.stats import ttest_1samp

    if np.ptp(differences) < 1e-12:  # no spread: SciPy would divide by it
        return 1.0 if abs(differences[0]) < 1e-12 else 0.0
    return float(ttest_1samp(differences, 0.0).pvalue)


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    shifts = ", ".join(map(str, SHIFTS))
    return [
        f"On {_listed(size['data'])}: {size['pairs']} pairs of networks of one recipe (a hidden layer of "
        f"{RECIPE['hidden'][0]} units, {RECIPE['max_epochs']} epochs) on the same split, which differ only in the "
        "seed of first weights and order; and as many pairs whose second network has a split of its own as well. A "
        "split holds a fifth of the rows out, by which the networks are scored. Each pair is drawn anew, and no "
        "network is in two pairs of a kind.",
        f"Then {size['samples']} samples of {SAMPLE_ROWS} rows: two classes, three normal columns, in which the "
        f"classes' means are {shifts} deviations apart. On each sample {size['splits']} splits, and on each split five "
        "networks: two of equal recipes with different seeds, and one each without the first, the second and the third "
        "column. The first two columns tell equally much: leaving out one or the other makes recipes that are equal on "
        f"average, but not on any one sample. True differences are measured on {size['unseen']:,} further rows for "
        "each sample.",
    ]


def judge(results: Results) -> Verdict:
    """By the share of pairs with split and seed of their own that are 0.01 of the score apart or more."""
    cases = []
    for each in results["data"]:
        often = each["split"]["enough"]
        cases.append(Case(each["name"], often["share"], often["low"], often["high"]))
    found = combine(cases, OFTEN, "the data set")
    told = f"So many pairs of equal recipes are {ENOUGH} or more apart (95 % interval); the limit is {OFTEN:.2f}."
    return Verdict(found.name, f"{told} {found.sentence}", found.depends_on)


def tables(results: Results) -> list[Table]:
    """Differences of pairs, splits that it takes, comparisons where the truth is known."""
    from entrena.lessons.samples import best_accuracy

    data, found = results["data"], results["comparisons"]
    gain = best_accuracy(SHIFTS) - best_accuracy(SHIFTS[:2])
    rows, splits = [], []
    for each in data:
        for kind, words in (("seed", "seed"), ("split", "split, seed")):
            spread = each[kind]
            numbers = [f"{spread[name]:.4f}" for name in ("deviation", "median", "percentile_95", "largest")]
            rows.append([each["name"] if kind == "seed" else "", words, *numbers, share_text(spread["enough"])])
        score = "R²" if each["score"] == "r2" else each["score"].replace("_", " ")
        needed = ["never" if n is None else f"{n:,}" for n in each["splits_for_power"].values()]
        splits.append([each["name"], f"{score} {each['mean']:.3f}", *needed, f"{each['found_by_few']:.3f}"])
    declared = [[words, *(_said(each, name) for each in found["situations"])] for name, words in JUDGES.items()]
    true = [
        f"{each['true']['mean']:.4f} ± {(each['true']['high'] - each['true']['low']) / 2:.4f}"
        for each in found["situations"]
    ]
    return [
        Table(
            f"How far two equal recipes are apart ({count(data[0]['seed']['enough']['n'], 'pair')} each)",
            ("data", "differ in", "deviation", "median", "95 % below", "largest", f"{ENOUGH} or more"),
            rows,
            f"Of the score: accuracy, or R² for numbers. {ENOUGH} or more: share of the pairs, with its 95 % interval.",
            n_texts=2,
            dispensable=("largest",),
        ),
        Table(
            f"How many splits it takes to find a true difference of {ENOUGH}",
            ("data", "mean score", "same splits", "own splits", "smallest found"),
            splits,
            "Found: by the corrected test at 5 %, four times in five. Same splits: both recipes are run on them; own "
            "splits: each recipe on its own. Never: splits of the same rows repeat each other, so that no number of "
            f"them is enough. Smallest found: the smallest true difference that {FEW_SPLITS} splits, the same for "
            "both, find.",
            n_texts=2,
        ),
        Table(
            f"How often a winner is declared ({found['samples']} comparisons of {found['splits']} splits)",
            ("judge", *("better: right / wrong" if e["name"] == BETTER else e["name"] for e in found["situations"])),
            [*declared, ["true difference", *true]],
            f"One run each: ahead by {ENOUGH} or more on the first split; the tests: at 5 %. Equal: two seeds. Equal "
            "on average: one leaves out a column, the other one that tells as much. Better: the second leaves out a "
            f"column that helps (the best of all classifiers gain {gain:.3f} by it); how often the right one is named, "
            "and the wrong one.",
        ),
    ]


def _said(situation: Mapping[str, Any], judge_name: str) -> str:
    declared = situation["declared"][judge_name]
    if situation["name"] == BETTER:
        return f"{share_text(declared['first'])} / {declared['second']['share']:.2f}"
    return share_text(declared["either"])


def meaning(results: Results) -> list[str]:
    """What who compares two runs should know."""
    data = results["data"]
    equal, alike, better = results["comparisons"]["situations"]
    ratios = [(each["seed"]["deviation"] / max(each["split"]["deviation"], 1e-12)) ** 2 for each in data]
    parts = [
        f"{percent(min(ratios))} to {percent(max(ratios))} of the variance between two single runs is there on one and "
        "the same split: the seed of weights and order. The rest is which rows train and which rows score."
    ]
    coarse = [each["name"] for each in data if each["score"] != "r2" and each["held_out"] * ENOUGH < 1]
    if coarse:
        parts.append(
            f"On {_listed(coarse)} one held-out row is worth more than {ENOUGH}: there every difference counts."
        )
    never = [each["name"] for each in data if each["splits_for_power"]["same"] is None]
    if never:
        parts.append(
            f"On {_listed(never)} no number of splits makes a true difference of {ENOUGH} visible to the corrected "
            "test. More rows would; more seeds do not."
        )
    said = {name: percent_text(equal["declared"][name]["either"]) for name in JUDGES}
    parts.append(
        f"Of two equal recipes, which differ in the seed, one run each names a winner in {said[ONE_RUN]} of the "
        f"comparisons, the usual t-test in {said[USUAL]}, the corrected one in {said[CORRECTED]}. The tests are "
        "allowed 5 %."
    )
    said = {name: percent_text(alike["declared"][name]["either"]) for name in JUDGES}
    parts.append(
        f"Where the recipes are equal on average, but each sample favours one, it is {said[ONE_RUN]}, {said[USUAL]} "
        f"and {said[CORRECTED]}. Splits of one sample do not tell what is true of others, for "
        "which the correction is meant to allow."
    )
    right = {name: percent(better["declared"][name]["first"]["share"]) for name in JUDGES}
    parts.append(
        f"A true difference of {better['true']['mean']:.3f} is named rightly by one run each in {right[ONE_RUN]} of "
        f"the comparisons, and wrongly in {percent(better['declared'][ONE_RUN]['second']['share'])}; it is named "
        f"rightly by the usual test in {right[USUAL]}, by the corrected one in {right[CORRECTED]}. With {SAMPLE_ROWS} "
        "rows, that no difference was found does not mean that there is none."
    )
    return parts


def figures(results: Results) -> list[Drawing]:
    """The distributions of the differences, and how often a winner is declared."""
    from entrena.lessons.drawings import boxes, shares

    sizes = {
        words: {each["name"]: [abs(d) for d in each[kind]["differences"]] for each in results["data"]}
        for kind, words in (("seed", "the seed differs"), ("split", "split and seed differ"))
    }
    situations = results["comparisons"]["situations"]
    declared = {
        words: {each["name"]: each["declared"][name]["either"] for each in situations} for name, words in JUDGES.items()
    }
    apart = boxes("difference between two networks of one recipe", sizes, mark=ENOUGH)
    apart.update_xaxes(rangemode="tozero")
    return [
        Drawing(
            "How far two equal recipes are apart",
            apart,
            f"Half of the pairs are in the box. The dashed line: {ENOUGH}, a difference that papers report.",
        ),
        Drawing(
            "How often a winner is declared",
            shares("share of the comparisons", declared, mark=LEVEL),
            "With 95 % intervals; where one is better, the right one or the wrong one. The dashed line: the 5 % that "
            "the tests allow where the recipes are equal.",
        ),
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]


LESSON = Lesson(
    id="seed_noise",
    chapter="Regularization and invariance",
    title="How large a difference two equal recipes show",
    claim=(
        "A difference between two single runs says little: two equal recipes often differ by 0.01 of the score and "
        "more."
    ),
    source=(
        "Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks, MLSys 2021; Nadeau & Bengio, "
        'Inference for the Generalization Error, Machine Learning 52 (2003). Here "often" is: in more than a tenth '
        "of the pairs."
    ),
    sizes={
        "quick": Size(
            {
                "data": ["iris", "breast_cancer", "diabetes", "moons"],
                "pairs": 64,
                "samples": 64,
                "splits": 5,
                "unseen": 2000,
                "samples_at_once": 32,
            },
            "The full study adds wine and digits; it has 192 pairs in place of 64, and 320 samples of 10 splits in "
            "place of 64 of 5, so its intervals are about half as wide.",
        ),
        "full": Size(
            {
                "data": ["iris", "wine", "breast_cancer", "diabetes", "moons", "digits"],
                "pairs": 192,
                "samples": 320,
                "splits": 10,
                "unseen": 2000,
                "samples_at_once": 32,
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
