"""The recipe's sections `inputs` and `targets`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from entrena.preprocessing.augmentation import AUGMENTATIONS, amounts_of
from entrena.preprocessing.calibration import CALIBRATIONS
from entrena.preprocessing.categories import CATEGORIES
from entrena.preprocessing.dates import DATES
from entrena.preprocessing.decorrelation import DECORRELATIONS
from entrena.preprocessing.missing import MISSING
from entrena.preprocessing.principal_components import Wanted
from entrena.preprocessing.scaling import SCALES
from entrena.preprocessing.targets import TARGET_CODINGS, TARGET_SCALES
from entrena.preprocessing.transforms import TRANSFORMS
from entrena.registry import AS_NUMBER, Choice, ChosenFrom


def _check_components(value: object) -> object:
    """None, a whole number from 1 on, or a share of the variance between 0 and 1."""
    try:
        wanted = Wanted.of(value)
    except ValueError as error:
        raise PydanticCustomError("components", "{message}", {"message": str(error)}) from None
    return wanted.share if wanted.number is None else wanted.number


_COMPONENTS_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "null"},
        {"type": "integer", "minimum": 1},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    ]
}

ComponentCount = Annotated[Any, BeforeValidator(_check_components), WithJsonSchema(_COMPONENTS_SCHEMA)]


def _check_augment(value: object) -> object:
    """None, names of `AUGMENTATIONS`, or a table name = amount."""
    try:
        return amounts_of(value)
    except ValueError as error:
        raise PydanticCustomError("augment", "{message}", {"message": str(error)}) from None


_AUGMENT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "null"},
        {
            "type": "object",
            "properties": {name: {"default": entry.settings[0].default} for name, entry in AUGMENTATIONS.items()},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}

IN_TRAINING_ONLY = ("augment", "input_noise", "mixup")  # choices that change nothing of how a row is predicted

Augment = Annotated[Any, BeforeValidator(_check_augment), WithJsonSchema(_AUGMENT_SCHEMA)]


class InputSettings(BaseModel):
    """What is done to the inputs before the network sees them."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_mode_override="serialization")

    transform: Annotated[Choice, ChosenFrom(TRANSFORMS)] = Field(
        Choice("none"), description="What straightens each column of numbers first: for skew and outliers."
    )
    center: bool = Field(True, description="Shift each input column to mean 0 (min_max: to the middle of its range).")
    scale: Annotated[Choice, ChosenFrom(SCALES)] = Field(
        Choice("standard"), description="How each input column gets a comparable spread."
    )
    decorrelate: Annotated[Choice, ChosenFrom(DECORRELATIONS)] = Field(
        Choice("none"), description="Whether inputs are rotated to their principal components, and whitened."
    )
    components: ComponentCount = Field(
        None,
        description="How many principal components are kept: a number, or a share of the variance such as 0.9; none: "
        "all that are not rounding.",
    )
    missing: Annotated[Choice, ChosenFrom(MISSING)] = Field(
        Choice("indicator"), description="What stands for a missing value."
    )
    categories: Annotated[Choice, ChosenFrom(CATEGORIES)] = Field(
        Choice("auto"), description="What the network gets of a category's level."
    )
    dates: Annotated[Choice, ChosenFrom(DATES)] = Field(
        Choice("cyclic"), description="What the network gets of a date."
    )
    augment: Augment = Field(
        None,
        description="How images are changed in training, afresh in each update: names such as shift, or a table name = "
        "amount; none: not at all.",
    )
    input_noise: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.0,
        description="Standard deviation of the normal noise that each update adds to the inputs that are numbers, once "
        "they are scaled; 0: none.",
    )
    mixup: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.0,
        description="α: each update mixes examples with others of its mini-batch, inputs and targets, in shares λ and "
        "1 − λ, λ from Beta(α, α); such as 0.2; 0: not at all.",
    )


def _check_class_weight(value: object) -> object:
    """None, "balanced", or a table from class (as text) to a positive number."""
    if value is None or value == "balanced":
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError(
            "class_weight", "{message}", {"message": f"{value!r} is not allowed: balanced, or a table class = weight"}
        )
    if not value:
        raise PydanticCustomError("class_weight", "the table is empty: name at least one class, class = weight")
    weights = {}
    for label, weight in value.items():
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not is_number or not math.isfinite(weight) or weight <= 0:
            message = f"{label} = {weight!r} is not allowed: a weight is a number above 0"
            raise PydanticCustomError("class_weight", "{message}", {"message": message})
        # A recipe file knows only texts as keys; classes are compared by their text.
        weights[str(label)] = float(weight)
    return weights


_CLASS_WEIGHT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "null"},
        {"const": "balanced"},
        {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}, "minProperties": 1},
    ]
}

ClassWeight = Annotated[Any, BeforeValidator(_check_class_weight), WithJsonSchema(_CLASS_WEIGHT_SCHEMA)]


class TargetSettings(BaseModel):
    """How targets are coded for the network, and how much each class counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_mode_override="serialization")

    target_coding: Annotated[Choice, ChosenFrom(TARGET_CODINGS)] = Field(
        Choice("one_hot"), description="Which outputs stand for a class."
    )
    target_scale: Annotated[Choice, ChosenFrom(TARGET_SCALES)] = Field(
        Choice("standard"), description="The scale on which numbers are learned; undone in predictions and scores."
    )
    calibration: Annotated[Choice, ChosenFrom(CALIBRATIONS)] = Field(
        Choice("none"), description="What makes the probabilities of classes honest, found on the validation rows."
    )
    class_weight: ClassWeight = Field(
        None,
        description="How much each class counts; none: as often as it occurs; balanced: all classes equally; or a "
        "table class = weight, 1 for classes that are not named.",
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1, strict=True, allow_inf_nan=False), AS_NUMBER] = Field(
        0.0,
        description="ε: the target of a training row's class is 1 − ε + ε/K of K classes, and that of the others ε/K; "
        "such as 0.1; 0: 1 and 0.",
    )
