"""Pictures for a lesson: a Parquet file or a folder that the user names, grey and all of one size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
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
    """

    values: np.ndarray
    groups: np.ndarray | None
    source: str

    def take(self, rows: np.ndarray) -> Pictures:
        """Some of them, by number."""
        groups = None if self.groups is None else np.unique(self.groups[rows], return_inverse=True)[1]
        return Pictures(self.values[rows], groups, self.source)


def read_pictures(path: str) -> Pictures:
    """The pictures of a file or folder, [n, 64, 64]; pictures of another size are cut square and resized.

    Args:
        path: A Parquet file with a column `image` of bytes: raw grey levels, of which the metadata `entrena` says the
            shape, or JPEG or PNG files; a column `target` says who is shown. Or a folder of pictures, or of folders of
            them, one for each person.

    Raises:
        UsageError: There is no such file, or it is of another kind.
        DataError: It cannot be read; the message names the picture.
    """
    place = Path(path)
    if place.is_dir():
        values, groups = _of_folder(place)
    elif not place.exists():
        raise UsageError(f"--data {path}: there is no such file or folder")
    elif place.suffix.lower() == ".parquet":
        values, groups = _of_parquet(place)
    else:
        raise UsageError(f"--data {path}: name a Parquet file with a column image, or a folder of pictures")
    if len(values) < LEAST:
        raise DataError(f"{place.name}: there are {len(values)} pictures; at least {LEAST} are needed")
    known = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    return Pictures(np.stack(values).astype(float), known, place.name)


Read = tuple[list[np.ndarray], Sequence[Any] | None]


def _of_folder(folder: Path) -> Read:
    files = sorted(each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
    if not files:
        raise DataError(f"{folder.name}: there are no pictures in this folder (files that end in .png, .jpg, …)")
    owners = [each.parent for each in files]
    values = [_decoded(each, str(each.relative_to(folder))) for each in files]
    return values, [str(owner) for owner in owners] if len(set(owners)) > 1 else None


def _of_parquet(path: Path) -> Read:
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
    values = list(_of_column(path.name, table["image"].to_list(), encoding, said.get("shape")))
    return values, table["target"].to_list() if "target" in table.columns else None


def _of_column(name: str, column: Sequence[bytes | None], encoding: str, shape: Any) -> Iterator[np.ndarray]:
    for row, content in enumerate(column, 1):
        where = f"{name}, row {row}"
        if content is None:
            raise DataError(f"{where}: there is no picture; leave the row out")
        if encoding != "raw":
            yield _decoded(BytesIO(content), where)
            continue
        if not isinstance(shape, list) or len(content) != np.prod(shape):
            raise DataError(f"{where}: {len(content)} bytes are no picture of the shape {shape} that the file names")
        levels = np.frombuffer(content, np.uint8).reshape(shape)
        yield levels if list(levels.shape) == [SIDE, SIDE] else _resized(_pillow().fromarray(levels.squeeze()))


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
