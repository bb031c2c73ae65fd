"""`entrena lesson`: the claims of the teaching, each as an experiment with a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrena.cli.options import Debug, Json
from entrena.cli.output import open_console, print_facts, print_json, print_table
from entrena.errors import UsageError
from entrena.reporting.wording import count, duration

if TYPE_CHECKING:
    from rich.console import Console

    from entrena.lessons import Lesson, Table


def lesson(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Which lesson; without it they are listed.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="The whole study, which takes minutes.")] = False,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The first of its seeds.  [default: 0]")] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="FILE|FOLDER", help="Your own data, for lessons that take them, such as faces."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write a page: .html with figures, or .md."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Try a claim of the teaching: experiment and verdict.

    entrena lesson seed_noise

    entrena lesson seed_noise --full -o seed_noise.html

    entrena lesson faces --data photos/ -o faces.html
    """
    from entrena.lessons import catalogue, find

    if wanted is None:
        options = {"--full": full or None, "--seed": seed, "--data": data, "-o": output}
        given = [option for option, value in options.items() if value is not None]
        if given:
            raise UsageError(f"{', '.join(given)}: name a lesson, as in entrena lesson seed_noise")
        _list(catalogue(), as_json=as_json)
        return
    from entrena.lessons import pages, run

    asked = find(wanted)
    if output is not None:
        pages.check_page(output)
    record = run(asked, "full" if full else "quick", seed=seed or 0, data=data, verbose=not (quiet or as_json))
    if not as_json:  # first of all: a page may fail, on a full disk
        _print(asked, record)
    if output is not None:
        pages.write(output, asked, record)
        record["page"] = output
    if as_json:
        print_json(record)
    elif output is not None:
        print_facts(open_console(), [("page", output)])


def _list(lessons: list[Lesson], *, as_json: bool) -> None:
    if as_json:
        named = ("id", "chapter", "title", "claim", "source")
        print_json({"lessons": [{name: getattr(each, name) for name in named} for each in lessons]})
        return
    console = open_console()
    for chapter, members in groupby(lessons, key=lambda each: each.chapter):
        console.print(chapter, style="bold underline")
        print_facts(console, [(each.id, each.title) for each in members])
        console.print()
    console.print("entrena lesson ID tries one within a minute; --full is the whole study.", soft_wrap=True)


def _print(asked: Lesson, record: Mapping[str, Any]) -> None:
    """Claim, what was done, what was found, verdict, what it means; as wide as people read."""
    console = open_console()
    size, verdict, results = record["size"], record["verdict"], record["results"]
    print_facts(console, [("claim", asked.claim), ("source", asked.source)])
    console.print()
    for table in asked.tables(results):
        _print_titled(console, table)
        console.print()
    console.print(f"  Verdict: {verdict['words']}", style="bold")
    print_facts(console, [("", verdict["sentence"])], indent=0)
    console.print()
    print_facts(console, [("·", said) for said in asked.meaning(results)])
    console.print()
    facts = [
        (
            "done",
            f"{count(record['networks'], 'network')} in {duration(record['seconds'])}, seeds from {record['seed']} on",
        )
    ]
    if size["left_out"]:
        facts.append(("left out", size["left_out"]))
    print_facts(console, facts)


def _print_titled(console: Console, table: Table) -> None:
    console.print(f"  {table.title}", style="bold")
    right, wrapped = table.header[table.n_texts :], table.header[:1]
    print_table(console, table.header, table.rows, right=right, wrapped=wrapped, dispensable=table.dispensable)
    if table.note:
        print_facts(console, [("", table.note)], indent=0)
