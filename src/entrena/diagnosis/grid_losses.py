"""The mean loss of a network at many weights on the same rows, in one compiled program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from entrena.diagnosis.directions import Plane
from entrena.network import Network
from entrena.network.multilayer import Params
from entrena.training.compilation import precision, use_compilation_cache
from entrena.training.losses import LOSSES
from entrena.training.structure import MOST_PROGRAMS


@dataclass(frozen=True, eq=False)
class SeenRows:
    """Rows as a network sees them.

    Attributes:
        inputs: [rows, inputs].
        targets: [rows, outputs].
        weight: [rows] how much each counts, or None: all alike.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weight: np.ndarray | None = None

    @property
    def shares(self) -> np.ndarray:
        """[rows] the weights divided by their sum."""
        weight = np.ones(len(self.inputs)) if self.weight is None else np.asarray(self.weight, float)
        return (weight / weight.sum()).astype(self.inputs.dtype)


def losses_over(
    network: Network, loss: str, centre: Params, plane: Plane, places: np.ndarray, rows: SeenRows, device: Any = None
) -> np.ndarray:
    """[points] the mean loss at centre + α·first + β·second, without dropout and penalties, in the type of the weights.

    Args:
        network: The network.
        loss: A name of `LOSSES`, not `auto`.
        centre: The weights in the middle.
        plane: The two directions.
        places: [points, 2] α and β.
        rows: On which the loss is taken.
        device: Where; None: JAX's first.
    """
    program = _over_plane(replace(network, initialization=None), loss)
    return _run(program, centre, (*plane.along, places.astype(centre[0]["weights"].dtype)), rows, device)


def losses_along(network: Network, loss: str, path: Sequence[Params], rows: SeenRows, device: Any = None) -> np.ndarray:
    """[points] the mean loss at each weights of a path. Arguments as in `losses_over`."""
    program = _along_path(replace(network, initialization=None), loss)
    stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *path)
    return _run(program, stacked, (), rows, device)


def _run(program: Any, params: Params, more: tuple[Any, ...], rows: SeenRows, device: Any) -> np.ndarray:
    use_compilation_cache()
    with precision(str(rows.inputs.dtype)):
        arrays = jax.device_put((params, more, (rows.inputs, rows.targets, rows.shares)), device)
        return np.asarray(program(*arrays)).astype(float)


@lru_cache(maxsize=MOST_PROGRAMS)
def _over_plane(network: Network, loss: str) -> Any:
    def surface_program(centre: Params, more: tuple[Params, Params, Any], rows: Any) -> Any:
        first, second, places = more

        def at(place: Any) -> Any:
            params = jax.tree.map(lambda w, a, b: w + place[0] * a + place[1] * b, centre, first, second)
            return _mean_loss(network, loss, params, rows)

        return jax.lax.map(at, places)

    return jax.jit(surface_program)


@lru_cache(maxsize=MOST_PROGRAMS)
def _along_path(network: Network, loss: str) -> Any:
    def path_program(path: Params, more: tuple[()], rows: Any) -> Any:
        return jax.lax.map(lambda params: _mean_loss(network, loss, params, rows), path)

    return jax.jit(path_program)


def _mean_loss(network: Network, loss: str, params: Params, rows: Any) -> Any:
    inputs, targets, shares = rows
    function = LOSSES[loss].function
    assert function is not None
    losses = function(network.net_inputs(params, inputs), targets, network.output)
    return jnp.sum(shares * losses)
