"""The temperature against SciPy's minimiser, and what it does to probabilities that are too sure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logsumexp, softmax

from entrena.preprocessing import calibration
from entrena.preprocessing.calibration import CALIBRATIONS, HIGHEST, LOWEST, fit_temperature

OUTPUTS = [("softmax", 2), ("softmax", 4), ("logistic", 1), ("logistic", 3)]


def log_probabilities(z, output):
    if output == "softmax":
        return log_softmax(z, axis=1)
    if z.shape[1] == 1:
        return np.log(np.concatenate([expit(-z), expit(z)], axis=1))
    return np.log(expit(z)) - logsumexp(np.log(expit(z)), axis=1, keepdims=True)


def log_loss(z, truth, output, weight=None):
    return -np.average(log_probabilities(z, output)[np.arange(len(z)), truth], weights=weight)


def logits(generator, n_outputs, output, n=400, too_sure=3.0):
    """Net inputs that are too large by a factor, and classes drawn from the right ones."""
    z = generator.normal(size=(n, n_outputs))
    p = np.exp(log_probabilities(z, output))
    truth = (generator.random((n, 1)) > np.cumsum(p, axis=1)).sum(axis=1).clip(max=p.shape[1] - 1)
    return z * too_sure, truth


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("too_sure", [0.4, 1.0, 3.0])
@pytest.mark.parametrize(("output", "n_outputs"), OUTPUTS)
def test_scipy_finds_the_same(output, n_outputs, too_sure, weighted, generator):
    z, truth = logits(generator, n_outputs, output, too_sure=too_sure)
    weight = generator.uniform(0.1, 3, len(z)) if weighted else None
    found = fit_temperature(z, truth, output, weight)
    assert isinstance(found, float)
    theirs = minimize_scalar(
        lambda log_t: log_loss(z / math.exp(log_t), truth, output, weight),
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert found == pytest.approx(math.exp(theirs.x), rel=1e-4)
    assert log_loss(z / found, truth, output, weight) <= log_loss(z, truth, output, weight)


@pytest.mark.parametrize("n_outputs", [2, 5])
def test_probabilities_that_are_too_sure_become_more_modest(n_outputs, generator):
    z, truth = logits(generator, n_outputs, "softmax", n=2_000, too_sure=5.0)
    temperature = fit_temperature(z.astype(np.float32), truth, "softmax")
    assert temperature == pytest.approx(5, rel=0.25)
    held, of_held = logits(generator, n_outputs, "softmax", n=2_000, too_sure=5.0)
    assert log_loss(held / temperature, of_held, "softmax") < 0.8 * log_loss(held, of_held, "softmax")
    before, after = softmax(held, axis=1), softmax(held / temperature, axis=1)
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
    assert after.max(axis=1).mean() < before.max(axis=1).mean()
    # The mean of what is claimed is now the share of what is right.
    right = np.mean(after.argmax(axis=1) == of_held)
    assert abs(after.max(axis=1).mean() - right) < 0.04 < before.max(axis=1).mean() - right


@pytest.mark.parametrize(("output", "n_outputs"), OUTPUTS)
def test_the_range_is_kept(output, n_outputs):
    sure = np.arange(20) % max(2, n_outputs)
    z = (np.eye(n_outputs)[sure] if n_outputs > 1 else 2.0 * sure[:, None] - 1) * 4
    assert fit_temperature(z, sure, output) == pytest.approx(LOWEST)
    assert fit_temperature(z, (sure + 1) % max(2, n_outputs), output) == pytest.approx(HIGHEST)


def test_nothing_to_decide_changes_nothing():
    assert fit_temperature(np.zeros((5, 3)), np.zeros(5, int), "softmax") == 1
    assert fit_temperature(np.ones((0, 3)), np.zeros(0, int), "softmax") == 1
    assert fit_temperature(np.ones((2, 3)), np.zeros(2, int), "softmax", np.zeros(2)) == 1


def test_rows_of_weight_0_are_not_there(generator):
    z, truth = logits(generator, 3, "softmax", n=60)
    weight = np.where(np.arange(60) < 40, 2.0, 0.0)
    assert fit_temperature(z, truth, "softmax", weight) == fit_temperature(z[:40], truth[:40], "softmax")


def test_enormous_net_inputs():
    z = np.array([[1e30, -1e30], [-1e30, 1e30], [1e30, -1e30]])
    found = fit_temperature(z, np.array([0, 1, 1]), "softmax")
    assert found == pytest.approx(HIGHEST)  # one of three is wrong, and dearly so
    assert fit_temperature(z[:, 1:], np.array([0, 1, 1]), "logistic") == pytest.approx(HIGHEST)


def test_blocks_change_nothing(monkeypatch, generator):
    z, truth = logits(generator, 3, "softmax")
    whole = fit_temperature(z, truth, "softmax")
    monkeypatch.setattr(calibration, "BLOCK_VALUES", 50)
    assert fit_temperature(z, truth, "softmax") == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("temperature_scaling", "'temperature_scaling' is called 'temperature' here"),
        ("temprature", "unknown name 'temprature': did you mean 'temperature'?"),
        ({"name": "temperature", "t": 2}, "'temperature' has no setting 't': it has no settings"),
    ],
)
def test_refusals(value, text):
    with pytest.raises(ValueError) as caught:
        CALIBRATIONS.choose(value)
    assert str(caught.value) == text


def test_the_entries():
    assert list(CALIBRATIONS) == ["none", "temperature"]
    assert CALIBRATIONS.key == "targets.calibration"
    assert "Guo" in CALIBRATIONS["temperature"].source
