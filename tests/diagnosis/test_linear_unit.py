"""The bowl of a linear unit, worked by hand for the slides' examples, and its descent step by step."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from entrena.diagnosis.linear_unit import LinearUnit, start_beside
from entrena.diagnosis.slides import SHARE, slides_surfaces

TARGETS = np.array([2.0, 0.0])
CENTRED = LinearUnit(np.array([[1.0, 1.0], [1.0, -1.0]]), TARGETS)
FAR = LinearUnit(np.array([[101.0, 101.0], [101.0, 99.0]]), TARGETS)
UNEQUAL = LinearUnit(np.array([[0.1, 10.0], [0.1, -10.0]]), TARGETS)
TURNED = LinearUnit(np.array([[3.0, 1.0], [1.0, 2.0], [-1.0, 0.5]]), np.array([1.0, -1.0, 0.5]))


def test_condition_numbers_by_hand():
    # XᵀX of the four: [[20402, 20200], [20200, 20002]] with the determinant 202², diag(0.02, 200), diag(2, 2).
    trace, determinant = 20402 + 20002, 202**2
    greatest = (trace + sqrt(trace**2 - 4 * determinant)) / 2
    assert FAR.condition == pytest.approx(greatest**2 / determinant, rel=1e-12)
    assert FAR.condition == pytest.approx(40006, abs=0.5)
    assert UNEQUAL.condition == pytest.approx(10_000, rel=1e-12)
    assert CENTRED.condition == 1.0
    told = [[each["condition"] for each in pair["surfaces"]] for pair in slides_surfaces()["pairs"]]
    assert told == [[FAR.condition, 1.0], [UNEQUAL.condition, 1.0]]


def test_minima_by_hand():
    assert FAR.minimum == pytest.approx([-99 / 101, 1], abs=1e-9)
    assert UNEQUAL.minimum == pytest.approx([10, 0.1], abs=1e-12)
    assert CENTRED.minimum == pytest.approx([1, 1])
    for unit in (FAR, UNEQUAL, CENTRED):
        assert unit.loss(unit.minimum) == pytest.approx(0, abs=1e-15)
    assert CENTRED.loss(np.zeros(2)) == pytest.approx((2**2 + 0) / 2)


@pytest.mark.parametrize("unit", [FAR, UNEQUAL, TURNED])
def test_axes_are_numpys(unit):
    values, vectors = unit.axes
    expected = np.linalg.eigvalsh(unit.hessian)
    assert values == pytest.approx(expected, rel=1e-9, abs=1e-10 * expected[-1])
    assert vectors.T @ vectors == pytest.approx(np.eye(2), abs=1e-14)
    assert unit.hessian @ vectors == pytest.approx(vectors * values, abs=1e-11 * values[-1])


def test_the_hessian_is_that_of_the_loss():
    step, at = 1e-4, np.array([0.3, -0.7])
    for i in range(2):
        for j in range(2):
            a, b = step * np.eye(2)[i], step * np.eye(2)[j]
            four = [TURNED.loss(at + p * a + q * b) * p * q for p in (1, -1) for q in (1, -1)]
            assert sum(four) / (4 * step**2) == pytest.approx(TURNED.hessian[i, j], rel=1e-5, abs=1e-6)


def test_descent_follows_the_gradient_and_is_counted():
    start = start_beside(TURNED)
    path = TURNED.path(start, TURNED.fastest, 400)
    excess = TURNED.loss(path) - TURNED.loss(TURNED.minimum)
    gradient = (TURNED.loss(start + [1e-6, 0]) - TURNED.loss(start - [1e-6, 0])) / 2e-6
    assert path[1, 0] == pytest.approx(start[0] - TURNED.fastest * gradient, rel=1e-6)
    for share in (0.5, 1e-3, SHARE):
        counted = int(np.argmax(excess <= share * excess[0]))
        assert TURNED.updates_to(share, start, TURNED.fastest) == counted
    away = np.linalg.norm(path[:20] - TURNED.minimum, axis=1)
    assert away[1:] / away[:-1] == pytest.approx(np.full(19, TURNED.left), rel=1e-9)
    assert TURNED.updates_to(0.5, start, 1.01 * TURNED.edge) is None


def test_the_long_bowl_takes_as_many_updates_as_its_condition_says():
    assert CENTRED.updates_to(SHARE, start_beside(CENTRED), CENTRED.fastest) == 1
    for unit in (FAR, UNEQUAL):
        left = (unit.condition - 1) / (unit.condition + 1)
        expected = np.log(SHARE) / (2 * np.log(left))
        assert unit.updates_to(SHARE, start_beside(unit), unit.fastest) == pytest.approx(expected, abs=1.5)


def test_a_bowl_without_a_bottom():
    flat = LinearUnit(np.array([[1.0, 1.0], [2.0, 2.0]]), TARGETS)
    assert flat.condition == np.inf
