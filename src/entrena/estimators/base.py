"""What the classifier and the regressor share: parameters to recipe, arrays to examples, `fit`."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from entrena.data import Examples, Schema
from entrena.fitting import Parts, fit, prepare, rows_that_count, split_validation
from entrena.interrupt import interrupt_as_flag
from entrena.model import Model
from entrena.recipe import Recipe, explain_unknown
from entrena.reporting.progress import ProgressBar
from entrena.training.stopping import Outcome
from entrena.training.watching import Watchers, as_watchers

NOT_RECIPE = ("verbose", "callbacks")


class NetworkEstimator(BaseEstimator):
    """The base of `NetworkClassifier` and `NetworkRegressor`; not used by itself."""

    verbose: bool
    callbacks: Any

    def __new__(cls, *args: Any, **parameters: Any) -> Self:
        """Explains a parameter of another library or a misspelt one, where Python would only say that it is unknown."""
        for name in parameters:
            if name not in cls._get_param_names():
                raise TypeError(f"{cls.__name__} has no parameter '{name}': {explain_unknown(name)}")
        return super().__new__(cls)

    def _recipe(self) -> Recipe:
        """The recipe that the parameters spell."""
        values = {name: value for name, value in self.get_params(deep=False).items() if name not in NOT_RECIPE}
        if isinstance(values["random_state"], np.random.RandomState | np.random.Generator):
            source = values["random_state"]
            draw = source.integers if isinstance(source, np.random.Generator) else source.randint
            values["random_state"] = int(draw(2**31))
        elif values["random_state"] is None:
            values["random_state"] = int(np.random.default_rng().integers(2**31))
        return Recipe(**values)

    def _fit(self, X: Any, y: np.ndarray, schema: Schema, sample_weight: Any, validation: Examples | None) -> Self:
        """Fits on checked arrays: X [rows, columns], y [rows] or [rows, outputs]."""
        recipe = self._recipe()
        examples = Examples(X, y, schema.columns, schema.target_names, "X")
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        examples, weight = rows_that_count(examples, weight)
        if validation is None:
            parts = split_validation(recipe, schema, examples, weight)
        else:
            parts = Parts(examples, validation, weight)
        with interrupt_as_flag() as interrupted, contextlib.ExitStack() as shown:
            callbacks = list(as_watchers(self.callbacks))
            if self.verbose:
                callbacks.append(shown.enter_context(ProgressBar()))
            fitted = fit(prepare(recipe, schema, parts), Watchers(callbacks, None, interrupted))
        training = fitted.training
        self.model_ = fitted.model
        self.recipe_ = recipe
        self.history_ = list(training.history)
        self.loss_curve_ = [record["loss"] for record in training.history]
        self.outcome_ = training.outcome
        self.n_epochs_ = training.checkpoint.epoch
        self.best_epoch_ = training.best.epoch if fitted.plan.restore_best else training.checkpoint.epoch
        validated = parts.validation is not None
        self.validation_loss_curve_ = [each["validation_loss"] for each in training.history] if validated else None
        if training.outcome.name in ("diverged", "interrupted"):
            warnings.warn(training.outcome.sentence, ConvergenceWarning, stacklevel=3)
        return self

    def _inputs(self, X: Any) -> np.ndarray:
        """Checked inputs of a fitted estimator, [rows, columns]."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, dtype=(np.float64, np.float32))

    def _columns(self, X: np.ndarray) -> tuple[str, ...]:
        names = getattr(self, "feature_names_in_", None)
        return tuple(names) if names is not None else tuple(f"x{number}" for number in range(X.shape[1]))

    def save(self, path: Any) -> None:
        """Writes the fitted model as one safetensors file; `entrena.load` reads it.

        Args:
            path: The file, such as `model.safetensors`.
        """
        check_is_fitted(self)
        self.model_.save(path)

    @classmethod
    def _of_model(cls, model: Model) -> Self:
        """A fitted estimator of a model that was read from a file."""
        plain = {name: value for section in model.recipe for name, value in _flat(section)}
        known = cls._get_param_names()
        estimator = cls(**{name: value for name, value in plain.items() if name in known})
        estimator.model_, estimator.recipe_ = model, model.recipe
        estimator.n_features_in_ = len(model.schema.columns)
        generic = tuple(f"x{number}" for number in range(estimator.n_features_in_))
        if model.schema.columns != generic:
            estimator.feature_names_in_ = np.asarray(model.schema.columns, object)
        estimator.n_epochs_ = int(model.facts["n_epochs"])
        estimator.best_epoch_ = int(model.facts["best_epoch"])
        estimator.outcome_ = Outcome(model.facts["outcome"], model.facts["sentence"])
        if model.schema.classes is not None:
            estimator.classes_ = np.asarray(model.schema.classes)
        return estimator


def _flat(section: tuple[str, Any]) -> list[tuple[str, Any]]:
    """A section's names and plain values, as an estimator's parameters."""
    name, value = section
    if not hasattr(value, "model_dump"):
        return [(name, value)]
    plain = value.model_dump(mode="json")
    return [(key, tuple(item) if isinstance(item, list) else item) for key, item in plain.items()]


def validation_examples(estimator: NetworkEstimator, validation_data: Any, schema: Schema) -> Examples | None:
    """Checked validation rows (X, y) of one's own, or None."""
    if validation_data is None:
        return None
    X, y = validation_data
    several = len(schema.target_names) > 1
    kind = {"dtype": (np.float64, np.float32), "multi_output": several, "y_numeric": schema.classes is None}
    X, y = validate_data(estimator, X, y, reset=False, **kind)
    return Examples(X, y, schema.columns, schema.target_names, "validation_data")
