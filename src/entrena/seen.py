"""Examples as the network sees them: inputs and coded targets, how much each row counts."""

from __future__ import annotations

import numpy as np

from entrena.data import Examples, Schema, class_numbers
from entrena.data.schema import Label
from entrena.errors import DataError
from entrena.model import Model, main_score, readable, true_values
from entrena.preprocessing import OutOfFold, Preprocessor, TargetCoder, class_weights
from entrena.preprocessing.images import before_augmentation
from entrena.recipe import Recipe
from entrena.task import n_outputs
from entrena.training import scores
from entrena.training.parts import TrainingPart, ValidationPart, blank_table
from entrena.training.structure import Sight


def training_weight(recipe: Recipe, schema: Schema, examples: Examples) -> np.ndarray | None:
    """Sample weight × class weight of training rows, of mean 1; None where all are equal."""
    weight = examples.weight
    if schema.classes is not None and recipe.targets.class_weight is not None:
        assert examples.targets is not None
        by_class = class_weights(recipe.targets, examples.targets, schema.classes, weight)
        weight = by_class if weight is None else weight * by_class
    if weight is None or np.all(weight == weight[0]):
        return None
    return weight / weight.mean()


def coded_targets(coder: TargetCoder, examples: Examples, schema: Schema, output: str, dtype: str) -> np.ndarray:
    """[rows, outputs] targets as the network learns them; of two classes one logistic unit stands for the second."""
    assert examples.targets is not None
    targets = coder.encode(examples.targets, dtype)
    return targets[:, -n_outputs(schema, output) :]


def training_part(
    examples: Examples,
    preprocessor: Preprocessor,
    coded: np.ndarray,
    weight: np.ndarray | None,
    classes: tuple[Label, ...] | None,
    placed: OutOfFold,
    *,
    augments: bool,
) -> TrainingPart:
    """The network's inputs and coded targets, written straight into the tables that the program reads.

    With augmentation the inputs are images as they were read, but for their scale; the program does the rest.
    """
    n, dtype = examples.n_rows, str(coded.dtype)
    sight = None
    if augments:
        preprocessor, shift, turn = before_augmentation(preprocessor)
        sight = Sight(*(None if each is None else each.astype(dtype) for each in (shift, turn)))  # type: ignore[arg-type]
    inputs, targets = blank_table(n, preprocessor.n_features, dtype), blank_table(n, coded.shape[1], dtype)
    preprocessor.transform(examples.inputs, dtype, out=inputs[:n], placed=placed)
    targets[:n] = coded
    assert examples.targets is not None
    numbers = None if classes is None else class_numbers(examples.targets, classes, source=examples.source)
    return TrainingPart(inputs, targets, weight, table_rows=n, classes=numbers, sight=sight)


def as_seen(model: Model, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Rows as a trained network sees them: its inputs [rows, inputs] and coded targets [rows, outputs]."""
    dtype = str(model.params[0]["weights"].dtype)
    targets = coded_targets(model.coder, examples, model.schema, model.network.output, dtype)
    return model.preprocessor.transform(examples.inputs, dtype), targets


def validation_part(
    recipe: Recipe,
    schema: Schema,
    examples: Examples,
    preprocessor: Preprocessor,
    coder: TargetCoder,
    output: str,
    dtype: str,
) -> ValidationPart:
    """Held-out rows as the network sees them, with the score that people read."""
    assert examples.targets is not None
    weight = examples.weight
    truth = true_values(schema, examples.targets, examples.source)
    chosen = main_score(recipe, schema)
    name = chosen.name

    def score(z: np.ndarray) -> float:
        if name == "accuracy" and output == "softmax":  # no need of the probabilities themselves
            return scores.accuracy(truth, z, weight)
        return scores.score(chosen, truth, readable(schema, output, coder, z), weight)

    inputs = preprocessor.transform(examples.inputs, dtype)
    if recipe.training.scoring is not None and np.isnan(score(np.zeros((len(inputs), n_outputs(schema, output))))):
        raise DataError(f"training.scoring: '{name}' cannot be computed on these validation rows: take another score")
    return ValidationPart(
        inputs, coded_targets(coder, examples, schema, output, dtype), weight, score=score, score_name=name
    )
