"""`entrena runs`: the runs there are."""

from __future__ import annotations

import time

from entrena.cli.failures import DONE
from entrena.cli.options import RUNS, Debug, Json, RunsDir
from entrena.cli.output import SCORE_NAMES, cell, console, duration, number, print_json, print_message, table


def runs(runs_dir: RunsDir = RUNS, as_json: Json = False, debug: Debug = False) -> int:
    """List the runs, the newest first."""
    from entrena.storage import list_runs

    found = list_runs(runs_dir)
    if as_json:
        print_json({"runs": [{**vars(run), "path": str(run.path)} for run in found]})
        return DONE
    if not found:
        print_message(f"no run in '{runs_dir}' yet: entrena train digits makes one")
        return DONE
    shown = table("run", "state", "data", "score", "", "trained", "age", right=("", "trained", "age"))
    for run in found:
        name = SCORE_NAMES.get(run.score_name or "", run.score_name or "–")
        age = "–" if run.created is None else duration(time.time() - run.created)
        cells = (run.name, run.state, run.data or "–", name, number(run.score), duration(run.seconds), age)
        shown.add_row(*(cell(text) for text in cells))
    console().print(shown)
    return DONE
