"""`entrena techniques`: everything that a recipe can choose, with formula, meaning and source."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrena.cli.options import Debug, Json
from entrena.cli.output import open_console, print_facts, print_json
from entrena.errors import UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console


def techniques(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[KEY|NAME|ID]", help="Only these: activation, elu, or activation=elu.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the techniques: formula, meaning, source.

    entrena techniques activation

    entrena techniques elu
    """
    every = catalogue()
    found = every if wanted is None else [each for each in every if wanted.strip().lower() in _names(each)]
    if wanted is not None and not found:
        raise UsageError(f"there is no technique '{wanted}': {_meant(wanted, every)}")
    if as_json:
        print_json({"techniques": found})
    elif len(found) == 1:
        _print_one(open_console(), found[0])
    else:
        _print(open_console(), found)


def catalogue() -> list[dict[str, Any]]:
    """Every entry of every registry as plain values."""
    from entrena.recipe import REGISTRIES

    return [
        {
            "id": f"{registry.name}={entry.name}",
            "key": registry.key,
            "chapter": registry.chapter,
            "formula": entry.formula,
            "meaning": entry.meaning,
            "source": entry.source,
            "settings": [
                {"name": each.name, "default": each.default, "allowed": each.allowed, "meaning": each.meaning}
                for each in entry.settings
            ],
            "other_names": list(entry.other_names),
            "lesson": entry.lesson,
        }
        for registry in REGISTRIES
        for entry in registry.values()
    ]


def _names(technique: dict[str, Any]) -> set[str]:
    """All that a technique can be asked for by: its names here and elsewhere, its key, its chapter."""
    key, chapter = technique["key"], technique["chapter"].lower()
    own = {technique["id"], *technique["id"].split("="), key, f"{key}={technique['id'].partition('=')[2]}", chapter}
    return own | {other.lower() for other in technique["other_names"]}


def _meant(wanted: str, every: list[dict[str, Any]]) -> str:
    keys = list(dict.fromkeys(each["id"].partition("=")[0] for each in every))
    close = nearest(wanted, [*keys, *(each["id"].partition("=")[2] for each in every)])
    return f"did you mean '{close}'?" if close else f"the keys are {', '.join(keys)}"


def _print(console: Console, found: list[dict[str, Any]]) -> None:
    """By chapter, in it by key: each technique with its formula and its meaning."""
    chapters = list(dict.fromkeys(each["chapter"] for each in found))
    by_chapter = sorted(found, key=lambda each: chapters.index(each["chapter"]))
    for chapter, members in groupby(by_chapter, key=lambda each: each["chapter"]):
        console.print(chapter, style="bold underline")
        for key, entries in groupby(members, key=lambda each: each["key"]):
            console.print()
            console.print(f"  {key}", style="bold")
            said = [(each["id"].partition("=")[2], f"{each['formula']}\n{each['meaning']}") for each in entries]
            print_facts(console, said, indent=4)
        console.print()
    console.print("entrena techniques NAME tells more: settings, source, names elsewhere.", soft_wrap=True)


def _print_one(console: Console, each: dict[str, Any]) -> None:
    key = each["id"].partition("=")[0]
    facts = [
        ("id", each["id"]),
        ("chapter", each["chapter"]),
        ("formula", each["formula"]),
        ("meaning", each["meaning"]),
    ]
    for setting in each["settings"]:
        said = f"{setting['meaning']}: {setting['allowed']}; default {setting['default']}"
        facts.append((f"{key}.{setting['name']}", said))
    facts += [
        ("source", each["source"]),
        ("lesson", each["lesson"] or ""),
        ("elsewhere", ", ".join(each["other_names"])),
    ]
    print_facts(console, [(name, said) for name, said in facts if said])
