"""The runs of a folder at a glance, as `entrena runs` shows them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from entrena.errors import RunError
from entrena.storage.atomic import system_reason
from entrena.storage.run_directory import TIME_FORMAT, RunDirectory, looks_like_run, state_of

DAMAGED = "damaged"


@dataclass(frozen=True)
class RunSummary:
    """One run; a field that its status does not tell is None.

    Attributes:
        name: The directory's name.
        path: The directory.
        state: `running`, `done`, `interrupted`, `failed` or `damaged`.
        created: When it began, UNIX seconds.
        seconds: How long it trained.
        data: What it was trained on.
        task: `classification` or `regression`.
        score_name: The metric of `score`.
        score: How well it does.
        kind: `run`, `comparison` or `population`.
    """

    name: str
    path: Path
    state: str
    created: float | None = None
    seconds: float | None = None
    data: str | None = None
    task: str | None = None
    score_name: str | None = None
    score: float | None = None
    kind: str = "run"


def list_runs(root: str | os.PathLike[str]) -> list[RunSummary]:
    """The runs in a folder, newest first.

    What does not look like a run is left out: files, hidden folders, folders without a run's files or name. A run whose
    status cannot be read has the state `damaged`. A folder that does not exist holds no runs.

    Raises:
        RunError: The folder cannot be read.
    """
    root = Path(root)
    try:
        folders = [child for child in root.iterdir() if not child.name.startswith(".") and child.is_dir()]
        runs = [_summary(folder) for folder in folders if looks_like_run(folder) or _time_in(folder.name) is not None]
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise RunError(f"{root} is a file, not a folder of runs") from error
    except OSError as error:
        raise RunError(f"{root} cannot be read: {system_reason(error)}") from error
    return sorted(runs, key=lambda run: (run.created or 0.0, run.name), reverse=True)


def _summary(path: Path) -> RunSummary:
    try:
        status = RunDirectory(path).status()
        state = state_of(path, status)
    except RunError:
        return RunSummary(path.name, path, DAMAGED, created=_time_in(path.name))
    created = _number(status, "created")
    return RunSummary(
        name=path.name,
        path=path,
        state=state,
        created=_time_in(path.name) if created is None else created,
        seconds=_number(status, "seconds"),
        data=_text(status, "data"),
        task=_text(status, "task"),
        score_name=_text(status, "score_name"),
        score=_number(status, "score"),
        kind=_text(status, "kind") or "run",
    )


def _time_in(name: str) -> float | None:
    """The time that a run's name begins with, UNIX seconds."""
    try:
        return datetime.strptime(name[:15], TIME_FORMAT).timestamp() if name[15:16] == "-" else None
    except (ValueError, OverflowError, OSError):
        return None


def _number(status: Mapping[str, Any], key: str) -> float | None:
    value = status.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's whole numbers have no limit.
        return None
    return number if math.isfinite(number) else None


def _text(status: Mapping[str, Any], key: str) -> str | None:
    value = status.get(key)
    return value if isinstance(value, str) else None
