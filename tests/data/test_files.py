"""Files: which one is meant, what it holds whatever its name says, and standard input."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from entrena.data.dialect import ReadOptions
from entrena.data.files import STANDARD_INPUT, find_file, read_file
from entrena.errors import DataError, EntrenaError, UsageError
from tests.data.excel_files import write_excel

SUFFIXES = ".csv, .tsv, .txt, .parquet, .arrow, .feather, .ipc, .jsonl, .ndjson, .xlsx"
CSV = "a,b\n1,x\n2.5,\n"
FRAME = pl.DataFrame({"a": [1.0, 2.5], "b": ["x", None]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(action, kind=DataError):
    with pytest.raises(EntrenaError) as caught:
        action()
    assert type(caught.value) is kind
    return str(caught.value)


def check(table):
    assert table.names == ("a", "b") and table.column("a").values.tolist() == [1, 2.5]
    assert table.column("b").levels == ("x",) and table.column("b").values.tolist() == [0, -1]


def parquet():
    out = io.BytesIO()
    FRAME.write_parquet(out)
    return out.getvalue()


def arrow():
    out = io.BytesIO()
    FRAME.write_ipc(out)
    return out.getvalue()


def arrow_stream():
    out = io.BytesIO()
    FRAME.write_ipc_stream(out)
    return out.getvalue()


def json_lines():
    return b'{"a": 1, "b": "x"}\n{"a": 2.5, "b": null}\n'


CONTENTS = {
    "text": lambda: CSV.encode(),
    "Parquet": parquet,
    "Arrow": arrow,
    "an Arrow stream": arrow_stream,
    "JSON lines": json_lines,
    "packed text": lambda: gzip.compress(CSV.encode()),
    "packed JSON lines": lambda: gzip.compress(json_lines()),
}


# Which file is meant


def test_missing_files(folder):
    Path("houses.csv").write_text(CSV)
    Path("cars.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    assert find_file("houses.csv") == Path("houses.csv") and find_file("cars.csv.gz") == Path("cars.csv.gz")
    sets = ("digits", "iris")
    for source, message in {
        "house.csv": "there is no file house.csv: did you mean 'houses.csv'?",
        "car.csv": "there is no file car.csv: did you mean 'cars.csv.gz'?",
        "houses": "there is no data set or file houses: did you mean 'houses.csv'?",
        "digts": "there is no data set or file digts: did you mean 'digits'?",
        "zzz.csv": "there is no file zzz.csv",
        "zzz": "there is no data set or file zzz; the embedded data sets are digits, iris",
        "no/such.csv": "there is no file no/such.csv: its folder no does not exist",
        "http://e.org/t.csv": "there is no file http://e.org/t.csv: its folder http:/e.org does not exist",
        "s3://bucket/t.parquet": "there is no file s3://bucket/t.parquet: its folder s3:/bucket does not exist",
        "*.csv": "there is no file *.csv",
        "x\0.csv": "there is no file x\0.csv",
    }.items():
        assert refusal(lambda source=source: find_file(source, sets), UsageError) == message
    assert refusal(lambda: find_file("n" * 5000), UsageError).startswith("there is no file nnn")


def test_what_is_no_file(folder):
    Path("d.csv").mkdir()
    directory = f"d.csv is a directory; name one file, {SUFFIXES} or .xls"
    os.mkfifo("f.csv")
    pipe = "f.csv is no ordinary file; what comes through a pipe is read as - (standard input)"
    Path("null.csv").symlink_to("/dev/zero")
    for act in (find_file, read_file):
        assert refusal(lambda act=act: act("d.csv"), UsageError) == directory
        assert refusal(lambda act=act: act("f.csv"), UsageError) == pipe
        assert refusal(lambda act=act: act("null.csv"), UsageError).startswith("null.csv is no ordinary file; ")
    for name, kind in {
        "t.doc": "files that end in .doc",
        "t": "files without a suffix",
        "t.gz": "files without a suffix",
        "t.doc.gz": "files that end in .doc",
        "t.csv.bz2": "files that end in .bz2",
    }.items():
        Path(name).write_text("x")
        assert refusal(lambda name=name: find_file(name), UsageError) == (
            f"{name}: {kind} cannot be read; {SUFFIXES} and .xls can, and texts packed as .gz or .zst"
        )


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that opens and cannot be read")
def test_unreadable_files(folder):
    Path("t.csv").symlink_to("/proc/self/mem")
    assert refusal(lambda: read_file("t.csv")) == "t.csv cannot be read: Input/output error"


# What a file holds


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "CSV", "csv.gz", "csv.zst"])
@pytest.mark.parametrize("kind", [kind for kind in CONTENTS if "JSON" not in kind])
def test_the_first_bytes_count_for_more_than_the_name(folder, kind, suffix):
    path = Path(f"t.{suffix}")
    path.write_bytes(CONTENTS[kind]())
    check(read_file(path))


def test_names_that_are_wrong(folder):
    for suffix, message in {
        "parquet": "t.parquet is not a Parquet file: it does not begin with PAR1",
        "feather": "t.feather is not an Arrow file: it does not begin with ARROW1",
        "xlsx": "t.xlsx is not an Excel file: it does not begin with the mark of a zip archive",
    }.items():
        path = Path(f"t.{suffix}")
        path.write_text(CSV)
        assert refusal(lambda path=path: read_file(path)) == message
        path.write_bytes(b"")
        assert refusal(lambda path=path: read_file(path)) == f"{path} is empty"
    with zipfile.ZipFile("t.csv", "w") as archive:
        archive.writestr("t.csv", CSV)
    assert refusal(lambda: read_file("t.csv")) == "t.csv is a zip archive: unpack it, and name the file that was in it"
    Path("t.csv.gz").write_bytes(gzip.compress(gzip.compress(CSV.encode())))
    assert refusal(lambda: read_file("t.csv.gz")) == "t.csv.gz is packed twice: unpack it once"


@pytest.mark.parametrize("kind", ["Parquet", "Arrow", "an Arrow stream", "packed text"])
def test_damaged_files_end_in_a_message(folder, generator, kind):
    content = io.BytesIO()
    frame = pl.DataFrame({"a": generator.random(300), "y": generator.integers(0, 9, 300)})
    if kind != "Parquet":
        # Polars ends the whole process at some damaged texts of Parquet files.
        frame = frame.with_columns(s=pl.Series(["x", "yy", "é"] * 100))
    if kind == "Parquet":
        frame.write_parquet(content)
    elif kind == "Arrow":
        frame.write_ipc(content, compression="zstd")
    elif kind == "an Arrow stream":
        frame.write_ipc_stream(content)
    else:
        content.write(gzip.compress(frame.write_csv().encode()))
    whole = content.getvalue()
    path = Path({"Parquet": "t.parquet", "packed text": "t.csv.gz"}.get(kind, "t.arrow"))
    name = {"Parquet": "Parquet", "packed text": "gzip"}.get(kind, "Arrow")
    for length in (len(whole) // 2, len(whole) - len(whole) // 5):
        path.write_bytes(whole[:length])
        assert refusal(lambda: read_file(path)).startswith(f"{path} is a damaged {name} file (")
    for _ in range(60):
        noisy = bytearray(whole)
        for position in generator.integers(8, len(whole), 8):
            noisy[position] = generator.integers(256)
        path.write_bytes(noisy)
        try:
            read_file(path)
        except EntrenaError as error:
            assert str(error).startswith(str(path))


def test_damaged_zstd(folder, generator):
    pyarrow = pytest.importorskip("pyarrow")
    whole = pyarrow.Codec("zstd").compress(
        ("a,b\n" + "1,2\n" * 5000).encode() + generator.bytes(50).hex().encode() + b",1", asbytes=True
    )
    path = Path("t.csv.zst")
    path.write_bytes(whole)
    assert read_file(path).n_rows == 5001
    path.write_bytes(whole + pyarrow.Codec("zstd").compress(b"\n3,4\n", asbytes=True))
    assert read_file(path).n_rows == 5002
    path.write_bytes(whole[:-3])
    assert refusal(lambda: read_file(path)) == "t.csv.zst is a damaged zstd file (it ends too early)"
    path.write_bytes(b"\x28\xb5\x2f\xfd")
    assert refusal(lambda: read_file(path)) == "t.csv.zst is a damaged zstd file (it ends too early)"
    path.write_bytes(pyarrow.Codec("zstd").compress("a,b\né,1\n".encode("latin-1"), asbytes=True))
    assert refusal(lambda: read_file(path)) == (
        "t.csv.zst: text that is packed with zstd must be UTF-8; unpack it first"
    )
    for _ in range(40):
        noisy = bytearray(whole)
        noisy[int(generator.integers(4, len(whole)))] = generator.integers(256)
        path.write_bytes(noisy)
        try:
            read_file(path)
        except EntrenaError as error:
            assert str(error).startswith("t.csv.zst")


# JSON lines


ONE_EACH = 'JSON lines have one on each line, such as {"rooms": 3, "price": 2.5}'


def json_file(folder, *lines):
    path = folder / "t.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_json_lines(folder):
    path = json_file(
        folder,
        '{"i": 1, "f": 1, "b": true, "s": "x", "zip": "007", "q": "?", "d": "2024-02-29", "o": {"x": 1}, "l": [1]}',
        "",
        '{"i": 2, "f": 2.5, "b": null, "zip": "12", "q": "é", "d": "2024-03-01T10:00", "new": 3}',
    )
    table = read_file(path)
    kinds = {column.name: column.kind for column in table}
    assert kinds == {
        "i": "number", "f": "number", "b": "boolean", "s": "text", "zip": "text", "q": "text", "d": "date",
        "o": "nested", "l": "nested", "new": "number",
    }  # fmt: skip
    assert table.column("i").values.tolist() == [1, 2] and table.column("f").values.tolist() == [1, 2.5]
    assert table.column("zip").levels == ("007", "12") and table.column("q").levels == ("?", "é")
    assert table.column("s").missing().tolist() == [False, True]
    assert np.isnan(table.column("new").values[0]) and table.column("o").values.tolist() == [True, False]
    assert table.column("d").values[1] == np.datetime64("2024-03-01T10:00")
    texts = read_file(path, text_columns=("i", "d", "b"))
    assert texts.column("i").levels == ("1", "2") and texts.column("b").levels == ("true",)
    assert texts.column("d").levels == ("2024-02-29", "2024-03-01T10:00")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["", " "], "t.jsonl is empty"),
        (['{"a": 1}', '{"a": 2'], "t.jsonl: line 2 is no JSON (Expecting ',' delimiter: line 1 column 8 (char 7))"),
        (['{"a": 1}', "[1, 2]"], f"t.jsonl: line 2 holds no object; {ONE_EACH}"),
        (['{"a": ' + "[" * 100 + "]" * 100 + "}"], "t.jsonl: line 1 is nested more than 64 levels deep"),
        (["[" * 500_000], "t.jsonl: line 1 is nested more than 64 levels deep"),
    ],
)  # fmt: skip
def test_json_lines_that_are_none(folder, lines, message):
    assert refusal(lambda: read_file(json_file(folder, *lines))) == message


def test_json_that_is_a_whole_table(folder):
    """One array over many lines is another format."""
    path = folder / "t.jsonl"
    path.write_text(json.dumps([{"a": 1}, {"a": 2}], indent=1))
    assert refusal(lambda: read_file(path)).startswith("t.jsonl: line 1 is no JSON (")


def test_brackets_within_texts_nest_nothing(folder):
    assert read_file(json_file(folder, json.dumps({"a": '[{"' * 200}))).column("a").levels == ('[{"' * 200,)


# Standard input


def standard_input(content):
    """What a process prints that reads a table through a pipe."""
    code = (
        "from entrena.data.files import read_file\nfrom entrena.errors import EntrenaError\n"
        "try:\n    t = read_file('-'); print(t.place.source, t.names, t.column('a').values.tolist(), t.said)\n"
        "except EntrenaError as e: print(type(e).__name__, e)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.mark.parametrize("kind", CONTENTS)
def test_standard_input(kind):
    assert standard_input(CONTENTS[kind]()) == "standard input ('a', 'b') [1.0, 2.5]"


def test_standard_input_says_and_refuses_as_files_do():
    assert standard_input(b"a;b\n1,5;x\n") == "standard input ('a', 'b') [1.5] separator ;, decimal comma"
    assert standard_input(b"") == "DataError standard input is empty"
    assert standard_input(b"a,b\n1\n") == "DataError standard input: row 2 has 1 value, the header has 2"


def test_standard_input_that_is_a_terminal(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    assert refusal(lambda: read_file(STANDARD_INPUT), UsageError) == (
        "- reads the table from standard input, and nothing is piped in: entrena train - --target NAME < table.csv"
    )


def test_a_pipe_that_nobody_writes_to_is_never_opened(folder):
    os.mkfifo("t.csv")
    code = "from entrena.data.files import read_file\nread_file('t.csv')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "UsageError: t.csv is no ordinary file" in done.stderr


def test_a_link_to_nothing(folder):
    (folder / "ln.csv").symlink_to("gone.csv")
    for action in (lambda: find_file("ln.csv"), lambda: read_file("ln.csv")):
        assert refusal(action, UsageError) == "ln.csv is a link to gone.csv, and there is no such file"
    (folder / "gone.csv").write_text(CSV)
    check(read_file("ln.csv"))


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have(folder, constant):
    (folder / "t.jsonl").write_text(f'{{"a": 1.5}}\n\n{{"a": {constant}}}\n{{"a": 2}}\n')
    assert refusal(lambda: read_file("t.jsonl")) == (
        f"t.jsonl: line 3 holds {constant}, which JSON does not have; write null"
    )


OTHERS = {
    "t.parquet": (parquet, "a Parquet", ("separator", "decimal", "thousands", "encoding")),
    "t.arrow": (arrow, "an Arrow", ("separator", "decimal", "thousands", "encoding")),
    "s.arrow": (arrow_stream, "an Arrow", ("separator", "decimal", "thousands", "encoding")),
    "t.jsonl": (lambda: b'{"a": 1.0, "b": "x"}\n', "a JSON lines", ("separator", "decimal", "thousands", "encoding")),
    "t.xlsx": (lambda: excel(), "an Excel", ("separator", "encoding")),
}


def excel():
    return write_excel(Path("other.xlsx"), [["a", "b"], [1.0, "x"]]).read_bytes()


@pytest.mark.parametrize("name", OTHERS)
def test_options_that_mean_nothing_in_a_format(folder, name):
    if name == "t.xlsx":
        pytest.importorskip("fastexcel")
    content, kind, meaningless = OTHERS[name]
    Path(name).write_bytes(content())
    given = {"separator": ";", "decimal": ",", "thousands": ".", "encoding": "latin-1"}
    for option, value in given.items():
        options = ReadOptions(**{option: value})
        if option not in meaningless:
            assert read_file(name, options).n_rows == 1
            continue
        assert refusal(lambda options=options: read_file(name, options), UsageError) == (
            f"--{option} says how a text file is written, and {name} is {kind} file: leave the option out"
        )
    # What a model remembers of its own file is no option.
    assert read_file(name, like=ReadOptions(decimal=",", thousands=".")).column("a").values[0] == 1


def test_marks_of_missing_values_in_other_formats(folder):
    frame = pl.DataFrame(
        {"i": [1, -999, 3], "f": [-999.0, 2.5, None], "s": ["x", "-999", " "], "b": [True, False, None]}
    )
    frame.write_parquet("t.parquet")
    frame.write_ipc("t.arrow")
    frame.write_ndjson("t.jsonl")
    for name in ("t.parquet", "t.arrow", "t.jsonl"):
        table = read_file(name, ReadOptions(missing=("-999", "k.A.")))
        gaps = {column.name: column.missing().tolist() for column in table}
        assert gaps["i"] == [False, True, False] and gaps["f"] == [True, False, True], name
        assert gaps["s"][:2] == [False, True] and gaps["b"] == [False, False, True], name
        assert not read_file(name).column("s").missing()[:2].any()
