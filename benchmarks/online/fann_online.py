"""The C library FANN: tanh units, its own squared error, one example at a time; the loop over the rows is in C."""

from __future__ import annotations

from benchmarks.learners import fann
from benchmarks.online.work import LEARNING_RATE, N_ROWS, NETWORKS, cell
from benchmarks.workloads import Workload

N_EPOCHS = 1  # that is timed, after one that is not


def sequences() -> dict[str, float]:
    found = {}
    for network, sizes in NETWORKS.items():
        measured = fann.measure(Workload("online", sizes, 1, N_ROWS[1], LEARNING_RATE, N_EPOCHS))
        found[cell(network, 1, "sgd")] = measured.seconds / measured.n_updates * 1e6
    return found


def rows() -> dict[str, float]:
    return {}
