"""`entrena compare`: recipes on the same rows, and which of their differences are none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from entrena.cli.options import (
    DateOrder,
    Debug,
    Decimal,
    Encoding,
    Json,
    Metric,
    Missing,
    Separator,
    Thousands,
    metric_choices,
    read_options,
)
from entrena.cli.output import (
    count,
    duration,
    listed,
    number,
    open_console,
    print_facts,
    print_json,
    print_table,
    score,
    score_title,
)
from entrena.cli.train import parse_roles, read_recipe

if TYPE_CHECKING:
    from rich.console import Console

    from entrena.population import Comparison
    from entrena.population.compare import OnData


def compare(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help="A table, or several; or embedded sets.")],
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
    seeds: Annotated[int, typer.Option(metavar="N", help="Splits, each with first weights of its own.")] = 5,
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
        float, typer.Option(metavar="SHARE", help="Share of the rows that is put aside and not looked at.")
    ] = 0.2,
    separator: Separator = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    encoding: Encoding = None,
    missing: Missing = None,
    date_order: DateOrder = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare recipes on the same splits, and say which differences are none.

    entrena compare digits --vary activation=relu,elu,tanh

    entrena compare houses.csv --target price --vary learning_rate=0.003,0.01 --vary hidden=[64],[128,64] --folds 5
    """
    from entrena.population import compare as compare_recipes
    from entrena.population.variants import parse_vary

    many = len(data) > 1
    comparison = compare_recipes(
        list(data) if many else data[0],
        vary=parse_vary(vary or []),
        target=(list(target) if many and len(target) > 1 else target[0] if len(target) == 1 else tuple(target))
        if target
        else None,
        recipe=read_recipe(recipe, settings or [], seed),
        seeds=seeds,
        folds=folds,
        metrics=metric_choices(metric),
        task=task,
        roles=parse_roles(roles or []),
        weight=weight,
        group=group,
        time=time,
        test_fraction=test_fraction,
        options=read_options(separator, decimal, thousands, encoding, missing, date_order),
        verbose=not (quiet or as_json),
    )
    if as_json:
        from entrena.population.words import to_plain

        print_json(to_plain(comparison))
        return
    _print(comparison)


def _print(comparison: Comparison) -> None:
    from entrena.population.words import verdicts

    console = open_console()
    for result in comparison.results:
        _print_result(console, comparison, result)
        console.print()
    ranking = comparison.ranking
    if ranking is not None:
        rows = sorted(zip(ranking.mean_ranks, (each.name for each in comparison.variants), strict=True))
        ranks = [[name, f"{mean:.2f}"] for mean, name in rows]
        print_table(console, (f"over {len(comparison.results)} data sets", "mean rank"), ranks, right=("mean rank",))
        said = f"two ranks differ beyond chance where they are {ranking.critical_difference:.2f} apart"
        print_facts(console, [("Nemenyi", said)])
        console.print()
    for sentence in verdicts(comparison):
        console.print(f"  {sentence}")
    trained = sum(result.epochs.size for result in comparison.results)
    console.print(f"  {count(trained, 'network')} in {duration(comparison.seconds)}")


def _print_result(console: Console, comparison: Comparison, result: OnData) -> None:
    rounds = len({seed for seed, _ in result.splits})
    folds = len(result.splits) // rounds
    splits = count(rounds, "split") if folds == 1 else f"{count(rounds, 'round')} of {folds} folds"
    sizes = result.sizes
    print_facts(
        console,
        [
            ("data", f"{result.data}, {result.schema.task} of {listed(result.schema.target_names)}"),
            ("splits", f"{splits}: {sizes['training']:,} rows train, {sizes['held_out']:,} score"),
            ("not seen", count(sizes["test"], "test row")),
        ],
    )
    console.print()
    title = score_title(result.score, result.schema.classes)
    columns = ("recipe", title, "95 % interval", "behind the best by", "p", "epochs", "to level")
    rows = []
    order = sorted(range(len(comparison.variants)), key=lambda k: (k != result.best, _behind(result, k)))
    for k in order:
        mean, low, high = result.means[k]
        found = result.against[k]
        behind = p_value = ""
        if found is not None:
            ends = (found.difference.low, found.difference.high)
            behind = " … ".join(score(result.score, end) for end in ends)
            p_value = "< 0.001" if found.p_value < 0.001 else f"{found.p_value:.3f}"
        interval = "" if math.isnan(low) else f"{score(result.score, low)} … {score(result.score, high)}"
        reached = result.epochs_to_level[:, k]
        to_level = "–" if any(map(math.isnan, reached)) else number(float(reached.mean()))
        epochs = number(float(result.epochs[:, k].mean()))
        name = comparison.variants[k].name
        rows.append([name, score(result.score, mean), interval, behind, p_value, epochs, to_level])
    dispensable = ("to level", "epochs", "95 % interval")
    print_table(console, columns, rows, right=columns[1:], dispensable=dispensable)
    if len(comparison.variants) > 1:
        print_facts(console, [("level", f"a loss of {number(result.level)}, where the slowest recipe ends; in epochs")])
    bad = sum(outcome == "diverged" for outcomes in result.outcomes for outcome in outcomes)
    if bad:
        print_facts(console, [("diverged", count(bad, "network"))])


def _behind(result: OnData, k: int) -> float:
    found = result.against[k]
    return -math.inf if found is None else found.difference.mean
