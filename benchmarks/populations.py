"""How long many networks take: entrena side by side and one by one, scikit-learn on one core and on two, PyTorch.

python -m benchmarks.populations       # about 30 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import processes, report
from benchmarks.ratios import median_interval, met, number, paired_ratios, run_alternately
from benchmarks.workloads import MOMENTUM, SEED, WORKLOADS, Workload, make_data

TOGETHER, ALONE = "entrena, side by side", "entrena, one by one"
SCIKIT_1, SCIKIT_2 = "scikit-learn, n_jobs=1", "scikit-learn, n_jobs=2"
TORCH, TORCH_FUNC = "PyTorch, one by one", "PyTorch, torch.func"
LEARNERS = (TOGETHER, ALONE, SCIKIT_1, SCIKIT_2, TORCH, TORCH_FUNC)

# Epochs that are timed, and the most that side by side may take of one by one.
CASES = {"online": (20, 0.2), "small": (3, 0.6), "digits": (20, 0.6)}
DIGITS = Workload("digits", (64, 64, 10), 64, 1_408, 0.02, 20)
NUMBERS = (32, 128)
ROUNDS = 7
SAMPLE = 8  # networks that a learner trains which trains one after the other; the time of the others is inferred
LEAST_FACTORS = {SCIKIT_1: 10.0, SCIKIT_2: 5.0}  # of entrena's time side by side


def workload_of(name: str) -> Workload:
    return DIGITS if name == "digits" else WORKLOADS[name]


def rate_of(workload: Workload, k: int) -> float:
    return workload.learning_rate * (1 + k % 7) / 4


def entrena_seconds(workload: Workload, n_networks: int, n_epochs: int, *, together: bool) -> float:
    """With its history and the best weights kept, as ever."""
    from entrena import Recipe
    from entrena.data import infer_schema, read, roles_by_kind, with_training
    from entrena.fitting import Parts, fit_many, prepare, prepare_like

    data = make_data(workload)
    examples = read((data.inputs, data.classes))
    schema = with_training(infer_schema(examples), roles_by_kind(examples.inputs), examples)
    recipe = Recipe(
        hidden=workload.hidden,
        batch_size=workload.batch_size,
        center=False,
        scale="none",
        optimizer="sgd",
        momentum=MOMENTUM,
        mode="mini_batch",
        schedule="constant",
        weight_decay=0.0,
        early_stopping=False,
        max_epochs=n_epochs,
    )
    base = prepare(recipe, schema, Parts(examples))
    n = n_networks if together else min(SAMPLE, n_networks)
    prepared = []
    for k in range(n):
        own = prepare_like(base, recipe.change({"random_state": k, "learning_rate": rate_of(workload, k)}))
        assert own is not None
        prepared.append(own)
    parts = [prepared] if together else [[each] for each in prepared]
    for part in parts[:1]:
        fit_many(part)  # compiled, and the device is warm
    start = time.perf_counter()
    losses = [each.training.history[-1]["loss"] for part in parts for each in fit_many(part)]
    seconds = time.perf_counter() - start
    check(losses)
    return seconds * n_networks / n


def scikit_seconds(workload: Workload, n_networks: int, n_epochs: int, n_jobs: int) -> float:
    from joblib import Parallel, delayed

    data = make_data(workload)
    online = workload.batch_size == 1  # an epoch takes seconds: one tells enough
    n, few = (n_jobs, 1) if online else (min(SAMPLE * n_jobs, n_networks), n_epochs)
    with Parallel(n_jobs=n_jobs) as pool:
        pool(delayed(_scikit)(workload, data.inputs[:1000], data.classes[:1000], k, 1) for k in range(2))
        start = time.perf_counter()
        losses = pool(delayed(_scikit)(workload, data.inputs, data.classes, k, few) for k in range(n))
        seconds = time.perf_counter() - start
    check(losses)
    return seconds * n_networks / n * n_epochs / few


def _scikit(workload: Workload, X: np.ndarray, y: np.ndarray, k: int, n_epochs: int) -> float:
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it did not converge
        return (
            MLPClassifier(
                workload.hidden,
                solver="sgd",
                momentum=MOMENTUM,
                nesterovs_momentum=False,
                batch_size=workload.batch_size,
                learning_rate_init=rate_of(workload, k),
                alpha=0.0,
                max_iter=n_epochs,
                n_iter_no_change=10**6,
                random_state=k,
            )
            .fit(X, y)
            .loss_
        )


def torch_seconds(workload: Workload, n_networks: int, n_epochs: int) -> float:
    import torch

    from benchmarks.learners.pytorch import network

    torch.set_num_threads(1)  # faster than two on networks of this size
    data = make_data(workload)
    inputs, classes = torch.from_numpy(data.inputs), torch.from_numpy(data.classes).long()
    n = min(1 if workload.batch_size == 1 else SAMPLE, n_networks)
    losses: list[float] = []

    def train(k: int, n_epochs: int) -> None:
        torch.manual_seed(k)
        model = network(workload)
        sgd = torch.optim.SGD(model.parameters(), rate_of(workload, k), MOMENTUM, foreach=False)
        for _ in range(n_epochs):
            for rows in torch.randperm(workload.n_rows).split(workload.batch_size):
                sgd.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(inputs[rows]), classes[rows])
                loss.backward()
                sgd.step()
        losses.append(loss.item())

    few = 1 if workload.batch_size == 1 else n_epochs  # an online epoch is a second
    if workload.batch_size > 1:
        train(0, 1)
    start = time.perf_counter()
    for k in range(n):
        train(k, few)
    seconds = time.perf_counter() - start
    check(losses)
    return seconds * n_networks / n * n_epochs / few


def torch_func_seconds(workload: Workload, n_networks: int, n_epochs: int) -> float:
    """An ensemble by `torch.func`: the networks' weights side by side, each network its own order."""
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap

    from benchmarks.learners.pytorch import network

    torch.set_num_threads(2)
    torch.manual_seed(SEED)
    data = make_data(workload)
    inputs, classes = torch.from_numpy(data.inputs), torch.from_numpy(data.classes).long()
    models = [network(workload) for _ in range(n_networks)]
    params, _ = stack_module_state(models)
    params = {name: value.detach() for name, value in params.items()}
    velocity = {name: torch.zeros_like(value) for name, value in params.items()}
    rates = torch.tensor([rate_of(workload, k) for k in range(n_networks)])

    def loss_of(own: dict[str, Any], X: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(functional_call(models[0], own, (X,)), y)

    gradients_of = vmap(grad(loss_of))

    def epoch(n_updates: int | None = None) -> None:
        orders = torch.stack([torch.randperm(workload.n_rows) for _ in range(n_networks)])
        for rows in orders.split(workload.batch_size, dim=1)[:n_updates]:
            gradients = gradients_of(params, inputs[rows], classes[rows])
            for name, g in gradients.items():
                velocity[name].mul_(MOMENTUM).add_(g)
                params[name].sub_(rates.view(-1, *[1] * (g.dim() - 1)) * velocity[name])

    epoch(50)
    share = 1.0
    start = time.perf_counter()
    if workload.batch_size == 1:  # thousands of updates tell enough
        epoch(2_000)
        share = workload.n_updates / 2_000 * n_epochs
    else:
        for _ in range(n_epochs):
            epoch()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        check([float(loss) for loss in vmap(loss_of, in_dims=(0, None, None))(params, inputs, classes)])
    return seconds * share


def check(losses: list[float]) -> None:
    """Ends the benchmark where something did not learn at all, or diverged."""
    if not np.all(np.asarray(losses) < 20):
        raise SystemExit(f"a network does not learn: {losses}")


def seconds_of(learner: str, workload: Workload, n_networks: int, n_epochs: int) -> float:
    if learner in (TOGETHER, ALONE):
        return entrena_seconds(workload, n_networks, n_epochs, together=learner == TOGETHER)
    if learner in (SCIKIT_1, SCIKIT_2):
        return scikit_seconds(workload, n_networks, n_epochs, 1 if learner == SCIKIT_1 else 2)
    return (torch_seconds if learner == TORCH else torch_func_seconds)(workload, n_networks, n_epochs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.populations", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--numbers", nargs="+", type=int, default=list(NUMBERS), help="of networks")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--report", action="store_true", help="write the table from what was measured before")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        learner, case, n = options.one
        print(json.dumps({"seconds": seconds_of(learner, workload_of(case), int(n), CASES[case][0])}))
        return
    raw: dict[str, dict[str, list[float]]] = {}
    before = json.loads((report.RESULTS / "populations.json").read_text()) if options.report else {}
    rows = []
    for case in options.cases:
        n_epochs, most = CASES[case]
        workload = workload_of(case)
        for n in options.numbers if case != "online" else options.numbers[:1]:

            def timer(learner: str, case: str = case, n: int = n) -> Callable[[], float]:
                command = [sys.executable, "-m", "benchmarks.populations", "--one", learner, case, str(n)]
                return lambda: processes.last_object(processes.run(command, processes.environment()))["seconds"]

            measured = before.get(f"{case} {n}") or run_alternately(
                {name: timer(name) for name in LEARNERS}, dict.fromkeys(LEARNERS, options.rounds), f"{n} {case}"
            )
            raw[f"{case} {n}"] = measured
            for name in LEARNERS:
                seconds = median_interval(measured[name])
                times = median_interval(paired_ratios(measured[name], measured[TOGETHER]))
                share = median_interval(paired_ratios(measured[TOGETHER], measured[name]))
                asked = ""
                if name == ALONE:
                    asked = f"share at most {most}: {met(times, 1 / most)}"
                elif name in LEAST_FACTORS and case != "online":
                    asked = f"at least {LEAST_FACTORS[name]:g} times: {met(times, LEAST_FACTORS[name])}"
                per_update = seconds.median / n / n_epochs / workload.n_updates * 1e6
                rows.append(
                    [
                        f"{n} × {workload.text}",
                        name,
                        number(seconds.median),
                        number(per_update),
                        str(times),
                        str(share),
                        asked,
                    ]
                )
    epochs = ", ".join(f"{n} epochs of {case}" for case, (n, _) in CASES.items())
    about = f"""Networks with first weights, orders and rates of their own, sgd with momentum {MOMENTUM}, {epochs}.
entrena keeps a history and the best weights of each; the others keep nothing. Programs are compiled and pools started
before. What trains one network after the other trains {SAMPLE} of them (scikit-learn on two cores {2 * SAMPLE}),
and the time is multiplied; online the peers do an epoch of one network (two), and torch.func 2,000 updates. "Times":
the learner's time over entrena's side by side; "share": the reverse."""
    header = ["networks", "learner", "seconds", "µs per update", "times", "share", "asked"]
    report.write(
        "populations",
        "Many networks",
        [about, report.table(header, rows)],
        raw,
        seeds=f"data {SEED}; networks 0, 1, 2, …",
    )


if __name__ == "__main__":
    main()
