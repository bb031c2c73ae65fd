"""Fits learners in a process of its own: a job a line on the standard input, its scores a line on the standard output.

A learner's first fit is one of a tiny table that is not measured: seconds are without the imports.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
import warnings
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks import processes
from benchmarks.quality.results import Job, Row

LOGS = processes.BUILD / "quality"
UNMEASURED_ROWS = 60


def measure(job: Job, n_threads: int) -> Row:
    """The scores of a job and its seconds."""
    from benchmarks.quality import datasets, learners, scores

    dataset = datasets.find(job.set)
    parts = datasets.split(dataset, job.seed)
    task = learners.Task(dataset.has_classes, job.seed, n_threads, job.parameters)
    estimator = learners.make(job.learner, task)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        began = time.perf_counter()
        estimator = estimator.fit(parts.train, parts.train_targets)
        fitted = time.perf_counter()
        predicted = estimator.predict_proba(parts.test) if dataset.has_classes else estimator.predict(parts.test)
        ended = time.perf_counter()
    if parts.classes is not None:
        found = scores.class_scores(np.asarray(predicted), estimator.classes_, parts.test_targets, parts.classes)
    else:
        found = scores.number_scores(predicted, parts.test_targets)
    kinds = sorted({each.category.__name__ for each in warned} - {"FutureWarning", "DeprecationWarning"})
    seconds = {"fit_seconds": round(fitted - began, 3), "predict_seconds": round(ended - fitted, 3)}
    return {**found, **seconds, "warned": kinds}


def warm_up(name: str, n_threads: int) -> None:
    """A fit that nobody looks at, of numbers and of classes."""
    import pandas as pd

    from benchmarks.quality import learners

    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(UNMEASURED_ROWS, 2)), columns=["a", "b"])
    frame["c"] = pd.Categorical(["x", "y"] * (UNMEASURED_ROWS // 2))
    for has_classes in (True, False):
        targets = np.where(frame["a"] > 0, "p", "q").astype(object) if has_classes else frame["a"].to_numpy()
        estimator = learners.make(name, learners.Task(has_classes, 0, n_threads))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(frame, targets).predict(frame)


def serve(name: str, n_threads: int) -> None:
    """Answers jobs until the standard input ends; whatever else is printed goes to the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        if name != "entrena-cli":
            warm_up(name, n_threads)
    except Exception as error:  # the first job will fail likewise, and its row says why
        print(f"first fit: {error!r}", file=sys.stderr)
    for line in sys.stdin:
        try:
            answer = measure(Job(**json.loads(line)), n_threads)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Worker:
    """The process of one learner, as its owner sees it."""

    def __init__(self, name: str, n_threads: int) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.quality.worker", name, str(n_threads)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(n_threads))
        self._process = subprocess.Popen(
            command,
            cwd=processes.ROOT,
            env=processes.environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(LOGS / f"{name}.log").open("a"),
            text=True,
        )

    def run(self, job: Job, seconds: float) -> Row:
        """The answer; an error where the process died, or took longer than allowed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return self._died()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                self.close()
                return {"error": f"took longer than {seconds / 60:g} minutes"}
        line = self._process.stdout.readline()
        return json.loads(line) if line else self._died()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _died(self) -> dict[str, Any]:
        return {"error": f"the process ended with code {self._process.wait()}"}


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
