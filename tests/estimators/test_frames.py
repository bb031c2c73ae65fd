"""Estimators on frames with columns of every type, on sparse matrices and on arrays of objects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from entrena import NetworkClassifier, NetworkRegressor, load, train
from entrena.errors import DataError

QUICK = {"hidden": (8,), "max_epochs": 20}


@pytest.fixture(scope="module")
def frame():
    """Numbers with gaps, texts, categories, truth values, dates, an id and free texts."""
    chance = np.random.default_rng(0)
    n = 200
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "size": np.where(chance.random(n) < 0.1, np.nan, chance.normal(size=n)),
            "colour": chance.choice(["red", "green", "blue"], n),
            "grade": pd.Categorical(chance.choice(list("abcdefghijklm"), n)),
            "rooms": pd.array(np.where(chance.random(n) < 0.1, None, chance.integers(1, 6, n)), dtype="Int64"),
            "new": chance.random(n) < 0.5,
            "sold": pd.Timestamp("2024-01-01") + pd.to_timedelta(chance.integers(0, 300, n), "D"),
            "note": [f"a long and different story number {k}" for k in range(n)],
        }
    )


@pytest.fixture(scope="module")
def classes(frame):
    return np.where(frame["size"].fillna(0) + (frame["colour"] == "red") > 0.3, "yes", "no")


def test_no_column_is_left_out(frame, classes):
    classifier = NetworkClassifier(**QUICK).fit(frame, classes)
    assert classifier.feature_names_in_.tolist() == frame.columns.tolist()
    assert classifier.n_features_in_ == 8
    assert [role.role for role in classifier.model_.schema.roles] == [
        "number",
        "number",
        "category",
        "category",
        "number",
        "boolean",
        "date",
        "category",
    ]
    assert classifier.model_.network.embeddings == ((13, 7), (200, 8))
    assert classifier.score(frame, classes) > 0.8


def test_pandas_and_polars_give_the_same_bits(frame, classes):
    plain = frame.drop(columns=["grade"])
    one, two = (NetworkClassifier(**QUICK).fit(each, classes) for each in (plain, pl.from_pandas(plain)))
    assert np.array_equal(one.predict_proba(plain), two.predict_proba(pl.from_pandas(plain)))


def test_columns_are_checked_as_scikit_learn_does(frame, classes):
    classifier = NetworkClassifier(**QUICK).fit(frame, classes)
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        classifier.predict(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="Feature names"):
        classifier.predict(frame.drop(columns=["note"]))


def test_unseen_levels_gaps_and_other_types_at_prediction(frame, classes):
    classifier = NetworkClassifier(**QUICK).fit(frame, classes)
    asked = frame.head(10).assign(colour="violet", rooms=np.nan, new=[True, None] * 5, sold=pd.NaT)
    assert np.isfinite(classifier.predict_proba(asked)).all()
    with pytest.raises(DataError, match="table: column 'size', row 1 holds 'big' where a number is needed"):
        classifier.predict(frame.assign(size="big"))


def test_in_pipelines_clones_and_folds(frame, classes):
    regressor = NetworkRegressor(**QUICK)
    scores = cross_val_score(make_pipeline(regressor), frame, frame["size"].fillna(0), cv=3)
    assert np.isfinite(scores).all()
    assert clone(regressor).get_params() == regressor.get_params()


def test_validation_rows_of_ones_own_and_refit(frame, classes):
    own = (frame[150:], classes[150:])
    classifier = NetworkClassifier(**QUICK).fit(frame[:150], classes[:150], validation_data=own)
    assert len(classifier.validation_loss_curve_) == 20
    again = NetworkClassifier(**QUICK, early_stopping=True, refit=True).fit(frame, classes)
    assert again.model_.facts["refit"]["rows"] == 200


def test_calibration(frame, classes):
    calibrated = NetworkClassifier(**QUICK, early_stopping=True, calibration="temperature").fit(frame, classes)
    assert calibrated.model_.temperature != 1
    assert np.allclose(calibrated.predict_proba(frame).sum(axis=1), 1)


def test_sparse_matrices(classes):
    X = sparse.random_array((200, 6), density=0.3, random_state=0, format="csr")
    y = np.asarray(X.sum(axis=1)).ravel()
    dense, thin = (NetworkRegressor(**QUICK).fit(each, y) for each in (X.toarray(), X))
    assert np.array_equal(dense.predict(X.toarray()), thin.predict(X))


def test_gaps_in_arrays():
    X = np.random.default_rng(0).normal(size=(100, 3))
    X[::7, 1] = np.nan
    regressor = NetworkRegressor(**QUICK).fit(X, X[:, 0])
    assert regressor.model_.preprocessor.feature_names == ("x0", "x1", "x2", "x1 (missing)")
    assert np.isfinite(regressor.predict(X)).all()


def test_arrays_of_objects_with_texts(frame, classes):
    X = frame[["size", "colour"]].to_numpy(object)
    classifier = NetworkClassifier(**QUICK).fit(X, classes)
    assert [role.role for role in classifier.model_.schema.roles] == ["number", "category"]
    assert classifier.predict(X[:5]).shape == (5,)


def test_the_estimator_of_a_run_picks_its_columns(frame, classes, tmp_path):
    whole = frame.assign(y=classes)
    run = train({**QUICK, "hidden": [8]}, whole, target="y", runs_dir=tmp_path)
    assert {role.name for role in run.schema.left_out} == {"id", "note"}
    loaded = load(run.path)
    assert loaded.feature_names_in_.tolist() == list(run.schema.columns)
    shuffled = whole[whole.columns[::-1]]
    assert np.array_equal(loaded.predict(whole), loaded.predict(shuffled))
    assert np.array_equal(loaded.predict_proba(whole), run.model.predict_proba(frame_of(run, whole)))


def frame_of(run, frame):
    from entrena.data import read_inputs

    return read_inputs(frame, run.schema, targets=False).inputs
