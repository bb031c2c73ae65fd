"""A folder of pictures as a table of images: each folder in it is a class, each file in these a row.

Pictures are turned upright as their camera says, cut to the wanted shape around their middle, and resized (`pictures`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from entrena.data.arrays import input_names
from entrena.data.examples import Examples
from entrena.data.images import words_for
from entrena.data.pictures import check_pillow, n_threads, read_into, size_of, usual_shape
from entrena.data.table import Table
from entrena.data.values import Place
from entrena.errors import DataError, UsageError, shortened

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".ppm")
KINDS = "PNG, JPEG, WebP, TIFF, …"

TARGET = "class"

# Names of folders that hold parts of a data set and are no classes.
PARTS = frozenset("train training test testing val valid validation dev".split())

SHOWN_BAD = 3


@dataclass(frozen=True)
class Found:
    """The pictures of a folder.

    Attributes:
        folder: The folder.
        files: In the order of their names, class by class.
        classes: [files] the class of each; None where the pictures lie in the folder itself.
        n_others: Files that are no pictures.
    """

    folder: Path
    files: tuple[Path, ...]
    classes: tuple[str, ...] | None
    n_others: int


def is_folder(source: object) -> bool:
    """Whether a source is a folder."""
    if not isinstance(source, str | Path):
        return False
    try:
        return Path(source).expanduser().is_dir()
    except (OSError, RuntimeError):
        return False


def is_picture(source: object) -> bool:
    """Whether a source is one file that has the name of a picture."""
    if not isinstance(source, str | Path) or not str(source).lower().endswith(SUFFIXES):
        return False
    return Path(source).expanduser().is_file()


def find_pictures(folder: str | Path, *, for_training: bool = True) -> Found:
    """The pictures of a folder, and their classes; or one picture.

    Args:
        folder: Its path, or that of one picture.
        for_training: Whether each folder in it has to hold a picture of its class.

    Raises:
        UsageError: There is none, or the folders in it are parts of a data set.
        DataError: The folder of a class is empty.
    """
    path = Path(folder).expanduser()
    if path.is_file():
        return Found(path.parent, (path,), None, 0)
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    here = [entry for entry in entries if entry.is_file()]
    pictures = [entry for entry in here if entry.suffix.lower() in SUFFIXES]
    if folders and {each.name.lower() for each in folders} <= PARTS and not pictures:
        _refuse_parts(folder, folders)
    if not folders:
        if not pictures:
            _refuse_empty(folder, len(here), for_training=for_training)
        return Found(path, tuple(pictures), None, len(here) - len(pictures))
    files, classes, n_others = [], [], len(here)
    for each in folders:
        inside = sorted(entry for entry in each.rglob("*") if entry.is_file() and not entry.name.startswith("."))
        own = [entry for entry in inside if entry.suffix.lower() in SUFFIXES]
        if not own and for_training:
            said = f"its {len(inside)} files are no pictures" if inside else "it is empty"
            raise DataError(
                f"{each}: there is no picture of the class '{each.name}' ({KINDS}): {said}; fill or remove it"
            )
        files += own
        classes += [each.name] * len(own)
        n_others += len(inside) - len(own)
    if not files:
        _refuse_empty(folder, n_others, for_training=for_training)
    return Found(path, tuple(files), tuple(classes), n_others)


def _refuse_empty(folder: str | Path, n_others: int, *, for_training: bool) -> None:
    what = f"{n_others} file{'s' if n_others > 1 else ''} and no picture" if n_others else "nothing"
    wanted = "a folder of pictures for each class" if for_training else "pictures, or folders of them"
    raise UsageError(f"{folder} holds {what} ({KINDS}): name a folder with {wanted}")


def _refuse_parts(folder: str | Path, folders: Sequence[Path]) -> None:
    names = {each.name.lower(): each for each in folders}
    training = next((names[name] for name in ("train", "training") if name in names), folders[0])
    more = [f"--test {names[name]}" for name in ("test", "testing") if name in names]
    more += [f"--validation {names[name]}" for name in ("val", "valid", "validation", "dev") if name in names]
    listed = " and ".join(f"'{each.name}'" for each in folders)
    raise UsageError(f"{folder} holds {listed}, which are no classes: name {' '.join([str(training), *more])}")


def read_folder(
    folder: str | Path,
    image: tuple[int, int, int | None] | None = None,
    *,
    skip_bad: bool = False,
    can_skip: bool = True,
    targets: bool = True,
    choose: Callable[[int], np.ndarray] | None = None,
) -> Examples:
    """The pictures of a folder as examples; the target `class` is the name of the folder that a picture lies in.

    Args:
        folder: Its path; without `targets` that of one picture will do.
        image: Height and width to which pictures are resized, and channels, 1 (grey) or 3 (colour). None: the size that
            all have, where they have one up to 64 × 64, else 32 × 32; grey where all are grey.
        skip_bad: Whether a picture that cannot be read is left out, and told.
        can_skip: Whether the user can say that such a picture be left out.
        targets: Whether classes are asked for.
        choose: From how many there are to the numbers of those that are read; None: all.

    Raises:
        UsageError: There are no pictures or no classes, or Pillow is not installed.
        DataError: A picture cannot be read, or the folder of a class is empty.
    """
    check_pillow()
    found = find_pictures(folder, for_training=targets)
    if targets and found.classes is None:
        raise UsageError(f"{folder}: its pictures lie in no folders: make a folder for each class, named as the class")
    if choose is not None:
        rows = choose(len(found.files)).tolist()
        classes = None if found.classes is None else tuple(found.classes[row] for row in rows)
        found = replace(found, files=tuple(found.files[row] for row in rows), classes=classes)
    source = found.folder.name or str(folder)
    with ThreadPoolExecutor(n_threads()) as threads:  # Pillow decodes without Python's lock
        sizes = [] if image is not None and image[2] is not None else list(threads.map(size_of, found.files))
        shape = usual_shape(sizes, image)
        pixels = np.empty((len(found.files), shape[0] * shape[1] * shape[2]), np.uint8)
        wrong = list(threads.map(partial(read_into, shape=shape), found.files, pixels))
    bad = [row for row, said in enumerate(wrong) if said]
    if bad and not skip_bad:
        more = f" ({len(bad)} such pictures)" if len(bad) > 1 else ""
        advice = "mend or remove it" + (", or say --skip-bad" if can_skip else "")
        raise DataError(f"{found.files[bad[0]]} cannot be read: {wrong[bad[0]]}{more}; {advice}")
    if len(bad) == len(found.files):
        raise DataError(f"{folder}: none of its {len(bad)} pictures can be read; the first: {wrong[0]}")
    names = tuple(str(file.relative_to(found.folder)) for file in found.files)
    table = replace(
        Table.of_array(pixels, input_names(pixels.shape[1]), Place(source)),
        image=shape,
        files=names,
        said=_said(found, shape, [names[row] for row in bad]),
    )
    labels = None if found.classes is None else np.array(found.classes, str)
    examples = Examples(table, labels, () if labels is None else (TARGET,), source)
    if not bad:
        return examples
    kept = np.ones(len(found.files), bool)
    kept[bad] = False
    if labels is not None and len(set(labels[kept])) < len(set(labels)):
        lost = next(label for label in labels.tolist() if label not in set(labels[kept].tolist()))
        raise DataError(f"{folder}: no picture of the class '{lost}' can be read: mend them, or remove its folder")
    left = pixels[kept]
    inputs = Table.of_array(left, table.names, table.place)
    inputs = replace(inputs, image=shape, files=tuple(name for name, keep in zip(names, kept, strict=True) if keep))
    return replace(examples, inputs=replace(inputs, said=table.said), targets=None if labels is None else labels[kept])


def _said(found: Found, shape: tuple[int, int, int], bad: Sequence[str]) -> str:
    parts = [words_for(shape)]
    if found.n_others:
        parts.append(f"{found.n_others} other file{'s' if found.n_others > 1 else ''} left alone")
    if bad:
        more = f" and {len(bad) - SHOWN_BAD} more" if len(bad) > SHOWN_BAD else ""
        listed = ", ".join(map(shortened, bad[:SHOWN_BAD]))
        parts.append(f"{len(bad)} that cannot be read left out: {listed}{more}")
    return "; ".join(parts)
