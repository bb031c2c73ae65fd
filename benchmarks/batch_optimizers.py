"""Evaluations and seconds of the batch-only optimizers against SciPy's, from the same weights to the same loss.

python -m benchmarks.batch_optimizers       # about 12 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from benchmarks import processes, report
from benchmarks.ratios import Interval, median_interval, number, paired_ratios, run_alternately

ROUNDS = 7
SEEDS = (0, 1, 2, 3, 4)
DECAYS = (0.0, 1e-3)
LEFT = (0.1, 0.01, 0.001)  # of the fall from the first loss to the lowest that both reach
MOST_RATIO = 1.2
ENTRENA, SCIPY = "entrena", "SciPy"


class Problem(NamedTuple):
    """A network and its data.

    Attributes:
        data: The embedded set.
        hidden: Its hidden units, tanh.
        methods: Which optimizers are run on it.
        most: Evaluations of a run.
    """

    data: str
    hidden: int
    methods: tuple[str, ...]
    most: int


PROBLEMS = {
    "breast_cancer 30-16-2": Problem("breast_cancer", 16, ("conjugate_gradient", "lbfgs", "bfgs"), 500),
    "digits 64-32-10": Problem("digits", 32, ("conjugate_gradient", "lbfgs"), 400),
    "diabetes 10-10-1": Problem("diabetes", 10, ("conjugate_gradient", "lbfgs", "bfgs", "levenberg_marquardt"), 500),
}
PEERS = {
    "conjugate_gradient": "minimize, CG",
    "lbfgs": "minimize, L-BFGS-B",
    "bfgs": "minimize, BFGS",
    "levenberg_marquardt": "least_squares, lm",
}


class Start(NamedTuple):
    """Where a run starts, and how far it goes.

    Attributes:
        seed: Of the first weights.
        decay: λ.
        most: Evaluations.
        level: The value at which SciPy is stopped.
    """

    seed: int
    decay: float
    most: int
    level: float = -np.inf


@cache
def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Standardised inputs, and targets: one-hot classes, or a standardised number."""
    from entrena.data.embedded import EMBEDDED

    examples = EMBEDDED[name].load()
    X = np.stack([column.values for column in examples.inputs], axis=1).astype(float)
    deviation = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    targets = np.asarray(examples.targets)
    if EMBEDDED[name].task == "regression":
        return X, ((targets - targets.mean()) / targets.std())[:, None]
    classes, numbers = np.unique(targets, return_inverse=True)
    return X, np.eye(len(classes))[numbers]


def network_of(problem: Problem) -> Any:
    from entrena.network import Network
    from entrena.registry import Choice

    X, targets = load(problem.data)
    output = "linear" if targets.shape[1] == 1 else "softmax"
    return Network((X.shape[1], problem.hidden, targets.shape[1]), Choice("tanh"), output)


def first_weights(problem: Problem, seed: int) -> Any:
    return network_of(problem).initialize(np.random.default_rng(seed), np.float64)


def run_entrena(problem: Problem, method: str, start: Start) -> list[float]:
    """The value after each evaluation; with history, judge and snapshots, as ever."""
    from entrena.training import RateSettings, RegularizationSettings, TrainingSettings
    from entrena.training.loop import train_network
    from entrena.training.parts import TrainingPart
    from entrena.training.plan import make_plan

    X, targets = load(problem.data)
    network = network_of(problem)
    loss = "squared_error" if network.output == "linear" else "cross_entropy"
    sections = (
        TrainingSettings(
            optimizer={"name": method, "tolerance": 1e-8},
            precision="float64",
            max_epochs=start.most,
            early_stopping=False,
        ),
        RateSettings(),
        RegularizationSettings(weight_decay=start.decay),
    )
    plan = make_plan(network, loss, *sections, n_rows=len(X), n_validation=0, seed=0, platform="cpu")
    result = train_network(network, plan, TrainingPart(X, targets), start=first_weights(problem, start.seed))
    return [record["loss"] + record["penalty"] for record in result.history]


class Enough(Exception):
    """SciPy has no other way to be stopped after an evaluation."""


def run_scipy(problem: Problem, method: str, start: Start) -> list[float]:
    """The value at each evaluation; SciPy is given a compiled JAX function in float64 of value and gradient."""
    import jax
    from scipy import optimize

    values: list[float] = []

    def note(value: float) -> None:
        values.append(value)
        if value <= start.level or len(values) >= start.most:
            raise Enough

    X, targets = load(problem.data)
    with jax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = flat(first_weights(problem, start.seed))
        function, residuals, jacobian = functions(problem)
        try:
            if method == "levenberg_marquardt":

                def of(w: np.ndarray) -> np.ndarray:
                    r = np.asarray(residuals(w, X, targets, start.decay))
                    note(float(r @ r) / 2)
                    return r

                optimize.least_squares(
                    of,
                    weights,
                    lambda w: np.asarray(jacobian(w, X, targets, start.decay)),
                    method="lm",
                    xtol=1e-15,
                    ftol=1e-15,
                    gtol=1e-15,
                    max_nfev=start.most,
                )
            else:

                def evaluate(w: np.ndarray) -> tuple[float, np.ndarray]:
                    value, gradient = function(w, X, targets, start.decay)
                    note(float(value))
                    return float(value), np.asarray(gradient)

                name = {"conjugate_gradient": "CG", "lbfgs": "L-BFGS-B", "bfgs": "BFGS"}[method]
                own = {"maxiter": 10**6, "gtol": 1e-8} | ({"maxfun": 10**6, "ftol": 0} if method == "lbfgs" else {})
                optimize.minimize(evaluate, weights, jac=True, method=name, options=own)
        except Enough:
            pass
    return values


def flat(params: Any) -> np.ndarray:
    return np.concatenate([layer[name].ravel() for layer in params for name in ("weights", "biases")])


@cache
def functions(problem: Problem) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Compiled: value and gradient, residuals whose halved squares sum to the value, and their derivatives."""
    import jax
    import jax.numpy as jnp

    sizes = network_of(problem).sizes

    def forward(w: Any, X: Any) -> tuple[Any, Any]:
        y, at, squares = X, 0, []
        for layer, (m, n) in enumerate(pairwise(sizes)):
            weights, biases = w[at : at + m * n].reshape(m, n), w[at + m * n : at + m * n + n]
            at += m * n + n
            squares.append(weights.ravel())
            z = y @ weights + biases
            y = jnp.tanh(z) if layer < len(sizes) - 2 else z
        return y, jnp.concatenate(squares)

    def value(w: Any, X: Any, targets: Any, decay: Any) -> Any:
        z, weights = forward(w, X)
        if targets.shape[1] == 1:
            losses = jnp.square(z - targets)[:, 0]
        else:
            losses = jax.nn.logsumexp(z, axis=1) - jnp.sum(targets * z, axis=1)
        return jnp.mean(losses) + decay / 2 * jnp.sum(weights**2)

    def residuals(w: Any, X: Any, targets: Any, decay: Any) -> Any:
        z, weights = forward(w, X)
        return jnp.concatenate([jnp.sqrt(2 / len(X)) * (z - targets).ravel(), jnp.sqrt(decay) * weights])

    return jax.jit(jax.value_and_grad(value)), jax.jit(residuals), jax.jit(jax.jacrev(residuals))


RUN = {ENTRENA: run_entrena, SCIPY: run_scipy}


def evaluations_to(values: list[float], level: float) -> int:
    return 1 + int(np.argmax(np.asarray(values) <= level))


def levels_of(curves: dict[str, list[float]]) -> list[float]:
    """From the first value to the lowest that both reach: those at which so much of the fall is left."""
    first, lowest = curves[SCIPY][0], max(min(values) for values in curves.values())
    return [lowest + share * (first - lowest) for share in LEFT]


def count(problem: Problem, method: str) -> list[dict[str, Any]]:
    """Both learners from every start: evaluations to each level."""
    found = []
    for decay in DECAYS:
        for seed in SEEDS:
            start = Start(seed, decay, problem.most)
            curves = {name: run(problem, method, start) for name, run in RUN.items()}
            levels = levels_of(curves)
            counts = {name: [evaluations_to(values, level) for level in levels] for name, values in curves.items()}
            lowest = {f"lowest, {name}": min(values) for name, values in curves.items()}
            found.append({"seed": seed, "decay": decay, "levels": levels, **counts, **lowest})
    return found


def measure(name: str, problem: Problem, method: str, starts: list[Start]) -> float:
    """Seconds of all the runs, once everything is compiled."""
    run = RUN[name]
    for start in starts:
        run(problem, method, start)
    began = time.perf_counter()
    for start in starts:
        run(problem, method, start)
    return time.perf_counter() - began


def timer(name: str, problem: str, method: str, starts: list[Start]) -> Callable[[], float]:
    command = [sys.executable, "-m", "benchmarks.batch_optimizers", "--one", name, problem, method, json.dumps(starts)]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(processes.BUILD / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return lambda: processes.last_object(processes.run(command, processes.environment(cache)))["seconds"]


def ratios_at(counted: list[dict[str, Any]], level: int) -> list[float]:
    return [each[ENTRENA][level] / each[SCIPY][level] for each in counted]


def said(interval: Interval) -> str:
    return "yes" if interval.high <= MOST_RATIO else "yes, in the median" if interval.median <= MOST_RATIO else "**no**"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_optimizers", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, problem, method, starts = options.one
        seconds = measure(name, PROBLEMS[problem], method, [Start(*each) for each in json.loads(starts)])
        print(json.dumps({"seconds": seconds}))
        return
    counts, times, raw = [], [], {}
    for problem_name, problem in PROBLEMS.items():
        for method in problem.methods:
            counted = count(problem, method)
            intervals = [median_interval(ratios_at(counted, level)) for level in range(len(LEFT))]
            worst = max(max(ratios_at(counted, level)) for level in range(len(LEFT)))
            label = f"{problem_name}, {method}"
            counts.append([label, *map(str, intervals), number(worst), said(intervals[-1])])
            runs: dict[str, list[Start]] = {ENTRENA: [], SCIPY: []}
            for each in counted[:: len(SEEDS)]:  # the first seed with and without decay, to the lowest level
                for name in RUN:
                    level = each["levels"][-1]
                    runs[name].append(Start(each["seed"], each["decay"], each[name][-1], level))
            timers = {name: timer(name, problem_name, method, runs[name]) for name in RUN}
            seconds = run_alternately(timers, dict.fromkeys(RUN, options.rounds), label)
            share = median_interval(paired_ratios(seconds[SCIPY], seconds[ENTRENA]))
            n = {name: sum(start.most for start in runs[name]) for name in RUN}
            each_takes = [number(1e6 * median_interval(seconds[name]).median / n[name]) for name in RUN]
            times.append([label, *(f"{n[name]}" for name in RUN), *each_takes, str(share)])
            raw[label] = {"counted": counted, "seconds": seconds, "runs": runs}
    left = [f"{100 * share:g} % left" for share in LEFT]
    peers = "; ".join(f"{name}: `{peer}`" for name, peer in PEERS.items())
    sections = [
        f"""Networks of tanh units in float64 on embedded data, all rows, standardised, from the same weights: seeds
{SEEDS[0]} to {SEEDS[-1]}, each with a weight decay of {DECAYS[0]:g} and {DECAYS[1]:g}. SciPy ({peers}) is given a
compiled JAX function; entrena trains as ever, with its history.""",
        f"""## Evaluations

entrena's over SciPy's until so much is left of the fall from the first value to the lowest that both reached within
the evaluations of a run: the median over the {len(SEEDS) * len(DECAYS)} starts with its interval, and the worst of all.
Asked is at most {MOST_RATIO}. Both walk a landscape with many minima, so single starts differ by chance.""",
        report.table(["network, optimizer", *left, "worst", f"at most {MOST_RATIO}"], counts),
        """## Seconds

To the last level of seed 0, with and without decay, once everything is compiled; µs for an evaluation with all that
belongs to it; SciPy's time over entrena's in pairs.""",
        report.table(
            ["network, optimizer", "evaluations", "SciPy's", "µs each", "SciPy's µs", "SciPy's time / entrena's"], times
        ),
    ]
    report.write("batch_optimizers", "Batch-only optimizers", sections, raw, seeds="first weights 0 to 4")


if __name__ == "__main__":
    main()
