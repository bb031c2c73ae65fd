"""A folder of pictures as a table of images: each folder in it is a class, each file in these a row.

Pictures are turned upright as their camera says, cut to the wanted shape around their middle, and resized. A picture
that is too large for Pillow's limit (a file of a few bytes may unpack to gigabytes) counts as one that cannot be read.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from entrena.data.arrays import input_names
from entrena.data.examples import Examples
from entrena.data.images import words_for
from entrena.data.table import Table
from entrena.data.values import Place
from entrena.errors import DataError, UsageError, shortened

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
KINDS = "PNG, JPEG, WebP, TIFF"

TARGET = "class"

# Pictures whose sizes differ, or are larger than this, become squares of this many pixels.
USUAL_SIDE, LARGEST_SIDE = 32, 64

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


def find_pictures(folder: str | Path) -> Found:
    """The pictures of a folder, and their classes.

    Raises:
        UsageError: There is none, or the folders in it are parts of a data set.
        DataError: The folder of a class is empty.
    """
    path = Path(folder).expanduser()
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    here = [entry for entry in entries if entry.is_file()]
    pictures = [entry for entry in here if entry.suffix.lower() in SUFFIXES]
    if folders and {each.name.lower() for each in folders} <= PARTS and not pictures:
        _refuse_parts(folder, folders)
    if not folders:
        if not pictures:
            what = f"{len(here)} files and no picture" if here else "nothing"
            raise UsageError(f"{folder} holds {what} ({KINDS}): name a folder with a folder of pictures for each class")
        return Found(path, tuple(pictures), None, len(here) - len(pictures))
    files, classes, n_others = [], [], len(here)
    for each in folders:
        inside = sorted(entry for entry in each.rglob("*") if entry.is_file() and not entry.name.startswith("."))
        own = [entry for entry in inside if entry.suffix.lower() in SUFFIXES]
        if not own:
            said = f"its {len(inside)} files are no pictures" if inside else "it is empty"
            raise DataError(
                f"{each}: there is no picture of the class '{each.name}' ({KINDS}): {said}; fill or remove it"
            )
        files += own
        classes += [each.name] * len(own)
        n_others += len(inside) - len(own)
    return Found(path, tuple(files), tuple(classes), n_others)


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
    targets: bool = True,
) -> Examples:
    """The pictures of a folder as examples; the target `class` is the name of the folder that a picture lies in.

    Args:
        folder: Its path.
        image: Height and width to which pictures are resized, and channels, 1 (grey) or 3 (colour). None: the size that
            all have, where they have one up to 64 × 64, else 32 × 32; grey where all are grey.
        skip_bad: Whether a picture that cannot be read is left out, and told.
        targets: Whether classes are asked for.

    Raises:
        UsageError: There are no pictures or no classes, or Pillow is not installed.
        DataError: A picture cannot be read, or the folder of a class is empty.
    """
    _check_pillow()
    found = find_pictures(folder)
    if targets and found.classes is None:
        raise UsageError(f"{folder}: its pictures lie in no folders: make a folder for each class, named as the class")
    source = found.folder.name or str(folder)
    with ThreadPoolExecutor(_n_threads()) as threads:  # Pillow decodes without Python's lock
        sizes = [] if image is not None and image[2] is not None else list(threads.map(_size_of, found.files))
        shape = _shape(sizes, image)
        pixels = np.empty((len(found.files), shape[0] * shape[1] * shape[2]), np.uint8)
        wrong = list(threads.map(partial(_read_into, shape=shape), found.files, pixels))
    bad = [row for row, said in enumerate(wrong) if said]
    if bad and not skip_bad:
        more = f" ({len(bad)} such pictures)" if len(bad) > 1 else ""
        raise DataError(
            f"{found.files[bad[0]]} cannot be read: {wrong[bad[0]]}{more}; mend or remove it, or say --skip-bad"
        )
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


def _shape(
    sizes: Sequence[tuple[int, int, int] | None], image: tuple[int, int, int | None] | None
) -> tuple[int, int, int]:
    known = [size for size in sizes if size is not None]
    channels = max((size[2] for size in known), default=3)
    if image is not None:
        return image[0], image[1], channels if image[2] is None else image[2]
    of_size = Counter(size[:2] for size in known)
    if len(of_size) == 1:
        height, width = next(iter(of_size))
        if max(height, width) <= LARGEST_SIDE:
            return height, width, channels
    return USUAL_SIDE, USUAL_SIDE, channels


def _size_of(file: Path) -> tuple[int, int, int] | None:
    """Height, width and channels of a picture, from its first bytes; None where these cannot be read."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as picture:
                grey = picture.mode in ("1", "L", "LA", "F") or picture.mode.startswith("I")
                width, height = picture.size
                if picture.getexif().get(ImageOps.ExifTags.Base.Orientation, 1) in (5, 6, 7, 8):
                    width, height = height, width
                return height, width, 1 if grey else 3
    except Exception:  # whatever a damaged file makes of its reader is told when it is read whole
        return None


def _read_into(file: Path, row: np.ndarray, *, shape: tuple[int, int, int]) -> str:
    """Writes the pixels of a picture to a row; what is wrong with it, or an empty text."""
    from PIL import Image, ImageOps

    height, width, channels = shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                opened.draft("L" if channels == 1 else "RGB", (2 * width, 2 * height))  # JPEG: decodes fewer pixels
                picture: Any = ImageOps.exif_transpose(opened)
                picture = _plain(picture, "L" if channels == 1 else "RGB")
                if picture.size != (width, height):
                    picture = ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)
                row[:] = np.asarray(picture, np.uint8).reshape(-1)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return f"it has more pixels than the limit of {Image.MAX_IMAGE_PIXELS or 0:,}"
    except MemoryError:
        return "it needs more memory than there is"
    except Exception as error:  # Pillow's readers raise many kinds of errors for damaged files
        said = str(error).strip() or type(error).__name__
        return "it is no picture that Pillow knows" if "cannot identify" in said else shortened(said, 100)
    return ""


def _plain(picture: Any, mode: str) -> Any:
    """A picture as grey or as colours of 8 bits; what is transparent lies on white."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits
        values = np.asarray(picture).astype(np.float64)
        picture = Image.fromarray(np.clip(values / 257, 0, 255).round().astype(np.uint8))
    elif picture.mode == "F":
        raise ValueError("its pixels are fractions, whose range is not known: save it with 8 or 16 bits")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture if picture.mode == mode else picture.convert(mode)


def _n_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_pillow() -> None:
    if find_spec("PIL") is None:
        raise UsageError("folders of pictures need Pillow: pip install 'entrena[images]'")
