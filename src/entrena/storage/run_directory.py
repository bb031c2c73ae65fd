"""The directory of one run, `runs/<time>-<name>/`: where its files are, what state it is in, and who trains it.

`status.json` tells the state; it holds the process that trains, so that a killed run is seen as interrupted. The lock,
which the operating system releases with the process, is what keeps two processes from training one run.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from entrena.errors import EntrenaError, RunError, nearest
from entrena.storage.atomic import (
    FOLDER_MODE,
    force_folder,
    make_folder,
    system_reason,
    temporary_name,
    write_bytes,
    write_new_file,
    write_text,
    writing_to,
)
from entrena.storage.json_text import to_json
from entrena.storage.lock_file import LockFile
from entrena.storage.process import is_alive, start_of_process

STATES = ("running", "done", "interrupted", "failed")
TIME_FORMAT = "%Y%m%d-%H%M%S"
MAX_SLUG = 40

_STATUS = "status.json"
_RECIPE = "recipe.toml"
_ALREADY_THERE = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


class RunDirectory:
    """A run's directory. Make one with `create` or `open`; as a context manager it holds the run's lock.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = LockFile(self.path / "lock")

    @classmethod
    def create(cls, root: str | os.PathLike[str], name: str, now: datetime | None = None) -> RunDirectory:
        """Makes the directory of a new run, with a status that says that this process trains it.

        Args:
            root: The folder of all runs; made where it does not exist.
            name: Any text, such as the data's file name; only its letters and digits are used.
            now: When the run begins; None is the local time now.

        Raises:
            StorageError: It could not be made.
        """
        root = Path(root)
        moment = datetime.now() if now is None else now
        wanted = root / f"{moment.strftime(TIME_FORMAT)}-{slug(name)}"
        make_folder(root)
        temporary = root / temporary_name()
        status = {**this_process(), "state": "running", "created": moment.timestamp(), "heartbeat": time.time()}
        try:
            with writing_to(wanted):
                os.mkdir(temporary, FOLDER_MODE)
                write_new_file(temporary / _STATUS, _status_text(status))
                path = _rename_to_free_name(temporary, wanted)
                force_folder(root)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return cls(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> RunDirectory:
        """The directory of a run that exists.

        Args:
            path: The directory.
            root: The folder in which a bare run name is looked for where nothing of that name is here.

        Raises:
            RunError: There is no such run, or it is no run directory.
        """
        given = Path(path)
        is_bare_name = root is not None and given.name == os.fspath(path)
        found = given
        if root is not None and is_bare_name and not looks_like_run(given):
            inside = Path(root) / given
            found = inside if inside.exists() or not given.exists() else given
        if not found.exists():
            raise RunError(_no_such_run(found))
        if not found.is_dir():
            raise RunError(f"{found} is a file, not a run directory")
        if not looks_like_run(found):
            lacks = f"it holds no {_STATUS} and no {_RECIPE}"
            raise RunError(f"{found} is not a run directory: {lacks}; `entrena runs` lists the runs")
        return cls(found)

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self.path.name

    @property
    def recipe_path(self) -> Path:
        """The recipe, as it was trained."""
        return self.path / _RECIPE

    @property
    def status_path(self) -> Path:
        """The state, the process and the heartbeat."""
        return self.path / _STATUS

    @property
    def history_path(self) -> Path:
        """A JSON line for each look; written while training."""
        return self.path / "history.jsonl"

    @property
    def history_parquet_path(self) -> Path:
        """The history as a table; written at the end."""
        return self.path / "history.parquet"

    @property
    def findings_path(self) -> Path:
        """What the diagnosis found."""
        return self.path / "findings.json"

    @property
    def model_path(self) -> Path:
        """The trained model."""
        return self.path / "model.safetensors"

    @property
    def checkpoint_path(self) -> Path:
        """The folder of the checkpoint."""
        return self.path / "checkpoint"

    def write_recipe(self, text: str) -> None:
        """Writes the recipe's TOML text."""
        write_text(self.recipe_path, text)

    def read_recipe(self) -> str:
        """The recipe's TOML text.

        Raises:
            RunError: There is none, or it cannot be read.
        """
        return self._read(self.recipe_path)

    def write_status(self, values: Mapping[str, object], *, durable: bool = True) -> None:
        """Merges values into the status, with the time as `heartbeat` and, for the state `running`, this process.

        Args:
            values: Plain values that JSON can hold; a number that is not finite becomes null.
            durable: Whether it must survive a power cut; a mere heartbeat need not.

        Raises:
            StorageError: It could not be written.
        """
        try:
            before = self.status()
        except RunError:  # Damaged or not yet written: what is known now counts.
            before = {}
        process = this_process() if values.get("state") == "running" else {}
        merged = {**before, "heartbeat": time.time(), **process, **values}
        write_bytes(self.status_path, _status_text(merged), durable=durable)

    def heartbeat(self) -> None:
        """Tells that the run goes on."""
        self.write_status({}, durable=False)

    @contextmanager
    def telling_failure(self) -> Iterator[None]:
        """A context that writes into the status how the run failed, if it does; the first error is the one to tell."""
        try:
            yield
        except BaseException as error:
            state = "failed" if isinstance(error, EntrenaError) else "interrupted"
            with suppress(EntrenaError):
                self.write_status({"state": state, "error": str(error) or type(error).__name__})
            raise

    def status(self) -> dict[str, Any]:
        """What `status.json` holds.

        Raises:
            RunError: There is none, or it is damaged.
        """
        text = self._read(self.status_path)
        try:
            status = json.loads(text)
        except (ValueError, RecursionError):
            status = None
        if not isinstance(status, dict):
            raise RunError(f"the run {self.path} is damaged: {_STATUS} is not a JSON object")
        return status

    def state(self) -> str:
        """`running`, `done`, `interrupted` or `failed`.

        A run whose status says running, and whose process is gone, is interrupted.

        Raises:
            RunError: The status is damaged.
        """
        return state_of(self.path, self.status())

    def lock(self) -> None:
        """Claims the run for this process; released by `unlock` and, whatever happens, with the process.

        Raises:
            RunError: Another process trains it.
            StorageError: The lock's file could not be written.
        """
        if not self._lock.acquire():
            holder = self._lock.holder()
            process = "another process" if holder is None else f"process {holder}"
            raise RunError(f"run {self.name} is being trained by {process}: wait for it or stop it")

    def unlock(self) -> None:
        """Gives the run free."""
        self._lock.release()

    def __enter__(self) -> RunDirectory:
        self.lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unlock()

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r})"

    def _read(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise RunError(f"the run {self.path} is damaged: it has no {path.name}") from error
        except UnicodeDecodeError as error:
            raise RunError(f"the run {self.path} is damaged: {path.name} is not a text in UTF-8") from error
        except OSError as error:
            raise RunError(f"{path} cannot be read: {system_reason(error)}") from error


def slug(name: str) -> str:
    """A short, safe part of a file name from any text: small letters, digits, dashes, at most 40 of them, never none.

    >>> slug("../Données 2024.csv")
    'donnees-2024-csv'
    """
    letters = unicodedata.normalize("NFKD", name[:1000]).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:MAX_SLUG].strip("-") or "run"


def looks_like_run(path: Path) -> bool:
    """Whether a folder holds what only a run's directory holds."""
    return (path / _STATUS).is_file() or (path / _RECIPE).is_file()


def this_process() -> dict[str, object]:
    """The part of a status that tells which process writes it."""
    return {"pid": os.getpid(), "pid_started": start_of_process(os.getpid())}


def state_of(path: Path, status: Mapping[str, Any]) -> str:
    """The state that a status tells, seen from now; `RunDirectory.state` has the rule."""
    state = status.get("state")
    if not isinstance(state, str) or state not in STATES:
        known = ", ".join(STATES)
        raise RunError(f"the run {path} is damaged: {_STATUS} has the state {state!r}, which is none of {known}")
    if state == "running" and not is_alive(status.get("pid"), status.get("pid_started"), status.get("heartbeat")):
        return "interrupted"
    return state


def _status_text(status: Mapping[str, object]) -> bytes:
    return (to_json(status, indent=1) + "\n").encode("ascii")


def _rename_to_free_name(temporary: Path, wanted: Path) -> Path:
    """Renames a folder that is not empty to the wanted name, or to that with the first free number."""
    number = 1
    while True:
        path = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            if not os.path.lexists(path):
                os.rename(temporary, path)
                return path
        except OSError as error:  # Another process may have taken the name since.
            if error.errno not in _ALREADY_THERE:
                raise
        number += 1


def _no_such_run(path: Path) -> str:
    """The message, with the name of the run in the same folder that is most like it."""
    try:
        names = [child.name for child in path.parent.iterdir() if looks_like_run(child)]
    except OSError:
        return f"there is no run {path}: {path.parent} is no folder that can be read"
    close = nearest(path.name, names)
    meant = f"did you mean '{close}'? " if close is not None else ""
    return f"there is no run {path}: {meant}`entrena runs` lists them"
