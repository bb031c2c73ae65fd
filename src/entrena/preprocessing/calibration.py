"""Calibration: probabilities that mean what they say, after the training and on validation rows.

Networks trained long enough are too sure. One number T, the temperature, divides the net inputs before they become
probabilities: above 1 it makes them more modest, below 1 surer. The order of a row's classes stays as it is, and with
it every prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from entrena.registry import Entry, Registry

LOWEST, HIGHEST = 0.05, 20.0  # where T is sought: validation rows that are all right would make it 0
N_COARSE = 13
PRECISION = 1e-5  # of ln T
GOLDEN = (math.sqrt(5) - 1) / 2
BLOCK_VALUES = 2**18  # net inputs that are worked on at a time

CALIBRATIONS = Registry(
    "targets.calibration",
    "Activations and outputs",
    (
        Entry(
            "none",
            "p = softmax(z)",
            "Probabilities are what the network says.",
            other_names=("off", "uncalibrated"),
        ),
        Entry(
            "temperature",
            "p = softmax(z/T), or logistic(z/T)",
            "One number, found on the validation rows, makes all probabilities more modest or surer, so that of the "
            "predictions made with 80 % about 80 % are right. The predicted classes stay the same.",
            source="Guo, Pleiss, Sun & Weinberger, On Calibration of Modern Neural Networks, ICML 2017",
            other_names=("temperature_scaling",),
        ),
    ),
)


def fit_temperature(
    z: np.ndarray, class_numbers: np.ndarray, output: str, sample_weight: np.ndarray | None = None
) -> float:
    """The temperature T from 0.05 to 20 of the least log loss of the probabilities of z/T.

    For softmax and for a single logistic output the log loss is convex in 1/T; for several logistic outputs, whose
    probabilities are divided by their sum, it need not be. So ln T is sought on a coarse grid first, and then around
    the best point by golden sections.

    Args:
        z: [rows, outputs] finite net inputs of the output layer; a single logistic output is the second class's.
        class_numbers: [rows] the true classes.
        output: `softmax` or `logistic`.
        sample_weight: [rows] weights of at least 0, or None: all equal.

    Returns:
        T; 1 where no row counts.
    """
    weight = np.ones(len(z)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    rows = weight > 0
    if not rows.all():
        z, class_numbers, weight = z[rows], class_numbers[rows], weight[rows]
    if not len(z):
        return 1.0
    weight = weight / weight.sum()

    def loss(log_t: float) -> float:
        return _log_loss(z, class_numbers, output, weight, math.exp(log_t))

    grid = np.linspace(math.log(LOWEST), math.log(HIGHEST), N_COARSE)
    best = int(np.argmin([loss(point) for point in grid]))
    low, high = float(grid[max(0, best - 1)]), float(grid[min(N_COARSE - 1, best + 1)])
    log_t = _golden_section(loss, low, high)
    # An end of the range is no inner point, and the temperature that changes nothing is kept where it is as good.
    candidates = (0.0, float(grid[0]), float(grid[-1]), log_t)
    return math.exp(min(candidates, key=loss))


def _golden_section(function: Callable[[float], float], low: float, high: float) -> float:
    """The least point of a function with one valley, to `PRECISION`."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    of_left, of_right = function(left), function(right)
    while high - low > PRECISION:
        if of_left <= of_right:
            high, right, of_right = right, left, of_left
            left = high - GOLDEN * (high - low)
            of_left = function(left)
        else:
            low, left, of_left = left, right, of_right
            right = low + GOLDEN * (high - low)
            of_right = function(right)
    return (low + high) / 2


def _log_loss(z: np.ndarray, class_numbers: np.ndarray, output: str, weight: np.ndarray, temperature: float) -> float:
    """The sum of weight·(−ln p(true class)), block by block, without probabilities that round to 0."""
    total = 0.0
    step = max(1, BLOCK_VALUES // z.shape[1])
    for first in range(0, len(z), step):
        block = slice(first, first + step)
        scores = _log_scores(z[block].astype(float) / temperature, output)
        true = scores[np.arange(len(scores)), class_numbers[block]]
        highest = scores.max(axis=1, keepdims=True)
        log_sum = highest[:, 0] + np.log(np.exp(scores - highest).sum(axis=1))
        total += float(weight[block] @ (log_sum - true))
    return total


def _log_scores(z: np.ndarray, output: str) -> np.ndarray:
    """Logarithms [rows, classes] of what is proportional to the probabilities."""
    if output == "softmax":
        return z
    if z.shape[1] == 1:
        return np.concatenate([np.zeros_like(z), z], axis=1)
    return np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))  # ln of the logistic function
