"""Scaling and principal components of 1,000,000 × 100 numbers, against scikit-learn: time and memory.

python -m benchmarks.preprocessing       # about 5 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import processes, report
from benchmarks.preprocessing_job import COLUMNS, KEPT, ROWS, SEED
from benchmarks.ratios import latest, median_interval, number, paired_ratios
from entrena.preprocessing.transformers import BATCH_ROWS

ROUNDS = 9
STEPS = {"scale": "StandardScaler", "components": "PCA"}
# Rows of the table, and what is added up for each.
PARTS = {"fit": ["fit"], "transform": ["transform"], "both": ["fit", "transform"], "transform again": ["again"]}
SLOWER, ARRAYS = 1.2, 2.0  # at most: times scikit-learn's time, arrays of memory
OWN, PEER = "entrena", "scikit-learn"


def measure(rounds: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Every report, by step and learner, in rounds."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {step: {OWN: [], PEER: []} for step in STEPS}
    for i in range(rounds):
        for step in STEPS:
            for learner in (OWN, PEER):
                command = [sys.executable, "-m", "benchmarks.preprocessing_job", learner, step]
                found[step][learner].append(processes.last_object(processes.run(command, processes.environment())))
            seconds = {name: [r["fit"] + r["transform"] for r in values] for name, values in found[step].items()}
            print(f"{step} round {i + 1}: {latest(seconds, i)}", file=sys.stderr, flush=True)
    return found


def measure_file() -> dict[str, float]:
    """A file that is read some rows at a time, in a process of its own."""
    processes.BUILD.mkdir(exist_ok=True)
    path = str(processes.BUILD / "numbers.parquet")
    job = [sys.executable, "-m", "benchmarks.preprocessing_job"]
    processes.run([*job, "write", path], processes.environment())
    return processes.last_object(processes.run([*job, "file", path], processes.environment()))


def file_section(found: dict[str, float]) -> str:
    """What a file takes, in a sentence."""
    rows, seconds, share = f"{found['rows']:,}", number(found["fit"]), f"{100 * found['arrays']:.0f} %"
    return (
        f"A Parquet file of {rows} × {COLUMNS} float32 numbers, read {BATCH_ROWS:,} rows at a time: "
        f"{seconds} s, and memory of {share} of what its numbers would take as an array (one run)."
    )


def section(found: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """The table."""
    rows = []
    for step, peer in STEPS.items():
        for name, parts in PARTS.items():
            own, other = ([sum(r[part] for part in parts) for r in found[step][learner]] for learner in (OWN, PEER))
            ratio = median_interval(paired_ratios(own, other))
            seconds = [number(median_interval(values).median) for values in (own, other)]
            met = "yes" if ratio.high <= SLOWER else "**no**"
            rows.append([f"{step}: {name}", *seconds, peer, ratio, met, "", ""])
        own, other = (median_interval([r["arrays"] for r in found[step][learner]]) for learner in (OWN, PEER))
        rows.append([f"{step}: memory", "", "", peer, "", "yes" if own.high <= ARRAYS else "**no**", own, other])
    header = ["step", "entrena, s", "scikit-learn, s", "against", f"entrena's / its time [95 %], at most {SLOWER:g}",
              "met", f"arrays of memory, entrena (at most {ARRAYS:g})", "scikit-learn"]  # fmt: skip
    return report.table(header, rows)


METHOD = f"""{ROWS:,} × {COLUMNS} correlated float32 numbers, row after row in memory. `scale`: `TableTransformer()`
(gaps looked for, mean 0, deviation 1) against `StandardScaler()`; `components`: `PrincipalComponents({KEPT})` against
`PCA({KEPT})`. Memory is what the process needs more than before for fit and transform together, in arrays of the
data's size: the result of `scale` is one, that of `components` half of one. `transform again`: once more, its first
result thrown away, so that the memory was used before, as it is in `transform` for who used as much in `fit`.
Learners run alternately, each measurement in a process of its own; medians of paired ratios with the order-statistic
interval. A bound is met where the interval's upper end is within it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preprocessing", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    found = measure(options.rounds)
    file = measure_file()
    report.write("preprocessing", "Scaling and principal components", [METHOD, section(found), file_section(file)],
                 {"reports": found, "file": file},
                 seeds=f"data {SEED}")  # fmt: skip


if __name__ == "__main__":
    main()
