"""One file for each learner: `make(task)` gives an estimator with scikit-learn's `fit`, `predict`, `predict_proba`.

Each gets the frame as it is, numbers and categories with gaps, and does itself what it needs done to it. All but
entrena by its command line are used with their defaults for what a person would hand them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.quality.datasets import Dataset


@dataclass(frozen=True)
class Task:
    """What a learner is told.

    Attributes:
        has_classes: Whether classes are predicted, or a number.
        seed: Seed of the learner.
        n_threads: Threads it may use.
        parameters: Choices in place of the defaults.
    """

    has_classes: bool
    seed: int = 0
    n_threads: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Learner:
    """A learner and what is asked of it.

    Attributes:
        module: Its file.
        packages: Whose versions say which learner it is.
        text: What it is, for the report.
        is_entrena: Whether it changes with the sources of this repository.
        n_seeds: With how many seeds it is run at most.
        max_rows: It is left out of longer tables.
        max_columns: It is left out of wider tables.
        only: The only sets it is run on.
    """

    module: str
    packages: tuple[str, ...]
    text: str
    is_entrena: bool = False
    n_seeds: int | None = None
    max_rows: int | None = None
    max_columns: int | None = None
    only: tuple[str, ...] = ()

    def takes(self, dataset: Dataset) -> bool:
        """Whether it is run on a set."""
        if self.only and dataset.name not in self.only:
            return False
        short = self.max_rows is None or dataset.n_rows <= self.max_rows
        return short and (self.max_columns is None or dataset.n_columns <= self.max_columns)


PIPELINE = "median, StandardScaler, OneHotEncoder"

# In the order in which they are run: what is quick comes first.
LEARNERS: dict[str, Learner] = {
    "linear": Learner(
        "linear", ("scikit-learn",), f"scikit-learn's LogisticRegression(max_iter=1000) or Ridge(); {PIPELINE}"
    ),
    "lightgbm": Learner("lightgbm_trees", ("lightgbm",), "LGBMClassifier or LGBMRegressor, pandas categories"),
    "hist-gb": Learner(
        "hist_gb", ("scikit-learn",), 'HistGradientBoosting with categorical_features="from_dtype" (its default)'
    ),
    "sklearn-mlp": Learner(
        "sklearn_mlp",
        ("scikit-learn",),
        f"MLPClassifier or MLPRegressor; {PIPELINE}; a number's target standardised, without which MLPRegressor fails",
    ),
    "realmlp-td": Learner(
        "realmlp",
        ("pytabkit", "torch"),
        "pytabkit's RealMLP_TD, numbers filled with their median; for classes use_ls=False and "
        "val_metric_name=cross_entropy, which its authors advise where the log loss counts",
        n_seeds=1,
        max_rows=10_000,
        max_columns=100,
    ),
    "entrena": Learner("entrena_default", (), "NetworkClassifier() or NetworkRegressor(), frame as it is", True),
    "entrena-preencoded": Learner(
        "entrena_preencoded", (), "the same behind a median and OneHotEncoder; a stop-gap", True
    ),
    "entrena-cli": Learner(
        "entrena_cli",
        (),
        "`entrena train train.csv --target …` with no other choice, and `entrena predict`; it puts a fifth of "
        "the training rows aside for its own test, so it learns from fewer; seconds are of whole processes",
        True,
        only=("soybean", "ames_housing", "bike_sharing", "adult"),
    ),
}

PEERS = tuple(name for name, learner in LEARNERS.items() if not learner.is_entrena)


def make(name: str, task: Task) -> Any:
    """An estimator that was not fitted."""
    return importlib.import_module(f"benchmarks.quality.learners.{LEARNERS[name].module}").make(task)
