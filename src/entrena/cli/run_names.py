"""From what a user types for RUN to the run's folder or model file."""

from __future__ import annotations

from pathlib import Path

from entrena.errors import RunError, UsageError, did_you_mean

LAST = "last"


def find_run(typed: str, runs_dir: str, *, unfinished: bool = False, kind: str | None = None) -> Path:
    """The folder of a run.

    Args:
        typed: A path, the run's name in `runs_dir`, with or without its time (then the newest of that name), or `last`:
            the newest there.
        runs_dir: The folder of the runs.
        unfinished: Whether `last` is the newest that was interrupted or failed, where there is any.
        kind: Whether `last` is the newest `run`, or the newest `comparison`; None: of any kind.

    Raises:
        UsageError: There is no such run.
        RunError: It is no run's folder.
    """
    from entrena.storage import RunDirectory, list_runs, looks_like_run, slug

    path, inside = Path(typed), Path(runs_dir) / typed
    if looks_like_run(path):
        return RunDirectory.open(path).path
    runs = list_runs(runs_dir)
    if typed == LAST:
        runs = [run for run in runs if kind in (None, run.kind)]
        if not runs:
            way = "compare digits --vary activation=relu,elu" if kind == "comparison" else "train digits"
            raise UsageError(f"there are no {kind or 'run'}s in {runs_dir} yet: entrena {way} makes one")
        stopped = [run for run in runs if unfinished and run.state in ("interrupted", "failed")]
        return (stopped or runs)[0].path
    if path.name == typed and inside.exists():
        return RunDirectory.open(inside).path
    names = {typed, slug(typed)} if path.name == typed else {typed}  # --name was written so
    named = [
        run
        for run in runs  # newest first
        if any(run.name.split("-", 2)[2:] in ([name], [f"{run.kind}-{name}"]) for name in names)
    ]
    if named:
        return named[0].path
    if path.exists():
        return RunDirectory.open(path).path  # says what it lacks
    hint = did_you_mean(path.name, [run.name for run in runs], limit=3) if runs else f"there are no runs in {runs_dir}"
    raise UsageError(f"there is no run '{typed}': {hint}")


def find_model(typed: str, runs_dir: str) -> Path:
    """The model file that a user means: of a run, or named itself.

    Raises:
        UsageError: There is no such run or file.
        RunError: The run has no model yet.
    """
    from entrena.storage import RunDirectory, list_runs

    path = Path(typed)
    if path.is_file() or (path.suffix == ".safetensors" and not path.exists()):
        return path  # Where there is none, the reader of model files says which names are near.
    run = RunDirectory(find_run(typed, runs_dir))
    if not run.model_path.exists() and (run.path / "001").is_dir():
        raise RunError(f"{run.name} is a population: name one of its runs, such as {run.path / '001'}")
    if typed == LAST and not run.model_path.exists():  # one that failed hides no earlier one
        with_model = [each.path for each in list_runs(runs_dir) if RunDirectory(each.path).model_path.exists()]
        run = RunDirectory(with_model[0]) if with_model else run
    if not run.model_path.exists():
        state, kind = run.state(), str(run.status().get("kind", "run"))
        if kind != "run":
            raise RunError(f"{run.name} is a {kind}: it has no model of its own")
        way = "wait until it is done" if state == "running" else f"entrena train --resume {run.path} goes on with it"
        raise RunError(f"run {run.name} is {state} and has no model yet: {way}")
    return run.model_path
