"""Tables as people have them, on the command line: what is said, what is asked, what is refused."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from entrena.cli.output import visible
from entrena.reporting.wording import IN_THE_TARGETS_UNIT, score_title
from entrena.training.scores import SCORES

SHORT = ("--set", "max_epochs=3", "--set", "hidden=[8]")
Entrena = Callable[..., Any]


def shop(n: int = 120) -> pl.DataFrame:
    """Numbers, categories, an id, a text, and a price."""
    chance = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "id": np.arange(1, n + 1),
            "size": chance.uniform(1, 9, n).round(2),
            "colour": chance.choice(["red", "green", "=blue"], n),
            "note": [f"number {k} is a very long story" for k in range(n)],
            "price": chance.normal(100, 20, n).round(2),
        }
    )


def write_shop(name: str = "shop.csv", n: int = 120) -> str:
    """The shop as a spreadsheet in Spain exports it."""
    text = shop(n).write_csv(separator=";").replace(".", ",")
    Path(name).write_bytes(text.encode("latin-1"))
    return name


def test_it_says_how_the_file_was_read_and_what_each_column_is(entrena: Entrena) -> None:
    said = entrena("train", write_shop(), "-t", "price", *SHORT, "--no-save", "-q")
    assert said == (0, "", "")
    lines = entrena("train", "shop.csv", "-t", "price", *SHORT, "--no-save").out.splitlines()
    assert lines[:6] == [
        "  read      shop.csv: separator ;, decimal comma",
        "  columns   1 number (size); 1 category (colour: 3 levels)",
        "  left out  id (identifier: consecutive whole numbers, each once)",
        "  left out  note (text: 96 different texts in 96 rows); --role 'note=category' uses it, or make columns of "
        "what matters in it",
        "  task      regression of price from 2 columns",
        "  rows      96 training, 24 test",
    ]


def test_the_json_has_the_same(entrena: Entrena) -> None:
    told = entrena("train", write_shop(), "-t", "price", *SHORT, "--no-save", "--json").json
    assert told["data"]["read"] == "separator ;, decimal comma"
    assert {column["name"]: column["role"] for column in told["columns"]} == {
        "id": "identifier",
        "size": "number",
        "colour": "category",
        "note": "text",
    }
    assert set(told["comparison"]["models"]) == {"network", "linear", "mean"}
    assert told["result"]["low"] <= told["result"]["value"] <= told["result"]["high"]


def test_how_it_is_written_can_be_said(entrena: Entrena) -> None:
    """Every option says something else than what is found, and the table is another one."""
    rows = (f"1,{100 + 7 * k};{('é', 'red', 'blue')[k % 3]};0{1 + k % 9}/02/2024;{k * k % 50}" for k in range(60))
    Path("shop.csv").write_text("\n".join(["si,ze;colour;day;price", *rows]) + "\n", encoding="utf-8")

    def told(*words: str) -> tuple[str, dict[str, str]]:
        said = entrena("train", "shop.csv", "-t", "price", *SHORT, "--no-save", "--json", *words).json
        return said["data"]["read"], {column["name"]: column["reason"] for column in said["columns"]}

    doubts = "decimal comma (not certain: --decimal .), dates month first (not certain: --date-order day_first)"
    assert told() == (f"separator ;, {doubts}", {"si,ze": "numbers", "colour": "3 levels", "day": "dates"})
    words = ("--decimal", ".", "--thousands", ",", "--encoding", "latin-1", "--missing", "red")
    assert told(*words, "--date-order", "day_first") == (
        'separator ;, thousands ,, Latin-1, missing "red", dates day first',
        {"si,ze": "whole numbers", "colour": "2 levels", "day": "dates"},
    )
    other = entrena("train", "shop.csv", "-t", "price", "--separator", ",")
    assert other.code == 2 and "there is no column 'price' to predict" in other.err
    wrong = entrena("train", "shop.csv", "-t", "price", "--decimal", ";")
    assert (wrong.code, wrong.err) == (2, "Error: decimal: ';' is not allowed: . or ,\n")


def test_roles_on_the_command_line(entrena: Entrena) -> None:
    words = ("--role", "note=category", "--role", "id=number", "--role", "colour=ignore")
    told = entrena("train", write_shop(), "-t", "price", *SHORT, "--no-save", "--json", *words).json
    assert [(column["role"], column["reason"]) for column in told["columns"]][:2] == [
        ("number", "as said"),
        ("number", "numbers"),
    ]
    assert entrena("train", "shop.csv", "-t", "price", "--role", "id=nmber") == (
        2,
        "",
        "Error: role of 'id': unknown name 'nmber': did you mean 'number'?\n",
    )
    assert entrena("train", "shop.csv", "-t", "price", "--role", "id").err == (
        "Error: --role id: write COLUMN=ROLE, such as --role zip=category\n"
    )


def test_a_table_from_the_standard_input(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "entrena", "train", "-", "-t", "price", *SHORT, "--json", "--no-save"]
    text = shop().write_csv().encode()
    done = subprocess.run(program, input=text, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b'"regression"' in done.stdout


def test_predictions_beside_the_tables_own_columns(entrena: Entrena) -> None:
    assert entrena("train", write_shop(), "-t", "price", *SHORT).code == 0
    plain = pl.read_csv(io.StringIO(entrena("predict", "last", "shop.csv").out))
    assert plain.columns == ["prediction"]
    kept = pl.read_csv(io.StringIO(entrena("predict", "last", "shop.csv", "--keep").out))
    assert kept.columns == ["id", "size", "colour", "note", "price", "prediction"]
    assert kept["id"].to_list() == list(range(1, 121))
    assert kept["size"].to_list() == shop()["size"].to_list()
    assert np.allclose(kept["prediction"], plain["prediction"])
    kept.write_csv("again.csv")
    said = entrena("predict", "last", "again.csv", "--keep")
    assert (said.code, said.err) == (
        2,
        "Error: --keep: again.csv has a column 'prediction' of its own: rename it first\n",
    )


def test_rows_without_a_target_are_predicted_too(entrena: Entrena) -> None:
    assert entrena("train", write_shop(), "-t", "price", *SHORT).code == 0
    shop(10).with_columns(price=pl.lit(None, pl.Float64)).write_csv("new.csv")
    assert len(entrena("predict", "last", "new.csv").out.splitlines()) == 11
    scored = entrena("evaluate", "last", "new.csv")
    assert (scored.code, scored.err) == (1, "Error: new.csv: target price is missing in every row\n")


def test_cells_that_a_spreadsheet_would_run_get_a_quote(entrena: Entrena) -> None:
    frame = shop().with_columns(pl.col("colour").alias("price"), pl.col("size").alias("=cmd"))
    frame.write_csv("formulas.csv")
    assert entrena("train", "formulas.csv", "-t", "price", *SHORT).code == 0
    out = entrena("predict", "last", "formulas.csv", "--keep", "--excel-safe").out
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["id", "size", "colour", "note", "price", "'=cmd", "prediction", *(
        f"probability_{label}" for label in ("=blue", "green", "red")
    )]  # fmt: skip
    assert {row[2] for row in rows[1:]} == {"red", "green", "'=blue"}
    assert {row[6] for row in rows[1:]} <= {"red", "green", "'=blue"}
    assert all(float(row[1]) > 0 for row in rows[1:])


def test_metrics(entrena: Entrena) -> None:
    words = ("train", write_shop(), "-t", "price", *SHORT, "--metric", "mape", "--metric", "pinball:alpha=0.9")
    told = entrena(*words, "--json").json
    assert told["result"]["score"] == "mape"
    assert list(told["test"])[:2] == ["mape", "pinball(alpha=0.9)"]
    scores = entrena("evaluate", "last", "shop.csv", "--json", "--metric", "pinball:alpha=0.9").json
    assert scores["result"]["score"] == "pinball(alpha=0.9)"
    assert entrena("train", "shop.csv", "-t", "price", "--metric", "f1").err == (
        "Error: --metric: 'f1' does not score numbers: take one of rmse, mae, median_absolute_error, max_error, mape, "
        "rmsle, pinball, r2, explained_variance\n"
    )
    assert entrena("train", "shop.csv", "-t", "price", "--metric", "F1").code == 2


def test_the_printed_titles_are_the_registrys() -> None:
    for name, entry in SCORES.items():
        assert score_title(name) == entry.details["title"]
        assert (name in IN_THE_TARGETS_UNIT) == (entry.details["unit"] == "target")


def test_no_test_and_refit(entrena: Entrena) -> None:
    told = entrena("train", write_shop(), "-t", "price", *SHORT, "--no-save", "--json", "--no-test").json
    assert (told["rows"]["training"], told["result"]) == (120, None)
    said = entrena("train", "shop.csv", "-t", "price", *SHORT, "--no-save", "--refit").out
    assert "  refit     on all 120 rows, 3 epochs\n" in said
    both = entrena("train", "shop.csv", "-t", "price", "--no-test", "--test", "shop.csv")
    assert both.err == "Error: --no-test puts no rows aside: leave out --test and --test-fraction\n"


def test_repeated_rows_are_said(entrena: Entrena) -> None:
    # Of 120 rows 24 are the test; each has nine twins, one of them at least in training.
    pl.concat([shop(60).drop("id").head(12)] * 10).write_csv("tenfold.csv")
    said = entrena("train", "tenfold.csv", "-t", "price", *SHORT, "--no-save").out
    assert "  repeated  24 test rows also among the training rows\n" in said
    shop(60).write_csv("once.csv")
    assert "repeated" not in entrena("train", "once.csv", "-t", "price", *SHORT, "--no-save").out


HOSTILE = ["../x", "<script>alert(1)</script>", "\u202eeman", "\x1b[31mred", "a" * 10_000, "%s{0}[bold]"]


def test_hostile_names_are_only_text(entrena: Entrena) -> None:
    chance = np.random.default_rng(0)
    frame = pl.DataFrame({name: chance.normal(size=60) for name in HOSTILE})
    classes = [HOSTILE[k % 3] for k in range(60)]
    frame = frame.with_columns(pl.Series("<img src=x>", classes))
    frame.write_csv("hostile.csv")
    before = {path for path in Path().resolve().parent.rglob("*")}
    said = entrena("train", "hostile.csv", "-t", "<img src=x>", *SHORT)
    assert said.code == 0, said.err
    shown = entrena("show", "last")
    predicted = entrena("predict", "last", "hostile.csv", "-o", "out.csv")
    assert (shown.code, predicted.code) == (0, 0)
    for text in (said.out, shown.out):
        for name in ("../x", "<script>alert(1)</script>", "\\u202eeman", "\\x1b[31mred", "%s{0}[bold]"):
            assert name in text
    for text in (said.out, said.err, shown.out):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "a" * 1000 not in text
    (run,) = Path("runs").iterdir()
    new = {path for path in Path().resolve().parent.rglob("*")} - before
    assert all(path.is_relative_to(Path().resolve()) for path in new)
    assert run.name.endswith("-hostile")
    assert set(pl.read_csv("out.csv")["prediction"]) <= set(HOSTILE)
    wrong = entrena("predict", "last", "iris")
    assert wrong.code == 2
    assert "\x1b" not in wrong.err


def test_it_says_which_class_a_score_is_of(entrena: Entrena) -> None:
    chance = np.random.default_rng(0)
    x = chance.normal(size=400)
    odd = x > 1.3
    pl.DataFrame({"x": x, "t": np.where(odd, "fraud", "ok")}).write_csv("fraud.csv")
    said = entrena("train", "fraud.csv", "-t", "t", "--metric", "f1", "--metric", "recall", *SHORT)
    assert "  F1 of ok " in said.out and "  recall of ok " in said.out
    assert "  F1 of ok " in entrena("show", "last").out
    assert "  F1 of ok " in entrena("evaluate", "last", "fraud.csv", "--metric", "f1").out


def test_a_run_on_the_standard_input_is_resumed_with_it(entrena: Entrena) -> None:
    shop(60).write_csv("t.csv")
    command = [sys.executable, "-m", "entrena", "train", "-", "-t", "price", *SHORT]
    subprocess.run(command, input=Path("t.csv").read_bytes(), check=True, capture_output=True)
    (run,) = Path("runs").iterdir()
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps({**status, "state": "interrupted"}))
    said = entrena("train", "--resume", run.name)
    assert said.code == 2
    assert f"cat FILE | entrena train - --resume {run.name}" in said.err


def test_what_steers_a_terminal_is_shown() -> None:
    assert visible("plain ä ÷") == "plain ä ÷"
    assert visible("a\x1b[2Jb\r\u2066") == "a\\x1b[2Jb\\r\\u2066"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", 1, "t.csv is empty"),
        (b"a,y\n1,2\n3,4,5\n", 1, "t.csv: row 3 has 3 values, the header has 2"),
        (b"a,y\n1,2\n\x00\x00,4\n5,6\n", 1, "NUL"),
        (b"a,y\n" + b"".join(b"%d,c%d\n" % (k, k // 2) for k in range(20_000)), 1, "has 10,000 classes; at most 2,000"),
        (
            b"a,y\n" + b"".join(b",%d\n" % k for k in range(60)),
            1,
            "no column is left to predict from: 'a' (ignore: empty)",
        ),
        (b"a,y\n1,\n2,\n", 1, "target y is missing in every row"),
        (b"PK\x03\x04" + bytes(100), 1, "t.csv"),
        (b"\x1f\x8b\x08" + bytes(50), 1, "t.csv"),
    ],
)
def test_bad_tables_end_in_one_message(content: bytes, code: int, message: str, entrena: Entrena) -> None:
    Path("t.csv").write_bytes(content)
    said = entrena("train", "t.csv", "-t", "y", *SHORT)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith("Error: ")
    assert said.err.count("\n") == 1
    assert message in said.err


def test_a_model_remembers_how_its_file_was_written(entrena: Entrena) -> None:
    days = [f"{1 + k % 28:02}/{1 + k % 12:02}/2023" for k in range(120)]
    amounts = [f"{1 + k % 9}.{100 + 7 * k % 900:03},50" for k in range(120)]
    frame = shop().with_columns(day=pl.Series(days), amount=pl.Series(amounts)).drop("note", "id")
    frame.write_csv("es.csv", separator=";", decimal_comma=True)
    said = entrena("train", "es.csv", "-t", "price", *SHORT)
    assert said.code == 0, said.err
    new = frame.drop("price").with_columns(day=pl.lit("03/07/2023"), amount=pl.lit("1.500")).head(3)
    new.write_csv("new.csv", separator=";", decimal_comma=True)
    sure = new.with_columns(day=pl.lit("2023-07-03"), amount=pl.lit(1500))
    sure.write_csv("sure.csv", separator=";", decimal_comma=True)
    assert entrena("predict", "last", "new.csv").out == entrena("predict", "last", "sure.csv").out


def test_predict_tells_what_was_not_seen_in_training(entrena: Entrena) -> None:
    assert entrena("train", write_shop(), "-t", "price", *SHORT).code == 0
    shop(5).with_columns(colour=pl.Series(["red", "violet", "violet", "green", None])).write_csv("new.csv")
    said = entrena("predict", "last", "new.csv", "-o", "out.csv")
    assert said.err == "colour: 2 rows with a value not seen in training, such as 'violet'\n5 predictions in out.csv\n"
    told = entrena("predict", "last", "new.csv", "--json")
    assert told.json["notes"] == ["colour: 2 rows with a value not seen in training, such as 'violet'"]
    assert told.err == ""


def test_a_run_by_its_own_name_and_the_last_with_a_model(entrena: Entrena) -> None:
    assert entrena("train", write_shop(), "-t", "price", *SHORT, "--name", "mine").code == 0
    assert entrena("predict", "mine", "shop.csv").code == 0
    # A column that is no number fails before anything is trained, and leaves no run in the way.
    failed = entrena("train", "shop.csv", "-t", "price", *SHORT, "--role", "note=number")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err == (
        "Error: shop.csv: column 'note', row 2 holds 'number 0 is a very long story' where a number is needed\n"
    )
    assert len(list(Path("runs").iterdir())) == 1
    assert entrena("predict", "last", "shop.csv").code == 0


def test_what_a_person_would_notice_is_said(entrena: Entrena) -> None:
    gaps = ["k.A." if k % 9 == 0 else f"{k * 0.7:.2f}" for k in range(120)]
    frame = (
        shop().with_columns(weight=pl.Series(gaps), colour=pl.Series(["Red", "red", "green"] * 40)).drop("note", "id")
    )
    frame.write_csv("odd.csv")
    lines = entrena("train", "odd.csv", "-t", "price", *SHORT, "--no-save").out.splitlines()
    hints = [line for line in lines if line.startswith("  look at")]
    assert hints[0] == "  look at   colour: 'Red' and 'red' differ only in capitals or blanks"
    assert "numbers and 'k.A.' " in hints[1]
    assert hints[1].endswith("if that means missing, --missing k.A. (beside the other marks in use)")


def test_amounts_with_units_as_the_target_are_no_classes(entrena: Entrena) -> None:
    shop().with_columns(price=pl.Series([f"{k * 1.5:.1f}k" for k in range(120)])).write_csv("units.csv")
    said = entrena("train", "units.csv", "-t", "price", *SHORT)
    assert (said.code, said.err.startswith("Error: units.csv: target 'price' has 120 different texts such as ")) == (
        1,
        True,
    )
    assert "leave in the cells nothing but the number" in said.err


def test_show_tells_how_the_table_was_read(entrena: Entrena) -> None:
    assert entrena("train", write_shop(), "-t", "price", *SHORT).code == 0
    out = entrena("show", "last").out
    assert "  read      separator ;, decimal comma\n" in out
    assert "  columns   2: size, colour (1 number, 1 category)\n" in out
    assert "  left out  id (consecutive whole numbers, each once), note (96 different texts in 96 rows)\n" in out


def test_categories_by_the_target_and_rare_levels_are_told(entrena):
    towns = [f"town {k % 4}" for k in range(96)] + ["here", "there", "nowhere", "here"]
    rows = [f"{town},{k % 7},{k % 4 + k % 7}.5" for k, town in enumerate(towns)]
    Path("houses.csv").write_text("town,x,price\n" + "\n".join(rows) + "\n")
    choice = 'categories={name = "target", min_share = 0.05}'
    own = ("--target", "price", "--set", choice, "--set", "max_epochs=2", "--set", "hidden=[4]", "--name", "t")
    told = entrena("train", "houses.csv", *own, "--json").json
    n_rare = told["inputs"]["n_rare"]
    assert told["inputs"]["forms"] == {"target": 1} and n_rare in (2, 3)  # as the rows are split
    said = entrena("show", "t").out
    assert f"1 column: the target's mean in the level's rows; {n_rare} rare levels together as (rare)" in said
    assert entrena("predict", "t", "houses.csv", "-o", "out.csv").code == 0
    stream = entrena("train", "houses.csv", "--stream", *own[:4])
    assert (stream.code, stream.err) == (
        2,
        "Error: inputs.categories: 'target' needs the targets of all rows before the first: take frequency or "
        "embedding\n",
    )
