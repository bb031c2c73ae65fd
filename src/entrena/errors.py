"""What entrena says when something is wrong: one message, no traceback on the command line.

Every error that a user can cause is an `EntrenaError`. Its text says what is wrong, where (file, column, row,
recipe key) and what would be right. `exit_code` is the command line's: 2 where what was typed is wrong, 1 where
the work itself failed. They are `ValueError`s because scikit-learn's tools expect those from a `fit`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class EntrenaError(ValueError):
    """An error that the user can mend; its text is the whole message."""

    exit_code = 1


class UsageError(EntrenaError):
    """What was typed is wrong: an option, a file that does not exist, a column that the table lacks."""

    exit_code = 2


class DataError(EntrenaError):
    """The data cannot be used as they are."""


class ModelFileError(EntrenaError):
    """A model file is damaged, of another program, or of a newer format."""


class StorageError(EntrenaError):
    """A file could not be written: a full or read-only disk, a directory without permission."""


class RunError(EntrenaError):
    """A run directory cannot be used: no run, damaged, or in use by another process."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a recipe.

    Attributes:
        key: The full key, `section.name`, or what was typed where no key fits.
        message: What is wrong with its value, and what would be right.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class RecipeError(UsageError):
    """All the mistakes of a recipe, reported at once.

    Attributes:
        problems: The mistakes, in the order of the recipe's keys.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self._text())

    def _text(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        return f"{len(self.problems)} mistakes in the recipe:\n{lines}"


LONGEST_COMPARED = 200  # characters of a name that may be misspelt


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that is most like `name`, or None where none is close.

    >>> nearest("activatoin", ["activation", "optimizer"])
    'activation'
    """
    if len(name) > LONGEST_COMPARED:
        return None
    # Comparing is quadratic in the length, and a table may have thousands of columns.
    folded = {known.lower(): known for known in names if len(known) <= LONGEST_COMPARED}
    matches = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def did_you_mean(name: str, names: Iterable[str], *, limit: int = 12) -> str:
    """The sentence that tells what to type instead: the nearest name, or the names there are.

    >>> did_you_mean("prce", ["price", "rooms"])
    "did you mean 'price'?"
    """
    names = list(names)
    close = nearest(name, names)
    if close is not None:
        return f"did you mean '{close}'?"
    listed = ", ".join(shortened(name) for name in names[:limit])
    more = len(names) - limit
    return f"there are {listed}" + (f" and {more} more" if more > 0 else "")


def shortened(text: str, most: int = 60) -> str:
    r"""A text that may be long, such as a column's name, as it stands in a message: in one line.

    >>> print(shortened("a\nb"), shortened("a long name", 5))
    a\nb a lo…
    """
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return text if len(text) <= most else text[: most - 1] + "…"
