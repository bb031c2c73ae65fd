"""Dates: a moment as the numbers that people name it by, round where the calendar is.

The registry `DATES` names the ways; its entries have no function of their own, and their details say which `parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from entrena.data.dates import as_moments
from entrena.registry import Choice, Entry, Registry

__all__ = ["CYCLIC", "DATES", "PARTS", "as_moments", "date_parts", "days_of_month", "parts_of"]

NUMBERS = ("year", "month", "day", "weekday", "hour", "minute")

# Sine and cosine of where in its cycle each stands: all but the year, which has none.
CYCLIC = {name: (f"{name} sin", f"{name} cos") for name in NUMBERS[1:]}

# All that a date may give to the network, each one number; a place among them is the part's number in a model file.
PARTS = (*NUMBERS, *(part for pair in CYCLIC.values() for part in pair))

_THURSDAY = 3  # 1970-01-01, counted from Monday = 0

# So many digits after the point: the sine of half a turn is 0 then, and a column of such no rounding that varies.
_DIGITS = 15

DATES = Registry(
    "inputs.dates",
    "Preprocessing",
    (
        Entry(
            "cyclic",
            "year; of month, day, weekday, hour and minute sin 2πp and cos 2πp, p: which part of its turn is over",
            "December lies next to January, Sunday next to Monday, 23 o'clock next to midnight. Only what varies in "
            "the training rows is an input.",
            details={"parts": ("year", *PARTS[len(NUMBERS) :])},
            other_names=("sin_cos", "sine", "circular", "cyclical", "trigonometric"),
        ),
        Entry(
            "numbers",
            "year, month 1 to 12, day 1 to 31, weekday 0 to 6 (Monday 0), hour and minute",
            "One number for each: half as many inputs, and the year's end a jump.",
            details={"parts": NUMBERS},
            other_names=("ordinal", "date_part", "plain"),
        ),
    ),
)


def parts_of(choice: Choice) -> tuple[str, ...]:
    """The parts of a date that a choice from `DATES` gives."""
    parts: tuple[str, ...] = DATES[choice.name].details["parts"]
    return parts


def days_of_month(months: np.ndarray) -> np.ndarray:
    """How many days months have, [rows] datetime64[M]."""
    first = months.astype("datetime64[D]")
    return ((months + 1).astype("datetime64[D]") - first).astype(np.int64)


def date_parts(moments: np.ndarray, parts: Sequence[str] = NUMBERS) -> tuple[np.ndarray, ...]:
    """The parts of moments, in the proleptic Gregorian calendar.

    Args:
        moments: [rows] datetime64.
        parts: Which, of `PARTS`; weekday 0 is Monday. A day's turn is as long as its month.

    Returns:
        For each part [rows], in float32 where that holds it exactly; NaN where there is no moment.
    """
    days = moments.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    absent = np.isnat(moments)

    def number(name: str) -> np.ndarray:
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

    def turn(name: str) -> np.ndarray:
        """Where in its cycle, from 0 to below 1."""
        if name in ("month", "day"):
            return (number(name) - 1) / (12 if name == "month" else np.where(absent, 1, days_of_month(months)))
        return number(name) / {"weekday": 7, "hour": 24, "minute": 60}[name]

    found = []
    for part in parts:
        name, _, wave = part.partition(" ")
        if wave:
            function: Callable[[np.ndarray], np.ndarray] = np.sin if wave == "sin" else np.cos
            numbers = np.round(function(2 * np.pi * turn(name)), _DIGITS)
        else:
            numbers = number(name).astype(np.float32)
        numbers[absent] = np.nan
        found.append(numbers)
    return tuple(found)
