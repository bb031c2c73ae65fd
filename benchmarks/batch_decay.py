"""The losses from which the own weight decay of the batch-only optimizers was chosen: λ = k/n for n training rows.

python -m benchmarks.batch_decay       # about 5 minutes on 2 cores
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.ratios import number

ROWS = (0.0, 0.3, 1.0, 3.0, 10.0)  # k
SEEDS = (0, 1, 2, 3)
SETS = ("digits", "breast_cancer", "wine", "iris", "moons", "two_spirals", "diabetes")
RECIPE: dict[str, Any] = {"optimizer": "lbfgs", "max_epochs": 200}


def loss_of(data: str, k: float, seed: int) -> float:
    """On the test rows: log loss, or RMSE."""
    import entrena

    recipe = {**RECIPE, "random_state": seed, "weight_decay": 0.0}
    n = entrena.train({**recipe, "max_epochs": 1}, data, save=False).sizes["training"]
    found = entrena.train({**recipe, "weight_decay": k / n}, data, save=False).test
    assert found is not None
    return found["log_loss"] if "log_loss" in found else found["rmse"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_decay", description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    raw = {data: {k: [loss_of(data, k, seed) for seed in SEEDS] for k in ROWS} for data in options.sets}
    means = {data: [float(np.mean(losses)) for losses in of_set.values()] for data, of_set in raw.items()}
    rows = [[data, *map(number, values)] for data, values in means.items()]
    to_best = np.array([np.array(values) / min(values) for values in means.values()])
    rows.append(["geometric mean of the ratios to the set's best", *map(number, np.exp(np.log(to_best).mean(axis=0)))])
    rows.append(["worst of these ratios", *map(number, to_best.max(axis=0))])
    most = RECIPE["max_epochs"]
    about = f"""The default network (128, 64) trained by L-BFGS for {most} evaluations at most, without early stopping:
log loss on the test rows (diabetes: RMSE), the mean over {len(SEEDS)} seeds of weights and split. λ = k/n is added to
the gradient as λ·w; k = 1 is the default."""
    header = ["data", *(f"k = {k:g}" for k in ROWS)]
    seeds = f"{SEEDS[0]} to {SEEDS[-1]}, of the split and of the first weights"
    sections = [about, report.table(header, rows)]
    report.write("batch_decay", "The weight decay of batch-only optimizers", sections, raw, seeds=seeds)


if __name__ == "__main__":
    main()
