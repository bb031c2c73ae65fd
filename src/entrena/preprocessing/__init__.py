"""Inputs and targets made easy to learn: centred and scaled inputs, coded targets, and the way back for predictions.

The room promises that what is fitted on training rows is all it knows: statistics are computed once, in float64, on the
host, weighted as the training is, and applied unchanged to every later row. It sees arrays, never tables, and never
writes to the arrays it is given.
"""

from entrena.preprocessing.preprocessor import Preprocessor
from entrena.preprocessing.scaling import CENTER, SCALES
from entrena.preprocessing.settings import InputSettings, TargetSettings
from entrena.preprocessing.targets import TARGET_CODINGS, TARGET_SCALES, TargetCoder, class_weights

__all__ = [
    "CENTER",
    "SCALES",
    "TARGET_CODINGS",
    "TARGET_SCALES",
    "InputSettings",
    "Preprocessor",
    "TargetCoder",
    "TargetSettings",
    "class_weights",
]
