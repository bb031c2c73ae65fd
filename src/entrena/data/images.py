"""Images as rows of a table: every pixel is a column, row after row, channels side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from entrena.data.arrays import input_names
from entrena.data.frames import BINARY, LISTS
from entrena.data.table import Table, as_numbers
from entrena.data.values import NUMERIC_KINDS, Place, check_not_infinite
from entrena.errors import DataError, UsageError, shortened

Image = tuple[int, int, int]  # height, width, channels

MOST_CHANNELS = 16
USUAL_CHANNELS = (1, 3, 4)  # grey, colours, and colours with how opaque they are
LEVELS = ("L", "RGB", "RGBA")  # Pillow's modes that are read
MOST_PIXELS = 2**20  # numbers of an image, each of which is an input of the network


def parse_image(value: Any) -> tuple[int, int, int | None]:
    """Height, width and channels as a user says them; channels None: not said.

    >>> parse_image("28x28"), parse_image("32 × 48 × 3"), parse_image((8, 8))
    ((28, 28, None), (32, 48, 3), (8, 8, None))

    Raises:
        UsageError: That is no size, or one beyond what a network can take.
    """
    wrong = UsageError(f"image: {value!r} is not allowed: HEIGHTxWIDTH such as 28x28, or HEIGHTxWIDTHxCHANNELS")
    if isinstance(value, str):
        parts: Sequence[Any] = re.split(r"\s*[x×X*]\s*", value.strip())
        parts = parts if len(parts) > 1 else [*parts, *parts]  # 32: 32x32
    elif isinstance(value, Sequence):
        parts = value
    else:
        raise wrong
    try:
        numbers = [int(part) for part in parts]
    except (TypeError, ValueError):
        raise wrong from None
    if len(numbers) not in (2, 3) or min(numbers) < 1:
        raise wrong
    height, width = numbers[:2]
    channels = numbers[2] if len(numbers) == 3 else None
    if channels is not None and channels > MOST_CHANNELS:
        raise UsageError(f"image: {channels} channels are too many: at most {MOST_CHANNELS}")
    if height * width * (channels or 1) > MOST_PIXELS:
        raise UsageError(f"image: {height} × {width} pixels are too many inputs: at most {MOST_PIXELS:,} numbers")
    return height, width, channels


def words_for(image: Image) -> str:
    """A size in words: `28 × 28 pixels, grey`."""
    height, width, channels = image
    kind = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    return f"{height} × {width} pixels, {kind}"


def as_image(table: Table, image: tuple[int, int, int | None]) -> Table:
    """A table whose columns are the pixels of an image, as one of images.

    Raises:
        UsageError: There are more or fewer columns than pixels.
        DataError: A column holds no numbers, or has gaps.
    """
    height, width, channels = image
    n, source = len(table.names), table.place.source
    if table.image is not None:
        if table.image[:2] != (height, width) or channels not in (None, table.image[2]):
            raise UsageError(f"{source}: the images have {words_for(table.image)}: leave --image out")
        return table
    if channels is None:
        channels, rest = divmod(n, height * width)
        fits = not rest and 1 <= channels <= MOST_CHANNELS
    else:
        fits = height * width * channels == n
    if not fits:
        expected = height * width * (channels or 1)
        raise UsageError(
            f"{source}: {n:,} input columns are no image of {height} × {width}"
            + (f" × {channels}" if image[2] is not None else "")
            + f", which has {expected:,} pixels: say another --image, or leave out columns that are no pixels"
        )
    if table.matrix is not None:
        return replace(table, image=(height, width, channels))
    columns = [as_numbers(table, name) for name in table.names]
    matrix = np.column_stack([column.astype(np.result_type(*columns), copy=False) for column in columns])
    check_gaps(matrix, table.names, table.place)
    stacked = Table.of_array(matrix, table.names, table.place)
    return replace(stacked, image=(height, width, channels), said=table.said, found=table.found)


def check_gaps(matrix: np.ndarray, names: Sequence[str], place: Place) -> None:
    """Raises a DataError at the first pixel that is missing."""
    if matrix.dtype.kind != "f":
        return
    for first in range(0, len(matrix), 1024):
        gaps = np.isnan(matrix[first : first + 1024])
        if gaps.any():
            row, column = (int(index) for index in np.argwhere(gaps)[0])
            place.refuse(
                f"pixel '{names[column]}' of {place.row(first + row)} is missing: fill it in, or leave the image out"
            )


def is_array_of_images(values: Any) -> bool:
    """Whether an array has three or four dimensions, or a list holds arrays of two or three, or pictures of Pillow."""
    if isinstance(values, list | tuple):
        return bool(values) and all(getattr(each, "ndim", 0) in (2, 3) or _is_pillows(each) for each in values)
    return getattr(values, "ndim", 0) in (3, 4) and hasattr(values, "shape")


def _is_pillows(value: Any) -> bool:
    """Whether something is a picture that Pillow has read, without importing Pillow."""
    return isinstance(getattr(value, "mode", None), str) and isinstance(getattr(value, "size", None), tuple)


def _levels_of(picture: Any, row: int, place: Place) -> np.ndarray:
    """A picture of Pillow as an array; one whose numbers are no levels, such as those of a palette, is refused."""
    if picture.mode not in LEVELS:
        place.refuse(
            f"{place.row(row)} is a picture of Pillow's mode {picture.mode}, whose numbers are no grey levels or "
            "colours side by side: convert them all, [image.convert('RGB') for image in X]"
        )
    return np.asarray(picture)


def images_of(values: Any, place: Place) -> Table:
    """An array of images as a table; an array in one piece is not copied.

    Args:
        values: [n, height, width] or [n, height, width, channels] numbers, or a list of such images of one size, also
            of Pillow's.
        place: Where they come from.

    Raises:
        DataError: They have different sizes, more channels than an image has, gaps, or hold no numbers.
    """
    if isinstance(values, list | tuple):
        images = [
            _levels_of(each, row, place) if _is_pillows(each) else np.asarray(each) for row, each in enumerate(values)
        ]
        odd = next((row for row, each in enumerate(images) if each.shape != images[0].shape), None)
        if odd is not None:
            first, other = (" × ".join(map(str, images[row].shape)) for row in (0, odd))
            place.refuse(
                f"images have different sizes: {place.row(0)} is {first}, {place.row(odd)} is {other}: resize them"
            )
        values = np.stack(images)
    array = np.asarray(values)
    if array.dtype.kind not in NUMERIC_KINDS:
        place.refuse(f"images are arrays of numbers; these hold {array.dtype}")
    shape = array.shape if array.ndim == 4 else (*array.shape, 1)
    channels_first = shape[1] in USUAL_CHANNELS and shape[-1] > max(USUAL_CHANNELS)
    if channels_first or shape[-1] > MOST_CHANNELS:
        hint = "; channels come last: np.moveaxis(X, 1, -1)" if channels_first else ""
        place.refuse(
            f"images are [n, height, width] or [n, height, width, channels]; these have shape {array.shape}{hint}"
        )
    if 0 in shape:
        place.refuse(f"there are no images (the inputs have shape {array.shape})")
    matrix = array.reshape(len(array), -1)
    if matrix.shape[1] > MOST_PIXELS:
        place.refuse(
            f"{matrix.shape[1]:,} numbers of an image are too many inputs: at most {MOST_PIXELS:,}; resize them"
        )
    if matrix.dtype.kind == "f" and matrix.dtype.itemsize > 8:
        matrix = matrix.astype(np.float64)
    names = input_names(matrix.shape[1])
    check_not_infinite(matrix, names, place)
    check_gaps(matrix, names, place)
    return replace(Table.of_array(matrix, names, place), image=(int(shape[1]), int(shape[2]), int(shape[3])))


def check_same(table: Table, image: Image | None) -> None:
    """Raises a DataError where images are not of the size that a model was trained on."""
    if image is not None and table.image is not None and table.image != image:
        raise DataError(
            f"{table.place.source}: images of {words_for(table.image)}; the model was trained on {words_for(image)}: "
            "resize them"
        )


def check_pixels(table: Table, image: Image | None, names: Sequence[str]) -> None:
    """Raises a UsageError where a table lacks the pixels that a model of images reads.

    Args:
        table: What the model is given.
        image: The size that it was trained on, or None.
        names: The columns that it reads.
    """
    there = set(table.names)
    lacking = 0 if image is None else sum(name not in there for name in names)
    if image is None or not lacking:
        return
    if table.image is not None:
        check_same(table, image)
    if lacking == len(names) and not table.place.source.lower().endswith(".parquet"):
        _check_no_bytes(table, image)
    lacks = "no such columns" if lacking == len(names) else f"{lacking:,} of the {len(names):,} columns of pixels not"
    raise UsageError(
        f"{table.place.source}: the model was trained on images of {words_for(image)}, and the table has {lacks}: "
        "name a picture or a folder of pictures, or a table of pixels"
    )


def _check_no_bytes(table: Table, image: Image) -> None:
    """Raises a UsageError where a table that is no Parquet file holds bytes or structures: pictures, it seems."""
    column = next(
        (each for each in table.columns if each.kind == "nested" and set(each.levels) & {BINARY, LISTS}), None
    )
    if column is None:
        return
    raise UsageError(
        f"{table.place.source}: the model was trained on images of {words_for(image)}, and "
        f"column '{shortened(column.name)}' holds {column.levels[0]}: pictures in a table are read from Parquet "
        "files only: write it as one (with Polars write_parquet), and name that file"
    )
