"""Headers: titles, columns without a name, a repeated header, and the line that names the separator."""

from __future__ import annotations

import pytest

from entrena.data.files import read_file
from tests.data.excel_files import write_excel
from tests.data.readers import read, refusal, values

TITLE = ". If the first lines are a title, delete them: the header must be the first row (row {} looks like it)"
NAMELESS = "t.csv: column {} has no name; name it or leave it out"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Sales 2024;;\n;;\ntown;rooms;price\nBonn;3;1,5\n", NAMELESS.format(2) + TITLE.format(3)),
        (";;\ntown;rooms;price\nBonn;3;1,5\n", NAMELESS.format(1) + TITLE.format(2)),
        ("town,,price\nBonn,3,1.5\nKiel,4,1.5\n", NAMELESS.format(2)),
        (",town\na,Bonn\nb,Kiel\n", NAMELESS.format(1)),
        ("Sales 2024\n\na;b;c\n1;2;3\n4;5;6\n", "t.csv: row 3 has 3 values, the header has 1" + TITLE.format(3)),
        ("Sales, all\na,b,c\n1,2,3\n4,5,6\n", "t.csv: row 2 has 3 values, the header has 2" + TITLE.format(2)),
        ("# by, hand, today\na,b\n1,2\n3,4\n", "t.csv: row 2 has 2 values, the header has 3"),
        (
            "a,b,c\n# by hand\n1,2,3\n4,5,6\n",
            "t.csv: row 2 has 1 value, the header has 3; if it is a title or a comment, delete it",
        ),
        ("a,b,c\n1,2,3\n7\n4,5,6\n", "t.csv: row 3 has 1 value, the header has 3"),
        # A row of numbers is no header.
        ("x,y\n1,2,3\n4,5,6\n", "t.csv: row 2 has 3 values, the header has 2"),
    ],
)
def test_where_the_header_seems_to_be(tmp_path, content, message):
    assert refusal(tmp_path, content) == message


def test_row_numbers_of_pandas(tmp_path):
    assert refusal(tmp_path, ",a\n0,x\n1,y\n2,z\n") == (
        NAMELESS.format(1) + " (pandas writes row numbers so: to_csv(…, index=False) leaves them out)"
    )


def test_empty_columns_without_a_name_are_left_out(tmp_path):
    table = read(tmp_path, "a;b;;\n1;x;;\n2;y;; \n")
    assert table.names == ("a", "b") and values(table, "a") == [1, 2] and values(table, "b") == ["x", "y"]
    assert table.said == "separator ;; 2 empty columns without a name left out"
    table = read(tmp_path, "a,,b\n1,,x\n")
    assert table.names == ("a", "b") and table.said == "1 empty column without a name left out"
    # With names they stay.
    assert read(tmp_path, "a,b,c\n1,,\n").names == ("a", "b", "c")


def test_a_late_value_in_a_column_without_a_name(tmp_path):
    rows = ["1,2,\n"] * 200_000
    rows[101_000] = "1,2,x\n"
    assert refusal(tmp_path, "a,b,\n" + "".join(rows)) == NAMELESS.format(3)


def test_excel_files(tmp_path):
    pytest.importorskip("fastexcel")
    path = write_excel(tmp_path / "t.xlsx", [["a", None, "b", None], [1, None, "x", None], [], [3, None, "y", None]])
    # A cell that holds an empty text makes its column one of the sheet's.
    table = read_file(path)
    assert table.names == ("a", "b") and values(table, "a") == [1, 3] and values(table, "b") == ["x", "y"]
    assert table.said == "1 empty column without a name left out; 1 blank row left out"
    assert table.place.row(1) == "row 4"
    write_excel(path, [["Sales", None], [], ["town", "price"], ["Bonn", 3], ["Kiel", 4]])
    with pytest.raises(Exception, match="column 2 has no name") as caught:
        read_file(path)
    assert str(caught.value) == "t.xlsx: column 2 has no name; name it or leave it out" + TITLE.format(3)


def test_a_repeated_header_is_named(tmp_path):
    rows = ["1,x\n"] * 900
    rows[700] = " a ,b\n"
    assert refusal(tmp_path, "a,b\n" + "".join(rows)) == "t.csv: row 702 repeats the header: delete it"
    assert refusal(tmp_path, "a,b\n1,x\n\n2,y\na,b\n") == "t.csv: row 5 repeats the header: delete it"
    # A row that has one of the names is none.
    assert values(read(tmp_path, "a,b\na,x\n"), "a") == ["a"]
    assert values(read(tmp_path, "a\na\n"), "a") == ["a"]


@pytest.mark.parametrize(
    ("line", "separator"),
    [("sep=;", ";"), ("sep=\t", "\t"), ("SEP=|", "|"), ('"sep=;"', ";"), ("\ufeffsep=;", ";"), ("sep=,", ",")],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "latin-1"])
def test_the_line_that_names_the_separator(tmp_path, line, separator, encoding):
    if line[0] == "\ufeff" and encoding == "latin-1":
        line = line[1:]
    text = f"{line}\r\na{separator}é\r\n1{separator}x:y\r\n\r\n2{separator}z\r\n"
    table = read(tmp_path, text.encode(encoding))
    assert table.names == ("a", "é") and values(table, "a") == [1, 2] and values(table, "é") == ["x:y", "z"]
    assert table.place.row(0) == "row 3" and table.place.row(1) == "row 5"
    message = refusal(tmp_path, (text + "3\r\n").encode(encoding))
    assert message == "t.csv: row 6 has 1 value, the header has 2"
