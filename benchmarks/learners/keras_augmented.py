"""Keras 3 on JAX with its layers for images in front of the network: `fit` with 32 steps in each call."""

from __future__ import annotations

from dataclasses import replace

import keras

from benchmarks.learners.entrena_augmented import SIDE
from benchmarks.learners.keras_jax import STEPS_PER_EXECUTION, Clock
from benchmarks.learners.measurement import Measurement
from benchmarks.workloads import MOMENTUM, SEED, Workload, make_data

# Of an epoch. An update takes as long with few rows as with many, and 200 of these would take half a minute.
N_UPDATES = 32


def layers_for(augment: str) -> list[keras.layers.Layer]:
    """Keras's layers for a transformation; each resamples for itself."""
    moved = {"fill_mode": "nearest", "interpolation": "bilinear"}
    flip, shift = keras.layers.RandomFlip("horizontal"), keras.layers.RandomTranslation(0.1, 0.1, **moved)
    rotation, scaling = keras.layers.RandomRotation(15 / 360, **moved), keras.layers.RandomZoom(0.1, **moved)
    noise = keras.layers.GaussianNoise(0.1)
    return {
        "none": [],
        "shift+flip": [flip, shift],
        "rotation": [rotation],
        "affine": [flip, shift, rotation, scaling],
        "noise": [noise],
        "all": [flip, shift, rotation, scaling, noise],
    }[augment]


def measure(workload: Workload, augment: str = "none") -> Measurement:
    keras.utils.set_random_seed(SEED)
    workload = replace(workload, n_rows=N_UPDATES * workload.batch_size)
    data = make_data(workload)
    hidden = [keras.layers.Dense(units, activation="relu") for units in workload.hidden]
    images = [keras.layers.Reshape((SIDE, SIDE, 1)), *layers_for(augment), keras.layers.Flatten()]
    model = keras.Sequential(
        [keras.Input(workload.sizes[:1]), *images, *hidden, keras.layers.Dense(workload.sizes[-1])]
    )
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
