"""`entrena data`: the embedded data sets, and what is in one of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrena.cli.options import Debug, Json
from entrena.cli.output import listed, open_console, print_facts, print_json, print_table
from entrena.cli.table_file import check_suffix, write_table
from entrena.errors import UsageError, did_you_mean
from entrena.reporting.wording import count, number

if TYPE_CHECKING:
    import numpy as np

    from entrena.data import EmbeddedSet, Examples

FIRST_ROWS, FIRST_COLUMNS = 5, 6


def data(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of the sets.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it as a .csv or .parquet file.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the embedded data sets, or show one.

    entrena data iris -o iris.csv
    """
    from entrena.data import EMBEDDED

    check_suffix(output)
    if name is None:
        if output is not None:
            raise UsageError(f"-o {output}: name the set to write: entrena data iris -o {output}")
        _list(list(EMBEDDED.values()), as_json)
        return
    if name not in EMBEDDED:
        raise UsageError(f"there is no embedded data set '{name}': {did_you_mean(name, EMBEDDED)}")
    examples = EMBEDDED[name].load()
    columns = _columns(examples)
    if output is not None:
        write_table(columns, output)
    if as_json:
        first = [[values[row].item() for values in columns.values()] for row in range(FIRST_ROWS)]
        told = {"names": list(columns), "target": examples.target_names[0], "first_rows": first, "output": output}
        print_json({**_plain(EMBEDDED[name]), **told})
    elif output is not None:
        print(f"{count(examples.n_rows, 'row')} in {output}; the target is {examples.target_names[0]}", file=sys.stderr)
    else:
        _show(EMBEDDED[name], examples, columns)


def _plain(embedded: EmbeddedSet) -> dict[str, Any]:
    return {name: value for name, value in vars(embedded).items() if name != "load"}


def _columns(examples: Examples) -> dict[str, np.ndarray]:
    """The set's columns by name, the target last."""
    assert examples.targets is not None
    inputs = {column.name: column.values for column in examples.inputs}
    return {**inputs, examples.target_names[0]: examples.targets}


def _list(sets: list[EmbeddedSet], as_json: bool) -> None:
    if as_json:
        print_json({"data": [_plain(embedded) for embedded in sets]})
        return
    rows = [[each.name, each.task, f"{each.rows:,}", f"{each.columns:,}", each.meaning] for each in sets]
    header = ("name", "task", "rows", "columns", "meaning")
    print_table(open_console(), header, rows, right=("rows", "columns"), wrapped=("meaning",), indent=0)


def _show(embedded: EmbeddedSet, examples: Examples, columns: dict[str, np.ndarray]) -> None:
    console = open_console()
    facts = [
        (embedded.name, embedded.meaning),
        ("source", embedded.source),
        ("rows", f"{embedded.rows:,}"),
        ("columns", f"{embedded.columns:,}: {listed(examples.columns)}"),
        ("target", f"{examples.target_names[0]}, {embedded.task}: {_values(columns[examples.target_names[0]])}"),
    ]
    print_facts(console, facts)
    names = list(columns)
    shown = names if len(names) <= FIRST_COLUMNS + 1 else [*names[:FIRST_COLUMNS], "…", names[-1]]
    rows = [["…" if name == "…" else _cell(columns[name][row]) for name in shown] for row in range(FIRST_ROWS)]
    console.print()
    print_table(console, shown, rows, right=shown, dispensable=[name for name in shown[2:-1] if name != "…"][::-1])


def _values(targets: np.ndarray) -> str:
    """The classes with the rows of each, or the range of the numbers."""
    import numpy as np

    values, counts = np.unique(targets, return_counts=True)
    if len(values) > 20:
        return f"{number(float(values[0]))} to {number(float(values[-1]))}"
    return listed([f"{value} ({n:,})" for value, n in zip(values, counts, strict=True)], most=20)


def _cell(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
