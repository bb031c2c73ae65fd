"""How networks that go on learning online follow a change, against networks that are trained in batch.

Streams of rows whose boundary changes half-way. A network that learns online is tested on each row before it learns it;
one that was trained in batch predicts rows until the next training, if there is one. The rate of the online network is
sought on other streams of the kind, by its accuracy on all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import Case, Decision, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.lessons.trials import Trials
    from entrena.model import Model

ROWS, CHANGE, COLUMNS = 4000, 2000, 4
FLIPPED = 0.05  # of the labels
GRADUAL = 1000  # rows over which the new boundary replaces the old one
SUDDEN, GRADUALLY, ROTATING, EMBEDDED_STREAM, STEADY = "sudden", "gradual", "rotating", "drifting_stream", "no change"
EVERY, WINDOW = 250, 1000  # rows between two trainings, and rows that the trainings on the last rows see
PASSES = 20

ONLINE, ONLINE_SGD, CONTINUED = "online, adamw", "online, sgd", "batch, then online"
ALONE, ON_ALL, ON_LAST = "left alone", "retrained on all rows", f"retrained on the last {WINDOW:,}"
LEARNERS = (ONLINE, ONLINE_SGD, CONTINUED, ALONE, ON_ALL, ON_LAST)
BATCH: dict[str, Any] = {"hidden": [16], "batch_size": 32, "max_epochs": PASSES, "early_stopping": False}
STREAM: dict[str, dict[str, Any]] = {
    ONLINE: {"hidden": [16], "mode": "online", "schedule": "constant", "optimizer": "adamw"},
    ONLINE_SGD: {"hidden": [16], "mode": "online", "schedule": "constant", "optimizer": "sgd", "momentum": 0.0},
}
RATES: dict[str, tuple[float, ...]] = {
    ONLINE: (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
    ONLINE_SGD: (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
}
AGAINST = (ALONE, ON_ALL)  # by which the claim is decided
ENOUGH = 0.01  # of the accuracy
WINDOWS = ((0, 250), (250, 500), (500, 1000), (1000, 2000))  # rows after the change
CURVE = 100  # rows of a point of the figure
RECOVERED, RECOVERED_ROWS = 0.8, 200  # an accuracy, and the rows over which it is taken


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Accuracies after the change, for each kind of stream and each learner; and what the rate does."""
    seeds = range(seed, seed + size["seeds"])
    others = range(seed + size["seeds"], seed + size["seeds"] + size["tuning_seeds"])
    found: list[dict[str, Any]] = []
    for name in size["streams"]:
        # The embedded stream is one: its rates come from others of its kind.
        tuned = _tuned(ROTATING if name == EMBEDDED_STREAM else name, others, trials)
        found.append({"name": name, **tuned, "learners": _compared(name, tuned["rates"], seeds, trials)})
    return {"streams": found}


def made_stream(name: str, seed: int) -> Examples:
    """A stream: four standard normal columns, two of which say the class, of which 5 % are turned over.

    The class is the side of a line through 0 at an angle. `sudden`: after half of the rows the line turns by 90°;
    `gradual`: over the 1,000 rows after that more and more rows are of the new line; `rotating`: it turns once around
    over all rows; `no change`: it stays. The line of the first row is at a random angle.

    Args:
        name: The kind, or `drifting_stream`, the embedded one, which is always the same.
        seed: Of the rows.
    """
    from entrena.data import EMBEDDED, Examples
    from entrena.data.table import Table as Columns
    from entrena.data.values import Place

    if name == EMBEDDED_STREAM:
        return EMBEDDED[EMBEDDED_STREAM].load()
    chance = np.random.default_rng((seed, 3))
    inputs = chance.standard_normal((ROWS, COLUMNS))
    angle = chance.uniform(0, 2 * np.pi) + turned(name, chance)
    side = np.cos(angle) * inputs[:, 0] + np.sin(angle) * inputs[:, 1] > 0
    flipped = chance.uniform(size=ROWS) < FLIPPED
    names = tuple(f"x{column}" for column in range(COLUMNS))
    return Examples(Columns.of_array(inputs, names, Place(name)), (side ^ flipped).astype(np.int64), ("side",), name)


def turned(name: str, chance: np.random.Generator) -> np.ndarray:
    """[rows] by how much the line is turned in each row, in radians."""
    row = np.arange(ROWS)
    if name == ROTATING:
        return 2 * np.pi * row / ROWS
    if name == STEADY:
        return np.zeros(ROWS)
    share = (row >= CHANGE).astype(float) if name == SUDDEN else np.clip((row - CHANGE) / GRADUAL, 0, 1)
    return np.pi / 2 * (chance.uniform(size=ROWS) < share)


def _tuned(name: str, seeds: Sequence[int], trials: Trials) -> dict[str, Any]:
    """For each online learner the rate with the best accuracy on all rows, and what all rates do."""
    rates, by_rate = {}, {}
    for learner, tried in RATES.items():
        rows = []
        for rate in tried:
            right = [_online(made_stream(name, seed), learner, rate, seed, trials) for seed in seeds]
            before = float(np.mean([each[CHANGE // 2 : CHANGE].mean() for each in right]))
            rows.append({"rate": rate, "before": before, "after": float(np.mean([e[CHANGE:].mean() for e in right]))})
            rows[-1]["all"] = float(np.mean([each.mean() for each in right]))
        by_rate[learner] = rows
        rates[learner] = max(rows, key=lambda row: row["all"])["rate"]
    return {"rates": rates, "by_rate": by_rate}


def _online(
    examples: Examples, learner: str, rate: float, seed: int, trials: Trials, start: Model | None = None
) -> np.ndarray:
    """[rows] whether each row is predicted rightly before it is learned."""
    from entrena.learner import Learner
    from entrena.lessons.trials import schema_of
    from entrena.recipe import Recipe

    recipe = Recipe.make({**STREAM[learner], "learning_rate": rate, "random_state": seed})
    trials.n_networks += 1
    if start is None:
        network = Learner.begin(recipe, schema_of(examples), examples.take(np.arange(WINDOW)), running=True)
    else:
        network = Learner.of_model(start, recipe)
    classes = np.asarray(network.schema.classes)
    return classes[network.learn(examples).z.argmax(axis=1)] == examples.targets


def _compared(name: str, rates: Mapping[str, float], seeds: Sequence[int], trials: Trials) -> dict[str, Any]:
    """What each learner makes of the rows after the change."""
    streams = [made_stream(name, seed) for seed in seeds]
    models = _trained(name, streams, seeds, trials)
    right: dict[str, list[np.ndarray]] = {each: [] for each in LEARNERS}
    before = []
    for seed, examples in zip(seeds, streams, strict=True):
        later = examples.take(np.arange(CHANGE, ROWS))
        for learner in (ONLINE, ONLINE_SGD):
            own = _online(examples, learner, rates[learner], seed, trials)
            right[learner].append(own[CHANGE:])
            if learner == ONLINE:
                before.append(float(own[CHANGE - 500 : CHANGE].mean()))
        first = models[ALONE, seed][0]
        right[CONTINUED].append(_online(later, ONLINE, rates[ONLINE], seed, trials, first))
        for learner in (ALONE, ON_ALL, ON_LAST):
            right[learner].append(_by_blocks(models[learner, seed], later))
    told = {learner: told_of(np.array(own)) for learner, own in right.items()}
    return {**told, "before": before}


def _trained(name: str, streams: Sequence[Examples], seeds: Sequence[int], trials: Trials) -> dict[Any, list[Model]]:
    """By learner and seed the networks trained in batch, one after the other in time."""
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import Split
    from entrena.recipe import Recipe

    recipe = Recipe.make(BATCH)
    keys, prepared = [], []
    for seed, examples in zip(seeds, streams, strict=True):
        for now in range(CHANGE, ROWS, EVERY):
            for learner, first in ((ON_ALL, 0), (ON_LAST, now - WINDOW)):
                rows = rows_of(examples, Split(seed, 0, np.arange(first, now), np.arange(0)))
                keys.append((learner, seed))
                prepared.append(rows.prepare(recipe.change({"random_state": seed})))
    found: dict[Any, list[Model]] = {}
    for key, fitted in zip(keys, trials.train(f"{name}: {len(prepared)} networks", prepared), strict=True):
        found.setdefault(key, []).append(fitted.model)
    for seed in seeds:
        found[ALONE, seed] = found[ON_ALL, seed][:1]
    return found


def _by_blocks(models: Sequence[Model], later: Examples) -> np.ndarray:
    """[rows] whether each row is predicted rightly, by the network that was the last one then."""
    right = []
    for k, first in enumerate(range(0, later.n_rows, EVERY)):
        block = later.take(np.arange(first, first + EVERY))
        right.append(models[min(k, len(models) - 1)].predict(block.inputs) == block.targets)
    return np.concatenate(right)


def told_of(right: np.ndarray) -> dict[str, Any]:
    """What is kept of a learner.

    Args:
        right: [seeds, rows after the change] whether each was predicted rightly.
    """
    return {
        "accuracy": [float(each.mean()) for each in right],
        "windows": [[float(each[first:last].mean()) for each in right] for first, last in WINDOWS],
        "recovered": [rows_to_recover(each) for each in right],
        "curve": [float(part.mean()) for part in np.split(right, right.shape[1] // CURVE, axis=1)],
    }


def rows_to_recover(right: np.ndarray) -> int | None:
    """After how many rows the network is back for good: from there on 80 % of any 200 successive rows are right.

    None where it is not within these rows.

    >>> rows_to_recover(np.repeat([False, True], [300, 700])), rows_to_recover(np.zeros(1000, bool))
    (260, None)
    """
    sums = np.concatenate([[0], np.cumsum(right)])
    below = np.flatnonzero(sums[RECOVERED_ROWS:] - sums[:-RECOVERED_ROWS] < RECOVERED * RECOVERED_ROWS - 1e-9)
    if len(below) == 0:
        return 0
    return None if below[-1] == len(right) - RECOVERED_ROWS else int(below[-1]) + 1


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    kinds = {
        SUDDEN: "after half of the rows the line turns by 90° (sudden)",
        GRADUALLY: f"over the {GRADUAL:,} rows after that more and more rows are of the turned line (gradual)",
        ROTATING: "it turns once around over all rows (rotating)",
        EMBEDDED_STREAM: "the embedded set drifting_stream, which rotates as well and is the same for all seeds",
        STEADY: "it stays (no change), which shows what being ready for a change costs",
    }
    streams = "; ".join(kinds[name] for name in size["streams"])
    return [
        f"Streams of {ROWS:,} rows: {COLUMNS} standard normal columns, the class is the side of a line at a random "
        f"angle through 0, and {100 * FLIPPED:.0f} % of the labels are turned over, so at most 95 % can be right. "
        f"{streams[0].upper()}{streams[1:]}. Scored are the {ROWS - CHANGE:,} rows of the second half.",
        "Online: a network that learns each row once, right after it was tested on it, at a constant rate, by adamw or "
        "by plain gradient descent; and one that was trained in batch on the first half before it goes on online. "
        f"Batch: a network that was trained on the first half ({PASSES} passes in mini-batches of 32) and is then left "
        f"alone; one that is trained anew every {EVERY} rows on all rows so far; one that is trained anew every "
        f"{EVERY} rows on the last {WINDOW:,}. All have a hidden layer of 16 relu units.",
        f"{size['seeds']} seeds of stream and first weights. The rates of the online networks are those with the best "
        f"accuracy over all rows on {size['tuning_seeds']} other streams of the kind. The claim is decided by the "
        "network that learns online by adamw, entrena's default, against those that are left alone and that are "
        f"retrained on all rows: it has to get {ENOUGH:g} more of the rows right. Retraining on the last rows, which "
        "forgets as online learning does, is reported beside it.",
    ]


def gains(results: Results, other: str, learner: str = ONLINE) -> dict[str, dict[str, float]]:
    """By stream how much higher a learner's accuracy after the change is than that of another one."""
    from entrena.population.statistics import mean_interval

    found = {}
    for each in results["streams"]:
        a, b = (each["learners"][name]["accuracy"] for name in (learner, other))
        mean, low, high = mean_interval([x - y for x, y in zip(a, b, strict=True)], 0.0)
        found[each["name"]] = {"mean": mean, "low": low, "high": high}
    return found


def found_cases(results: Results) -> list[tuple[str, Case, Decision]]:
    """Against whom, what was measured, and what it says of the claim; a stream without a change is no case."""
    return [
        (other, case, decide(case, ENOUGH))
        for other in AGAINST
        for case in (Case(name, own["mean"], own["low"], own["high"]) for name, own in gains(results, other).items())
        if case.name != STEADY
    ]


def judge(results: Results) -> Verdict:
    """By the accuracy after the change, against networks that are left alone or retrained on all rows."""
    cases = found_cases(results)
    verdict = conclude([(case, decision) for _, case, decision in cases], "the stream and on the batch training")
    parts = ["Online learning gets so much more of the rows right after the change."]
    for other in (*AGAINST, ON_LAST):
        own = {name: each for name, each in gains(results, other).items() if name != STEADY}
        said = ", ".join(f"{name} {span_of(each)}" for name, each in own.items())
        parts.append(f"Against a network that is {other}{'' if other in AGAINST else ' (not decisive)'}: {said}.")
    for decision, words in (("fails", "It fails"), ("undecided", "It is not decided")):
        said_of = [f"{case.name} ({other})" for other, case, own in cases if own == decision]
        if said_of:
            parts.append(f"{words} on {', '.join(said_of)}; the limit is {ENOUGH:g}.")
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


def _steady(results: Results) -> Mapping[str, Any] | None:
    return next((each for each in results["streams"] if each["name"] == STEADY), None)


def tables(results: Results) -> list[Table]:
    """Accuracies after the change, rows to recover, and what the rate does."""
    from entrena.population.statistics import mean_interval

    names = [each["name"] for each in results["streams"]]
    accuracy, windows = [], []
    for learner in LEARNERS:
        spans = [mean_interval(each["learners"][learner]["accuracy"], 0.0) for each in results["streams"]]
        cells = [span_of(dict(zip(("mean", "low", "high"), ends, strict=True))) for ends in spans]
        accuracy.append([learner, *cells, f"{gradients_a_row(learner):,.0f}"])
    for each in results["streams"]:
        for k, learner in enumerate(LEARNERS):
            own = each["learners"][learner]
            cells = [f"{np.mean(window):.3f}" for window in own["windows"]]
            windows.append(["" if k else each["name"], learner, *cells, _recovered(own["recovered"])])
    rates = []
    for learner, tried in RATES.items():
        for k, rate in enumerate(tried):
            rows = [(each["by_rate"][learner][k], each["rates"][learner]) for each in results["streams"]]
            cells = [f"{row['before']:.3f} / {row['after']:.3f}{'*' if rate == best else ''}" for row, best in rows]
            rates.append([learner.split(", ")[1] if k == 0 else "", f"{rate:g}", *cells])
    n = len(results["streams"][0]["learners"]["before"])
    return [
        Table(
            f"Accuracy on the {ROWS - CHANGE:,} rows of the second half",
            ("learner", *names, "gradients a row"),
            accuracy,
            f"Means over {n} seeds with 95 % intervals. Gradients a row: how many gradients of single rows a row of "
            "the second half costs. drifting_stream is one stream: its intervals are of first weights.",
            dispensable=("gradients a row",),
        ),
        Table(
            "Accuracy by rows after the change, and rows until it is back",
            ("stream", "learner", *(f"{a:,}–{b:,}" for a, b in WINDOWS), "back after"),
            windows,
            f"Back after: so many rows after the change, from where on {100 * RECOVERED:.0f} % of any {RECOVERED_ROWS} "
            "successive rows are right; the median over seeds, –: not within the stream.",
            n_texts=2,
        ),
        Table(
            "What the rate does to the online networks",
            ("optimizer", "rate", *names),
            rates,
            f"Mean accuracy on the {CHANGE - CHANGE // 2:,} rows before the change / on the {ROWS - CHANGE:,} after, "
            "on the streams on which the rates were chosen; *: the chosen one, by all rows of the stream.",
            n_texts=2,
        ),
    ]


def gradients_a_row(learner: str) -> float:
    """How many gradients of single rows a learner computes for a row of the second half."""
    later = ROWS - CHANGE
    trainings = range(CHANGE + EVERY, ROWS, EVERY)  # that before the change is all learners' own affair
    if learner == ALONE:
        return 0.0
    if learner == ON_ALL:
        return PASSES * sum(trainings) / later
    return PASSES * WINDOW * len(trainings) / later if learner == ON_LAST else 1.0


def _recovered(rows: Sequence[int | None]) -> str:
    from entrena.lessons.levels import median_passes

    found = median_passes([None if each is None else float(each) for each in rows])
    return "–" if found is None else f"{found:,.0f}"


def meaning(results: Results) -> list[str]:
    """What who trains on a stream should know."""
    online, alone, on_all, on_last = (
        {each["name"]: float(np.mean(each["learners"][learner]["accuracy"])) for each in results["streams"]}
        for learner in (ONLINE, ALONE, ON_ALL, ON_LAST)
    )
    changing = [name for name in online if name != STEADY]
    said = "; ".join(
        f"{name} {online[name]:.3f} against {alone[name]:.3f}, {on_all[name]:.3f} and {on_last[name]:.3f}"
        for name in changing
    )
    parts = [
        "Online against left alone, retrained on all rows and retrained on the last ones, the share of the rows that "
        f"are right: {said}. Rows from before the change are not old evidence but wrong evidence; whoever keeps them "
        f"all learns the mean of both worlds. Online learning forgets them by itself, for "
        f"{gradients_a_row(ONLINE):.0f} gradient a row in place of {gradients_a_row(ON_ALL):.0f} or "
        f"{gradients_a_row(ON_LAST):.0f}."
    ]
    caught = []
    for each in results["streams"]:
        late = {name: float(np.mean(each["learners"][name]["windows"][-1])) for name in (ONLINE, ON_LAST)}
        if each["name"] != STEADY and late[ON_LAST] > late[ONLINE] + ENOUGH:
            caught.append(f"{each['name']} {late[ON_LAST]:.3f} against {late[ONLINE]:.3f}")
    if caught:
        first, last = WINDOWS[-1]
        parts.append(
            f"From {first:,} to {last:,} rows after the change the network that is retrained on the last {WINDOW:,} "
            f"rows is ahead: {', '.join(caught)}. When the window holds rows of the new world only, many passes over "
            "it teach more than one look at each row."
        )
    steady = _steady(results)
    if steady is not None:
        cost = gains(results, ON_ALL)[STEADY]
        parts.append(
            f"Where nothing changes, being ready costs: online has {span_of(cost)} of the accuracy more than the "
            "network that is retrained on all rows (below 0: less). A rate that stays high never comes to rest."
        )
    chosen = sorted(
        {f"{learner.split(', ')[1]} {r:g}" for e in results["streams"] for learner, r in e["rates"].items()}
    )
    parts.append(
        f"The rate is what makes it follow (chosen here: {', '.join(chosen)}). With a low one the network is as slow "
        "as one that is retrained on all rows, with a high one it forgets faster than it learns. A schedule that "
        "falls, which is right for data that stay the same, would end the adapting: streams take constant."
    )
    return parts


def figures(results: Results) -> list[Drawing]:
    """Accuracies row by row, and what the rate does."""
    from entrena.lessons.drawings import Line, lines

    told = []
    for each in results["streams"]:
        if each["name"] == EMBEDDED_STREAM:
            continue
        drawn = []
        for place, learner in enumerate(LEARNERS):
            curve = each["learners"][learner]["curve"]
            xs = [CURVE * (k + 0.5) for k in range(len(curve))]
            dash = "solid" if learner in (ONLINE, ALONE, ON_ALL, ON_LAST) else "dot"
            drawn.append(Line(learner, xs, curve, place, dash=dash))
        told.append(
            Drawing(
                f"Accuracy after the change: {each['name']}",
                lines("rows after the change", f"accuracy, of {CURVE} rows", drawn),
                "Means over seeds. A network that learns online is tested on each row before it learns it.",
            )
        )
    rates = []
    shown = [each for each in results["streams"] if each["name"] != EMBEDDED_STREAM]
    for place, each in enumerate(shown):
        for learner, dash in ((ONLINE, "solid"), (ONLINE_SGD, "dot")):
            rows = each["by_rate"][learner]
            name = f"{each['name']}, {learner.split(', ')[1]}"
            rates.append(Line(name, [row["rate"] for row in rows], [row["after"] for row in rows], place, dash=dash))
    told.append(
        Drawing(
            "Accuracy after the change over the rate",
            lines("learning rate (logarithmic)", "accuracy", rates, logarithmic="x"),
            "Of networks that learn online, on the streams on which their rates are chosen.",
        )
    )
    return told


LESSON = Lesson(
    id="drift",
    chapter="Training modes",
    title="Whether online learning adapts to changes",
    claim="Online learning makes it easy to adapt to changes.",
    source=(
        "LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 4.1: stochastic learning can be used for "
        "tracking changes. Here it holds where a network that learns online gets more rows right after a change than "
        "networks trained in batch, left alone or retrained on all rows."
    ),
    sizes={
        "quick": Size(
            {"streams": [SUDDEN, ROTATING, STEADY], "seeds": 6, "tuning_seeds": 2},
            "The full study adds a gradual change and the embedded stream; it has 32 seeds in place of 6 and looks for "
            "the rates on 8 other streams in place of 2.",
        ),
        "full": Size(
            {"streams": [SUDDEN, GRADUALLY, ROTATING, EMBEDDED_STREAM, STEADY], "seeds": 32, "tuning_seeds": 8}
        ),
    },
    experiment=experiment,
    method=method,
    judge=judge,
    tables=tables,
    meaning=meaning,
    figures=figures,
)
