"""Normalization forward and backward against a derivation in NumPy; moving averages and statistics of a whole set."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from entrena.network import Network
from entrena.network.normalization import Moments, over_batch, over_layer, with_moments
from entrena.registry import Choice
from entrena.training.batch_statistics import training_set_moments
from entrena.training.structure import Data, Running

EPSILON = 1e-3


def numpy_batch_norm(z, present, gains, shifts, g):
    """Ioffe & Szegedy 2015, section 3, derivative by derivative, over the rows that are present alone."""
    rows = z[present > 0]
    n = len(rows)
    mean, variance = rows.mean(axis=0), rows.var(axis=0)
    root = np.sqrt(variance + EPSILON)
    hat = (rows - mean) / root
    out = gains * hat + shifts
    g = g[present > 0]
    d_hat = g * gains
    d_variance = (d_hat * (rows - mean) * -0.5 * root**-3).sum(axis=0)
    d_mean = (d_hat * -1 / root).sum(axis=0) + d_variance * (-2 * (rows - mean)).mean(axis=0)
    dz = np.zeros_like(z)
    dz[present > 0] = d_hat / root + d_variance * 2 * (rows - mean) / n + d_mean / n
    return out, (mean, variance * n / (n - 1)), (dz, (g * hat).sum(axis=0), g.sum(axis=0))


@pytest.fixture
def case(generator):
    z = generator.normal(size=(9, 4)) * [1, 5, 0.1, 1] + [0, 30, 2, -1]
    z[:, 3] = 7.0  # a unit that says nothing
    return z, generator.normal(size=4), generator.normal(size=4), generator.normal(size=(9, 4))


@pytest.mark.parametrize("n_present", [9, 6, 2])
def test_batch_normalization_is_the_paper_s(case, n_present):
    z, gains, shifts, g = case
    present = np.zeros(9)
    present[:n_present] = 1
    with jax.enable_x64(True):
        (out, moments), pull = jax.vjp(lambda *parts: over_batch(*parts, EPSILON), z, present, gains, shifts)
        zero = jax.tree.map(jnp.zeros_like, moments)
        dz, _, d_gains, d_shifts = pull((jnp.asarray(g * present[:, None]), zero))
    expected, statistics, gradients = numpy_batch_norm(z, present, gains, shifts, g)
    np.testing.assert_allclose(out[:n_present], expected, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(moments, statistics, rtol=1e-11, atol=1e-11)
    for found, wanted in zip((dz, d_gains, d_shifts), gradients, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)
    assert not np.asarray(dz)[n_present:].any()


def test_rows_that_are_not_present_change_nothing(case):
    z, gains, shifts, _ = case
    present = np.array([1.0] * 6 + [0] * 3)
    other = z.copy()
    other[6:] = 1e6
    with jax.enable_x64(True):
        a, b = (over_batch(each, present, gains, shifts, EPSILON) for each in (z, other))
    np.testing.assert_array_equal(a[0][:6], b[0][:6])
    np.testing.assert_array_equal(a[1], b[1])


def test_one_example_alone_is_finite(case):
    z, gains, shifts, _ = case
    present = np.array([1.0] + [0] * 8)
    (out, moments), pull = jax.vjp(lambda z: over_batch(z, present, gains, shifts, EPSILON), z.astype(np.float32))
    np.testing.assert_allclose(out[0], shifts, rtol=1e-6)
    assert np.isfinite(jax.tree.leaves(moments)[1]).all()
    assert not np.asarray(pull((jnp.ones_like(out), jax.tree.map(jnp.zeros_like, moments)))[0]).any()


def test_layer_normalization_is_numpy_s_and_so_is_its_gradient(case):
    z, gains, shifts, g = case
    with jax.enable_x64(True):
        out, pull = jax.vjp(lambda z: over_layer(z, gains, shifts, EPSILON), z)
        dz = pull(jnp.asarray(g))[0]
    mean, deviation = z.mean(axis=1, keepdims=True), np.sqrt(z.var(axis=1, keepdims=True) + EPSILON)
    hat = (z - mean) / deviation
    np.testing.assert_allclose(out, gains * hat + shifts, rtol=1e-12, atol=1e-12)
    d = g * gains
    expected = (d - d.mean(axis=1, keepdims=True) - hat * (d * hat).mean(axis=1, keepdims=True)) / deviation
    np.testing.assert_allclose(dz, expected, rtol=1e-9, atol=1e-10)


def test_prediction_with_known_statistics(case):
    z, gains, shifts, _ = case
    moments = Moments(np.array([1.0, 2, 3, 4]), np.array([4.0, 1, 0, 9]))
    with jax.enable_x64(True):
        found = with_moments(z, moments, gains, shifts, EPSILON)
    expected = gains * (z - moments.mean) / np.sqrt(moments.variance + EPSILON) + shifts
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("m", [0.0, 0.5, 0.9, 0.999])
def test_moving_averages_are_right_from_the_first_update(m, generator):
    values = generator.normal(size=(7, 3))
    running = Running(np.zeros(3), np.ones(()))
    before = np.full(3, 8.0)
    np.testing.assert_array_equal(running.means(before, np), before)
    for k in range(1, 8):
        running = running.moved(values[k - 1], m)
        # The weighted mean of what was seen, the weights m^0, m^1, … from the newest back.
        weights = np.power(m, np.arange(k)[::-1]) if m else np.r_[np.zeros(k - 1), 1.0]
        expected = weights @ values[:k] / weights.sum()
        np.testing.assert_allclose(running.means(before, np), expected, rtol=1e-9)


@pytest.mark.parametrize("n_rows", [2, 700, 1024, 2500])
@pytest.mark.parametrize("residual", [False, True])
def test_statistics_of_the_set_are_those_of_one_giant_batch(n_rows, residual, generator):
    network = Network((3, 6, 6, 5, 2), Choice("tanh"), "softmax", normalization=Choice("batch"), residual=residual)
    params = network.initialize(generator)
    for layer in params[:-1]:
        layer["gains"] += generator.normal(size=layer["gains"].shape).astype(np.float32) / 2
        layer["shifts"] += generator.normal(size=layer["shifts"].shape).astype(np.float32)
    table = generator.normal(size=(2600, 3)).astype(np.float32) * 100 + 1000
    table[n_rows:] = 1e9  # rows that are no examples
    data = Data(table, np.zeros((2600, 2), np.float32), np.zeros((0, 1, 3)), np.zeros((0, 1, 2)))
    found = jax.jit(partial(training_set_moments, network))(params, data, np.int32(n_rows))
    y = table[:n_rows].astype(float)
    for number, (layer, moments) in enumerate(zip(params[:-1], found, strict=True)):
        z = y @ layer["weights"].astype(float)
        variance = z.var(axis=0)
        assert (np.abs(moments.mean - z.mean(axis=0)) < 1e-5 * np.abs(z).max(axis=0) + 1e-5).all()
        np.testing.assert_allclose(moments.variance, variance, rtol=2e-4 if n_rows == 2 else 1e-5)
        h = np.tanh(layer["gains"] * (z - z.mean(axis=0)) / np.sqrt(variance + 1e-5) + layer["shifts"])
        y = y + h if residual and number == 1 else h
