"""Inputs and targets made easy to learn: columns as inputs, coded targets, and the way back for predictions.

The room promises that what is fitted on training rows is all it knows: medians, means and levels are computed once, in
float64, on the host, weighted as the training is, and applied unchanged to every later row. It reads tables column by
column, knows no files, and never writes to the arrays it is given.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from entrena.preprocessing.augmentation import AUGMENTATIONS
from entrena.preprocessing.calibration import CALIBRATIONS, fit_temperature
from entrena.preprocessing.categories import CATEGORIES
from entrena.preprocessing.dates import DATES
from entrena.preprocessing.decorrelation import DECORRELATIONS
from entrena.preprocessing.missing import MISSING
from entrena.preprocessing.preprocessor import Preprocessor
from entrena.preprocessing.running import RunningInputs, RunningMoments, RunningTargets
from entrena.preprocessing.scaling import CENTER, SCALES
from entrena.preprocessing.settings import InputSettings, TargetSettings
from entrena.preprocessing.target_encoding import EncodingTargets, OutOfFold, out_of_fold
from entrena.preprocessing.targets import TARGET_CODINGS, TARGET_SCALES, TargetCoder, class_weights, smoothed
from entrena.preprocessing.transforms import TRANSFORMS

if TYPE_CHECKING:
    from entrena.preprocessing.table_transformer import TableTransformer as TableTransformer
    from entrena.preprocessing.transformers import PrincipalComponents as PrincipalComponents

__all__ = [
    "AUGMENTATIONS",
    "CALIBRATIONS",
    "CATEGORIES",
    "CENTER",
    "DATES",
    "DECORRELATIONS",
    "MISSING",
    "SCALES",
    "TARGET_CODINGS",
    "TARGET_SCALES",
    "TRANSFORMS",
    "EncodingTargets",
    "InputSettings",
    "OutOfFold",
    "Preprocessor",
    "PrincipalComponents",
    "RunningInputs",
    "RunningMoments",
    "RunningTargets",
    "TableTransformer",
    "TargetCoder",
    "TargetSettings",
    "class_weights",
    "fit_temperature",
    "out_of_fold",
    "smoothed",
]


# scikit-learn takes half a second to import, which the command line does not need.
_LATE = {"PrincipalComponents": "transformers", "TableTransformer": "table_transformer"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'entrena.preprocessing' has no attribute '{name}'")
    return getattr(import_module(f"entrena.preprocessing.{_LATE[name]}"), name)
