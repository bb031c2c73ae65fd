"""Dates: a moment as the numbers that people name it by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from entrena.data.dates import as_moments

__all__ = ["PARTS", "as_moments", "date_parts"]

# What a date gives to the network, each one number: only those that vary in the training rows.
PARTS = ("year", "month", "day", "weekday", "hour", "minute")

_THURSDAY = 3  # 1970-01-01, counted from Monday = 0


def date_parts(moments: np.ndarray, parts: Sequence[str] = PARTS) -> tuple[np.ndarray, ...]:
    """The parts of moments, in the proleptic Gregorian calendar.

    Args:
        moments: [rows] datetime64.
        parts: Which, of `PARTS`; weekday 0 is Monday.

    Returns:
        For each part [rows] in float32, which holds it exactly; NaN where there is no moment.
    """
    days = moments.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    absent = np.isnat(moments)

    def part(name: str) -> np.ndarray:
        if name == "year":
            return months.astype("datetime64[Y]").astype(np.int64) + 1970
        if name == "month":
            return months.astype(np.int64) % 12 + 1
        if name == "day":
            return (days - months.astype("datetime64[D]")).astype(np.int64) + 1
        if name == "weekday":
            return (days.astype(np.int64) + _THURSDAY) % 7
        minutes = (moments.astype("datetime64[m]") - days.astype("datetime64[m]")).astype(np.int64)
        return minutes // 60 if name == "hour" else minutes % 60

    found = []
    for name in parts:
        numbers = part(name).astype(np.float32)
        numbers[absent] = np.nan
        found.append(numbers)
    return tuple(found)
