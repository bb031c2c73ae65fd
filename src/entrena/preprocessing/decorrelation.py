"""Inputs without correlations: rotated to their principal components, whitened, and the small ones left out.

The registry `DECORRELATIONS` names what the preprocessor does after centring and scaling; its entries have no function
of their own. Numbers, gap indicators and one-hot levels are rotated together; embedded categories are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from entrena.errors import Problem, RecipeError, UsageError
from entrena.preprocessing.principal_components import METHODS, Components, Rows, Wanted, find_components, shortfall
from entrena.preprocessing.scaling import one_where_zero
from entrena.registry import Choice, Entry, Registry, Setting

EFFICIENT_BACKPROP = "LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998/2012, section 4.3"
_METHOD = Setting(
    "method",
    "auto",
    "how the components are found; all ways agree",
    choices=tuple(name for name in METHODS if name != "incremental"),
)

DECORRELATIONS = Registry(
    "inputs.decorrelate",
    "Preprocessing",
    (
        Entry("none", "x′ = x", "Inputs keep their correlations.", other_names=("off", "passthrough")),
        Entry(
            "pca",
            "x′ = Vᵀ·(x − m), C·V = V·Λ",
            "Rotates the inputs to their principal components, the greatest variance first: they are uncorrelated, and "
            "inputs.components leaves out the small ones.",
            source="Hotelling, Journal of Educational Psychology 24 (1933); " + EFFICIENT_BACKPROP,
            settings=(_METHOD,),
            other_names=("PCA", "principal_components", "rotate", "karhunen_loeve", "kl"),
            lesson="decorrelation",
        ),
        Entry(
            "whiten",
            "x′ = Λ^(−½)·Vᵀ·(x − m)",
            "The same, and each component is divided by its deviation: the covariance is the identity, the bowl of a "
            "linear unit's error is round, and the gradient points at its minimum.",
            source=EFFICIENT_BACKPROP,
            settings=(_METHOD,),
            other_names=("whitening", "sphere", "sphering"),
            lesson="whitening",
        ),
    ),
)


@dataclass(frozen=True, eq=False)
class Rotation:
    """What makes inputs of centred and scaled ones.

    Attributes:
        components: Their principal components.
        whiten: Whether each is divided by its deviation.
    """

    components: Components
    whiten: bool

    @property
    def n(self) -> int:
        """How many inputs come out."""
        return self.components.n

    @cached_property
    def matrix(self) -> np.ndarray:
        """[inputs, n] what rows less the mean are multiplied with."""
        directions = self.components.directions.T
        return directions / np.sqrt(one_where_zero(self.components.variances)) if self.whiten else directions

    @cached_property
    def back(self) -> np.ndarray:
        """[n, inputs] what the outcome is multiplied with to come back, but for the mean."""
        directions = self.components.directions
        return directions * np.sqrt(self.components.variances)[:, None] if self.whiten else directions

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """[rows, n] of [rows, inputs], in their type."""
        mean = self.components.mean
        centred = rows - mean.astype(rows.dtype) if mean.any() else rows
        return centred @ self.matrix.astype(rows.dtype)

    def undo(self, rows: np.ndarray) -> np.ndarray:
        """[rows, inputs] of [rows, n]: exact where no component was left out."""
        return rows @ self.back + self.components.mean

    @property
    def condition(self) -> float | None:
        """κ of what comes out, over the training rows; None where they do not vary."""
        variances = self.components.variances
        if variances[-1] <= 0:
            return None
        return 1.0 if self.whiten else float(variances[0] / variances[-1])

    def describe(self) -> dict[str, Any]:
        """Plain values: how many components of how many inputs, and the share of the variance that they hold."""
        found = self.components
        return {
            "components": found.n,
            "of": len(found.mean),
            "share": float(found.shares.sum()),
            "method": found.method,
            "whiten": self.whiten,
        }

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays; `of_arrays` gives the rotation back."""
        found = self.components
        own = {"mean": found.mean, "directions": found.directions, "variances": found.variances}
        return {f"rotation.{name}": each for name, each in own.items()}

    def to_plain(self) -> dict[str, Any]:
        """What is no array."""
        found = self.components
        return {"total": found.total, "n_rows": found.n_rows, "method": found.method}

    @classmethod
    def of_parts(
        cls, plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray], n_inputs: int, whiten: bool
    ) -> Rotation:
        """The rotation that `to_plain` and `to_arrays` wrote.

        Raises:
            KeyError, TypeError, ValueError: They are damaged.
        """
        mean, directions, variances = (arrays[f"rotation.{name}"] for name in ("mean", "directions", "variances"))
        if mean.shape != (n_inputs,) or directions.shape != (len(variances), n_inputs) or not len(variances):
            raise ValueError(f"rotation.directions has shape {directions.shape}, and there are {n_inputs} inputs")
        total, n_rows, method = float(plain["total"]), int(plain["n_rows"]), str(plain["method"])
        return cls(Components(mean, directions, variances, total, n_rows, method), whiten)


def fit_rotation(rows: Rows, decorrelate: Choice, components: int | float | None, *, seed: int = 0) -> Rotation:
    """The rotation of centred and scaled inputs.

    Args:
        rows: These inputs.
        decorrelate: From `DECORRELATIONS`, not `none`.
        components: How many are kept, or which share of the variance; None: all that are not rounding.
        seed: Of the randomized way.

    Raises:
        RecipeError: More components are asked for than there are inputs.
    """
    method = str(DECORRELATIONS.settings_of(decorrelate)["method"])
    try:
        found = find_components(rows, Wanted.of(components), method, seed=seed)
    except UsageError as error:
        raise RecipeError(
            [Problem("inputs.components", str(error).removeprefix("components = ").replace("columns", "inputs"))]
        ) from None
    return Rotation(found, decorrelate.name == "whiten")


def shortfall_of(
    rotation: Rotation | None, decorrelate: Choice, components: int | float | None, *, is_constant: bool
) -> str:
    """What is to be said where a table gives fewer components than were asked for, or none; empty: nothing.

    Args:
        rotation: Of its inputs; None where there is none.
        decorrelate: From `DECORRELATIONS`.
        components: How many were to be kept, or which share of the variance.
        is_constant: Whether no column varies.
    """
    if decorrelate.name == "none":
        return ""
    if rotation is not None:
        return shortfall(rotation.components, Wanted.of(components).number)
    if is_constant:
        return "no column varies in the rows that were learned from: there are no principal components"
    if components is None:
        return ""
    return f"components = {components}: embedded categories are not rotated, and there are no other inputs"
