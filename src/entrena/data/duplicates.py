"""Rows that occur twice: how many held-out rows stand in the training part as well."""

from __future__ import annotations

import hashlib

import numpy as np

from entrena.data.examples import Examples
from entrena.data.table import Column


def count_repeated(held: Examples, training: Examples) -> int:
    """How many rows of `held` have a row in `training` with equal inputs and equal target.

    Rows are compared by a checksum of 64 bits: among a million rows two different ones agree with a chance of 1 in
    30 million.
    """
    return int(np.isin(_checksums(held), _checksums(training)).sum())


def _checksums(examples: Examples) -> np.ndarray:
    """[rows] a checksum of each row's values, the same for the same values wherever they were read."""
    total = np.zeros(examples.n_rows, np.uint64)
    for column in examples.inputs:
        total += _mixed(_bits(column)) * _factor(column.name)
    targets = examples.targets
    if targets is not None:
        for number, values in enumerate(targets.reshape(len(targets), -1).T):
            total += _mixed(_bits_of(values)) * _factor(f"\0target {number}")
    return total


def _factor(name: str) -> np.uint64:
    """An odd factor for a column: the sum of products keeps columns apart."""
    return np.uint64(int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()) | 1)


def _mixed(bits: np.ndarray) -> np.ndarray:
    # The bits of small whole numbers are all at the upper end, which a product would push out.
    return bits ^ (bits >> np.uint64(32)) ^ (bits >> np.uint64(52))


def _bits(column: Column) -> np.ndarray:
    if column.kind == "text":
        codes = np.array([0, *map(_bits_of_text, column.levels)], np.uint64)
        return codes[column.values + 1]
    return _bits_of(column.values)


def _bits_of(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "UTO":
        distinct, inverse = np.unique(values, return_inverse=True)
        return np.array([_bits_of_text(str(value)) for value in distinct], np.uint64)[inverse]
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]").view(np.uint64)
    numbers = values.astype(np.float64) + 0.0  # -0.0 is 0.0
    numbers[np.isnan(numbers)] = np.nan
    return numbers.view(np.uint64)


def _bits_of_text(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())
