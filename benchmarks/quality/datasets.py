"""The tables, their halves, and one split for every learner."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parents[3] / "shared" / "data"
TEST_SHARE = 0.2
TARGET = "target"
DIGITS = "digits"

Half = Literal["choosing", "confirming", "extra"]


@dataclass(frozen=True)
class Dataset:
    """A line of the manifest.

    Attributes:
        name: Its name.
        task: binary, multiclass or regression.
        n_rows: All rows, test rows included.
        n_columns: Input columns.
        half: On which half of the sets it is; `extra` is on neither.
        most_rows: Training rows that are kept, each class its share; None for all.
    """

    name: str
    task: str
    n_rows: int
    n_columns: int
    half: Half
    most_rows: int | None = None

    @property
    def has_classes(self) -> bool:
        return self.task != "regression"


@dataclass(frozen=True)
class Parts:
    """The rows of one set and seed, the same for every learner.

    Attributes:
        train: [rows, columns] inputs as the file types them: numbers with NaN, categories with NaN.
        train_targets: [rows] texts or numbers.
        test: [rows, columns] inputs of the test rows.
        test_targets: [rows] texts or numbers.
        classes: All classes of the set, sorted; None for numbers.
    """

    train: pd.DataFrame
    train_targets: np.ndarray
    test: pd.DataFrame
    test_targets: np.ndarray
    classes: np.ndarray | None


@cache
def all_sets() -> dict[str, Dataset]:
    """Every tabular set, small ones first, and digits.

    Defaults are chosen on the 1st, 3rd, 5th … set of each task in the manifest's order, and confirmed on the others.
    """
    with (FOLDER / "manifest.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["task"] != "image"]
    sets, seen = [], dict.fromkeys(("binary", "multiclass", "regression"), 0)
    for line in lines:
        task = line["task"]
        half: Half = "choosing" if seen[task] % 2 == 0 else "confirming"
        seen[task] += 1
        n_columns = int(line["numeric_columns"]) + int(line["categorical_columns"])
        sets.append(Dataset(line["name"], task, int(line["rows"]), n_columns, half))
    sets.append(Dataset(DIGITS, "multiclass", 1797, 64, "extra"))
    return {each.name: each for each in sorted(sets, key=lambda each: (each.n_rows, each.name))}


def find(name: str) -> Dataset:
    """A set by its name; `adult@500` is adult with 500 training rows and the same test rows."""
    stem, _, rows = name.partition("@")
    return replace(all_sets()[stem], most_rows=int(rows) if rows else None)


def names_of(half: Half) -> list[str]:
    """The sets of a half, small ones first."""
    return [name for name, each in all_sets().items() if each.half == half]


def load(dataset: Dataset) -> tuple[pd.DataFrame, np.ndarray]:
    """[rows, columns] inputs and [rows] targets, in the file's order."""
    if dataset.name == DIGITS:
        from sklearn.datasets import load_digits

        bunch = load_digits(as_frame=True)
        return bunch.data, bunch.target.astype(str).to_numpy(object)
    import pyarrow.parquet as parquet

    frame = parquet.read_table(FOLDER / f"{dataset.name}.parquet").to_pandas()
    targets = frame.pop(TARGET)
    return frame, targets.astype(str).to_numpy(object) if dataset.has_classes else targets.to_numpy(np.float64)


def split(dataset: Dataset, seed: int) -> Parts:
    """A fifth of the rows for the test, drawn with a seed; of each class its share, and never all of a class."""
    inputs, targets = load(dataset)
    classes = np.unique(targets.astype(str)).astype(object) if dataset.has_classes else None
    is_test = draw_test_rows(targets, seed, stratify=dataset.has_classes)
    train, test = inputs[~is_test].reset_index(drop=True), inputs[is_test].reset_index(drop=True)
    train_targets = targets[~is_test]
    if dataset.most_rows is not None and dataset.most_rows < len(train):
        share = 1 - dataset.most_rows / len(train)
        kept = ~draw_test_rows(train_targets, seed, stratify=dataset.has_classes, share=share)
        train, train_targets = train[kept].reset_index(drop=True), train_targets[kept]
    return Parts(train, train_targets, test, targets[is_test], classes)


def draw_test_rows(targets: np.ndarray, seed: int, *, stratify: bool, share: float = TEST_SHARE) -> np.ndarray:
    """[rows] whether a row is for the test.

    >>> int(draw_test_rows(np.array(["a"] * 6 + ["b"] * 4 + ["c"]), 0, stratify=True).sum())
    2
    """
    generator = np.random.default_rng(seed)
    n_test = round(share * len(targets))
    chosen = np.zeros(len(targets), bool)
    if not stratify:
        chosen[generator.permutation(len(targets))[:n_test]] = True
        return chosen
    _, numbers, sizes = np.unique(targets.astype(str), return_inverse=True, return_counts=True)
    exact = sizes * n_test / len(targets)
    counts = np.minimum(np.floor(exact).astype(int), sizes - 1)
    left = np.where(counts < sizes - 1, exact - counts, -1.0)  # a class keeps a row to be learned from
    counts[np.argsort(-left, kind="stable")[: n_test - counts.sum()]] += 1
    for number, count in enumerate(counts):
        rows = np.flatnonzero(numbers == number)
        chosen[generator.permutation(rows)[:count]] = True
    return chosen
