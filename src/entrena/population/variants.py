"""Variants of a recipe: all combinations of the values that some keys may take."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entrena.errors import UsageError
from entrena.recipe import Recipe, parse_assignments

MOST_VARIANTS = 1000


@dataclass(frozen=True)
class Variant:
    """A recipe, and what is its own.

    Attributes:
        name: What is its own, in a few words: `activation=elu, schedule=constant`.
        values: The same by key.
        recipe: All choices.
    """

    name: str
    values: Mapping[str, Any]
    recipe: Recipe


def make_variants(base: Recipe, vary: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """Every combination of the values, the last key varying fastest; without keys the recipe itself.

    Raises:
        UsageError: A key has no values, or there are too many combinations.
        RecipeError: A value is not allowed.
    """
    for key, values in vary.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or len(values) == 0:
            raise UsageError(f"vary: '{key}' needs a list of values, such as [0.01, 0.03], not {values!r}")
    n = 1
    for values in vary.values():
        n *= len(values)
    if n > MOST_VARIANTS:
        raise UsageError(f"vary: {n:,} combinations; at most {MOST_VARIANTS:,}")
    variants = []
    for combination in itertools.product(*vary.values()):
        own = dict(zip(vary, combination, strict=True))
        name = ", ".join(f"{key}={_said(value)}" for key, value in own.items()) or "recipe"
        variants.append(Variant(name, own, base.change(own)))
    named = [variant.name for variant in variants]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"vary: {twice} stands there twice")
    return variants


def parse_vary(texts: Sequence[str]) -> dict[str, list[Any]]:
    """The values of `--vary key=a,b` options; a list is one value: `hidden=[64],[64,64]`.

    >>> parse_vary(["activation=selu,elu", "hidden=[64],[64, 32]"])
    {'activation': ['selu', 'elu'], 'hidden': [[64], [64, 32]]}

    Raises:
        UsageError: A text is no assignment, or a key stands there twice.
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals or not key.strip() or not values.strip():
            raise UsageError(f"--vary {text}: write a key and its values, as in --vary activation=relu,elu")
        if key.strip() in found:
            raise UsageError(f"--vary: '{key.strip()}' stands there twice: give all its values at once")
        found[key.strip()] = [parse_assignments([f"value={part}"])["value"] for part in _parts(values)]
    return found


def _parts(text: str) -> list[str]:
    """The parts between commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "[{(") - (sign in ")}]")
        if sign == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        settings = ", ".join(f"{name}={_said(own)}" for name, own in value.items() if name != "name")
        return f"{value.get('name', '')}({settings})"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_said, value)) + "]"
    return "none" if value is None else str(value)
