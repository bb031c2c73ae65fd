"""Text files: what is found in them, what is said of it, and the message of everything that is no table."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.data.dialect import ReadOptions
from entrena.data.files import read_file
from entrena.errors import DataError, EntrenaError, UsageError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


FOUND = ReadOptions()


def read(folder, content, options=FOUND, **more):
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, options, **more)


def plain(table):
    """The columns' values as Python has them."""
    columns = {}
    for column in table:
        if column.kind == "text":
            columns[column.name] = [column.levels[code] if code >= 0 else None for code in column.values]
        else:
            gaps = column.missing()
            columns[column.name] = [None if gap else v for v, gap in zip(column.values.tolist(), gaps, strict=True)]
    return columns


def kinds(table):
    return " ".join(column.kind for column in table)


# What columns mean


def test_types_spaces_quotes_and_blank_end(folder):
    text = '\ufeffa, b ,"c,1",y\r\n 1,true,"2", setosa\r\n2 ,false,.5,virginica \r\n+3,true,1e3,setosa\r\n\r\n\r\n'
    table = read(folder, text)
    assert plain(table) == {
        "a": [1, 2, 3],
        "b": [True, False, True],
        "c,1": [2, 0.5, 1000],
        "y": ["setosa", "virginica", "setosa"],
    }
    assert table.column("a").values.dtype == np.int64 and table.said == ""


@pytest.mark.parametrize(
    ("fields", "kind", "values"),
    [
        ("1 2 -3", "number", [1, 2, -3]),
        ("1 2.5 .5", "number", [1, 2.5, 0.5]),
        ("1. 2e3 -2.5E-3", "number", [1, 2000, -0.0025]),
        ("007 012 100", "text", ["007", "012", "100"]),
        ("00.5 01.5 2", "number", [0.5, 1.5, 2]),
        ("0 0.0 -0", "number", [0, 0, 0]),
        ("1_000 2 3", "text", ["1_000", "2", "3"]),
        ("0x1F 2 3", "text", ["0x1F", "2", "3"]),
        ("5kg 6kg 7kg", "text", ["5kg", "6kg", "7kg"]),
        ("12% 13% 1%", "number", [12, 13, 1]),
        ("12% 13 1%", "text", ["12%", "13", "1%"]),
        ("9223372036854775807 1 2", "number", [9223372036854775807, 1, 2]),
        ("9223372036854775808 1 2", "number", [9223372036854775808, 1, 2]),
        ("TRUE false True", "boolean", [True, False, True]),
        ("true NA false", "boolean", [1, None, 0]),
        ("true 1 0", "text", ["true", "1", "0"]),
        ("yes no no", "text", ["yes", "no", "no"]),
        ("1 ? 3", "number", [1, None, 3]),
        ("1 - 3", "number", [1, None, 3]),
        ("a - b", "text", ["a", None, "b"]),
        ("1 NaN 3", "number", [1, None, 3]),
        ("1 none 3", "number", [1, None, 3]),
        ("a none b", "text", ["a", "none", "b"]),
        ("1 . 3", "number", [1, None, 3]),
        ("1 inf -inf", "number", [1, np.inf, -np.inf]),
        ("1e400 2 3", "number", [np.inf, 2, 3]),
        ("NA ? n/a", "number", [None, None, None]),
        ("2024-02-29 1969-12-31 2000-01-01", "date", ["2024-02-29", "1969-12-31", "2000-01-01"]),
        ("2024-02-29 NA 2000-01-01", "date", ["2024-02-29", "NaT", "2000-01-01"]),
        ("2024/2/9 1969/12/31 2000/01/01", "date", ["2024-02-09", "1969-12-31", "2000-01-01"]),
        ("2023-02-29 2024-01-01 2024-01-02", "text", ["2023-02-29", "2024-01-01", "2024-01-02"]),
        (
            "2024-02-29T12:30 2024-02-29T12:30:15.25Z 2024-02-29",
            "date",
            ["2024-02-29T12:30", "2024-02-29T12:30:15.25", "2024-02-29"],
        ),
        ("2024-02-29T23:30+02:00 2024-02-29 2024-02-29", "date", ["2024-02-29T23:30", "2024-02-29", "2024-02-29"]),
        ("29.02.24 1.1.70 1.1.69", "date", ["2024-02-29", "1970-01-01", "2069-01-01"]),
        ("2024-02-29T25:00 2024-01-01 2024-01-01", "text", ["2024-02-29T25:00", "2024-01-01", "2024-01-01"]),
        ("31/12/2024 01/02/2024 12/31/2024", "text", ["31/12/2024", "01/02/2024", "12/31/2024"]),
        ("20240229 20240301 20240302", "number", [20240229, 20240301, 20240302]),
        ("1.2.3 1.2.4 1.2.5", "text", ["1.2.3", "1.2.4", "1.2.5"]),
        ("12:30 13:00 00:00:05", "number", [45000, 46800, 5]),
        ("12:30 13:00 24:00", "text", ["12:30", "13:00", "24:00"]),
    ],
)
def test_what_fields_mean(folder, fields, kind, values):
    rows = "".join(f"{field};x\n" for field in fields.split())
    table = read(folder, "a;b\n" + rows, ReadOptions(separator=";"))
    assert table.column("a").kind == kind
    if kind == "date":
        assert np.array_equal(table.column("a").values, np.array(values, "datetime64[us]"), equal_nan=True)
    else:
        assert plain(table)["a"] == values


def test_texts_that_a_model_knows_as_categories(folder):
    table = read(folder, "a,b,c\n007,1.50,true\n7, 2 ,NA\n", text_columns=("a", "b", "c"))
    assert plain(table) == {"a": ["007", "7"], "b": ["1.50", "2"], "c": ["true", None]}


@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20
    ),
    st.sampled_from([(",", "."), (";", ","), ("\t", ",")]),
)
def test_numbers_are_read_exactly(tmp_path_factory, numbers, marks):
    separator, decimal = marks
    texts = [repr(number).replace(".", decimal) for number in numbers]
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_text("a" + separator + "b\n" + "".join(f"{text}{separator}x\n" for text in texts))
    options = ReadOptions(separator=separator, decimal=decimal, thousands="none")
    values = read_file(path, options).column("a").values
    assert (
        values.tolist() == numbers
        if all(isinstance(n, int) for n in numbers)
        else values.tolist() == [float(number) for number in numbers]
    )


# What shows late in a file


@pytest.mark.parametrize(
    ("usual", "late", "kind", "first", "last"),
    [
        ("1", "1.5", "number", 1.0, 1.5),
        ("1.5", "x", "text", "1.5", "x"),
        ("1", "007", "text", "1", "007"),
        ("1", '"007"', "text", "1", "007"),
        ("1", "N/A", "number", 1.0, None),
        ("1", '"NA"', "number", 1.0, None),
        ("1", " ? ", "number", 1.0, None),
        ("1", "99999999999999999999", "number", 1.0, 1e20),
        ("true", "False", "boolean", True, False),
        ("true", "1", "text", "true", "1"),
        ("x", "-", "text", "x", None),
        ("", "3", "number", None, 3.0),
        ("2024-01-31", "soon", "date", np.datetime64("2024-01-31", "us"), None),
        ("01/02/2024", "13/02/2024", "date", np.datetime64("2024-02-01", "us"), np.datetime64("2024-02-13", "us")),
    ],
)
def test_one_value_that_no_sample_shows(folder, usual, late, kind, first, last):
    # Between the pieces that are looked at, in a file of more than a megabyte.
    n_rows = 250_000
    rows = [f"{usual},5,{'z' * 8}\n"] * n_rows
    rows[n_rows // 2 + n_rows // 100] = f"{late},5,zzz\n"
    table = read(folder, "a,b,c\n" + "".join(rows))
    column = table.column("a")
    assert column.kind == kind and table.n_rows == n_rows and table.column("b").values.sum() == 5 * n_rows
    row = n_rows // 2 + n_rows // 100
    values = (
        [column.levels[code] if code >= 0 else None for code in column.values[[0, row, -1]]]
        if kind == "text"
        else [
            None if gap else value
            for value, gap in zip(column.values[[0, row, -1]], column.missing()[[0, row, -1]], strict=True)
        ]
    )
    assert values == [first, last, first]
    assert table.column("b").kind == "number" and table.column("b").values.dtype == np.int64


def test_many_columns_that_change_late(folder):
    n_rows, n_columns = 30_000, 12
    rows = [",".join(["1"] * n_columns) + "\n"] * n_rows
    rows[n_rows // 2 + 700] = ",".join(f"x{number}" for number in range(n_columns)) + "\n"
    table = read(folder, ",".join(f"c{number}" for number in range(n_columns)) + "\n" + "".join(rows))
    assert kinds(table) == " ".join(["text"] * n_columns)
    assert table.column("c11").levels == ("1", "x11")


def test_leading_zeros_are_found_in_their_column_only(folder):
    rows = ["7,8,x\n"] * 60_000
    rows[31_000] = '7,8,"y,z\n01,02"\n'
    assert kinds(read(folder, "a,b,c\n" + "".join(rows))) == "number number text"
    rows[31_000] = "7,08,x\n"
    assert kinds(read(folder, "a,b,c\n" + "".join(rows))) == "number text text"
    rows[31_000] = "07,8,x\n"
    assert kinds(read(folder, "a,b,c\n" + "".join(rows))) == "text number text"


# What is said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,x\n", ""),
        ("a;b\n1,5;x\n", "separator ;, decimal comma"),
        ("a;b\n1,234;x\n", "separator ;, decimal comma (not certain: --decimal .)"),
        ("a|b\n1,234|x\n", "separator |, thousands , (not certain: --thousands none --decimal ,)"),
        ("a;b\n1.234;x\n", "separator ;, decimal point (not certain: --decimal ,)"),
        ("a;b\n1.234.567;x\n", "separator ;, decimal comma, thousands ."),
        ("a;b;c\n1.234;0,5;x\n", "separator ;, decimal comma, thousands ."),
        ('a,b\n"1,234",0.5\n', "thousands ,"),
        ("a;b\n1.234,5;?\n", 'separator ;, decimal comma, thousands ., missing "?"'),
        ("a,d\n1,01/02/2024\n", "dates month first (not certain: --date-order day_first)"),
        ("a,d\n1,01.02.2024\n", "dates day first"),
        ("a,d,e\n1,01/02/2024,31/12/2024\n", "dates day first"),
        ("a,d\n1,2024-01-02\n", ""),
        (
            "a;b;d\n1.234,5;?;01.02.2024\n2,5;é;01.02.2024\n".encode("latin-1"),
            'separator ;, decimal comma, thousands ., Latin-1, missing "?", dates day first',
        ),
        ("a;b\n1;“x”\n".encode("cp1252"), "separator ;, CP1252"),
        ("a\tb\n1\t'x'\n", "separator tab, quotes '"),
    ],
)
def test_what_is_said(folder, content, said):
    assert read(folder, content).said == said


def test_what_the_user_says_counts(folder):
    text = "a;b;d\n1.234;999;01/02/2024\n"
    table = read(folder, text, ReadOptions(thousands=".", missing=("999",), date_order="day_first"))
    assert plain(table)["a"] == [1234] and plain(table)["b"] == [None]
    assert table.column("d").values[0] == np.datetime64("2024-02-01")
    assert table.said == 'separator ;, decimal comma, thousands ., missing "999", dates day first'
    assert plain(read(folder, text, ReadOptions(decimal="point")))["a"] == [1.234]
    assert plain(read(folder, text, ReadOptions(separator="comma"))) == {"a;b;d": ["1.234;999;01/02/2024"]}
    assert plain(read(folder, "a,b\nNA,?\n", ReadOptions(missing=("?",)))) == {"a": ["NA"], "b": [None]}
    assert plain(read(folder, "a,b\nx,é\n".encode("cp437"), ReadOptions(encoding="cp437")))["b"] == ["é"]
    assert plain(read(folder, "a:b\n1:2\n", ReadOptions(separator=":"))) == {"a": [1], "b": [2]}
    years = read(folder, "d\n01-02-03\n", ReadOptions(date_order="year_first"))
    assert years.column("d").values[0] == np.datetime64("2001-02-03") and years.said == "dates year first"
    other = read(folder, "d\n31/12/2024\n", ReadOptions(date_order="month_first"))
    assert plain(other)["d"] == ["31/12/2024"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"separator": "::"},
            "separator: '::' is not allowed: one character, or one of comma, semicolon, tab, bar, space",
        ),
        (
            {"separator": "a"},
            "separator: 'a' is not allowed: one character, or one of comma, semicolon, tab, bar, space",
        ),
        ({"decimal": ";"}, "decimal: ';' is not allowed: . or ,"),
        ({"thousands": "x"}, "thousands: 'x' is not allowed: . or , or ' or a space, or none"),
        ({"thousands": ",", "decimal": ","}, "thousands: ',' is the decimal mark already"),
        ({"date_order": "day"}, "date_order: 'day' is not allowed; there are day_first, month_first, year_first"),
        ({"encoding": "utf-9"}, "encoding: 'utf-9' is not known; try utf-8, utf-16, latin-1 or cp1252"),
        ({"encoding": "base64"}, "encoding: 'base64' is not known; try utf-8, utf-16, latin-1 or cp1252"),
    ],
)
def test_options_that_are_none(option, message):
    with pytest.raises(UsageError) as caught:
        ReadOptions(**option)
    assert str(caught.value) == message


# Files that are no tables


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.csv is empty"),
        (b"\n\n", "t.csv is empty"),
        (b" \n" * 5000, "t.csv is empty"),
        (b"\xef\xbb\xbf", "t.csv is empty"),
        (b"a,y\n1,2\n3,4,5\n", "t.csv: row 3 has 3 values, the header has 2"),
        (b"a,b,y\n1,2,3\n4,5\n", "t.csv: row 3 has 2 values, the header has 3"),
        (b"a,b,y\n1,2,3\n4\n5,6,7\n", "t.csv: row 3 has 1 value, the header has 3"),
        (b"a;b;y\n1;2;3\n4;5\n", "t.csv: row 3 has 2 values, the header has 3"),
        (b'a,b,y\n"1,5",2,3\n4,"5,6"\n', "t.csv: row 3 has 2 values, the header has 3"),
        (
            b'a,y\n1,2\n"3,4\n5,6\n',
            "t.csv: row 3 is malformed: the quote that opens in line 3 is not closed; close it, or delete it",
        ),
        (b"a,b,a,y\n1,2,3,4\n", "t.csv: columns 1 and 3 are both called 'a'; names must differ"),
        (b"a, a,y\n1,2,3\n", "t.csv: columns 1 and 2 are both called 'a'; names must differ"),
        (
            b",a,y\n0,1,2\n",
            "t.csv: column 1 has no name; name it or leave it out (pandas writes row numbers so: "
            "to_csv(…, index=False) leaves them out)",
        ),
        (b"5.1,3.5,0\n4.9,3.0,1\n", "t.csv: the first row holds numbers (5.1, 3.5, 0, …); it must name the columns"),
        (b"5,1;3,2\n4,9;3,0\n", "t.csv: the first row holds numbers (5, 1;3, 2, …); it must name the columns"),
        (b"a,b\n1,2\n3,\x004\n", "t.csv is no text: line 3 holds a NUL byte"),
        (
            "a,b\né,ü\n".encode() + b"x,\xe9\n",
            "t.csv: line 3 holds the byte 0xe9, which is no UTF-8, and other letters are; save it as UTF-8 again, or "
            "say its encoding (--encoding latin-1)",
        ),
        (
            "\ufeffa,b\n".encode("utf-16")[:-1],
            "t.csv is no text in UTF-16: it cannot be read from byte 10 on; "
            "say its encoding (--encoding utf-8, --encoding latin-1, …)",
        ),
    ],
)
def test_malformed(folder, content, message):
    with pytest.raises(DataError) as caught:
        read(folder, content)
    assert str(caught.value) == message


def test_a_ragged_row_far_within_a_file_is_named(folder):
    rows = ["1,2.5,x\n"] * 50_000
    rows[23_456] = "1,2.5\n"
    with pytest.raises(DataError, match=r"^t\.csv: row 23458 has 2 values, the header has 3$"):
        read(folder, "a,b,c\n" + "".join(rows))
    # Missing values in the last column are none.
    rows[23_456] = "1,2.5,\n"
    assert read(folder, "a,b,c\n" + "".join(rows)).column("c").missing().sum() == 1


def test_row_numbers_count_blank_lines_before_the_header(folder):
    assert read(folder, "\n\na,b\n1,2\n").place.first_row == 4


def test_a_header_alone(folder):
    table = read(folder, "a,b\n\n")
    assert table.n_rows == 0 and table.names == ("a", "b")


def test_quotes_within_fields_are_text(folder):
    assert plain(read(folder, 'a,b\n1,5" pipe\n2,say "hi"\n'))["b"] == ['5" pipe', 'say "hi"']
    assert plain(read(folder, "a,b\n1,it's\n2,'tis\n"))["b"] == ["it's", "'tis"]
    assert plain(read(folder, 'a,b\n1,"two\nlines"\n2,"say ""hi"""\n'))["b"] == ["two\nlines", 'say "hi"']


def test_names_are_only_data(folder):
    names = ["../x", "<script>alert(1)</script>", "\u202eabc", "\x1b[31mred", "=1+1", "n" * 10_000, "$(id)", "x\u2028y"]
    table = read(folder, ",".join(names) + "\n" + ",".join("1" * len(names)) + "\n")
    assert table.names == tuple(names)
    assert sorted(path.name for path in folder.iterdir()) == ["t.csv"]


def test_binary_noise_ends_in_a_message(folder, generator):
    for _ in range(60):
        content = b"a,y\n" + generator.bytes(int(generator.integers(1, 400)))
        try:
            table = read(folder, content)
            assert len(table.names) >= 1
        except EntrenaError as error:
            assert str(error).startswith("t.csv")


def test_random_text_is_read_as_pythons_own_reader_reads_it(folder, generator):
    """Every field of random tables, with separators, quotes and line ends within fields."""
    import csv
    import io

    letters = list("ab,;\"'\n 1.x|é")
    for number in range(40):
        n_rows, n_columns = int(generator.integers(1, 30)), int(generator.integers(2, 5))
        cells = [
            ["t" + "".join(generator.choice(letters, int(generator.integers(0, 6)))).rstrip() for _ in range(n_columns)]
            for _ in range(n_rows)
        ]
        out = io.StringIO()
        writer = csv.writer(out, delimiter=";" if number % 2 else ",", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([f"c{column}" for column in range(n_columns)])
        writer.writerows(cells)
        table = read(folder, out.getvalue())
        assert list(map(list, zip(*plain(table).values(), strict=True))) == cells


def test_polars_is_handed_no_address(folder):
    with pytest.raises(EntrenaError, match=r"^there is no file https://example.org/t.csv: its folder "):
        read_file("https://example.org/t.csv")
    for name in ("a[1]*.csv", "s3:x.csv", "~x.csv"):
        (folder / name).write_text("a,b\n1,2\n")
        assert read_file(name).n_rows == 1
    assert pl.read_csv(folder / "s3:x.csv").height == 1
