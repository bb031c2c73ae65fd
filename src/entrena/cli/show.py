"""`entrena show`: what a run or a model is. It reads files only and starts no engine."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrena.cli.data_facts import category_facts, component_facts, condition_facts
from entrena.cli.options import RUNS_DIR, Debug, Json, RunName, RunsDir
from entrena.cli.output import (
    listed,
    open_console,
    print_comparison,
    print_facts,
    print_json,
    print_scores,
    print_table,
)
from entrena.cli.run_names import find_model, find_run
from entrena.errors import ModelFileError, RunError, shortened
from entrena.reporting.wording import SCORE_NAMES, count, duration, number, score

if TYPE_CHECKING:
    from entrena.storage import RunDirectory


INPUT_ROLES = ("number", "boolean", "category", "date")  # as in data.roles, which would bring NumPy

SECTIONS = ("random_state", "inputs", "targets", "network", "training", "rate", "regularization")


def show(run: RunName, runs_dir: RunsDir = RUNS_DIR, as_json: Json = False, debug: Debug = False) -> None:
    """Show a run or model: layers, scores, recipe.

    entrena show last
    """
    from entrena.storage import RunDirectory

    path = Path(run)
    if path.is_file() or path.suffix == ".safetensors":
        described = describe(find_model(run, runs_dir), None)
    else:
        directory = RunDirectory(find_run(run, runs_dir))
        if directory.status().get("kind", "run") != "run":
            _show_many(directory, as_json=as_json)
            return
        described = describe(directory.model_path, directory)
    if as_json:
        print_json(described)
    else:
        _print(described)


def _show_many(directory: RunDirectory, *, as_json: bool) -> None:
    """A comparison's result, or the runs of a population; of one that is not done its state."""
    from entrena.cli.compare import print_comparison_of_recipes
    from entrena.cli.runs import print_runs
    from entrena.storage import list_runs

    status = directory.status()
    kind, state = str(status["kind"]), directory.state()
    plain: dict[str, Any] = {"path": str(directory.path), "kind": kind, "state": state, "data": status.get("data")}
    result = directory.path / "comparison.json"
    if kind == "comparison" and result.is_file():
        try:
            plain |= {**json.loads(result.read_text(encoding="utf-8")), "path": str(directory.path)}
        except (ValueError, TypeError, OSError) as error:
            raise RunError(f"the comparison {directory.path} is damaged: {result.name} cannot be read") from error
    members = list_runs(directory.path) if kind == "population" else []
    if as_json:
        runs = {"runs": [{**vars(run), "path": str(run.path)} for run in reversed(members)]} if members else {}
        print_json({**plain, **runs})
        return
    if "verdicts" in plain:
        print_comparison_of_recipes(plain)
        return
    console = open_console()
    told = status.get("error")
    print_facts(console, [(kind, str(directory.path)), ("state", ": ".join(filter(None, (state, told))))])
    if members:
        console.print()
        print_runs(list(reversed(members)))


def describe(model: Path, run: RunDirectory | None) -> dict[str, Any]:
    """A run or model as plain values; a run that has no model yet tells its recipe and its state."""
    plain: dict[str, Any] = {
        "path": str(model if run is None else run.path),
        "state": None,
        "data": None,
        "model": None,
    }
    if run is not None:
        status = run.status()
        plain |= {"state": run.state(), "data": status.get("data"), "error": status.get("error")}
        if not model.exists():
            return {**plain, "recipe": _recipe_in(run)}
    from entrena.storage import load_model

    header = load_model(model)[1]
    try:
        return {**plain, "recipe": header["recipe"], "versions": header["versions"], "model": _model(model, header)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{model} is damaged: its header of entrena is not complete ({error!r})") from error


def _recipe_in(run: RunDirectory) -> dict[str, Any]:
    try:
        return tomllib.loads(run.read_recipe())
    except tomllib.TOMLDecodeError as error:
        raise RunError(f"the run {run.path} is damaged: {run.recipe_path.name} is not TOML: {error}") from error


def _model(path: Path, header: Mapping[str, Any]) -> dict[str, Any]:
    sizes, network = header["network"]["sizes"], header["recipe"]["network"]
    chosen = network["activation"]
    of_hidden = chosen if isinstance(chosen, list) else [chosen] * (len(sizes) - 2)
    activations = [*map(_value, of_hidden), header["network"]["output"]]
    counted = header["network"].get("weights") or [(m + 1) * n for m, n in pairwise(sizes)]
    layers = [
        {"inputs": m, "units": n, "weights": n_weights, "activation": activation}
        for (m, n), n_weights, activation in zip(pairwise(sizes), counted, activations, strict=True)
    ]
    schema = header["schema"]
    return {
        "file": str(path),
        "task": schema["task"],
        "target": schema["target_names"],
        "classes": schema["classes"],
        "image": schema["image"],
        "columns": [name for name, role, *_ in schema["roles"] if role in INPUT_ROLES],
        "roles": [{"name": name, "role": role, "reason": reason} for name, role, reason, _ in schema["roles"]],
        "layers": layers,
        "embeddings": [{"levels": levels, "size": size} for levels, size in header["network"]["embeddings"]],
        "normalization": network["normalization"],
        "n_weights": sum(layer["weights"] for layer in layers)
        + sum((levels + 1) * size for levels, size in header["network"]["embeddings"]),
        **header["facts"],
    }


def _print(described: Mapping[str, Any]) -> None:
    console = open_console()
    model = described["model"]
    print_facts(console, _facts(described))
    if model is not None:
        console.print()
        rows = [
            [f"embedding {k}", f"{table['size']:,}", "", f"{(table['levels'] + 1) * table['size']:,}"]
            for k, table in enumerate(model["embeddings"], start=1)
        ]
        rows += [
            ["output" if k == len(model["layers"]) else f"hidden {k}", *_layer(layer)]
            for k, layer in enumerate(model["layers"], start=1)
        ]
        print_table(console, ("layer", "units", "activation", "weights"), rows, right=("units", "weights"))
        parts = {part: model.get(part) for part in ("validation", "test")}
        if any(parts.values()):
            console.print()
            leading = (model.get("comparison") or {}).get("score")
            scored = {part: _leading_first(scores, leading) for part, scores in parts.items()}
            print_scores(console, scored, model["classes"])
        if model.get("comparison"):
            console.print()
            print_comparison(console, model["comparison"], model["classes"])
    console.print()
    print_facts(console, _recipe_lines(described["recipe"]))


def _leading_first(scores: Mapping[str, float] | None, leading: str | None) -> Mapping[str, float] | None:
    if not scores or leading is None or leading not in scores:
        return scores
    return {leading: scores[leading], **scores}


def _layer(layer: Mapping[str, Any]) -> list[str]:
    return [f"{layer['units']:,}", layer["activation"], f"{layer['weights']:,}"]


def _facts(described: Mapping[str, Any]) -> list[tuple[str, str]]:
    model = described["model"]
    facts = [("run" if described["state"] else "model", described["path"])]
    if described["state"]:
        facts.append(("state", ": ".join(filter(None, (described["state"], described["error"])))))
    if described["data"]:
        facts.append(("data", described["data"]))
    if model is None:
        return facts
    facts.append(("task", f"{model['task']} of {listed(model['target'])}"))
    if model["classes"] is not None:
        facts.append(("classes", f"{len(model['classes']):,}: {listed(model['classes'], most=12)}"))
    roles = {role["name"]: role["role"] for role in model["roles"]}
    kinds = Counter(roles[name] for name in model["columns"])
    kinds_said = "" if set(kinds) == {"number"} else f" ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common())})"
    columns = f"{len(model['columns']):,}: {listed(model['columns'])}{kinds_said}"
    if model["image"] is not None:
        from entrena.data.images import words_for

        columns = f"images of {words_for(tuple(model['image']))}"
    facts.append(("columns", columns))
    data = model.get("data") or {}
    if data.get("read"):
        facts.append(("read", data["read"]))
    left_out = [role for role in model["roles"] if role["role"] not in INPUT_ROLES]
    if left_out:
        told = ", ".join(f"{shortened(role['name'])} ({role['reason']})" for role in left_out[:6])
        facts.append(("left out", told + (f" and {len(left_out) - 6} more" if len(left_out) > 6 else "")))
    if model.get("inputs"):
        facts += category_facts(model["inputs"]) + component_facts(model["inputs"])
        facts += condition_facts(model["inputs"])
    sizes = model.get("sizes") or {}
    used = [f"{sizes[part]:,} {part}" for part in ("training", "validation", "test") if sizes.get(part)]
    if used:
        facts.append(("rows", ", ".join(used)))
    if "batch_size" in model:
        size = "an update for each row" if "prequential" in model else f"batches of {model['batch_size']:,}"
        facts.append(("training", f"{size}, rate {number(model['learning_rate'])}"))
    if model.get("sentence"):
        facts.append(("end", f"{model['sentence']} ({duration(model.get('seconds'))})"))
    if model.get("prequential"):
        tested = ", ".join(f"{SCORE_NAMES.get(k, k)} {score(k, v)}" for k, v in model["prequential"].items())
        facts.append(("tested", f"{tested}: all rows of the stream, each before it was learned"))
    facts.append(("weights", count(model["n_weights"], "weight").split()[0]))
    versions = described["versions"]
    return [*facts, ("versions", ", ".join(f"{name} {versions[name]}" for name in sorted(versions)))]


def _recipe_lines(recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A line for each section: its keys with their values, except those left to the technique's own default."""
    lines = []
    for section in sorted(recipe, key=lambda name: SECTIONS.index(name) if name in SECTIONS else len(SECTIONS)):
        values = recipe[section]
        if isinstance(values, Mapping):
            said = [f"{name}={_value(value)}" for name, value in values.items() if value is not None]
            lines.append((section, "  ".join(said)))
        else:
            lines.append((section, _value(values)))
    return [(section, said) for section, said in lines if said]


def _value(value: Any) -> str:
    """A value of a recipe, without spaces."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        settings = [f"{name}={_value(item)}" for name, item in value.items() if name != "name"]
        if not settings:
            return str(value.get("name", ""))
        if set(value) == {"function"}:
            return str(value["function"])
        return f"{value.get('name', '')}({','.join(settings)})"
    if isinstance(value, list):
        return "[" + ",".join(_value(item) for item in value) + "]"
    return str(value)
