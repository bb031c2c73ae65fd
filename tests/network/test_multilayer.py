"""The network forward, its outputs and its section of the recipe."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import expit, softmax

from entrena.network import OUTPUTS, Network, NetworkSettings
from entrena.network.outputs import logistic_numpy, softmax_numpy
from entrena.registry import Choice

SIZES = [(4, 3), (4, 5, 3), (4, 1, 3), (1, 5, 6, 1), (4, 5, 6, 7, 2)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_forward_equals_numpy(sizes, generator):
    network = Network(sizes, Choice("tanh"), "linear")
    params = network.initialize(generator, np.float64)
    params = tuple({**layer, "biases": generator.normal(size=layer["biases"].shape)} for layer in params)
    X = generator.normal(size=(9, sizes[0]))
    y = X
    for number, layer in enumerate(params, 1):
        z = np.einsum("bm,mn->bn", y, layer["weights"]) + layer["biases"]
        y = z if number == len(params) else np.tanh(z)
    with jax.enable_x64(True):
        np.testing.assert_allclose(network.net_inputs(params, X), y, rtol=1e-12, atol=1e-13)


def test_numbers_of_a_network():
    network = Network((64, 128, 10), Choice("relu"), "softmax")
    assert (network.n_inputs, network.n_outputs) == (64, 10)
    assert network.n_weights == 64 * 128 + 128 + 128 * 10 + 10
    params = network.initialize(np.random.default_rng(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == network.n_weights


def test_a_network_is_a_key():
    elu = Choice("elu", (("alpha", 0.5),))
    assert (
        len({Network((2, 3), elu, "linear"), Network((2, 3), elu, "linear"), Network((2, 3), Choice("elu"), "linear")})
        == 2
    )


@pytest.mark.parametrize("scale", [1, 50, 1e4])
def test_outputs_equal_scipy(scale, generator):
    z = scale * generator.normal(size=(20, 4))
    z[0] = 0
    np.testing.assert_allclose(softmax_numpy(z), softmax(z, axis=1), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(softmax_numpy(z).sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(logistic_numpy(z), expit(z), rtol=1e-13)
    for name in ("softmax", "logistic", "linear"):
        entry = OUTPUTS[name]
        with jax.enable_x64(True):
            # ln p of the program's exp and NumPy's may differ in the last bit of a number of size |z|.
            np.testing.assert_allclose(entry.function(z), entry.details["numpy"](z), rtol=1e-11, atol=1e-300)


def test_settings_of_the_section():
    settings = NetworkSettings(hidden=7, activation={"name": "elu", "alpha": 2}, initialization="orthogonal")
    assert settings.hidden == (7,)
    assert settings.activation == Choice("elu", (("alpha", 2.0),))
    assert settings.initialization == Choice("orthogonal")
    assert NetworkSettings(hidden=()).hidden == ()
    assert (NetworkSettings().dropout, NetworkSettings(dropout=0.25).dropout) == (0.0, 0.25)
    assert NetworkSettings(**settings.model_dump()) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        *({"hidden": hidden} for hidden in (0, (3, -1), 2.5, True, 2_000_000)),
        *({"dropout": share} for share in (1, -0.1, True, "0.1", float("nan"), None)),
        {"droppout": 0.1},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        NetworkSettings(**wrong)
