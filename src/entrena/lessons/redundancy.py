"""Whether online learning is much faster than batch learning on redundant data: copies of rows, exact and with noise.

Of a data set some rows are drawn for each seed, and copied. Each mode has its own best rate, sought with other seeds
than those by which the modes are compared: with one rate for all, batch learning would be slow for that reason alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf, isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import median_interval
from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, both, conclude, decide
from entrena.lessons.levels import Racer, best_rates, median_passes, race
from entrena.reporting.wording import number

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Prepared
    from entrena.lessons.trials import Trials
    from entrena.population.rows import Rows
    from entrena.recipe import Recipe

MUCH = 2.0  # times fewer passes
NOISE = 0.1  # standard deviation of what is added to a copy's numbers, over that of their column
MOST_ALIKE = 0.9  # of the rows that have the most common number of a column
EXACT, NOISY = "exact", "noisy"
COPIES = {EXACT: 0.0, NOISY: NOISE}

# The hidden layer and the training loss that is to be reached: low enough that online learning takes several passes
# over ten copies, and not so low that a mode never gets there.
SETS: dict[str, dict[str, Any]] = {
    "moons": {"hidden": [16], "level": 0.05},
    "digits": {"hidden": [16], "level": 0.002},
    "breast_cancer": {"hidden": [8], "level": 0.001},
}
# Plain gradient steps: nothing that belongs to one mode only.
RECIPE: dict[str, Any] = {
    "activation": "tanh",
    "optimizer": "sgd",
    "momentum": 0.0,
    "schedule": "constant",
    "weight_decay": 0.0,
    "early_stopping": False,
}
ONLINE, MINI_BATCH, BATCH = "online", "mini-batch", "batch"
MODES: dict[str, dict[str, Any]] = {
    ONLINE: {"mode": "online"},
    MINI_BATCH: {"mode": "mini_batch", "batch_size": 10},
    BATCH: {"mode": "batch"},
}
RATES = {ONLINE: (0.02, 0.08, 0.32, 1.28), MINI_BATCH: (0.2, 0.8, 3.2, 12.8), BATCH: (0.5, 2.0, 8.0, 32.0)}
TRIED = {ONLINE: 100, MINI_BATCH: 100, BATCH: 400}  # passes that are allowed where rates are sought
SECONDS_ROUNDS = 5


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Passes of each mode, for each data set, number of copies and kind of copies."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    return {
        "rows": size["rows"],
        "most": size["most"],
        "data": [_on_data(name, size, seeds, others, trials) for name in size["data"]],
    }


def _on_data(
    name: str, size: Mapping[str, Any], seeds: Sequence[int], others: Sequence[int], trials: Trials
) -> dict[str, Any]:
    situations = [(kind, copies) for kind in size["kinds"] for copies in size["copies"] if kind == EXACT or copies > 1]
    racers = {
        (kind, copies, mode): _racer(name, kind, copies, mode, size["rows"])
        for kind, copies in situations
        for mode in MODES
    }
    rates = best_rates(name, list(racers.values()), others, trials, n_between=1)
    # In the comparison all are allowed equally many passes, so that none is favoured where one does not get there.
    running = [replace(each, most=size["most"]) for each in racers.values()]
    passes = dict(zip(racers, race(name, running, rates, seeds, trials), strict=True))
    own_rates = dict(zip(racers, rates, strict=True))
    found = [
        {
            "kind": kind,
            "copies": copies,
            "modes": {
                mode: {"rate": own_rates[kind, copies, mode], "passes": passes[kind, copies, mode]} for mode in MODES
            },
        }
        for kind, copies in situations
    ]
    last = {mode: own_rates[EXACT, max(size["copies"]), mode] for mode in MODES}
    return {
        "name": name,
        "level": SETS[name]["level"],
        "hidden": SETS[name]["hidden"],
        "found": found,
        "seconds_a_pass": _seconds(name, max(size["copies"]), size["rows"], last, seeds[0]),
    }


def _racer(name: str, kind: str, copies: int, mode: str, n_rows: int) -> Racer:
    by_seed: dict[int, Rows] = {}

    def prepare(seed: int, rate: float, most: int) -> Prepared:
        if seed not in by_seed:
            by_seed[seed] = _rows(name, kind, copies, n_rows, seed)
        return by_seed[seed].prepare(_recipe(name, mode, rate, most, seed))

    level = SETS[name]["level"]
    return Racer(mode, prepare, lambda _: level, RATES[mode], TRIED[mode], watched=True)


def _rows(name: str, kind: str, copies: int, n_rows: int, seed: int) -> Rows:
    """A seed's training rows; those that were drawn, each once, look on."""
    from entrena.data import EMBEDDED
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import Split

    chance = np.random.default_rng((seed, 1))
    examples = varied(EMBEDDED[name].load())
    own = examples.take(chance.permutation(examples.n_rows)[:n_rows])
    made = copied(own, copies, COPIES[kind], chance)
    return replace(rows_of(made, Split(seed, 0, np.arange(made.n_rows), np.arange(0))), watched=own)


def _recipe(name: str, mode: str, rate: float, most: int, seed: int) -> Recipe:
    from entrena.recipe import Recipe

    own = {"hidden": SETS[name]["hidden"], "learning_rate": rate, "max_epochs": most, "random_state": seed}
    return Recipe.make(RECIPE | MODES[mode] | own)


def varied(examples: Examples) -> Examples:
    """The examples without columns in which most rows are alike.

    In a few rows such a column may be constant and be left out; then networks of different seeds would differ.
    """
    alike = {column.name: np.unique(column.values, return_counts=True)[1].max() for column in examples.inputs}
    return examples.pick(tuple(name for name, most in alike.items() if most < MOST_ALIKE * examples.n_rows))


def copied(examples: Examples, copies: int, noise: float, chance: np.random.Generator) -> Examples:
    """Rows, and copies of all of them one after the other.

    Args:
        examples: Rows whose inputs are numbers.
        copies: How many times each row is there.
        noise: Standard deviation of the normal noise on all but the first copy, over that of the column.
        chance: Where the noise comes from.
    """
    from entrena.data import Examples
    from entrena.data.table import Table
    from entrena.data.values import Place

    inputs = np.column_stack([column.values for column in examples.inputs])
    assert examples.targets is not None
    all_inputs = np.tile(inputs, (copies, 1))
    drawn = noise * inputs.std(axis=0) * chance.standard_normal(all_inputs.shape)
    drawn[: len(inputs)] = 0.0
    table = Table.of_array(all_inputs + drawn, examples.columns, Place(examples.source))
    return Examples(table, np.tile(examples.targets, copies), examples.target_names, examples.source)


def _seconds(name: str, copies: int, n_rows: int, rates: Mapping[str, float], seed: int) -> dict[str, float]:
    """Seconds that a pass of each mode takes, one network alone: the median of rounds that take turns."""
    from entrena.lessons.timing import seconds_a_pass

    rows = replace(_rows(name, EXACT, copies, n_rows, seed), watched=None)

    def making(mode: str) -> Callable[[int], Prepared]:
        return lambda passes: rows.prepare(_recipe(name, mode, rates[mode], passes, seed))

    rounds = seconds_a_pass("redundancy", [making(mode) for mode in MODES], SECONDS_ROUNDS)
    return {mode: float(np.median(own)) for mode, own in zip(MODES, rounds, strict=True)}


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    nets = ", ".join(
        f"{name} {SETS[name]['hidden'][0]} hidden units, loss {SETS[name]['level']}" for name in size["data"]
    )
    copies = ", ".join(map(str, size["copies"]))
    noisy = (
        f" The same with noise on all copies but the first, {NOISE} deviations of its column on each number."
        if NOISY in size["kinds"]
        else ""
    )
    return [
        f"For each of {size['seeds']} seeds {size['rows']} rows of a data set are drawn, and each of them is put into "
        f"the training set {copies} times.{noisy} A network is trained online, in mini-batches of "
        f"{MODES[MINI_BATCH]['batch_size']} and in batch mode, from the same first weights, by plain gradient steps of "
        "one rate from first to last: no momentum, no weight decay.",
        "Each mode has the rate at which it takes the fewest passes, for this data set, this number and this kind of "
        f"copies; the rates, a factor 2 apart, are sought with {size['tuning_seeds']} other seeds.",
        "Measured are the passes over the training set, copies included, until the mean loss of the drawn rows, each "
        f"counted once, is at a level for the first time: {nets}. It is looked at after each pass; between two "
        f"looks it falls by equal factors, it is assumed. At most {size['most']:,} passes.",
    ]


def ratios(each: Mapping[str, Any], mode: str = ONLINE) -> list[dict[str, Any]]:
    """For each situation on a data set: how many times the passes of a mode batch learning takes, in the median."""
    return [
        {"kind": own["kind"], "copies": own["copies"], **median_interval(_by_seed(own, mode))} for own in each["found"]
    ]


def growth(each: Mapping[str, Any], kind: str) -> dict[str, float]:
    """How many times the ratio of batch to online is with the most copies what it is with one, in the median seed."""
    single = next(own for own in each["found"] if own["copies"] == 1)
    pairs = zip(_by_seed(_most_copied(each, kind), ONLINE), _by_seed(single, ONLINE), strict=True)
    return median_interval([_over(a, b) for a, b in pairs])


def _by_seed(own: Mapping[str, Any], mode: str) -> list[float]:
    """Passes of batch learning over those of a mode, seed by seed."""
    taken = [[inf if one is None else one for one in own["modes"][each]["passes"]] for each in (BATCH, mode)]
    return [_over(a, b) for a, b in zip(*taken, strict=True)]


def _over(a: float, b: float) -> float:
    """a/b, where that is known."""
    if (a, b) in ((inf, inf), (0.0, 0.0)) or isnan(a) or isnan(b):
        return nan
    return inf if b == 0 else a / b


def _most_copied(each: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return max((own for own in each["found"] if own["kind"] == kind), key=lambda own: own["copies"])


def _kinds(each: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(own["kind"] for own in each["found"]))


def judge(results: Results) -> Verdict:
    """By the ratio with the most copies, which has to be above 2, and by its growth, which has to be above 1."""
    decided, grown = [], []
    for each in results["data"]:
        for kind in _kinds(each):
            last = _most_copied(each, kind)["copies"]
            ratio = next(own for own in ratios(each) if own["kind"] == kind and own["copies"] == last)
            more = growth(each, kind)
            case = Case(f"{each['name']} ({kind})", ratio["median"], ratio["low"], ratio["high"])
            grows = Case(case.name, more["median"], more["low"], more["high"])
            decided.append((case, both(decide(case, MUCH), decide(grows, 1.0))))
            grown.append(f"{case.name} {times(more)}")
    found = conclude(decided, "the data set and the kind of copies")
    copies = max(own["copies"] for each in results["data"] for own in each["found"])
    told = (
        f"With {copies} copies batch learning takes so many times the passes of online learning, in the median; more "
        f"than {MUCH:g} is asked for, and more than without copies."
    )
    more_told = f"That is so many times what it is without copies: {', '.join(grown)}."
    return Verdict(found.name, f"{told} {found.sentence} {more_told}", found.depends_on)


def tables(results: Results) -> list[Table]:
    """Passes of the modes; growth and seconds."""
    rows, summary = [], []
    for each in results["data"]:
        online, mini_batch = ratios(each), ratios(each, MINI_BATCH)
        for k, own in enumerate(each["found"]):
            passes = [_passes_text(own["modes"][mode]["passes"]) for mode in MODES]
            kind = "–" if own["copies"] == 1 else own["kind"]
            first = each["name"] if k == 0 else ""
            against = [times(found[k]) for found in (online, mini_batch)]
            rows.append([first, kind, f"{own['copies']}×", *passes, *against])
        last = _most_copied(each, EXACT)
        seconds = []
        for mode in MODES:
            passes_taken = median_passes(last["modes"][mode]["passes"])
            one = each["seconds_a_pass"][mode]
            seconds.append("–" if passes_taken is None else f"{1e3 * one * passes_taken:.3g}")
        rates = " / ".join(number(last["modes"][mode]["rate"]) for mode in MODES)
        summary.append([each["name"], *seconds, rates])
    copies = max(own["copies"] for each in results["data"] for own in each["found"])
    return [
        Table(
            "Passes over the training set until the loss is at the level",
            ("data", "copies are", "each row", *MODES, "batch / online", "batch / mini"),
            rows,
            "Medians over seeds, –: not reached; the ratios: medians of those of single seeds, with 95 % intervals. A "
            "level that is reached within the first pass counts as one pass. Mini: mini-batch.",
            n_texts=2,
            dispensable=("batch / mini",),
        ),
        Table(
            f"With {copies} exact copies: milliseconds until the level, and best rates",
            ("data", *MODES, "rates"),
            summary,
            "Milliseconds: median passes × those of a pass of one network alone on this machine, median of "
            f"{SECONDS_ROUNDS} rounds; for information, no verdict depends on them. Rates: online / mini-batch / "
            "batch.",
        ),
    ]


def _passes_text(passes: Sequence[float | None]) -> str:
    found = median_passes(passes)
    return "–" if found is None else f"{found:,.0f}" if found >= 20 else f"{found:.1f}"


def times(found: Mapping[str, float]) -> str:
    """A ratio with its interval.

    >>> times({"median": 4.0, "low": 3.25, "high": float("inf")})
    '4.0 (3.2–∞)'
    """
    texts = [f"{found[end]:.1f}".replace("inf", "∞").replace("nan", "?") for end in ("median", "low", "high")]
    return "{} ({}–{})".format(*texts)


def meaning(results: Results) -> list[str]:
    """What who chooses a mode should know."""
    copies = max(own["copies"] for each in results["data"] for own in each["found"])
    alone, many, mini, same, slow = [], [], [], [], []
    for each in results["data"]:
        online, mini_batch = ratios(each), ratios(each, MINI_BATCH)
        (single,) = [own for own in online if own["copies"] == 1]
        alone.append(f"{each['name']} {times(single)}")
        slow.append(single["high"] > MUCH)
        picked = [k for k, own in enumerate(online) if own["copies"] == copies]
        many += [f"{each['name']} ({online[k]['kind']}) {times(online[k])}" for k in picked]
        mini += [f"{each['name']} ({mini_batch[k]['kind']}) {times(mini_batch[k])}" for k in picked]
        batch = [own["modes"][BATCH]["passes"] for own in each["found"] if own["kind"] == EXACT]
        same += [f"{each['name']} {', '.join(_passes_text(passes) for passes in batch)}"]
    parts = [
        "Exact copies change nothing in the mean gradient, so batch learning takes as many passes with them as "
        f"without, each of them longer: from one of each row to {copies} they are {'; '.join(same)}, up to the choice "
        "of the rate. Online learning has done after a part of a pass what it would have done after a whole one.",
        f"Without copies batch learning takes so many times the passes of online learning, in the median: "
        f"{', '.join(alone)}.",
    ]
    if not any(slow):
        parts.append(
            f"So with {results['rows']} rows that do not repeat each other, and a rate of its own, batch learning is "
            "not much slower. What is said of its slowness is said of redundant data."
        )
    size = MODES[MINI_BATCH]["batch_size"]
    parts.append(f"With {copies} of each row it is {', '.join(many)}; beside mini-batches of {size} {', '.join(mini)}.")
    return parts


def figures(results: Results) -> list[Drawing]:
    """Ratio and passes over the number of copies."""
    from entrena.lessons.drawings import Line, lines

    dashes = {EXACT: "solid", NOISY: "dot"}
    styles = ("solid", "dash", "dot")
    drawn, of_modes = [], []
    for place, each in enumerate(results["data"]):
        found = ratios(each)
        for kind in _kinds(each):
            own = [one for one in found if one["kind"] == kind or one["copies"] == 1]
            own = [one for one in own if 0 < one["median"] < inf]
            xs, ys = [one["copies"] for one in own], [one["median"] for one in own]
            # Where nothing bounds an interval, none is drawn on that side.
            low, high = ([one[end] if 0 < one[end] < inf else one["median"] for one in own] for end in ("low", "high"))
            name = each["name"] if kind == EXACT else f"{each['name']}, noisy copies"
            drawn.append(Line(name, xs, ys, place, dash=dashes[kind], low=low, high=high))
        exact = [own for own in each["found"] if own["kind"] == EXACT]
        for colour, mode in enumerate(MODES):
            points = [(own["copies"], median_passes(own["modes"][mode]["passes"])) for own in exact]
            known = [(x, y) for x, y in points if y is not None]
            xs, ys = [x for x, _ in known], [y for _, y in known]
            of_modes.append(Line(f"{mode}, {each['name']}", xs, ys, colour, dash=styles[place % len(styles)]))
            of_modes.append(Line("", xs, ys, colour, dots=True))
    copies = sorted({own["copies"] for each in results["data"] for own in each["found"]})
    drawn.append(Line("as many times as copies", copies, copies, 7, dash="dash"))
    x_title = "copies of each row (logarithmic)"
    return [
        Drawing(
            "How many times the passes of online learning batch learning takes",
            _ticked(lines(x_title, "passes, batch / online (logarithmic)", drawn, logarithmic="xy"), copies),
            "Medians of the ratios of single seeds with 95 % intervals, each mode at its own best rate.",
        ),
        Drawing(
            "Passes over the training set until the loss is at the level",
            _ticked(lines(x_title, "passes (logarithmic)", of_modes, logarithmic="xy"), copies),
            "Exact copies; medians over seeds. The levels of the data sets differ: compare modes, not data.",
        ),
    ]


def _ticked(figure: Any, copies: Sequence[int]) -> Any:
    figure.update_xaxes(tickvals=list(copies), ticktext=[f"{each}" for each in copies])
    return figure


LESSON = Lesson(
    id="redundancy",
    chapter="Training modes",
    title="How much faster online learning is than batch learning on redundant data",
    claim=(
        "On redundant training sets online learning is much faster than batch learning, the more so the more redundant "
        "they are."
    ),
    source=(
        "LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.1: of ten copies of 100 examples batch "
        'learning computes the same gradient ten times. Here "much faster" is: in less than half the passes over the '
        "data; seconds are another matter (see batch_size)."
    ),
    sizes={
        "quick": Size(
            {
                "data": ["moons", "digits"],
                "rows": 100,
                "copies": [1, 10],
                "kinds": [EXACT],
                "seeds": 8,
                "tuning_seeds": 4,
                "most": 500,
            },
            "The full study adds breast_cancer, 2 and 5 copies, and copies with noise; it has 16 seeds "
            "in place of 8, and looks for the rates with 16 others in place of 4.",
        ),
        "full": Size(
            {
                "data": ["moons", "digits", "breast_cancer"],
                "rows": 100,
                "copies": [1, 2, 5, 10],
                "kinds": [EXACT, NOISY],
                "seeds": 16,
                "tuning_seeds": 16,
                "most": 500,
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
