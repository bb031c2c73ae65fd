"""Findings: what a run showed, with the evidence and with what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Severity = Literal["info", "warning", "error"]

MOST_DRAWS = 0.5  # few rows that take more of the draws than this
FEW_ROWS = 0.1  # of the training rows
MOST_NAMED = 20


@dataclass(frozen=True)
class Finding:
    """What a run showed.

    Attributes:
        name: Of the rule: `diverged`, `few_rows_take_most_draws`, `fewer_components`.
        severity: `info`, `warning` or `error`.
        place: Where it shows: an epoch, a layer, the order of the examples.
        evidence: The numbers, in a sentence.
        technique: The recipe's key that it is about, such as `rate.learning_rate`.
        advice: What to try.
        rows: The rows that it is about, as the user counts those of the source, the worst first.
    """

    name: str
    severity: Severity
    place: str
    evidence: str
    technique: str
    advice: str
    rows: tuple[int, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """For `findings.json` and `--json`."""
        return {**vars(self), "rows": list(self.rows)}


def diverged(
    sentence: str, epoch: int, *, learning_rate: float, usual_rate: float, weight_decay: float
) -> tuple[Finding, ...]:
    """The finding of a run whose loss or weights are no longer numbers; a decay that overshoots is told first.

    Args:
        sentence: How the run ended.
        epoch: In which epoch.
        learning_rate: The rate of the run.
        usual_rate: The optimizer's own.
        weight_decay: λ.
    """
    if min(learning_rate, usual_rate) * weight_decay >= 1:
        technique = "regularization.weight_decay"
        advice = (
            f"The decay {weight_decay:g} times the rate {learning_rate:g} is 1 or more: try --set weight_decay=0.1."
        )
    else:
        technique = "rate.learning_rate"
        lower = min(learning_rate / 10, usual_rate)
        advice = f"The rate {learning_rate:g} is too high for this network: try --set learning_rate={lower:g}."
    return (Finding("diverged", "error", f"epoch {epoch}", sentence, technique, advice),)


def few_rows_take_most_draws(draws: np.ndarray, file_rows: np.ndarray) -> tuple[Finding, ...]:
    """Whether a tenth of the rows, or fewer, took half of the draws or more, where the order goes by the errors.

    Args:
        draws: [rows] how often each row was shown.
        file_rows: [rows] its number, as the user counts the rows of the source.

    Returns:
        The finding with the rows by number of draws, or nothing.
    """
    total = int(draws.sum())
    if total == 0:
        return ()
    by_draws = np.argsort(-draws, kind="stable")
    reached = np.cumsum(draws[by_draws])
    n_few = int(np.searchsorted(reached, MOST_DRAWS * total)) + 1
    if n_few > FEW_ROWS * len(draws):
        return ()
    rows = tuple(int(row) for row in file_rows[by_draws[:n_few]])
    named = ", ".join(f"{row:,}" for row in rows[:MOST_NAMED])
    more = f" and {len(rows) - MOST_NAMED:,} more" if len(rows) > MOST_NAMED else ""
    share = reached[n_few - 1] / total
    which = f"row {named}" if n_few == 1 else f"rows {named}{more}"
    return (
        Finding(
            "few_rows_take_most_draws",
            "warning",
            "order of the examples",
            f"{n_few:,} of {len(draws):,} training rows took {100 * share:.0f} % of the draws: {which}.",
            "training.order",
            "Look at these rows: mislabelled rows and outliers stay hard for ever. Mend or leave them out, or lower "
            "--set order.cap, or take --set order=shuffled.",
            rows,
        ),
    )


def fewer_components(said: str) -> tuple[Finding, ...]:
    """The finding of a run whose training rows vary in fewer directions than there were to be components, or in none.

    Args:
        said: What the preprocessor says of it; empty: nothing, and there is no finding.
    """
    if not said:
        return ()
    advice = (
        "Scaled columns (--set scale=standard), or more rows and columns that vary, would give more of them; "
        "without --set decorrelate all columns are inputs."
    )
    evidence = f"{said[0].upper()}{said[1:]}."
    return (Finding("fewer_components", "warning", "inputs", evidence, "inputs.components", advice),)
