"""Inputs that are rotated to their principal components, in the preprocessor and in a trained model."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from entrena import NetworkClassifier, NetworkRegressor, load, train
from entrena.cli.app import run as run_command
from entrena.data import Table, read
from entrena.data.roles import ColumnRole
from entrena.data.values import Place
from entrena.errors import RecipeError
from entrena.preprocessing import InputSettings, Preprocessor, TableTransformer
from entrena.preprocessing.condition import condition_number
from entrena.preprocessing.principal_components import Rows
from entrena.recipe import Recipe
from entrena.stream_run import train_stream


def fitted(values: np.ndarray, weights: np.ndarray | None = None, **settings) -> tuple[Preprocessor, Table]:
    names = [f"x{j}" for j in range(values.shape[1])]
    table = Table.of_array(values, names, Place("array"))
    return Preprocessor.fit(
        table, [ColumnRole(each, "number") for each in names], InputSettings(**settings), weights
    ), table


@pytest.mark.parametrize("method", ["auto", "eigen", "svd", "randomized"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_it_is_scikit_learns_pipeline(method, dtype, tolerance):
    X = load_wine().data.astype(dtype)
    theirs = make_pipeline(StandardScaler(), PCA(5, svd_solver="full")).fit_transform(X.astype(np.float64))
    ours, table = fitted(X, decorrelate={"name": "pca", "method": method}, components=5)
    np.testing.assert_allclose(ours.transform(table, dtype), theirs, atol=20 * tolerance)
    whitened, _ = fitted(X, decorrelate={"name": "whiten", "method": method}, components=5)
    np.testing.assert_allclose(
        whitened.transform(table, dtype), theirs / theirs.std(axis=0, ddof=1), atol=20 * tolerance
    )


def test_whitened_training_rows_have_the_identity_as_covariance():
    X = load_wine().data
    ours, table = fitted(X, decorrelate="whiten")
    out = ours.transform(table, np.float64)
    np.testing.assert_allclose(np.cov(out.T), np.eye(13), atol=1e-10)
    assert ours.conditions[1] == pytest.approx(1, abs=1e-9)
    eigenvalues = np.linalg.eigvalsh(np.cov(X.T))
    assert ours.conditions[0] == pytest.approx(eigenvalues[-1] / eigenvalues[0], rel=1e-5)
    rotated, _ = fitted(X, decorrelate="pca", components=5)
    variances = np.var(rotated.transform(table, np.float64), axis=0)
    assert rotated.conditions[1] == pytest.approx(variances[0] / variances[-1], rel=1e-9)
    scaled, _ = fitted(X)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(X.T))
    assert scaled.conditions[1] == pytest.approx(eigenvalues[-1] / eigenvalues[0], rel=1e-9)


@pytest.mark.parametrize("kind", ["constant", "collinear", "few rows"])
def test_columns_that_add_nothing_are_left_out(kind):
    X = np.random.default_rng(0).normal(size=(8 if kind == "few rows" else 60, 10))
    if kind == "constant":
        X[:, 4] = 2.0
    if kind == "collinear":
        X[:, 4] = X[:, 2] - 3 * X[:, 7] + 1
    ours, table = fitted(X, decorrelate="pca")
    out = ours.transform(table, np.float64)
    assert out.shape[1] == ours.n_features == (7 if kind == "few rows" else 9)
    scaled = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    assert np.var(out, axis=0).sum() == pytest.approx(np.var(scaled, axis=0).sum(), rel=1e-10)
    straight = ours.rotation.undo(out)
    np.testing.assert_allclose(straight, scaled[:, X.std(axis=0) > 0], atol=1e-10)


def test_weights_are_those_of_the_training():
    X = load_wine().data
    counts = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    weighted, table = fitted(X, counts, decorrelate="pca")
    repeated, _ = fitted(np.repeat(X, counts.astype(int), axis=0), decorrelate="pca")
    np.testing.assert_allclose(weighted.transform(table, float), repeated.transform(table, float), atol=1e-9)


def test_levels_gaps_and_embeddings(tmp_path):
    generator = np.random.default_rng(0)
    n = 400
    town = [f"t{k}" for k in generator.integers(0, 60, n)]
    frame = pl.DataFrame(
        {
            "size": [None if k % 9 == 0 else float(v) for k, v in enumerate(generator.normal(size=n))],
            "colour": generator.choice(["red", "green", "blue"], n),
            "town": town,
            "y": generator.normal(size=n),
        }
    )
    frame.write_csv(tmp_path / "t.csv")
    recipe = {"decorrelate": "pca", "max_epochs": 2, "hidden": [4], "categories": "auto"}
    run = train(recipe, tmp_path / "t.csv", target="y", roles={"town": "category"}, runs_dir=tmp_path)
    found = run.model.preprocessor
    embedded = len(found.n_levels)
    # Of three levels that sum to 1 two are free.
    assert found.n_dense == found.n_straight - 1 - sum(e.form == "one_hot" for e in found.encodings[1:2]) + 1
    assert found.feature_names[0] == "component 1"
    assert found.n_features == found.n_dense + embedded
    again = load(run.path).model_
    rows = read(tmp_path / "t.csv", target="y").inputs
    np.testing.assert_array_equal(again.net_inputs(rows), run.model.net_inputs(rows))


def test_a_saved_model_has_them(tmp_path):
    X, y = load_wine(return_X_y=True)
    network = NetworkClassifier(hidden=(6,), max_epochs=3, decorrelate="whiten", components=0.9, input_transform="clip")
    network.fit(X, y)
    network.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), network.predict_proba(X))
    assert (again.decorrelate, again.components, again.input_transform) == ("whiten", 0.9, "clip")
    told = network.model_.facts["inputs"]
    assert told["components"]["components"] == network.model_.network.sizes[0] < told["inputs"] == 13
    assert 0.9 <= told["components"]["share"] < 0.95
    assert told["condition_before"] > 1e6 > told["condition_after"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"components": 3}, "inputs.components: only rotated inputs have components: take decorrelate=pca or"),
        ({"decorrelate": "pca", "components": 14}, "inputs.components: 14 is more than the 13 inputs that there are"),
        ({"decorrelate": "pca", "components": 1.5}, "inputs.components: 1.5 is not allowed: a whole number from 1"),
        ({"decorrelate": "whitening"}, "inputs.decorrelate: 'whitening' is called 'whiten' here"),
        (
            {"decorrelate": {"name": "pca", "method": "incremental"}},
            "'incremental' is not allowed: one of auto",
        ),
    ],
)
def test_what_is_wrong_is_said(given, said):
    X, y = load_wine(return_X_y=True)
    with pytest.raises(RecipeError, match=said):
        NetworkClassifier(max_epochs=1, **given).fit(X, y)


def test_fewer_components_than_were_asked_for_are_said_everywhere(tmp_path, capsys):
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(2, 60))
    frame = pl.DataFrame({"a": a, "b": b, "c": a + b, "y": a - b})
    frame.write_csv(tmp_path / "t.csv")
    said = "components = 3: the 60 rows vary in 2 directions only, so 2 are kept; ask for no more, or for a share of"
    given = {"decorrelate": "pca", "components": 3, "max_epochs": 1, "early_stopping": False}
    with pytest.warns(UserWarning, match=f"^{said}"):
        NetworkRegressor(hidden=(4,), **given).fit(frame.drop("y"), frame["y"])
    with pytest.warns(UserWarning, match=f"^{said}"):
        TableTransformer(decorrelate="pca", components=3).fit(frame.drop("y"))
    run = train({**given, "hidden": [4]}, tmp_path / "t.csv", target="y", runs_dir=tmp_path)
    (finding,) = run.findings
    assert (finding.name, finding.severity, finding.technique) == ("fewer_components", "warning", "inputs.components")
    assert "rows vary in 2 directions only, so 2 are kept; ask for no more, or for a share" in finding.evidence
    assert '"fewer_components"' in (run.path / "findings.json").read_text()
    options = [word for name, value in given.items() for word in ("--set", f"{name}={str(value).lower()}")]
    words = ["train", str(tmp_path / "t.csv"), "--target", "y", "--runs-dir", str(tmp_path), *options]
    assert run_command(words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "warning" in shown and "rows vary in 2 directions only, so 2 are kept" in shown


def test_what_is_said_where_there_is_nothing_to_rotate():
    with pytest.warns(
        UserWarning, match="^no column varies in the rows that were learned from: there are no principal"
    ):
        TableTransformer(decorrelate="pca").fit(np.ones((5, 2)))
    towns = pl.DataFrame({"town": [f"town {k}" for k in range(20)]})
    with pytest.warns(
        UserWarning, match="^components = 2: embedded categories are not rotated, and there are no other"
    ):
        TableTransformer(decorrelate="pca", components=2, categories="embedding").fit(towns)
    TableTransformer(decorrelate="pca", categories="embedding").fit(towns)


@pytest.mark.parametrize("given", [{"decorrelate": "pca"}, {"input_transform": "quantile"}])
def test_a_stream_learns_them_from_its_first_rows_only(given, tmp_path):
    X, y = load_wine(return_X_y=True)
    with pytest.raises(RecipeError, match="needs all rows before the first: learn it from the first rows with --warm-"):
        NetworkClassifier(**given).partial_fit(X, y, classes=[0, 1, 2])
    recipe = {{"input_transform": "transform"}.get(name, name): value for name, value in given.items()}
    classes = [f"class_{k}" for k in range(3)]
    run = train_stream({**recipe, "hidden": [4]}, "wine", warm_rows=120, classes=classes, save=False)
    assert run.sizes["training"] == 178


def test_log1p_runs_in_a_stream():
    X = np.random.default_rng(0).lognormal(size=(60, 2))
    y = X[:, 0] - X[:, 1]
    found = NetworkRegressor(input_transform="log1p", mode="online").partial_fit(X, y)
    straight = NetworkRegressor(mode="online").partial_fit(np.log1p(X), y)
    np.testing.assert_allclose(found.predict(X), straight.predict(np.log1p(X)), rtol=1e-4)


def test_after_a_refit_the_inputs_are_those_of_all_rows():
    run = train({"decorrelate": "pca", "max_epochs": 2, "hidden": [4], "refit": True}, "wine", save=False)
    assert run.model.facts["inputs"] == run.model.preprocessor.describe_inputs()


def test_a_start_has_the_same(tmp_path):
    run = train({"decorrelate": "pca", "max_epochs": 1, "hidden": [4]}, "wine", runs_dir=tmp_path)
    other = Recipe(decorrelate="whiten", max_epochs=1, hidden=(4,))
    with pytest.raises(Exception, match="decorrelate: the model has pca, the recipe whiten"):
        train(other, "wine", from_run=run.path, save=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_collinear_column_does_not_make_the_condition_number_rounding(dtype):
    X = np.random.default_rng(0).integers(-9, 9, (300, 3)).astype(dtype)
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    ours, _ = fitted(X)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(X.T.astype(float)))
    assert ours.conditions[1] == pytest.approx(eigenvalues[-1] / eigenvalues[1], rel=1e-9)


def test_the_condition_number_of_what_does_not_vary_and_of_extremes():
    def of(X: np.ndarray) -> float | None:
        with np.errstate(over="ignore", invalid="ignore"):
            return condition_number(Rows.look(lambda: iter([(X, None)])).covariance)

    assert of(np.ones((5, 2))) is None
    assert of(np.ones((1, 2))) is None
    X = np.random.default_rng(0).normal(size=(500, 2))
    assert of(X * [1e-3, 1e3]) == pytest.approx(1e12, rel=0.3)
    assert of(X * [1e200, 1e200]) is None
    many, _ = fitted(np.random.default_rng(0).normal(size=(5, 400)))
    assert many.conditions == (None, None)
