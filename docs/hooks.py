"""Makes pages of the documentation from the program itself, so that they cannot fall behind it.

`techniques/` comes from the registries, `reference/recipe.md` from the recipe, `reference/code/` from the
list of modules (their text from the docstrings). MkDocs calls the two functions `on_…`; nothing is written into docs/.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entrena.recipe import REGISTRIES, Recipe, allowed, sections
from entrena.registry import Registry

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PACKAGE = Path(__file__).parent.parent / "src" / "entrena"
RECIPE_HEADS = ("key", "default", "allowed", "meaning")
NOT_FOR_PROGRAMMERS = {"cli", "__main__"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the pages made here into the navigation."""
    titles = {title: pages for entry in config.nav or [] for title, pages in entry.items()}
    titles["Techniques"][1:1] = [{chapter: technique_page(chapter)} for chapter in chapters(REGISTRIES)]
    titles["Reference"].append({"Modules": [{room: f"reference/code/{room}.md"} for room in rooms(PACKAGE)]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages made here to those that were written."""
    from mkdocs.structure.files import File  # here, so that the tests of the texts need no MkDocs

    pages = {"techniques/index.md": techniques_index(REGISTRIES)}
    for chapter, registries in chapters(REGISTRIES).items():
        pages[technique_page(chapter)] = chapter_text(chapter, registries)
    pages["reference/recipe.md"] = recipe_text()
    for room, modules in rooms(PACKAGE).items():
        pages[f"reference/code/{room}.md"] = room_text(room, modules)
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


# Techniques


def chapters(registries: Iterable[Registry]) -> dict[str, list[Registry]]:
    """The registries of each chapter, in their order."""
    found: dict[str, list[Registry]] = {}
    for registry in registries:
        found.setdefault(registry.chapter, []).append(registry)
    return found


def technique_page(chapter: str) -> str:
    """The page of a chapter, as a path inside docs/."""
    return f"techniques/{chapter.lower().replace(',', '').replace(' ', '-')}.md"


def techniques_index(registries: Sequence[Registry]) -> str:
    """The page that lists every technique by name."""
    parts = [
        "# Techniques",
        "Every choice of a run is one key of its [recipe](../reference/recipe.md), and every value below is a name "
        "that `--set`, a recipe file and the estimators accept. On the command line: `entrena techniques`.",
    ]
    for chapter, members in chapters(registries).items():
        page = technique_page(chapter).removeprefix("techniques/")
        lines = [f"- [`{registry.key}`]({page}#{registry.name}): {_codes(registry)}" for registry in members]
        parts += [f"## {chapter}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def chapter_text(chapter: str, registries: Iterable[Registry]) -> str:
    """The page of one chapter: a table for each key, and one for the settings of its techniques."""
    parts = ["---\nhide: [toc]\n---", f"# {chapter}"]
    for registry in registries:
        parts.append(f"## `{registry.key}` {{ #{registry.name} }}")
        rows = [
            (
                f"`{registry.name}={entry.name}`",
                _code(entry.formula),
                entry.meaning + (f" *{entry.source}*" if entry.source else ""),
                _codes(entry.other_names),
            )
            for entry in registry.values()
        ]
        parts.append(table(("id", "formula", "meaning and source", "called elsewhere"), rows))
        settings = [
            (
                f"`{registry.name}.{setting.name}`",
                f"`{entry.name}`",
                value_text(setting.default),
                setting.allowed,
                setting.meaning,
            )
            for entry in registry.values()
            for setting in entry.settings
        ]
        if settings:
            parts.append(table(("setting", "of", "default", "allowed", "meaning"), settings))
    return "\n\n".join(parts) + "\n"


# The recipe


def recipe_text() -> str:
    """The page on every key of the recipe."""
    defaults = Recipe().to_plain()
    parts = [
        "# The recipe",
        "A recipe holds every choice of one run. A key is written in full (`network.activation`) or by its last part "
        "(`activation`), which is unique in the whole recipe and is also the estimators' parameter. "
        "See [how to write a recipe file](../how-to/recipe-file.md).",
    ]
    for section, model in sections().items():
        rows = [
            recipe_row(f"{section}.{name}", defaults[section][name], field.description or "")
            for name, field in model.model_fields.items()
        ]
        parts += [f"## `{section}`", inspect.cleandoc(model.__doc__ or ""), table(RECIPE_HEADS, rows)]
    top = {name: field for name, field in Recipe.model_fields.items() if name not in sections()}
    rows = [recipe_row(name, defaults[name], field.description or "") for name, field in top.items()]
    parts += ["## Outside the sections", table(RECIPE_HEADS, rows)]
    return "\n\n".join(parts) + "\n"


def recipe_row(key: str, default: object, meaning: str) -> tuple[str, ...]:
    """The line of the table on one key."""
    registry = next((registry for registry in REGISTRIES if registry.key == key), None)
    values = allowed(key)
    if registry is not None:
        values += f" ([what they are](../{technique_page(registry.chapter)}#{registry.name}))"
    return f"`{key}`", value_text(default), values, meaning


# Modules


def rooms(package: Path) -> dict[str, list[str]]:
    """The public modules of each part of the package, by dotted name."""
    found: dict[str, list[str]] = {}
    for path in sorted(package.iterdir()):
        if path.name.startswith("_") or path.stem in NOT_FOR_PROGRAMMERS:
            continue
        if path.suffix == ".py":
            found[path.stem] = [f"entrena.{path.stem}"]
        elif path.is_dir() and (
            names := sorted(file.stem for file in path.glob("*.py") if not file.stem.startswith("_"))
        ):
            found[path.name] = [f"entrena.{path.name}.{name}" for name in names]
    return found


def room_text(room: str, modules: Sequence[str]) -> str:
    """The page of one part of the package; mkdocstrings fills in the docstrings."""
    parts = [f"# `entrena.{room}`"]
    if modules != [f"entrena.{room}"]:
        parts.append(f"::: entrena.{room}\n    options:\n      members: false\n      show_root_heading: false")
    parts += [f"::: {module}" for module in modules]
    return "\n\n".join(parts) + "\n"


# Markdown


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns in which no row says anything are left out."""
    rows = list(rows)
    kept = [column for column in range(len(heads)) if any(row[column] for row in rows)]
    lines = [[heads[column] for column in kept], ["---"] * len(kept)]
    lines += [[_cell(row[column]) for column in kept] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def value_text(value: object) -> str:
    """A value as users type it."""
    if value is None:
        return "*none*"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _codes(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)
