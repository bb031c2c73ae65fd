"""Reading a saved model as a fitted estimator."""

from __future__ import annotations

from pathlib import Path

from entrena.estimators.classifier import NetworkClassifier
from entrena.estimators.regressor import NetworkRegressor
from entrena.model import Model


def load(path: str | Path) -> NetworkClassifier | NetworkRegressor:
    """A fitted estimator of a run directory or a model file.

    Args:
        path: `runs/20261123-101500-digits`, or a `.safetensors` file.

    Raises:
        ModelFileError: The file is damaged, of another program, or of a newer format.
    """
    model = Model.load(path)
    return (NetworkRegressor if model.schema.classes is None else NetworkClassifier)._of_model(model)
