"""Examples: inputs and targets side by side, as every room below the data sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Examples:
    """The rows of a data set.

    Attributes:
        inputs: [rows, columns] finite numbers, float64, or float32 where that loses nothing.
        targets: [rows] labels (int, str, bool, float) or numbers, or [rows, outputs] numbers; None for prediction.
        columns: The names of the input columns.
        target_names: The names of the targets.
        source: What messages call the data: a file's name, `digits`, `array`.
    """

    inputs: np.ndarray
    targets: np.ndarray | None
    columns: tuple[str, ...]
    target_names: tuple[str, ...]
    source: str

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.inputs)

    def take(self, rows: np.ndarray) -> Examples:
        """The examples of the given rows, in that order.

        Args:
            rows: [n] row numbers from 0, or a [rows] mask.
        """
        targets = None if self.targets is None else self.targets[rows]
        return replace(self, inputs=self.inputs[rows], targets=targets)
