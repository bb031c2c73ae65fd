"""Logistic regression and ridge regression behind the usual pipeline."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from benchmarks.quality.learners import Task
from benchmarks.quality.learners.pipeline import encoder


def make(task: Task) -> Any:
    return make_pipeline(encoder(), LogisticRegression(max_iter=1000) if task.has_classes else Ridge())
