from __future__ import annotations

import json
import math
import os
import pickle
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from entrena.errors import ModelFileError, UsageError
from entrena.storage import array_file, load_model, save_model

HEADER = {"recipe": {"network": {"hidden": [8, 4]}}, "classes": ["a", "ü", 3, True], "score": 0.1}


def arrays() -> dict[str, np.ndarray]:
    return {"layer0.weights": np.arange(12, dtype=np.float32).reshape(3, 4), "layer0.biases": np.zeros(4, np.float32)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, arrays(), HEADER)
    return path


def raw(header: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + body


def message(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    return str(caught.value)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


DTYPES = ["float32", "float64", "float16", "int8", "int32", "int64", "uint8", "uint64", "bool", ">f8", ">i4"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
PLAIN = hnp.arrays(st.sampled_from([np.dtype(name) for name in DTYPES]), SHAPES)
BFLOAT16 = hnp.arrays(np.uint16, SHAPES).map(lambda bits: bits.view(ml_dtypes.bfloat16))
ARRAYS = st.dictionaries(st.text(max_size=8).filter(lambda name: name.isprintable()), PLAIN | BFLOAT16, max_size=4)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(arrays=ARRAYS, value=JSON_VALUES)
def test_round_trip_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray], value: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.safetensors"
    save_model(path, arrays, {"value": value})
    loaded, header = load_model(path)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert same_bits(loaded[name], array.astype(array.dtype.newbyteorder("=")))
        assert loaded[name].flags.writeable
    assert header["value"] == value
    assert header["format"] == 2


def test_non_finite_numbers_of_the_header_come_back(tmp_path: Path) -> None:
    save_model(tmp_path / "m", {}, {"values": [math.inf, -math.inf, math.nan, -0.0, np.float32(0.5), np.arange(2)]})
    values = load_model(tmp_path / "m")[1]["values"]
    assert values[:2] == [math.inf, -math.inf]
    assert math.isnan(values[2])
    assert math.copysign(1, values[3]) == -1
    assert values[4:] == [0.5, [0, 1]]


@pytest.mark.parametrize(
    "view",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::-2],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.broadcast_to(np.float64(3), (2, 2)),
        np.float32(7),
    ],
)
def test_arrays_that_are_not_contiguous(tmp_path: Path, view: np.ndarray) -> None:
    save_model(tmp_path / "m", {"a": view}, {})
    loaded = load_model(tmp_path / "m")[0]["a"]
    np.testing.assert_array_equal(loaded, view)
    assert loaded.shape == np.shape(view)


def test_another_reader_opens_the_arrays_and_the_header(path: Path) -> None:
    read = load_file(path)
    assert read.keys() == arrays().keys()
    assert all(same_bits(read[name], array) for name, array in arrays().items())
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert list(metadata) == ["entrena"]
    header = json.loads(metadata["entrena"])
    assert header["format"] == 2
    assert header["versions"]["numpy"] == np.__version__
    assert {"python", "jax"} <= header["versions"].keys()
    assert {key: header[key] for key in HEADER} == HEADER


def test_equal_content_gives_equal_bytes(tmp_path: Path, path: Path) -> None:
    backwards = dict(reversed(arrays().items()))
    for _ in range(10):  # Several metadata texts would stand in a random order.
        save_model(tmp_path / "again", backwards, dict(reversed(HEADER.items())))
        assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_what_was_loaded_can_be_saved_again(tmp_path: Path, path: Path) -> None:
    save_model(tmp_path / "again", *load_model(path))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("values", [np.array(["a"]), np.array([None]), np.ones(2, complex)])
def test_dtypes_that_the_format_cannot_hold(tmp_path: Path, values: np.ndarray) -> None:
    with pytest.raises(
        TypeError, match=r"the array 'a' has the dtype .*, which a file cannot hold: use one of bool, int8"
    ):
        save_model(tmp_path / "m", {"a": values}, {})
    assert not (tmp_path / "m").exists()


def test_names_and_headers_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an array cannot be named __metadata__"):
        save_model(tmp_path / "m", {"__metadata__": np.ones(1)}, {})
    with pytest.raises(TypeError, match="a set cannot be written as JSON"):
        save_model(tmp_path / "m", {}, {"a": {1}})
    assert not (tmp_path / "m").exists()


def test_a_truncated_file(path: Path) -> None:
    whole = path.read_bytes()
    header_end = 8 + int.from_bytes(whole[:8], "little")
    for size in range(9, len(whole)):
        path.write_bytes(whole[:size])
        needed = header_end if size < header_end else len(whole)
        assert message(path) == (
            f"{path} is cut short: it has {size:,} bytes, and its header tells of {needed:,}; copy or train it again"
        )
    for size in range(1, 9):
        path.write_bytes(whole[:size])
        assert message(path) == f"{path} is not a model file: it is not in the safetensors format"


def test_no_bytes(path: Path) -> None:
    path.write_bytes(b"")
    assert message(path) == f"{path} is empty: it has 0 bytes"


def test_bytes_after_the_end(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")
    assert message(path).startswith(f"{path} is damaged: ")


def test_a_file_of_another_program(path: Path) -> None:
    says = f"{path} is a safetensors file of another program: it has no header of entrena"
    save_file(arrays(), path)
    assert message(path) == says
    save_file(arrays(), path, metadata={"format": "pt"})
    assert message(path) == says


@pytest.mark.parametrize(
    "content", [b"a,b,c\n1,2,3\n" * 50, b"{}", b"\x00" * 100, b"\xff" * 100, b"PK\x03\x04" * 9, raw(b"[1, 2, 3]")]
)
def test_not_safetensors_at_all(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert message(path) == f"{path} is not a model file: it is not in the safetensors format"


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("opened-a-pickle",)


def test_a_pickle_is_refused_and_not_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    path.write_bytes(pickle.dumps(Trap()))
    assert message(path) == (
        f"{path} is a Python pickle, which entrena never opens: a model file is in the safetensors format"
    )
    assert not Path("opened-a-pickle").exists()


def test_a_newer_format(path: Path) -> None:
    save_file(arrays(), path, metadata={"entrena": json.dumps({"format": 7})})
    assert message(path) == (
        f"{path} was written by a newer entrena (format 7; this one reads up to 2): upgrade entrena"
    )


def test_an_older_format(path: Path) -> None:
    save_file(arrays(), path, metadata={"entrena": json.dumps({"format": 1})})
    assert message(path) == (
        f"{path} was written by an older entrena (format 1; this one reads 2): train the model again"
    )


@pytest.mark.parametrize("number", [None, "1", 0, -1, True, 1.5])
def test_no_format_number(path: Path, number: object) -> None:
    save_file(arrays(), path, metadata={"entrena": json.dumps({"format": number})})
    assert message(path) == f"{path} is damaged: its header of entrena has no format number"


def test_a_broken_header_of_ours(path: Path) -> None:
    for text in ("{", "", "nonsense", "[" * 100_000, "9" * 10_000):
        save_file(arrays(), path, metadata={"entrena": text})
        assert message(path) == f"{path} is damaged: its header of entrena is not valid JSON"
    save_file(arrays(), path, metadata={"entrena": "[1]"})
    assert message(path) == f"{path} is damaged: its header of entrena is not a JSON object"


def test_a_broken_header_of_the_format(path: Path) -> None:
    for text in (b"{nonsense}", b'{"a": ' + b"[" * 100_000, b'{"a": "\xff\xfe"}'):
        path.write_bytes(raw(text))
        assert message(path) == f"{path} is damaged: its header is not valid JSON"


def test_a_header_of_absurd_size_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(raw(b"{}", length=2**62))
    assert message(path) == f"{path} is not a model file: it is not in the safetensors format"
    with open(path, "wb") as file:  # A file with a hole: 4 GiB that are there and take no space.
        file.write(raw(b"{", length=2**31))
        file.truncate(2**32)
    read: list[int] = []
    monkeypatch.setattr(array_file.json, "loads", lambda text: read.append(len(text)))
    assert message(path) == (
        f"{path} is not a model file of entrena: its header has 2,147,483,648 bytes, and up to 16,777,216 are read"
    )
    assert read == []


def test_a_header_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        save_model(tmp_path / "m", {}, {"classes": "x" * (17 * 2**20)})
    assert "bytes, and a model file holds up to 16,777,216: use fewer columns or fewer distinct classes" in str(
        caught.value
    )
    assert not (tmp_path / "m").exists()


def test_a_missing_file_names_the_nearest(path: Path) -> None:
    typed = path.with_name("modl.safetensors")
    with pytest.raises(UsageError) as caught:
        load_model(typed)
    assert str(caught.value) == f"there is no file {typed}: did you mean 'model.safetensors'?"


def test_a_missing_file_in_an_empty_and_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_model(tmp_path / "m")
    assert str(caught.value) == f"there is no file {tmp_path / 'm'}: {tmp_path} holds no files"
    with pytest.raises(UsageError) as caught:
        load_model(tmp_path / "no" / "m")
    assert str(caught.value) == f"there is no file {tmp_path / 'no' / 'm'}: the folder {tmp_path / 'no'} does not exist"


def test_a_folder(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_model(path.parent)
    assert str(caught.value) == f"{path.parent} is a folder, not a model file: give {path}"
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty is a folder, not a model file$"):
        load_model(tmp_path / "empty")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"pipe is not a regular file$"):
        load_model(tmp_path / "pipe")


def test_a_file_that_cannot_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert message(path) == f"{path} cannot be read: permission denied"


@given(data=st.data())
def test_any_damage_ends_in_a_model_or_in_one_message(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    save_model(path, arrays(), HEADER)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        load_model(path)
    except ModelFileError as error:
        assert str(path) in str(error)
