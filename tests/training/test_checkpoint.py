"""Stop anywhere and resume: bitwise the same weights, history and end as if the run had never stopped."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from entrena.errors import RunError
from entrena.registry import Choice
from entrena.training import OPTIMIZERS, SCHEDULES, Checkpoint
from entrena.training import loop as loop_module
from entrena.training.compilation import precision
from entrena.training.optimizers import is_batch_only
from entrena.training.seeds import generator as seeded
from entrena.training.structure import initial_state
from entrena.training.watching import Watchers

KINDS = {
    "sgd": {"optimizer": "sgd", "momentum": 0.0},
    "momentum": {"optimizer": "sgd", "momentum": 0.8},
    "nesterov": {"optimizer": "sgd", "momentum": 0.8, "nesterov": True},
    "adam": {"optimizer": "adam", "weight_decay": 0.01},
    "adamw": {"optimizer": "adamw"},
}


@pytest.fixture
def save_at_every_call(monkeypatch):
    monkeypatch.setattr(loop_module, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop_module, "CHECKPOINT_SHARE", 0)


def template(problem, plan):
    with precision(plan.dtype):
        return initial_state(plan.structure, problem.network.initialize(seeded(plan.seed, "weights"), plan.dtype))


def written_and_read(problem, plan, checkpoint: Checkpoint) -> Checkpoint:
    """What the room of the files makes of a checkpoint: bytes and a text, and back."""
    arrays, record = checkpoint.to_parts()
    copies = {name: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for name, a in arrays.items()}
    return Checkpoint.from_parts(template(problem, plan), copies, json.loads(json.dumps(record)))


def assert_bitwise(a, b) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(x, y)


def without_seconds(history) -> list[dict]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def assert_every_stop_goes_on_as_if_it_had_not(problem, plan, at_least: int) -> None:
    saved: list[Checkpoint] = []
    whole = problem.run(plan, watchers=Watchers(on_checkpoint=saved.append))
    assert len(saved) >= at_least
    for checkpoint in saved:
        resumed = problem.run(plan, resume=written_and_read(problem, plan, checkpoint))
        assert_bitwise(resumed.params, whole.params)
        assert_bitwise(resumed.checkpoint.state, whole.checkpoint.state)
        assert_bitwise(resumed.checkpoint.best_state, whole.checkpoint.best_state)
        assert without_seconds(resumed.history) == without_seconds(whole.history[checkpoint.epoch :])
        assert (resumed.outcome, resumed.best) == (whole.outcome, whole.best)


@pytest.mark.parametrize("mode", ["online", "mini_batch", "batch"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_optimizer_schedule_and_mode(kind, mode, make_problem, save_at_every_call):
    problem = make_problem(14, 5)
    for schedule in SCHEDULES:
        plan = problem.plan(
            **KINDS[kind], mode=mode, batch_size=4, max_epochs=6, schedule=schedule, early_stopping=True, patience=50
        )
        assert_every_stop_goes_on_as_if_it_had_not(problem, replace(plan, epochs_a_call=2), 3)


def test_the_kinds_are_all_optimizers():
    # Those that need all rows in each update: test_batch_training.py.
    others = {name for name in OPTIMIZERS if not is_batch_only(Choice(name))}
    assert {kind["optimizer"] for kind in KINDS.values()} == others


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_the_middle_of_an_epoch(dtype, weighted, make_problem, save_at_every_call):
    weight = np.linspace(0.5, 1.5, 22) if weighted else None
    problem = make_problem(dtype=dtype, weight=weight)
    plan = problem.plan(
        mode="mini_batch", batch_size=2, max_epochs=3, precision=dtype, optimizer="adam", weight_decay=0.1
    )
    plan = replace(plan, epochs_a_call=1, updates_a_call=3)
    assert plan.n_updates == 11  # calls of 3, 3, 3 and 2
    assert_every_stop_goes_on_as_if_it_had_not(problem, plan, 12)


@pytest.mark.parametrize("epochs_a_call", [1, 4])
def test_a_run_that_patience_ends(epochs_a_call, make_problem, save_at_every_call):
    problem = make_problem()
    plan = problem.plan(max_epochs=60, schedule="constant", learning_rate=0.1, optimizer="adam", patience=5)
    plan = replace(plan, epochs_a_call=epochs_a_call)
    assert problem.run(plan).outcome.name == "stopped_early"
    # The last checkpoint is of the end: resuming from it may not train on.
    assert_every_stop_goes_on_as_if_it_had_not(problem, plan, 2)


def test_a_stop_within_a_call_of_several_epochs(make_problem):
    problem = make_problem()
    plan = replace(problem.plan(max_epochs=9, early_stopping=True), epochs_a_call=4)
    whole = problem.run(plan)
    for epoch in range(1, 9):
        stop = Watchers(on_look=(lambda progress, epoch=epoch: "stop" if progress.epoch == epoch else None,))
        first = problem.run(plan, watchers=stop)
        assert first.checkpoint.epoch == epoch
        # As if the process had been killed there, instead of ended by a callback.
        killed = replace(written_and_read(problem, plan, first.checkpoint), ended=None)
        rest = problem.run(plan, resume=killed)
        assert without_seconds(first.history + rest.history) == without_seconds(whole.history)
        assert_bitwise(rest.params, whole.params)
        assert rest.outcome == whole.outcome


def test_an_end_stays_an_end(make_problem):
    problem = make_problem()
    settings = {"max_epochs": 60, "schedule": "constant", "learning_rate": 0.1, "optimizer": "adam", "patience": 5}
    plan = replace(problem.plan(**settings), epochs_a_call=2)
    stop = Watchers(on_look=(lambda progress: "stop" if progress.epoch == 3 else None,))
    ends = {
        "stopped_early": problem.run(plan),
        "out_of_epochs": problem.run(replace(plan, max_epochs=4)),
        "out_of_time": problem.run(replace(plan, max_seconds=1e-9)),
        "stopped_by_callback": problem.run(plan, watchers=stop),
    }
    for name, first in ends.items():
        assert first.outcome.name == name
        shorter = replace(plan, max_epochs=4) if name == "out_of_epochs" else plan
        again = problem.run(shorter, resume=written_and_read(problem, plan, first.checkpoint))
        assert again.history == ()
        assert again.outcome == first.outcome
        assert_bitwise(again.params, first.params)
        assert_bitwise(again.checkpoint.state, first.checkpoint.state)


@pytest.mark.parametrize("epochs_a_call", [1, 4])
def test_a_callback_that_fails_loses_nothing(epochs_a_call, make_problem):
    problem = make_problem()
    plan = problem.plan(max_epochs=60, schedule="constant", learning_rate=0.1, optimizer="adam", patience=3)
    plan = replace(plan, epochs_a_call=epochs_a_call)
    whole = problem.run(plan)
    assert whole.outcome.name == "stopped_early"
    for epoch in range(1, len(whole.history) + 1):
        saved = []

        def fail(progress, epoch=epoch):
            if progress.epoch == epoch:
                raise KeyError("the callback's own mistake")

        with pytest.raises(KeyError, match="own mistake"):
            problem.run(plan, watchers=Watchers(on_look=(fail,), on_checkpoint=saved.append))
        (checkpoint,) = saved
        assert checkpoint.epoch == epoch
        rest = problem.run(plan, resume=written_and_read(problem, plan, checkpoint))
        assert without_seconds(rest.history) == without_seconds(whole.history[epoch:])
        assert (rest.outcome, rest.best) == (whole.outcome, whole.best)
        assert_bitwise(rest.params, whole.params)


def test_a_callback_that_fails_at_a_divergence_leaves_the_last_good_checkpoint(make_problem):
    problem = make_problem(numbers=True, hidden=())
    plan = problem.plan(loss="squared_error", optimizer="sgd", learning_rate=1e6, schedule="constant", max_epochs=50)
    saved = []

    def fail(progress):
        if not np.isfinite([progress.loss, progress.penalty, progress.validation_loss]).all():
            raise KeyError("the callback's own mistake")

    with pytest.raises(KeyError, match="own mistake"):
        problem.run(plan, watchers=Watchers(on_look=(fail,), on_checkpoint=saved.append))
    assert saved == []


def test_seconds_go_on(make_problem):
    problem = make_problem()
    plan = problem.plan(max_epochs=2)
    start = replace(Checkpoint.first(template(problem, plan)), seconds=1000.0)
    resumed = problem.run(plan, resume=start)
    assert resumed.history[0]["seconds"] >= 1000
    assert resumed.checkpoint.seconds >= 1000
    limited = replace(plan, max_seconds=500.0, epochs_a_call=1)
    assert problem.run(limited, resume=start).outcome.name == "out_of_time"


def test_parts_are_plain(make_problem):
    problem = make_problem()
    plan = replace(problem.plan(mode="mini_batch", batch_size=2, max_epochs=2), epochs_a_call=1, updates_a_call=3)
    checkpoint = problem.run(plan, watchers=Watchers(interrupted=lambda: True)).checkpoint
    arrays, record = checkpoint.to_parts()
    assert all(type(array) is np.ndarray for array in arrays.values())
    assert (record["epoch"], record["update"], record["best_epoch"]) == (0, 3, 0)
    assert record["best_value"] == float("inf")
    assert len(arrays["partial_losses"]) == 6
    assert {name for name in arrays if name.startswith("best")} == {
        f"best.params[{layer}]['{name}']" for layer in (0, 1) for name in ("weights", "biases")
    }


def test_a_checkpoint_of_another_network_is_refused_in_words(make_problem):
    problem, other = make_problem(), make_problem(hidden=(6,))
    plan = problem.plan(max_epochs=1)
    arrays, record = problem.run(plan).checkpoint.to_parts()
    said = r"the checkpoint does not fit this recipe: state.params\[0\]\['biases'\] is missing or of another shape"
    with pytest.raises(RunError, match=said):
        Checkpoint.from_parts(template(other, other.plan(max_epochs=1)), arrays, record)
    with pytest.raises(RunError, match="does not fit this recipe: state.opt_state"):
        Checkpoint.from_parts(
            template(problem, plan), {n: a for n, a in arrays.items() if "opt_state" not in n}, record
        )
    with pytest.raises(RunError, match="does not fit this recipe: partial_losses"):
        Checkpoint.from_parts(
            template(problem, plan), {n: a for n, a in arrays.items() if n != "partial_losses"}, record
        )
