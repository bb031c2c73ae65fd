"""In which sequence of the classes networks learn fastest: sorted, as given, shuffled, or alternating.

Each order has its own best rate, which is sought with other seeds than those by which the orders are compared. The loss
is that of all training rows, measured after each pass: that of a pass itself would depend on its order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, combine

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Fitted, Prepared
    from entrena.lessons.rate_search import Candidate
    from entrena.lessons.trials import Trials
    from entrena.population.rows import Rows

SORTED, GIVEN, SHUFFLED, INTERLEAVED = "sorted", "as given", "shuffled", "interleaved"
ORDERS = {SORTED: "sequential", GIVEN: "sequential", SHUFFLED: "shuffled", INTERLEAVED: "interleaved"}
ENOUGH = 1.05  # times fewer passes: what is less is not worth a rule
RECIPE: dict[str, Any] = {
    "activation": "tanh",
    "optimizer": "sgd",
    "momentum": 0.0,
    "schedule": "constant",
    "weight_decay": 0.0,
    "early_stopping": False,
}
MODES: dict[str, dict[str, Any]] = {"online": {"mode": "online"}, "mini_batch": {"mode": "mini_batch", "batch_size": 8}}
# A hidden layer, and the loss of the training rows that is to be reached.
NETWORKS: dict[str, dict[str, Any]] = {
    "iris": {"hidden": [16], "level": 0.06},
    "wine": {"hidden": [16], "level": 0.003},
    "breast_cancer": {"hidden": [16], "level": 0.03},
    "moons": {"hidden": [16], "level": 0.12},
    "digits": {"hidden": [32], "level": 0.01},
}
RATES = {
    "online": tuple(float(2.0**k) for k in range(-9, -1)),
    "mini_batch": tuple(float(2.0**k) for k in range(-6, 2)),
}


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Passes, curves and held-out accuracies of each order, for each data set and mode."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    cases = [_case(name, mode, size["most"], seeds, others, trials) for name in size["data"] for mode in size["modes"]]
    return {"cases": cases}


def _case(
    name: str, mode: str, most: int, seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> dict[str, Any]:
    """What each order does on one data set in one mode."""
    from entrena.data import EMBEDDED
    from entrena.lessons.rate_search import cheapest_rates, train_all
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import make_splits

    examples, choices = EMBEDDED[name].load(), NETWORKS[name]
    assert examples.targets is not None
    rows: dict[tuple[str, int], Rows] = {}
    held: dict[int, Examples] = {}
    for split in make_splits(examples, [*seeds, *others], None, stratify=True):
        held[split.seed] = examples.take(split.held)
        for order in (SORTED, GIVEN):
            training = split.training
            if order == SORTED:
                training = training[np.argsort(examples.targets[training], kind="stable")]
            own = rows_of(examples, replace(split, training=training))
            rows[order, split.seed] = replace(own, watched=own.training)
    settings = {**RECIPE, **MODES[mode], "hidden": choices["hidden"], "max_epochs": most}
    racers = [_candidate(order, rows, settings, choices["level"], most) for order in ORDERS]
    said = f"{name}, {mode}"
    rates = cheapest_rates(said, racers, RATES[mode], others, trials)
    runs = [(each, seed, rate) for each, rate in zip(racers, rates, strict=True) for seed in seeds]
    # To the end, not only to the level: the curves and the accuracies need all passes.
    fitted = train_all(said, [(replace(each, watch=None), seed, rate) for each, seed, rate in runs], trials)
    orders = []
    for k, (order, rate) in enumerate(zip(ORDERS, rates, strict=True)):
        own_fitted = fitted[k * len(seeds) : (k + 1) * len(seeds)]
        prepared = racers[k].prepare(seeds[0], rate)
        found = found_of(own_fitted, [held[seed] for seed in seeds], choices["level"])
        orders.append({"order": order, "rate": rate, "neighbours": equal_neighbours(prepared), **found})
    n_classes = len(np.unique(examples.targets))
    facts = {"name": name, "mode": mode, "classes": n_classes, "level": choices["level"], "most": most}
    return {**facts, "orders": orders}


def _candidate(
    order: str, rows: Mapping[tuple[str, int], Rows], settings: Mapping[str, Any], level: float, most: int
) -> Candidate:
    from entrena.lessons.levels import end_of_race
    from entrena.lessons.rate_search import Candidate, passes_or_more
    from entrena.recipe import Recipe

    recipe = Recipe.make({**settings, "order": ORDERS[order]})

    def prepare(seed: int, rate: float) -> Prepared:
        own = {"learning_rate": rate, "random_state": seed}
        return rows[SORTED if order == SORTED else GIVEN, seed].prepare(recipe.change(own))

    return Candidate(
        order,
        prepare,
        lambda _, fitted: passes_or_more(fitted, level, most),
        lambda _: end_of_race(level, watched=True),
    )


def equal_neighbours(prepared: Prepared) -> float:
    """The share of neighbours of one class in the first epoch of a network."""
    from entrena.training.order import draw
    from entrena.training.pool import Pool

    part = prepared.training
    assert part.classes is not None
    rows = np.arange(part.n_rows, dtype=np.int32)
    pool = Pool(rows, prepared.plan.batch_size, prepared.plan.seed, part.classes[: part.n_rows])
    classes = part.classes[draw(prepared.plan.order, pool, 0).sequence]
    return float(np.mean(classes[1:] == classes[:-1]))


def found_of(fitted: Sequence[Fitted], held: Sequence[Examples], level: float) -> dict[str, Any]:
    """Passes by seed, the curve of the loss, and the accuracy on held-out rows."""
    from entrena.lessons.levels import passes_to
    from entrena.population.splits import HELD_SHARE
    from entrena.population.statistics import mean_interval

    losses = [[epoch["validation_loss"] for epoch in each.training.history] for each in fitted]
    logs = [np.log([each[min(k, len(each) - 1)] for each in losses]) for k in range(max(map(len, losses)))]
    right = [float(each.model.evaluate(rows)["accuracy"]) for each, rows in zip(fitted, held, strict=True)]
    mean, low, high = mean_interval(right, HELD_SHARE)
    return {
        "passes": [passes_to(each.training.history, level, watched=True) for each in fitted],
        "curve": [float(f"{np.exp(each.mean()):.4g}") for each in logs],
        "accuracy": {"mean": mean, "low": low, "high": high, "values": right},
    }


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    levels = ", ".join(f"{name} {NETWORKS[name]['level']:g}" for name in size["data"])
    return [
        "Networks with one hidden layer of tanh units, plain gradient descent at one rate from first to last, inputs "
        "standardised, in four sequences of the same training rows: sorted by class; as the data set gives them "
        "(iris and wine are sorted already, moons alternates); a fresh random permutation in each pass; and a fresh "
        "interleaved one in each pass, in which as few neighbours as possible are of one class. Online, an update "
        "after each row, and in mini-batches of 8.",
        f"Counted are the passes until the loss of all training rows, measured after each pass, is down to a level "
        f"({levels}), for {size['seeds']} seeds of split, first weights and orders, with at most {size['most']} passes."
        " Each order has the rate at which it takes the fewest passes, sought in two rounds with "
        f"{size['tuning_seeds']} other seeds. A fifth of the rows is held out for the accuracy after all passes.",
        "The claim asks for more than shuffling: that neighbours are never of one class. So what decides is "
        f"interleaved against shuffled, and it has to take {ENOUGH:g} times fewer passes at least. Sorted against "
        "shuffled, which is what the advice warns of, is reported beside it.",
    ]


def comparisons(results: Results, slow: str, fast: str) -> dict[str, dict[str, Any]]:
    """By case, how many times fewer passes the second order takes than the first."""
    from entrena.lessons.levels import speed_up

    found = {}
    for each in results["cases"]:
        passes = {own["order"]: own["passes"] for own in each["orders"]}
        found[_name(each)] = speed_up(passes[slow], passes[fast], each["most"])
    return found


def _name(each: Mapping[str, Any]) -> str:
    return f"{each['name']}, {each['mode'].replace('_', '-')}"


def judge(results: Results) -> Verdict:
    """By the passes that interleaving saves against plain shuffling."""
    gains = comparisons(results, SHUFFLED, INTERLEAVED)
    cases = [Case(name, own["mean"], own["low"], own["high"]) for name, own in gains.items()]
    found = combine(cases, ENOUGH, "the data set and the mode")
    losses = comparisons(results, SORTED, SHUFFLED)
    worse = [name for name, own in losses.items() if own["low"] > ENOUGH]
    ranges = ", ".join(f"{name} {span_of(own, 2)}" for name, own in losses.items())
    return Verdict(
        found.name,
        f"Shuffled takes so many times the passes of interleaved (95 % interval); the limit is {ENOUGH:g}. "
        f"{found.sentence} That rows sorted by class are to be shuffled is another matter: sorted takes clearly more "
        f"passes in {len(worse)} of {len(losses)} cases, so many times those of shuffled: {ranges}.",
        found.depends_on,
    )


def tables(results: Results) -> list[Table]:
    """Passes by order, what one order gains over another, accuracies."""
    from entrena.lessons.levels import median_passes

    passes, gains, right = [], [], []
    for each in results["cases"]:
        orders = {own["order"]: own for own in each["orders"]}
        medians = [median_passes(own["passes"]) for own in orders.values()]
        said = [f"{own['neighbours']:.2f}" for own in orders.values()]
        rates = [f"{own['rate']:.3g}" for own in orders.values()]
        cells = ["–" if one is None else f"{one:.1f}" for one in medians]
        passes.append([_name(each), *cells, " / ".join(said), " / ".join(rates)])
        right.append([_name(each), *(span_of(own["accuracy"]) for own in orders.values())])
    pairs = ((SORTED, SHUFFLED), (GIVEN, SHUFFLED), (SHUFFLED, INTERLEAVED))
    found = [comparisons(results, *pair) for pair in pairs]
    for name in found[0]:
        gains.append([name, *(_gain(own[name]) for own in found)])
    n = len(results["cases"][0]["orders"][0]["passes"])
    return [
        Table(
            "Passes until the loss of the training rows is at the level",
            ("case", *ORDERS, "equal neighbours", "rates"),
            passes,
            f"Medians over {n} seeds, each order at its own best rate; –: not reached. Equal neighbours, their share "
            "in a pass, and rates: order by order.",
            dispensable=("rates", "equal neighbours"),
        ),
        Table(
            "How many times the passes of the second order the first one takes",
            ("case", *(f"{slow} / {fast}" for slow, fast in pairs)),
            gains,
            "Geometric mean over seeds with its 95 % interval; ≥: where a run did not reach the level it counts with "
            "the passes that it was allowed.",
        ),
        Table(
            "Accuracy on held-out rows after all passes",
            ("case", *ORDERS),
            right,
            "Mean over seeds with its 95 % interval, corrected for rows that splits share.",
            dispensable=(GIVEN,),
        ),
    ]


def _gain(own: Mapping[str, Any]) -> str:
    return ("≥ " if own["not_reached"][0] else "") + span_of(own, 2)


def meaning(results: Results) -> list[str]:
    """What who chooses an order should know."""
    gains, losses = comparisons(results, SHUFFLED, INTERLEAVED), comparisons(results, SORTED, SHUFFLED)
    worst, best = (pick(losses, key=lambda name: losses[name]["mean"]) for pick in (max, min))
    parts = [
        f"Rows that are sorted by class cost the most on {worst}, {_gain(losses[worst])} times the passes of shuffled "
        f"ones, and the least on {best}, {_gain(losses[best])} times. Within a class all gradients pull the outputs "
        "towards it, and the next class takes much of that back; a lower rate lessens the swing, and costs passes."
    ]
    won = [name for name, own in gains.items() if own["low"] > ENOUGH]
    lost = [name for name, own in gains.items() if own["high"] < ENOUGH]
    if won:
        parts.append(f"Interleaving saves passes beyond a plain shuffle on {', '.join(won)}.")
    if lost:
        parts.append(
            f"It does not, by {ENOUGH:g} times or more, on {', '.join(lost)}: in a random sequence of C classes of "
            "equal size only one neighbour in C is of the same class, and where the examples differ within a class, a "
            "neighbour of the same class is news as well."
        )
    if len(won) + len(lost) < len(gains):
        parts.append(
            "Where it is not decided, the seed makes more of a difference than the choice between the two orders."
        )
    parts.append(
        "So shuffle, as entrena does by default, and above all do not train on a file that is sorted by class with "
        "order=sequential. order=interleaved costs nothing but the sorting by class."
    )
    return parts


def figures(results: Results) -> list[Drawing]:
    """What one order gains over the other, and the losses pass by pass."""
    from entrena.lessons.drawings import Line, dots, lines

    shown = max(results["cases"], key=lambda each: (each["mode"] == "online", each["classes"]))
    curves = [
        Line(
            own["order"],
            list(range(1, len(own["curve"]) + 1)),
            own["curve"],
            place,
            dash="dot" if own["order"] == GIVEN else "solid",
        )
        for place, own in enumerate(shown["orders"])
    ]
    level = ("y", shown["level"])
    return [
        Drawing(
            "Sorted against shuffled, shuffled against interleaved",
            dots(
                "times the passes (logarithmic)",
                {
                    "sorted / shuffled": comparisons(results, SORTED, SHUFFLED),
                    "shuffled / interleaved": comparisons(results, SHUFFLED, INTERLEAVED),
                },
                mark=1.0,
                logarithmic=True,
            ),
            "To the right of the dashed line the first order takes more passes than the second. With 95 % intervals; "
            "runs that did not reach the level count with the passes that they were allowed.",
        ),
        Drawing(
            f"The loss of the training rows after each pass: {_name(shown)}",
            lines("passes", "loss (logarithmic)", curves, logarithmic="y", mark=level),
            "Geometric means over seeds, each order at the rate at which it reaches the dashed level soonest.",
        ),
    ]


LESSON = Lesson(
    id="interleaving",
    chapter="Training modes",
    title="Whether neighbours should be of different classes",
    claim=(
        "Shuffle the examples so that successive ones (almost) never belong to the same class: networks learn fastest "
        "from the most unexpected example."
    ),
    source=(
        "LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 4.2. Here the claim holds where the "
        f"order that does so, interleaved, takes {ENOUGH:g} times fewer passes than a plain random one, or better."
    ),
    sizes={
        "quick": Size(
            {
                "data": ["wine", "breast_cancer"],
                "modes": ["online"],
                "most": 30,
                "seeds": 16,
                "tuning_seeds": 2,
            },
            "The full study adds iris, moons and digits, and mini-batches; it has 48 seeds in place of 16, looks for "
            "the rates with 6 others in place of 2, and allows 40 passes in place of 30.",
        ),
        "full": Size(
            {
                "data": ["iris", "wine", "breast_cancer", "moons", "digits"],
                "modes": ["online", "mini_batch"],
                "most": 40,
                "seeds": 48,
                "tuning_seeds": 6,
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
