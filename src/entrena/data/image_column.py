"""A Parquet file with a column of pictures: their bytes as image files, or as raw pixels of a known shape.

Such is the form in which sets of pictures are handed on: a column `image` of bytes, or of structures with a field
`bytes`, and a column for the class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from entrena.data.arrays import input_names
from entrena.data.frames import polars_table
from entrena.data.images import words_for
from entrena.data.pictures import check_pillow, n_threads, read_into, size_of, usual_shape
from entrena.data.table import Table
from entrena.data.values import Place
from entrena.errors import DataError, UsageError, shortened

Shape = tuple[int, int, int]
MOST_SHOWN = 5

# The first bytes of PNG, JPEG, TIFF, BMP and GIF; WebP is told by `WEBP` behind 8 others.
SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"GIF8")
FIRST_ROWS = 1000  # in which a column's first value is sought before all are read


def image_column(source: object) -> str:
    """The name of the one column of pictures in a Parquet file; empty where the source is none, or has none.

    A single column of bytes is taken for pictures; of several, those count that hold the bytes of image files.

    Raises:
        UsageError: Several columns hold pictures.
    """
    if not isinstance(source, str | Path) or Path(source).suffix.lower() != ".parquet":
        return ""
    path = Path(source).expanduser()
    if not path.is_file():
        return ""
    import polars as pl

    try:
        schema = pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema()
    except (pl.exceptions.PolarsError, OSError):
        return ""  # told by whoever reads it
    names = [name for name, kind in schema.items() if kind == pl.Binary() or _has_bytes(kind)]
    if len(names) > 1:
        names = [name for name in names if _is_image_file(_first(path, name))]
    if len(names) > 1:
        listed = ", ".join(map(shortened, names[:MOST_SHOWN])) + (", …" if len(names) > MOST_SHOWN else "")
        raise UsageError(
            f"{source} holds several columns of pictures ({listed}), and one is read: write a file with one of them, "
            f"such as polars.read_parquet({str(source)!r}).drop({names[-1]!r}).write_parquet('one.parquet')"
        )
    return names[0] if names else ""


def read_image_column(
    source: str | Path,
    column: str,
    image: tuple[int, int, int | None] | None,
    others: Sequence[str] | None,
    *,
    skip_bad: bool = False,
    can_skip: bool = True,
    choose: Callable[[int], np.ndarray] | None = None,
) -> tuple[Table, Any]:
    """The pictures of a Parquet file, and other columns of their rows.

    Args:
        source: The file.
        column: The column of pictures.
        image: Height and width to which pictures are resized, and channels, 1 or 3; None as in `pictures.usual_shape`.
        others: Columns that are wanted as well, such as the target; those that are not there are left out. None: all.
        skip_bad: Whether a picture that cannot be read is left out, and told.
        can_skip: Whether the user can say that such a picture be left out.
        choose: From how many there are to the numbers of those that are read; None: all.

    Returns:
        The table of images, beside them all others where these are wanted; and a Polars frame of the others, of the
        same rows.

    Raises:
        DataError: A picture cannot be read, or is missing; the message names its row.
    """
    import polars as pl

    path = Path(source).expanduser()
    names = list(pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema())
    wanted = (
        [name for name in names if name != column] if others is None else [name for name in others if name in names]
    )
    frame = pl.read_parquet(path, columns=[column, *wanted], glob=False, hive_partitioning=False)
    numbers = np.arange(len(frame)) if choose is None else choose(len(frame))
    frame = frame if choose is None else frame[numbers]
    contents = _contents(frame[column]).to_list()
    place = Place(path.name)
    shape_of_raw = _raw_shape(path, contents, image)
    left_out = [name for name in names if name not in (column, *wanted)]
    if shape_of_raw is not None and (image is None or _is_same(image, shape_of_raw)):
        bad: dict[int, str] = {}
        pixels, shape = _raw(contents, shape_of_raw, column, place), shape_of_raw
    else:
        check_pillow()
        pixels, bad, shape = _decoded(contents, shape_of_raw, image)
    if bad and not skip_bad:
        row, why = next(iter(bad.items()))
        more = f" ({len(bad)} such pictures)" if len(bad) > 1 else ""
        advice = "leave it out, or say --skip-bad" if can_skip else "mend it, or remove its row"
        place.refuse(f"the picture in {place.row(numbers[row])} cannot be read: {why}{more}; {advice}")
    said = [words_for(shape)]
    if left_out:
        listed = ", ".join(map(shortened, left_out[:MOST_SHOWN]))
        said.append(f"besides the pictures {listed} left out")
    if bad:
        rows = ", ".join(str(numbers[row] + place.first_row) for row in list(bad)[:MOST_SHOWN])
        more = f" and {len(bad) - MOST_SHOWN} more" if len(bad) > MOST_SHOWN else ""
        said.append(f"{len(bad)} that cannot be read left out: row{'s' if len(bad) > 1 else ''} {rows}{more}")
    table = Table.of_array(pixels, input_names(pixels.shape[1]), place)
    beside = polars_table(frame.select(wanted), place) if others is None else None
    table = replace(table, image=shape, said="; ".join(said), beside=beside)
    if not bad:
        return table, frame.select(wanted)
    kept = np.setdiff1d(np.arange(len(pixels)), list(bad))
    return table.take(kept), frame[kept].select(wanted)


def _has_bytes(kind: Any) -> bool:
    import polars as pl

    return isinstance(kind, pl.Struct) and any(
        field.name == "bytes" and field.dtype == pl.Binary() for field in kind.fields
    )


def _contents(series: Any) -> Any:
    """The bytes of a column, as a Polars series."""
    import polars as pl

    return series if series.dtype == pl.Binary() else series.struct.field("bytes")


def _first(path: Path, name: str) -> bytes:
    """The first value of a column that is not missing, or nothing."""
    import polars as pl

    for n_rows in (FIRST_ROWS, None):
        try:
            series = pl.read_parquet(path, columns=[name], n_rows=n_rows, glob=False, hive_partitioning=False)[name]
        except (pl.exceptions.PolarsError, OSError):
            return b""  # told by whoever reads it
        there = _contents(series).drop_nulls()
        if len(there):
            return bytes(there[0])
    return b""


def _is_image_file(content: bytes) -> bool:
    return content.startswith(SIGNATURES) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")


def _raw_shape(path: Path, contents: Sequence[bytes | None], image: tuple[int, int, int | None] | None) -> Shape | None:
    """The shape of raw pixels, from the file's own description or from what the user said; None: they are files."""
    import polars as pl

    try:
        said = json.loads(pl.read_parquet_metadata(path).get("entrena", "{}"))
    except (ValueError, pl.exceptions.PolarsError):
        said = {}
    first = next((content for content in contents if content is not None), b"")
    shape = said.get("shape") if isinstance(said, dict) and said.get("encoding") == "raw" else None
    if isinstance(shape, list) and len(shape) in (2, 3) and np.prod(shape) == len(first):
        height, width, channels = (*map(int, shape), 1)[:3]
        return height, width, channels
    if image is not None and len(first) in {
        image[0] * image[1] * n for n in ((1, 3) if image[2] is None else (image[2],))
    }:
        return image[0], image[1], len(first) // (image[0] * image[1])
    return None


def _is_same(image: tuple[int, int, int | None], shape: Shape) -> bool:
    return image[:2] == shape[:2] and image[2] in (None, shape[2])


def _raw(contents: Sequence[bytes | None], shape: Shape, column: str, place: Place) -> np.ndarray:
    n = int(np.prod(shape))
    odd = next((row for row, each in enumerate(contents) if each is None or len(each) != n), None)
    if odd is not None:
        there = contents[odd]
        what = "is missing" if there is None else f"has {len(there):,} bytes, not {n:,}"
        place.refuse(f"the picture in column '{column}', {place.row(odd)} {what}: leave the row out")
    return np.frombuffer(b"".join(each for each in contents if each is not None), np.uint8).reshape(len(contents), n)


def _decoded(
    contents: Sequence[bytes | None], raw: Shape | None, image: tuple[int, int, int | None] | None
) -> tuple[np.ndarray, dict[int, str], Shape]:
    """Pixels, what is wrong by row, and the shape."""
    files = [_as_file(each, raw) for each in contents]
    with ThreadPoolExecutor(n_threads()) as threads:
        sizes = [] if image is not None and image[2] is not None else list(threads.map(size_of, files))
        shape = usual_shape(sizes, image)
        pixels = np.zeros((len(files), int(np.prod(shape))), np.uint8)
        wrong = list(threads.map(partial(read_into, shape=shape), files, pixels))
    bad = {row: said for row, said in enumerate(wrong) if said}
    bad |= {row: "it is missing" for row, each in enumerate(contents) if each is None}
    if len(bad) == len(files):
        raise DataError(f"none of the {len(bad)} pictures can be read; the first: {wrong[0]}")
    return pixels, dict(sorted(bad.items())), shape


def _as_file(content: bytes | None, raw: Shape | None) -> BytesIO:
    if content is None or raw is None:
        return BytesIO(content or b"")
    from PIL import Image

    written = BytesIO()
    levels = np.frombuffer(content, np.uint8).reshape(raw)
    Image.fromarray(levels[..., 0] if raw[2] == 1 else levels).save(written, "PPM")
    return written
