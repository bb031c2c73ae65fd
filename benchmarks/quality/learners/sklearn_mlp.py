"""scikit-learn's network with its defaults behind the usual pipeline."""

from __future__ import annotations

from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.learners import Task
from benchmarks.quality.learners.pipeline import encoder


def make(task: Task) -> Any:
    if task.has_classes:
        return make_pipeline(encoder(), MLPClassifier(random_state=task.seed))
    # On a target of thousands its default rate gets nowhere; people who know it standardise the target.
    network = TransformedTargetRegressor(MLPRegressor(random_state=task.seed), transformer=StandardScaler())
    return make_pipeline(encoder(), network)
