"""Options and arguments that several commands have, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entrena.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from entrena.model import Model

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error came from.")]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="The folder of the runs.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run: its folder, its name, or 'last'; or a model file.")]
RUNS = Path("runs")


def find_run(name: str, runs_dir: Path) -> Path:
    """The path of a run that a user names: a path, a name in the folder of runs, or `last`.

    Raises:
        UsageError: There is no such run; the message has the nearest name.
    """
    if Path(name).exists():
        return Path(name)
    if (runs_dir / name).exists():
        return runs_dir / name
    from entrena.storage import list_runs

    runs = list_runs(runs_dir)
    if name == "last":
        if not runs:
            raise UsageError(f"there is no run in '{runs_dir}' yet: entrena train digits makes one")
        return runs[0].path
    if not runs:
        raise UsageError(f"no run '{name}': there is none in '{runs_dir}' yet")
    raise UsageError(f"no run '{name}' in '{runs_dir}': {did_you_mean(name, [run.name for run in runs], limit=3)}")


def find_model(name: str, runs_dir: Path) -> Model:
    """The model of a run or of a file.

    Raises:
        UsageError: There is no such run, or it has no model yet.
    """
    from entrena.model import Model

    path = find_run(name, runs_dir)
    if path.is_dir() and not (path / "model.safetensors").exists():
        raise UsageError(f"run '{path.name}' has no model yet: entrena train --resume {path} goes on with it")
    return Model.load(path)
