"""The page of a comparison: what follows first, then what was compared, then each data set with its figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from entrena.reporting.figures import (
    best_first,
    caption_of_curves,
    caption_of_ranks,
    caption_of_scores,
    learning_curves,
    mean_ranks,
    score_intervals,
)
from entrena.reporting.page import Section, write_page
from entrena.reporting.wording import count, duration, number, p_value, score, score_title, span, squeezed

NAME = 200  # characters of a name in a table or a sentence
DATA = 80  # characters of a data set's name in a heading
MOST_NAMES = 4  # of recipes in the page's head


def comparison_page(path: str | os.PathLike[str], comparison: Mapping[str, Any]) -> None:
    """Writes the page of a comparison.

    Args:
        path: The file, which ends in `.html`.
        comparison: What `entrena compare --json` prints.

    Raises:
        StorageError: It could not be written.
    """
    sections = comparison_sections(comparison)
    write_page(path, _title(comparison), sections, facts=_facts(comparison))


def comparison_sections(comparison: Mapping[str, Any]) -> list[Section]:
    """The parts of the page of a comparison, as a report may hold them too. Arguments as in `comparison_page`."""
    names = [squeezed(variant["name"], NAME) for variant in comparison["variants"]]
    verdicts = comparison["verdicts"] or ["One recipe was trained: there is nothing that it could be compared with."]
    sections = [
        Section("", text=[squeezed(sentence, 4 * NAME + 40 * len(names)) for sentence in verdicts], large=True),
        Section("What was compared", text=_WAY, table=_rows_of(comparison["data"])),
    ]
    for result in comparison["data"]:
        sections += _on_data(result, names)
    ranking = comparison.get("ranking")
    if ranking is not None:
        caption = caption_of_ranks(ranking, len(comparison["data"]))
        friedman = f"Friedman's test, in the form of Iman and Davenport: p {_equals(ranking['p_value'])}."
        figure = mean_ranks(ranking, names)
        sections.append(Section("Ranks over all data sets", text=[friedman], figure=figure, caption=caption))
    own = list(comparison["variants"][0]["values"])
    if own:
        rows = [[_said(variant["values"][key]) for key in own] for variant in comparison["variants"]]
        sections.append(Section("The recipes", table=(own, rows)))
    common = _common(comparison["variants"], own)
    if common:
        title = "" if own else "The recipe"
        text = [
            "What they have in common, apart from the defaults:" if own else "Its choices, apart from the defaults:"
        ]
        sections.append(Section(title, text=text, table=(["choice", "value"], common)))
    sections.append(_again(comparison))
    return sections


_WAY = (
    "The test rows were put aside first, and no recipe saw them. The others were split once for each seed, in the same "
    "way for all recipes: some rows train, the rest score and choose nothing.",
)


def _title(comparison: Mapping[str, Any]) -> str:
    data = [squeezed(result["data"], DATA) for result in comparison["data"]]
    where = ", ".join(data[:-1]) + f" and {data[-1]}" if len(data) > 1 else data[0]
    recipes = count(len(comparison["variants"]), "recipe")
    return f"{recipes} compared on {where if len(data) <= 4 else count(len(data), 'data set')}"


def _facts(comparison: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = [squeezed(variant["name"], NAME) for variant in comparison["variants"]]
    said = "; ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    n_networks = sum(len(row) for result in comparison["data"] for row in result["epochs"])
    trained = f"{count(n_networks, 'network')} in {duration(comparison['seconds'])}"
    return [("recipes", said), ("trained", trained)]


def _rows_of(results: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    header = ["data", "predicted", "task", "splits", "rows that train", "rows that score", "test rows, not seen"]
    rows = []
    for result in results:
        sizes = result["sizes"]
        target = squeezed(", ".join(map(str, result["target"])), DATA)
        numbers = [f"{sizes[part]:,}" for part in ("training", "held_out", "test")]
        rows.append([squeezed(result["data"], NAME), target, result["task"], _splits(result), *numbers])
    return header, rows


def _splits(result: Mapping[str, Any]) -> str:
    rounds = len({split["seed"] for split in result["splits"]})
    folds = len(result["splits"]) // rounds
    return str(rounds) if folds == 1 else f"{count(rounds, 'round')} of {folds} folds"


def _on_data(result: Mapping[str, Any], names: Sequence[str]) -> list[Section]:
    """The table of one data set and its two figures."""
    title = score_title(result["score"], result.get("classes"))
    several = len(names) > 1
    header = ["recipe", title, "95 % interval", "behind the best by", "p", "epochs", "epochs to level"]
    columns = [True, True, True, several, several, True, several]
    timed = several and result.get("seconds_to_level") is not None
    rows = []
    for k in best_first(result):
        mean, against = result["means"][k], result["against"][k]
        behind = p = ""
        if against is not None:
            behind = span(result["score"], against["behind"]["low"], against["behind"]["high"])
            p = p_value(against["p_adjusted"])
        interval = span(result["score"], mean["low"], mean["high"])
        epochs, to_level = _mean_of(result["epochs"], k), _mean_of(result["epochs_to_level"], k)
        cells = [names[k], score(result["score"], mean["mean"]), interval, behind, p, number(epochs), number(to_level)]
        row = [cell for cell, there in zip(cells, columns, strict=True) if there]
        rows.append(row + ([duration(_mean_of(result["seconds_to_level"], k))] if timed else []))
    header = [name for name, there in zip(header, columns, strict=True) if there]
    header += ["time to level"] if timed else []
    name = squeezed(result["data"], DATA)
    return [
        Section(name, text=_diverged(result), table=(header, rows), caption=_meaning(result, several)),
        Section(f"Scores on {name}", figure=score_intervals(result, names), caption=caption_of_scores(result)),
        Section(f"Learning on {name}", figure=learning_curves(result, names), caption=caption_of_curves(result)),
    ]


def _diverged(result: Mapping[str, Any]) -> list[str]:
    n = sum(outcome == "diverged" for outcomes in result.get("outcomes", ()) for outcome in outcomes)
    return [f"The loss of {count(n, 'network')} became infinite or undefined: training ended there."] if n else []


def _meaning(result: Mapping[str, Any], several: bool) -> str:
    """What the columns of a table mean."""
    said = []
    if len(result["splits"]) > 1:
        said.append("Intervals and p are corrected for the rows that the splits share.")
    if several:
        if len(result["splits"]) > 1:
            said.append(
                "p: the probability of such a difference between equal recipes, adjusted for their number (Holm)."
            )
        said.append(
            f"The level is a loss of {number(result['level'])}, where the slowest recipe ends (–: not by all splits)."
        )
    if several and result.get("seconds_to_level") is not None:
        said.append("Times are of one core, without compilation.")
    return " ".join(said)


def _mean_of(rows: Sequence[Sequence[float | None]], k: int) -> float | None:
    """The mean over splits of a variant's numbers; None where one is missing."""
    values = [row[k] for row in rows]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _equals(p: float) -> str:
    said = p_value(p)
    return said if said.startswith("<") else f"= {said}"


def _said(value: Any) -> str:
    """A value of a recipe as `--set` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        if list(value) == ["name"]:
            return _said(value["name"])
        return "{" + ", ".join(f"{key} = {_said(own)}" for key, own in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_said, value)) + "]"
    return squeezed("none" if value is None else str(value), NAME)


def _common(variants: Sequence[Mapping[str, Any]], own: Sequence[str]) -> list[list[str]]:
    """The choices that are not the default, and not a variant's own."""
    from entrena.recipe import Recipe

    def flat(plain: Mapping[str, Any]) -> dict[str, Any]:
        inner = {
            name: value for section in plain.values() if isinstance(section, dict) for name, value in section.items()
        }
        return {**{name: value for name, value in plain.items() if not isinstance(value, dict)}, **inner}

    usual, first = flat(Recipe().to_plain()), flat(variants[0]["recipe"])
    bare = {part for key in own for part in key.split(".")}
    return [[name, _said(value)] for name, value in first.items() if name not in bare and value != usual.get(name)]


def _again(comparison: Mapping[str, Any]) -> Section:
    """What it takes to do it again."""
    command = comparison.get("command")
    seeds = sorted({split["seed"] for result in comparison["data"] for split in result["splits"]})
    said = [f"Seeds: {', '.join(map(str, seeds))}. The same command, versions and processor give the same networks."]
    versions = comparison.get("versions")
    if versions:
        said.append("Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + ".")
    path = comparison.get("path")
    if path:
        said.append(f"Saved in {path}.")
    return Section("How to do it again", text=said, lines=[command] if command else ())
