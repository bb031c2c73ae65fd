"""river: a row at a time only, each scaled by the means and deviations of the rows so far, as entrena does.

Its MLPRegressor, two targets and squared error, plain sgd without momentum: river 0.25 is the last release that has it,
as deprecated; later ones have no network. Beside it what river is made for: a logistic regression, which has no hidden
layer. The rows are dictionaries before the clock starts.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.online.work import LEARNING_RATE, NETWORKS, data_of, microseconds
from benchmarks.workloads import SEED

warnings.simplefilter("ignore")  # the network is deprecated
from river import linear_model, neural_net, optim, preprocessing  # noqa: E402

NETWORK, LINEAR = "MLPRegressor", "LogisticRegression"
N_SINGLE = 50


class Tanh:
    """The activation, which river's network lacks."""

    @staticmethod
    def apply(z: np.ndarray) -> np.ndarray:
        return np.tanh(z)

    @staticmethod
    def gradient(z: np.ndarray) -> np.ndarray:
        return 1 - np.tanh(z) ** 2


def model_of(kind: str, network: str) -> Any:
    if kind == LINEAR:
        return preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(LEARNING_RATE))
    hidden = NETWORKS[network][1:-1]
    activations = (*(Tanh for _ in hidden), neural_net.activations.Identity)
    mlp = neural_net.MLPRegressor(hidden, activations, optimizer=optim.SGD(LEARNING_RATE), seed=SEED)
    return preprocessing.StandardScaler() | mlp


def sequences() -> dict[str, float]:
    return {}


def rows() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {NETWORK: {}, LINEAR: {}}
    for network in NETWORKS:
        data = data_of(network, N_SINGLE)
        inputs = [{f"x{k:02}": float(value) for k, value in enumerate(row)} for row in data.inputs]
        for kind in found:
            targets: list[Any] = [bool(number) for number in data.classes]
            if kind == NETWORK:
                targets = [{"y0": 1.0 - number, "y1": float(number)} for number in data.classes]
            model = model_of(kind, network)

            def work(model: Any = model, inputs: Any = inputs, targets: Any = targets) -> None:
                for x, y in zip(inputs, targets, strict=True):
                    model.learn_one(x, y)

            found[kind][network] = microseconds(work, N_SINGLE)
    return found
