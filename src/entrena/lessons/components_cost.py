"""What it costs and saves to drop principal components with small eigenvalues, on data and on a made-up counterexample.

Networks learn the first k components of the inputs, k by the share of the variance that they hold. The variance is one
of the inputs: it does not know what is to be predicted. In the made-up case the class stands in the component with the
smallest variance of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import erf, exp, log, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Prepared
    from entrena.lessons.trials import Trials
    from entrena.population.rows import Rows
    from entrena.population.splits import Split

ALL = 1.0  # of the variance
JUDGED = 0.95
WORTH = 1.05  # times the loss with all components: what is less counts as none
HELD_SHARE = 0.2
RECIPE: dict[str, Any] = {
    "hidden": [32],
    "max_epochs": 60,
    "batch_size": 32,
    "early_stopping": False,
    "decorrelate": "pca",
}
COUNTEREXAMPLE = "made up, class in the last component"
COLUMNS, ROWS, NARROW, SHIFT = 12, 1200, 0.1, 3.0


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Losses, scores and seconds of networks on the first components of each data set."""
    seeds = list(range(seed, seed + size["seeds"]))
    return {"data": [_on_data(name, size, seeds, trials) for name in size["data"]]}


def _on_data(name: str, size: Mapping[str, Any], seeds: Sequence[int], trials: Trials) -> dict[str, Any]:
    from entrena.lessons.timing import seconds_a_pass

    kind = _Kind.of(name)
    splits = [kind.split(seed) for seed in seeds]
    shares = held_by(kind.inputs(splits[0]))
    kept = components_for(shares, size["shares"])
    asked = {k: None if ALL in wanted else k for k, wanted in kept.items()}
    prepared = [kind.prepare(split, asked[k]) for k in kept for split in splits]
    fitted = iter(trials.train(f"{name}: {len(prepared)} networks", prepared))
    found = []
    for k, wanted in kept.items():
        scores = [kind.scores(next(fitted).model.evaluate(split.held)) for split in splits]
        told = {"kept": k, "shares": wanted, "held": float(shares[k - 1])}
        found.append(told | {each: [own[each] for own in scores] for each in ("loss", "score")})
    makers = [lambda passes, k=k: kind.prepare(splits[0], asked[k], passes) for k in kept]
    seconds = seconds_a_pass("components_cost", makers, size["rounds"])
    for each, own, k in zip(found, seconds, kept, strict=True):
        plan = kind.prepare(splits[0], asked[k]).plan
        each |= {"seconds": own, "weights": plan.structure.network.n_weights}
    return {
        "name": name,
        "inputs": len(shares),
        "loss": kind.loss,
        "score": kind.score,
        "share": 0.0 if name == COUNTEREXAMPLE else HELD_SHARE,
        "found": found,
        "components": _told_of_class(kind, splits[0]),
    }


@dataclass(frozen=True, eq=False)
class _Split:
    """Prepared for one seed: rows that are trained on, and rows that are scored."""

    seed: int
    rows: Rows
    held: Examples


@dataclass(frozen=True, eq=False)
class _Kind:
    """A data set and what networks on it are scored by."""

    name: str
    loss: str
    score: str

    @classmethod
    def of(cls, name: str) -> _Kind:
        from entrena.data import EMBEDDED

        of_numbers = name != COUNTEREXAMPLE and EMBEDDED[name].task == "regression"
        return cls(name, *(("rmse", "r2") if of_numbers else ("log_loss", "accuracy")))

    def split(self, seed: int) -> _Split:
        """Training rows and a fifth that is held out; of the made-up case, new rows for each seed."""
        from entrena.data import EMBEDDED
        from entrena.lessons.trials import rows_of
        from entrena.population.splits import make_splits

        if self.name == COUNTEREXAMPLE:
            examples = counterexample(ROWS, np.random.default_rng((seed, 1)))
            split: Split = next(make_splits(examples, [seed], None, stratify=True))
        else:
            examples = EMBEDDED[self.name].load()
            split = next(make_splits(examples, [seed], None, stratify=self.score == "accuracy"))
        return _Split(seed, rows_of(examples, split), examples.take(split.held))

    def prepare(self, split: _Split, k: int | None, n_passes: int | None = None) -> Prepared:
        """A network on the first k components; None: on all."""
        from entrena.recipe import Recipe

        own: dict[str, Any] = {"components": k, "random_state": split.seed}
        own |= {} if n_passes is None else {"max_epochs": n_passes}
        return split.rows.prepare(Recipe.make(RECIPE | own))

    def inputs(self, split: _Split) -> np.ndarray:
        """[rows, inputs] of the training rows as the rotation gets them, standardised."""
        from entrena.recipe import Recipe

        prepared = split.rows.prepare(Recipe.make(RECIPE | {"decorrelate": "none"}))
        return np.asarray(prepared.training.inputs[: prepared.training.n_rows], float)

    def scores(self, scores: Mapping[str, float]) -> dict[str, float]:
        """The loss that decides, and the score that people read."""
        return {"loss": float(scores[self.loss]), "score": float(scores[self.score])}


def counterexample(n_rows: int, chance: np.random.Generator) -> Examples:
    """Rows of two classes that differ in the direction of least variance only; every column is a mixture of all.

    Independent normal values of deviation 1; but the last has a tenth of that within a class, and in it the means of
    the classes are three of its deviations apart. Then all are turned at random, by the same rotation for every seed.
    """
    from scipy.stats import ortho_group

    from entrena.lessons.samples import two_classes

    made = two_classes(n_rows, [0.0] * (COLUMNS - 1) + [SHIFT], chance)
    values = np.column_stack([column.values for column in made.inputs]).astype(float)
    values[:, -1] *= NARROW
    turned = values @ ortho_group.rvs(COLUMNS, random_state=np.random.default_rng(7))
    return replace(made, inputs=type(made.inputs).of_array(turned, made.inputs.names, made.inputs.place))


def held_by(inputs: np.ndarray) -> np.ndarray:
    """[components] the share of the variance that the first k components hold, for k from 1 on."""
    from entrena.preprocessing.principal_components import Rows, Wanted, find_components

    found = find_components(Rows.look(lambda: iter([(inputs, None)])), Wanted())
    return np.cumsum(found.shares)


def components_for(held: np.ndarray, shares: Sequence[float]) -> dict[int, list[float]]:
    """How many components hold at least each share, with the shares for which that is so; the last are all.

    >>> components_for(np.array([0.6, 0.9, 0.99, 1.0]), [0.5, 0.55, 0.95])
    {1: [0.5, 0.55], 3: [0.95], 4: [1.0]}
    """
    found: dict[int, list[float]] = {}
    for share in (*shares, ALL):
        k = len(held) if share == ALL else int(np.searchsorted(held, share - 1e-9)) + 1
        found.setdefault(min(k, len(held)), []).append(share)
    return dict(sorted(found.items()))


def _told_of_class(kind: _Kind, split: _Split) -> dict[str, list[float]]:
    """For each component its share of the variance, and how much of its variance the target explains."""
    from entrena.preprocessing.principal_components import Rows, Wanted, find_components

    inputs = kind.inputs(split)
    found = find_components(Rows.look(lambda: iter([(inputs, None)])), Wanted())
    scores = (inputs - found.mean) @ found.directions.T
    targets = np.asarray(split.rows.training.targets)
    return {
        "variance": found.shares.tolist(),
        "explained": [explained(own, targets, numbers=kind.score == "r2") for own in scores.T],
    }


def explained(values: np.ndarray, targets: np.ndarray, *, numbers: bool) -> float:
    """The share of the variance of some values that classes explain (η²), or a number (r²).

    >>> explained(np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 1, 1]), numbers=False)
    1.0
    """
    if numbers:
        return float(np.corrcoef(values, targets)[0, 1] ** 2)
    between = sum(
        np.mean(targets == label) * (values[targets == label].mean() - values.mean()) ** 2
        for label in np.unique(targets)
    )
    return float(between / values.var())


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    data = [name for name in size["data"] if name != COUNTEREXAMPLE]
    best = (1 + erf(SHIFT / 2 / sqrt(2))) / 2
    return [
        f"Inputs of {', '.join(data)} are standardised and rotated to their principal components; of these the first k "
        f"are kept, as many as hold {', '.join(f'{share:g}' for share in size['shares'])} of the variance of the "
        "training rows of the first split, or all. k is the same for all splits. A network with a hidden layer of "
        f"{RECIPE['hidden'][0]} units learns them for {RECIPE['max_epochs']} epochs, with entrena's own optimizer, "
        f"rate and schedule, the same for every k. {size['seeds']} seeds of split, first weights and order; a fifth of "
        "the rows is held out. Differences are of the same split; intervals are corrected for rows that splits share.",
        f"Beside the data sets a made-up case: {ROWS:,} rows in {COLUMNS} columns, new ones for each seed; two "
        "classes that differ in one direction only, that of the least variance, and columns that are mixtures of all "
        f"directions. The best possible accuracy is {best:.3f}.",
        f"The claim is judged where {JUDGED:g} of the variance is kept: it holds where the held-out loss (log loss, or "
        f"RMSE) is less than {WORTH:g} times that with all components, by the 95 % interval. The seconds of an epoch "
        f"are measured apart, one network alone, in {size['rounds']} rounds in which the k take turns.",
    ]


def by_share(each: Mapping[str, Any], share: float) -> Mapping[str, Any]:
    """What was found with so much of the variance."""
    return next(own for own in each["found"] if share in own["shares"])


def loss_ratio(each: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, float]:
    """How many times the loss with all components: geometric mean over splits with its 95 % interval."""
    from entrena.population.statistics import mean_interval

    whole = by_share(each, ALL)
    ratios = [log(a / b) for a, b in zip(own["loss"], whole["loss"], strict=True)]
    mean, low, high = mean_interval(ratios, each["share"])
    return {"mean": exp(mean), "low": exp(low), "high": exp(high)}


def judge(results: Results) -> Verdict:
    """By the loss with 95 % of the variance over that with all components, which has to be below 1.05."""
    decided, told = [], []
    for each in results["data"]:
        own = by_share(each, JUDGED)
        found = loss_ratio(each, own)
        # The other way round, so that the claim is that something is above a threshold.
        case = Case(each["name"], 1 / found["mean"], 1 / found["high"], 1 / found["low"])
        decided.append((case, decide(case, 1 / WORTH)))
        told.append(f"{each['name']} {_span(found)} with {own['kept']} of {each['inputs']}")
    verdict = conclude(decided, "where the target stands in the inputs")
    parts = [
        f"Held-out loss over that with all components, where {JUDGED:g} of the variance is kept; the limit is "
        f"{WORTH:g}: {'; '.join(told)}."
    ]
    for decision, words in (("holds", "It holds on"), ("fails", "It fails on"), ("undecided", "It is not decided on")):
        names = [case.name for case, one in decided if one == decision]
        if names:
            parts.append(f"{words} {', '.join(names)}.")
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


def _span(found: Mapping[str, float]) -> str:
    return f"{found['mean']:.2f} ({found['low']:.2f}–{found['high']:.2f})"


def seconds_ratio(each: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, float]:
    """How many times the seconds of an epoch with all components: median over rounds with its interval."""
    from entrena.lessons.intervals import median_interval

    whole = by_share(each, ALL)
    found = median_interval([a / b for a, b in zip(own["seconds"], whole["seconds"], strict=True)])
    return {"mean": found["median"], "low": found["low"], "high": found["high"]}


def tables(results: Results) -> list[Table]:
    """What is kept, lost and saved, for each data set."""
    from entrena.population.statistics import mean_interval

    found = []
    for each in results["data"]:
        rows = []
        for own in each["found"]:
            is_all = ALL in own["shares"]
            score, _, _ = mean_interval(own["score"], each["share"])
            loss, _, _ = mean_interval(own["loss"], each["share"])
            rows.append(
                [
                    "all" if is_all else ", ".join(f"{share:g}" for share in own["shares"]),
                    str(own["kept"]),
                    f"{own['weights']:,}",
                    f"{loss:.4g}",
                    "1" if is_all else _span(loss_ratio(each, own)),
                    f"{score:.3f}",
                    f"{1e3 * float(np.median(own['seconds'])):.2f}",
                    "1" if is_all else f"{seconds_ratio(each, own)['mean']:.2f}",
                ]
            )
        loss_name, score_name = (
            {"log_loss": "log loss", "rmse": "RMSE", "r2": "R²"}.get(each[kind], each[kind])
            for kind in ("loss", "score")
        )
        found.append(
            Table(
                f"{each['name']}: {each['inputs']} components",
                ("share", "kept", "weights", loss_name, "loss over all", score_name, "ms an epoch", "over all"),
                rows,
                "Held-out means. Loss over all: times the loss with all components, geometric mean with its 95 % "
                "interval. Over all, of the milliseconds: medians over rounds.",
                dispensable=("weights", "over all"),
            )
        )
    return found


def meaning(results: Results) -> list[str]:
    """What who drops components should know."""
    parts = []
    for each in results["data"]:
        own, whole = by_share(each, JUDGED), by_share(each, ALL)
        saved = seconds_ratio(each, own)
        parts.append(
            f"{each['name']}: {own['kept']} of {each['inputs']} components hold {own['held']:.3f} of the variance. "
            f"With them the network has {own['weights']:,} weights in place of {whole['weights']:,}, and an epoch "
            f"takes {saved['mean']:.2f} times as long."
        )
        least = least_kept(each)
        if least is not None and least is not whole:
            parts[-1] += (
                f" The fewest that surely cost less than {WORTH - 1:.0%} of the loss are {least['kept']}, which hold "
                f"{least['held']:.3f}."
            ).replace("%", " %")
    told = [each["name"] for each in results["data"] if _told_late(each)]
    if told:
        parts.append(
            f"On {', '.join(told)} the component that the target explains most is not among those that hold {JUDGED:g} "
            "of the variance. Variance is a matter of the inputs alone; what is to be predicted may stand in what is "
            "small, and only the held-out loss says so."
        )
    return parts


def least_kept(each: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fewest components from which on all that were tried surely cost less than 5 % of the loss."""
    least = None
    for own in reversed(each["found"]):
        if ALL not in own["shares"] and not loss_ratio(each, own)["high"] < WORTH:
            break
        least = own
    return least


def _told_late(each: Mapping[str, Any]) -> bool:
    return int(np.argmax(each["components"]["explained"])) >= by_share(each, JUDGED)["kept"]


def figures(results: Results) -> list[Drawing]:
    """The loss over the share that is kept, and what the target explains of each component."""
    from entrena.lessons.drawings import Line, lines

    curves = []
    for place, each in enumerate(results["data"]):
        found = [(own["kept"] / each["inputs"], loss_ratio(each, own)) for own in each["found"]]
        curves.append(
            Line(
                each["name"],
                [share for share, _ in found],
                [own["mean"] for _, own in found],
                place,
                low=[own["low"] for _, own in found],
                high=[own["high"] for _, own in found],
            )
        )
    title = "times the loss with all (logarithmic)"
    first = lines("share of the components that are kept", title, curves, logarithmic="y", mark=("y", WORTH))
    told = [
        Line(each["name"], each["components"]["variance"], each["components"]["explained"], place, dots=True)
        for place, each in enumerate(results["data"])
    ]
    second = lines("share of the variance (logarithmic)", "explained by the target", told, logarithmic="x")
    return [
        Drawing("What it costs to drop components", first, f"The dashed line: {WORTH:g} times the loss with all."),
        Drawing(
            "Which components know the target",
            second,
            "A dot for each component: how much of the variance of the inputs it holds, and how much of its own "
            "variance the target explains. Dots high on the left are what is dropped first and is needed most.",
        ),
    ]


LESSON = Lesson(
    id="components_cost",
    chapter="Preprocessing",
    title="What it costs and saves to drop principal components",
    claim=(
        "Principal components with small eigenvalues can be dropped: the number of inputs falls, and little is lost."
    ),
    source=(
        "Lecture slides on training neural networks, part on preprocessing; Hotelling, Journal of Educational "
        "Psychology 24 (1933). The slides do not say what is lost. Here little is: less than 5 % of the held-out loss, "
        "where 0.95 of the variance is kept. For the counterexample: Jolliffe, A Note on the Use of Principal "
        "Components in Regression, Applied Statistics 31 (1982)."
    ),
    sizes={
        "quick": Size(
            {"data": ["digits", "breast_cancer", COUNTEREXAMPLE], "shares": [0.5, 0.95], "seeds": 6, "rounds": 3},
            "The full study adds wine and diabetes, and the shares 0.7, 0.8, 0.9, 0.99 and 0.999; it has 20 seeds in "
            "place of 6, so its intervals are narrower.",
        ),
        "full": Size(
            {
                "data": ["digits", "breast_cancer", "wine", "diabetes", COUNTEREXAMPLE],
                "shares": [0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999],
                "seeds": 20,
                "rounds": 9,
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
