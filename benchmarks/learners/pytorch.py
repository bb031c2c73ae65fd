"""PyTorch on the CPU, eager: the usual loop over batches, data already in tensors."""

from __future__ import annotations

import time

import torch
from torch import nn

from benchmarks.learners.measurement import Measurement
from benchmarks.workloads import MOMENTUM, SEED, Workload, make_data

LEAST_SECONDS = 0.5


def network(workload: Workload) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in zip(workload.sizes, workload.sizes[1:], strict=False):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def measure(workload: Workload, threads: str = "2", optimizer: str = "loop") -> Measurement:
    torch.set_num_threads(int(threads))
    torch.manual_seed(SEED)
    data = make_data(workload)
    inputs, classes = torch.from_numpy(data.inputs), torch.from_numpy(data.classes).long()
    model = network(workload)
    sgd = torch.optim.SGD(
        model.parameters(),
        workload.learning_rate,
        MOMENTUM,
        fused=optimizer == "fused",
        foreach=optimizer == "foreach",
    )

    def epoch() -> None:
        for rows in torch.randperm(workload.n_rows).split(workload.batch_size):
            sgd.zero_grad()
            nn.functional.cross_entropy(model(inputs[rows]), classes[rows]).backward()
            sgd.step()

    epoch()
    n_epochs, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < LEAST_SECONDS:
        epoch()
        n_epochs += 1
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model(inputs), classes).item()
    return Measurement(seconds, n_epochs * workload.n_updates, loss)
