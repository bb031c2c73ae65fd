"""Results: how good a model is on rows that it has not seen, with an interval, and beside simple models.

The score that leads is computed for the network, for a linear model on the same inputs, and for the guess that needs no
inputs (the classes' shares, or the mean), each with a 95 % interval from resampled rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from entrena.baseline import fit_linear, fit_mean
from entrena.data import Examples
from entrena.fitting import Prepared
from entrena.model import CHUNK_ROWS, Model, main_score, true_values
from entrena.registry import Choice
from entrena.training.bootstrap import intervals


def compare(
    model: Model,
    prepared: Prepared,
    examples: Examples,
    metrics: Sequence[Choice] = (),
    simple: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """The scores of a model on held-out rows, beside those of the baselines.

    Args:
        model: The trained network.
        prepared: What it was trained on: the baselines are fitted to the same rows.
        examples: Held-out rows with targets.
        metrics: Further scores.
        simple: What `simple_predictions` gave for these rows, where it is known already.

    Returns:
        `scores`: all scores of the network; `score`: the name of the one that leads; `models`: for `network`, `linear`
        and `majority` or `mean` its `value`, `low` and `high`, and for the baselines `lead`: by how much the network is
        better, with the same three numbers.
    """
    schema = model.schema
    assert examples.targets is not None
    truth = true_values(schema, examples.targets, examples.source)
    simple = simple_predictions(prepared, examples) if simple is None else simple
    predictions = {"network": model.readable(examples.inputs), **simple}
    leading = metrics[0] if metrics else main_score(model.recipe, schema)
    found = intervals(
        leading,
        truth,
        predictions,
        weight=examples.weight,
        groups=examples.groups,
        seed=model.recipe.random_state,
    )
    return {
        "scores": model.scores_of(truth, predictions["network"], examples.weight, metrics),
        "score": str(leading),
        "models": {name: interval.to_plain() for name, interval in found.items()},
    }


def check_scorable(prepared: Prepared, examples: Examples | None) -> None:
    """Raises a DataError for rows that could not be scored after the training: then nothing need be trained."""
    if examples is not None and examples.targets is not None:
        true_values(prepared.schema, examples.targets, examples.source)
        for first in range(0, examples.n_rows, CHUNK_ROWS):
            prepared.preprocessor.transform(examples.inputs.block(first, first + CHUNK_ROWS))


def simple_predictions(prepared: Prepared, examples: Examples) -> Mapping[str, np.ndarray]:
    """What the simple models say of the examples, in the form that scores read.

    Args:
        prepared: They are fitted to its training rows.
        examples: Held-out rows.
    """
    schema, part, preprocessor = prepared.schema, prepared.training, prepared.preprocessor
    n_classes = None if schema.classes is None else len(schema.classes)
    inputs = part.seen_rows()
    truth = true_values(schema, prepared.training_targets)
    weight = prepared.training_weight
    mean = fit_mean(truth, n_classes=n_classes, weight=weight)
    held = preprocessor.transform(examples.inputs, inputs.dtype)
    linear = fit_linear(inputs, preprocessor.n_dense, preprocessor.n_levels, truth, n_classes=n_classes, weight=weight)
    found = {} if linear is None else {"linear": linear.predict(held)}
    return {**found, "mean" if n_classes is None else "majority": mean.predict(held)}
