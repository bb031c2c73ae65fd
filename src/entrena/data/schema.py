"""Schema: what each column is to a model, what it predicts, and the classes there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn

import numpy as np

from entrena.data.dialect import ReadOptions
from entrena.data.examples import Examples
from entrena.data.hints import is_numeral, look_like_numbers
from entrena.data.roles import ColumnRole
from entrena.data.table import Table, text_of
from entrena.data.values import distinct
from entrena.errors import DataError, did_you_mean, nearest, shortened

Task = Literal["classification", "regression"]
Label = bool | int | float | str

# So many distinct whole numbers are classes; a column with more of them counts something.
FEW_CLASSES = 20

# Below this many classes nobody is asked whether they are meant as classes.
MANY_CLASSES = 100

# An output for each class: so many are still a table of targets that fits the memory.
MOST_CLASSES = 2_000

# A class is rare where it has less than this share of what it would have if all were equally frequent.
RARE = 0.5


@dataclass(frozen=True)
class Schema:
    """What a model reads and what it predicts.

    Attributes:
        roles: The role of every column of the source beside the targets, those that are left out included.
        target_names: The names of the targets.
        task: `classification` or `regression`.
        classes: The classes in sorted order, as plain Python values; None for regression.
        shares: How large a share of the training rows' weight each class has; None for regression.
        found: The marks of numbers and the order of dates in the training file, as options of reading: they decide
            where a later file leaves them open.
        image: Height, width and channels, where the inputs are the pixels of images; else None.
    """

    roles: tuple[ColumnRole, ...]
    target_names: tuple[str, ...]
    task: Task
    classes: tuple[Label, ...] | None = None
    shares: tuple[float, ...] | None = None
    found: ReadOptions | None = None
    image: tuple[int, int, int] | None = None

    @property
    def inputs(self) -> tuple[ColumnRole, ...]:
        """The roles of the input columns, in the order of the inputs."""
        return tuple(role for role in self.roles if role.is_input)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the input columns."""
        return tuple(role.name for role in self.inputs)

    @property
    def left_out(self) -> tuple[ColumnRole, ...]:
        """The columns that the model does not read."""
        return tuple(role for role in self.roles if not role.is_input)

    @property
    def text_columns(self) -> frozenset[str]:
        """The columns, targets included, whose texts count as they are written: `007` is not 7."""
        names = [role.name for role in self.inputs if role.role == "category"]
        if self.classes is not None and any(isinstance(label, str) for label in self.classes):
            names += self.target_names
        return frozenset(names)

    @property
    def is_unbalanced(self) -> bool:
        """Whether a class is rare: it has less than half of an equal share of the training rows."""
        shares = [share for share in self.shares or () if share > 0]
        return bool(shares) and min(shares) < RARE / len(shares)

    def to_plain(self) -> dict[str, Any]:
        """The schema as lists and texts for JSON; `from_plain` gives it back."""
        return {
            "roles": [[role.name, role.role, role.reason, role.hint] for role in self.roles],
            "target_names": list(self.target_names),
            "task": self.task,
            "classes": None if self.classes is None else list(self.classes),
            "shares": None if self.shares is None else list(self.shares),
            "found": None if self.found is None else {name: getattr(self.found, name) for name in _REMEMBERED},
            "image": None if self.image is None else list(self.image),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Schema:
        """The schema that `to_plain` wrote."""
        classes, shares = plain["classes"], plain["shares"]
        return cls(
            tuple(ColumnRole(*role) for role in plain["roles"]),
            tuple(plain["target_names"]),
            plain["task"],
            None if classes is None else tuple(classes),
            None if shares is None else tuple(shares),
            None if plain["found"] is None else _options(plain["found"]),
            None if plain["image"] is None else tuple(int(n) for n in plain["image"]),  # type: ignore[arg-type]
        )


_REMEMBERED = ("decimal", "thousands", "date_order", "missing")


def found_in(table: Table, said: ReadOptions) -> ReadOptions | None:
    """What of a file's way of writing a model remembers: what was found or said; None where there is nothing.

    Args:
        table: The training table.
        said: What the user said; marks of missing values are remembered only if they were.
    """
    found = ReadOptions() if table.found is None else table.found
    values = {name: getattr(found, name) or getattr(said, name) for name in _REMEMBERED}
    values["missing"] = said.missing
    return None if all(value is None for value in values.values()) else ReadOptions(**values)


def _options(plain: Mapping[str, Any]) -> ReadOptions:
    missing = plain["missing"]
    return ReadOptions(**{**plain, "missing": None if missing is None else tuple(missing)})


def infer_schema(examples: Examples, task: Task | None = None) -> Schema:
    """What the examples ask for: classes or numbers. The roles of the columns are still to be found.

    Texts and truth values are classes, and so are whole numbers where there are at most 20 distinct ones. Everything
    else, and several targets, are numbers to predict; of numbers with a decimal point only 0.0 and 1.0 are classes.

    Args:
        examples: All the data, with targets.
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
        return Schema((), names, "regression")
    target = f"{source}: target '{names[0]}'"
    if task == "regression":
        if targets.dtype.kind in "UT":
            odd = next((value for value in targets.tolist() if not is_numeral(value)), targets[0])
            raise DataError(
                f"{target} holds text, such as '{shortened(odd)}'; regression needs numbers: leave in the cells "
                "nothing but the number"
            )
        _refuse_constant(targets, target)
        return Schema((), names, "regression")
    values, _ = distinct(targets)
    if task is None and not _are_classes(values):
        _refuse_constant(targets, target)
        return Schema((), names, "regression")
    if len(values) < 2:
        raise DataError(f"{target} holds one class only, {values[0].item()!r}; classification needs at least two")
    if task is None and len(values) > FEW_CLASSES and values.dtype.kind in "UT" and look_like_numbers(values.tolist()):
        raise DataError(
            f"{target} has {len(values):,} different texts such as '{shortened(values[0])}', which look like numbers: "
            "leave in the cells nothing but the number, or say --task classification"
        )
    if len(values) > MOST_CLASSES:
        raise DataError(
            f"{target} has {len(values):,} classes; at most {MOST_CLASSES:,} can be learned: join rare ones, or is it "
            "a number (--task regression)?"
        )
    if len(values) > max(MANY_CLASSES, len(targets) // 2):
        raise DataError(
            f"{target} has {len(values):,} distinct values in {len(targets):,} rows: too many for classes; "
            "a class needs several rows, a number to predict is regression"
        )
    return Schema((), names, "classification", tuple(value.item() for value in values))


def with_training(schema: Schema, roles: Sequence[ColumnRole], training: Examples) -> Schema:
    """The schema with what only the training rows may say: the columns' roles, and the classes' shares."""
    shares = None
    if schema.classes is not None and training.targets is not None:
        numbers = class_numbers(training.targets, schema.classes, source=training.source)
        weight = np.bincount(numbers, training.weight, len(schema.classes))
        shares = tuple(float(share) for share in weight / weight.sum())
    return replace(schema, roles=tuple(roles), shares=shares, image=training.inputs.image)


def _refuse_constant(targets: np.ndarray, target: str) -> None:
    if (targets == targets[0]).all():
        raise DataError(f"{target} has the same value in every row, {targets[0]:g}: there is nothing to learn")


def _are_classes(values: np.ndarray) -> bool:
    if values.dtype.kind in "UTb":
        return True
    if values.dtype.kind == "f":  # a table that writes 3.0 means a number; 0.0 and 1.0 may be yes and no
        return len(values) == 2 and set(values.tolist()) == {0.0, 1.0}
    return len(values) <= FEW_CLASSES


def _comparable(label: object) -> str:
    text = text_of(label)
    return text.lower() if text.lower() in ("true", "false") else text


def class_numbers(
    labels: np.ndarray,
    classes: tuple[Label, ...],
    *,
    source: str = "targets",
    row: Callable[[int], str] | None = None,
) -> np.ndarray:
    """The number of each label's class, from 0 in the order of `classes`.

    Labels are compared as Python compares them, so 1, 1.0 and true are the same class. Where the classes are texts and
    the labels numbers, or the other way round, as when one file writes "1" and another 1, their texts are compared.

    Args:
        labels: [rows] labels.
        classes: The classes.
        source: What the message calls the data.
        row: What the message calls a label's row, such as `row 5`.

    Returns:
        [rows] whole numbers.

    Raises:
        DataError: A label is none of the classes.
    """
    number_of = {label: number for number, label in enumerate(classes)}
    found, inverse = distinct(labels)
    plain = [value.item() if isinstance(value, np.generic) else value for value in found]
    if any(isinstance(value, str) for value in plain) != any(isinstance(label, str) for label in classes):
        number_of = {_comparable(label): number for label, number in number_of.items()}
        plain = [_comparable(value) for value in plain]
    unknown = [number for number, value in enumerate(plain) if value not in number_of]
    if unknown and row is not None:
        first = int(np.isin(inverse, unknown).argmax())
        _refuse_class(plain[inverse[first]], classes, source, row(first))
    if unknown:
        _refuse_class(plain[unknown[0]], classes, source)
    return np.array([number_of[value] for value in plain], dtype=np.int64)[inverse]


# A stream knows what to do then.
OF_NO_KNOWN_CLASS, UNKNOWN_CLASS = "which is none of the known classes", "unknown class"


def _refuse_class(value: object, classes: tuple[Label, ...], source: str, row: str = "") -> NoReturn:
    texts = [label for label in classes if isinstance(label, str)]
    # A number is not misspelt; and with repr, the text '1' is seen to be another class than the number 1.
    listed = ", ".join(repr(label) for label in classes[:12])
    if row:
        more = f" and {len(classes) - 12} more" if len(classes) > 12 else ""
        near = nearest(value, texts) if isinstance(value, str) else None
        hint = f"; did you mean {near!r}?" if near is not None else ""
        raise DataError(f"{source}, {row} holds {value!r}, {OF_NO_KNOWN_CLASS}: {listed}{more}{hint}")
    hint = did_you_mean(value, texts) if isinstance(value, str) and texts else f"there are {listed}"
    raise DataError(f"{source}: {UNKNOWN_CLASS} {value!r}; {hint}")
