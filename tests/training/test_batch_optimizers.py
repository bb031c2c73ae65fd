"""The batch-only optimizers as machines that are handed values and gradients of functions in NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy import optimize
from scipy.special import expit, logsumexp

from entrena.registry import Choice
from entrena.training.batch_optimizers import (
    CONVERGED,
    GOES_ON,
    MOST_IDLE,
    NO_LOWER,
    Evaluation,
    Objective,
    first_standing,
    next_standing,
)
from entrena.training.levenberg_marquardt import chunk_rows, gauss_newton
from entrena.training.optimizers import batch_optimizer, settings_by_use
from entrena.training.rprop import scale_by_signs

# Ten numbers as a tree of two layers: what the optimizers do may not depend on how the weights are laid out.
LIKE = ({"weights": np.zeros((2, 3)), "biases": np.zeros(3)}, {"weights": np.zeros((1, 1))})
N = 10
TIGHT = 1e-9

KINDS = {
    "polak_ribiere": Choice("conjugate_gradient"),
    "fletcher_reeves": Choice("conjugate_gradient", (("update", "fletcher_reeves"),)),
    "hestenes_stiefel": Choice("conjugate_gradient", (("update", "hestenes_stiefel"),)),
    "lbfgs": Choice("lbfgs"),
    "lbfgs with 3 pairs": Choice("lbfgs", (("memory", 3),)),
    "bfgs": Choice("bfgs"),
}


class Function(NamedTuple):
    """A function of ten numbers, its gradient, where a search begins, and where its minimum is."""

    value: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray
    minimum: np.ndarray


class Driven(NamedTuple):
    """What came of a machine: the accepted point, where it stands, and the values that it was given."""

    point: np.ndarray
    standing: Any
    values: list[float]


def _quadratic() -> Function:
    generator = np.random.default_rng(0)
    rotation = np.linalg.qr(generator.normal(size=(N, N)))[0]
    matrix, minimum = rotation * np.geomspace(0.1, 10, N) @ rotation.T, generator.normal(size=N)
    start = minimum + generator.normal(size=N)
    return Function(
        lambda x: (x - minimum) @ matrix @ (x - minimum) / 2, lambda x: matrix @ (x - minimum), start, minimum
    )


def _logistic_regression() -> Function:
    generator = np.random.default_rng(1)
    X, decay = generator.normal(size=(40, N)), 0.05
    sign = np.where(X @ generator.normal(size=N) + generator.normal(size=40) > 0, 1.0, -1.0)

    def value(w: np.ndarray) -> float:
        return np.logaddexp(0, -sign * (X @ w)).mean() + decay / 2 * w @ w

    def gradient(w: np.ndarray) -> np.ndarray:
        return -(sign * expit(-sign * (X @ w))) @ X / 40 + decay * w

    w = np.zeros(N)
    for _ in range(30):  # Newton
        p = expit(X @ w)
        w = w - np.linalg.solve(X.T * (p * (1 - p)) @ X / 40 + decay * np.eye(N), gradient(w))
    return Function(value, gradient, np.full(N, -1.0), w)


def _log_sum_of_exponentials() -> Function:
    generator = np.random.default_rng(2)
    A, b = generator.normal(size=(30, N)), generator.normal(size=30)

    def value(x: np.ndarray) -> float:
        return logsumexp(A @ x + b) + x @ x / 20

    def gradient(x: np.ndarray) -> np.ndarray:
        z = A @ x + b
        return np.exp(z - logsumexp(z)) @ A + x / 10

    x = np.zeros(N)
    for _ in range(100):  # Newton
        p = np.exp(A @ x + b - logsumexp(A @ x + b))
        x = x - np.linalg.solve((A.T * p) @ A - np.outer(p @ A, p @ A) + np.eye(N) / 10, gradient(x))
    assert np.abs(gradient(x)).max() < 1e-12
    return Function(value, gradient, np.full(N, 0.5), x)


FUNCTIONS = {
    "rosenbrock": Function(optimize.rosen, optimize.rosen_der, np.tile([0.2, -0.3], N // 2), np.ones(N)),
    "quadratic": _quadratic(),
    "logistic regression": _logistic_regression(),
    "log of a sum": _log_sum_of_exponentials(),
}


def machine(choice: Choice, learning_rate: float = 0.1, **changed: Any) -> Any:
    settings, compiled, _ = settings_by_use(choice)
    return batch_optimizer(choice, compiled, {**settings, "tolerance": TIGHT, **changed}, learning_rate)


_stepped: dict[Choice, Any] = {}


def stepper(choice: Choice) -> tuple[Any, Any]:
    """A machine, and its update compiled for a value and a gradient that are handed in."""
    if choice not in _stepped:
        made = machine(choice)
        update = jax.jit(lambda params, memory, seen: made.update(Objective(lambda _: seen), params, memory))
        _stepped[choice] = made, update
    return _stepped[choice]


def beginning(made: Any, params: Any) -> Any:
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(made.init, params))


def drive(choice: Choice, function: Function, most: int = 3000) -> Driven:
    """Runs a machine until it has ended; the function sees flat NumPy vectors."""
    with jax.enable_x64(True):
        made, update = stepper(choice)
        unflatten = ravel_pytree(LIKE)[1]
        params = unflatten(jnp.asarray(function.start))
        memory, values = beginning(made, params), []
        while memory.standing.ended == GOES_ON and len(values) < most:
            point = np.asarray(ravel_pytree(params)[0])
            if hasattr(memory, "search") and len(values) > 0:
                point = point + float(memory.search.step) * np.asarray(ravel_pytree(memory.direction)[0])
            value = np.float64(function.value(point))
            values.append(float(value))
            seen = Evaluation(value, value, unflatten(jnp.asarray(function.gradient(point))))
            params, memory = update(params, memory, seen)
        return Driven(np.asarray(ravel_pytree(params)[0]), jax.tree.map(np.asarray, memory.standing), values)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_minimum_is_found(kind, name):
    function = FUNCTIONS[name]
    driven = drive(KINDS[kind], function)
    assert driven.standing.ended == CONVERGED
    np.testing.assert_allclose(driven.point, function.minimum, atol=1e-6)
    assert driven.standing.gradient == pytest.approx(np.abs(function.gradient(driven.point)).max(), rel=1e-3, abs=1e-13)
    assert driven.standing.loss == pytest.approx(function.value(driven.point), rel=1e-12)
    assert driven.standing.evaluations == len(driven.values)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("kind", "scipys"), [("bfgs", "BFGS"), ("lbfgs", "L-BFGS-B"), ("polak_ribiere", "CG")])
def test_no_more_evaluations_than_scipy(kind, scipys, name):
    """Evaluations until the value is within 1e-8 of the least; at most 1.2 times SciPy's."""
    function = FUNCTIONS[name]
    seen: list[float] = []

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(float(function.value(x)))
        return seen[-1], function.gradient(x)

    optimize.minimize(evaluate, function.start, jac=True, method=scipys, options={"gtol": TIGHT, "maxiter": 10_000})
    level = function.value(function.minimum) + 1e-8
    mine = drive(KINDS[kind], function).values

    def reached(values: list[float]) -> int:
        return 1 + int(np.argmax(np.array(values) <= level))

    assert min(seen) <= level
    assert reached(mine) <= 1.2 * reached(seen)


def test_lbfgs_goes_the_way_of_scipys():
    """The same pairs, the same line search, the same constants: the same values one by one, but for the last bits."""
    function = FUNCTIONS["logistic regression"]
    seen: list[float] = []

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(float(function.value(x)))
        return seen[-1], function.gradient(x)

    optimize.minimize(evaluate, function.start, jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0})
    mine = drive(KINDS["lbfgs"], function).values
    assert len(seen) > 12
    np.testing.assert_allclose(mine[:12], seen[:12], rtol=1e-8)


def test_the_first_evaluation_is_of_the_first_point_and_accepts_it():
    function = FUNCTIONS["rosenbrock"]
    for choice in KINDS.values():
        driven = drive(choice, function, most=1)
        np.testing.assert_array_equal(driven.point, function.start)
        assert driven.standing.loss == function.value(function.start)
        assert driven.standing.evaluations == 1


def test_an_optimizer_that_begins_at_the_minimum_has_converged_after_one_evaluation():
    function = FUNCTIONS["quadratic"]._replace(start=FUNCTIONS["quadratic"].minimum)
    for choice in (*KINDS.values(), Choice("rprop")):
        driven = drive(choice, function)
        assert (driven.standing.ended, driven.standing.evaluations) == (CONVERGED, 1)
        np.testing.assert_array_equal(driven.point, function.start)


@pytest.mark.parametrize("kind", ["polak_ribiere", "lbfgs", "bfgs"])
def test_a_slope_that_lies_ends_it_and_the_point_stays(kind):
    """Values that rise along every direction that the gradient calls downhill: steepest descent fails as well."""
    start = np.ones(N)
    function = Function(lambda x: float(np.abs(x - start).sum()), lambda x: np.ones(N), start, start)
    driven = drive(KINDS[kind], function)
    assert driven.standing.ended == NO_LOWER
    np.testing.assert_array_equal(driven.point, start)
    assert driven.standing.evaluations <= 50


@pytest.mark.parametrize("kind", ["polak_ribiere", "lbfgs", "bfgs"])
def test_steps_into_the_infinite_are_not_taken(kind):
    """A barrier: infinite where a number is not below 1."""

    def value(x: np.ndarray) -> float:
        return float(-np.log(1 - x).sum() - 4 * x.sum()) if (x < 1).all() else np.inf

    def gradient(x: np.ndarray) -> np.ndarray:
        return 1 / (1 - x) - 4 if (x < 1).all() else np.full(N, np.nan)

    function = Function(value, gradient, np.linspace(-40, 0, N), np.full(N, 0.75))
    driven = drive(KINDS[kind], function)
    assert np.isinf(driven.values).any()
    assert driven.standing.ended == CONVERGED
    np.testing.assert_allclose(driven.point, function.minimum, atol=1e-6)


@pytest.mark.parametrize("kind", ["polak_ribiere", "lbfgs", "bfgs"])
def test_what_rounding_leaves_is_the_end(kind):
    """A tolerance of 1e-9 that float32 cannot reach: it ends by itself, close to the minimum."""
    function, made = FUNCTIONS["logistic regression"], machine(KINDS[kind])
    like = jax.tree.map(lambda leaf: leaf.astype(np.float32), LIKE)
    unflatten = ravel_pytree(like)[1]
    update = jax.jit(lambda params, memory, seen: made.update(Objective(lambda _: seen), params, memory))
    params = unflatten(jnp.asarray(function.start, jnp.float32))
    memory, n = beginning(made, params), 0
    while memory.standing.ended == GOES_ON and n < 2000:
        trial = jax.tree.map(lambda w, d, a=memory.search.step if n else 0.0: w + a * d, params, memory.direction)
        point = np.asarray(ravel_pytree(trial)[0], np.float32)
        value = np.float32(function.value(point))
        params, memory = update(
            params, memory, Evaluation(value, value, unflatten(jnp.asarray(function.gradient(point), jnp.float32)))
        )
        n += 1
    assert int(memory.standing.ended) in (NO_LOWER, CONVERGED)
    np.testing.assert_allclose(ravel_pytree(params)[0], function.minimum, atol=1e-4)


def test_steps_that_change_nothing_end_it():
    """Twenty of them: one cause, once the memory of the curvature is gone, the other."""
    standing, seen = first_standing(jnp.zeros(())), Evaluation(jnp.ones(()), jnp.ones(()), jnp.ones(3))
    for n in range(1 + MOST_IDLE):
        assert (standing.ended, standing.idle) == (GOES_ON, max(0, n - 1))
        standing = next_standing(standing, jnp.ones((), bool), seen, jnp.zeros(()))
    assert standing.ended == NO_LOWER
    never = next_standing(standing, jnp.ones((), bool), seen, jnp.zeros(()), most_idle=None)
    assert never.ended == GOES_ON
    lower = next_standing(standing, jnp.ones((), bool), seen._replace(value=jnp.full((), 0.5)), jnp.zeros(()))
    assert (lower.ended, lower.idle) == (GOES_ON, 0)
    rejected = next_standing(standing, jnp.zeros((), bool), seen._replace(value=jnp.full((), 0.5)), jnp.zeros(()))
    assert (rejected.lowest, rejected.loss, rejected.idle) == (1, 1, MOST_IDLE)


# --- Levenberg–Marquardt ----------------------------------------------------------------------------------------------


class Residuals(NamedTuple):
    """Residuals of ten numbers, and where a search begins."""

    of: Callable[[Any], Any]
    start: np.ndarray


_x = np.linspace(-4, 4, 60)
_generator = np.random.default_rng(3)
_matrix, _right = _generator.normal(size=(30, N)), _generator.normal(size=30)
_hills = np.exp(-((_x + 2) ** 2)) + 2 * np.exp(-((_x / 0.7) ** 2)) + 0.5 * np.exp(-((_x - 2.5) ** 2))
_hills += 0.3 + 0.02 * _generator.normal(size=60)

RESIDUALS = {
    "rosenbrock": Residuals(
        lambda w: jnp.concatenate([10 * (w[1:] - w[:-1] ** 2), 1 - w[:-1]]), np.tile([-1.2, 1.0], N // 2)
    ),
    "linear": Residuals(lambda w: _matrix @ w - _right, np.ones(N)),
    "three hills": Residuals(
        lambda w: sum(w[i] * jnp.exp(-(((_x - w[i + 1]) * w[i + 2]) ** 2)) for i in (0, 3, 6)) + w[9] - _hills,
        np.array([0.8, -1.5, 0.8, 1.5, 0.3, 1.0, 0.8, 2.0, 1.2, 0.0]),
    ),
}


@pytest.mark.parametrize("name", RESIDUALS)
def test_levenberg_marquardt_finds_scipys_minimum(name):
    residuals, start = RESIDUALS[name]
    with jax.enable_x64(True):
        made = machine(Choice("levenberg_marquardt"), tolerance=1e-10)
        unflatten = ravel_pytree(LIKE)[1]

        def measure(params: Any) -> tuple[Any, Any]:
            half = jnp.sum(residuals(ravel_pytree(params)[0]) ** 2) / 2
            return half, half

        def linearise(params: Any) -> tuple[Any, Any]:
            flat = ravel_pytree(params)[0]
            jacobian = jax.jacfwd(residuals)(flat)
            return residuals(flat) @ jacobian, jacobian.T @ jacobian

        update = jax.jit(lambda *at: made.update(Objective(None, measure, linearise), *at))
        params = unflatten(jnp.asarray(start))
        memory, n = beginning(made, params), 0
        while int(memory.standing.ended) == GOES_ON and n < 400:
            params, memory = update(params, memory)
            n += 1
        scipys = optimize.least_squares(
            lambda w: np.asarray(residuals(jnp.asarray(w))),
            start,
            lambda w: np.asarray(jax.jacfwd(residuals)(jnp.asarray(w))),
            method="lm",
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        )
        point, standing = np.asarray(ravel_pytree(params)[0]), jax.tree.map(np.asarray, memory.standing)
    assert standing.ended == CONVERGED
    assert standing.loss == pytest.approx(scipys.cost, rel=1e-10, abs=1e-18)
    np.testing.assert_allclose(point, scipys.x, atol=1e-6)
    assert n == standing.evaluations <= scipys.nfev + 10


@pytest.mark.parametrize("chunk_bytes", [1, 4 * 5 * 7 * 8, 2**20], ids=["a row", "four rows", "all rows"])
def test_gauss_newton_in_chunks_equals_numpy(chunk_bytes, monkeypatch, generator):
    monkeypatch.setattr("entrena.training.levenberg_marquardt.CHUNK_BYTES", chunk_bytes)
    n_rows, n_inputs, n_outputs = 12, 2, 5
    X, targets = generator.normal(size=(n_rows, n_inputs)), generator.normal(size=(n_rows, n_outputs))
    v, w = generator.uniform(size=n_rows), generator.normal(size=7)
    v[3] = 0  # no example

    def outputs(w: Any, x: Any) -> Any:
        return jnp.tanh(x[0] * w[:5]) * w[5] + x[1] * w[6]

    with jax.enable_x64(True):
        gradient, matrix = gauss_newton(outputs, jnp.asarray(w), jnp.asarray(X), jnp.asarray(targets), jnp.asarray(v))
    expected_gradient, expected = np.zeros(7), np.zeros((7, 7))
    for x, t, weight in zip(X, targets, v, strict=True):
        inner = np.tanh(x[0] * w[:5])
        jacobian = np.zeros((5, 7))
        jacobian[:, :5] = np.diag((1 - inner**2) * x[0] * w[5])
        jacobian[:, 5], jacobian[:, 6] = inner, x[1]
        residual = inner * w[5] + x[1] * w[6] - t
        expected_gradient += 2 * weight / 5 * residual @ jacobian
        expected += 2 * weight / 5 * jacobian.T @ jacobian
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12)
    np.testing.assert_allclose(matrix, expected, rtol=1e-12, atol=1e-15)


def test_chunks_divide_the_rows(monkeypatch):
    monkeypatch.setattr("entrena.training.levenberg_marquardt.CHUNK_BYTES", 1000)
    assert [chunk_rows(480, n_bytes) for n_bytes in (1, 10, 33, 999, 1001)] == [480, 96, 30, 1, 1]


# --- rprop ------------------------------------------------------------------------------------------------------------


def numpy_rprop(gradients: np.ndarray, first: float, up: float, down: float, low: float, high: float, backtracking):
    """The pseudocode of Riedmiller & Braun (1993), section 3, weight by weight; or what PyTorch's `Rprop` does instead.

    PyTorch: the sign of g·g before chooses the factor, the step size is clamped, g is 0 where the sign changed, and
    w ← w − sign(g)·step.
    """
    steps = np.zeros_like(gradients)
    for i in range(gradients.shape[1]):
        delta, before, last = first, 0.0, 0.0
        for t, g in enumerate(gradients[:, i]):
            if before * g > 0:
                delta = min(delta * up, high)
                move = -np.sign(g) * delta
                before = g
            elif before * g < 0:
                delta = max(delta * down, low)
                move = -last if backtracking else 0.0
                before = 0.0
            else:
                move = -np.sign(g) * delta
                before = g
            steps[t, i] = last = move
    return steps


@pytest.mark.parametrize("backtracking", [True, False], ids=["paper", "PyTorch"])
def test_rprop_equals_the_pseudocode(backtracking, generator):
    gradients = generator.normal(size=(60, N)) + generator.normal(size=N)
    gradients[5, 2] = gradients[9] = 0.0
    gradients[20:40] = np.abs(gradients[20:40])  # long runs of one sign reach the greatest step, changes the least
    numbers = {"first_step": 0.1, "increase": 1.3, "decrease": 0.4, "smallest": 0.02, "largest": 2.0}
    with jax.enable_x64(True):
        unflatten = ravel_pytree(LIKE)[1]
        made = scale_by_signs(**{name: np.float64(x) for name, x in numbers.items()}, backtracking=backtracking)
        memory, update, steps = made.init(unflatten(jnp.zeros(N))), jax.jit(made.update), []
        for g in gradients:
            step, memory = update(unflatten(jnp.asarray(g)), memory)
            steps.append(-np.asarray(ravel_pytree(step)[0]))
    expected = numpy_rprop(gradients, *numbers.values(), backtracking)
    np.testing.assert_allclose(steps, expected, rtol=1e-12)
    assert np.isclose(np.abs(expected), 2.0).any()
    assert np.isclose(np.abs(expected), 0.02).any()


@pytest.mark.parametrize("backtracking", [True, False], ids=["paper", "PyTorch"])
@pytest.mark.parametrize("name", ["quadratic", "logistic regression", "log of a sum"])
def test_rprop_finds_the_minimum(name, backtracking):
    function = FUNCTIONS[name]
    driven = drive(Choice("rprop", (("backtracking", backtracking), ("smallest", 1e-12))), function)
    assert driven.standing.ended == CONVERGED
    np.testing.assert_allclose(driven.point, function.minimum, atol=1e-6)
