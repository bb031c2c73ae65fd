"""The slides' two examples of error surfaces: a linear unit before and after its inputs are centred, or scaled.

Source: the lecture slides on preprocessing, after Hinton, Neural Networks for Machine Learning, lecture 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from entrena.diagnosis.linear_unit import LinearUnit, start_beside

SHARE = 1e-6  # of the first excess of the loss, to which the updates are counted
SHOWN = 24  # updates of a path that is drawn


@dataclass(frozen=True)
class Pair:
    """Two examples with two inputs each, before and after a treatment.

    Attributes:
        name: What is done to the inputs.
        raw: [2, 2] inputs as they are.
        treated: [2, 2] the same after it.
        said: What the treatment does here.
        targets: [2] of both.
    """

    name: str
    raw: tuple[tuple[float, float], tuple[float, float]]
    treated: tuple[tuple[float, float], tuple[float, float]]
    said: str
    targets: tuple[float, float] = (2.0, 0.0)


PAIRS = (
    Pair(
        "centred",
        ((101.0, 101.0), (101.0, 99.0)),
        ((1.0, 1.0), (1.0, -1.0)),
        "The slides take 100 from both inputs. Their means are 101 and 100: the first input is the same for both "
        "examples, and what is left of it does the work of a bias.",
    ),
    Pair(
        "scaled",
        ((0.1, 10.0), (0.1, -10.0)),
        ((1.0, 1.0), (1.0, -1.0)),
        "Each input is divided by its size: the first by 0.1, the second by 10.",
    ),
)


def slides_surfaces() -> dict[str, Any]:
    """Both pairs of surfaces, with the path of gradient descent at the fastest rate, 2/(λmax + λmin).

    Returns:
        Plain values, as `entrena surface --slides --json` prints: `pairs`, each with `name`, `said`, `targets` and two
        `surfaces`: `inputs`, `eigenvalues`, `condition`, `minimum`, `edge` (2/λmax), `rate`, `left` (the share of the
        distance from the minimum after an update), `updates` (to `share` of the first loss), `start`, `path`.

    >>> [[round(each["condition"]) for each in pair["surfaces"]] for pair in slides_surfaces()["pairs"]]
    [[40006, 1], [10000, 1]]
    """
    pairs = []
    for pair in PAIRS:
        surfaces = [
            {"name": name, **described(LinearUnit(np.array(inputs), np.array(pair.targets)))}
            for name, inputs in (("as they are", pair.raw), (pair.name, pair.treated))
        ]
        pairs.append({"name": pair.name, "said": pair.said, "targets": list(pair.targets), "surfaces": surfaces})
    return {"share": SHARE, "loss": "mean squared error, no bias", "pairs": pairs}


def described(unit: LinearUnit) -> dict[str, Any]:
    """A surface as plain values, with the first updates of gradient descent at the fastest rate."""
    start = start_beside(unit)
    return {
        "inputs": unit.inputs.tolist(),
        "eigenvalues": unit.axes[0].tolist(),
        "condition": unit.condition,
        "minimum": unit.minimum.tolist(),
        "edge": unit.edge,
        "rate": unit.fastest,
        "left": unit.left,
        "updates": unit.updates_to(SHARE, start, unit.fastest),
        "start": start.tolist(),
        "path": unit.path(start, unit.fastest, SHOWN).tolist(),
    }
