"""What comes in: tables, arrays and embedded data sets become `Examples`, or one clear message.

The room promises that what leaves it can be trained on: columns of known kinds with distinct names, targets without
gaps, rows split as was asked. How a file is written is found from its content and said, never guessed in silence. Where
data cannot be used, the message names the source, the column and the row as the user counts them. Nothing of the user's
is ever written to. The room knows neither recipes nor networks, and imports Polars only when a table is read, other
data libraries never.
"""

from entrena.data.dialect import ReadOptions
from entrena.data.duplicates import count_repeated
from entrena.data.embedded import EMBEDDED, EmbeddedSet
from entrena.data.examples import Examples
from entrena.data.roles import ColumnRole, check_columns, check_roles, infer_roles, roles_by_kind
from entrena.data.row_stream import RowStream
from entrena.data.schema import Schema, class_numbers, found_in, infer_schema, with_training
from entrena.data.sources import RowColumns, read, read_columns, read_inputs
from entrena.data.split import hold_out, split_rows
from entrena.data.table import Column, Table

__all__ = [
    "EMBEDDED",
    "Column",
    "ColumnRole",
    "EmbeddedSet",
    "Examples",
    "ReadOptions",
    "RowColumns",
    "RowStream",
    "Schema",
    "Table",
    "check_columns",
    "check_roles",
    "class_numbers",
    "count_repeated",
    "found_in",
    "hold_out",
    "infer_roles",
    "infer_schema",
    "read",
    "read_columns",
    "read_inputs",
    "roles_by_kind",
    "split_rows",
    "with_training",
]
