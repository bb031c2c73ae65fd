"""Inputs of another shape than rows × columns, or than several images: what is said of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from entrena import NetworkClassifier
from entrena.data import read_inputs
from entrena.errors import DataError
from entrena.preprocessing import TableTransformer


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 6, 5, 3))


def network(X: np.ndarray) -> NetworkClassifier:
    return NetworkClassifier(hidden=(3,), max_epochs=1).fit(X, np.arange(len(X)) % 2)


def test_arrays_of_too_many_dimensions_and_nested_lists(images):
    rows = "inputs need two dimensions, rows × columns; these have shape"
    said = f"X: {rows} (20, 6, 5, 3, 1); images are [n, height, width] or [n, height, width, channels]; X.reshape("
    with pytest.raises(DataError, match=f"^{re.escape(said)}"):
        network(images[..., None])
    said = f"X: {rows} (20, 6, 5); for a network np.asarray(X) makes images of it; np.reshape(X, (len(X), -1)) makes"
    with pytest.raises(DataError, match=f"^{re.escape(said)}"):
        network(images[..., 0].tolist())
    said = f"X: {rows} (20, 6, 5, 3); X.reshape(len(X), -1) makes one row of numbers of each"
    with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
        TableTransformer().fit(images)


def test_one_image_in_place_of_several(images):
    grey, colour = network(images[..., 0]), network(images)
    for fitted, single in [
        (grey, images[0, ..., 0]),
        (grey, images[0, ..., 0].tolist()),
        (grey, images[0, ..., :1]),
        (colour, images[0]),
    ]:
        size = re.escape("6 × 5" if np.ndim(single) == 2 else f"6 × 5 × {np.shape(single)[2]}")
        said = rf"this is one image \({size}\), and several are read, \[n, …\]: hand in X\[0:1\] in place of X\[0\], or"
        with pytest.raises(DataError, match=f"^X: {said}"):
            fitted.predict(single)
        if isinstance(single, np.ndarray):
            with pytest.raises(DataError, match=f"^array: {said}"):
                read_inputs(single, fitted.model_.schema)
            with pytest.raises(DataError, match=f"^array: {said}"):
                fitted.model_.predict(single)
    assert grey.predict(images[0:1, ..., 0]).shape == colour.predict(images[0][None]).shape == (1,)
    # A row of pixels is none.
    flat = network(np.random.default_rng(0).normal(size=(20, 1, 6)))
    assert flat.predict(np.zeros((1, 6))).shape == (1,)
