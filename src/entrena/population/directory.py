"""The directory of a population or a comparison among the runs: its state, what it was asked for, how it goes on."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import time as clock
from typing import Any

from entrena.errors import EntrenaError, RunError
from entrena.recipe import Recipe
from entrena.storage import RunDirectory

GOES_ON = {
    "population": "population.train(resume={path!r})",
    "comparison": "entrena compare --resume {path}",
    "run": "entrena train --resume {path}",
}


@contextlib.contextmanager
def create(
    runs_dir: str | Path, name: str, kind: str, recipe: Recipe, source: str, asked: Mapping[str, Any]
) -> Iterator[RunDirectory]:
    """A new directory, locked.

    Args:
        runs_dir: The folder of all runs.
        name: The last part of its name.
        kind: `population` or `comparison`.
        recipe: What its networks have in common, or the first one's.
        source: The data's name.
        asked: What it was asked for, as plain values: enough to go on with it.

    Where the first error comes before anything was trained, no directory is left.
    """
    directory = RunDirectory.create(runs_dir, f"{kind}-{name}")
    with directory:
        directory.write_recipe(recipe.to_toml())
        directory.write_status(
            {"state": "running", "created": clock(), "kind": kind, "data": source, "asked": dict(asked)}
        )
        try:
            with directory.telling_failure():
                yield directory
        except EntrenaError:
            if not directory.checkpoint_path.exists():
                shutil.rmtree(directory.path, ignore_errors=True)
            raise


@contextlib.contextmanager
def open_to_resume(path: str | Path, kind: str) -> Iterator[RunDirectory]:
    """The directory of one that was stopped, locked.

    Raises:
        RunError: It is done, or of another kind.
    """
    directory = RunDirectory.open(path)
    with directory:
        status = directory.status()
        found = str(status.get("kind", "run"))
        if found != kind:
            way = GOES_ON.get(found, GOES_ON["run"]).format(path=str(directory.path))
            raise RunError(f"'{directory.name}' is a {found}, not a {kind}: {way} goes on with it")
        if status.get("state") == "done":
            raise RunError(f"'{directory.name}' is done: there is nothing to go on with")
        with directory.telling_failure():
            directory.write_status({"state": "running", "error": None})
            yield directory


def finish(directory: RunDirectory, state: str, facts: Mapping[str, Any]) -> None:
    """Writes into the status how it ended; of one that is done nothing is left to go on with."""
    directory.write_status({"state": state, "ended": clock(), **facts})
    if state == "done":
        shutil.rmtree(directory.checkpoint_path, ignore_errors=True)
