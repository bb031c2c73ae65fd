"""The networks of a lesson: prepared on rows, trained side by side, scored on rows that were held out."""

from __future__ import annotations

from collections.abc import Sequence

from entrena.data import Examples, Schema, infer_schema
from entrena.fitting import Fitted, Prepared, fit_many
from entrena.interrupt import interrupt_as_flag
from entrena.job import Job, typed
from entrena.population.progress import Together
from entrena.population.rows import Rows
from entrena.population.splits import Split
from entrena.training.watching import OnLook

_JOB = Job(data="", target=None, task=None, test_fraction=0.0, from_file=False, fingerprint="", recipe_fingerprint="")


class Trials:
    """Trains a lesson's networks, all that it hands over at a time in one population, and counts them.

    Args:
        lesson: Its id.
        verbose: Whether progress is shown.
    """

    def __init__(self, lesson: str, *, verbose: bool = False) -> None:
        self._lesson = lesson
        self._verbose = verbose
        self.n_networks = 0

    def train(
        self, said: str, prepared: Sequence[Prepared], watching: Sequence[OnLook] = (), *, same: bool = False
    ) -> list[Fitted]:
        """Trains networks.

        Args:
            said: What they are for, beside the bar.
            prepared: The networks.
            watching: For each network who looks on and may end its training; empty: nobody.
            same: Whether they are networks that were trained before and go on: they are not counted again.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        n = len(prepared)
        self.n_networks += 0 if same else n
        with interrupt_as_flag() as interrupted, Together(n, shown=self._verbose, said=said) as bar:
            looking = [[bar.watch(k)] if self._verbose else [] for k in range(n)]
            for own, on_look in zip(looking, watching, strict=False):
                own.append(on_look)
            fitted = fit_many(prepared, looking, interrupted)
            if interrupted():
                again = f"entrena lesson {self._lesson}"
                raise KeyboardInterrupt(f"interrupted: a lesson keeps nothing of its networks; {again} begins anew")
        return fitted


def rows_of(examples: Examples, split: Split) -> Rows:
    """The training rows of a split, on which any recipe can be prepared."""
    schema = infer_schema(examples, None)
    return Rows(schema, _JOB, examples, examples.take(split.training), None, examples.n_rows, split.seed)


def schema_of(examples: Examples) -> Schema:
    """What the columns of examples are, for networks that learn them as they come."""
    return typed(infer_schema(examples, None), _JOB, examples, examples, examples.n_rows)


def leading_score(fitted: Fitted, held: Examples) -> tuple[str, float]:
    """The name and the value of the score that people read, on rows that were held out."""
    name, value = next(iter(fitted.model.evaluate(held).items()))
    return name, float(value)
