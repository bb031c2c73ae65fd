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
        p_value: Of no difference, adjusted for all pairs of variants (Holm).
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
        n_compared: How many splits count: those that hold the same rows out count once.
        n_undefined: Splits that do not count, because the score is not defined on them for every variant.
        means: For each variant mean, low and high of the score, over the splits that count.
        best: The number of the variant with the best mean.
        against: For each variant how it stands against the best; None for the best itself, and with one split.
        curves: For each variant [splits, epochs] the mean loss of the rows that look on after each epoch, or of the
            training rows where a recipe held rows out; NaN after its end.
        epochs: [splits, variants] epochs that were run.
        level: A loss that all variants reach: in each split the least loss of the slowest one; the mean over splits.
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
    n_compared: int
    n_undefined: int
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
    names = [name for name in found[0] if all(name in each for each in found)]
    tables = {name: np.array([each[name] for each in found]).reshape(shape) for name in names}
    share = float(np.mean([len(split.held) / (len(split.held) + len(split.training)) for split in splits]))
    one_row = 1 / sizes["held_out"] if _is_share(score) else 0.0
    compared = _that_count(tables[score], splits)
    best, against = _against_the_best(compared, score, share, one_row)
    curves = [[_curve(fitted[s * n_variants + k]) for k in range(n_variants)] for s in range(len(splits))]
    length = max(len(curve) for of_split in curves for curve in of_split)
    padded = np.array(
        [[np.pad(curve, (0, length - len(curve)), constant_values=np.nan) for curve in row] for row in curves]
    )
    levels = [_slowest(row) for row in curves]
    known = [level for level in levels if math.isfinite(level)]
    return OnData(
        data=data,
        schema=schema,
        score=score,
        sizes=sizes,
        splits=tuple((split.seed, split.fold) for split in splits),
        scores=tables,
        n_compared=len(compared),
        n_undefined=int((~np.isfinite(tables[score]).all(axis=1)).sum()),
        means=tuple(_mean(compared[:, k], share, score, one_row) for k in range(n_variants)),
        best=best,
        against=against,
        curves=tuple(padded[:, k] for k in range(n_variants)),
        epochs=np.array([each.training.checkpoint.epoch for each in fitted]).reshape(shape),
        level=float(np.mean(known)) if known else math.nan,
        epochs_to_level=np.array(
            [[_epochs_to(curve, level) for curve in row] for row, level in zip(curves, levels, strict=True)]
        ),
        seconds_an_epoch=np.array(trained.seconds_an_epoch).reshape(shape),
        outcomes=tuple(
            tuple(each.training.outcome.name for each in fitted[s * n_variants : (s + 1) * n_variants])
            for s in range(len(splits))
        ),
    )


def _that_count(table: np.ndarray, splits: Sequence[Split]) -> np.ndarray:
    """[splits, variants] the scores of splits that hold different rows out, those of equal ones as their mean.

    With times every seed holds the same rows out: more seeds are no more splits. Splits on which the score is not
    defined are left out.
    """
    by_rows: dict[bytes, list[int]] = {}
    for number, split in enumerate(splits):
        if np.isfinite(table[number]).all():
            by_rows.setdefault(np.sort(split.held).tobytes(), []).append(number)
    return np.array([table[numbers].mean(axis=0) for numbers in by_rows.values()]).reshape(-1, table.shape[1])


def _against_the_best(
    table: np.ndarray, score: str, share: float, one_row: float
) -> tuple[int, tuple[Against | None, ...]]:
    """The variant with the best mean, and how the others stand against it.

    The best is found by the scores that are tested, so p-values are adjusted for all pairs, not for the others alone.
    """
    table = scores.sign(score.partition("(")[0]) * table
    n = table.shape[1]
    best = int(table.mean(axis=0).argmax()) if len(table) else 0
    against: list[Against | None] = [None] * n
    if len(table) > 1:
        pairs = [(i, j) for i in range(n) for j in range(i)]
        found = holm([corrected_t((table[:, i] - table[:, j]).tolist(), share, one_row).p_value for i, j in pairs])
        adjusted = {frozenset(pair): p_value for pair, p_value in zip(pairs, found, strict=True)}
        equal = EQUAL if _is_share(score) else None
        for k in range(n):
            if k != best:
                gained = (table[:, best] - table[:, k]).tolist()
                posterior = None if equal is None else bayesian_t(gained, share, equal, one_row)
                against[k] = Against(corrected_t(gained, share, one_row), adjusted[frozenset((best, k))], posterior)
    return best, tuple(against)


def _slowest(curves: Sequence[np.ndarray]) -> float:
    """The least loss that all variants reach on one split; those that never had a loss left out."""
    least = [curve[np.isfinite(curve)].min() for curve in curves if np.isfinite(curve).any()]
    return float(max(least)) if least else math.nan


def _mean(values: np.ndarray, share: float, score: str, one_row: float) -> tuple[float, float, float]:
    if len(values) == 0:
        return math.nan, math.nan, math.nan
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
