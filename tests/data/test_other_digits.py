"""Digits of other scripts: Polars and Python know them, but no number is written with them here."""

from __future__ import annotations

import pytest

from entrena.data.files import read_file
from entrena.data.hints import is_numeral, look_like_numbers
from entrena.data.number_forms import bare
from tests.data.excel_files import write_excel
from tests.data.readers import read, values

OTHERS = {
    "full-width": "１２３",
    "Arabic": "١٢",
    "Devanagari": "२",
    "with a point": "१.५",
    "with a comma": "١,٥",
    "grouped": "1,２３４",
    "negative": "-١٢",
    "exponent": "1e١٢",
    "leading zero": "٠١٢",
    "percent": "١٢%",
    "money": "€ ٣",
    "in brackets": "(١٢)",
    "typographic minus": "\u2212١٢",
    "time": "١٢:٣٠",
    "date": "२०२४-०१-०५",
    "date and time": "2024-01-05 ١٢:٣٠",
    "month with a name": "١ January 2011",
    "date, day first": "٠١/٠٢/٢٠٢٤",
}


@pytest.mark.parametrize("field", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("separator", [",", ";"])
def test_a_field_of_other_digits_is_a_text(tmp_path, field, separator):
    quoted = f'"{field}"' if separator in field else field
    alone = read(tmp_path, f"x{separator}y\n" + f"{quoted}{separator}1\n" * 3)
    assert values(alone, "x") == [field] * 3 and values(alone, "y") == [1] * 3
    for usual in ("7", "0.5", "12%", "12:30", "2024-01-05", "true"):
        mixed = read(tmp_path, f"x{separator}y\n" + f"{usual}{separator}1\n" * 30 + f"{quoted}{separator}1\n")
        assert mixed.column("x").kind == "text" and values(mixed, "x")[-1] == field


def test_classes_of_other_digits(tmp_path):
    rows = [("٠", "١")[k % 2] for k in range(20)]
    table = read(tmp_path, "x,y\n" + "".join(f"{k},{row}\n" for k, row in enumerate(rows)), targets=("y",))
    assert values(table, "y") == rows


def test_a_header_of_other_digits(tmp_path):
    assert read(tmp_path, "１,２\n3,4\n").names == ("１", "２")


@pytest.mark.parametrize("field", ["１２٣", "١٢%", "١٢:٣٠", "२०२४-०१-०५"])
def test_cells_of_excel(tmp_path, field):
    pytest.importorskip("fastexcel")
    path = write_excel(tmp_path / "t.xlsx", [["x", "y"], [field, 1], ["7", 2]])
    assert values(read_file(path), "x") == [field, "7"]


def test_json_lines(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"d": "२०२४-०१-०५"}\n{"d": "१२:३०"}\n', encoding="utf-8")
    assert values(read_file(path), "d") == ["२०२४-०१-०५", "१२:३०"]


def test_they_are_no_numerals():
    assert not is_numeral("１２") and not look_like_numbers(["١٢ kg", "٣ kg"])
    assert bare("€ ٣") == "٣"
