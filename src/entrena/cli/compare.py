"""`entrena compare`: recipes on the same rows, and which of their differences are none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from entrena.cli.output import listed, open_console, print_facts, print_json, print_line, print_table, typed_command
from entrena.cli.run_names import find_run
from entrena.cli.train import parse_roles, read_recipe
from entrena.errors import UsageError
from entrena.reporting.wording import count, duration, number, score, score_title

if TYPE_CHECKING:
    from rich.console import Console


WRITTEN = ("--separator", "--decimal", "--thousands", "--encoding", "--missing", "--date-order")


def compare(
    data: Annotated[
        list[str] | None, typer.Argument(metavar="DATA...", help="A table, or several; or embedded sets.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", metavar="COLUMN", help="What to predict; of several tables one for each."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary", metavar="KEY=A,B", help="Values of a choice of the recipe, as activation=relu,elu; repeatable."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", help="Splits, each with first weights of its own.  [default: 5]")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(metavar="K", help="A cross-validation of K parts for each seed.  [default: none]")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("-r", "--recipe", metavar="FILE", help="What the recipes have in common.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("-s", "--set", metavar="KEY=VALUE", help="A choice that they have in common; repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The first random_state.  [default: 0]")] = None,
    metric: Metric = None,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="classification or regression, where the data do not tell.")
    ] = None,
    roles: Annotated[
        list[str] | None, typer.Option("--role", metavar="COLUMN=ROLE", help="What a column is; repeatable.")
    ] = None,
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column that says how much each row counts.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows with equal values here stay on one side of every split.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What is held out is later than what is trained on.")
    ] = None,
    test_fraction: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the rows that is put aside and not looked at.  [default: 0.2]"),
    ] = None,
    separator: Separator = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    encoding: Encoding = None,
    missing: Missing = None,
    date_order: DateOrder = None,
    image: Image = None,
    skip_bad: SkipBad = False,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Write a page with figures, which opens offline.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="COMPARISON", help="Go on with one that was stopped: path, name, or last.")
    ] = None,
    runs_dir: RunsDir = RUNS_DIR,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The last part of its directory's name.  [default: the data's]")
    ] = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="Make no directory; then it cannot be resumed.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare recipes on the same splits, and say which differences are none.

    entrena compare digits --vary activation=relu,elu,tanh

    entrena compare houses.csv --target price --vary learning_rate=0.003,0.01 --vary hidden=[64],[128,64] --folds 5
    """
    if resume is not None:
        began: dict[str, Any] = {"DATA": data, "--target": target, "--vary": vary, "--seeds": seeds, "--folds": folds}
        began |= {"--recipe": recipe, "--set": settings, "--seed": seed, "--metric": metric, "--task": task}
        began |= {"--role": roles, "--weight": weight, "--group": group, "--time": time, "--name": name}
        began |= {"--test-fraction": test_fraction, "--no-save": no_save or None}
        written = (separator, decimal, thousands, encoding, missing, date_order)
        began |= dict(zip(WRITTEN, written, strict=True))
        began |= {"--image": image, "--skip-bad": skip_bad or None}
        given = [option for option, value in began.items() if value not in (None, [])]
        if given:
            raise UsageError(f"--resume goes on with the comparison as it began: leave out {', '.join(given)}")
        arguments: dict[str, Any] = {"resume": find_run(resume, runs_dir, unfinished=True, kind="comparison")}
    else:
        if not data:
            raise UsageError("compare needs data: entrena compare digits --vary activation=relu,elu")
        from entrena.population.variants import parse_vary

        many = len(data) > 1
        arguments = {
            "data": list(data) if many else data[0],
            "vary": parse_vary(vary or []),
            "target": (
                (list(target) if many and len(target) > 1 else target[0] if len(target) == 1 else tuple(target))
                if target
                else None
            ),
            "recipe": read_recipe(recipe, settings or [], seed),
            "seeds": 5 if seeds is None else seeds,
            "folds": folds,
            "metrics": metric_choices(metric),
            "task": task,
            "roles": parse_roles(roles or []),
            "weight": weight,
            "group": group,
            "time": time,
            "test_fraction": 0.2 if test_fraction is None else test_fraction,
            "options": read_options(
                separator, decimal, thousands, encoding, missing, date_order, image, skip_bad=skip_bad
            ),
            "runs_dir": runs_dir,
            "name": name,
            "save": not no_save,
        }
    if html is not None:
        check_page_name(html)
    from entrena.population import compare as compare_recipes
    from entrena.population.words import to_plain

    comparison = compare_recipes(**arguments, verbose=not (quiet or as_json))
    plain = {**to_plain(comparison), "command": None if resume else typed_command()}
    if not as_json:  # first of all: a page may fail, on a full disk
        print_comparison_of_recipes(plain)
    if html is not None:
        from entrena.reporting.comparison_page import comparison_page

        comparison_page(html, plain)
        plain["page"] = html
        if not as_json:
            print_line(open_console(), "page", html)
    if as_json:
        print_json(plain)


def check_page_name(file: str) -> None:
    """Raises a UsageError for a page that would not be opened as one, or that has no folder."""
    path = Path(file)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--html {file}: the page's name must end in .html, as in --html {path.stem or 'page'}.html")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--html {file}: there is no folder {path.absolute().parent}")


def print_comparison_of_recipes(plain: Mapping[str, Any]) -> None:
    """Prints what a comparison found.

    Args:
        plain: As in the JSON.
    """
    console = open_console()
    names = [each["name"] for each in plain["variants"]]
    for result in plain["data"]:
        _print_result(console, names, result)
        console.print()
    ranking = plain["ranking"]
    if ranking is not None:
        rows = sorted(zip(ranking["mean_ranks"], names, strict=True))
        ranks = [[name, f"{mean:.2f}"] for mean, name in rows]
        print_table(console, (f"over {len(plain['data'])} data sets", "mean rank"), ranks, right=("mean rank",))
        said = f"two ranks differ beyond chance where they are {ranking['critical_difference']:.2f} apart"
        print_facts(console, [("Nemenyi", said)])
        console.print()
    for sentence in plain["verdicts"]:
        console.print(f"  {sentence}")
    trained = sum(len(row) for result in plain["data"] for row in result["epochs"])
    console.print(f"  {count(trained, 'network')} in {duration(plain['seconds'])}")
    if plain["path"]:
        console.print()
        print_line(console, "saved in", plain["path"])


def _print_result(console: Console, names: Sequence[str], result: Mapping[str, Any]) -> None:
    rounds = len({split["seed"] for split in result["splits"]})
    folds = len(result["splits"]) // rounds
    splits = count(rounds, "split") if folds == 1 else f"{count(rounds, 'round')} of {folds} folds"
    sizes = result["sizes"]
    print_facts(
        console,
        [
            ("data", f"{result['data']}, {result['task']} of {listed(result['target'])}"),
            ("splits", f"{splits}: {sizes['training']:,} rows train, {sizes['held_out']:,} score"),
            ("not seen", count(sizes["test"], "test row")),
        ],
    )
    console.print()
    title = score_title(result["score"], result["classes"])
    columns = ("recipe", title, "95 % interval", "behind the best by", "p", "epochs", "to level", "seconds to level")
    rows = []
    for k in sorted(range(len(names)), key=lambda k: (k != result["best"], _behind(result, k))):
        mean, found = result["means"][k], result["against"][k]
        behind = p_value = ""
        if found is not None:
            ends = (found["behind"]["low"], found["behind"]["high"])
            behind = " … ".join(score(result["score"], end) for end in ends)
            p_value = "< 0.001" if found["p_adjusted"] < 0.001 else f"{found['p_adjusted']:.3f}"
        interval = " … ".join(score(result["score"], mean[end]) for end in ("low", "high"))
        rows.append(
            [
                names[k],
                score(result["score"], mean["mean"]),
                "" if mean["low"] is None else interval,
                behind,
                p_value,
                number(_mean_of(result["epochs"], k)),
                number(_mean_of(result["epochs_to_level"], k)),
                number(_mean_of(result["seconds_to_level"], k)),
            ]
        )
    dispensable = ("seconds to level", "to level", "epochs", "95 % interval")
    print_table(console, columns, rows, right=columns[1:], dispensable=dispensable)
    if len(names) > 1:
        said = (
            f"a loss of {number(result['level'])}, the least of the slowest recipe; in epochs, and seconds of one core"
        )
        print_facts(console, [("level", said)])
    bad = sum(outcome == "diverged" for outcomes in result["outcomes"] for outcome in outcomes)
    if bad:
        print_facts(console, [("diverged", count(bad, "network"))])


def _mean_of(rows: Sequence[Sequence[float | None]], k: int) -> float | None:
    """The mean over splits of a variant's numbers; None where one is missing."""
    values = [row[k] for row in rows]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _behind(result: Mapping[str, Any], k: int) -> float:
    found = result["against"][k]
    return -math.inf if found is None else found["behind"]["mean"]
