"""Sources: whatever a user names or hands in, as `Examples`.

`read` is for training: targets are asked for. `read_inputs` is for a trained model: its columns are picked by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from entrena.data.arrays import as_array, input_names, inputs_of, targets_of
from entrena.data.embedded import EMBEDDED
from entrena.data.examples import Examples
from entrena.data.files import find_file, read_file
from entrena.data.tables import PolarsTable, Table, as_table, is_frame
from entrena.data.values import Place
from entrena.errors import DataError, UsageError, did_you_mean, nearest

MOST_NAMES = 30


def read(source: Any, *, target: str | Sequence[str] | None = None) -> Examples:
    """Reads training data.

    Args:
        source: The name of an embedded data set; the path of a CSV or Parquet file; a frame (Polars, pandas, …); or
            a tuple (X, y) of arrays or frames.
        target: The column to predict, or several. Embedded data sets know theirs; with (X, y) it names y.

    Returns:
        The examples: every column that is no target is an input.

    Raises:
        UsageError: There is no such file, data set or column, or the target was not said.
        DataError: The data cannot be used as they are.

    >>> iris = read("iris")
    >>> iris.inputs.shape, iris.target_names
    ((150, 4), ('species',))
    """
    names = _target_names(target)
    if isinstance(source, str) and source in EMBEDDED:
        return _embedded(source, names)
    if isinstance(source, tuple):
        return _pair(source, names)
    if not isinstance(source, str | Path) and not is_frame(source):
        raise UsageError(f"cannot train on {_kind(source)}: hand in (X, y), a table with target=…, or a file's name")
    table, where = _table(source)
    if names is None:
        raise UsageError(
            f"{where}: which column is to be predicted? say --target NAME (in Python target=NAME); "
            f"there are {_listed(table.names)}"
        )
    for name in names:
        if name not in table.names:
            raise UsageError(f"{where}: there is no column '{name}' to predict; {_meant(name, table.names)}")
    columns = tuple(name for name in table.names if name not in names)
    if not columns:
        raise DataError(f"{where}: no input column is left beside the target {_listed(names)}")
    _check_rows(table, where)
    return Examples(table.numbers(columns), _table_targets(table, names), columns, names, where)


def read_inputs(source: Any, columns: Sequence[str], *, target_names: Sequence[str] = ()) -> Examples:
    """Reads data for a trained model.

    Args:
        source: As for `read`, or inputs without targets.
        columns: The model's input columns. They are picked by name, in any order, and others are ignored; an array has
            no names, so its columns are counted.
        target_names: The model's targets; they are read when all of them are there.

    Returns:
        The examples; targets are None where `target_names` is empty or one of them is not there.

    Raises:
        UsageError: There is no such file or data set, or a column is not there.
        DataError: The data cannot be used as they are.
    """
    names, wanted = tuple(columns), tuple(target_names)
    if isinstance(source, str) and source in EMBEDDED:
        return _embedded_inputs(EMBEDDED[source].load(), names, wanted)
    if isinstance(source, tuple):
        inputs, targets = _two(source)
        examples = read_inputs(inputs, names)
        if targets is None or not wanted:
            return examples
        values, wanted = targets_of(_values(targets), wanted, examples.n_rows, examples.source)
        return Examples(examples.inputs, values, names, wanted, examples.source)
    if isinstance(source, str | Path) or is_frame(source):
        table, where = _table(source)
        _check_columns(names, table.names, where)
        _check_rows(table, where)
        present = bool(wanted) and all(name in table.names for name in wanted)
        targets = _table_targets(table, wanted) if present else None
        return Examples(table.numbers(names), targets, names, wanted if present else (), where)
    array = as_array(source, "array")
    if array.ndim == 2 and array.shape[1] != len(names):
        raise DataError(f"array: the inputs have {array.shape[1]} columns, the model was trained on {len(names)}")
    return Examples(inputs_of(array, names, Place("array")), None, names, (), "array")


def _target_names(target: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if target is None:
        return None
    names = (target,) if isinstance(target, str) else tuple(target)
    if not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"target: {target!r} is not allowed: a column's name or several")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"target: '{name}' is named twice")
    return names


def _table(source: Any) -> tuple[Table, str]:
    """A file or frame as a table, and what messages call it."""
    if not isinstance(source, str | Path):
        return as_table(source), "table"
    path = find_file(source, tuple(EMBEDDED))
    frame = read_file(path)
    is_csv = path.suffix.lower() == ".csv"
    return PolarsTable(frame, path.name, csv=path if is_csv else None), path.name


def _table_targets(table: Table, names: tuple[str, ...]) -> np.ndarray:
    return table.labels(names[0]) if len(names) == 1 else table.numbers(names, target=True)


def _check_rows(table: Table, where: str) -> None:
    if table.n_rows == 0:
        raise DataError(f"{where} has columns but no rows")


def _pair(source: tuple[Any, ...], names: tuple[str, ...] | None) -> Examples:
    values, targets = _two(source)
    if targets is None:
        raise DataError("(X, y): y is None; training needs targets")
    if is_frame(values):
        table = as_table(values)
        _check_rows(table, "table")
        columns, where = table.names, "table"
        if not columns:
            raise DataError("table: there are no input columns")
        inputs = table.numbers(columns)
    else:
        inputs, where = inputs_of(values, None, Place("array")), "array"
        columns = input_names(inputs.shape[1])
    given = names or _names_of(targets)
    coded, target_names = targets_of(_values(targets), given, len(inputs), where)
    return Examples(inputs, coded, columns, target_names, where)


def _two(source: tuple[Any, ...]) -> tuple[Any, Any]:
    if len(source) != 2:
        raise UsageError(f"a tuple is read as (X, y): two parts, not {len(source)}")
    return source[0], source[1]


def _names_of(targets: Any) -> tuple[str, ...] | None:
    """The names that a series or a frame of targets carries."""
    if is_frame(targets) and hasattr(targets, "columns"):
        return tuple(str(name) for name in targets.columns)
    name = getattr(targets, "name", None)
    return (name,) if isinstance(name, str) and name else None


def _values(targets: Any) -> Any:
    return targets.to_numpy() if hasattr(targets, "to_numpy") else targets


def _embedded(name: str, target: tuple[str, ...] | None) -> Examples:
    examples = EMBEDDED[name].load()
    if target is not None and target != examples.target_names:
        raise UsageError(
            f"{name}: its target is '{examples.target_names[0]}', not {_listed(target)}; leave --target out"
        )
    return examples


def _embedded_inputs(examples: Examples, names: tuple[str, ...], wanted: tuple[str, ...]) -> Examples:
    _check_columns(names, examples.columns, examples.source)
    picked = [examples.columns.index(name) for name in names]
    has_targets = bool(wanted) and wanted == examples.target_names
    return Examples(
        np.ascontiguousarray(examples.inputs[:, picked]),
        examples.targets if has_targets else None,
        names,
        wanted if has_targets else (),
        examples.source,
    )


def _check_columns(needed: tuple[str, ...], there: tuple[str, ...], where: str) -> None:
    lacking = [name for name in needed if name not in there]
    if len(lacking) == 1:
        raise UsageError(f"{where}: the model needs a column '{lacking[0]}'; {_meant(lacking[0], there)}")
    if lacking:
        raise UsageError(
            f"{where}: the model needs {len(lacking)} columns that are not there: {_listed(lacking)}; "
            f"there are {_listed(there)}"
        )


def _meant(name: str, names: Sequence[str]) -> str:
    return did_you_mean(name, names) if nearest(name, names) else f"there are {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _kind(source: object) -> str:
    if isinstance(source, np.ndarray | list):
        return "inputs without targets"
    return f"a {type(source).__name__}"
