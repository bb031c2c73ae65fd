"""Files: which there are, what they hold, and the table that comes of it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from entrena.data.column_files import read_arrow, read_parquet
from entrena.data.dialect import ReadOptions, Request
from entrena.data.excel import OLD_EXCEL, ZIP, is_excel, read_excel
from entrena.data.json_lines import read_json_lines
from entrena.data.limits import check_size, most_bytes
from entrena.data.packed import PIECE, is_packed, unpack
from entrena.data.table import Table
from entrena.data.text_files import read_text
from entrena.errors import DataError, UsageError, nearest, shortened

STANDARD_INPUT = "-"
STANDARD_INPUT_NAME = "standard input"

TEXT, JSON_LINES, PARQUET, ARROW, EXCEL = "text", "JSON lines", "Parquet", "Arrow", "Excel"

FORMATS = {
    ".csv": TEXT,
    ".tsv": TEXT,
    ".txt": TEXT,
    ".parquet": PARQUET,
    ".arrow": ARROW,
    ".feather": ARROW,
    ".ipc": ARROW,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".xlsx": EXCEL,
    ".xls": EXCEL,
}
PACKED = (".gz", ".zst")
SUFFIXES = tuple(FORMATS)

# How the formats that can be told begin; Arrow streams begin with the mark of a message.
_SIGNATURES = {b"PAR1": PARQUET, b"ARROW1": ARROW, b"\xff\xff\xff\xff": ARROW, OLD_EXCEL: EXCEL, ZIP: EXCEL}
_BEGINS_WITH = {PARQUET: "PAR1", ARROW: "ARROW1", EXCEL: "the mark of a zip archive"}

# Options that have no meaning in a format, for it has types of its own.
_TYPED = ("separator", "decimal", "thousands", "encoding")
_MEANINGLESS = {PARQUET: _TYPED, ARROW: _TYPED, JSON_LINES: _TYPED, EXCEL: ("separator", "encoding")}

FOUND = ReadOptions()


def find_file(source: str | Path, other_names: tuple[str, ...] = ()) -> Path:
    """The path of a data file that exists and has a known suffix.

    Args:
        source: What the user typed.
        other_names: Names that may have been meant instead of a file: those of the embedded data sets.

    Raises:
        UsageError: There is no such file, it is a directory, or its suffix is unknown.
    """
    try:
        path = Path(source).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError):
        # A name that is too long, or of a user who does not exist.
        raise UsageError(f"there is no file {shortened(str(source), 200)}") from None
    if not exists:
        raise UsageError(_no_such_file(source, path, other_names))
    _check_ordinary(path, str(source))
    if format_of(path) is None:
        inner = Path(path.stem) if path.suffix.lower() in PACKED else path
        kind = f"files that end in {inner.suffix}" if inner.suffix else "files without a suffix"
        raise UsageError(
            f"{source}: {kind} cannot be read; {_suffixes('and')} can, and texts packed as {' or '.join(PACKED)}"
        )
    return path


def _check_ordinary(path: Path, source: str) -> None:
    """Raises a UsageError for all that only looks like a file: opening a pipe would wait for ever."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise UsageError(f"{source} is a directory; name one file, {_suffixes('or')}")
    if not stat.S_ISREG(mode):
        raise UsageError(f"{source} is no ordinary file; what comes through a pipe is read as - (standard input)")


def _suffixes(word: str) -> str:
    return f"{', '.join(SUFFIXES[:-1])} {word} {SUFFIXES[-1]}"


def format_of(path: Path) -> str | None:
    """The format that a file's name says, whether it is packed or not."""
    inner = Path(path.stem) if path.suffix.lower() in PACKED else path
    return FORMATS.get(inner.suffix.lower())


def _no_such_file(source: str | Path, path: Path, other_names: tuple[str, ...]) -> str:
    if path.is_symlink():
        return f"{source} is a link to {shortened(os.readlink(path), 200)}, and there is no such file"
    if not path.parent.is_dir():
        return f"there is no file {source}: its folder {path.parent} does not exist"
    try:
        files = [entry.name for entry in path.parent.iterdir() if format_of(entry) is not None]
    except OSError:
        files = []
    is_bare_name = "." not in path.name and str(source) == path.name
    what = "data set or file" if is_bare_name else "file"
    # Stems: two names that share no more than ".csv" are not alike.
    by_stem = {name.split(".")[0] or name: name for name in (*files, *(other_names if is_bare_name else ()))}
    like = nearest(path.name.split(".")[0] or path.name, by_stem)
    close = None if like is None else by_stem[like]
    if close is not None:
        meant = close if close in other_names else str(path.parent / close)
        return f"there is no {what} {source}: did you mean '{meant}'?"
    embedded = f"; the embedded data sets are {', '.join(other_names)}" if is_bare_name else ""
    return f"there is no {what} {source}{embedded}"


def read_file(
    source: str | Path,
    options: ReadOptions = FOUND,
    *,
    text_columns: Collection[str] = (),
    like: ReadOptions | None = None,
    targets: Collection[str] = (),
) -> Table:
    """A file as a table.

    Args:
        source: Its path, or `-` for what comes through standard input.
        options: How a text file is written, as far as the user says.
        text_columns: Columns that come as texts as they are written: `007` stays `007`.
        like: The `found` of the table that a model was trained with. Where a text file leaves its decimal mark or the
            order of its dates open, this decides; what a file shows counts for more.
        targets: Columns of classes. There a mark of a missing value, such as `-` or `NA`, is a class where it is about
            as frequent as others or the others are signs. A mapping names the classes that a model knows.

    Raises:
        UsageError: It is no ordinary file, or nothing comes through standard input.
        DataError: The file is empty, damaged, or not what its name says.
    """
    if str(source) == STANDARD_INPUT:
        return _read_standard_input(Request(options, text_columns, like, targets))
    # Absolute: no library shall take a name for an address or for a home directory.
    path = Path(source).absolute()
    name = path.name
    try:
        if not path.exists():
            raise UsageError(_no_such_file(source, path, ()))
        _check_ordinary(path, str(source))
        return _read(path, name, format_of(path) or TEXT, Request(options, text_columns, like, targets))
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from None


def _read(path: Path, name: str, expected: str | None, request: Request) -> Table:
    """Reads a file that may be packed; its first bytes count for more than its name."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise DataError(f"{name} is empty")
    if is_packed(start):
        return _read_packed(path, name, expected, request)
    actual = _format_by_start(start)
    if actual == EXCEL and start.startswith(ZIP) and not is_excel(path):
        raise DataError(f"{name} is a zip archive: unpack it, and name the file that was in it")
    if actual is None:
        if expected in _BEGINS_WITH:
            raise DataError(f"{name} is not {_a(expected)} file: it does not begin with {_BEGINS_WITH[expected]}")
        actual = expected or (JSON_LINES if _begins_with_object(start) else TEXT)
    _check_options(actual, name, request.options)
    if actual == TEXT:
        return read_text(path, name, request)
    if actual == JSON_LINES:
        return read_json_lines(path, name, request)[0]
    if actual == EXCEL:
        return read_excel(path, name, request)
    return (read_parquet if actual == PARQUET else read_arrow)(path, name, request)


def _check_options(kind: str, name: str, options: ReadOptions) -> None:
    """Raises a UsageError for an option that means nothing in a format."""
    for option in _MEANINGLESS.get(kind, ()):
        if getattr(options, option) is not None:
            raise UsageError(
                f"--{option} says how a text file is written, and {name} is {_a(kind)} file: leave the option out"
            )


def options_for(source: object, options: ReadOptions) -> ReadOptions:
    """The options that mean something for a further file, which may be in another format than the first."""
    kind = format_of(Path(source)) if isinstance(source, str | Path) else None
    nothing: dict[str, Any] = dict.fromkeys(_MEANINGLESS.get(kind or TEXT, ()))
    return replace(options, **nothing)


def streamed_format(start: bytes, expected: str | None, name: str, options: ReadOptions) -> str:
    """The format of what is read row by row: separated values or JSON lines.

    Args:
        start: The first bytes.
        expected: The format that the file's name says.
        name: What messages call the source.
        options: What the user said of it.

    Raises:
        DataError: The format cannot be read row by row.
        UsageError: An option means nothing in it.
    """
    if is_packed(start):
        raise DataError(
            f"{name} is compressed, and cannot be read row by row; unpack it first, or read it without --stream"
        )
    actual = _format_by_start(start) or expected or (JSON_LINES if _begins_with_object(start) else TEXT)
    if actual not in (TEXT, JSON_LINES):
        raise DataError(f"{name} is {_a(actual)} file, which cannot be read row by row; read it without --stream")
    _check_options(actual, name, options)
    return actual


def _begins_with_object(start: bytes) -> bool:
    return start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{")


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "AE" else f"a {kind}"


def _format_by_start(start: bytes) -> str | None:
    return next((kind for signature, kind in _SIGNATURES.items() if start.startswith(signature)), None)


def _read_packed(path: Path, name: str, expected: str | None, request: Request) -> Table:
    with TemporaryDirectory(prefix="entrena-") as folder:
        unpacked = Path(folder, "unpacked")
        with unpacked.open("wb") as out:
            unpack(path, out, name)
        with unpacked.open("rb") as file:
            if is_packed(file.read(4)):
                raise DataError(f"{name} is packed twice: unpack it once")
        return _read(unpacked, name, expected, request)


def check_standard_input() -> None:
    """Raises a UsageError where nothing is piped in."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "- reads the table from standard input, and nothing is piped in: entrena train - --target NAME < table.csv"
        )


def _read_standard_input(request: Request) -> Table:
    """Reads what is piped in; its format is found from its first bytes."""
    name = STANDARD_INPUT_NAME
    check_standard_input()
    most = most_bytes()
    with TemporaryDirectory(prefix="entrena-") as folder:
        copy = Path(folder, "input")
        n_bytes = 0
        with copy.open("wb") as out:
            while piece := os.read(sys.stdin.fileno(), PIECE):
                n_bytes += len(piece)
                check_size(n_bytes, most, name, "sends")
                out.write(piece)
        return _read(copy, name, None, request)
