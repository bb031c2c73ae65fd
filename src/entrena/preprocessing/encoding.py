"""What becomes of each column: the plan that the training rows give, and its way into a model file and back.

A model file has no place for 100,000 texts of any content beside its arrays, so names and levels are stored as UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from entrena.data.roles import INPUT_ROLES, Role
from entrena.preprocessing.categories import RARE, Levels
from entrena.preprocessing.dates import PARTS

FORMS = ("", "one_hot", "embedding", "frequency", "target")

# Levels that are told of a column.
FIRST_LEVELS = 20

_NO_LEVELS = Levels(())
_NO_VALUES = np.zeros((0, 0))


@dataclass(frozen=True, eq=False)
class Encoding:
    """What becomes of one column.

    Attributes:
        name: The column.
        role: What it is.
        missing: The share of the training rows' weight whose value is missing.
        parts: What numbers the network gets of it: an empty text for the value itself, names of a date's parts, what
            the numbers of a category's levels are; none where they do not vary in the training rows.
        indicator: Whether the network is told where a value is missing.
        form: `one_hot`, `embedding`, `frequency` or `target` for a category, else empty; empty as well where it has
            one level only, or the numbers of its levels do not vary.
        levels: A category's levels.
        values: [levels + 1, parts] of a category with parts, what stands for each level's number; else empty.
    """

    name: str
    role: Role
    missing: float
    parts: tuple[str, ...] = ()
    indicator: bool = False
    form: str = ""
    levels: Levels = _NO_LEVELS
    values: np.ndarray = field(default_factory=lambda: _NO_VALUES)

    @property
    def n_one_hot(self) -> int:
        """How many 0/1 inputs stand for the levels."""
        if self.form != "one_hot":
            return 0
        return 1 if self.levels.n == 2 else self.levels.n

    @property
    def is_left_out(self) -> bool:
        """Whether the network gets nothing of it."""
        return not (self.parts or self.indicator or self.form)

    def number_names(self) -> list[str]:
        """The names of its numbers: `age`, or `sold (year)`, `sold (month sin)`, …, or `town (share)`."""
        return [f"{self.name} ({part})" if part else self.name for part in self.parts]

    def gap_name(self) -> str:
        """The name of the input that tells its gaps: `age (missing)`."""
        return f"{self.name} (missing)"

    def one_hot_names(self) -> list[str]:
        """The names of its one-hot inputs: `job=clerk`, …; of two levels the second's."""
        names = [f"{self.name}={text}" for text in self.levels.texts]
        names += [self.gap_name()] if self.levels.has_missing else []
        names += [f"{self.name}={RARE}"] if self.levels.n_rare else []
        return names[1:] if len(names) == 2 else names

    def feature_names(self) -> list[str]:
        """What the network gets of it."""
        names = self.number_names() + ([self.gap_name()] if self.indicator else [])
        names += self.one_hot_names() if self.form == "one_hot" else []
        return names + ([self.name] if self.form == "embedding" else [])

    def said(self) -> str:
        """What a user should know of it, in a few words; empty where nothing is unusual."""
        if self.missing == 1:
            return "no value in the training rows: left out"
        if self.is_left_out and self.levels.n > 1:
            return "the same number for all levels: left out"
        if self.is_left_out and self.levels.n_rare:
            return f"all {self.levels.n_rare:,} levels are rare: left out"
        if self.is_left_out:
            return "the same value in all training rows: left out"
        if self.levels.n_rare:
            return f"{self.levels.n_rare:,} rare level{'s are' if self.levels.n_rare > 1 else ' is'} {RARE}"
        if self.levels.n_others:
            return f"{self.levels.n_others:,} rare levels count as unseen: at most {self.levels.n:,} are told apart"
        return ""

    def describe(self, numbers: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """The plan as plain values.

        Args:
            numbers: What is known of each of `parts`: median, mean, deviation.
        """
        plain: dict[str, Any] = {
            "name": self.name,
            "role": self.role,
            "features": self.feature_names(),
            "missing": self.missing,
            "constant": self.is_left_out,
            "said": self.said(),
        }
        if self.role == "category":
            n = self.levels.n
            first = [*self.levels.texts[:FIRST_LEVELS]]
            own: dict[str, Any] = {
                "form": self.form or None,
                "n_levels": n,
                "n_rare": self.levels.n_rare,
                "levels": first,
            }
            if self.parts:
                pairs = zip(self.number_names(), self.values[1:].T, strict=True)
                own["numbers"] = {name: dict(zip(first, each.tolist(), strict=False)) for name, each in pairs}
            return plain | own
        return plain | {"numbers": dict(zip(self.number_names(), map(dict, numbers), strict=True))}


def pack(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Texts as [bytes] uint8 and [texts] the place after the last byte of each; `unpack` gives them back."""
    coded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(code) for code in coded], dtype=np.int64)
    return np.frombuffer(b"".join(coded), np.uint8), ends


def unpack(data: np.ndarray, ends: np.ndarray) -> tuple[str, ...]:
    """The texts that `pack` wrote.

    Raises:
        ValueError: The arrays do not fit together.
    """
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    if len(ends) and (ends[-1] != len(data) or (ends < starts).any()):
        raise ValueError("names or levels are not complete")
    all_bytes = data.tobytes()
    return tuple(
        all_bytes[start:end].decode("utf-8", "surrogatepass")
        for start, end in zip(starts[: len(ends)].tolist(), ends.tolist(), strict=True)
    )


def encodings_to_arrays(encodings: Sequence[Encoding]) -> dict[str, np.ndarray]:
    """The plans of all columns as arrays; `encodings_from_arrays` gives them back."""
    names, name_ends = pack([encoding.name for encoding in encodings])
    levels, level_ends = pack([text for encoding in encodings for text in encoding.levels.texts])
    numbers, number_ends = pack([part for encoding in encodings for part in _own_parts(encoding)])
    return {
        "names": names,
        "name_ends": name_ends,
        "roles": np.array([INPUT_ROLES.index(encoding.role) for encoding in encodings], np.uint8),
        "missing": np.array([encoding.missing for encoding in encodings]),
        "parts": np.array([_part_bits(encoding) for encoding in encodings], np.uint32),
        "indicators": np.array([encoding.indicator for encoding in encodings], bool),
        "forms": np.array([FORMS.index(encoding.form) for encoding in encodings], np.uint8),
        "n_texts": np.array([len(encoding.levels.texts) for encoding in encodings], np.int64),
        "missing_is_level": np.array([encoding.levels.has_missing for encoding in encodings], bool),
        "n_others": np.array([encoding.levels.n_others for encoding in encodings], np.int64),
        "n_rare": np.array([encoding.levels.n_rare for encoding in encodings], np.int64),
        "levels": levels,
        "level_ends": level_ends,
        "numbers": numbers,
        "number_ends": number_ends,
        "values": np.concatenate([np.zeros(0), *(encoding.values.ravel() for encoding in encodings)]),
    }


def encodings_from_arrays(arrays: Mapping[str, np.ndarray]) -> tuple[Encoding, ...]:
    """The plans that `encodings_to_arrays` wrote.

    Raises:
        KeyError, ValueError, IndexError: The arrays are damaged.
    """
    texts = iter(unpack(arrays["levels"], arrays["level_ends"]))
    numbers = iter(unpack(arrays["numbers"], arrays["number_ends"]))
    per_column = "roles missing parts indicators forms n_texts missing_is_level n_others n_rare".split()
    rows = zip(unpack(arrays["names"], arrays["name_ends"]), *(arrays[key].tolist() for key in per_column), strict=True)
    encodings, at = [], 0
    for name, role, missing, bits, indicator, form, n_texts, is_level, n_others, n_rare in rows:
        levels = Levels(tuple(_next(texts, n_texts)), is_level, n_others, n_rare)
        own = INPUT_ROLES[role]
        parts = tuple(_next(numbers, bits)) if own == "category" else tuple(_parts_of(bits, own))
        values = _NO_VALUES
        if own == "category" and parts:
            n_values = (levels.n + 1) * len(parts)
            values = arrays["values"][at : at + n_values].reshape(levels.n + 1, len(parts))
            at += n_values
        encodings.append(Encoding(name, own, missing, parts, indicator, FORMS[form], levels, values))
    if at != len(arrays["values"]):
        raise ValueError("the numbers of levels are not complete")
    return tuple(encodings)


def _next(texts: Iterator[str], n: int) -> Iterator[str]:
    for _ in range(n):
        text = next(texts, None)
        if text is None:
            raise ValueError("levels are not complete")
        yield text


def _own_parts(encoding: Encoding) -> tuple[str, ...]:
    """The parts whose names are the column's own."""
    return encoding.parts if encoding.role == "category" else ()


def _part_bits(encoding: Encoding) -> int:
    """A bit for each part of a date; 1 for a number itself; of a category how many there are."""
    if encoding.role == "category":
        return len(encoding.parts)
    return sum(1 << PARTS.index(part) if part else 1 for part in encoding.parts)


def _parts_of(bits: int, role: Role) -> list[str]:
    if role != "date":
        return [""] if bits else []
    return [part for number, part in enumerate(PARTS) if bits >> number & 1]
