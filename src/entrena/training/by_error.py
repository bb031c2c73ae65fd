"""The order `by_error`: examples with a great loss are drawn more often, within limits.

What the defaults are chosen for:

- exponent 1: the share of an example in the draws is its share in the loss.
- floor 0.2: every example is drawn at least once in five epochs on average, so the loss that is known of it stays
  fresh, and no importance weight is above 5.
- cap 10: a mislabelled or odd example is drawn at most ten times as often as if all were equal, so at most once in a
  mini-batch on average as soon as there are ten batches in an epoch.
"""

from __future__ import annotations

import numpy as np

from entrena.training.pool import Drawn, Pool
from entrena.training.seeds import generator


def by_error(
    pool: Pool,
    epoch: int,
    *,
    exponent: float = 1.0,
    floor: float = 0.2,
    cap: float = 10.0,
    importance_weights: bool = False,
) -> Drawn:
    """Rows drawn with the probabilities of `relative_probabilities`, by systematic resampling, then shuffled.

    Row i is drawn ⌊N·p_i⌋ or ⌈N·p_i⌉ times, N·p_i times on average. So the average over draws of importance × gradient
    is the full gradient.

    Args:
        pool: With losses, or with None where nothing was shown yet.
        epoch: Its number, from 0.
        exponent: See `relative_probabilities`.
        floor: See `relative_probabilities`.
        cap: See `relative_probabilities`.
        importance_weights: Whether the loop multiplies by the importance, which is given back in both cases.
    """
    n = len(pool.rows)
    chance = generator(pool.seed, "order", epoch)
    losses = np.full(n, np.nan) if pool.losses is None else pool.losses
    expected = relative_probabilities(losses, exponent=exponent, floor=floor, cap=cap)
    drawn = resample(expected, chance.random())
    chance.shuffle(drawn)
    return Drawn(pool.rows[drawn], 1 / expected[drawn])


def relative_probabilities(losses: np.ndarray, *, exponent: float, floor: float, cap: float) -> np.ndarray:
    """N·p_i = min(cap, floor + λ·loss_i^exponent), with the λ for which they sum to N.

    Without the cap, λ is (1 − floor) over the mean of loss^exponent. What the cap takes from some goes to the others,
    in proportion to their loss^exponent, or evenly where that is 0 for all of them.

    A row that was never shown, NaN, counts with the mean of the finite losses, +∞ as the greatest of them. If some are
    negative, as a likelihood's can be, all are taken from the least one up. Where all losses are alike, 0 or unknown,
    all rows are.

    Args:
        losses: [N] the loss of each row when it was last shown, NaN where it was not.
        exponent: From 0: all alike.
        floor: The part of the probability that is uniform, 0 to 1.
        cap: The most that one row may have of the uniform probability, from 1.

    Returns:
        float64 [N], of mean 1: how often each row is drawn on average where N are drawn.
    """
    weight = _hardness(losses)
    if exponent != 1:
        weight **= exponent
    mean = weight.mean()
    if floor >= 1 or cap <= 1 or mean == 0:
        return np.ones(len(losses))
    factor = (1 - floor) / mean
    if floor + factor * weight.max() > cap:
        return _capped(weight, floor, cap)
    weight *= factor
    weight += floor
    return weight


def _hardness(losses: np.ndarray) -> np.ndarray:
    """The losses in a new array, scaled to 0 … 1, so that no power overflows; all 0 where they do not differ from 0."""
    values = np.array(losses, np.float64)
    finite = np.isfinite(values)
    all_finite = bool(finite.all())
    known = values if all_finite else values[finite]
    if not len(known):
        return np.zeros(len(values))
    lowest, greatest = known.min(), known.max()
    scale = max(greatest, -lowest)
    base = min(lowest / scale, 0.0) if scale > 0 else 0.0  # scaled first: the difference of two great ones may overflow
    width = greatest / scale - base if scale > 0 else 0.0
    if width == 0:
        return np.zeros(len(values))
    if not all_finite:
        np.copyto(values, (known / scale).mean() * scale, where=np.isnan(values))
        np.clip(values, lowest, greatest, out=values)
    values /= scale
    if base < 0:
        values -= base
        values /= width
    return values


def _capped(weight: np.ndarray, floor: float, cap: float) -> np.ndarray:
    """Min(cap, floor + λ·weight) of sum N, where more than nothing has to be cut off.

    If the k greatest are at the cap, the others have N − k·cap − (N − k)·floor to share in proportion to their weights.
    The right k is the first at which the next in size stays below the cap; there are at most N(1−floor)/(cap−floor).
    """
    n = len(weight)
    n_most = int(n * (1 - floor) / (cap - floor))
    split = np.partition(weight, n - n_most - 1)
    greatest = np.sort(split[n - n_most - 1 :])[::-1]
    k = np.arange(n_most + 1)
    to_share = n - k * cap - (n - k) * floor
    # Summed from the small end: what remains beside a few giants would be lost in a difference.
    remaining = split[: n - n_most - 1].sum() + np.cumsum(greatest[::-1])[::-1]
    at_cap = int(np.argmax(to_share * greatest <= (cap - floor) * remaining))
    to_share, remaining = to_share[at_cap], remaining[at_cap]
    if remaining == 0:
        return np.where(weight > 0, cap, floor + to_share / (n - at_cap))
    with np.errstate(over="ignore"):  # a giant over a dwarf is above the cap all the same
        return np.minimum(cap, floor + to_share * (weight / remaining))


def resample(expected: np.ndarray, offset: float) -> np.ndarray:
    """Systematic resampling: N draws, each index ⌊expected⌋ or ⌈expected⌉ times.

    The expected numbers lie end to end on a line of length N, and a draw is made at each whole number less `offset`.
    For an offset from U(0, 1) the mean number of an index is exactly the expected one.

    Args:
        expected: [N] of sum N, but for rounding.
        offset: 0 to 1.

    Returns:
        int [N], the indices drawn, ascending.
    """
    n = len(expected)
    edges = np.cumsum(expected)  # in float64: in float32 a count of 10⁶ rows was off by hundreds
    edges *= n / edges[-1]
    edges += offset
    draws_up_to = edges.astype(np.intp)  # ⌊ ⌋, for all are positive
    np.minimum(draws_up_to, n, out=draws_up_to)
    draws_up_to[-1] = n
    # Draw m is of the first index up to which there are more than m draws: as many have no more.
    return np.cumsum(np.bincount(draws_up_to, minlength=n + 1)[:n])
