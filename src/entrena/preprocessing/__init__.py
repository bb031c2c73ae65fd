"""Inputs and targets made easy to learn: columns as inputs, coded targets, and the way back for predictions.

The room promises that what is fitted on training rows is all it knows: medians, means and levels are computed once, in
float64, on the host, weighted as the training is, and applied unchanged to every later row. It reads tables column by
column, knows no files, and never writes to the arrays it is given.
"""

from entrena.preprocessing.calibration import CALIBRATIONS, fit_temperature
from entrena.preprocessing.categories import CATEGORIES
from entrena.preprocessing.missing import MISSING
from entrena.preprocessing.preprocessor import Preprocessor
from entrena.preprocessing.running import RunningInputs, RunningMoments, RunningTargets
from entrena.preprocessing.scaling import CENTER, SCALES
from entrena.preprocessing.settings import InputSettings, TargetSettings
from entrena.preprocessing.targets import TARGET_CODINGS, TARGET_SCALES, TargetCoder, class_weights

__all__ = [
    "CALIBRATIONS",
    "CATEGORIES",
    "CENTER",
    "MISSING",
    "SCALES",
    "TARGET_CODINGS",
    "TARGET_SCALES",
    "InputSettings",
    "Preprocessor",
    "RunningInputs",
    "RunningMoments",
    "RunningTargets",
    "TargetCoder",
    "TargetSettings",
    "class_weights",
    "fit_temperature",
]
