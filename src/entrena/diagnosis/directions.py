"""Two directions through a network's weights, over which its loss is looked at.

Random ones are normalised filter by filter, because the scale of a unit's weights says nothing where the next layer can
undo it: a step of 1 is as long, for each unit, as the unit's own weights. The principal directions of the path of
training are those in which the weights moved most.

Sources: Li, Xu, Taylor, Studer & Goldstein, Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018, sections 4 and
7; how much of a random walk two directions hold: Antognini & Sohl-Dickstein, PCA of High Dimensional Random Walks with
Comparison to Neural Network Training, NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np

from entrena.network.multilayer import BIASES, Params

RANDOM_WALK = 6 / pi**2 * (1 + 1 / 4)  # of the variance of a long random walk in many dimensions: 76 %
WEIGHTS = "weights"  # of a layer; its other leaves are biases and tables of embeddings
PIECE = 2**16  # columns that are taken to float64 at a time


@dataclass(frozen=True, eq=False)
class Plane:
    """Two directions, and what the path of training is in them.

    Attributes:
        along: Both directions, each a tree as the weights.
        cosine: Of the angle between them.
        shares: Which shares of the variance of the path they hold; None of random ones.
    """

    along: tuple[Params, Params]
    cosine: float
    shares: tuple[float, float] | None = None


def random_directions(params: Params, seed: int) -> Plane:
    """Two normal random directions whose every filter is as long as the filter of the weights in its place.

    d_u ← d_u/‖d_u‖·‖w_u‖ for the incoming weights w_u of each unit u (the weights of a fully connected unit are its
    filter); of an embedding the filter is a column of its table. Biases do not move, as in the paper's own program.

    Args:
        params: The weights; at them stands the middle of the surface.
        seed: Of the random numbers.
    """
    chance = np.random.default_rng((seed, 7))
    along = (_normalised(params, chance), _normalised(params, chance))
    first, second = (flat(each) for each in along)
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return Plane(along, float(first @ second) / length if length else 0.0)


def _normalised(params: Params, chance: np.random.Generator) -> Params:
    layers = []
    for layer in params:
        found = {}
        for name, values in layer.items():
            w = np.asarray(values, float)
            if name == BIASES:
                found[name] = np.zeros_like(np.asarray(values))
                continue
            d = chance.standard_normal(w.shape)
            if name != WEIGHTS:
                d[0] = 0  # the vector of unseen levels is 0 for ever
            lengths = np.linalg.norm(d, axis=0)
            d *= np.linalg.norm(w, axis=0) / np.where(lengths > 0, lengths, 1)
            found[name] = d.astype(np.asarray(values).dtype)
        layers.append(found)
    return tuple(layers)  # type: ignore[arg-type]


def path_directions(path: Sequence[Params]) -> Plane:
    """The two directions of unit length in which the weights moved most, biases and embeddings among them.

    The first two principal components of the weights θ_0 … θ_T along training, centred at their mean; the sign is such
    that a direction's greatest entry is positive. Computed from the products of the T + 1 weights with each other, so
    that it costs little where there are many more weights than epochs.

    Args:
        path: The weights along training, at least three.

    Raises:
        ValueError: There are fewer, or they lie on one line.
    """
    if len(path) < 3:
        raise ValueError(f"{len(path)} points of a path: two directions need at least 3")
    table = np.stack([flat(each) for each in path])
    mean = table.mean(axis=0, dtype=np.float64)
    products = np.zeros((len(table), len(table)))
    for first in range(0, table.shape[1], PIECE):
        piece = table[:, first : first + PIECE].astype(np.float64) - mean[first : first + PIECE]
        products += piece @ piece.T
    values, vectors = np.linalg.eigh(products)
    total = float(values.clip(0).sum())
    if not np.isfinite(total) or values[-2] <= 1e-12 * max(values[-1], np.finfo(float).tiny):
        raise ValueError("the weights moved along one line, or not at all: there is no second direction")
    along, shares = [], []
    for k in (-1, -2):
        direction = np.concatenate(
            [
                (table[:, at : at + PIECE].astype(np.float64) - mean[at : at + PIECE]).T @ vectors[:, k]
                for at in range(0, table.shape[1], PIECE)
            ]
        )
        direction /= np.linalg.norm(direction)
        direction *= np.sign(direction[np.abs(direction).argmax()])
        along.append(shaped(direction, path[0]))
        shares.append(float(values[k]) / total)
    return Plane((along[0], along[1]), float(flat(along[0]) @ flat(along[1])), (shares[0], shares[1]))


def coordinates(path: Sequence[Params], centre: Params, plane: Plane) -> tuple[np.ndarray, np.ndarray]:
    """Where points of a path lie in a plane through the centre, by least squares.

    Returns:
        [points, 2] how far along both directions, and [points] the distance from the plane.
    """
    axes = np.column_stack([flat(each).astype(np.float64) for each in plane.along])
    gram = axes.T @ axes
    middle = flat(centre).astype(np.float64)
    places, away = [], []
    for each in path:
        step = flat(each) - middle
        place = np.linalg.solve(gram, axes.T @ step)
        places.append(place)
        away.append(float(np.linalg.norm(step - axes @ place)))
    return np.array(places).reshape(-1, 2), np.array(away)


def flat(params: Params) -> np.ndarray:
    """All parameters in one row, [n], layer by layer, by name within a layer; in their own precision."""
    return np.concatenate([np.ravel(layer[name]) for layer in params for name in sorted(layer)])


def shaped(values: np.ndarray, like: Params) -> Params:
    """The tree of a row of parameters; undoes `flat`."""
    layers, at = [], 0
    for layer in like:
        found = {}
        for name in sorted(layer):
            leaf = np.asarray(layer[name])
            found[name] = values[at : at + leaf.size].reshape(leaf.shape).astype(leaf.dtype)
            at += leaf.size
        layers.append(found)
    return tuple(layers)  # type: ignore[arg-type]
