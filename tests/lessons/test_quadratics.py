"""What lessons say of quadratics, curvature and passes to a level: against NumPy, finite differences and hand work."""

from __future__ import annotations

from math import exp, inf, log, sqrt
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy import stats

from entrena.fitting import fit
from entrena.lessons import levels, quadratics
from entrena.lessons.curvature import greatest_curvature
from entrena.lessons.levels import Racer, best_rates, end_of_race, median_passes, passes_to, race, speed_up
from entrena.lessons.trials import Trials, rows_of
from entrena.network.multilayer import Network
from entrena.population.splits import Split
from entrena.recipe import Recipe
from entrena.registry import Choice
from entrena.training.structure import Structure


def arrays(examples):
    return np.column_stack([column.values for column in examples.inputs]), np.asarray(examples.targets)


def mean_squared_error(weights, X, targets):
    return np.square(X @ weights[:-1] + weights[-1] - targets).mean()


def second_differences(function, at, h):
    """The Hessian of a function by central differences."""
    n = at.size
    found = np.empty((n, n))
    steps = h * np.eye(n)
    for i in range(n):
        for j in range(i, n):
            ends = [function(at + a * steps[i] + b * steps[j]) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
            found[i, j] = found[j, i] = (ends[0] - ends[1] - ends[2] + ends[3]) / (4 * h * h)
    return found


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_quadratic_of_rows_by_finite_differences(generator, n_outputs):
    X, targets = generator.normal(1, 2, (40, 3)), generator.normal(size=(40, n_outputs))
    found = quadratics.quadratic_of(X, targets)

    def loss(flat):
        return mean_squared_error(flat.reshape(4, n_outputs), X, targets)

    hessian = second_differences(loss, generator.normal(size=4 * n_outputs), 1e-2)
    expected = np.sort(np.linalg.eigvalsh(hessian))
    np.testing.assert_allclose(np.repeat(found.eigenvalues, n_outputs), expected, rtol=1e-6)
    assert found.edge == pytest.approx(2 / expected[-1], rel=1e-6)
    assert found.fastest == pytest.approx(2 / (expected[-1] + expected[0]), rel=1e-6)
    assert found.condition == pytest.approx(expected[-1] / expected[0], rel=1e-6)
    for output in range(n_outputs):  # one output after the other, by the normal equations
        table = np.column_stack([X, np.ones(40)])
        best = np.linalg.solve(table.T @ table, table.T @ targets[:, output])
        np.testing.assert_allclose(found.minimum[:, output], best, rtol=1e-8)
    assert found.least == pytest.approx(mean_squared_error(found.minimum, X, targets))
    assert all(loss(found.minimum.ravel() + 0.01 * each) > found.least for each in np.eye(4 * n_outputs))


@pytest.mark.parametrize("condition", [1.0, 10.0, 1000.0])
def test_rows_made_to_measure(generator, condition):
    X, targets = arrays(quadratics.ravine(condition, 50, 6, generator))
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-9)
    variances = np.linalg.eigvalsh(X.T @ X / 50)
    np.testing.assert_allclose(variances, [condition ** (-0.5 + k / 5) for k in range(6)], rtol=1e-9)
    table = np.column_stack([X, np.ones(50)])
    assert np.linalg.cond(table.T @ table) == pytest.approx(condition, rel=1e-9)
    assert targets.shape == (50,) and 0 < quadratics.quadratic_of(X, targets[:, None]).least < targets.var()


def test_whitened(generator):
    X = generator.normal(3, 1, (60, 4)) @ generator.normal(size=(4, 4))
    found = quadratics.whitened(X)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.eye(4), atol=1e-9)


def walk(eigenvalue, rate, momentum, nesterov, n=400):
    """What an update leaves of the error in the long run, by doing it: the growth of the state's length."""
    error, velocity, logs = 1.0, 0.0, []
    for _ in range(n):
        gradient = eigenvalue * error
        velocity = momentum * velocity + gradient
        error -= rate * (gradient + momentum * velocity if nesterov else velocity)
        size = sqrt(error**2 + velocity**2)
        logs.append(log(size))
        error, velocity = error / size, velocity / size
    return exp(np.mean(logs[n // 2 :]))


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize(("momentum", "rate"), [(0.0, 0.3), (0.5, 0.2), (0.9, 0.1), (0.9, 0.6)])
def test_contraction_with_momentum_by_doing_it(momentum, rate, nesterov):
    eigenvalues = np.array([0.2, 1.0, 3.0])
    expected = max(walk(each, rate, momentum, nesterov) for each in eigenvalues)
    found = quadratics.momentum_contraction(rate, momentum, eigenvalues, nesterov=nesterov)
    assert found == pytest.approx(expected, rel=5e-3)
    if momentum == 0:
        assert found == pytest.approx(quadratics.contraction_of(rate, eigenvalues)) == pytest.approx(0.94)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_greatest_rate_with_momentum(momentum, nesterov):
    edge = quadratics.greatest_rate(3.0, momentum, nesterov=nesterov)
    assert walk(3.0, edge * 0.99, momentum, nesterov) < 1 < walk(3.0, edge * 1.01, momentum, nesterov)


@pytest.mark.parametrize("condition", [4.0, 100.0])
def test_the_fastest_rates_are_those_of_the_textbook(condition):
    eigenvalues = np.geomspace(1, condition, 5)
    plain = quadratics.fastest_contraction(0.0, eigenvalues)
    assert plain == pytest.approx((condition - 1) / (condition + 1), abs=2e-3)
    assert quadratics.contraction_of(2 / (1 + condition), eigenvalues) == pytest.approx(
        quadratics.best_contraction(condition)
    )
    momentum = quadratics.matched_momentum(condition)
    # Polyak: with the rate 4/(√λmax + √λmin)² every direction is left with √μ.
    rate = 4 / (sqrt(condition) + 1) ** 2
    assert quadratics.momentum_contraction(rate, momentum, eigenvalues) == pytest.approx(sqrt(momentum), abs=1e-6)
    assert quadratics.fastest_contraction(momentum, eigenvalues) == pytest.approx(sqrt(momentum), abs=5e-3)


def test_steps_are_the_powers_of_a_matrix():
    path = quadratics.steps((1.0, 30.0), (-10.0, 1.0), 0.05, 0.4, 7)
    for direction, eigenvalue in enumerate((1.0, 30.0)):
        matrix = np.array([[1 - 0.05 * eigenvalue, -0.05 * 0.4], [eigenvalue, 0.4]])
        state = np.array([path[0, direction], 0.0])
        for k in range(8):
            assert path[k, direction] == pytest.approx((np.linalg.matrix_power(matrix, k) @ state)[0])


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_entrena_takes_the_steps_of_the_theory(generator, momentum, nesterov):
    """Gradient descent as the lessons train it, against NumPy, update by update."""
    examples = quadratics.ravine(10.0, 30, 4, generator)
    rows = rows_of(examples, Split(5, 0, np.arange(30), np.arange(0)))
    own = {"learning_rate": 0.05, "max_epochs": 9, "momentum": momentum, "random_state": 5}
    own |= {"nesterov": True} if nesterov else {}
    prepared = rows.prepare(Recipe.make(quadratics.GRADIENT_DESCENT | quadratics.AS_THEY_ARE | own))
    fitted = fit(prepared)
    X, targets = arrays(examples)
    table = np.column_stack([X, np.ones(30)])
    weights, velocity, losses = quadratics.first_weights(prepared)[:, 0], np.zeros(5), []
    assert weights[-1] == 0 and weights[0] != 0
    for _ in range(9):
        losses.append(np.square(table @ weights - targets).mean())
        gradient = 2 * table.T @ (table @ weights - targets) / 30
        velocity = momentum * velocity + gradient
        weights = weights - 0.05 * (gradient + momentum * velocity if nesterov else velocity)
    np.testing.assert_allclose(quadratics.losses_of(fitted), losses, rtol=1e-10)
    np.testing.assert_allclose(quadratics.final_weights(fitted)[:, 0], weights, rtol=1e-10)


def test_losses_are_in_the_units_of_the_network(generator):
    examples = quadratics.ravine(2.0, 30, 3, generator)
    rows = rows_of(examples, Split(0, 0, np.arange(30), np.arange(0)))
    own = {"learning_rate": 0.01, "max_epochs": 1, "target_scale": "standard"}
    prepared = rows.prepare(Recipe.make(quadratics.GRADIENT_DESCENT | own))
    part = prepared.training
    expected = mean_squared_error(quadratics.first_weights(prepared), part.inputs[:30], part.targets[:30])
    assert quadratics.losses_of(fit(prepared)) == pytest.approx([expected])


@pytest.mark.parametrize("output", ["linear", "softmax"])
def test_the_greatest_curvature_by_finite_differences(generator, output):
    loss = {"linear": "squared_error", "softmax": "cross_entropy"}[output]
    network = Network((3, 4, 2), Choice("tanh"), output)
    params = network.initialize(generator, np.float64)
    X, targets = generator.normal(size=(12, 3)), np.eye(2)[generator.integers(0, 2, 12)]
    leaves, tree = jax.tree.flatten(params)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]

    def function(flat):
        parts = [part.reshape(leaf.shape) for part, leaf in zip(np.split(flat, ends), leaves, strict=True)]
        first, second = jax.tree.unflatten(tree, parts)
        z = np.tanh(X @ first["weights"] + first["biases"]) @ second["weights"] + second["biases"]
        if output == "linear":
            return np.square(z - targets).mean()
        return (np.log(np.exp(z).sum(axis=1)) - (targets * z).sum(axis=1)).mean()

    flat = np.concatenate([leaf.ravel() for leaf in leaves])
    expected = np.linalg.eigvalsh(second_differences(function, flat, 1e-3))[-1]
    structure = Structure(network, loss, "sgd")
    assert greatest_curvature(structure, params, X, targets) == pytest.approx(expected, rel=1e-3)


def test_the_greatest_curvature_of_a_linear_network_is_that_of_its_quadratic(generator):
    X, targets = generator.normal(size=(20, 5)), generator.normal(size=(20, 2))
    network = Network((5, 2), Choice("tanh"), "linear")
    found = greatest_curvature(
        Structure(network, "squared_error", "sgd"), network.initialize(generator, np.float64), X, targets
    )
    assert found == pytest.approx(quadratics.quadratic_of(X, targets).eigenvalues[-1], rel=1e-4)


def history(*losses):
    return [{"loss": loss, "validation_loss": loss} for loss in losses]


def test_passes_to_a_level_by_hand():
    # The loss of a pass is that before its update: 4 at the start, 1 after two.
    assert passes_to(history(4.0, 2.0, 1.0, 0.5), 1.0) == 2
    assert passes_to(history(4.0, 2.0, 1.0, 0.5), 1.5) == 2
    assert passes_to(history(4.0, 2.0), 4.0) == 0
    assert passes_to(history(4.0, 2.0), 1.0) is None
    assert passes_to([], 1.0) is None
    # Watched: 4 after one pass, 1 after two; half way in its logarithm is 2.
    assert passes_to(history(4.0, 1.0, 0.5), 2.0, watched=True) == pytest.approx(1.5)
    assert passes_to(history(4.0, 1.0, 0.5), 1.0, watched=True) == pytest.approx(2.0)
    assert passes_to(history(4.0, 1.0), 5.0, watched=True) == 1
    assert passes_to(history(4.0, 0.0), 1.0, watched=True) == 2
    assert passes_to(history(4.0, float("nan")), 1.0, watched=True) is None


def test_a_race_ends_at_the_level_or_when_it_is_hopeless():
    look = end_of_race(1.0)
    answers = [look(SimpleNamespace(loss=loss, validation_loss=0.0)) for loss in (3.0, 2.0, 4e5, 1.0)]
    assert answers == [None, None, None, "stop"]
    look = end_of_race(1.0, watched=True)
    assert look(SimpleNamespace(loss=0.5, validation_loss=2.0)) is None
    assert look(SimpleNamespace(loss=0.5, validation_loss=2.1e6)) == "stop"
    assert end_of_race()(SimpleNamespace(loss=0.0, validation_loss=None)) == "stop"


class Runners:
    """In place of `Trials`: a network is a number of passes, which it takes."""

    def __init__(self):
        self.seen = []

    def train(self, said, prepared, watching):
        assert len(prepared) == len(watching)
        self.seen.append(prepared)
        ends = [[4.0] * passes + [1.0] if passes is not None else [4.0] * 9 for passes in prepared]
        return [SimpleNamespace(training=SimpleNamespace(history=history(*losses))) for losses in ends]


def racer(best, most=100):
    """One that takes 3 passes at its best rate and more elsewhere, and never arrives beyond twice that."""

    def prepare(seed, rate, allowed):
        assert allowed == most
        return None if rate > 2 * best else 3 + seed + round(10 * abs(log(rate / best)))

    return Racer("one", prepare, lambda seed: 1.0, (0.1, 1.0, 10.0, 100.0), most)


def test_the_best_rate_is_sought_in_two_rounds():
    trials = Runners()
    found = best_rates("a race", [racer(2.2), racer(0.4)], [0, 1], trials, n_between=2)
    # Between 1 and its neighbours are 0.215, 0.464, 2.15 and 4.64; the second one is best at the lowest of the four
    # rates, so between 0.1 and 1 only.
    assert found == pytest.approx([10 ** (1 / 3), 10 ** (-1 / 3)])
    assert [len(prepared) for prepared in trials.seen] == [(4 + 4) * 2, (4 + 2) * 2]
    assert race("a race", [racer(2.2)], [2.2], [0, 1, 5], Runners()) == [[3, 4, 8]]
    assert race("a race", [racer(2.2)], [50.0], [0], Runners()) == [[None]]


def test_the_best_rate_at_an_end():
    assert best_rates("a race", [racer(100.0)], [0], Runners()) == [100.0]
    assert best_rates("a race", [racer(0.001)], [0], Runners()) == [0.1]


def test_the_gain_is_a_geometric_mean():
    slow, fast = [10.0, 40.0, 25.0], [5.0, 8.0, 5.0]
    found = speed_up(slow, fast, 100)
    logs = np.log(np.array(slow) / fast)
    low, high = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((stats.gmean([2, 5, 5]), exp(low), exp(high)))
    found = speed_up([None, 40.0], [5.0, None], 100)
    assert found["mean"] == pytest.approx(sqrt(20 * 0.4)) and found["not_reached"] == [1, 1]
    assert np.isnan(speed_up([None, 40.0], [None, 4.0], 100)["mean"])


def test_medians_with_runs_that_did_not_arrive():
    assert median_passes([1.0, None, 2.0]) == 2
    assert median_passes([None, None, 2.0]) is None
    assert median_passes([None, 2.0]) is None
    assert inf > levels.HOPELESS


def test_networks_are_counted_once(generator):
    examples = quadratics.ravine(2.0, 20, 3, generator)
    rows = rows_of(examples, Split(0, 0, np.arange(20), np.arange(0)))
    own = {"learning_rate": 0.1, "max_epochs": 50}
    prepared = [rows.prepare(Recipe.make(quadratics.GRADIENT_DESCENT | quadratics.AS_THEY_ARE | own))] * 2
    trials = Trials("ravine")
    first, second = trials.train("two", prepared, [end_of_race(inf), end_of_race()])
    assert len(first.training.history) == 1 and len(second.training.history) == 50
    trials.train("again", prepared, same=True)
    assert trials.n_networks == 2
