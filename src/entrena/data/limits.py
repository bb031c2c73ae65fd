"""Limits: what no table of a person needs, and what would otherwise fill the memory or take for ever."""

from __future__ import annotations

import os
from pathlib import Path

from entrena.errors import DataError

# A wider table has no person behind it; every column costs milliseconds and a line of output.
MOST_COLUMNS = 50_000

# A file without line ends is no table, and a reader of rows would hold all of it as one row.
LONGEST_LINE = 16 * 2**20

# Texts are packed to a tenth at best, tables of equal rows to a fiftieth; zeros to a thousandth.
MOST_UNPACKED_RATIO = 200
FREE_UNPACKED_BYTES = 100 * 2**20

# The cells of a sheet carry their places, so they pack less well; empty ones may not.
MOST_SHEET_RATIO = 50

# What is read is held about twice until its columns are made; the training needs room as well.
MEMORY_SHARE = 0.5

# Nested JSON is read by recursion, which a few thousand brackets overflow.
DEEPEST_NESTING = 64

# A value takes 8 bytes as a number, 16 as a text.
VALUE_BYTES = 8

# A cell of a sheet while Excel files are read: its value, its type, and their copy.
CELL_BYTES = 64

_GUESSED_MEMORY = 4 * 2**30


def available_memory() -> int:
    """The bytes that this process may still take, as far as the system tells."""
    found = [size for size in (_free_of_machine(), _free_of_group()) if size is not None]
    return min(found, default=_GUESSED_MEMORY)


def _free_of_machine() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _free_of_group() -> int | None:
    """What a container leaves: its limit less what it holds."""
    folder = Path("/sys/fs/cgroup")
    for most, now in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            limit = (folder / most).read_text(encoding="ascii").strip()
            used = (folder / now).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if limit.isdecimal() and used.isdecimal():
            return max(0, int(limit) - int(used))
    return None


def most_bytes() -> int:
    """The bytes that one table may take while it is read."""
    return int(available_memory() * MEMORY_SHARE)


def check_unpacked(n_bytes: int, n_packed: int, most: int, name: str, ratio: int = MOST_UNPACKED_RATIO) -> None:
    """Raises a DataError where a compressed file holds more than an honest one does, or than the memory.

    Args:
        n_bytes: What came out so far.
        n_packed: What went in so far.
        most: `most_bytes()` when the reading began.
        name: What messages call the file.
        ratio: How many times as large an honest file may become.
    """
    if n_bytes > FREE_UNPACKED_BYTES and n_bytes > ratio * n_packed:
        raise DataError(
            f"{name}: unpacks to more than {ratio} times its size, as no table does; if it is one, write it as CSV"
        )
    check_size(n_bytes, most, name, "unpacks to")


def check_size(n_bytes: int, most: int, name: str, what: str = "takes") -> None:
    """Raises a DataError where something would take more than the memory that is there."""
    if n_bytes > most:
        raise DataError(
            f"{name}: {what} at least {in_words(n_bytes)}, and the memory has room for {in_words(most)}; "
            "take fewer rows or columns"
        )


def check_columns(n_columns: int, name: str) -> None:
    """Raises a DataError where a table is too wide."""
    if n_columns > MOST_COLUMNS:
        raise DataError(f"{name} has {n_columns:,} columns; at most {MOST_COLUMNS:,} can be read")


def in_words(n_bytes: int) -> str:
    """A size, such as `1.5 GB`."""
    for unit, size in (("TB", 2**40), ("GB", 2**30), ("MB", 2**20)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes / 2**10:,.0f} kB"
