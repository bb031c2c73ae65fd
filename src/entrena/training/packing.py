"""The arrays of a tree as one vector: a call of a program costs some microseconds more for each array that it has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np


@dataclass(frozen=True)
class Packing:
    """Where each array of a tree lies.

    Attributes:
        tree: The tree's structure.
        shapes: Of its leaves.
        packed: Which of them are parts of the vector.
    """

    tree: Any
    shapes: tuple[tuple[int, ...], ...]
    packed: tuple[bool, ...]

    @classmethod
    def of(cls, tree: Any, dtype: str | None) -> Packing:
        """The packing of trees like this one.

        Args:
            tree: Of arrays.
            dtype: The type of the arrays that become one vector; None: all stay as they are.
        """
        leaves, structure = jax.tree.flatten(tree)
        return cls(structure, tuple(leaf.shape for leaf in leaves), tuple(leaf.dtype == dtype for leaf in leaves))

    def pack(self, tree: Any, numpy: Any = np) -> tuple[Any, ...]:
        """The tree's arrays, not a bit of them changed: the vector first, if there is one, then the others as they are.

        Args:
            tree: The tree.
            numpy: NumPy or, inside a program, `jax.numpy`.
        """
        leaves = jax.tree.leaves(tree)
        parts = [leaf.reshape(-1) for leaf, inside in zip(leaves, self.packed, strict=True) if inside]
        others = [leaf for leaf, inside in zip(leaves, self.packed, strict=True) if not inside]
        return (numpy.concatenate(parts), *others) if parts else tuple(others)

    def unpack(self, arrays: tuple[Any, ...]) -> Any:
        """The tree again; of a NumPy vector its arrays are views."""
        leaves, first = [], 0
        others = iter(arrays[1:] if any(self.packed) else arrays)
        for shape, inside in zip(self.shapes, self.packed, strict=True):
            if not inside:
                leaves.append(next(others))
                continue
            last = first + math.prod(shape)
            leaves.append(arrays[0][first:last].reshape(shape))
            first = last
        return jax.tree.unflatten(self.tree, leaves)
