"""The recipe's section `network`."""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from entrena.network.activations import ACTIVATIONS
from entrena.network.initialization import INITIALIZATIONS
from entrena.network.normalization import BATCH_STATISTICS, NORMALIZATIONS
from entrena.network.outputs import OUTPUTS
from entrena.registry import AS_NUMBER, AS_WHOLE, Choice, Choices, ChosenFrom

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
    activation: Annotated[Choices, ChosenFrom(ACTIVATIONS, per_layer=True)] = Field(
        Choice("relu"), description="What a hidden unit makes of its net input; a list: one for each hidden layer."
    )
    output: Annotated[Choice, ChosenFrom(OUTPUTS)] = Field(
        Choice("auto"), description="What the output layer makes of its net inputs; auto: by the task."
    )
    initialization: Annotated[Choices, ChosenFrom(INITIALIZATIONS, per_layer=True)] | None = Field(
        None,
        description="How the first weights are drawn; a list: one for each layer, the output layer's last; none: what "
        "suits the activation.",
    )
    normalization: Annotated[Choice, ChosenFrom(NORMALIZATIONS)] = Field(
        Choice("none"), description="Whether net inputs of hidden units are brought to mean 0 and deviation 1, and how."
    )
    batch_statistics: Annotated[Choice, ChosenFrom(BATCH_STATISTICS)] | None = Field(
        None, description="By which statistics batch normalization predicts; none: moving_average."
    )
    dropout: Annotated[float, Field(ge=0, lt=1, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.0, description="Share of the hidden units that each update leaves out, drawn anew for each example."
    )
    alpha_dropout: Annotated[float, Field(ge=0, lt=1, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.0,
        description="Share of the hidden units that each update sets to the lower limit of selu; the outputs keep "
        "their mean 0 and variance 1.",
    )
    residual: StrictBool = Field(
        False,
        description="Whether the outputs of a hidden layer are added to those of the next, where they are as many.",
    )
