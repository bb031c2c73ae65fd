"""What is inferred from targets, and which are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.data import ColumnRole, Schema, class_numbers, infer_schema, read, with_training
from entrena.errors import DataError


def schema(targets, task=None):
    targets = np.asarray(targets)
    return infer_schema(read((np.ones((len(targets), 1)), targets)), task)


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([True, False, True], (False, True)),
        ([3, 1, 3], (1, 3)),
        ([1.0, 0.0, 1.0], (0.0, 1.0)),
        (np.arange(20), tuple(range(20))),
    ],
)
def test_classes(targets, classes):
    found = schema(targets)
    assert found.task == "classification" and found.classes == classes
    assert [type(label) for label in found.classes] == [type(label) for label in classes]


@pytest.mark.parametrize(
    "targets", [[0.5, 1.0, 2.0], [2.0, 1.0, 2.0], np.arange(21), np.arange(900) % 31, [[1, 2], [3, 4]]]
)
def test_numbers(targets):
    assert schema(targets) == Schema((), schema(targets).target_names, "regression")


def test_the_task_can_be_said():
    assert schema([1, 2, 3], "regression").task == "regression"
    assert schema([0.5, 1.5, 0.5], "classification").classes == (0.5, 1.5)
    assert schema(np.arange(50), "classification").classes == tuple(range(50))
    assert schema([True, False], "regression").task == "regression"


@pytest.mark.parametrize(
    ("targets", "task", "message"),
    [
        ([5, 5], "regression", "array: target 'target' has the same value in every row, 5: there is nothing to learn"),
        ([1], None, "array: training needs at least 2 rows, the data have 1"),
        (["u", "u"], None, "array: target 'target' holds one class only, 'u'; classification needs at least two"),
        ([5, 5], None, "array: target 'target' holds one class only, 5; classification needs at least two"),
        (
            ["u", "v"],
            "regression",
            "array: target 'target' holds text, such as 'u'; regression needs numbers: leave in the cells nothing "
            "but the number",
        ),
        ([[1, 2], [3, 4]], "classification", "array: 2 targets are regression; classification has one target"),
        (
            [f"name {row}" for row in range(200)],
            None,
            "array: target 'target' has 200 distinct values in 200 rows: too many for classes; "
            "a class needs several rows, a number to predict is regression",
        ),
    ],
)
def test_refused(targets, task, message):
    with pytest.raises(DataError) as caught:
        schema(targets, task)
    assert str(caught.value) == message


def test_embedded_tasks():
    from entrena.data import EMBEDDED

    for name, embedded in EMBEDDED.items():
        assert infer_schema(read(name)).task == embedded.task


labels = st.sampled_from([st.integers(-(2**53), 2**53), st.text(max_size=5), st.booleans(), st.floats(-1e300, 1e300)])


@given(st.data(), labels)
def test_schemas_go_through_json(data, kind):
    classes = tuple(sorted(set(data.draw(st.lists(kind, min_size=2, max_size=6)))))
    roles = ColumnRole("a", "number", "numbers"), ColumnRole("ä b", "identifier", "all 30 values differ")
    before = Schema(roles, ("y",), "classification", classes, (1 / len(classes),) * len(classes))
    after = Schema.from_plain(json.loads(json.dumps(before.to_plain())))
    assert after == before and [type(label) for label in after.classes] == [type(label) for label in classes]


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=30))
def test_class_numbers(values):
    numbers = class_numbers(np.array(values), ("a", "b", "c"))
    assert numbers.tolist() == [("a", "b", "c").index(value) for value in values]


def test_class_numbers_compare_as_python_does():
    assert class_numbers(np.array([1.0, 0.0]), (0, 1)).tolist() == [1, 0]
    assert class_numbers(np.array([True, False]), (0, 1)).tolist() == [1, 0]
    with pytest.raises(DataError, match=r"^targets: unknown class 'setosaa'; did you mean 'setosa'\?$"):
        class_numbers(np.array(["setosaa"]), ("setosa", "virginica"))
    with pytest.raises(DataError, match=r"^targets: unknown class 7; there are 0, 1$"):
        class_numbers(np.array([1, 7]), (0, 1))


def test_where_one_file_writes_texts_and_the_other_numbers_their_texts_are_compared():
    assert class_numbers(np.array(["1", "0"]), (0, 1)).tolist() == [1, 0]
    assert class_numbers(np.array([1.0, 0.0]), ("0", "1")).tolist() == [1, 0]
    assert class_numbers(np.array([True]), ("false", "true")).tolist() == [1]
    with pytest.raises(DataError, match=r"^targets: unknown class '7'; there are 0, 1$"):
        class_numbers(np.array(["7"]), (0, 1))


def test_what_only_the_training_rows_say():
    examples = read((np.ones((6, 2)), ["a", "a", "a", "a", "a", "b"]))
    roles = (ColumnRole("x0", "number"), ColumnRole("x1", "ignore", "empty"))
    found = with_training(infer_schema(examples), roles, examples)
    assert found.columns == ("x0",)
    assert [role.name for role in found.left_out] == ["x1"]
    assert found.shares == pytest.approx((5 / 6, 1 / 6))
    assert found.is_unbalanced
    weighted = replace(examples, weight=np.array([1, 1, 1, 1, 1, 5.0]))
    assert with_training(found, roles, weighted).shares == (0.5, 0.5)
    assert not with_training(found, roles, weighted).is_unbalanced


def test_too_many_classes():
    labels = [f"c{number // 2}" for number in range(20_000)]
    with pytest.raises(DataError) as caught:
        schema(labels)
    assert str(caught.value) == (
        "array: target 'target' has 10,000 classes; at most 2,000 can be learned: join rare ones, or is it a number "
        "(--task regression)?"
    )
