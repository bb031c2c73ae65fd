"""The same table, written in every way that people write tables, gives the same columns bit by bit."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math

import numpy as np
import polars as pl
import pytest

from entrena.data.files import read_file
from tests.data.excel_files import write_excel

N_ROWS = 60


def rows():
    """The table as Python's own values, row by row."""
    generator = np.random.default_rng(3)
    colours = ("réd", "blau", "weiß; matt", "tab\there", 'with "quotes"', "a|b, c", "O'Hara")
    table = []
    for number in range(N_ROWS):
        price = round(float(generator.normal() * 10 ** generator.integers(0, 8)), int(generator.integers(1, 6)))
        moment = np.datetime64("2019-12-20T00:00:00") + np.timedelta64(int(generator.integers(0, 4000)) * 6, "h")
        table.append(
            {
                "price": price,
                "tiny": float(generator.normal()) * 1e-7,
                "count": int(generator.integers(-5000, 5_000_000)),
                "rooms": None if number % 7 == 3 else int(generator.integers(1, 12)),
                "zip": f"{generator.integers(0, 99999):05d}",
                "garden": bool(generator.random() < 0.5),
                "colour": None if number % 11 == 5 else colours[int(generator.integers(len(colours)))],
                "sold on": moment.astype("datetime64[us]").item(),
                "gap": None,
            }
        )
    table[0]["zip"] = "00712"
    # A file that ends in rows without a value in the last column, and one value that is missing everywhere.
    return table


NAMES = ("price", "tiny", "count", "rooms", "zip", "garden", "colour", "sold on", "gap")


def check(table):
    """Compares a table with what was written."""
    written = rows()
    assert table.names == NAMES and table.n_rows == N_ROWS
    for name, kind in zip(NAMES, "number number number number text boolean text date number".split(), strict=True):
        column = table.column(name)
        assert column.kind == kind, name
        values = [row[name] for row in written]
        if kind == "text":
            read = [column.levels[code] if code >= 0 else None for code in column.values]
            assert read == values and set(column.levels) == set(values) - {None}
            assert len(column.levels) == len(set(column.levels)) and column.values.dtype == np.int32
        elif kind == "date":
            assert column.values.dtype == np.dtype("datetime64[us]")
            assert column.values.tolist() == values
        elif kind == "boolean":
            assert column.values.dtype == bool and column.values.tolist() == values
        else:
            expected = np.array([math.nan if value is None else value for value in values], np.float64)
            assert column.values.astype(np.float64).tobytes() == expected.tobytes(), name


def plain(value):
    """A value as plain files have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "isoformat"):
        return value.isoformat(sep=" ")
    return value if isinstance(value, str) else repr(value)


def continental(value, mark="", spaces=False):
    """Numbers with a decimal comma, and groups of digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(value)
    text = f"{value:,}" if mark else repr(value)
    if isinstance(value, float) and mark and repr(value) != text.replace(",", ""):
        text = repr(value)
    return text.replace(",", "#").replace(".", ",").replace("#", mark)


def english(value):
    """Numbers with commas between their thousands."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(value)
    text = f"{value:,}"
    return text if text.replace(",", "") == repr(value) else repr(value)


def swiss(value):
    return value if isinstance(value, str) else english(value).replace(",", "'")


def day_first(value):
    return value.strftime("%d/%m/%Y %H:%M") if hasattr(value, "strftime") else plain(value)


def with_points(value):
    return value.strftime("%d.%m.%y %H:%M:%S") if hasattr(value, "strftime") else plain(value)


def american(value):
    return value.strftime("%m/%d/%Y %I:%M %p") if hasattr(value, "strftime") else plain(value)


def missing(mark):
    return lambda value: mark if value is None else plain(value)


def upper_truths(value):
    return str(value).upper() if isinstance(value, bool) else plain(value)


def text(write=plain, separator=",", end="\n", quote='"', quoting=csv.QUOTE_MINIMAL):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quotechar=quote, quoting=quoting)
    writer.writerow(NAMES)
    writer.writerows([write(row[name]) for name in NAMES] for row in rows())
    return out.getvalue()


DIALECTS = {
    "plain": (lambda: text().encode(), ""),
    "BOM": (lambda: ("\ufeff" + text()).encode(), ""),
    "CRLF": (lambda: text(end="\r\n").encode(), ""),
    "CR": (lambda: text(end="\r").encode(), ""),
    "blank end": (lambda: (text() + "\n\r\n  \n").encode(), ""),
    "no end": (lambda: text().rstrip("\n").encode(), ""),
    "semicolons, decimal comma": (
        lambda: text(continental, ";").encode(),
        "separator ;, decimal comma",
    ),
    "semicolons, decimal comma, thousands": (
        lambda: text(lambda value: continental(value, "."), ";").encode(),
        "separator ;, decimal comma, thousands .",
    ),
    "French": (
        lambda: text(lambda value: continental(value, "\u202f"), ";").encode(),
        "separator ;, decimal comma, thousands space",
    ),
    "Swiss": (
        lambda: text(swiss, ";").encode(),
        "separator ;, thousands '",
    ),
    "English thousands": (lambda: text(english).encode(), "thousands ,"),
    "commas for everything": (lambda: text(continental).encode(), "decimal comma"),
    "tabs": (lambda: text(separator="\t").encode(), "separator tab"),
    "bars": (lambda: text(separator="|").encode(), "separator |"),
    "spaces": (lambda: text(missing("NA"), separator=" ").encode(), 'separator space, missing "NA"'),
    "UTF-16": (lambda: text().encode("utf-16"), "UTF-16"),
    "UTF-16 LE": (lambda: text().encode("utf-16-le"), "UTF-16-LE"),
    "UTF-16 BE": (lambda: text().encode("utf-16-be"), "UTF-16-BE"),
    "Latin-1": (lambda: text().encode("latin-1"), "Latin-1"),
    "all quoted": (lambda: text(quoting=csv.QUOTE_ALL).encode(), ""),
    "all quoted, semicolons, decimal comma": (
        lambda: text(continental, ";", quoting=csv.QUOTE_ALL).encode(),
        "separator ;, decimal comma",
    ),
    "single quotes": (lambda: text(quote="'").encode(), "quotes '"),
    "all in single quotes": (lambda: text(quote="'", quoting=csv.QUOTE_ALL).encode(), "quotes '"),
    "gzip": (lambda: gzip.compress(text().encode()), ""),
    "gzip in parts": (lambda: gzip.compress(text().encode()[:700]) + gzip.compress(text().encode()[700:]), ""),
    "missing ?": (lambda: text(missing("?")).encode(), 'missing "?"'),
    "missing NA": (lambda: text(missing("NA")).encode(), 'missing "NA"'),
    "missing n/a": (lambda: text(missing("n/a")).encode(), 'missing "n/a"'),
    "missing -": (lambda: text(missing("-")).encode(), 'missing "-"'),
    "missing null": (lambda: text(missing("null")).encode(), 'missing "null"'),
    "missing NaN": (lambda: text(missing("NaN")).encode(), 'missing "NaN"'),
    "days first": (lambda: text(day_first).encode(), "dates day first"),
    "days first with points": (lambda: text(with_points).encode(), "dates day first"),
    "months first": (lambda: text(american).encode(), "dates month first"),
    "TRUE and FALSE": (lambda: text(upper_truths).encode(), ""),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_gives_the_same_table(tmp_path, name):
    content, said = DIALECTS[name]
    path = tmp_path / ("t.csv.gz" if "gzip" in name else "t.csv")
    path.write_bytes(content())
    table = read_file(path)
    check(table)
    assert table.said == said
    assert table.place.source == path.name and table.place.first_row == 2


def test_zstd(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "t.csv.zst"
    path.write_bytes(pyarrow.Codec("zstd").compress(text().encode(), asbytes=True))
    check(read_file(path))


def frame():
    """The table as a Polars frame."""
    return pl.DataFrame(rows(), infer_schema_length=None)


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "feather", "ipc"])
def test_files_of_columns_give_the_same_table(tmp_path, suffix):
    path = tmp_path / f"[a]*.{suffix}"
    frame().write_parquet(path) if suffix == "parquet" else frame().write_ipc(path)
    table = read_file(path)
    check(table)
    assert table.said == "" and table.place.first_row == 1


def test_arrow_streams_and_packed_files_give_the_same_table(tmp_path):
    frame().write_ipc_stream(tmp_path / "t.arrow")
    check(read_file(tmp_path / "t.arrow"))
    path = tmp_path / "t.parquet.gz"
    content = io.BytesIO()
    frame().write_parquet(content)
    path.write_bytes(gzip.compress(content.getvalue()))
    check(read_file(path))


@pytest.mark.parametrize("leave_out", [False, True])
def test_json_lines_give_the_same_table(tmp_path, leave_out):
    lines = []
    for row in rows():
        row["sold on"] = row["sold on"].isoformat()
        # The first line names all columns in their order.
        lines.append(json.dumps({k: v for k, v in row.items() if v is not None or not (leave_out and lines)}))
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    check(read_file(path))
    (tmp_path / "t.ndjson.gz").write_bytes(gzip.compress(("\n".join(lines) + "\n\n").encode()))
    check(read_file(tmp_path / "t.ndjson.gz"))


def test_excel_gives_the_same_table(tmp_path):
    pytest.importorskip("fastexcel")
    values = [[row[name] for name in NAMES] for row in rows()]
    table = read_file(write_excel(tmp_path / "t.xlsx", [NAMES, *values]))
    check(table)
    assert table.said == "" and table.place.first_row == 2
