"""Choices of a recipe that are right alone and wrong together, and what to type instead."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from entrena.errors import Problem
from entrena.network.activations import check_function, drawing
from entrena.registry import Choice, each_of
from entrena.training.batch_only import refused_choices, refused_task
from entrena.training.losses import LOSSES
from entrena.training.optimizers import OPTIMIZERS
from entrena.training.settings import TrainingSettings

if TYPE_CHECKING:
    from entrena.recipe import Recipe


def contradictions(recipe: Recipe) -> list[Problem]:
    """All of them."""
    return [*_of_training(recipe), *_of_inputs(recipe), *_of_network(recipe), *_of_disturbances(recipe)]


def _of_training(recipe: Recipe) -> list[Problem]:
    problems = []
    training, network = recipe.training, recipe.network
    uses = OPTIMIZERS[training.optimizer.name].details["uses"]
    obeying = ", ".join(name for name, entry in OPTIMIZERS.items() if "momentum" in entry.details["uses"])
    for name in ("momentum", "nesterov"):
        if getattr(training, name) is not None and name not in uses:
            said = f"optimizer '{training.optimizer}' does not use it: leave it out, or take optimizer={obeying}"
            problems.append(Problem(f"training.{name}", said))
    if training.nesterov and training.momentum == 0:
        problems.append(Problem("training.nesterov", "Nesterov's form needs a momentum above 0"))
    if training.batch_size != "auto" and training.mode in ("online", "batch") and training.batch_size != 1:
        said = f"mode={training.mode} fixes it: leave batch_size out, or take mode=mini_batch"
        problems.append(Problem("training.batch_size", said))
    if training.mode == "batch" and training.order != TrainingSettings().order:
        said = f"mode=batch shows all rows in each update, so '{training.order}' changes nothing: leave order out"
        problems.append(Problem("training.order", said))
    problems += refused_choices(training, recipe.rate, recipe.regularization, _disturbing(recipe))
    problems += refused_task(training.optimizer, training.loss.name, network.output.name)
    if training.batch_size == 1 and training.mode == "batch":
        problems.append(Problem("training.batch_size", "mode=batch uses all rows: leave batch_size out"))
    suits = LOSSES[training.loss.name].details.get("outputs", ())
    if suits and network.output.name != "auto" and network.output.name not in suits:
        said = f"'{training.loss}' does not fit output={network.output}: it needs one of {', '.join(suits)}"
        problems.append(Problem("training.loss", said))
    if training.early_stopping is False and training.scoring is not None:
        problems.append(
            Problem("training.scoring", "early_stopping=false chooses no best weights: leave one of them out")
        )
    return problems


def _disturbing(recipe: Recipe) -> dict[str, str]:
    """The keys of what makes another function of the loss in each update, and what that is."""
    network, inputs = recipe.network, recipe.inputs
    draws = any(drawing(choice) for choice in each_of(network.activation))
    wanted = {
        "inputs.augment": ("other images", inputs.augment is not None),
        "inputs.input_noise": ("noise", inputs.input_noise > 0),
        "inputs.mixup": ("mixup", inputs.mixup > 0),
        "network.activation": ("a slope drawn anew", draws),
        "network.normalization": ("batch normalization", network.normalization.name == "batch"),
        "network.dropout": ("dropout", network.dropout > 0),
        "network.alpha_dropout": ("dropout", network.alpha_dropout > 0),
    }
    return {key: what for key, (what, is_wanted) in wanted.items() if is_wanted}


def _of_inputs(recipe: Recipe) -> list[Problem]:
    if recipe.inputs.components is None or recipe.inputs.decorrelate.name != "none":
        return []
    said = "only rotated inputs have components: take decorrelate=pca or decorrelate=whiten, or leave it out"
    return [Problem("inputs.components", said)]


def _of_network(recipe: Recipe) -> list[Problem]:
    problems, network = [], recipe.network
    n_hidden = len(network.hidden)
    hidden = f"{n_hidden} hidden layer{'' if n_hidden == 1 else 's'}"
    if not isinstance(network.activation, Choice) and len(network.activation) != n_hidden:
        given = f"{len(network.activation)} activation{'' if len(network.activation) == 1 else 's'}"
        said = f"{given} for {hidden}: name one for each, or one for all"
        problems.append(Problem("network.activation", said))
    first = network.initialization
    if first is not None and not isinstance(first, Choice) and len(first) != n_hidden + 1:
        said = f"{len(first)} initializations for {hidden} and the output layer: name {n_hidden + 1}, or one for all"
        problems.append(Problem("network.initialization", said))
    for wrong in filter(None, map(check_function, each_of(network.activation))):
        problems.append(Problem("network.activation", wrong))
    if network.dropout > 0 and network.alpha_dropout > 0:
        problems.append(Problem("network.alpha_dropout", "dropout leaves units out already: leave one of them out"))
    if network.batch_statistics is not None and network.normalization.name != "batch":
        said = "only batch normalization has them: take normalization=batch, or leave it out"
        problems.append(Problem("network.batch_statistics", said))
    if network.residual and all(m != n for m, n in pairwise(network.hidden)):
        said = f"needs two hidden layers of equal width one after the other, and here they are {list(network.hidden)}"
        problems.append(Problem("network.residual", f"{said}: take hidden=[64, 64], or leave it out"))
    return problems


def _of_disturbances(recipe: Recipe) -> list[Problem]:
    """What needs several examples in an update, where an update sees one."""
    training = recipe.training
    one = "mode=online" if training.mode == "online" else "batch_size=1" if training.batch_size == 1 else None
    if one is None:
        return []
    problems, instead = [], "take batch_size=32" if one == "batch_size=1" else "take mode=mini_batch"
    if recipe.network.normalization.name == "batch":
        said = f"a mini-batch of one example has no variance, and {one} gives each update one: {instead}, or "
        problems.append(Problem("network.normalization", said + "normalization=layer"))
    if recipe.inputs.mixup > 0:
        said = f"mixes the examples of a mini-batch, and {one} gives each update one: {instead}, or leave mixup out"
        problems.append(Problem("inputs.mixup", said))
    return problems
