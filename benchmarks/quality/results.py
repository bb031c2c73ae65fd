"""A line of JSON for each measurement; the last line of a set, seed, learner and candidate is the one that counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Key = tuple[str, int, str, str]


@dataclass(frozen=True)
class Job:
    """One fit and its scores.

    Attributes:
        set: The set's name.
        seed: Seed of the split and of the learner.
        learner: The learner's name.
        candidate: The name of its parameters; empty for the defaults.
        parameters: What is chosen in place of the defaults.
    """

    set: str
    seed: int
    learner: str
    candidate: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.set, self.seed, self.learner, self.candidate

    def __str__(self) -> str:
        return f"{self.candidate or self.learner} on {self.set}, seed {self.seed}"


class Results:
    """The measurements in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[Key, Row] = {key_of(row): row for row in read(path)}

    def has(self, job: Job, version: str | None) -> bool:
        """Whether a job was measured, with this version (None: with any)."""
        row = self.rows.get(job.key)
        return row is not None and version in (None, row["version"])

    def add(self, row: Row) -> None:
        """Writes a row to the end of the file."""
        self.rows[key_of(row)] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read(path: Path) -> Iterator[Row]:
    """The rows of a file; a last line that was cut off by a kill is left out."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def key_of(row: Row) -> Key:
    return row["set"], row["seed"], row["learner"], row.get("candidate", "")
