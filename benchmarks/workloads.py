"""The four workloads: a network, a batch size, and synthetic data of the right shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEED = 0
MOMENTUM = 0.9
LABEL_NOISE = 0.1  # share of random labels, so that gradients never vanish (denormal numbers are slow on some CPUs)


@dataclass(frozen=True)
class Workload:
    """What every learner does.

    Attributes:
        sizes: Units of each layer, from inputs to outputs.
        batch_size: Examples of an update.
        n_rows: Training rows, a multiple of the batch size: each epoch has `n_rows / batch_size` updates.
        learning_rate: The constant rate, low enough that nothing diverges.
        n_epochs: Timed epochs of the learners that need no Python between updates; they last 0.5 to 2 s.
    """

    name: str
    sizes: tuple[int, ...]
    batch_size: int
    n_rows: int
    learning_rate: float
    n_epochs: int

    @property
    def n_updates(self) -> int:
        """Updates of an epoch."""
        return self.n_rows // self.batch_size

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of the hidden layers."""
        return self.sizes[1:-1]

    @property
    def text(self) -> str:
        """For tables: `20-64-64-2, batch 32`."""
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch_size}"


@dataclass(frozen=True)
class Data:
    """Inputs float32 [rows, columns] and classes int32 [rows]; the validation part is a tenth of all rows."""

    inputs: np.ndarray
    classes: np.ndarray
    validation_inputs: np.ndarray
    validation_classes: np.ndarray


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("online", (10, 16, 2), 1, 10_000, 0.002, 200),
        Workload("small", (20, 64, 64, 2), 32, 9_984, 0.02, 120),
        Workload("mnist", (784, 256, 128, 10), 128, 25_600, 0.02, 8),
        Workload("big", (784, 2048, 2048, 2048, 10), 256, 2_560, 0.005, 3),
    )
}


def make_data(workload: Workload, seed: int = SEED) -> Data:
    """Standard normal inputs; the class is what a random linear teacher says, or a random one."""
    generator = np.random.default_rng(seed)
    n_inputs, n_classes = workload.sizes[0], workload.sizes[-1]
    n_validation = round(workload.n_rows / 9)
    inputs = generator.standard_normal((workload.n_rows + n_validation, n_inputs), np.float32)
    classes = (inputs @ generator.standard_normal((n_inputs, n_classes), np.float32)).argmax(axis=1)
    random = generator.random(len(classes)) < LABEL_NOISE
    classes[random] = generator.integers(n_classes, size=random.sum())
    classes = classes.astype(np.int32)
    n = workload.n_rows
    return Data(inputs[:n], classes[:n], inputs[n:], classes[n:])


def initial_weights(workload: Workload, seed: int = SEED) -> list[tuple[np.ndarray, np.ndarray]]:
    """He's normal weights [in, out] and zero biases of each layer, float32."""
    generator = np.random.default_rng(seed)
    return [
        (
            generator.standard_normal((n_in, n_out), np.float32) * np.float32((2 / n_in) ** 0.5),
            np.zeros(n_out, np.float32),
        )
        for n_in, n_out in zip(workload.sizes, workload.sizes[1:], strict=False)
    ]
