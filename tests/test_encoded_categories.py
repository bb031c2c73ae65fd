"""Categories that are coded by their frequency or by the target, on every way that a user has to a trained network."""

from __future__ import annotations

import math
import signal

import numpy as np
import polars as pl
import pytest

from entrena import NetworkClassifier, NetworkRegressor, load, population
from entrena.data import Examples, infer_schema, read, split_rows
from entrena.data.frames import frame_table
from entrena.data.roles import roles_by_kind
from entrena.data.schema import with_training
from entrena.errors import RecipeError
from entrena.fitting import Parts, fit, prepare, prepare_like
from entrena.job import Job, typed
from entrena.learner import check_streamable
from entrena.model import Model
from entrena.population.splits import make_splits
from entrena.recipe import Recipe
from entrena.run import train
from entrena.training import seeds

SMALL = {"hidden": [8], "max_epochs": 6, "categories": "target"}


def houses(generator, n=240, n_towns=30):
    """A table whose target goes by the town."""
    towns = generator.integers(0, n_towns, n)
    x = generator.normal(size=n)
    price = np.sin(towns) + 0.5 * x + 0.1 * generator.normal(size=n)
    return pl.DataFrame({"town": [f"town {k:02}" for k in towns], "x": x, "price": price})


def examples_of(frame, target, **own):
    table = frame_table(frame.drop(target))
    examples = Examples(table, frame[target].to_numpy(), (target,), "t", **own)
    return examples, with_training(infer_schema(examples), roles_by_kind(table), examples)


def params_equal(one, other):
    pairs = zip(one.params, other.params, strict=True)
    return all(np.array_equal(a[name], b[name]) for a, b in pairs for name in a)


def test_the_network_is_trained_on_values_of_other_folds(generator):
    frame = houses(generator)
    weight = generator.integers(1, 3, len(frame)).astype(float)
    examples, schema = examples_of(frame, "price", weight=weight)
    recipe = Recipe(**SMALL, precision="float64", center=False, scale="none", random_state=3)
    ready = prepare(recipe, schema, Parts(examples.take(np.arange(200)), examples.take(np.arange(200, 240))))
    seen = ready.training.inputs[:200]
    again = prepare(recipe, schema, Parts(examples.take(np.arange(200))))
    assert np.array_equal(again.training.inputs[:200], seen)
    # The validation rows get the values of all training rows, as every later row does.
    later = ready.preprocessor.transform(examples.inputs.take(np.arange(200, 240)), float)
    assert np.array_equal(ready.validation.inputs, later)
    in_fold = ready.preprocessor.transform(examples.inputs.take(np.arange(200)), float)
    assert not np.allclose(in_fold[:, 0], seen[:, 0])
    # Another seed deals the rows out otherwise.
    other = prepare(recipe.change({"random_state": 4}), schema, Parts(examples.take(np.arange(200))))
    assert not np.array_equal(other.training.inputs[:200, 0], seen[:, 0])
    assert prepare_like(ready, recipe.change({"random_state": 4})) is None
    assert prepare_like(ready, recipe.change({"learning_rate": 0.1})) is not None


def test_groups_stay_in_one_fold(generator):
    """A group that has a town to itself: nothing of it is known out of fold, so its rows get the mean of the others."""
    frame = pl.DataFrame({"town": [f"t{k // 10}" for k in range(100)], "x": generator.normal(size=100)})
    frame = frame.with_columns(price=pl.Series(generator.normal(size=100)))
    examples, schema = examples_of(frame, "price", groups=np.arange(100) // 10)
    recipe = Recipe(**SMALL, precision="float64", center=False, scale="none")
    seen = prepare(recipe, schema, Parts(examples)).training.inputs[:100, 0]
    price = frame["price"].to_numpy()
    for group in range(10):
        own = seen[group * 10 : group * 10 + 10]
        assert np.ptp(own) < 1e-12
    folds = {round(value, 9): np.flatnonzero(np.abs(seen - value) < 1e-9) for value in seen}
    for value, rows in folds.items():
        assert value == pytest.approx(np.delete(price, rows).mean(), abs=1e-8)


def test_the_canary_in_training(generator):
    """Nearly unique levels, random classes: a leak would make the training's loss fall far below that of chance."""
    n = 600
    frame = pl.DataFrame({"person": [f"p{k % 560:03}" for k in generator.permutation(n)]})
    y = generator.integers(0, 2, n)
    network = NetworkClassifier(
        hidden=(32,), categories="target", max_epochs=40, learning_rate=0.01, early_stopping=False, random_state=1
    )
    network.fit(frame, y)
    assert network.loss_curve_[-1] > 0.9 * math.log(2)
    fresh = pl.DataFrame({"person": [f"p{k:03}" for k in generator.permutation(560)]})
    chance = network.score(fresh, generator.integers(0, 2, 560))
    assert abs(chance - 0.5) < 4 * 0.5 / math.sqrt(560)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_estimators_save_and_load(early_stopping, generator, tmp_path):
    frame = houses(generator)
    own = {"hidden": (8,), "max_epochs": 5, "categories": "target", "early_stopping": early_stopping}
    regressor = NetworkRegressor(**own).fit(frame.drop("price"), frame["price"].to_numpy())
    kinds = np.array(["a", "b", "c"])[np.digitize(frame["price"].to_numpy(), [-0.5, 0.5])]
    classifier = NetworkClassifier(**own, calibration="temperature" if early_stopping else "none")
    classifier.fit(frame.drop("price"), kinds)
    names = classifier.model_.preprocessor.feature_names
    assert names == ("town (share of a)", "town (share of b)", "town (share of c)", "x")
    new = houses(generator, 20, 40).drop("price")
    for fitted in (regressor, classifier):
        fitted.save(tmp_path / "m.safetensors")
        assert np.array_equal(load(tmp_path / "m.safetensors").predict(new), fitted.predict(new))
    several = np.stack([frame["price"].to_numpy(), frame["x"].to_numpy()], axis=1)
    two = NetworkRegressor(**own).fit(frame.drop("price"), several)
    assert two.model_.preprocessor.n_dense == 3


def test_sample_weights_and_rows_of_weight_0(generator):
    frame = houses(generator)
    weight = generator.integers(0, 3, len(frame)).astype(float)
    frame = frame.with_columns(price=pl.when(pl.Series(weight) == 0).then(1e6).otherwise("price"))
    kept = np.flatnonzero(weight)
    own = {"hidden": (4,), "max_epochs": 2, "categories": "target", "early_stopping": False}
    one = NetworkRegressor(**own).fit(frame.drop("price"), frame["price"].to_numpy(), sample_weight=weight)
    other = NetworkRegressor(**own).fit(
        frame[kept].drop("price"), frame["price"].to_numpy()[kept], sample_weight=weight[kept]
    )
    assert params_equal(one.model_, other.model_)
    values, towns = one.model_.preprocessor.encodings[0].values[1:, 0], frame["town"].to_numpy()
    for level, value in zip(one.model_.preprocessor.encodings[0].levels.texts, values, strict=True):
        rows = (towns == level) & (weight > 0)
        low, high = np.min(frame["price"].to_numpy()[rows]), np.max(frame["price"].to_numpy()[rows])
        mean = np.average(frame["price"].to_numpy(), weights=weight)
        assert min(low, mean) - 1e-9 <= value <= max(high, mean) + 1e-9


def test_a_run_resumes_to_the_same_bits(generator, tmp_path):
    frame = houses(generator)
    recipe = {**SMALL, "refit": True, "early_stopping": True}
    whole = train(recipe, frame, target="price", runs_dir=tmp_path / "whole")

    def ctrl_c(progress):
        if progress.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    part = train(recipe, frame, target="price", runs_dir=tmp_path / "part", callbacks=[ctrl_c])
    assert part.outcome.name == "interrupted"
    again = train(data=frame, resume=part.path)
    assert params_equal(Model.load(whole.path), Model.load(again.path))
    # The model that was trained again on all rows codes by all of them.
    assert whole.model.facts["refit"]["rows"] == 240
    kept = again.model.preprocessor.encodings[0]
    assert np.array_equal(kept.values, whole.model.preprocessor.encodings[0].values)


def test_a_network_of_a_population_sees_the_folds_of_its_own_seed(generator):
    frame = houses(generator)
    recipes = [{**SMALL, "random_state": seed} for seed in (0, 1)]
    found = population.train(recipes, frame, target="price", split_seed=0, save=False)
    sights = [run.model.preprocessor for run in found.runs]
    # The values for later rows are those of all training rows, whatever the folds; means and deviations are not.
    assert np.array_equal(sights[0].encodings[0].values, sights[1].encodings[0].values)
    assert sights[0].mean[0] != sights[1].mean[0]
    alone = train(recipes[0], frame, target="price", save=False)
    assert np.array_equal(alone.model.preprocessor.mean, sights[0].mean)


def test_each_part_of_a_comparison_codes_by_its_own_training_rows(generator):
    frame = houses(generator)
    recipe = {**SMALL, "precision": "float64"}
    found = population.compare(
        frame, target="price", recipe=recipe, vary={"categories": ["frequency", "target"]}, seeds=1, save=False
    )
    (result,) = found.results
    examples = read(frame, target="price", text_columns=frozenset(["town"]))
    kept, _ = split_rows(examples, 0.2, seeds.generator(0, "test"), stratify=False)
    (split,) = make_splits(examples.take(kept), [0], None, stratify=False)
    training, held = (examples.take(kept).take(rows) for rows in (split.training, split.held))
    schema = typed(result.schema, Job("", ("price",), None, 0.2, False, "", ""), examples, training, len(frame))
    for k, categories in enumerate(["frequency", "target"]):
        alone = Recipe(**{**recipe, "categories": categories})
        model = fit(prepare(alone, schema, Parts(training))).model
        for name, value in model.evaluate(held).items():
            assert result.scores[name][0, k] == pytest.approx(value, rel=1e-9), name


def test_going_on_from_a_model_does_not_see_its_own_targets(generator, tmp_path):
    frame = houses(generator)
    first = train(SMALL, frame, target="price", runs_dir=tmp_path)
    second = train(None, frame, target="price", from_run=first.path, runs_dir=tmp_path)
    assert np.array_equal(second.model.preprocessor.shift, first.model.preprocessor.shift)
    examples, schema = examples_of(frame, "price")
    again = prepare(first.recipe, schema, Parts(examples), start=first.model)
    seen = again.training.inputs[: len(frame), 0]
    in_fold = first.model.preprocessor.transform(examples.inputs)[:, 0]
    assert not np.allclose(seen, in_fold)
    y = frame["price"].to_numpy().copy()
    y[0] += 50
    moved, _ = examples_of(frame.with_columns(price=pl.Series(y)), "price")
    other = prepare(first.recipe, schema, Parts(moved), start=first.model)
    assert other.training.inputs[0, 0] == pytest.approx(seen[0], abs=1e-6)


def test_in_a_stream_frequency_is_that_of_the_first_rows_and_target_is_refused(generator):
    frame = houses(generator, 200, 5)
    X, y = frame.drop("price"), frame["price"].to_numpy()
    learner = NetworkRegressor(hidden=(4,), categories="frequency").partial_fit(X[:120], y[:120])
    learner.partial_fit(X[120:], y[120:])
    encoding = learner.model_.preprocessor.encodings[0]
    counts = X[:120]["town"].value_counts().sort("town")["count"].to_numpy()
    np.testing.assert_allclose(encoding.values[:, 0], [0, *counts / 120], rtol=1e-12)
    assert np.isfinite(learner.predict(X)).all()
    said = "inputs.categories: 'target' needs the targets of all rows before the first: take frequency or embedding"
    with pytest.raises(RecipeError) as caught:
        NetworkRegressor(categories="target").partial_fit(X, y)
    assert str(caught.value) == said
    with pytest.raises(RecipeError) as caught:
        check_streamable(Recipe(categories="target"))
    assert str(caught.value) == said
    fitted = NetworkRegressor(hidden=(4,), categories="target", max_epochs=2).fit(X, y)
    with pytest.raises(RecipeError):
        fitted.partial_fit(X, y)
