"""The way back: from the network's inputs to the columns of a table.

The steps are undone in the opposite order: rotation, scale and shift, transform, and then each column is put together
from its inputs. What was lost on the way does not come back: small components that were left out, gaps that no input
tells of, levels that share a number, seconds of a date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from entrena.data.table import Column
from entrena.preprocessing.categories import RARE
from entrena.preprocessing.dates import CYCLIC, days_of_month, parts_of
from entrena.preprocessing.encoding import Encoding
from entrena.preprocessing.preprocessor import Preprocessor
from entrena.preprocessing.transforms import inverse_of

BLOCK_VALUES = 2**22  # distances between rows and levels that are looked at together
FIRST_YEAR, LAST_YEAR = 1, 9999


def columns_of(preprocessor: Preprocessor, inputs: np.ndarray) -> tuple[Column, ...]:
    """The columns that inputs stand for.

    Args:
        preprocessor: What made them.
        inputs: [rows, n_features], as `transform` writes them.

    Returns:
        The columns in their order: numbers in float64, NaN where an input tells of a gap; truth values as 0, 1 and NaN;
        dates to the minute; of a category the level whose inputs are nearest, and none where it was not seen.
    """
    plan, n_rows = preprocessor, len(inputs)
    inputs = np.asarray(inputs, np.float64)
    straight, codes = inputs[:, : plan.n_dense], inputs[:, plan.n_dense :].T
    if plan.rotation is not None:
        straight = plan.rotation.undo(straight)
    straight = np.zeros((n_rows, 0)) if plan.constant is not None else straight * plan.scale + plan.shift
    rest = iter(straight.T)
    numbers = [next(rest) for _ in plan.fill]
    if plan.parameters.shape[1]:
        numbers = [
            values if np.isnan(own[0]) else inverse_of(plan.settings.transform, own)(values)
            for values, own in zip(numbers, plan.parameters, strict=True)
        ]
    gaps = {each.name: next(rest) > 0.5 for each in plan.encodings if each.indicator}
    levels = {each.name: _one_hot_numbers(each, rest, n_rows) for each in plan.encodings if each.form == "one_hot"}
    levels |= dict(zip((each.name for each in plan.encodings if each.form == "embedding"), codes, strict=True))
    found, of_number, left_out = [], iter(numbers), iter(plan.left_out.tolist())
    for encoding in plan.encodings:
        own = [next(of_number) for _ in encoding.parts]
        if encoding.role == "category":
            found.append(_category(encoding, own, levels.get(encoding.name), n_rows))
            continue
        missing = gaps.get(encoding.name, np.full(n_rows, encoding.missing == 1))
        parts = dict(zip(encoding.parts, own, strict=True))
        for part in parts_of(plan.settings.dates) if encoding.role == "date" else ("",):
            if part not in parts:
                parts[part] = np.full(n_rows, next(left_out))
        found.append(_column(encoding, parts, missing))
    return tuple(found)


def _column(encoding: Encoding, parts: Mapping[str, np.ndarray], missing: np.ndarray) -> Column:
    """A column of numbers, truth values or dates from its parts."""
    if encoding.role == "date":
        return Column(encoding.name, "date", np.where(missing, np.datetime64("NaT", "us"), moments_of(parts)))
    values = parts[""]
    if encoding.role == "boolean":
        return Column(encoding.name, "boolean", np.where(missing, np.nan, values > 0.5).astype(np.float32))
    return Column(encoding.name, "number", np.where(missing, np.nan, values))


def moments_of(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The moments that parts of dates stand for, to the minute.

    Args:
        parts: By their names [rows] numbers, or sines and cosines in their place; they need not be exact.
    """

    def number(name: str, length: int | np.ndarray, first: int = 0) -> np.ndarray:
        if name in parts:
            return np.clip(np.rint(parts[name]), first, first + length - 1).astype(np.int64)
        sine, cosine = (parts[part] for part in CYCLIC[name])
        turn = np.arctan2(sine, cosine) / (2 * np.pi)
        return np.rint(turn * length).astype(np.int64) % length + first

    year = np.clip(np.rint(parts["year"]), FIRST_YEAR, LAST_YEAR).astype(np.int64)
    months = ((year - 1970) * 12 + number("month", 12, 1) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (number("day", days_of_month(months), 1) - 1)
    minutes = number("hour", 24) * 60 + number("minute", 60)
    return days.astype("datetime64[us]") + minutes.astype("timedelta64[m]")


def _one_hot_numbers(encoding: Encoding, inputs: Iterator[np.ndarray], n_rows: int) -> np.ndarray:
    """[rows] the number of the level whose input is greatest; where all are equally small there is none."""
    values = np.stack([next(inputs) for _ in range(encoding.n_one_hot)])
    if encoding.levels.n == 2:
        return np.where(values[0] > 0.5, 2, 1)
    return values.argmax(axis=0) + 1


def _category(encoding: Encoding, numbers: list[np.ndarray], codes: np.ndarray | None, n_rows: int) -> Column:
    """A category from the numbers of its levels, or from those that stand for them."""
    levels = encoding.levels
    if numbers:
        codes = _nearest(np.stack(numbers, axis=1), encoding.values[1:]) + 1
    elif codes is None:  # left out: its only level, or none that can be told from the others
        codes = np.full(n_rows, 1 if levels.n == 1 else 0)
    texts = (*levels.texts, RARE) if levels.n_rare else levels.texts
    n_texts = len(levels.texts)
    # By a level's number its place among the texts; −1: not seen, or missing.
    places = [-1, *range(n_texts), *([-1] if levels.has_missing else []), *([n_texts] if levels.n_rare else [])]
    at = np.clip(np.rint(codes), 0, levels.n).astype(np.int64)
    return Column(encoding.name, "text", np.array(places, np.int32)[at], texts)


def _nearest(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[rows] the number of the nearest of [points, k]; the first where several are."""
    step = max(1, BLOCK_VALUES // max(1, points.size))
    found = [
        np.square(rows[start : start + step, None] - points).sum(axis=2).argmin(axis=1)
        for start in range(0, len(rows), step)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.int64)
