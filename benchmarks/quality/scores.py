"""The scores of one set: log loss and accuracy, or the error in units of the target's spread; small losses are good."""

from __future__ import annotations

import numpy as np

SMALLEST = np.finfo(np.float64).eps  # a probability of 0 counts as this one, as in scikit-learn


def class_scores(
    probabilities: np.ndarray, learned: np.ndarray, targets: np.ndarray, classes: np.ndarray
) -> dict[str, float]:
    """Mean −log p of the right class, and the share of rows whose most probable class is right.

    Args:
        probabilities: [rows, learned classes]; a class that was not learned has probability 0.
        learned: [learned classes] what the columns stand for.
        targets: [rows] the right classes.
        classes: [classes] all of them.
    """
    place = {str(label): column for column, label in enumerate(learned)}
    full = np.zeros((len(targets), len(classes)))
    for column, label in enumerate(classes):
        if str(label) in place:
            full[:, column] = probabilities[:, place[str(label)]]
    if not np.isfinite(full).all():
        raise ValueError("a probability is not finite")
    right = (targets[:, None].astype(str) == classes[None, :].astype(str)).argmax(axis=1)
    p = np.clip(full[np.arange(len(targets)), right], SMALLEST, 1 - SMALLEST)
    return {"loss": float(-np.log(p).mean()), "accuracy": float((full.argmax(axis=1) == right).mean())}


def number_scores(predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """RMSE / σ, σ of the test targets (divided by n): 1 is as good as the test rows' own mean; its square is 1 − R²."""
    predictions = np.asarray(predictions, np.float64).reshape(-1)
    if not np.isfinite(predictions).all():
        raise ValueError("a prediction is not finite")
    return {"loss": float(np.sqrt(np.mean((predictions - targets) ** 2)) / targets.std())}
