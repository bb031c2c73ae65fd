"""PyTorch on the CPU, eager, one thread: softmax and cross-entropy; the loop that a user writes, inputs not scaled."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.online.work import BATCHES, LEARNING_RATE, NETWORKS, SLOW_UPDATES, cell, data_of, microseconds
from benchmarks.workloads import MOMENTUM, SEED

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda params: torch.optim.SGD(params, LEARNING_RATE, MOMENTUM, fused=True),
    "adam": lambda params: torch.optim.Adam(params, LEARNING_RATE, fused=True),
    "adamw": lambda params: torch.optim.AdamW(params, LEARNING_RATE, fused=True),
}


def model_of(network: str, optimizer: str) -> tuple[nn.Sequential, torch.optim.Optimizer]:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    sizes, layers = NETWORKS[network], []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    return model, OPTIMIZERS[optimizer](model.parameters())


def learn(model: nn.Sequential, optimizer: torch.optim.Optimizer, X: torch.Tensor, y: torch.Tensor) -> None:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(X), y).backward()
    optimizer.step()


def sequences() -> dict[str, float]:
    found = {}
    for network in NETWORKS:
        for batch_size in BATCHES:
            data = data_of(network, SLOW_UPDATES * batch_size)
            X, y = torch.from_numpy(data.inputs), torch.from_numpy(data.classes).long()
            for name in OPTIMIZERS:
                model, optimizer = model_of(network, name)

                def work(size: int = batch_size, X: torch.Tensor = X, y: torch.Tensor = y) -> None:
                    for rows, classes in zip(X.split(size), y.split(size), strict=True):
                        learn(model, optimizer, rows, classes)  # noqa: B023 - called at once

                found[cell(network, batch_size, name)] = microseconds(work, SLOW_UPDATES)
    return found


def rows() -> dict[str, float]:
    found = {}
    for network in NETWORKS:
        data = data_of(network, SLOW_UPDATES)
        classes = data.classes.astype("int64")
        model, optimizer = model_of(network, "sgd")

        def work() -> None:
            for i in range(SLOW_UPDATES):
                X, y = torch.from_numpy(data.inputs[i : i + 1]), torch.from_numpy(classes[i : i + 1])  # noqa: B023
                learn(model, optimizer, X, y)  # noqa: B023 - called at once

        found[network] = microseconds(work, SLOW_UPDATES)
    return found
