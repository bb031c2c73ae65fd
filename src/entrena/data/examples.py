"""Examples: inputs and targets side by side, and what else is known of each row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from entrena.data.table import Table


@dataclass(frozen=True, eq=False)
class Examples:
    """The rows of a data set.

    Attributes:
        inputs: The columns beside the targets.
        targets: [rows] labels (int, str, bool, float) or numbers, or [rows, outputs] numbers; None for prediction.
        target_names: The names of the targets.
        source: What messages call the data: a file's name, `digits`, `array`.
        weight: [rows] how much each row counts, or None: all alike.
        groups: [rows] the name of each row's group, or None: rows of a group stay on one side of a split.
        times: [rows] numbers or moments in whose order the rows are split, or None.
        n_without_target: Rows of the source that were left out because their target is missing.
    """

    inputs: Table
    targets: np.ndarray | None
    target_names: tuple[str, ...]
    source: str
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    n_without_target: int = 0

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.inputs.n_rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the input columns."""
        return self.inputs.names

    def take(self, rows: np.ndarray) -> Examples:
        """The examples of the given rows, in that order.

        Args:
            rows: [n] row numbers from 0, or a [rows] mask.
        """
        own = {
            name: None if values is None else values[rows]
            for name, values in (
                ("targets", self.targets),
                ("weight", self.weight),
                ("groups", self.groups),
                ("times", self.times),
            )
        }
        return replace(self, inputs=self.inputs.take(rows), **own)  # type: ignore[arg-type]

    def pick(self, columns: tuple[str, ...]) -> Examples:
        """The examples with these input columns only, in that order."""
        return replace(self, inputs=self.inputs.pick(columns))
