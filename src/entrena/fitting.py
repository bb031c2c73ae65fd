"""From examples to a trained model: the one way that the command line, `train()` and the estimators share.

recipe + schema → preprocessing and coding, fitted on the training part → network, plan → loop → model
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from entrena.data import Examples, Schema, split_rows
from entrena.data.sparse import check_dense
from entrena.diagnosis import Finding, doubtful_choices, few_rows_take_most_draws, fewer_components
from entrena.errors import DataError, Problem, RecipeError, RunError
from entrena.model import Model, true_values
from entrena.network import Network
from entrena.preprocessing import (
    CATEGORIES,
    EncodingTargets,
    InputSettings,
    Preprocessor,
    TargetCoder,
    fit_temperature,
    out_of_fold,
    smoothed,
)
from entrena.preprocessing.augmentation import Augmentation
from entrena.preprocessing.images import augmentation_of
from entrena.preprocessing.settings import IN_TRAINING_ONLY
from entrena.recipe import Recipe
from entrena.seen import coded_targets, training_part, training_weight, validation_part
from entrena.task import disturbances, make_network, resolve
from entrena.training.checkpoint import Checkpoint
from entrena.training.compilation import find_device, precision
from entrena.training.judge import Training
from entrena.training.loop import Member, train_network
from entrena.training.many import OnCheckpoints, train_many
from entrena.training.order import needs
from entrena.training.parts import TrainingPart, ValidationPart
from entrena.training.plan import Plan, make_plan, wants_validation
from entrena.training.priors import prior_shift, priors
from entrena.training.seeds import generator
from entrena.training.stopping import ENDED_BADLY
from entrena.training.structure import initial_state
from entrena.training.watching import UNWATCHED, OnLook, Progress, Watchers


@dataclass(frozen=True, eq=False)
class Parts:
    """The rows of a run: what trains and what validates; the examples say how much each row counts.

    Attributes:
        training: The examples that are shown; their weights are above 0.
        validation: Those by which the best weights are chosen, or None.
    """

    training: Examples
    validation: Examples | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model and what came of its training."""

    model: Model
    training: Training
    plan: Plan
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that stands before the first update.

    Attributes:
        recipe: The choices.
        schema: What the columns are, and what is predicted.
        network: Its structure.
        preprocessor: Fitted on the training rows.
        coder: Fitted on the training rows.
        plan: What the run will do, in numbers.
        training: The training rows as the network sees them.
        validation: The validation rows as the network sees them.
        training_targets: [rows] the training rows' targets as the user knows them.
        training_weight: [rows] their sample weights, or None.
        held: The validation rows as they were read.
        start: Weights to start from, or None.
        file_rows: [rows] the numbers of the training rows in their source, as its user counts them, where the order may
            show some much more often than others; else None.
    """

    recipe: Recipe
    schema: Schema
    network: Network
    preprocessor: Preprocessor
    coder: TargetCoder
    plan: Plan
    training: TrainingPart
    validation: ValidationPart | None
    training_targets: np.ndarray
    training_weight: np.ndarray | None
    held: Examples | None = None
    start: Any = None
    file_rows: np.ndarray | None = None

    def template(self) -> Any:
        """A state of the right tree and shapes, to read a checkpoint into."""
        params = self.network.initialize(generator(self.plan.seed, "weights"), self.plan.dtype)
        with precision(self.plan.dtype):
            return initial_state(self.plan.structure, params)


def rows_that_count(examples: Examples) -> Examples:
    """Examples without the rows of weight 0: they are neither trained on, nor counted, nor held out."""
    weight = examples.weight
    if weight is None or np.all(weight != 0):
        return examples
    rows = np.flatnonzero(weight)
    if len(rows) == 0:
        raise DataError("sample_weight: every weight is 0; at least one row must count")
    return examples.take(rows)


def split_validation(recipe: Recipe, examples: Examples, *, stratify: bool) -> Parts:
    """Holds validation rows out of the training rows, where the recipe asks for it."""
    training = recipe.training
    needs_rows = recipe.targets.calibration.name != "none" and training.early_stopping is not False
    if not (needs_rows or wants_validation(training, examples.n_rows)):
        return Parts(examples)
    chance = generator(recipe.random_state, "validation")
    kept, held = split_rows(examples, training.validation_fraction, chance, stratify=stratify)
    return Parts(examples.take(kept), examples.take(held))


def prepare(recipe: Recipe, schema: Schema, parts: Parts, *, start: Model | None = None) -> Prepared:
    """Fits preprocessing and coding on the training part and makes the plan.

    Args:
        recipe: The choices.
        schema: What is predicted.
        parts: The rows.
        start: A model whose weights, preprocessing and coding are taken over.

    Raises:
        RecipeError: The recipe does not fit the task or the device.
        DataError: The rows do not fit.
    """
    output, loss = resolve(recipe, schema)
    if recipe.targets.calibration.name != "none" and parts.validation is None:
        raise RecipeError(
            [Problem("targets.calibration", "needs validation rows: take early_stopping=true, or give some")]
        )
    examples = parts.training
    if examples.targets is None:
        raise DataError(f"{examples.source}: training needs targets")
    inputs, by_target = examples.inputs.pick(schema.columns), _encoding_targets(recipe, schema, examples)
    dtype = "float64" if recipe.training.precision == "float64" else "float32"
    check_dense(inputs.matrix, dtype, examples.source)
    if start is None:
        fitted = Preprocessor.fit_training(inputs, schema.inputs, recipe.inputs, examples.weight, by_target)
        preprocessor, placed = fitted
        coder = TargetCoder.fit(examples.targets, schema, recipe.targets, examples.weight)
    else:
        preprocessor, coder = start.preprocessor, start.coder
        # These may be the rows that the model's own values were found from: so they do not see their own targets.
        placed = {} if by_target is None else out_of_fold(inputs, preprocessor.encodings, by_target)
    weight = training_weight(recipe, schema, examples)
    augmentation = augmentation_of(recipe.inputs, schema.image)
    coded = smoothed(coded_targets(coder, examples, schema, output, dtype), recipe.targets, schema.classes)
    training = training_part(
        examples, preprocessor, coded, weight, schema.classes, placed, augments=augmentation is not None
    )
    validation = None
    if parts.validation is not None:
        validation = validation_part(recipe, schema, parts.validation, preprocessor, coder, output, dtype)
    network, plan = _planned(recipe, output, loss, preprocessor, training, validation, augmentation)
    if start is not None:
        check_start(start, recipe, network)
    first = None if start is None else _trained_with_dtype(start, dtype)
    raw = examples.targets, examples.weight
    return Prepared(
        recipe,
        schema,
        network,
        preprocessor,
        coder,
        plan,
        training,
        validation,
        *raw,
        parts.validation,
        first,
        _file_rows(examples) if "losses" in needs(recipe.training.order) else None,
    )


def _encoding_targets(recipe: Recipe, schema: Schema, examples: Examples) -> EncodingTargets | None:
    """The training rows' targets as target encoding reads them; None where no category is coded by them."""
    choice = recipe.inputs.categories
    if choice.name != "target" or all(role.role != "category" for role in schema.inputs):
        return None
    assert examples.targets is not None
    chance = generator(recipe.random_state, "encoding")
    n_folds = int(CATEGORIES.settings_of(choice)["folds"] or 0)
    return EncodingTargets.of(examples.targets, schema, n_folds, chance, examples.weight, examples.groups)


def _planned(
    recipe: Recipe,
    output: str,
    loss: str,
    preprocessor: Preprocessor,
    training: TrainingPart,
    validation: ValidationPart | None,
    augmentation: Augmentation | None,
) -> tuple[Network, Plan]:
    """The network of a recipe, and the plan of its training."""
    network = make_network(recipe, output, preprocessor, training.targets.shape[1])
    platform = find_device(recipe.training.device).platform
    if recipe.training.precision == "bfloat16" and platform == "cpu":
        raise RecipeError([Problem("training.precision", "bfloat16 needs a GPU or TPU: take float32")])
    plan = make_plan(
        network,
        loss,
        recipe.training,
        recipe.rate,
        recipe.regularization,
        n_rows=training.n_rows,
        n_validation=0 if validation is None else len(validation.inputs),
        seed=recipe.random_state,
        platform=platform,
        disturbances=disturbances(recipe),
        batch_statistics=recipe.network.batch_statistics,
        prior_shift=prior_shift(recipe.training.order, output, training),
        augmentation=augmentation,
    )
    return network, plan


def prepare_like(prepared: Prepared, recipe: Recipe) -> Prepared | None:
    """The same rows for another recipe, without fitting and transforming again; None where it sees them differently."""
    if _sight(recipe) != _sight(prepared.recipe):
        return None
    output, loss = resolve(recipe, prepared.schema)
    training, validation = prepared.training, prepared.validation
    if "losses" in needs(recipe.training.order) and prepared.file_rows is None:
        return None
    augmentation = prepared.plan.structure.augmentation
    network, plan = _planned(recipe, output, loss, prepared.preprocessor, training, validation, augmentation)
    return replace(prepared, recipe=recipe, network=network, plan=plan)


def _sight(recipe: Recipe) -> tuple[object, ...]:
    """What decides how a network sees rows, and which it sees."""
    training = recipe.training
    held: tuple[object, ...] = (training.early_stopping, training.validation_fraction)
    if recipe.inputs.categories.name == "target":
        held = (*held, recipe.random_state)  # by which the rows are dealt out to folds
    inputs = recipe.inputs.model_copy(update={"input_noise": 0.0, "mixup": 0.0})  # to which the program sees
    return inputs, recipe.targets, recipe.network.output, training.precision, training.scoring, *held


def fit(prepared: Prepared, watchers: Watchers = UNWATCHED, resume: Checkpoint | None = None) -> Fitted:
    """Trains what was prepared."""
    training = train_network(
        prepared.network,
        prepared.plan,
        prepared.training,
        prepared.validation,
        start=prepared.start,
        resume=resume,
        loss_unit=loss_unit(prepared.schema, prepared.coder),
        watchers=watchers,
    )
    return _fitted(prepared, training)


def fit_many(
    prepared: Sequence[Prepared],
    watching: Sequence[Sequence[OnLook]] = (),
    interrupted: Callable[[], bool] = UNWATCHED.interrupted,
    resume: Sequence[Checkpoint | None] = (),
    on_checkpoints: OnCheckpoints | None = None,
) -> list[Fitted]:
    """Trains what was prepared, as many networks at once as this machine does best.

    Args:
        prepared: The networks, in any mixture of recipes.
        watching: For each network who looks on, called from several threads; empty: nobody.
        interrupted: Asked between calls of the programs.
        resume: For each network where an earlier training of it stopped, or None; empty: all begin.
        on_checkpoints: Called from time to time, and at the end, with checkpoints by the networks' numbers.
    """
    units = [loss_unit(each.schema, each.coder) for each in prepared]
    members = [
        Member(each.network, each.plan, each.training, each.validation, each.start, at, unit, watchers)
        for each, unit, watchers, at in zip(
            prepared, units, watching or [()] * len(prepared), resume or [None] * len(prepared), strict=True
        )
    ]
    trained = train_many(members, on_checkpoints, interrupted)
    return [_fitted(each, training) for each, training in zip(prepared, trained, strict=True)]


def _fitted(prepared: Prepared, training: Training) -> Fitted:
    model = Model(
        prepared.recipe,
        prepared.schema,
        prepared.network,
        training.params,
        prepared.preprocessor,
        prepared.coder,
        _facts(training, prepared),
    )
    found = doubtful_choices(prepared.recipe) + fewer_components(prepared.preprocessor.shortfall())
    if training.draws is not None and prepared.file_rows is not None:
        found += few_rows_take_most_draws(training.draws, prepared.file_rows)
    return Fitted(_calibrated(model, prepared), training, prepared.plan, found)


def refit(
    model: Model,
    prepared: Prepared,
    fitted: Fitted,
    everything: Examples,
    interrupted: Callable[[], bool] = UNWATCHED.interrupted,
) -> Model:
    """The model trained again on all rows, for as many epochs as gave the best weights before; its scores are kept.

    The rows that chose the epoch are trained on now, so nothing is left to choose it again: the course of the rate is
    the same, and the run ends after that epoch. Where either training ended badly, the model stays as it was.
    """
    if fitted.training.outcome.name in ENDED_BADLY:
        return model
    recipe = prepared.recipe
    again = recipe.change({"early_stopping": False, "calibration": "none"})
    ready = prepare(again, prepared.schema, Parts(everything))
    epochs = fitted.training.best.epoch if fitted.plan.restore_best else fitted.training.checkpoint.epoch
    last = max(1, epochs)

    def stop(progress: Progress) -> Literal["stop"] | None:
        return "stop" if progress.epoch >= last else None

    again_fitted = fit(ready, Watchers((stop,), None, interrupted))
    trained = again_fitted.model
    if again_fitted.training.outcome.name in ENDED_BADLY:
        return model
    facts = {
        **model.facts,
        "inputs": trained.facts["inputs"],
        "refit": {"rows": everything.n_rows, "epochs": trained.facts["n_epochs"]},
    }
    return replace(trained, recipe=recipe, schema=model.schema, facts=facts, temperature=model.temperature)


def _calibrated(model: Model, prepared: Prepared) -> Model:
    """The model with the temperature at which its validation rows are most probable, where the recipe asks for it."""
    if prepared.recipe.targets.calibration.name == "none":
        return model
    held = prepared.held
    assert held is not None and held.targets is not None
    truth = true_values(model.schema, held.targets, held.source)
    temperature = fit_temperature(model.net_inputs(held.inputs), truth, model.network.output, held.weight)
    return replace(model, temperature=temperature)


def _file_rows(examples: Examples) -> np.ndarray:
    """The number of each row as the user counts the rows of the source."""
    rows = examples.inputs.rows
    return (np.arange(examples.n_rows) if rows is None else rows) + examples.inputs.place.first_row


def loss_unit(schema: Schema, coder: TargetCoder) -> float:
    """From the program's squared error to the target's units; several outputs stay relative to their variances."""
    if schema.classes is not None or len(schema.target_names) > 1:
        return 1.0
    scale = float(coder.scale[0])
    unit = scale * scale
    return unit if 0 < unit < float("inf") else 1.0  # beyond float64: the losses stay relative to the variance


def _trained_with_dtype(model: Model, dtype: str) -> Any:
    trained = model.network.trained(model.params)
    return tuple({name: np.asarray(array).astype(dtype) for name, array in layer.items()} for layer in trained)


def check_start(start: Model, recipe: Recipe, network: Network) -> None:
    """Weights mean something only in their own network, behind their own preprocessing.

    Raises:
        RunError: The recipe asks for another.
    """
    pairs = {
        "layers": ("-".join(map(str, each.sizes)) for each in (start.network, network)),
        "embeddings": (str(each.embeddings) for each in (start.network, network)),
        "activation": (str(each.activation) for each in (start.network, network)),
        "output": (each.output for each in (start.network, network)),
        "normalization": (str(each.normalization) for each in (start.network, network)),
        "residual": (str(each.residual).lower() for each in (start.network, network)),
        "target_scale": (str(each.targets.target_scale) for each in (start.recipe, recipe)),
    }
    for name in InputSettings.model_fields:
        if name in IN_TRAINING_ONLY:
            continue
        values = (getattr(each.inputs, name) for each in (start.recipe, recipe))
        pairs[name] = (str(value).lower() if isinstance(value, bool) else str(value) for value in values)
    for name, (of_model, of_recipe) in pairs.items():
        if of_model != of_recipe:
            raise RunError(
                f"{name}: the model has {of_model}, the recipe {of_recipe}; to start from it they must be equal"
            )


def _facts(training: Training, prepared: Prepared) -> Mapping[str, Any]:
    """What happened in training, as plain values for the model file and the run's record."""
    plan = prepared.plan
    return {
        "outcome": training.outcome.name,
        "sentence": training.outcome.sentence,
        "n_epochs": training.checkpoint.epoch,
        "best_epoch": training.best.epoch,
        "seconds": training.checkpoint.seconds,
        "batch_size": plan.n_rows if plan.whole_batch else plan.batch_size,
        "updates_per_epoch": plan.n_updates,
        "learning_rate": plan.learning_rate,
        "program": training.form,
        "seed": plan.seed,
        "optimizer_bytes": plan.optimizer_bytes,
        "priors": priors(plan.order, prepared.training.classes),
        "inputs": prepared.preprocessor.describe_inputs(),
    }
