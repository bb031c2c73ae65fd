"""`entrena evaluate`: how good a model is on rows whose target is known."""

from __future__ import annotations

from typing import Annotated

import typer

from entrena.cli.options import (
    RUNS_DIR,
    DateOrder,
    Debug,
    Decimal,
    Encoding,
    Json,
    Metric,
    Missing,
    RunName,
    RunsDir,
    Separator,
    SkipBad,
    Thousands,
    metric_choices,
    read_options,
)
from entrena.cli.output import listed, open_console, print_facts, print_json, print_scores
from entrena.cli.run_names import find_model
from entrena.errors import UsageError
from entrena.reporting.wording import count


def evaluate(
    run: RunName,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A table with the input columns and the target.")],
    metric: Metric = None,
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
    """Score a model on a table that has the target column.

    entrena evaluate last test.csv
    """
    path = find_model(run, runs_dir)

    from entrena.data import read_inputs
    from entrena.model import Model, check_metrics, choose_metrics, main_score

    model = Model.load(path)
    schema = model.schema
    options = read_options(separator, decimal, thousands, encoding, missing, date_order, skip_bad=skip_bad)
    metrics = choose_metrics(metric_choices(metric))
    check_metrics(metrics, schema)
    examples = read_inputs(data, schema, options=options)
    if examples.targets is None:
        needed = listed(schema.target_names)
        raise UsageError(f"{examples.source}: scoring needs the target {needed}; entrena predict needs none")
    scores = model.evaluate(examples, metrics=metrics)
    if as_json:
        name = str(metrics[0] if metrics else main_score(model.recipe, schema))
        told = {"model": str(path), "data": data, "task": schema.task, "rows": examples.n_rows}
        told["rows_without_target"] = examples.n_without_target
        print_json({**told, "result": {"score": name, "value": scores[name]}, "scores": scores})
        return
    console = open_console()
    facts = [("task", f"{schema.task} of {listed(schema.target_names)}")]
    said = f"; {examples.inputs.said}" if examples.inputs.said else ""
    print_facts(console, [*facts, ("data", f"{examples.source}, {count(examples.n_rows, 'row')}{said}")])
    if examples.n_without_target:
        print_facts(console, [("left out", f"{count(examples.n_without_target, 'row')} without a target")])
    console.print()
    print_scores(console, {"score": scores}, schema.classes)
