"""`entrena train`: trains a network on a table and saves it as a run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrena.cli.data_facts import data_facts, input_facts, repeated_facts
from entrena.cli.failures import DONE, FAILED, INTERRUPTED, complain
from entrena.cli.network_words import describe_network, first_weights, layer_words
from entrena.cli.options import (
    RUNS_DIR,
    DateOrder,
    Debug,
    Decimal,
    Encoding,
    Image,
    Json,
    Metric,
    Missing,
    RunsDir,
    Separator,
    SkipBad,
    Thousands,
    metric_choices,
    read_options,
)
from entrena.cli.output import listed, open_console, print_comparison, print_facts, print_json, print_line, print_scores
from entrena.cli.run_names import find_model, find_run
from entrena.cli.train_stream import is_stream, refuse_options, train_stream
from entrena.errors import UsageError
from entrena.reporting.wording import count, duration, number, size

if TYPE_CHECKING:
    from entrena.finished_run import Run
    from entrena.recipe import Recipe


STATIC = ("group", "time", "test_fraction", "metrics")  # what a stream has no use for


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A table (CSV, TSV, Parquet, Arrow, JSON lines, Excel; - reads the standard input), a folder with a "
            "folder of pictures for each class, or an embedded set such as digits (entrena data).",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", "-t", metavar="COLUMN", help="What to predict; repeat it for several numbers at once."
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="classification or regression, where the data do not tell.")
    ] = None,
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            metavar="COLUMN=ROLE",
            help="What a column is: number, category, boolean, date, text, identifier, ignore, weight, group or time; "
            "repeatable.  [default: found from the training rows]",
        ),
    ] = None,
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column that says how much each row counts.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Rows with equal values here stay on one side of every split."),
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Split by time: the last rows are the test rows.")
    ] = None,
    separator: Separator = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    encoding: Encoding = None,
    missing: Missing = None,
    date_order: DateOrder = None,
    image: Image = None,
    skip_bad: SkipBad = False,
    recipe: Annotated[
        str | None, typer.Option("-r", "--recipe", metavar="FILE", help="A recipe, .toml or .json.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("-s", "--set", metavar="KEY=VALUE", help="A choice of the recipe, as activation=elu; repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The recipe's random_state.  [default: 0]")] = None,
    mode: Annotated[
        str | None,
        typer.Option(metavar="MODE", help="online, mini_batch or batch: the same as --set mode=MODE."),
    ] = None,
    stream: Annotated[
        bool,
        typer.Option("--stream", help="Learn rows as they come, each tested before it is learned (mode online)."),
    ] = False,
    first_rows: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Of a stream: how many rows show what columns and classes there are.  [default: 1,000]"
        ),
    ] = None,
    warm_rows: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of a stream: take means and deviations from the first N rows.  [default: of the rows so far]",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…", help="Of a stream: all labels that will come.  [default: those of the first rows]"
        ),
    ] = None,
    look_rows: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of a stream: rows between two looks.  [default: 1,000]"),
    ] = None,
    test_fraction: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the rows put aside for the final score.  [default: 0.2]"),
    ] = None,
    test: Annotated[str | None, typer.Option(metavar="FILE", help="Test rows of your own.")] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Put no rows aside for a final score.")] = False,
    validation: Annotated[
        str | None, typer.Option(metavar="FILE", help="Validation rows of your own.  [default: the recipe decides]")
    ] = None,
    metric: Metric = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Once the score is known, train the delivered model on all rows.")
    ] = False,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with a run that was stopped.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="RUN", help="Start from the weights of a run or model file.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The run's name.  [default: the data's]")] = None,
    runs_dir: RunsDir = RUNS_DIR,
    no_save: Annotated[bool, typer.Option("--no-save", help="Leave nothing on the disk.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Train a network on a table and save it as a run.

    entrena train digits

    entrena train houses.csv --target price --set activation=elu

    entrena train --resume last

    tail -f clicks.csv | entrena train - --target buys --stream
    """
    given_to_stream: dict[str, object] = {"--first-rows": first_rows, "--warm-rows": warm_rows}
    given_to_stream |= {"--classes": classes, "--look-rows": look_rows}
    if not stream and resume is None and any(value is not None for value in given_to_stream.values()):
        named = ", ".join(option for option, value in given_to_stream.items() if value is not None)
        raise UsageError(f"{named}: only a stream has it: add --stream")
    if mode is not None:
        settings = [*(settings or []), f"mode={mode}"]
    options = {
        "separator": separator,
        "decimal": decimal,
        "thousands": thousands,
        "encoding": encoding,
        "missing": missing,
        "date_order": date_order,
        "image": image,
    }
    if resume is None:
        if data is None:
            raise UsageError("nothing to train on: entrena train houses.csv --target price, or entrena train digits")
        if no_test and (test is not None or test_fraction is not None):
            raise UsageError("--no-test puts no rows aside: leave out --test and --test-fraction")
        if test is not None and test_fraction is not None:
            raise UsageError("--test names the test rows: leave out --test-fraction")
        share = 0.2 if test_fraction is None else test_fraction
        arguments: dict[str, Any] = {
            "recipe": read_recipe(
                recipe, [*(settings or []), *(["refit=true"] if refit else [])], seed, start, runs_dir, stream=stream
            ),
            "target": tuple(target) if target else None,
            "task": task,
            "roles": parse_roles(roles or []),
            "weight": weight,
            "group": group,
            "time": time,
            "options": read_options(**options, skip_bad=skip_bad),  # type: ignore[arg-type]
            "test_fraction": 0.0 if no_test else share,
            "metrics": metric_choices(metric),
            "from_run": None if start is None else find_model(start, runs_dir),
            "runs_dir": runs_dir,
            "name": name,
            "save": not no_save,
        }
    else:
        began: dict[str, Any] = {
            "--target": target,
            "--task": task,
            "--role": roles,
            "--weight": weight,
            "--group": group,
            "--time": time,
            **{f"--{option.replace('_', '-')}": value for option, value in options.items()},
            "--recipe": recipe,
            "--skip-bad": skip_bad or None,
            "--set": settings,
            "--seed": seed,
            "--from": start,
            "--metric": metric,
        }
        began |= {"--test-fraction": test_fraction, "--name": name, "--no-save": no_save or None}
        began |= {"--no-test": no_test or None, "--refit": refit or None, **given_to_stream}
        given = [option for option, value in began.items() if value not in (None, [])]
        if given:
            raise UsageError(f"--resume goes on with the run as it began: leave out {', '.join(given)}")
        arguments = {"resume": find_run(resume, runs_dir, unfinished=True, kind="run")}

    stream = stream or (resume is not None and is_stream(arguments["resume"]))
    if stream and (image is not None or skip_bad or (data is not None and os.path.isdir(data))):
        raise UsageError("--stream learns the rows of a table as they come, and pictures are read before: leave it out")
    if stream:
        refuse_options(
            {
                "--time": time,
                "--group": group,
                "--test": test,
                "--test-fraction": test_fraction,
                "--no-test": no_test,
                "--validation": validation,
                "--metric": metric,
                "--refit": refit,
            }
        )
        kept = {name: value for name, value in arguments.items() if name not in STATIC}
        if resume is None:
            kept |= {"first_rows": first_rows, "warm_rows": warm_rows}
            kept |= {"classes": [] if classes is None else parse_classes(classes)}
            kept |= {"look_rows": look_rows} if look_rows is not None else {}
        return train_stream({"data": data, **kept}, quiet=quiet, as_json=as_json)

    from entrena.run import train as train_run

    arguments |= {"validation_data": validation, "test_data": test, "verbose": not (quiet or as_json)}
    run = train_run(data=data, **arguments)
    if as_json:
        print_json(describe(run))
    elif not quiet:
        _print(run)
    if run.outcome.name == "diverged":
        complain(" ".join([run.outcome.sentence, *(finding.advice for finding in run.findings)]))
        return FAILED
    return INTERRUPTED if run.outcome.name == "interrupted" else DONE


def read_recipe(
    file: str | None,
    settings: list[str],
    seed: int | None,
    start: str | None = None,
    runs_dir: str = "",
    *,
    stream: bool = False,
) -> Recipe:
    """The recipe file, else that of the model to start from, else the defaults; then what was set."""
    from entrena.recipe import Recipe, parse_assignments

    changes = parse_assignments(settings)
    if seed is not None:
        if "random_state" in changes:
            raise UsageError("--seed and --set random_state are the same: leave one of them out")
        changes["random_state"] = seed
    if file is not None:
        return Recipe.read(file).change(changes)
    if start is None:
        return Recipe.make(changes)
    from entrena.model import Model

    known = Model.load(find_model(start, runs_dir)).recipe
    if stream:
        from entrena.stream_run import recipe_for_stream

        return recipe_for_stream(known).change(changes)
    # A model that was trained again on all rows is a start like any other.
    return known.change({"refit": False}).change(changes)


def parse_classes(typed: str) -> list[str]:
    """The labels of `--classes A,B,C`."""
    return [label.strip() for label in typed.split(",") if label.strip()]


def parse_roles(typed: list[str]) -> dict[str, str]:
    """`COLUMN=ROLE` as a mapping; a column's name may hold an equals sign, a role does not."""
    roles = {}
    for each in typed:
        column, sign, role = each.rpartition("=")
        if not sign or not column:
            raise UsageError(f"--role {each}: write COLUMN=ROLE, such as --role zip=category")
        roles[column] = role
    return roles


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
        "data": dict(run.data),
        "columns": [
            {"name": role.name, "role": role.role, "reason": role.reason, "hint": role.hint}
            for role in run.schema.roles
        ],
        "inputs": run.model.preprocessor.describe_inputs(),
        "validation": run.validation,
        "test": run.test,
        "comparison": run.comparison,
        "findings": [finding.to_plain() for finding in run.findings],
        "network": describe_network(run.model.network),
        "model": None if run.path is None else str(run.path / "model.safetensors"),
        "program": run.model.facts["program"],
        "seed": run.recipe.random_state,
        "recipe": run.recipe.to_plain(),
    }


def priors(told: Mapping[str, Any], classes: Sequence[Any] | None, *, weighted: bool) -> str:
    """In which shares the classes were drawn, and by which the network predicts; `weighted` by class weights."""
    shares = ", ".join(
        f"{label} {100 * share:.3g} %" for label, share in zip(classes or (), told["true"], strict=False)
    )
    if told["restored"]:
        times = " times the class weights" if weighted else ""
        return f"drawn equally often; predicted by their shares in the training rows{times} ({shares})"
    return f"drawn and predicted as if equally frequent (restore_priors=false); in the training rows {shares}"


def _print(run: Run) -> None:
    """What was decided, how it ended, the scores, and what to type next."""
    console = open_console()
    print_facts(console, _facts(run))
    if run.validation or run.test:
        console.print()
        print_scores(console, {"validation": run.validation, "test": run.test}, run.schema.classes)
    if run.comparison is not None:
        console.print()
        print_comparison(console, run.comparison, run.schema.classes)
    if run.path is None:
        return
    path = shlex.quote(str(run.path))
    console.print()
    if run.outcome.name == "interrupted":
        print_line(console, "go on", f"entrena train --resume {path}")
    new = "new.csv" if run.schema.image is None else "new_pictures"
    print_line(console, "predict", f"entrena predict {path} {new} -o out.csv")
    print_line(console, "look at it", f"entrena show {path}")


def _facts(run: Run) -> list[tuple[str, str]]:
    from entrena.training.optimizers import is_batch_only

    schema, network, facts, recipe = run.schema, run.model.network, run.model.facts, run.recipe
    classes = "" if schema.classes is None else f", {count(len(schema.classes), 'class')},"
    used = [f"{run.sizes[part]:,} {part}" for part in ("training", "validation", "test") if run.sizes[part]]
    sizes = " → ".join(f"{size:,}" for size in network.sizes)
    hidden = f", {layer_words(network)}" if recipe.network.hidden else ""
    rate = f"{recipe.rate.schedule} rate {number(float(facts['learning_rate']))}"
    shown = f"batches of {facts['batch_size']:,}, {rate}"
    if is_batch_only(recipe.training.optimizer):
        memory = facts["optimizer_bytes"]
        shown = f"all {facts['batch_size']:,} rows in each update" + (f", {size(memory)}" if memory else "")
    told = [
        *data_facts(run.data, run.schema),
        ("task", f"{run.task} of {listed(schema.target_names)}{classes} from {count(len(schema.columns), 'column')}"),
        ("rows", ", ".join(used)),
        *repeated_facts(run.data),
        *input_facts(run.model.preprocessor.describe_inputs()),
        ("network", f"{sizes}{hidden}; {count(network.n_weights, 'weight')}"),
        ("start", first_weights(network, chosen=recipe.network.initialization is not None)),
        ("training", f"{recipe.training.optimizer}, {shown}, seed {facts['seed']}"),
        ("end", f"{run.outcome.sentence} ({duration(run.seconds)})"),
    ]
    is_weighted = run.recipe.targets.class_weight is not None
    if facts.get("priors"):
        told.insert(-1, ("classes", priors(facts["priors"], run.schema.classes, weighted=is_weighted)))
    told += [
        (finding.severity, f"{finding.evidence} {finding.advice}")
        for finding in run.findings
        if finding.name != "diverged"
    ]
    if "refit" in facts:
        told.append(("refit", f"on all {facts['refit']['rows']:,} rows, {count(facts['refit']['epochs'], 'epoch')}"))
    return told if run.path is None else [*told, ("saved in", str(run.path))]
