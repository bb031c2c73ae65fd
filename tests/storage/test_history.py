from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.errors import RunError, StorageError
from entrena.storage import HistoryWriter, read_history, read_last_records, write_history_parquet
from entrena.storage.history import FLUSH_SECONDS


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def write(path: Path, n_records: int) -> None:
    with HistoryWriter(path) as writer:
        for epoch in range(n_records):
            writer.append({"epoch": epoch})


def epochs(path: Path) -> list[int]:
    return [record["epoch"] for record in read_history(path)]


def test_one_json_object_a_line_in_the_order_given(path: Path) -> None:
    with HistoryWriter(path) as writer:
        writer.append({"epoch": 0, "loss": 0.1, "score": None, "a": "ü\n"})
        writer.append({"epoch": np.int64(1), "loss": np.float32(0.5), "rates": np.arange(2)})
    assert path.read_text() == (
        '{"epoch": 0, "loss": 0.1, "score": null, "a": "\\u00fc\\n"}\n{"epoch": 1, "loss": 0.5, "rates": [0, 1]}\n'
    )
    assert read_history(path) == [
        {"epoch": 0, "loss": 0.1, "score": None, "a": "ü\n"},
        {"epoch": 1, "loss": 0.5, "rates": [0, 1]},
    ]


def test_numbers_that_are_not_finite_are_null(path: Path) -> None:
    with HistoryWriter(path) as writer:
        writer.append(
            {"a": math.nan, "b": [math.inf, {"c": (-math.inf, 1)}], "d": np.float32("nan"), "e": np.array([np.inf])}
        )

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    record = json.loads(path.read_text(), parse_constant=refuse)
    assert record == {"a": None, "b": [None, {"c": [None, 1]}], "d": None, "e": [None]}


@given(loss=st.floats(allow_nan=False, allow_infinity=False))
def test_finite_floats_come_back_bit_by_bit(tmp_path_factory: pytest.TempPathFactory, loss: float) -> None:
    path = tmp_path_factory.getbasetemp() / "floats.jsonl"
    path.unlink(missing_ok=True)
    with HistoryWriter(path) as writer:
        writer.append({"loss": loss})
    assert read_history(path)[0]["loss"].hex() == loss.hex()


def test_flushes_at_most_five_times_a_second(path: Path) -> None:
    clock = Clock()
    writer = HistoryWriter(path, clock=clock)
    sizes = set()
    for epoch in range(1000):  # One second of a run with 1000 short epochs.
        clock.seconds = epoch / 1000
        writer.append({"epoch": epoch})
        sizes.add(path.stat().st_size)
    assert FLUSH_SECONDS == 0.2
    assert len(sizes) == 5  # Empty, and after 0.2, 0.4, 0.6, 0.8 seconds.
    writer.close()
    assert epochs(path) == list(range(1000))


def test_a_flush_on_demand_and_closing_twice(path: Path) -> None:
    writer = HistoryWriter(path, clock=Clock())
    writer.append({"epoch": 0})
    assert epochs(path) == []
    writer.flush(durable=True)
    assert epochs(path) == [0]
    writer.append({"epoch": 1})
    writer.close()
    writer.close()
    assert epochs(path) == [0, 1]
    with pytest.raises(ValueError, match="is closed"):
        writer.flush()


def test_a_later_writer_continues(path: Path) -> None:
    write(path, 3)
    with HistoryWriter(path) as writer:
        writer.append({"epoch": 3})
    assert epochs(path) == [0, 1, 2, 3]


def test_a_torn_last_line_is_left_out_and_then_cut_off(path: Path) -> None:
    write(path, 2)
    whole = path.read_bytes()
    for torn in (b'{"epoch": 2', b'{"epoch": 2}', b"\x00\x00\x00"):
        path.write_bytes(whole + torn)
        assert epochs(path) == [0, 1]
        with HistoryWriter(path) as writer:
            writer.append({"epoch": 9})
        assert epochs(path) == [0, 1, 9]


def test_no_file_is_no_history(path: Path) -> None:
    assert read_history(path) == []


@pytest.mark.parametrize("line", [b"nonsense", b"[1]", b"3", b"", b"\xff", b"[" * 100_000])
def test_a_damaged_line_is_named(path: Path, line: bytes) -> None:
    path.write_bytes(b'{"epoch": 0}\n' + line + b'\n{"epoch": 2}\n')
    with pytest.raises(RunError) as caught:
        read_history(path)
    assert str(caught.value) == f"{path} is damaged: line 2 is not a JSON object"


def test_a_history_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        read_history(tmp_path)
    assert str(caught.value) == f"{tmp_path} cannot be read: is a directory"


@pytest.mark.parametrize("n_lines", [0, 1, 4])
def test_resuming_drops_what_came_after_the_checkpoint(path: Path, n_lines: int) -> None:
    write(path, 4)
    with HistoryWriter(path) as writer:
        writer.truncate_to(n_lines)
        assert epochs(path) == list(range(n_lines))
        writer.append({"epoch": 100})
    assert epochs(path) == [*range(n_lines), 100]


def test_waiting_lines_count_when_truncating(path: Path) -> None:
    with HistoryWriter(path, clock=Clock()) as writer:
        for epoch in range(3):
            writer.append({"epoch": epoch})
        writer.truncate_to(2)
    assert epochs(path) == [0, 1]


def test_resuming_from_a_history_that_is_too_short(path: Path) -> None:
    write(path, 2)
    with HistoryWriter(path) as writer, pytest.raises(RunError) as caught:
        writer.truncate_to(3)
    assert str(caught.value) == f"{path} is damaged: it holds 2 records, and the checkpoint was made after 3"
    assert epochs(path) == [0, 1]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_half_written_line_is_cut_off_and_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write(path, 1)
    writer = HistoryWriter(path, clock=Clock())
    writer.append({"epoch": 1})
    written = os.write

    def half(descriptor: int, data: bytes) -> int:
        written(descriptor, data[:5])
        raise error

    monkeypatch.setattr(os, "write", half)
    with pytest.raises((StorageError, KeyboardInterrupt)) as caught:
        writer.flush()
    if caught.type is StorageError:
        assert str(caught.value) == (
            f"cannot write {path}: no space left on the device that holds {path.parent}: "
            "free some or give another folder"
        )
    assert epochs(path) == [0]
    monkeypatch.undo()
    writer.append({"epoch": 2})
    writer.close()
    assert epochs(path) == [0, 1, 2]


def test_the_file_is_closed_also_when_the_last_flush_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> int:
        raise OSError(28, "No space left on device")

    writer = HistoryWriter(path)
    writer.append({"epoch": 0})
    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(StorageError):
        writer.close()
    monkeypatch.undo()
    with pytest.raises(ValueError, match="is closed"):
        writer.flush()


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"the folder .*no does not exist: make it or give another folder"):
        HistoryWriter(tmp_path / "no" / "history.jsonl")


def test_the_last_records_are_the_end_of_all(path: Path) -> None:
    assert read_last_records(path, 3) == []
    path.write_text("".join(f'{{"epoch": {k}}}\n' for k in range(9)) + '{"epo')
    for n in (0, 1, 4, 9, 100):
        assert read_last_records(path, n) == read_history(path)[max(0, 9 - n) :]
    path.write_text('{"epoch": 0}\nbroken\n{"epoch": 2}\n')
    assert read_last_records(path, 1) == [{"epoch": 2}]
    with pytest.raises(RunError, match="line 2 is not a JSON object"):
        read_last_records(path, 2)
    with pytest.raises(RunError, match="cannot be read"):
        read_last_records(path.parent, 2)


def test_the_table_holds_what_the_lines_hold(tmp_path: Path) -> None:
    records = [
        {"epoch": 0, "loss": 1, "validation_loss": None, "name": "a"},
        {"epoch": 1, "loss": math.nan, "validation_loss": None, "rates": [0.1, 0.2]},
    ]
    write_history_parquet(tmp_path / "history.parquet", records)
    table = polars.read_parquet(tmp_path / "history.parquet")
    assert table.to_dicts() == [
        {"epoch": 0, "loss": 1, "validation_loss": None, "name": "a", "rates": None},
        {"epoch": 1, "loss": None, "validation_loss": None, "name": None, "rates": [0.1, 0.2]},
    ]
    assert table.schema["validation_loss"] == polars.Float64


def test_the_table_finds_a_float_in_a_late_row(tmp_path: Path) -> None:
    write_history_parquet(tmp_path / "h", [*({"loss": 1} for _ in range(500)), {"loss": 0.5}])
    assert polars.read_parquet(tmp_path / "h")["loss"].to_list() == [1.0] * 500 + [0.5]


def test_a_table_of_no_records(tmp_path: Path) -> None:
    write_history_parquet(tmp_path / "h", [])
    assert polars.read_parquet(tmp_path / "h").shape == (0, 0)
