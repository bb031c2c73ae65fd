"""Options and arguments that several commands have, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
# Read by `app`, from what was typed: an error may come before any command is known.
Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error came from.")]
RunsDir = Annotated[str, typer.Option("--runs-dir", metavar="DIR", help="The folder of the runs.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run: its folder, its name, or 'last'; or a model file.")]

RUNS_DIR = "runs"
