"""What came of a run: the model with its scores beside simple models, the history, the findings; and its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import time as clock
from typing import Any

import numpy as np

from entrena.data import Examples, Schema
from entrena.diagnosis import Finding, diverged
from entrena.fitting import Fitted, Prepared, refit
from entrena.interrupt import interrupt_as_flag
from entrena.job import Divided, Job, joined
from entrena.model import Model, check_metrics, choose_metrics
from entrena.recipe import Recipe
from entrena.registry import Choice
from entrena.results import compare
from entrena.storage import RunDirectory, write_history_parquet, write_text
from entrena.storage.json_text import to_json
from entrena.training.optimizers import own_default
from entrena.training.stopping import Outcome


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """What came of a training run.

    Attributes:
        path: The run's directory, or None where nothing was saved.
        recipe: The choices.
        schema: Columns, targets, task, classes.
        model: The trained model.
        history: A record for each epoch: epoch, update, loss, penalty, validation_loss, score, learning_rate, seconds;
            of a stream for each look, the last 10,000.
        outcome: How the run ended, as data and as a sentence.
        validation: Scores on the validation rows, or None without any.
        test: Scores on the test rows, or None without any.
        comparison: The leading score of the network beside a linear model and the guess without inputs, each with its
            value and 95 % interval (`low`, `high`), on the test rows, else the validation rows; None without either.
        sizes: Rows of each part: training, validation, test.
        data: What is to be said of the data: how they were read, rows left out, rows that occur twice.
        findings: What the run showed, each with its evidence and advice.
        prequential: Of a stream the scores of all rows, each tested before it was learned; else None.
    """

    path: Path | None
    recipe: Recipe
    schema: Schema
    model: Model
    history: tuple[Mapping[str, Any], ...]
    outcome: Outcome
    validation: Mapping[str, float] | None
    test: Mapping[str, float] | None
    comparison: Mapping[str, Any] | None
    sizes: Mapping[str, int]
    data: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()
    prequential: Mapping[str, float] | None = None

    def __repr__(self) -> str:
        return f"Run(path={str(self.path)!r}, outcome={self.outcome.name!r}, result={self.result})"

    @property
    def task(self) -> str:
        """`classification` or `regression`."""
        return self.schema.task

    @property
    def n_epochs(self) -> int:
        """Epochs that were run."""
        return int(self.model.facts["n_epochs"])

    @property
    def seconds(self) -> float:
        """Training time."""
        return float(self.model.facts["seconds"])

    @property
    def result(self) -> dict[str, Any] | None:
        """The score to read first: its name, value and interval, and on which rows; None where all were trained on."""
        if self.prequential:
            name, value = next(iter(self.prequential.items()))
            return {"score": name, "value": value, "low": None, "high": None, "on": "stream"}
        if self.comparison is None:
            return None
        network = self.comparison["models"]["network"]
        return {
            "score": self.comparison["score"],
            "value": network["value"],
            "low": network["low"],
            "high": network["high"],
            "on": "validation" if self.test is None else "test",
        }


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The rows that are not trained on, and what is said of the data."""

    validation: Examples | None
    test: Examples | None
    facts: Mapping[str, Any]
    metrics: tuple[Choice, ...]
    everything: tuple[Examples, ...]


def held_out(divided: Divided, job: Job) -> HeldOut:
    """The rows of a divided set that are not trained on."""
    metrics = choose_metrics(job.metrics)
    check_metrics(metrics, divided.schema)
    facts = {**divided.facts, "sizes": divided.sizes}
    return HeldOut(divided.parts.validation, divided.test, facts, metrics, divided.everything)


def run_of(
    prepared: Prepared,
    fitted: Fitted,
    held: HeldOut,
    path: Path | None,
    history: tuple[Mapping[str, Any], ...],
    simple: Mapping[str, np.ndarray] | None = None,
    interrupted: Callable[[], bool] | None = None,
) -> Run:
    """Scores a trained model on the rows that are not trained on.

    Args:
        prepared: What stood before the first update.
        fitted: What came of the training.
        held: The rows.
        path: The run's directory, or None.
        history: A record for each epoch.
        simple: What the simple models say of the leading rows, where that is known already.
        interrupted: Asked while the network is trained again; None: Ctrl-C is heeded here.
    """
    model, outcome = fitted.model, fitted.training.outcome
    # The simple models stand beside the score that people read; they are fitted once.
    leading = "validation" if held.test is None else "test"
    parts = {"validation": held.validation, "test": held.test}
    scores: dict[str, Any] = {
        name: None if part is None or name == leading else model.evaluate(part, metrics=held.metrics)
        for name, part in parts.items()
    }
    comparison = None
    if (part := parts[leading]) is not None:
        comparison = compare(model, prepared, part, held.metrics, simple)
        scores[leading] = comparison["scores"]
    data = dict(held.facts)
    facts = {**model.facts, **scores, "sizes": data.pop("sizes"), "data": data, "comparison": comparison}
    model = replace(model, facts=facts)
    if held.everything:
        everything = joined(held.everything, model.schema.columns)
        with interrupt_as_flag() if interrupted is None else nullcontext(interrupted) as asked:
            model = refit(model, prepared, fitted, everything, asked)
    findings = (*(_divergence(outcome, fitted) if outcome.name == "diverged" else ()), *fitted.findings)
    told = scores["validation"], scores["test"], comparison, facts["sizes"], data
    return Run(path, model.recipe, model.schema, model, history, outcome, *told, findings)


def save_run(run: Run, directory: RunDirectory) -> None:
    """Writes model, history, findings and how it ended into the run's directory."""
    run.model.save(directory.model_path)
    write_history_parquet(directory.history_parquet_path, run.history)
    write_text(directory.findings_path, to_json([finding.to_plain() for finding in run.findings], indent=2) + "\n")
    directory.write_status(_status_at_end(run))


def _divergence(outcome: Outcome, fitted: Fitted) -> tuple[Finding, ...]:
    plan = fitted.plan
    return diverged(
        outcome.sentence,
        fitted.training.checkpoint.epoch,
        learning_rate=plan.learning_rate,
        usual_rate=own_default(Choice(plan.structure.optimizer), "learning_rate") or plan.learning_rate,
        weight_decay=plan.optimizer_settings.get("weight_decay", 0.0),
    )


def _status_at_end(run: Run) -> dict[str, Any]:
    result = run.result or {}
    return {
        "state": {"interrupted": "interrupted", "diverged": "failed"}.get(run.outcome.name, "done"),
        "outcome": run.outcome.name,
        "n_epochs": run.n_epochs,
        "seconds": run.seconds,
        "score_name": result.get("score"),
        "score": result.get("value"),
        "score_on": result.get("on"),
        "ended": clock(),
    }
