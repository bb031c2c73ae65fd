"""A stream of rows: data of any length, of which only the next block is held."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

from entrena.data.arrivals import Arrivals, open_bytes
from entrena.data.dialect import Dialect, ReadOptions, Request
from entrena.data.embedded import EMBEDDED
from entrena.data.examples import Examples
from entrena.data.files import JSON_LINES, STANDARD_INPUT, format_of, streamed_format
from entrena.data.json_blocks import JsonRows
from entrena.data.row_blocks import RowBlocks
from entrena.data.schema import Schema
from entrena.data.settled import SettledColumn
from entrena.data.sources import (
    FOUND,
    NO_ROW_COLUMNS,
    RowColumns,
    arriving_examples,
    check_needed,
    check_rows,
    check_targets,
    embedded_examples,
    known_targets,
    target_names,
    training_examples,
    with_marks,
    with_rows,
)
from entrena.data.table import Column, Kind, Table
from entrena.data.text_blocks import TextRows
from entrena.data.texts import Meanings
from entrena.errors import DataError, UsageError

MOST_ROWS = 4096


@dataclass(frozen=True)
class _Asked:
    """What the user said of a stream: the arguments of `open`."""

    targets: tuple[str, ...]
    rows: RowColumns
    options: ReadOptions
    text_columns: frozenset[str]
    like: ReadOptions | None

    @property
    def for_training(self) -> Request:
        """What is asked of a reader before there is a schema."""
        return Request(with_marks(self.options, self.like), self.text_columns, self.like, self.targets)

    def for_model(self, schema: Schema) -> Request:
        """What is asked of a reader that knows the schema."""
        like = schema.found or self.like
        options = with_marks(with_marks(self.options, schema.found), self.like)
        return Request(options, self.text_columns | schema.text_columns, like, known_targets(schema))


class RowStream:
    """Rows of a text file or the standard input as they arrive, block by block.

    How the source is written is found from its first rows: those of `ahead`, or those that are there when the first
    block is asked for. It holds from then on, and so does what a column holds: what does not fit is refused, with the
    number of its row as the user counts them. Blank rows are no rows.

    Memory holds the rows that were looked at ahead, until they are given as blocks, and then one block.

    Attributes:
        source: What messages call the source.
        n_rows: How many rows were taken so far, with those that were passed over or left out.
        n_without_target: How many of them were left out because their target is missing.

    >>> stream = RowStream.open("drifting_stream", target="side")
    >>> stream.ahead(100).n_rows
    100
    """

    def __init__(self, source: str, asked: _Asked) -> None:
        self.source = source
        self.n_rows = 0
        self.n_without_target = 0
        self._asked = asked
        self._embedded: Examples | None = None
        self._file: BinaryIO | None = None
        self._is_own = False
        self._expected: str | None = None
        self._rows: RowBlocks | None = None
        self._n_ahead: int | None = None
        self._has_begun = False

    @classmethod
    def open(
        cls,
        source: str | Path | BinaryIO,
        *,
        target: str | Sequence[str],
        rows: RowColumns = NO_ROW_COLUMNS,
        options: ReadOptions = FOUND,
        text_columns: frozenset[str] = frozenset(),
        like: ReadOptions | None = None,
    ) -> Self:
        """Opens a stream; nothing is read yet.

        Args:
            source: The path of a file of separated values or JSON lines, `-` for the standard input, an open file of
                bytes, or the name of an embedded data set.
            target: The column to predict, or several.
            rows: The columns with weights, groups and times.
            options: How the text is written, where that is not to be found from it.
            text_columns: Columns whose values are texts as they are written.
            like: How an earlier file was written: it decides where the first rows leave open how they are to be read.

        Raises:
            UsageError: There is no such file, or nothing is piped in.
        """
        asked = _Asked(target_names(target), rows, options, text_columns, like)
        if isinstance(source, str) and source in EMBEDDED:
            stream = cls(source, asked)
            stream._embedded = embedded_examples(source, asked.targets)
            return stream
        file, name = open_bytes(source, tuple(EMBEDDED))
        stream = cls(name, asked)
        stream._file = file
        if isinstance(source, str | Path):
            stream._is_own = str(source) != STANDARD_INPUT
            stream._expected = format_of(Path(source))
        return stream

    def ahead(self, n_rows: int, *, stop: Callable[[], bool] | None = None) -> Examples:
        """Waits for the first rows; they stay in the stream, and `blocks` gives them again.

        Args:
            n_rows: How many; fewer where the source ends before.
            stop: Asked several times a second while nothing comes; where it says so, what is there is given back.

        Returns:
            The rows as `read` gives those of a file.

        Raises:
            UsageError: There is no such column, or an option means nothing here.
            DataError: The rows cannot be used as they are, or the format cannot be read row by row.
        """
        if self._has_begun:
            raise RuntimeError("ahead: the rows of the stream are being given already")
        if n_rows < 1:
            raise UsageError(f"n_rows: {n_rows} is not allowed: at least 1")
        self._n_ahead = n_rows
        if self._embedded is not None:
            return with_rows(_part(self._embedded, 0, n_rows), self._asked.rows)
        table = self._opened(stop).look(n_rows, self._asked.for_training, stop)
        check_rows(table)
        return training_examples(table, self._asked.targets, self._asked.rows)

    def blocks(
        self,
        schema: Schema,
        *,
        skip: int = 0,
        most_rows: int = MOST_ROWS,
        stop: Callable[[], bool] | None = None,
    ) -> Iterator[Examples]:
        """All rows, in order, each block as soon as it is there: a slow pipe gives single rows, a file whole blocks.

        Where blocks are cut changes no value. Rows whose target is missing are left out and counted.

        Args:
            schema: The model's: its input columns are picked by name, and its roles say what they hold.
            skip: How many rows are passed over: those that were read before, where a stream goes on. How the source is
                written is found from the same rows as then if `ahead` looks as far.
            most_rows: The rows of a block at most.
            stop: Asked several times a second while nothing comes; where it says so, there are no further blocks.

        Yields:
            Blocks with at least one row.

        Raises:
            UsageError: A column is not there.
            DataError: A row cannot be used as it is; the message names it.
        """
        if self._has_begun:
            raise RuntimeError("blocks: the rows of a stream are given once")
        self._has_begun = True
        if len(self._asked.targets) == len(schema.target_names):
            schema = replace(schema, target_names=self._asked.targets)
        parts = self._parts_of_set if self._embedded is not None else self._parts_of_text
        try:
            for examples in parts(schema, skip, most_rows, stop):
                self.n_rows += examples.n_rows + examples.n_without_target
                self.n_without_target += examples.n_without_target
                if examples.n_rows:
                    yield examples
        finally:
            self.close()

    def close(self) -> None:
        """Closes the file, unless somebody else opened it."""
        if self._file is not None and self._is_own:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, stop: Callable[[], bool] | None) -> RowBlocks:
        """The rows of the source, once its first bytes show their format."""
        if self._rows is None:
            assert self._file is not None
            arrivals = Arrivals(self._file, self.source, self._asked.options.encoding)
            raw, start = arrivals.start(stop)
            kind = streamed_format(raw, self._expected, self.source, self._asked.options)
            self._rows = (JsonRows if kind == JSON_LINES else TextRows)(arrivals, start)
        return self._rows

    def _parts_of_set(self, schema: Schema, skip: int, most_rows: int, stop: object) -> Iterator[Examples]:
        assert self._embedded is not None
        check_needed(schema.columns, self._embedded.columns, self.source)
        self._pass_over(min(skip, self._embedded.n_rows), skip)
        for start in range(skip, self._embedded.n_rows, most_rows):
            part = _part(self._embedded, start, start + most_rows)
            yield with_rows(part, self._asked.rows, is_part=True).pick(schema.columns)

    def _parts_of_text(
        self, schema: Schema, skip: int, most_rows: int, stop: Callable[[], bool] | None
    ) -> Iterator[Examples]:
        rows, asked = self._opened(stop), self._asked
        request = asked.for_model(schema)

        def settle(table: Table, meanings: Meanings, dialect: Dialect) -> tuple[SettledColumn, ...]:
            check_rows(table)
            check_targets(table, schema.target_names)
            check_needed(schema.columns, table.names, self.source)
            return settled_columns(table, schema, asked.rows, meanings, dialect, request)

        first = rows.begin(self._n_ahead, request, settle, stop)
        n_first = first.n_rows
        self.n_rows = min(skip, n_first)
        for start in range(skip, n_first, most_rows):
            block = first.block(start, min(start + most_rows, n_first))
            yield from _up_to_error(partial(block.block, 0), block.n_rows, schema, asked.rows)
        del first
        if skip > n_first:
            n_skipped = n_first + rows.skip(skip - n_first, stop)
            self._pass_over(n_skipped, n_skipped if stop is not None and stop() else skip)
        while (records := rows.next(most_rows, stop)) is not None:
            yield from _up_to_error(partial(rows.table, records), records.n_rows, schema, asked.rows)

    def _pass_over(self, n_there: int, n_read: int) -> None:
        self.n_rows = n_there
        if n_there < n_read:
            raise DataError(
                f"{self.source} has {n_there:,} rows, and {n_read:,} were read before: is it the same source?"
            )


def _up_to_error(
    first_rows: Callable[[int], Table], n_rows: int, schema: Schema, rows: RowColumns
) -> Iterator[Examples]:
    """The rows of a block before the first that cannot be used, then the error about it: wherever blocks are cut.

    Args:
        first_rows: Gives so many of the block's first rows.
        n_rows: How many it has.
        schema: The model's.
        rows: The columns with weights, groups and times.
    """

    def fails(n: int) -> bool:
        try:
            arriving_examples(first_rows(n), schema, rows)
        except DataError:
            return True
        return False

    try:
        examples = arriving_examples(first_rows(n_rows), schema, rows)
    except DataError:
        n_good = bisect_left(range(1, n_rows), True, key=fails)
        if n_good:
            yield arriving_examples(first_rows(n_good), schema, rows)
        arriving_examples(first_rows(n_good + 1), schema, rows)
        raise
    yield examples


def _part(examples: Examples, start: int, stop: int) -> Examples:
    """Some rows of examples that have no weights, groups and times."""
    targets = None if examples.targets is None else examples.targets[start:stop]
    return replace(examples, inputs=examples.inputs.block(start, stop), targets=targets)


def settled_columns(
    table: Table, schema: Schema, rows: RowColumns, meanings: Meanings, dialect: Dialect, request: Request
) -> tuple[SettledColumn, ...]:
    """What the columns that are read mean in all further rows.

    Args:
        table: The first rows.
        schema: The model's.
        rows: The columns with weights, groups and times.
        meanings: What the columns of the first rows turned out to be.
        dialect: How they are written.
        request: What is asked of the reader.
    """
    roles = {role.name: role.role for role in schema.inputs}
    own = {rows.weight: "number", rows.group: "group", rows.time: "time"}
    columns = []
    for column in table.columns:
        name = column.name
        if name in schema.target_names:
            columns.append(_settled_target(column, schema, meanings, dialect, request))
        elif name in own or name in roles:
            role = own.get(name) or roles[name]
            kind = _kind(column, roles.get(name, role))
            settled = SettledColumn(name, kind, dialect, may_be_text=role in ("boolean", "group"))
            columns.append(settled.like(column, meanings))
    return tuple(columns)


def _settled_target(
    column: Column, schema: Schema, meanings: Meanings, dialect: Dialect, request: Request
) -> SettledColumn:
    name = column.name
    if name in schema.text_columns:
        known = request.known_classes(name) if request.may_be_class(name) else None
        return SettledColumn(name, "text", dialect, known=known, is_target=True)
    kind = column.kind if schema.classes is not None and not column.missing().all() else "number"
    return SettledColumn(name, kind, dialect, classes=schema.classes or (), is_target=True).like(column, meanings)


def _kind(column: Column, role: str) -> Kind:
    """What a column holds by its role and its first values."""
    is_empty = bool(column.missing().all())
    if role == "category":
        return "text"
    if role == "date" and (is_empty or column.kind == "date"):
        return "date"
    if role == "number" and (is_empty or column.kind == "text"):
        return "number"
    return column.kind
