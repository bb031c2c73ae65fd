"""The transformer of whole tables: scikit-learn's own checks, the way back, and values of other folds."""

from __future__ import annotations

import datetime
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.utils.estimator_checks import parametrize_with_checks

from entrena import NetworkClassifier
from entrena.errors import DataError, RecipeError, UsageError
from entrena.preprocessing import InputSettings, TableTransformer
from entrena.preprocessing.settings import IN_TRAINING_ONLY

# Of fewer rows fewer quantiles are kept, so a weight of 2 is not quite the row twice.
NOT_OF_QUANTILES = {
    "check_sample_weight_equivalence_on_dense_data": "as many quantiles are kept as there are rows",
    "check_sample_weight_equivalence_on_sparse_data": "as many quantiles are kept as there are rows",
}


@parametrize_with_checks(
    [
        TableTransformer(),
        TableTransformer(decorrelate="whiten"),
        TableTransformer(input_transform="clip", scale="robust", missing="impute", decorrelate="pca", components=1),
        TableTransformer(input_transform="quantile", scale="min_max"),
    ],
    expected_failed_checks=lambda each: NOT_OF_QUANTILES if each.input_transform == "quantile" else {},
)
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix:UserWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_its_parameters_are_the_recipes_with_their_defaults():
    defaults = {name: field.default for name, field in InputSettings.model_fields.items()}
    defaults["input_transform"] = defaults.pop("transform")
    for name in IN_TRAINING_ONLY:
        del defaults[name]
    own = TableTransformer().get_params()
    assert own.pop("random_state") == 0
    plain = {name: str(value) if hasattr(value, "to_plain") else value for name, value in defaults.items()}
    assert own == plain


@given(st.data())
@pytest.mark.filterwarnings("ignore:no column varies in the rows:UserWarning")
@pytest.mark.filterwarnings("ignore:principal components of .* nothing varies:UserWarning")
def test_there_and_back_is_where_one_was(data):
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, d = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 6))
    dtype = data.draw(st.sampled_from([np.float64, np.float32]))
    # In float32 a variance below 1e-7 of the greatest is rounding, and no component of its own.
    spread = 2 if dtype == np.float64 else 0.5
    X = generator.normal(size=(n, d)) * 10 ** generator.uniform(-spread, spread, d) + generator.normal(size=d)
    X[:, generator.random(d) < 0.2] = 3.5  # constants
    X[:, generator.random(d) < 0.2] = X[:, :1]  # the same again
    X[generator.random((n, d)) < data.draw(st.sampled_from([0, 0.2, 0.9]))] = np.nan
    X = X.astype(dtype)
    weight = data.draw(st.sampled_from([None, "some"]))
    if weight is not None:
        weight = generator.integers(0, 4, n).astype(float)
        weight[0] = 1
    transformer = TableTransformer(
        center=data.draw(st.booleans()),
        scale=data.draw(st.sampled_from(["standard", "min_max", "robust", "none"])),
        input_transform=data.draw(st.sampled_from(["none", "log1p"])),
        decorrelate=data.draw(st.sampled_from(["none", "pca", "whiten"])),
    )
    rows = transformer.fit_transform(X, sample_weight=weight)
    assert rows.dtype == dtype
    back = transformer.inverse_transform(rows)
    assert back.shape == X.shape and back.dtype == dtype
    # Rows of weight 0 were not looked at: what is constant, or has no gaps, in the others need not be so in them.
    seen = np.ones(n, bool) if weight is None else weight > 0
    size = np.nanmax(np.abs(X), initial=1e-3, axis=0) if n else 1
    error = 1e-9 if dtype == np.float64 else 2e-3
    np.testing.assert_allclose(back[seen] / size, X[seen] / size, rtol=0, atol=error)


@pytest.mark.parametrize(("transform", "error"), [("clip", 1e-8), ("quantile", 1e-4)])
def test_back_from_transforms_that_press_together(transform, error, generator):
    X = generator.normal(size=(200, 3)) ** 3
    X[::5, 1] = 0.25  # often the same
    transformer = TableTransformer(input_transform=transform, decorrelate="pca")
    back = transformer.inverse_transform(transformer.fit_transform(X))
    np.testing.assert_allclose(back / np.ptp(X, axis=0), X / np.ptp(X, axis=0), rtol=0, atol=error)


def people(generator, n=80, gaps=0.2):
    def holes(values):
        return [None if hole else value for value, hole in zip(values, generator.random(n) < gaps, strict=True)]

    days = [datetime.datetime(2019, 1, 31, 5, 7) + datetime.timedelta(minutes=int(k) * 997) for k in range(n)]
    return pl.DataFrame(
        {
            "age": holes(generator.normal(40, 10, n).tolist()),
            "job": holes(generator.choice(["baker", "clerk", "cook"], n).tolist()),
            "sold": holes(days),
            "town": generator.choice([f"town {k:02}" for k in range(14)], n),
            "owns": holes(generator.choice([True, False], n).tolist()),
            "sex": generator.choice(["f", "m"], n),
            "same": [7.0] * n,
            "land": ["Asturias"] * n,
        }
    )


@pytest.mark.parametrize("dates", ["cyclic", "numbers"])
@pytest.mark.parametrize("categories", ["auto", "one_hot", "embedding"])
@pytest.mark.parametrize("decorrelate", ["none", "whiten"])
def test_a_table_of_every_kind_of_column_comes_back(dates, categories, decorrelate, generator):
    table = people(generator)
    transformer = TableTransformer(dates=dates, categories=categories, decorrelate=decorrelate)
    back = transformer.inverse_transform(transformer.fit_transform(table))
    assert isinstance(back, pl.DataFrame) and back.columns == table.columns
    for name in ("job", "town", "owns", "sex", "same", "land"):
        assert back[name].to_list() == table[name].to_list(), name
    assert back["sold"].to_list() == table["sold"].to_list()
    ages = back["age"].fill_nan(None)
    assert ages.null_count() == table["age"].null_count()
    np.testing.assert_allclose(ages.drop_nulls(), table["age"].drop_nulls(), rtol=1e-9)


def test_frames_of_pandas_and_arrays_of_objects_come_back_as_such(generator):
    table = people(generator, gaps=0)
    as_pandas = pd.DataFrame({name: table[name].to_list() for name in ("age", "job", "sold", "owns")})
    transformer = TableTransformer()
    back = transformer.inverse_transform(transformer.fit_transform(as_pandas))
    assert isinstance(back, pd.DataFrame) and list(back.columns) == ["age", "job", "sold", "owns"]
    assert back["job"].tolist() == as_pandas["job"].tolist() and back["sold"].tolist() == as_pandas["sold"].tolist()
    objects = as_pandas[["age", "job"]].to_numpy(object)
    again = transformer.inverse_transform(transformer.fit_transform(objects))
    assert again.dtype == object and again[:, 1].tolist() == objects[:, 1].tolist()
    np.testing.assert_allclose(again[:, 0].astype(float), objects[:, 0].astype(float))


def test_a_frame_of_pandas_has_its_index_names_and_types_again(generator):
    n = 40
    days = pd.date_range("2024-10-26", periods=n, freq="h", tz="Europe/Madrid")
    table = pd.DataFrame(
        {
            "whole": generator.integers(-9, 1000, n),
            "gaps": pd.array([*range(n - 1), None], "Int64"),
            "narrow": generator.normal(size=n).astype(np.float32),
            "kind": pd.Categorical(generator.choice([3, 1, 2], n), categories=[3, 1, 2], ordered=True),
            "text": pd.array(generator.choice(["a", "b", "c"], n), "string"),
            "object": pd.Series(generator.choice(["a", "b", "c"], n), dtype=object),
            "when": days,
            "day": pd.date_range("2024-03-01", periods=n, unit="s"),
            "owns": pd.array([None, *generator.choice([True, False], n - 1)], "boolean"),
            "flag": generator.choice([True, False], n),
        },
    )
    # The second of the hours that the clocks of this night show twice comes back as the first.
    table["when"] = table["when"].where(table["when"] != days[27], days[26])
    table.index = pd.Index([f"row {k}" for k in range(n)], name="key")
    for decorrelate, scale in (("none", "standard"), ("whiten", "robust")):
        transformer = TableTransformer(decorrelate=decorrelate, scale=scale).set_output(transform="pandas")
        back = transformer.inverse_transform(transformer.fit_transform(table))
        pd.testing.assert_frame_equal(back, table, rtol=1e-6, atol=1e-6, check_freq=False)
    plain = TableTransformer().fit(table)
    assert plain.inverse_transform(plain.transform(table)).index.equals(pd.RangeIndex(n))
    numbered = pd.DataFrame(generator.integers(0, 9, (n, 2)), columns=[7, 8])
    pd.testing.assert_frame_equal(plain.fit(numbered).inverse_transform(plain.transform(numbered)), numbered)


def test_types_that_the_values_do_not_fit_are_left():
    table = pd.DataFrame({"n": [1, 5, 9, 2], "job": pd.Categorical(["a", "a", "b", "c"])})
    fitted = TableTransformer(categories={"name": "one_hot", "min_share": 0.3}).fit(table)
    back = fitted.inverse_transform(fitted.transform(table))
    assert back["job"].tolist() == ["a", "a", "(rare)", "(rare)"] and back["n"].tolist() == [1, 5, 9, 2]
    moved = fitted.transform(table)
    moved[0, 0] += 0.1
    assert fitted.inverse_transform(moved)["n"].dtype == np.float64


def test_what_cannot_come_back():
    table = pl.DataFrame({"job": ["a"] * 5 + ["b"] * 3 + ["c", "d"], "x": [*range(9), None]})
    for choice in ("one_hot", "embedding", "frequency"):
        pooled = TableTransformer(categories={"name": choice, "min_share": 0.2}, missing="impute").fit(table)
        back = pooled.inverse_transform(pooled.transform(table))
        assert back["job"].to_list() == ["a"] * 5 + ["b"] * 3 + ["(rare)"] * 2
        assert back["x"][9] == 4  # the median: no input tells that there was a gap
    alike = TableTransformer(categories="frequency").fit(pl.DataFrame({"job": ["a", "b", "c", "c"]}))
    assert alike.inverse_transform(alike.transform(pl.DataFrame({"job": ["b", "c"]})))["job"].to_list() == ["a", "c"]
    codes = TableTransformer(categories="embedding").fit(pl.DataFrame({"job": ["a", "b"]}))
    assert codes.inverse_transform(codes.transform(pl.DataFrame({"job": ["z"]})))["job"].to_list() == [None]


def test_fewer_components_come_back_as_the_best_approximation(generator):
    X = generator.normal(size=(200, 4)) @ np.diag([4, 3, 2, 1])
    transformer = TableTransformer(decorrelate="pca", components=2, scale="none")
    back = transformer.inverse_transform(transformer.fit_transform(X))
    centred = X - X.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(back - X.mean(axis=0), centred @ directions[:2].T @ directions[:2], atol=1e-10)
    assert np.square(back - X).sum() == pytest.approx(np.square(singular[2:]).sum(), rel=1e-10)


@pytest.mark.parametrize("kind", ["numbers", "classes", "several"])
def test_target_encoding_gives_the_rows_of_fit_what_other_folds_say(kind, generator):
    X = pl.DataFrame({"town": generator.choice([f"t{k}" for k in range(9)], 150), "x": generator.normal(size=150)})
    y = {
        "numbers": generator.normal(size=150),
        "classes": generator.choice(["a", "b", "c"], 150),
        "several": generator.normal(size=(150, 2)),
    }[kind]
    transformer = TableTransformer(categories="target", center=False, scale="none")
    rows = transformer.fit_transform(X, y)
    later = transformer.transform(X)
    assert not np.allclose(rows[:, 0], later[:, 0]) and np.array_equal(rows[:, -1], later[:, -1])
    towns = X["town"].to_numpy()[:, None]
    if kind == "several":
        expected = np.column_stack(
            [TargetEncoder(target_type="continuous").fit(towns, t).transform(towns) for t in y.T]
        )
    else:
        word = "continuous" if kind == "numbers" else "multiclass"
        expected = TargetEncoder(target_type=word).fit(towns, y).transform(towns)
    np.testing.assert_allclose(later[:, :-1], expected, rtol=1e-10)
    again = clone(transformer)
    assert np.array_equal(again.fit_transform(X, y), rows)
    other = clone(transformer).set_params(random_state=1)
    assert not np.array_equal(other.fit_transform(X, y), rows)
    # Each level has a number of its own, so it comes back.
    assert transformer.inverse_transform(later)["town"].to_list() == X["town"].to_list()


def test_the_canary_in_a_pipeline(generator):
    """A pipeline calls `fit_transform`: what it learns from unique levels and random targets is nothing."""
    X = pl.DataFrame({"person": [f"p{k}" for k in range(400)]})
    y = generator.normal(size=400)
    model = make_pipeline(TableTransformer(categories="target"), Ridge()).fit(X, y)
    assert abs(model[-1].coef_[0]) < 4 / np.sqrt(400) * y.std()


def test_names_and_frames_of_the_result(generator):
    table = people(generator)
    transformer = TableTransformer(dates="numbers").fit(table)
    names = transformer.get_feature_names_out().tolist()
    assert names[:2] == ["age", "sold (month)"] and names[-1] == "town" and "job=clerk" in names
    framed = transformer.set_output(transform="polars").transform(table)
    assert isinstance(framed, pl.DataFrame) and framed.columns == names
    plain = TableTransformer().fit(generator.normal(size=(9, 2)))
    assert plain.get_feature_names_out(["a", "b"]).tolist() == ["a", "b"]
    assert plain.get_feature_names_out().tolist() == ["x0", "x1"]
    rotated = TableTransformer(decorrelate="pca").fit(generator.normal(size=(9, 2)))
    assert rotated.get_feature_names_out().tolist() == ["component 1", "component 2"]


def test_it_is_the_standard_scaler_by_default_and_can_be_pickled(generator):
    X = generator.normal(3, 5, (100, 4))
    transformer = TableTransformer().fit(X)
    np.testing.assert_allclose(transformer.transform(X), StandardScaler().fit_transform(X), atol=1e-12)
    again = pickle.loads(pickle.dumps(transformer))
    assert np.array_equal(again.transform(X), transformer.transform(X))
    thin = sparse.random_array((50, 4), density=0.3, rng=generator)
    fitted = TableTransformer().fit(thin)
    assert np.array_equal(fitted.transform(thin), TableTransformer().fit_transform(thin.toarray()))


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"scale": "StandardScaler"}, RecipeError, "scale: 'StandardScaler' is called 'standard' here"),
        ({"input_transform": "logp"}, RecipeError, "input_transform: unknown name 'logp': did you mean 'log1p'?"),
        ({"center": "perhaps"}, RecipeError, "center: 'perhaps' is not allowed: true or false"),
        ({"components": 2}, RecipeError, "components: only rotated inputs have components: take decorrelate=pca"),
        (
            {"decorrelate": "pca", "components": 4},
            RecipeError,
            "inputs.components: 4 is more than the 3 inputs that there are: take at most 3",
        ),
    ],
)
def test_what_is_wrong_is_said(given, kind, said, generator):
    with pytest.raises(kind) as caught:
        TableTransformer(**given).fit(generator.normal(size=(20, 3)))
    assert str(caught.value) == said


def test_what_is_wrong_with_the_data_is_said(generator):
    table = people(generator)
    with pytest.raises(RecipeError, match="^inputs.categories: 'target' needs the targets of the training rows"):
        TableTransformer(categories="target").fit(table)
    fitted = TableTransformer().fit(table)
    with pytest.raises(DataError, match="^Z has 3 columns, and the transformer makes 21$"):
        fitted.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(DataError, match="column 'age', row 2 holds 'old' where a number is needed"):
        fitted.transform(table.with_columns(age=pl.Series(["1", "old"] + ["2"] * 78)))
    with pytest.raises(DataError, match=r"^table: column 'job' has \d+ missing values, the first in row \d+"):
        TableTransformer(missing="refuse").fit(table)
    with pytest.raises(ValueError, match="[Ff]eature names"):
        fitted.transform(table.drop("age"))


def test_the_command_line_does_not_import_scikit_learn():
    code = "import sys, entrena.preprocessing; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_list_of_inputs_comes_back_as_a_frame():
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": [3.0, 1, 2]})
    assert TableTransformer().fit(frame).inverse_transform([[0, 0]]).to_numpy().tolist() == [[2, 2]]


def test_gaps_come_back_to_polars_as_its_own():
    frame = pl.DataFrame({"a": [1.0, None, 3.0]})
    transformer = TableTransformer().fit(frame)
    assert transformer.inverse_transform(transformer.transform(frame))["a"].to_list() == [1.0, None, 3.0]


def test_an_array_of_dates_is_of_dates():
    days = np.array([["2024-01-01"], ["NaT"], ["2024-02-01"]], "datetime64[D]")
    frame = pd.DataFrame({"x0": days[:, 0].astype("datetime64[s]")})
    found = TableTransformer().fit_transform(days)
    np.testing.assert_array_equal(found, TableTransformer().fit_transform(frame))
    assert np.isfinite(found).all()


def test_names_that_columns_have_already():
    frame = pd.DataFrame({"a": [1, None, 2], "a (missing)": [1, 2, 3]})
    found = TableTransformer().set_output(transform="polars").fit_transform(frame)
    assert found.columns == ["a", "a (missing)", "a (missing) (2)"]


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (pd.DataFrame([["x", 2], ["y", 4.0]], columns=["a", "a"]), "X: columns 1 and 2 are both called 'a'"),
        (pd.DataFrame([[1, 2], [3, 4.0]], columns=["a", "a"]), "X: columns 1 and 2 are both called 'a'"),
        (pd.DataFrame({"a": [1, 2.0], "b": [1, np.inf]}), "X: column 'b', row 2 holds inf; numbers must be finite"),
        (np.array([[1, np.inf], [2, 3]]), "X: column 'x1', row 1 holds inf; numbers must be finite"),
        (np.array([[1, datetime.date(2024, 1, 1)]], object), "X: row 1 of column x1 is a date among objects: hand in"),
    ],
)
def test_columns_that_cannot_be_used_are_named(X, said):
    for fitted in (TableTransformer(), NetworkClassifier(max_epochs=1)):
        with pytest.raises(DataError) as caught:
            fitted.fit(X, np.arange(len(X)))
        assert said in str(caught.value)


def test_targets_that_are_missing_and_seeds_that_are_none():
    frame = pd.DataFrame({"c": list("aabb") * 5})
    for y in (["x", None, "y", "x"], [1.0, np.nan, 2.0, 3.0]):
        with pytest.raises(DataError, match="y: the target of row 2 is missing: leave such rows out"):
            TableTransformer(categories="target").fit(frame, y * 5)
    for seed in ("a", -1):
        with pytest.raises(UsageError, match=f"random_state: {seed!r} is not allowed: a whole number from 0 on"):
            TableTransformer(categories="target", random_state=seed).fit(frame, [1.0, 2.0, 3.0, 5.0] * 5)
