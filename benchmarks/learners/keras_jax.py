"""Keras 3 on JAX: `fit` with 32 steps in each call."""

from __future__ import annotations

import time

import keras

from benchmarks.learners.measurement import Measurement
from benchmarks.workloads import MOMENTUM, SEED, Workload, make_data

LEAST_SECONDS = 0.5
STEPS_PER_EXECUTION = 32


class Clock(keras.callbacks.Callback):
    """Times the epochs from the second on and stops when that is long enough."""

    n_epochs = 0
    start = 0.0
    seconds = 0.0

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch == 0:
            self.start = time.perf_counter()
            return
        self.n_epochs = epoch
        self.seconds = time.perf_counter() - self.start
        self.model.stop_training = self.seconds >= LEAST_SECONDS


def measure(workload: Workload) -> Measurement:
    keras.utils.set_random_seed(SEED)
    data = make_data(workload)
    hidden = [keras.layers.Dense(units, activation="relu") for units in workload.hidden]
    model = keras.Sequential([keras.Input(workload.sizes[:1]), *hidden, keras.layers.Dense(workload.sizes[-1])])
    model.compile(
        keras.optimizers.SGD(workload.learning_rate, MOMENTUM),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=True,
    )
    clock = Clock()
    history = model.fit(
        data.inputs, data.classes, workload.batch_size, epochs=1000, shuffle=True, verbose=0, callbacks=[clock]
    )
    return Measurement(clock.seconds, clock.n_epochs * workload.n_updates, history.history["loss"][-1])
