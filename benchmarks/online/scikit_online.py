"""scikit-learn's MLPClassifier.

With two classes it has one logistic output where the others have two: a little less work. Its inputs are not scaled.
"""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.neural_network import MLPClassifier

from benchmarks.online.work import BATCHES, LEARNING_RATE, NETWORKS, SLOW_UPDATES, cell, data_of, microseconds
from benchmarks.workloads import MOMENTUM, SEED

OPTIMIZERS = ("sgd", "adam")
N_SINGLE = 50  # calls with one row


def model_of(network: str, batch_size: int, optimizer: str) -> MLPClassifier:
    own: dict[str, Any] = {"momentum": MOMENTUM, "nesterovs_momentum": False} if optimizer == "sgd" else {}
    model = MLPClassifier(
        NETWORKS[network][1:-1],
        activation="tanh",
        solver=optimizer,
        alpha=0.0,
        batch_size=batch_size,
        learning_rate_init=LEARNING_RATE,
        shuffle=False,
        random_state=SEED,
        **own,
    )
    data = data_of(network, 1_000)
    return model.partial_fit(data.inputs[:batch_size], data.classes[:batch_size], classes=[0, 1])


def sequences() -> dict[str, float]:
    found = {}
    for network in NETWORKS:
        for batch_size in BATCHES:
            data = data_of(network, SLOW_UPDATES * batch_size)
            for optimizer in OPTIMIZERS:
                model = model_of(network, batch_size, optimizer)
                found[cell(network, batch_size, optimizer)] = microseconds(
                    lambda model=model, data=data: model.partial_fit(data.inputs, data.classes), SLOW_UPDATES
                )
    return found


def rows() -> dict[str, float]:
    warnings.simplefilter("ignore")  # a batch of one row is larger than that row, it says
    found = {}
    for network in NETWORKS:
        data, model = data_of(network, 1_000), model_of(network, 1, "sgd")

        def work(data: Any = data, model: MLPClassifier = model) -> None:
            for i in range(N_SINGLE):
                model.partial_fit(data.inputs[i : i + 1], data.classes[i : i + 1])

        found[network] = microseconds(work, N_SINGLE)
    return found
