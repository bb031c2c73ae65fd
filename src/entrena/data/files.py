"""Files: CSV and Parquet as Polars frames, and what to say of a file that cannot be read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from entrena.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".csv", ".parquet")

# From so many rows Polars guesses the types of a CSV file's columns; where a later row does not fit, all rows are
# looked at, which takes ten times as long.
ROWS_TO_GUESS_TYPES = 1000

# The first bytes of files that carry the wrong name.
_SIGNATURES = {
    b"PAR1": "a Parquet file: name it .parquet",
    b"PK\x03\x04": "a zip archive or an Excel file: export it as CSV",
    b"\x1f\x8b": "compressed with gzip: unpack it",
    b"\xd0\xcf\x11\xe0": "an old Excel file: export it as CSV",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
}


def find_file(source: str | Path, other_names: tuple[str, ...] = ()) -> Path:
    """The path of a data file that exists and has a known suffix.

    Args:
        source: What the user typed.
        other_names: Names that may have been meant instead of a file: those of the embedded data sets.

    Raises:
        UsageError: There is no such file, it is a directory, or its suffix is unknown.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        raise UsageError(f"{source} is a directory; name one file, {' or '.join(SUFFIXES)}")
    if not path.exists():
        raise UsageError(_no_such_file(source, path, other_names))
    if not path.is_file():
        raise UsageError(f"{source} is no ordinary file")
    if path.suffix.lower() not in SUFFIXES:
        kind = f"files that end in {path.suffix}" if path.suffix else "files without a suffix"
        raise UsageError(f"{source}: {kind} cannot be read yet; {' and '.join(SUFFIXES)} can")
    return path


def _no_such_file(source: str | Path, path: Path, other_names: tuple[str, ...]) -> str:
    if not path.parent.is_dir():
        return f"there is no file {source}: its folder {path.parent} does not exist"
    try:
        files = [entry.name for entry in path.parent.iterdir() if entry.suffix.lower() in SUFFIXES]
    except OSError:
        files = []
    is_bare_name = "." not in path.name and str(source) == path.name
    what = "data set or file" if is_bare_name else "file"
    # Stems: two names that share no more than ".csv" are not alike.
    by_stem = {Path(name).stem: name for name in (*files, *(other_names if is_bare_name else ()))}
    like = nearest(path.stem, by_stem)
    close = None if like is None else by_stem[like]
    if close is not None:
        meant = close if close in other_names else str(path.parent / close)
        return f"there is no {what} {source}: did you mean '{meant}'?"
    embedded = f"; the embedded data sets are {', '.join(other_names)}" if is_bare_name else ""
    return f"there is no {what} {source}{embedded}"


def read_file(path: Path) -> pl.DataFrame:
    """A CSV or Parquet file as a frame; names and types are Polars', values are not checked.

    Raises:
        DataError: The file is empty, damaged, or not what its name says.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror}") from None
    if not start:
        raise DataError(f"{path.name} is empty")
    return _read_parquet(path, start) if path.suffix.lower() == ".parquet" else _read_csv(path, start)


def _read_parquet(path: Path, start: bytes) -> pl.DataFrame:
    import polars as pl

    if start != b"PAR1":
        raise DataError(f"{path.name} is not a Parquet file: it does not begin with PAR1")
    try:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    # Polars panics on some damaged files, and its PanicException is no Exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise DataError(f"{path.name} is a damaged Parquet file ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _read_csv(path: Path, start: bytes) -> pl.DataFrame:
    import polars as pl

    for signature, meaning in _SIGNATURES.items():
        if start.startswith(signature):
            raise DataError(f"{path.name} is not a CSV file but {meaning}")
    header = _read_header(path)
    try:
        try:
            frame = pl.read_csv(path, glob=False, infer_schema_length=ROWS_TO_GUESS_TYPES)
        except pl.exceptions.ComputeError:
            frame = pl.read_csv(path, glob=False, infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        refuse_malformed(path)
        raise DataError(f"{path.name} cannot be read as CSV ({_first_line(error)})") from None
    if len(header) != frame.width:
        raise DataError(f"{path.name}: the header has {len(header)} names and the table {frame.width} columns")
    # Polars renames equal names; these were checked to be distinct.
    frame.columns = header
    return _without_empty_end(frame)


def _read_header(path: Path) -> list[str]:
    """The names in the first row that is not blank, without spaces around them."""
    header = next((fields for _, fields in _rows(path) if fields), None)
    if header is None:
        raise DataError(f"{path.name} is empty")
    names = [name.strip() for name in header]
    if len(names) == 1:
        for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in names[0]:
                raise DataError(f"{path.name}: values are separated by {word}; they must be separated by commas")
    distinct = len(set(names)) == len(names)
    if all(_is_number(name) for name in names) and not (distinct and all(name.isdecimal() for name in names)):
        raise DataError(
            f"{path.name}: the first row holds numbers ({', '.join(names[:4])}, …); it must name the columns"
        )
    check_names(names, path.name)
    return names


def check_names(names: list[str], source: str) -> None:
    """Raises a DataError where a column has no name or two have the same."""
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise DataError(
                f"{source}: column {number} has no name; name it or leave it out "
                "(pandas writes row numbers so: to_csv(…, index=False) leaves them out)"
            )
        if name in seen:
            raise DataError(f"{source}: columns {seen[name]} and {number} are both called '{name}'; names must differ")
        seen[name] = number


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _without_empty_end(frame: pl.DataFrame) -> pl.DataFrame:
    """Without blank lines at the end of the file, which hold no data."""
    n_rows = frame.height
    while n_rows and all(value is None for value in frame.row(n_rows - 1)):
        n_rows -= 1
    return frame.head(n_rows)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The file's rows as the user counts them, read by Python's own reader: slow, and it says what is wrong."""
    csv.field_size_limit(2**31 - 1)
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, fields in enumerate(csv.reader(file, strict=True), start=1):
                yield number, fields
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not a CSV file in UTF-8: {_not_utf8(path)}; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path.name}: row {number + 1} is malformed: {error}") from None
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror}") from None


def _not_utf8(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f"line {number} holds the byte 0x{line[error.start]:02x}"
    return "it ends in the middle of a character"


def refuse_malformed(path: Path) -> None:
    """Raises a DataError that names the first row of a CSV file that does not fit its header, if there is one."""
    n_columns = 0
    blank = None
    for number, fields in _rows(path):
        if not n_columns:
            n_columns = len(fields)
        elif not fields:
            # A blank line is only one in the middle when something follows it.
            blank = blank or number
        elif blank is not None:
            raise DataError(f"{path.name}: row {blank} is blank; delete the line")
        elif len(fields) != n_columns:
            values = f"{len(fields)} value{'s' if len(fields) > 1 else ''}"
            raise DataError(f"{path.name}: row {number} has {values}, the header has {n_columns}")
