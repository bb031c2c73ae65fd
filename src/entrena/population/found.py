"""What a comparison found: scores by split, what differs beyond chance, learning curves, time to a level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from entrena.data import Schema
from entrena.fitting import Fitted
from entrena.population.splits import Split
from entrena.population.statistics import (
    Difference,
    Posterior,
    Ranking,
    bayesian_t,
    corrected_t,
    holm,
    mean_interval,
)
from entrena.population.variants import Variant
from entrena.training import scores

COUNTED = ("accuracy", "balanced_accuracy", "f1", "f1_macro", "precision", "recall", "roc_auc", "average_precision")
EQUAL = 0.01  # of scores that are shares: so small a difference is none in practice


@dataclass(frozen=True, eq=False)
class Against:
    """A variant against the one with the best mean.

    Attributes:
        difference: How much better the best one is, in the direction in which the score is good.
        p_value: Of no difference, adjusted for all variants that are compared with the best (Holm).
        posterior: What a Bayesian holds of it; None where no size of difference is known to be negligible.
    """

    difference: Difference
    p_value: float
    posterior: Posterior | None


@dataclass(frozen=True, eq=False)
class OnData:
    """What came out on one data set.

    Attributes:
        data: Its name.
        schema: What is predicted.
        score: The score by which variants are compared.
        sizes: Rows: training and held out of a split, and test rows that were put aside.
        splits: The seed and the fold of each split.
        scores: For each score [splits, variants].
        means: For each variant mean, low and high of the score, over splits.
        best: The number of the variant with the best mean.
        against: For each variant how it stands against the best; None for the best itself, and with one split.
        curves: For each variant [splits, epochs] the mean loss of the rows that look on after each epoch, or of the
            training rows where a recipe held rows out; NaN after its end.
        epochs: [splits, variants] epochs that were run.
        level: A score's loss that all variants reach on the way: the worst of their mean last losses.
        epochs_to_level: [splits, variants] after how many epochs; NaN where never.
        seconds_an_epoch: [splits, variants] what an epoch takes: the network's share of the time of the program that it
            was trained beside others, of one core where every core has one; compilation left out.
        outcomes: For each split how each variant ended.
    """

    data: str
    schema: Schema
    score: str
    sizes: Mapping[str, int]
    splits: tuple[tuple[int, int], ...]
    scores: Mapping[str, np.ndarray]
    means: tuple[tuple[float, float, float], ...]
    best: int
    against: tuple[Against | None, ...]
    curves: tuple[np.ndarray, ...]
    epochs: np.ndarray
    level: float
    epochs_to_level: np.ndarray
    seconds_an_epoch: np.ndarray
    outcomes: tuple[tuple[str, ...], ...]

    @property
    def seconds_to_level(self) -> np.ndarray:
        """[splits, variants] how long it took to reach the level; NaN where never."""
        return self.epochs_to_level * self.seconds_an_epoch


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found.

    Attributes:
        variants: The recipes.
        results: What came out on each data set.
        ranking: Mean ranks over several data sets; None for one.
        seconds: How long it took.
        path: Its directory, or None where nothing was saved.
    """

    variants: tuple[Variant, ...]
    results: tuple[OnData, ...]
    ranking: Ranking | None
    seconds: float
    path: Path | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """Networks that are to be compared.

    Attributes:
        fitted: The networks.
        scores: Of each, on the rows that its split holds out.
        seconds_an_epoch: Of each.
    """

    fitted: Sequence[Fitted]
    scores: Sequence[Mapping[str, float]]
    seconds_an_epoch: Sequence[float]


def judge(
    data: str,
    schema: Schema,
    score: str,
    sizes: Mapping[str, int],
    splits: Sequence[Split],
    trained: Trained,
    n_variants: int,
) -> OnData:
    """What came out on one data set.

    Args:
        data: Its name.
        schema: What is predicted.
        score: The score that is compared.
        sizes: Rows: `training` and `held_out` of a split, and `test`.
        splits: The splits.
        trained: The networks, split by split, of each split all variants.
        n_variants: How many variants there are.
    """
    fitted, found = trained.fitted, trained.scores
    shape = (len(splits), n_variants)
    tables = {name: np.array([each[name] for each in found]).reshape(shape) for name in found[0]}
    share = sizes["held_out"] / (sizes["held_out"] + sizes["training"])
    sign = scores.sign(score.partition("(")[0])
    table = tables[score]
    best = int(np.nanargmax(sign * table.mean(axis=0))) if np.isfinite(table).any() else 0
    equal = EQUAL if _is_share(score) else None
    one_row = 1 / sizes["held_out"] if _is_share(score) else 0.0
    against: list[Against | None] = [None] * n_variants
    if len(splits) > 1:
        others = [k for k in range(n_variants) if k != best]
        differences = [corrected_t((sign * (table[:, best] - table[:, k])).tolist(), share, one_row) for k in others]
        adjusted = holm([each.p_value for each in differences])
        for k, difference, p_value in zip(others, differences, adjusted, strict=True):
            gained = (sign * (table[:, best] - table[:, k])).tolist()
            posterior = None if equal is None else bayesian_t(gained, share, equal, one_row)
            against[k] = Against(difference, p_value, posterior)
    curves = [[_curve(fitted[s * n_variants + k]) for s in range(len(splits))] for k in range(n_variants)]
    length = max(len(curve) for of_variant in curves for curve in of_variant)
    padded = [
        np.array([np.pad(curve, (0, length - len(curve)), constant_values=np.nan) for curve in of_variant])
        for of_variant in curves
    ]
    lasts = [np.nanmean([curve[-1] for curve in of_variant]) for of_variant in curves]
    level = float(np.max(lasts))
    to_level = np.array([[_epochs_to(curve, level) for curve in of_variant] for of_variant in curves]).T
    return OnData(
        data=data,
        schema=schema,
        score=score,
        sizes=sizes,
        splits=tuple((split.seed, split.fold) for split in splits),
        scores=tables,
        means=tuple(_mean(table[:, k], share, score, one_row) for k in range(n_variants)),
        best=best,
        against=tuple(against),
        curves=tuple(padded),
        epochs=np.array([each.training.checkpoint.epoch for each in fitted]).reshape(shape),
        level=level,
        epochs_to_level=to_level,
        seconds_an_epoch=np.array(trained.seconds_an_epoch).reshape(shape),
        outcomes=tuple(
            tuple(each.training.outcome.name for each in fitted[s * n_variants : (s + 1) * n_variants])
            for s in range(len(splits))
        ),
    )


def _mean(values: np.ndarray, share: float, score: str, one_row: float) -> tuple[float, float, float]:
    mean, low, high = mean_interval(values.tolist(), share, one_row)
    if score in COUNTED:  # no share lies beyond 0 and 1, whatever Student's t allows
        low, high = max(low, 0.0), min(high, 1.0)
    return mean, low, high


def _curve(fitted: Fitted) -> np.ndarray:
    """[epochs] the loss of the rows that look on, else of the validation rows, else of the training rows."""
    history = fitted.training.history
    seen = [record["loss"] if record["validation_loss"] is None else record["validation_loss"] for record in history]
    return np.array(seen, float)


def _epochs_to(curve: np.ndarray, level: float) -> float:
    reached = np.flatnonzero(curve <= level)
    return float(reached[0] + 1) if len(reached) else math.nan


def means(result: OnData) -> np.ndarray:
    """[variants] the means of the score."""
    return np.array([mean for mean, _, _ in result.means])


def _is_share(score: str) -> bool:
    return score in (*COUNTED, "mcc", "r2")
