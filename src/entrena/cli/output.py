"""How results are printed: JSON, tables, and numbers with as many digits as they deserve."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from entrena.errors import shortened

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE = 1000  # characters of a line that no person but a program reads

LONGEST_NAME = 40  # characters of a column's name among others

# As in the registry of scores, which would bring JAX into commands that only read files; a test compares them.
SCORE_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
    "brier": "Brier score",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "f1": "F1",
    "f1_macro": "macro F1",
    "mcc": "MCC",
    "rmse": "RMSE",
    "mae": "MAE",
    "median_absolute_error": "median absolute error",
    "max_error": "greatest error",
    "mape": "MAPE",
    "rmsle": "RMSLE",
    "pinball": "pinball loss",
    "r2": "R²",
    "explained_variance": "explained variance",
}

# Of two classes these are about one: the second in sorted order.
OF_ONE_CLASS = ("f1", "precision", "recall", "average_precision")

IN_THE_TARGETS_UNIT = ("rmse", "mae", "median_absolute_error", "max_error", "pinball")

MODEL_NAMES = {"network": "network", "linear": "linear model", "majority": "majority class", "mean": "mean"}


def visible(text: str) -> str:
    r"""A text that may come from a file, with what would steer the terminal or turn the direction of writing shown.

    >>> print(visible("a\x1b[31mb\u202ec"))
    a\x1b[31mb\u202ec
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode() for sign in text
    )


def print_json(value: Mapping[str, object]) -> None:
    """One object on the standard output; numbers that are not finite become null."""
    from entrena.storage.json_text import to_json

    print(to_json(value, indent=2))


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


def score_title(name: str, classes: Sequence[object] | None = None) -> str:
    """A score as people call it, with its settings: `pinball loss(alpha=0.9)`, or the class that it is about.

    >>> score_title("f1", ["no", "yes"]), score_title("f1_macro", ["no", "yes"])
    ('F1 of yes', 'macro F1')
    """
    bare, bracket, settings = name.partition("(")
    title = SCORE_NAMES.get(bare, bare) + bracket + settings
    if bare in OF_ONE_CLASS and classes is not None and len(classes) == 2:
        return f"{title} of {shortened(str(classes[1]), LONGEST_NAME)}"
    return title


def number(value: float | None) -> str:
    """A number with about four digits that count.

    >>> [number(value) for value in (0.974930, 12345.678, 0.000012345, None)]
    ['0.9749', '12,346', '1.234e-05', '–']
    """
    if value is None or value != value:
        return "–"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def score(name: str, value: float | None) -> str:
    """A score: shares to four decimals, errors in the target's units to four digits that count."""
    if value is None or _is_undefined(value):
        return "–"
    of_unit = name.partition("(")[0] in IN_THE_TARGETS_UNIT
    return number(value) if of_unit or abs(value) >= 1000 else f"{value:.4f}"


def count(n: int, thing: str) -> str:
    """A number of things.

    >>> count(1, "row"), count(1797, "row"), count(3, "class")
    ('1 row', '1,797 rows', '3 classes')
    """
    return f"{n:,} {thing}" + ("" if n == 1 else "es" if thing.endswith("s") else "s")


def duration(seconds: float | None) -> str:
    """A time span as people say it.

    >>> [duration(value) for value in (0.214, 12.3, 125, 7300, 200_000, None)]
    ['0.21 s', '12.3 s', '2 min 5 s', '2 h 1 min', '2 d 7 h', '–']
    """
    if seconds is None:
        return "–"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def listed(names: Sequence[object], most: int = 8) -> str:
    """Names in a row, the middle of a long one left out.

    >>> listed(range(20), most=4)
    '0, 1, 2 … 19'
    """
    texts = [shortened(str(name), LONGEST_NAME) for name in names]
    if len(texts) <= most:
        return ", ".join(texts)
    return ", ".join(texts[: most - 1]) + f" … {texts[-1]}"
