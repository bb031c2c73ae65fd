"""The table from which `training/many.py` takes how many networks a core trains side by side: shares of 1 to 64.

python -m benchmarks.shares       # about 6 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from benchmarks import processes, report
from benchmarks.populations import ROUNDS, entrena_seconds, workload_of
from benchmarks.ratios import median_interval, number, paired_ratios, run_alternately
from benchmarks.workloads import SEED

SIZES = (1, 4, 8, 16, 32, 64)
N = 128
WHICH = ("online", "small", "digits")
FEW_EPOCHS = {"online": 2, "small": 1, "digits": 5}


def seconds_of(case: str, size: int) -> float:
    from entrena.training import many

    many.MOST_ON_A_CORE = size
    return entrena_seconds(workload_of(case), N, FEW_EPOCHS[case], together=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shares", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--cases", nargs="+", choices=WHICH, default=list(WHICH))
    options = parser.parse_args()
    if options.one:
        case, size = options.one
        print(json.dumps({"seconds": seconds_of(case, int(size))}))
        return
    rows, raw = [], {}
    for case in options.cases:

        def timer(size: str, case: str = case) -> Callable[[], float]:
            command = [sys.executable, "-m", "benchmarks.shares", "--one", case, size]
            return lambda: processes.last_object(processes.run(command, processes.environment()))["seconds"]

        sizes = [str(size) for size in SIZES]
        measured = run_alternately({s: timer(s) for s in sizes}, dict.fromkeys(sizes, options.rounds), case)
        raw[case] = measured
        per_network = N * FEW_EPOCHS[case] * workload_of(case).n_updates / 1e6
        for size in sizes:
            share = median_interval(paired_ratios(measured[size], measured["1"]))
            micro = median_interval(measured[size]).median / per_network
            rows.append([f"{N} × {workload_of(case).text}", size, number(micro), str(share)])
    epochs = ", ".join(f"{n} epochs of {case}" for case, n in FEW_EPOCHS.items() if case in options.cases)
    about = f"""{N} networks on two threads, each of which trains shares of so many networks one after the other;
{epochs}, the rest as in [populations.md](populations.md). "Share": the time over that of shares of one network, which
are two threads with one network each."""
    header = ["networks", "in a share", "µs per update", "share"]
    sections = [about, report.table(header, rows)]
    report.write("shares", "Networks in a share", sections, raw, seeds=f"data {SEED}; networks 0, 1, 2, …")


if __name__ == "__main__":
    main()
