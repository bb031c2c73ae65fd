"""Streams of rows: they give what the whole file gives, however their bytes arrive."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrena.data import EMBEDDED, ColumnRole, ReadOptions, RowColumns, RowStream, Schema, read
from tests.data.streams import Pieces, joined, opened, schema_of, values

ROLES = {"number": "number", "whole": "number", "word": "category", "day": "date"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The same as the whole file

WORDS = st.sampled_from(["red", "green", "blue", "a\nb", 'say "so"', "x,y;z", "naïve", "  padded "])
GAPS = st.sampled_from(["", "NA", " ? "])


@st.composite
def tables(draw):
    """A text file with numbers, whole numbers, categories, dates and a target, some of them missing.

    Its first rows show what the columns hold, as the first rows of a stream have to.
    """
    separator, decimal = draw(st.sampled_from([(",", "."), (";", ","), ("\t", ".")]))
    floats = st.floats(-1e6, 1e6).map(lambda value: repr(round(value, 4)).replace(".", decimal))
    whole = st.integers(-1000, 1000).map(str)
    dates = st.dates(min_value=np.datetime64("1900-01-01").item()).map(str)
    row = st.tuples(floats | GAPS, whole | floats | GAPS, WORDS | GAPS, dates | GAPS, st.sampled_from(["p", "q", ""]))
    first = [f"1{decimal}5", "3", "red", "2024-01-31", "p"], [f"-2{decimal}25", "44", "blue", "2024-02-29", "q"]
    rows = [[*ROLES, "y"], *first, *draw(st.lists(row, min_size=1, max_size=12))]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))).writerows(rows)
    content = text.getvalue() if draw(st.booleans()) else text.getvalue().rstrip("\r\n")
    return content.encode("utf-8-sig" if draw(st.booleans()) else "utf-8")


@settings(max_examples=40)
@given(
    tables(),
    st.lists(st.integers(1, 200), min_size=1, max_size=5),
    st.integers(2, 20),
    st.integers(1, 8),
    st.integers(0, 8),
)
def test_any_cut_gives_what_the_whole_file_gives(tmp_path_factory, content, sizes, n_ahead, most_rows, skip):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_bytes(content)
    whole = read(path, target="y")
    stream = opened(content, sizes)
    first = stream.ahead(n_ahead)
    assert first.n_rows <= n_ahead and first.targets.tolist() == whole.targets[: first.n_rows].tolist()
    inputs, targets, n_rows = joined(stream.blocks(schema_of(first, **ROLES), most_rows=most_rows))
    assert targets == whole.targets.tolist()
    assert inputs == {column.name: values(column) for column in whole.inputs}
    assert max(n_rows) <= most_rows
    assert stream.n_rows == whole.n_rows + whole.n_without_target
    assert stream.n_without_target == whole.n_without_target
    # Without the rows that were read before.
    again = opened(content, sizes[::-1])
    again.ahead(n_ahead)
    skip = min(skip, stream.n_rows)
    kept, rest, _ = joined(again.blocks(schema_of(first, **ROLES), skip=skip))
    n_kept = len(rest)
    assert rest == targets[len(targets) - n_kept :]
    assert all(column == inputs[name][len(targets) - n_kept :] for name, column in kept.items())
    assert again.n_rows == stream.n_rows and n_kept + again.n_without_target == stream.n_rows - skip


@pytest.mark.parametrize("n_rows", [1, 40, 300])
@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("1 2", "3 4.5 -7 1e3 NA 99999999999999999999 +8 .5"),
        ("1.5 NA", "2 none -0.25 inf"),
        ("12% 5.5%", "7% -3% NA"),
        ("€5 €-6.5", "€7 NA none"),
        ("1,234.5 1,000,000", "12 1,234 0.5 NA"),
        ("(5) 6", "7 (8.5) −3"),
        ("07:38 12:30:05", "00:00 23:59:59.5 NA"),
        ("red blue", "green - NA 7 red"),
        ("007 012", "7 00 NA"),
        ("true false", "TRUE false NA"),
        ("true NA", "TRUE false"),
        ("yes no", "Yes NO NA"),
        ("2024-01-31 2023-12-24", "2024-01-31T12:30 2024-02-29 NA"),
        ("31/12/2024 01/02/2024", "02/03/2024 28/02/1999"),
        ("12/31/2024 01/02/2024", "02/03/2024 02/28/1999"),
        ("1.2.2024 3.4.2025", "05.06.2024 7.8.24"),
        ("3_January_2011 4_May_2012", "4_Feb_2012 NA"),
    ],
)
def test_later_rows_are_read_as_the_first(folder, first, later, n_rows):
    first, later = ([field.replace("_", " ") for field in text.split()] for text in (first, later))
    fields = first + (later * n_rows)[:n_rows]
    text = "a|y\n" + "".join(f"{field}|{'pq'[row % 2]}\n" for row, field in enumerate(fields))
    folder.joinpath("t.csv").write_text(text, encoding="utf-8")
    options = ReadOptions(separator="|")
    stream, slow = RowStream.open("t.csv", target="y", options=options), opened(text, (1,), options=options)
    schema = schema_of(stream.ahead(2), a="category" if "red" in first or "007" in first else None)
    whole = read("t.csv", target="y", options=options)
    column = whole.inputs.column("a")
    assert joined(stream.blocks(schema))[:2] == ({"a": values(column)}, whole.targets.tolist())
    slow.ahead(2)
    assert joined(slow.blocks(schema))[0] == {"a": values(column)}


def test_whole_numbers_with_zeros_in_front_stay_numbers():
    # In a file they would make the column one of texts; a model that was told of numbers reads numbers.
    stream = opened("a,y\n1,p\n2,q\n007,p\n008.5,q\n")
    assert joined(stream.blocks(schema_of(stream.ahead(2))))[0] == {"a": [1, 2, 7, 8.5]}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_encodings(encoding, size):
    euro = "€" if encoding == "cp1252" else "ß"
    text = f"städte,y\nKöln,{euro}\nBonn,q\nLübeck,{euro}\n" + "Köln,q\n" * 40
    stream = opened(text.encode(encoding), (size,))
    inputs, targets, _ = joined(stream.blocks(schema_of(stream.ahead(3), **{"städte": "category"})))
    assert inputs == {"städte": ["Köln", "Bonn", "Lübeck"] + ["Köln"] * 40} and targets[:3] == [euro, "q", euro]


def test_an_encoding_that_is_said():
    stream = opened("a;y\n1;ä\n2;b\n3;ä\n".encode("cp437"), options=ReadOptions(encoding="cp437"))
    assert joined(stream.blocks(schema_of(stream.ahead(2))))[1] == ["ä", "b", "ä"]


@pytest.mark.parametrize(
    "content", ["a,y\r1,p\r2,q\r3,p", "sep=;\r\na;y\r\n1;p\r\n2;q\r\n3;p", "\n\na,y\n\n1,p\n,\n \n2,q\n\n3,p\n\n"]
)
@pytest.mark.parametrize("size", [1, 1000])
def test_old_line_ends_separators_that_are_said_and_blank_rows(content, size):
    stream = opened(content, (size,))
    assert joined(stream.blocks(schema_of(stream.ahead(2))))[:2] == ({"a": [1, 2, 3]}, ["p", "q", "p"])
    assert stream.n_rows == 3


def test_quotes_that_are_plain_text_from_the_first_on():
    stream = opened('size,y\n5,p\n6,q\n7" wide,p\n8" high,q\n' + "9,p\n" * 40)
    first = stream.ahead(2)
    inputs, targets, _ = joined(stream.blocks(schema_of(first, size="category")))
    assert inputs["size"][:5] == ["5", "6", '7" wide', '8" high', "9"] and len(targets) == 44


def test_apostrophes_as_quotes():
    text = "a,y\n" + "'x,1','p'\n'z,2','q'\n" * 29 + "'x,1','p'\n'z\n2','q'\n"
    stream = opened(text, (11,))
    inputs, targets, _ = joined(stream.blocks(schema_of(stream.ahead(5), a="category")))
    assert inputs["a"] == ["x,1", "z,2"] * 29 + ["x,1", "z\n2"] and targets == ["p", "q"] * 30


def test_a_mark_of_missing_values_that_is_a_class():
    text = "a,y\n" + "1,NA\n2,x\n" * 5
    later = "NA,NA\n3,x\n4,na\n5,\n"
    for n_rows in (1, 100):
        stream = opened(text + later * n_rows)
        inputs, targets, _ = joined(stream.blocks(schema_of(stream.ahead(10))))
        assert targets[10:] == ["NA", "x"] * n_rows and inputs["a"][10:] == [None, 3] * n_rows
        assert stream.n_without_target == 2 * n_rows


def test_columns_in_another_order_and_more_of_them():
    stream = opened("b,name,a,y\n1,n,2,p\n3,m,4,q\n5,k,6,p\n")
    schema = Schema((ColumnRole("a", "number"), ColumnRole("b", "number")), ("y",), "classification", ("p", "q"))
    blocks = list(stream.blocks(schema, most_rows=1))
    assert [block.columns for block in blocks] == [("a", "b")] * 3
    assert joined(blocks)[0] == {"a": [2, 4, 6], "b": [1, 3, 5]}


def test_weights_groups_and_times():
    text = "t,w,g,a,y\n" + "2024-01-01,1,k,5,0.5\n2024-01-02,0,7,6,1.5\n2024-01-03,2.5,k,7,\n" * 20
    stream = opened(text, (40,), rows=RowColumns(weight="w", time="t"))
    first = stream.ahead(2)
    assert first.columns == ("t", "g", "a") and first.weight.tolist() == [1, 0]
    blocks = list(stream.blocks(schema_of(first, task="regression", g="ignore")))
    assert np.concatenate([block.weight for block in blocks]).tolist() == [1, 0] * 20
    times = np.concatenate([block.times for block in blocks])
    assert times.tolist() == np.array(["2024-01-01", "2024-01-02"] * 20, "datetime64[us]").tolist()
    assert joined(blocks)[1] == [0.5, 1.5] * 20 and stream.n_without_target == 20 and blocks[0].columns == ("t", "a")
    stream = opened(text, (40,), rows=RowColumns(group="g"))
    groups = [block.groups for block in stream.blocks(schema_of(stream.ahead(2), task="regression"))]
    assert np.concatenate(groups).tolist() == ["k", "7"] * 20


def test_several_targets():
    stream = opened("a,u,v\n1,2,3\n4,5.5,6\n7,,8\n9,10,11\n", target=("v", "u"))
    inputs, targets, _ = joined(stream.blocks(schema_of(stream.ahead(2))))
    assert inputs == {"a": [1, 4, 9]} and targets == [[3, 2], [6, 5.5], [11, 10]] and stream.n_without_target == 1


# Without looking ahead


def test_a_model_says_what_columns_hold_that_the_first_rows_leave_open():
    roles = (ColumnRole("day", "date"), ColumnRole("amount", "number"), ColumnRole("code", "category"))
    schema = Schema(roles, ("y",), "regression", found=ReadOptions(decimal=",", date_order="day_first"))
    text = "day;amount;code;y\n;;;1\n03/04/2024;€ 1,5;007;2\n;NA;8;3\n05/06/2024;€ 12,25;008;4\n"
    for size in (1, 1000):
        inputs, targets, _ = joined(opened(text, (size,)).blocks(schema))
        days = np.array(["NaT", "2024-04-03", "NaT", "2024-06-05"], "datetime64[us]").tolist()
        assert inputs == {"day": days, "amount": [None, 1.5, None, 12.25], "code": [None, "007", "8", "008"]}
        assert targets == [1, 2, 3, 4]


def test_truth_values_in_any_words():
    schema = Schema((ColumnRole("a", "boolean"),), ("y",), "regression")
    for size in (1, 1000):
        column = joined(opened("a,y\n1,1\n0,2\nyes,3\n", (size,)).blocks(schema))[0]["a"]
        assert [str(value) for value in column] == ["1", "0", "yes"]


# JSON lines

OBJECTS = [
    {"a": 1, "b": "red", "d": "2024-01-31", "t": True, "y": "p", "more": [1, {"c": 2}]},
    {"a": -2, "b": "blue", "d": "2023-12-24", "t": False, "y": "q"},
    {"a": 2.5, "b": None, "d": None, "y": "p"},
    {"y": "q", "b": " pad ", "t": None, "d": "2024-02-29T12:30"},
    {"a": 4, "b": "7", "t": True, "y": None},
    {"a": 1e300, "b": "green", "d": "2000-02-29", "t": False, "y": "p"},
]


@pytest.mark.parametrize("size", [1, 50, 100_000])
@pytest.mark.parametrize("n_times", [1, 50])
def test_json_lines(folder, size, n_times):
    text = "".join(json.dumps(each) + "\n" for each in OBJECTS * n_times)
    folder.joinpath("t.jsonl").write_text(text)
    whole = read("t.jsonl", target="y")
    stream = opened(text, (size,))
    schema = schema_of(stream.ahead(2), b="category", more="ignore")
    inputs, targets, _ = joined(stream.blocks(schema))
    assert inputs == {column.name: values(column) for column in whole.inputs if column.name != "more"}
    assert targets == whole.targets.tolist() and stream.n_rows == 6 * n_times and stream.n_without_target == n_times
    stream = RowStream.open("t.jsonl", target="y")
    stream.ahead(2)
    assert joined(stream.blocks(schema, skip=5))[1] == targets[4:]


# Embedded sets


def test_embedded_sets():
    stream = RowStream.open("drifting_stream", target="side")
    whole = EMBEDDED["drifting_stream"].load()
    first = stream.ahead(1000)
    assert first.n_rows == 1000 and stream.n_rows == 0 and stream.source == "drifting_stream"
    blocks = list(stream.blocks(schema_of(first), most_rows=300, skip=100))
    assert [block.n_rows for block in blocks] == [300] * 13 and stream.n_rows == 4000
    assert np.array_equal(np.concatenate([block.inputs.matrix for block in blocks]), whole.inputs.matrix[100:])
    assert np.array_equal(np.concatenate([block.targets for block in blocks]), whole.targets[100:])


# As rows arrive


def test_a_pipe_gives_each_row_when_it_is_whole(folder):
    inner, outer = os.pipe()
    text = 'a,b,y\n1,"x\ny",p\n2,z,q\n3,"v,w",p\n4,u,q'
    arrived = threading.Semaphore(0)

    def send():
        with os.fdopen(outer, "wb", buffering=0) as out:
            for byte in text.encode():
                out.write(bytes([byte]))
                if out.fileno() and byte == ord("\n"):
                    time.sleep(0.01)
            arrived.acquire(timeout=30)

    sender = threading.Thread(target=send)
    sender.start()
    with os.fdopen(inner, "rb") as file:
        stream = RowStream.open(file, target="y")
        schema = schema_of(stream.ahead(2), b="category")
        blocks = stream.blocks(schema)
        # The pipe is still open: nothing waits for a block to be full.
        rows = [next(blocks) for _ in range(2)]
        assert joined(rows) == ({"a": [1, 2, 3], "b": ["x\ny", "z", "v,w"]}, ["p", "q", "p"], [2, 1])
        # Whether the last line is whole shows at the end only.
        arrived.release()
        assert joined(blocks) == ({"a": [4], "b": ["u"]}, ["q"], [1])
    sender.join()


def test_a_file_gives_whole_blocks_and_a_pipe_what_is_there(folder):
    folder.joinpath("t.csv").write_text("a,y\n" + "1,p\n2,q\n" * 5000)
    with RowStream.open("t.csv", target="y") as stream:
        schema = schema_of(stream.ahead(10))
        assert joined(stream.blocks(schema))[2] == [10, 4096, 4096, 1798]
    assert joined(RowStream.open("t.csv", target="y").blocks(schema, most_rows=3000))[2] == [1000, 3000, 3000, 3000]
    inner, outer = os.pipe()
    os.write(outer, b"a,y\n" + b"1,p\n" * 7)
    with os.fdopen(inner, "rb", buffering=0) as file:
        blocks = RowStream.open(file, target="y").blocks(schema)
        assert next(blocks).n_rows == 7
        os.write(outer, b"2,q\n2,q\n2")
        assert next(blocks).n_rows == 2
        os.close(outer)
        with pytest.raises(Exception, match="row 11 has 1 value, the header has 2"):
            next(blocks)


def test_waiting_can_be_stopped():
    inner, outer = os.pipe()
    os.write(outer, b"a,y\n1,p\n2,q\n3")
    asked = []
    with os.fdopen(inner, "rb", buffering=0) as file:
        stream = RowStream.open(file, target="y")

        def stop():
            asked.append(stream.n_rows)
            return len(asked) > 6

        schema = schema_of(stream.ahead(2))
        assert joined(stream.blocks(schema, stop=stop))[1] == ["p", "q"]
        assert asked[-1] == 2
    os.close(outer)


def test_bytes_are_asked_for_as_they_are_needed():
    source = Pieces("a,y\n" + "1,p\n2,q\n" * 1000, (80,))
    stream = RowStream.open(source, target="y")
    blocks = stream.blocks(schema_of(stream.ahead(20)))
    assert source.n_reads == 2
    next(blocks)
    assert source.n_reads == 2
    next(blocks)
    assert stream.n_rows > 20 and source.n_reads <= 3
