"""`entrena runs`: the runs there are, with their state and score."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from entrena.cli.options import RUNS_DIR, Debug, Json, RunsDir
from entrena.cli.output import open_console, print_json, print_table
from entrena.errors import RunError
from entrena.reporting.wording import SCORE_NAMES, duration, score

if TYPE_CHECKING:
    from entrena.storage import RunSummary

HEADER = ("run", "state", "data", "task", "score", "epochs", "seconds", "age")


def runs(runs_dir: RunsDir = RUNS_DIR, as_json: Json = False, debug: Debug = False) -> None:
    """List the runs, the newest first.

    entrena train --resume RUN goes on with one that is interrupted.
    """
    from entrena.storage import list_runs

    found = list_runs(runs_dir)
    if as_json:
        print_json({"runs": [{**vars(run), "path": str(run.path), "n_epochs": _n_epochs(run)} for run in found]})
    elif not found:
        print(f"there are no runs in {runs_dir} yet: entrena train digits makes one", file=sys.stderr)
    else:
        print_runs(found)


def print_runs(found: Sequence[RunSummary]) -> None:
    """Prints a line for each run."""
    right = ("epochs", "seconds", "age")
    rows = [_row(run) for run in found]
    # The name holds the data's, as a rule, and the score tells the task.
    print_table(open_console(), HEADER, rows, right=right, dispensable=("task", "data", "seconds"), indent=0)


def _row(run: RunSummary) -> list[str]:
    n_epochs = _n_epochs(run)
    scored = "–"
    if run.score_name is not None and run.score is not None:
        scored = f"{SCORE_NAMES.get(run.score_name, run.score_name)} {score(run.score_name, run.score)}"
    return [
        run.name,
        run.state,
        run.data or "–",
        run.task or "–",
        scored,
        "–" if n_epochs is None else f"{n_epochs:,}",
        "–" if run.seconds is None else f"{run.seconds:,.1f}",
        "–" if run.created is None else age(time.time() - run.created),
    ]


def _n_epochs(run: RunSummary) -> int | None:
    """Epochs run: what the status tells at the end, until then the lines of the history."""
    from entrena.storage import RunDirectory

    directory = RunDirectory(run.path)
    try:
        status = directory.status()
    except RunError:
        return None
    if "stream" in status:
        return 1  # the lines of its history are looks
    n_epochs = status.get("n_epochs")
    if isinstance(n_epochs, int) and run.state != "running":
        return n_epochs
    try:
        return directory.history_path.read_bytes().count(b"\n")
    except OSError:
        return None


def age(seconds: float) -> str:
    """How long ago, in the largest unit.

    >>> [age(value) for value in (30, 200, 7500, 200_000)]
    ['now', '3 min', '2 h', '2 d']
    """
    return "now" if seconds < 60 else " ".join(duration(seconds).split()[:2])
