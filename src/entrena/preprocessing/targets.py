"""Targets: classes as outputs, numbers on a scale that is easy to learn, and the way back.

A function of the registry `TARGET_CODINGS` is called as `function(numbers, n_classes, dtype)` with [rows] class numbers
and returns [rows, n_classes]; one of `TARGET_SCALES` as `function(statistics)` with `ColumnStatistics`, and returns the
pair (shift, scale), each [outputs].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from entrena.data.schema import Label, Schema, Task, class_numbers
from entrena.errors import DataError, Problem, RecipeError, did_you_mean
from entrena.preprocessing.scaling import EFFICIENT_BACKPROP, standard, unscaled
from entrena.preprocessing.statistics import ColumnStatistics, check_weights, column_statistics
from entrena.registry import Entry, Registry

if TYPE_CHECKING:
    from entrena.preprocessing.settings import TargetSettings


def one_hot(numbers: np.ndarray, n_classes: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """1 in the column of the row's class, 0 elsewhere: [rows, n_classes]."""
    out = np.zeros((len(numbers), n_classes), dtype)
    if len(numbers) == 1:  # for streams that bring one row at a time
        out[0, numbers[0]] = 1
    else:
        out[np.arange(len(numbers)), numbers] = 1
    return out


TARGET_CODINGS = Registry(
    "targets.target_coding",
    "Activations and outputs",
    (
        Entry(
            "one_hot",
            "t_k = 1 for the row's class k, else 0",
            "One output for each class, the share of rows that belong to it: what softmax and cross-entropy expect.",
            one_hot,
            other_names=("OneHotEncoder", "onehot", "one-hot", "dummy", "get_dummies", "to_categorical"),
            lesson="target_saturation",
        ),
    ),
)


def _standard(statistics: ColumnStatistics) -> tuple[np.ndarray, np.ndarray]:
    return standard(statistics, center=True)


def _none(statistics: ColumnStatistics) -> tuple[np.ndarray, np.ndarray]:
    return unscaled(statistics, center=False)


TARGET_SCALES = Registry(
    "targets.target_scale",
    "Activations and outputs",
    (
        Entry(
            "standard",
            "t′ = (t − μ)/σ",
            "Targets of mean 0 and standard deviation 1, so that one learning rate suits prices and shares alike.",
            _standard,
            source=EFFICIENT_BACKPROP,
            other_names=("StandardScaler", "zscore", "z-score", "z_score", "standardize"),
        ),
        Entry(
            "none",
            "t′ = t",
            "The network learns the numbers as they are.",
            _none,
            other_names=("passthrough", "identity", "off", "raw"),
        ),
    ),
)


@dataclass(frozen=True, eq=False)
class TargetCoder:
    """Between targets as users know them and outputs as the network learns them.

    Attributes:
        task: `classification` or `regression`.
        coding: The name of the coding of classes.
        target_scale: The name of the scale of numbers.
        classes: The classes in the order of the outputs; None for regression.
        target_names: The names of the targets.
        shift: [outputs] float64; zeros for classification.
        scale: [outputs] float64; ones for classification.
    """

    task: Task
    coding: str
    target_scale: str
    classes: tuple[Label, ...] | None
    target_names: tuple[str, ...]
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(
        cls, targets: np.ndarray, schema: Schema, settings: TargetSettings, sample_weight: np.ndarray | None = None
    ) -> TargetCoder:
        """Learns the classes from the schema, or mean and deviation from training rows.

        Args:
            targets: [rows] labels or numbers, or [rows, outputs] numbers.
            schema: The task and its classes.
            settings: How to code them.
            sample_weight: [rows] weights; rows of weight 0 are as if they were not there.

        Raises:
            DataError: The weights do not fit.
        """
        if schema.classes is not None:
            shift, scale = np.zeros(len(schema.classes)), np.ones(len(schema.classes))
        else:
            entry = TARGET_SCALES[settings.target_scale.name]
            assert entry.function is not None
            shift, scale = entry.function(column_statistics(_as_columns(targets), sample_weight))
        names = settings.target_coding.name, settings.target_scale.name
        return cls(schema.task, *names, schema.classes, schema.target_names, shift, scale)

    @property
    def n_outputs(self) -> int:
        """The number of outputs: one for each class, or for each target."""
        return len(self.shift)

    def encode(self, targets: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
        """Targets as the network learns them.

        Args:
            targets: [rows] labels or numbers, or [rows, outputs] numbers.
            dtype: The type of the result.

        Returns:
            [rows, outputs], a fresh array.

        Raises:
            DataError: A label is none of the classes, there is another number of targets, or a number is beyond the
                range of `dtype`.
        """
        if self.classes is not None:
            numbers = class_numbers(targets, self.classes, source=f"target '{self.target_names[0]}'")
            return self.encode_numbered(numbers, dtype)
        columns = _as_columns(targets)
        if columns.shape[1] != self.n_outputs:
            raise DataError(f"there are {columns.shape[1]} targets; the model was trained on {self.n_outputs}")
        # Halves, as for inputs: the difference of two large numbers may be beyond float64.
        half = 0.5 if max(np.abs(self.shift).max(), self.scale.max()) > np.finfo(np.float64).max / 4 else 1.0
        with np.errstate(over="ignore"):
            encoded = ((columns * half - self.shift * half) / (self.scale * half)).astype(dtype)
        if not np.isfinite(encoded).all():
            raise DataError(f"a target is beyond the range of {np.dtype(dtype)}; targets.target_scale = standard helps")
        return encoded

    def encode_numbered(self, numbers: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
        """Classes by their numbers as the network learns them, [rows, outputs]."""
        coding = TARGET_CODINGS[self.coding].function
        assert coding is not None and self.classes is not None
        return coding(numbers, len(self.classes), dtype)

    def decode_numbers(self, outputs: np.ndarray) -> np.ndarray:
        """The network's outputs as numbers in the targets' units, for regression.

        Args:
            outputs: [rows, outputs].

        Returns:
            float64, [rows] where there is one target, else [rows, outputs].
        """
        if self.classes is not None:
            raise ValueError("the outputs of a classification are no numbers in the targets' units")
        numbers = np.asarray(outputs, dtype=np.float64) * self.scale + self.shift
        return numbers[:, 0] if self.n_outputs == 1 else numbers

    def to_plain(self) -> dict[str, Any]:
        """What is no array, for JSON."""
        return {
            "task": self.task,
            "target_coding": self.coding,
            "target_scale": self.target_scale,
            "classes": None if self.classes is None else list(self.classes),
            "target_names": list(self.target_names),
        }

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays; `from_parts` gives the coder back."""
        return {"shift": self.shift, "scale": self.scale}

    @classmethod
    def from_parts(cls, plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TargetCoder:
        """The coder that `to_plain` and `to_arrays` wrote."""
        classes = plain["classes"]
        return cls(
            plain["task"],
            plain["target_coding"],
            plain["target_scale"],
            None if classes is None else tuple(classes),
            tuple(plain["target_names"]),
            arrays["shift"],
            arrays["scale"],
        )


def smoothed(coded: np.ndarray, settings: TargetSettings, classes: Sequence[Label] | None) -> np.ndarray:
    """One-hot targets with `label_smoothing` ε: (1 − ε)·t + ε/K for K classes; others as they are.

    Source: Szegedy et al., CVPR (2016), section 7.

    Args:
        coded: [rows, outputs]; of two classes one output may stand for the second.
        settings: The recipe's section.
        classes: The classes; None for regression.
    """
    share = settings.label_smoothing
    if classes is None or share == 0:
        return coded
    return (coded * (1 - share) + share / len(classes)).astype(coded.dtype)


def _as_columns(targets: np.ndarray) -> np.ndarray:
    columns = targets[:, None] if targets.ndim == 1 else targets
    return columns.astype(np.float64, copy=False)


def class_weights(
    settings: TargetSettings,
    labels: np.ndarray,
    classes: Sequence[Label] | None,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:
    """The weight that each row gets from its class; sample weights are not multiplied in.

    `balanced`: n/(k·n_c) for a class of n_c of the n rows, with k classes; n and n_c are sums of sample weights. A
    table gives the classes' weights, 1 where a class is not named.

    Args:
        settings: The choice of `class_weight`.
        labels: [rows] labels.
        classes: The classes; None for regression.
        sample_weight: [rows] weights, or None.

    Returns:
        [rows] float64.

    Raises:
        RecipeError: A class in the table is not in the data, or the task is regression.
        DataError: A label is none of the classes, or the sample weights do not fit.
    """
    choice = settings.class_weight
    if choice is None:
        return np.ones(len(labels))
    if classes is None:
        raise RecipeError([Problem("targets.class_weight", "is for classification; this target is regression")])
    numbers = class_numbers(labels, tuple(classes))
    weights = check_weights(sample_weight, len(labels))
    if choice == "balanced":
        counts = np.bincount(numbers, weights=weights, minlength=len(classes))
        # A class without rows needs no weight.
        of_class = counts.sum() / (len(classes) * np.where(counts > 0, counts, 1))
    else:
        of_class = _from_table(choice, classes)
    return of_class[numbers]


def _from_table(table: Mapping[str, float], classes: Sequence[Label]) -> np.ndarray:
    of_class = np.ones(len(classes))
    texts = {text: number for number, label in enumerate(classes) for text in _texts(label)}
    problems = []
    for text, weight in table.items():
        if text in texts:
            of_class[texts[text]] = weight
        else:
            hint = did_you_mean(text, [str(label) for label in classes])
            problems.append(Problem("targets.class_weight", f"unknown class '{text}': {hint}"))
    if problems:
        raise RecipeError(problems)
    return of_class


def _texts(label: Label) -> set[str]:
    """The ways in which a class can stand as a key of a recipe file: True and true, 1.0 and 1."""
    texts = {str(label)}
    if isinstance(label, bool):
        texts.add(str(label).lower())
    elif isinstance(label, float) and label.is_integer():
        texts.add(str(int(label)))
    return texts
