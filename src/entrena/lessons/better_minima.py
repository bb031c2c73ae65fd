"""Whether online learning ends in lower minima than batch learning, when both have time to get to one.

Small networks, whose minima do differ in depth, with a little weight decay, without which the loss of classes that can
be told apart has no minimum at all. Every mode anneals its rate to 0 and has its own best first rate, sought with other
seeds; the passes over the data are equal, few and many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, inf, isfinite, log
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import percent_text, share, share_text, span_of
from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, combine
from entrena.reporting.wording import number

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Fitted, Prepared
    from entrena.lessons.trials import Trials
    from entrena.population.rows import Rows

LOWER = 0.01  # of the objective: two that are less far apart count as one
USUALLY = 0.5  # of the runs
HELD_SHARE = 0.2

SETS: dict[str, dict[str, Any]] = {
    "moons": {"hidden": [4]},
    "diabetes": {"hidden": [4]},
    "breast_cancer": {"hidden": [2]},
    "digits": {"hidden": [4]},
}
RECIPE: dict[str, Any] = {
    "activation": "tanh",
    "optimizer": "sgd",
    "momentum": 0.9,
    "schedule": "cosine",
    "weight_decay": 1e-4,
    "early_stopping": False,
}
ONLINE, MINI_BATCH, BATCH = "online", "mini-batch", "batch"
MODES: dict[str, dict[str, Any]] = {
    ONLINE: {"mode": "online"},
    MINI_BATCH: {"mode": "mini_batch", "batch_size": 16},
    BATCH: {"mode": "batch"},
}
RATES: dict[str, tuple[float, ...]] = {
    ONLINE: (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016),
    MINI_BATCH: (0.008, 0.016, 0.032, 0.064, 0.128, 0.256),
    BATCH: (0.125, 0.25, 0.5, 1.0, 2.0, 4.0),
}
MANY = 4  # times fewer passes where the rates for many passes are sought


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Minima of each mode, for each data set and number of passes."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    found = [_on_data(name, size["passes"], seeds, others, trials) for name in size["data"]]
    return {"passes": list(size["passes"]), "data": found}


def _on_data(
    name: str, all_passes: Sequence[int], seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> dict[str, Any]:
    setting = _Setting(name, [*seeds, *others])
    wanted = [(passes, mode) for passes in all_passes for mode in MODES]
    tried = [
        (tried_passes(passes, all_passes), mode, rate, seed)
        for passes, mode in wanted
        for rate in RATES[mode]
        for seed in others
    ]
    ends = iter(setting.train(f"{name}, the rates: {len(tried)} networks", tried, trials))
    rates = {}
    for passes, mode in wanted:
        costs = {rate: _mean_log([next(ends)[0] for _ in others]) for rate in RATES[mode]}
        rates[passes, mode] = min(costs, key=costs.__getitem__)
    runs = [(*each, rates[each], seed) for each in wanted for seed in seeds]
    ends = iter(setting.train(f"{name}: {len(runs)} networks", runs, trials))
    found = []
    for passes, mode in wanted:
        own = [next(ends) for _ in seeds]
        found.append(
            {
                "passes": passes,
                "mode": mode,
                "rate": rates[passes, mode],
                "objective": [_plain(objective) for objective, _ in own],
                "held": [_plain(held) for _, held in own],
            }
        )
    return {"name": name, "task": setting.task, "hidden": SETS[name]["hidden"], "found": found}


def tried_passes(passes: int, all_passes: Sequence[int]) -> int:
    """With how many passes the rate is sought."""
    return passes if passes == min(all_passes) else passes // MANY


class _Setting:
    """A data set with a split for each seed, and how networks are trained on it."""

    def __init__(self, name: str, seeds: Sequence[int]) -> None:
        from entrena.data import EMBEDDED
        from entrena.lessons.trials import rows_of
        from entrena.population.splits import make_splits
        from entrena.recipe import Recipe

        self.examples: Examples = EMBEDDED[name].load()
        self.task = EMBEDDED[name].task
        self.recipe = Recipe.make(RECIPE | SETS[name])
        splits = make_splits(self.examples, list(seeds), None, stratify=self.task == "classification")
        self.splits = {split.seed: split for split in splits}
        self.rows: dict[int, Rows] = {seed: rows_of(self.examples, split) for seed, split in self.splits.items()}

    def train(
        self, said: str, runs: Sequence[tuple[int, str, float, int]], trials: Trials
    ) -> list[tuple[float, float]]:
        """For each run, of (passes, mode, rate, seed), what it minimised in the end, and the loss of held-out rows."""
        fitted = trials.train(said, [self.prepare(*run) for run in runs])
        return [self.ends(one, seed) for one, (*_, seed) in zip(fitted, runs, strict=True)]

    def prepare(self, passes: int, mode: str, rate: float, seed: int) -> Prepared:
        own = {"max_epochs": passes, "learning_rate": rate, "random_state": seed}
        return self.rows[seed].prepare(self.recipe.change(MODES[mode] | own))

    def ends(self, fitted: Fitted, seed: int) -> tuple[float, float]:
        if fitted.training.outcome.name == "diverged":
            return inf, inf
        split = self.splits[seed]
        penalty = fitted.training.history[-1]["penalty"]
        loss = _loss(fitted, self.examples.take(split.training))
        return loss + penalty, _loss(fitted, self.examples.take(split.held))


def _loss(fitted: Fitted, examples: Examples) -> float:
    """The mean loss of examples: nats, or the squared error in the target's units."""
    scores = fitted.model.evaluate(examples)
    return float(scores["log_loss"]) if "log_loss" in scores else float(scores["rmse"]) ** 2


def _mean_log(values: Sequence[float]) -> float:
    return float(np.mean([log(value) if isfinite(value) else inf for value in values]))


def _plain(value: float) -> float | None:
    """A number that stands in JSON; None: the training diverged."""
    return value if isfinite(value) else None


def ratios(each: Mapping[str, Any], passes: int, what: str = "objective", mode: str = ONLINE) -> list[float]:
    """Batch learning's ends over those of another mode, seed by seed; infinite, or 0, where one diverged."""
    by_mode = {own["mode"]: own[what] for own in each["found"] if own["passes"] == passes}
    return [_over(a, b) for a, b in zip(by_mode[BATCH], by_mode[mode], strict=True)]


def _over(batch: float | None, other: float | None) -> float:
    if batch is None:
        return inf if other is not None else 1.0
    return 0.0 if other is None else batch / other


def lower(values: Sequence[float]) -> dict[str, dict[str, Any]]:
    """In which share of the runs the other mode, or batch learning, ends lower by more than a hundredth."""
    n = len(values)
    return {
        "other": share(sum(value > 1 + LOWER for value in values), n),
        "batch": share(sum(value < 1 / (1 + LOWER) for value in values), n),
    }


def mean_ratio(values: Sequence[float], held_share: float = 0.0) -> dict[str, float]:
    """The geometric mean of ratios with its 95 % interval; where one diverged nothing is known.

    Args:
        values: Seed by seed.
        held_share: For scores on held-out rows, the share of the rows that a split holds out: splits overlap.
    """
    from entrena.population.statistics import mean_interval

    if not all(0 < value < inf for value in values):
        return {"mean": float("nan"), "low": float("nan"), "high": float("nan")}
    mean, low, high = mean_interval([log(value) for value in values], held_share)
    return {"mean": exp(mean), "low": exp(low), "high": exp(high)}


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    nets = ", ".join(f"{name} {SETS[name]['hidden'][0]}" for name in size["data"])
    few, many = min(size["passes"]), max(size["passes"])
    return [
        f"Networks with one small hidden layer of tanh units ({nets}) are trained online, in mini-batches of "
        f"{MODES[MINI_BATCH]['batch_size']} and in batch mode, for {many:,} passes over the training rows, and for "
        f"{few:,}. All have the momentum {RECIPE['momentum']}, with which batch learning gets about ten times as far, "
        f"so that slowness is not taken for a worse minimum; the weight decay {RECIPE['weight_decay']:g}, without "
        "which classes that can be told apart have no minimum; and a rate that goes down to 0 along a half cosine, so "
        "that the noise of single examples dies out and the weights settle.",
        f"There are {size['seeds']} seeds: each has its own split, first weights and order, and all modes start from "
        f"the same weights. The first rate of each mode is the one, of {len(RATES[ONLINE])} a factor 2 apart, with "
        f"which it ends lowest on {size['tuning_seeds']} other seeds, for this data set and number of passes; the rate "
        f"for {many:,} passes is sought with {tried_passes(many, size['passes']):,}.",
        "Measured is what training minimises: the mean loss of the training rows after the last pass, penalty of the "
        "weight decay included; and the mean loss of the fifth of the rows that the split holds out.",
    ]


def judge(results: Results) -> Verdict:
    """By the share of runs in which online learning ends lower by more than a hundredth, after many passes."""
    many, cases = max(results["passes"]), []
    for each in results["data"]:
        found = lower(ratios(each, many))["other"]
        cases.append(Case(each["name"], found["share"], found["low"], found["high"]))
    verdict = combine(cases, USUALLY, "the data set")
    told = (
        f"After {many:,} passes online learning is more than {100 * LOWER:.0f} % lower than batch learning in this "
        f"share of the runs; usually is more than {USUALLY:.2f}."
    )
    return Verdict(verdict.name, f"{told} {verdict.sentence}", verdict.depends_on)


def tables(results: Results) -> list[Table]:
    """Minima, who is lower, held-out rows."""
    minima, rows = [], []
    for each in results["data"]:
        for passes in results["passes"]:
            by_mode = {own["mode"]: own for own in each["found"] if own["passes"] == passes}
            first = each["name"] if passes == results["passes"][0] else ""
            levels = [_level(by_mode[mode]["objective"]) for mode in MODES]
            rates = " / ".join(number(by_mode[mode]["rate"]) for mode in MODES)
            minima.append([first, f"{passes:,}", *levels, rates])
            found, held = ratios(each, passes), ratios(each, passes, "held")
            who = lower(found)
            shares = f"{share_text(who['other'])} / {who['batch']['share']:.2f}"
            rows.append([first, f"{passes:,}", shares, span_of(mean_ratio(found), 2)])
            who = lower(held)
            rows[-1] += [f"{who['other']['share']:.2f} / {who['batch']['share']:.2f}"]
            rows[-1] += [span_of(mean_ratio(held, HELD_SHARE), 2)]
    return [
        Table(
            "What is minimised, after training",
            ("data", "passes", *MODES, "first rates"),
            minima,
            "Geometric means over seeds: nats, for diabetes the square of the target's unit. First rates: online / "
            "mini-batch / batch.",
            dispensable=("first rates",),
        ),
        Table(
            "Online learning beside batch learning",
            ("data", "passes", "lower", "batch / online", "held out: lower", "held out: ratio"),
            rows,
            f"Lower: by more than {100 * LOWER:.0f} %, share of the runs, online with its 95 % interval / batch. "
            "Batch / online: geometric mean of the ratio with its 95 % interval, above 1 where online learning is "
            "lower; of held-out rows corrected for splits that overlap.",
        ),
    ]


def _level(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "diverged"
    lost = f" ({len(values) - len(known)} diverged)" if len(known) < len(values) else ""
    return f"{exp(_mean_log(known)):.4g}{lost}"


def meaning(results: Results) -> list[str]:
    """What who hopes for better minima should know."""
    few, many = min(results["passes"]), max(results["passes"])

    def said(passes: int, what: str = "objective", mode: str = ONLINE) -> str:
        parts = []
        for each in results["data"]:
            found = ratios(each, passes, what, mode)
            parts.append(f"{each['name']} {span_of(mean_ratio(found, HELD_SHARE if what == 'held' else 0.0), 2)}")
        return ", ".join(parts)

    parts = [
        f"After {few:,} passes batch learning ends at so many times the minimum of online learning: {said(few)}; after "
        f"{many:,} passes at {said(many)}. What more passes take away of it was slowness, not a worse minimum.",
        f"Mini-batches beside batch learning, after {many:,} passes: {said(many, mode=MINI_BATCH)}.",
    ]
    own = {each["name"]: lower(ratios(each, many)) for each in results["data"]}
    both = [name for name, found in own.items() if found["other"]["count"] and found["batch"]["count"]]
    if both:
        shares = [f"{name} {percent_text(own[name]['batch'])}" for name in both]
        parts.append(
            "From the same first weights the modes often end in different minima, and not always to the advantage of "
            f"online learning: batch learning ends lower in this share of the runs: {', '.join(shares)}."
        )
    parts.append(
        f"On rows that were held out batch learning has so many times the loss of online learning after {many:,} "
        f"passes: {said(many, 'held')}; after {few:,}: {said(few, 'held')}. What is lower in training need not predict "
        "better, and the rates were chosen by the training loss."
    )
    return parts


def figures(results: Results) -> list[Drawing]:
    """How the ratio is distributed, and who is lower how often."""
    from entrena.lessons.drawings import boxes, shares
    from entrena.reporting.figures import log_ticks

    many = max(results["passes"])
    spread = {
        f"{passes:,} passes": {
            each["name"]: [value for value in ratios(each, passes) if 0 < value < inf] for each in results["data"]
        }
        for passes in results["passes"]
    }
    apart = boxes("batch / online (logarithmic)", spread, mark=1.0)
    values = [value for by_data in spread.values() for own in by_data.values() for value in own]
    ticks = log_ticks(min(values), max(values))
    apart.update_xaxes(type="log", tickvals=ticks, ticktext=[number(tick) for tick in ticks])
    found = {each["name"]: lower(ratios(each, many)) for each in results["data"]}
    who = {
        "online lower": {name: own["other"] for name, own in found.items()},
        "batch lower": {name: own["batch"] for name, own in found.items()},
    }
    return [
        Drawing(
            "What batch learning ends at, over what online learning ends at",
            apart,
            "Each point in a box is a seed; right of the dashed line online learning is lower.",
        ),
        Drawing(
            f"Who ends lower by more than {100 * LOWER:.0f} %, after {many:,} passes",
            shares("share of the runs", who, mark=USUALLY),
            "With 95 % intervals; in the rest of the runs they are equal.",
        ),
    ]


LESSON = Lesson(
    id="better_minima",
    chapter="Training modes",
    title="Whether online learning ends in better minima than batch learning",
    claim="Online learning usually ends in a better minimum than batch learning.",
    source=(
        "LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.1: batch learning finds the minimum of the "
        "basin in which the weights begin, and the noise of online learning may carry them into another, possibly "
        'deeper one. Here "usually" is: in more than half of the runs; and a minimum is better if what training '
        f"minimises is more than {100 * LOWER:.0f} % lower there."
    ),
    sizes={
        "quick": Size(
            {"data": ["moons", "breast_cancer"], "passes": [50, 800], "seeds": 16, "tuning_seeds": 2},
            "The full study adds diabetes and digits; it has 100 and 2,000 passes in place of 50 and 800, 24 "
            "seeds in place of 16, and looks for the rates with 3 others in place of 2.",
        ),
        "full": Size(
            {
                "data": ["moons", "diabetes", "breast_cancer", "digits"],
                "passes": [100, 2000],
                "seeds": 24,
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
