"""The preprocessor: the columns of a table as the network's inputs, by what the training rows show of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from entrena.data.roles import ColumnRole
from entrena.data.table import Table, as_texts
from entrena.errors import DataError, shortened
from entrena.preprocessing.categories import one_hot_means
from entrena.preprocessing.columns import number_blocks, truths
from entrena.preprocessing.condition import MOST_COLUMNS, condition_number, rows_with, sample
from entrena.preprocessing.dates import parts_of
from entrena.preprocessing.decorrelation import Rotation, fit_rotation, shortfall_of
from entrena.preprocessing.encoding import Encoding, encodings_from_arrays, encodings_to_arrays
from entrena.preprocessing.number_statistics import (
    fit_numbers,
    needs_quartiles,
    of_channels,
    statistics_of,
    transforms_of,
)
from entrena.preprocessing.planning import first_encoding, with_numbers
from entrena.preprocessing.principal_components import Rows
from entrena.preprocessing.scaling import SCALES
from entrena.preprocessing.settings import InputSettings
from entrena.preprocessing.statistics import check_weights, in_pieces, pieces
from entrena.preprocessing.summaries import check_gaps, summarize
from entrena.preprocessing.target_encoding import EncodingTargets, OutOfFold, out_of_fold
from entrena.preprocessing.writers import LARGE, Writer, writers_of

GREAT_WEIGHT = 1e100  # where sums of squares times weights might be beyond float64


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """From columns to the network's inputs: gaps filled, numbers transformed, shifted and scaled, categories coded.

    Before a rotation the inputs stand in this order: numbers (truth values, the parts of dates and the numbers of
    categories' levels among them) as x′ = (x − shift)/scale; for columns that had gaps in training, whether there is
    one; one-hot levels; last the level numbers of embedded categories, 0 for a level that was not seen. Each group is
    in the order of the columns. A rotation puts components in the place of all but the last group.

    Attributes:
        settings: What was chosen.
        encodings: [columns] what becomes of each.
        fill: [numbers] their medians, for gaps.
        mean: [numbers] their means in the training rows, gaps filled, transformed.
        deviation: [numbers] their standard deviations, likewise.
        shift: [n_straight] float64.
        scale: [n_straight] float64, above 0; 1 for all but numbers.
        parameters: [numbers, ?] what the transform knows of each; NaN in rows of those that are not transformed.
        left_out: [numbers that do not vary] their values, 0 where there is none: what the way back puts there.
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
    left_out: np.ndarray
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
        """Learns from training rows, without their targets; arguments as in `fit_training`."""
        return cls.fit_training(inputs, roles, settings, sample_weight, keep_constant=keep_constant)[0]

    @classmethod
    def fit_training(
        cls,
        inputs: Table,
        roles: Sequence[ColumnRole],
        settings: InputSettings,
        sample_weight: np.ndarray | None = None,
        targets: EncodingTargets | None = None,
        *,
        keep_constant: bool = False,
    ) -> tuple[Preprocessor, OutOfFold]:
        """Learns from training rows.

        Args:
            inputs: The training rows; other rows of the same columns are not looked at.
            roles: What each column is: number, boolean, category or date.
            settings: What to do.
            sample_weight: [rows] weights; rows of weight 0 are as if they were not there.
            targets: The training rows' targets, where categories are coded by them.
            keep_constant: Whether a number that is the same in all of these rows stays an input all the same, for rows
                that are still to come.

        Returns:
            The preprocessor; and what these rows themselves get for categories that are coded by the target, for
            `transform`: means and deviations, rotation and condition numbers are those of these.

        Raises:
            DataError: The weights do not fit, a value is not what its role says, or a gap is refused.
            RecipeError: A column has too many levels for the chosen form, or needs the targets.
        """
        table = inputs.pick([role.name for role in roles])
        weights = check_weights(sample_weight, table.n_rows)
        if not table.n_rows:
            raise DataError("there are no rows to compute means and deviations from")
        refuse = settings.missing.name == "refuse"
        fitted = [first_encoding(table, role, settings, weights, targets) for role in roles]
        encodings = [encoding for encoding, _ in fitted]
        placed = {} if targets is None else out_of_fold(table, encodings, targets)
        numbers = number_blocks(table, encodings, placed)
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
        numbers_of = {encoding.name: encoding.parts for encoding in encodings}
        encodings = with_numbers(encodings, varies, found.missing, is_told=is_told)
        for encoding in encodings:
            if encoding.name in placed:
                kept = [numbers_of[encoding.name].index(part) for part in encoding.parts]
                placed[encoding.name] = placed[encoding.name][:, kept]
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
        is_own = np.array([first.role != "category" for first, _ in fitted for _ in first.parts], bool)
        left_out = found.median[~varies & is_own]
        own = settings, tuple(encodings), *of_numbers, all_shift, all_scale, parameters[varies], left_out
        straight = cls(*own, constant=constant)
        if constant is not None or not len(all_shift):
            return straight, placed
        if weights is not None:
            # For the divisor of a variance, W − 1, a weight of 2 is two rows and not a ratio.
            given = np.asarray(sample_weight, np.float64)
            weights = given if given.max() < GREAT_WEIGHT else weights
            if not weights.all():  # rows of weight 0 may hold anything
                table, weights = table.take(np.flatnonzero(weights)), weights[weights > 0]
        done = straight
        if settings.decorrelate.name != "none":
            rows = straight.dense_rows(table, weights, placed)
            done = replace(straight, rotation=fit_rotation(rows, settings.decorrelate, settings.components))
        return replace(done, conditions=done.condition_numbers(table, placed)), placed

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
        is_small = max(np.abs(self.shift).max(initial=0), self.scale.max(initial=0)) <= LARGE
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
        self,
        inputs: Table,
        dtype: DTypeLike = np.float32,
        out: np.ndarray | None = None,
        *,
        keep_gaps: bool = False,
        placed: OutOfFold | None = None,
    ) -> np.ndarray:
        """The network's inputs.

        Computed in float64 and rounded once, piece by piece.

        Args:
            inputs: A table with the columns of the training, in any order.
            dtype: The type of the result.
            out: [rows, n_features] of that type, where the result shall be written; None: a fresh array.
            keep_gaps: Whether a gap in a number stays one, as NaN.
            placed: For rows that are trained on: what they get for categories that are coded by the target.

        Returns:
            [rows, n_features], row after row in memory.

        Raises:
            DataError: A column is missing, a value is not what it was in training, a gap is refused, or a number is
                beyond the range of `dtype`.
        """
        table = self._columns_of(inputs)
        out = np.empty((table.n_rows, self.n_features), dtype) if out is None else out
        writers = writers_of(self, table, np.full(len(self.fill), np.nan) if keep_gaps else self.fill, placed)

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

    def condition_numbers(self, table: Table, placed: OutOfFold | None = None) -> tuple[float | None, float | None]:
        """κ before and after, of the training rows or a sample of them: a table of these columns, in their order."""
        if self.n_straight > MOST_COLUMNS:
            return None, None
        table = table.take(sample(table.n_rows, self.n_straight))
        with np.errstate(over="ignore", invalid="ignore"):
            rows = self.dense_rows(table, None, placed, exact=True)
            after = rows.covariance
            if self.settings.transform.name == "none":  # the inputs before are these, but for shift and scale
                before = self.scale[:, None] * after * self.scale
            else:
                numbers = number_blocks(table, self.encodings, placed).filled(self.fill, has_gaps=True)
                before = rows_with(numbers, rows).covariance
        kappa = condition_number(after) if self.rotation is None else self.rotation.condition
        return condition_number(before), kappa

    def dense_rows(
        self, table: Table, weights: np.ndarray | None, placed: OutOfFold | None = None, *, exact: bool = False
    ) -> Rows:
        """The training rows as inputs before a rotation, block by block.

        Args:
            table: A table of these columns only, in their order.
            weights: [rows] above 0, or None.
            placed: As for `transform`.
            exact: Whether float32 is not enough, even where the table has no more.
        """
        is_narrow = not exact and table.matrix is not None and table.matrix.dtype == np.float32
        dtype, n, d = np.dtype(np.float32 if is_narrow else np.float64), table.n_rows, self.n_straight

        def read() -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
            writers = writers_of(self, table, self.fill, placed)
            for start, stop in pieces(n, d):
                block = self._straight(writers, start, stop, dtype)[:, :d]
                yield block, None if weights is None else weights[start:stop]

        if self.settings.center and SCALES[self.settings.scale.name].details.get("shifts_by_mean"):
            return Rows.centred_already(read, d, n, weights, dtype)
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
        """The columns with levels that the training rows did not show: in how many rows, and one of the levels.

        Where rare levels are one, these are of it and cannot be told from it.
        """
        found = {}
        for encoding in self.encodings:
            if encoding.role == "category" and encoding.form:
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
            `constant` (whether it is left out) and `said` (what is unusual). A category has `form`, `n_levels`,
            `n_rare`, `levels` (the first 20) and, where a number stands for each, `numbers`: for each input those of
            these levels. Others have `numbers`: for each input its `median`, `mean` and `deviation`.
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
            `inputs` (how many there are before a rotation), `condition_before` and `condition_after` (κ, or None),
            `forms` (how many categories have which form) and `n_rare` (how many of their levels are too rare to be told
            apart), and `components`: as `Rotation.describe` has them, or None where nothing is rotated.
        """
        before, after = self.conditions
        components = None if self.rotation is None else self.rotation.describe()
        told: dict[str, Any] = {"inputs": self.n_straight, "condition_before": before, "condition_after": after}
        forms = Counter(encoding.form for encoding in self.encodings if encoding.form)
        n_rare = sum(encoding.levels.n_rare for encoding in self.encodings)
        return told | {"forms": dict(forms), "n_rare": n_rare, "components": components}

    def shortfall(self) -> str:
        """What is to be said where fewer components were found than were asked for, or none; empty: nothing."""
        return shortfall_of(
            self.rotation, self.settings.decorrelate, self.settings.components, is_constant=self.constant is not None
        )

    def to_plain(self) -> dict[str, Any]:
        """What is no array, for JSON."""
        rotation = None if self.rotation is None else self.rotation.to_plain()
        plain = {"settings": self.settings.model_dump(mode="json"), "constant": self.constant, "rotation": rotation}
        return plain | {"conditions": list(self.conditions)}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays; `from_parts` gives the preprocessor back."""
        own = {
            name: getattr(self, name)
            for name in ("fill", "mean", "deviation", "shift", "scale", "parameters", "left_out")
        }
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
        dates = len(parts_of(settings.dates))
        n_all = sum({"date": dates, "category": len(each.parts)}.get(each.role, 1) for each in encodings)
        n_dense = n_numbers + sum(encoding.indicator + encoding.n_one_hot for encoding in encodings)
        n_dense = n_dense if constant is None else 1
        shapes = {name: n_numbers for name in ("fill", "mean", "deviation")} | {"shift": n_dense, "scale": n_dense}
        shapes["left_out"] = n_all - n_numbers
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
        fill, mean, deviation, shift, scale, left_out = (arrays[name] for name in shapes)
        own = fill, mean, deviation, shift, scale, parameters, left_out
        return cls(settings, encodings, *own, rotation, (before, after), value)
