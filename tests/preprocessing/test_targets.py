"""Targets: coding, scale and the way back; class weights against scikit-learn's formula."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from entrena.data import Schema
from entrena.errors import DataError, RecipeError
from entrena.preprocessing import TARGET_SCALES, TargetCoder, TargetSettings, class_weights


def classes_of(*classes):
    return Schema(("x",), ("kind",), "classification", classes)


def numbers_of(n_targets=1):
    return Schema(("x",), tuple(f"y{target}" for target in range(n_targets)), "regression")


def fitted(targets, schema, weights=None, **settings):
    return TargetCoder.fit(targets, schema, TargetSettings(**settings), weights)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=30))
def test_one_hot_is_scikit_learns(labels):
    labels = np.array(labels)
    coder = fitted(labels, classes_of("a", "b", "c"))
    encoded = coder.encode(labels)
    assert encoded.dtype == np.float32 and coder.n_outputs == 3 and coder.classes == ("a", "b", "c")
    assert np.array_equal(encoded, LabelBinarizer().fit(["a", "b", "c"]).transform(labels))


@pytest.mark.parametrize("classes", [(0, 1), (False, True), (0.5, 1.5), ("no", "yes")])
def test_two_classes_have_two_outputs(classes):
    labels = np.array([classes[1], classes[0]])
    assert fitted(labels, classes_of(*classes)).encode(labels, np.float64).tolist() == [[0, 1], [1, 0]]


def test_unknown_class():
    coder = fitted(np.array(["a"]), classes_of("setosa", "virginica"))
    with pytest.raises(DataError) as caught:
        coder.encode(np.array(["setosa", "setossa"]))
    assert str(caught.value) == "target 'kind': unknown class 'setossa'; did you mean 'setosa'?"
    with pytest.raises(ValueError, match="no numbers in the targets' units"):
        coder.decode_numbers(np.ones((1, 2)))


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 20), st.sampled_from([1, 2, 4])), elements=st.floats(-1e6, 1e6)),
    st.sampled_from(list(TARGET_SCALES)),
)
def test_numbers_come_back(targets, scale):
    flat = targets[:, 0] if targets.shape[1] == 1 else targets
    coder = fitted(flat, numbers_of(targets.shape[1]), target_scale=scale)
    encoded = coder.encode(flat, np.float64)
    assert encoded.shape == targets.shape and coder.n_outputs == targets.shape[1] and coder.classes is None
    decoded = coder.decode_numbers(encoded)
    assert decoded.shape == flat.shape and decoded.dtype == np.float64
    np.testing.assert_allclose(decoded, flat, rtol=1e-12, atol=1e-14 * np.abs(targets).max())


@pytest.mark.parametrize("n_targets", [1, 2, 4])
def test_standardised_as_scikit_learn_does(n_targets, generator):
    targets = 50 + 20 * generator.standard_normal((200, n_targets))
    weights = generator.integers(0, 3, 200).astype(float)
    for weight in (None, weights):
        theirs = StandardScaler().fit(targets, sample_weight=weight).transform(targets)
        ours = fitted(targets, numbers_of(n_targets), weight).encode(targets, np.float64)
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert np.array_equal(
        fitted(targets, numbers_of(n_targets), target_scale="none").encode(targets, np.float64), targets
    )


def test_a_constant_target_has_deviation_one():
    targets = np.full(7, 0.1)
    coder = fitted(targets, numbers_of())
    assert coder.scale.tolist() == [1] and np.array_equal(coder.encode(targets), np.zeros((7, 1)))
    assert np.array_equal(coder.decode_numbers(np.zeros((2, 1))), [0.1, 0.1])


def test_encoding_makes_a_fresh_array():
    targets = np.array([[1.0, 2.0], [3.0, 4.0]])
    encoded = fitted(targets, numbers_of(2), target_scale="none").encode(targets, np.float64)
    assert not np.shares_memory(encoded, targets)


def test_numbers_that_cannot_be_coded():
    coder = fitted(np.array([1.0, 2.0]), numbers_of())
    with pytest.raises(DataError, match="^there are 2 targets; the model was trained on 1$"):
        coder.encode(np.ones((3, 2)))
    with pytest.raises(DataError, match=r"^a target is beyond the range of float32; targets\.target_scale = standard "):
        coder.encode(np.array([1e300]))
    extreme = np.array([-1.7e308, 1.7e308])
    assert fitted(extreme, numbers_of()).encode(extreme).tolist() == [[-1], [1]]


@pytest.mark.parametrize(
    ("targets", "schema"),
    [
        (np.array(["a", "b"]), classes_of("a", "b")),
        (np.array([True, False]), classes_of(False, True)),
        (np.array([1.0, 2.5]), numbers_of()),
        (np.array([[1.0, 2.5], [3.0, 7.0]]), numbers_of(2)),
    ],
)
def test_it_comes_back_from_its_parts(targets, schema):
    before = fitted(targets, schema)
    after = TargetCoder.from_parts(json.loads(json.dumps(before.to_plain())), before.to_arrays())
    assert np.array_equal(after.encode(targets), before.encode(targets))
    assert after.classes == before.classes and after.task == before.task and after.target_names == before.target_names
    if schema.classes is None:
        assert np.array_equal(
            after.decode_numbers(before.encode(targets)), before.decode_numbers(before.encode(targets))
        )


# Class weights


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_balanced_is_scikit_learns(labels):
    labels = np.array(labels)
    classes = tuple(int(label) for label in np.unique(labels))
    ours = class_weights(TargetSettings(class_weight="balanced"), labels, classes)
    np.testing.assert_allclose(ours, compute_sample_weight("balanced", labels), rtol=1e-12)


def test_balanced_counts_sample_weights():
    settings = TargetSettings(class_weight="balanced")
    labels = np.array(["a", "a", "b", "a"])
    weights = np.array([2.0, 1.0, 1.0, 0.0])
    # Σw = 4, k = 2, Σw of a is 3 and of b is 1.
    found = class_weights(settings, labels, ("a", "b"), weights)
    np.testing.assert_allclose(found, [2 / 3, 2 / 3, 2, 2 / 3], rtol=1e-15)
    absent = class_weights(settings, labels, ("a", "b"), np.array([1, 1, 0, 1]))
    assert np.isfinite(absent).all()


def test_a_table_matches_classes_by_their_text():
    def weigh(labels, classes, table):
        return class_weights(TargetSettings(class_weight=table), np.array(labels), classes).tolist()

    assert weigh(["a", "b"], ("a", "b"), {"b": 3}) == [1, 3]
    assert weigh([0, 1], (0, 1), {"1": 3}) == [1, 3]
    assert weigh([0, 1], (0, 1), {1: 3}) == [1, 3]
    assert weigh([0.0, 1.0, 2.5], (0.0, 1.0, 2.5), {"1": 3, "2.5": 4}) == [1, 3, 4]
    assert weigh([False, True], (False, True), {"true": 3}) == [1, 3]
    assert weigh([False, True], (False, True), {True: 3}) == [1, 3]
    assert class_weights(TargetSettings(), np.array([1.5, 2.5]), None).tolist() == [1, 1]


def test_class_weights_that_do_not_fit():
    with pytest.raises(RecipeError) as caught:
        class_weights(
            TargetSettings(class_weight={"setossa": 2, "x": 1}), np.array(["setosa"]), ("setosa", "virginica")
        )
    assert [str(problem) for problem in caught.value.problems] == [
        "targets.class_weight: unknown class 'setossa': did you mean 'setosa'?",
        "targets.class_weight: unknown class 'x': there are setosa, virginica",
    ]
    with pytest.raises(RecipeError, match=r"^targets\.class_weight: is for classification; this target is regression$"):
        class_weights(TargetSettings(class_weight="balanced"), np.array([1.0]), None)
