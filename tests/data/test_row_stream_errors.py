"""What a stream of rows refuses, with the row as the user counts it; and what it costs."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tracemalloc

import polars as pl
import pytest

from entrena.data import ColumnRole, ReadOptions, RowColumns, RowStream, Schema
from entrena.errors import DataError, UsageError
from tests.data.streams import Pieces, joined, opened, refusal, schema_of

START = "a,b,d,y\n1,red,2024-01-31,p\n2,blue,2024-02-29,q\n"
GOOD = "3,red,2024-03-01,p\n"
ROLES = {"b": "category"}


@pytest.mark.parametrize("n_between", [0, 3, 5000])
@pytest.mark.parametrize("size", [1 << 20, 700])
@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("x,red,2024-03-01,p\n", "column 'a', row {} holds 'x' where a number is needed"),
        (
            '"3,5",red,2024-03-01,p\n',
            "column 'a', row {} holds '3,5' where a number is needed; the first rows show no "
            "decimal comma: --decimal , if this is one",
        ),
        ("3,red,soon,p\n", "column 'd', row {} holds 'soon' where a date is needed"),
        ("3,red,2024-02-30,p\n", "column 'd', row {} holds '2024-02-30' where a date is needed"),
        (
            "3,red,2024-03-01,P\n",
            "target 'y', row {} holds 'P', which is none of the known classes: 'p', 'q'; did you mean 'p'?",
        ),
        ("3,red,2024-03-01,long\n", "target 'y', row {} holds 'long', which is none of the known classes: 'p', 'q'"),
        ("3,red,p\n", "row {} has 3 values, the header has 4"),
        ("3,red,2024-03-01,p,5\n", "row {} has 5 values, the header has 4"),
        ("a,b,d,y\n", "row {} repeats the header: delete it"),
    ],
)
def test_rows_are_named_as_the_user_counts_them(row, says, n_between, size):
    # The header is row 1; a blank row counts, and a row of two lines is one.
    between = "\n" + GOOD * n_between + '4,"two\nlines",2024-03-02,q\n'
    message = refusal(opened(START + between + row + GOOD * 60, (size,)), **ROLES)
    assert message.startswith("t.csv: " + says.format(3 + 1 + n_between + 1 + 1)), message


def test_the_millionth_row():
    lines = "1,2,0\n" * 1000
    source = Pieces("", (2**18,))
    source.content = b"a,b,y\n3,4,1\n" + lines.encode() * 1000 + b"1,?!,0\n" + lines.encode()
    message = refusal(RowStream.open(source, target="y"))
    assert message == "t.csv: column 'b', row 1000003 holds '?!' where a number is needed"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("t,y\n1,1\n2,2\n3,x\n", "target 'y', row 4 holds 'x', which is none of the known classes: 1, 2"),
        ("t,y\n1,1\n2,2\n3,7\n", "target 'y', row 4 holds 7, which is none of the known classes: 1, 2"),
        ("t,y\n1,1.5\n2,2.5\n3,x\n", "target 'y', row 4 holds 'x' where a number is needed"),
        ("t,y\n07:30,1.5\n08:30,2.5\n9,1\n", "column 't', row 4 holds '9' where a number is needed"),
        ("t,y\n5%,1.5\n8%,2.5\n9,1\n", "column 't', row 4 holds '9' where a number is needed"),
        ("t,y\n5,1.5\n8,2.5\n9%,1\n", "column 't', row 4 holds '9%' where a number is needed"),
        ("t,y,\n5,1.5,\n8,2.5,\n9,3.5,6\n", "column 3 has no name"),
        ("t,y\n5,1.5\n8,2.5\n9,3\0.5\n", "line 4 holds a NUL byte"),
        ("t,u,y\na,b,p\nc,d,q\nt,u,y\n", "row 4 repeats the header"),
        ('t,y\n"a",p\n"c",q\nw,8" p\nz,q\n', "row 4 is malformed: in line 4 a quote stands within a value"),
        ('t,y\n"a",p\n"c",q\nd,q\n"e,q\nz,q\n', "row 5 is malformed: the quote that opens in line 5 is not closed"),
    ],
)
def test_what_does_not_fit_the_first_rows(text, says):
    for size in (1, 1000):
        task = "regression" if "1.5" in text else None
        stream = opened(text, (size,))
        first = stream.ahead(2)
        schema = schema_of(
            first, task, **({"t": "category"} if "a" in text else {}), **({"u": "category"} if "u" in text else {})
        )
        with pytest.raises(DataError) as caught:
            list(stream.blocks(schema))
        assert says in str(caught.value)


def test_a_truth_value_that_is_none_is_what_the_model_makes_of_it():
    schema = Schema((ColumnRole("t", "boolean"),), ("y",), "regression")
    assert joined(opened("t,y\ntrue,1\nperhaps,2\n").blocks(schema))[0] == {"t": ["true", "perhaps"]}


def test_bytes_that_are_no_utf_8_after_others_that_are():
    text = "a,y\n1,ä\n2,q\n3,ä\n".encode() + "4,ä\n".encode("latin-1")
    message = refusal(opened(text))
    assert message.startswith("t.csv: line 5 holds the byte 0xe4, which is no UTF-8; say the encoding (--encoding")


@pytest.mark.parametrize("row", ["x,red,2024-03-01,p\n", "3,red,2024-03-01,z\n", "3,red\n", '3,r"ed"\n,2024-03-01,p\n'])
@pytest.mark.parametrize("n_before", [0, 1, 40, 100])
@pytest.mark.parametrize("size", [60, 1 << 20])
def test_the_rows_before_the_one_that_cannot_be_used_are_given(row, n_before, size):
    text = START.replace("red", '"red"') + GOOD * n_before + row + GOOD * 50 + row.replace("red", "blue")
    stream = opened(text, (size,))
    schema = schema_of(stream.ahead(2), **ROLES)
    given = []
    with pytest.raises(DataError, match=f"row {n_before + 4} "):
        for block in stream.blocks(schema):
            given.append(block.n_rows)
    assert sum(given) == stream.n_rows == n_before + 2


def test_labels_among_the_first_rows_that_the_user_does_not_name():
    stream = opened("a,y\n1,p\n2,q\n3,r\n4,p\n")
    first = stream.ahead(4)
    blocks = stream.blocks(Schema((ColumnRole("a", "number"),), ("y",), "classification", ("p", "q")))
    assert first.n_rows == 4 and next(blocks).n_rows == 2
    with pytest.raises(DataError, match="target 'y', row 4 holds 'r', which is none of the known classes: 'p', 'q'"):
        next(blocks)


def test_weights():
    rows = RowColumns(weight="w")
    stream = opened("a,w,y\n1,1,0.5\n2,1,1.5\n3,-2,2\n", rows=rows)
    assert refusal(stream, task="regression") == "t.csv: weight 'w', row 4 is -2; a weight is at least 0"
    stream = opened("a,w,y\n1,1,0.5\n2,1,1.5\n3,,2\n", rows=rows)
    assert refusal(stream, task="regression") == "t.csv: column 'w', row 4 is empty; every row needs a weight"
    stream = opened("a,v,y\n1,1,0.5\n2,1,1.5\n", rows=rows)
    assert "there is no weight column 'w'" in refusal(stream)


def test_lines_without_an_end(monkeypatch):
    monkeypatch.setattr("entrena.data.row_cutter.LONGEST_LINE", 2**20)
    for row, says in (
        ("1" * 2**21, "line 4 is longer than 1.0 MB"),
        ('"1' + "\nx" * 2**20, "the quote that opens in line 4"),
    ):
        stream = opened("a,y\n1,p\n2,q\n" + row, (2**16,))
        assert says in refusal(stream)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": 1, "y": }', "line 4 is no JSON"),
        ("[1, 2]", "line 4 holds no object"),
        ('{"a": NaN, "y": "p"}', "line 4 holds NaN, which JSON does not have"),
        ('{"a": "x", "y": "p"}', "column 'a', row 4 holds 'x' where a number is needed"),
        ('{"a": [1], "y": "p"}', "column 'a', row 4 holds lists or structures where a number is needed"),
        ('{"a": 1, "y": "r"}', "target 'y', row 4 holds 'r', which is none of the known classes: 'p', 'q'"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "line 4 is nested more than 64 levels deep"),
    ],
)
def test_json_lines(line, says):
    start = '{"a": 1, "y": "p"}\n{"a": 2, "y": "q"}\n{"a": 3, "y": "q"}\n'
    for more in ("", '{"a": 3.5, "y": "q"}\n' * 60):
        message = refusal(opened(start + line + "\n" + more))
        assert message.startswith("t.csv") and says in message


def test_json_lines_of_which_one_has_another_kind():
    lines = [json.dumps({"a": k / 7, "y": k % 2}) for k in range(1_500)]
    lines[1_200] = '{"a": 1.5, "y": true}'
    message = refusal(opened("\n".join(lines) + "\n"))
    assert "line 1,201 holds a value of another kind than the lines before it" in message


# What is no stream of rows


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_formats(folder):
    frame = pl.DataFrame({"a": [1, 2], "y": ["p", "q"]})
    frame.write_parquet("t.parquet")
    frame.write_ipc("t.arrow")
    folder.joinpath("t.csv.gz").write_bytes(gzip.compress(b"a,y\n1,p\n"))
    folder.joinpath("t.jsonl").write_text('{"a": 1, "y": "p"}\n{"a": 2, "y": "q"}\n')
    folder.joinpath("n.csv").write_bytes(folder.joinpath("t.parquet").read_bytes())
    for name, says in (
        ("t.parquet", "t.parquet is a Parquet file, which cannot be read row by row; read it without --stream"),
        ("n.csv", "n.csv is a Parquet file, which cannot be read row by row; read it without --stream"),
        ("t.arrow", "t.arrow is an Arrow file, which cannot be read row by row; read it without --stream"),
        ("t.csv.gz", "t.csv.gz is compressed, and cannot be read row by row; unpack it first, or read it without"),
    ):
        with RowStream.open(name, target="y") as stream:
            assert refusal(stream).startswith(says)
    with RowStream.open("t.jsonl", target="y", options=ReadOptions(separator=";")) as stream:
        assert refusal(stream).startswith("--separator says how a text file is written")


def test_sources_and_targets_that_are_not_there(folder):
    folder.joinpath("houses.csv").write_text("a,y\n1,p\n2,q\n")
    with pytest.raises(UsageError, match="did you mean 'houses.csv'"):
        RowStream.open("house.csv", target="y")
    with pytest.raises(UsageError, match="rows cannot be read from a int"):
        RowStream.open(5, target="y")
    with pytest.raises(UsageError, match="its target is 'side', not 'y'|its target is 'side', not y"):
        RowStream.open("drifting_stream", target="y")
    with pytest.raises(UsageError, match="t.csv: there is no column 'x' to predict"):
        opened("a,y\n1,p\n2,q\n", target="x").ahead(5)
    schema = Schema((ColumnRole("other", "number"),), ("y",), "regression")
    with pytest.raises(UsageError, match="the model needs a column 'other'"):
        list(opened("a,y\n1,2\n2,3\n").blocks(schema))
    with pytest.raises(UsageError, match="is open for text"):
        RowStream.open(io.StringIO("a,y\n1,p\n"), target="y").ahead(1)
    with pytest.raises(UsageError, match="at least 1"):
        opened("a,y\n1,p\n").ahead(0)


@pytest.mark.parametrize(
    ("text", "says"), [("", "is empty"), ("\n \n", "is empty"), ("a,y\n", "has columns but no rows")]
)
def test_nothing(text, says):
    with pytest.raises(DataError, match=says):
        opened(text).ahead(5)
    with pytest.raises(DataError, match=says):
        list(opened(text).blocks(Schema((ColumnRole("a", "number"),), ("y",), "regression")))


def test_a_source_that_has_become_shorter():
    for text, target in (("a,y\n1,2\n2,3\n", "y"), ('{"a": 1, "y": 2}\n{"a": 2, "y": 3}\n', "y")):
        schema = Schema((ColumnRole("a", "number"),), ("y",), "regression")
        stream = opened(text, target=target)
        assert list(stream.blocks(schema, skip=2)) == [] and stream.n_rows == 2
        with pytest.raises(DataError, match="has 2 rows, and 5 were read before"):
            list(opened(text, target=target).blocks(schema, skip=5))


def test_rows_are_given_once():
    stream = opened("a,y\n1,2\n2,3\n")
    schema = schema_of(stream.ahead(2), "regression")
    assert len(list(stream.blocks(schema))) == 1
    with pytest.raises(RuntimeError, match="given once"):
        next(stream.blocks(schema))
    with pytest.raises(RuntimeError, match="given already"):
        stream.ahead(2)


def test_the_standard_input_of_a_program():
    program = (
        "from entrena.data import RowStream\n"
        "from tests.data.streams import joined, schema_of\n"
        "stream = RowStream.open('-', target='y')\n"
        "schema = schema_of(stream.ahead(2))\n"
        "print(stream.source, joined(stream.blocks(schema)), stream.n_rows)\n"
    )
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, input="a,y\n1,p\n2,q\n3,\n4,q", capture_output=True, text=True, check=True)
    assert done.stdout == "standard input ({'a': [1, 2, 4]}, ['p', 'q', 'q'], [2, 1]) 4\n"


# What it costs


class Endless:
    """An open file that makes its rows as they are asked for."""

    name = "endless.csv"

    def __init__(self, n_rows):
        self.left = n_rows
        self.rest = b"a,b,word,y\n"

    def read1(self, size):
        while len(self.rest) < size and self.left:
            n = min(1000, self.left)
            self.rest += b"".join(b"%d,%d.25,w%d,%d\n" % (row, row, row % 7, row % 2) for row in range(n))
            self.left -= n
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece

    read = read1


def test_memory_does_not_grow_with_the_stream():
    def peak(n_rows):
        stream = RowStream.open(Endless(n_rows), target="y")
        schema = schema_of(stream.ahead(100), word="category")
        tracemalloc.start()
        n = sum(block.n_rows for block in stream.blocks(schema))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n == n_rows
        return highest

    peak(10_000)
    short, long = peak(50_000), peak(200_000)
    assert long < 1.1 * short + 100_000
