"""What a task makes of a recipe: output, loss and network, and which choices do not fit it."""

from __future__ import annotations

from entrena.data import Schema
from entrena.errors import Problem, RecipeError
from entrena.model import network_of, why_it_does_not_fit
from entrena.network import Network, embedding_size
from entrena.preprocessing import Preprocessor
from entrena.recipe import Recipe
from entrena.training.order import needs
from entrena.training.plan import Disturbances


def resolve(recipe: Recipe, schema: Schema) -> tuple[str, str]:
    """The output and the loss of a task, `auto` replaced.

    Raises:
        RecipeError: A choice of the recipe does not fit the task.
    """
    classes = schema.classes is not None
    problems = []
    output = recipe.network.output.name
    if output == "auto":
        output = "softmax" if classes else "linear"
    fitting = ("softmax", "logistic") if classes else ("linear",)
    task = "classes" if classes else "numbers"
    if output not in fitting:
        problems.append(Problem("network.output", f"'{output}' does not predict {task}: take {' or '.join(fitting)}"))
    loss = recipe.training.loss.name
    if loss == "auto":
        loss = "cross_entropy" if classes else "squared_error"
    if not classes and loss == "cross_entropy":
        problems.append(Problem("training.loss", "'cross_entropy' is for classes; numbers need squared_error"))
    scoring = recipe.training.scoring
    misfit = None if scoring is None else why_it_does_not_fit(scoring, schema)
    if misfit is not None:
        problems.append(Problem("training.scoring", misfit))
    if not classes and recipe.targets.calibration.name != "none":
        problems.append(Problem("targets.calibration", "numbers have no probabilities to calibrate: leave it out"))
    if not classes and recipe.targets.class_weight is not None:
        problems.append(Problem("targets.class_weight", "numbers have no classes: leave it out"))
    if not classes and "classes" in needs(recipe.training.order):
        said = f"'{recipe.training.order.name}' goes by classes, and numbers have none: take shuffled"
        problems.append(Problem("training.order", said))
    if not classes and recipe.targets.label_smoothing > 0:
        problems.append(Problem("targets.label_smoothing", "numbers have no classes: leave it out"))
    if problems:
        raise RecipeError(problems)
    return output, loss


def disturbances(recipe: Recipe) -> Disturbances:
    """What of a recipe an update does to signals on purpose."""
    network, inputs = recipe.network, recipe.inputs
    return Disturbances(network.dropout, network.alpha_dropout, inputs.input_noise, inputs.mixup)


def n_outputs(schema: Schema, output: str) -> int:
    """The outputs of a task: one for each target or class, of two classes one logistic unit."""
    if schema.classes is None:
        return len(schema.target_names)
    return 1 if output == "logistic" and len(schema.classes) == 2 else len(schema.classes)


def make_network(recipe: Recipe, output: str, preprocessor: Preprocessor, n_outputs: int) -> Network:
    """The network that a recipe puts behind a preprocessor."""
    embeddings = tuple((levels, embedding_size(levels)) for levels in preprocessor.n_levels)
    n_inputs = preprocessor.n_dense + sum(size for _, size in embeddings)
    sizes = (n_inputs, *recipe.network.hidden, n_outputs)
    return network_of(recipe, sizes, output, embeddings)
