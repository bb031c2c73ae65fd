"""`entrena train`: trains a network on a table."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrena.cli.failures import DONE, FAILED, INTERRUPTED
from entrena.cli.options import RUNS, Debug, Json, RunsDir, find_run
from entrena.cli.output import console, duration, print_json, scores_table
from entrena.errors import UsageError

if TYPE_CHECKING:
    from entrena.recipe import Recipe
    from entrena.run import Run


def train(
    data: Annotated[
        str | None,
        typer.Argument(help="A CSV or Parquet file, or an embedded set such as digits (see entrena data)."),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="The column to predict; repeat it for several numbers at once.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="classification or regression, where the data do not tell.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="A recipe file, .toml or .json.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A choice of the recipe, such as activation=elu; repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The recipe's random_state.")] = None,
    test_fraction: Annotated[
        float, typer.Option("--test-fraction", help="Share of the rows put aside for the final score; 0: none.")
    ] = 0.2,
    validation: Annotated[
        str | None, typer.Option("--validation", help="A file of validation rows of your own.")
    ] = None,
    resume: Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Go on with a stopped run.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="RUN", help="Start from the weights of a run or model file.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The run's name; by default the data's.")] = None,
    runs_dir: RunsDir = RUNS,
    no_save: Annotated[bool, typer.Option("--no-save", help="Make no run directory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Train a network on a table, score and save it."""
    from entrena.run import train as train_run

    chosen = None
    if resume is not None:
        given = {"DATA": data, "--recipe": recipe, "--set": settings, "--seed": seed, "--from": start}
        wrong = [option for option, value in given.items() if value not in (None, [])]
        if wrong:
            raise UsageError(f"--resume goes on with the run's own data and recipe: leave out {', '.join(wrong)}")
    else:
        if data is None:
            raise UsageError("nothing to train on: entrena train FILE --target COLUMN, or entrena train digits")
        chosen = _recipe(recipe, settings or [], seed, None if start is None else find_run(start, runs_dir))
    with contextlib.ExitStack() as shown:
        callbacks: list[Any] = []
        if not quiet and not as_json:
            from entrena.reporting.progress import ProgressBar

            callbacks.append(shown.enter_context(ProgressBar()))
        run = train_run(
            chosen,
            data,
            target=target[0] if target and len(target) == 1 else target or None,
            task=task,
            validation_data=validation,
            test_fraction=test_fraction,
            resume=None if resume is None else find_run(resume, runs_dir),
            from_run=None if start is None else find_run(start, runs_dir),
            callbacks=callbacks,
            runs_dir=runs_dir,
            name=name,
            save=not no_save,
        )
    if as_json:
        print_json(describe(run))
    elif not quiet:
        _print(run, data)
    return {"interrupted": INTERRUPTED, "diverged": FAILED}.get(run.outcome.name, DONE)


def _recipe(file: Path | None, settings: list[str], seed: int | None, start: Path | None) -> Recipe:
    """The recipe file, else the recipe of the model to start from, else the defaults; then what was set."""
    from entrena.recipe import Recipe, parse_assignments

    if file is not None:
        base = Recipe.read(file)
    elif start is not None:
        from entrena.model import Model

        base = Model.load(start).recipe
    else:
        base = Recipe()
    changes = parse_assignments(settings)
    if seed is not None:
        changes["random_state"] = seed
    return base.change(changes) if changes else base


def describe(run: Run) -> dict[str, Any]:
    """A run as the JSON of `entrena train`."""
    return {
        "run": None if run.path is None else str(run.path),
        "task": run.task,
        "result": run.result,
        "outcome": {"name": run.outcome.name, "sentence": run.outcome.sentence},
        "n_epochs": run.n_epochs,
        "best_epoch": run.model.facts["best_epoch"],
        "seconds": run.seconds,
        "rows": dict(run.sizes),
        "validation": run.validation,
        "test": run.test,
        "findings": [dict(finding) for finding in run.findings],
        "model": None if run.path is None else str(run.path / "model.safetensors"),
        "program": run.model.facts["program"],
        "seed": run.recipe.random_state,
        "recipe": run.recipe.to_plain(),
    }


def _print(run: Run, data: str | None) -> None:
    out = console()
    classes = f", {len(run.schema.classes)} classes" if run.schema.classes is not None else ""
    sizes = ", ".join(f"{rows:,} {part}" for part, rows in run.sizes.items() if rows)
    network = "-".join(str(size) for size in run.model.network.sizes)
    out.print(f"{run.task} of {', '.join(run.schema.target_names)}{classes}; rows: {sizes}", markup=False)
    out.print(f"network {network}, {run.model.network.n_weights:,} weights, seed {run.recipe.random_state}")
    out.print(f"{run.outcome.sentence} {duration(run.seconds)} of training.", markup=False)
    for finding in run.findings:
        out.print(f"! {finding['evidence']} {finding['advice']}", markup=False)
    if run.test or run.validation:
        out.print()
        out.print(scores_table({"validation": run.validation, "test": run.test}, run.sizes))
    if run.path is not None:
        out.print()
        out.print(f"saved in {run.path}", markup=False)
        if run.outcome.name == "interrupted":
            out.print(f"go on with it:  entrena train --resume {run.path}", markup=False)
        else:
            rows = data if data is not None and not Path(data).exists() else "new-rows.csv"
            out.print(f"use it:         entrena predict {run.path} {rows} -o predicted.csv", markup=False)
            out.print(f"look at it:     entrena show {run.path}", markup=False)
