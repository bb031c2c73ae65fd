"""Columns of a pandas frame in the types that they had, where that is certain; values decide, never a guess."""

from __future__ import annotations

from typing import Any

import numpy as np

from entrena.data.table import text_of

WHOLE = 1e-6  # numbers that are so near to whole ones, in shares of themselves, are these


def in_type(series: Any, dtype: Any) -> Any:
    """A column in the type of the column that it stands for; as it is where its values do not fit that type.

    Args:
        series: Of pandas: float64, texts, truth values or moments without a time zone, as they come back from inputs.
        dtype: Of the column in `fit`.
    """
    kind = getattr(dtype, "kind", "O")
    if hasattr(dtype, "categories"):
        return _categories(series, dtype)
    if kind == "M" and series.dtype.kind == "M":
        if not isinstance(dtype, np.dtype) and not hasattr(dtype, "tz"):
            return series  # Arrow's moments hide whether they have a zone
        zone = getattr(dtype, "tz", None)
        if zone is not None:
            # Of the hour that clocks show twice in autumn the first; of that which they skip in spring its end.
            first = np.ones(len(series), bool)
            series = series.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
        return series.astype(dtype)
    if kind in "iu" and series.dtype.kind == "f":
        return _whole(series, dtype)
    if kind == "f" and series.dtype.kind == "f":
        return series.astype(dtype)
    if kind == "b" and (not isinstance(dtype, np.dtype) or not series.isna().any()):
        return series.astype(dtype)
    # Types of texts: that of pandas' own, Arrow's, and objects.
    is_of_texts = str(dtype) in ("object", "str") or str(dtype).startswith("string")
    return series.astype(dtype) if is_of_texts and series.dtype.kind == "O" else series


def _categories(series: Any, dtype: Any) -> Any:
    """Texts as the categories that they stand for, unless one stands for none, as `(rare)` does."""
    of_text = {text_of(category): category for category in dtype.categories}
    texts = [None if value != value else value for value in series.tolist()]
    if len(of_text) < len(dtype.categories) or any(text is not None and text not in of_text for text in texts):
        return series
    own = [None if text is None else of_text[text] for text in texts]
    return type(series)(own, index=series.index, name=series.name, dtype=dtype)


def _whole(series: Any, dtype: Any) -> Any:
    """Numbers as whole ones, where all are but for rounding and fit the type."""
    values = series.to_numpy()
    present = values[~np.isnan(values)]
    near = np.rint(present)
    if len(present) < len(values) and isinstance(dtype, np.dtype):
        return series
    bits, is_signed = 8 * dtype.itemsize, dtype.kind == "i"
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1)) if is_signed else (0.0, 2.0**bits)
    if not ((np.abs(present - near) <= WHOLE * np.maximum(1, np.abs(near))) & (near >= low) & (near < high)).all():
        return series
    return series.round().astype(dtype)
