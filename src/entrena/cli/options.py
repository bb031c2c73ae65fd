"""Options and arguments that several commands have, each written once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from entrena.data import ReadOptions

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
# Read by `app`, from what was typed: an error may come before any command is known.
Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error came from.")]
RunsDir = Annotated[str, typer.Option("--runs-dir", metavar="DIR", help="The folder of the runs.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run: its folder, its name, or 'last'; or a model file.")]

Metric = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="SCORE", help="A score to report, as f1 or pinball:alpha=0.9; the first leads."),
]

# How a text file is written, where that is not to be found from the file.
Separator = Annotated[
    str | None, typer.Option(metavar="SIGN", help="What stands between values: , ; | tab space.  [default: found]")
]
Decimal = Annotated[str | None, typer.Option(metavar="SIGN", help="The decimal mark: . or ,  [default: found]")]
Thousands = Annotated[
    str | None, typer.Option(metavar="SIGN", help="The thousands mark: . , ' space none.  [default: found]")
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="The encoding, such as latin-1 or utf-16.  [default: found]")
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--missing", metavar="TEXT", help="What stands for a missing value, in place of what is found; repeatable."
    ),
]
DateOrder = Annotated[
    str | None, typer.Option(metavar="ORDER", help="day_first, month_first or year_first.  [default: found]")
]

Image = Annotated[
    str | None,
    typer.Option(
        "--image",
        metavar="HxW",
        help="The columns are pixels of images of this size, as 28x28 or 32x32x3; of a folder of pictures: the size "
        "that they are brought to.",
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Of a folder of pictures: leave out those that cannot be read.")
]

RUNS_DIR = "runs"


def read_options(
    separator: str | None,
    decimal: str | None,
    thousands: str | None,
    encoding: str | None,
    missing: list[str] | None,
    date_order: str | None,
    image: str | None = None,
    *,
    skip_bad: bool = False,
) -> ReadOptions:
    """How data are read, as one object."""
    from entrena.data import ReadOptions

    marks = tuple(missing) if missing else None
    return ReadOptions(separator, decimal, thousands, encoding, marks, date_order, image, skip_bad)


def metric_choices(metrics: list[str] | None) -> list[str | dict[str, object]]:
    """Scores as they are typed, `pinball:alpha=0.9`, in a recipe's form."""
    from entrena.recipe import parse_value

    choices: list[str | dict[str, object]] = []
    for typed in metrics or []:
        name, _, settings = typed.partition(":")
        given = dict(part.partition("=")[::2] for part in settings.split(",") if part)
        choices.append({"name": name, **{key: parse_value(value) for key, value in given.items()}} if given else name)
    return choices
