"""`entrena techniques`: everything that a recipe can choose, with formula, meaning and source."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from entrena.cli.failures import DONE
from entrena.cli.options import Debug, Json
from entrena.cli.output import console, print_json
from entrena.errors import UsageError, did_you_mean


def techniques(
    filter_: Annotated[
        str | None, typer.Argument(metavar="[KEY|NAME|ID]", help="Only these: activation, elu, or activation=elu.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """List the techniques: formula, meaning, source."""
    found = catalogue()
    if filter_ is not None:
        wanted = filter_.strip()
        kept = [each for each in found if wanted in (each["id"], *each["id"].split("="), each["key"])]
        if not kept:
            names = {part for each in found for part in each["id"].split("=")}
            raise UsageError(f"no technique '{wanted}': {did_you_mean(wanted, sorted(names))}")
        found = kept
    if as_json:
        print_json({"techniques": found})
    else:
        _print(found)
    return DONE


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


def _print(found: list[dict[str, Any]]) -> None:
    from rich.padding import Padding

    out = console()
    chapter = None
    for each in found:
        if each["chapter"] != chapter:
            chapter = each["chapter"]
            out.print()
            out.print(chapter, style="bold underline")
        out.print()
        out.print(f"{each['id']}   {each['formula']}", markup=False, style="bold")
        said = each["meaning"] + (f" [{each['source']}]" if each["source"] else "")
        out.print(Padding(_plain(said), (0, 0, 0, 4)))
        for setting in each["settings"]:
            text = f"{setting['name']} = {setting['default']}: {setting['meaning']}; {setting['allowed']}"
            out.print(Padding(_plain(text), (0, 0, 0, 4)))
    out.print()


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
