"""The rows of one split, prepared for one recipe after the other; what two recipes see alike is made once."""

from __future__ import annotations

from dataclasses import dataclass, field

from entrena.data import Examples, Schema
from entrena.fitting import Parts, Prepared, prepare, prepare_like, split_validation
from entrena.job import Job, typed
from entrena.recipe import Recipe
from entrena.training.plan import wants_validation


@dataclass(frozen=True, eq=False)
class Rows:
    """Training rows, and rows that only look on.

    Attributes:
        schema: Targets, task and classes.
        job: What the user said of the columns.
        everything: All rows that are used, by which values are checked.
        training: Those that are trained on; a recipe that stops early holds some of them out.
        watched: Rows whose loss is recorded after each epoch and changes nothing; None: there are none.
        n_rows: How many rows the source has.
        seed: By which validation rows are drawn.
    """

    schema: Schema
    job: Job
    everything: Examples
    training: Examples
    watched: Examples | None
    n_rows: int
    seed: int
    _prepared: list[Prepared] = field(default_factory=list)

    def prepare(self, recipe: Recipe) -> Prepared:
        """Everything that stands before the first update of a recipe.

        Raises:
            RecipeError: The recipe does not fit the task.
            DataError: The rows do not fit.
        """
        holds_out = wants_validation(recipe.training, self.training.n_rows) or recipe.targets.calibration.name != "none"
        if not holds_out and self.watched is not None:
            # So that nothing is chosen by the rows that look on.
            recipe = recipe.change({"early_stopping": False, "scoring": None})
        for prepared in self._prepared:
            like = prepare_like(prepared, recipe)
            if like is not None:
                return like
        parts = Parts(self.training, self.watched)
        if holds_out:
            same = recipe.change({"random_state": self.seed})
            parts = split_validation(same, self.training, stratify=self.schema.classes is not None)
        schema = typed(self.schema, self.job, self.everything, parts.training, self.n_rows)
        prepared = prepare(recipe, schema, parts)
        self._prepared.append(prepared)
        return prepared
