"""What becomes of each column: planned from its role and its training rows, then cut to the numbers that vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from entrena.data.roles import ColumnRole
from entrena.data.table import Table, as_texts
from entrena.errors import Problem, RecipeError
from entrena.preprocessing.categories import CATEGORIES, fit_levels, form_of
from entrena.preprocessing.columns import level_numbers
from entrena.preprocessing.dates import parts_of
from entrena.preprocessing.encoding import Encoding
from entrena.preprocessing.settings import InputSettings
from entrena.preprocessing.summaries import check_gaps
from entrena.preprocessing.target_encoding import EncodingTargets


def first_encoding(
    table: Table,
    role: ColumnRole,
    settings: InputSettings,
    weights: np.ndarray | None,
    targets: EncodingTargets | None,
) -> tuple[Encoding, np.ndarray | None]:
    """A category's plan with the shares of its one-hot levels; of another column all that it may give.

    Args:
        table: The training rows.
        role: What the column is.
        settings: What to do.
        weights: [rows] as `check_weights` returns them.
        targets: Of the training rows, for target encoding; else None.

    Raises:
        DataError: A gap is refused.
        RecipeError: A column has too many levels for the chosen form, or the targets are not known.
    """
    if role.role != "category":
        return Encoding(role.name, role.role, 0.0, parts_of(settings.dates) if role.role == "date" else ("",)), None
    column = as_texts(table, role.name)
    if settings.missing.name == "refuse":
        there = None if weights is None else np.flatnonzero(weights > 0)
        missing = column.missing()
        check_gaps(missing if there is None else missing[there], there, role.name, table)
    choice = settings.categories
    levels, shares = fit_levels(column, weights, float(CATEGORIES.settings_of(choice)["min_share"] or 0))
    form = form_of(choice, role.name, levels.n) if levels.n > 1 else ""
    missing_share = float(shares[1 + len(levels.texts)]) if levels.has_missing else 0.0
    encoding = Encoding(role.name, role.role, missing_share, form=form, levels=levels)
    if form == "frequency":
        # Of levels that are told apart no more the share is not that of one level.
        values = np.concatenate([[0.0], shares[1:]])[:, None]
        return replace(encoding, parts=("share",), values=values), None
    if form == "target":
        if targets is None:
            said = "'target' needs the targets of the training rows, and there are none: take frequency or embedding"
            raise RecipeError([Problem("inputs.categories", said)])
        codes = level_numbers(table, table.columns[table.names.index(role.name)], levels).whole()
        values = targets.of_levels(codes, levels.n)
        return replace(encoding, parts=targets.names, values=values), None
    return encoding, shares if form == "one_hot" else None


def with_numbers(
    encodings: Sequence[Encoding], varies: np.ndarray, missing: np.ndarray, *, is_told: bool
) -> list[Encoding]:
    """The plans with the numbers that vary only, and with what is missing.

    Args:
        encodings: The first plans.
        varies: [numbers] whether the training rows differ.
        missing: [numbers] the shares of the weight that are missing.
        is_told: Whether the network is told of gaps in numbers.
    """
    planned, at = [], 0
    for encoding in encodings:
        n = len(encoding.parts)
        if n:
            keep = varies[at : at + n]
            parts = tuple(part for part, kept in zip(encoding.parts, keep, strict=True) if kept)
            if encoding.role == "category":
                form = encoding.form if parts else ""
                encoding = replace(encoding, parts=parts, form=form, values=encoding.values[:, keep])
            else:
                share = float(missing[at])
                encoding = replace(encoding, missing=share, parts=parts, indicator=is_told and 0 < share < 1)
        planned.append(encoding)
        at += n
    return planned
