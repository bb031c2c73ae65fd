"""`entrena evaluate`: how good a model is on rows whose target is known."""

from __future__ import annotations

from typing import Annotated

import typer

from entrena.cli.options import RUNS_DIR, Debug, Json, RunName, RunsDir
from entrena.cli.output import count, listed, open_console, print_facts, print_json, print_scores
from entrena.cli.run_names import find_model
from entrena.errors import UsageError


def evaluate(
    run: RunName,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A CSV or Parquet file with the input columns and the target.")
    ],
    runs_dir: RunsDir = RUNS_DIR,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Score a model on a table that has the target column.

    entrena evaluate last test.csv
    """
    path = find_model(run, runs_dir)

    from entrena.data import read_inputs
    from entrena.fitting import main_score
    from entrena.model import Model

    model = Model.load(path)
    schema = model.schema
    examples = read_inputs(data, schema.columns, target_names=schema.target_names)
    if examples.targets is None:
        needed = listed(schema.target_names)
        raise UsageError(f"{examples.source}: scoring needs the target {needed}; entrena predict needs none")
    scores = model.evaluate(examples)
    if as_json:
        name = main_score(model.recipe, schema)
        told = {"model": str(path), "data": data, "task": schema.task, "rows": examples.n_rows}
        print_json({**told, "result": {"score": name, "value": scores[name]}, "scores": scores})
        return
    console = open_console()
    facts = [("task", f"{schema.task} of {listed(schema.target_names)}")]
    print_facts(console, [*facts, ("data", f"{examples.source}, {count(examples.n_rows, 'row')}")])
    console.print()
    print_scores(console, {"score": scores})
