"""Comparisons: what is compared, on which rows, and what is said of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from entrena.data import read, split_rows
from entrena.errors import DataError, EntrenaError, RecipeError, RunError, UsageError
from entrena.fitting import Parts, fit, prepare
from entrena.job import Job, typed
from entrena.population import compare
from entrena.population.progress import Together
from entrena.population.splits import make_splits
from entrena.population.statistics import corrected_t, holm
from entrena.population.variants import make_variants, parse_vary
from entrena.population.words import to_plain, verdicts
from entrena.recipe import Recipe
from entrena.storage import RunDirectory
from entrena.training.seeds import generator

QUICK = {"hidden": [6], "max_epochs": 4}


def made_up(n=200, seed=0, noise=0.5):
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n, 3))
    target = np.where(x[:, 0] - x[:, 1] + noise * chance.normal(size=n) > 0, "yes", "no")
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": target})


def without_seconds(found):
    plain = {**to_plain(found), "seconds": 0, "path": None}
    for result in plain["data"]:
        result["seconds_an_epoch"] = result["seconds_to_level"] = 0
    return plain


def test_each_network_is_what_it_would_be_alone():
    recipe = {**QUICK, "precision": "float64"}
    found = compare(made_up(), target="y", recipe=recipe, vary={"activation": ["relu", "tanh"]}, seeds=2)
    examples = read(made_up(), target="y")
    kept, away = split_rows(examples, 0.2, generator(0, "test"), stratify=True)
    rest = examples.take(kept)
    (result,) = found.results
    assert result.sizes == {"training": 128, "held_out": 32, "test": len(away)}
    for s, split in enumerate(make_splits(rest, [0, 1], None, stratify=True)):
        for k, activation in enumerate(["relu", "tanh"]):
            alone = Recipe(**recipe, activation=activation, random_state=s)
            training, held = rest.take(split.training), rest.take(split.held)
            job = Job("", ("y",), None, 0.2, False, "", "")
            schema = typed(result.schema, job, examples, training, 200)
            model = fit(prepare(alone, schema, Parts(training))).model
            for name, value in model.evaluate(held).items():
                assert result.scores[name][s, k] == pytest.approx(value, rel=1e-9), name


def test_no_row_of_the_test_part_is_seen():
    frame = made_up(300)
    _, away = split_rows(read(frame, target="y"), 0.2, generator(0, "test"), stratify=True)
    is_test = np.isin(np.arange(300), away)
    spoilt = frame.with_columns(a=pl.Series(np.where(is_test, 1e6, frame["a"].to_numpy())))
    one, two = (
        compare(each, target="y", recipe=QUICK, vary={"learning_rate": [0.01, 0.1]}, seeds=2)
        for each in (frame, spoilt)
    )
    assert json.dumps(without_seconds(one)) == json.dumps(without_seconds(two))


def test_the_rows_that_score_choose_nothing_by_default():
    common = {**QUICK, "max_epochs": 30, "schedule": "constant", "learning_rate": 0.3, "patience": 2}
    found = compare(made_up(), target="y", recipe=common, vary={"scoring": [None, "f1_macro"]}, seeds=2)
    assert (found.results[0].epochs == 30).all()


def test_the_rows_that_score_choose_nothing():
    """A recipe that stops early holds out rows of its own; one that does not is not stopped by those that look on."""
    common = {**QUICK, "max_epochs": 30, "schedule": "constant", "learning_rate": 0.3, "patience": 2}
    found = compare(made_up(), target="y", recipe=common, vary={"early_stopping": [False, True]}, seeds=2)
    (result,) = found.results
    assert (result.epochs[:, 0] == 30).all()
    assert (result.epochs[:, 1] < 30).all()
    assert [outcomes[0] for outcomes in result.outcomes] == ["out_of_epochs"] * 2
    assert np.isfinite(result.curves[0]).all()


def test_splits_are_the_same_for_all_and_cover_the_rows():
    examples = read(made_up(100), target="y")
    splits = list(make_splits(examples, [3, 4], 5, stratify=True))
    assert [(split.seed, split.fold) for split in splits] == [(seed, fold) for seed in (3, 4) for fold in range(5)]
    for seed in (3, 4):
        own = [split.held for split in splits if split.seed == seed]
        assert sorted(np.concatenate(own)) == list(range(100))
    for split in splits:
        assert sorted([*split.training, *split.held]) == list(range(100))
    assert not np.array_equal(splits[0].held, splits[5].held)


def test_groups_and_times_hold_in_folds():
    examples = read(made_up(60), target="y")
    grouped = replace(examples, groups=np.arange(60) // 6)
    for split in make_splits(grouped, [0], 5, stratify=True):
        assert not set(grouped.groups[split.training]) & set(grouped.groups[split.held])
    for times in (np.arange(60)[::-1], np.arange(60) // 9):  # several rows of one time stay together
        timed = replace(examples, times=times)
        for split in make_splits(timed, [0], 3, stratify=True):
            assert timed.times[split.training].max() < timed.times[split.held].min()


def test_with_times_more_seeds_are_no_more_splits():
    frame = made_up(100).with_columns(t=pl.Series(range(100)))
    vary = {"learning_rate": [1e-9, 0.03]}
    found = compare(frame, target="y", recipe=QUICK, vary=vary, seeds=4, time="t")
    (result,) = found.results
    assert (len(result.splits), result.n_compared) == (4, 1)
    assert result.against == (None, None)
    assert verdicts(found)[0].startswith("All splits hold the same rows out, and decide nothing: ")
    found = compare(frame, target="y", recipe=QUICK, vary=vary, seeds=2, folds=3, time="t")
    assert found.results[0].n_compared == 3
    mean = found.results[0].scores["accuracy"][:, 1].mean()
    assert found.results[0].means[1][0] == pytest.approx(mean)


def test_a_score_that_is_not_defined_on_a_split():
    """A class that some of the held-out parts lack has no ROC AUC there."""
    frame = made_up(60).with_columns(y=pl.Series(["rare"] * 3 + ["often", "more"] * 28 + ["often"]))
    found = compare(frame, target="y", recipe=QUICK, vary={"hidden": [[4], [5]]}, folds=5, seeds=1, metrics="roc_auc")
    (result,) = found.results
    assert 0 < result.n_undefined <= 5
    assert result.n_compared == 5 - result.n_undefined
    json.dumps(to_plain(found), allow_nan=False)
    assert "roc_auc is not defined on " in verdicts(found)[0]


def test_each_recipe_may_have_a_score_of_its_own():
    recipe = {**QUICK, "early_stopping": True}
    found = compare(made_up(), target="y", recipe=recipe, vary={"scoring": ["f1_macro", "mcc"]}, seeds=2)
    assert found.results[0].score == "f1_macro"
    assert np.isfinite(found.results[0].scores["f1_macro"]).all()


def test_p_values_are_adjusted_for_all_pairs():
    """The best of five is known by the scores that are tested: ten pairs, not four, as Holm's procedure counts them."""
    found = compare(made_up(), target="y", recipe=QUICK, vary={"hidden": [[3], [4], [5], [6], [7]]}, seeds=4)
    (result,) = found.results
    table = result.scores[result.score]
    share = 32 / 160
    pairs = [(i, j) for i in range(5) for j in range(i)]
    raw = [corrected_t((table[:, i] - table[:, j]).tolist(), share, 1 / 32).p_value for i, j in pairs]
    adjusted = holm(raw)
    for (i, j), p_value in zip(pairs, adjusted, strict=True):
        if result.best in (i, j):
            assert result.against[i if j == result.best else j].p_value == pytest.approx(p_value)


def test_equal_recipes_do_not_differ():
    vary = {"patience": [5, 6, 7]}  # of no effect here: all are the same networks
    found = compare(made_up(), target="y", recipe={**QUICK, "early_stopping": False}, vary=vary, seeds=3)
    (result,) = found.results
    assert np.ptp(result.scores["log_loss"], axis=1).max() < 1e-6
    assert all(each is None or each.p_value == 1 for each in result.against)
    assert "is better than" not in verdicts(found)[0]


def test_a_network_that_learns_is_better_than_one_that_does_not():
    recipe = {**QUICK, "max_epochs": 20}
    vary = {"learning_rate": [1e-9, 0.03]}
    found = compare(made_up(400, noise=0.1), target="y", recipe=recipe, vary=vary, seeds=3, folds=4)
    (result,) = found.results
    assert result.best == 1
    assert result.against[0].p_value < 0.01
    assert result.against[0].posterior.better > 0.99
    assert verdicts(found)[0].startswith("learning_rate=0.03 is better than learning_rate=1e-09 (p ≤ ")


def test_several_data_sets_are_ranked():
    sets = [made_up(150, seed=k) for k in range(4)]
    recipe = {**QUICK, "max_epochs": 15}
    found = compare(sets, target="y", recipe=recipe, vary={"learning_rate": [1e-9, 0.03]}, seeds=2)
    assert found.ranking.mean_ranks == (2.0, 1.0)
    assert found.ranking.p_value == pytest.approx(1 / 8)  # four that agree
    assert len(verdicts(found)) == 5


def test_less_is_better_where_it_is():
    frame = made_up().with_columns(y=pl.col("a") * 2 + pl.col("b"))
    found = compare(frame, target="y", recipe=QUICK, vary={"hidden": [[4], [8]]}, seeds=2, metrics="rmse")
    (result,) = found.results
    assert result.score == "rmse"
    means = [mean for mean, _, _ in result.means]
    assert means[result.best] == min(means)
    assert result.against[1 - result.best].difference.mean == pytest.approx(max(means) - min(means))
    assert result.against[1 - result.best].posterior is None


def test_many_recipes_in_one_sentence():
    recipe = {**QUICK, "max_epochs": 20}
    vary = {"learning_rate": [0.03, 1e-9, 2e-9, 3e-9, 4e-9, 5e-9]}
    found = compare(made_up(400, noise=0.1), target="y", recipe=recipe, vary=vary, seeds=3, folds=4)
    assert verdicts(found)[0].startswith("learning_rate=0.03 is better than any of the other 5 (p ≤ ")


# --- saved and resumed ------------------------------------------------------------------------------------------------


def test_stopped_and_resumed_it_finds_the_same(monkeypatch):
    question = {"target": "y", "recipe": {**QUICK, "max_epochs": 30, "precision": "float64"}, "seeds": 3}
    vary = {"activation": ["relu", "tanh"], "batch_size": [8, 16]}  # two programs
    sets = [made_up(120), made_up(150, seed=1)]
    whole = compare(sets, vary=vary, **question, save=False)
    assert whole.path is None and not Path("runs").exists()
    looks = Counter()

    def watch(self, number):
        def on_look(progress):
            looks["all"] += 1
            if looks["all"] == 500:  # in the second data set
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)

        return on_look

    with monkeypatch.context() as patch:
        patch.setattr(Together, "watch", watch)
        with pytest.raises(KeyboardInterrupt, match="entrena compare --resume runs/.*-comparison-two goes on with it"):
            compare(sets, vary=vary, **question, name="two")
    (path,) = Path("runs").iterdir()
    assert RunDirectory(path).state() == "interrupted"
    with pytest.raises(UsageError, match="handed in from Python"):
        compare(resume=path)
    with pytest.raises(DataError, match="not the data with which"):
        compare(sets[::-1], resume=path)
    with pytest.raises(UsageError, match="leave out vary"):
        compare(sets, resume=path, vary=vary)
    again = compare(sets, resume=path)
    assert json.dumps(without_seconds(again)) == json.dumps(without_seconds(whole))
    assert np.isfinite(again.results[0].seconds_an_epoch).all()
    assert RunDirectory(path).state() == "done"
    assert json.loads((path / "comparison.json").read_text())["verdicts"] == verdicts(whole)
    with pytest.raises(RunError, match="is done"):
        compare(sets, resume=path)


def test_the_level_is_one_that_all_reach():
    vary = {"learning_rate": [0.003, 0.03, 1e30]}
    found = compare(made_up(), target="y", recipe={**QUICK, "optimizer": "sgd", "max_epochs": 20}, vary=vary, seeds=3)
    (result,) = found.results
    levels = []
    for s in range(3):
        least = [np.nanmin(result.curves[k][s]) for k in range(2)]
        levels.append(max(least))
        for k in range(2):
            reached = next(e for e, loss in enumerate(result.curves[k][s], 1) if loss <= levels[-1])
            assert result.epochs_to_level[s, k] == reached
    assert result.level == pytest.approx(np.mean(levels))
    assert np.isnan(result.epochs_to_level[:, 2]).all()  # it diverges, and takes nothing from the others


@pytest.mark.parametrize("max_epochs", [3, 1000])  # with 1,000 epochs a network alone runs 16 in one call
def test_an_epoch_takes_time(max_epochs):
    vary = {"hidden": [[4], [5]]}
    found = compare(made_up(100), target="y", recipe={**QUICK, "max_epochs": max_epochs}, vary=vary, seeds=1)
    assert (found.results[0].seconds_an_epoch > 0).all()


def test_seconds_to_the_level():
    found = compare(made_up(), target="y", recipe={**QUICK, "max_epochs": 20}, vary={"hidden": [[4], [64]]}, seeds=2)
    (result,) = found.results
    assert (result.seconds_an_epoch > 0).all()
    np.testing.assert_array_equal(result.seconds_to_level, result.epochs_to_level * result.seconds_an_epoch)
    assert result.seconds_an_epoch.max() * 20 < found.seconds


# --- variants ---------------------------------------------------------------------------------------------------------


def test_all_combinations():
    variants = make_variants(Recipe(), parse_vary(["activation=relu,elu", "hidden=[64],[64, 32]"]))
    assert [variant.name for variant in variants] == [
        "activation=relu, hidden=[64]",
        "activation=relu, hidden=[64,32]",
        "activation=elu, hidden=[64]",
        "activation=elu, hidden=[64,32]",
    ]
    assert variants[3].recipe.network.hidden == (64, 32)
    assert [variant.name for variant in make_variants(Recipe(), {})] == ["recipe"]


@pytest.mark.parametrize("written", ["activation", "activation=", "=relu"])
def test_what_is_no_assignment(written):
    with pytest.raises(UsageError, match="write a key and its values"):
        parse_vary([written])


def test_wrong_choices_end_in_a_message():
    with pytest.raises(UsageError, match="'activation' stands there twice"):
        parse_vary(["activation=relu", "activation=elu"])
    with pytest.raises(UsageError, match="activation=relu stands there twice"):
        make_variants(Recipe(), {"activation": ["relu", "relu"]})
    with pytest.raises(UsageError, match="needs a list of values"):
        make_variants(Recipe(), {"activation": "relu"})
    with pytest.raises(UsageError, match="1,024 combinations; at most 1,000"):
        make_variants(Recipe(), {"max_epochs": list(range(1, 33)), "patience": list(range(1, 33))})
    with pytest.raises(RecipeError, match="rellu"):
        make_variants(Recipe(), {"activation": ["rellu"]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 0}, "seeds: 0 is not allowed"),
        ({"folds": 1}, "folds: 1 is not allowed"),
        ({"test_fraction": 1.0}, "test_fraction: 1.0 is not allowed"),
        ({"folds": 1000}, "--folds: 1000 are more than there are"),
        ({"recipe": {"max_seconds": 1}}, "max_seconds: networks that are trained together share their time"),
        ({"vary": ["activation"]}, "vary: give a mapping of keys to lists"),
        ({"recipe": 3}, "recipe: 3 is neither a Recipe nor a mapping"),
        ({"vary": {"random_state": [1, 2]}}, "random_state is what each split has of its own"),
        ({"metrics": "rmse"}, "'rmse' does not score classes"),
    ],
)
def test_wrong_counts(arguments, message):
    with pytest.raises(UsageError, match=message):
        compare(made_up(40), **{"target": "y", "vary": {}, **arguments})
    assert list(Path().glob("runs/*")) == []  # nothing was trained, and nothing is left


@pytest.mark.parametrize("save", [True, False])
def test_what_is_wrong_with_the_second_table_is_found_first(save):
    sets = [made_up(120), made_up(120).rename({"y": "other"})]
    recipe = {**QUICK, "max_epochs": 10**6}  # the first one would take hours
    with pytest.raises(EntrenaError, match="other"):
        compare(sets, target="y", vary={}, recipe=recipe, seeds=2, save=save)
    numbers = made_up(120).with_columns(y=pl.col("a"))
    wrong = {**recipe, "loss": "cross_entropy"}
    with pytest.raises(RecipeError, match="cross_entropy"):
        compare([made_up(120), numbers], target="y", vary={}, recipe=wrong, seeds=2, save=save)
    assert list(Path().glob("runs/*")) == []
