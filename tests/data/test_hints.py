"""Hints: what a person would notice in a column."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from entrena.data.dialect import ReadOptions
from entrena.data.files import FOUND, read_file
from entrena.data.frames import frame_table
from entrena.data.hints import alike, hint_for, is_numeral, look_like_numbers
from entrena.data.roles import infer_roles
from entrena.data.table import Column, Table, as_numbers
from entrena.data.values import Place
from tests.data.excel_files import write_excel
from tests.data.readers import read


def hint(values, name="it"):
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        return hint_for(Table((Column(name, "number", array),), Place("t")), name)
    levels = tuple(dict.fromkeys(values))
    column = Column(name, "text", np.array([levels.index(value) for value in values], np.int32), levels)
    return hint_for(Table((column,), Place("t")), name)


def test_numbers_among_which_a_word_stands():
    values = [str(k % 40) for k in range(200)] + ["k.A."] * 7 + ["Total"]
    assert hint(values, "bed rooms") == (
        "200 numbers and 'k.A.' 7 times (first in row 201), 'Total' once (row 208): if that means missing, "
        "--missing k.A. --missing Total (beside the other marks in use)"
    )
    assert hint(["a", "b"] * 50 + ["1", "2", "3"]) == ""


def test_levels_that_differ_in_capitals_or_blanks():
    assert hint(["Yes", "no", "yes", "No "] * 10) == "'Yes' and 'yes' differ only in capitals or blanks"
    assert alike(["a", "b"]) == ""


def test_rows_that_may_belong_together():
    assert hint([f"P{k // 3}x" for k in range(600)], "patient") == (
        "200 values, about 3 rows each: if rows belong together, --group patient"
    )
    assert hint([f"town {k % 20}" for k in range(600)]) == ""


def test_whole_numbers_that_name_the_rows():
    chance = np.random.default_rng(0)
    assert hint(chance.choice(10**9, 500, replace=False), "PID") == (
        "whole numbers that nearly all differ: if they only name the rows, --role PID=ignore"
    )
    assert hint(chance.integers(0, 300, 500)) == ""
    assert hint(chance.normal(size=500)) == ""


@pytest.mark.parametrize("text", ["1", "-2.5", "1.234,56", "1 234", "1e-3", "12'000"])
def test_numerals(text):
    assert is_numeral(text)


@pytest.mark.parametrize("text", ["", "a", "1a", "k.A.", "12 €", "-"])
def test_no_numerals(text):
    assert not is_numeral(text)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["16.884,92 €", "3,50 €"], True),
        (["$1,200", "$3.5"], True),
        (["21.5%", "3%"], True),
        (["215.0k", "1.2k"], True),
        (["CHF 452'600.00", "CHF 3"], True),
        (["name 0", "name 1"], False),
        (["c0", "c1"], False),
        (["red", "green"], False),
    ],
)
def test_texts_that_look_like_numbers(texts, expected):
    assert look_like_numbers(texts) is expected


def file_hint(folder, fields, name="x", **more):
    """The hint and the role of a column of a file, of which the last row has no target and is not trained on."""
    rows = "".join(f'"{field}",{k % 3}\n' for k, field in enumerate(fields))
    table = read(folder, f"{name},c\n{rows}", **more)
    return infer_roles(table.take(np.arange(table.n_rows - 1)), {}, table.n_rows)[0]


NUMBERS = [f"{np.sin(k):.4f}" for k in range(300)]


def test_a_line_of_totals_behind_the_training_rows(tmp_path):
    column = file_hint(tmp_path, [*NUMBERS, "Total"])
    assert (column.role, column.hint) == (
        "text",
        "300 numbers and 'Total' once (row 302): delete that row, or --missing Total (beside the other marks in use) "
        "if it means missing",
    )
    # What the hint says helps.
    assert read(tmp_path, "x,c\n" + "1.5,1\n" * 3 + "Total,1\n", options=ReadOptions(missing=("Total",))).column(
        "x"
    ).kind == ("number")


@pytest.mark.parametrize(
    ("slips", "said"),
    [
        (["n/k", "n/k", "it's"], "'n/k' 2 times (first in row 302), \"it's\" once (row 304): delete those rows, or "),
        (["a"], "'a' once (row 302): delete that row, or --missing a (beside"),
        # More texts than slips, yet most values are numbers: it is said all the same.
        ([f"A/{k}" for k in range(100)], "'A/0' once (row 302), 'A/1' once (row 303), 'A/2' once (row 304) and 97 "),
    ],
)
def test_numbers_and_other_texts(tmp_path, slips, said):
    assert file_hint(tmp_path, [*NUMBERS, *slips, "0.5"]).hint.startswith(f"301 numbers and {said}")
    assert '--missing "it\'s"' in file_hint(tmp_path, [*NUMBERS, "it's", "0.5"]).hint


def test_many_numbers_among_which_a_word_stands(tmp_path):
    fields = [f"{np.sin(k):.6f}" for k in range(30_000)]
    assert file_hint(tmp_path, ["Total", *fields]).hint.startswith("30,000 numbers and 'Total' once (row 2): delete")
    assert file_hint(tmp_path, [f"p{k}x" for k in range(30_000)]).hint == ""


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{} kg", "numbers with 'kg': leave in the cells nothing but the number to use them as numbers"),
        ("{}k", "numbers with 'k': leave in the cells nothing but the number to use them as numbers"),
        ("{}°C", "numbers with '°C': leave in the cells nothing but the number to use them as numbers"),
        ("{}-", "numbers with the minus behind them: write -0.0000 for 0.0000-"),
        ("ABC{}", ""),
        ("{0}/{0}", ""),
        ("c{}", ""),
    ],
)
def test_numbers_with_something_around_them(tmp_path, pattern, said):
    fields = [pattern.format(f"{abs(float(number)):.4f}") for number in NUMBERS]
    assert file_hint(tmp_path, fields).hint == said
    # A minus behind the negative ones only, and the unit here and there.
    mixed = [field if k % 2 else NUMBERS[k].lstrip("-") for k, field in enumerate(fields)]
    assert file_hint(tmp_path, mixed).hint.split(":")[0] == said.split(":")[0]
    # A few levels may be names of classes.
    assert file_hint(tmp_path, fields[:5] * 60).hint == ""


def test_numbers_that_begin_with_zeros(tmp_path):
    fields = [f"{k * k:07}" for k in range(300)]
    column = file_hint(tmp_path, fields, name="no 1")
    assert (column.role, column.hint) == (
        "identifier",
        "numbers kept as texts, such as '0000000': if they count something, --role 'no 1'=number",
    )
    assert file_hint(tmp_path, fields[:9] * 30).hint == ""


def excel_hint(folder, fields, options=FOUND):
    rows = [["x", "c"], *([field, k % 3] for k, field in enumerate(fields))]
    table = read_file(write_excel(folder / "t.xlsx", rows), options)
    return infer_roles(table, {}, table.n_rows)[0]


@pytest.mark.parametrize(
    ("pattern", "said", "options"),
    [
        ("{},13", "numbers with a decimal comma, such as '1000,13': --decimal ,", ReadOptions(decimal=",")),
        ("1.{},5", "--decimal , --thousands .", ReadOptions(decimal=",", thousands=".")),
        ("1'{}.5", 'numbers with groups of digits, such as "1\'000.5": --thousands "\'"', ReadOptions(thousands="'")),
        ("1 {}", "--thousands ' '", ReadOptions(thousands=" ")),
    ],
)
def test_texts_of_excel_that_are_numbers(tmp_path, pattern, said, options):
    pytest.importorskip("fastexcel")
    fields = [pattern.format(1000 + k if "1" not in pattern[:1] else f"{k * k % 997:03}") for k in range(60)]
    column = excel_hint(tmp_path, fields)
    assert column.role == "identifier" and said in column.hint
    assert excel_hint(tmp_path, fields, options).role == "number"


def test_numbers_in_several_forms(tmp_path):
    pytest.importorskip("fastexcel")
    fields = [f"{k},5" if k % 2 else f"{k}.5" for k in range(60)]
    assert excel_hint(tmp_path, fields).hint == ("numbers in several forms, such as '0.5': write them all in one way")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (NUMBERS, "numbers kept as texts, such as '0.0000': if they count something, --role x=number"),
        (
            [number.replace(".", ",") for number in NUMBERS],
            "numbers kept as texts, such as '0,0000': store them as numbers",
        ),
        (
            [*NUMBERS, "Total"],
            "300 numbers and 'Total' once (row 301): a column of numbers holds nothing else: mend or delete those",
        ),
        (["0.5", "1.5"] * 150, "numbers kept as texts, such as '0.5': if they count something, --role x=number"),
        (["1", "2"] * 150, ""),
    ],
)
def test_sources_with_types_of_their_own(tmp_path, fields, said):
    """There no option says how a text is written."""
    pl.DataFrame({"x": fields}).write_parquet(tmp_path / "t.parquet")
    for table in (frame_table(pl.DataFrame({"x": fields})), read_file(tmp_path / "t.parquet")):
        assert hint_for(table, "x", left_out=len(set(fields)) > 9) == said
    if "role" in said:
        assert as_numbers(table, "x").tolist() == [float(field) for field in fields]


def test_dates_that_a_frame_keeps_as_texts():
    """In a frame a text is a category; in a CSV file the same texts are dates."""
    days = [f"2024-0{1 + k % 5}-01" for k in range(40)]
    roles = infer_roles(frame_table(pl.DataFrame({"day": days, "x": range(40)})), {}, 40)
    assert (roles[0].role, roles[0].hint) == ("category", "dates kept as texts: --role day=date")
    roles = infer_roles(frame_table(pl.DataFrame({"day": ["a", "b"] * 20, "x": range(40)})), {}, 40)
    assert roles[0].hint == ""
