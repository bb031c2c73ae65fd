"""The networks, batches and rows, and the clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from benchmarks.workloads import Data, Workload, make_data

NETWORKS = {"10-16-2": (10, 16, 2), "20-64-64-2": (20, 64, 64, 2)}
BATCHES = (1, 2, 4, 8)
LEARNING_RATE = 0.002
N_ROWS = {1: 65_536, 2: 16_384, 4: 16_384, 8: 16_384}  # of a sequence, by batch
SLOW_UPDATES = 400  # in a sequence, of the learners that have Python between two updates
LEAST_SECONDS = 0.15


def cell(network: str, batch_size: int, optimizer: str) -> str:
    """The name of a measurement."""
    return f"{network} {batch_size} {optimizer}"


def data_of(network: str, n_rows: int) -> Data:
    """Rows with two classes."""
    return make_data(Workload("online", NETWORKS[network], 1, n_rows, LEARNING_RATE, 1))


def microseconds(work: Callable[[], object], n: int) -> float:
    """The median time of some work, by the n updates or rows that it has; the first time is not counted."""
    work()
    times: list[float] = []
    while sum(times) < LEAST_SECONDS:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) / n * 1e6
