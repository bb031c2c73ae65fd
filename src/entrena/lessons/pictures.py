"""Pictures for a lesson: a folder of them, or a Parquet file with a column of them, that the user names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from entrena.errors import DataError, UsageError

if TYPE_CHECKING:
    from entrena.data import Examples

SIDE = 64
LEAST = 10  # pictures
TARGETS = ("target", "label", "class")  # the names under which a Parquet file may say what is shown


@dataclass(frozen=True, eq=False)
class Pictures:
    """Grey pictures of one size.

    Attributes:
        values: [n, height, width] grey levels from 0 to 255, float64.
        groups: [n] who or what is shown, as numbers from 0; None where nothing is said of it.
        source: The file's or folder's name.
        of: How many pictures there are in it.
    """

    values: np.ndarray
    groups: np.ndarray | None
    source: str
    of: int


def drawn(n: int, most: int, chance: np.random.Generator) -> np.ndarray:
    """The numbers of at most so many of n things, rising."""
    return np.sort(chance.permutation(n)[:most]) if n > most else np.arange(n)


def examples_of(
    path: str,
    image: tuple[int, int, int | None] | None = None,
    choose: Callable[[int], np.ndarray] | None = None,
) -> Examples:
    """The pictures of a folder or file, as `entrena train` reads them; what is shown, where it is said, is the target.

    Args:
        path: A folder of pictures, or of a folder of them for each class; or a Parquet file with one column of pictures
            and a column `target`, `label` or `class`.
        image: The size that they are brought to, or None.
        choose: From how many there are to the numbers of those that are read; None: all.

    Raises:
        UsageError: There is no such file, or it holds no pictures.
        DataError: A picture cannot be read; the message names it.
    """
    from entrena.data import Examples
    from entrena.data.frames import frame_table
    from entrena.data.image_column import image_column, read_image_column
    from entrena.data.image_folder import read_folder
    from entrena.data.targets import read_targets

    place = Path(path).expanduser()
    if place.is_dir():
        return read_folder(place, image, can_skip=False, targets=False, choose=choose)
    if not place.exists():
        raise UsageError(f"--data {path}: there is no such file or folder")
    column = image_column(place)
    if not column:
        raise UsageError(f"--data {path}: name a folder of pictures, or a Parquet file with one column of pictures")
    table, frame = read_image_column(place, column, image, TARGETS, can_skip=False, choose=choose)
    if not frame.columns:
        return Examples(table, None, (), place.name)
    name = frame.columns[0]
    targets, present = read_targets(frame_table(frame), (name,), regression=False)
    examples = Examples(table, targets, (name,), place.name)
    return examples if present.all() else examples.take(present)


def labelled(path: str) -> Examples:
    """The same where a class is needed.

    Raises:
        UsageError: Nothing says what is shown.
    """
    examples = examples_of(path)
    if examples.targets is None:
        where = "a folder for each class, or in a Parquet file a column"
        raise UsageError(f"--data {path}: nothing says what is shown: make {where} {' or '.join(TARGETS)}")
    return examples


def read_pictures(path: str, most: int, chance: np.random.Generator) -> Pictures:
    """The pictures of a file or folder, [n, 64, 64], grey; pictures of another size are cut square and resized.

    Args:
        path: As for `examples_of`.
        most: How many are read at most; of more so many are drawn.
        chance: Draws them.

    Raises:
        UsageError: There is no such file, or it holds no pictures.
        DataError: One cannot be read, or there are too few.
    """
    there = []

    def choose(n: int) -> np.ndarray:
        if n < LEAST:
            raise DataError(f"{Path(path).name}: there are {n} pictures; at least {LEAST} are needed")
        there.append(n)
        return drawn(n, most, chance)

    examples = examples_of(path, (SIDE, SIDE, 1), choose)
    matrix, targets = examples.inputs.matrix, examples.targets
    assert isinstance(matrix, np.ndarray)
    rows = matrix if examples.inputs.rows is None else matrix[examples.inputs.rows]
    groups = None if targets is None else np.unique(targets, return_inverse=True)[1]
    return Pictures(rows.reshape(-1, SIDE, SIDE).astype(float), groups, examples.source, there[0])


def as_square(examples: Examples, side: int) -> Examples:
    """Examples whose columns are the pixels of squares, as images."""
    from entrena.data.images import as_image

    return replace(examples, inputs=as_image(examples.inputs, (side, side, 1)))
