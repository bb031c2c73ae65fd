"""Scores of a stream: every row is tested before it is learned, so no row is held out and none is wasted.

The scores of all rows so far say how well the stream went; those of the last rows say how well the network does now,
after what may have changed.

Source: Gama, Sebastião & Rodrigues, "On evaluating stream learning algorithms", Machine Learning 90 (2013).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from entrena.data import Schema
from entrena.model import main_score, probabilities
from entrena.preprocessing import RunningMoments
from entrena.recipe import Recipe
from entrena.training import scores
from entrena.training.class_scores import LEAST_PROBABILITY

OF_A_ROW = ("truth", "predicted", "losses", "weight")


class Prequential:
    """The scores of a stream so far.

    Args:
        recipe: Its `scoring` says which score of the last rows is told.
        schema: The task and its classes.
        output: The network's output.
    """

    def __init__(self, recipe: Recipe, schema: Schema, output: str) -> None:
        self._schema, self._output = schema, output
        self._scoring = main_score(recipe, schema)
        n = 0 if schema.classes is not None else len(schema.target_names)
        # Σw; then Σw·hit and Σw·(−ln p) of classes, or Σw·error² and Σw·|error| of each target.
        self._sums = np.zeros(1 + (2 * n or 2))
        self._targets = RunningMoments.none(n)
        # Σw and Σw·hit of each class, where the mean over classes is what people read.
        self._of_classes = np.zeros((len(schema.classes or ()), 2))
        self._window: list[tuple[np.ndarray, ...]] = []

    @property
    def score_name(self) -> str:
        """The score of the last rows."""
        return str(self._scoring)

    def add(
        self, truth: np.ndarray, predicted: np.ndarray, losses: np.ndarray, weight: np.ndarray | None = None
    ) -> None:
        """Takes in rows.

        Args:
            truth: [rows] class numbers, or [rows, outputs] numbers.
            predicted: [rows, outputs] net inputs of the output layer for classes, or numbers in the targets' units.
            losses: [rows].
            weight: [rows] how much each counts.
        """
        weight = np.ones(len(losses)) if weight is None else weight
        if self._schema.classes is not None:
            predicted = probabilities(self._output, predicted)
            of_truth = np.maximum(predicted[np.arange(len(truth)), truth], LEAST_PROBABILITY)
            hits = predicted.argmax(axis=1) == truth
            values = np.stack([hits, -np.log(of_truth)], axis=1)
            np.add.at(self._of_classes, truth, np.stack([weight, weight * hits], axis=1))
        else:
            away = predicted - truth
            with np.errstate(over="ignore"):
                values = np.concatenate([np.square(away), np.abs(away)], axis=1)
            self._targets = self._targets.after(np.asarray(truth, float), weight)[2]
        # One row after the other, so that it does not matter how many come at once.
        rows = weight[:, None] * np.concatenate([np.ones((len(values), 1)), values], axis=1)
        self._sums = np.add.accumulate(np.concatenate([self._sums[None], rows]))[-1]
        self._window.append((truth, predicted, losses, weight))

    def look(self) -> tuple[float, float]:
        """The loss and the score of the rows since the last look, which begins a new window."""
        truth, predicted, losses, weight = self._joined()
        self._window.clear()
        loss = float(np.average(losses.astype(float), weights=weight))
        return loss, scores.score(self._scoring, truth, predicted, weight)

    @property
    def n_in_window(self) -> int:
        """Rows since the last look."""
        return sum(len(losses) for _, _, losses, _ in self._window)

    def overall(self) -> dict[str, float]:
        """The scores of all rows so far: accuracy and log loss, or R², RMSE and MAE (means over several outputs).

        In front balanced accuracy, the mean over the classes that came, where that is the score that people read.
        """
        weight, *sums = self._sums
        if weight == 0:
            return {}
        means = np.array(sums) / weight
        if self._schema.classes is not None:
            usual = {"accuracy": float(means[0]), "log_loss": float(means[1])}
            if self._scoring.name != "balanced_accuracy":
                return usual
            weights, hits = self._of_classes[self._of_classes[:, 0] > 0].T
            return {"balanced_accuracy": float(np.mean(hits / weights)), **usual}
        squares, sizes = np.split(means, 2)
        variance = np.square(self._targets.deviation)
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.where(variance > 0, 1 - squares / variance, np.nan)
        return {"r2": float(r2.mean()), "rmse": float(np.sqrt(squares).mean()), "mae": float(sizes.mean())}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays, from which `restore` goes on."""
        arrays = {"sums": self._sums, "of_classes": self._of_classes, **self._targets.to_arrays("targets")}
        if self._window:
            arrays |= {f"window.{name}": part for name, part in zip(OF_A_ROW, self._joined(), strict=True)}
        return arrays

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `to_arrays` made."""
        # Copies: sums are added to in place, and what was read may be shared.
        self._sums, self._of_classes = arrays["sums"].copy(), arrays["of_classes"].copy()
        self._targets = RunningMoments.of_arrays("targets", arrays)
        if "window.truth" in arrays:
            self._window = [tuple(arrays[f"window.{name}"] for name in OF_A_ROW)]

    def _joined(self) -> tuple[np.ndarray, ...]:
        return tuple(np.concatenate(parts) for parts in zip(*self._window, strict=True))
