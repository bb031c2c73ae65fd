"""entrena on images that are changed in each update: sgd with momentum, the history and nothing else."""

from __future__ import annotations

import time

from benchmarks.learners.entrena_run import PLAIN, measurement
from benchmarks.learners.measurement import Measurement
from benchmarks.workloads import Workload, make_data
from entrena import Recipe, train

# The same transformations as those of `keras_augmented`.
AMOUNTS: dict[str, dict[str, object] | None] = {
    "none": None,
    "shift+flip": {"shift": 0.1, "flip": "horizontal"},
    "rotation": {"rotation": 15.0},
    "affine": {"shift": 0.1, "flip": "horizontal", "rotation": 15.0, "scaling": 0.1},
    "noise": {"noise": 0.1},
    "all": {"shift": 0.1, "flip": "horizontal", "rotation": 15.0, "scaling": 0.1, "noise": 0.1},
}
SIDE = 28


def measure(workload: Workload, augment: str = "none") -> Measurement:
    data = make_data(workload)
    settings = {
        "hidden": workload.hidden,
        "batch_size": workload.batch_size,
        "learning_rate": workload.learning_rate,
        "max_epochs": 1 + workload.n_epochs,
        "augment": AMOUNTS[augment],
    }
    start = time.perf_counter()
    images = data.inputs.reshape(-1, SIDE, SIDE)
    run = train(Recipe(**(PLAIN | settings)), (images, data.classes), save=False, test_fraction=0)
    return measurement(run.history, workload, time.perf_counter() - start)
