"""The networks of a lesson: prepared on rows, trained side by side, scored on rows that were held out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

from entrena.data import Examples, infer_schema
from entrena.fitting import Fitted, Prepared, fit_many
from entrena.interrupt import interrupt_as_flag
from entrena.job import Job
from entrena.population.rows import Rows
from entrena.population.splits import Split
from entrena.reporting.progress import ProgressBar
from entrena.training.watching import Progress

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
        with interrupt_as_flag() as interrupted, _Bar(said, prepared, shown=self._verbose) as bar:
            fitted = fit_many(prepared, [(bar,)] * len(prepared) if self._verbose else (), interrupted)
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


class _Bar:
    """One bar over the epochs of many networks, which are trained in several threads."""

    def __init__(self, said: str, prepared: Sequence[Prepared], *, shown: bool) -> None:
        self._bar = ProgressBar(words=lambda _: said) if shown else None
        self._total = sum(each.recipe.training.max_epochs for each in prepared)
        self._done = 0
        self._began = perf_counter()
        self._lock = threading.Lock()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            self._done += 1
            if self._bar is not None:
                seconds = perf_counter() - self._began
                self._bar(replace(progress, epoch=self._done, n_epochs=self._total, seconds=seconds))
