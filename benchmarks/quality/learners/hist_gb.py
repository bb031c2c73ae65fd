"""scikit-learn's gradient boosting with its defaults; it takes gaps and categories itself."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from benchmarks.quality.learners import Task


def make(task: Task) -> Any:
    kind = HistGradientBoostingClassifier if task.has_classes else HistGradientBoostingRegressor
    return kind(random_state=task.seed, categorical_features="from_dtype")
