"""What a lesson is, and how what was found case by case becomes a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from entrena.lessons.trials import Trials

Decision = Literal["holds", "fails", "undecided"]
VerdictName = Literal["holds", "fails", "depends", "not_decided"]
SizeName = Literal["quick", "full"]
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What came of a claim.

    Attributes:
        name: `holds`, `fails`, `depends` or `not_decided`.
        sentence: The numbers.
        depends_on: Of `depends`: on what, such as `the data set`.
    """

    name: VerdictName
    sentence: str
    depends_on: str = ""

    @property
    def words(self) -> str:
        """The verdict as people read it.

        >>> Verdict("depends", "", "the data set").words
        'depends on the data set'
        """
        if self.name == "depends":
            return f"depends on {self.depends_on}"
        return "not decided at this size" if self.name == "not_decided" else self.name


@dataclass(frozen=True)
class Case:
    """What was measured in one case, such as on one data set.

    Attributes:
        name: Of the case.
        value: What was measured.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: What it shows.
        header: The columns' titles.
        rows: A cell for each column.
        note: What has to be known to read it.
        n_texts: How many columns, the first ones, are texts; the others are set flush right.
        dispensable: Titles of columns that a narrow terminal does without, the first one first.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    n_texts: int = 1
    dispensable: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, and what it shows.

    Attributes:
        title: Its heading.
        figure: Made by `entrena.reporting.figures`.
        caption: What has to be known to read it.
    """

    title: str
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Size:
    """How much of an experiment is done.

    Attributes:
        choices: The numbers that the experiment reads, as plain values.
        left_out: What is missing beside the full study; empty where nothing is.
    """

    choices: Mapping[str, Any]
    left_out: str = ""


@dataclass(frozen=True)
class Lesson:
    """A claim and the experiment that tries it.

    What an experiment returns are plain values, as they stand in JSON. All else is made from them, so a page can be
    written again from a record, and the verdict can be tested with made-up results.

    Attributes:
        id: What users type.
        chapter: Of the catalogue of techniques.
        title: A few words.
        claim: One sentence, as the text or the paper claims it.
        source: Where it is claimed.
        sizes: `quick`, which ends within a minute on two cores, and `full`.
        experiment: Does it: (choices of the size, seed, trials) → results. The same seed gives the same results.
        method: What is done, in paragraphs: choices of the size → texts.
        judge: The verdict.
        tables: What was found.
        meaning: What that means for who trains networks, in paragraphs.
        figures: The same as pictures.
        data: The name of the choice that `--data` takes the place of; empty: the lesson brings its own data.
    """

    id: str
    chapter: str
    title: str
    claim: str
    source: str
    sizes: Mapping[SizeName, Size]
    experiment: Callable[[Mapping[str, Any], int, Trials], Results]
    method: Callable[[Mapping[str, Any]], Sequence[str]]
    judge: Callable[[Results], Verdict]
    tables: Callable[[Results], Sequence[Table]]
    meaning: Callable[[Results], Sequence[str]]
    figures: Callable[[Results], Sequence[Drawing]]
    data: str = ""


def decide(case: Case, threshold: float, most: float = math.inf) -> Decision:
    """What one case says of a claim that something is above a threshold, and below another one where there is one.

    The whole interval has to be inside, or outside on one side.

    >>> decide(Case("iris", 0.4, 0.3, 0.5), 0.1), decide(Case("iris", 0.1, 0.05, 0.2), 0.1)
    ('holds', 'undecided')
    >>> decide(Case("iris", 0.4, 0.3, 0.5), 0.1, 0.2)
    'fails'
    """
    if threshold < case.low and case.high < most:
        return "holds"
    return "fails" if case.high < threshold or case.low > most else "undecided"


def both(first: Decision, second: Decision) -> Decision:
    """What two demands say that have to be met together.

    >>> both("holds", "undecided"), both("fails", "undecided")
    ('undecided', 'fails')
    """
    if "fails" in (first, second):
        return "fails"
    return "holds" if first == second == "holds" else "undecided"


def combine(cases: Sequence[Case], threshold: float, depends_on: str) -> Verdict:
    """The verdict on a claim that was tried in several cases with one threshold.

    Args:
        cases: What was measured.
        threshold: Above it the claim holds.
        depends_on: What makes one case differ from another, such as `the data set`.
    """
    return conclude([(case, decide(case, threshold)) for case in cases], depends_on)


def conclude(decided: Sequence[tuple[Case, Decision]], depends_on: str) -> Verdict:
    """The verdict on a claim that was decided case by case.

    It holds where it holds in all cases, fails where it fails in all, depends where it holds in some and fails in
    others; else it is not decided.

    Args:
        decided: What was measured, and what it says of the claim.
        depends_on: What makes one case differ from another, such as `the data set`.
    """
    found = {decision for _, decision in decided}
    name: VerdictName = "not_decided"
    if found == {"holds"}:
        name = "holds"
    elif found == {"fails"}:
        name = "fails"
    elif {"holds", "fails"} <= found:
        name = "depends"
    parts = []
    for decision, words in (("holds", "holds"), ("fails", "fails"), ("undecided", "is not decided")):
        said = [said_of(case) for case, own in decided if own == decision]
        if said:
            parts.append(f"It {words} on {', '.join(said)}.")
    return Verdict(name, " ".join(parts), depends_on if name == "depends" else "")


def said_of(case: Case) -> str:
    """A case in a sentence.

    >>> said_of(Case("iris", 0.4, 0.3, 0.5))
    'iris 0.40 (0.30–0.50)'
    """
    return f"{case.name} {case.value:.2f} ({case.low:.2f}–{case.high:.2f})"
