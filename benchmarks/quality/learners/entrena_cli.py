"""entrena by its command line: a CSV file, the target's name, and nothing else."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import processes
from benchmarks.quality.datasets import TARGET
from benchmarks.quality.learners import Task

ENTRENA = str(Path(sys.executable).with_name("entrena"))


class CommandLine:
    """`entrena train` and `entrena predict` in a folder of their own, with the face of an estimator."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> CommandLine:
        X.assign(**{TARGET: y}).to_csv(self.folder / "train.csv", index=False)
        seed = ["--seed", str(self.task.seed)] if self.task.seed else []  # 0 is the default
        run = json.loads(self._run("train", "train.csv", "--target", TARGET, "--json", *seed))
        wanted = "classification" if self.task.has_classes else "regression"
        if run["task"] != wanted:
            raise ValueError(f"entrena took it for a {run['task']}; it is a {wanted}")
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return np.array([float(row["prediction"]) for row in self._predicted(X)])

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        rows = self._predicted(X)
        names = [name for name in rows[0] if name.startswith("probability_")]
        self.classes_ = np.array([name.removeprefix("probability_") for name in names], object)
        return np.array([[float(row[name]) for name in names] for row in rows])

    def _predicted(self, X: pd.DataFrame) -> list[dict[str, str]]:
        X.to_csv(self.folder / "test.csv", index=False)
        self._run("predict", "last", "test.csv", "-o", "predicted.csv")
        with (self.folder / "predicted.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def _run(self, *arguments: str) -> str:
        command = [ENTRENA, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=processes.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(['entrena', *arguments])}: {done.stderr.strip() or done.returncode}")
        return done.stdout


def make(task: Task) -> CommandLine:
    return CommandLine(task)
