"""The examples as the network sees them, and as the compiled program takes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from entrena.training.plan import VALIDATION_BLOCK, Plan, round_up
from entrena.training.structure import Data, Sight


@dataclass(frozen=True)
class TrainingPart:
    """Examples as the network sees them.

    Attributes:
        inputs: [rows, inputs].
        targets: [rows, outputs].
        weight: The weight of each row, of mean 1 over the rows with a weight above 0, or None: all equal.
        table_rows: Where both arrays are tables of `blank_table`, whose last rows are no examples: how many are. Such
            tables belong to the training and are not copied again.
        classes: The number of each row's class, for orders that ask for it; else None.
        sight: Where the inputs are images as they were read, but for their scale: what makes inputs of them; else None.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weight: np.ndarray | None = None
    table_rows: int | None = None
    classes: np.ndarray | None = None
    sight: Sight | None = None

    @property
    def n_rows(self) -> int:
        """The number of examples."""
        return len(self.inputs) if self.table_rows is None else self.table_rows

    def seen_rows(self) -> np.ndarray:
        """[rows, inputs] as the network sees them without augmentation."""
        rows = self.inputs[: self.n_rows]
        if self.sight is None:
            return rows
        rows = rows - np.asarray(self.sight.shift)
        return rows if self.sight.turn is None else rows @ np.asarray(self.sight.turn)


@dataclass(frozen=True)
class ValidationPart(TrainingPart):
    """Held-out examples, and how good the network's outputs for them are.

    Attributes:
        score: From the output layer's net inputs [rows, outputs] to the score that people read.
        score_name: What that score is.
    """

    score: Callable[[np.ndarray], float] = field(kw_only=True)
    score_name: str = field(default="score", kw_only=True)


def blank_table(n_rows: int, n_columns: int, dtype: str) -> np.ndarray:
    """Zeros [rows of the next size of the ladder, columns] to be filled with `n_rows` examples.

    They begin at a multiple of 64 bytes: JAX on a CPU uses such an array as it is, without another copy.
    """
    shape = (round_up(n_rows), n_columns)
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.zeros(n_bytes + 64, np.uint8)
    first = -buffer.ctypes.data % 64
    return buffer[first : first + n_bytes].view(dtype).reshape(shape)


def without_weight_zero(part: TrainingPart) -> TrainingPart:
    """The rows that count: those whose weight is not 0."""
    if part.weight is None or np.all(part.weight != 0):
        return part
    rows = np.flatnonzero(part.weight)
    classes = None if part.classes is None else part.classes[rows]
    own = part.inputs[rows], part.targets[rows], part.weight[rows]
    return TrainingPart(*own, classes=classes, sight=part.sight)


def padded(training: TrainingPart, validation: ValidationPart | None, plan: Plan) -> Data:
    """The arrays as the program takes them: rows padded to a size of the ladder, validation rows in equal blocks."""

    def grow(array: np.ndarray, n_rows: int) -> Any:
        # A copy even where the size is right: the program may still read an array that the caller changes later.
        grown = blank_table(n_rows, array.shape[1], plan.dtype)
        grown[: len(array)] = array
        return grown[:n_rows]

    inputs: Any = training.inputs
    targets: Any = training.targets
    if training.table_rows is None:
        inputs, targets = grow(inputs, round_up(len(inputs))), grow(targets, round_up(len(targets)))
    if validation is None:
        n_inputs = plan.structure.network.sizes[0] if training.sight is not None else inputs.shape[1]
        none: Any = [np.zeros((0, 1, n), plan.dtype) for n in (n_inputs, targets.shape[1])]
        return Data(inputs, targets, none[0], none[1], training.sight)
    blocks, rows = validation_shape(len(validation.inputs))
    held = [grow(array, blocks * rows) for array in (validation.inputs, validation.targets)]
    return Data(inputs, targets, *(table.reshape(blocks, rows, -1) for table in held), training.sight)  # type: ignore[call-arg]


def validation_shape(n_rows: int) -> tuple[int, int]:
    """How validation rows are cut: blocks, and rows of each."""
    if n_rows == 0:
        return 0, 1
    rows = min(VALIDATION_BLOCK, round_up(n_rows))
    return round_up(-(-n_rows // rows)), rows
