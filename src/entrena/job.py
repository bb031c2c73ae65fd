"""The job of a run: which data, read how, and split into which parts; what a resumed run needs to be told again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from entrena.data import (
    EMBEDDED,
    Examples,
    ReadOptions,
    RowColumns,
    Schema,
    check_columns,
    check_roles,
    count_repeated,
    found_in,
    infer_roles,
    infer_schema,
    read,
    read_inputs,
    split_rows,
    with_training,
)
from entrena.data.files import STANDARD_INPUT, options_for
from entrena.data.image_sources import are_pictures
from entrena.data.images import check_pixels, words_for
from entrena.data.sources import listed, target_names
from entrena.data.table import Table, joined_tables
from entrena.errors import DataError, RunError, UsageError, did_you_mean
from entrena.fitting import Parts, rows_that_count, split_validation
from entrena.model import Model, choose_metrics
from entrena.recipe import Recipe
from entrena.storage import RunDirectory
from entrena.training.seeds import generator

TASKS = ("classification", "regression")
FINGERPRINT_ROWS = 1024  # that a checksum looks at together


@dataclass(frozen=True)
class Job:
    """What a run needs to be told again when it is resumed; a part of its `status.json`.

    Attributes:
        data: The file's path or the embedded set's name; empty where the data were handed in from Python.
        target: The targets' names, or None where the data know theirs.
        task: The task, where the user said it.
        roles: The roles that the user gave, by column.
        rows: The names of the columns with weights, groups and times.
        options: How text files are written, where the user said it.
        test_fraction: The share of the rows that is held out for the final score.
        from_file: Whether `data` can be read again.
        fingerprint: A checksum of the data.
        recipe_fingerprint: A checksum of the recipe.
        from_run: The model from whose weights the run began.
        start_fingerprint: Its checksum.
        files: Paths of `validation` and `test` rows of one's own, empty where they were handed in from Python.
        fingerprints: Their checksums.
        metrics: Further scores, as in a recipe.
    """

    data: str
    target: tuple[str, ...] | None
    task: str | None
    test_fraction: float
    from_file: bool
    fingerprint: str
    recipe_fingerprint: str
    roles: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, str | None] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    from_run: str | None = None
    start_fingerprint: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Any, ...] = ()

    @property
    def row_columns(self) -> RowColumns:
        """The columns with weights, groups and times: as asked for, or by their roles."""
        named: dict[str, str | None] = dict(self.rows)
        for column, role in self.roles.items():
            if role in ("weight", "group", "time"):
                if named.get(role) not in (None, column):
                    raise UsageError(f"--role {column}={role}: the {role} column is '{named[role]}' already")
                named[role] = column
        return RowColumns(**named)

    @property
    def read_options(self) -> ReadOptions:
        """How text files are written, as far as it was said."""
        lists = {name: tuple(value) for name, value in self.options.items() if isinstance(value, list)}
        return ReadOptions(**{**self.options, **lists})

    def to_plain(self) -> dict[str, Any]:
        """For the run's status; `from_plain` gives it back."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Job:
        """The job that `to_plain` wrote."""
        target = plain["target"]
        own = {"target": None if target is None else tuple(target), "metrics": tuple(plain["metrics"])}
        return cls(**{**plain, **own})


@dataclass(frozen=True, eq=False)
class Divided:
    """The data of a run in its parts.

    Attributes:
        schema: What the columns are, and what is predicted.
        parts: Training and validation rows.
        test: The rows of the final score, or None.
        facts: What is to be said of the data, as plain values: how they were read, sizes, rows left out or repeated.
        everything: All rows, for `refit`; empty where that was not asked for.
    """

    schema: Schema
    parts: Parts
    test: Examples | None
    facts: Mapping[str, Any]
    everything: tuple[Examples, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """The rows of each part."""
        parts = {"training": self.parts.training, "validation": self.parts.validation, "test": self.test}
        return {name: 0 if part is None else part.n_rows for name, part in parts.items()}


def make_job(
    data: Any,
    *,
    target: str | Sequence[str] | None,
    task: str | None,
    test_fraction: float,
    roles: Mapping[str, str] | None,
    rows: Mapping[str, str | None],
    options: ReadOptions | None,
    metrics: str | Sequence[str | Mapping[str, Any]],
    own: Mapping[str, Any],
    recipe_fingerprint: str = "",
) -> Job:
    """The job of what was asked for; what depends on the rows is not known yet.

    Args:
        data: As for `train`.
        target: As for `train`.
        task: As for `train`.
        test_fraction: As for `train`; with test rows of one's own there is none.
        roles: As for `train`.
        rows: The names of the columns with weights, groups and times.
        options: As for `train`.
        metrics: As for `train`.
        own: `validation` and `test` rows of one's own, or None.
        recipe_fingerprint: A checksum of the recipe or recipes.

    Raises:
        UsageError: The task, the share of the test rows or a score is not allowed.
    """
    if not isinstance(test_fraction, int | float) or not 0 <= test_fraction < 1:
        raise UsageError(f"test_fraction: {test_fraction} is not allowed: at least 0 and below 1")
    check_task(task)
    from_file = isinstance(data, str | Path) and str(data) != STANDARD_INPUT
    return Job(
        data=absolute(data) if from_file else STANDARD_INPUT if isinstance(data, str | Path) else "",
        target=None if target is None else target_names(target),
        task=task,
        test_fraction=0 if own.get("test") is not None else test_fraction,
        from_file=from_file,
        fingerprint="",
        recipe_fingerprint=recipe_fingerprint,
        roles=dict(roles or {}),
        rows=dict(rows),
        options={} if options is None else asdict(options),
        files={k: absolute(v) if isinstance(v, str | Path) else "" for k, v in own.items() if v is not None},
        metrics=tuple(each.to_plain() for each in choose_metrics([metrics] if isinstance(metrics, str) else metrics)),
    )


def check_task(task: str | None) -> None:
    """Raises a UsageError for an unknown task."""
    if task not in (None, *TASKS):
        raise UsageError(f"task: unknown name '{task}': {did_you_mean(str(task), TASKS)}")


def read_examples(data: Any, job: Job, start: Model | None = None) -> Examples:
    """The job's data; a model to start from says which columns are texts."""
    target = job.target if job.target is None or len(job.target) > 1 else job.target[0]
    as_text = {column for column, role in job.roles.items() if role == "category"}
    options = job.read_options
    if start is not None:
        as_text |= start.schema.text_columns
        if start.schema.image is not None and options.image is None and are_pictures(data):
            options = replace(options, image="x".join(map(str, start.schema.image)))
    return read(
        data,
        target=target,
        rows=job.row_columns,
        options=options,
        text_columns=frozenset(as_text),
        like=None if start is None else start.schema.found,
    )


def divide(
    recipe: Recipe,
    job: Job,
    examples: Examples,
    start: Model | None,
    validation_data: Any = None,
    test_data: Any = None,
) -> Divided:
    """Test rows first, then validation rows of what is left; then what the columns are, from the training rows alone.

    Raises:
        DataError: The rows cannot be used, or the data are not those of the model to start from.
    """
    n_all, without_target = examples.n_rows, examples.n_without_target
    examples = rows_that_count(examples)
    schema = infer_schema(examples, job.task) if start is None else start.schema  # type: ignore[arg-type]
    if start is not None:
        examples = _for_model(examples, start.schema)
    test, stratify = None, schema.classes is not None
    rest = examples
    if test_data is None and job.test_fraction > 0:
        chance = generator(recipe.random_state, "test")
        kept, away = split_rows(examples, job.test_fraction, chance, stratify=stratify)
        rest, test = examples.take(kept), examples.take(away)
    parts = Parts(rest) if validation_data is not None else split_validation(recipe, rest, stratify=stratify)
    if start is None:
        schema = typed(schema, job, examples, parts.training, n_all + without_target)
    if validation_data is not None:
        parts = Parts(rest, _own_rows(validation_data, schema, job, "validation"))
    if test_data is not None:
        test = _own_rows(test_data, schema, job, "test")
    own_validation = parts.validation if validation_data is not None else None
    everything = tuple(part for part in (rest, own_validation, test) if part is not None)
    held = {name: part for name, part in (("validation", parts.validation), ("test", test)) if part is not None}
    training = parts.training
    facts = {
        "source": examples.source,
        "read": examples.inputs.said,
        "rows_without_target": without_target,
        "rows_of_weight_0": n_all - examples.n_rows,
        "shared_groups": {
            name: len(np.intersect1d(part.groups, training.groups))
            for name, part in held.items()
            if part.groups is not None and training.groups is not None
        },
        "repeated": {
            name: count_repeated(part.pick(schema.columns), training.pick(schema.columns))
            for name, part in held.items()
        },
    }
    return Divided(schema, parts, test, facts, everything if recipe.training.refit else ())


def typed(schema: Schema, job: Job, examples: Examples, training: Examples, n_rows: int) -> Schema:
    """The schema with the roles of the columns, found on the training rows.

    Args:
        schema: Targets, task and classes.
        job: What the user said of the columns.
        examples: All rows that are used: what is in them must fit the roles.
        training: Those that are trained on.
        n_rows: How many the source has.
    """
    said = {name: role for name, role in job.roles.items() if role not in ("weight", "group", "time")}
    if examples.inputs.image is not None and not set(said) <= set(examples.columns):
        raise UsageError(
            f"{examples.source}: the inputs are images, which have no columns to give roles: leave --role out"
        )
    given = check_roles(said, examples.columns, examples.source)
    roles = infer_roles(training.inputs, given, n_rows)
    schema = replace(with_training(schema, roles, training), found=found_in(examples.inputs, job.read_options))
    check_columns(examples.inputs, schema.inputs)
    return schema


def joined(parts: tuple[Examples, ...], columns: tuple[str, ...]) -> Examples:
    """Examples one after the other, with these columns only."""
    first = parts[0]
    targets = np.concatenate([part.targets for part in parts if part.targets is not None])
    weights = [np.ones(part.n_rows) if part.weight is None else part.weight for part in parts]
    weight = None if all(part.weight is None for part in parts) else np.concatenate(weights)
    table = joined_tables([part.inputs.pick(columns) for part in parts])
    return Examples(table, targets, first.target_names, first.source, weight)


def recorded(directory: RunDirectory, otherwise: str) -> tuple[Job, Recipe]:
    """What a run wrote down of its data, and its recipe.

    Args:
        directory: The run's.
        otherwise: What to do where nothing is written there of the data.

    Raises:
        RunError: There is no record, or the recipe was changed.
    """
    name = directory.name
    try:
        job = Job.from_plain(directory.status()["job"])
    except (KeyError, TypeError):
        raise RunError(f"run '{name}' has no record of its data: {otherwise}") from None
    recipe = Recipe.from_toml(directory.read_recipe())
    if checksum(recipe.to_toml()) != job.recipe_fingerprint:
        raise RunError(
            f"run '{name}': recipe.toml was changed since the run began: put it back, or start a new run with --recipe"
        )
    return job, recipe


def read_again(
    name: str, job: Job, recipe: Recipe, data: Any, own: Mapping[str, Any], needs: str
) -> tuple[Divided, Model | None]:
    """The data of a run in its parts, and the model that it started from; they have to be those that it began with.

    Args:
        name: The run's.
        job: What it wrote down.
        recipe: Its choices.
        data: In place of the job's own, or None.
        own: `validation` and `test` rows of one's own, in place of the job's files, or None.
        needs: What is to be said to other rows.

    Raises:
        RunError: The model that it started from is another one now.
        DataError: They are other rows.
    """
    start = None if job.from_run is None else Model.load(job.from_run)
    if start is not None and start.fingerprint() != job.start_fingerprint:
        raise RunError(f"'{job.from_run}' is not the model any more from which run '{name}' started")
    examples = read_examples(job.data if data is None else data, job, start)
    if fingerprint(examples) != job.fingerprint:
        raise DataError(f"{examples.source}: not the data with which run '{name}' began: {needs}")
    divided = divide(recipe, job, examples, start, own["validation"], own["test"])
    for part, found in own_fingerprints(job, divided).items():
        if found != job.fingerprints.get(part):
            raise DataError(f"not the {part} rows with which run '{name}' began")
    return divided, start


def _own_rows(data: Any, schema: Schema, job: Job, part: str) -> Examples:
    examples = read_inputs(data, schema, options=options_for(data, job.read_options), rows=job.row_columns)
    if examples.targets is None:
        raise DataError(f"{examples.source}: {part} rows need the target {', '.join(schema.target_names)}")
    check_columns(examples.inputs, schema.inputs)
    return rows_that_count(examples)


def _for_model(examples: Examples, schema: Schema) -> Examples:
    """The examples with the columns of a model to start from.

    Raises:
        RunError: The data have other columns or other targets than the model.
    """
    _check_images(examples.inputs, schema)
    known = {role.name for role in schema.roles}
    missing = [column for column in schema.columns if column not in examples.columns]
    extra = [column for column in examples.columns if column not in known]
    if missing or extra:
        said = [f"lack {listed(missing)}"] if missing else []
        said += [f"have {listed(extra)} more"] if extra else []
        raise RunError(f"{examples.source}: not the model's columns: the data {' and '.join(said)}")
    if len(examples.target_names) != len(schema.target_names):
        raise RunError(f"{examples.source}: the model is for {schema.task} of {', '.join(schema.target_names)}")
    if schema.classes is None:
        infer_schema(examples, "regression")  # refuses what is no number
    return examples.pick(schema.columns)


def _check_images(inputs: Table, schema: Schema) -> None:
    """Raises a UsageError where one of data and model has images, and the other none, or those of another size."""
    source, image = inputs.place.source, schema.image
    if inputs.image is not None and image is None:
        raise UsageError(f"{source} holds images, and the model to start from reads the columns of a table")
    if inputs.image is not None and image is not None and inputs.image != image:
        raise UsageError(
            f"{source}: images of {words_for(inputs.image)}; the model to start from was trained on "
            f"{words_for(image)}: say --image {'x'.join(map(str, image))}, or leave it out"
        )
    check_pixels(inputs, image, schema.columns)


def absolute(data: str | Path) -> str:
    """A file's path as it will be found again from another folder, however it was typed; an embedded set's name."""
    return str(data) if data in EMBEDDED else str(Path(data).expanduser().resolve())


def checksum(text: str) -> str:
    """A checksum of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(examples: Examples) -> str:
    """A checksum of columns, inputs and targets, by which a resumed run knows its data."""
    digest = hashlib.sha256(repr((examples.columns, examples.target_names, examples.n_rows)).encode())
    table = examples.inputs
    if table.matrix is not None and table.rows is None:
        for start in range(0, table.n_rows, FINGERPRINT_ROWS):  # a sparse matrix becomes no dense one
            digest.update(np.ascontiguousarray(table.matrix[start : start + FINGERPRINT_ROWS]).data)
    else:
        for column in table:
            digest.update(repr((column.kind, str(column.values.dtype), column.levels)).encode("utf-8", "replace"))
            digest.update(np.ascontiguousarray(column.values).tobytes())
    for values in (examples.targets, examples.weight, examples.groups, examples.times):
        if values is not None:
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def own_fingerprints(job: Job, divided: Divided) -> dict[str, str]:
    """Checksums of the validation and test rows that the user gave."""
    parts = {"validation": divided.parts.validation, "test": divided.test}
    return {name: fingerprint(part) for name, part in parts.items() if name in job.files and part is not None}
