"""Target encoding, against scikit-learn's TargetEncoder, by hand, and with a canary for leaks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import TargetEncoder

from entrena.data.roles import ColumnRole
from entrena.data.schema import Schema
from entrena.data.split import fold_numbers
from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.errors import RecipeError
from entrena.preprocessing import EncodingTargets, InputSettings, Preprocessor, out_of_fold
from entrena.preprocessing.target_encoding import shrunken_means

ROLES = (ColumnRole("town", "category"), ColumnRole("x", "number"))


def table_of(codes, n_levels, generator):
    levels = tuple(f"town {k:03}" for k in range(n_levels))
    x = generator.normal(size=len(codes))
    columns = Column("town", "text", np.asarray(codes, np.int32), levels), Column("x", "number", x)
    return Table(columns, Place("houses.csv", first_row=2))


def schema_of(kind, y):
    if kind == "numbers":
        names = ("price",) if y.ndim == 1 else tuple(f"y{k}" for k in range(y.shape[1]))
        return Schema(ROLES, names, "regression")
    return Schema(ROLES, ("price",), "classification", tuple(np.unique(y).tolist()))


def fitted(table, y, schema, generator, weight=None, folds=5, **settings):
    targets = EncodingTargets.of(y, schema, folds, generator, weight)
    own = InputSettings(categories="target", center=False, scale="none", **settings)
    preprocessor, placed = Preprocessor.fit_training(table, ROLES, own, weight, targets)
    return preprocessor, placed, targets


def theirs_of(kind, targets):
    """scikit-learn's encoder with the same folds."""
    word = {"numbers": "continuous", "two": "binary", "three": "multiclass"}[kind]
    return TargetEncoder(target_type=word, smooth="auto", cv=PredefinedSplit(targets.folds))


def target_of(kind, generator, n):
    if kind == "numbers":
        return 1000 + 50 * generator.normal(size=n)
    return generator.choice(["no", "yes"] if kind == "two" else ["a", "b", "c"], n)


@pytest.mark.parametrize("kind", ["numbers", "two", "three"])
def test_it_is_scikit_learns(kind, generator):
    n, y = 300, target_of(kind, generator, 300)
    codes = generator.integers(0, 25, n)
    table = table_of(codes, 40, generator)  # of 40 towns the training rows show 25
    ours, placed, targets = fitted(table, y, schema_of(kind, y), generator)
    towns = np.array(table.columns[0].levels)[codes][:, None]
    encoder = theirs_of(kind, targets)
    out_of_folds = encoder.fit_transform(towns, y)
    k = out_of_folds.shape[1]
    np.testing.assert_allclose(ours.transform(table, float, placed=placed)[:, :k], out_of_folds, rtol=1e-10, atol=1e-12)
    later = table_of(np.arange(40), 40, generator)
    expected = encoder.transform(np.array(later.columns[0].levels)[:, None])
    np.testing.assert_allclose(ours.transform(later, float)[:, :k], expected, rtol=1e-10, atol=1e-12)
    names = {"numbers": ["mean price"], "two": ["share of yes"], "three": [f"share of {c}" for c in "abc"]}[kind]
    assert ours.feature_names == (*(f"town ({name})" for name in names), "x")


def test_of_several_targets_each_is_scikit_learns(generator):
    n, codes = 200, generator.integers(0, 12, 200)
    y = generator.normal(size=(n, 3)) * [1, 1e-3, 1e6]
    table = table_of(codes, 12, generator)
    ours, placed, targets = fitted(table, y, schema_of("numbers", y), generator)
    found = ours.transform(table, float, placed=placed)
    for j in range(3):
        expected = theirs_of("numbers", targets).fit_transform(codes[:, None], y[:, j])[:, 0]
        np.testing.assert_allclose(found[:, j], expected, rtol=1e-10, atol=1e-12 * np.abs(y[:, j]).max())
    assert ours.feature_names[:3] == ("town (mean y0)", "town (mean y1)", "town (mean y2)")


def test_a_hand_worked_case():
    """Level 1 has 2, 4, level 2 has 9; mean 5, s² = 26/3; λ₁ = (26/3·2)/(26/3·2 + 1) = 52/55, λ₂ = 1."""
    found = shrunken_means(np.array([1, 1, 2]), 3, np.array([[2.0], [4.0], [9.0]]), np.ones(3))
    np.testing.assert_allclose(found[:, 0], [5, 52 / 55 * 3 + 3 / 55 * 5, 9, 5], rtol=1e-14)
    # The same target in every row: its mean, and no 0/0.
    assert shrunken_means(np.array([1, 1, 2]), 2, np.full((3, 1), 7.0), np.ones(3))[:, 0].tolist() == [7, 7, 7]


@given(st.data())
def test_only_ratios_of_weights_count_and_rows_of_weight_0_not_at_all(data):
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(4, 40))
    codes = generator.integers(-1, 5, n)
    kind = data.draw(st.sampled_from(["numbers", "three"]))
    y = generator.normal(size=n) if kind == "numbers" else generator.choice(["a", "b", "c"], n)
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    counts[0] = 1
    schema = Schema(
        ROLES, ("y",), *(("regression", None) if kind == "numbers" else ("classification", ("a", "b", "c")))
    )
    one = EncodingTargets.of(y, schema, 3, np.random.default_rng(0), counts.astype(float))
    scaled = EncodingTargets.of(y, schema, 3, np.random.default_rng(0), counts * 1e6)
    levels = codes + 1
    np.testing.assert_allclose(one.of_levels(levels, 5), scaled.of_levels(levels, 5), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(one.of_rows(levels, 5), scaled.of_rows(levels, 5), rtol=1e-10, atol=1e-12)
    # A row of weight 0 says nothing: with any other target all values stay.
    other = y.copy()
    other[counts == 0] = 1e3 if kind == "numbers" else "a"
    changed = EncodingTargets.of(other, schema, 3, np.random.default_rng(0), counts.astype(float))
    np.testing.assert_allclose(one.of_levels(levels, 5), changed.of_levels(levels, 5), rtol=1e-9, atol=1e-9)


def test_equal_weights_are_as_none_and_a_weight_of_2_is_the_row_twice(generator):
    """With weights of mean 1 the row twice has the same means; the shrinkage goes by the rows that there are."""
    codes, y = np.array([1, 1, 1, 2, 2, 2]), np.array([1.0, 2, 6, 3, 3, 9])
    weight = np.array([2.0, 1, 1, 2, 1, 1])
    twice = np.repeat(np.arange(6), weight.astype(int))
    weighted = shrunken_means(codes, 2, y[:, None], weight)  # weights as they are: exactly the rows twice
    np.testing.assert_allclose(weighted, shrunken_means(codes[twice], 2, y[twice, None], np.ones(8)), rtol=1e-14)
    schema = schema_of("numbers", y)
    plain = EncodingTargets.of(y, schema, 3, np.random.default_rng(0))
    equal = EncodingTargets.of(y, schema, 3, np.random.default_rng(0), np.full(6, 0.001))
    np.testing.assert_allclose(plain.of_rows(codes, 2), equal.of_rows(codes, 2), rtol=1e-12)


def test_a_rows_own_target_says_nothing_of_its_value(generator):
    """Whatever is put in the place of a row's target, its own value stays as it was: the definition of no leak."""
    codes = generator.integers(0, 4, 60)
    y = generator.normal(size=60)
    schema = schema_of("numbers", y)

    def values(targets):
        found = EncodingTargets.of(targets, schema, 5, np.random.default_rng(3))
        return found.of_rows(codes + 1, 4)[:, 0]

    before = values(y)
    for row in range(0, 60, 7):
        other = y.copy()
        other[row] += 100
        np.testing.assert_allclose(values(other)[row], before[row], rtol=1e-9, atol=1e-9)
        assert not np.allclose(values(other), before)  # it does say something of the others


def test_the_canary(generator):
    """Nearly unique levels and random targets: a level's mean is its row's target, and out of fold it is noise."""
    n = 2000
    codes, y = generator.permutation(n) % (n - 100), generator.normal(size=n)
    table = table_of(codes, n, generator)
    ours, placed, _ = fitted(table, y, schema_of("numbers", y), generator)
    in_fold = ours.transform(table, float)[:, 0]
    assert np.corrcoef(in_fold, y)[0, 1] > 0.9
    honest = ours.transform(table, float, placed=placed)[:, 0]
    assert abs(np.corrcoef(honest, y)[0, 1]) < 4 / np.sqrt(n)


def test_the_other_rows_of_a_table_of_some_rows_are_not_looked_at(generator):
    y, codes = generator.normal(size=100), generator.integers(0, 5, 100)
    whole, rows = table_of(codes, 5, generator), generator.permutation(100)[:60]
    table, schema = whole.take(rows), schema_of("numbers", y)
    ours, placed, targets = fitted(table, y[rows], schema, np.random.default_rng(0))
    alone = Table(tuple(column.take(rows) for column in whole.columns), whole.place)
    again, of_alone, _ = fitted(alone, y[rows], schema, np.random.default_rng(0))
    assert np.array_equal(ours.transform(table, float, placed=placed), again.transform(alone, float, placed=of_alone))
    same = out_of_fold(table, ours.encodings, targets)
    assert np.array_equal(same["town"], placed["town"], equal_nan=True)


def test_means_and_rotation_are_those_of_what_the_training_rows_get(generator):
    y, codes = generator.normal(size=300), generator.integers(0, 60, 300)
    table = table_of(codes, 60, generator)
    targets = EncodingTargets.of(y, schema_of("numbers", y), 5, generator)
    settings = InputSettings(categories="target", decorrelate="whiten")
    ours, placed = Preprocessor.fit_training(table, ROLES, settings, None, targets)
    rows = ours.transform(table, float, placed=placed)
    np.testing.assert_allclose(np.cov(rows.T, ddof=1), np.eye(2), atol=1e-10)
    assert ours.conditions[1] == 1
    again = Preprocessor.from_parts(ours.to_plain(), ours.to_arrays())
    assert np.array_equal(again.transform(table, float), ours.transform(table, float))


def test_without_targets_it_is_refused(generator):
    with pytest.raises(RecipeError) as caught:
        Preprocessor.fit(table_of([0, 1], 2, generator), ROLES, InputSettings(categories="target"))
    assert str(caught.value) == (
        "inputs.categories: 'target' needs the targets of the training rows, and there are none: take frequency or "
        "embedding"
    )


def test_great_targets_stay_in_range(generator):
    y = generator.choice([1e300, -1e300, 5e299], 50)
    table = table_of(generator.integers(0, 3, 50), 3, generator)
    ours, placed, targets = fitted(table, y, schema_of("numbers", y), generator)
    expected = theirs_of("numbers", targets).fit_transform(table.columns[0].values[:, None], y / 1e300)[:, 0]
    np.testing.assert_allclose(ours.transform(table, float, placed=placed)[:, 0] / 1e300, expected, rtol=1e-10)


def test_what_is_said_of_it(generator):
    y = np.repeat([1.0, 2.0, 6.0], 40)
    table = table_of(np.repeat([0, 1, 2], 40), 3, generator)
    ours, _, _ = fitted(table, y, schema_of("numbers", y), generator)
    told = ours.describe()[0]
    assert (told["form"], told["features"]) == ("target", ["town (mean price)"])
    # No variance within a level: nothing is shrunken.
    assert told["numbers"] == {
        "town (mean price)": pytest.approx({"town 000": 1.0, "town 001": 2.0, "town 002": 6.0}, rel=1e-12)
    }


@given(st.integers(1, 60), st.integers(2, 9), st.integers(0, 10**6))
def test_folds_are_of_equal_size_and_of_each_class_have_their_share(n, n_folds, seed):
    generator = np.random.default_rng(seed)
    labels = generator.choice(["a", "b", "c"], n)
    for given_labels in (None, labels):
        folds = fold_numbers(n, n_folds, np.random.default_rng(seed), given_labels)
        sizes = np.bincount(folds, minlength=n_folds)
        assert len(sizes) == n_folds and sizes.max() - sizes.min() <= 1
    for label in np.unique(labels):
        of_class = np.bincount(folds[labels == label], minlength=n_folds)
        assert of_class.max() - of_class.min() <= 1


def test_rows_of_a_group_are_in_one_fold(generator):
    groups = generator.integers(0, 40, 500)
    folds = fold_numbers(500, 5, generator, groups=groups)
    assert all(len(np.unique(folds[groups == group])) == 1 for group in np.unique(groups))
    sizes = np.bincount(folds, minlength=5)
    assert sizes.max() - sizes.min() <= np.bincount(groups).max()
    alone = EncodingTargets.of(np.arange(9.0), schema_of("numbers", np.zeros(2)), 5, generator, groups=np.zeros(9))
    np.testing.assert_allclose(alone.of_rows(np.ones(9, int), 1), 4.0)  # one group: the mean of all
