"""entrena through `train`: history, validation of a tenth of the rows after each epoch, best weights."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time

from benchmarks.learners.measurement import Measurement
from benchmarks.workloads import MOMENTUM, SEED, Workload, make_data
from entrena import Recipe, train

# The task of a workload with nothing that can be left out.
PLAIN = {
    "center": False,
    "scale": "none",
    "optimizer": "sgd",
    "momentum": MOMENTUM,
    "mode": "mini_batch",
    "schedule": "constant",
    "weight_decay": 0.0,
    "early_stopping": False,
    "random_state": SEED,
}
# What can be added to it, by name. `validated`, `saved` and `watched` are arguments of `train`, below.
FEATURES: dict[str, dict[str, object]] = {
    "plain": {},
    "validated": {"early_stopping": True, "patience": 1_000_000},
    "saved": {},
    "watched": {},
    "nesterov": {"nesterov": True},
    "weight_decay": {"weight_decay": 1e-4},
    "one_cycle": {"schedule": "one_cycle"},
    "adamw": {"optimizer": "adamw", "momentum": None},
    "batch_normalization": {"normalization": "batch"},
    "layer_normalization": {"normalization": "layer"},
    "dropout": {"dropout": 0.2},
    "rrelu": {"activation": "rrelu"},
    "prelu": {"activation": "prelu"},
    "input_noise": {"input_noise": 0.1},
    "mixup": {"mixup": 0.2},
    "ema": {"ema": 0.99},
    "l1": {"l1": 1e-5},
    "max_norm": {"max_norm": 3.0},
}


def measure(workload: Workload, activation: str = "relu", features: str = "validated") -> Measurement:
    """Trains with some features, their names joined by `+`."""
    names = features.split("+")
    settings: dict[str, object] = {
        "hidden": workload.hidden,
        "activation": activation,
        "batch_size": workload.batch_size,
        "learning_rate": workload.learning_rate,
        "max_epochs": 1 + workload.n_epochs,
    }
    for name in names:
        settings |= FEATURES[name]
    data = make_data(workload)
    held_out = (data.validation_inputs, data.validation_classes) if "validated" in names else None
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = train(
            Recipe(**(PLAIN | settings)),
            (data.inputs, data.classes),
            validation_data=held_out,
            callbacks=[lambda progress: None] if "watched" in names else [],
            runs_dir=folder,
            save="saved" in names,
            test_fraction=0,
        )
        whole_seconds = time.perf_counter() - start
    return measurement(run.history, workload, whole_seconds)


def measurement(history: tuple[dict, ...], workload: Workload, whole_seconds: float) -> Measurement:
    """From the second epoch on; `seconds` of a record is the training time so far."""
    first, last = history[0], history[-1]
    seconds, n_epochs = last["seconds"] - first["seconds"], len(history) - 1
    typical = statistics.median(b["seconds"] - a["seconds"] for a, b in itertools.pairwise(history))
    assert typical > 0.3 * seconds / n_epochs, "several epochs in one call: their single times mean nothing"
    assert first["update"] == workload.n_updates, "all learners must do the same number of updates"
    return Measurement(seconds, last["update"] - first["update"], last["loss"], whole_seconds)
