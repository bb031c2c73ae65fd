"""JSON as entrena writes it: only ASCII (a file name may hold bytes that are no UTF-8), NumPy's numbers as plain ones.

JSON has no NaN and no infinity. What other programs read (`to_json`) holds null in their place. What only entrena
reads back (`to_exact_json`) keeps them, as the words `NaN` and `Infinity` that Python's reader takes; there, whole
numbers keep all their digits, a float comes back bit by bit, and keys are sorted, so equal values give equal texts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np


def to_json(value: object, *, indent: int | None = None) -> str:
    """A JSON text that every program reads: a number that is not finite becomes null.

    >>> to_json({"loss": float("nan"), "epoch": 3})
    '{"loss": null, "epoch": 3}'
    """
    try:
        return json.dumps(value, allow_nan=False, indent=indent, default=_plain)
    except ValueError:  # Rare, so that the usual text is made without a look at each number.
        return json.dumps(without_non_finite(value), allow_nan=False, indent=indent, default=_plain)


def to_exact_json(value: object, *, indent: int | None = None) -> str:
    """A JSON text from which `json.loads` gives back the same value, also NaN and the infinities.

    >>> to_exact_json({"best": float("inf"), "state": 2**127})
    '{"best": Infinity, "state": 170141183460469231731687303715884105728}'
    """
    return json.dumps(value, indent=indent, default=_plain, sort_keys=True)


def without_non_finite(value: object) -> object:
    """The same value with None for each number that is not finite, at any depth."""
    if isinstance(value, Mapping):
        return {key: without_non_finite(item) for key, item in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return without_non_finite(value.tolist())
    if isinstance(value, list | tuple):
        return [without_non_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: object) -> object:
    """NumPy's numbers and arrays as plain ones, for `json`."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON: {value!r:.100}")
