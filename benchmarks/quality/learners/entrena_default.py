"""entrena by its estimators, with the defaults or with a candidate's parameters.

A candidate may have a rule in place of a number: `weight_decay={"rows": k}` is λ = k/(η·n) for n training rows, between
`low` and `high`; `early_stopping={"rows": n}` holds rows out from n training rows on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.quality.learners import Task
from entrena import NetworkClassifier, NetworkRegressor

USUAL_RATE = 0.01


class ByRule:
    """An estimator whose parameters are known when it sees its rows."""

    def __init__(self, kind: Any, parameters: Mapping[str, Any]) -> None:
        self.kind, self.parameters = kind, parameters

    def fit(self, X: Any, y: Any) -> Any:
        values = {name: self._value(name, value, len(X)) for name, value in self.parameters.items()}
        return self.kind(**values).fit(X, y)

    def _value(self, name: str, value: Any, n_rows: int) -> Any:
        if not (isinstance(value, Mapping) and "rows" in value):
            return value
        if name == "early_stopping":
            return "auto" if n_rows >= value["rows"] else False
        rate = self.parameters.get("learning_rate") or USUAL_RATE
        return min(value.get("high", 2.0), max(value.get("low", 0.05), value["rows"] / (rate * n_rows)))


def make(task: Task) -> Any:
    kind = NetworkClassifier if task.has_classes else NetworkRegressor
    parameters = {"random_state": task.seed, **task.parameters}
    if any(isinstance(value, Mapping) and "rows" in value for value in parameters.values()):
        return ByRule(kind, parameters)
    return kind(**parameters)
