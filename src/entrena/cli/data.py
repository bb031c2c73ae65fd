"""`entrena data`: the embedded data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from entrena.cli.failures import DONE
from entrena.cli.options import Debug, Json
from entrena.cli.output import cell, console, number, print_json, print_message, table
from entrena.errors import UsageError, did_you_mean

FIRST_ROWS, FIRST_COLUMNS = 5, 6


def data(
    name: Annotated[str | None, typer.Argument(help="One of the sets.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it as a .csv or .parquet file.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """List the embedded data sets, or show one."""
    from entrena.data import EMBEDDED

    facts = {
        each.name: {
            "name": each.name,
            "task": each.task,
            "rows": each.rows,
            "columns": each.columns,
            "meaning": each.meaning,
            "source": each.source,
        }
        for each in EMBEDDED.values()
    }
    if name is None:
        if output is not None:
            raise UsageError(f"-o {output}: name the set to write: entrena data iris -o iris.csv")
        if as_json:
            print_json({"data": list(facts.values())})
        else:
            _print_list(facts)
        return DONE
    if name not in EMBEDDED:
        raise UsageError(f"no embedded data set '{name}': {did_you_mean(name, EMBEDDED)}")
    examples = EMBEDDED[name].load()
    assert examples.targets is not None
    columns = {column: examples.inputs[:, k] for k, column in enumerate(examples.columns)}
    columns[examples.target_names[0]] = examples.targets
    if output is not None:
        from entrena.cli.predict import write_table

        if output.suffix.lower() not in (".csv", ".parquet"):
            raise UsageError(f"-o {output}: write a .csv or a .parquet file")
        write_table(columns, output)
    if as_json:
        written = None if output is None else str(output)
        print_json({**facts[name], "names": list(columns), "target": examples.target_names[0], "output": written})
    elif output is not None:
        print_message(f"{examples.n_rows:,} rows in {output}; the target is {examples.target_names[0]}")
    else:
        _print_one(facts[name], columns)
    return DONE


def _print_list(facts: dict[str, dict[str, object]]) -> None:
    shown = table("name", "task", "rows", "columns", "meaning", right=("rows", "columns"))
    for each in facts.values():
        shown.add_row(each["name"], each["task"], f"{each['rows']:,}", f"{each['columns']:,}", cell(each["meaning"]))
    console().print(shown)


def _print_one(facts: dict[str, object], columns: dict[str, np.ndarray]) -> None:
    out = console()
    out.print(f"{facts['name']}: {facts['meaning']}", markup=False)
    out.print(f"{facts['task']}, {facts['rows']:,} rows, {facts['columns']:,} columns. {facts['source']}", markup=False)
    out.print()
    names = list(columns)
    shown_names = names if len(names) <= FIRST_COLUMNS + 1 else [*names[:FIRST_COLUMNS], "…", names[-1]]
    shown = table(*shown_names)
    for row in range(FIRST_ROWS):
        cells = ["…" if name == "…" else _value(columns[name][row]) for name in shown_names]
        shown.add_row(*(cell(text) for text in cells))
    out.print(shown)


def _value(value: object) -> str:
    return number(float(value)) if isinstance(value, float | np.floating) else str(value)
