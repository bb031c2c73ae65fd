"""Runs with dropout and embeddings: what cutting, resuming and saving may not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp

from entrena import NetworkClassifier
from entrena.errors import ModelFileError
from entrena.model import Model
from entrena.network.dropout import masks
from entrena.random_bits import update_words
from entrena.storage import load_model, save_model
from entrena.training.calls import Place, Shape, Show
from entrena.training.checkpoint import Checkpoint
from entrena.training.parts import TrainingPart
from entrena.training.seeds import generator as seeded
from entrena.training.structure import initial_state
from entrena.training.watching import Watchers
from tests.training.same_run import assert_bitwise, assert_same_run, without_seconds

EMBEDDED = ((4, 2), (30, 3))


@pytest.fixture
def embedded(make_problem):
    """A problem of a number and two embedded categories, whose last level is only held out."""
    problem = make_problem(hidden=(6, 5))
    network = replace(problem.network, sizes=(1 + 5, 6, 5, 2), embeddings=EMBEDDED)
    levels = np.random.default_rng(7)

    def with_levels(part):
        inputs = part.inputs.copy()
        inputs[:, 1], inputs[:, 2] = levels.integers(0, 4, len(inputs)), levels.integers(1, 31, len(inputs))
        return replace(part, inputs=inputs)

    held = with_levels(problem.validation)
    held.inputs[:, 1] = 4
    return replace(problem, network=network, training=with_levels(problem.training), validation=held)


def with_dropout(plan, share: float = 0.3):
    return replace(plan, beside={"kept": 1 - share}, structure=replace(plan.structure, dropout=True))


def cross_entropies(params, part) -> np.ndarray:
    tables = [np.asarray(params[0][f"embedding_{k}"]) for k in range(2)]
    vectors = [table[part.inputs[:, 1 + k].astype(int)] for k, table in enumerate(tables)]
    y = np.concatenate([part.inputs[:, :1], *vectors], axis=1).astype(float)
    for layer in params[:-1]:
        y = np.tanh(y @ layer["weights"] + layer["biases"])
    z = y @ params[-1]["weights"] + params[-1]["biases"]
    return logsumexp(z, axis=1) - (part.targets * z).sum(axis=1)


def test_validation_is_without_dropout(embedded):
    plan = with_dropout(embedded.plan(mode="mini_batch", batch_size=4, max_epochs=3, schedule="constant"))
    result = embedded.run(plan)
    expected = cross_entropies(result.params, embedded.validation).mean()
    assert result.history[result.best.epoch - 1]["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_the_first_loss_is_that_of_the_dropped_network(make_problem):
    problem = make_problem(4, 0, hidden=(6,))
    result = problem.run(with_dropout(problem.plan(mode="batch", max_epochs=1, seed=3)))
    params = problem.network.initialize(seeded(3, "weights"))
    mask = masks((6,), 4, update_words(3, np.array(0)), np.float32(0.7))[0]
    hidden = np.tanh(problem.training.inputs @ params[0]["weights"]) * np.asarray(mask) / 0.7
    z = hidden @ params[1]["weights"]
    expected = (logsumexp(z, axis=1) - (problem.training.targets * z).sum(axis=1)).mean()
    assert result.history[0]["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mode", ["online", "mini_batch", "batch"])
def test_cutting_and_resuming_change_no_bit_with_dropout_and_embeddings(mode, embedded):
    plan = with_dropout(embedded.plan(mode=mode, batch_size=3, max_epochs=6, early_stopping=True))
    plan = replace(plan, epochs_a_call=6)
    whole = embedded.run(plan)
    assert whole.form == ("one_function" if mode == "online" else "loop")
    for epochs in (1, 4):
        assert_same_run(whole, embedded.run(replace(plan, epochs_a_call=epochs)))
    cut = replace(plan, epochs_a_call=1, updates_a_call=plan.updates_a_call if mode == "batch" else 3)
    assert_same_run(whole, embedded.run(cut))
    answers = iter([False] * 3 + [True])
    half = embedded.run(cut, watchers=Watchers(interrupted=lambda: next(answers)))
    assert half.outcome.name == "interrupted"
    arrays, record = half.checkpoint.to_parts()
    assert any("embedding_1" in name for name in arrays)
    template = initial_state(plan.structure, embedded.network.initialize(seeded(0, "weights")))
    rest = embedded.run(cut, resume=Checkpoint.from_parts(template, arrays, record))
    assert_bitwise(rest.params, whole.params)
    assert_bitwise(rest.checkpoint.state, whole.checkpoint.state)
    assert without_seconds([*half.history, *rest.history]) == without_seconds(whole.history)


def test_each_seed_and_each_epoch_has_its_own_masks(make_problem):
    problem = make_problem(n_validation=0)
    start = problem.network.initialize(np.random.default_rng(0))
    plan = with_dropout(problem.plan(mode="batch", max_epochs=4, learning_rate=1e-30, weight_decay=0.0))
    same, other = (problem.run(replace(plan, seed=seed), start=start) for seed in (0, 1))
    losses = [record["loss"] for run in (same, other) for record in run.history]
    assert len(set(losses)) == 8  # the weights do not move


def test_no_dropout_is_the_program_of_before(make_problem):
    problem = make_problem()
    plan = problem.plan(max_epochs=3)
    assert (plan.beside, plan.structure.dropout) == ({}, False)
    shape = Shape(plan.epochs_a_call, plan.updates_a_call)
    _, controls = Show(plan, problem.training, lambda: None).controls(Place(0, 1, 0, plan.n_updates, True), shape)
    assert set(controls) <= {"learning_rate", "momentum"}
    _, controls = Show(with_dropout(plan), problem.training, lambda: None).controls(
        Place(1, 1, 0, plan.n_updates, True), shape
    )
    dropped = controls["dropout"]
    later = np.arange(dropped.shape[1]) + plan.n_updates
    np.testing.assert_array_equal(dropped[0], update_words(plan.seed, later))


def test_embeddings_learn_what_only_levels_tell(make_problem):
    levels = np.random.default_rng(1).integers(1, 13, 600)
    inputs = np.stack([np.zeros(600), levels], axis=1).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[levels % 2]
    problem = make_problem()
    network = replace(problem.network, sizes=(1 + 4, 2), embeddings=((12, 4),))
    held = replace(problem.validation, inputs=inputs[500:], targets=targets[500:], score=lambda z: 0.0)
    problem = replace(problem, network=network, training=TrainingPart(inputs[:500], targets[:500]), validation=held)
    result = problem.run(problem.plan(max_epochs=40, learning_rate=0.05))
    assert result.history[-1]["validation_loss"] < 0.05
    assert not result.params[0]["embedding_0"][0].any()


@pytest.fixture(scope="module")
def model() -> Model:
    generator = np.random.default_rng(0)
    levels = generator.integers(0, 15, 300)
    X = np.stack([generator.normal(size=300).astype(object), np.char.add("l", levels.astype(str))], axis=1)
    estimator = NetworkClassifier(hidden=(4,), categories="embedding", dropout=0.2, max_epochs=20)
    return estimator.fit(X, levels % 2).model_


def test_a_model_file_keeps_embeddings_bit_by_bit(model, tmp_path):
    assert model.network.embeddings == ((15, 8),)
    model.save(tmp_path / "model.safetensors")
    again = Model.load(tmp_path / "model.safetensors")
    assert again.network == model.network
    assert_bitwise(again.params, model.params)
    assert again.fingerprint() == model.fingerprint()
    table = model.params[0]["embedding_0"].copy()
    table[3, 1] += 1
    other = replace(model, params=({**model.params[0], "embedding_0": table}, *model.params[1:]))
    assert other.fingerprint() != model.fingerprint()


@pytest.mark.parametrize(
    ("embeddings", "said"),
    [([[14, 8]], "weights of another shape"), ([[15, 8], [3, 1]], "'layers.0.embedding_1'")],
)
def test_a_model_file_whose_embeddings_do_not_fit_is_refused(embeddings, said, model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    arrays, header = load_model(tmp_path / "model.safetensors")
    header["network"]["embeddings"] = embeddings
    save_model(tmp_path / "other.safetensors", arrays, header)
    with pytest.raises(ModelFileError, match=f"other.safetensors' is damaged: {said}"):
        Model.load(tmp_path / "other.safetensors")
