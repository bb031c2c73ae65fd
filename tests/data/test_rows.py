"""Rows: blank ones are left out, and the others keep their numbers."""

from __future__ import annotations

import dataclasses

import pytest

from entrena.data.table import as_numbers
from entrena.errors import DataError
from tests.data.readers import read, refusal, values


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blank_rows_are_left_out_and_counted(tmp_path, end):
    lines = ["a,b", "1,x", "", "3,y", ",", "  ", " , ", "7,z", "", ""]
    table = read(tmp_path, end.join(lines))
    assert values(table, "a") == [1, 3, 7] and values(table, "b") == ["x", "y", "z"]
    assert table.said == "4 blank rows left out"
    # Whole numbers stay whole.
    assert table.column("a").values.dtype.kind == "i"
    assert [table.place.row(index) for index in range(3)] == ["row 2", "row 4", "row 8"]
    target = dataclasses.replace(table.place, target=True)
    assert target.row(2) == "row 8"
    block = table.block(1, 3)
    assert block.place.row(block.file_row(1)) == "row 8"


def test_messages_behind_blank_rows_name_the_rows_of_the_file(tmp_path):
    table = read(tmp_path, "a,b\n1,x\n\n\n3,\ninf,z\n")
    with pytest.raises(DataError, match=r"^t\.csv: column 'a', row 6 holds inf; numbers must be finite$"):
        as_numbers(table, "a")
    assert refusal(tmp_path, "a,b\n1,x\n\n\n3\n") == "t.csv: row 5 has 1 value, the header has 2"
    dates = "2024-01-05,1\n" * 60 + "\n" + "2024-01-05,1\n" * 60 + "2024-02-31,1\n"
    assert "d: 1 value is no date (row 123: '2024-02-31')" in read(tmp_path, "d,x\n" + dates).said


def test_rows_of_marks_are_rows(tmp_path):
    table = read(tmp_path, "a,b\n1,x\n?,?\n\nNA,?\n3,y\n")
    assert values(table, "a") == [1, None, None, 3]
    assert table.said == 'missing "?" "NA"; 1 blank row left out'


def test_one_column(tmp_path):
    table = read(tmp_path, "a\n1\n\n3\nNA\n\n\n")
    assert values(table, "a") == [1, 3, None] and table.place.row(2) == "row 5"
    table = read(tmp_path, 'a\nx\n\n""\ny\n')
    assert values(table, "a") == ["x", None, "y"] and table.said == "1 blank row left out"


def test_blank_rows_in_a_file_of_texts(tmp_path):
    table = read(tmp_path, "a;b;c\nx;y;z\n;;\n;y;\n   \nu;v;w\n")
    assert values(table, "a") == ["x", None, "u"] and table.said == "separator ;; 2 blank rows left out"


def test_line_ends_within_quotes_are_no_blank_rows(tmp_path):
    table = read(tmp_path, 'a,b\n1,"x\n\ny"\n\n2,z\n')
    assert values(table, "b") == ["x\n\ny", "z"] and table.place.row(1) == "row 4"
    assert table.said == "1 blank row left out"


ROWS = ["a,b,c", *(f"{k},{k + 1},x{k % 3}" for k in range(299))]


def with_field(lines, line, field, text):
    """The lines with another field in one of them; both are counted from 1."""
    fields = lines[line - 1].split(",")
    fields[field - 1] = text
    return [*lines[: line - 1], ",".join(fields), *lines[line:]]


@pytest.mark.parametrize("line", [2, 3, 150, 300])
@pytest.mark.parametrize("field", [1, 2, 3])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quote_that_is_not_closed(tmp_path, line, field, end):
    said = f"t.csv: row {line} is malformed: the quote that opens in line {line} is not closed; close it, or delete it"
    lines = with_field(ROWS, line, field, '"7')
    assert refusal(tmp_path, end.join(lines) + end) == said
    # The next quote, which opens another field, seems to close it.
    if line < 200:
        assert refusal(tmp_path, end.join(with_field(lines, 200, 3, '"p,q"')) + end) == said


def test_a_quote_that_is_not_closed_behind_fields_of_several_lines(tmp_path):
    lines = with_field(with_field(ROWS, 5, 3, '"p\nq"'), 151, 3, '"c')
    told = "the quote that opens in line 152 is not closed; close it, or delete it"
    assert refusal(tmp_path, "\n".join(lines) + "\n") == f"t.csv: row 151 is malformed: {told}"
    # Line 3 begins within a field and has another behind it.
    told = "the quote that opens in line 3 is not closed; close it, or delete it"
    assert refusal(tmp_path, 'a,b,c\n1,"2\n3","4\n5,6,7\n') == f"t.csv: row 2 is malformed: {told}"


def test_a_quote_in_the_header_that_is_not_closed(tmp_path):
    content = "\n".join(['a,"b,c', *ROWS[1:]]) + "\n"
    told = "the quote that opens in line 1 is not closed; close it, or delete it"
    assert refusal(tmp_path, content) == f"t.csv: row 1 is malformed: {told}"


def test_text_behind_a_closing_quote(tmp_path):
    content = "\n".join(with_field(ROWS, 6, 3, '"a"b')) + "\n"
    assert refusal(tmp_path, content) == "t.csv: row 6 is malformed: ',' expected after '\"'"
