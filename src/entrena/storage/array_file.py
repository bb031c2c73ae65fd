"""Named arrays in one safetensors file, with a text beside them; what model files and checkpoints share.

Safetensors holds a JSON header (names, dtypes, shapes, texts) and raw bytes, so reading one runs none of its content.
Three things are guarded here that its NumPy functions leave open: an array that is not contiguous would be written in
the wrong order, bfloat16 is written but not read back, and several texts stand in a different order at each writing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save

from entrena.errors import ModelFileError

MAX_HEADER_BYTES = 16 * 2**20
"""The largest header that is written or read: parsed JSON takes many times its size in memory."""

DTYPES = {
    **{"BOOL": "bool", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64"},
    **{"U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64"},
    **{"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"},
}
"""The dtypes that come back as they were: safetensors' word for each, and NumPy's."""

_METADATA = "__metadata__"  # Safetensors' own key for texts, so no array can have it as its name.
_LENGTH_BYTES = 8


def to_bytes(arrays: Mapping[str, np.ndarray], key: str, text: str) -> bytes:
    """The bytes of a safetensors file; equal content gives equal bytes.

    Args:
        arrays: Arrays of any shape by name; their dtypes are among `DTYPES`.
        key: The name under which the text stands.
        text: What stands beside the arrays. One text only: several have no fixed order.

    Raises:
        ModelFileError: The header would be larger than `MAX_HEADER_BYTES`.
        TypeError: An array has a dtype that the format cannot hold.
    """
    data = save({name: _contiguous(name, array) for name, array in arrays.items()}, metadata={key: text})
    header_bytes = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if header_bytes > MAX_HEADER_BYTES:
        raise ModelFileError(
            f"the description of the model takes {header_bytes:,} bytes, and a model file holds up to "
            f"{MAX_HEADER_BYTES:,}: use fewer columns or fewer distinct classes"
        )
    return data


def _contiguous(name: str, values: np.ndarray) -> np.ndarray:
    if name == _METADATA:
        raise ValueError(f"an array cannot be named {_METADATA}")
    array = np.asarray(values, order="C")
    if array.dtype.name not in DTYPES.values():
        known = ", ".join(DTYPES.values())
        raise TypeError(f"the array '{name}' has the dtype {array.dtype}, which a file cannot hold: use one of {known}")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def read_text(path: Path, key: str) -> str | None:
    """The text that stands under `key`, without reading the arrays; None where there is none.

    Raises:
        ModelFileError: The file is no safetensors file, is cut short or is damaged.
        OSError: It cannot be read.
    """
    metadata = _read_header(path).get(_METADATA)
    text = metadata.get(key) if isinstance(metadata, dict) else None
    return text if isinstance(text, str) else None


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All the arrays of a safetensors file, by name.

    Raises:
        ModelFileError: The file is no safetensors file, is cut short or is damaged.
        OSError: It cannot be read.
    """
    _read_header(path)  # Says better than the parser what is wrong, and before the whole file is in memory.
    return from_bytes(path, path.read_bytes())


def from_bytes(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """The arrays in the bytes of a safetensors file, by name.

    Args:
        path: The file, for messages.
        data: Its whole content.

    Raises:
        ModelFileError: The bytes are damaged.
    """
    try:
        found = {name: _to_array(described) for name, described in deserialize(data)}
    except MemoryError:
        raise
    except Exception as error:  # A file can be damaged in more ways than the parser has kinds of errors.
        reason = str(error).removeprefix("Error while deserializing: ")
        raise ModelFileError(f"{path} is damaged: {reason}") from error
    return {name: found[name] for name in sorted(found)}


def _to_array(described: Mapping[str, Any]) -> np.ndarray:
    if described["dtype"] not in DTYPES:
        raise ValueError(f"it holds an array of the unknown dtype {described['dtype']}")
    if described["dtype"] == "BF16":
        import ml_dtypes  # noqa: F401  # Importing it is what makes the name known to NumPy.
    dtype = np.dtype(DTYPES[described["dtype"]])
    values = np.frombuffer(described["data"], dtype=dtype.newbyteorder("<")).astype(dtype, copy=False)
    return values.reshape(described["shape"])


def _read_header(path: Path) -> dict[str, object]:
    """The JSON header, after it is known that the file is as long as its header says."""
    with open(path, "rb") as file:
        file_bytes = os.fstat(file.fileno()).st_size
        start = file.read(_LENGTH_BYTES + 1)
        header_bytes = int.from_bytes(start[:_LENGTH_BYTES], "little")
        _check_start(path, start, header_bytes, file_bytes)
        text = start[_LENGTH_BYTES:] + file.read(header_bytes - 1)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: its header is not valid JSON") from error
    if not isinstance(header, dict):
        raise ModelFileError(f"{path} is damaged: its header is not a JSON object")
    needed = _LENGTH_BYTES + header_bytes + max((_end(entry) for entry in header.values()), default=0)
    if file_bytes < needed:
        raise ModelFileError(_cut_short(path, file_bytes, needed))
    return header


def _check_start(path: Path, start: bytes, header_bytes: int, file_bytes: int) -> None:
    if not start:
        raise ModelFileError(f"{path} is empty: it has 0 bytes")
    if start[:1] == b"\x80" and start[_LENGTH_BYTES:] != b"{":
        raise ModelFileError(
            f"{path} is a Python pickle, which entrena never opens: a model file is in the safetensors format"
        )
    needed = _LENGTH_BYTES + header_bytes
    if start[_LENGTH_BYTES:] != b"{" or (header_bytes > MAX_HEADER_BYTES and needed > file_bytes):
        raise ModelFileError(f"{path} is not a model file: it is not in the safetensors format")
    if header_bytes > MAX_HEADER_BYTES:
        raise ModelFileError(
            f"{path} is not a model file of entrena: its header has {header_bytes:,} bytes, "
            f"and up to {MAX_HEADER_BYTES:,} are read"
        )
    if needed > file_bytes:
        raise ModelFileError(_cut_short(path, file_bytes, needed))


def _cut_short(path: Path, file_bytes: int, needed: int) -> str:
    return (
        f"{path} is cut short: it has {file_bytes:,} bytes, and its header tells of {needed:,}; copy or train it again"
    )


def _end(entry: object) -> int:
    """Where an array ends, in bytes after the header; 0 where the entry does not say it."""
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    end = offsets[-1] if isinstance(offsets, list) and offsets else 0
    return end if isinstance(end, int) else 0
