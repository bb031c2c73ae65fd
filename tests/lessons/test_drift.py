"""The lesson drift: its verdict on made-up results, streams by their angles, learners that see no later row, pages."""

from __future__ import annotations

import json

import numpy as np
import pytest

from entrena.data import EMBEDDED
from entrena.learner import Learner
from entrena.lessons import drift
from entrena.lessons.drift import (
    AGAINST,
    ALONE,
    CHANGE,
    EMBEDDED_STREAM,
    EVERY,
    GRADUALLY,
    LEARNERS,
    LESSON,
    ON_ALL,
    ON_LAST,
    ONLINE,
    ONLINE_SGD,
    RATES,
    ROTATING,
    ROWS,
    STEADY,
    STREAM,
    SUDDEN,
    WINDOW,
    gains,
    gradients_a_row,
    made_stream,
    rows_to_recover,
    told_of,
)
from entrena.lessons.trials import Trials
from entrena.recipe import Recipe
from tests.lessons.checks import assert_pages, assert_told

TINY = {"streams": [SUDDEN, STEADY], "seeds": 2, "tuning_seeds": 1}


def stream(name, ahead, *, noise=0.002, n=16):
    """A stream on which online learning gets so much more right than the network of each name; 0 against the others."""
    learners = {}
    for learner in LEARNERS:
        right = 0.9 - ahead.get(learner, 0.0) + (noise * (-1.0) ** np.arange(n) if learner == ONLINE else np.zeros(n))
        windows = [right.tolist()] * len(drift.WINDOWS)
        learners[learner] = {"accuracy": right.tolist(), "windows": windows, "recovered": [30] * n, "curve": [0.8, 0.9]}
    rates = {learner: tried[0] for learner, tried in RATES.items()}
    rows = {k: [{"rate": r, "before": 0.9, "after": 0.8, "all": 0.85} for r in tried] for k, tried in RATES.items()}
    return {"name": name, "rates": rates, "by_rate": rows, "learners": {**learners, "before": [0.9] * n}}


@pytest.mark.parametrize(
    ("sudden", "rotating", "noise", "name", "words"),
    [
        ({ALONE: 0.3, ON_ALL: 0.2}, {ALONE: 0.5, ON_ALL: 0.5}, 0.002, "holds", "holds"),
        ({ALONE: -0.1, ON_ALL: 0.0}, {ALONE: 0.0, ON_ALL: -0.2}, 0.002, "fails", "fails"),
        (
            {ALONE: 0.3, ON_ALL: -0.1},
            {ALONE: 0.3, ON_ALL: 0.3},
            0.002,
            "depends",
            "depends on the stream and on the batch training",
        ),
        ({ALONE: 0.3, ON_ALL: 0.011}, {ALONE: 0.3, ON_ALL: 0.3}, 0.05, "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(sudden, rotating, noise, name, words):
    kept = {ON_LAST: -0.3}  # retraining on the last rows does not decide, nor does a stream without a change
    streams = [stream(SUDDEN, {**sudden, **kept}, noise=noise), stream(ROTATING, {**rotating, **kept}, noise=noise)]
    results = {"streams": [*streams, stream(STEADY, {ALONE: -0.3, ON_ALL: -0.3})]}
    verdict = LESSON.judge(results)
    assert (verdict.name, verdict.words) == (name, words)
    assert STEADY not in verdict.sentence and "not decisive" in verdict.sentence
    assert LESSON.tables(results) and LESSON.meaning(results)


def test_gains_are_differences():
    found = gains({"streams": [stream(SUDDEN, {ALONE: 0.25}, noise=0.0)]}, ALONE)[SUDDEN]
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((0.25, 0.25, 0.25))


def direction(examples, first, last):
    """The angle of the boundary's normal, as the rows show it: the mean of ±x over the classes points along it."""
    inputs = np.column_stack([column.values for column in examples.inputs])[first:last, :2]
    x, y = (inputs * (2 * examples.targets[first:last, None] - 1)).mean(axis=0)
    return np.arctan2(y, x)


def turn(examples, before, after):
    return np.mod(direction(examples, *after) - direction(examples, *before), 2 * np.pi)


@pytest.mark.parametrize("seed", [0, 1])
def test_boundaries_turn_as_they_say(seed):
    halves = (0, CHANGE), (CHANGE, ROWS)
    # Of 1,000 rows the direction is known to about 0.03 radians.
    assert turn(made_stream(SUDDEN, seed), *halves) == pytest.approx(np.pi / 2, abs=0.15)
    assert np.cos(turn(made_stream(STEADY, seed), *halves)) == pytest.approx(1, abs=0.02)
    late = (CHANGE + drift.GRADUAL, ROWS)
    assert turn(made_stream(GRADUALLY, seed), halves[0], late) == pytest.approx(np.pi / 2, abs=0.15)
    assert np.cos(turn(made_stream(GRADUALLY, seed), halves[0], (CHANGE, CHANGE + 100))) > 0.9
    for k in range(1, 8):  # an eighth of a turn in each eighth of the rows
        part = ROWS // 8
        found = turn(made_stream(ROTATING, seed), (0, part), (k * part, (k + 1) * part))
        assert np.cos(found - k * np.pi / 4) > 0.97


def test_labels_are_turned_over_and_streams_differ():
    examples = made_stream(STEADY, 3)
    inputs = np.column_stack([column.values for column in examples.inputs])
    angle = direction(examples, 0, ROWS)
    right = (inputs[:, :2] @ [np.cos(angle), np.sin(angle)] > 0) == examples.targets
    assert right.mean() == pytest.approx(0.95, abs=0.02)
    assert inputs.shape == (ROWS, 4) and np.abs(inputs.mean(axis=0)).max() < 0.1
    assert not np.array_equal(made_stream(STEADY, 3).targets, made_stream(STEADY, 4).targets)
    assert np.array_equal(made_stream(EMBEDDED_STREAM, 3).targets, EMBEDDED[EMBEDDED_STREAM].load().targets)


def test_a_row_is_tested_before_it_is_learned(monkeypatch):
    """As row by row, by the model as it is before each."""
    monkeypatch.setitem(drift.BATCH, "max_epochs", 1)
    examples = made_stream(SUDDEN, 0).take(np.arange(30))
    trained = drift._trained(SUDDEN, [made_stream(SUDDEN, 0)], [0], Trials("drift"))[ALONE, 0][0]
    found = drift._online(examples, ONLINE_SGD, 0.1, 0, Trials("drift"), trained)
    learner = Learner.of_model(trained, Recipe.make({**STREAM[ONLINE_SGD], "learning_rate": 0.1, "random_state": 0}))
    for k in range(examples.n_rows):
        row = examples.take(np.array([k]))
        assert found[k] == (learner.model().predict(row.inputs)[0] == row.targets[0])
        learner.learn(row)


def test_batch_trainings_see_no_later_row(monkeypatch):
    seen = []

    class Recording(Trials):
        def train(self, said, networks, watching=(), *, same=False):
            seen.extend(networks)
            return super().train(said, networks, watching, same=same)

    monkeypatch.setitem(drift.BATCH, "max_epochs", 1)
    streams = [made_stream(SUDDEN, seed) for seed in (5, 6)]
    found = drift._trained(SUDDEN, streams, [5, 6], Recording("drift"))
    times = range(CHANGE, ROWS, EVERY)
    expected = [(first, now) for now in times for first in (0, now - WINDOW)]
    for k, network in enumerate(seen):
        first, now = expected[k % len(expected)]
        own = streams[k // len(expected)]
        np.testing.assert_array_equal(network.training_targets, own.targets[first:now])
    assert len(seen) == 2 * len(expected)
    for seed in (5, 6):
        assert len(found[ON_ALL, seed]) == len(found[ON_LAST, seed]) == len(times)
        assert found[ALONE, seed] == found[ON_ALL, seed][:1]


class Constant:
    def __init__(self, label):
        self.label = label

    def predict(self, inputs):
        return np.full(inputs.n_rows, self.label)


def test_each_block_is_predicted_by_the_last_network():
    later = made_stream(SUDDEN, 0).take(np.arange(CHANGE, ROWS))
    models = [Constant(k % 2) for k in range((ROWS - CHANGE) // EVERY)]
    expected = later.targets == (np.arange(ROWS - CHANGE) // EVERY) % 2
    np.testing.assert_array_equal(drift._by_blocks(models, later), expected)
    np.testing.assert_array_equal(drift._by_blocks([Constant(1)], later), later.targets == 1)


@pytest.mark.parametrize("share", [0.7, 0.79, 0.82, 0.95])
def test_rows_to_recover_by_trying_all(share):
    right = np.random.default_rng(7).random(1000) < np.linspace(0.4, 2 * share - 0.4, 1000)
    windows = [right[k : k + 200].mean() >= 0.8 for k in range(801)]
    expected = next((k for k in range(801) if all(windows[k:])), None)
    assert rows_to_recover(right) == expected


def test_what_is_told_of_a_learner():
    right = np.zeros((2, 2000), bool)
    right[0, :250] = right[1] = True
    found = told_of(right)
    assert found["accuracy"] == [0.125, 1.0] and found["recovered"] == [None, 0]
    assert found["windows"] == [[1.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]
    assert found["curve"] == [1.0, 1.0, 0.75, *[0.5] * 17]


def test_gradients_a_row_by_hand():
    # Trainings after 2,250, 2,500, …, 3,750 rows, 20 passes each, over 2,000 rows.
    assert gradients_a_row(ON_ALL) == 20 * (2250 + 2500 + 2750 + 3000 + 3250 + 3500 + 3750) / 2000
    assert gradients_a_row(ON_LAST) == 20 * 7 * 1000 / 2000
    assert (gradients_a_row(ONLINE), gradients_a_row(ALONE)) == (1, 0)


def test_rates_are_chosen_on_other_streams(monkeypatch):
    met = []

    def recorded(examples, learner, rate, seed, trials, start=None):
        met.append((examples.source, learner, rate, seed, start is None))
        right = np.full(examples.n_rows, True)
        right[: int(1000 * abs(np.log(rate / 0.02)))] = False
        return right

    monkeypatch.setattr(drift, "_online", recorded)
    monkeypatch.setattr(drift, "_trained", lambda *given: pytest.fail("stop"))
    with pytest.raises(pytest.fail.Exception):
        drift.experiment({"streams": [EMBEDDED_STREAM], "seeds": 3, "tuning_seeds": 2}, 10, Trials("drift"))
    assert {source for source, *_ in met} == {ROTATING}  # the embedded stream itself is not looked at
    assert {seed for *_, seed, _ in met} == {13, 14}
    tuned = drift._tuned(ROTATING, [13], Trials("drift"))
    assert tuned["rates"] == {ONLINE: 0.03, ONLINE_SGD: 0.03}  # nearest to 0.02 in logarithms


@pytest.fixture(scope="module")
def tiny():
    return drift.experiment(TINY, 3, Trials("drift"))


def test_the_same_seed_gives_the_same_results(tiny):
    assert json.dumps(drift.experiment(TINY, 3, Trials("drift"))) == json.dumps(tiny)


def test_results_are_plain_and_all_is_made_of_them(tiny):
    assert_told(LESSON, tiny, 3, 3)
    # A line that was right is right for half of the plane that turned by 90°, labels turned over left out.
    assert np.mean(tiny["streams"][0]["learners"][ALONE]["accuracy"]) == pytest.approx(0.5, abs=0.06)
    assert all(other in LEARNERS for other in AGAINST)


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_method_says_the_sizes(name):
    choices = LESSON.sizes[name].choices
    said = " ".join(LESSON.method(choices))
    assert f"{choices['seeds']} seeds" in said and f"{choices['tuning_seeds']} other streams" in said
    assert all(each in said for each in choices["streams"])


def test_pages(tmp_path, tiny):
    assert_pages(LESSON, TINY, tiny, tmp_path)
