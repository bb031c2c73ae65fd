"""Splits for a comparison: the same for every recipe, and none of them touches the test part."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from entrena.data import Examples, split_rows
from entrena.errors import UsageError
from entrena.training.seeds import generator

HELD_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Split:
    """Training rows and held-out rows, by number.

    Attributes:
        seed: Of the split, of first weights, orders and dropout.
        fold: Its number among the folds of the seed, from 0; 0 where there are no folds.
        training: [rows] numbers.
        held: [rows] numbers.
    """

    seed: int
    fold: int
    training: np.ndarray
    held: np.ndarray


def make_splits(examples: Examples, seeds: list[int], folds: int | None, *, stratify: bool) -> Iterator[Split]:
    """For each seed one split that holds a fifth of the rows out, or as many as there are folds.

    Groups stay together, and with times what is held out is later than what is trained on.

    Raises:
        UsageError: There are fewer rows, groups or members of a class than folds.
    """
    for seed in seeds:
        chance = generator(seed, "folds")
        if folds is None:
            yield Split(seed, 0, *split_rows(examples, HELD_SHARE, chance, stratify=stratify))
            continue
        for fold, (training, held) in enumerate(
            _folds(examples, folds, int(chance.integers(2**31)), stratify=stratify)
        ):
            yield Split(seed, fold, training, held)


def _folds(examples: Examples, folds: int, seed: int, *, stratify: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

    rows = np.arange(examples.n_rows)
    if examples.times is not None:
        different, time_of = np.unique(examples.times, return_inverse=True)
        _check(folds, len(different) - 1, "different times")
        for a, b in TimeSeriesSplit(folds).split(different):  # rows of the same time stay together
            yield np.flatnonzero(np.isin(time_of, a)), np.flatnonzero(np.isin(time_of, b))
        return
    most = None
    if stratify:
        most = int(np.unique(np.asarray(examples.targets), return_counts=True)[1].max())
    if examples.groups is not None:
        _check(folds, len(np.unique(examples.groups)), "groups")
        kind = StratifiedGroupKFold if most is not None and most >= folds else GroupKFold
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield from kind(folds, shuffle=True, random_state=seed).split(rows, examples.targets, examples.groups)
        return
    _check(folds, examples.n_rows, "rows")
    if most is not None:
        _check(folds, most, "rows of a class")
        with warnings.catch_warnings():  # a class with fewer rows than folds is in some folds only
            warnings.simplefilter("ignore", UserWarning)
            yield from StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, examples.targets)
        return
    yield from KFold(folds, shuffle=True, random_state=seed).split(rows)


def _check(folds: int, most: int, things: str) -> None:
    if folds > most:
        raise UsageError(f"--folds: {folds} are more than there are {things}: {most:,} at most")
