"""Text files for tests of readers, and what comes out of them as plain values."""

from __future__ import annotations

import pytest

from entrena.data.files import read_file
from entrena.errors import DataError


def read(folder, content, **more):
    """The table of a file `t.csv` with this content."""
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, **more)


def refusal(folder, content, **more):
    """The message about a file that is no table."""
    with pytest.raises(DataError) as caught:
        read(folder, content, **more)
    return str(caught.value)


def values(table, name):
    """A column's values as Python has them, None where one is missing."""
    column = table.column(name)
    if column.kind == "text":
        return [column.levels[code] if code >= 0 else None for code in column.values]
    return [None if gap else v for v, gap in zip(column.values.tolist(), column.missing(), strict=True)]
