"""Tables as CSV or Parquet, to a file or the standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from entrena.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".csv", ".parquet")


def check_suffix(output: str | None) -> None:
    """Raises a UsageError where a file's name tells no format, before any work is done."""
    if output is not None and Path(output).suffix.lower() not in SUFFIXES:
        raise UsageError(f"-o {output}: name a file that ends in {' or '.join(SUFFIXES)}")


def write_table(columns: Mapping[str, np.ndarray], output: str | None) -> None:
    """Writes a table, a file whole or not at all; without a file, CSV goes to the standard output.

    Args:
        columns: [rows] values of each column, by its name.
        output: A file that ends in .csv or .parquet.

    Raises:
        StorageError: It could not be written.
    """
    import polars

    from entrena.storage import write_bytes

    # Objects are texts, whole numbers or truth values with gaps: as lists, Polars finds their type in all rows.
    plain = {name: values.tolist() if values.dtype == object else values for name, values in columns.items()}
    table, buffer = polars.DataFrame(plain, nan_to_null=True, infer_schema_length=None), BytesIO()
    if output is not None and Path(output).suffix.lower() == ".parquet":
        table.write_parquet(buffer)
    else:
        table.write_csv(buffer)
    if output is not None:
        write_bytes(output, buffer.getbuffer())
    else:  # As bytes: a table is UTF-8, whatever the terminal shows.
        sys.stdout.flush()
        sys.stdout.buffer.write(buffer.getvalue())
