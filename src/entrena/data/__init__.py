"""What comes in: tables, arrays and embedded data sets become `Examples`, or one clear message.

The room promises that what leaves it can be trained on: inputs are finite numbers in one array, targets have no gaps,
columns have distinct names, and nothing was guessed or mended on the way. Where data cannot be used, the message names
the source, the column and the row as the user counts them. Nothing of the user's is ever written to. The room knows
neither recipes nor networks, and imports Polars only when a table is read, other data libraries never.
"""

from entrena.data.embedded import EMBEDDED, EmbeddedSet
from entrena.data.examples import Examples
from entrena.data.schema import Schema, class_numbers, infer_schema
from entrena.data.sources import read, read_inputs
from entrena.data.split import hold_out

__all__ = [
    "EMBEDDED",
    "EmbeddedSet",
    "Examples",
    "Schema",
    "class_numbers",
    "hold_out",
    "infer_schema",
    "read",
    "read_inputs",
]
