"""A CSV file of 1,000,000 × 30 from the disk to the device against Polars' reading alone; and adult, a whole process.

python -m benchmarks.reading       # about 3 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import processes, report
from benchmarks.ratios import median_interval, number, paired_ratios, run_alternately

N_ROWS, N_FLOATS, N_WHOLE, N_CATEGORIES = 1_000_000, 22, 5, 2  # and the target
ROUNDS = 9
SEED = 0
MOST_TIME, MOST_MEMORY, MOST_SECONDS = 1.5, 3.0, 20.0
POLARS, READ, DEVICE = "Polars, read_csv", "entrena, read and typed", "entrena, on the device"
FILE = processes.BUILD / "million.csv"
ENTRENA = str(Path(sys.executable).with_name("entrena"))
ADULT = processes.ROOT.parent / "shared" / "data" / "adult.parquet"


def make(path: Path, n_rows: int) -> None:
    """The file: numbers of six decimals, counts, colours, and two classes."""
    import polars as pl

    generator = np.random.default_rng(SEED)
    columns: dict[str, Any] = {f"f{k}": generator.normal(size=n_rows).round(6) for k in range(N_FLOATS)}
    columns |= {f"n{k}": generator.integers(0, 1000, n_rows) for k in range(N_WHOLE)}
    colours = ["red", "green", "blue", "white", "black"]
    columns |= {f"c{k}": generator.choice(colours, n_rows) for k in range(N_CATEGORIES)}
    pl.DataFrame({**columns, "y": generator.choice(["a", "b"], n_rows)}).write_csv(path)


def one(name: str) -> dict[str, float]:
    """Seconds of one way in this process, its imports not counted, and the most memory that it held."""
    import jax
    import polars as pl

    from entrena.data import infer_roles, infer_schema, read, split_rows, with_training
    from entrena.preprocessing import InputSettings, Preprocessor, TargetCoder, TargetSettings
    from entrena.training.parts import blank_table

    jax.device_put(np.zeros(8)).block_until_ready()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    if name == POLARS:
        pl.read_csv(FILE)
    else:
        examples = read(str(FILE), target="y")
        if name == DEVICE:  # as a run does it: a fifth is put aside, the rest is typed, fitted and written as a table
            kept, _ = split_rows(examples, 0.2, np.random.default_rng(SEED), stratify=True)
            training = examples.take(kept)
            roles = infer_roles(training.inputs, {}, examples.n_rows)
            schema = with_training(infer_schema(examples), roles, training)
            preprocessor = Preprocessor.fit(training.inputs.pick(schema.columns), schema.inputs, InputSettings())
            table = blank_table(training.n_rows, preprocessor.n_features, "float32")
            preprocessor.transform(training.inputs, np.float32, out=table[: training.n_rows])
            assert training.targets is not None
            targets = TargetCoder.fit(training.targets, schema, TargetSettings()).encode(training.targets)
            jax.block_until_ready((jax.device_put(table), jax.device_put(targets)))
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak": after * 1024.0, "before": before * 1024.0}


def train_adult(folder: str) -> dict[str, float]:
    """Seconds of `entrena train` on adult as a CSV file, and of its training alone."""
    import polars as pl

    frame = pl.read_parquet(ADULT)
    frame.write_csv(Path(folder) / "adult.csv")
    command = [ENTRENA, "train", "adult.csv", "--target", frame.columns[-1], "--json"]
    start = time.perf_counter()
    run = json.loads(processes.run(command, processes.environment(), folder))
    whole = time.perf_counter() - start
    return {"whole": whole, "training": run["seconds"], "value": run["result"]["value"]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one)))
        return
    processes.BUILD.mkdir(exist_ok=True)
    make(FILE, N_ROWS)
    size = FILE.stat().st_size
    raw: dict[str, list[dict[str, float]]] = {name: [] for name in (POLARS, READ, DEVICE)}

    def seconds(name: str) -> float:
        command = [sys.executable, "-m", "benchmarks.reading", "--one", name]
        raw[name].append(processes.last_object(processes.run(command, processes.environment())))
        return raw[name][-1]["seconds"]

    measured = run_alternately(
        {name: lambda name=name: seconds(name) for name in raw}, dict.fromkeys(raw, options.rounds)
    )
    rows = []
    for name in raw:
        ratio = median_interval(paired_ratios(measured[name], measured[POLARS]))
        memory = max(each["peak"] for each in raw[name]) / size
        own = max(each["peak"] - each["before"] for each in raw[name]) / size
        took = median_interval(measured[name])
        target = "" if name != DEVICE else ("yes" if ratio.high <= MOST_TIME else "**no**")
        rows.append([name, number(took.median), str(ratio), target, f"{own:.2f}", f"{memory:.2f}"])
    about = f"""{N_ROWS:,} rows: {N_FLOATS} columns of numbers, {N_WHOLE} of counts, {N_CATEGORIES} of five texts, two
classes; {size / 2**20:,.0f} MiB as CSV. Each in a process of its own, imports not counted. "On the device": a fifth
put aside, roles, medians, means and levels found on the rest, which is written as one float32 table and handed to JAX.
Asked for: at most {MOST_TIME} times Polars' time, and at most {MOST_MEMORY:g} times the file's size in memory.
The libraries (JAX, Polars) are loaded before and taken off in one column."""
    header = ["", "seconds", "times Polars' time", f"at most {MOST_TIME}", "peak memory / file", "with libraries"]
    sections = [about, report.table(header, rows)]
    if ADULT.exists():
        with tempfile.TemporaryDirectory() as folder:
            adult = [train_adult(folder) for _ in range(3)]
        whole = median_interval([each["whole"] for each in adult])
        training = median_interval([each["training"] for each in adult])
        sections.append(
            f"`entrena train adult.csv --target …` with no other option, median of {len(adult)}: "
            f"{number(whole.median)} s for the whole process (asked for: under {MOST_SECONDS:g}), "
            f"{number(training.median)} s of it training; "
            f"balanced accuracy {adult[0]['value']:.4f}."
        )
        raw["adult"] = adult
    report.write("reading", "Reading", sections, raw, seeds=f"data {SEED}")


if __name__ == "__main__":
    main()
