"""The preprocessor: the columns of a table as the network's inputs, by what the training rows show of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from entrena.data.roles import ColumnRole
from entrena.data.table import Table, as_texts
from entrena.errors import DataError, shortened
from entrena.preprocessing.categories import fit_levels, form_of, one_hot_means, one_hot_rows
from entrena.preprocessing.columns import gaps_of, level_numbers, number_blocks, truths
from entrena.preprocessing.condition import MOST_COLUMNS, condition_number, rows_with, sample
from entrena.preprocessing.dates import PARTS
from entrena.preprocessing.decorrelation import Rotation, fit_rotation
from entrena.preprocessing.encoding import Encoding, encodings_from_arrays, encodings_to_arrays
from entrena.preprocessing.number_statistics import (
    fit_numbers,
    needs_quartiles,
    of_channels,
    statistics_of,
    transforms_of,
)
from entrena.preprocessing.principal_components import Rows
from entrena.preprocessing.scaling import SCALES
from entrena.preprocessing.settings import InputSettings
from entrena.preprocessing.statistics import check_weights, in_pieces, pieces
from entrena.preprocessing.summaries import check_gaps, summarize

# Beyond this, the difference of two finite numbers may be infinite.
_LARGE = np.finfo(np.float64).max / 4


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """From columns to the network's inputs: gaps filled, numbers transformed, shifted and scaled, categories coded.

    Before a rotation the inputs stand in this order: numbers (truth values and the parts of dates among them) as
    x′ = (x − shift)/scale; for columns that had gaps in training, whether there is one; one-hot levels; last the level
    numbers of embedded categories, 0 for a level that was not seen. Each group is in the order of the columns. A
    rotation puts components in the place of all but the last group.

    Attributes:
        settings: What was chosen.
        encodings: [columns] what becomes of each.
        fill: [numbers] their medians, for gaps.
        mean: [numbers] their means in the training rows, gaps filled, transformed.
        deviation: [numbers] their standard deviations, likewise.
        shift: [n_straight] float64.
        scale: [n_straight] float64, above 0; 1 for all but numbers.
        parameters: [numbers, ?] what the transform knows of each; NaN in rows of those that are not transformed.
        rotation: What makes components of all of these, or None.
        conditions: κ of the covariance of the inputs before (numbers as they were, gaps filled) and after; None where
            it was not computed.
        constant: Where no column varies in the training rows: the value of the one input that there is; else None.
    """

    settings: InputSettings
    encodings: tuple[Encoding, ...]
    fill: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    parameters: np.ndarray
    rotation: Rotation | None = None
    conditions: tuple[float | None, float | None] = (None, None)
    constant: float | None = None

    @classmethod
    def fit(
        cls,
        inputs: Table,
        roles: Sequence[ColumnRole],
        settings: InputSettings,
        sample_weight: np.ndarray | None = None,
        *,
        keep_constant: bool = False,
    ) -> Preprocessor:
        """Learns from training rows.

        Args:
            inputs: The training rows; other rows of the same columns are not looked at.
            roles: What each column is: number, boolean, category or date.
            settings: What to do.
            sample_weight: [rows] weights; rows of weight 0 are as if they were not there.
            keep_constant: Whether a number that is the same in all of these rows stays an input all the same, for rows
                that are still to come.

        Raises:
            DataError: The weights do not fit, a value is not what its role says, or a gap is refused.
            RecipeError: A column has too many levels for the chosen form.
        """
        table = inputs.pick([role.name for role in roles])
        weights = check_weights(sample_weight, table.n_rows)
        if not table.n_rows:
            raise DataError("there are no rows to compute means and deviations from")
        refuse = settings.missing.name == "refuse"
        fitted = [_first_encoding(table, role, settings, weights) for role in roles]
        encodings = [encoding for encoding, _ in fitted]
        numbers = number_blocks(table, encodings)
        found = summarize(numbers, weights, refuse=refuse)
        parameters = fit_numbers(numbers, encodings, settings.transform, weights)
        transforms = transforms_of(settings.transform, parameters)
        numbers = numbers.filled(found.median, has_gaps=bool(found.missing.any())).transformed(transforms)
        statistics = statistics_of(numbers, found, weights, quartiles=needs_quartiles(settings.scale))
        if table.image is not None:
            statistics = of_channels(statistics, table.image[2])
        entry = SCALES[settings.scale.name]
        assert entry.function is not None
        shift, scale = entry.function(statistics, settings.center)
        varies = (statistics.deviation > 0) | keep_constant | (table.image is not None)
        is_told = settings.missing.name == "indicator"
        encodings = _with_numbers(encodings, varies, found.missing, is_told=is_told)
        gaps = np.array([encoding.missing for encoding in encodings if encoding.indicator])
        levels = [one_hot_means(shares) for _, shares in fitted if shares is not None]
        means = np.concatenate([gaps, *levels]) if settings.center else np.zeros(len(gaps) + sum(map(len, levels)))
        constant = None
        all_shift = np.concatenate([shift[varies], means])
        all_scale = np.concatenate([scale[varies], np.ones(len(means))])
        if all(encoding.is_left_out for encoding in encodings):
            # A network needs an input: the first number, which says nothing, or a zero.
            constant = float(statistics.mean[0]) if len(shift) else 0.0
            all_shift, all_scale = (shift[:1], scale[:1]) if len(shift) else (np.zeros(1), np.ones(1))
        of_numbers = found.median[varies], statistics.mean[varies], statistics.deviation[varies]
        own = settings, tuple(encodings), *of_numbers, all_shift, all_scale, parameters[varies]
        straight = cls(*own, constant=constant)
        if constant is not None or not len(all_shift):
            return straight
        if weights is not None and not weights.all():  # rows of weight 0 may hold anything
            table, weights = table.take(np.flatnonzero(weights)), weights[weights > 0]
        done = straight
        if settings.decorrelate.name != "none":
            rows = straight.dense_rows(table, weights)
            done = replace(straight, rotation=fit_rotation(rows, settings.decorrelate, settings.components))
        return replace(done, conditions=done.condition_numbers(table))

    @property
    def n_columns(self) -> int:
        """The number of the table's columns."""
        return len(self.encodings)

    @property
    def n_straight(self) -> int:
        """The number of inputs that are numbers before a rotation."""
        return len(self.shift)

    @property
    def n_dense(self) -> int:
        """The number of inputs that are numbers; level numbers of embedded categories follow."""
        return self.n_straight if self.rotation is None else self.rotation.n

    @cached_property
    def is_plain(self) -> bool:
        """Whether each column is one input, a number, so that [rows, columns] numbers without gaps are easy."""
        plain = (each.role in ("number", "boolean") and each.parts == ("",) for each in self.encodings)
        is_small = max(np.abs(self.shift).max(initial=0), self.scale.max(initial=0)) <= _LARGE
        is_straight = self.rotation is None and self.settings.transform.name == "none"
        return (
            self.constant is None and is_straight and all(plain) and len(self.encodings) == self.n_features and is_small
        )

    @cached_property
    def n_levels(self) -> tuple[int, ...]:
        """The number of seen levels of each embedded category."""
        return tuple(encoding.levels.n for encoding in self.encodings if encoding.form == "embedding")

    @property
    def n_features(self) -> int:
        """The number of columns of what `transform` writes."""
        return self.n_dense + len(self.n_levels)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the inputs: `age`, `sold (month)`, `age (missing)`, `job=clerk`, `town`; `component 1`."""
        if self.constant is not None:
            return (next((each.name for each in self.encodings if each.role != "category"), self.encodings[0].name),)
        names = [name for encoding in self.encodings for name in encoding.number_names()]
        names += [encoding.gap_name() for encoding in self.encodings if encoding.indicator]
        names += [name for each in self.encodings if each.form == "one_hot" for name in each.one_hot_names()]
        if self.rotation is not None:
            names = [f"component {k + 1}" for k in range(self.rotation.n)]
        return (*names, *(encoding.name for encoding in self.encodings if encoding.form == "embedding"))

    def transform(
        self, inputs: Table, dtype: DTypeLike = np.float32, out: np.ndarray | None = None, *, keep_gaps: bool = False
    ) -> np.ndarray:
        """The network's inputs.

        Computed in float64 and rounded once, piece by piece.

        Args:
            inputs: A table with the columns of the training, in any order.
            dtype: The type of the result.
            out: [rows, n_features] of that type, where the result shall be written; None: a fresh array.
            keep_gaps: Whether a gap in a number stays one, as NaN.

        Returns:
            [rows, n_features], row after row in memory.

        Raises:
            DataError: A column is missing, a value is not what it was in training, a gap is refused, or a number is
                beyond the range of `dtype`.
        """
        table = self._columns_of(inputs)
        out = np.empty((table.n_rows, self.n_features), dtype) if out is None else out
        writers = self._writers(table, np.full(len(self.fill), np.nan) if keep_gaps else self.fill)

        def write(start: int, stop: int) -> None:
            piece = out[start:stop]
            # Too large for the result's type is found and told below.
            with np.errstate(over="ignore", invalid="ignore"):
                if self.rotation is None:
                    for writer in writers:
                        writer(start, stop, piece)
                else:
                    straight = self._straight(writers, start, stop, out.dtype)
                    piece[:, : self.n_dense] = self.rotation.apply(straight[:, : self.n_straight])
                    piece[:, self.n_dense :] = straight[:, self.n_straight :]
            self._check_range(piece, start, table, keep_gaps=keep_gaps)

        for _ in in_pieces(write, pieces(table.n_rows, self.n_features)):
            pass
        return out

    def condition_numbers(self, table: Table) -> tuple[float | None, float | None]:
        """κ before and after, of the training rows or a sample of them: a table of these columns, in their order."""
        if self.n_straight > MOST_COLUMNS:
            return None, None
        table = table.take(sample(table.n_rows, self.n_straight))
        with np.errstate(over="ignore", invalid="ignore"):
            rows = self.dense_rows(table, None, exact=True)
            after = rows.covariance
            if self.settings.transform.name == "none":  # the inputs before are these, but for shift and scale
                before = self.scale[:, None] * after * self.scale
            else:
                numbers = number_blocks(table, self.encodings).filled(self.fill, has_gaps=True)
                before = rows_with(numbers, rows).covariance
        kappa = condition_number(after) if self.rotation is None else self.rotation.condition
        return condition_number(before), kappa

    def dense_rows(self, table: Table, weights: np.ndarray | None, *, exact: bool = False) -> Rows:
        """The training rows as inputs before a rotation, block by block.

        Args:
            table: A table of these columns only, in their order.
            weights: [rows] above 0, or None.
            exact: Whether float32 is not enough, even where the table has no more.
        """
        is_narrow = not exact and table.matrix is not None and table.matrix.dtype == np.float32
        dtype, n, d = np.dtype(np.float32 if is_narrow else np.float64), table.n_rows, self.n_straight

        def read() -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
            writers = self._writers(table, self.fill)
            for start, stop in pieces(n, d):
                block = self._straight(writers, start, stop, dtype)[:, :d]
                yield block, None if weights is None else weights[start:stop]

        if self.settings.center and SCALES[self.settings.scale.name].details.get("shifts_by_mean"):
            return Rows.centred_already(read, d, n, float(n if weights is None else weights.sum()), dtype)
        return Rows.look(read)

    def _straight(self, writers: list[Writer], start: int, stop: int, dtype: np.dtype) -> np.ndarray:
        """[rows, inputs before a rotation] of some rows, embedded levels last."""
        block = np.empty((stop - start, self.n_straight + len(self.n_levels)), dtype)
        for writer in writers:
            writer(start, stop, block)
        return block

    def _columns_of(self, inputs: Table) -> Table:
        names = [encoding.name for encoding in self.encodings]
        if inputs.matrix is not None and inputs.matrix.shape[1] != len(inputs.names):
            n = self.n_columns
            raise DataError(f"inputs have shape {inputs.matrix.shape}; the model was trained on {n} columns")
        known = set(inputs.names)
        absent = [name for name in names if name not in known]
        if absent:
            listed = ", ".join(f"'{shortened(name)}'" for name in absent[:5])
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            inputs.place.refuse(f"there is no column {listed}{more}, which the model was trained on")
        table = inputs.pick(names)
        if self.settings.missing.name == "refuse":
            for encoding in self.encodings:
                if not encoding.is_left_out:
                    check_gaps(table.column(encoding.name).missing(), None, encoding.name, table)
        return table

    def _writers(self, table: Table, fill: np.ndarray) -> list[Writer]:
        """What writes the inputs of some rows, group by group."""
        if self.constant is not None:
            value = (np.array([self.constant]) - self.shift) / self.scale
            return [lambda start, stop, piece: np.copyto(piece, value, casting="same_kind")]
        columns = dict(zip(table.names, table.columns, strict=True))
        writers = [self._number_writer(table, fill)] if len(fill) else []
        at = len(self.fill)
        for encoding in self.encodings:
            if encoding.indicator:
                gaps = gaps_of(table, columns[encoding.name], encoding.role)
                writers.append(_gap_writer(gaps.piece, at, self.shift[at]))
                at += 1
        for encoding in self.encodings:
            if encoding.form == "one_hot":
                numbers = level_numbers(table, columns[encoding.name], encoding.levels)
                shift = self.shift[at : at + encoding.n_one_hot]
                writers.append(_level_writer(numbers.piece, at, one_hot_rows(shift, encoding.levels.n)))
                at += len(shift)
        for encoding in self.encodings:
            if encoding.form == "embedding":
                numbers = level_numbers(table, columns[encoding.name], encoding.levels)
                writers.append(_level_writer(numbers.piece, at, np.arange(encoding.levels.n + 1.0)[:, None]))
                at += 1
        return writers

    def _number_writer(self, table: Table, fill: np.ndarray) -> Writer:
        """x′ = (x − shift)/scale."""
        n = len(fill)
        numbers = number_blocks(table, self.encodings).filled(fill, has_gaps=True)
        numbers = numbers.transformed(transforms_of(self.settings.transform, self.parameters))
        shift, scale = self.shift[:n], self.scale[:n]
        # Halving both sides leaves the quotient and keeps the difference in range.
        half = np.float64(0.5 if max(np.abs(shift).max(), scale.max()) > _LARGE else 1.0)

        def write_array(start: int, stop: int, piece: np.ndarray) -> None:
            block = numbers.block(start, stop) * half
            block -= half * shift
            block /= half * scale
            piece[:, :n] = block

        def write_columns(start: int, stop: int, piece: np.ndarray) -> None:
            # One after the other, while they are in the processor's cache; turned once, in the narrower type.
            columns = np.empty((n, stop - start), piece.dtype)
            for j in range(n):
                values = numbers.column(j, start, stop) * half
                values -= half * shift[j]
                values /= half * scale[j]
                columns[j] = values
            piece[:, :n] = columns.T

        return write_columns if numbers.matrix is None or numbers.transforms is not None else write_array

    def _check_range(self, piece: np.ndarray, start: int, table: Table, *, keep_gaps: bool) -> None:
        finite = np.isfinite(piece)
        if keep_gaps:
            finite |= np.isnan(piece)
        if finite.all():
            return
        row, at = (int(index) for index in np.argwhere(~finite)[0])
        place, name = table.place, shortened(self.feature_names[at])
        place.refuse(
            f"{place.row(table.file_row(start + row))} of input '{name}' is beyond the range of {piece.dtype} after "
            "scaling; inputs.scale = standard keeps training rows near 0"
        )

    def unseen(self, inputs: Table) -> dict[str, tuple[int, str]]:
        """The columns with levels that the training rows did not show: in how many rows, and one of the levels."""
        found = {}
        for encoding in self.encodings:
            if encoding.form in ("one_hot", "embedding"):
                column = as_texts(inputs, encoding.name)
                is_new = np.array([*(encoding.levels.numbers(column.levels)[:-1] == 0), False])
            elif encoding.role == "boolean" and inputs.column(encoding.name).kind == "text":
                column = inputs.column(encoding.name)
                is_new = np.array([*np.isnan(truths(column)[:-1]), False])
            else:
                continue
            rows = is_new[column.values]
            if rows.any():
                found[encoding.name] = int(rows.sum()), column.levels[column.values[int(rows.argmax())]]
        return found

    def describe(self) -> list[dict[str, Any]]:
        """What became of each column, in plain values.

        Returns:
            For each column `name`, `role`, `features` (names of inputs), `missing` (share of the training rows),
            `constant` (whether it is left out) and `said` (what is unusual). A category has `form`, `n_levels` and
            `levels` (the first 20); others `numbers`: for each input its `median`, `mean` and `deviation`.
        """
        told, at = [], 0
        for encoding in self.encodings:
            rows = zip(self.fill[at:], self.mean[at:], self.deviation[at:], strict=True)
            numbers = [
                {"median": float(median), "mean": float(mean), "deviation": float(deviation)}
                for _, (median, mean, deviation) in zip(encoding.parts, rows, strict=False)
            ]
            told.append(encoding.describe(numbers))
            at += len(encoding.parts)
        return told

    def describe_inputs(self) -> dict[str, Any]:
        """The inputs together, in plain values.

        Returns:
            `inputs` (how many there are before a rotation), `condition_before` and `condition_after` (κ, or None), and
            `components`: as `Rotation.describe` has them, or None where nothing is rotated.
        """
        before, after = self.conditions
        components = None if self.rotation is None else self.rotation.describe()
        told = {"inputs": self.n_straight, "condition_before": before, "condition_after": after}
        return told | {"components": components}

    def to_plain(self) -> dict[str, Any]:
        """What is no array, for JSON."""
        rotation = None if self.rotation is None else self.rotation.to_plain()
        plain = {"settings": self.settings.model_dump(mode="json"), "constant": self.constant, "rotation": rotation}
        return plain | {"conditions": list(self.conditions)}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays; `from_parts` gives the preprocessor back."""
        own = {name: getattr(self, name) for name in ("fill", "mean", "deviation", "shift", "scale", "parameters")}
        rotation = {} if self.rotation is None else self.rotation.to_arrays()
        return own | rotation | encodings_to_arrays(self.encodings)

    @classmethod
    def from_parts(cls, plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Preprocessor:
        """The preprocessor that `to_plain` and `to_arrays` wrote.

        Raises:
            KeyError, TypeError, ValueError: They are damaged.
        """
        encodings = encodings_from_arrays(arrays)
        settings, constant = InputSettings.model_validate(dict(plain["settings"])), plain["constant"]
        n_numbers = sum(len(encoding.parts) for encoding in encodings)
        n_dense = n_numbers + sum(encoding.indicator + encoding.n_one_hot for encoding in encodings)
        n_dense = n_dense if constant is None else 1
        shapes = {name: n_numbers for name in ("fill", "mean", "deviation")} | {"shift": n_dense, "scale": n_dense}
        for name, n in shapes.items():
            if arrays[name].shape != (n,):
                raise ValueError(f"preprocessor.{name} has shape {arrays[name].shape}, not ({n},)")
        parameters = arrays["parameters"]
        if parameters.ndim != 2 or len(parameters) != n_numbers:
            raise ValueError(f"preprocessor.parameters has shape {parameters.shape}, and there are {n_numbers} numbers")
        rotation = None
        if plain["rotation"] is not None:
            whiten = settings.decorrelate.name == "whiten"
            rotation = Rotation.of_parts(plain["rotation"], arrays, n_dense, whiten=whiten)
        before, after = (None if each is None else float(each) for each in plain["conditions"])
        value = None if constant is None else float(constant)
        fill, mean, deviation, shift, scale = (arrays[name] for name in shapes)
        own = fill, mean, deviation, shift, scale, parameters
        return cls(settings, encodings, *own, rotation, (before, after), value)


# Called with the first row, the one after the last, and [rows, n_features] to write to.
Writer = Callable[[int, int, np.ndarray], None]


def _gap_writer(piece_of: Callable[[int, int], np.ndarray], at: int, shift: float) -> Writer:
    """1 − shift where a value is missing, else −shift."""

    def write(start: int, stop: int, piece: np.ndarray) -> None:
        piece[:, at] = np.isnan(piece_of(start, stop)) - shift

    return write


def _level_writer(piece_of: Callable[[int, int], np.ndarray], at: int, rows: np.ndarray) -> Writer:
    """For each level's number its row of a table."""
    width = rows.shape[1]

    def write(start: int, stop: int, piece: np.ndarray) -> None:
        piece[:, at : at + width] = rows.take(piece_of(start, stop), axis=0)

    return write


def _first_encoding(
    table: Table, role: ColumnRole, settings: InputSettings, weights: np.ndarray | None
) -> tuple[Encoding, np.ndarray | None]:
    """A category's plan with the shares of its one-hot levels; of another column all that it may give."""
    if role.role != "category":
        return Encoding(role.name, role.role, 0.0, PARTS if role.role == "date" else ("",)), None
    column = as_texts(table, role.name)
    if settings.missing.name == "refuse":
        there = None if weights is None else np.flatnonzero(weights > 0)
        missing = column.missing()
        check_gaps(missing if there is None else missing[there], there, role.name, table)
    levels, shares = fit_levels(column, weights)
    form = form_of(settings.categories, role.name, levels.n) if levels.n > 1 else ""
    missing_share = float(shares[-1]) if levels.has_missing else 0.0
    encoding = Encoding(role.name, role.role, missing_share, form=form, levels=levels)
    return encoding, shares if form == "one_hot" else None


def _with_numbers(
    encodings: Sequence[Encoding], varies: np.ndarray, missing: np.ndarray, *, is_told: bool
) -> list[Encoding]:
    """The plans with the numbers that vary only, and with what is missing."""
    planned, at = [], 0
    for encoding in encodings:
        n = len(encoding.parts)
        if n:
            parts = tuple(part for part, keep in zip(encoding.parts, varies[at : at + n], strict=True) if keep)
            share = float(missing[at])
            encoding = replace(encoding, missing=share, parts=parts, indicator=is_told and 0 < share < 1)
        planned.append(encoding)
        at += n
    return planned
