"""entrena's defaults on numbers that were made by the usual pipeline, so on nothing that entrena found by itself."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import make_pipeline

from benchmarks.quality.learners import Task, entrena_default
from benchmarks.quality.learners.pipeline import encoder


def make(task: Task) -> Any:
    return make_pipeline(encoder(scale=False), entrena_default.make(task))
