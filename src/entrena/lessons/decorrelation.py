"""Whether inputs should be uncorrelated: passes to a loss with inputs as they are and turned to their components.

Turned only: the lesson on whitening divides by the deviations there as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from entrena.lessons.input_treatments import ADAM, DESCENT, RAW, TREATED, Treatment
from entrena.lessons.lesson import Results, Size
from entrena.lessons.treatment_pages import Bowl, lesson_of

# Four examples of two inputs of deviation 1 and correlation 0.9; turned to their principal axes; and whitened.
LONG, SHORT = sqrt(1.9), sqrt(0.1)
CORRELATED = ((LONG, LONG), (-LONG, -LONG), (SHORT, -SHORT), (-SHORT, SHORT))
TURNED = tuple((sqrt(2) * a, sqrt(2) * b) for a, b in ((LONG, 0), (-LONG, 0), (0, SHORT), (0, -SHORT)))
WHITENED = tuple((sqrt(2) * a, sqrt(2) * b) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1)))
TARGETS = (2.0, -2.0, 0.6, -0.6)


def correlated(correlation: float, inputs: np.ndarray) -> np.ndarray:
    """Inputs of deviation 1 of which any two have that correlation: κ = (1 + (d − 1)ρ)/(1 − ρ) with d columns."""
    d = inputs.shape[1]
    covariance = np.full((d, d), correlation) + (1 - correlation) * np.eye(d)
    return inputs @ np.linalg.cholesky(covariance).T


def means(results: Results) -> Sequence[str]:
    """What it is about a rotation."""
    ratios = [
        float(np.median(np.divide(each[TREATED]["condition"], each[RAW]["condition"]))) for each in results["linear"]
    ]
    parts = [
        "A rotation turns the bowl and leaves its shape: the eigenvalues of the second moments stay as they are (κ "
        f"after over κ before, of linear units: {min(ratios):.3f} to {max(ratios):.3f}), and gradient descent from "
        "weights of 0 takes the same steps in turned coordinates. So theory predicts a gain of 1: by itself "
        "decorrelation saves plain gradient descent nothing. What does save passes is to divide by the deviations "
        "there (the lesson whitening).",
    ]
    if any(each["method"] == ADAM for each in results["networks"]):
        parts.append(
            "An optimizer with a rate for each weight can use it in principle: where the axes of the bowl are those of "
            "the weights, a rate for each weight is a rate for each direction. The networks by adam say how much it is."
        )
    return parts


TREATMENT = Treatment(
    raw={"center": True, "scale": "standard", "decorrelate": "none"},
    treated={"center": True, "scale": "standard", "decorrelate": "pca"},
    raw_name="standardised",
    treated_name="standardised and turned to their principal components",
    made=correlated,
    made_name="correlations of {:g}",
)

LESSON = lesson_of(
    TREATMENT,
    Bowl(CORRELATED, TURNED, TARGETS, "Two inputs with a correlation of 0.9; turned to their principal axes."),
    id="decorrelation",
    title="Whether inputs should be uncorrelated",
    claim=(
        "If possible, the inputs should be uncorrelated: with inputs turned to their principal components training "
        "takes fewer passes to the same loss."
    ),
    source="LeCun, Bottou, Orr & Müller, Efficient BackProp (1998/2012), section 4.3; the slides on preprocessing.",
    means=means,
    sizes={
        "quick": Size(
            {
                "strengths": [0.5, 0.9],
                "linear": ["diabetes", "iris"],
                "linear_most": 2000,
                "networks": ["breast_cancer"],
                "methods": [DESCENT, ADAM],
                "most": 300,
                "seeds": 4,
                "tuning_seeds": 3,
            },
            "The full study adds correlations of 0.99, wine as a linear unit, networks on wine and digits; it "
            "has 10 seeds in place of 4, and looks for the rates with 6 others in place of 3.",
        ),
        "full": Size(
            {
                "strengths": [0.5, 0.9, 0.99],
                "linear": ["diabetes", "iris", "wine"],
                "linear_most": 5000,
                "networks": ["wine", "breast_cancer", "digits"],
                "methods": [DESCENT, ADAM],
                "most": 600,
                "seeds": 10,
                "tuning_seeds": 6,
            }
        ),
    },
)
