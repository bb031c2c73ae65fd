"""What a run will do, in numbers: the recipe's `none` and `auto` resolved for given data.

Every rule here is a fixed function of shapes, never of a measured time: two equal runs are cut into the same calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from entrena.errors import Problem, RecipeError
from entrena.network.multilayer import Network
from entrena.network.normalization import BATCH_STATISTICS
from entrena.preprocessing.augmentation import Augmentation
from entrena.registry import Choice
from entrena.training import rates
from entrena.training.batch_only import refused_memory, refused_mode, refused_task
from entrena.training.batch_optimizers import Cost, Size
from entrena.training.forms import LOOP, choose_form
from entrena.training.optimizers import (
    cost_of,
    is_batch_only,
    own_decay,
    own_default,
    settings_by_use,
)
from entrena.training.order import batch_sizes, n_batches, needs
from entrena.training.settings import RateSettings, RegularizationSettings, TrainingSettings
from entrena.training.structure import Structure

SMALL_DATA = 5_000  # training rows below which early_stopping="auto" gives up none for validation
MOST_ROWS_IN_EIGHTS, MOST_ROWS_IN_SIXTEENS = 400, 1_000  # small tables get more updates (docs/defaults.md)
STREAM_ROWS = 10**9  # more than a stream will have: what a rule makes of many rows
STREAM_BATCH = 32
VALIDATION_BLOCK = 1_024  # rows of one block of the validation pass
MOST_EPOCHS_A_CALL = 16
MANY_EPOCHS = 1_000  # a program of several epochs compiles 0.15 s longer and saves about 0.15 ms an epoch
MOST_SNAPSHOT_BYTES = 4 * 2**20
SHORT_EPOCH_SECONDS = 2e-3
CALL_SECONDS = 0.5
FLOPS_A_SECOND = 4e11  # of two CPU cores; only the order of magnitude matters
LEAST_UPDATE_SECONDS = 1e-6


@dataclass(frozen=True)
class Disturbances:
    """What an update does to signals on purpose; 0: nothing.

    Attributes:
        dropout: Share of the hidden units that are left out.
        alpha_dropout: Share of the hidden units that are set to the lower limit of selu.
        input_noise: Standard deviation of the noise on the inputs.
        mixup: α of the shares in which examples are mixed.
    """

    dropout: float = 0.0
    alpha_dropout: float = 0.0
    input_noise: float = 0.0
    mixup: float = 0.0


@dataclass(frozen=True)
class Plan:
    """All that the loop needs to know, apart from data and weights.

    Attributes:
        structure: What the program is compiled for.
        n_rows: Training rows that are drawn (those of weight 0 are not).
        batch_size: Examples of an update; with `whole_batch`, the rows of the padded table.
        whole_batch: Every update sees all the rows as they lie, without a gather.
        n_updates: Updates of an epoch.
        max_epochs: Epochs of the run.
        max_seconds: Limit of the training time, or None.
        epochs_a_call: Epochs computed by one call of the program; 1 where an epoch takes several calls.
        updates_a_call: Updates computed by one call, epoch by epoch.
        learning_rate: η0, or the peak of one_cycle.
        schedule: How it changes.
        momentum: The momentum, or None where the optimizer has none.
        optimizer_settings: The numbers that the optimizer is given: its own settings and `weight_decay`.
        optimizer_bytes: Of memory that a batch-only optimizer needs beside data and weights, working space included; 0
            of the others, which take a few times the weights.
        beside: The numbers that the program is given beside the optimizer's, by the names of `NOT_THE_OPTIMIZERS`.
        mixup: α of the shares in which an update mixes its examples; 0: it does not.
        order: In which sequence an epoch shows the examples.
        prior_shift: [outputs] what is added to the output layer's net inputs where the order draws the classes in other
            shares than they have, so that the network predicts by the true ones; else empty.
        patience: Epochs without improvement before the end, or None.
        restore_best: Whether the best validated weights are the result.
        scoring: The score that says which weights are best; None: the validation loss.
        seed: Of the initial weights, the orders and the dropout.
        dtype: Of the weights.
        device: The recipe's name of the device.
    """

    structure: Structure
    n_rows: int
    batch_size: int
    whole_batch: bool
    n_updates: int
    max_epochs: int
    max_seconds: float | None
    epochs_a_call: int
    updates_a_call: int
    learning_rate: float
    schedule: Choice
    momentum: float | None
    optimizer_settings: Mapping[str, Any]
    optimizer_bytes: int
    beside: Mapping[str, Any]
    mixup: float
    order: Choice
    prior_shift: tuple[float, ...]
    patience: int | None
    restore_best: bool
    scoring: str | None
    seed: int
    dtype: str
    device: str

    @property
    def settings(self) -> dict[str, np.ndarray]:
        """The numbers that the program is given once."""
        numbers = {name: np.asarray(value, self.dtype) for name, value in self.optimizer_settings.items()}
        numbers |= {name: np.asarray(value, self.dtype) for name, value in self.beside.items()}
        structure = self.structure
        needs_rows = structure.set_statistics or (self.whole_batch and (structure.mixup or structure.moves_statistics))
        return {**numbers, "n_rows": np.asarray(self.n_rows, np.int32)} if needs_rows else numbers

    @cached_property
    def sizes(self) -> np.ndarray:
        """Examples of each update of an epoch."""
        even = self.structure.network.has_batch_statistics and not self.whole_batch
        return batch_sizes(self.n_rows, self.batch_size, even=even)

    @property
    def n_run_updates(self) -> int:
        """T: the updates of the whole run."""
        return self.max_epochs * self.n_updates


def round_up(n: int) -> int:
    """The next size up of a ladder whose steps are at most an eighth: close sizes share one compiled program.

    >>> [round_up(n) for n in (1, 15, 17, 100, 1437)]
    [1, 15, 18, 104, 1536]
    """
    step = max(1, 2 ** (n.bit_length() - 4))
    return -(-n // step) * step


def sees_all_rows(settings: TrainingSettings) -> bool:
    """Whether each update sees all the rows: in mode `batch`, which `auto` is for batch-only optimizers."""
    return settings.mode == "batch" or (settings.mode == "auto" and is_batch_only(settings.optimizer))


def batch_size(settings: TrainingSettings, n_rows: int) -> int:
    """Examples of an update in the given mode."""
    if settings.mode == "online":
        return 1
    if sees_all_rows(settings):
        return round_up(n_rows)
    if settings.batch_size != "auto":
        return min(settings.batch_size, round_up(n_rows))
    if n_rows <= MOST_ROWS_IN_EIGHTS:
        return 8
    if n_rows <= MOST_ROWS_IN_SIXTEENS:
        return 16
    size = 32
    while size < 256 and n_rows > 160 * size:  # at least about 80 updates an epoch, where there are rows enough
        size *= 2
    return size


def wants_validation(settings: TrainingSettings, n_rows: int) -> bool:
    """Whether rows are held out for validation where the user gives none: always, never, or unless data are few."""
    if settings.early_stopping == "auto":
        return n_rows >= SMALL_DATA
    return settings.early_stopping


def make_plan(
    network: Network,
    loss: str,
    training: TrainingSettings,
    rate: RateSettings,
    regularization: RegularizationSettings,
    *,
    n_rows: int,
    n_validation: int,
    seed: int,
    platform: str,
    disturbances: Disturbances = Disturbances(),
    batch_statistics: Choice | None = None,
    prior_shift: tuple[float, ...] = (),
    augmentation: Augmentation | None = None,
) -> Plan:
    """Resolves the settings for a network and a number of training rows.

    Args:
        network: The network, its sizes known.
        loss: A name of `LOSSES` (never `auto`).
        training: The recipe's section.
        rate: The recipe's section.
        regularization: The recipe's section.
        n_rows: Training rows that can be drawn.
        n_validation: Validation rows; 0: none.
        seed: Of weights, orders and dropout.
        platform: `cpu`, `gpu` or `tpu`.
        disturbances: What an update does to signals on purpose.
        batch_statistics: With batch normalization, a choice of `BATCH_STATISTICS`; None: its first.
        prior_shift: As in `Plan`.
        augmentation: How images are changed in each update, or None.

    Raises:
        RecipeError: The optimizer does not fit the mode, the loss or the output, or would take too much memory.
    """
    optimizer = training.optimizer
    batch_only = is_batch_only(optimizer)
    momentum = _given(training.momentum, own_default(optimizer, "momentum"))
    learning_rate = _given(rate.learning_rate, own_default(optimizer, "learning_rate"))
    assert learning_rate is not None
    decay = _given(regularization.weight_decay, own_decay(optimizer, learning_rate, n_rows))
    assert decay is not None
    has_momentum = bool(momentum)
    size = batch_size(training, n_rows)
    whole = sees_all_rows(training)
    dtype = "float64" if training.precision == "float64" else "float32"
    cost = cost_of(optimizer, Size(network.n_weights, size, network.n_outputs, 8 if dtype == "float64" else 4))
    settings, compiled, _ = settings_by_use(optimizer)
    problems = refused_mode(training) + refused_task(optimizer, loss, network.output)
    problems += refused_memory(optimizer, network.n_weights, cost)
    if problems:
        raise RecipeError(problems)
    n_updates = 1
    if not whole:
        n_updates = n_batches(n_rows, size, even=network.has_batch_statistics)
        size = max(size, -(-n_rows // n_updates)) if network.has_batch_statistics else size
    if network.has_batch_statistics and n_rows < 2:
        said = "'batch' needs at least two training rows: one has no variance; take normalization=layer"
        raise RecipeError([Problem("network.normalization", said)])
    form = choose_form(network.n_weights, size, platform, embeddings=bool(network.embeddings))
    form = LOOP if batch_only or augmentation is not None else form
    structure = Structure(
        replace(network, initialization=None),
        loss,
        optimizer.name,
        momentum=has_momentum,
        nesterov=has_momentum and bool(training.nesterov),
        decay=decay > 0,
        compute_dtype="bfloat16" if training.precision == "bfloat16" else None,
        form=form,
        **_switches(network, training, regularization, disturbances, batch_statistics),
        augmentation=augmentation,
        prior_shift=bool(prior_shift),
        fixed=tuple(sorted(compiled.items())),
    )
    updates = updates_a_call(network, size, n_updates)
    epochs = 1
    many = training.max_epochs >= MANY_EPOCHS or batch_only  # whose epochs are single updates
    if updates >= n_updates and many and "losses" not in needs(training.order):
        epochs = _epochs_a_call(network, size, n_updates, n_validation, cost if batch_only else None)
    if structure.decay:
        settings["weight_decay"] = decay
    # A batch-only optimizer follows no schedule: it ends when it has converged, or by patience.
    schedule = Choice("constant") if batch_only else rate.schedule
    patient = training.early_stopping is True or not rates.has_end(schedule)
    validated = n_validation > 0 and training.early_stopping is not False
    return Plan(
        structure=structure,
        n_rows=n_rows,
        batch_size=size,
        whole_batch=whole,
        n_updates=n_updates,
        max_epochs=training.max_epochs,
        max_seconds=training.max_seconds,
        epochs_a_call=epochs,
        updates_a_call=updates,
        learning_rate=learning_rate,
        schedule=schedule,
        momentum=momentum if has_momentum else None,
        optimizer_settings=settings,
        optimizer_bytes=cost.bytes,
        beside=_beside(structure, training, regularization, disturbances, batch_statistics, prior_shift),
        mixup=disturbances.mixup,
        order=training.order,
        prior_shift=prior_shift,
        patience=training.patience if validated and patient else None,
        restore_best=validated,
        scoring=training.scoring.name if training.scoring else None,
        seed=seed,
        dtype=dtype,
        device=training.device,
    )


def _switches(
    network: Network,
    training: TrainingSettings,
    regularization: RegularizationSettings,
    disturbances: Disturbances,
    batch_statistics: Choice | None,
) -> dict[str, bool]:
    """What of an update is on."""
    hidden = network.n_hidden > 0
    of_set = batch_statistics is not None and batch_statistics.name == "training_set"
    return {
        "dropout": hidden and (disturbances.dropout > 0 or disturbances.alpha_dropout > 0),
        "alpha_dropout": hidden and disturbances.alpha_dropout > 0,
        "input_noise": disturbances.input_noise > 0,
        "mixup": disturbances.mixup > 0,
        "l1": regularization.l1 > 0,
        "max_norm": regularization.max_norm is not None,
        "ema": training.ema > 0,
        # No mini-batch has seen the running means of the weights: their statistics are those of the training rows.
        "set_statistics": network.has_batch_statistics and (of_set or training.ema > 0),
    }


def _beside(
    structure: Structure,
    training: TrainingSettings,
    regularization: RegularizationSettings,
    disturbances: Disturbances,
    batch_statistics: Choice | None,
    prior_shift: tuple[float, ...],
) -> dict[str, Any]:
    """The numbers of what is on."""
    moving = batch_statistics or Choice("moving_average")
    momentum = BATCH_STATISTICS.settings_of(moving)["momentum"] if structure.moves_statistics else 0.0
    numbers: dict[str, tuple[bool, Any]] = {
        "kept": (structure.dropout, 1 - (disturbances.alpha_dropout or disturbances.dropout)),
        "input_noise": (structure.input_noise, disturbances.input_noise),
        "l1": (structure.l1, regularization.l1),
        "max_norm": (structure.max_norm, regularization.max_norm),
        "ema": (structure.ema, training.ema),
        "statistics_momentum": (structure.moves_statistics, momentum),
        "prior_shift": (structure.prior_shift, prior_shift),
    }
    return {name: value for name, (is_on, value) in numbers.items() if is_on}


def make_stream_plan(
    network: Network,
    loss: str,
    training: TrainingSettings,
    rate: RateSettings,
    regularization: RegularizationSettings,
    *,
    seed: int,
    platform: str,
    disturbances: Disturbances = Disturbances(),
    batch_statistics: Choice | None = None,
) -> Plan:
    """The plan of a stream: rows in the sequence in which they come, as many as there will be.

    A schedule with an end has no place in it: the rate is constant unless the schedule has none. The optimizer's own
    rate, which is meant as the peak of one_cycle, becomes the rate at which one_cycle begins, a tenth of it.
    `batch_size="auto"` is `STREAM_BATCH`. The arguments are those of `make_plan`.
    """
    size = STREAM_BATCH if training.batch_size == "auto" else training.batch_size
    mode = {"mode": "online"} if training.mode == "online" else {"mode": "mini_batch", "batch_size": size}
    own = {**mode, "order": Choice("sequential"), "max_epochs": 1, "early_stopping": False}
    if rates.has_end(rate.schedule):
        own_rate = own_default(training.optimizer, "learning_rate")
        assert own_rate is not None
        constant = {"schedule": Choice("constant"), "learning_rate": _given(rate.learning_rate, own_rate / 10)}
        rate = rate.model_copy(update=constant)
    return make_plan(
        network,
        loss,
        training.model_copy(update=own),
        rate,
        regularization,
        n_rows=STREAM_ROWS,
        n_validation=0,
        seed=seed,
        platform=platform,
        disturbances=disturbances,
        batch_statistics=batch_statistics,
    )


def _given(value: float | None, default: float | None) -> float | None:
    return default if value is None else value


def updates_a_call(network: Network, batch_size: int, n_updates: int, n_networks: int = 1) -> int:
    """Updates of one call: an epoch's, or as many of a long epoch as take about `CALL_SECONDS`."""
    seconds = n_networks * _update_seconds(network, batch_size)
    return min(round_up(n_updates), max(1, int(CALL_SECONDS / seconds)))


def _update_seconds(network: Network, batch_size: int) -> float:
    return max(LEAST_UPDATE_SECONDS, batch_size * _flops_a_row(network) / FLOPS_A_SECOND)


def _flops_a_row(network: Network) -> int:
    return 6 * network.n_weights  # a product forward and two backward, a multiplication and an addition each


def _epochs_a_call(
    network: Network, batch_size: int, n_updates: int, n_validation: int, batch_only: Cost | None
) -> int:
    """Epochs of one call where they are short and whole; with the cost of the optimizer where it is batch-only."""
    seconds = n_updates * _update_seconds(network, batch_size)
    seconds += n_validation * _flops_a_row(network) / 3 / FLOPS_A_SECOND
    snapshot_bytes = 3 * 8 * network.n_weights  # weights and two means, in the widest type
    if batch_only is not None:
        seconds += batch_only.operations / FLOPS_A_SECOND
        snapshot_bytes = 8 * network.n_weights
    epochs = min(MOST_EPOCHS_A_CALL, int(SHORT_EPOCH_SECONDS / seconds), MOST_SNAPSHOT_BYTES // max(1, snapshot_bytes))
    return max(1, epochs)
