"""Peak memory against the size of the data: 1,000,000 rows of 50 numbers.

python -m benchmarks.memory       # about 1 minute on 2 cores
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import warnings

import numpy as np

from benchmarks import processes, report

N_ROWS, N_COLUMNS = 1_000_000, 50
HIDDEN, BATCH_SIZE = (64, 64), 256
SEED = 0
ROWS = {
    "entrena, 1 epoch": ("entrena", 1),
    "entrena, 3 epochs": ("entrena", 3),
    "entrena's engine alone, 1 epoch": ("engine", 1),
    "entrena's engine alone, 3 epochs": ("engine", 3),
    "scikit-learn, 1 epoch": ("scikit_learn", 1),
    "PyTorch, 1 epoch": ("pytorch", 1),
}


def resident() -> int:
    """Bytes of memory that this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def peak() -> int:
    """Most bytes it ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def make(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs float32 and two classes, made without a second copy."""
    generator = np.random.default_rng(SEED)
    inputs = generator.standard_normal((n_rows, N_COLUMNS), np.float32)
    return inputs, (inputs @ generator.standard_normal(N_COLUMNS, np.float32) > 0).astype(np.int32)


def train_entrena(inputs: np.ndarray, classes: np.ndarray, n_epochs: int) -> None:
    from entrena import Recipe, train

    recipe = Recipe(hidden=HIDDEN, batch_size=BATCH_SIZE, mode="mini_batch", max_epochs=n_epochs)
    train(recipe, (inputs, classes), test_fraction=0, save=False)


def train_engine(inputs: np.ndarray, classes: np.ndarray, n_epochs: int) -> None:
    from entrena.network.multilayer import Network
    from entrena.registry import Choice
    from entrena.training.loop import train_network
    from entrena.training.parts import TrainingPart
    from entrena.training.plan import make_plan
    from entrena.training.settings import RateSettings, RegularizationSettings, TrainingSettings

    network = Network((N_COLUMNS, *HIDDEN, 2), Choice("relu"), "softmax")
    settings = TrainingSettings(batch_size=BATCH_SIZE, mode="mini_batch", max_epochs=n_epochs, early_stopping=False)
    plan = make_plan(network, "cross_entropy", settings, RateSettings(), RegularizationSettings(),
                     n_rows=len(inputs), n_validation=0, seed=SEED, platform="cpu")  # fmt: skip
    targets = np.zeros((len(inputs), 2), np.float32)
    targets[np.arange(len(inputs)), classes] = 1
    train_network(network, plan, TrainingPart(inputs, targets))


def train_scikit_learn(inputs: np.ndarray, classes: np.ndarray, n_epochs: int) -> None:
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")
    MLPClassifier(HIDDEN, batch_size=BATCH_SIZE, max_iter=n_epochs, random_state=SEED).fit(inputs, classes)


def train_pytorch(inputs: np.ndarray, classes: np.ndarray, n_epochs: int) -> None:
    import torch
    from torch import nn

    X, y = torch.from_numpy(inputs), torch.from_numpy(classes).long()
    model = nn.Sequential(nn.Linear(N_COLUMNS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    adam = torch.optim.AdamW(model.parameters())
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(BATCH_SIZE):
            adam.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            adam.step()


TRAINERS = {
    "entrena": train_entrena,
    "engine": train_engine,
    "scikit_learn": train_scikit_learn,
    "pytorch": train_pytorch,
}


def one(trainer: str, n_epochs: int, n_rows: int) -> dict[str, int]:
    """Measures in this process: what the program holds without data, then with them, then at most while training."""
    train = TRAINERS[trainer]
    train(*make(20 * BATCH_SIZE), 1)  # so that libraries and compiled code do not count as the data's
    before_data = resident()
    inputs, classes = make(n_rows)
    with_data, peak_before = resident(), peak()
    train(inputs, classes, n_epochs)
    assert peak() > peak_before, "the peak was before training"
    size = inputs.nbytes + classes.nbytes
    return {"before_data": before_data, "with_data": with_data, "peak": peak(), "data": size}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=N_ROWS)
    # A measurement in its own process: trainer and epochs.
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], int(options.one[1]), options.rows)))
        return
    raw, rows = {}, []
    for name, (trainer, n_epochs) in ROWS.items():
        options_of_one = ["--rows", str(options.rows), "--one", trainer, str(n_epochs)]
        command = [sys.executable, "-m", "benchmarks.memory", *options_of_one]
        held = raw[name] = processes.last_object(processes.run(command, processes.environment()))
        rows.append([name, f"{held['peak'] / 2**20:,.0f}", share(held, "before_data"), share(held, "with_data")])
        print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    hidden = "-".join(map(str, HIDDEN))
    size = f"{held['data'] / 2**20:.0f} MiB"
    about = f"""{options.rows:,} × {N_COLUMNS} float32 with two classes, {size}, handed in as arrays;
network {N_COLUMNS}-{hidden}-2, batch {BATCH_SIZE}. Peak of the process' resident memory; libraries and compiled code,
measured by a small training before, are taken off in the other columns. 1.00 = as much memory as the data have."""
    header = ["", "peak, MiB", "data and training / data", "training alone / data"]
    sections = [about, report.table(header, rows)]
    report.write("memory", "Memory", sections, {"bytes": raw}, seeds=f"data and weights {SEED}")


def share(held: dict[str, int], since: str) -> str:
    """How much more than at some time the process held at most, as a multiple of the data's size."""
    return f"{(held['peak'] - held[since]) / held['data']:.2f}"


if __name__ == "__main__":
    main()
