"""Number marks: what decides between two readings, and what a table tells of its own."""

from __future__ import annotations

import pytest

from entrena.data.dialect import ReadOptions
from entrena.data.files import read_file
from tests.data.excel_files import write_excel
from tests.data.readers import read, values

COMMA, POINT = ReadOptions(decimal=","), ReadOptions(decimal=".")


@pytest.mark.parametrize(
    ("content", "like", "numbers", "said"),
    [
        ("a;b\n1.500;7.250\n", COMMA, [1500, 7250], "separator ;, decimal comma, thousands ."),
        ("a;b\n1.500;7.250\n", ReadOptions(thousands="."), [1500, 7250], "separator ;, decimal comma, thousands ."),
        ("a;b\n1.500;7.250\n", POINT, [1.5, 7.25], "separator ;"),
        ("a;b\n1,500;7,250\n", COMMA, [1.5, 7.25], "separator ;, decimal comma"),
        ("a;b\n1,500;7,250\n", POINT, [1500, 7250], "separator ;, thousands ,"),
        ("a;b\n1,500;7.250\n", POINT, [1500, 7.25], "separator ;, thousands ,"),
        ("a;b\n1,500;7.250\n", COMMA, [1.5, 7250], "separator ;, decimal comma, thousands ."),
        ("a\tb\n1.500\t7.250\n", COMMA, [1500, 7250], "separator tab, decimal comma, thousands ."),
        ('a,b\n"1,500",7\n', COMMA, [1.5, 7], "decimal comma"),
        ('a,b\n"1,500",7\n', POINT, [1500, 7], "thousands ,"),
        ("a;b\n1;7\n", COMMA, [1, 7], "separator ;"),
        # What the file shows counts for more.
        ("a;b\n1.5;7.250\n", COMMA, [1.5, 7.25], "separator ;"),
        ("a;b\n1,5;7.250\n", POINT, [1.5, 7250], "separator ;, decimal comma, thousands ."),
        ("a;b\n1,234,567;7.250\n", COMMA, [1234567, 7.25], "separator ;, thousands ,"),
        # Between commas, points are decimal points; since the model is used to another mark, that is not certain.
        ("a,b\n1.500,7.250\n", COMMA, [1.5, 7.25], "decimal point (not certain: --decimal ,)"),
        # One column and its neighbour contradict each other.
        ("a;b\n1,5;7.25\n", COMMA, [1.5, "7.25"], "separator ;, decimal comma"),
        ("a;b\n1,5;7.25\n", POINT, ["1,5", 7.25], "separator ;"),
    ],
)
def test_what_a_model_knows_decides_what_is_open(tmp_path, content, like, numbers, said):
    table = read(tmp_path, content, like=like)
    assert [values(table, "a")[0], values(table, "b")[0]] == numbers and table.said == said


def test_a_file_of_one_column_is_read_as_the_models_own(tmp_path):
    assert values(read(tmp_path, "a\n1.500\n", like=COMMA), "a") == [1500]
    assert values(read(tmp_path, "a\n1.500\n", like=POINT), "a") == [1.5]
    assert values(read(tmp_path, "a\n1.500\n"), "a") == [1.5]


def test_what_the_user_says_counts_for_more_than_the_model(tmp_path):
    table = read(tmp_path, "a;b\n1.500;7.250\n", options=POINT, like=COMMA)
    assert values(table, "a") == [1.5] and table.found.decimal == "."


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("a;b\n1;x\n", ReadOptions()),
        ("a;b\n1,5;x\n", ReadOptions(decimal=",")),
        ("a,b\n1.5,x\n", ReadOptions(decimal=".")),
        ("a;b\n1.234,5;x\n", ReadOptions(decimal=",", thousands=".")),
        ("a;b\n1.234;x\n", ReadOptions(decimal=".")),
        ("a;b\n12,50 €;x\n", ReadOptions(decimal=",")),
        ("a;d\n1;31/12/2024\n", ReadOptions(date_order="day_first")),
        ("a;d\n1;12/31/2024\n", ReadOptions(date_order="month_first")),
        ("a;d\n1;01/02/2024\n", ReadOptions(date_order="month_first")),
        ("a;d\n1;2024-01-02\n", ReadOptions()),
        ("a;d\n1;2-Jan-2024\n", ReadOptions()),
        ("d;e\n12/31/2024;31/12/2024\n", ReadOptions()),
    ],
)
def test_what_is_found_is_kept(tmp_path, content, found):
    table = read(tmp_path, content)
    assert table.found == found
    # A table that is read as it was itself says nothing else.
    assert read(tmp_path, content, like=found).found == found


def test_what_the_user_says_is_kept(tmp_path):
    said = ReadOptions(decimal=",", thousands=".", date_order="day_first")
    assert read(tmp_path, "a;d\n1;01/02/2024\n", options=said).found == said


def test_other_formats_have_only_dates_to_find(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1.5, "d": "01/02/2024"}\n')
    table = read_file(path, like=ReadOptions(date_order="day_first"))
    assert table.found == ReadOptions(date_order="day_first") and str(values(table, "d")[0]) == "2024-02-01 00:00:00"
    path.write_text('{"a": 1.5}\n')
    assert read_file(path).found is None


def test_texts_of_excel_files_are_read_as_the_models_own(tmp_path):
    pytest.importorskip("fastexcel")
    path = write_excel(tmp_path / "t.xlsx", [["a", "d"], ["1.500", "01/02/2024"], ["2.500", "01/02/2024"]])
    table = read_file(path, like=ReadOptions(decimal=",", date_order="day_first"))
    assert values(table, "a") == [1500, 2500] and str(values(table, "d")[0]) == "2024-02-01 00:00:00"
    write_excel(path, [["a"], ["1.5"], ["2.25"]])
    assert values(read_file(path, like=COMMA), "a") == [1.5, 2.25]
    assert read_file(path).found is None


# Whole numbers with points


@pytest.mark.parametrize("separator", [";", "\t"])
def test_ten_whole_numbers_with_points_are_thousands(tmp_path, separator):
    rows = [f"{1 + k}.{100 + k}{separator}{900 + 50 * k}{separator}01.02.2024\n" for k in range(10)]
    header = separator.join("abd") + "\n"
    table = read(tmp_path, header + "".join(rows))
    assert values(table, "a") == [1000 * (1 + k) + 100 + k for k in range(10)]
    assert "decimal comma (not certain: --decimal .), thousands ." in table.said
    # Nine are too few.
    assert values(read(tmp_path, header + "".join(rows[:9])), "a")[0] == 1.1
    # One that is not of this form contradicts.
    assert values(read(tmp_path, header + "".join(rows) + separator.join(["1.25", "1", ""]) + "\n"), "a")[0] == 1.1
    said = read(tmp_path, header + "".join(rows), options=POINT)
    assert values(said, "a")[0] == 1.1


def test_between_commas_points_are_decimal_points(tmp_path):
    table = read(tmp_path, "a,b\n" + "1.500,7.250\n" * 20)
    assert values(table, "a")[0] == 1.5 and table.said == ""
