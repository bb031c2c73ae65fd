"""What the classifier and the regressor share: parameters to recipe, arrays to examples, `fit`."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from entrena.data import Examples, Schema, Table, read_inputs, roles_by_kind, with_training
from entrena.data.arrays import check_not_one_image
from entrena.data.frames import is_frame
from entrena.data.images import check_same, images_of, is_array_of_images
from entrena.data.values import Place
from entrena.diagnosis import doubtful_choices
from entrena.errors import DataError, shortened
from entrena.fitting import Parts, fit, prepare, refit, rows_that_count, split_validation
from entrena.interrupt import interrupt_as_flag
from entrena.learner import Learner, TestedRows, restored
from entrena.model import Model
from entrena.preprocessing.estimator_inputs import read_table
from entrena.recipe import Recipe, explain_unknown, keys
from entrena.reporting.progress import ProgressBar
from entrena.training.stopping import ENDED_BADLY, Outcome
from entrena.training.watching import Watchers, as_watchers

NOT_RECIPE = ("verbose", "callbacks")
# To scikit-learn whatever has an attribute `transform` is a transformer.
KEYS = {"input_transform": "transform"}  # parameters that have another name than the recipe's key
FEW_ROWS = 100  # of a first call of partial_fit that has categories


class NetworkEstimator(BaseEstimator):
    """The base of `NetworkClassifier` and `NetworkRegressor`; not used by itself."""

    verbose: bool
    callbacks: Any
    _picks_by_name: bool
    _model: Model | None = None
    _learner: Learner | None = None  # what `partial_fit` goes on with
    _tested: TestedRows | None = None
    _has_changed = False  # parameters were set since

    def __new__(cls, *args: Any, **parameters: Any) -> Self:
        """Explains a parameter of another library or a misspelt one, where Python would only say that it is unknown."""
        for name in parameters:
            if name not in cls._get_param_names():
                why = "it is for classes only" if name in keys() else explain_unknown(name)
                raise TypeError(f"{cls.__name__} has no parameter '{name}': {why}")
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
        return Recipe(**{KEYS.get(name, name): value for name, value in values.items()})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _read(self, X: Any, *, reset: bool, text_columns: frozenset[str] = frozenset()) -> Table:
        """Checked inputs: a frame's columns by their types, or an array of numbers, NaN where one is missing.

        Args:
            X: [rows, columns] frame, array or sparse matrix.
            reset: Whether X says what the columns are, or has to have those that were said.
            text_columns: Columns of a frame that are texts whatever their type.
        """
        if not reset and self._model is not None:
            check_not_one_image(X, self.n_features_in_, self._model.schema.image, Place("X"))
        if is_array_of_images(X):
            return self._read_images(X, reset=reset)
        return read_table(self, X, reset=reset, text_columns=text_columns)

    def _read_images(self, X: Any, *, reset: bool) -> Table:
        """Checked images; those of a fitted estimator have the size that it was fitted on."""
        images = images_of(X, Place("X"))
        if reset:
            self.n_features_in_ = len(images.columns)
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        elif self._model is not None:
            check_same(images, self._model.schema.image)
        if len(images.columns) != self.n_features_in_:
            n = len(images.columns)
            raise ValueError(
                f"X has {n} features, but {type(self).__name__} is expecting {self.n_features_in_} features"
            )
        return images

    def _fit(
        self, inputs: Table, y: np.ndarray, schema: Schema, sample_weight: Any, validation: Examples | None
    ) -> Self:
        """Fits on checked inputs and y, [rows] or [rows, outputs]."""
        recipe = self._recipe()
        self._picks_by_name = False
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        examples = rows_that_count(Examples(inputs, y, schema.target_names, "X", weight))
        classes = schema.classes is not None
        if validation is None:
            parts = split_validation(recipe, examples, stratify=classes)
        else:
            parts = Parts(examples, validation)
        schema = with_training(schema, roles_by_kind(inputs), parts.training)
        with interrupt_as_flag() as interrupted, contextlib.ExitStack() as shown:
            callbacks = list(as_watchers(self.callbacks))
            if self.verbose:
                callbacks.append(shown.enter_context(ProgressBar()))
            prepared = prepare(recipe, schema, parts)
            fitted = fit(prepared, Watchers(callbacks, None, interrupted))
        training = fitted.training
        self._learner = self._tested = None
        self._model = fitted.model
        if recipe.training.refit:
            self._model = refit(fitted.model, prepared, fitted, examples)
        self.recipe_ = recipe
        self.history_ = list(training.history)
        self.loss_curve_ = [record["loss"] for record in training.history]
        self.outcome_ = training.outcome
        self.n_epochs_ = training.checkpoint.epoch
        self.best_epoch_ = training.best.epoch if fitted.plan.restore_best else training.checkpoint.epoch
        validated = parts.validation is not None
        self.validation_loss_curve_ = [each["validation_loss"] for each in training.history] if validated else None
        if training.outcome.name in ENDED_BADLY:
            warnings.warn(training.outcome.sentence, ConvergenceWarning, stacklevel=3)
        said = [fitted.model.preprocessor.shortfall()]
        said += [f"{finding.evidence} {finding.advice}" for finding in doubtful_choices(recipe)]
        for sentence in filter(None, said):
            warnings.warn(sentence, UserWarning, stacklevel=3)
        return self

    @property
    def model_(self) -> Model:
        """The trained `Model`; after `partial_fit` with all that was learned so far."""
        if self._model is None and self._learner is not None:
            self._model = self._learner.model()
            if not self._learner.stream.is_finite:
                rate = self._learner.stream.plan.learning_rate
                said = f"the weights became {np.nan}: the rate {rate:g} is too high; fit anew with a tenth of it"
                warnings.warn(said, ConvergenceWarning, stacklevel=3)
        if self._model is None:
            raise AttributeError(f"this {type(self).__name__} is not fitted yet: it has no model_")
        return self._model

    @property
    def loss_(self) -> float:
        """The loss of the last fitted epoch; after `partial_fit` of its rows, before they were learned."""
        if self._tested is not None:
            return float(self._tested.reported_losses.mean())
        if not getattr(self, "loss_curve_", None):
            raise AttributeError(f"this {type(self).__name__} is not fitted yet: it has no loss_")
        return self.loss_curve_[-1]

    def __sklearn_is_fitted__(self) -> bool:
        return self._model is not None or self._learner is not None

    def __setattr__(self, name: str, value: Any) -> None:
        """Parameters that are set count from the next `fit` or `partial_fit` on."""
        super().__setattr__(name, value)
        if not name.startswith("_") and not name.endswith("_") and self._learner is not None:
            self._has_changed = True

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if self._learner is None:
            return state
        # What lies on a device does not go into a pickle.
        return {**state, "_model": self.model_, "_learner": self._learner.to_parts(), "_tested": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parts = state.get("_learner")
        super().__setstate__(state)
        if parts is not None:
            assert self._model is not None
            self._learner = restored(self._model, *parts)

    def _goes_on(self) -> Learner | None:
        """What `partial_fit` goes on with: an earlier call's, or a fitted model; None: this is the first call.

        Raises:
            RecipeError: A parameter has no meaning here, or cannot change any more.
        """
        if self._learner is None:
            if self._model is None:
                return None
            self._learner = Learner.of_model(self._model, self._recipe())
            self.recipe_ = self._learner.recipe
        elif self._has_changed:
            self._learner = self._learner.with_recipe(self._recipe())
            self.recipe_ = self._learner.recipe
        self._has_changed = False
        return self._learner

    def _is_quick(self, X: Any, learner: Learner, sample_weight: Any) -> bool:
        """Whether X is what every other call brings: an array of finite numbers, as many as there are columns."""
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype.kind == "f"
            and X.shape[1] == self.n_features_in_
            and len(X) > 0
            and sample_weight is None
            and learner.takes_numbers
            and not hasattr(self, "feature_names_in_")
            and bool(np.isfinite(X).all())
        )

    def _begin(self, inputs: Table, y: np.ndarray, schema: Schema, sample_weight: Any) -> Learner:
        """The first call of `partial_fit`: its rows say what the columns are."""
        schema = replace(schema, roles=roles_by_kind(inputs))
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        first = rows_that_count(Examples(inputs, y, schema.target_names, "X", weight))
        categories = [role.name for role in schema.inputs if role.role == "category"]
        if categories and first.n_rows < FEW_ROWS:
            named = ", ".join(f"'{shortened(name)}'" for name in categories[:3])
            warnings.warn(
                f"partial_fit: the levels of {named} are those of this first call, which has {first.n_rows} "
                f"row{'' if first.n_rows == 1 else 's'}; others that come later are treated as unknown. Give the first "
                "call rows that show all levels",
                UserWarning,
                stacklevel=3,
            )
        return Learner.begin(self._recipe(), schema, first, running=True)

    def _learn(self, learner: Learner, inputs: Table, y: np.ndarray, sample_weight: Any) -> None:
        """Learns checked rows; of those of weight 0 nothing."""
        weight = None
        if sample_weight is not None:
            given = np.asarray(sample_weight)
            if given.shape == (len(y),) and given.dtype.kind in "biuf" and not given.any():
                return
            weight = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        tested = learner.learn(rows_that_count(Examples(inputs, y, learner.schema.target_names, "X", weight)))
        if self._learner is None:  # the first call
            self.recipe_, self._picks_by_name = learner.recipe, False
        self._learner, self._tested, self._model, self._has_changed = learner, tested, None, False

    def _inputs(self, X: Any) -> Table:
        """Checked inputs of a fitted estimator."""
        check_is_fitted(self)
        schema = self.model_.schema
        if getattr(self, "_picks_by_name", False) and is_frame(X) and hasattr(self, "feature_names_in_"):
            return read_inputs(X, schema).inputs  # a model of a table knows its columns among others
        texts = frozenset(role.name for role in schema.inputs if role.role == "category")
        return self._read(X, reset=False, text_columns=texts)

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
        names = {key: name for name, key in KEYS.items()}
        plain = {
            names.get(key, key): value for section in model.recipe.to_values().items() for key, value in _flat(section)
        }
        known = cls._get_param_names()
        estimator = cls(**{name: value for name, value in plain.items() if name in known})
        estimator._model, estimator.recipe_ = model, model.recipe
        estimator._picks_by_name = True
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
    if not isinstance(value, dict):
        return [(name, value)]
    return [(key, tuple(item) if isinstance(item, list) else item) for key, item in value.items()]


def checked_targets(inputs: Table, y: Any, *, numbers: bool) -> np.ndarray:
    """y as [rows] labels, or as [rows] or [rows, outputs] numbers.

    Raises:
        ValueError: It is missing, has gaps, or another number of rows than the inputs.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    dtype = "numeric" if numbers else None
    checked = check_array(y, ensure_2d=False, dtype=dtype, input_name="y", ensure_all_finite=True)
    if numbers and checked.dtype.kind == "O":
        checked = checked.astype(np.float64)
    if checked.shape[0] != inputs.n_rows:
        check_consistent_length(np.empty(inputs.n_rows), checked)
    if checked.ndim > 2:
        raise ValueError(f"y has {checked.ndim} dimensions; it needs one, or two for several numbers")
    return checked


def validation_examples(estimator: NetworkEstimator, validation_data: Any, schema: Schema) -> Examples | None:
    """Checked validation rows (X, y) of one's own, or None."""
    if validation_data is None:
        return None
    if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
        raise DataError("validation_data: two parts are needed, (X, y)")
    X, y = validation_data
    inputs = estimator._read(X, reset=False)
    y = checked_targets(inputs, y, numbers=schema.classes is None)
    return Examples(inputs, y, schema.target_names, "validation_data")
