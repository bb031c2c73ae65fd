"""Optimizers that need the loss over all rows: what they have in common, and how those work that search along a line.

An update of such an optimizer is one evaluation of loss and gradient over all rows, and an epoch is one update: the
evaluations of a line search are epochs too. So an optimizer is a machine that can be stopped after any evaluation and
goes on from what it remembers. `State.params` is the accepted point w; the memory holds value and gradient there, the
direction d, and the state of the line search with the step α to be tried next. One update:

    evaluate loss and gradient at w + α·d
    accepted: w ← w + α·d, a new direction, its first step
    else:     the next step along the same direction, or, where the search has failed, steepest descent

It ends where no entry of the gradient is larger than the tolerance; where a search along steepest descent fails; and
where rounding is all that is left: `MOST_IDLE` steps without a lower value or a smaller gradient make it forget what it
knows of the curvature, and as many more end it.

All of a memory begins with zeros, so the first update evaluates the first weights, and accepts them. History,
checkpoints, stopping and populations know nothing of line searches.

What is minimised is Σ weights·loss + λ/2·Σw², with the weight decay λ of the weights and not of the biases.

Which direction: `conjugate_gradient`, `quasi_newton`. Without a line: `levenberg_marquardt`, `rprop`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from entrena.training.line_search import NOISE, Search, Wolfe, advance, begin, steady_change

Tree = Any  # the weights of a network, or any other tree of arrays

GOES_ON, CONVERGED, NO_LOWER = 0, 1, 2
"""`Standing.ended`: not yet; the gradient is below the tolerance; no step lowers the value any more."""

MOST_LONGER = 10.0  # times the last step, for the first step along the next direction
MOST_IDLE = 20  # accepted steps without a lower value or a smaller gradient, after which rounding is all that is left
SMALLER = 0.9  # a gradient is smaller than another below this share of it


class Evaluation(NamedTuple):
    """What is known of a point after an evaluation.

    Attributes:
        value: What is minimised.
        loss: The part of it that is not a penalty.
        gradient: Of the value.
    """

    value: Float[Array, ""]
    loss: Float[Array, ""]
    gradient: Tree


class Objective(NamedTuple):
    """What is minimised, as functions of the weights.

    Attributes:
        evaluate: Value, loss and gradient.
        measure: Value and loss; for sums of squares alone.
        linearise: The gradient, flat, and the matrix of Gauss & Newton; for sums of squares alone.
    """

    evaluate: Callable[[Tree], Evaluation]
    measure: Callable[[Tree], tuple[Float[Array, ""], Float[Array, ""]]] | None = None
    linearise: Callable[[Tree], tuple[Float[Array, " n"], Float[Array, "n n"]]] | None = None


class Standing(NamedTuple):
    """Where an optimizer stands; what the program tells the host after each update.

    Attributes:
        loss: At the accepted point.
        gradient: The largest absolute entry of the gradient there.
        ended: One of `GOES_ON`, `CONVERGED`, `NO_LOWER`.
        evaluations: So far.
        step: The step by which that point was reached: α along a line, and 1 where there is no line.
        lowest: The lowest value that was accepted, by more than rounding.
        least: The smallest `gradient` so far.
        idle: Accepted steps since one of these two has fallen.
    """

    loss: Float[Array, ""]
    gradient: Float[Array, ""]
    ended: Int[Array, ""]
    evaluations: Int[Array, ""]
    step: Float[Array, ""]
    lowest: Float[Array, ""]
    least: Float[Array, ""]
    idle: Int[Array, ""]


class Size(NamedTuple):
    """What the cost of an optimizer depends on.

    Attributes:
        n_weights: n.
        n_rows: Examples.
        n_outputs: Outputs of the network.
        item: Bytes of a number.
    """

    n_weights: int
    n_rows: int
    n_outputs: int
    item: int


class Cost(NamedTuple):
    """What an optimizer takes beside the evaluations.

    Attributes:
        bytes: Of memory, working space included.
        operations: Floating-point operations of an update.
    """

    bytes: int
    operations: int


class BatchOptimizer(NamedTuple):
    """A machine of two functions.

    Attributes:
        init: From the weights to its memory, whose zeros are the right beginning; has an attribute `standing`.
        update: From what is minimised, weights and memory to the next weights and memory, with one evaluation.
    """

    init: Callable[[Tree], Any]
    update: Callable[[Objective, Tree, Any], tuple[Tree, Any]]


def first_standing(like: Float[Array, ""]) -> Standing:
    """Before the first evaluation."""
    zero, none = jnp.zeros_like(like), jnp.zeros((), jnp.int32)
    return Standing(zero, zero, none, none, zero, zero, zero, none)


def next_standing(
    standing: Standing,
    accepted: Bool[Array, ""],
    seen: Evaluation,
    tolerance: Float[Array, ""],
    *,
    step: Float[Array, ""] | float = 1.0,
    most_idle: int | None = MOST_IDLE,
) -> Standing:
    """After an evaluation: has it converged, or is there nothing but rounding left?

    Args:
        standing: Before it.
        accepted: Whether its point was accepted.
        seen: The evaluation.
        tolerance: For the largest absolute entry of the gradient.
        step: By which the point was reached.
        most_idle: Accepted steps without a lower value or a smaller gradient that end it; None: none do, where a step
            need not lower the value.
    """
    first = standing.evaluations == 0
    largest = largest_entry(seen.gradient)
    lower = seen.value < standing.lowest - noise_of(standing.lowest)
    smaller = largest < SMALLER * standing.least
    better = first | (accepted & (lower | smaller))
    idle = jnp.where(better, 0, standing.idle + accepted.astype(jnp.int32))
    converged = accepted & (largest <= tolerance)
    over = jnp.zeros((), bool) if most_idle is None else idle >= most_idle
    ended = jnp.where(converged, CONVERGED, jnp.where(over, NO_LOWER, GOES_ON))
    return Standing(
        loss=jnp.where(accepted, seen.loss, standing.loss),
        gradient=jnp.where(accepted, largest, standing.gradient),
        ended=ended.astype(jnp.int32),
        evaluations=standing.evaluations + 1,
        step=jnp.where(accepted, step, standing.step),
        lowest=jnp.where(first | (accepted & lower), seen.value, standing.lowest),
        least=jnp.where(first | (accepted & smaller), largest, standing.least),
        idle=idle,
    )


def noise_of(value: Float[Array, ""]) -> Float[Array, ""]:
    """Differences of values that rounding alone may make."""
    return NOISE * jnp.finfo(value.dtype).eps * jnp.abs(value)


# --- trees: never flattened, since joining arrays in the loop costs many times what the sums over them do -------------


def dot(a: Tree, b: Tree) -> Float[Array, ""]:
    """Σ aᵢ·bᵢ over all the arrays of two trees."""
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)
    return sum(jax.tree.leaves(products), start=0)  # type: ignore[return-value]


def add_scaled(a: Tree, scale: Float[Array, ""], b: Tree) -> Tree:
    """a + scale·b."""
    return jax.tree.map(lambda x, y: x + scale * y, a, b)


def select(condition: Bool[Array, ""], a: Tree, b: Tree) -> Tree:
    """a where the condition holds, else b."""
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)


def largest_entry(tree: Tree) -> Float[Array, ""]:
    """max |aᵢ| over all the arrays of a tree; NaN where one entry is."""
    largest = [jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]
    return jnp.max(jnp.stack(largest))


def n_entries(tree: Tree) -> int:
    """The number of entries of all the arrays of a tree."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def _zeros(tree: Tree) -> Tree:
    return jax.tree.map(jnp.zeros_like, tree)


# --- along a line -----------------------------------------------------------------------------------------------------


class Turn(NamedTuple):
    """What a rule is told when a new direction is wanted.

    Attributes:
        gradient: g, at the accepted point.
        before: g at the point before it.
        direction: d, by which it was reached.
        step: α, with which step.
        slope: g·d at the point before.
        along: g·d at the accepted point.
        squared: g·g there.
        squared_before: g·g at the point before.
        now: Whether a new direction is wanted at all; else the one there is goes on.
        learn: Whether there was a point before.
        forget: Whether what was remembered has failed: steepest descent.
    """

    gradient: Tree
    before: Tree
    direction: Tree
    step: Float[Array, ""]
    slope: Float[Array, ""]
    along: Float[Array, ""]
    squared: Float[Array, ""]
    squared_before: Float[Array, ""]
    now: Bool[Array, ""]
    learn: Bool[Array, ""]
    forget: Bool[Array, ""]


class Rule(NamedTuple):
    """How the next direction follows from the gradients.

    Attributes:
        init: From the weights to what it remembers; has an attribute `n_known`, and remembers nothing where that is 0.
        turn: The next direction, and the derivative along it.
        wolfe: When a step is accepted.
        unit: Whether the first step along a direction is 1, as for a method that knows the curvature; else it is taken
            from the last fall of the value.
    """

    init: Callable[[Tree], Any]
    turn: Callable[[Any, Turn], tuple[Any, Tree, Float[Array, ""]]]
    wolfe: Wolfe
    unit: bool


class LineMemory(NamedTuple):
    """What a line search optimizer remembers between two updates.

    Attributes:
        standing: Where it stands.
        value: At the accepted point.
        gradient: There.
        squared: The sum of its squares.
        direction: The direction that is searched.
        slope: The derivative along it at the accepted point.
        fall: By how much the last accepted step lowered the value, without its rounding.
        length: d·d, where the rule asks for it.
        fresh: Whether the direction is that of steepest descent, nothing being remembered.
        search: The line search.
        rule: What the rule remembers.
    """

    standing: Standing
    value: Float[Array, ""]
    gradient: Tree
    squared: Float[Array, ""]
    direction: Tree
    slope: Float[Array, ""]
    fall: Float[Array, ""]
    length: Float[Array, ""]
    fresh: Bool[Array, ""]
    search: Search
    rule: Any


def along_lines(rule: Rule, tolerance: Float[Array, ""]) -> BatchOptimizer:
    """The optimizer that searches along the directions of a rule."""

    def init(params: Tree) -> LineMemory:
        zero = jnp.zeros((), jax.tree.leaves(params)[0].dtype)
        standing, no = first_standing(zero), jnp.zeros((), bool)
        zeros = _zeros(params)
        own = rule.init(params)
        return LineMemory(standing, zero, zeros, zero, zeros, zero, zero, zero, no, begin(zero, zero), own)

    def update(objective: Objective, params: Tree, memory: LineMemory) -> tuple[Tree, LineMemory]:
        first, step = memory.standing.evaluations == 0, memory.search.step
        step = jnp.where(first, 0, step)
        trial = add_scaled(params, step, memory.direction)
        seen = objective.evaluate(trial)
        slope = dot(seen.gradient, memory.direction)
        known = seen.value, memory.value, slope, memory.slope
        search, verdict = advance(memory.search, *known, rule.wolfe)
        accepted = first | verdict.accepted
        standing = next_standing(memory.standing, accepted, seen, tolerance, step=step, most_idle=2 * MOST_IDLE)
        idle = accepted & (standing.idle == MOST_IDLE)
        failed = ~first & verdict.failed

        told = Turn(
            gradient=select(accepted, seen.gradient, memory.gradient),
            before=memory.gradient,
            direction=memory.direction,
            step=step,
            slope=memory.slope,
            along=slope,
            squared=jnp.where(accepted, dot(seen.gradient, seen.gradient), memory.squared),
            squared_before=memory.squared,
            now=accepted | failed,
            learn=accepted & ~first,
            forget=first | failed | idle,
        )
        own, direction, slope = rule.turn(memory.rule, told)
        uphill = told.now & ~(slope < 0)
        own = own._replace(n_known=jnp.where(uphill, 0, own.n_known))
        direction = jax.tree.map(lambda d, g: jnp.where(uphill, -g, d), direction, told.gradient)
        slope = jnp.where(told.now, jnp.where(uphill, -told.squared, slope), memory.slope)
        fall = jnp.where(first | ~accepted, memory.fall, -steady_change(memory.search, *known))
        fresh = uphill | told.forget | (memory.fresh & ~told.now)
        length = memory.length if rule.unit else dot(direction, direction)
        longest = MOST_LONGER * step * jnp.sqrt(memory.length / length)
        alpha = _first_step(slope, told.squared, fall, jnp.where(accepted, longest, jnp.inf))
        if rule.unit:
            alpha = jnp.where(fall > 0, 1.0, 1 / jnp.sqrt(told.squared))

        hopeless = failed & memory.fresh & (standing.ended == GOES_ON)
        standing = standing._replace(ended=jnp.where(hopeless, NO_LOWER, standing.ended))
        return select(accepted, trial, params), LineMemory(
            standing=standing,
            value=jnp.where(accepted, seen.value, memory.value),
            gradient=told.gradient,
            squared=told.squared,
            direction=direction,
            slope=slope,
            fall=fall,
            length=length,
            fresh=fresh,
            search=select(told.now, begin(alpha, slope), search),
            rule=own,
        )

    return BatchOptimizer(init, update)


def _first_step(
    slope: Float[Array, ""], squared: Float[Array, ""], fall: Float[Array, ""], longest: Float[Array, ""]
) -> Float[Array, ""]:
    """The step that is tried first along a direction whose natural length is not known.

    The first step of all has the length 1. A later one is that which would lower the value as much as the last step
    did, were φ a parabola: 2·(f − f before)/φ′(0), Nocedal & Wright eq. 3.60, with their 1 % on top. Their limit of 1
    is for Newton's directions: without it conjugate gradients took half the evaluations to the same loss. In its place
    stands a multiple of the length of the last step, for after a large fall the guess may be far too long.
    """
    return jnp.where(fall > 0, jnp.minimum(2.02 * fall / -slope, longest), 1 / jnp.sqrt(squared))
