"""Sources: whatever a user names or hands in, as `Examples`.

`read` is for training: targets are asked for. `read_inputs` is for a trained model: its columns are picked by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from entrena.data.arrays import as_array, check_not_one_image, input_names, inputs_of, targets_of
from entrena.data.dialect import ReadOptions
from entrena.data.embedded import EMBEDDED
from entrena.data.examples import Examples
from entrena.data.files import STANDARD_INPUT, find_file, read_file
from entrena.data.frames import frame_table, is_frame
from entrena.data.image_sources import are_pictures, model_pictures, training_pictures
from entrena.data.images import as_image, check_pixels, check_same, images_of, is_array_of_images, parse_image
from entrena.data.schema import Label, Schema, class_numbers
from entrena.data.sparse import is_sparse
from entrena.data.table import Column, Table, as_numbers, as_texts
from entrena.data.targets import read_targets
from entrena.data.values import Place
from entrena.errors import DataError, UsageError, did_you_mean, nearest, shortened

MOST_NAMES = 30

FOUND = ReadOptions()


@dataclass(frozen=True)
class RowColumns:
    """Columns that say something of the rows themselves, and are no inputs.

    Attributes:
        weight: How much each row counts.
        group: Which rows belong together.
        time: When each row was; this column stays an input as well.
    """

    weight: str | None = None
    group: str | None = None
    time: str | None = None


NO_ROW_COLUMNS = RowColumns()


def read(
    source: Any,
    *,
    target: str | Sequence[str] | None = None,
    rows: RowColumns = NO_ROW_COLUMNS,
    options: ReadOptions = FOUND,
    text_columns: frozenset[str] = frozenset(),
    like: ReadOptions | None = None,
) -> Examples:
    """Reads training data.

    Args:
        source: The name of an embedded data set; the path of a table, or `-` for the standard input; a frame (Polars,
            pandas, Arrow, …); or a tuple (X, y) of arrays or frames.
        target: The column to predict, or several. Embedded data sets know theirs; with (X, y) it names y.
        rows: The columns with weights, groups and times.
        options: How a text file is written, where that is not to be found from the file.
        text_columns: Columns whose values are texts as they are written.
        like: How an earlier file was written: it decides where this one leaves open how it is to be read.

    Returns:
        The examples: every column that is no target, weight or group. Rows whose target is missing are left out and
        counted.

    Raises:
        UsageError: There is no such file, data set or column, or the target was not said.
        DataError: The data cannot be used as they are.

    >>> iris = read("iris")
    >>> iris.n_rows, iris.columns[0], iris.target_names
    (150, 'sepal length (cm)', ('species',))
    """
    examples = _read(source, target, rows, options, text_columns, like)
    if options.image is None or (examples.inputs.image is not None and not isinstance(source, tuple)):
        return examples
    return replace(examples, inputs=as_image(examples.inputs, parse_image(options.image)))


def _read(
    source: Any,
    target: str | Sequence[str] | None,
    rows: RowColumns,
    options: ReadOptions,
    text_columns: frozenset[str],
    like: ReadOptions | None,
) -> Examples:
    names = None if target is None else target_names(target)
    if isinstance(source, str) and source in EMBEDDED:
        return with_rows(embedded_examples(source, names), rows)
    if are_pictures(source):
        if rows != NO_ROW_COLUMNS:
            raise UsageError(f"{source}: beside pictures no columns of weights, groups or times are read")
        return training_pictures(source, names, options)
    if isinstance(source, tuple):
        return with_rows(_pair(source, names), rows)
    if not isinstance(source, str | Path) and not is_frame(source):
        raise UsageError(f"cannot train on {_kind(source)}: hand in (X, y), a table with target=…, or a file's name")
    table, _ = _table(source, options, text_columns, like, names or ())
    return training_examples(table, names, rows)


def training_examples(table: Table, names: tuple[str, ...] | None, rows: RowColumns) -> Examples:
    """The rows of a table as `read` gives them.

    Args:
        table: With at least one row.
        names: The targets, as `target_names` gives them; None: they were not said.
        rows: The columns with weights, groups and times.

    Raises:
        UsageError: There is no such column, or the target was not said.
        DataError: The data cannot be used as they are.
    """
    where = table.place.source
    if names is None:
        raise UsageError(
            f"{where}: which column is to be predicted? say --target NAME (in Python target=NAME); "
            f"there are {listed(table.names)}"
        )
    check_targets(table, names)
    columns = tuple(name for name in table.names if name not in names)
    if not columns:
        raise DataError(f"{where}: no input column is left beside the target {listed(names)}")
    return with_rows(_examples(table, columns, names, where), rows)


def read_inputs(
    source: Any,
    schema: Schema,
    *,
    targets: bool = True,
    options: ReadOptions = FOUND,
    rows: RowColumns = NO_ROW_COLUMNS,
) -> Examples:
    """Reads data for a trained model.

    Args:
        source: As for `read`, or inputs without targets.
        schema: The model's. Its input columns are picked by name, in any order, and others are ignored; an array has no
            names, so its columns are counted.
        targets: Whether targets are wanted.
        options: How a text file is written.
        rows: Columns with weights, groups and times; they are read where they are there.

    Returns:
        The examples. Targets are None where they are not wanted or one of them is not there; else the rows whose target
        is missing are left out and counted.

    Raises:
        UsageError: There is no such file or data set, or a column is not there.
        DataError: The data cannot be used as they are.
    """
    names, wanted = schema.columns, schema.target_names
    if isinstance(source, str) and source in EMBEDDED:
        return _embedded_inputs(EMBEDDED[source].load(), names, wanted)
    if are_pictures(source, schema):
        return model_pictures(source, schema, options, targets=targets)
    if isinstance(source, tuple):
        inputs, given = _two(source)
        examples = read_inputs(inputs, schema, targets=False)
        if given is None or not targets:
            return examples
        values, wanted = targets_of(_values(given), wanted, examples.n_rows, examples.source)
        return Examples(examples.inputs, values, wanted, examples.source)
    if isinstance(source, str | Path | Table) or is_frame(source):
        table, where = _table(source, options, schema.text_columns, schema.found, known_targets(schema))
        check_pixels(table, schema.image, names)
        check_needed(names, table.names, where)
        if not targets or not all(name in table.names for name in wanted):
            return Examples(table.pick(names), None, (), where)
        examples = with_rows(_examples(table, table.names, wanted, where, known=schema), rows, where_there=True)
        return examples.pick(names)
    if is_array_of_images(source) and schema.image is not None:
        check_not_one_image(source, len(names), schema.image, Place("array"))
        images = images_of(source, Place("array"))
        check_same(images, schema.image)
        return Examples(images, None, (), "array")
    array = source if is_sparse(source) else as_array(source, "array")
    check_not_one_image(array, len(names), schema.image, Place("array"))
    if array.ndim == 2 and array.shape[1] != len(names):
        raise DataError(f"array: the inputs have {array.shape[1]} columns, the model was trained on {len(names)}")
    return Examples(inputs_of(array, names, Place("array")), None, (), "array")


def check_targets(table: Table, names: Sequence[str]) -> None:
    """Raises a UsageError where a column that is to be predicted is not there."""
    for name in names:
        if name not in table.names:
            where = table.place.source
            raise UsageError(f"{where}: there is no column '{name}' to predict; {_meant(name, table.names)}")


def arriving_examples(table: Table, schema: Schema, rows: RowColumns) -> Examples:
    """Some rows of a stream, for a model that is trained on them.

    What must hold for one row at least, must hold here for none: all may lack their targets, or count nothing.

    Args:
        table: The rows; it has the columns that the schema and `rows` name.
        schema: The model's.
        rows: The columns with weights, groups and times.

    Returns:
        The model's input columns and targets; the rows whose target is missing are left out and counted.

    Raises:
        DataError: The data cannot be used as they are, or a class is none of the model's.
    """
    names, where = schema.target_names, table.place.source
    targets, present = read_targets(table, names, regression=schema.classes is None)
    examples = Examples(table, targets, names, where)
    if not present.all():
        examples = replace(examples.take(present), n_without_target=int((~present).sum()))
    if schema.classes is not None and examples.targets is not None:
        inputs = examples.inputs
        class_numbers(
            examples.targets,
            schema.classes,
            source=f"{where}: target '{shortened(names[0])}'",
            row=lambda index: inputs.place.row(inputs.file_row(index)),
        )
    return with_rows(examples, rows, is_part=True).pick(schema.columns)


def read_columns(source: Any, schema: Schema, *, options: ReadOptions = FOUND, beside: bool = True) -> Table:
    """All columns of a file, a frame or an embedded set, as they are, read as for a model: for `predict --keep`.

    Of a file with a column of pictures these are the pixels; `Table.beside` holds the others, where they are wanted.
    """
    if isinstance(source, str) and source in EMBEDDED:
        return EMBEDDED[source].load().inputs
    if are_pictures(source, schema):
        return model_pictures(source, schema, options, targets=False, all_columns=beside).inputs
    return _table(source, options, schema.text_columns, schema.found, known_targets(schema))[0]


def target_names(target: str | Sequence[str]) -> tuple[str, ...]:
    """The targets' names, one or several.

    Raises:
        UsageError: That is no name, or one stands twice.
    """
    names = (target,) if isinstance(target, str) or not isinstance(target, Sequence) else tuple(target)
    if not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"target: {target!r} is not allowed: a column's name or several")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"target: '{name}' is named twice")
    return names


def _table(
    source: Any,
    options: ReadOptions,
    text_columns: frozenset[str],
    like: ReadOptions | None,
    targets: Sequence[str] | Mapping[str, tuple[Label, ...] | None] = (),
) -> tuple[Table, str]:
    """A file or frame as a table, and what messages call it."""
    options = with_marks(options, like)
    if isinstance(source, Table):
        table = source
    elif not isinstance(source, str | Path):
        date_order = options.date_order or (None if like is None else like.date_order)
        table = frame_table(source, text_columns=text_columns, date_order=date_order)
    elif str(source) == STANDARD_INPUT:
        table = read_file(STANDARD_INPUT, options, text_columns=text_columns, like=like, targets=targets)
    else:
        path = find_file(source, tuple(EMBEDDED))
        table = read_file(path, options, text_columns=text_columns, like=like, targets=targets)
    check_rows(table)
    return table, table.place.source


def with_marks(options: ReadOptions, like: ReadOptions | None) -> ReadOptions:
    """The options with the marks of missing values that were said for the file that a model was trained on."""
    return options if like is None or options.missing is not None else replace(options, missing=like.missing)


def known_targets(schema: Schema) -> dict[str, tuple[Label, ...] | None]:
    """The targets with their classes: a mark of missing values that is one of them is a class."""
    return dict.fromkeys(schema.target_names, schema.classes)


def check_rows(table: Table) -> None:
    """Raises a DataError where a table has no rows."""
    if table.n_rows == 0:
        raise DataError(f"{table.place.source} has columns but no rows")


def _examples(
    table: Table, columns: Sequence[str], names: tuple[str, ...], where: str, known: Schema | None = None
) -> Examples:
    """The columns of a table as inputs and targets, without the rows whose target is missing."""
    targets, present = read_targets(table, names, regression=known is not None and known.classes is None)
    examples = Examples(table.pick(columns), targets, names, where)
    if present.all():
        return examples
    if not present.any():
        raise DataError(f"{where}: target {listed(names)} is missing in every row")
    left = examples.take(present)
    return Examples(left.inputs, left.targets, names, where, n_without_target=int((~present).sum()))


def with_rows(examples: Examples, rows: RowColumns, *, where_there: bool = False, is_part: bool = False) -> Examples:
    """Examples with weights, groups and times from their columns; weight and group columns are no inputs.

    Args:
        examples: The examples.
        rows: The names of these columns.
        where_there: Whether a column may be lacking.
        is_part: Whether there are other rows, so that all of these may weigh nothing.
    """
    if rows.group is not None and rows.time is not None:
        raise UsageError(
            "--group and --time are two ways to split, and together neither would hold: take one of them, or divide "
            "the rows yourself (--test FILE, --validation FILE)"
        )
    own: dict[str, np.ndarray] = {}
    table = examples.inputs
    for word, name in (("weight", rows.weight), ("group", rows.group), ("time", rows.time)):
        if name is None or (where_there and name not in table.names):
            continue
        if name in examples.target_names:
            raise UsageError(f"{examples.source}: '{name}' is the target; it cannot be the {word} as well")
        if name not in table.names:
            raise UsageError(f"{examples.source}: there is no {word} column '{name}'; {_meant(name, table.names)}")
        own[word] = _READERS[word](table, name)
        if word == "weight" and not is_part and not own[word].any():
            table.place.refuse(f"weight '{name}' is 0 in every row; at least one row must count")
    kept = tuple(name for name in table.names if name not in (rows.weight, rows.group))
    if not kept:
        raise DataError(f"{examples.source}: no input column is left")
    return Examples(
        table.pick(kept),
        examples.targets,
        examples.target_names,
        examples.source,
        own.get("weight"),
        own.get("group"),
        own.get("time"),
        examples.n_without_target,
    )


def _weights(table: Table, name: str) -> np.ndarray:
    weights = np.asarray(as_numbers(table, name), np.float64)
    _refuse_gap(table, table.column(name), "a weight")
    if (weights < 0).any():
        row = int((weights < 0).argmax())
        table.place.refuse(
            f"weight '{name}', {table.place.row(table.file_row(row))} is {weights[row]:g}; a weight is at least 0"
        )
    return weights


def _groups(table: Table, name: str) -> np.ndarray:
    column = as_texts(table, name)
    _refuse_gap(table, column, "a group")
    return np.array(column.levels, str)[column.values]  # texts: the groups of two files can be compared


def _times(table: Table, name: str) -> np.ndarray:
    column = table.column(name)
    if column.kind not in ("number", "date"):
        table.place.refuse(f"time '{name}' holds neither dates nor numbers; --date-order helps to read dates")
    _refuse_gap(table, column, "a time")
    return column.values


_READERS = {"weight": _weights, "group": _groups, "time": _times}


def _refuse_gap(table: Table, column: Column, what: str) -> None:
    missing = column.missing()
    if missing.any():
        row = table.place.row(table.file_row(int(missing.argmax())))
        table.place.refuse(f"column '{column.name}', {row} is empty; every row needs {what}")


def _pair(source: tuple[Any, ...], names: tuple[str, ...] | None) -> Examples:
    values, targets = _two(source)
    if targets is None:
        raise DataError("(X, y): y is None; training needs targets")
    if is_frame(values):
        table = frame_table(values)
        if not table.names:
            raise DataError("table: there are no input columns")
    else:
        table = array_table(values, Place("array"))
    where = table.place.source
    check_rows(table)
    given = names or _names_of(targets)
    coded, target_names = targets_of(_values(targets), given, table.n_rows, where)
    return Examples(table, coded, target_names, where)


def array_table(values: Any, place: Place) -> Table:
    """An array of rows, or of images, as a table."""
    if is_array_of_images(values):
        return images_of(values, place)
    array = values if is_sparse(values) else as_array(values, place.source)
    return inputs_of(array, input_names(array.shape[1]) if array.ndim == 2 else None, place)


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


def embedded_examples(name: str, target: tuple[str, ...] | None) -> Examples:
    """An embedded data set.

    Raises:
        UsageError: Another target is named than its own.
    """
    examples = EMBEDDED[name].load()
    if target is not None and target != examples.target_names:
        raise UsageError(
            f"{name}: its target is '{examples.target_names[0]}', not {listed(target)}; leave --target out"
        )
    return examples


def _embedded_inputs(examples: Examples, names: tuple[str, ...], wanted: tuple[str, ...]) -> Examples:
    check_needed(names, examples.columns, examples.source)
    has_targets = wanted == examples.target_names
    return Examples(
        examples.inputs.pick(names),
        examples.targets if has_targets else None,
        wanted if has_targets else (),
        examples.source,
    )


def check_needed(needed: Sequence[str], there: Sequence[str], where: str) -> None:
    """Raises a UsageError where columns that a model reads are not there."""
    present = set(there)
    lacking = [name for name in needed if name not in present]
    if len(lacking) == 1:
        raise UsageError(f"{where}: the model needs a column '{shortened(lacking[0])}'; {_meant(lacking[0], there)}")
    if lacking:
        raise UsageError(
            f"{where}: the model needs {len(lacking)} columns that are not there: {listed(lacking)}; "
            f"there are {listed(there)}"
        )


def _meant(name: str, names: Sequence[str]) -> str:
    return did_you_mean(name, names) if nearest(name, names) else f"there are {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """Names in a message: the first of very many, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(map(shortened, names[:MOST_NAMES])) + (f" and {more} more" if more > 0 else "")


def _kind(source: object) -> str:
    if isinstance(source, np.ndarray | list):
        return "inputs without targets"
    return f"a {type(source).__name__}"
