"""Means and deviations of a stream: those of all rows so far, row by row.

Every row counts before it is standardised itself, so the first one is 0, and the statistics of a row do not depend on
how the rows were cut into blocks: not a bit differs. A gap counts in no mean, and becomes the mean so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import NoReturn

import numpy as np
from numpy.typing import DTypeLike

from entrena.data.table import Table
from entrena.data.values import Place
from entrena.errors import DataError, Problem, RecipeError, shortened
from entrena.preprocessing.preprocessor import Preprocessor
from entrena.preprocessing.scaling import one_where_zero
from entrena.preprocessing.settings import InputSettings
from entrena.preprocessing.targets import TargetCoder

RUNNING_TRANSFORMS = ("none", "log1p")
RUNNING_SCALES = ("standard", "none")  # other scales need all rows before the first


@dataclass(frozen=True, eq=False)
class RunningMoments:
    """Mean and deviation of columns, one row after the other.

    With weights w, W_k = Σ w_i and mean m_k of the first k rows,

        m_k = c + Σ w_i·(x_i − c)/W_k,   M_k = M_{k−1} + w_k·(x_k − m_{k−1})·(x_k − m_k),   σ_k² = M_k/W_k,

    where c is the first row: the squares of large means do not cancel. A gap has the weight 0 in its column.

    Attributes:
        weight: [columns] W.
        first: [columns] c, the first value that is there.
        total: [columns] Σ w·(x − c).
        squares: [columns] M.

    Source: Welford, Technometrics 4 (1962); with weights West, Communications of the ACM 22 (1979).
    """

    weight: np.ndarray
    first: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def none(cls, n_columns: int) -> RunningMoments:
        """Before the first row."""
        return cls(*(np.zeros(n_columns) for _ in range(4)))

    def to_arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays by name, from which `of_arrays` goes on bit by bit."""
        return {f"{prefix}.{name}": each for name, each in vars(self).items()}

    @classmethod
    def of_arrays(cls, prefix: str, arrays: Mapping[str, np.ndarray]) -> RunningMoments:
        """As they were when `to_arrays` was called."""
        return cls(*(arrays[f"{prefix}.{each.name}"] for each in fields(cls)))

    @property
    def mean(self) -> np.ndarray:
        """[columns] of the rows so far; 0 before the first."""
        return self.first + self.total / one_where_zero(self.weight)

    @property
    def deviation(self) -> np.ndarray:
        """[columns] of the rows so far (divisor: the sum of the weights); 0 before the first."""
        return np.sqrt(self.squares / one_where_zero(self.weight))

    @property
    def is_finite(self) -> bool:
        """Whether no sum was beyond float64: where Σ w·(x − c) is, M is as well."""
        return bool(np.isfinite(self.squares).all())

    def after(
        self, rows: np.ndarray, weight: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, RunningMoments]:
        """The statistics after each of some rows, that row included.

        Args:
            rows: [rows, columns] float64, NaN for a gap, else finite; at least one.
            weight: [rows] above 0, or None: all 1.

        Returns:
            Means [rows, columns], deviations [rows, columns], and the moments after the last row.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # not finite from there on: `is_finite`
            return self._after(rows, weight)

    def _after(self, rows: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, RunningMoments]:
        gaps = np.isnan(rows)
        has_gaps = bool(gaps.any())
        first = self._first_values(rows, gaps)
        if len(rows) == 1 and weight is None and not has_gaps:
            return self._after_one(rows, first)
        by = np.ones((len(rows), 1)) if weight is None else weight[:, None]
        away, before = rows - first, self.weight
        if has_gaps:
            by, away = np.where(gaps, 0.0, by), np.where(gaps, 0.0, away)
        elif (before == before[:1]).all():
            before = before[:1]  # all columns have seen the same rows: one sum for all of them
        else:
            by = np.broadcast_to(by, rows.shape)
        weights = _sums(before, by)
        counted = one_where_zero(weights)
        totals = _sums(self.total, by * away)
        means = totals / counted
        squares = _sums(self.squares, by * (away - means[:-1]) * (away - means[1:]))
        deviations = np.sqrt(squares[1:] / counted[1:])
        last = np.broadcast_to(weights[-1], self.weight.shape).copy()
        return first + means[1:], deviations, RunningMoments(last, first, totals[-1], squares[-1])

    def _first_values(self, rows: np.ndarray, gaps: np.ndarray) -> np.ndarray:
        """[columns] c, also of the columns that get their first value now; 0 where there is none yet."""
        if self.weight.all():
            return self.first
        found = rows[(~gaps).argmax(axis=0), np.arange(rows.shape[1])]
        return np.where(self.weight > 0, self.first, np.where(np.isnan(found), 0.0, found))

    def _after_one(self, row: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray, RunningMoments]:
        """The same of a single row, for streams that bring one at a time: a quarter of the time."""
        weight = self.weight + 1.0
        away = row - first
        total = self.total + away
        mean, mean_before = total / weight, self.total / one_where_zero(self.weight)
        squares = self.squares + (away - mean_before) * (away - mean)
        return first + mean, np.sqrt(squares / weight), RunningMoments(weight, first, total[0], squares[0])


def _sums(before: np.ndarray, values: np.ndarray) -> np.ndarray:
    """[rows + 1, …] running sums, added one after the other, from `before` on."""
    return np.add.accumulate(np.concatenate([before[None], values]), axis=0)


@dataclass(frozen=True, eq=False)
class RunningInputs:
    """Inputs of a stream: what becomes of each column is known, means and deviations run.

    Attributes:
        raw: Codes categories; shifts and scales nothing.
        moments: Of its numbers and of what else is dense.
    """

    raw: Preprocessor
    moments: RunningMoments

    @classmethod
    def begin(cls, first: Preprocessor, settings: InputSettings) -> RunningInputs:
        """Before the first row.

        Args:
            first: Fitted on the first rows, constant columns kept: its levels stay.
            settings: What to do.

        Raises:
            RecipeError: The scale needs all rows before the first.
        """
        check_running(settings)
        n = first.n_dense
        raw = replace(first, settings=settings, shift=np.zeros(n), scale=np.ones(n))
        return cls(raw, RunningMoments.none(n))

    def transform(
        self, inputs: Table, dtype: DTypeLike, weight: np.ndarray | None = None
    ) -> tuple[np.ndarray, RunningInputs]:
        """The network's inputs of some rows, each by the statistics of the rows up to it.

        Args:
            inputs: The next rows.
            dtype: The type of the result.
            weight: [rows] above 0, or None.

        Returns:
            [rows, n_features], and what stands before the row after the last.

        Raises:
            DataError: A value is not what it has to be, or beyond what the statistics or `dtype` hold.
        """
        return self.transform_rows(self.raw.transform(inputs, np.float64, keep_gaps=True), dtype, weight, inputs)

    def transform_rows(
        self, rows: np.ndarray, dtype: DTypeLike, weight: np.ndarray | None = None, inputs: Table | None = None
    ) -> tuple[np.ndarray, RunningInputs]:
        """The same of what `raw` makes of the rows, [rows, n_features] in float64, NaN for a gap.

        Args:
            rows: The rows.
            dtype: The type of the result.
            weight: [rows] above 0, or None.
            inputs: The rows before, for messages.
        """
        n = self.raw.n_dense
        with np.errstate(over="ignore", invalid="ignore"):
            dense = rows[:, :n]
            means, deviations, moments = self.moments._after(dense, weight)
            shift, scale = self._shift_scale(means, deviations)
            out = ((dense - shift) / scale).astype(dtype)
            gaps = np.isnan(dense)
            if gaps.any():
                out[gaps] = ((means - shift) / scale)[gaps]
        if n < rows.shape[1]:
            out = np.concatenate([out, rows[:, n:].astype(dtype)], axis=1)
        if not (moments.is_finite and np.isfinite(out).all()):
            self._refuse(np.isfinite(means) & np.isfinite(deviations) & np.isfinite(out[:, :n]), dtype, inputs)
        return out, RunningInputs(self.raw, moments)

    def _refuse(self, fits: np.ndarray, dtype: DTypeLike, inputs: Table | None) -> NoReturn:
        """Raises a DataError for the first value that is too large."""
        row, at = (int(index) for index in np.argwhere(~fits)[0])
        place = Place("X") if inputs is None else inputs.place
        said = place.row(row if inputs is None else inputs.file_row(row))
        place.refuse(
            f"{said} of input '{shortened(self.raw.feature_names[at])}' is too large for running means and deviations, "
            f"or for {np.dtype(dtype)}: leave it out, or take the logarithm of the column"
        )

    def fixed(self) -> Preprocessor:
        """A preprocessor with the statistics of the rows so far."""
        mean, deviation = self.moments.mean, self.moments.deviation
        shift, scale = self._shift_scale(mean, deviation)
        n = len(self.raw.fill)
        return replace(self.raw, fill=mean[:n], mean=mean[:n], deviation=deviation[:n], shift=shift, scale=scale)

    def _shift_scale(self, mean: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        settings, n_numbers = self.raw.settings, len(self.raw.fill)
        shift = mean if settings.center else np.zeros_like(mean)
        if settings.scale.name != "standard":
            return shift, np.ones_like(deviation)
        scale = one_where_zero(deviation)
        if n_numbers < scale.shape[-1]:
            scale[..., n_numbers:] = 1.0  # levels and gaps keep their scale, as in a preprocessor of all rows
        return shift, scale


@dataclass(frozen=True, eq=False)
class RunningTargets:
    """Targets of a stream: classes are known, mean and deviation of numbers run.

    Attributes:
        coder: Classes, or shift and scale of the rows so far.
        moments: Of the targets that are numbers.
        runs: Whether mean and deviation are those of the rows so far.
    """

    coder: TargetCoder
    moments: RunningMoments
    runs: bool = False

    @classmethod
    def fixed(cls, coder: TargetCoder) -> RunningTargets:
        """Targets whose shift and scale stay."""
        return cls(coder, RunningMoments.none(coder.n_outputs))

    @classmethod
    def of_moments(cls, coder: TargetCoder, moments: RunningMoments, *, runs: bool) -> RunningTargets:
        """As they were when these were the moments."""
        if runs:
            coder = replace(coder, shift=moments.mean, scale=one_where_zero(moments.deviation))
        return cls(coder, moments, runs)

    @classmethod
    def begin(cls, coder: TargetCoder) -> RunningTargets:
        """Before the first row.

        Raises:
            RecipeError: The scale of the targets needs all rows before the first.
        """
        if coder.classes is None:
            check_running_scale("targets.target_scale", coder.target_scale)
        n = coder.n_outputs
        blank = replace(coder, shift=np.zeros(n), scale=np.ones(n))
        runs = coder.classes is None and coder.target_scale == "standard"
        return cls(blank, RunningMoments.none(n), runs)

    def encode(
        self, targets: np.ndarray, dtype: DTypeLike, weight: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, RunningTargets]:
        """Targets as the network learns them, each by the statistics of the rows up to it.

        Returns:
            [rows, outputs]; the shift and the scale that were known before each row, [rows, outputs], by which outputs
            are read; and what stands before the row after the last.

        Raises:
            DataError: A target is none of the classes, or too large.
        """
        if not self.runs:
            return self._known(self.coder.encode(targets, dtype))
        n = len(targets)
        columns = np.asarray(targets, np.float64).reshape(n, -1)
        means, deviations, moments = self.moments.after(columns, weight)
        scales = one_where_zero(deviations)
        with np.errstate(over="ignore", invalid="ignore"):
            coded = ((columns - means) / scales).astype(dtype)
        if not (moments.is_finite and np.isfinite(coded).all()):
            raise DataError("a target is too large for a running mean and deviation: leave the row out")
        shift = np.concatenate([self.coder.shift[None], means[:-1]])
        scale = np.concatenate([self.coder.scale[None], scales[:-1]])
        coder = replace(self.coder, shift=means[-1], scale=scales[-1])
        return coded, shift, scale, RunningTargets(coder, moments, runs=True)

    def encode_numbered(
        self, targets: np.ndarray, dtype: DTypeLike, weight: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, RunningTargets]:
        """The same of [rows] class numbers instead of labels; of numbers as `encode`."""
        if self.coder.classes is None:
            return self.encode(targets, dtype, weight)
        return self._known(self.coder.encode_numbered(targets, dtype))

    def _known(self, coded: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, RunningTargets]:
        if len(coded) == 1:  # for streams that bring one row at a time: quicker than a view
            return coded, self.coder.shift[None], self.coder.scale[None], self
        shift, scale = (np.broadcast_to(each, coded.shape) for each in (self.coder.shift, self.coder.scale))
        return coded, shift, scale, self


def check_running(settings: InputSettings) -> None:
    """Raises a RecipeError for what needs all rows before the first."""
    check_running_scale("inputs.scale", settings.scale.name)
    for key, choice, running in (
        ("inputs.transform", settings.transform, RUNNING_TRANSFORMS),
        ("inputs.decorrelate", settings.decorrelate, ("none",)),
    ):
        if choice.name not in running:
            said = f"'{choice.name}' needs all rows before the first: learn it from the first rows with --warm-rows"
            raise RecipeError([Problem(key, said)])


def check_running_scale(key: str, name: str) -> None:
    """Raises a RecipeError for a scale that needs all rows before the first."""
    if name not in RUNNING_SCALES:
        said = f"'{name}' needs all rows before the first: in a stream take {' or '.join(RUNNING_SCALES)}"
        raise RecipeError([Problem(key, said + ", or learn it from the first rows with --warm-rows")])
