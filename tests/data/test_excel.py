"""Excel files: the first sheet as a table, and sheets that reach too far."""

from __future__ import annotations

import datetime
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from entrena.data.dialect import ReadOptions
from entrena.data.files import read_file
from entrena.errors import DataError
from tests.data.excel_files import FILES, MAIN, write_excel

MOMENT = datetime.datetime(2024, 2, 29, 6)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.xlsx"


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_file(path)
    return str(caught.value)


def test_a_missing_extra_ends_in_the_line_that_installs_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    write_excel(path, [["a"], [1]])
    assert refusal(path) == "t.xlsx: Excel files need an extra: pip install 'entrena[excel]'"


def test_columns(path):
    pytest.importorskip("fastexcel")
    rows = [
        ["i", " f ", "gap", "b", "s", "d", "zip", "mixed", "numbers", "marks", "none"],
        [1, 1.5, 1, True, "x", MOMENT, "00712", 1, "1.5", 3, None],
        [2, 2, None, False, None, None, "12345", "x", "2", "NA", None],
        [-3, 1e300, 3, True, " y ", datetime.datetime(1999, 12, 31), "00001", 2.5, "-3", "?", None],
    ]
    table = read_file(write_excel(path, rows))
    columns = {column.name: column for column in table}
    kinds = {name: column.kind for name, column in columns.items()}
    assert kinds == {
        "i": "number", "f": "number", "gap": "number", "b": "boolean", "s": "text", "d": "date", "zip": "text",
        "mixed": "text", "numbers": "number", "marks": "number", "none": "number",
    }  # fmt: skip
    assert columns["i"].values.tolist() == [1, 2, -3] and columns["f"].values.tolist() == [1.5, 2, 1e300]
    np.testing.assert_array_equal(columns["gap"].values, [1, np.nan, 3])
    assert columns["b"].values.tolist() == [True, False, True]
    assert columns["s"].levels == ("x", "y") and columns["s"].values.tolist() == [0, -1, 1]
    expected = np.array(["2024-02-29T06", "NaT", "1999-12-31"], "datetime64[us]")
    np.testing.assert_array_equal(columns["d"].values, expected)
    assert columns["zip"].levels == ("00712", "12345", "00001") and columns["mixed"].levels == ("1", "x", "2.5")
    assert columns["numbers"].values.tolist() == [1.5, 2, -3]
    np.testing.assert_array_equal(columns["marks"].values, [3, np.nan, np.nan])
    assert np.isnan(columns["none"].values).all()
    assert table.said == 'missing "NA" "?"' and table.place.source == "t.xlsx" and table.place.first_row == 2


def test_what_the_user_says_counts(path):
    pytest.importorskip("fastexcel")
    write_excel(path, [["a", "d", "n"], ["1.234,5", "01/02/2024", 7], ["x", "03/04/2024", 8]])
    options = ReadOptions(decimal=",", thousands=".", missing=("x",), date_order="day_first")
    table = read_file(path, options, text_columns=("n",))
    np.testing.assert_array_equal(table.column("a").values, [1234.5, np.nan])
    assert table.column("d").values[0] == np.datetime64("2024-02-01") and table.column("n").levels == ("7", "8")


def test_names(path):
    pytest.importorskip("fastexcel")
    assert refusal(write_excel(path, [["a", "b", "a"], [1, 2, 3]])) == (
        "t.xlsx: columns 1 and 3 are both called 'a'; names must differ"
    )
    assert refusal(write_excel(path, [["a", None, "c"], [1, 2, 3]])).startswith("t.xlsx: column 2 has no name; ")
    assert refusal(write_excel(path)) == "t.xlsx is empty"
    table = read_file(write_excel(path, [["a", "b"]]))
    assert table.names == ("a", "b") and table.n_rows == 0


def test_the_first_sheet_that_holds_something_is_read_and_said(path):
    pytest.importorskip("fastexcel")
    table = read_file(write_excel(path, [["a", "b"], [1, "?"], [2, 3]], before=2))
    assert table.names == ("a", "b") and table.said == "sheet 'Data' of 3, missing \"?\""


def test_a_cell_far_away(path):
    pytest.importorskip("fastexcel")
    first = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
    far = '<row r="1048576"><c s="1" r="XFD1048576"><v>1</v></c></row>'
    write_excel(path, sheet=f"<worksheet {MAIN}><sheetData>{first}{far}</sheetData></worksheet>")
    assert refusal(path).startswith(
        "t.xlsx: its last cell is in row 1,048,576: it takes at least 1.0 TB, and the memory has room for "
    )
    # Without content it is none.
    empty = far.replace("<v>1</v></c>", "").replace('XFD1048576">', 'XFD1048576"/>')
    two = '<row r="2"><c r="A2"><v>5</v></c></row>'
    write_excel(path, sheet=f"<worksheet {MAIN}><sheetData>{first}{two}{empty}</sheetData></worksheet>")
    assert read_file(path).column("a").values.tolist() == [5]


def test_many_empty_cells(path):
    pytest.importorskip("fastexcel")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as file:
            for row in range(1, 12_001):
                file.write(b'<row r="%d">' % row + b'<c s="1"/>' * 1000 + b"</row>")
    assert refusal(path) == (
        "t.xlsx: unpacks to more than 50 times its size, as no table does; if it is one, write it as CSV"
    )


def test_damaged_files(path, generator):
    pytest.importorskip("fastexcel")
    whole = write_excel(path, [["a", "b"], *([1.5, "x"] for _ in range(300))]).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(path) == "t.xlsx is a zip archive: unpack it, and name the file that was in it"
    for _ in range(40):
        noisy = bytearray(whole)
        for position in generator.integers(4, len(whole), 6):
            noisy[position] = generator.integers(256)
        path.write_bytes(noisy)
        try:
            read_file(path)
        except DataError as error:
            assert str(error).startswith("t.xlsx")
    old = Path(path.parent, "t.xls")
    old.write_bytes(b"\xd0\xcf\x11\xe0" + generator.bytes(4000))
    assert refusal(old).startswith("t.xls is a damaged Excel file (")


TIMES = [datetime.time(7, 38), datetime.time(0, 0), datetime.time(23, 59, 59), datetime.time(12, 0, 1)]


def test_times_of_day_are_the_numbers_that_a_text_file_has(path, tmp_path):
    pytest.importorskip("fastexcel")
    write_excel(path, [["at", "gap", "d"], *([time, time if k else None, MOMENT] for k, time in enumerate(TIMES))])
    (tmp_path / "t.csv").write_text("at,gap\n" + "".join(f"{t},{t if k else ''}\n" for k, t in enumerate(TIMES)))
    table, expected = read_file(path), read_file(tmp_path / "t.csv")
    for name in ("at", "gap"):
        assert np.array_equal(table.column(name).values, expected.column(name).values, equal_nan=True)
        assert table.column(name).values.dtype == expected.column(name).values.dtype
    assert table.column("at").values.tolist() == [27480, 0, 86399, 43201]
    assert table.said == expected.said == "at, gap: times of day in seconds"
    assert table.column("d").kind == "date"


def test_durations_are_seconds_and_dates_stay_dates(path):
    pytest.importorskip("fastexcel")
    lasts = [datetime.timedelta(hours=30, minutes=15), datetime.timedelta(minutes=1)]
    write_excel(path, [["lasts", "d"], [lasts[0], datetime.time(7)], [lasts[1], MOMENT]])
    table = read_file(path)
    assert table.column("lasts").values.tolist() == [108900, 60] and table.said == ""
    assert table.column("d").values.tolist()[1] == MOMENT


def test_a_first_sheet_without_a_table_is_named_with_the_others(path):
    pytest.importorskip("fastexcel")
    write_excel(path, [["Notes on the sales"]], before=0, behind=[[["a", "y"], [1, 2]], [["b"], [3]]])
    assert refusal(path) == (
        "t.xlsx has columns but no rows; of its sheets only the first that holds something is read, 'Data', and not "
        "'Behind 2', 'Behind 3': move the one with the table to the front"
    )
    write_excel(path, [["Sales", None], ["by month", "2024"]], behind=[[["a", "y"], [1, 2]]])
    assert refusal(path) == (
        "t.xlsx: column 2 has no name; name it or leave it out; of its sheets only the first that holds something is "
        "read, 'Data', and not 'Behind 2': move the one with the table to the front"
    )
    write_excel(path, [["a", "y"], [1, 2]], behind=[[["Notes"]]])
    assert read_file(path).said == "sheet 'Data' of 2"
