"""`entrena show`: what a run or a model is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from entrena.cli.failures import DONE
from entrena.cli.options import RUNS, Debug, Json, RunName, RunsDir, find_run
from entrena.cli.output import cell, console, duration, print_json, scores_table, table


def show(run: RunName, runs_dir: RunsDir = RUNS, as_json: Json = False, debug: Debug = False) -> int:
    """Show a run or model: layers, scores, recipe."""
    path = find_run(run, runs_dir)
    described = describe(path)
    if as_json:
        print_json(described)
    else:
        _print(described)
    return DONE


def describe(path: Path) -> dict[str, Any]:
    """A run or model as plain values; a run that has no model yet has no layers."""
    from entrena.model import Model
    from entrena.recipe import Recipe
    from entrena.storage import RunDirectory

    plain: dict[str, Any] = {"path": str(path), "state": None, "model": None}
    if path.is_dir():
        directory = RunDirectory.open(path)
        plain["state"] = directory.state()
        plain["recipe"] = Recipe.from_toml(directory.read_recipe()).to_plain()
        status = directory.status()
        plain["data"] = status.get("data")
        if not directory.model_path.exists():
            return plain
    model = Model.load(path)
    plain["recipe"] = model.recipe.to_plain()
    plain["model"] = {
        "task": model.schema.task,
        "target": list(model.schema.target_names),
        "classes": None if model.schema.classes is None else list(model.schema.classes),
        "columns": list(model.schema.columns),
        "layers": [
            {"inputs": m, "units": n, "weights": (m + 1) * n, "activation": name}
            for (m, n), name in zip(pairwise(model.network.sizes), _activations(model), strict=True)
        ],
        "n_weights": model.network.n_weights,
        **dict(model.facts),
    }
    return plain


def _activations(model: Any) -> list[str]:
    return [str(model.network.activation)] * (len(model.network.sizes) - 2) + [model.network.output]


def _print(described: dict[str, Any]) -> None:
    out = console()
    model = described["model"]
    state = f"  ({described['state']})" if described["state"] else ""
    out.print(described["path"] + state, markup=False, style="bold")
    if model is not None:
        classes = "" if model["classes"] is None else f"; classes {_few(model['classes'])}"
        out.print(f"{model['task']} of {_few(model['target'])}{classes}", markup=False)
        out.print(f"columns: {_few(model['columns'])}", markup=False)
        out.print(f"{model['sentence']} {duration(model['seconds'])} of training.", markup=False)
        out.print()
        layers = table("layer", "units", "activation", "weights", right=("units", "weights"))
        layers.add_row("inputs", f"{model['layers'][0]['inputs']:,}")
        for k, layer in enumerate(model["layers"], start=1):
            kind = "output" if k == len(model["layers"]) else f"hidden {k}"
            layers.add_row(kind, f"{layer['units']:,}", cell(layer["activation"]), f"{layer['weights']:,}")
        out.print(layers)
        if model.get("validation") or model.get("test"):
            out.print()
            out.print(scores_table({part: model.get(part) for part in ("validation", "test")}, model["sizes"]))
    out.print()
    choices = table("recipe", "", "differs")
    for key, value, differs in _choices(described["recipe"]):
        choices.add_row(cell(key), cell(value), "*" if differs else "")
    out.print(choices)


def _choices(recipe: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Each key with its value, and whether it differs from the default."""
    from entrena.recipe import Recipe, keys

    default = Recipe().to_plain()
    found = []
    for key in keys().values():
        section, _, name = key.rpartition(".")
        value, usual = (plain[section][name] if section else plain[name] for plain in (recipe, default))
        found.append((key, "none" if value is None else str(value), value != usual))
    return found


def _few(names: list[Any], limit: int = 8) -> str:
    """The first names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(str(name) for name in names[:limit]) + (f" and {more:,} more" if more > 0 else "")
