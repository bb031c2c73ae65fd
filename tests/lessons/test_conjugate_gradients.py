"""The lesson conjugate_gradients: its verdict on made-up results, its races and its walks against NumPy and SciPy."""

from __future__ import annotations

import json
from math import sqrt

import numpy as np
import pytest
from scipy.sparse.linalg import cg

from entrena.data import EMBEDDED
from entrena.errors import RecipeError
from entrena.lessons import batch_races, conjugate_gradients
from entrena.lessons.batch_races import (
    CONJUGATE,
    DEEP,
    EARLY,
    EVERY,
    IN_MINI_BATCHES,
    ONLY_BATCH,
    PLAIN,
    TASKS,
    best_of,
    gain,
    methods_of,
    rows_by_seed,
)
from entrena.lessons.conjugacy import conjugate_gradients_on, plain_steps_on
from entrena.lessons.conjugate_gradients import BATCH, LESSON, MINI, NOISY, comparisons
from entrena.lessons.trials import Trials
from entrena.recipe import Recipe
from tests.lessons.checks import assert_pages, assert_told

TINY = {
    "tasks": ["diabetes"],
    "seeds": 2,
    "tuning_seeds": 1,
    "most": {"batch": 30, "mini_batch": 3},
    "rounds": 2,
    "conditions": [10],
    "batch_sizes": [64, 512],
    "walks": 3,
    "starts": 3,
}
MINI_ADAM = "mini-batches, adamw"
FEW = {
    "momentum 0.9": ({"optimizer": "sgd", "momentum": 0.9}, (0.01, 0.1)),
    CONJUGATE: ({"optimizer": "conjugate_gradient"}, None),
    MINI_ADAM: ({"optimizer": "adamw"}, (0.01, 0.03)),
}


def task(name="one", passes=None, seconds=1.0):
    """A task with the given passes of recipes to both levels; the others take 1,000."""
    passes = passes or {}
    found = [
        {
            "method": method,
            "level": level,
            "rate": 0.1,
            "passes": passes.get(method, [1000.0, 1000.0, 1000.0]),
            "seconds_a_pass": [seconds, 2 * seconds, 9 * seconds] if method == CONJUGATE else [0.5, 0.5, 0.5],
            "scores": [0.9, 0.8, 0.7],
        }
        for method in EVERY
        for level in (EARLY, DEEP)
    ]
    levels = {EARLY: 0.5, DEEP: 0.1}
    most = {"batch": 500, "mini_batch": 50}
    return {"name": name, "rows": 99, "weights": 9, "levels": levels, "most": most, "found": found}


def results(conjugate, plain=(100.0, 110.0, 90.0), mini=(10.0, 11.0, 9.0), lost=1.0):
    passes = {CONJUGATE: list(conjugate), "momentum 0.9": list(plain), MINI_ADAM: list(mini)}
    noisy = [
        {
            "condition": 10,
            "batch_size": batch_size,
            "conjugate": {"mean": -2.0, "low": -2.1, "high": -1.9},
            "plain": {"mean": -3.0, "low": -3.1, "high": -2.9},
            "conjugacy": {"mean": 0.4, "low": 0.3, "high": 0.5},
            "gain": {"mean": -own, "low": -own - 0.1, "high": -own + 0.1},
        }
        for batch_size, own in ((32, lost), (512, -30.0))
    ]
    return {"walks": 20, "tasks": [task(passes=passes)], "noisy": noisy}


@pytest.mark.parametrize(
    ("made_up", "name", "failing"),
    [
        (results((3.0, 3.1, 2.9)), "holds", []),
        (results((300.0, 310.0, 290.0), lost=-1.0), "fails", [BATCH, MINI, NOISY]),
        (results((30.0, 31.0, 29.0)), "depends", [MINI]),
        (results((3.0, 3.1, 2.9), lost=-1.0), "depends", [NOISY]),
        (results((5.0, 500.0, 2.0)), "not_decided", []),
    ],
)
def test_the_verdict_on_made_up_results(made_up, name, failing):
    verdict = LESSON.judge(made_up)
    assert verdict.name == name
    assert ("It fails" in verdict.sentence) == bool(failing)
    for kind in failing:
        assert f", {kind}" in verdict.sentence
    assert "one (early)" in verdict.sentence and "32 rows, κ = 10" in verdict.sentence
    assert "512 rows" not in verdict.sentence  # with all rows they are what they are meant to be
    assert LESSON.tables(made_up) and LESSON.meaning(made_up) and LESSON.figures(made_up)


def test_the_best_of_several_recipes():
    one = task(passes={CONJUGATE: [9.0, 9.0, 9.0], "L-BFGS": [8.0, 8.0, None], "BFGS": [1.0, None, None]})
    assert best_of(one, ONLY_BATCH, EARLY) == "L-BFGS"
    assert best_of(task(passes={name: [None] * 3 for name in EVERY}), PLAIN, DEEP) in PLAIN
    one["found"] = [each for each in one["found"] if each["method"] != "L-BFGS"]  # cannot do the task
    assert best_of(one, ONLY_BATCH, EARLY) == CONJUGATE


def test_gains_by_hand():
    one = task(passes={CONJUGATE: [10.0, 10.0, 40.0], MINI_ADAM: [20.0, 40.0, None], "BFGS": [None, 500.0, 250.0]})
    found = gain(one, CONJUGATE, MINI_ADAM, DEEP)
    # 2, 4, and 50 allowed passes over 40.
    assert found["mean"] == pytest.approx((2 * 4 * 50 / 40) ** (1 / 3)) and found["not_reached"] == [0, 0]
    # Seconds: medians of a pass, 0.5 and 2.
    seconds = gain(one, CONJUGATE, MINI_ADAM, DEEP, seconds=True)
    assert [seconds[end] for end in ("mean", "low", "high")] == pytest.approx(
        [found[end] / 4 for end in ("mean", "low", "high")]
    )
    # One that did not get there counts with the 500 passes that it was allowed.
    assert gain(one, "BFGS", CONJUGATE, DEEP)["mean"] == pytest.approx((10 / 500 * 10 / 500 * 40 / 250) ** (1 / 3))


def test_the_comparisons_are_of_the_best():
    found = comparisons(results((3.0, 3.1, 2.9)))
    assert [(each["case"], each["best"], each["other"]) for each in found] == [
        (f"one ({level})", CONJUGATE, other) for level in (EARLY, DEEP) for other in ("momentum 0.9", MINI_ADAM)
    ]
    assert [each["against"] for each in found] == [BATCH, MINI] * 2


def test_who_can_do_what():
    assert "Levenberg–Marquardt" in methods_of(TASKS["diabetes"])
    assert "Levenberg–Marquardt" not in methods_of(TASKS["digits"])
    assert {EMBEDDED[each.data].task for each in TASKS.values() if each.squares} == {"regression"}
    for changes, rates in EVERY.values():
        assert (rates is None) == (
            changes["optimizer"] in {"conjugate_gradient", "lbfgs", "bfgs", "levenberg_marquardt"}
        )
    for name in ONLY_BATCH:  # they do work only with batches
        with pytest.raises(RecipeError, match="mode"):
            Recipe.make({**EVERY[name][0], "mode": "mini_batch"})


def test_rows_are_copied_and_no_held_row_is_trained_on():
    examples = EMBEDDED["digits"].load()
    rows, held = rows_by_seed(TASKS["digits in 4 copies"], examples, [3])
    once, _ = rows_by_seed(TASKS["digits"], examples, [3])

    def table(of):
        return np.column_stack([column.values for column in of.inputs])

    copied, single = table(rows[3, False].training), table(once[3, False].training)
    np.testing.assert_array_equal(copied, np.tile(single, (4, 1)))
    assert len(single) + held[3].n_rows == 1797
    seen = {tuple(row) for row in single}
    assert not any(tuple(row) in seen for row in table(held[3]))  # digits has no row twice
    assert rows[3, False].watched is None and rows[3, True].watched is rows[3, True].training


def test_passes_are_evaluations_to_the_level():
    """A run that is allowed as many passes as were counted is at the level, and with one fewer it is not."""
    rows, _ = rows_by_seed(TASKS["diabetes"], EMBEDDED["diabetes"].load(), [5])
    racer = batch_races._racer(TASKS["diabetes"], CONJUGATE, EARLY, {"batch": 200, "mini_batch": 9}, rows)
    trials = Trials("conjugate_gradients")
    (fitted,) = batch_races._raced("one", racer, None, [5], trials)
    taken = batch_races._passes(fitted, racer)
    assert taken == int(taken) > 2
    part = fitted.model.coder
    # 0.45 of the variance, in the unit of the target squared.
    assert racer.level(5) == pytest.approx(0.45 * part.scale[0] ** 2)
    table = rows[5, False].training
    deviation = np.asarray(table.targets, float).std()
    assert part.scale[0] == pytest.approx(deviation)
    losses = [
        trials.train("again", [racer.prepare(5, 1.0, int(taken) + more)])[0].training.history[-1]["loss"]
        for more in (0, 1)
    ]
    assert losses[1] <= racer.level(5) < losses[0]
    # Of the model itself, by what it predicts.
    errors = fitted.model.predict(table.inputs) - np.asarray(table.targets, float)
    assert np.square(errors).mean() <= 1.001 * racer.level(5)


def quadratic(generator, n=64, n_inputs=5):
    X = generator.normal(size=(n, n_inputs)) * np.geomspace(0.3, 3, n_inputs)
    return X, X @ generator.normal(size=n_inputs) + 0.5 * generator.normal(size=n)


def test_with_all_rows_they_are_conjugate_gradients(generator):
    X, targets = quadratic(generator)
    walk = conjugate_gradients_on(X, targets, 64, 6, generator)
    table = np.column_stack([X, np.ones(64)])
    H, b = 2 * table.T @ table / 64, 2 * table.T @ targets / 64
    minimum, path = np.linalg.solve(H, b), []
    cg(H, b, rtol=1e-14, maxiter=6, callback=lambda w: path.append(w.copy()))
    excess = [(w - minimum) @ H @ (w - minimum) / (minimum @ H @ minimum) for w in path]
    np.testing.assert_allclose(walk.excess[1:6], excess[:5], rtol=1e-6)
    assert walk.excess[0] == pytest.approx(1) and walk.excess[-1] < 1e-20
    assert len(walk.conjugacy) == 5 and walk.conjugacy.max() < 1e-6


def test_on_mini_batches_they_are_what_a_second_writing_makes_of_them(generator):
    X, targets = quadratic(generator)
    walk = conjugate_gradients_on(X, targets, 16, 2, np.random.default_rng(3))
    order, table = np.random.default_rng(3), np.column_stack([X, np.ones(64)])
    w, g_before, d = np.zeros(6), None, None
    H, b = table.T @ table / 32, table.T @ targets / 32
    minimum = np.linalg.solve(H, b)
    excess, angles = [1.0], []
    for _ in range(2):
        rows = order.permutation(64)
        for k in range(4):
            A, t = table[rows[16 * k : 16 * k + 16]], targets[rows[16 * k : 16 * k + 16]]
            g = A.T @ (A @ w - t) / 8
            beta = 0.0 if d is None else max(0.0, g @ (g - g_before) / np.dot(g_before, g_before))
            new = -g if d is None or g @ (-g + beta * d) >= 0 else -g + beta * d
            if d is not None:
                angles.append(abs(new @ H @ d) / sqrt((new @ H @ new) * (d @ H @ d)))
            # The best step along it on the mini-batch, by least squares in one unknown.
            step = np.linalg.lstsq((A @ new)[:, None], t - A @ w, rcond=None)[0][0]
            w, g_before, d = w + step * new, g, new
            excess.append((w - minimum) @ H @ (w - minimum) / (minimum @ H @ minimum))
    np.testing.assert_allclose(walk.excess, excess, rtol=1e-9)
    np.testing.assert_allclose(walk.conjugacy, angles[:5], rtol=1e-9)


def test_plain_steps_with_all_rows_are_a_power(generator):
    X, targets = quadratic(generator)
    table = np.column_stack([X, np.ones(64)])
    H, b = table.T @ table / 32, table.T @ targets / 32
    minimum = np.linalg.solve(H, b)
    error = np.linalg.matrix_power(np.eye(6) - 0.05 * H, 7) @ minimum
    expected = error @ H @ error / (minimum @ H @ minimum)
    assert plain_steps_on(X, targets, 64, 7, 0.05, generator) == pytest.approx(expected)


@pytest.fixture(scope="module")
def tiny():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_races, "EVERY", FEW)
        return conjugate_gradients.experiment(TINY, 3, Trials("conjugate_gradients"))


def test_the_same_seed_gives_the_same_results_but_for_seconds(tiny, monkeypatch):
    monkeypatch.setattr(batch_races, "EVERY", FEW)
    again = conjugate_gradients.experiment(TINY, 3, Trials("conjugate_gradients"))

    def timeless(found):
        plain = json.loads(json.dumps(found))
        for each in plain["tasks"][0]["found"]:
            assert len(each.pop("seconds_a_pass")) == 2
        return plain

    assert timeless(again) == timeless(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 2, 3)
    assert {(each["method"], each["level"]) for each in tiny["tasks"][0]["found"]} == {
        (method, level) for method in FEW for level in (EARLY, DEEP)
    }
    assert tiny["tasks"][0]["rows"] == 354 and tiny["tasks"][0]["weights"] == 11 * 16 + 17


def test_noise_is_measured_in_decades(tiny):
    whole = next(each for each in tiny["noisy"] if each["batch_size"] == 512)
    small = next(each for each in tiny["noisy"] if each["batch_size"] == 64)
    assert whole["conjugate"]["mean"] < -2 and whole["conjugacy"]["mean"] < 1e-6 < small["conjugacy"]["mean"]
    for each in (whole, small):
        assert each["gain"]["mean"] == pytest.approx(each["plain"]["mean"] - each["conjugate"]["mean"])


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['starts']} samples" in said
    assert all(each in said for each in choices["tasks"])
    assert set(choices["tasks"]) <= set(TASKS) and set(IN_MINI_BATCHES) < set(EVERY)


def test_pages(tmp_path, tiny):
    assert_pages(LESSON, TINY, tiny, tmp_path)
