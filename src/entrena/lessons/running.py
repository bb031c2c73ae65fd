"""A lesson is run, and what came of it is written down: results, verdict, machine, versions, seeds, command."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
from pathlib import Path
from time import perf_counter
from typing import Any

from entrena.errors import UsageError
from entrena.lessons.lesson import Lesson, SizeName

VERSIONS = ("entrena", "jax", "jaxlib", "optax", "numpy", "scipy")
MOST_SEED = 10**9


def run(
    lesson: Lesson, size: SizeName = "quick", *, seed: int = 0, data: str | None = None, verbose: bool = False
) -> dict[str, Any]:
    """Runs a lesson.

    Args:
        lesson: From the catalogue.
        size: `quick` or `full`.
        seed: The first of its seeds.
        data: A file or a folder in place of the lesson's own data; only for lessons that take one.
        verbose: Whether progress is shown.

    Returns:
        A record of plain values: id, claim, source, size, seed, machine, versions, seconds, command, results, verdict.

    Raises:
        UsageError: The seed is not allowed, or the lesson takes no data.
        KeyboardInterrupt: Ctrl-C.
    """
    from entrena.lessons.trials import Trials

    if not 0 <= seed <= MOST_SEED:
        raise UsageError(f"--seed {seed} is not allowed: a whole number from 0 to {MOST_SEED:,}")
    chosen = lesson.sizes[size]
    choices = dict(chosen.choices)
    if data is not None:
        if not lesson.data:
            raise UsageError(f"--data {data}: {lesson.id} brings its own data; leave --data out")
        choices[lesson.data] = data
    began = perf_counter()
    trials = Trials(lesson.id, verbose=verbose)
    results = lesson.experiment(choices, seed, trials)
    verdict = lesson.judge(results)
    words = ["entrena", "lesson", lesson.id, *(["--full"] if size == "full" else []), *(_typed_seed(seed))]
    words += [] if data is None else ["--data", shlex.quote(data)]
    return {
        "id": lesson.id,
        "chapter": lesson.chapter,
        "title": lesson.title,
        "claim": lesson.claim,
        "source": lesson.source,
        "size": {"name": size, "choices": choices, "left_out": chosen.left_out},
        "seed": seed,
        "networks": trials.n_networks,
        "machine": machine(),
        "versions": versions(),
        "seconds": perf_counter() - began,
        "command": " ".join(words),
        "verdict": {
            "name": verdict.name,
            "depends_on": verdict.depends_on,
            "words": verdict.words,
            "sentence": verdict.sentence,
        },
        "results": dict(results),
    }


def machine() -> str:
    """The kind of the processor and the cores that this process may use.

    A machine's name is nobody's business; what its processor is decides the last bits and the seconds.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{_processor()}, {usable} core{'' if usable == 1 else 's'}"


def versions() -> str:
    """Python and what the numbers depend on."""
    known = [f"Python {platform.python_version()}"]
    for package in VERSIONS:
        try:
            known.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(known)


def _typed_seed(seed: int) -> list[str]:
    return ["--seed", str(seed)] if seed else []


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields.get("model name") or platform.machine()
