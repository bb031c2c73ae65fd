"""The recipe's section `network`."""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from entrena.network.activations import ACTIVATIONS
from entrena.network.initialization import INITIALIZATIONS
from entrena.network.outputs import OUTPUTS
from entrena.registry import AS_NUMBER, AS_WHOLE, Choice, ChosenFrom

Width = Annotated[int, Field(gt=0, le=1_000_000, strict=True), AS_WHOLE]


def _as_widths(value: Any) -> Any:
    """A single width as a tuple, and NumPy's arrays as lists."""
    if isinstance(value, Integral):
        return (value,)
    return value.tolist() if isinstance(value, np.ndarray) else value


class NetworkSettings(BaseModel):
    """Which network: its hidden layers, their activation and dropout, its outputs, its first weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_mode_override="serialization")

    hidden: Annotated[tuple[Width, ...], BeforeValidator(_as_widths)] = Field(
        (128, 64), description="Units of each hidden layer, lowest first; empty: a linear model."
    )
    activation: Annotated[Choice, ChosenFrom(ACTIVATIONS)] = Field(
        Choice("relu"), description="What a hidden unit makes of its net input."
    )
    output: Annotated[Choice, ChosenFrom(OUTPUTS)] = Field(
        Choice("auto"), description="What the output layer makes of its net inputs; auto: by the task."
    )
    initialization: Annotated[Choice, ChosenFrom(INITIALIZATIONS)] | None = Field(
        None, description="How the first weights are drawn; none: what suits the activation."
    )
    dropout: Annotated[float, Field(ge=0, lt=1, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.0, description="Share of the hidden units that each update leaves out, drawn anew for each example."
    )
