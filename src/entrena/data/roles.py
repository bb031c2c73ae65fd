"""Roles: what each column is to a model, found from its content.

`infer_roles` looks at the training rows only. What it finds is said with its reason, stored in the model, and can be
set. Estimators do not guess: `roles_by_kind` goes by the type of a column alone and leaves none out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from entrena.data.dates import as_moments
from entrena.data.hints import hint_for
from entrena.data.table import Column, Table, as_numbers
from entrena.errors import DataError, UsageError, did_you_mean, shortened

Role = Literal["number", "boolean", "category", "date", "text", "identifier", "weight", "group", "time", "ignore"]

# The roles of columns that are inputs; the others are not.
INPUT_ROLES: tuple[Role, ...] = ("number", "boolean", "category", "date")

# Fewer values than this may all differ by chance, or because the table is small.
FEW_VALUES = 20

# A consecutive number counts as a row's number only in a table of some length: 1…30 may be a day or an age.
FEW_ROWS = 50

# Texts of so many words on average are sentences, not names of things.
WORDS_OF_A_SENTENCE = 4

_TRUTHS = (
    frozenset({"yes", "no"}),
    frozenset({"y", "n"}),
    frozenset({"true", "false"}),
    frozenset({"t", "f"}),
    frozenset({"on", "off"}),
    frozenset({"sí", "no"}),
    frozenset({"si", "no"}),
    frozenset({"ja", "nein"}),
    frozenset({"oui", "non"}),
    frozenset({"sim", "não"}),
)


@dataclass(frozen=True)
class ColumnRole:
    """What a column is.

    Attributes:
        name: The column.
        role: What it is.
        reason: Why, in a few words.
        hint: What the user may want to look at, or empty.
    """

    name: str
    role: Role
    reason: str = ""
    hint: str = ""

    @property
    def is_input(self) -> bool:
        """Whether a model reads it."""
        return self.role in INPUT_ROLES


def check_roles(given: Mapping[str, str], names: Sequence[str], source: str) -> dict[str, Role]:
    """Roles as a user gives them.

    Raises:
        UsageError: There is no such role or column.
    """
    if not isinstance(given, Mapping):
        raise UsageError(f"roles: {given!r} is not allowed: a table of columns and their roles")
    roles: dict[str, Role] = {}
    for name, role in given.items():
        if role not in get_args(Role):
            raise UsageError(
                f"role of '{shortened(name)}': unknown name '{role}': {did_you_mean(str(role), get_args(Role))}"
            )
        if name not in names:
            raise UsageError(
                f"{source}: there is no column '{shortened(name)}' to give a role; {did_you_mean(name, names)}"
            )
        roles[name] = role  # type: ignore[assignment]
    return roles


def infer_roles(table: Table, given: Mapping[str, Role], n_rows: int) -> tuple[ColumnRole, ...]:
    """What each column is, from its values.

    Args:
        table: The training rows of all columns that are not the target.
        given: The roles that the user gave.
        n_rows: How many rows the whole source has, test rows included: a row's number lies within.

    Returns:
        A role for each column, in their order.

    Raises:
        DataError: No column is left as an input, or a given role does not fit the values.
    """
    roles = []
    for name in table.names:
        if name in given:
            _check_given(table.column(name), given[name], table)
            roles.append(ColumnRole(name, given[name], "as said"))
        elif table.image is not None:
            roles.append(ColumnRole(name, "number", "a pixel"))
        elif table.is_array:
            roles.append(ColumnRole(name, "number", "an array"))
        else:
            role, reason = _infer(table, name, n_rows)
            hint = hint_for(table, name, left_out=role not in INPUT_ROLES)
            roles.append(ColumnRole(name, role, reason, hint))
    if not any(role.is_input for role in roles):
        told = ", ".join(f"'{shortened(role.name)}' ({role.role}: {role.reason})" for role in roles[:5])
        raise DataError(
            f"{table.place.source}: no column is left to predict from: {told}; "
            f"--role '{shortened(roles[0].name)}=category' (or number) uses one all the same"
        )
    return tuple(roles)


def check_columns(table: Table, roles: Sequence[ColumnRole]) -> None:
    """Raises a DataError where a column cannot be what its role says: before anything is trained.

    Args:
        table: Rows that will be trained on or scored.
        roles: Of the input columns.
    """
    for role in roles:
        kind = table.columns[table.names.index(role.name)].kind
        if role.role == "number" and kind not in ("number", "boolean"):
            as_numbers(table, role.name)
        elif role.role == "date" and kind != "date":
            _check_given(table.column(role.name), "date", table)


def roles_by_kind(table: Table) -> tuple[ColumnRole, ...]:
    """The roles of all columns by their type: every column is an input.

    Raises:
        DataError: A column holds lists or structures.
    """
    of_kind: dict[str, Role] = {"number": "number", "boolean": "boolean", "text": "category", "date": "date"}
    for column in table.columns:
        if column.kind == "nested":
            table.place.refuse(f"{table.place.column(column.name)} holds {_words_for(column)}, which cannot be used")
    return tuple(ColumnRole(column.name, of_kind[column.kind], "by its type") for column in table.columns)


def _infer(table: Table, name: str, n_rows: int) -> tuple[Role, str]:
    head = table.block(0, FEW_ROWS).column(name)
    # Most columns show what they are in a few rows: then the others need not be copied together.
    if head.kind == "number" and not head.missing().all() and not _may_count_rows(head.values):
        return "number", _kind_of_numbers(head.values)
    column = table.column(name)
    if column.kind == "nested":
        return "ignore", _words_for(column)
    present = ~column.missing()
    n = int(present.sum())
    if n == 0:
        return "ignore", "empty"
    if column.kind == "text":
        return _infer_text(column, present, n)
    if column.kind == "number":
        return _infer_number(column.values, n_rows)
    return column.kind, {"boolean": "true or false", "date": "dates"}[column.kind]


def _words_for(column: Column) -> str:
    """What a column holds that no model reads."""
    return column.levels[0] if column.levels else "lists or structures"


def _may_count_rows(head: np.ndarray) -> bool:
    """Whether the first rows of a column leave it open that it numbers the rows."""
    return head.dtype.kind in "iu" and len(head) == FEW_ROWS and len(np.unique(head)) == FEW_ROWS


def _infer_number(values: np.ndarray, n_rows: int) -> tuple[Role, str]:
    if _may_count_rows(values[:FEW_ROWS]):
        span = int(values.max()) - int(values.min()) + 1
        if len(values) <= span <= n_rows and len(np.unique(values)) == len(values):
            return "identifier", "consecutive whole numbers, each once"
    return "number", _kind_of_numbers(values)


def _kind_of_numbers(values: np.ndarray) -> str:
    return "whole numbers" if values.dtype.kind in "iu" else "numbers"


def _infer_text(column: Column, present: np.ndarray, n: int) -> tuple[Role, str]:
    used = np.flatnonzero(np.bincount(column.values[present], minlength=len(column.levels)))
    k = len(used)
    levels = [column.levels[code] for code in used]
    if k <= 2 and any(truth >= {level.strip().lower() for level in levels} for truth in _TRUTHS):
        return "boolean", " or ".join(f"'{level}'" for level in sorted(levels))
    if n >= FEW_VALUES and k > n / 2:
        words = sum(len(level.split()) for level in levels[:1000]) / min(k, 1000)
        if k == n and words < WORDS_OF_A_SENTENCE:
            return "identifier", f"all {n:,} values differ"
        return "text", f"{k:,} different texts in {n:,} rows"
    return "category", f"{k:,} level{'s' if k > 1 else ''}"


def _check_given(column: Column, role: Role, table: Table) -> None:
    """Raises where the values cannot be what the user says; `number` is checked where the numbers are read."""
    if role == "date":
        as_moments(table, column.name)
    if role == "boolean":
        _check_truths(column, table)


def _check_truths(column: Column, table: Table) -> None:
    """Raises where values given as truth values are more than two, or words for none."""
    values = column.values[~column.missing()]
    place = table.place
    if column.kind == "text":
        words = {level.strip().lower() for level in (column.levels[code] for code in np.unique(values))}
        odd = sorted(words.difference(*_TRUTHS, ("0", "1", "nao")))
        if not odd:
            return
        what = shortened(repr(odd[0])) + (" and others" if len(odd) > 1 else "")
        what = f"holds {what}, where yes and no, true and false or the like are needed"
    else:
        n = len(np.unique(values))
        if n <= 2:
            return
        what = f"has {n:,} different values, and truth values are two"
    place.refuse(
        f"{place.column(column.name)} {what}; --role {shortened(column.name)}="
        f"{'number' if column.kind == 'number' else 'category'} takes them as they are"
    )
