"""What an epoch's order costs: all orders for a million examples of ten classes, beside one another.

python -m benchmarks.orders       # about 1 minute, one core
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks import report
from benchmarks.ratios import median_interval, number, paired_ratios, run_alternately
from benchmarks.workloads import SEED

N_EXAMPLES, N_CLASSES, BATCH_SIZE = 1_000_000, 10, 32
ROUNDS = 11
GOAL_SECONDS = 0.1
ZIPF = 1 / np.arange(1, N_CLASSES + 1)
DISTRIBUTIONS = {
    "uniform": np.full(N_CLASSES, 1 / N_CLASSES),
    "one majority, 60 %": np.array([0.6] + [0.4 / (N_CLASSES - 1)] * (N_CLASSES - 1)),
    "Zipf, 1/k": ZIPF / ZIPF.sum(),
}
LOSSES = {  # of a trained classifier most are small and a few are great, so that the cap has work to do
    "losses all known, exponential squared": lambda chance, n: chance.exponential(size=n) ** 2,
    "a third not shown yet": lambda chance, n: np.where(chance.random(n) < 1 / 3, np.nan, chance.exponential(size=n)),
}


def cases(n: int) -> dict[tuple[str, str], Callable[[int], object]]:
    """What is measured: (order, data) and the function that makes an epoch."""
    from entrena.training.order import ORDERS, Pool, draw, needs

    chance, rows = np.random.default_rng(SEED), np.arange(n, dtype=np.int32)
    all_classes = {name: chance.choice(N_CLASSES, n, p=p) for name, p in DISTRIBUTIONS.items()}
    all_losses = {name: make(chance, n) for name, make in LOSSES.items()}
    result: dict[tuple[str, str], Callable[[int], object]] = {}
    for order in ORDERS:
        choice = ORDERS.choose(order)
        data: dict[str, Pool] = {"": Pool(rows, BATCH_SIZE, SEED)}
        if "classes" in needs(choice):
            data = {name: Pool(rows, BATCH_SIZE, SEED, classes) for name, classes in all_classes.items()}
        if "losses" in needs(choice):
            data = {name: Pool(rows, BATCH_SIZE, SEED, None, losses) for name, losses in all_losses.items()}
        for name, pool in data.items():
            result[order, name] = lambda epoch, choice=choice, pool=pool: draw(choice, pool, epoch)
    steep = ORDERS.choose({"name": "by_error", "exponent": 0.7})
    pool = Pool(rows, BATCH_SIZE, SEED, None, next(iter(all_losses.values())))
    result["by_error, exponent 0.7", "the first of these"] = lambda epoch: draw(steep, pool, epoch)
    return result


def timer(function: Callable[[int], object]) -> Callable[[], float]:
    """Seconds of one epoch, another one each time."""
    epochs = iter(range(1_000_000))

    def seconds() -> float:
        epoch, start = next(epochs), time.perf_counter()
        function(epoch)
        return time.perf_counter() - start

    seconds()  # what is imported late is imported
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orders", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--examples", type=int, default=N_EXAMPLES)
    options = parser.parse_args()
    functions = {"; ".join(filter(None, key)): function for key, function in cases(options.examples).items()}
    measured = run_alternately(
        {name: timer(function) for name, function in functions.items()},
        dict.fromkeys(functions, options.rounds),
        "seconds,",
    )
    rows = []
    for name, seconds in measured.items():
        milliseconds = median_interval([1000 * each for each in seconds])
        ratio = median_interval(paired_ratios(seconds, measured["shuffled"]))
        below = "yes" if milliseconds.high < 1000 * GOAL_SECONDS else "**no**"
        rows.append([name, milliseconds, number(min(seconds) * 1000), ratio, below])
    goal = f"{1000 * GOAL_SECONDS:.0f} ms"
    about = f"""The order of one epoch for {options.examples:,} examples, {N_CLASSES} classes, mini-batches of
{BATCH_SIZE}, on one core. An epoch's order is made while the device computes, except that of `by_error`. `shuffled`
is NumPy's own permutation and nothing else. Every call is another epoch; orders run alternately in one process,
{options.rounds} rounds; medians with the order-statistic interval. "Below": its upper end is below {goal}."""
    header = ["order; data", "ms", "least", "time / that of shuffled", f"below {goal}"]
    sections = [about, report.table(header, rows)]
    report.write("orders", "The order of the examples", sections, {"seconds": measured}, seeds=f"data and order {SEED}")


if __name__ == "__main__":
    main()
