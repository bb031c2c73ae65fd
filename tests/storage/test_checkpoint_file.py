from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from entrena.errors import RunError, StorageError
from entrena.storage import checkpoint_file, load_checkpoint, save_checkpoint


def save(folder: Path, number: int) -> None:
    save_checkpoint(folder, {"weights": np.full((50, 3), number, np.float32)}, {"number": number})


def number_in(folder: Path) -> int | None:
    """The number of the checkpoint, after a check that both its parts are of the same one."""
    found = load_checkpoint(folder)
    if found is None:
        return None
    arrays, record = found
    np.testing.assert_array_equal(arrays["weights"], np.full((50, 3), record["number"], np.float32))
    return record["number"]


def message(folder: Path) -> str:
    with pytest.raises(RunError) as caught:
        load_checkpoint(folder)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run" / "checkpoint"


def test_no_checkpoint(folder: Path) -> None:
    assert load_checkpoint(folder) is None
    folder.mkdir(parents=True)
    assert load_checkpoint(folder) is None


def test_one_pair_of_files_stays(folder: Path) -> None:
    for number in range(3):
        save(folder, number)
        assert number_in(folder) == number
        assert sorted(os.listdir(folder)) == ["checkpoint.json", f"state-{number + 1}.safetensors"]


@given(
    record=st.dictionaries(
        st.text(), st.integers() | st.floats(allow_nan=False) | st.text() | st.none() | st.lists(st.booleans())
    )
)
def test_the_record_comes_back(tmp_path_factory: pytest.TempPathFactory, record: dict[str, object]) -> None:
    folder = tmp_path_factory.getbasetemp() / "record"
    save_checkpoint(folder, {}, record)
    assert load_checkpoint(folder) == ({}, record)


def test_the_state_of_a_generator_comes_back(folder: Path) -> None:
    generator = np.random.default_rng(7)
    generator.random(5)
    state = generator.bit_generator.state
    assert state["state"]["state"] > 2**64  # The reason why floats would not do.
    save_checkpoint(folder, {}, {"generator": state})
    expected = generator.random(4)
    found = load_checkpoint(folder)
    assert found is not None
    again = np.random.default_rng(0)
    again.bit_generator.state = found[1]["generator"]
    assert again.random(4).tobytes() == expected.tobytes()


def test_numbers_that_are_not_finite_and_numpys_come_back(folder: Path) -> None:
    save_checkpoint(folder, {}, {"a": [math.inf, -math.inf, math.nan], "b": np.float32(0.1), "c": np.arange(3)})
    found = load_checkpoint(folder)
    assert found is not None
    assert found[1]["a"][:2] == [math.inf, -math.inf]
    assert math.isnan(found[1]["a"][2])
    assert np.float32(found[1]["b"]) == np.float32(0.1)
    assert found[1]["c"] == [0, 1, 2]


def test_the_arrays_come_back_bit_by_bit(folder: Path) -> None:
    nan_with_payload = np.array([0x7FC12345, 0x80000000], np.uint32).view(np.float32)
    arrays = {
        "a": nan_with_payload,
        "b": np.arange(4, dtype=ml_dtypes.bfloat16),
        "count": np.array(3),
        "empty": np.zeros((0, 2)),
        "mask": np.array([True, False]),
    }
    save_checkpoint(folder, arrays, {})
    found = load_checkpoint(folder)
    assert found is not None
    for name, array in arrays.items():
        assert found[0][name].dtype == array.dtype
        assert found[0][name].shape == array.shape
        assert found[0][name].tobytes() == array.tobytes()


def test_a_kill_at_any_step_leaves_a_whole_pair(folder: Path, mortal_system: type, died: type) -> None:
    save(folder, 1)
    seen = set()
    for n_calls in range(200):
        shutil.rmtree(folder)
        save(folder, 1)
        with pytest.MonkeyPatch.context() as patch:
            system = mortal_system(patch, n_calls)
            with suppress(died):
                save(folder, 2)
        seen.add(number_in(folder))
        assert number_in(folder) in {1, 2}
        save(folder, 3)  # And the next process goes on, and clears away what the dead one left.
        assert number_in(folder) == 3
        assert len(os.listdir(folder)) == 2
        if not system.died:
            break
    else:
        pytest.fail("the save never ended")
    assert seen == {1, 2}
    assert n_calls >= 12


def test_a_kill_during_the_first_save_leaves_none_or_a_whole_pair(
    folder: Path, mortal_system: type, died: type
) -> None:
    seen = set()
    for n_calls in range(200):
        shutil.rmtree(folder, ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            system = mortal_system(patch, n_calls)
            with suppress(died):
                save(folder, 1)
        seen.add(number_in(folder))
        save(folder, 2)
        assert number_in(folder) == 2
        assert len(os.listdir(folder)) == 2
        if not system.died:
            break
    assert seen == {None, 1}


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_full_disk_at_any_call_keeps_the_one_before(folder: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    original = getattr(os, call)
    failed = 0
    for n_good in range(100):
        save(folder, 1)
        calls = iter(range(1000))

        def fail(*args: object, calls: object = calls, n_good: int = n_good, **options: object) -> object:
            if next(calls) >= n_good:  # type: ignore[call-overload]
                raise OSError(28, "No space left on device")
            return original(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            try:
                save(folder, 2)
            except StorageError as error:
                failed += 1
                assert str(error).endswith(
                    f"no space left on the device that holds {folder}: free some or give another folder"
                )
            else:
                break
        # Where only the forcing of the folder fails, at the very end, the new pair is in its place already.
        assert number_in(folder) in ({1, 2} if call in ("open", "fsync") else {1})
    assert failed >= 2
    assert number_in(folder) == 2


SAVE_FOR_EVER = """
import sys
import numpy as np
from entrena.storage import load_checkpoint, save_checkpoint
folder = sys.argv[1]
found = load_checkpoint(folder)
number = 0 if found is None else found[1]["number"]
while True:
    number += 1
    save_checkpoint(folder, {"weights": np.full((50, 3), number, np.float32)}, {"number": number})
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_sigkill_at_random_moments(folder: Path, seed: int) -> None:
    moments = random.Random(seed)
    last = 0
    for _ in range(8):
        child = subprocess.Popen([sys.executable, "-c", SAVE_FOR_EVER, str(folder)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(moments.uniform(0, 0.1))
        child.send_signal(signal.SIGKILL)
        told = [int(line) for line in (first + child.communicate()[0]).split("\n") if line.strip()]
        found = number_in(folder)
        assert found is not None
        # What the child told was on the disk; it may have saved once more without telling.
        assert told[0] == last + 1
        assert found in {told[-1], told[-1] + 1}
        last = found
    assert last >= 8


def test_a_reader_beside_the_process_that_trains(folder: Path) -> None:
    save(folder, 0)
    child = subprocess.Popen([sys.executable, "-c", SAVE_FOR_EVER, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        numbers = [number_in(folder) for _ in range(300)]
    finally:
        child.kill()
        child.communicate()
    assert None not in numbers
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 1


def test_a_pair_replaced_between_the_two_reads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder, 1)
    read = checkpoint_file._read_record_text
    n_reads = 0

    def read_then_replace(folder: Path) -> str | None:
        nonlocal n_reads
        n_reads += 1
        text = read(folder)
        if n_reads == 1:
            with monkeypatch.context() as patch:
                patch.setattr(checkpoint_file, "_read_record_text", read)
                save(folder, 2)
        return text

    monkeypatch.setattr(checkpoint_file, "_read_record_text", read_then_replace)
    assert number_in(folder) == 2
    assert n_reads == 2


@pytest.fixture
def saved(folder: Path) -> Path:
    save(folder, 1)
    return folder


WHAT_NOW = "train again"


def test_missing_arrays(saved: Path) -> None:
    (saved / "state-1.safetensors").unlink()
    assert message(saved) == f"the checkpoint in {saved} is damaged: state-1.safetensors is missing; {WHAT_NOW}"


def test_truncated_arrays(saved: Path) -> None:
    path = saved / "state-1.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert message(saved) == (
        f"the checkpoint in {saved} is damaged: state-1.safetensors has 100 bytes instead of {len(whole):,}; {WHAT_NOW}"
    )


def test_one_bit_of_the_arrays(saved: Path) -> None:
    path = saved / "state-1.safetensors"
    content = bytearray(path.read_bytes())
    for place in (0, 50, len(content) - 1):
        content[place] ^= 4
        path.write_bytes(content)
        content[place] ^= 4
        assert message(saved) == (
            f"the checkpoint in {saved} is damaged: the content of state-1.safetensors has changed; {WHAT_NOW}"
        )


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "{}", "\x00" * 50, "[" * 100_000, "ü", '{"format": "1"}'])
def test_a_damaged_record(saved: Path, text: str) -> None:
    (saved / "checkpoint.json").write_text(text)
    assert message(saved) == (
        f"the checkpoint in {saved} is damaged: checkpoint.json is not as entrena writes it; {WHAT_NOW}"
    )
    save(saved, 2)
    assert number_in(saved) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", "../../../etc/passwd"),
        ("file", "/etc/passwd"),
        ("file", "state-1.safetensors/../x"),
        ("file", 3),
        ("bytes", "many"),
        ("crc32", None),
    ],
)
def test_a_record_that_names_something_else(saved: Path, key: str, value: object) -> None:
    path = saved / "checkpoint.json"
    described = json.loads(path.read_text())
    described["arrays"][key] = value
    path.write_text(json.dumps(described))
    assert "checkpoint.json is not as entrena writes it" in message(saved)


def test_a_newer_format(saved: Path) -> None:
    path = saved / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    assert message(saved) == (
        f"the checkpoint in {saved} was written by a newer entrena (format 2; this one reads up to 1): upgrade entrena"
    )


def test_arrays_that_the_parser_refuses(saved: Path) -> None:
    """Right size and sum, and still no arrays that are known: a file that somebody made."""
    path = saved / "state-1.safetensors"
    save_file({"a": np.ones(2, np.complex64)}, path)
    described = json.loads((saved / "checkpoint.json").read_text())
    described["arrays"] |= {"bytes": path.stat().st_size, "crc32": checkpoint_file.zlib.crc32(path.read_bytes())}
    (saved / "checkpoint.json").write_text(json.dumps(described))
    assert "is damaged: it holds an array of the unknown dtype C64; train again" in message(saved)


def test_a_checkpoint_that_cannot_be_read(saved: Path) -> None:
    (saved / "checkpoint.json").unlink()
    (saved / "checkpoint.json").mkdir()
    assert message(saved) == f"the checkpoint in {saved} cannot be read: is a directory"


def test_what_cannot_be_written_changes_nothing(saved: Path) -> None:
    with pytest.raises(TypeError, match="a set cannot be written as JSON"):
        save_checkpoint(saved, {}, {"a": {1}})
    with pytest.raises(TypeError, match="which a file cannot hold"):
        save_checkpoint(saved, {"a": np.array(["x"])}, {})
    assert number_in(saved) == 1
