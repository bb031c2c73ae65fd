"""Whether inputs should have comparable variances: passes to a loss with the inputs' scales left and made equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from entrena.diagnosis.slides import PAIRS
from entrena.lessons.input_treatments import DESCENT, Treatment
from entrena.lessons.lesson import Results, Size
from entrena.lessons.treatment_pages import Bowl, lesson_of


def stretched(ratio: float, inputs: np.ndarray) -> np.ndarray:
    """Inputs whose columns have deviations in a geometric series from 1 to the ratio, so that κ = ratio²."""
    return inputs * np.geomspace(1, ratio, inputs.shape[1])


def means(results: Results) -> Sequence[str]:
    """What it is about scales."""
    return [
        "A column with a deviation s times that of another has a curvature s² times as large: κ grows as the square of "
        "the ratio. The rate has to suit the largest column, and the weights of the smallest hardly move.",
    ]


TREATMENT = Treatment(
    raw={"center": True, "scale": "none"},
    treated={"center": True, "scale": "standard"},
    raw_name="centred but not scaled",
    treated_name="centred and scaled",
    made=stretched,
    made_name="deviations from 1 to {:g}",
)

LESSON = lesson_of(
    TREATMENT,
    Bowl(PAIRS[1].raw, PAIRS[1].treated, PAIRS[1].targets, "The slides' example, (0.1, 10) → 2 and (0.1, −10) → 0."),
    id="scaling",
    title="Whether inputs should have comparable variances",
    claim=(
        "The inputs should be scaled so that their covariances are about the same: with scaled inputs gradient descent "
        "takes fewer passes to the same loss."
    ),
    source=(
        "LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 4.3; the slides on preprocessing, after "
        "Hinton, Neural Networks for Machine Learning, lecture 6."
    ),
    means=means,
    sizes={
        "quick": Size(
            {
                "strengths": [3, 10],
                "linear": ["diabetes", "iris"],
                "linear_most": 2000,
                "networks": ["breast_cancer"],
                "methods": [DESCENT],
                "most": 300,
                "seeds": 4,
                "tuning_seeds": 3,
            },
            "The full study adds deviations from 1 to 30, wine as a linear unit, networks on wine and digits; "
            "it has 10 seeds in place of 4, and looks for the rates with 6 others in place of 3.",
        ),
        "full": Size(
            {
                "strengths": [3, 10, 30],
                "linear": ["diabetes", "iris", "wine"],
                "linear_most": 5000,
                "networks": ["wine", "breast_cancer", "digits"],
                "methods": [DESCENT],
                "most": 600,
                "seeds": 10,
                "tuning_seeds": 6,
            }
        ),
    },
)
