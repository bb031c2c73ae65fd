"""`entrena evaluate`: how good a model is on rows whose target is known."""

from __future__ import annotations

from typing import Annotated

import typer

from entrena.cli.failures import DONE
from entrena.cli.options import RUNS, Debug, Json, RunName, RunsDir, find_model
from entrena.cli.output import console, print_json, scores_table
from entrena.errors import UsageError


def evaluate(
    run: RunName,
    data: Annotated[str, typer.Argument(help="A CSV or Parquet file with the input columns and the target.")],
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Score a model on a table that has the target column."""
    from entrena.data import read_inputs

    model = find_model(run, runs_dir)
    examples = read_inputs(data, model.schema.columns, target_names=model.schema.target_names)
    if examples.targets is None:
        names = ", ".join(model.schema.target_names)
        raise UsageError(f"{examples.source}: scoring needs the target {names}; entrena predict needs none")
    scores = model.evaluate(examples)
    if as_json:
        print_json({"task": model.schema.task, "rows": examples.n_rows, "scores": scores})
    else:
        console().print(scores_table({examples.source: scores}, {examples.source: examples.n_rows}))
    return DONE
