"""Pictures as examples: a folder of them, or a Parquet file with a column of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from entrena.data.dialect import ReadOptions
from entrena.data.examples import Examples
from entrena.data.frames import frame_table
from entrena.data.image_column import image_column, read_image_column
from entrena.data.image_folder import TARGET, is_folder, is_picture, read_folder
from entrena.data.images import parse_image
from entrena.data.schema import Schema
from entrena.data.targets import read_targets
from entrena.errors import UsageError, did_you_mean


def are_pictures(source: object, schema: Schema | None = None) -> bool:
    """Whether a source is a folder, a picture, or a Parquet file with a column of pictures.

    Args:
        source: As for `read`.
        schema: Of a model that is to read it, or None. A model of a table reads columns: it refuses folders and
            pictures, and knows no column of pictures.

    Raises:
        UsageError: The source is a folder or a picture, and the model reads the columns of a table.
    """
    in_files = is_folder(source) or is_picture(source)
    if schema is None or schema.image is not None:
        return in_files or bool(image_column(source))
    if in_files:
        kind = "folder" if is_folder(source) else "picture"
        raise UsageError(f"{source} is a {kind}, and the model reads the columns of a table: name a file of one")
    return False


def training_pictures(source: str | Path, names: tuple[str, ...] | None, options: ReadOptions) -> Examples:
    """Pictures with their targets.

    Args:
        source: The folder or file.
        names: The targets; of a folder None, or `class`.
        options: `image`, `skip_bad`.

    Raises:
        UsageError: There is no such target, or there are no pictures.
        DataError: A picture cannot be read.
    """
    image = None if options.image is None else parse_image(options.image)
    if is_picture(source):
        raise UsageError(f"{source} is one picture: name a folder with a folder of pictures for each class")
    if is_folder(source):
        if names not in (None, (TARGET,)):
            raise UsageError(
                f"{source}: the target of a folder of pictures is '{TARGET}', the names of its folders: leave it out"
            )
        return read_folder(source, image, skip_bad=options.skip_bad)
    if names is None:
        raise UsageError(f"{source}: which column is to be predicted from the pictures? say --target NAME")
    pictures = image_column(source)
    known = [each for each in _columns(source) if each != pictures]
    for name in names:
        if name not in known:
            raise UsageError(f"{source}: there is no column '{name}' to predict; {did_you_mean(name, known)}")
    inputs, frame = read_image_column(source, pictures, image, names, skip_bad=options.skip_bad)
    targets, present = read_targets(frame_table(frame), names, regression=False)
    examples = Examples(inputs, targets, names, inputs.place.source)
    return examples if present.all() else replace(examples.take(present), n_without_target=int((~present).sum()))


def model_pictures(
    source: str | Path, schema: Schema, options: ReadOptions, *, targets: bool, all_columns: bool = False
) -> Examples:
    """Pictures for a trained model, of the size that it knows; targets are None where they are not wanted or not there.

    Args:
        source: The folder or file.
        schema: The model's.
        options: `skip_bad`.
        targets: Whether targets are wanted.
        all_columns: Whether all columns of a file are read beside the pictures.

    Raises:
        UsageError: There are no pictures.
        DataError: A picture cannot be read.
    """
    wanted = schema.target_names
    if is_folder(source) or is_picture(source):
        found = read_folder(source, schema.image, skip_bad=options.skip_bad, targets=False)
        with_targets = targets and found.targets is not None and wanted == found.target_names
        return found if with_targets else replace(found, targets=None, target_names=())
    others = None if all_columns else wanted
    inputs, frame = read_image_column(source, image_column(source), schema.image, others, skip_bad=options.skip_bad)
    if not targets or not all(name in frame.columns for name in wanted):
        return Examples(inputs, None, (), inputs.place.source)
    values, present = read_targets(frame_table(frame), wanted, regression=schema.classes is None)
    examples = Examples(inputs, values, wanted, inputs.place.source)
    return examples if present.all() else replace(examples.take(present), n_without_target=int((~present).sum()))


def _columns(source: str | Path) -> list[str]:
    import polars as pl

    return list(pl.scan_parquet(Path(source).expanduser(), glob=False, hive_partitioning=False).collect_schema())
