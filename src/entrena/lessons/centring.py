"""Whether inputs should have mean 0: passes to a loss with the inputs' means left in and taken out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from entrena.diagnosis.slides import PAIRS
from entrena.lessons.input_treatments import DESCENT, Treatment
from entrena.lessons.lesson import Results, Size
from entrena.lessons.treatment_pages import Bowl, lesson_of


def shifted(mean: float, inputs: np.ndarray) -> np.ndarray:
    """Inputs whose every column has that mean.

    With d columns of deviation 1 the second moments of inputs and bias have the eigenvalue 1 d − 1 times, and two more
    whose sum is 2 + d·mean² and whose product is 1.
    """
    return inputs + mean


def means(results: Results) -> Sequence[str]:
    """What it is about means."""
    return [
        "A common mean m of d inputs makes one direction steep, that in which all weights grow together: λmax grows as "
        "1 + d·m², and what the bias could do alone becomes flat. Taking the means out changes no function that the "
        "unit can compute: the bias takes them up.",
    ]


TREATMENT = Treatment(
    raw={"center": False, "scale": "standard"},
    treated={"center": True, "scale": "standard"},
    raw_name="scaled but not centred",
    treated_name="scaled and centred",
    made=shifted,
    made_name="means of {:g} σ",
)

LESSON = lesson_of(
    TREATMENT,
    Bowl(PAIRS[0].raw, PAIRS[0].treated, PAIRS[0].targets, "The slides' example, (101, 101) → 2 and (101, 99) → 0."),
    id="centring",
    title="Whether inputs should have mean 0",
    claim=(
        "The mean of each input over the training set should be close to zero: with centred inputs gradient descent "
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
                "strengths": [1, 3],
                "linear": ["diabetes", "iris"],
                "linear_most": 2000,
                "networks": ["breast_cancer"],
                "methods": [DESCENT],
                "most": 300,
                "seeds": 4,
                "tuning_seeds": 3,
            },
            "The full study adds means of 10 σ, wine as a linear unit, networks on wine and digits; "
            "it has 10 seeds in place of 4, and looks for the rates with 6 others in place of 3.",
        ),
        "full": Size(
            {
                "strengths": [1, 3, 10],
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
