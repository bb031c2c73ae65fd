"""`entrena evaluate`: scores against scikit-learn's, and data that cannot be scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from entrena.data import EMBEDDED
from entrena.model import Model

Entrena = Callable[..., Any]


def test_classification_scores(entrena: Entrena, moons_run: Path) -> None:
    moons, model = EMBEDDED["moons"].load(), Model.load(moons_run)
    p = model.predict_proba(moons.inputs)
    expected = {
        "accuracy": metrics.accuracy_score(moons.targets, p.argmax(axis=1)),
        "balanced_accuracy": metrics.balanced_accuracy_score(moons.targets, p.argmax(axis=1)),
        "log_loss": metrics.log_loss(moons.targets, p),
        "roc_auc": metrics.roc_auc_score(moons.targets, p[:, 1]),
    }
    told = entrena("evaluate", moons_run, "moons", "--json").json
    assert told["scores"] == pytest.approx(expected, rel=1e-9)
    assert told["result"] == {"score": "accuracy", "value": told["scores"]["accuracy"]}
    assert (told["task"], told["rows"], told["data"]) == ("classification", 1000, "moons")
    lines = entrena("evaluate", moons_run, "moons").out.splitlines()
    assert lines[:2] == ["  task  classification of moon", "  data  moons, 1,000 rows"]
    assert lines[4:] == [
        f"  accuracy           {expected['accuracy']:.4f}",
        f"  balanced accuracy  {expected['balanced_accuracy']:.4f}",
        f"  log loss           {expected['log_loss']:.4f}",
        f"  ROC AUC            {expected['roc_auc']:.4f}",
    ]


def test_regression_scores_from_a_file(entrena: Entrena, diabetes_run: Path) -> None:
    assert entrena("data", "diabetes", "-o", "d.parquet").code == 0
    table = pl.read_parquet("d.parquet")
    y = table["progression"].to_numpy()
    predicted = Model.load(diabetes_run).predict(table.drop("progression").to_numpy())
    scores = entrena("evaluate", diabetes_run, "d.parquet", "--json").json["scores"]
    assert scores == pytest.approx(
        {
            "rmse": np.sqrt(metrics.mean_squared_error(y, predicted)),
            "mae": metrics.mean_absolute_error(y, predicted),
            "r2": metrics.r2_score(y, predicted),
        }
    )


def test_without_the_target_there_is_nothing_to_score(entrena: Entrena, iris_run: Path, iris_csv: Path) -> None:
    pl.read_csv(iris_csv).drop("species").write_csv("new.csv")
    said = entrena("evaluate", iris_run, "new.csv")
    assert said == (2, "", "Error: new.csv: scoring needs the target species; entrena predict needs none\n")


def test_a_class_that_the_model_does_not_know(entrena: Entrena, iris_run: Path, iris_csv: Path) -> None:
    iris_csv.write_text(iris_csv.read_text().replace("setosa", "sertosa"))
    said = entrena("evaluate", iris_run, iris_csv)
    assert (said.code, said.out) == (1, "")
    assert "unknown class 'sertosa'; did you mean 'setosa'?" in said.err
