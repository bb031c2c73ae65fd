"""In which form the training program is faster: the table behind the fixed rule of `entrena.training.forms`.

python -m benchmarks.forms       # about 3 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from dataclasses import replace

import numpy as np

from benchmarks import processes, report
from benchmarks.ratios import median_interval, number, paired_ratios, run_alternately
from benchmarks.workloads import MOMENTUM, SEED, Workload, make_data

NETWORKS = (
    (10, 16, 2),
    (20, 64, 2),
    (30, 32, 32, 2),
    (20, 64, 64, 2),
    (64, 128, 10),
    (64, 256, 32, 10),
    (64, 256, 128, 10),
)
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
ROUNDS = 5
EPOCH_FLOPS = 1e9


def workload_of(sizes: tuple[int, ...], batch_size: int) -> Workload:
    """Enough updates an epoch that the work between epochs does not count, and few enough for the slower form."""
    flops = 6 * batch_size * sum((m + 1) * n for m, n in itertools.pairwise(sizes))
    n_updates = int(min(4_000, max(100, EPOCH_FLOPS / flops)))
    return Workload("forms", sizes, batch_size, n_updates * batch_size, 1e-3, 4)


def measure(workload: Workload, activation: str, forms: tuple[str, ...]) -> dict[str, list[float]]:
    """µs per update of the forms, alternately in this process; a form that the compiler refuses is left out."""
    from entrena.network.multilayer import Network
    from entrena.registry import Choice
    from entrena.training.loop import train_network
    from entrena.training.parts import TrainingPart
    from entrena.training.plan import make_plan
    from entrena.training.settings import RateSettings, RegularizationSettings, TrainingSettings

    data = make_data(workload)
    targets = np.eye(workload.sizes[-1], dtype=np.float32)[data.classes]
    network = Network(workload.sizes, Choice(activation), "softmax")
    settings = TrainingSettings(
        optimizer="sgd", momentum=MOMENTUM, mode="mini_batch", batch_size=workload.batch_size, early_stopping=False,
        max_epochs=1 + workload.n_epochs,
    )  # fmt: skip
    plan = make_plan(
        network, "cross_entropy", settings, RateSettings(learning_rate=workload.learning_rate, schedule="constant"),
        RegularizationSettings(weight_decay=0.0), n_rows=workload.n_rows, n_validation=0, seed=SEED, platform="cpu",
    )  # fmt: skip
    plan = replace(plan, epochs_a_call=1)

    def run(form: str) -> float:
        formed = replace(plan, structure=replace(plan.structure, form=form))
        training = train_network(network, formed, TrainingPart(data.inputs, targets))
        if training.form != form:
            return float("nan")
        first, last = training.history[0], training.history[-1]
        return (last["seconds"] - first["seconds"]) / (last["update"] - first["update"]) * 1e6

    return run_alternately({form: lambda form=form: run(form) for form in forms}, dict.fromkeys(forms, ROUNDS))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forms", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--one", help=argparse.SUPPRESS
    )  # a measurement in its own process: JSON of sizes, batch, activation
    options = parser.parse_args()
    if options.one:
        sizes, batch_size, activation = json.loads(options.one)
        print(json.dumps(measure(workload_of(tuple(sizes), batch_size), activation, ("loop", "one_function"))))
        return
    raw, rows = {}, []
    for sizes in NETWORKS:
        n_weights = sum((m + 1) * n for m, n in itertools.pairwise(sizes))
        row = ["-".join(map(str, sizes)), f"{n_weights:,}"]
        for batch_size in BATCH_SIZES:
            command = [sys.executable, "-m", "benchmarks.forms", "--one", json.dumps([sizes, batch_size, "relu"])]
            times = processes.last_object(processes.run(command, processes.environment()))
            raw[f"{row[0]}, batch {batch_size}"] = times
            row.append(cell(times))
            print(f"{row[0]}, batch {batch_size}: {row[-1]}", file=sys.stderr, flush=True)
        rows.append(row)
    header = ["network", "weights", *(f"batch {size}" for size in BATCH_SIZES)]
    text = """µs per update as `loop` / as `one_function` (relu, sgd with momentum, softmax with cross-entropy), then
the median ratio: above 1, bold, `one_function` is faster; *refused*: the compiler does not make it, and the ordinary
form runs."""
    report.write("forms", "The two forms of the training program", [text, report.table(header, rows)],
                 {"microseconds_per_update": raw}, seeds=f"data, weights and order {SEED}")  # fmt: skip


def cell(times: dict[str, list[float]]) -> str:
    """`0.81 / 0.18 = **4.5**`."""
    loop, one = (median_interval(times[form]).median for form in ("loop", "one_function"))
    if np.isnan(times["one_function"]).any():
        return f"{number(loop)} / refused"
    ratio = median_interval(paired_ratios(times["loop"], times["one_function"])).median
    return f"{number(loop)} / {number(one)} = " + (f"**{number(ratio)}**" if ratio > 1 else number(ratio))


if __name__ == "__main__":
    main()
