"""What chance decides in one update: units that are left out, slopes of RReLU, noise on the inputs.

All of it is a hash of where it is used (`random_bits`): seed, number of the update, layer, example and unit. A resumed
run draws the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Array, Bool, Float, UInt32

from entrena import random_bits
from entrena.network.activations import drawing
from entrena.network.dropout import masks
from entrena.random_bits import normals, places, uniforms
from entrena.registry import Choice

DROPOUT, SLOPES, INPUT_NOISE = "dropout", "slopes", "input_noise"
PURPOSES = {DROPOUT: random_bits.DROPOUT, SLOPES: random_bits.SLOPES, INPUT_NOISE: random_bits.INPUT_NOISE}
"""For what an update has words, and the number by which these are hashed."""


class Chance(NamedTuple):
    """What chance decides in one update.

    Attributes:
        kept: For each hidden layer which units stay; None: all.
        slopes: For each hidden layer the slopes of its activation, None where it draws none; None: nowhere.
        noise: Normal numbers for the dense inputs, of mean 0 and variance 1; None: there is no noise.
    """

    kept: tuple[Bool[Array, "*updates batch units"], ...] | None = None
    slopes: tuple[Float[Array, "*updates batch units"] | None, ...] | None = None
    noise: Float[Array, "*updates batch inputs"] | None = None


@dataclass(frozen=True)
class Drawn:
    """What is drawn for each update.

    Attributes:
        widths: Units of each hidden layer.
        activations: Of each hidden layer.
        dropout: Whether units are left out.
        n_disturbed: To how many inputs noise is added.
    """

    widths: tuple[int, ...]
    activations: tuple[Choice, ...]
    dropout: bool = False
    n_disturbed: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """For what an update needs words; empty: chance decides nothing."""
        wanted = {DROPOUT: self.dropout, SLOPES: any(map(drawing, self.activations)), INPUT_NOISE: self.n_disturbed > 0}
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    def n_bytes(self, n_examples: int) -> int:
        """Of memory that what is drawn for an update takes."""
        with_slopes = [m for m, choice in zip(self.widths, self.activations, strict=True) if drawing(choice)]
        masks = sum(self.widths) if self.dropout else 0
        return n_examples * (masks + 4 * sum(with_slopes) + 4 * self.n_disturbed)

    def draw(self, n_examples: int, words: Mapping[str, UInt32[Array, " 2"]], kept: Float[Array, ""] | None) -> Chance:
        """What chance decides in one update.

        Args:
            n_examples: The examples of the update.
            words: Those of the update, by what they are for.
            kept: q, the share of the units that are kept, with dropout.
        """
        found = Chance()
        if self.dropout:
            assert kept is not None
            found = found._replace(kept=masks(self.widths, n_examples, words[DROPOUT], kept))
        if SLOPES in self.words:
            slopes, n_before = [], 0
            for width, choice in zip(self.widths, self.activations, strict=True):
                slopes_of, place = drawing(choice), places(n_examples, width, n_before)
                slopes.append(None if slopes_of is None else slopes_of(uniforms(place, words[SLOPES])))
                n_before += n_examples * width
            found = found._replace(slopes=tuple(slopes))
        if self.n_disturbed:
            found = found._replace(noise=normals(places(n_examples, self.n_disturbed, 0), words[INPUT_NOISE]))
        return found
