"""A trained model: network, weights, preprocessing and the meaning of its columns and outputs, in one file.

The file holds arrays and plain text only; loading it runs none of its content.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from entrena.data import Examples, Schema, Table, class_numbers
from entrena.data.arrays import check_not_one_image
from entrena.data.images import check_same, images_of, is_array_of_images
from entrena.data.values import Place
from entrena.errors import DataError, ModelFileError, RecipeError, UsageError
from entrena.network import OUTPUTS, Network
from entrena.network.embeddings import EMBEDDING
from entrena.network.multilayer import Params
from entrena.preprocessing import Preprocessor, TargetCoder
from entrena.recipe import Recipe
from entrena.registry import FUNCTION, Choice, Choices, each_of, is_importable
from entrena.storage import load_model, save_model
from entrena.training import scores
from entrena.training.compilation import find_device, precision, use_compilation_cache

BLOCK_WEIGHTS = 2**24  # a prediction block has about this many products, at least 64 rows and at most 1,024
CHUNK_ROWS = 65_536  # rows that are preprocessed at a time, so that memory stays constant

CLASS_SCORES = ("accuracy", "balanced_accuracy", "log_loss", "roc_auc")
NUMBER_SCORES = ("rmse", "mae", "r2")


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained network with all that predicting needs.

    Attributes:
        recipe: The choices with which it was trained.
        schema: Its columns, targets, task and classes.
        network: Its structure.
        params: Its weights.
        preprocessor: What makes the network's inputs of the columns.
        coder: What makes targets of the outputs, and back.
        facts: What happened in training, as plain values: outcome, epochs, seconds, scores, form of the program.
        temperature: What the net inputs are divided by before they become probabilities; 1 unless calibrated.
    """

    recipe: Recipe
    schema: Schema
    network: Network
    params: Params
    preprocessor: Preprocessor
    coder: TargetCoder
    facts: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0

    def __repr__(self) -> str:
        sizes = "-".join(str(size) for size in self.network.sizes)
        return f"Model({self.schema.task} of {', '.join(self.schema.target_names)}, {sizes})"

    def net_inputs(self, inputs: Table | np.ndarray) -> np.ndarray:
        """The output layer's net inputs, [rows, outputs].

        Rows are computed in blocks of a fixed size, so a row's result does not depend on its neighbours.

        Args:
            inputs: A table with the schema's columns, or [rows, columns] numbers in their order.
        """
        dtype = self.params[0]["weights"].dtype
        if not isinstance(inputs, Table):
            check_not_one_image(inputs, len(self.schema.columns), self.schema.image, Place("array"))
            if is_array_of_images(inputs) and self.schema.image is not None:
                images = images_of(inputs, Place("array"))
                check_same(images, self.schema.image)
                return self.net_inputs(images)
            array, n = np.asarray(inputs), len(self.schema.columns)
            if array.ndim != 2 or array.shape[1] != n:
                raise DataError(f"array: inputs have shape {array.shape}; the model was trained on {n} columns")
            inputs = Table.of_array(array, self.schema.columns, Place("array"))
        size = prediction_block(self.network)
        program = _prediction_program(replace(self.network, initialization=None))
        z = np.empty((inputs.n_rows, self.network.n_outputs), dtype)
        use_compilation_cache()
        with precision(str(dtype)):
            device = _device_or_default(self.recipe.training.device)
            params = jax.device_put(self.params, device)
            for first in range(0, inputs.n_rows, CHUNK_ROWS):
                chunk = self.preprocessor.transform(inputs.block(first, first + CHUNK_ROWS), dtype)
                for start in range(0, len(chunk), size):
                    block = chunk[start : start + size]
                    padded = np.zeros((size, chunk.shape[1]), dtype)
                    padded[: len(block)] = block
                    at = first + start
                    z[at : at + len(block)] = np.asarray(program(params, padded))[: len(block)]
        return z

    def predict_proba(self, inputs: Table | np.ndarray) -> np.ndarray:
        """The probability of each class, [rows, classes] in float64, in the order of the schema's classes."""
        if self.schema.classes is None:
            raise DataError("a model of numbers has no classes: probabilities need a classification model")
        return self.readable(inputs)

    def predict(self, inputs: Table | np.ndarray) -> np.ndarray:
        """The most probable class of each row, or the numbers: [rows], or [rows, outputs] for several targets."""
        if self.schema.classes is not None:
            return np.asarray(self.schema.classes)[self.predict_proba(inputs).argmax(axis=1)]
        return self.coder.decode_numbers(self.net_inputs(inputs))

    def evaluate(
        self, examples: Examples, sample_weight: np.ndarray | None = None, metrics: Sequence[Choice] = ()
    ) -> dict[str, float]:
        """The scores of the model on examples with targets.

        Args:
            examples: The schema's columns and targets.
            sample_weight: [rows], where the examples have no weights of their own.
            metrics: Further scores.

        Returns:
            The usual scores of the task, and those further ones; in the target's units.
        """
        if examples.targets is None:
            raise DataError(f"{examples.source}: evaluating needs the column {', '.join(self.schema.target_names)}")
        truth = true_values(self.schema, examples.targets, examples.source)
        prediction = self.readable(examples.inputs)
        return self.scores_of(truth, prediction, sample_weight if examples.weight is None else examples.weight, metrics)

    def readable(self, inputs: Table | np.ndarray) -> np.ndarray:
        """What scores compare with the truth: probabilities [rows, classes], or numbers [rows, outputs]."""
        return readable(self.schema, self.network.output, self.coder, self.net_inputs(inputs) / self.temperature)

    def scores_of(
        self,
        truth: np.ndarray,
        prediction: np.ndarray,
        sample_weight: np.ndarray | None = None,
        metrics: Sequence[Choice] = (),
    ) -> dict[str, float]:
        """The scores of readable predictions against true values, the one that leads in front."""
        usual = (Choice(name) for name in score_names(self.schema))
        every = dict.fromkeys((*metrics, main_score(self.recipe, self.schema), *usual))
        return {str(choice): scores.score(choice, truth, prediction, sample_weight) for choice in every}

    def fingerprint(self) -> str:
        """A checksum of weights and preprocessing, by which a resumed run knows the model that it started from."""
        digest = hashlib.sha256(repr(self.network).encode())
        for layer in self.params:
            for name in sorted(layer):
                digest.update(np.ascontiguousarray(layer[name]).tobytes())
        for arrays in (self.preprocessor.to_arrays(), self.coder.to_arrays()):
            for name in sorted(arrays):
                digest.update(np.ascontiguousarray(arrays[name]).tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Writes the model as one safetensors file, atomically.

        Raises:
            UsageError: An activation is a function of one's own that cannot be imported by its name.
        """
        check_functions(self.recipe)
        arrays = {f"preprocessor.{name}": array for name, array in self.preprocessor.to_arrays().items()}
        arrays |= {f"coder.{name}": array for name, array in self.coder.to_arrays().items()}
        for number, layer in enumerate(self.params):
            arrays |= {f"layers.{number}.{name}": np.asarray(array) for name, array in layer.items()}
        header = {
            "recipe": self.recipe.to_plain(),
            "schema": self.schema.to_plain(),
            "network": {
                "sizes": list(self.network.sizes),
                "output": self.network.output,
                "embeddings": [list(each) for each in self.network.embeddings],
                "weights": [
                    sum(math.prod(shape) for name, shape in layer.items() if not name.startswith(EMBEDDING))
                    for layer in self.network.shapes
                ],
            },
            "preprocessor": self.preprocessor.to_plain(),
            "coder": self.coder.to_plain(),
            "facts": dict(self.facts),
            "temperature": self.temperature,
        }
        save_model(path, arrays, header)

    @classmethod
    def load(cls, path: str | Path, custom: Mapping[str, Callable[..., Any]] | None = None) -> Model:
        """Reads a model file, or the model of a run directory.

        Args:
            path: The file or directory.
            custom: The Python functions that the model was trained with, by their dotted names: a file brings none.

        Raises:
            ModelFileError: The file is damaged, of another program, or of a newer format; or a function is missing.
            UsageError: There is no such file, or the directory holds many runs.
        """
        path = Path(path)
        file = path / "model.safetensors" if path.is_dir() else path
        if path.is_dir() and not file.exists() and (path / "001").is_dir():
            raise UsageError(f"{path} holds many runs: name one of them, such as {path / '001'}")
        arrays, header = load_model(file)
        _put_functions(header, custom or {}, file)
        try:
            recipe = Recipe(**header["recipe"])
            sizes = tuple(int(size) for size in header["network"]["sizes"])
            output = str(header["network"]["output"])
            embeddings = tuple((int(levels), int(size)) for levels, size in header["network"]["embeddings"])
            network = network_of(recipe, sizes, output, embeddings)
            params = tuple(
                {name: arrays[f"layers.{number}.{name}"] for name in shapes}
                for number, shapes in enumerate(network.predicting_shapes)
            )
            if not params or any(
                layer[name].shape != shape
                for layer, shapes in zip(params, network.predicting_shapes, strict=True)
                for name, shape in shapes.items()
            ):
                raise ValueError("weights of another shape")
            return cls(
                recipe,
                Schema.from_plain(header["schema"]),
                network,
                params,  # type: ignore[arg-type]
                Preprocessor.from_parts(header["preprocessor"], _under("preprocessor.", arrays)),
                TargetCoder.from_parts(header["coder"], _under("coder.", arrays)),
                header["facts"],
                float(header["temperature"]),
            )
        except (KeyError, TypeError, ValueError, RecipeError) as error:
            raise ModelFileError(f"model file '{file}' is damaged: {error}") from None


def check_functions(recipe: Recipe) -> None:
    """Raises a UsageError where a function of one's own cannot be imported by its name, so that none can be saved."""
    for choice in each_of(recipe.network.activation):
        if choice.function is not None and not is_importable(choice):
            raise UsageError(
                f"activation: the function '{choice.name}' cannot be imported by that name, so no model with it can be "
                "saved: define it at the top of a module, or train with save=False"
            )


def _put_functions(header: Mapping[str, Any], custom: Mapping[str, Callable[..., Any]], file: Path) -> None:
    """Puts the user's own functions where the recipe of a file names them."""
    network = header.get("recipe", {}).get("network", {})
    chosen = network.get("activation")
    several = chosen if isinstance(chosen, list) else [chosen]
    names = [each[FUNCTION] for each in several if isinstance(each, dict) and FUNCTION in each]
    missing = sorted(set(names) - set(custom))
    if missing:
        given = ", ".join(f"'{name}': {name.rpartition('.')[2]}" for name in missing)
        raise ModelFileError(
            f"model file '{file}' was trained with a Python function, and a file brings none along: in Python, "
            f"load(path, custom={{{given}}})"
        )
    found = [custom[each[FUNCTION]] if isinstance(each, dict) and FUNCTION in each else each for each in several]
    if names:
        network["activation"] = found if isinstance(chosen, list) else found[0]


def network_of(recipe: Recipe, sizes: tuple[int, ...], output: str, embeddings: tuple[tuple[int, int], ...]) -> Network:
    """The network of a recipe whose sizes, output and embeddings are known."""
    chosen = recipe.network
    activation, first = chosen.activation, chosen.initialization
    return Network(
        sizes,
        _one_if_equal(activation),
        output,
        None if first is None else _one_if_equal(first),
        embeddings,
        chosen.normalization,
        chosen.residual,
    )


def _one_if_equal(choices: Choices) -> Choices:
    """One choice where all layers have the same, so that equal networks share one program."""
    return choices[0] if isinstance(choices, tuple) and len(set(choices)) == 1 else choices


def prediction_block(network: Network) -> int:
    """Rows of one block of predictions: a fixed rule, so that a row's result is always the same."""
    return max(64, min(1024, BLOCK_WEIGHTS // network.n_weights // 64 * 64))


def _device_or_default(name: str) -> Any:
    """The device of the training, where it is here; a model predicts on every other as well."""
    try:
        return find_device(name)
    except UsageError:
        return find_device("auto")


@lru_cache(maxsize=64)
def _prediction_program(network: Network) -> Any:
    def predict_program(params: Params, X: Any) -> Any:
        return network.net_inputs(params, X)

    return jax.jit(predict_program)


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def probabilities(output: str, z: np.ndarray) -> np.ndarray:
    """Class probabilities [rows, classes] in float64 from the output layer's net inputs.

    A single logistic output is the second class's probability; several logistic outputs are divided by their sum.
    """
    p = OUTPUTS[output].details["numpy"](z.astype(float))
    if output == "softmax":
        return p
    if p.shape[1] == 1:
        return np.concatenate([1 - p, p], axis=1)
    return p / np.maximum(p.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def readable(schema: Schema, output: str, coder: TargetCoder, z: np.ndarray) -> np.ndarray:
    """What scores compare with the truth: probabilities, or numbers in the target's units."""
    return probabilities(output, z) if schema.classes is not None else coder.decode_numbers(z).reshape(z.shape)


def true_values(schema: Schema, targets: np.ndarray, source: str = "targets") -> np.ndarray:
    """The truth that scores compare with: class numbers [rows], or numbers [rows, outputs] in float64."""
    if schema.classes is not None:
        return class_numbers(targets, schema.classes, source=source)
    return np.asarray(targets, float).reshape(len(targets), -1)


def score_names(schema: Schema) -> tuple[str, ...]:
    """The usual scores of a task."""
    if schema.classes is None:
        return NUMBER_SCORES
    return CLASS_SCORES if len(schema.classes) == 2 else CLASS_SCORES[:-1]


def main_score(recipe: Recipe, schema: Schema) -> Choice:
    """The score that people read: the recipe's `scoring`; else accuracy, with a rare class balanced accuracy; or R²."""
    if recipe.training.scoring is not None:
        return recipe.training.scoring
    if schema.classes is None:
        return Choice("r2")
    return Choice("balanced_accuracy" if schema.is_unbalanced else "accuracy")


def why_it_does_not_fit(score: Choice, schema: Schema) -> str | None:
    """What is wrong with a score for a task, and which ones there are; None where it fits."""
    n_classes = None if schema.classes is None else len(schema.classes)
    fitting = scores.fitting_scores(n_classes)
    if score.name in fitting:
        return None
    task = "numbers" if n_classes is None else "classes"
    if n_classes is not None and score.name in scores.fitting_scores(2):
        task = f"{n_classes} classes (it needs two)"
    return f"'{score}' does not score {task}: take one of {', '.join(fitting)}"


def check_metrics(metrics: Sequence[Choice], schema: Schema) -> None:
    """Raises a UsageError for a score that does not fit the task."""
    for metric in metrics:
        misfit = why_it_does_not_fit(metric, schema)
        if misfit is not None:
            raise UsageError(f"--metric: {misfit}")


def choose_metrics(metrics: Sequence[Any]) -> tuple[Choice, ...]:
    """Scores as names or tables of a recipe, as choices.

    Raises:
        UsageError: There is no such score or setting.
    """
    try:
        return tuple(scores.SCORES.choose(metric) for metric in metrics)
    except ValueError as error:
        raise UsageError(f"--metric: {error}") from None
