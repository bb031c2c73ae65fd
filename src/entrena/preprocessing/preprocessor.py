"""The preprocessor: input columns shifted and scaled as their training rows ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from entrena.errors import DataError
from entrena.preprocessing.scaling import SCALES
from entrena.preprocessing.settings import InputSettings
from entrena.preprocessing.statistics import BLOCK_VALUES, column_statistics

# Beyond this, the difference of two finite numbers may be infinite.
_LARGE = np.finfo(np.float64).max / 4


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """x′ = (x − shift)/scale for each input column.

    Attributes:
        settings: What was chosen.
        shift: [columns] float64.
        scale: [columns] float64, above 0.
    """

    settings: InputSettings
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, inputs: np.ndarray, settings: InputSettings, sample_weight: np.ndarray | None = None) -> Preprocessor:
        """Computes shift and scale from training rows.

        Args:
            inputs: [rows, columns] finite numbers.
            settings: What to do.
            sample_weight: [rows] weights; rows of weight 0 are as if they were not there.

        Raises:
            DataError: The weights do not fit.
        """
        entry = SCALES[settings.scale.name]
        assert entry.function is not None
        shift, scale = entry.function(column_statistics(inputs, sample_weight), settings.center)
        return cls(settings, shift, scale)

    @property
    def n_columns(self) -> int:
        """The number of input columns, before and after."""
        return len(self.shift)

    def transform(self, inputs: np.ndarray, dtype: DTypeLike = np.float32, out: np.ndarray | None = None) -> np.ndarray:
        """Shifts and scales inputs.

        Computed in float64 and rounded once, piece by piece.

        Args:
            inputs: [rows, columns] finite numbers.
            dtype: The type of the result.
            out: [rows, columns] of that type, where the result shall be written; None: a fresh array.

        Returns:
            [rows, columns], row after row in memory.

        Raises:
            DataError: Another number of columns, or a value beyond the range of `dtype`.
        """
        if inputs.ndim != 2 or inputs.shape[1] != self.n_columns:
            raise DataError(f"inputs have shape {inputs.shape}; the model was trained on {self.n_columns} columns")
        out = np.empty(inputs.shape, dtype) if out is None else out
        step = max(1, BLOCK_VALUES // max(1, self.n_columns))
        # Halving both sides leaves the quotient and keeps the difference in range.
        half = 0.5 if max(np.abs(self.shift).max(), self.scale.max()) > _LARGE else 1.0
        for start in range(0, len(inputs), step):
            block = inputs[start : start + step] * np.float64(half)
            block -= half * self.shift
            block /= half * self.scale
            # Too large for the result's type is found and told below.
            with np.errstate(over="ignore"):
                out[start : start + step] = block
            self._check_range(out[start : start + step], start)
        return out

    def _check_range(self, block: np.ndarray, start: int) -> None:
        finite = np.isfinite(block)
        if finite.all():
            return
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        raise DataError(
            f"row {start + row + 1} of input column {column + 1} is beyond the range of {block.dtype} after scaling; "
            "inputs.scale = standard keeps training rows near 0"
        )

    def to_plain(self) -> dict[str, Any]:
        """What is no array, for JSON."""
        return self.settings.model_dump(mode="json")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays; `from_parts` gives the preprocessor back."""
        return {"shift": self.shift, "scale": self.scale}

    @classmethod
    def from_parts(cls, plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Preprocessor:
        """The preprocessor that `to_plain` and `to_arrays` wrote."""
        return cls(InputSettings.model_validate(dict(plain)), arrays["shift"], arrays["scale"])
