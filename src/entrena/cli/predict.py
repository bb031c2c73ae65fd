"""`entrena predict`: predictions for the rows of a table."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrena.cli.options import (
    RUNS_DIR,
    DateOrder,
    Debug,
    Decimal,
    Encoding,
    Json,
    Missing,
    RunName,
    RunsDir,
    Separator,
    SkipBad,
    Thousands,
    read_options,
)
from entrena.cli.output import print_json, visible
from entrena.cli.run_names import find_model
from entrena.cli.table_file import check_suffix, write_table
from entrena.errors import UsageError, shortened
from entrena.reporting.wording import count

if TYPE_CHECKING:
    import numpy as np

    from entrena.data import Table
    from entrena.model import Model

# What makes a cell a formula; with the tab and the carriage return behind which one can hide.
RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


def predict(
    run: RunName,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A table with the model's input columns, or a folder of pictures; - reads the standard input.",
        ),
    ],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="A .csv or .parquet file; else CSV is printed.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities/--no-probabilities", help="A column for the probability of each class.")
    ] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the table's own columns in front.")] = False,
    excel_safe: Annotated[
        bool,
        typer.Option(
            "--excel-safe", help="Put a ' before texts that a spreadsheet would run: those with = + - @ first."
        ),
    ] = False,
    separator: Separator = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    encoding: Encoding = None,
    missing: Missing = None,
    date_order: DateOrder = None,
    skip_bad: SkipBad = False,
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Predict the target of each row of a table.

    entrena predict last new.csv -o predicted.csv
    """
    check_suffix(output)
    if output is not None and os.path.exists(output) and os.path.exists(data) and os.path.samefile(data, output):
        raise UsageError(f"-o {output}: that is the table itself, and its columns would be lost: name another file")
    path = find_model(run, runs_dir)

    import numpy as np

    from entrena.data import read_columns, read_inputs
    from entrena.model import Model

    model = Model.load(path)
    options = read_options(separator, decimal, thousands, encoding, missing, date_order, skip_bad=skip_bad)
    table = read_columns(data, model.schema, options=options, beside=keep)
    inputs = read_inputs(table, model.schema, targets=False).inputs
    columns = predictions(model, inputs, probabilities)
    if table.files is not None:
        columns = {"file": np.array(table.files), **columns}
    elif table.image is not None:  # a column of pictures
        columns = with_rows(table, columns)
    elif keep:
        columns = with_own(table, columns)
    notes = [f"{data}: {table.said}"] if table.said else []
    notes += unusual(model, inputs)
    if excel_safe:
        columns = safe_for_spreadsheets(columns)
    n_rows = len(next(iter(columns.values())))
    if output is not None or not as_json:
        write_table(columns, output)
    if as_json:
        plain = {name: values.tolist() for name, values in columns.items()} if output is None else None
        print_json(
            {
                "model": str(path),
                "data": data,
                "rows": n_rows,
                "columns": list(columns),
                "output": output,
                "notes": notes,
                "predictions": plain,
            }
        )
        return
    for note in notes:
        print(visible(note), file=sys.stderr)
    if output is not None:
        print(f"{count(n_rows, 'prediction')} in {output}", file=sys.stderr)


def predictions(model: Model, inputs: Table, with_probabilities: bool) -> dict[str, np.ndarray]:
    """The columns of a table of predictions, by name.

    Args:
        model: The trained network.
        inputs: The rows.
        with_probabilities: Whether each class gets a column.
    """
    import numpy as np

    schema = model.schema
    if schema.classes is None:
        numbers = model.predict(inputs)
        if numbers.ndim == 1:
            return {"prediction": numbers}
        return {f"prediction_{name}": numbers[:, k] for k, name in enumerate(schema.target_names)}
    p = model.predict_proba(inputs)
    columns: dict[str, Any] = {"prediction": np.asarray(schema.classes)[p.argmax(axis=1)]}
    if with_probabilities:
        columns |= {f"probability_{label}": p[:, k] for k, label in enumerate(schema.classes)}
    return columns


def unusual(model: Model, inputs: Table) -> list[str]:
    """What is to be said of values that the model has not seen."""
    return [
        f"{shortened(name)}: {count(n, 'row')} with a value not seen in training, such as {shortened(example)!r}"
        for name, (n, example) in model.preprocessor.unseen(inputs).items()
    ]


def with_own(table: Table, predicted: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns of a table, then those of its predictions.

    Raises:
        UsageError: The table has a column of such a name.
    """
    taken = [name for name in predicted if name in table.names]
    if taken:
        raise UsageError(f"--keep: {table.place.source} has a column '{taken[0]}' of its own: rename it first")
    return {**{column.name: column.as_written() for column in table}, **predicted}


def with_rows(table: Table, predicted: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of a column of pictures, as messages count them, with the columns of their predictions.

    Args:
        table: The pictures; the columns beside them, where these were read, are put in between.
        predicted: The predictions by name.

    Raises:
        UsageError: The file has a column of such a name.
    """
    import numpy as np

    numbers = np.array([table.file_row(index) for index in range(table.n_rows)], np.int64) + table.place.first_row
    columns = {"row": numbers, **predicted}
    if table.beside is not None:
        own = table.beside if table.rows is None else table.beside.take(table.rows)
        columns = with_own(own, columns)
    return {"row": columns["row"], **columns}


def safe_for_spreadsheets(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Texts and names that a spreadsheet would take for a formula, with a ' in front."""
    import numpy as np

    def safe(text: object) -> object:
        return f"'{text}" if isinstance(text, str) and text[:1] in RUN_BY_SPREADSHEETS else text

    return {
        str(safe(name)): values
        if values.dtype.kind not in "UO"
        else np.array([safe(value) for value in values.tolist()], object)
        for name, values in columns.items()
    }
