"""The lessons by id, each in the file of its name; a file is imported when its lesson is asked for."""

from __future__ import annotations

from importlib import import_module

from entrena.errors import UsageError, did_you_mean
from entrena.lessons.lesson import Lesson

# In the order of the chapters. A lesson is a file of this name and a line here.
IDS: tuple[str, ...] = (
    "redundancy",
    "better_minima",
    "drift",
    "batch_size",
    "convergence_condition",
    "ravine",
    "conjugate_gradients",
    "interleaving",
    "balanced_batches",
    "hard_examples",
    "centring",
    "scaling",
    "decorrelation",
    "whitening",
    "components_cost",
    "faces",
    "block_compression",
    "invariance",
    "seed_noise",
)


def find(wanted: str) -> Lesson:
    """The lesson of an id.

    Raises:
        UsageError: There is none; the message has the nearest id.
    """
    if wanted not in IDS:
        raise UsageError(f"there is no lesson '{wanted}': {did_you_mean(wanted, IDS)}")
    lesson = import_module(f"entrena.lessons.{wanted}").LESSON
    assert isinstance(lesson, Lesson)
    return lesson


def catalogue() -> list[Lesson]:
    """All lessons, chapter by chapter."""
    return [find(each) for each in IDS]
