"""The line search, driven by hand: what it accepts, where it looks, and how it ends."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from entrena.training.line_search import NOISE, Wolfe, advance, begin, steady_change

RULES = {"conjugate gradients": Wolfe(1e-4, 0.2), "bfgs": Wolfe(1e-4, 0.9), "lbfgs": Wolfe(1e-3, 0.9)}
_advance = jax.jit(advance, static_argnums=5)


class Found(NamedTuple):
    """What came of a search: the steps that it evaluated, in sequence, and whether it accepted the last."""

    steps: list[float]
    accepted: bool


def search(
    value: Callable[[float], float],
    slope: Callable[[float], float],
    first: float,
    wolfe: Wolfe,
    dtype: type[np.floating] = np.float64,
) -> Found:
    """Searches φ along α from 0; φ and φ′ are rounded to the dtype."""
    with jax.enable_x64(True):
        start, down, state = dtype(value(0.0)), dtype(slope(0.0)), begin(dtype(first), dtype(slope(0.0)))
        steps: list[float] = []
        while True:
            step = float(state.step)
            steps.append(step)
            now = dtype(slope(step))
            state, verdict = _advance(state, dtype(value(step)), start, now, down, wolfe)
            assert not (verdict.accepted and verdict.failed)
            if verdict.accepted or verdict.failed:
                return Found(steps, bool(verdict.accepted))
            assert len(steps) <= wolfe.most + 1


def assert_strong_wolfe(value, slope, step, wolfe):
    change = value(step) - value(0.0)
    assert change <= wolfe.c1 * step * slope(0.0) + NOISE * np.finfo(float).eps * abs(value(0.0))
    assert abs(slope(step)) <= wolfe.c2 * abs(slope(0.0)) * (1 + 1e-12)


class Bumpy(NamedTuple):
    """a·(α − m)² + b·sin(w·α + p) + c·α⁴: smooth and bounded below, so a strong Wolfe step exists."""

    a: float
    m: float
    b: float
    w: float
    p: float
    c: float

    def value(self, t: float) -> float:
        return self.a * (t - self.m) ** 2 + self.b * np.sin(self.w * t + self.p) + self.c * t**4

    def slope(self, t: float) -> float:
        return 2 * self.a * (t - self.m) + self.b * self.w * np.cos(self.w * t + self.p) + 4 * self.c * t**3


def between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


bumpy = st.builds(
    Bumpy, between(0.1, 5), between(-3, 30), between(0, 2), between(0.1, 9), between(0, 6.25), between(0, 0.5)
)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(function=bumpy, first=between(1e-3, 100))
def test_what_is_accepted_has_the_strong_wolfe_conditions(rule, function, first):
    if not function.slope(0.0) < -1e-3:
        return
    wolfe = rule._replace(width=1e-10, most=60)  # gives up so late that it never does
    found = search(function.value, function.slope, first, wolfe)
    assert found.accepted
    assert_strong_wolfe(function.value, function.slope, found.steps[-1], wolfe)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(function=bumpy, first=between(1e-3, 100))
def test_with_the_rules_as_they_are_a_search_always_goes_down(rule, function, first):
    if not function.slope(0.0) < -1e-3:
        return
    found = search(function.value, function.slope, first, rule)
    assert found.accepted
    assert function.value(found.steps[-1]) <= function.value(0.0)


@given(function=bumpy)
def test_where_scipys_zoom_succeeds_so_does_this(function):
    if not function.slope(0.0) < -1e-3:
        return
    wolfe, start, along = Wolfe(1e-4, 0.4, 1e-10, 60), np.zeros(1), np.ones(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        scipys = optimize.line_search(
            lambda x: function.value(x[0]), lambda x: np.array([function.slope(x[0])]), start, along, c1=1e-4, c2=0.4
        )[0]
    if scipys is not None:
        assert_strong_wolfe(function.value, function.slope, scipys, wolfe)  # the oracle of the oracle
        found = search(function.value, function.slope, 1.0, wolfe)
        assert_strong_wolfe(function.value, function.slope, found.steps[-1], wolfe)


@given(function=bumpy)
def test_the_steps_are_those_of_scipys_bfgs(function):
    """SciPy's BFGS searches its first line by Moré & Thuente's algorithm, with c1 = 1e-4, c2 = 0.9, from 1.01/|g|."""
    g = function.slope(0.0)
    if not g < -1e-3:
        return
    seen: list[float] = []

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(float(x[0]) / -g)
        return function.value(x[0]), np.array([function.slope(x[0])])

    optimize.minimize(evaluate, [0.0], jac=True, method="BFGS", options={"maxiter": 1})
    found = search(
        lambda t: function.value(-g * t),
        lambda t: -g * function.slope(-g * t),
        min(1.0, 1.01 / abs(g)),
        Wolfe(1e-4, 0.9, 1e-14, 60),
    )
    np.testing.assert_allclose(found.steps, seen[1 : 1 + len(found.steps)], rtol=1e-9)


# Moré & Thuente 1994, section 5: functions on which line searches were compared, with their c1 and c2.
PAPERS = {
    "5.1": (lambda a: -a / (a**2 + 2), lambda a: (a**2 - 2) / (a**2 + 2) ** 2, 1e-3, 0.1),
    "5.2": (
        lambda a: (a + 0.004) ** 5 - 2 * (a + 0.004) ** 4,
        lambda a: 5 * (a + 0.004) ** 4 - 8 * (a + 0.004) ** 3,
        0.1,
        0.1,
    ),
}


@pytest.mark.parametrize("first", [1e-3, 1e-1, 1e1, 1e3])
@pytest.mark.parametrize("name", PAPERS)
def test_functions_of_the_paper(name, first):
    value, slope, c1, c2 = PAPERS[name]
    wolfe = Wolfe(c1, c2, 1e-10, 60)
    found = search(value, slope, first, wolfe)
    assert found.accepted
    assert_strong_wolfe(value, slope, found.steps[-1], wolfe)
    # The tables of the paper: 6, 3, 1, 4 evaluations for 5.1, and 12, 8, 8, 11 for 5.2.
    assert (
        len(found.steps)
        == {
            "5.1": {1e-3: 6, 1e-1: 3, 1e1: 1, 1e3: 4},
            "5.2": {1e-3: 12, 1e-1: 8, 1e1: 8, 1e3: 11},
        }[name][first]
    )


@pytest.mark.parametrize("beyond", [np.nan, np.inf, -np.inf])
def test_steps_without_a_finite_value_are_cut_and_never_accepted(beyond):
    def value(t: float) -> float:
        return t**2 - t if t < 0.8 else beyond

    found = search(value, lambda t: 2 * t - 1 if t < 0.8 else beyond, 1000.0, Wolfe(1e-4, 0.2))
    assert found.accepted
    assert found.steps[-1] < 0.8
    assert_strong_wolfe(value, lambda t: 2 * t - 1, found.steps[-1], Wolfe(1e-4, 0.2))


def test_a_slope_that_lies_ends_the_search():
    found = search(lambda t: t, lambda t: -1.0, 1.0, Wolfe(1e-4, 0.9))
    assert not found.accepted
    assert len(found.steps) <= 20


def test_a_step_that_moves_nothing_is_not_accepted():
    """Where even the smallest steps end higher, the trapezoid rule may promise what the values do not show."""
    found = search(lambda t: abs(t), lambda t: -1.0, 1.0, Wolfe(1e-4, 0.9, most=60))
    assert not found.accepted


def test_a_function_without_a_lower_end_ends_the_search_with_its_lowest_value():
    found = search(lambda t: -t, lambda t: -1.0, 1.0, Wolfe(1e-4, 0.9))
    assert found.accepted
    assert found.steps[-1] >= 1e10
    assert len(found.steps) <= 20


def test_a_kink_is_accepted_where_the_value_falls():
    """|t − 1| has no step of a small slope; the search ends close to the kink, with a lower value."""
    found = search(lambda t: abs(t - 1), lambda t: np.sign(t - 1.0), 0.3, Wolfe(1e-4, 0.2))
    assert found.accepted
    assert found.steps[-1] == pytest.approx(1, abs=0.2)
    assert len(found.steps) <= 21


@pytest.mark.parametrize("first", [0.01, 1.0, 30.0])
def test_in_rounding_the_slopes_decide(first):
    """All the values are 1 in float32, the slopes are exact: the approximate Wolfe condition of Hager & Zhang."""
    found = search(
        lambda t: 1 + 1e-10 * (t - 2) ** 2, lambda t: 2e-10 * (t - 2), first, Wolfe(1e-4, 0.2), dtype=np.float32
    )
    assert found.accepted
    assert abs(found.steps[-1] - 2) <= 0.2 * 2 + 1e-6
    # On a parabola the trapezoid rule is exact.
    with jax.enable_x64(True):
        state = begin(np.float64(3.0), np.float64(-1.0))
        change = steady_change(state, np.float64(1 + 1e-15), np.float64(1.0), np.float64(2.0), np.float64(-1.0))
    assert float(change) == 3 * (2 - 1) / 2


def test_searches_side_by_side_are_those_alone():
    firsts = np.array([0.01, 0.5, 7.0])
    wolfe = RULES["bfgs"]
    value, slope, _, _ = PAPERS["5.1"]
    alone = [search(value, slope, first, wolfe) for first in firsts]
    with jax.enable_x64(True):
        down = jnp.full(3, slope(0.0))
        state, ended = jax.vmap(begin)(jnp.asarray(firsts), down), np.zeros(3, bool)
        accepted, zeros = np.zeros(3), np.zeros(3)
        for _ in range(12):
            steps = np.asarray(state.step)
            state, verdict = jax.vmap(lambda *now: advance(*now, wolfe))(state, value(steps), zeros, slope(steps), down)
            new = np.asarray(verdict.accepted) & ~ended
            accepted[new], ended = steps[new], ended | new
    assert ended.all()
    np.testing.assert_allclose(accepted, [found.steps[-1] for found in alone], rtol=1e-12)
