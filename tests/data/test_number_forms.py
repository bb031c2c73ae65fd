"""Forms of numbers: units, brackets and other minus signs."""

from __future__ import annotations

import polars as pl
import pytest

from entrena.data.dialect import ReadOptions
from entrena.data.number_forms import UNITS, plain_numbers
from tests.data.readers import read, values


@pytest.mark.parametrize(
    ("fields", "numbers", "said"),
    [
        ("−5|7|−0.5", [-5, 7, -0.5], "a: numbers with −"),
        ("(27.90)|3|1.5", [-27.9, 3, 1.5], "a: numbers with ( ) for minus"),
        ("27.90 €|3 €|-1 €", [27.9, 3, -1], "a: numbers with €"),
        ("€27.90|€ 3|-€1", [27.9, 3, -1], "a: numbers with €"),
        ("$1,234.50|$-3|($2)", [1234.5, -3, -2], "thousands ,; a: numbers with $ and ( ) for minus"),
        ("(5 kr)|(3) kr|1kr", [-5, -3, 1], "a: numbers with kr and ( ) for minus"),
        ("CHF 1'234.50|CHF 3|CHF −1", [1234.5, 3, -1], "thousands '; a: numbers with − and CHF"),
        ("21.5%|3 %|100%", [21.5, 3, 100], "a: numbers with %"),
        ("5 €|NA|3 €", [5, None, 3], 'missing "NA"; a: numbers with €'),
        ("5 €|none|3 €", [5, None, 3], 'missing "none"; a: numbers with €'),
        # One value that does not fit: texts.
        ("5 €|7|3 €", ["5 €", "7", "3 €"], ""),
        ("5 €|7 $|3 €", ["5 €", "7 $", "3 €"], ""),
        ("5 €|€ 7|3 €", ["5 €", "€ 7", "3 €"], ""),
        ("5 €|free|3 €", ["5 €", "free", "3 €"], ""),
        ("(a)|3|1.5", ["(a)", "3", "1.5"], ""),
        ("(-3)|3|1.5", ["(-3)", "3", "1.5"], ""),
        ("5 kg|3 kg|1 kg", ["5 kg", "3 kg", "1 kg"], ""),
        ("007 €|3 €|1 €", ["007 €", "3 €", "1 €"], ""),
    ],
)
def test_numbers_of_a_form(tmp_path, fields, numbers, said):
    table = read(tmp_path, "a|b\n" + "".join(f"{field}|x\n" for field in fields.split("|")))
    assert values(table, "a") == numbers
    assert table.said == "separator |" + ("" if not said else ", " + said if said[0] in "mt" else "; " + said)


@pytest.mark.parametrize("unit", UNITS)
def test_units_stand_before_and_behind(unit):
    for text in (f"{unit}12.5", f"{unit} 12.5", f"12.5{unit}", f"12.5\u00a0{unit}"):
        plain = plain_numbers(pl.Series([text]))
        assert plain is not None and plain[0].to_list() == ["12.5"] and plain[1] == unit


def test_units_with_decimal_commas_and_points_between_thousands(tmp_path):
    table = read(tmp_path, "a;b\n1.234,50 €;3,5%\n0,99 €;(12,0%)\n")
    assert values(table, "a") == [1234.5, 0.99] and values(table, "b") == [3.5, -12]
    assert table.said == (
        "separator ;, decimal comma, thousands .; a: numbers with €; b: numbers with % and ( ) for minus"
    )


def test_columns_of_the_same_form_are_named_together(tmp_path):
    names = ",".join(f"p{number}" for number in range(6))
    table = read(tmp_path, f"{names}\n{','.join(['5 €'] * 6)}\n")
    assert table.said == "p0, p1, p2 and 3 more: numbers with €"


def test_texts_that_a_model_knows_stay_as_they_are(tmp_path):
    table = read(tmp_path, "a,b\n5 €,07:30\n", text_columns=("a", "b"), options=ReadOptions())
    assert values(table, "a") == ["5 €"] and values(table, "b") == ["07:30"]
