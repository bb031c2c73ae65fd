"""How results are printed: JSON, tables, and numbers with as many digits as they deserve."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrena.errors import shortened
from entrena.reporting import wording
from entrena.reporting.wording import score, score_title

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE = 1000  # characters of a line that no person but a program reads

LONGEST_NAME = 40  # characters of a column's name among others

MODEL_NAMES = {"network": "network", "linear": "linear model", "majority": "majority class", "mean": "mean"}


def visible(text: str) -> str:
    r"""A text that may come from a file, with what would steer the terminal or turn the direction of writing shown.

    >>> print(visible("a\x1b[31mb\u202ec"))
    a\x1b[31mb\u202ec
    """
    return wording.visible(text, lines=True)


def typed_command() -> str | None:
    """The command line of this process as one would type it again; None where `entrena` is not what was started."""
    if Path(sys.argv[0]).name not in ("entrena", "entrena.exe", "__main__.py"):
        return None
    return shlex.join(["entrena", *sys.argv[1:]])


def print_json(value: Mapping[str, object], *, in_one_line: bool = False) -> None:
    """One object on the standard output; numbers that are not finite become null."""
    from entrena.storage.json_text import to_json

    print(to_json(value) if in_one_line else to_json(value, indent=2))


def open_console() -> Console:
    """The standard output with Rich's means; text is printed as it is, and in a pipe nothing is wrapped."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    return Console(width=width, highlight=False, markup=False, emoji=False)


def print_table(
    console: Console,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    wrapped: Sequence[str] = (),
    dispensable: Sequence[str] = (),
    indent: int = 2,
) -> None:
    """Prints a table without lines.

    Args:
        console: Where.
        header: The columns' titles.
        rows: A cell for each column.
        right: Titles of columns that are set flush right.
        wrapped: Titles of columns whose text may go over several lines; the others stay on one.
        dispensable: Titles of columns that are left out, the first one first, until the table fits.
        indent: Spaces in front.
    """
    from rich.table import Table

    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    shown = list(range(len(header)))
    for title in dispensable:
        if indent + sum(widths[i] + 2 for i in shown) - 2 > console.width:
            shown.remove(list(header).index(title))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for i in shown:
        title = header[i]
        table.add_column(title, justify="right" if title in right else "left", no_wrap=title not in wrapped)
    for row in rows:
        table.add_row(*(visible(row[i]) for i in shown))
    _print_indented(console, table, indent)


def print_facts(console: Console, facts: Sequence[tuple[str, str]], *, indent: int = 2) -> None:
    """Prints names and what is to be said of each, the names in one column."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, said in facts:
        table.add_row(name, visible(said))
    _print_indented(console, table, indent)


def _print_indented(console: Console, table: Table, indent: int) -> None:
    from rich.padding import Padding

    padded = Padding(table, (0, 0, 0, indent), expand=False)
    if console.is_terminal:
        console.print(padded)
        return
    with console.capture() as text:
        console.print(padded)
    print("\n".join(line.rstrip() for line in text.get().splitlines()))


def print_scores(
    console: Console, parts: Mapping[str, Mapping[str, float] | None], classes: Sequence[object] | None = None
) -> None:
    """Prints a table of scores: a line for each score, a column for each part of the data that has any."""
    there = {part: scores for part, scores in parts.items() if scores}
    names = next(iter(there.values()), {})
    rows = [[score_title(name, classes), *(score(name, scores[name]) for scores in there.values())] for name in names]
    print_table(console, ["", *there], rows, right=list(there))
    undefined = [name for name in names if any(_is_undefined(scores[name]) for scores in there.values())]
    if undefined:
        titles = ", ".join(score_title(name, classes) for name in undefined)
        print_facts(console, [("–", f"{titles}: not defined on these rows")])


def print_comparison(console: Console, comparison: Mapping[str, Any], classes: Sequence[object] | None = None) -> None:
    """Prints the leading score of the network and of the simple models beside it, with intervals."""
    name = comparison["score"]
    title = score_title(name, classes)
    rows = []
    # A model file sorts its names; here the network comes first.
    models = sorted(comparison["models"].items(), key=lambda item: list(MODEL_NAMES).index(item[0]))
    for model, found in models:
        lead = found.get("lead")
        better = "" if lead is None else _interval(name, lead)
        rows.append([MODEL_NAMES[model], score(name, found["value"]), _interval(name, found), better])
    print_table(
        console,
        (title, "", "95 % interval", "network better by"),
        rows,
        right=("", "95 % interval", "network better by"),
    )


def _interval(name: str, found: Mapping[str, Any]) -> str:
    if _is_undefined(found["low"]) or _is_undefined(found["high"]):
        return "too few to tell"
    return " … ".join(score(name, found[end]) for end in ("low", "high"))


def _is_undefined(value: float | None) -> bool:
    return value is None or value != value


def print_line(console: Console, name: str, command: str) -> None:
    """Prints a command to type; one that is longer than the line stays in one piece, to be copied."""
    console.print(f"  {name:<10}  {command}", soft_wrap=True)


def listed(names: Sequence[object], most: int = 8) -> str:
    """Names in a row, the middle of a long one left out.

    >>> listed(range(20), most=4)
    '0, 1, 2 … 19'
    """
    texts = [shortened(str(name), LONGEST_NAME) for name in names]
    if len(texts) <= most:
        return ", ".join(texts)
    return ", ".join(texts[: most - 1]) + f" … {texts[-1]}"
