"""Texts: marks of missing values that are classes of a target."""

from __future__ import annotations

import pytest

from entrena.data.dialect import ReadOptions
from entrena.data.files import read_file
from tests.data.excel_files import write_excel
from tests.data.readers import read, values


def read_classes(folder, classes, **more):
    more = {"targets": ("y",), **more}
    return read(folder, "x,y\n" + "".join(f"{number},{label}\n" for number, label in enumerate(classes)), **more)


@pytest.mark.parametrize(
    ("classes", "missing"),
    [
        (["+", "-"] * 20, ()),
        (["+"] * 50 + ["-"], ()),
        (["+", "=", "-"] * 5, ()),
        (["+", "0", "-"] * 5, ()),
        (["+", "-"] * 20 + ["?"], ("?",)),
        (["DE", "NA", "FR"] * 5, ()),
        (["DE"] * 9 + ["FR"] * 8 + ["NA"] * 4, ()),
        (["DE"] * 9 + ["FR"] * 8 + ["NA"] * 3, ("NA",)),
        # A class with a single row says nothing of how frequent classes are.
        (["DE"] * 9 + ["FR"] * 8 + ["IT"] + ["NA"] * 3, ("NA",)),
        (["yes", "no"] * 50 + ["?"] * 3, ("?",)),
        (["yes", "yes", "no", "?"], ("?",)),
        ([f"c{number}" for number in range(20)] * 2 + ["NA"] * 2, ("NA",)),
        ([f"c{number}" for number in range(19)] * 2 + ["NA"] * 2, ()),
        (["yes", "no", ""] * 5, ("",)),
    ],
)
def test_marks_that_are_classes(tmp_path, classes, missing):
    table = read_classes(tmp_path, classes)
    assert values(table, "y") == [None if label in missing else label for label in classes]
    # Inputs have no classes, and the user's own word counts.
    known = {"-", "?", "NA", ""}
    expected = [None if label in known else label for label in classes]
    assert values(read_classes(tmp_path, classes, targets=()), "y") == expected
    assert values(read_classes(tmp_path, classes, options=ReadOptions(missing=("-", "?", "NA"))), "y") == expected


@pytest.mark.parametrize(
    ("classes", "kind"),
    [(["1", "2", "-"], "number"), (["true", "false", "?"], "boolean"), (["2024-01-01", "2024-01-02", "NA"], "date")],
)
def test_a_target_of_numbers_truths_or_dates_has_no_marks_as_classes(tmp_path, classes, kind):
    column = read_classes(tmp_path, classes * 5).column("y")
    assert column.kind == kind and column.missing().sum() == 5


def test_other_columns_are_read_as_ever(tmp_path):
    rows = ["1,?,a,+", "?,true,-,-", "3,false,a,+", "-,NA,b,-"] * 3
    table = read(tmp_path, "i,b,t,y\n" + "\n".join(rows) + "\n", targets=("y",))
    assert values(table, "i")[:4] == [1, None, 3, None] and values(table, "b")[:4] == [None, 1, 0, None]
    assert values(table, "t")[:4] == ["a", None, "a", "b"] and values(table, "y")[:4] == ["+", "-", "+", "-"]
    assert set(table.said.removeprefix("missing ").split()) == {'"?"', '"-"', '"NA"'}


def test_a_late_mark_of_numbers_takes_no_class_away(tmp_path):
    n_rows = 250_000
    rows = [f"1,{'+-'[k % 2]},zzzzzzzz\n" for k in range(n_rows)]
    rows[n_rows // 2 + n_rows // 100] = "-,+,zzz\n"
    table = read(tmp_path, "a,y,z\n" + "".join(rows), targets=("y",))
    assert table.column("a").missing().sum() == 1 and not table.column("y").missing().any()


def test_the_classes_that_a_model_knows_decide(tmp_path):
    few = ["yes", "yes", "no", "-"]
    assert values(read_classes(tmp_path, few, targets={"y": ("no", "yes", "-")}), "y") == few
    many = ["yes", "no", "-"] * 9
    expected = [None if label == "-" else label for label in many]
    assert values(read_classes(tmp_path, many, targets={"y": ("no", "yes")}), "y") == expected
    assert values(read_classes(tmp_path, ["+", "-"], targets=("y",), text_columns=("y",)), "y") == ["+", "-"]


def test_excel_files_have_such_classes_too(tmp_path):
    pytest.importorskip("fastexcel")
    path = write_excel(tmp_path / "t.xlsx", [["x", "y"], [1, "+"], [2, "-"], [3, "+"]])
    assert values(read_file(path, targets=("y",)), "y") == ["+", "-", "+"]
    assert values(read_file(path), "y") == ["+", None, "+"]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["u", "v", "null"] * 9, "'null' is a class of y: --missing null if it means missing"),
        (["u", "v", "None"] * 9, "'None' is a class of y: --missing None if it means missing"),
        (["u", "v", "missing"] * 9, "'missing' is a class of y: --missing missing if it means missing"),
        (["u", "v", "."] * 9, "'.' is a class of y: --missing . if it means missing"),
        (["u", "v", "--"] * 9, "'--' is a class of y: --missing=-- if it means missing"),
        (["u", "v", "u", "v", "none"], "'none' is a class of y: --missing none if it means missing"),
        (
            ["u", "NA", "-", "?"] * 9,
            "'NA' and '-' and '?' are classes of y: --missing NA --missing=- --missing ? if they mean missing",
        ),
        (["u"] * 30 + ["v"] * 30 + ["null"], 'missing "null"'),
        (["+", "-", "--"] * 9, ""),
        (["u", "v", "w"] * 9, ""),
        (["1", "2", "none"] * 9, 'missing "none"'),
        (["true", "false", "null"] * 9, 'missing "null"'),
    ],
)
def test_a_mark_that_is_a_class_is_said(tmp_path, classes, said):
    assert read_classes(tmp_path, classes).said == said
    # Where it is no target, nobody asks; and a model knows its classes.
    assert "class" not in read_classes(tmp_path, classes, targets=()).said
    assert "class" not in read_classes(tmp_path, classes, targets={"y": tuple(set(classes))}).said
    assert "class" not in read_classes(tmp_path, classes, options=ReadOptions(missing=("q",))).said


def test_the_same_mark_may_be_missing_elsewhere(tmp_path):
    rows = "".join(f"{'null' if k == 4 else k},{('u', 'v', 'null')[k % 3]}\n" for k in range(30))
    assert read(tmp_path, "x,y\n" + rows, targets=("y",)).said == (
        "missing \"null\"; 'null' is a class of y: --missing null if it means missing"
    )
    asked = read(tmp_path, "x,y\n" + rows, targets=("y",), options=ReadOptions(missing=("null",)))
    assert asked.column("y").missing().sum() == 10 and asked.said == 'missing "null"'
