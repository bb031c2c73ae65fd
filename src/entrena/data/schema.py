"""Schema: which columns a model reads, what it predicts, and the classes there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from entrena.data.examples import Examples
from entrena.errors import DataError, did_you_mean

Task = Literal["classification", "regression"]
Label = bool | int | float | str

# So many distinct whole numbers are classes; a column with more of them counts something.
FEW_CLASSES = 20

# Below this many classes nobody is asked whether they are meant as classes.
MANY_CLASSES = 100


@dataclass(frozen=True)
class Schema:
    """What a model reads and what it predicts.

    Attributes:
        columns: The names of the input columns, in the order of the inputs.
        target_names: The names of the targets.
        task: `classification` or `regression`.
        classes: The classes in sorted order, as plain Python values; None for regression.
    """

    columns: tuple[str, ...]
    target_names: tuple[str, ...]
    task: Task
    classes: tuple[Label, ...] | None = None

    def to_plain(self) -> dict[str, Any]:
        """The schema as lists and texts for JSON; `from_plain` gives it back."""
        return {
            "columns": list(self.columns),
            "target_names": list(self.target_names),
            "task": self.task,
            "classes": None if self.classes is None else list(self.classes),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Schema:
        """The schema that `to_plain` wrote."""
        classes = plain["classes"]
        return cls(
            tuple(plain["columns"]),
            tuple(plain["target_names"]),
            plain["task"],
            None if classes is None else tuple(classes),
        )


def infer_schema(examples: Examples, task: Task | None = None) -> Schema:
    """What the examples ask for: classes or numbers.

    Texts and truth values are classes, and so are whole numbers where there are at most 20 distinct ones. Everything
    else, and several targets, are numbers to predict; of numbers with a decimal point only 0.0 and 1.0 are classes.

    Args:
        examples: The training data, with targets.
        task: The task, where the user says it.

    Raises:
        DataError: There are fewer than two rows or classes, or the targets do not fit the task.
    """
    targets, source, names = examples.targets, examples.source, examples.target_names
    if examples.n_rows < 2:
        raise DataError(f"{source}: training needs at least 2 rows, the data have {examples.n_rows}")
    if targets is None:
        raise DataError(f"{source}: training needs targets")
    if targets.ndim == 2:
        if task == "classification":
            raise DataError(f"{source}: {targets.shape[1]} targets are regression; classification has one target")
        return Schema(examples.columns, names, "regression")
    target = f"{source}: target '{names[0]}'"
    if task == "regression":
        if targets.dtype.kind in "UT":
            raise DataError(f"{target} holds text, such as '{targets[0]}'; regression needs numbers")
        _refuse_constant(targets, target)
        return Schema(examples.columns, names, "regression")
    values = np.unique(targets)
    if task is None and not _are_classes(values):
        _refuse_constant(targets, target)
        return Schema(examples.columns, names, "regression")
    if len(values) < 2:
        raise DataError(f"{target} holds one class only, {values[0].item()!r}; classification needs at least two")
    if len(values) > max(MANY_CLASSES, len(targets) // 2):
        raise DataError(
            f"{target} has {len(values):,} distinct values in {len(targets):,} rows: too many for classes; "
            "a class needs several rows, a number to predict is regression"
        )
    return Schema(examples.columns, names, "classification", tuple(value.item() for value in values))


def _refuse_constant(targets: np.ndarray, target: str) -> None:
    if (targets == targets[0]).all():
        raise DataError(f"{target} has the same value in every row, {targets[0]:g}: there is nothing to learn")


def _are_classes(values: np.ndarray) -> bool:
    if values.dtype.kind in "UTb":
        return True
    if values.dtype.kind == "f":  # a table that writes 3.0 means a number; 0.0 and 1.0 may be yes and no
        return len(values) == 2 and set(values.tolist()) == {0.0, 1.0}
    return len(values) <= FEW_CLASSES


def class_numbers(labels: np.ndarray, classes: tuple[Label, ...], *, source: str = "targets") -> np.ndarray:
    """The number of each label's class, from 0 in the order of `classes`.

    Labels are compared as Python compares them, so 1, 1.0 and true are the same class.

    Args:
        labels: [rows] labels.
        classes: The classes.
        source: What the message calls the data.

    Returns:
        [rows] whole numbers.

    Raises:
        DataError: A label is none of the classes.
    """
    number_of = {label: number for number, label in enumerate(classes)}
    distinct, inverse = np.unique(labels, return_inverse=True)
    plain = [value.item() if isinstance(value, np.generic) else value for value in distinct]
    for value in plain:
        if value not in number_of:
            texts = [label for label in classes if isinstance(label, str)]
            # A number is not misspelt; and with repr, the text '1' is seen to be another class than the number 1.
            listed = ", ".join(repr(label) for label in classes[:12])
            hint = did_you_mean(value, texts) if isinstance(value, str) and texts else f"there are {listed}"
            raise DataError(f"{source}: unknown class {value!r}; {hint}")
    return np.array([number_of[value] for value in plain], dtype=np.int64)[inverse]
