"""RealMLP with its tuned defaults (Holzmüller et al. 2024), from pytabkit, on PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline

from benchmarks.quality.learners import Task


class MedianFill(TransformerMixin, BaseEstimator):
    """Fills the gaps of numbers with the median of the training rows, which RealMLP refuses; a frame stays a frame."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> MedianFill:
        self.medians_ = X.select_dtypes(np.number).median().fillna(0.0)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        filled = {name: X[name].fillna(median) for name, median in self.medians_.items()}
        return X.assign(**{str(name): column for name, column in filled.items()})


def make(task: Task) -> Any:
    own: dict[str, Any] = {"device": "cpu", "random_state": task.seed, "n_threads": task.n_threads}
    if not task.has_classes:
        return make_pipeline(MedianFill(), RealMLP_TD_Regressor(**own))
    return make_pipeline(MedianFill(), RealMLP_TD_Classifier(use_ls=False, val_metric_name="cross_entropy", **own))
