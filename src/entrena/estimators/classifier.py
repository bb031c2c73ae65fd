"""The classifier of the scikit-learn face."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from entrena.data import Schema
from entrena.errors import DataError
from entrena.estimators.base import NetworkEstimator, checked_targets, validation_examples


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """A multilayer network that predicts classes.

    The parameters are the recipe's choices (`entrena techniques` lists what each can be); their meaning, allowed
    values and sources are on the documentation's pages of techniques.

    Args:
        hidden: Units of each hidden layer.
        activation: What hidden units make of their net input: a name, `{"name": "elu", "alpha": 0.5}`, a function of
            `jax.numpy`, or a list of these, one for each hidden layer.
        output: `auto`, `softmax` or `logistic`.
        dropout: Share of the hidden units that is dropped in training.
        normalization: `none`, `batch` or `layer`: whether net inputs are standardised inside the network.
        batch_statistics: `moving_average` or `training_set`: by what batch normalization predicts; None: the first.
        alpha_dropout: Share of the hidden units that is set to the lower limit of selu in training.
        residual: Whether the outputs of a hidden layer are added to those of the next, where they are as many.
        initialization: How the first weights are drawn, also as a list, one for each layer; None: what suits the
            activation.
        input_transform: What straightens columns of numbers first: `none`, `log1p`, `quantile` or `clip`.
        center: Whether each column's mean is subtracted.
        scale: How columns are scaled.
        decorrelate: `none`, `pca` or `whiten`: whether inputs are rotated to their principal components.
        components: How many components are kept: a number or a share of the variance; None: all.
        augment: How images are changed in training, afresh in each update: `"shift"`, `["shift", "noise"]` or a table
            `{"shift": 0.1}`; None: not at all.
        input_noise: Standard deviation of the noise that each update adds to the scaled inputs.
        mixup: α of the shares in which each update mixes its examples with each other; 0: not at all.
        missing: What becomes of missing values: `indicator`, `impute` or `refuse`.
        categories: How columns of texts and categories become numbers: `auto`, `one_hot`, `embedding`, `frequency` or
            `target`.
        dates: How columns of dates become numbers: `cyclic` (sines and cosines) or `numbers`.
        target_coding: How classes become targets.
        calibration: `none` or `temperature`: what makes the probabilities honest.
        class_weight: None, `"balanced"`, or the weight of each class.
        label_smoothing: ε: targets are 1 − ε + ε/K and ε/K instead of 1 and 0.
        loss: `auto` or a loss for classes.
        optimizer: How gradients become a step.
        momentum: Share of the last step that is kept; None: the optimizer's own.
        nesterov: Nesterov's form of momentum; None: the optimizer's own.
        mode: `auto`, `online`, `mini_batch` or `batch`.
        batch_size: Examples of an update, or `"auto"`.
        order: The sequence in which an epoch shows the examples.
        max_epochs: Passes over the training rows.
        max_seconds: Limit of the training time, or None.
        early_stopping: `"auto"`, True or False.
        patience: Epochs without improvement before the end.
        scoring: The score by which the best weights are chosen; None: the validation loss.
        validation_fraction: Share of the rows held out for validation.
        refit: Whether the delivered weights come from all rows, validation rows included.
        ema: m of the running means of the weights that predict; 0: the weights themselves.
        precision: `float32`, `float64` or `bfloat16`.
        device: `auto`, `cpu`, `gpu`, `gpu:1`, …
        learning_rate: η0, or the peak of one_cycle; None: the optimizer's own.
        schedule: How the rate changes.
        weight_decay: λ; None: the optimizer's own.
        l1: How fast each update brings weights nearer to 0, for the penalty l1·Σ|w|.
        max_norm: Greatest length of a unit's incoming weights; None: no limit.
        random_state: Seed; also a NumPy generator, or None for a seed from the system.
        verbose: Whether a progress bar is shown.
        callbacks: Functions called with a `Progress` after each epoch.

    Attributes:
        classes_: The classes, sorted.
        model_: The trained `Model`.
        recipe_: The full recipe.
        history_: A record for each epoch.
        loss_curve_: The loss of each epoch.
        validation_loss_curve_: The validation loss of each epoch, or None where no rows were held out.
        n_epochs_: Epochs that were run.
        best_epoch_: The epoch whose weights are kept.
        outcome_: How training ended.

    >>> import numpy as np
    >>> from entrena import NetworkClassifier
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> NetworkClassifier(hidden=(8,)).fit(X, ["a", "b", "b", "a"]).predict(X).tolist()
    ['a', 'b', 'b', 'a']
    """

    def __init__(
        self,
        hidden: Any = (128, 64),
        activation: Any = "relu",
        *,
        output: Any = "auto",
        initialization: Any = None,
        normalization: Any = "none",
        batch_statistics: Any = None,
        dropout: float = 0.0,
        alpha_dropout: float = 0.0,
        residual: bool = False,
        input_transform: Any = "none",
        center: bool = True,
        scale: Any = "standard",
        decorrelate: Any = "none",
        components: int | float | None = None,
        augment: Any = None,
        input_noise: float = 0.0,
        mixup: float = 0.0,
        missing: Any = "indicator",
        categories: Any = "auto",
        dates: Any = "cyclic",
        target_coding: Any = "one_hot",
        calibration: Any = "none",
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        loss: Any = "auto",
        optimizer: Any = "adamw",
        momentum: float | None = None,
        nesterov: bool | None = None,
        mode: str = "auto",
        batch_size: int | str = "auto",
        order: Any = "shuffled",
        max_epochs: int = 100,
        max_seconds: float | None = None,
        early_stopping: bool | str = "auto",
        patience: int = 20,
        scoring: Any = None,
        validation_fraction: float = 0.1,
        refit: bool = False,
        ema: float = 0.0,
        precision: str = "float32",
        device: str = "auto",
        learning_rate: float | None = None,
        schedule: Any = "one_cycle",
        weight_decay: float | None = None,
        l1: float = 0.0,
        max_norm: float | None = None,
        random_state: Any = 0,
        verbose: bool = False,
        callbacks: Any = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.output = output
        self.initialization = initialization
        self.normalization = normalization
        self.batch_statistics = batch_statistics
        self.dropout = dropout
        self.alpha_dropout = alpha_dropout
        self.residual = residual
        self.input_transform = input_transform
        self.center = center
        self.scale = scale
        self.decorrelate = decorrelate
        self.components = components
        self.augment = augment
        self.input_noise = input_noise
        self.mixup = mixup
        self.missing = missing
        self.categories = categories
        self.dates = dates
        self.target_coding = target_coding
        self.calibration = calibration
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.loss = loss
        self.optimizer = optimizer
        self.momentum = momentum
        self.nesterov = nesterov
        self.mode = mode
        self.batch_size = batch_size
        self.order = order
        self.max_epochs = max_epochs
        self.max_seconds = max_seconds
        self.early_stopping = early_stopping
        self.patience = patience
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.ema = ema
        self.precision = precision
        self.device = device
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.l1 = l1
        self.max_norm = max_norm
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Trains the network.

        Args:
            X: [rows, columns] numbers, NaN where one is missing; a frame, whose texts and categories are inputs too; or
                images, [rows, height, width] or [rows, height, width, channels].
            y: [rows] class labels of any type.
            sample_weight: [rows] weights; 0: as if absent, 2: as if twice.
            validation_data: (X, y) of one's own for choosing the best weights; else `early_stopping` decides.

        Returns:
            The fitted estimator.

        Raises:
            EntrenaError: A parameter or the data are wrong.
        """
        inputs = self._read(X, reset=True)
        y = checked_targets(inputs, y, numbers=False)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        classes = np.unique(y)
        if len(classes) < 2:
            raise DataError(f"y holds one class only, {classes[0]!r}; classification needs at least two classes")
        schema = _schema_of(classes)
        self._fit(inputs, y, schema, sample_weight, validation_examples(self, validation_data, schema))
        self.classes_ = classes
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learns rows as they come, in their sequence, each tested before it is learned.

        `mode="online"`: an update after each row; else after each `batch_size` of the call's rows (`"auto"`: 32). The
        rate is constant. After the first call means and deviations of the columns are those of the rows so far; after
        `fit` they stay what they were.

        Args:
            X: [rows, columns] as for `fit`; one row is enough. A gap takes the mean of the rows so far. The levels of
                categories are those of the first call; others that come later are treated as unknown.
            y: [rows] class labels.
            classes: All labels that will ever come; needed at the first call, unless the estimator is fitted.
            sample_weight: [rows] weights; 0: as if absent.

        Returns:
            The estimator; `loss_` is the mean loss of these rows before they were learned.

        Raises:
            EntrenaError: A parameter has no meaning in a stream, or the data are wrong; nothing is learned then.
            RunError: A parameter is not as it was in `fit`, and the weights would not fit.
            ValueError: `classes` is missing at the first call, or differs from what it was.

        Warns:
            UserWarning: The first call has categories and few rows.
        """
        learner = self._goes_on()
        if learner is not None and classes is None and self._is_quick(X, learner, sample_weight):
            labels = np.asarray(y)
            if labels.shape == (len(X),) and (numbers := _numbers_of(labels, self.classes_)) is not None:
                self._tested = learner.learn_numbers(X.astype(np.float64), numbers)
                self._model = None
                return self
        inputs = self._read(X, reset=learner is None)
        y = column_or_1d(checked_targets(inputs, y, numbers=False), warn=True)
        if classes is not None:
            known = _labels_of(classes, y)
            if learner is not None and not np.array_equal(known, self.classes_):
                raise ValueError(f"classes are {known.tolist()}, and were {self.classes_.tolist()} before")
        elif learner is None:
            raise ValueError("classes: the first call of partial_fit needs all labels that will come")
        if learner is None:
            if len(known) < 2:
                raise DataError(f"classes names one class only, {known.tolist()[0]!r}; at least two are needed")
            learner = self._begin(inputs, y, _schema_of(known), sample_weight)
            self._learn(learner, inputs, y, sample_weight)
            self.classes_ = known
            return self
        self._learn(learner, inputs, y, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, [rows]."""
        inputs = self._inputs(X)
        return self.classes_[self.model_.predict_proba(inputs).argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, [rows, classes], in the order of `classes_`."""
        inputs = self._inputs(X)
        return self.model_.predict_proba(inputs)


def _labels_of(classes: Any, y: np.ndarray) -> np.ndarray:
    """The labels that a call of `partial_fit` names, sorted.

    Raises:
        ValueError: They are of several kinds, or of another kind than y: predictions could not be compared with y.
    """
    try:
        known = np.unique(classes)
    except TypeError:
        raise ValueError(f"classes: labels of several kinds, {list(classes)!r}: take texts or numbers only") from None
    are_texts = [all(isinstance(label, str) for label in labels.tolist()) for labels in (known, y)]
    if len(set(are_texts)) > 1:
        kinds = ["texts" if text else "numbers" for text in are_texts]
        raise ValueError(
            f"classes: {known.tolist()[:5]} are {kinds[0]}, and y holds {kinds[1]}: name the labels as in y"
        )
    return known


def _schema_of(classes: np.ndarray) -> Schema:
    labels = tuple(label.item() if hasattr(label, "item") else label for label in classes)
    return Schema((), ("y",), "classification", labels)


def _numbers_of(labels: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """The numbers of labels among sorted classes of the same kind; None where one is of another kind, or unknown."""
    if labels.dtype.kind != classes.dtype.kind or labels.dtype.kind == "O":
        return None
    numbers = classes.searchsorted(labels)
    return numbers if bool((classes.take(numbers, mode="clip") == labels).all()) else None
