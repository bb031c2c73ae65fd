"""The embedded data sets, against scikit-learn's loaders and the formulas that made them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from entrena.data import EMBEDDED, read


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_catalogue_says_what_is_there(name):
    entry = EMBEDDED[name]
    examples = entry.load()
    assert entry.name == name == examples.source
    assert examples.inputs.matrix.shape == (entry.rows, entry.columns)
    assert examples.targets.shape == (entry.rows,)
    assert len(examples.columns) == len(set(examples.columns)) == entry.columns
    assert examples.inputs.matrix.dtype == np.float64 and examples.inputs.matrix.flags.c_contiguous
    assert np.isfinite(examples.inputs.matrix).all()
    assert entry.meaning and entry.source
    again = entry.load()
    assert np.array_equal(again.inputs.matrix, examples.inputs.matrix) and np.array_equal(
        again.targets, examples.targets
    )


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer"])
def test_classes_are_scikit_learns(name):
    theirs = getattr(datasets, f"load_{name}")()
    ours = read(name)
    assert np.array_equal(ours.inputs.matrix, theirs.data)
    assert list(ours.columns) == list(theirs.feature_names)
    assert np.array_equal(ours.targets, theirs.target_names[theirs.target])


def test_class_labels_are_names_and_digits_are_numbers():
    assert set(read("iris").targets) == {"setosa", "versicolor", "virginica"}
    assert set(read("breast_cancer").targets) == {"malignant", "benign"}
    assert read("digits").targets.dtype == np.int64


def test_diabetes_is_raw():
    theirs = datasets.load_diabetes(scaled=False)
    ours = read("diabetes")
    assert np.array_equal(ours.inputs.matrix, theirs.data)
    assert np.array_equal(ours.targets, theirs.target)
    assert list(ours.columns) == list(theirs.feature_names)
    assert ours.inputs.matrix[0, 0] == 59  # years, not a share


def test_reading_does_not_import_scikit_learn():
    code = (
        "import sys; from entrena.data import read; read('digits'); read('iris'); read('diabetes'); read('moons'); "
        "print([m for m in ('sklearn', 'scipy', 'polars', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_two_spirals_wind_around_each_other():
    spirals = read("two_spirals")
    turn = np.linspace(0, 6 * np.pi, 20_000)
    arm = (6.5 - turn / np.pi)[:, None] * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    to_arm = {
        sign: np.array([np.linalg.norm(sign * arm - point, axis=1).min() for point in spirals.inputs.matrix])
        for sign in (1, -1)
    }
    own = np.where(spirals.targets == 1, to_arm[1], to_arm[-1])
    other = np.where(spirals.targets == 1, to_arm[-1], to_arm[1])
    # Across its arm a point is off by the noise, of deviation 0.1; the other arm is about 1 away.
    assert np.sqrt(np.mean(own**2)) == pytest.approx(0.1, rel=0.1)
    assert np.mean(own < other) > 0.99
    assert np.array_equal(np.bincount(spirals.targets), [500, 500])
    # No line separates them, near neighbours do.
    assert (
        LogisticRegression().fit(spirals.inputs.matrix, spirals.targets).score(spirals.inputs.matrix, spirals.targets)
        < 0.75
    )
    neighbours = KNeighborsClassifier(1).fit(spirals.inputs.matrix[:500], spirals.targets[:500])
    assert neighbours.score(spirals.inputs.matrix[500:], spirals.targets[500:]) > 0.9


def test_moons_lie_on_two_half_circles_with_noise():
    moons = read("moons")
    centres = np.where(moons.targets[:, None] == 0, [[0.0, 0.0]], [[1.0, 0.5]])
    radius = np.linalg.norm(moons.inputs.matrix - centres, axis=1)
    # A circle of radius 1 with noise σ in the plane: radius of mean 1 + σ²/2 and deviation σ, to first order.
    assert radius.mean() == pytest.approx(1 + 0.2**2 / 2, abs=0.02)
    assert radius.std() == pytest.approx(0.2, rel=0.1)
    theirs, labels = datasets.make_moons(1000, noise=0.2, random_state=0)
    for moon in (0, 1):
        ours = moons.inputs.matrix[moons.targets == moon]
        assert np.allclose(ours.mean(axis=0), theirs[labels == moon].mean(axis=0), atol=0.1)
        assert np.allclose(np.cov(ours.T), np.cov(theirs[labels == moon].T), atol=0.05)


def test_the_stream_drifts_once_around():
    stream = read("drifting_stream")
    quarter = stream.n_rows // 8

    def accuracy_of_rule_from(start, test):
        train = slice(start, start + quarter)
        model = LogisticRegression().fit(stream.inputs.matrix[train], stream.targets[train])
        return model.score(stream.inputs.matrix[test : test + quarter], stream.targets[test : test + quarter])

    # 5 % of the labels are turned over, and within an eighth of a turn the boundary moves by 45 degrees.
    assert accuracy_of_rule_from(0, 0) > 0.85
    assert accuracy_of_rule_from(0, stream.n_rows // 2) < 0.15
    everything = LogisticRegression().fit(stream.inputs.matrix, stream.targets)
    assert everything.score(stream.inputs.matrix, stream.targets) < 0.6
