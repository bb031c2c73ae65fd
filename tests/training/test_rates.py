"""Schedules against Optax and at points worked out by hand."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from entrena.registry import Choice
from entrena.training.rates import SCHEDULES, has_end, rates


def one_cycle(peak: float = 0.5, final: float = 0.1, division: float = 1000.0) -> Choice:
    return SCHEDULES.choose({"name": "one_cycle", "peak": peak, "final": final, "division": division})


def test_constant():
    assert rates(Choice("constant"), np.arange(5), 5, 0.3).tolist() == [0.3] * 5


@pytest.mark.parametrize("n_updates", [20, 100, 1000])
@pytest.mark.parametrize(("peak", "final", "division"), [(0.5, 0.1, 1000.0), (0.3, 0.2, 10.0), (0.1, 0.5, 1.0)])
def test_one_cycle_equals_optax(n_updates, peak, final, division):
    t = np.arange(n_updates + 1)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        schedule = optax.linear_onecycle_schedule(n_updates, 0.8, peak, 1 - final, 10.0, division)
        theirs = jax.vmap(schedule)(t.astype(float))
    np.testing.assert_allclose(rates(one_cycle(peak, final, division), t, n_updates, 0.8), theirs, rtol=1e-12)


def test_one_cycle_by_hand():
    # T = 100, η1 = 1: 0.1 at 0, 1 at 50, 0.1 at 90, 0.1/1000 at 100; half-way between them the means.
    t = [0, 25, 50, 70, 90, 95, 100]
    expected = [0.1, 0.55, 1.0, 0.55, 0.1, 0.05005, 0.0001]
    np.testing.assert_allclose(rates(one_cycle(), t, 100, 1.0), expected, rtol=1e-12)


@pytest.mark.parametrize("minimum", [0.0, 0.1])
def test_cosine_equals_optax(minimum):
    choice = SCHEDULES.choose({"name": "cosine", "minimum": minimum})
    t = np.arange(90)  # also beyond the end
    with jax.enable_x64(True):
        theirs = optax.cosine_decay_schedule(0.2, 70, alpha=minimum)(t.astype(float))
    np.testing.assert_allclose(rates(choice, t, 70, 0.2), theirs, rtol=1e-11, atol=1e-16)


def test_cosine_by_hand():
    np.testing.assert_allclose(rates(Choice("cosine"), [0, 20, 30, 60], 60, 0.4), [0.4, 0.3, 0.2, 0.0], atol=1e-15)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("n_updates", [1, 2, 7])
def test_every_schedule_is_positive_float64_and_below_its_rate(name, n_updates):
    values = rates(Choice(name), np.arange(n_updates), n_updates, 0.5)
    assert values.dtype == np.float64
    assert values.shape == (n_updates,)
    assert (values > 0).all()
    assert (values <= 0.5).all()


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_a_rate_is_a_function_of_the_update_alone(name):
    whole = rates(Choice(name), np.arange(30), 30, 0.5)
    parts = [rates(Choice(name), np.arange(first, first + 6), 30, 0.5) for first in range(0, 30, 6)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(("peak", "final"), [(0.5, 0.4), (0.85, 0.1), (0.05, 0.9)])
def test_one_cycle_rises_to_its_peak_and_falls_after_it(peak, final):
    values = rates(one_cycle(peak, final), np.arange(201), 200, 1.0)
    top = values.argmax()
    assert (np.diff(values[: top + 1]) >= 0).all()
    assert (np.diff(values[top:]) <= 0).all()
    assert top == round(peak * 200)


@pytest.mark.parametrize(("peak", "final"), [(0.9, 0.4), (0.5, 0.5)])
def test_one_cycle_whose_peak_lies_in_its_last_phase_is_refused(peak, final):
    with pytest.raises(ValueError, match="peak"):
        one_cycle(peak, final)


def test_which_schedules_have_an_end():
    assert {name: has_end(Choice(name)) for name in SCHEDULES} == {"constant": False, "one_cycle": True, "cosine": True}
