"""entrena: the engine's `Stream`, a run of `train_network`, and the public `partial_fit`.

`partial_fit` does more: it checks the rows, scales each by the means and deviations of the rows so far, and keeps the
loss and the outputs of each row before it was learned. The engine keeps these as well; a run keeps its history.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.online.work import BATCHES, LEARNING_RATE, N_ROWS, NETWORKS, cell, data_of, microseconds
from benchmarks.workloads import MOMENTUM, SEED
from entrena import NetworkClassifier
from entrena.network import Network
from entrena.registry import Choice
from entrena.training import RateSettings, RegularizationSettings, TrainingSettings
from entrena.training.loop import train_network
from entrena.training.optimizers import OPTIMIZERS
from entrena.training.parts import TrainingPart
from entrena.training.plan import make_plan, make_stream_plan
from entrena.training.stream import Stream

ENGINE, RUN, PUBLIC = "engine", "run", "partial_fit"
N_SINGLE = 1_000  # calls with one row


def optimizers() -> list[str]:
    """Those that need not see all rows for each step."""
    return [name for name in OPTIMIZERS if not OPTIMIZERS[name].details.get("batch_only")]


def settings(batch_size: int, optimizer: str) -> dict[str, Any]:
    """As the peers: no weight decay, but in `adamw`."""
    mode: dict[str, Any] = {"mode": "online"} if batch_size == 1 else {"mode": "mini_batch", "batch_size": batch_size}
    decay = {} if optimizer == "adamw" else {"weight_decay": 0.0}
    momentum = {"momentum": MOMENTUM} if "momentum" in OPTIMIZERS[optimizer].details["uses"] else {}
    return {"optimizer": optimizer, "learning_rate": LEARNING_RATE, **mode, **decay, **momentum}


def sections(chosen: dict[str, Any]) -> list[Any]:
    """The recipe's sections of some settings."""
    kinds = (TrainingSettings, RateSettings, RegularizationSettings)
    return [kind(**{name: chosen[name] for name in chosen if name in kind.model_fields}) for kind in kinds]


def stream_of(network: str, batch_size: int, optimizer: str) -> Stream:
    """The engine with a tanh network, softmax and cross-entropy."""
    made = Network(NETWORKS[network], Choice("tanh"), "softmax")
    chosen = sections(settings(batch_size, optimizer))
    return Stream(made, make_stream_plan(made, "cross_entropy", *chosen, seed=SEED, platform="cpu"))


def classifier(network: str, batch_size: int, optimizer: str) -> NetworkClassifier:
    """The public face, its columns known."""
    data = data_of(network, 1_000)
    made = NetworkClassifier(NETWORKS[network][1:-1], "tanh", random_state=SEED, **settings(batch_size, optimizer))
    return made.partial_fit(data.inputs[:100], data.classes[:100], classes=[0, 1])


def run_seconds(network: str, batch_size: int) -> float:
    """µs per update of a run with sgd whose order is sequential, from its second epoch on."""
    data = data_of(network, N_ROWS[batch_size])
    made = Network(NETWORKS[network], Choice("tanh"), "softmax")
    own = {"max_epochs": 2, "early_stopping": False, "order": "sequential", "schedule": "constant"}
    chosen = sections({**settings(batch_size, "sgd"), **own})
    plan = make_plan(made, "cross_entropy", *chosen, n_rows=len(data.inputs), n_validation=0, seed=SEED, platform="cpu")
    targets = np.eye(2, dtype=np.float32)[data.classes]
    history = train_network(made, replace(plan, epochs_a_call=1), TrainingPart(data.inputs, targets)).history
    return (history[-1]["seconds"] - history[0]["seconds"]) / (history[-1]["update"] - history[0]["update"]) * 1e6


def sequences() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {ENGINE: {}, RUN: {}, PUBLIC: {}}
    for network in NETWORKS:
        for batch_size in BATCHES:
            data = data_of(network, N_ROWS[batch_size])
            targets = np.eye(2, dtype=np.float32)[data.classes]
            n = len(data.inputs) // batch_size
            found[RUN][cell(network, batch_size, "sgd")] = run_seconds(network, batch_size)
            for optimizer in optimizers():
                name = cell(network, batch_size, optimizer)
                stream = stream_of(network, batch_size, optimizer)
                found[ENGINE][name] = microseconds(lambda s=stream, X=data.inputs, t=targets: s.learn(X, t).losses, n)
                model = classifier(network, batch_size, optimizer)
                found[PUBLIC][name] = microseconds(
                    lambda m=model, X=data.inputs, y=data.classes: m.partial_fit(X, y).loss_, n
                )
                if not model.loss_ < 20:
                    raise SystemExit(f"{name} does not learn: {model.loss_}")
    return found


def rows() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {ENGINE: {}, PUBLIC: {}}
    for network in NETWORKS:
        data = data_of(network, N_SINGLE)
        targets = np.eye(2, dtype=np.float32)[data.classes]
        stream, model = stream_of(network, 1, "sgd"), classifier(network, 1, "sgd")

        def engine(stream: Stream = stream, data: Any = data, targets: Any = targets) -> None:
            for i in range(N_SINGLE):
                tested = stream.learn(data.inputs[i : i + 1], targets[i : i + 1])
            tested.losses  # noqa: B018 - waits for the device

        def public(model: NetworkClassifier = model, data: Any = data) -> None:
            for i in range(N_SINGLE):
                model.partial_fit(data.inputs[i : i + 1], data.classes[i : i + 1])
            model.loss_  # noqa: B018 - waits for the device

        found[ENGINE][network] = microseconds(engine, N_SINGLE)
        found[PUBLIC][network] = microseconds(public, N_SINGLE)
    return found
