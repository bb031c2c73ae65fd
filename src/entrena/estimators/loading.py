"""Reading a saved model as a fitted estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from entrena.estimators.classifier import NetworkClassifier
from entrena.estimators.regressor import NetworkRegressor
from entrena.model import Model


def load(
    path: str | Path, custom: Mapping[str, Callable[..., Any]] | None = None
) -> NetworkClassifier | NetworkRegressor:
    """A fitted estimator of a run directory or a model file.

    Args:
        path: `runs/20261123-101500-digits`, or a `.safetensors` file.
        custom: The Python functions that the model was trained with, by their dotted names: a file brings none along.

    Raises:
        ModelFileError: The file is damaged, of another program, or of a newer format; or a function is missing.
    """
    model = Model.load(path, custom)
    return (NetworkRegressor if model.schema.classes is None else NetworkClassifier)._of_model(model)
