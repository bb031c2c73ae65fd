"""Rows in wrong classes: made on purpose, and found again among the draws of an order that goes by the errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import percent

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Fitted

FINDING = "few_rows_take_most_draws"


def mislabel(
    examples: Examples, training: np.ndarray, share: float, chance: np.random.Generator
) -> tuple[Examples, np.ndarray]:
    """The examples with a share of the training rows in a wrong class, each other one equally often; and which rows.

    Args:
        examples: With true classes.
        training: [rows] numbers of the training rows.
        share: Of them, 0 to 1.
        chance: Where the randomness comes from.
    """
    assert examples.targets is not None
    classes, numbers = np.unique(examples.targets, return_inverse=True)
    rows = np.sort(chance.choice(training, round(share * len(training)), replace=False))
    numbers[rows] = (numbers[rows] + chance.integers(1, len(classes), len(rows))) % len(classes)
    return replace(examples, targets=classes[numbers]), rows


def drawn_of(fitted: Sequence[Fitted], masks: Sequence[np.ndarray], numbers: Sequence[np.ndarray]) -> dict[str, Any]:
    """How often mislabelled rows are drawn, and whether the finding names them.

    Args:
        fitted: [seeds] networks whose order goes by the errors.
        masks: [seeds, training rows] which of them are mislabelled.
        numbers: [seeds] the numbers of the mislabelled rows, as the user counts the rows of the source.
    """
    shares, lifts, found, named, right = [], [], 0, [], []
    for each, mask, rows in zip(fitted, masks, numbers, strict=True):
        draws = each.training.draws
        assert draws is not None
        if mask.any():
            shares.append(float(draws[mask].sum() / draws.sum()))
            lifts.append(shares[-1] / float(mask.mean()))
        for finding in each.findings:
            if finding.name == FINDING:
                found += 1
                hits = len(set(finding.rows) & set(rows.tolist()))
                right.append(hits / len(finding.rows))
                if len(rows):
                    named.append(hits / len(rows))
    return {
        "draws": shares,
        "lift": lifts,
        "finding": {"count": found, "n": len(fitted), "right": right, "named": named},
    }


def said_of_finding(cases: Sequence[Mapping[str, Any]]) -> str:
    """How often the finding appears, and how far it is to be believed.

    Args:
        cases: For each the per cent of `mislabelled` rows, and the `orders`, some with what `drawn_of` found.
    """
    counts: dict[str, list[int]] = {}
    right: list[float] = []
    for each in cases:
        for own in (order["finding"] for order in each["orders"] if "finding" in order):
            found = counts.setdefault("mislabelled" if each["mislabelled"] else "clean", [0, 0])
            found[0] += own["count"]
            found[1] += own["n"]
            right += own["right"] if each["mislabelled"] else []
    parts = [f"in {count} of {n} runs with {words} rows" for words, (count, n) in counts.items()]
    said = f"The finding {FINDING} appears {' and '.join(parts)}."
    if right:
        said += f" Of the rows that it names among mislabelled ones {percent(float(np.mean(right)))} are so."
    return (
        f"{said} It needs a tenth of the rows, or fewer, to take half of the draws, and none can have more than ten "
        "times its share: so it is silent where many labels are wrong, and where nearly all rows are learned it names "
        "what is merely hard. It says which rows to look at, not which labels are wrong."
    )
