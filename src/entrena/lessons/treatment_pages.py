"""Verdict, tables, words and figures of the lessons on treatments of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.diagnosis.linear_unit import LinearUnit
from entrena.diagnosis.slides import SHOWN, described
from entrena.lessons.input_treatments import (
    DESCENT,
    LEVEL,
    MADE_AXES,
    MADE_ROWS,
    NETWORKS,
    RAW,
    TREATED,
    Treatment,
    experiment,
    farthest_from_theory,
    gain_of,
    middle,
    predicted_gain,
)
from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import (
    Case,
    Decision,
    Drawing,
    Lesson,
    Results,
    Size,
    SizeName,
    Table,
    Verdict,
    conclude,
    decide,
)
from entrena.reporting.wording import number

if TYPE_CHECKING:
    from entrena.lessons.trials import Trials

AT_LEAST = 1.1  # times the passes that the raw inputs have to take: a tenth more is worth to be told


@dataclass(frozen=True)
class Bowl:
    """A linear unit with two weights, before and after the treatment.

    Attributes:
        raw: [examples, 2] inputs.
        treated: [examples, 2] inputs.
        targets: [examples].
        said: What has to be known of them.
    """

    raw: Sequence[Sequence[float]]
    treated: Sequence[Sequence[float]]
    targets: Sequence[float]
    said: str


def lesson_of(
    treatment: Treatment,
    bowl: Bowl,
    *,
    id: str,
    title: str,
    claim: str,
    source: str,
    means: Callable[[Results], Sequence[str]],
    sizes: Mapping[SizeName, Size],
) -> Lesson:
    """A lesson on a treatment of the inputs.

    Args:
        treatment: What is compared.
        bowl: What its figure shows.
        id: As of a `Lesson`.
        title: As of a `Lesson`.
        claim: As of a `Lesson`.
        source: As of a `Lesson`.
        means: What is to be said of this treatment, before what is said of all.
        sizes: As of a `Lesson`.
    """

    def trying(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
        return experiment(treatment, size, seed, trials)

    return Lesson(
        id=id,
        chapter="Preprocessing",
        title=title,
        claim=claim,
        source=source,
        sizes=sizes,
        experiment=trying,
        method=lambda size: method(treatment, size),
        judge=lambda results: judge(treatment, results),
        tables=lambda results: tables(treatment, results),
        meaning=lambda results: [*means(results), *meaning(treatment, results)],
        figures=lambda results: figures(treatment, bowl, results),
    )


def method(treatment: Treatment, size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    made = ", ".join(treatment.made_name.format(strength) for strength in size["strengths"])
    parts = [
        f"The same rows twice: {treatment.raw_name}, and {treatment.treated_name}; all else is equal. First linear "
        f"units with squared error from weights of 0, all examples in each update, float64, at the rate "
        f"2/(λmax + λmin), which is the fastest in theory. λ are the eigenvalues of H = (2/K)·XᵀX/n, where X has a "
        f"column of ones for the bias and K is the number of outputs. Rows made up for the seed, {MADE_ROWS} in "
        f"{MADE_AXES} columns ({made}), and {', '.join(size['linear'])} (of which a seed takes four fifths; classes as "
        f"outputs of 0 and 1), {size['seeds']} seeds. A pass is an update; counted are the passes until the loss has "
        f"come {100 * (1 - LEVEL):g} % of the way from the first one to the least, which is the same for both. At most "
        f"{size['linear_most']:,} are trained.",
        "Predicted are the passes from the eigenvalues and from how far the weights are from the best ones along each "
        "eigenvector: (1 − ηλ)² of each part of the excess is left by an update.",
    ]
    if size["networks"]:
        levels = ", ".join(f"{name} to {NETWORKS[name][1]:g}" for name in size["networks"])
        n = size["tuning_seeds"]
        parts.append(
            f"Then networks with a hidden layer of tanh units and cross-entropy, all examples in each update, by "
            f"{' and by '.join(size['methods'])}: passes until the training loss is down ({levels}), at most "
            f"{size['most']:,}. Each side has the rate at which it takes the fewest passes; it is sought in two rounds "
            f"with {n} other seed{'' if n == 1 else 's'}."
        )
    return parts


def cases_of(results: Results) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Kind (`linear`, or a network's method), name and what was found."""
    found = [("linear", f"{each['name']}, linear", each) for each in results["linear"]]
    for each in results["networks"]:
        name = "network" if each["method"] == DESCENT else f"network, {each['method']}"
        found.append((each["method"], f"{each['name']}, {name}", each))
    return found


def judge(treatment: Treatment, results: Results) -> Verdict:
    """By how many times the passes the raw inputs take, in each case."""
    decided: list[tuple[str, Case, Decision]] = []
    for kind, name, found in cases_of(results):
        gain = gain_of(found)
        case = Case(name, gain["mean"], gain["low"], gain["high"])
        decided.append((kind, case, decide(case, AT_LEAST)))
    verdict = conclude([(case, decision) for _, case, decision in decided], _depends_on(decided))
    said = "; ".join(f"{case.name} {_span(case)}" for _, case, _ in decided)
    parts = [
        f"Inputs that are {treatment.raw_name} take so many times the passes of inputs that are "
        f"{treatment.treated_name}: {said}. The claim holds where the 95 % interval lies above {AT_LEAST:g}, and fails "
        "where it lies below."
    ]
    for decision, words in (("fails", "It fails"), ("undecided", "It is not decided")):
        names = [case.name for _, case, own in decided if own == decision]
        if names:
            parts.append(f"{words} on {'; '.join(names)}.")
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


def _depends_on(decided: Sequence[tuple[str, Case, Decision]]) -> str:
    """The optimizer, where it tells the cases in which the claim holds from those in which it fails; else the case."""
    by_way: dict[str, set[Decision]] = {}
    for kind, _, decision in decided:
        if decision != "undecided":
            by_way.setdefault(DESCENT if kind == "linear" else kind, set()).add(decision)
    told_apart = len(by_way) > 1 and all(len(found) == 1 for found in by_way.values())
    return "the optimizer" if told_apart else "the inputs and the network"


def _span(case: Case) -> str:
    """A gain with its interval: few digits where it is large."""
    if not np.isfinite(case.value):
        return "unknown"
    return span_of({"mean": case.value, "low": case.low, "high": case.high}, 0 if case.value >= 100 else 2)


def tables(treatment: Treatment, results: Results) -> list[Table]:
    """Linear units with their predictions; networks."""
    raw, treated = treatment.raw_name, treatment.treated_name
    rows = []
    for each in results["linear"]:
        gain = gain_of(each)
        rows.append(
            [
                each["name"],
                *(_condition(each[side]["condition"]) for side in (RAW, TREATED)),
                *(
                    text
                    for side in (RAW, TREATED)
                    for text in (number(middle(each[side]["predicted"])), _passes(each[side]["found"], each["most"]))
                ),
                f"{predicted_gain(each):,.2f}",
                _span(Case("", gain["mean"], gain["low"], gain["high"])),
            ]
        )
    made = [
        Table(
            "Passes of linear units",
            ("case", "κ raw", "κ treated", "raw predicted", "raw", "treated predicted", "treated", "gain predicted")
            + ("gain",),
            rows,
            f"Raw: {raw}; treated: {treated}. κ = λmax/λmin of the Hessian; medians over seeds. Gain: how many times "
            "the passes the raw inputs take, the geometric mean of the ratios with its 95 % interval; a run that did "
            "not reach the level (>) counts with the passes that it was allowed, so that its gain is larger than said.",
            dispensable=("κ raw", "κ treated", "raw predicted", "treated predicted"),
        )
    ]
    if results["networks"]:
        rows = []
        for each in results["networks"]:
            gain = gain_of(each)
            rows.append(
                [
                    each["name"],
                    each["method"],
                    *(_condition([each[side]["condition"]]) for side in (RAW, TREATED)),
                    *(f"{each[side]['rate']:.2g}" for side in (RAW, TREATED)),
                    *(_passes(each[side]["found"], each["most"]) for side in (RAW, TREATED)),
                    _span(Case("", gain["mean"], gain["low"], gain["high"])),
                ]
            )
        made.append(
            Table(
                "Passes of networks",
                ("data", "optimizer", "κ raw", "κ treated", "rate raw", "rate treated", "raw", "treated", "gain"),
                rows,
                "κ: of inputs and bias, over the directions in which they vary. Each side at its own best rate.",
                n_texts=2,
                dispensable=("rate raw", "rate treated", "κ raw", "κ treated"),
            )
        )
    return made


def _condition(values: Sequence[float]) -> str:
    median = float(np.median(values))
    return f"{median:,.0f}" if median < 1e7 else f"{median:.1e}"


def _passes(values: Sequence[float | None], most: int) -> str:
    median = middle(values)
    return f"> {most:,}" if median is None else number(median)


def meaning(treatment: Treatment, results: Results) -> list[str]:
    """What is to be said of every treatment."""
    linear, networks = results["linear"], results["networks"]
    off = farthest_from_theory(linear)
    parts = []
    if np.isfinite(off):
        told = "exactly as many passes as" if off == 0 else f"as many passes, to within {off:g}, as"
        parts.append(
            f"Linear units take {told} the eigenvalues and the first distances predict, wherever they reach the level "
            "within the passes that they are allowed."
        )
    longest = max(linear, key=lambda each: float(np.median(each[RAW]["condition"])))
    before, after = (_condition(longest[side]["condition"]) for side in (RAW, TREATED))
    bound = middle(longest[RAW]["bound"])
    limit = "" if bound is None else f", of which theory allows up to {ceil(bound):,} passes in the worst case"
    parts.append(f"The longest ravine is that of {longest['name']}: κ = {before}{limit}; treated, κ = {after}.")
    by_descent = [each for each in networks if each["method"] == DESCENT]
    if by_descent:
        said = "; ".join(
            f"{_of_gain(each)} the passes on {each['name']} (κ from {_condition([each[RAW]['condition']])} to "
            f"{_condition([each[TREATED]['condition']])})"
            for each in by_descent
        )
        parts.append(
            "With a hidden layer the eigenvalues of the inputs tell only a part: they belong to the first layer's "
            "weights, whose units bend, and the next layer has inputs of its own. Found by gradient descent: the raw "
            f"inputs take {said}."
        )
    return parts


def _of_gain(each: Mapping[str, Any]) -> str:
    gain = gain_of(each)
    return f"{_span(Case('', gain['mean'], gain['low'], gain['high']))} times"


def figures(treatment: Treatment, bowl: Bowl, results: Results) -> list[Drawing]:
    """Two bowls; gains with their intervals."""
    from entrena.lessons.drawings import dots
    from entrena.reporting.surface import bowls

    targets = np.array(bowl.targets)
    surfaces = [
        {"name": name, **described(LinearUnit(np.array(inputs), targets))}
        for name, inputs in (("raw", bowl.raw), ("treated", bowl.treated))
    ]
    groups: dict[str, dict[str, Any]] = {}
    for kind, name, found in cases_of(results):
        groups.setdefault("linear unit" if kind == "linear" else f"network, {kind}", {})[name] = gain_of(found)
    return [
        Drawing(
            "The error surface of a linear unit",
            bowls(surfaces, bowl.targets),
            f"{bowl.said} Raw: {treatment.raw_name}; treated: {treatment.treated_name}. Ellipses: contours of the "
            f"squared error over two weights, one scale for both; the first {SHOWN} updates of gradient descent at "
            "the rate 2/(λmax + λmin).",
        ),
        Drawing(
            "How many times the passes the raw inputs take",
            dots("times the passes (logarithmic)", groups, mark=1.0, logarithmic=True),
            "With 95 % intervals. To the left of the dashed line the treatment costs passes.",
        ),
    ]
