"""What it gains to show examples with large errors more often, and what it costs where rows are mislabelled.

Two questions. How soon the loss of clean training rows is down: plain gradient descent, each order at the rate at which
it takes the fewest passes. And how good networks get whose training rows are mislabelled in part, on held-out rows with
true labels: entrena's own optimizer and schedule, each order at the rate with the lowest held-out loss. All rates are
sought with other seeds than those by which the orders are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import exp, log
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import percent, span_of
from entrena.lessons.lesson import Case, Decision, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide
from entrena.lessons.mislabelling import FINDING, drawn_of, mislabel, said_of_finding

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Fitted, Prepared
    from entrena.lessons.rate_search import Candidate
    from entrena.lessons.trials import Trials
    from entrena.population.rows import Rows
    from entrena.population.splits import Split

SHUFFLED, BY_ERROR, WEIGHTED = "shuffled", "by error", "by error, weighted"
ORDERS: dict[str, Any] = {
    SHUFFLED: "shuffled",
    "exponent 0.5": {"name": "by_error", "exponent": 0.5},
    BY_ERROR: {"name": "by_error"},
    "exponent 2": {"name": "by_error", "exponent": 2.0},
    WEIGHTED: {"name": "by_error", "importance_weights": True},
}
COMPARED = (SHUFFLED, BY_ERROR, WEIGHTED)  # where rows are mislabelled
ENOUGH = 1.05  # times fewer passes, or a loss so many times lower: what is less is not worth a rule

PLAIN: dict[str, Any] = {
    "activation": "tanh",
    "optimizer": "sgd",
    "momentum": 0.0,
    "schedule": "constant",
    "weight_decay": 0.0,
    "early_stopping": False,
    "batch_size": 8,
}
PLAIN_RATES = tuple(float(2.0**k) for k in range(-5, 3))
USUAL: dict[str, Any] = {"early_stopping": False, "batch_size": 16}
USUAL_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
# A hidden layer, and the loss of the training rows that is to be reached.
NETWORKS: dict[str, dict[str, Any]] = {
    "breast_cancer": {"hidden": [16], "level": 0.03},
    "moons": {"hidden": [16], "level": 0.12},
    "digits": {"hidden": [32], "level": 0.01},
}


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Passes on clean rows; losses, draws and findings where rows are mislabelled."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    speed = [_speed(name, size["most"], seeds, others, trials) for name in size["data"]]
    noise = [
        _mislabelled(name, wrong, size["passes"], seeds, others, trials)
        for name in size["data"]
        for wrong in size["mislabelled"]
    ]
    return {"speed": speed, "mislabelled": noise}


def _splits(name: str, seeds: Sequence[int]) -> tuple[Examples, list[Split]]:
    from entrena.data import EMBEDDED
    from entrena.population.splits import make_splits

    examples = EMBEDDED[name].load()
    return examples, list(make_splits(examples, list(seeds), None, stratify=True))


def _candidate(
    order: str,
    rows: Mapping[int, Rows],
    settings: Mapping[str, Any],
    cost: Callable[[int, Fitted], float],
    level: float | None = None,
) -> Candidate:
    """An order whose rate is sought; with a level, training ends there."""
    from entrena.lessons.levels import end_of_race
    from entrena.lessons.rate_search import Candidate
    from entrena.recipe import Recipe

    recipe = Recipe.make({**settings, "order": ORDERS[order]})

    def prepare(seed: int, rate: float) -> Prepared:
        return rows[seed].prepare(recipe.change({"learning_rate": rate, "random_state": seed}))

    if level is None:
        return Candidate(order, prepare, cost)
    return Candidate(order, prepare, cost, lambda _: end_of_race(level, watched=True))


def _speed(name: str, most: int, seeds: Sequence[int], others: Sequence[int], trials: Trials) -> dict[str, Any]:
    """Passes of each order until the loss of clean training rows is at the level."""
    from entrena.lessons.levels import passes_to
    from entrena.lessons.rate_search import cheapest_rates, passes_or_more, train_all
    from entrena.lessons.trials import rows_of

    examples, splits = _splits(name, [*seeds, *others])
    choices = NETWORKS[name]
    level = choices["level"]
    rows = {}
    for split in splits:
        own = rows_of(examples, split)
        rows[split.seed] = replace(own, watched=own.training)
    settings = {**PLAIN, "hidden": choices["hidden"], "max_epochs": most}
    racers = [
        _candidate(order, rows, settings, lambda _, fitted: passes_or_more(fitted, level, most), level)
        for order in ORDERS
    ]
    said = f"{name}, passes"
    rates = cheapest_rates(said, racers, PLAIN_RATES, others, trials)
    runs = [(each, seed, rate) for each, rate in zip(racers, rates, strict=True) for seed in seeds]
    taken = iter(passes_to(each.training.history, level, watched=True) for each in train_all(said, runs, trials))
    orders = [
        {"order": order, "rate": rate, "passes": [next(taken) for _ in seeds]}
        for order, rate in zip(ORDERS, rates, strict=True)
    ]
    return {"name": name, "level": level, "most": most, "orders": orders}


def _mislabelled(
    name: str, wrong: int, passes: int, seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> dict[str, Any]:
    """What each order makes of training rows of which so many per cent are mislabelled."""
    from entrena.lessons.rate_search import cheapest_rates, train_all
    from entrena.lessons.trials import rows_of

    examples, splits = _splits(name, [*seeds, *others])
    rows, held, flipped = {}, {}, {}
    for split in splits:
        chance = np.random.default_rng((split.seed, wrong, 1))
        spoiled, flipped[split.seed] = mislabel(examples, split.training, wrong / 100, chance)
        rows[split.seed], held[split.seed] = rows_of(spoiled, split), examples.take(split.held)

    def cost(seed: int, fitted: Fitted) -> float:
        return float(fitted.model.evaluate(held[seed])["log_loss"])

    settings = {**USUAL, "hidden": NETWORKS[name]["hidden"], "max_epochs": passes}
    tried = [_candidate(order, rows, settings, cost) for order in COMPARED]
    said = f"{name}, {wrong} % mislabelled"
    rates = cheapest_rates(said, tried, USUAL_RATES, others, trials)
    runs = [(each, seed, rate) for each, rate in zip(tried, rates, strict=True) for seed in seeds]
    fitted = train_all(said, runs, trials)
    first_row = examples.inputs.place.first_row
    orders = []
    for k, (order, rate) in enumerate(zip(COMPARED, rates, strict=True)):
        own = fitted[k * len(seeds) : (k + 1) * len(seeds)]
        scores = [each.model.evaluate(held[seed]) for each, seed in zip(own, seeds, strict=True)]
        told = {score: [float(each[score]) for each in scores] for score in ("log_loss", "accuracy")}
        orders.append({"order": order, "rate": rate, **told})
        if order != SHUFFLED:
            masks = [np.isin(split.training, flipped[split.seed]) for split in splits[: len(seeds)]]
            numbers = [flipped[seed] + first_row for seed in seeds]
            orders[-1] |= drawn_of(own, masks, numbers)
    return {"name": name, "mislabelled": wrong, "orders": orders}


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    levels = ", ".join(f"{name} {NETWORKS[name]['level']:g}" for name in size["data"])
    wrong = ", ".join(map(str, size["mislabelled"]))
    return [
        "The order by_error draws a row with a probability that grows with its last loss (to the power of an exponent, "
        "1 if nothing else is said; a fifth of the probability is the same for all rows, and none has more than ten "
        "times its share). With importance weights each drawn row counts so much less that the gradient is right on "
        "average. A pass is as many draws as there are rows, in every order.",
        "How soon: networks with one hidden layer of tanh units, plain gradient descent at one rate in mini-batches of "
        f"8; passes until the loss of all training rows is down to a level ({levels}), of {size['most']} at most. How "
        f"good: entrena's default optimizer and schedule, mini-batches of 16, {size['passes']} passes, with {wrong} % "
        "of the training rows in a wrong class; scored on a fifth of the rows, which is held out with true labels.",
        f"{size['seeds']} seeds of split, first weights, orders and wrong labels; intervals of held-out scores are "
        "corrected for rows that splits share. Each order has the rate that is best "
        f"for it by passes, or by held-out log loss, sought in two rounds with {size['tuning_seeds']} other seeds. The "
        f"claim holds in a case where by_error takes {ENOUGH:g} times fewer passes than a plain shuffle, or has a "
        f"held-out log loss {ENOUGH:g} times lower.",
    ]


def speed_gains(results: Results, order: str = BY_ERROR) -> dict[str, dict[str, Any]]:
    """By data set, how many times fewer passes an order takes than a plain shuffle."""
    from entrena.lessons.levels import speed_up

    found = {}
    for each in results["speed"]:
        passes = {own["order"]: own["passes"] for own in each["orders"]}
        found[each["name"]] = speed_up(passes[SHUFFLED], passes[order], each["most"])
    return found


def loss_gains(results: Results, order: str = BY_ERROR) -> dict[str, dict[str, float]]:
    """By case, how many times lower an order's held-out log loss is than that of a plain shuffle."""
    from entrena.population.splits import HELD_SHARE
    from entrena.population.statistics import mean_interval

    found = {}
    for each in results["mislabelled"]:
        losses = {own["order"]: own["log_loss"] for own in each["orders"]}
        logs = [log(a) - log(b) for a, b in zip(losses[SHUFFLED], losses[order], strict=True)]
        mean, low, high = (exp(end) for end in mean_interval(logs, HELD_SHARE))
        found[_case_name(each)] = {"mean": mean, "low": low, "high": high}
    return found


def accuracy_gains(results: Results, order: str = BY_ERROR) -> dict[str, dict[str, float]]:
    """By case, how much higher an order's held-out accuracy is than that of a plain shuffle."""
    from entrena.population.splits import HELD_SHARE
    from entrena.population.statistics import mean_interval

    found = {}
    for each in results["mislabelled"]:
        right = {own["order"]: own["accuracy"] for own in each["orders"]}
        points = [a - b for a, b in zip(right[order], right[SHUFFLED], strict=True)]
        mean, low, high = mean_interval(points, HELD_SHARE)
        found[_case_name(each)] = {"mean": mean, "low": low, "high": high}
    return found


def _case_name(each: Mapping[str, Any]) -> str:
    return f"{each['name']}, {each['mislabelled']} % wrong"


def found_cases(results: Results) -> list[tuple[str, Case, Decision]]:
    """What was measured, which kind of it, and what it says of the claim."""
    found = []
    for kind, gains in (("passes", speed_gains(results)), ("loss", loss_gains(results))):
        for name, own in gains.items():
            case = Case(name, own["mean"], own["low"], own["high"])
            found.append((kind, case, decide(case, ENOUGH)))
    return found


def judge(results: Results) -> Verdict:
    """By the passes on clean rows and by the log loss on held-out rows."""
    cases = found_cases(results)
    verdict = conclude([(case, decision) for _, case, decision in cases], _depends_on(cases))
    parts = []
    for kind, words in (
        ("passes", "A plain shuffle takes so many times the passes of by_error until the training loss is down"),
        ("loss", "Its log loss on held-out rows is so many times that of by_error"),
    ):
        said = [f"{case.name} {span_of(_ends(case), 2)}" for own, case, _ in cases if own == kind]
        parts.append(f"{words}: {'; '.join(said)}.")
    for decision, words in (("holds", "holds"), ("fails", "fails"), ("undecided", "is not decided")):
        kinds = [kind for kind, _, own in cases if own == decision]
        if kinds:
            counts = [
                f"{kinds.count(kind)} of {sum(own == kind for own, _, _ in cases)} cases of {kind}"
                for kind in dict.fromkeys(kinds)
            ]
            parts.append(f"It {words} (limit {ENOUGH:g}) in {' and in '.join(counts)}.")
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


def _depends_on(cases: Sequence[tuple[str, Case, Decision]]) -> str:
    """What tells the cases in which it holds from those in which it fails."""
    kinds = {kind: {own for of, _, own in cases if of == kind} - {"undecided"} for kind in ("passes", "loss")}
    apart = all(len(own) <= 1 for own in kinds.values())
    return "what is measured" if apart else "what is measured and on the data set"


def _ends(case: Case) -> dict[str, float]:
    return {"mean": case.value, "low": case.low, "high": case.high}


def tables(results: Results) -> list[Table]:
    """Passes by order, scores with mislabelled rows, and who is drawn."""
    gains = {order: speed_gains(results, order) for order in ORDERS if order != SHUFFLED}
    speed = []
    for each in results["speed"]:
        speed.append([each["name"], _median(each["orders"][0]["passes"])])
        speed[-1] += [span_of(own[each["name"]], 2) for own in gains.values()]
    by_order = {order: (loss_gains(results, order), accuracy_gains(results, order)) for order in (BY_ERROR, WEIGHTED)}
    scores, draws = [], []
    for each in results["mislabelled"]:
        name = _case_name(each)
        plain = each["orders"][0]
        told = [[span_of(losses[name], 2), _points(right[name])] for losses, right in by_order.values()]
        means = [f"{np.mean(plain['log_loss']):.3f}", f"{100 * np.mean(plain['accuracy']):.1f}"]
        scores.append([name, *means, *(cell for pair in zip(*told, strict=True) for cell in pair)])
        for own in each["orders"][1:]:
            draws.append([name if own["order"] == BY_ERROR else "", own["order"], *_drawn_cells(own)])
    n = len(results["mislabelled"][0]["orders"][0]["log_loss"])
    return [
        Table(
            "How many times fewer passes than a plain shuffle it takes until the training loss is down",
            ("data", "shuffled, passes", *gains),
            speed,
            "Clean rows. Passes: the median; the others: geometric mean over seeds with its 95 % interval, each order "
            "at its own best rate.",
            dispensable=("exponent 0.5", "exponent 2"),
        ),
        Table(
            "Held-out rows with true labels, by the share of mislabelled training rows",
            ("case", "log loss", "accuracy", "lower by error", "lower weighted", "points by error", "points weighted"),
            scores,
            "Log loss and accuracy (in per cent) of a plain shuffle. Lower: how many times lower the log loss is with "
            f"by_error, geometric mean. Points: how much higher the accuracy is, in per cent. {n} seeds.",
            dispensable=("points weighted", "lower weighted"),
        ),
        Table(
            "Who is drawn, and whether the finding names the mislabelled rows",
            ("case", "order", "draws", "times", "finding", "of them wrong", "of the wrong named"),
            draws,
            "Draws: the share that mislabelled rows take; times: over their share of the rows. Finding: in how many "
            f"runs {FINDING} appears; what share of the rows that it names are mislabelled, and what share of the "
            "mislabelled rows it names.",
            n_texts=2,
        ),
    ]


def _median(passes: Sequence[float | None]) -> str:
    from entrena.lessons.levels import median_passes

    found = median_passes(passes)
    return "–" if found is None else f"{found:.1f}"


def _points(own: Mapping[str, float]) -> str:
    return f"{100 * own['mean']:+.1f} ({100 * own['low']:+.1f}–{100 * own['high']:+.1f})"


def _drawn_cells(own: Mapping[str, Any]) -> list[str]:
    finding = own["finding"]
    shares = [percent(float(np.mean(own[name]))) if own[name] else "" for name in ("draws",)]
    lift = f"{np.mean(own['lift']):.1f}" if own["lift"] else ""
    told = [percent(float(np.mean(finding[name]))) if finding[name] else "" for name in ("right", "named")]
    return [*shares, lift, f"{finding['count']} of {finding['n']}", *told]


def meaning(results: Results) -> list[str]:
    """What who thinks of showing hard examples more often should know."""
    speed, weighted = speed_gains(results), speed_gains(results, WEIGHTED)
    parts = [
        "On clean rows the loss of the training rows is down in so many times fewer passes with by_error: "
        f"{_listed(speed)}; with importance weights: {_listed(weighted)}. Once most rows are learned, a pass over them "
        "says little."
    ]
    slower = [name for name, own in speed.items() if own["high"] < 1]
    if slower:
        parts.append(
            f"On {', '.join(slower)} it takes more passes. Where classes overlap, the rows with large errors are those "
            "that nobody could predict, and what is fitted to them is wrong for the others."
        )
    losses, right = loss_gains(results), accuracy_gains(results)
    clean = [_case_name(each) for each in results["mislabelled"] if each["mislabelled"] == 0]
    if clean:
        said = "; ".join(f"{name.split(',')[0]} {span_of(losses[name], 2)}" for name in clean)
        points = "; ".join(f"{name.split(',')[0]} {_points(right[name])}" for name in clean)
        parts.append(
            "On rows that were not seen, and clean training rows, the log loss is so many times lower (below 1: "
            f"higher): {said}; the accuracy changes by so many points: {points}. Without weights the network is "
            "trained for a distribution in which hard rows are frequent, and its probabilities are those of that "
            "distribution."
        )
    wrong = [each for each in results["mislabelled"] if each["mislabelled"] > 0]
    if wrong:
        most = max(wrong, key=lambda each: np.mean(_of(each, BY_ERROR)["lift"]))
        lift = float(np.mean(_of(most, BY_ERROR)["lift"]))
        said = "; ".join(f"{_case_name(each)} {span_of(losses[_case_name(each)], 2)}" for each in wrong)
        parts.append(
            f"Mislabelled rows stay hard: by_error draws them up to {lift:.1f} times as often as their share "
            f"({_case_name(most)}). The log loss on held-out rows is then so many times lower (below 1: higher): "
            f"{said}."
        )
        parts.append(said_of_finding(results["mislabelled"]))
    return parts


def _of(each: Mapping[str, Any], order: str) -> Mapping[str, Any]:
    return next(own for own in each["orders"] if own["order"] == order)


def _listed(gains: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{name} {span_of(own, 2)}" for name, own in gains.items())


def figures(results: Results) -> list[Drawing]:
    """Passes saved on clean rows, losses with mislabelled rows, and who is drawn."""
    from entrena.lessons.drawings import Line, dots, lines

    wrong = sorted({each["mislabelled"] for each in results["mislabelled"]})
    names = list(dict.fromkeys(each["name"] for each in results["mislabelled"]))
    drawn = []
    for place, name in enumerate(names):
        own = [each for each in results["mislabelled"] if each["name"] == name and each["mislabelled"] > 0]
        for order, dash in ((BY_ERROR, "solid"), (WEIGHTED, "dot")):
            shares = [0.0, *(100 * float(np.mean(_of(each, order)["draws"])) for each in own)]
            xs = [0, *(each["mislabelled"] for each in own)]
            drawn += [Line(f"{name}, {order}", xs, shares, place, dash=dash), Line("", xs, shares, place, dots=True)]
    if drawn:
        drawn.append(Line("as many as their share", wrong, wrong, 7, dash="dash"))
    told = [
        Drawing(
            "How many times fewer passes than a plain shuffle",
            dots(
                "times fewer passes (logarithmic)",
                {order: speed_gains(results, order) for order in ORDERS if order != SHUFFLED},
                mark=1.0,
                logarithmic=True,
            ),
            "Until the loss of clean training rows is down to a level. With 95 % intervals; to the left of the dashed "
            "line a plain shuffle takes fewer.",
        ),
        Drawing(
            "How many times lower the held-out log loss is than with a plain shuffle",
            dots(
                "times lower (logarithmic)",
                {order: loss_gains(results, order) for order in (BY_ERROR, WEIGHTED)},
                mark=1.0,
                logarithmic=True,
            ),
            "By the share of mislabelled training rows; held-out rows have true labels. With 95 % intervals; to the "
            "left of the dashed line a plain shuffle has the lower loss.",
        ),
    ]
    if drawn:
        told.append(
            Drawing(
                "The share of the draws that mislabelled rows take",
                lines("mislabelled training rows (%)", "of the draws (%)", drawn),
                "Means over seeds and all passes.",
            )
        )
    return told


LESSON = Lesson(
    id="hard_examples",
    chapter="Training modes",
    title="Whether hard examples should be shown more often",
    claim=(
        "Present examples that produce large errors more often than examples that produce small ones; but mind "
        "outliers, which stay hard for ever."
    ),
    source=(
        "LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 4.2. The rule is tried as it stands; the "
        "warning is why rows are mislabelled on purpose."
    ),
    sizes={
        "quick": Size(
            {
                "data": ["breast_cancer"],
                "mislabelled": [0, 10],
                "most": 30,
                "passes": 20,
                "seeds": 8,
                "tuning_seeds": 2,
            },
            "The full study adds moons and digits, and 5 and 20 % of mislabelled rows; it has 24 seeds in place of 8, "
            "looks for the rates with 4 others in place of 2, and allows more passes.",
        ),
        "full": Size(
            {
                "data": ["breast_cancer", "moons", "digits"],
                "mislabelled": [0, 5, 10, 20],
                "most": 40,
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
