"""How many examples an update should see: seconds to a level of the loss are updates × the time that an update takes.

The passes to the level are counted over seeds, each size of batch with its own best rate. The seconds of a pass are
measured apart, one network alone, the sizes in turns. So of what is found the counts are those of the seed, and the
seconds are those of the machine at that hour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import exp, log, nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, both, conclude, decide
from entrena.lessons.levels import Racer, best_rates, race
from entrena.reporting.wording import number

if TYPE_CHECKING:
    from entrena.fitting import Prepared
    from entrena.lessons.trials import Trials
    from entrena.recipe import Recipe

RECIPE: dict[str, Any] = {
    "activation": "tanh",
    "optimizer": "sgd",
    "momentum": 0.0,
    "schedule": "constant",
    "weight_decay": 0.0,
    "early_stopping": False,
}
# From a network whose update is nearly nothing to one whose update is work.
PROBLEMS: dict[str, dict[str, Any]] = {
    "moons 2-16-2": {"data": "moons", "hidden": [16], "level": 0.1},
    "digits 64-32-10": {"data": "digits", "hidden": [32], "level": 0.01},
    "digits 64-256-128-10": {"data": "digits", "hidden": [256, 128], "level": 0.01},
}
ONLINE, ALL = 1, 0  # sizes of a batch; 0 stands for all rows
RATE_OF_ONE, GREATEST_RATE = 0.06, 4.0  # around which rates are sought: in proportion to the batch, while that goes
APART = 4.0  # of the first rates
TRIED = ((16, 40), (256, 100))  # passes that are allowed where rates are sought, for batches up to this size
TRIED_ALL = 400
TICKS = [1, 4, 16, 64, 256, 1024]  # of the figures
CHOOSING = 3  # rounds by which the size of a mini-batch is chosen, before those by which it is judged


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Passes and seconds for each network and size of a batch."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    found = [_on_problem(name, size, seeds, others, trials) for name in size["problems"]]
    return {"most": size["most"], "problems": found}


def _on_problem(
    name: str, size: Mapping[str, Any], seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> dict[str, Any]:
    from entrena.lessons.timing import seconds_a_pass

    sizes, problem = [ALL if each == "all" else each for each in size["sizes"]], _Problem(name)
    racers = [problem.racer(each) for each in sizes]
    rates = best_rates(name, racers, others, trials, n_between=1)
    running = [replace(each, most=size["most"]) for each in racers]
    choosing = race(f"{name}, the size", running, rates, others, trials)
    passes = race(name, running, rates, seeds, trials)
    makers = [problem.maker(each, rate, seeds[0]) for each, rate in zip(sizes, rates, strict=True)]
    seconds = seconds_a_pass("batch_size", makers, CHOOSING + size["rounds"])
    plans = [make(1).plan for make in makers]
    costs = {
        each: _cost(choosing[k], seconds[k][:CHOOSING], size["most"])
        for k, each in enumerate(sizes)
        if each not in (ONLINE, ALL)
    }
    return {
        "name": name,
        "rows": plans[0].n_rows,
        "weights": plans[0].structure.network.n_weights,
        "level": PROBLEMS[name]["level"],
        "chosen": min(costs, key=costs.__getitem__),
        "found": [
            {
                "size": each,
                "rate": rates[k],
                "updates_a_pass": plans[k].n_updates,
                "form": plans[k].structure.form,
                "passes": passes[k],
                "seconds": seconds[k][CHOOSING:],
            }
            for k, each in enumerate(sizes)
        ],
    }


def _cost(passes: Sequence[float | None], seconds: Sequence[float], most: int) -> float:
    """Seconds to the level; a run that does not get there counts with twice the passes that it was allowed."""
    return float(np.mean([2 * most if one is None else one for one in passes]) * np.median(seconds))


class _Problem:
    """A data set and a network; all rows are trained on."""

    def __init__(self, name: str) -> None:
        from entrena.data import EMBEDDED
        from entrena.lessons.trials import rows_of
        from entrena.population.splits import Split

        self.own = PROBLEMS[name]
        examples = EMBEDDED[self.own["data"]].load()
        # Where they are watched, their loss is taken after each pass as well: only where passes are counted.
        self.unwatched = rows_of(examples, Split(0, 0, np.arange(examples.n_rows), np.arange(0)))
        self.watched = replace(self.unwatched, watched=examples, _prepared=[])

    def racer(self, size: int) -> Racer:
        """A size of a batch, which is to reach the level."""
        centre = GREATEST_RATE if size == ALL else min(RATE_OF_ONE * size, GREATEST_RATE)
        tried = next((passes for largest, passes in TRIED if 0 < size <= largest), TRIED_ALL)
        rates = (centre / APART, centre, centre * APART)

        def prepare(seed: int, rate: float, most: int) -> Prepared:
            return self.watched.prepare(self.recipe(size, seed, rate, most))

        return Racer(str(size), prepare, lambda _: self.own["level"], rates, tried, watched=True)

    def maker(self, size: int, rate: float, seed: int) -> Callable[[int], Prepared]:
        """From passes to a network that is trained for its seconds alone."""
        return lambda n_passes: self.unwatched.prepare(self.recipe(size, seed, rate, n_passes))

    def recipe(self, size: int, seed: int, rate: float, n_passes: int) -> Recipe:
        from entrena.recipe import Recipe

        modes: dict[int, dict[str, Any]] = {ONLINE: {"mode": "online"}, ALL: {"mode": "batch"}}
        mode = modes.get(size, {"mode": "mini_batch", "batch_size": size})
        own = {"hidden": self.own["hidden"], "learning_rate": rate, "max_epochs": n_passes, "random_state": seed}
        return Recipe.make(RECIPE | mode | own)


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    levels = ", ".join(f"{name} to the loss {PROBLEMS[name]['level']:g}" for name in size["problems"])
    sizes = ", ".join(map(str, size["sizes"]))
    return [
        f"Networks are trained with {sizes} examples in an update, {levels}, the mean over all training rows. Plain "
        "gradient steps of one rate from first to last, no momentum, no weight decay. Each size has the rate with "
        "which it takes the fewest passes over the data, of rates a factor 2 apart, sought with "
        f"{size['tuning_seeds']} seeds; the passes are then counted with {size['seeds']} others, at most "
        f"{size['most']:,}. The loss is looked at after each pass; between two looks it falls by equal factors, it is "
        "assumed.",
        "The seconds of a pass are measured apart: one network alone, as a user trains it, what the host does between "
        f"two calls of the program included; {size['rounds']} rounds in which the sizes take turns. Seconds to the "
        "level are passes × seconds of a pass, and the interval of their ratio is that of the product: the passes vary "
        "over seeds, the seconds over rounds.",
        "The size of a mini-batch that is compared with online and batch learning is chosen by other seeds and by "
        f"{CHOOSING} other rounds, so that luck does not choose it.",
    ]


def words_of(size: int) -> str:
    """A size of a batch in words.

    >>> words_of(32), words_of(0)
    ('32', 'all')
    """
    return "all" if size == ALL else str(size)


def by_size(each: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """What was found on a problem, by size of a batch."""
    return {own["size"]: own for own in each["found"]}


def ratio(a: Mapping[str, Any], b: Mapping[str, Any], most: int) -> dict[str, float]:
    """How many times the seconds of b a takes to the level: geometric mean with its 95 % interval.

    ln(ratio) = mean over seeds of ln(passes of a / passes of b) + mean over rounds of ln(seconds of a / seconds of b),
    two independent means, whose variances add up, with Welch and Satterthwaite's degrees of freedom. Where a did not
    get to the level it counts with the passes that it was allowed, which is too few; where b did not, nothing is known.

    Args:
        a: What was found of one size.
        b: Of another.
        most: Passes that were allowed.
    """
    passes = [
        log((most if p is None else p) / q) if q is not None else nan
        for p, q in zip(a["passes"], b["passes"], strict=True)
    ]
    seconds = [log(p / q) for p, q in zip(a["seconds"], b["seconds"], strict=True)]
    return _of_sum(passes, seconds)


def cost(own: Mapping[str, Any], most: int) -> dict[str, float]:
    """Seconds to the level of one size: geometric mean with its 95 % interval, as `ratio` has it."""
    passes = [log(most if one is None else one) for one in own["passes"]]
    return _of_sum(passes, [log(one) for one in own["seconds"]])


def _of_sum(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """e to the sum of two independent means, with its interval."""
    from scipy.stats import t

    parts = [(float(np.mean(own)), float(np.var(own, ddof=1)) / len(own), len(own) - 1) for own in (first, second)]
    mean, variance = sum(part[0] for part in parts), sum(part[1] for part in parts)
    half = 0.0
    if variance > 0:
        freedom = variance**2 / sum(part[1] ** 2 / part[2] for part in parts)
        half = float(t.ppf(0.975, freedom)) * sqrt(variance)
    elif np.isnan(variance):
        half = nan
    return {"mean": exp(mean), "low": exp(mean - half), "high": exp(mean + half)}


def judge(results: Results) -> Verdict:
    """By the seconds to the level: online over mini-batch and batch over mini-batch have to be above 1, both."""
    decided, told = [], []
    for each in results["problems"]:
        own, chosen = by_size(each), each["chosen"]
        against = {size: ratio(own[size], own[chosen], results["most"]) for size in (ONLINE, ALL)}
        cases = {
            size: Case(each["name"], found["mean"], found["low"], found["high"]) for size, found in against.items()
        }
        decisions = [decide(case, 1.0) for case in cases.values()]
        # What decides is the ratio that is nearer to failing.
        decided.append((min(cases.values(), key=lambda case: case.low), both(*decisions)))
        told.append(
            f"{each['name']}: mini-batches of {chosen}, online / mini-batch {times(against[ONLINE])}, batch / "
            f"mini-batch {times(against[ALL])}"
        )
    found = conclude(decided, "the network")
    words = {"holds": "It holds on", "fails": "It fails on", "undecided": "It is not decided on"}
    parts = [f"Seconds to the level: {'; '.join(told)}. Both have to be above 1."]
    for decision, said in words.items():
        names = [case.name for case, one in decided if one == decision]
        if names:
            parts.append(f"{said} {', '.join(names)}.")
    return Verdict(found.name, " ".join(parts), found.depends_on)


def times(found: Mapping[str, float]) -> str:
    """A ratio with its interval, in three digits.

    >>> times({"mean": 2.0, "low": 1.333, "high": 30.04})
    '2.00 (1.33–30.0)'
    """
    return "{} ({}–{})".format(*(three_digits(found[end]) for end in ("mean", "low", "high")))


def three_digits(value: float) -> str:
    """A positive number in three digits, its zeros kept.

    >>> three_digits(0.5), three_digits(12.0), three_digits(1234.5)
    ('0.500', '12.0', '1,234')
    """
    if not 0 < value < 1e9:
        return "–"
    return f"{value:,.{max(0, 2 - int(np.floor(np.log10(value))))}f}"


def tables(results: Results) -> list[Table]:
    """Updates, their time, and the product, for each problem."""
    found = []
    for each in results["problems"]:
        own = by_size(each)
        base = own[each["chosen"]]
        rows = []
        for size, one in own.items():
            passes = cost({**one, "seconds": [1.0, 1.0]}, results["most"])["mean"]
            seconds = float(np.exp(np.mean(np.log(one["seconds"]))))
            rows.append(
                [
                    words_of(size),
                    number(one["rate"]),
                    three_digits(passes),
                    three_digits(passes * one["updates_a_pass"]),
                    three_digits(1e6 * seconds / one["updates_a_pass"]),
                    three_digits(1e3 * cost(one, results["most"])["mean"]),
                    "1" if one is base else times(ratio(one, base, results["most"])),
                    "native" if one["form"] == "one_function" else one["form"],
                ]
            )
        lost = sum(one is None for own_passes in own.values() for one in own_passes["passes"])
        missed = f" {lost} runs did not reach it and count with {results['most']:,} passes." if lost else ""
        found.append(
            Table(
                f"{each['name']}: {each['weights']:,} weights, {each['rows']:,} rows, to the loss {each['level']:g}",
                ("batch", "rate", "passes", "updates", "µs an update", "ms to level", "over chosen", "form"),
                rows,
                f"Geometric means; over chosen: the seconds over those of batches of {each['chosen']}, with its 95 % "
                "interval. Form of the program: native, where the whole pass is compiled into one native function, "
                f"without the kernels for products of matrices; loop, where each operation is called.{missed}",
                dispensable=("form", "rate", "passes"),
            )
        )
    return found


def meaning(results: Results) -> list[str]:
    """What who chooses the size of a batch should know."""
    most, parts = results["most"], []
    for each in results["problems"]:
        own = by_size(each)
        costs = {size: cost(one, most)["mean"] for size, one in own.items()}
        least = min(costs, key=costs.__getitem__)
        chosen, single = own[each["chosen"]], own[ONLINE]
        updates = _updates(single, most) / _updates(chosen, most)
        took = _update_seconds(chosen) / _update_seconds(single)
        near = [words_of(size) for size, value in costs.items() if size != least and value < 1.5 * costs[least]]
        nearly = f"; less than half as many again with {', '.join(near)}" if near else ""
        parts.append(
            f"{each['name']}: the fewest milliseconds, {three_digits(1e3 * costs[least])}, were taken with batches of "
            f"{words_of(least)}{nearly}. Against online learning, batches of {each['chosen']} need "
            f"{three_digits(updates)} times fewer updates, each of which takes {three_digits(took)} times as long."
        )
    forms = {one["form"] for each in results["problems"] for one in each["found"]}
    if len(forms) > 1:
        parts.append(
            "How dear the update of a single example is, is a matter of the program. Where calling the operations of "
            "an update takes longer than computing them, as in most libraries, a mini-batch is nearly for nothing; "
            "where a pass of small updates is compiled into one native function, a single example costs as little as "
            "its arithmetic."
        )
    parts.append("No GPU was measured, of which the claim is made above all.")
    return parts


def _updates(own: Mapping[str, Any], most: int) -> float:
    return cost({**own, "seconds": [1.0, 1.0]}, most)["mean"] * own["updates_a_pass"]


def _update_seconds(own: Mapping[str, Any]) -> float:
    return float(np.exp(np.mean(np.log(own["seconds"])))) / own["updates_a_pass"]


def figures(results: Results) -> list[Drawing]:
    """Seconds, updates and the time of an update over the size of a batch."""
    from entrena.lessons.drawings import Line, lines

    most, seconds, updates, single = results["most"], [], [], []
    for place, each in enumerate(results["problems"]):
        name, own = each["name"], by_size(each)
        xs = [each["rows"] if size == ALL else size for size in own]
        costs = [cost(one, most) for one in own.values()]
        mean, low, high = ([1e3 * one[end] for one in costs] for end in ("mean", "low", "high"))
        seconds.append(Line(name, xs, mean, place, low=low, high=high))
        needed = [_updates(one, most) for one in own.values()]
        updates += [Line(name, xs, needed, place), Line("", xs, needed, place, dots=True)]
        took = [1e6 * _update_seconds(one) for one in own.values()]
        single += [Line(name, xs, took, place), Line("", xs, took, place, dots=True)]
    x_title = "examples in an update (logarithmic)"
    drawn = {
        "seconds": lines(x_title, "milliseconds (logarithmic)", seconds, logarithmic="xy"),
        "updates": lines(x_title, "updates (logarithmic)", updates, logarithmic="xy"),
        "single": lines(x_title, "microseconds (logarithmic)", single, logarithmic="xy"),
    }
    for figure in drawn.values():
        figure.update_xaxes(tickvals=TICKS, ticktext=[f"{tick:,}" for tick in TICKS])
    return [
        Drawing(
            "Milliseconds to the level over the size of a batch",
            drawn["seconds"],
            "Geometric means with 95 % intervals; on the left online learning, on the right all rows in each update.",
        ),
        Drawing(
            "Updates to the level",
            drawn["updates"],
            "Geometric means over seeds, each size with its own best rate.",
        ),
        Drawing(
            "Time of an update",
            drawn["single"],
            "Geometric means over rounds, one network alone. It jumps where the form of the program changes.",
        ),
    ]


_EVERY = [1, 2, 4, 8, 16, 32, 64, 128, 256, "all"]

LESSON = Lesson(
    id="batch_size",
    chapter="Training modes",
    title="How many examples an update should see",
    claim=(
        "Mini-batches are usually better than online learning, and than batch learning: fewer computations change the "
        "weights, and products of matrices are fast."
    ),
    source=(
        "Hinton, Neural Networks for Machine Learning, lecture 6a; LeCun, Bottou, Orr & Müller, Efficient BackProp "
        '(1998), section 4.1. Here "better" is: in fewer seconds at a level of the training loss, with a size that '
        "other seeds have chosen."
    ),
    sizes={
        "quick": Size(
            {
                "problems": ["moons 2-16-2", "digits 64-32-10"],
                "sizes": [1, 8, 64, "all"],
                "seeds": 6,
                "tuning_seeds": 2,
                "most": 400,
                "rounds": 5,
            },
            "The full study adds a network with 50,000 weights and batches of 2, 4, 16, 32, 128 and 256; it has 12 "
            "seeds in place of 6, 4 others for the rates in place of 2, and 10 rounds in place of 5.",
        ),
        "full": Size(
            {
                "problems": list(PROBLEMS),
                "sizes": _EVERY,
                "seeds": 12,
                "tuning_seeds": 4,
                "most": 400,
                "rounds": 10,
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
