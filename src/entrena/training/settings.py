"""The recipe's sections `training`, `rate` and `regularization`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from entrena.registry import AS_NUMBER, AS_WHOLE, Choice, ChosenFrom
from entrena.training.losses import LOSSES
from entrena.training.optimizers import OPTIMIZERS
from entrena.training.order import ORDERS
from entrena.training.rates import SCHEDULES
from entrena.training.scores import SCORES


class TrainingSettings(BaseModel):
    """How the weights move, how long, and what is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_mode_override="serialization")

    loss: Annotated[Choice, ChosenFrom(LOSSES)] = Field(
        Choice("auto"), description="What is minimised; auto: cross_entropy for classes, squared_error for numbers."
    )
    optimizer: Annotated[Choice, ChosenFrom(OPTIMIZERS)] = Field(
        Choice("adamw"), description="How gradients become a step."
    )
    momentum: Annotated[float, Field(ge=0, lt=1, strict=True, allow_inf_nan=False), AS_NUMBER] | None = Field(
        None, description="Share of the last step that is kept, for optimizers that use it; none: the optimizer's own."
    )
    nesterov: StrictBool | None = Field(
        None, description="Nesterov's form of momentum, for optimizers that use it; none: the optimizer's own (false)."
    )
    mode: Literal["auto", "online", "mini_batch", "batch"] = Field(
        "auto",
        description="How often the weights move: after each example, each mini-batch, or each pass. auto: after each "
        "pass for optimizers that need all rows, else after each mini-batch.",
    )
    batch_size: Annotated[int, Field(ge=1, strict=True), AS_WHOLE] | Literal["auto"] = Field(
        "auto", description="Examples of an update in mode mini_batch; auto: by the number of training rows."
    )
    order: Annotated[Choice, ChosenFrom(ORDERS)] = Field(
        Choice("shuffled"), description="The sequence in which an epoch shows the examples."
    )
    max_epochs: Annotated[int, Field(ge=1, strict=True), AS_WHOLE] = Field(
        100, description="Passes over the training rows."
    )
    max_seconds: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False), AS_NUMBER] | None = Field(
        None, description="Seconds of training after which the run ends; none: no limit."
    )
    early_stopping: StrictBool | Literal["auto"] = Field(
        "auto",
        description="Hold out validation rows, keep the best weights, and stop by patience. auto: from 5,000 training "
        "rows on; patience only with a schedule that has no end.",
    )
    patience: Annotated[int, Field(ge=1, strict=True), AS_WHOLE] = Field(
        20, description="Epochs without improvement after which training stops."
    )
    scoring: Annotated[Choice, ChosenFrom(SCORES)] | None = Field(
        None, description="The score by which the best weights are chosen; none: the validation loss."
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=1, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.1, description="Share of the training rows that is held out for validation."
    )
    refit: StrictBool = Field(
        False, description="Once the score is known, train the delivered model on all rows, held-out rows included."
    )
    ema: Annotated[float, Field(ge=0, lt=1, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.0,
        description="m: the weights that predict are running means over the updates, a ← m·a + (1 − m)·w, divided by "
        "1 − m^k after k updates; such as 0.99; 0: the weights themselves.",
    )
    precision: Literal["float32", "float64", "bfloat16"] = Field(
        "float32", description="Numbers of the training program; bfloat16 only on GPU and TPU."
    )
    device: Annotated[str, Field(pattern=r"^(auto|cpu|(gpu|tpu)(:\d+)?)$")] = Field(
        "auto", description="Where the program runs: auto, cpu, gpu, gpu:1, …"
    )


class RateSettings(BaseModel):
    """The learning rate and its course."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_mode_override="serialization")

    learning_rate: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False), AS_NUMBER] | None = Field(
        None,
        description="η0, or the peak rate of one_cycle; of rprop the first step; none: the optimizer's own.",
    )
    schedule: Annotated[Choice, ChosenFrom(SCHEDULES)] = Field(
        Choice("one_cycle"), description="How the rate changes from update to update."
    )


class RegularizationSettings(BaseModel):
    """What keeps the network from fitting noise."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_mode_override="serialization")

    weight_decay: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False), AS_NUMBER] | None = Field(
        None,
        description="λ: added to the step as λ·w for adamw, for the others to the gradient; weights only, not biases; "
        "none: the optimizer's own.",
    )
    l1: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.0,
        description="Each update brings weights nearer to 0 by η·l1 and leaves those at 0 that it would take past it: "
        "the penalty l1·Σ|w|; weights only.",
    )
    max_norm: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False), AS_NUMBER] | None = Field(
        None,
        description="Greatest length of a unit's incoming weights; after each update longer ones are shortened to it, "
        "such as 3; none: no limit.",
    )
