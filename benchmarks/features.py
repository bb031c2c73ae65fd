"""What each default feature of entrena costs, on two workloads.

python -m benchmarks.features       # about 4 minutes on 2 cores
"""

from __future__ import annotations

import argparse

from benchmarks import processes, report
from benchmarks.ratios import median_interval, number, paired_ratios, run_alternately
from benchmarks.workloads import SEED, WORKLOADS, Workload

ROUNDS = 7
PLAIN = "plain"
ROWS = {
    "validation after each epoch, best weights kept": "validated",
    "run directory: recipe, status, history, model, checkpoint": "saved",
    "a callback, such as the progress bar's": "watched",
    "weight decay": "weight_decay",
    "schedule one_cycle instead of constant": "one_cycle",
    "Nesterov's momentum": "nesterov",
    "adamw instead of sgd with momentum": "adamw",
    "all the defaults: adamw, weight decay, one_cycle, validation, run directory, callback": (
        "adamw+weight_decay+one_cycle+validated+saved+watched"
    ),
}


def measure(workload: Workload, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Every variant's reports, in rounds."""
    variants = [PLAIN, *ROWS.values()]
    reports: dict[str, list[dict[str, float]]] = {variant: [] for variant in variants}

    def run(variant: str) -> float:
        result = processes.learner("entrena_run", workload.name, {"features": variant})
        reports[variant].append(result)
        return result["seconds"] / result["n_updates"] * 1e6

    measured = {variant: lambda variant=variant: run(variant) for variant in variants}
    run_alternately(measured, dict.fromkeys(variants, rounds), workload.name)
    return reports


def section(workload: Workload, reports: dict[str, list[dict[str, float]]]) -> str:
    """The table of one workload."""
    updates = {name: [r["seconds"] / r["n_updates"] * 1e6 for r in values] for name, values in reports.items()}
    rest = {name: [r["whole_seconds"] - r["seconds"] for r in values] for name, values in reports.items()}
    rows = [["nothing but the history", number(median_interval(updates[PLAIN]).median), 1, ""]]
    for text, variant in ROWS.items():
        ratio = median_interval(paired_ratios(updates[variant], updates[PLAIN]))
        more = median_interval([1000 * (a - b) for a, b in zip(rest[variant], rest[PLAIN], strict=True)])
        rows.append([text, number(median_interval(updates[variant]).median), ratio, f"{more.median:+.0f}"])
    header = ["with", "µs per update", "cost: its time / the time without [95 %]", "ms more in the rest of the call"]
    return f"## {workload.name}: {workload.text}\n\n{report.table(header, rows)}"


METHOD = """Each feature alone, against sgd with momentum 0.9 at a constant rate with the history of the loss and
nothing else. Time of an update from the second epoch on; the last column is what the call of `train` needs more for
all the rest (preparing, compiling or reading the cache, the first epoch, writing the model). Variants run
alternately, each measurement in a process of its own; medians of paired ratios with the order-statistic interval."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=["small", "mnist"])
    options = parser.parse_args()
    raw = {name: measure(WORKLOADS[name], options.rounds) for name in options.workloads}
    sections = [section(WORKLOADS[name], reports) for name, reports in raw.items()]
    report.write("features", "What the features cost", [METHOD, *sections], {"reports": raw},
                 seeds=f"data, first weights and order {SEED}")  # fmt: skip


if __name__ == "__main__":
    main()
