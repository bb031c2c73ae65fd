"""Pictures for a lesson: a Parquet file or a folder that the user names, grey and all of one size."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from entrena.errors import DataError, UsageError, did_you_mean

SIDE = 64
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".pgm")
LEAST = 10  # pictures
BYTES = ("raw", "jpeg", "png")  # what a Parquet file may say of its pictures


@dataclass(frozen=True, eq=False)
class Pictures:
    """Grey pictures of one size.

    Attributes:
        values: [n, height, width] grey levels from 0 to 255, float64.
        groups: [n] who or what is shown, as numbers from 0; None where nothing is said of it.
        source: The file's or folder's name.
        of: How many there are, of which these were drawn.
    """

    values: np.ndarray
    groups: np.ndarray | None
    source: str
    of: int


def drawn(n: int, most: int, chance: np.random.Generator) -> np.ndarray:
    """The numbers of at most so many of n things, rising."""
    return np.sort(chance.permutation(n)[:most]) if n > most else np.arange(n)


def read_pictures(path: str, most: int, chance: np.random.Generator) -> Pictures:
    """The pictures of a file or folder, [n, 64, 64]; pictures of another size are cut square and resized.

    Args:
        path: A Parquet file with a column `image` of bytes: raw grey levels, of which the metadata `entrena` says the
            shape, or JPEG or PNG files; a column `target` says who is shown. Or a folder of pictures, or of folders of
            them, one for each person.
        most: How many are read at most; of more so many are drawn.
        chance: Draws them.

    Raises:
        UsageError: There is no such file, or it is of another kind.
        DataError: It cannot be read; the message names the picture.
    """
    place = Path(path)
    if place.is_dir():
        found = _of_folder(place)
    elif not place.exists():
        raise UsageError(f"--data {path}: there is no such file or folder")
    elif place.suffix.lower() == ".parquet":
        found = _of_parquet(place)
    else:
        raise UsageError(f"--data {path}: name a Parquet file with a column image, or a folder of pictures")
    if found.n < LEAST:
        raise DataError(f"{place.name}: there are {found.n} pictures; at least {LEAST} are needed")
    rows = drawn(found.n, most, chance)
    values = np.stack([found.read(int(row)) for row in rows]).astype(float)
    groups = None if found.groups is None else np.unique(np.asarray(found.groups)[rows], return_inverse=True)[1]
    return Pictures(values, groups, place.name, found.n)


@dataclass(frozen=True)
class _Found:
    """Pictures that are not read yet: how many, whom they show, and what reads one by its number."""

    n: int
    groups: Sequence[Any] | None
    read: Callable[[int], np.ndarray]


def _of_folder(folder: Path) -> _Found:
    files = sorted(each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
    if not files:
        raise DataError(f"{folder.name}: there are no pictures in this folder (files that end in .png, .jpg, …)")
    owners = [each.parent for each in files]
    groups = [str(owner) for owner in owners] if len(set(owners)) > 1 else None
    return _Found(len(files), groups, lambda row: _decoded(files[row], str(files[row].relative_to(folder))))


def _of_parquet(path: Path) -> _Found:
    import polars as pl

    try:
        said = json.loads(pl.read_parquet_metadata(path).get("entrena", "{}"))
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    if "image" not in table.columns:
        raise DataError(f"{path.name}: there is no column 'image': {did_you_mean('image', table.columns)}")
    if table.schema["image"] != pl.Binary():
        raise DataError(f"{path.name}: column 'image' holds {table.schema['image']}; pictures are bytes (Binary)")
    encoding = said.get("encoding", "png")
    if encoding not in BYTES:
        raise DataError(f"{path.name}: pictures in '{encoding}' cannot be read: {', '.join(BYTES)}")
    column, shape = table["image"], said.get("shape")
    groups = table["target"].to_list() if "target" in table.columns else None
    return _Found(
        len(column), groups, lambda row: _of_bytes(column[row], encoding, shape, f"{path.name}, row {row + 1}")
    )


def _of_bytes(content: bytes | None, encoding: str, shape: Any, where: str) -> np.ndarray:
    if content is None:
        raise DataError(f"{where}: there is no picture; leave the row out")
    if encoding != "raw":
        return _decoded(BytesIO(content), where)
    if not isinstance(shape, list) or len(content) != np.prod(shape):
        raise DataError(f"{where}: {len(content)} bytes are no picture of the shape {shape} that the file names")
    levels = np.frombuffer(content, np.uint8).reshape(shape)
    return levels if list(levels.shape) == [SIDE, SIDE] else _resized(_pillow().fromarray(levels.squeeze()))


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise DataError("pictures need an extra: pip install 'entrena[images]'") from None
    return Image


def _decoded(content: Path | BytesIO, where: str) -> np.ndarray:
    """A picture file as [64, 64] grey levels."""
    import warnings

    image = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", image.DecompressionBombWarning)
            with image.open(content) as opened:
                return _resized(opened)
    except (OSError, SyntaxError, ValueError, image.DecompressionBombWarning, image.DecompressionBombError) as error:
        raise DataError(f"{where}: this picture cannot be read ({error}); leave it out") from None


def _resized(picture: Any) -> np.ndarray:
    """The greatest square in the middle, grey, [64, 64]."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture).convert("L")
    return np.asarray(ImageOps.fit(upright, (SIDE, SIDE)))
