"""Pictures as files write them: decoded, upright, cut to a shape around their middle, resized.

A picture that is too large for Pillow's limit (a file of a few bytes may unpack to gigabytes) counts as one that cannot
be read.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from entrena.errors import UsageError, shortened

# Pictures whose sizes differ, or are larger than this, become squares of this many pixels.
USUAL_SIDE, LARGEST_SIDE = 32, 64


def usual_shape(
    sizes: Sequence[tuple[int, int, int] | None], image: tuple[int, int, int | None] | None
) -> tuple[int, int, int]:
    """The shape that pictures are brought to.

    Args:
        sizes: Height, width and channels of each, None where it cannot be read.
        image: What the user said; None: the size that all have, where they have one up to 64 × 64, else 32 × 32; grey
            where all are grey.

    Raises:
        UsageError: Other channels are asked for than pictures are read with.
    """
    if image is not None and image[2] not in (None, 1, 3):
        size = f"{image[0]}x{image[1]}"
        raise UsageError(
            f"image: {size}x{image[2]} is not allowed: pictures are read grey or in colours, with 1 or 3 channels: "
            f"{size}x1, {size}x3, or {size} alone"
        )
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


def size_of(file: Path | BytesIO) -> tuple[int, int, int] | None:
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


def read_into(file: Path | BytesIO, row: np.ndarray, *, shape: tuple[int, int, int]) -> str:
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
                _check_range(opened)
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
        return "it is no picture that Pillow knows" if "cannot identify" in said else shortened(said, 120)
    return ""


def _check_range(picture: Any) -> None:
    """Raises a ValueError where the range of a picture's levels is not known."""
    if picture.mode == "F":
        raise ValueError("its pixels are fractions, whose range is not known: save it with 8 or 16 bits")
    # In this mode Pillow reads PGM files of 16 bits, and older versions PNG files.
    if picture.mode == "I" and picture.format not in ("PNG", "PPM"):
        raise ValueError(
            "its pixels are whole numbers of 32 bits or signed, whose range is not known: save it with 8 or 16 bits"
        )


def _plain(picture: Any, mode: str) -> Any:
    """A picture as grey or as colours of 8 bits; what is transparent lies on white."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits
        values = np.asarray(picture).astype(np.float64)
        picture = Image.fromarray(np.clip(values / 257, 0, 255).round().astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture if picture.mode == mode else picture.convert(mode)


def n_threads() -> int:
    """How many pictures are decoded at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_pillow() -> None:
    """Raises a UsageError where Pillow is not installed."""
    if find_spec("PIL") is None:
        raise UsageError("pictures need Pillow: pip install 'entrena[images]'")
