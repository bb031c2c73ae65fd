"""How long an update takes: entrena, a loop written by hand in JAX, and the peers, on the four workloads.

python -m benchmarks.engine --forms      # tries the forms of JAX loop, PyTorch and FANN; writes results/peer_forms.json
python -m benchmarks.engine              # compares; about 11 minutes on 2 cores; tries forms that were not tried before
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from benchmarks import processes, report
from benchmarks.learners import fann
from benchmarks.ratios import Interval, median_interval, met, number, paired_ratios, run_alternately
from benchmarks.workloads import SEED, WORKLOADS, Workload

FORMS_FILE = report.RESULTS / "peer_forms.json"
TARGET = 0.9  # of the hand-written loop's speed, on the workloads with mini-batches
CLOSE_ROUNDS = 12  # rounds of the learners that are near to each other; the 95 % interval is the 3rd to the 10th value
ROUNDS = 7  # rounds of the others
FORM_ROUNDS = 2  # rounds in which the forms are tried

# Names in the tables: learner's module, and its form where it is not chosen by measurement.
ENTRENA = "entrena"
LOOP = "hand-written JAX"
LEARNERS: dict[str, tuple[str, dict[str, str]]] = {
    ENTRENA: ("entrena_run", {}),
    "entrena, tanh": ("entrena_run", {"activation": "tanh"}),
    LOOP: ("jax_loop", {}),
    "hand-written JAX, one function": ("jax_loop", {"one_function": "yes"}),
    "FANN (tanh, squared error)": ("fann", {}),
    "PyTorch eager": ("pytorch", {}),
    "Keras 3 on JAX": ("keras_jax", {}),
    "scikit-learn": ("scikit_learn", {}),
}
ONLINE_ONLY = ("entrena, tanh", "hand-written JAX, one function", "FANN (tanh, squared error)")
CLOSE = (ENTRENA, "entrena, tanh", LOOP, "hand-written JAX, one function", "FANN (tanh, squared error)")

LOOP_FORMS = [
    {"loop": "scan", "gather": "inside"},
    {"loop": "scan", "gather": "inside", "unroll": "2"},
    {"loop": "fori", "gather": "inside"},
    {"loop": "scan", "gather": "before"},
]
ONLINE_FORMS = [
    {"loop": "scan", "gather": "slice"},
    {"loop": "scan", "gather": "slice", "unroll": "4"},
    {"loop": "fori", "gather": "slice"},
    {"loop": "scan", "gather": "before"},
    {"loop": "scan", "gather": "before", "unroll": "4"},
]
ONE_FUNCTION_FORMS = [
    {"one_function": "yes", "gather": gather, "unroll": unroll}
    for gather in ("slice", "before")
    for unroll in ("1", "2", "4")
]
TORCH_FORMS = [{"threads": t, "optimizer": o} for t in ("1", "2") for o in ("loop", "foreach", "fused")]
FANN_FORMS = [{"shuffle": s} for s in ("0", "1")]


def learners_of(workload: Workload) -> list[str]:
    """Who runs on a workload."""
    names = [name for name in LEARNERS if workload.name == "online" or name not in ONLINE_ONLY]
    return [name for name in names if LEARNERS[name][0] != "fann" or fann.is_available()]


def form_of(name: str, workload: Workload, chosen: dict[str, dict[str, dict[str, str]]]) -> dict[str, str]:
    """The fastest form that was found, or the only one."""
    return LEARNERS[name][1] | chosen.get(workload.name, {}).get(name, {})


def microseconds(name: str, workload: Workload, form: dict[str, str]) -> float:
    """One measurement, in µs per update."""
    result = processes.learner(LEARNERS[name][0], workload.name, form)
    if not result["loss"] < 20:
        raise SystemExit(f"{name} does not learn {workload.name}: loss {result['loss']}")
    return result["seconds"] / result["n_updates"] * 1e6


def candidates(workload: Workload) -> dict[str, list[dict[str, str]]]:
    """The forms to try on a workload."""
    forms = {LOOP: LOOP_FORMS, "PyTorch eager": TORCH_FORMS}
    if workload.name == "online":
        forms[LOOP] = ONLINE_FORMS
        forms["hand-written JAX, one function"] = ONE_FUNCTION_FORMS
        forms["FANN (tanh, squared error)"] = FANN_FORMS
    return {name: tried for name, tried in forms.items() if name in learners_of(workload)}


def choose_forms(workloads: Sequence[Workload], n_rounds: int) -> None:
    """Tries every form and keeps, for each learner and workload, the one with the shortest time of all."""
    chosen, tried = chosen_forms(), tried_forms()
    for workload in workloads:
        for name, forms in candidates(workload).items():
            named = {" ".join(f"{key}={value}" for key, value in form.items()): form for form in forms}
            measure = {
                text: lambda name=name, workload=workload, form=form: microseconds(name, workload, form)
                for text, form in named.items()
            }
            times = run_alternately(measure, dict.fromkeys(named, n_rounds), f"{workload.name}, {name}")
            best = min(named, key=lambda text, times=times: min(times[text]))
            chosen.setdefault(workload.name, {})[name] = named[best]
            tried.setdefault(workload.name, {})[name] = times
        plain = {"environment": report.environment(), "chosen": chosen, "microseconds": tried}
        FORMS_FILE.parent.mkdir(exist_ok=True)
        FORMS_FILE.write_text(json.dumps(plain, indent=1) + "\n")


def chosen_forms() -> dict[str, dict[str, dict[str, str]]]:
    """The fastest form of each learner on each workload, as measured before."""
    return json.loads(FORMS_FILE.read_text())["chosen"] if FORMS_FILE.exists() else {}


def tried_forms() -> dict[str, dict[str, dict[str, list[float]]]]:
    """What was measured to choose them."""
    return json.loads(FORMS_FILE.read_text())["microseconds"] if FORMS_FILE.exists() else {}


def compare(workload: Workload, rounds: tuple[int, int]) -> tuple[dict[str, list[float]], dict[str, dict[str, str]]]:
    """All the measurements of a workload in µs per update, and the forms they were made in."""
    chosen = chosen_forms()
    forms = {name: form_of(name, workload, chosen) for name in learners_of(workload)}
    measure = {name: lambda name=name: microseconds(name, workload, forms[name]) for name in forms}
    n_rounds = {name: rounds[0] if name in CLOSE else rounds[1] for name in forms}
    return run_alternately(measure, n_rounds, workload.name), forms


def speeds(times: dict[str, list[float]], of: str) -> dict[str, Interval]:
    """How much faster `of` is than each other learner: its time over that of `of`, pair by pair."""
    return {name: median_interval(paired_ratios(values, times[of])) for name, values in times.items() if name != of}


def section(workload: Workload, times: dict[str, list[float]], forms: dict[str, dict[str, str]]) -> str:
    """The table of one workload."""
    ours = speeds(times, ENTRENA)
    tanh = speeds(times, "entrena, tanh") if "entrena, tanh" in times else {}
    rows = []
    for name, values in times.items():
        form = " ".join(f"{key}={value}" for key, value in forms[name].items()) or "–"
        ratio = (tanh if name.startswith("FANN") else ours).get(name)
        rows.append([name, number(median_interval(values).median), ratio or "1", len(values), form])
    header = ["learner", "µs per update", "its time / entrena's [95 %]", "rounds", "form"]
    text = f"## {workload.name}: {workload.text}\n\n{report.table(header, rows)}"
    if "FANN (tanh, squared error)" in times:
        return text + "\n\nFANN is compared with entrena's tanh network."
    return text + ("\n\nFANN: not available." if workload.name == "online" else "")


def verdicts(times: dict[str, dict[str, list[float]]]) -> str:
    """Each target, met or not: the interval's lower end decides."""
    rows = []
    for workload, measured in times.items():
        ours = speeds(measured, ENTRENA)
        goals = {name: 1.0 for name in ("PyTorch eager", "Keras 3 on JAX", "scikit-learn") if name in ours}
        if workload != "online":
            goals = {LOOP: TARGET, **goals}
        for name, goal in goals.items():
            rows.append([f"{workload}: at least {goal:g} of the speed of {name}", ours[name], met(ours[name], goal)])
        if "FANN (tanh, squared error)" in measured:
            ahead = speeds(measured, "entrena, tanh")["FANN (tanh, squared error)"]
            rows.append([f"{workload}: ahead of FANN, both with tanh", ahead, met(ahead, 1.0)])
    return "## Targets\n\n" + report.table(["target", "measured [95 %]", "met"], rows)


METHOD = """Time of one update, from the second epoch on; entrena with history, validation on a tenth of the rows after
each epoch and best weights, the others without. float32, relu, softmax with cross-entropy, sgd with momentum 0.9, a new
permutation for every epoch. Learners run alternately, each measurement in a process of its own; ratios are medians of
paired ratios with the order-statistic interval; above 1 means that entrena is faster."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--forms", action="store_true", help="try the forms of the peers and keep the fastest")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of the slower peers (default %(default)s)")
    parser.add_argument("--close-rounds", type=int, default=CLOSE_ROUNDS, help="of the others (default %(default)s)")
    options = parser.parse_args()
    workloads = [WORKLOADS[name] for name in options.workloads]
    if options.forms:
        choose_forms(workloads, FORM_ROUNDS)
        return
    choose_forms([workload for workload in workloads if workload.name not in chosen_forms()], FORM_ROUNDS)
    times, sections = {}, []
    for workload in workloads:
        times[workload.name], forms = compare(workload, (options.close_rounds, options.rounds))
        sections.append(section(workload, times[workload.name], forms))
    report.write(
        "engine",
        "The engine: time of one update",
        [METHOD, verdicts(times), *sections],
        {"microseconds_per_update": times},
        seeds=f"data, first weights and order {SEED}",
    )


if __name__ == "__main__":
    main()
