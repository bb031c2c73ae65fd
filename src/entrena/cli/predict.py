"""`entrena predict`: predictions for the rows of a table."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrena.cli.options import RUNS_DIR, Debug, Json, RunName, RunsDir
from entrena.cli.output import count, print_json
from entrena.cli.run_names import find_model
from entrena.cli.table_file import check_suffix, write_table
from entrena.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from entrena.model import Model


def predict(
    run: RunName,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A CSV or Parquet file with the model's input columns.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="A .csv or .parquet file; else CSV is printed.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities/--no-probabilities", help="A column for the probability of each class.")
    ] = True,
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

    from entrena.data import read_inputs
    from entrena.model import Model

    model = Model.load(path)
    columns = predictions(model, read_inputs(data, model.schema.columns).inputs, probabilities)
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
                "predictions": plain,
            }
        )
    elif output is not None:
        print(f"{count(n_rows, 'prediction')} in {output}", file=sys.stderr)


def predictions(model: Model, inputs: np.ndarray, with_probabilities: bool) -> dict[str, np.ndarray]:
    """The columns of a table of predictions, by name.

    Args:
        model: The trained network.
        inputs: [rows, columns] numbers.
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
