"""entrena trains multilayer neural networks on a person's own data and shows why training goes well or badly.

    from entrena import NetworkClassifier, NetworkRegressor, Recipe, train, load

Importing entrena is quick: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrena.estimators import NetworkClassifier as NetworkClassifier
    from entrena.estimators import NetworkRegressor as NetworkRegressor
    from entrena.estimators import load as load
    from entrena.finished_run import Run as Run
    from entrena.recipe import Recipe as Recipe
    from entrena.run import train as train
    from entrena.stream_run import train_stream as train_stream

__version__ = "0.1.0"

_HOME = {
    "EntrenaError": "entrena.errors",
    "Model": "entrena.model",
    "NetworkClassifier": "entrena.estimators",
    "NetworkRegressor": "entrena.estimators",
    "Recipe": "entrena.recipe",
    "Run": "entrena.finished_run",
    "load": "entrena.estimators",
    "train": "entrena.run",
    "train_stream": "entrena.stream_run",
}

__all__ = [
    "EntrenaError",
    "Model",
    "NetworkClassifier",
    "NetworkRegressor",
    "Recipe",
    "Run",
    "__version__",
    "load",
    "train",
    "train_stream",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'entrena' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
