"""From values of any kind to finite numbers and labels, or one message that says which value is in the way.

Arrays, frames and files all end here, so that the same mistake gives the same message wherever it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import NoReturn

import numpy as np

from entrena.errors import DataError, shortened

# Rows are looked at and copied in pieces of about this many values, so that no second array of the data's size is made.
BLOCK_VALUES = 2**19

# Kinds of NumPy types: truth values, whole numbers with and without sign, floats.
NUMERIC_KINDS = "biuf"

LONGEST_LABEL = 1000


@dataclass(frozen=True)
class Place:
    """Where values stand, for messages.

    Attributes:
        source: A file's name, `digits`, `array`.
        first_row: The number that the user gives to the first row: 2 in a CSV file, whose header is row 1.
        target: Whether the column is a target.
        has_types: Whether the source has types of its own, so that a text is no number that was written oddly.
    """

    source: str
    first_row: int = 1
    target: bool = False
    has_types: bool = False

    def refuse(self, text: str) -> NoReturn:
        """Raises the DataError with the source in front."""
        raise DataError(f"{self.source}: {text}")

    def row(self, index: int) -> str:
        """`row 5`, as the user counts."""
        return f"row {index + self.first_row}"

    def column(self, name: str) -> str:
        """`column 'age'` or `target 'price'`."""
        return f"{'target' if self.target else 'column'} '{shortened(name)}'"

    def refuse_missing(self, name: str, count: int, first: int) -> NoReturn:
        """Raises for values that are missing.

        Args:
            name: The column.
            count: How many values it lacks.
            first: The first row that lacks it, from 0.
        """
        values = f"{count} missing values, the first in" if count > 1 else "a missing value in"
        advice = "leave those rows out" if self.target else "fill them in, or leave out those rows or the column"
        self.refuse(f"{self.column(name)} has {values} {self.row(first)}; {advice}")

    def refuse_infinite(self, name: str, value: float, index: int) -> NoReturn:
        """Raises for an infinity."""
        self.refuse(f"{self.column(name)}, {self.row(index)} holds {float(value)}; numbers must be finite")

    def refuse_text(self, name: str, value: object, index: int, others: Iterable[str] = ()) -> NoReturn:
        """Raises for a value that is no number.

        Args:
            name: The column.
            value: The value.
            index: Its row, from 0.
            others: Further columns that hold text.
        """
        listed = ", ".join(f"'{shortened(other)}'" for other in others)
        more = f" (so do {listed})" if listed else ""
        shown = _shown(value)
        if self.target:
            self.refuse(f"{self.column(name)}, {self.row(index)} holds {shown} where a number is needed")
        self.refuse(f"{self.column(name)}, {self.row(index)} holds {shown} where a number is needed{more}")


def _shown(value: object) -> str:
    if isinstance(value, np.generic) and value.dtype.kind in NUMERIC_KINDS:
        value = value.item()
    text = repr(value) if isinstance(value, str) else f"{value} ({type(value).__name__})"
    return text if len(text) <= 60 else text[:57] + "…"


def blocks(n_rows: int, n_columns: int) -> Iterable[slice]:
    """Slices of rows that together cover the data, each of about BLOCK_VALUES values."""
    step = max(1, BLOCK_VALUES // max(1, n_columns))
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def check_finite(numbers: np.ndarray, columns: Sequence[str], place: Place) -> None:
    """Raises a DataError at the first column with a NaN (a missing value) or an infinity.

    Args:
        numbers: [rows, columns] numbers.
        columns: Their names.
        place: Where they come from.
    """
    if numbers.dtype.kind != "f" or all(np.isfinite(numbers[rows]).all() for rows in blocks(*numbers.shape)):
        return
    for name, values in zip(columns, numbers.T, strict=True):
        missing = np.isnan(values)
        if missing.any():
            place.refuse_missing(name, int(missing.sum()), int(missing.argmax()))
        infinite = np.isinf(values)
        if infinite.any():
            first = int(infinite.argmax())
            place.refuse_infinite(name, values[first], first)


def check_not_infinite(numbers: np.ndarray, columns: Sequence[str], place: Place) -> None:
    """Raises a DataError at the first column with an infinity; NaN stands for a missing value."""
    if numbers.dtype.kind != "f" or not any(np.isinf(numbers[rows]).any() for rows in blocks(*numbers.shape)):
        return
    for name, values in zip(columns, numbers.T, strict=True):
        infinite = np.isinf(values)
        if infinite.any():
            first = int(infinite.argmax())
            place.refuse_infinite(name, values[first], first)


HEAD = 10_000  # values among which all the distinct ones are looked for first
FEW = 64


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values in sorted order, and the number of each value's: `np.unique`, fast where they are few.

    >>> [part.tolist() for part in distinct(np.array(["b", "a", "b"]))]
    [['a', 'b'], [1, 0, 1]]
    """
    if len(values) > HEAD:
        head = np.unique(values[:HEAD])
        if len(head) <= FEW:
            numbers = np.full(len(values), -1)
            for number, value in enumerate(head):
                numbers[values == value] = number
            if numbers.min() >= 0:
                return head, numbers
    found, numbers = np.unique(values, return_inverse=True)
    return found, numbers


def is_missing(value: object) -> bool:
    """Whether a value stands for none: None, NaN, NaT, pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def holds_numbers(values: np.ndarray) -> bool:
    """Whether a column holds numbers and missing values only."""
    if values.dtype.kind != "O":
        return values.dtype.kind in NUMERIC_KINDS
    return all(is_missing(value) or _kind(value) not in (None, "str") for value in values)


def column_of_numbers(
    values: np.ndarray, name: str, place: Place, others: Sequence[str] = (), *, missing: float | None = None
) -> np.ndarray:
    """One column as numbers.

    Args:
        values: [rows] of any type; object arrays may hold numbers.
        name: The column's name.
        place: Where it comes from.
        others: Further columns that hold text, to be named in the message.
        missing: What stands for a missing value; None: such a value is refused.

    Returns:
        [rows] numbers; not yet checked to be finite.

    Raises:
        DataError: A value is missing or no number.
    """
    if values.dtype.kind in NUMERIC_KINDS:
        return values
    if values.dtype.kind != "O":
        if len(values):
            place.refuse_text(name, values[0].item() if values.dtype.kind in "US" else values[0], 0, others)
        return np.empty(0)
    numbers = np.full(len(values), np.nan if missing is None else missing)
    absent = [index for index, value in enumerate(values) if is_missing(value)]
    lacks = set(absent)
    for index, value in enumerate(values):
        if index in lacks:
            continue
        if _kind(value) in (None, "str"):
            place.refuse_text(name, value, index, others)
        try:
            numbers[index] = float(value)
        except OverflowError:
            place.refuse(f"{place.column(name)}, {place.row(index)} holds a number beyond the range of float64")
    if absent and missing is None:
        place.refuse_missing(name, len(absent), absent[0])
    return numbers


def labels(values: np.ndarray, name: str, place: Place) -> np.ndarray:
    """A target as labels or numbers of one type.

    Args:
        values: [rows] of any type; object arrays may hold texts, truth values or numbers, but one kind only.
        name: The target's name.
        place: Where it comes from.

    Returns:
        [rows] bool, int, float or text, without gaps.

    Raises:
        DataError: A value is missing, not finite, or of another kind than the others.
    """
    if values.dtype.kind == "f":
        check_finite(values[:, None], [name], place)
    if values.dtype.kind in NUMERIC_KINDS:
        return values
    items = list(values.astype(object) if values.dtype.kind in "OUT" else values)
    missing = [
        index for index, value in enumerate(items) if is_missing(value) or (isinstance(value, str) and not value)
    ]
    if missing:
        place.refuse_missing(name, len(missing), missing[0])
    kinds = [_kind(value) for value in items]
    for index, kind in enumerate(kinds):
        if kind is None:
            place.refuse(
                f"{place.column(name)}, {place.row(index)} holds {_shown(items[index])}; a target is a text, a whole "
                "number, a number or a truth value"
            )
        if kind != kinds[0] and {kind, kinds[0]} != {"int", "float"}:
            place.refuse(
                f"{place.column(name)} mixes {kinds[0]} ({_shown(items[0])} in {place.row(0)}) and {kind} "
                f"({_shown(items[index])} in {place.row(index)}); give it values of one kind"
            )
    if kinds and kinds[0] == "str":
        return _texts(items, name, place)
    if "float" in kinds:
        return labels(np.array([float(item) for item in items]), name, place)
    try:
        return np.array(items, dtype=bool if kinds and kinds[0] == "bool" else np.int64)
    except OverflowError:
        place.refuse(f"{place.column(name)} holds a whole number that needs more than 64 bits")


def _kind(value: object) -> str | None:
    if isinstance(value, str):
        return "str"
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | np.integer):
        return "int"
    return "float" if isinstance(value, Real | Decimal) else None


def _texts(items: list[str], name: str, place: Place) -> np.ndarray:
    # An array of texts has room for the longest in every row: one essay among the labels would fill the memory.
    lengths = [len(item) for item in items]
    if max(lengths) > LONGEST_LABEL:
        first = lengths.index(max(lengths))
        place.refuse(
            f"{place.column(name)}, {place.row(first)} holds a text of {max(lengths):,} characters; "
            f"a class's name has at most {LONGEST_LABEL:,}"
        )
    return np.array(items, dtype=str)
