"""How fast rows are learned in their sequence: many in one call, one in each call, and from a file; against the peers.

python -m benchmarks.modes       # about 8 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import processes, report
from benchmarks.learners import fann
from benchmarks.online.work import BATCHES, LEARNING_RATE, LEAST_SECONDS, N_ROWS, NETWORKS, SLOW_UPDATES, cell
from benchmarks.ratios import Interval, median_interval, met, number, paired_ratios
from benchmarks.workloads import MOMENTUM, SEED

ROUNDS = 7
# Names in the tables: the module that measures it, and under which name there.
SEQUENCES = {
    "entrena, engine": ("entrena_online", "engine"),
    "entrena, a run": ("entrena_online", "run"),
    "entrena, partial_fit": ("entrena_online", "partial_fit"),
    "FANN (C), its squared error": ("fann_online", ""),
    "scikit-learn, partial_fit": ("scikit_online", ""),
    "PyTorch eager": ("torch_online", ""),
}
ROWS = {
    "entrena, partial_fit": ("entrena_online", "partial_fit"),
    "entrena, engine": ("entrena_online", "engine"),
    "scikit-learn, partial_fit": ("scikit_online", ""),
    "PyTorch eager": ("torch_online", ""),
    "river, MLPRegressor": ("river_online", "MLPRegressor"),
    "river, LogisticRegression: no hidden layer": ("river_online", "LogisticRegression"),
}
ENGINE, RUN, PUBLIC, FANN, SCIKIT, TORCH = SEQUENCES
MODULES = ("entrena_online", "fann_online", "scikit_online", "torch_online", "river_online")
AHEAD_OF_PYTHON = 100.0  # "hundreds of times", at least
MOST_MICROSECONDS = 100.0  # of a call with one row
FILE_ROWS, FILE_COLUMNS, FILE_ROUNDS = 200_000, 10, 3
ENTRENA = str(Path(sys.executable).with_name("entrena"))

Rounds = list[dict[str, Any]]  # of each round what each module measured


def compile_fann() -> None:
    """Compiles the C program anew where the library is installed; else FANN's rows are left out."""
    source = Path(fann.__file__).with_name("fann.c")
    processes.BUILD.mkdir(exist_ok=True)
    if fann.is_available() and fann.PROGRAM.stat().st_mtime > source.stat().st_mtime:
        return
    command = ["cc", "-O3", "-march=native", str(source), "-o", str(fann.PROGRAM), "-lfloatfann", "-lm"]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)


def measure(n_rounds: int) -> Rounds:
    """A process for each learner, one after the other, then the next round."""
    modules = [name for name in MODULES if name != "fann_online" or fann.is_available()]
    rounds: Rounds = []
    for i in range(n_rounds):
        found = {}
        for module in modules:
            start = time.perf_counter()
            command = [sys.executable, "-m", "benchmarks.online", module]
            found[module] = processes.last_object(processes.run(command, processes.environment()))
            print(f"round {i + 1}: {module} in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        rounds.append(found)
    return rounds


def values(rounds: Rounds, kind: str, learner: tuple[str, str], name: str) -> list[float]:
    """What a learner took in each round, in µs; empty where it has no such measurement."""
    module, part = learner
    found = [measured[module][kind] for measured in rounds if module in measured]
    own = [each.get(part, {}) if part else each for each in found]
    return [each[name] for each in own if name in each]


def sequence_table(rounds: Rounds) -> str:
    """sgd with momentum: every learner, network and batch."""
    rows = []
    for network in NETWORKS:
        for batch_size in BATCHES:
            name = cell(network, batch_size, "sgd")
            ours = values(rounds, "sequences", SEQUENCES[ENGINE], name)
            for learner, where in SEQUENCES.items():
                if times := values(rounds, "sequences", where, name):
                    ratio = median_interval(paired_ratios(times, ours))
                    shown = "1" if learner == ENGINE else ratio
                    rows.append([network, batch_size, learner, number(median_interval(times).median), shown])
    return report.table(["network", "batch", "learner", "µs per update", "its time / the engine's [95 %]"], rows)


def optimizer_table(rounds: Rounds) -> str:
    """Every optimizer that learns rows as they come: entrena's time, and the peers' over it."""
    rows = []
    names = list(rounds[0]["entrena_online"]["sequences"]["engine"])
    for name in names:
        network, batch_size, optimizer = name.split(" ")
        ours = values(rounds, "sequences", SEQUENCES[ENGINE], name)
        public = values(rounds, "sequences", SEQUENCES[PUBLIC], name)
        line: list[object] = [f"{network}, batch {batch_size}", optimizer, number(median_interval(ours).median)]
        line.append(number(median_interval(public).median))
        for peer in (SCIKIT, TORCH):
            times = values(rounds, "sequences", SEQUENCES[peer], name)
            line.append(median_interval(paired_ratios(times, public)) if times else "–")
        rows.append(line)
    header = [
        "work",
        "optimizer",
        "engine, µs",
        "partial_fit, µs",
        "scikit-learn / partial_fit",
        "PyTorch / partial_fit",
    ]
    return report.table(header, rows)


def row_table(rounds: Rounds) -> str:
    """Calls with one row."""
    rows = []
    for network in NETWORKS:
        ours = values(rounds, "rows", ROWS[PUBLIC], network)
        for learner, where in ROWS.items():
            times = values(rounds, "rows", where, network)
            ratio = median_interval(paired_ratios(times, ours))
            shown = "1" if learner == PUBLIC else ratio
            rows.append([network, learner, median_interval(times), shown])
    return report.table(["network", "learner", "µs per row [95 %]", "its time / partial_fit's [95 %]"], rows)


def verdicts(rounds: Rounds) -> str:
    """Each target, met or not: the interval's lower end decides."""
    return report.table(["target", "measured [95 %]", "met"], list(_targets(rounds)))


def _targets(rounds: Rounds) -> Iterator[list[object]]:
    for network in NETWORKS:
        name = cell(network, 1, "sgd")
        for ours in (ENGINE, PUBLIC):
            own = values(rounds, "sequences", SEQUENCES[ours], name)
            for peer, goal in ((FANN, 1.0), (SCIKIT, AHEAD_OF_PYTHON), (TORCH, AHEAD_OF_PYTHON)):
                if times := values(rounds, "sequences", SEQUENCES[peer], name):
                    ratio = median_interval(paired_ratios(times, own))
                    yield [f"{network}, batch 1, {ours}: {peer}, at least {goal:g} times", ratio, met(ratio, goal)]
    for network in NETWORKS:
        times = median_interval(values(rounds, "rows", ROWS[PUBLIC], network))
        yield [f"{network}, a call with one row: under {MOST_MICROSECONDS:g} µs", times, _below(times)]
        for peer in ("scikit-learn, partial_fit", "river, MLPRegressor"):
            own = values(rounds, "rows", ROWS[PUBLIC], network)
            ratio = median_interval(paired_ratios(values(rounds, "rows", ROWS[peer], network), own))
            yield [f"{network}, a call with one row: faster than {peer}", ratio, met(ratio, 1.0)]


def _below(times: Interval) -> str:
    """Whether a time is below its limit: the interval's upper end decides."""
    return met(Interval(-times.median, -times.high, -times.low, times.coverage), -MOST_MICROSECONDS)


def make_file(path: Path) -> None:
    """Numbers of six decimals, and two classes of their sum."""
    import polars as pl

    generator = np.random.default_rng(SEED)
    numbers = generator.normal(size=(FILE_ROWS, FILE_COLUMNS)).round(6)
    columns: dict[str, Any] = {f"x{k}": numbers[:, k] for k in range(FILE_COLUMNS)}
    pl.DataFrame({**columns, "y": np.where(numbers.sum(axis=1) > 0, "a", "b")}).write_csv(path)


def from_file() -> list[dict[str, float]]:
    """`entrena train FILE --stream`: seconds of the whole process, and of the stream by its own account."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        make_file(Path(folder) / "rows.csv")
        command = [ENTRENA, "train", "rows.csv", "--target", "y", "--stream", "--json"]
        for _ in range(FILE_ROUNDS):
            start = time.perf_counter()
            run = processes.last_object(processes.run(command, processes.environment(), folder))
            found.append({"whole": time.perf_counter() - start, "stream": run["seconds"], "rows": run["rows"]})
    return found


def file_text(measured: Sequence[Mapping[str, float]]) -> str:
    whole = median_interval([each["whole"] for each in measured]).median
    stream = median_interval([each["stream"] for each in measured]).median
    rows = measured[0]["rows"]
    return f"""`entrena train rows.csv --target y --stream --json`, {rows:,.0f} rows of {FILE_COLUMNS} numbers and a
class, with all defaults, run directory and prequential scores: {number(rows / stream)} rows a second, {number(whole)} s
for the whole process (median of {len(measured)}; for information)."""


METHOD = f"""tanh, float32, rate {LEARNING_RATE:g}, momentum {MOMENTUM} where the optimizer has one, no weight decay
(`adamw` has its own). Each round measures one learner after the other, each in a process of its own, compiled programs
in a warm cache; every figure of a process is the median of calls that last {LEAST_SECONDS} s together, after one that
is not counted. Ratios are medians of paired ratios with the order-statistic interval; above 1 entrena is faster.

What each does: *entrena* has two outputs with softmax and cross-entropy. *engine*: `Stream.learn`, which keeps the loss
and the outputs of each row before it was learned. *a run*: an epoch of `train_network` with its history, rows in
sequence. *partial_fit*: `NetworkClassifier.partial_fit`, which also checks the rows and scales each by the means and
deviations of the rows so far. *scikit-learn* has one logistic output, and no scaling. *PyTorch* as entrena, one thread,
fused optimizer, no scaling. *FANN* has tanh outputs and squared error, which is less work; its loop over the rows is in
C, and it learns one example at a time only. *river*: rows scaled as in entrena, two targets with squared error, sgd
without momentum; release 0.25 is the last with a network. A sequence has {N_ROWS[1]:,} rows at batch 1, {N_ROWS[8]:,}
at the others, and for scikit-learn and PyTorch {SLOW_UPDATES} updates."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modes", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--report", action="store_true", help="write the table from what was measured before")
    options = parser.parse_args()
    if options.report:
        before = json.loads((report.RESULTS / "modes.json").read_text())
        rounds, file = before["rounds"], before["file"]
    else:
        compile_fann()
        rounds, file = measure(options.rounds), from_file()
    sections = [
        METHOD,
        "## Targets\n\n" + verdicts(rounds),
        "## A sequence in one call: sgd\n\n" + sequence_table(rounds),
        "## A sequence in one call: every optimizer\n\n" + optimizer_table(rounds),
        "## A call for each row\n\n" + row_table(rounds),
        "## From a file\n\n" + file_text(file),
    ]
    raw = {"rounds": rounds, "file": file}
    report.write("modes", "Rows in their sequence", sections, raw, seeds=f"data and first weights {SEED}")


if __name__ == "__main__":
    main()
