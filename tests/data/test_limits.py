"""What would fill the memory or take for ever ends in one message, before anything is read."""

from __future__ import annotations

import gzip
import io
import json

import numpy as np
import polars as pl
import pytest

from entrena.data import limits
from entrena.data.files import read_file
from entrena.data.survey import check_lines
from entrena.errors import DataError


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_file(path)
    return str(caught.value)


def set_limit(monkeypatch, name, value):
    """Changes a limit wherever it is known."""
    import sys

    for module in [module for key, module in sys.modules.items() if key.startswith("entrena.data")]:
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)


def set_memory(monkeypatch, n_bytes):
    monkeypatch.setattr(limits, "available_memory", lambda: n_bytes)


def test_the_memory_that_is_there():
    assert 2**20 < limits.available_memory() < 2**50
    assert limits.most_bytes() <= limits.available_memory()


@pytest.mark.parametrize(
    ("n_bytes", "words"), [(2**40, "1.0 TB"), (3 * 2**29, "1.5 GB"), (5 * 2**20, "5.0 MB"), (3000, "3 kB")]
)
def test_sizes_in_words(n_bytes, words):
    assert limits.in_words(n_bytes) == words


# Text


def test_a_gigabyte_without_a_line_end(tmp_path):
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,2\n")
        # A hole of 1 GB: the disk holds none of it.
        file.truncate(2**30)
    assert refusal(path) == (
        "t.csv: line 3 is longer than 16.0 MB; a table has a line for each row, with a line end behind it"
    )
    path = path.rename(tmp_path / "t.jsonl")
    assert refusal(path).startswith("t.jsonl: line 3 is longer than 16.0 MB; ")


@pytest.mark.parametrize("line", [99, 100, 101, 149, 150, 151, 260, 900])
@pytest.mark.parametrize("before", [0, 1, 37, 99])
def test_long_lines_are_found_wherever_they_are(tmp_path, monkeypatch, line, before):
    set_limit(monkeypatch, "LONGEST_LINE", 100)
    path = tmp_path / "t.csv"
    path.write_bytes(b"x" * before + b"\n" + b"y" * line + b"\n" + b"z\n" * 500)
    # Lines of more than the limit may pass; those of twice as much never do, and shorter ones always.
    if line <= 100:
        check_lines(path, "t.csv")
    elif line >= 150:
        with pytest.raises(DataError, match=r"^t\.csv: line 2 is longer than 0 kB; a table has a line for each row"):
            check_lines(path, "t.csv")


def test_a_text_that_is_larger_than_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 2**20)
    set_memory(monkeypatch, 4 * 2**20)
    assert refusal(path) == (
        "t.csv: holds at least 4.0 MB, and the memory has room for 2.0 MB; take fewer rows or columns"
    )


def test_too_many_columns(tmp_path):
    path = tmp_path / "t.csv"
    names = ",".join(f"c{number}" for number in range(100_000))
    path.write_text(f"{names}\n{names}\n")
    assert refusal(path) == "t.csv has 100,000 columns; at most 50,000 can be read"


def test_as_many_columns_as_are_allowed(tmp_path, monkeypatch):
    set_limit(monkeypatch, "MOST_COLUMNS", 300)
    path = tmp_path / "t.csv"
    for n_columns in (300, 301):
        path.write_text(",".join(f"c{j}" for j in range(n_columns)) + "\n" + ",".join("1" * n_columns) + "\n")
        if n_columns == 300:
            assert len(read_file(path).names) == 300
    assert refusal(path) == "t.csv has 301 columns; at most 300 can be read"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a,b\n1,\x002\n", "2"),
        (b"a,b\n" + b"1,2\n" * 300_000 + b"\0,2\n", "300,002"),
        (b"\0a,b\n1,2\n", "1"),
        (b"a,b\n1,2\n" + b"\0" * 100, "3"),
    ],
)
def test_nul_bytes(tmp_path, content, line):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert refusal(path) == f"t.csv is no text: line {line} holds a NUL byte"


def test_a_quote_that_is_never_closed(tmp_path, monkeypatch):
    set_limit(monkeypatch, "LONGEST_LINE", 2**16)
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"x\n' + "2,y\n" * 100_000)
    assert refusal(path) == (
        "t.csv: row 2 is malformed: the quote that opens in line 2 is not closed; close it, or delete it"
    )


# Packed


def zeros(n_bytes):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(b"a,b\n")
        for _ in range(n_bytes // 2**20):
            file.write(b"0,0\n" * 2**18)
    return out.getvalue()


def test_a_gzip_bomb(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(zeros(150 * 2**20))
    assert refusal(path) == (
        "t.csv.gz: unpacks to more than 200 times its size, as no table does; if it is one, write it as CSV"
    )


def test_a_gzip_file_that_does_not_fit(tmp_path, monkeypatch):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 2_000_000))
    assert read_file(path).n_rows == 2_000_000
    set_memory(monkeypatch, 8 * 2**20)
    message = refusal(path)
    assert message.startswith("t.csv.gz: unpacks to at least ")
    assert message.endswith(" MB, and the memory has room for 4.0 MB; take fewer rows or columns")


def test_a_zstd_bomb(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "t.csv.zst"
    path.write_bytes(pyarrow.Codec("zstd").compress(b"a,b\n" + b"0,0\n" * 2**25, asbytes=True))
    assert refusal(path).startswith("t.csv.zst: unpacks to more than 200 times its size")
    path.write_bytes(pyarrow.Codec("zstd").compress(b"a,b\n" + b"0,0\n" * 2**20, asbytes=True))
    assert read_file(path).n_rows == 2**20
    set_memory(monkeypatch, 8 * 2**20)
    assert refusal(path).startswith("t.csv.zst: unpacks to at least 4.")


# Columns


def test_parquet_and_arrow_files_that_unpack_to_too_much(tmp_path, monkeypatch):
    frame = pl.DataFrame({"a": np.zeros(2_000_000, np.int64), "b": np.zeros(2_000_000)})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow", compression="zstd")
    frame.write_ipc_stream(tmp_path / "s.arrow", compression="zstd")
    names = ("t.parquet", "t.arrow", "s.arrow")
    assert all((tmp_path / name).stat().st_size < 200_000 for name in names)
    assert all(read_file(tmp_path / name).n_rows == 2_000_000 for name in names)
    set_memory(monkeypatch, 40 * 2**20)
    for name in names:
        assert refusal(tmp_path / name) == (
            f"{name}: takes at least 30.5 MB, and the memory has room for 20.0 MB; take fewer rows or columns"
        )


def test_columns_of_files_of_columns(tmp_path, monkeypatch):
    set_limit(monkeypatch, "MOST_COLUMNS", 3)
    pl.DataFrame({name: [1] for name in "abcd"}).write_parquet(tmp_path / "t.parquet")
    assert refusal(tmp_path / "t.parquet") == "t.parquet has 4 columns; at most 3 can be read"


# JSON lines


def test_json_lines_with_a_key_each(tmp_path, monkeypatch):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({f"k{number}": 1}) + "\n" for number in range(60_000)))
    set_memory(monkeypatch, 2**50)
    assert refusal(path) == "t.jsonl has more than 50,000 keys; at most so many columns can be read"
    set_memory(monkeypatch, 2**30)
    assert refusal(path).startswith("t.jsonl: takes at least ")
