"""Scores: how good predictions are, in NumPy (importing scikit-learn would cost a second of every run).

A score of classes is called as `function(truth, probabilities)` with the true class numbers [rows] and the
probabilities [rows, classes]; a score of numbers as `function(truth, prediction)`, both [rows, outputs] in the
target's units. In the details: `task`, and `sign`, +1 where more is better. All take `sample_weight` [rows] or None.
"""

from __future__ import annotations

import numpy as np

from entrena.registry import Entry, Registry

Weight = np.ndarray | None


def accuracy(truth: np.ndarray, probabilities: np.ndarray, sample_weight: Weight = None) -> float:
    """The share of examples whose most probable class is the true one."""
    return float(np.average(probabilities.argmax(axis=1) == truth, weights=sample_weight))


def log_loss(truth: np.ndarray, probabilities: np.ndarray, sample_weight: Weight = None) -> float:
    """The mean of −ln p(true class), in nats; probabilities are kept above the least positive step of float64."""
    p = probabilities[np.arange(len(truth)), truth].astype(float)
    return float(np.average(-np.log(np.maximum(p, np.finfo(float).eps)), weights=sample_weight))


def roc_auc(truth: np.ndarray, probabilities: np.ndarray, sample_weight: Weight = None) -> float:
    """The probability that a random member of the second class gets a higher score than one of the first; ties half.

    Two classes only; NaN where one of them is absent.
    """
    score = probabilities[:, 1]
    weight = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, float)
    levels, level = np.unique(score, return_inverse=True)
    positive = np.bincount(level, weight * (truth == 1), len(levels))
    negative = np.bincount(level, weight * (truth == 0), len(levels))
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float(np.sum(positive * (below + negative / 2)) / pairs)


def rmse(truth: np.ndarray, prediction: np.ndarray, sample_weight: Weight = None) -> float:
    """√ of the mean squared error over rows and outputs, in the target's units."""
    return float(np.sqrt(np.average(np.square(truth - prediction).mean(axis=1), weights=sample_weight)))


def mae(truth: np.ndarray, prediction: np.ndarray, sample_weight: Weight = None) -> float:
    """The mean absolute error over rows and outputs, in the target's units."""
    return float(np.average(np.abs(truth - prediction).mean(axis=1), weights=sample_weight))


def r2(truth: np.ndarray, prediction: np.ndarray, sample_weight: Weight = None) -> float:
    """1 − residual variance/variance, the mean over the outputs; NaN for fewer than two rows.

    An output that is constant counts 1 where it is predicted exactly, else 0.
    """
    if len(truth) < 2:
        return float("nan")
    mean = np.average(truth, axis=0, weights=sample_weight)
    residual = np.average(np.square(truth - prediction), axis=0, weights=sample_weight)
    variance = np.average(np.square(truth - mean), axis=0, weights=sample_weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(variance > 0, 1 - residual / variance, np.where(residual == 0, 1.0, 0.0))
    return float(each.mean())


def _details(task: str, sign: int) -> dict[str, object]:
    return {"task": task, "sign": sign}


SCORES = Registry(
    "training.scoring",
    "Activations and outputs",
    (
        Entry(
            "accuracy",
            "share of rows with argmax_k p_k = true class",
            "How often the most probable class is right.",
            accuracy,
            details=_details("classification", 1),
        ),
        Entry(
            "log_loss",
            "mean of −ln p(true class)",
            "How probable the network held the truth; less is better.",
            log_loss,
            other_names=("neg_log_loss", "cross_entropy"),
            details=_details("classification", -1),
        ),
        Entry(
            "roc_auc",
            "P(p of a positive > p of a negative)",
            "How well two classes are ranked, whatever the threshold.",
            roc_auc,
            other_names=("auc",),
            details=_details("classification", 1),
        ),
        Entry(
            "rmse",
            "√ mean (t − y)²",
            "The typical error in the target's units; less is better.",
            rmse,
            other_names=("neg_root_mean_squared_error", "root_mean_squared_error", "mse", "neg_mean_squared_error"),
            details=_details("regression", -1),
        ),
        Entry(
            "mae",
            "mean |t − y|",
            "The mean error in the target's units; less is better.",
            mae,
            other_names=("neg_mean_absolute_error", "mean_absolute_error"),
            details=_details("regression", -1),
        ),
        Entry(
            "r2",
            "1 − Σ(t − y)² / Σ(t − mean t)²",
            "The share of the variance that is explained.",
            r2,
            other_names=("r_squared", "explained_variance"),
            details=_details("regression", 1),
        ),
    ),
)


def score(name: str, truth: np.ndarray, prediction: np.ndarray, sample_weight: Weight = None) -> float:
    """One score by its name."""
    function = SCORES[name].function
    assert function is not None
    return function(truth, prediction, sample_weight)


def sign(name: str) -> int:
    """+1 where a higher score is better, else −1."""
    return int(SCORES[name].details["sign"])
