"""The networks of a lesson: prepared on rows, trained side by side, scored on rows that were held out."""

from __future__ import annotations

from collections.abc import Sequence

from entrena.data import Examples, infer_schema
from entrena.fitting import Fitted, Prepared, fit_many
from entrena.interrupt import interrupt_as_flag
from entrena.job import Job
from entrena.population.progress import Together
from entrena.population.rows import Rows
from entrena.population.splits import Split

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

    def train(self, said: str, prepared: Sequence[Prepared]) -> list[Fitted]:
        """Trains networks.

        Args:
            said: What they are for, beside the bar.
            prepared: The networks.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        self.n_networks += len(prepared)
        n = len(prepared)
        with interrupt_as_flag() as interrupted, Together(n, shown=self._verbose, said=said) as bar:
            fitted = fit_many(prepared, [(bar.watch(k),) for k in range(n)] if self._verbose else (), interrupted)
            if interrupted():
                again = f"entrena lesson {self._lesson}"
                raise KeyboardInterrupt(f"interrupted: a lesson keeps nothing of its networks; {again} begins anew")
        return fitted


def rows_of(examples: Examples, split: Split) -> Rows:
    """The training rows of a split, on which any recipe can be prepared."""
    schema = infer_schema(examples, None)
    return Rows(schema, _JOB, examples, examples.take(split.training), None, examples.n_rows, split.seed)


def leading_score(fitted: Fitted, held: Examples) -> tuple[str, float]:
    """The name and the value of the score that people read, on rows that were held out."""
    name, value = next(iter(fitted.model.evaluate(held).items()))
    return name, float(value)
