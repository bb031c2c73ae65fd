"""LightGBM with its defaults; it takes gaps and pandas categories itself."""

from __future__ import annotations

from typing import Any

from lightgbm import LGBMClassifier, LGBMRegressor

from benchmarks.quality.learners import Task


def make(task: Task) -> Any:
    kind = LGBMClassifier if task.has_classes else LGBMRegressor
    return kind(random_state=task.seed, n_jobs=task.n_threads, verbose=-1)
