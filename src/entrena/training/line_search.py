"""The line search of Moré & Thuente (1994), one evaluation at a time.

From a point w along a direction d of descent, φ(α) = f(w + α·d). A step α is accepted by the strong Wolfe conditions

    φ(α) ≤ φ(0) + c1·α·φ′(0)        sufficient decrease
    |φ′(α)| ≤ c2·|φ′(0)|            curvature

The algorithm keeps an interval that holds such a step, and in it the end with the lowest value (`best`); each
evaluation moves an end and proposes the next step from cubic and quadratic interpolation (section 4 of the paper).
Until a step with ψ(α) = φ(α) − φ(0) − c1·α·φ′(0) ≤ 0 and φ′(α) ≥ 0 is met, it is ψ that is searched (section 3).

The search never calls φ: `begin` proposes a step, `advance` is told what was found there and either accepts it, gives
up or proposes the next. So a search can be cut anywhere, stored and continued. All decisions are selections between
scalars, without branches, so that it runs inside a compiled program and for several networks side by side.

Near a minimum φ(α) − φ(0) drowns in rounding. Where it does, `steady_change` puts the trapezoid rule's
α·(φ′(0) + φ′(α))/2 in its place, for slopes are still exact there. Sufficient decrease then reads
φ′(α) ≤ (2·c1 − 1)·φ′(0): the approximate Wolfe condition of Hager & Zhang (2005), eq. 4.1, which is derived in this
way.

Sources: Moré & Thuente, Line Search Algorithms with Guaranteed Sufficient Decrease, ACM TOMS 20 (1994); Hager & Zhang,
A New Conjugate Gradient Method with Guaranteed Descent and an Efficient Line Search, SIAM J. Optim. 16 (2005).
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

SHRINK = 0.66  # section 4: two evaluations must shorten the interval to this share, else it is bisected
LEAST_GROWTH, GREATEST_GROWTH = 1.1, 4.0  # before an end lies beyond the minimum, in lengths of the last stride
CUT = 0.25  # where φ is not finite, the next step goes so far towards it
GREATEST_STEP = 1e10
NOISE = 16.0  # a difference of values below so many units in the last place of φ(0) says nothing


class Wolfe(NamedTuple):
    """When a step is accepted, and when the search gives up.

    Attributes:
        c1: Of the sufficient decrease.
        c2: Of the curvature; c1 < c2 < 1.
        width: The search ends where the interval is not longer than this share of its upper end.
        most: Evaluations of a search.
    """

    c1: float
    c2: float
    width: float = 0.1
    most: int = 20


class End(NamedTuple):
    """An end of the interval.

    Attributes:
        step: α.
        value: φ(α) − φ(0).
        slope: φ′(α).
    """

    step: Float[Array, ""]
    value: Float[Array, ""]
    slope: Float[Array, ""]


class Search(NamedTuple):
    """A line search between two evaluations.

    Attributes:
        step: The α that is evaluated next.
        best: The end of the interval with the lowest value; at first α = 0.
        other: Its other end, once there is one.
        bracketed: Whether there is one.
        second_stage: Whether φ is searched, no longer ψ.
        low: The least α that is proposed next.
        high: The greatest.
        length: Of the interval, before the last evaluation.
        length_before: And before the one before it.
        evaluations: So far.
        last: Whether `step` is the best of a search that has given up, evaluated again to be accepted.
    """

    step: Float[Array, ""]
    best: End
    other: End
    bracketed: Bool[Array, ""]
    second_stage: Bool[Array, ""]
    low: Float[Array, ""]
    high: Float[Array, ""]
    length: Float[Array, ""]
    length_before: Float[Array, ""]
    evaluations: Int[Array, ""]
    last: Bool[Array, ""]


Pair = TypeVar("Pair", End, Search)


class Verdict(NamedTuple):
    """What an evaluation led to; where neither holds, `Search.step` is to be evaluated.

    Attributes:
        accepted: The step that was evaluated is the result.
        failed: No step was found that lowers the value.
    """

    accepted: Bool[Array, ""]
    failed: Bool[Array, ""]


def begin(step: Float[Array, ""], slope: Float[Array, ""]) -> Search:
    """A search that evaluates `step` first.

    Args:
        step: The first α, above 0.
        slope: φ′(0), below 0.
    """
    zero, no = jnp.zeros_like(step), jnp.zeros((), bool)
    step = jnp.clip(step, jnp.finfo(step.dtype).tiny, GREATEST_STEP)
    start = End(zero, zero, slope)
    high = step + GREATEST_GROWTH * step
    far = jnp.full_like(step, GREATEST_STEP)
    return Search(step, start, start, no, no, zero, high, far, 2 * far, jnp.zeros((), jnp.int32), no)


def steady_change(
    search: Search,
    value: Float[Array, ""],
    value_0: Float[Array, ""],
    slope: Float[Array, ""],
    slope_0: Float[Array, ""],
) -> Float[Array, ""]:
    """φ(α) − φ(0) at `search.step`; where that is no more than rounding, by the trapezoid rule from the slopes."""
    change = value - value_0
    drowned = jnp.abs(change) <= NOISE * jnp.finfo(change.dtype).eps * jnp.abs(value_0)
    return jnp.where(drowned, search.step * (slope_0 + slope) / 2, change)


def advance(
    search: Search,
    value: Float[Array, ""],
    value_0: Float[Array, ""],
    slope: Float[Array, ""],
    slope_0: Float[Array, ""],
    wolfe: Wolfe,
) -> tuple[Search, Verdict]:
    """Takes in what was found at `search.step`.

    Args:
        search: The search.
        value: φ(α).
        value_0: φ(0).
        slope: φ′(α).
        slope_0: φ′(0).
        wolfe: When a step is accepted.

    Returns:
        The search with its next step, and whether it has ended. A step that is accepted without the curvature condition
        is the best that was found when the interval became too short, or the evaluations too many; the value there is
        in fact lower.
    """
    step, finite, fell = search.step, jnp.isfinite(value) & jnp.isfinite(slope), value < value_0
    value = steady_change(search, value, value_0, slope, slope_0)
    trial = End(step, value, slope)
    least = wolfe.c1 * slope_0
    decreased = finite & (value <= step * least)
    second = search.second_stage | (decreased & (slope >= 0))
    accepted = decreased & (jnp.abs(slope) <= wolfe.c2 * jnp.abs(slope_0))

    on_psi = ~second & (value <= search.best.value) & (value > step * least)
    moved = _moved(search, trial, jnp.where(on_psi, least, jnp.zeros_like(least)))
    cut = search.best.step + CUT * (step - search.best.step)
    none = jnp.full_like(value, jnp.nan)
    blocked = search._replace(step=cut, other=End(step, none, none), bracketed=jnp.ones((), bool))
    after = _select(finite, moved, blocked)
    after = _shortened(after._replace(second_stage=second, evaluations=search.evaluations + 1))

    short = after.high - after.low <= wolfe.width * after.high
    stuck = after.bracketed & (short | (after.step <= after.low) | (after.step >= after.high))
    over = stuck | (step >= GREATEST_STEP) | (after.evaluations >= wolfe.most) | search.last
    found = after.best.step > 0
    accepted = accepted | (over & found & finite & fell & (after.best.step == step))
    again = over & found & ~accepted & ~search.last
    failed = over & ~accepted & ~again
    after = after._replace(step=jnp.where(again, after.best.step, after.step), last=again)
    return after, Verdict(accepted, failed)


def _moved(search: Search, trial: End, tilt: Float[Array, ""]) -> Search:
    """The interval with the trial as one of its ends, and the next step, before it is kept from the ends.

    Args:
        search: The search.
        trial: What was evaluated.
        tilt: c1·φ′(0) where ψ takes the place of φ in the interpolation, else 0.
    """
    best, other, t = (_tilted(end, -tilt) for end in (search.best, search.other, trial))
    step, brackets = _interpolated(best, other, t, search.bracketed, search.low, search.high)
    higher = t.value > best.value
    turned = ~higher & (t.slope * best.slope < 0)
    other = _select(higher, t, _select(turned, best, other))
    best = _select(higher, best, t)
    ends = (_tilted(end, tilt) for end in (best, other))
    return search._replace(step=step, best=next(ends), other=next(ends), bracketed=search.bracketed | brackets)


def _interpolated(
    best: End, other: End, t: End, bracketed: Bool[Array, ""], low: Float[Array, ""], high: Float[Array, ""]
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The next step by the four cases of section 4, and whether the minimum is now enclosed."""
    stride = t.step - best.step
    cubic, beyond = _cubic(best, t)
    secant = t.step + (best.step - t.step) * t.slope / _not_0(t.slope - best.slope)
    # 1: a higher value. The minimum lies between; the quadratic through both values and the slope at the best.
    drop = (best.value - t.value) / _not_0(stride) + best.slope
    quadratic = best.step + stride * best.slope / _not_0(drop) / 2
    near = jnp.abs(cubic - best.step) < jnp.abs(quadratic - best.step)
    case_1 = jnp.where(near, cubic, cubic + (quadratic - cubic) / 2)
    # 2: a lower value, and the slope has changed its sign. The minimum lies between.
    far = jnp.abs(cubic - t.step) > jnp.abs(secant - t.step)
    case_2 = jnp.where(far, cubic, secant)
    # 3: a lower value, the same sign, a flatter slope. The cubic may have no minimum beyond the trial.
    edge = jnp.where(stride > 0, high, low)
    ahead = jnp.where(beyond, cubic, edge)
    closer = jnp.abs(t.step - ahead) < jnp.abs(t.step - secant)
    inside = jnp.where(closer, ahead, secant)
    limit = t.step + SHRINK * (other.step - t.step)
    inside = jnp.where(stride > 0, jnp.minimum(limit, inside), jnp.maximum(limit, inside))
    outside = jnp.clip(jnp.where(closer, secant, ahead), low, high)
    case_3 = jnp.where(bracketed, inside, outside)
    # 4: a lower value, the same sign, a steeper slope.
    case_4 = jnp.where(bracketed, _cubic(other, t)[0], edge)

    higher, turned = t.value > best.value, t.slope * best.slope < 0
    flatter = jnp.abs(t.slope) < jnp.abs(best.slope)
    step = jnp.where(higher, case_1, jnp.where(turned, case_2, jnp.where(flatter, case_3, case_4)))
    return step, higher | turned


def _cubic(a: End, b: End) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The minimum of the cubic through values and slopes of both, and whether it has one on b's far side from a.

    Nocedal & Wright, Numerical Optimization (2006), eq. 3.59, scaled against overflow as Moré & Thuente do.
    """
    stride = b.step - a.step
    theta = 3 * (a.value - b.value) / _not_0(stride) + a.slope + b.slope
    scale = _not_0(jnp.maximum(jnp.abs(theta), jnp.maximum(jnp.abs(a.slope), jnp.abs(b.slope))))
    inside = (theta / scale) ** 2 - (a.slope / scale) * (b.slope / scale)
    root = jnp.sign(stride) * scale * jnp.sqrt(jnp.maximum(inside, 0))
    share = (b.slope + root - theta) / _not_0(b.slope - a.slope + 2 * root)
    return b.step - stride * share, (share < 0) & (root != 0)


def _shortened(search: Search) -> Search:
    """Bisects an interval that has not become short enough, and says within what the step after the next will be."""
    low = jnp.minimum(search.best.step, search.other.step)
    high = jnp.maximum(search.best.step, search.other.step)
    length = high - low
    slow = search.bracketed & (length >= SHRINK * search.length_before)
    middle = search.best.step + (search.other.step - search.best.step) / 2
    unknown = search.bracketed & ~jnp.isfinite(search.step)
    step = jnp.where(slow | unknown, middle, search.step)
    step = jnp.minimum(step, GREATEST_STEP)
    stride = step - search.best.step
    low = jnp.where(search.bracketed, low, step + LEAST_GROWTH * stride)
    high = jnp.where(search.bracketed, high, step + GREATEST_GROWTH * stride)
    before = jnp.where(search.bracketed, search.length, search.length_before)
    now = jnp.where(search.bracketed, length, search.length)
    return search._replace(step=step, low=low, high=high, length=now, length_before=before)


def _tilted(end: End, tilt: Float[Array, ""]) -> End:
    """The end of φ as one of φ + tilt·α."""
    return End(end.step, end.value + tilt * end.step, end.slope + tilt)


def _not_0(divisor: Float[Array, ""]) -> Float[Array, ""]:
    """The divisor, or where it is 0 the least number: the quotient is then large, and is kept within bounds later."""
    return jnp.where(divisor == 0, jnp.finfo(divisor.dtype).tiny, divisor)


def _select(condition: Bool[Array, ""], a: Pair, b: Pair) -> Pair:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
