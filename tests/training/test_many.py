"""Networks side by side against each of them alone."""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest

from entrena.training import loop, many
from entrena.training.compiled import call, compiled
from entrena.training.loop import Member, program_key, train_side_by_side
from entrena.training.many import by_place, bytes_of, cut, groups, train_many
from entrena.training.parts import TrainingPart
from tests.training.same_run import assert_same_run, without_seconds

N = 8

RECIPES = {
    "nesterov": {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05, "schedule": "constant", "patience": 3},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.02, "schedule": "one_cycle"},
    "adam in batches": {"optimizer": "adam", "learning_rate": 0.05, "schedule": "cosine", "mode": "batch"},
    "online": {"optimizer": "sgd", "learning_rate": 0.02, "schedule": "constant", "mode": "online"},
}


def members_of(problem, recipe, n=N, dropout=0.0, same_seed=False, **changes) -> list[Member]:
    """Networks that differ in all that one program lets differ."""
    members = []
    for k in range(n):
        own = {**recipe, "learning_rate": recipe["learning_rate"] * (1 + 0.3 * k), "weight_decay": 0.01 * (k + 1)}
        plan = problem.plan(
            **{"max_epochs": 6, "early_stopping": True, "seed": 0 if same_seed else k, **own, **changes}
        )
        if dropout:
            plan = replace(plan, beside={"kept": 1 - dropout}, structure=replace(plan.structure, dropout=True))
        members.append(Member(problem.network, plan, problem.training, problem.validation))
    return members


def alone(member: Member):
    return train_side_by_side([member])[0]


def assert_close(a, b, rtol: float) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        scale = np.abs(np.asarray(y)).max()
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * scale)


def decisions(training) -> tuple:
    return training.outcome, training.best.epoch, training.checkpoint.epoch, len(training.history)


@pytest.mark.parametrize("dropout", [0.0, 0.3], ids=["", "dropout"])
@pytest.mark.parametrize("same_seed", [False, True], ids=["own order", "shared order"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_each_as_alone(recipe, same_seed, dropout, make_problem):
    problem = make_problem(40, 15)
    # In float64, so that rounding does not decide which epoch was the best.
    members = members_of(problem, recipe, dropout=dropout, same_seed=same_seed, precision="float64")
    for found, member in zip(train_side_by_side(members), members, strict=True):
        expected = alone(member)
        assert decisions(found) == decisions(expected)
        assert_close(found.params, expected.params, 1e-9)
        losses = [[epoch[name] for epoch in each.history] for each in (found, expected) for name in ("loss", "score")]
        np.testing.assert_allclose(losses[:2], losses[2:], rtol=1e-9)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_first_epoch_in_float32(recipe, make_problem):
    members = members_of(make_problem(40, 15), recipe, dropout=0.2, max_epochs=1)
    for found, member in zip(train_side_by_side(members), members, strict=True):
        expected = alone(member)
        assert_close(found.params, expected.params, 1e-5)
        assert found.history[0]["loss"] == pytest.approx(expected.history[0]["loss"], rel=1e-5)


def test_a_group_of_one_is_a_run_alone_bit_by_bit(make_problem):
    (member,) = members_of(make_problem(), RECIPES["adamw"], 1)
    assert_same_run(train_many([member])[0], alone(member))


@pytest.mark.parametrize("mode", ["mini_batch", "batch"])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_own_examples(weighted, mode, make_problem):
    problem = make_problem(60, 15)
    generator = np.random.default_rng(0)
    members = []
    for k, n_rows in enumerate((40, 40, 39)):  # as folds are: of nearly the same size
        rows = generator.permutation(60)[:n_rows]
        weight = generator.uniform(0.5, 2, n_rows) if weighted else None
        part = TrainingPart(problem.training.inputs[rows], problem.training.targets[rows], weight)
        own = replace(problem, training=part)
        plan = own.plan(max_epochs=4, early_stopping=True, seed=k, precision="float64", mode=mode, batch_size=8)
        members.append(Member(problem.network, plan, part, problem.validation))
    assert len({program_key(member) for member in members}) == 1
    for found, member in zip(train_side_by_side(members), members, strict=True):
        expected = alone(member)
        assert_close(found.params, expected.params, 1e-9)
        assert decisions(found) == decisions(expected)


def ending_at(epochs, make_problem, **settings) -> list[Member]:
    """Networks that stop after so many epochs."""

    def stop_after(last):
        return lambda progress: "stop" if progress.epoch >= last else None

    members = members_of(make_problem(40, 15), RECIPES["adamw"], len(epochs), max_epochs=12, **settings)
    return [replace(member, on_look=(stop_after(last),)) for member, last in zip(members, epochs, strict=True)]


def test_who_is_done_makes_room_and_nothing_changes(make_problem, monkeypatch):
    members = ending_at([1, 1, 2, 3, 3, 5, 9, 12], make_problem, precision="float64")
    sizes = []
    called = loop.call

    def counting(structure, state, data, block, settings, together=None):
        sizes.append(jax.tree.leaves(state)[0].shape[0])
        return called(structure, state, data, block, settings, together)

    monkeypatch.setattr(loop, "call", counting)
    found = train_side_by_side(members)
    monkeypatch.setattr(loop, "call", called)
    assert set(sizes) == {8, 4, 2, 1} and sizes == sorted(sizes, reverse=True)
    for training, member in zip(found, members, strict=True):
        expected = alone(member)
        assert decisions(training) == decisions(expected)
        assert_close(training.params, expected.params, 1e-9)
        assert_close(training.checkpoint.state, expected.checkpoint.state, 1e-9)


def test_one_that_diverges_touches_no_other(make_problem):
    members = members_of(make_problem(40, 15), RECIPES["nesterov"], 4)
    spoilt = replace(members[1], plan=replace(members[1].plan, learning_rate=1e30))
    among = train_side_by_side([members[0], spoilt, *members[2:]])
    assert among[1].outcome.name == "diverged"
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(among[1].params))
    for k, training in enumerate(train_side_by_side(members)):
        if k != 1:
            assert_same_run(among[k], training)


def test_different_lengths(make_problem):
    problem = make_problem(40, 15)
    members = [members_of(problem, RECIPES["adamw"], 1, max_epochs=n)[0] for n in (2, 7, 4)]
    found = train_side_by_side(members)
    assert [training.outcome.name for training in found] == ["out_of_epochs"] * 3
    assert [len(training.history) for training in found] == [2, 7, 4]
    for training, member in zip(found, members, strict=True):
        assert_close(training.params, alone(member).params, 1e-4)


def test_interrupted_and_resumed_it_is_as_if_it_had_not_been(make_problem):
    members = ending_at([2, 8, 12, 12], make_problem)
    whole = train_side_by_side(members)
    asked = Counter()

    def interrupted():
        asked["times"] += 1
        return asked["times"] >= 5

    saved = []
    halves = train_side_by_side(members, saved.append, interrupted)
    assert [half.outcome.name for half in halves] == ["stopped_by_callback", *["interrupted"] * 3]
    resumed = [replace(member, resume=one) for member, one in zip(members, saved[-1], strict=True)]
    for training, first, expected in zip(train_many(resumed), halves, whole, strict=True):
        # The one that had ended keeps its place beside the others, so that no bit differs.
        history = without_seconds((*first.history, *training.history))
        assert history == without_seconds(expected.history)
        assert_same_run(replace(training, history=expected.history), expected)


def test_what_stands_at_different_updates_is_trained_apart(make_problem, monkeypatch):
    """As after a resumption on another machine, whose shares are others."""
    members = members_of(make_problem(40, 15), RECIPES["adamw"], 5, precision="float64")
    reached = []
    for number, member in enumerate(members):
        saved = []
        stop = [lambda progress, last=2 + number % 2: "stop" if progress.epoch >= last else None]
        train_side_by_side([replace(member, on_look=stop)], saved.append)
        reached.append(replace(saved[-1][0], ended=None if number < 4 else "stopped_early"))
    resumed = [replace(member, resume=at) for member, at in zip(members, reached, strict=True)]
    assert by_place(range(5), resumed) == [[0, 2, 4], [1, 3]]
    monkeypatch.setattr(many, "_n_threads", lambda _: 1)
    for training, member, at in zip(train_many(resumed), members, reached, strict=True):
        expected = at if at.ended else alone(member).checkpoint
        assert_close(training.checkpoint.state, expected.state, 1e-9)


def test_all_interrupted_and_resumed_bit_by_bit(make_problem):
    members = members_of(make_problem(40, 15), RECIPES["adamw"], 4)
    whole = train_side_by_side(members)
    asked = Counter()

    def interrupted():
        asked["times"] += 1
        return asked["times"] >= 3

    saved = []
    halves = train_side_by_side(members, saved.append, interrupted)
    resumed = [replace(member, resume=one) for member, one in zip(members, saved[-1], strict=True)]
    for training, first, expected in zip(train_side_by_side(resumed), halves, whole, strict=True):
        history = without_seconds((*first.history, *training.history))
        assert history == without_seconds(expected.history)
        assert_same_run(replace(training, history=expected.history), expected)


# --- groups and shares ------------------------------------------------------------------------------------------------


def test_groups_are_of_equal_programs(make_problem):
    problem, wide = make_problem(), make_problem(hidden=(7,))
    mixed = [
        *members_of(problem, RECIPES["adamw"], 2),
        *members_of(wide, RECIPES["adamw"], 2),
        *members_of(problem, RECIPES["nesterov"], 2),
        *members_of(problem, RECIPES["adamw"], 1, schedule="cosine", max_epochs=3),
        *members_of(problem, RECIPES["adamw"], 1, batch_size=3),
    ]
    assert groups(mixed) == [[0, 1, 6], [2, 3], [4, 5], [7]]
    found = train_many(mixed)
    for training, member in zip(found, mixed, strict=True):
        assert_close(training.params, alone(member).params, 1e-3)


def test_shares_cover_a_group_and_keep_to_the_memory(make_problem, monkeypatch):
    members = members_of(make_problem(), RECIPES["adamw"], 13)
    monkeypatch.setattr(many, "_n_threads", lambda _: 2)
    group = list(range(13))
    assert [len(share) for share in cut(group, members)] == [7, 6]
    monkeypatch.setattr(many, "MOST_ON_A_CORE", 4)
    assert [len(share) for share in cut(group, members)] == [4, 3, 3, 3]  # as many for each thread
    monkeypatch.setattr(many, "MOST_ON_A_CORE", 100)
    monkeypatch.setattr(many, "MOST_BYTES", 2 * 4 * bytes_of(members))
    shares = cut(group, members)
    assert [number for share in shares for number in share] == group
    assert max(map(len, shares)) <= 4
    monkeypatch.setattr(many, "MOST_BYTES", 1)  # less than one needs: one by one
    assert [len(share) for share in cut(group, members)] == [1] * 13


@pytest.mark.parametrize("n", [5, 12, 33])
def test_a_run_compiles_few_programs(n, make_problem, monkeypatch):
    """At most log₂K + 2, however many networks end at however many moments."""
    monkeypatch.setattr(many, "_n_threads", lambda _: 2)
    compiled.cache_clear()
    epochs = np.random.default_rng(n).integers(1, 12, n).tolist()
    train_many(ending_at(epochs, make_problem))
    n_programs = compiled.cache_info().misses
    assert 2 <= n_programs <= math.log2(n) + 2


def test_the_estimate_of_the_memory_covers_the_states(make_problem):
    """What the arrays of a share take in truth: states, gradients and what a call is given and returns."""
    members = members_of(make_problem(400, 100, hidden=(64, 64)), RECIPES["adamw"], 4, max_epochs=2)
    seen = []

    def counting(structure, state, data, block, settings, together=None):
        result = call(structure, state, data, block, settings, together)
        leaves = jax.tree.leaves((state, block, settings, result))
        # The best weights and the gradients are as large as the weights.
        seen.append(
            sum(leaf.nbytes for leaf in leaves) + 2 * sum(leaf.nbytes for leaf in jax.tree.leaves(state.params))
        )
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call", counting)
        train_side_by_side(members)
    used, estimated = max(seen) / 4, bytes_of(members)
    assert used <= estimated <= 4 * used


def test_a_share_that_has_not_begun_need_not(make_problem):
    members = members_of(make_problem(), RECIPES["adamw"], 3, max_epochs=100_000)
    calls = Counter()

    def counting(*arguments):
        calls["of the program"] += 1
        return call(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call", counting)
        patch.setattr(many, "MOST_ON_A_CORE", 1)
        patch.setattr(many, "_n_threads", lambda _: 1)
        found = train_many(members, interrupted=lambda: True)
    assert [training.outcome.name for training in found] == ["interrupted"] * 3
    assert calls["of the program"] == 0
    for training, member in zip(found, members, strict=True):
        assert_close(training.params, member.first().state.params, 0)


def test_the_time_of_a_program_is_shared_among_its_networks(make_problem):
    own, whole = {}, {}

    def noting(number):
        def on_look(progress):
            own[number], whole[number] = progress.own_seconds, progress.seconds

        return on_look

    members = [
        replace(member, on_look=(noting(number),))
        for number, member in enumerate(members_of(make_problem(40, 15), RECIPES["adamw"], 4))
    ]
    train_side_by_side(members)
    # Four that stand side by side until the end have a quarter each.
    assert max(own.values()) == pytest.approx(min(own.values()))
    assert 0.25 * max(whole.values()) < sum(own.values()) <= max(whole.values())


def test_one_call_at_a_time_saves(make_problem):
    members = members_of(make_problem(), RECIPES["adamw"], 6)
    seen, busy = {}, threading.Lock()

    def save(checkpoints):
        assert busy.acquire(blocking=False)
        seen.update(checkpoints)
        busy.release()

    found = train_many(members, save)
    assert sorted(seen) == list(range(6))
    for number, training in enumerate(found):
        assert seen[number].epoch == training.checkpoint.epoch


def test_a_callback_that_fails_ends_all(make_problem):
    def fail(progress):
        raise ZeroDivisionError

    members = members_of(make_problem(), RECIPES["adamw"], 6, max_epochs=100_000)
    members[3] = replace(members[3], on_look=(fail,))
    with pytest.raises(ZeroDivisionError):
        train_many(members)
