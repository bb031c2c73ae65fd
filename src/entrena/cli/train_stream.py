"""`entrena train --stream`: learns rows as they come and saves the stream as a run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrena.cli.data_facts import left_out_columns
from entrena.cli.failures import DONE, FAILED, INTERRUPTED, complain
from entrena.cli.network_words import first_weights, layer_words
from entrena.cli.output import listed, open_console, print_facts, print_line
from entrena.errors import UsageError
from entrena.reporting.wording import SCORE_NAMES, count, duration, number, score

if TYPE_CHECKING:
    from entrena.finished_run import Run
    from entrena.training.watching import Progress

NOT_OF_STREAMS = ("--time", "--group", "--test", "--test-fraction", "--no-test", "--validation", "--metric", "--refit")


def refuse_options(given: Mapping[str, object]) -> None:
    """Raises a UsageError for options that mean nothing in a stream.

    Args:
        given: What was typed, by option; None, False or empty where it was not.
    """
    wrong = [option for option in NOT_OF_STREAMS if given.get(option) not in (None, False, [])]
    if wrong:
        raise UsageError(
            f"--stream tests every row before it is learned and holds none back: leave out {', '.join(wrong)}"
        )


def is_stream(path: Path) -> bool:
    """Whether a run's folder is that of a stream."""
    from entrena.storage import RunDirectory

    return "stream" in RunDirectory(path).status()


def train_stream(arguments: Mapping[str, Any], *, quiet: bool, as_json: bool) -> int:
    """Learns a stream and says what came of it.

    Args:
        arguments: Of `entrena.stream_run.train_stream`.
        quiet: Whether nothing but errors is printed.
        as_json: Whether each look is a line of JSON, and the last line what came of the stream.
    """
    from entrena.stream_run import train_stream as learn

    callbacks = (_print_look(),) if as_json else ()
    run = learn(**arguments, callbacks=callbacks, verbose=not (quiet or as_json))
    if as_json:
        _print_line(describe(run))
    elif not quiet:
        _print(run)
    if run.outcome.name == "diverged":
        complain(" ".join([run.outcome.sentence, *(finding.advice for finding in run.findings)]))
        return FAILED
    return INTERRUPTED if run.outcome.name == "interrupted" else DONE


def _print_look() -> Callable[[Progress], None]:
    def on_look(progress: Progress) -> None:
        record = progress.record()
        kept = {name: record[name] for name in ("loss", "score", "learning_rate", "seconds")}
        _print_line({"look": progress.epoch, "rows": record["update"], "score_name": progress.score_name, **kept})

    return on_look


def _print_line(value: Mapping[str, object]) -> None:
    from entrena.storage.json_text import to_json

    print(to_json(value), flush=True)


def describe(run: Run) -> dict[str, Any]:
    """A stream as the last line of JSON."""
    return {
        "run": None if run.path is None else str(run.path),
        "task": run.task,
        "result": run.result,
        "outcome": {"name": run.outcome.name, "sentence": run.outcome.sentence},
        "prequential": run.prequential,
        "rows": run.sizes["training"],
        "rows_taken": run.data["rows_taken"],
        "rows_without_target": run.data["rows_without_target"],
        "looks": len(run.history),
        "seconds": run.seconds,
        "findings": [finding.to_plain() for finding in run.findings],
        "model": None if run.path is None else str(run.path / "model.safetensors"),
        "program": run.model.facts["program"],
        "seed": run.recipe.random_state,
        "recipe": run.recipe.to_plain(),
    }


def _print(run: Run) -> None:
    from entrena.model import main_score

    console = open_console()
    schema, network, facts, recipe = run.schema, run.model.network, run.model.facts, run.recipe
    classes = "" if schema.classes is None else f", {count(len(schema.classes), 'class')}: {listed(schema.classes)}"
    left_out = run.data["rows_without_target"]
    rows = f"{run.sizes['training']:,}" + (f"; {left_out:,} without a target were left out" if left_out else "")
    sizes = " → ".join(f"{size:,}" for size in network.sizes)
    hidden = f", {layer_words(network)}" if recipe.network.hidden else ""
    running = "of the rows so far" if facts["running_statistics"] else "fixed"
    rate = number(float(facts["learning_rate"]))
    told = [
        ("task", f"{run.task} of {listed(schema.target_names)}{classes}"),
        ("columns", f"{count(len(schema.columns), 'column')}; means and deviations {running}"),
        *left_out_columns(schema),
        ("rows", rows),
        ("network", f"{sizes}{hidden}; {count(network.n_weights, 'weight')}"),
        ("start", first_weights(network, chosen=recipe.network.initialization is not None)),
        ("training", f"{recipe.training.optimizer}, an update for each row, rate {rate}, seed {facts['seed']}"),
        ("end", f"{run.outcome.sentence} ({duration(run.seconds)})"),
    ]
    if run.prequential:
        told.append(("tested", f"{_scores(run.prequential)}: all rows, each before it was learned"))
    if run.history and run.history[-1]["score"] is not None:
        name, value = str(main_score(recipe, schema)), float(run.history[-1]["score"])
        told.append(("lately", f"{_scores({name: value})}: the rows of the last look"))
    print_facts(console, told if run.path is None else [*told, ("saved in", str(run.path))])
    if run.path is None:
        return
    path = shlex.quote(str(run.path))
    console.print()
    print_line(console, "go on", f"entrena train --resume {path}")
    print_line(console, "predict", f"entrena predict {path} new.csv -o out.csv")
    print_line(console, "look at it", f"entrena show {path}")


def _scores(values: Mapping[str, float]) -> str:
    return ", ".join(f"{SCORE_NAMES.get(name, name)} {score(name, value)}" for name, value in values.items())
