"""A whole process, from its start to the score: `entrena train NAME --json` and a scikit-learn script of the same job.

python -m benchmarks.process       # about 2 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import processes, report
from benchmarks.ratios import Interval, median_interval, met, number, paired_ratios, run_alternately

SETS = ("iris", "digits")
ROUNDS = 9
WARM, COLD, PEER = "entrena, cache warm", "entrena, cache cold", "scikit-learn"
TARGETS = {WARM: 1.0, COLD: 1 / 1.2}  # of scikit-learn's speed
ENTRENA = str(Path(sys.executable).with_name("entrena"))
SCRIPT = str(Path(__file__).with_name("scikit_script.py"))


def train_entrena(name: str, folder: str, cache: str) -> dict[str, Any]:
    """Runs the command in a folder, with a cache of compiled programs, and returns its JSON object."""
    command = [ENTRENA, "train", name, "--json"]
    return json.loads(processes.run(command, processes.environment({"XDG_CACHE_HOME": cache}), folder))


def same_job(name: str) -> tuple[str, str, str]:
    """What scikit-learn has to do to do as much: hidden layers, batch size, epochs."""
    from entrena import train
    from entrena.training.plan import batch_size

    run = train(None, name, save=False)
    size = batch_size(run.recipe.training, run.sizes["training"])
    return ",".join(map(str, run.recipe.network.hidden)), str(size), str(run.n_epochs)


def clock(work: Callable[[str], object]) -> Callable[[], float]:
    """Seconds of some work, given a new folder each time."""

    def seconds() -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            work(folder)
            return time.perf_counter() - start

    return seconds


def compare(name: str, job: tuple[str, str, str], rounds: int) -> dict[str, list[float]]:
    """Seconds of each process, in rounds."""
    warm = str(processes.BUILD / "cache")
    measure = {
        WARM: clock(lambda folder: train_entrena(name, folder, warm)),
        COLD: clock(lambda folder: train_entrena(name, folder, f"{folder}/cache")),
        PEER: clock(
            lambda folder: processes.run([sys.executable, SCRIPT, name, *job], processes.environment(), folder)
        ),
    }
    return run_alternately(measure, dict.fromkeys(measure, rounds), name)


def section(name: str, job: tuple[str, str, str], times: dict[str, list[float]]) -> str:
    """The table of one data set."""
    rows = []
    for learner, seconds in times.items():
        row: list[object] = [learner, number(median_interval(seconds).median)]
        if learner in TARGETS:
            ratio: Interval = median_interval(paired_ratios(times[PEER], seconds))
            goal = TARGETS[learner]
            row += [ratio, f"{goal:.2f}", met(ratio, goal)]
        rows.append(row + [""] * (5 - len(row)))
    header = ["process", "seconds", "scikit-learn's time / its time [95 %]", "target: at least", "met"]
    hidden, batch_size, n_epochs = job
    return f"## {name}: hidden layers {hidden}, batch {batch_size}, {n_epochs} epochs\n\n{report.table(header, rows)}"


METHOD = """Wall-clock time of a whole process: start, import, load, split (a fifth for the score), scale, train, score.
entrena as `entrena train NAME --json` with all its defaults, run directory and model file included; scikit-learn as
`scikit_script.py`, float32, as many epochs with the same hidden layers and batch size, adam. Cold: the folder of
compiled programs is empty. Processes run alternately; medians of paired ratios with the order-statistic interval."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.process", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    jobs = {name: same_job(name) for name in options.sets}
    times = {name: compare(name, jobs[name], options.rounds) for name in options.sets}
    sections = [section(name, jobs[name], times[name]) for name in options.sets]
    report.write("process", "A whole process, from start to score", [METHOD, *sections],
                 {"jobs": jobs, "seconds": times}, seeds="split and weights 0")  # fmt: skip


if __name__ == "__main__":
    main()
