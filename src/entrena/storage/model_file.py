"""A trained model in one file: its arrays, and what they mean in the header.

The header is one JSON text under the key `entrena` of a safetensors file, so any safetensors reader opens the arrays.
It holds what the caller gives (recipe, schema, preprocessing, results) and two keys of its own: `format`, the number of
this layout, and `versions`, what wrote it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from entrena.errors import ModelFileError, UsageError, did_you_mean
from entrena.storage.array_file import read_arrays, read_text, to_bytes
from entrena.storage.atomic import system_reason, write_bytes
from entrena.storage.json_text import to_exact_json

FORMAT = 2  # 1: dates and levels of categories as they were before they could be numbers
"""The number of this layout; a file with a higher one is refused."""

_KEY = "entrena"


def save_model(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], header: Mapping[str, object]) -> None:
    """Writes a model file, whole or not at all; equal content gives equal bytes.

    Args:
        path: The file, by custom with the ending `.safetensors`.
        arrays: Weights and statistics of any shape, by name.
        header: Plain values that JSON can hold; NaN and the infinities are kept. The keys `format` and `versions` are
            set here.

    Raises:
        StorageError: It could not be written.
        ModelFileError: The header is too large.
    """
    full = {**header, "format": FORMAT, "versions": versions()}
    write_bytes(path, to_bytes(arrays, _KEY, to_exact_json(full)))


def load_model(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads a model file; nothing in it is run.

    Returns:
        The arrays by name, and the header with `format` and `versions`.

    Raises:
        UsageError: There is no such file.
        ModelFileError: It is damaged, of another program or of a newer entrena.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise UsageError(_not_a_file(path))
        header = _checked_header(path, read_text(path, _KEY))
        return read_arrays(path), header
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {system_reason(error)}") from error


def versions() -> dict[str, str]:
    """What writes the file: the versions of entrena, NumPy, JAX and Python."""
    from importlib.metadata import PackageNotFoundError, version  # 30 ms that only a save should cost.

    found = {"numpy": np.__version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("entrena", "jax"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # Such as entrena itself, run from its source folder.
            continue
    return found


def _checked_header(path: Path, text: str | None) -> dict[str, Any]:
    if text is None:
        raise ModelFileError(f"{path} is a safetensors file of another program: it has no header of entrena")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: its header of entrena is not valid JSON") from error
    if not isinstance(header, dict):
        raise ModelFileError(f"{path} is damaged: its header of entrena is not a JSON object")
    number = header.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ModelFileError(f"{path} is damaged: its header of entrena has no format number")
    if number > FORMAT:
        raise ModelFileError(
            f"{path} was written by a newer entrena (format {number}; this one reads up to {FORMAT}): upgrade entrena"
        )
    if number < FORMAT:
        raise ModelFileError(
            f"{path} was written by an older entrena (format {number}; this one reads {FORMAT}): train the model again"
        )
    return header


def _not_a_file(path: Path) -> str:
    if path.is_dir():
        inside = sorted(child.name for child in path.glob("*.safetensors"))
        return f"{path} is a folder, not a model file" + (f": give {path / inside[0]}" if inside else "")
    if path.exists():
        return f"{path} is not a regular file"
    if not path.parent.is_dir():
        return f"there is no file {path}: the folder {path.parent} does not exist"
    names = sorted(child.name for child in path.parent.iterdir() if child.is_file() and not child.name.startswith("."))
    return f"there is no file {path}" + (
        f": {did_you_mean(path.name, names)}" if names else f": {path.parent} holds no files"
    )
