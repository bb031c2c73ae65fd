"""Holding rows out: a random share with each class in proportion, whole groups, or the last rows in time."""

from __future__ import annotations

import numpy as np

from entrena.data.examples import Examples
from entrena.data.values import distinct
from entrena.errors import DataError


def hold_out(
    n_rows: int, share: float, generator: np.random.Generator, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Splits row numbers at random into those kept and those held out.

    Args:
        n_rows: How many rows there are.
        share: The share to hold out, above 0 and below 1; each side gets at least one row.
        generator: Where the randomness comes from.
        labels: [rows] classes; with them each class gives its share, to within a row, and no class gives its last
            row unless nothing else is left to give.

    Returns:
        (kept, held): row numbers from 0, each sorted.

    Raises:
        DataError: There are fewer than two rows.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be above 0 and below 1, not {share}")
    if n_rows < 2:
        raise DataError(f"holding rows out needs at least 2 rows, the data have {n_rows}")
    n_held = min(max(round(share * n_rows), 1), n_rows - 1)
    order = generator.permutation(n_rows)
    held = order[:n_held] if labels is None else _stratified(order, n_held, labels)
    is_held = np.zeros(n_rows, dtype=bool)
    is_held[held] = True
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def split_rows(
    examples: Examples, share: float, generator: np.random.Generator, *, stratify: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Holds rows out as the examples ask for: the last in time, whole groups, or each class in proportion.

    Args:
        examples: The rows, perhaps with times or groups.
        share: The share to hold out.
        generator: Where the randomness comes from.
        stratify: Whether the targets are classes.

    Returns:
        (kept, held): row numbers from 0, each sorted.
    """
    if examples.times is not None:
        return hold_out_last(examples.times, share)
    if examples.groups is not None:
        return hold_out_groups(examples.groups, share, generator)
    return hold_out(examples.n_rows, share, generator, examples.targets if stratify else None)


def hold_out_groups(groups: np.ndarray, share: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Holds whole groups out: in random order each that brings the rows held closer to the share.

    Args:
        groups: [rows] the number of each row's group.
        share: The share of the rows to hold out.
        generator: Where the randomness comes from.

    Returns:
        (kept, held): row numbers from 0, each sorted; no group is in both.

    Raises:
        DataError: There is one group only.
    """
    _, group_of, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise DataError(
            "holding groups out needs at least 2 groups, the rows have one: leave --group out, or give --test FILE"
        )
    wanted = share * len(groups)
    order = generator.permutation(len(counts))
    chosen: list[int] = []
    n_held = 0
    for group in order:
        if abs(n_held + counts[group] - wanted) < abs(n_held - wanted) and len(chosen) < len(counts) - 1:
            chosen.append(int(group))
            n_held += counts[group]
    if not chosen:  # every group has more than twice the rows that are wanted
        chosen = [int(order[counts[order].argmin()])]
    is_held = np.isin(group_of, chosen)
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def hold_out_last(times: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Holds the last rows in time out; rows of the same moment stay together.

    Args:
        times: [rows] numbers or moments.
        share: The share of the rows to hold out; the cut between two moments that comes closest to it is taken.

    Returns:
        (kept, held): row numbers from 0, each sorted; everything held is later than everything kept.

    Raises:
        DataError: All rows have the same time.
    """
    moments, counts = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise DataError(
            "holding the last rows out needs at least 2 different times, the rows have one: leave --time out, or give "
            "--test FILE"
        )
    later = np.cumsum(counts[::-1])[:-1]
    cut = moments[::-1][int(np.abs(later - share * len(times)).argmin())]
    is_held = times >= cut
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def _stratified(order: np.ndarray, n_held: int, labels: np.ndarray) -> np.ndarray:
    _, class_of = distinct(labels)
    counts = np.bincount(class_of)
    quotas = _quotas(counts, n_held)
    # Rows by class, within a class in random order: the first of each are held. Short integers sort in one pass.
    short = class_of.astype(np.uint16) if len(counts) <= 2**16 else class_of
    by_class = order[np.argsort(short[order], kind="stable")]
    starts = np.cumsum(counts) - counts
    return np.concatenate([by_class[start : start + quota] for start, quota in zip(starts, quotas, strict=True)])


def _quotas(counts: np.ndarray, n_held: int) -> np.ndarray:
    """Rows to hold of each class: the largest remainders, which sum to `n_held`."""
    exact = counts * (n_held / counts.sum())
    quotas = np.minimum(np.floor(exact).astype(np.int64), counts - 1)
    for limit in (counts - 1, counts):
        # A class is asked for its next row as long as it lags most behind its exact share.
        while quotas.sum() < n_held and (quotas < limit).any():
            lag = np.where(quotas < limit, exact - quotas, -np.inf)
            quotas[np.argmax(lag)] += 1
    return quotas


def fold_numbers(
    n_rows: int,
    n_folds: int,
    generator: np.random.Generator,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Deals rows out to folds of nearly equal size; where rows are few, some folds have none.

    Args:
        n_rows: How many rows there are.
        n_folds: How many folds.
        generator: Where the randomness comes from.
        labels: [rows] classes, of which each fold gets its share, to within a row; None: rows are all alike.
        groups: [rows] the group of each row: its rows stay in one fold, and labels are not looked at.

    Returns:
        [rows] the number of each row's fold, from 0.
    """
    if groups is not None:
        _, group_of, counts = np.unique(groups, return_inverse=True, return_counts=True)
        order = generator.permutation(len(counts))
        fold_of, sizes = np.empty(len(counts), np.int64), np.zeros(n_folds, np.int64)
        for group in order[np.argsort(-counts[order], kind="stable")]:  # the great ones first, while there is room
            fold_of[group] = sizes.argmin()
            sizes[fold_of[group]] += counts[group]
        return fold_of[group_of]
    order = generator.permutation(n_rows)
    if labels is not None:
        order = order[np.argsort(distinct(labels)[1][order], kind="stable")]
    folds = np.empty(n_rows, np.int64)
    folds[order] = np.arange(n_rows) % n_folds
    return folds
