"""Whether inputs should be whitened: passes to a loss with inputs as they are, and with covariance the identity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from entrena.lessons.decorrelation import CORRELATED, TARGETS, WHITENED, correlated
from entrena.lessons.input_treatments import ADAM, DESCENT, RAW, TREATED, Treatment
from entrena.lessons.lesson import Results, Size
from entrena.lessons.treatment_pages import Bowl, lesson_of


def means(results: Results) -> Sequence[str]:
    """What it is about a round bowl."""
    found = [one for each in results["linear"] for one in each[TREATED]["found"]]
    counts = {one for one in found if one is not None}
    before = [float(np.median(each[RAW]["condition"])) for each in results["linear"]]
    if counts == {1.0} and None not in found:
        said = "one update was enough for each of them"
    else:
        said = f"{sum(one == 1.0 for one in found)} of {len(found)} needed one update only"
    return [
        f"Of whitened inputs the bowl of a linear unit is round, and the gradient points at the minimum: {said}, with "
        f"κ from {min(before):,.0f} to {max(before):,.0f} before. It is Newton's method for a linear unit, paid "
        "once, when the inputs are prepared.",
        "Whitening makes the directions in which the inputs hardly vary as large as all others. Where they hold "
        "nothing but noise, a network learns that noise as fast as the rest: the passes here are those to a training "
        "loss.",
    ]


TREATMENT = Treatment(
    raw={"center": True, "scale": "standard", "decorrelate": "none"},
    treated={"center": True, "scale": "standard", "decorrelate": "whiten"},
    raw_name="standardised",
    treated_name="whitened",
    made=correlated,
    made_name="correlations of {:g}",
)

LESSON = lesson_of(
    TREATMENT,
    Bowl(CORRELATED, WHITENED, TARGETS, "Two inputs with a correlation of 0.9, and whitened."),
    id="whitening",
    title="Whether inputs should be whitened",
    claim=(
        "Principal components divided by the roots of their eigenvalues turn an elliptic error surface into a round "
        "one, in which the gradient points at the minimum: training takes fewer passes to the same loss."
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
                "methods": [DESCENT],
                "most": 300,
                "seeds": 4,
                "tuning_seeds": 3,
            },
            "The full study adds correlations of 0.99, wine as a linear unit, networks on wine and digits, "
            "and adam; it has 10 seeds in place of 4, and looks for the rates with 6 others in place of 3.",
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
