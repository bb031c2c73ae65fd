"""The C library FANN (online training only), through the program `fann.c`, which `run.sh` compiles.

Its loss is the squared error of tanh outputs, which costs less than softmax with cross-entropy.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from benchmarks.learners.measurement import Measurement
from benchmarks.workloads import MOMENTUM, Workload, make_data

PROGRAM = Path(__file__).parents[1] / "build" / "fann"


def is_available() -> bool:
    """Whether `run.sh` could compile it."""
    return PROGRAM.exists()


def measure(workload: Workload, stepwise: str = "0", shuffle: str = "0") -> Measurement:
    data = make_data(workload)
    n_inputs, *hidden, n_outputs = workload.sizes
    targets = np.where(np.eye(n_outputs)[data.classes] > 0, 0.9, -0.9)
    rows = np.concatenate([data.inputs, targets], axis=1).astype(np.float32)
    units = ",".join(map(str, hidden))
    numbers = (workload.n_rows, n_inputs, units, n_outputs, workload.learning_rate, MOMENTUM, workload.n_epochs)
    command = [str(PROGRAM), *map(str, numbers), stepwise, shuffle]
    printed = subprocess.run(command, input=rows.tobytes(), stdout=subprocess.PIPE, check=True).stdout.split()
    return Measurement(float(printed[0]), int(printed[1]), float(printed[2]))
