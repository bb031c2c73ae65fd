"""A network that learns rows as they come, each tested before it is learned.

first rows → what the columns are → network, plan
rows → inputs by the statistics so far (or fixed ones) → a compiled pass of updates in the sequence of the rows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from entrena.data import Examples, Schema
from entrena.errors import DataError, Problem, RecipeError, RunError
from entrena.fitting import check_start
from entrena.model import Model
from entrena.network import Network
from entrena.preprocessing import (
    Preprocessor,
    RunningInputs,
    RunningMoments,
    RunningTargets,
    TargetCoder,
    class_weights,
    smoothed,
)
from entrena.recipe import Recipe
from entrena.registry import Choice
from entrena.task import disturbances, make_network, n_outputs, resolve
from entrena.training import rates
from entrena.training.compilation import find_device
from entrena.training.optimizers import OPTIMIZERS
from entrena.training.plan import make_stream_plan
from entrena.training.stream import Stream, Tested
from entrena.training.structure import State
from entrena.training.update import predicting

ORDERS_OF_STREAMS = ("shuffled", "sequential")  # the first is the recipe's default, and says nothing


@dataclass(frozen=True, eq=False)
class TestedRows:
    """What the network made of rows before it learned them.

    Attributes:
        tested: Losses and net inputs, on the device until they are asked for.
        shift: [rows, outputs] what brings outputs to the targets' units, as it was known before each row.
        scale: [rows, outputs] likewise.
    """

    tested: Tested
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[TestedRows]) -> TestedRows:
        """Those of several calls, one after the other."""
        tested = Tested.joined([part.tested for part in parts])
        return cls(tested, *(np.concatenate([getattr(part, name) for part in parts]) for name in ("shift", "scale")))

    @property
    def losses(self) -> np.ndarray:
        """[rows] as the network learns them."""
        return self.tested.losses

    @property
    def reported_losses(self) -> np.ndarray:
        """[rows] float64 in the target's unit, as known before each row; of several relative to their variances."""
        losses = self.tested.losses.astype(float)
        return losses * np.square(self.scale[:, 0]) if self.scale.shape[1] == 1 else losses

    @property
    def z(self) -> np.ndarray:
        """[rows, outputs] the output layer's net inputs."""
        return self.tested.z

    @property
    def numbers(self) -> np.ndarray:
        """[rows, outputs] the outputs in the targets' units."""
        return self.z * self.scale + self.shift


class Learner:
    """A network that learns rows as they come.

    Made by `begin` from the first rows, or by `of_model`.

    Attributes:
        recipe: The choices.
        schema: What the columns are, and what is predicted.
        network: Its structure.
        inputs: What makes its inputs: with running statistics, or fixed.
        targets: What makes its targets.
        stream: Its weights, and how they move.
        n_rows: Rows learned.
    """

    def __init__(
        self,
        recipe: Recipe,
        schema: Schema,
        network: Network,
        inputs: RunningInputs | Preprocessor,
        targets: RunningTargets,
        stream: Stream,
        n_rows: int = 0,
    ) -> None:
        self.recipe, self.schema, self.network = recipe, schema, network
        self.inputs, self.targets, self.stream, self.n_rows = inputs, targets, stream, n_rows

    @classmethod
    def begin(cls, recipe: Recipe, schema: Schema, first: Examples, *, running: bool) -> Learner:
        """A learner whose columns are those of the first rows, which are not learned here.

        Args:
            recipe: The choices.
            schema: Roles, targets, task and classes.
            first: Some rows.
            running: Whether means and deviations are those of the rows so far; else those of these first rows stay.

        Raises:
            RecipeError: A choice has no meaning in a stream, or does not fit the task.
            DataError: The rows do not fit.
        """
        check_streamable(recipe)
        assert first.targets is not None
        settings, table = recipe.inputs, first.inputs.pick(schema.columns)
        coder = TargetCoder.fit(first.targets, schema, recipe.targets, first.weight)
        inputs: RunningInputs | Preprocessor
        if running:
            filled = settings.model_copy(update={"missing": Choice("impute"), "scale": Choice("none")})
            fitted = Preprocessor.fit(table, schema.inputs, filled, first.weight, keep_constant=True)
            inputs, targets = RunningInputs.begin(fitted, settings), RunningTargets.begin(coder)
        else:
            inputs = Preprocessor.fit(table, schema.inputs, settings, first.weight)
            targets = RunningTargets.fixed(coder)
        return cls._of(recipe, schema, inputs, targets)

    @classmethod
    def of_model(cls, model: Model, recipe: Recipe | None = None) -> Learner:
        """A learner that goes on from a trained model: its preprocessing stays, the optimizer's memory is empty.

        Args:
            model: With what the columns are, its preprocessing and its weights.
            recipe: Other choices of how the weights move; None: the model's.

        Raises:
            RecipeError: A choice of the recipe has no meaning in a stream.
            RunError: The recipe asks for another network or preprocessing than the model's.
        """
        recipe = model.recipe if recipe is None else recipe
        check_streamable(recipe)
        output, _ = resolve(recipe, model.schema)
        check_start(model, recipe, make_network(recipe, output, model.preprocessor, n_outputs(model.schema, output)))
        targets = RunningTargets.fixed(model.coder)
        return cls._of(recipe, model.schema, model.preprocessor, targets, start=model.params)

    @classmethod
    def _of(
        cls,
        recipe: Recipe,
        schema: Schema,
        inputs: RunningInputs | Preprocessor,
        targets: RunningTargets,
        start: Any = None,
        n_updates: int = 0,
        n_rows: int = 0,
    ) -> Learner:
        """Network, plan and stream of what is known."""
        output, loss = resolve(recipe, schema)
        raw = inputs.raw if isinstance(inputs, RunningInputs) else inputs
        network = make_network(recipe, output, raw, n_outputs(schema, output))
        plan = make_stream_plan(
            network,
            loss,
            recipe.training,
            recipe.rate,
            recipe.regularization,
            seed=recipe.random_state,
            platform=find_device(recipe.training.device).platform,
            disturbances=disturbances(recipe),
            batch_statistics=recipe.network.batch_statistics,
        )
        if start is not None and not isinstance(start, State):
            start = network.trained(start)
            start = tuple({name: np.asarray(each, plan.dtype) for name, each in layer.items()} for layer in start)
        return cls(recipe, schema, network, inputs, targets, Stream(network, plan, start, n_updates), n_rows)

    def with_recipe(self, recipe: Recipe) -> Learner:
        """The same learner with other choices of how the weights move from here on; its seed stays.

        Raises:
            RecipeError: A choice would need another network, other inputs or another memory of the optimizer.
        """
        check_streamable(recipe)
        fixed = [
            Problem(f"{section}.{name}", "cannot change within a stream: call fit, or begin with a clone")
            for section in ("inputs", "targets", "network")
            for name in type(getattr(recipe, section)).model_fields
            if getattr(getattr(recipe, section), name) != getattr(getattr(self.recipe, section), name)
        ]
        if recipe.training.precision != self.recipe.training.precision:
            fixed.append(Problem("training.precision", "cannot change within a stream: the weights have theirs"))
        if fixed:
            raise RecipeError(fixed)
        recipe = recipe.change({"random_state": self.recipe.random_state})
        other = Learner._of(
            recipe, self.schema, self.inputs, self.targets, self.stream.state, self.stream.n_updates, self.n_rows
        )
        mine, theirs = self.stream.plan.structure, other.stream.plan.structure
        if (mine.optimizer, mine.momentum) != (theirs.optimizer, theirs.momentum):
            said = "has a memory of its own: it cannot change within a stream"
            raise RecipeError([Problem("training.optimizer", said)])
        return other

    @property
    def takes_numbers(self) -> bool:
        """Whether rows may come as [rows, columns] numbers without gaps, past the table."""
        return (self.inputs.raw if isinstance(self.inputs, RunningInputs) else self.inputs).is_plain

    def mark(self) -> tuple[Any, ...]:
        """What it knows now, for `go_back`."""
        return self.stream.state, self.stream.n_updates, self.inputs, self.targets, self.n_rows

    def go_back(self, mark: tuple[Any, ...]) -> None:
        """Forgets what was learned since a `mark`."""
        self.stream.state, self.stream.n_updates, self.inputs, self.targets, self.n_rows = mark

    def learn(self, examples: Examples) -> TestedRows:
        """Learns rows in their sequence; those of weight 0 must be left out before.

        Args:
            examples: With the schema's columns and targets.

        Raises:
            DataError: A value is not what it has to be; nothing is learned then.
        """
        assert examples.targets is not None
        dtype = self.stream.plan.dtype
        table, weight = examples.inputs.pick(self.schema.columns), examples.weight
        inputs: RunningInputs | Preprocessor
        if isinstance(self.inputs, RunningInputs):
            X, inputs = self.inputs.transform(table, dtype, weight)
        else:
            X, inputs = self.inputs.transform(table, dtype), self.inputs
        return self._learn(X, inputs, examples.targets, weight)

    def learn_numbers(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None = None) -> TestedRows:
        """The same of arrays, where `takes_numbers`, without another look at them.

        Args:
            X: [rows, columns] finite float64.
            targets: [rows] class numbers; or numbers, [rows] or [rows, outputs].
            weight: [rows] above 0, or None.

        Raises:
            DataError: A number is too large; nothing is learned then.
        """
        step = self.stream.rows_a_call
        if len(X) <= step:
            return self._learn_numbers(X, targets, weight)
        # While the device learns some rows, the next are made ready: on two cores in nearly half the time.
        before = self.mark()
        try:
            parts = [
                self._learn_numbers(
                    X[i : i + step], targets[i : i + step], None if weight is None else weight[i : i + step]
                )
                for i in range(0, len(X), step)
            ]
        except DataError:
            self.go_back(before)
            return self._learn_numbers(X, targets, weight)  # which says the number of the row
        return TestedRows.joined(parts)

    def _learn_numbers(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None) -> TestedRows:
        dtype = self.stream.plan.dtype
        inputs: RunningInputs | Preprocessor
        if isinstance(self.inputs, RunningInputs):
            rows, inputs = self.inputs.transform_rows(X, dtype, weight)
        else:
            with np.errstate(over="ignore"):
                rows, inputs = ((X - self.inputs.shift) / self.inputs.scale).astype(dtype), self.inputs
            if not np.isfinite(rows).all():
                raise DataError(f"X: a number is beyond the range of {dtype} after scaling")
        return self._learn(rows, inputs, targets, weight, numbered=True)

    def _learn(
        self,
        X: np.ndarray,
        inputs: RunningInputs | Preprocessor,
        targets: np.ndarray,
        weight: np.ndarray | None,
        *,
        numbered: bool = False,
    ) -> TestedRows:
        encode = self.targets.encode_numbered if numbered else self.targets.encode
        coded, shift, scale, after = encode(targets, self.stream.plan.dtype, weight)
        by_class = self.recipe.targets.class_weight
        if by_class is not None:
            labels = np.asarray(self.schema.classes)[targets] if numbered else targets
            own = class_weights(self.recipe.targets, labels, self.schema.classes)
            weight = own if weight is None else weight * own
        coded = smoothed(coded[:, -self.network.n_outputs :], self.recipe.targets, self.schema.classes)
        tested = self.stream.learn(X, np.ascontiguousarray(coded), weight)
        self.inputs, self.targets, self.n_rows = inputs, after, self.n_rows + len(X)
        return TestedRows(tested, shift, scale)

    def model(self, facts: Mapping[str, Any] | None = None) -> Model:
        """The model as it is now.

        Args:
            facts: What is to be said of its training beside the number of rows.
        """
        inputs = self.inputs.fixed() if isinstance(self.inputs, RunningInputs) else self.inputs
        state = jax.tree.map(np.asarray, self.stream.state)
        params = predicting(self.stream.plan.structure, state, None, {}, np)
        own = {"n_rows": self.n_rows, "updates": self.stream.n_updates, **self._usual_facts(), **(facts or {})}
        return Model(self.recipe, self.schema, self.network, params, inputs, self.targets.coder, own)

    def _usual_facts(self) -> dict[str, Any]:
        plan = self.stream.plan
        return {
            "outcome": "end_of_stream",
            "sentence": f"{self.n_rows:,} rows were learned as they came.",
            "n_epochs": 1,
            "best_epoch": 1,
            "seconds": 0.0,
            "batch_size": plan.batch_size,
            "updates_per_epoch": self.stream.n_updates,
            "learning_rate": plan.learning_rate,
            "program": plan.structure.form,
            "seed": plan.seed,
        }

    def to_parts(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays by name and a record of plain numbers, from which `restored` goes on bit by bit."""
        arrays = {
            "state" + jax.tree_util.keystr(path): np.asarray(leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(self.stream.state)
        }
        record: dict[str, Any] = {"n_rows": self.n_rows, "n_updates": self.stream.n_updates}
        for name, running in (("inputs", self.inputs), ("targets", self.targets)):
            if not isinstance(running, Preprocessor):
                arrays |= running.moments.to_arrays(name)
        return arrays, {**record, "targets_run": self.targets.runs}


def restored(model: Model, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> Learner:
    """A learner as it was when `to_parts` wrote it.

    Args:
        model: What the stream made of its columns; its weights and statistics are not looked at.
        arrays: As `to_parts` made them.
        record: As `to_parts` made it.

    Raises:
        RunError: They are of another network or optimizer.
    """
    inputs: RunningInputs | Preprocessor = model.preprocessor
    if "inputs.weight" in arrays:
        n = model.preprocessor.n_dense
        raw = replace(model.preprocessor, shift=np.zeros(n), scale=np.ones(n))
        inputs = RunningInputs(raw, RunningMoments.of_arrays("inputs", arrays))
    moments = RunningMoments.of_arrays("targets", arrays)
    targets = RunningTargets.of_moments(model.coder, moments, runs=bool(record["targets_run"]))
    blank = Learner._of(model.recipe, model.schema, inputs, targets)

    def leaf(path: Any, like: Any) -> np.ndarray:
        found = arrays.get("state" + jax.tree_util.keystr(path))
        if found is None or found.shape != like.shape or found.dtype != like.dtype:
            raise RunError("the checkpoint does not fit this recipe: a part of it is missing or of another shape")
        return found

    state = jax.tree_util.tree_map_with_path(leaf, blank.stream.state)
    n_updates, n_rows = int(record["n_updates"]), int(record["n_rows"])
    return Learner._of(model.recipe, model.schema, inputs, targets, state, n_updates, n_rows)


def check_streamable(recipe: Recipe) -> None:
    """Raises a RecipeError with every choice that has no meaning where rows come one after the other."""
    training, rate, targets = recipe.training, recipe.rate, recipe.targets
    optimizer, statistics = OPTIMIZERS[training.optimizer.name], recipe.network.batch_statistics
    wrong = {
        "training.optimizer": (
            bool(optimizer.details.get("batch_only")),
            f"'{training.optimizer.name}' needs all rows for each step: take adamw or sgd",
        ),
        "training.mode": (training.mode == "batch", "'batch' needs all rows: take online or mini_batch"),
        "training.order": (
            training.order.name not in ORDERS_OF_STREAMS,
            f"'{training.order.name}' needs all rows: a stream is learned as it comes, so leave order out",
        ),
        "rate.schedule": (
            rates.has_end(rate.schedule) and rate.schedule != Recipe().rate.schedule,
            f"'{rate.schedule.name}' is planned for a number of updates, and a stream has no end: take constant",
        ),
        "training.early_stopping": (
            training.early_stopping is True,
            "a stream has no validation rows: every row is tested before it is learned; leave it out",
        ),
        "inputs.augment": (
            recipe.inputs.augment is not None,
            "a stream shows each row once, as it comes: leave augment out",
        ),
        "inputs.mixup": (
            recipe.inputs.mixup > 0,
            "mixes rows of a shuffled epoch, and a stream shows each row once, as it comes: leave mixup out",
        ),
        "network.batch_statistics": (
            statistics is not None and statistics.name == "training_set",
            "a stream has no training set: take moving_average, or leave it out",
        ),
        "training.ema": (
            training.ema > 0 and recipe.network.normalization.name == "batch",
            "with batch normalization it needs the training set, and a stream has none: leave one of them out",
        ),
        "training.refit": (training.refit, "a stream holds no rows back: leave it out"),
        "inputs.categories": (
            recipe.inputs.categories.name == "target",
            "'target' needs the targets of all rows before the first: take frequency or embedding",
        ),
        "targets.calibration": (
            targets.calibration.name != "none",
            "needs validation rows, and a stream has none: leave it out",
        ),
        "targets.class_weight": (
            targets.class_weight == "balanced",
            "'balanced' needs the number of rows of each class before the first: give a table, or leave it out",
        ),
    }
    problems = [Problem(key, said) for key, (is_wrong, said) in wrong.items() if is_wrong]
    if problems:
        raise RecipeError(problems)
