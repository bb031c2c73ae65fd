"""`entrena predict`: predictions for the rows of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from entrena.cli.failures import DONE
from entrena.cli.options import RUNS, Debug, Json, RunName, RunsDir, find_model
from entrena.cli.output import print_json, print_message
from entrena.errors import UsageError

if TYPE_CHECKING:
    from entrena.model import Model


def predict(
    run: RunName,
    data: Annotated[str, typer.Argument(help="A CSV or Parquet file with the model's input columns.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file; without it CSV is printed.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities/--no-probabilities", help="Also the probability of each class.")
    ] = True,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Predict the target of each row of a table."""
    if output is not None and output.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"-o {output}: write a .csv or a .parquet file")
    from entrena.data import read_inputs

    model = find_model(run, runs_dir)
    columns = predictions(model, read_inputs(data, model.schema.columns).inputs, probabilities)
    if output is not None:
        write_table(columns, output)
    n_rows = len(next(iter(columns.values())))
    if as_json:
        plain = {name: values.tolist() for name, values in columns.items()} if output is None else None
        print_json({"rows": n_rows, "columns": list(columns), "output": output and str(output), "predictions": plain})
    elif output is None:
        sys.stdout.write(_frame(columns).write_csv())
    else:
        print_message(f"{n_rows:,} predictions in {output}")
    return DONE


def predictions(model: Model, inputs: np.ndarray, with_probabilities: bool) -> dict[str, np.ndarray]:
    """The columns of a table of predictions, by name."""
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


def write_table(columns: dict[str, np.ndarray], path: Path) -> None:
    """Writes a table as CSV or Parquet, atomically."""
    import io

    from entrena.storage import write_bytes

    buffer = io.BytesIO()
    frame = _frame(columns)
    frame.write_parquet(buffer) if path.suffix.lower() == ".parquet" else frame.write_csv(buffer)
    write_bytes(path, buffer.getbuffer())


def _frame(columns: dict[str, np.ndarray]) -> Any:
    import polars

    return polars.DataFrame({name: polars.Series(name, values) for name, values in columns.items()})
