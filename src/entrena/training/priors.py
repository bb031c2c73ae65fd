"""The shares of the classes, where an order draws them in others: put back into what the network predicts.

Source: Saerens, Latinne & Decaestecker, Neural Computation 14 (2002), eq. 2.4, for known priors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from entrena.registry import Choice
from entrena.training.order import ORDERS, class_shares
from entrena.training.parts import TrainingPart


def prior_shift(order: Choice, output: str, training: TrainingPart) -> tuple[float, ...]:
    """What puts the shares of the classes back into the output layer's net inputs: log-odds + log(true/drawn prior).

    A softmax needs log(true/drawn) of each class, a logistic unit the difference of the two log-odds of its class.
    Empty where the order draws the classes as they are, or where they shall stay as they were drawn.
    """
    if not ORDERS.settings_of(order).get("restore_priors"):
        return ()
    assert training.classes is not None
    true, drawn = class_shares(training.classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(true / drawn)
        odds = ratio - np.log((1 - true) / (1 - drawn))
    shift = ratio if output == "softmax" else odds
    n = training.targets.shape[1]
    shift = np.where(np.isfinite(shift), shift, 0.0)  # of classes without rows, or of a single one
    shift = np.pad(shift, (0, max(0, n - len(shift))))[-n:]
    return tuple(float(each) for each in shift)


def priors(order: Choice, classes: np.ndarray | None) -> dict[str, Any] | None:
    """The shares of the classes in the training rows and in the draws, and by which the network predicts.

    None where rows are drawn as often as they are there.
    """
    settings = ORDERS.settings_of(order)
    if "restore_priors" not in settings or classes is None:
        return None
    true, drawn = class_shares(classes)
    return {"true": true.tolist(), "drawn": drawn.tolist(), "restored": bool(settings["restore_priors"])}
