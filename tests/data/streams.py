"""Streams for tests: bytes that arrive in pieces, and what comes out of them as plain values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entrena.data import ReadOptions, RowStream, found_in, infer_roles, infer_schema
from entrena.errors import EntrenaError


class Pieces:
    """An open file that gives its bytes in pieces of these sizes, over and over."""

    name = "t.csv"

    def __init__(self, content, sizes=(2**20,)):
        self.content = content if isinstance(content, bytes) else content.encode()
        self.sizes = sizes
        self.n_reads = 0

    def read1(self, size):
        n = min(size, self.sizes[self.n_reads % len(self.sizes)])
        self.n_reads += 1
        piece, self.content = self.content[:n], self.content[n:]
        return piece

    read = read1


def opened(content, sizes=(2**20,), target="y", **more):
    """A stream of this content."""
    return RowStream.open(Pieces(content, sizes), target=target, **more)


def schema_of(examples, task=None, **roles):
    """The schema that these rows ask for, with the roles that are given."""
    given = {name: role for name, role in roles.items() if role is not None}
    found = infer_roles(examples.inputs, given, examples.n_rows)
    return replace(infer_schema(examples, task), roles=found, found=found_in(examples.inputs, ReadOptions()))


def values(column):
    """A column's values as Python has them, None where one is missing, whole numbers and floats alike."""
    if column.kind == "text":
        return [column.levels[code] if code >= 0 else None for code in column.values]
    return [None if gap else value for value, gap in zip(column.values.tolist(), column.missing(), strict=True)]


def joined(blocks):
    """Blocks one below the other: the inputs' values by name, the targets, and the sizes of the blocks."""
    inputs, targets, sizes = {}, [], []
    for block in blocks:
        for column in block.inputs:
            inputs.setdefault(column.name, []).extend(values(column))
        targets.extend(block.targets.tolist())
        sizes.append(block.n_rows)
    return inputs, targets, sizes


def refusal(stream, schema=None, n_ahead=2, **more):
    """The message that a stream ends in."""
    with pytest.raises(EntrenaError) as caught:
        first = stream.ahead(n_ahead)
        for _ in stream.blocks(schema or schema_of(first, **more)):
            pass
    return str(caught.value)
