"""Which defaults are best: recipes by name, run on the half of the sets on which defaults are chosen.

python -m benchmarks.quality.candidates --candidates base narrow wide       # or base,narrow,wide
python -m benchmarks.quality.candidates --rows 200 500 1000                 # on so many training rows of each set
python -m benchmarks.quality.candidates --report                            # only the table
"""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality import datasets
from benchmarks.quality.learners import LEARNERS
from benchmarks.quality.ranks import SMALLEST_LOSS, mean_ratio, ranking
from benchmarks.quality.report import number
from benchmarks.quality.results import Job, Results, Row
from benchmarks.quality.run import parser_of, run
from benchmarks.report import environment, table

DEFAULT = "base"

METHOD = f"""On sets of the half on which defaults are chosen. A ratio is a candidate's loss over that of `{DEFAULT}` on
the same set and seed; in means of ratios losses below {SMALLEST_LOSS:g} count as {SMALLEST_LOSS:g}. The mean rank is
over the sets and seeds that all candidates of the table were run on; a failed fit is the worst. Seconds are of fit and
prediction, on what the candidate and `{DEFAULT}` were both run on."""

# Decay by the number of rows, and rows held out only where there are many: what the others are compared with.
_DECAY = {"weight_decay": {"rows": 10}}
_BASE = {**_DECAY, "early_stopping": {"rows": 5000}}

# Parameters of NetworkClassifier and NetworkRegressor in place of their defaults; `learners/entrena_default.py` says
# what a rule by rows is.
CANDIDATES: dict[str, dict[str, Any]] = {
    DEFAULT: _BASE,
    "decay-0.1": {"weight_decay": 0.1, "early_stopping": {"rows": 2000}},
    "decay-5": {**_BASE, "weight_decay": {"rows": 5}},
    "decay-20": {**_BASE, "weight_decay": {"rows": 20}},
    "decay-most-1": {**_BASE, "weight_decay": {"rows": 10, "high": 1.0}},
    "hold-out-2000": {**_DECAY, "early_stopping": {"rows": 2000}},
    "hold-out-always": {**_DECAY, "early_stopping": {"rows": 0}},
    "hold-out-never": {**_DECAY, "early_stopping": False},
    "dropout-0.1": {**_BASE, "dropout": 0.1},
    "dropout-0.2": {**_BASE, "dropout": 0.2},
    "narrow": {**_BASE, "hidden": [64, 32]},
    "wide": {**_BASE, "hidden": [256, 128]},
    "deep": {**_BASE, "hidden": [128, 128, 128]},
    "wide-dropout": {**_BASE, "hidden": [256, 128], "dropout": 0.15},
    "wide-deep-dropout": {**_BASE, "hidden": [256, 256, 128], "dropout": 0.15},
    "rate-0.005": {**_BASE, "learning_rate": 0.005},
    "rate-0.02": {**_BASE, "learning_rate": 0.02},
    "epochs-30": {**_BASE, "max_epochs": 30},
    "epochs-50": {**_BASE, "max_epochs": 50},
    "epochs-50-dropout": {**_BASE, "max_epochs": 50, "dropout": 0.1},
    "epochs-50-wide": {**_BASE, "max_epochs": 50, "hidden": [256, 128]},
    "epochs-50-wide-dropout": {**_BASE, "max_epochs": 50, "hidden": [256, 128], "dropout": 0.1},
    "epochs-200": {**_BASE, "max_epochs": 200},
    "batch-64": {**_BASE, "batch_size": 64},
    "batch-256": {**_BASE, "batch_size": 256},
    "silu": {**_BASE, "activation": "silu"},
    "selu": {**_BASE, "activation": "selu"},
    "mish": {**_BASE, "activation": "mish"},
    "glorot": {**_BASE, "initialization": "glorot_uniform"},
    "sgd": {"early_stopping": {"rows": 5000}, "optimizer": "sgd"},
    "adam": {"early_stopping": {"rows": 5000}, "optimizer": "adam"},
    "cosine": {**_BASE, "schedule": "cosine", "learning_rate": 0.005},
    "constant": {**_BASE, "schedule": "constant", "learning_rate": 0.001, "early_stopping": True},
}

_STOP = {"early_stopping": True}

# What may help where rows are few, with `--rows`: in place of the defaults that the study of all rows led to.
FEW_ROWS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "decay-most-2": {"weight_decay": {"rows": 10, "high": 2.0}},
    "decay-most-4": {"weight_decay": {"rows": 10, "high": 4.0}},
    "decay-20-most-4": {"weight_decay": {"rows": 20, "high": 4.0}},
    "stop": _STOP,
    "stop-refit": {**_STOP, "refit": True},
    "stop-calibrated": {**_STOP, "calibration": "temperature"},
    "stop-calibrated-refit": {**_STOP, "calibration": "temperature", "refit": True},
    "stop-decay-0.1-refit": {**_STOP, "refit": True, "weight_decay": 0.1},
    "dropout-0.2": {"dropout": 0.2},
    "dropout-0.2-decay-most-2": {"dropout": 0.2, "weight_decay": {"rows": 10, "high": 2.0}},
    "narrow": {"hidden": [64, 32]},
    "one-layer": {"hidden": [128]},
    "rate-0.005": {"learning_rate": 0.005},
    "epochs-50": {"max_epochs": 50},
    "batch-8": {"batch_size": 8},
    "batch-16": {"batch_size": 16},
    "batch-16-decay-most-2": {"batch_size": 16, "weight_decay": {"rows": 10, "high": 2.0}},
    "batch-16-dropout-0.2": {"batch_size": 16, "dropout": 0.2},
    "batch-64": {"batch_size": 64},
}


def main() -> None:
    parser = parser_of("python -m benchmarks.quality.candidates", __doc__.splitlines()[0], "quality_candidates.jsonl")
    parser.add_argument("--candidates", nargs="+", metavar="NAME", help="[default: all]")
    parser.add_argument("--rows", nargs="+", type=int, metavar="N", help="few training rows: other candidates")
    learners = [name for name in LEARNERS if name in ("entrena", "entrena-preencoded")]
    parser.add_argument("--learner", choices=learners, default="entrena", help="how tables are handed in")
    options = parser.parse_args()
    candidates = FEW_ROWS if options.rows else CANDIDATES
    names = [name for typed in options.candidates or candidates for name in typed.split(",") if name]
    unknown = [name for name in names if name not in candidates]
    if unknown:
        parser.error(f"no candidate {', '.join(unknown)}: there are {', '.join(candidates)}")
    if options.rows:
        options.file = options.file.with_stem(f"{options.file.stem}_few_rows")
    sets = options.sets or datasets.names_of("choosing")
    results = Results(options.file)
    # All candidates on a set before the next one, so that what is there can be compared at any time.
    jobs = [
        Job(dataset if rows is None else f"{dataset}@{rows}", seed, options.learner, name, candidates[name])
        for seed in options.seeds
        for rows in options.rows or [None]
        for dataset in datasets.all_sets()
        if dataset in set(sets) and (rows is None or datasets.all_sets()[dataset].n_rows * 0.8 > rows)
        for name in names
    ]
    done = options.report or run(jobs, results, options)
    rows = [row for row in results.rows.values() if row["learner"] == options.learner]
    write(options.file.with_suffix(".md"), [row for row in rows if row["candidate"] in names])
    sys.exit(0 if done else 3)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Writes the table of the candidates."""
    if not rows:
        print("nothing was measured yet")
        return
    command = " ".join(["python -m benchmarks.quality.candidates", *map(shlex.quote, sys.argv[1:])])
    head = [f"- {key}: {value}" for key, value in environment().items()] + [f"- command: `{command}`"]
    names = list(dict.fromkeys(row["candidate"] for row in rows))
    order = [*CANDIDATES, *FEW_ROWS]
    names.sort(key=lambda name: (name != DEFAULT, order.index(name) if name in order else 0))
    text = "\n\n".join(
        [
            "# Candidates for the defaults",
            "\n".join(head),
            METHOD,
            compared(rows, names),
            "## What they are\n\n" + table(["candidate", "in place of the defaults"], parameters(rows, names)),
            "## Losses, means over seeds\n\n" + losses(rows, names),
        ]
    )
    path.write_text(text + "\n", encoding="utf-8")
    print(compared(rows, names))
    print(f"written: {path}")


def compared(rows: Sequence[Row], names: Sequence[str]) -> str:
    """The table that decides."""
    found = {name: {(r["set"], r["seed"]): r for r in rows if r["candidate"] == name} for name in names}
    common = sorted(set.intersection(*(set(own) for own in found.values())))
    ranked = ranking({name: [loss(found[name][place]) for place in common] for name in names})
    base = found.get(DEFAULT, {})
    lines = []
    for name in names:
        both = sorted(place for place in found[name] if place in base)
        pairs = [(loss(found[name][place]), loss(base[place])) for place in both]
        finite = [(a, b) for a, b in pairs if math.isfinite(a) and math.isfinite(b)]
        by_task = [
            mean([pair for pair, place in zip(pairs, both, strict=True) if kind(place[0]) == task]) for task in TASKS
        ]
        seconds, usual = total_seconds(found[name], both), total_seconds(base, both)
        lines.append(
            [
                name,
                len(found[name]),
                f"{ranked.ranks[name]:.2f}",
                *(f"{value:.4f}" for value in [mean(finite), *by_task]),
                f"{sum(a < b for a, b in pairs)} / {sum(a > b for a, b in pairs)}",
                f"{max((a / b for a, b in pairs if b > 0), default=math.nan):.2f}",
                f"{seconds:.0f}",
                f"{seconds / usual:.2f}" if usual else "",
            ]
        )
    header = [
        "candidate",
        "set × seed",
        "mean rank",
        "mean ratio",
        *TASKS,
        "wins / losses",
        "worst ratio",
        "seconds",
        "× default",
    ]
    difference = f"critical difference {ranked.critical_difference:.2f}"
    return f"{table(header, lines)}\n\nFriedman p {ranked.p_value:.2g}, {difference} over {len(common)} set × seed."


TASKS = ("classes", "numbers")


def kind(set_name: str) -> str:
    return TASKS[0] if datasets.find(set_name).has_classes else TASKS[1]


def loss(row: Row) -> float:
    return row.get("loss", math.inf)


def mean(pairs: Sequence[tuple[float, float]]) -> float:
    finite = [(a, b) for a, b in pairs if math.isfinite(a) and math.isfinite(b)]
    return mean_ratio([a for a, _ in finite], [b for _, b in finite])


def total_seconds(rows: dict[tuple[str, int], Row], places: Sequence[tuple[str, int]]) -> float:
    return sum(rows[place].get("fit_seconds", 0.0) + rows[place].get("predict_seconds", 0.0) for place in places)


def parameters(rows: Sequence[Row], names: Sequence[str]) -> list[list[object]]:
    """What each candidate was when it was last run."""
    last = {row["candidate"]: row for row in rows}
    return [
        [name, ", ".join(f"{key}={value}" for key, value in last[name]["parameters"].items()) or "nothing"]
        for name in names
    ]


def losses(rows: Sequence[Row], names: Sequence[str]) -> str:
    """The mean loss of each candidate on each set."""
    lines = []
    for name in sorted({row["set"] for row in rows}, key=lambda name: (datasets.find(name).n_rows, len(name), name)):
        cells = []
        for candidate in names:
            own = [loss(row) for row in rows if (row["set"], row["candidate"]) == (name, candidate)]
            cells.append(number(sum(own) / len(own) if own else None))
        if any(cells):
            lines.append([name, datasets.find(name).task, *cells])
    return table(["set", "task", *names], lines)


if __name__ == "__main__":
    main()
