"""Where a stopped run goes on: one safetensors file with arrays, and one JSON file that names it and holds the rest.

The JSON file is the checkpoint: it is replaced in one step, after the arrays it names are on the disk under a name of
their own, and the arrays of the checkpoint before are deleted only then. A kill at any moment leaves a whole pair, the
old or the new.

The JSON file knows the arrays by size and CRC-32, which tells damage, not malice: at 100 MB it took 15 ms where
SHA-256 took 100 ms, and serializing, writing and forcing to the disk 170 ms.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from entrena.errors import ModelFileError, RunError
from entrena.storage.array_file import from_bytes, to_bytes
from entrena.storage.atomic import TEMPORARY_PREFIX, make_folder, system_reason, write_bytes, write_text, writing_to
from entrena.storage.json_text import to_exact_json

FORMAT = 1
RECORD_NAME = "checkpoint.json"

_ARRAYS_NAME = re.compile(r"state-(\d{1,18})\.safetensors")
_WHAT_NOW = "train again"


def save_checkpoint(
    folder: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], record: Mapping[str, object]
) -> None:
    """Replaces the checkpoint in a folder; the one before stays until the new one is whole.

    Args:
        folder: The run's `checkpoint/`; made where it does not exist. One process at a time may write to it.
        arrays: Parameters, optimizer state and statistics of any shape, by name.
        record: Plain values that JSON can hold: whole numbers of any size, also NaN and the infinities, and NumPy's
            numbers and arrays, which come back as plain numbers and lists.

    Raises:
        StorageError: It could not be written; the folder still holds a whole pair.
    """
    folder = Path(folder)
    make_folder(folder)
    _delete_all_but(folder, _named_arrays(folder))  # What a kill left would take the space that is needed now.
    with writing_to(folder / RECORD_NAME):
        name = f"state-{1 + max(_counters(folder), default=0)}.safetensors"
    data = to_bytes(arrays, "entrena", "checkpoint")
    write_bytes(folder / name, data)
    text = to_exact_json(
        {"format": FORMAT, "arrays": {"file": name, "bytes": len(data), "crc32": zlib.crc32(data)}, "record": record}
    )
    write_text(folder / RECORD_NAME, text)
    _delete_all_but(folder, name)


def load_checkpoint(folder: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The checkpoint in a folder.

    Returns:
        The arrays by name and the record, or None where the folder holds no checkpoint.

    Raises:
        RunError: It is damaged, cannot be read, or is of a newer entrena.
    """
    folder = Path(folder)
    text = _read_record_text(folder)
    while text is not None:
        described = _parse(folder, text)
        try:
            return _read_checked_arrays(folder, described["arrays"]), described["record"]
        except FileNotFoundError as error:
            # A process that trains this run may have replaced the pair between the two reads.
            again = _read_record_text(folder)
            if again == text:
                missing = folder / described["arrays"]["file"]
                raise RunError(
                    f"the checkpoint in {folder} is damaged: {missing.name} is missing; {_WHAT_NOW}"
                ) from error
            text = again
        except OSError as error:
            raise RunError(f"the checkpoint in {folder} cannot be read: {system_reason(error)}") from error
    return None


def _read_record_text(folder: Path) -> str | None:
    try:
        return (folder / RECORD_NAME).read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(f"the checkpoint in {folder} cannot be read: {system_reason(error)}") from error


def _parse(folder: Path, text: str) -> dict[str, Any]:
    """The checked content of the JSON file."""
    try:
        described: dict[str, Any] = json.loads(text)
        number = described["format"]
        whole = number == FORMAT and _is_whole(described)
    except (ValueError, RecursionError, KeyError, TypeError):
        number, whole = None, False
    if isinstance(number, int) and number > FORMAT:
        raise RunError(
            f"the checkpoint in {folder} was written by a newer entrena "
            f"(format {number}; this one reads up to {FORMAT}): upgrade entrena"
        )
    if not whole:
        raise RunError(f"the checkpoint in {folder} is damaged: {RECORD_NAME} is not as entrena writes it; {_WHAT_NOW}")
    return described


def _is_whole(described: Mapping[str, Any]) -> bool:
    arrays = described["arrays"]
    return (
        _ARRAYS_NAME.fullmatch(arrays["file"]) is not None  # Never a path out of the folder.
        and isinstance(arrays["bytes"], int)
        and isinstance(arrays["crc32"], int)
        and isinstance(described["record"], dict)
    )


def _read_checked_arrays(folder: Path, described: Mapping[str, Any]) -> dict[str, np.ndarray]:
    path = folder / described["file"]
    data = path.read_bytes()
    if len(data) != described["bytes"]:
        raise RunError(
            f"the checkpoint in {folder} is damaged: {path.name} has {len(data):,} bytes "
            f"instead of {described['bytes']:,}; {_WHAT_NOW}"
        )
    if zlib.crc32(data) != described["crc32"]:
        raise RunError(f"the checkpoint in {folder} is damaged: the content of {path.name} has changed; {_WHAT_NOW}")
    try:
        return from_bytes(path, data)
    except ModelFileError as error:
        raise RunError(f"the checkpoint in {folder} is damaged: {error}; {_WHAT_NOW}") from error


def _named_arrays(folder: Path) -> str | None:
    """The arrays file that the JSON file names; None where it cannot be told, and then nothing may be deleted."""
    try:
        text = _read_record_text(folder)
        return None if text is None else _parse(folder, text)["arrays"]["file"]
    except RunError:
        return None


def _counters(folder: Path) -> list[int]:
    matches = (_ARRAYS_NAME.fullmatch(name) for name in os.listdir(folder))
    return [int(match[1]) for match in matches if match]


def _delete_all_but(folder: Path, name: str | None) -> None:
    """Deletes arrays that no JSON file names, and files that a kill left half-written."""
    with suppress(OSError):  # A file that cannot be deleted takes space, and is no reason to stop training.
        for found in os.listdir(folder):
            is_old = name is not None and found != name and _ARRAYS_NAME.fullmatch(found)
            if is_old or found.startswith(TEMPORARY_PREFIX):
                os.unlink(folder / found)
