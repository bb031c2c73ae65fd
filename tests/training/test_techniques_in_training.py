"""Normalization, averaged weights, penalties and disturbances in training, against NumPy and against each other."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from entrena.errors import RecipeError
from entrena.network import Network
from entrena.network.chance import PURPOSES
from entrena.random_bits import update_words
from entrena.registry import Choice
from entrena.training import loop as loop_module
from entrena.training.loop import Member, train_side_by_side
from entrena.training.order import batch_sizes, n_batches
from entrena.training.seeds import generator as seeded
from entrena.training.structure import Structure, initial_state
from entrena.training.update import Batch, batch_losses, update
from tests.training.test_checkpoint import assert_every_stop_goes_on_as_if_it_had_not

BATCH = Choice("batch")
EVERYTHING = {
    "batch normalization": (
        {"normalization": BATCH, "activation": Choice("prelu")},
        {"ema": 0.7, "l1": 1e-3, "max_norm": 2.0, "mixup": 0.4},
    ),
    "moving averages": (
        {"normalization": BATCH, "activation": Choice("rrelu"), "residual": True},
        {"input_noise": 0.2, "dropout": 0.2},
    ),
    "layer normalization": (
        {"normalization": Choice("layer"), "activation": (Choice("selu"), Choice("rrelu"))},
        {"ema": 0.7, "alpha_dropout": 0.2},
    ),
}


def with_network(problem, **changes):
    return replace(problem, network=replace(problem.network, **changes))


@pytest.fixture
def save_at_every_call(monkeypatch):
    monkeypatch.setattr(loop_module, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop_module, "CHECKPOINT_SHARE", 0)


@pytest.mark.parametrize("name", EVERYTHING)
def test_stopped_and_resumed_it_is_as_if_it_had_not_been(name, make_problem, save_at_every_call):
    network, settings = EVERYTHING[name]
    problem = with_network(make_problem(22, 9, hidden=(5, 5)), **network)
    plan = problem.plan(mode="mini_batch", batch_size=4, max_epochs=3, early_stopping=True, **settings)
    plan = replace(plan, epochs_a_call=1, updates_a_call=4)
    assert_every_stop_goes_on_as_if_it_had_not(problem, plan, 6)


@pytest.mark.parametrize("name", EVERYTHING)
def test_in_a_population_each_is_as_alone(name, make_problem):
    network, settings = EVERYTHING[name]
    problem = with_network(make_problem(22, 9, hidden=(5, 5)), **network)
    settings = {"mode": "mini_batch", "batch_size": 4, "max_epochs": 3, "precision": "float64", **settings}
    plans = [problem.plan(seed=k, learning_rate=0.01 * (k + 1), early_stopping=True, **settings) for k in range(3)]
    members = [Member(problem.network, plan, problem.training, problem.validation) for plan in plans]
    for found, member in zip(train_side_by_side(members), members, strict=True):
        alone = train_side_by_side([member])[0]
        assert found.best.epoch == alone.best.epoch
        for a, b in zip(jax.tree.leaves(found.params), jax.tree.leaves(alone.params), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def giant_batch(problem, params, rows):
    """Net inputs of rows that are normalised as one mini-batch, in NumPy."""
    y = rows.astype(float)
    for layer in params[:-1]:
        z = y @ layer["weights"]
        hat = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
        y = np.tanh(layer["gains"] * hat + layer["shifts"])
    return y @ params[-1]["weights"] + params[-1]["biases"]


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("ema", [0.0, 0.8])
def test_statistics_of_the_training_set_are_those_of_the_weights_that_are_delivered(ema, validated, make_problem):
    problem = with_network(make_problem(40, 9, hidden=(6, 5)), normalization=BATCH)
    statistics = None if ema else Choice("training_set")  # with ema they are needed in any case
    settings = {"batch_size": 8, "max_epochs": 12, "learning_rate": 0.05, "precision": "float64", "ema": ema}
    plan = problem.plan(batch_statistics=statistics, early_stopping=validated, **settings)
    run = problem.run(plan)
    z = problem.network.net_inputs(run.params, problem.training.inputs)
    np.testing.assert_allclose(z, giant_batch(problem, run.params, problem.training.inputs), rtol=1e-4, atol=1e-5)
    if validated:  # the look at the validation rows saw just these
        held = problem.validation
        z = np.asarray(problem.network.net_inputs(run.params, held.inputs), float)
        losses = logsumexp(z, axis=1) - (held.targets * z).sum(axis=1)
        seen = run.history[run.best.epoch - 1]["validation_loss"]
        assert losses.mean() == pytest.approx(seen, rel=1e-4)


def test_moving_averages_follow_the_mini_batches(make_problem):
    """With a rate of nearly 0 the weights stay, so the statistics are weighted means of those of known rows."""
    problem = with_network(make_problem(22, 0, hidden=(4,)), normalization=BATCH)
    moving = Choice("moving_average", (("momentum", 0.6),))
    plan = problem.plan(
        batch_size=8, max_epochs=2, order="sequential", optimizer="sgd", learning_rate=1e-12, batch_statistics=moving
    )
    assert plan.sizes.tolist() == [8, 7, 7]
    layer = problem.run(plan).params[0]
    z = problem.training.inputs.astype(float) @ layer["weights"]
    parts = [z[:8], z[8:15], z[15:22]] * 2
    weights = 0.6 ** np.arange(6)[::-1]
    means = np.average([part.mean(axis=0) for part in parts], axis=0, weights=weights)
    variances = np.average([part.var(axis=0, ddof=1) for part in parts], axis=0, weights=weights)
    np.testing.assert_allclose(layer["means"], means, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer["variances"], variances, rtol=1e-4)


@pytest.mark.parametrize(("n_rows", "size"), [(2, 2), (3, 2), (9, 4), (33, 32), (1000, 32), (10, 3), (7, 100)])
def test_with_batch_normalization_no_update_has_one_example(n_rows, size):
    sizes = batch_sizes(n_rows, size, even=True)
    assert sizes.sum() == n_rows
    assert sizes.max() - sizes.min() <= 1 and sizes.min() >= 2
    assert len(sizes) == n_batches(n_rows, size, even=True) <= n_batches(n_rows, size)


@pytest.mark.parametrize("n_rows", [3, 9, 33])
def test_each_row_is_seen_once_an_epoch_in_even_batches(n_rows, make_problem):
    problem = with_network(make_problem(n_rows, 0), normalization=BATCH)
    plan = problem.plan(batch_size=2, max_epochs=1, order="sequential", optimizer="sgd", learning_rate=1e-12)
    run = problem.run(plan)
    first = problem.network.initialize(seeded(0, "weights"))
    at, losses = 0, []
    for size in plan.sizes:
        z = giant_batch(problem, first, problem.training.inputs[at : at + size])
        losses += list(logsumexp(z, axis=1) - (problem.training.targets[at : at + size] * z).sum(axis=1))
        at += size
    assert run.history[0]["loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_a_single_row_is_refused_with_batch_normalization(make_problem):
    with pytest.raises(RecipeError, match="at least two training rows"):
        with_network(make_problem(1, 0), normalization=BATCH).plan(max_epochs=1)


def test_averaged_weights_are_the_running_means_of_the_weights(make_problem):
    problem = make_problem(22, 0)
    settings = {
        "mode": "batch",
        "optimizer": "sgd",
        "learning_rate": 0.3,
        "schedule": "constant",
        "precision": "float64",
    }
    seen = []
    for n_epochs in range(1, 6):
        seen.append(problem.run(problem.plan(max_epochs=n_epochs, **settings)).params)
    averaged = problem.run(problem.plan(max_epochs=5, ema=0.7, **settings))
    weights = 0.7 ** np.arange(5)[::-1]
    for name in ("weights", "biases"):
        expected = np.average([params[0][name] for params in seen], axis=0, weights=weights)
        np.testing.assert_allclose(averaged.params[0][name], expected, rtol=1e-9)
    np.testing.assert_allclose(averaged.checkpoint.state.params[0]["weights"], seen[-1][0]["weights"], rtol=1e-12)


def test_l1_finds_the_lasso(make_problem, generator):
    """Linear regression with l1, in batch mode: the minimum that scikit-learn's coordinate descent finds."""
    from sklearn.linear_model import Lasso

    X = generator.normal(size=(60, 6))
    t = X @ [2.0, 0, 0, -1, 0, 0.05] + 0.1 * generator.normal(size=60)
    problem = make_problem(numbers=True)
    part = replace(problem.training, inputs=X, targets=t[:, None])
    problem = replace(problem, network=Network((6, 1), Choice("tanh"), "linear"), training=part, validation=None)
    settings = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1, "schedule": "constant", "weight_decay": 0.0}
    plan = problem.plan(loss="squared_error", mode="batch", max_epochs=3000, l1=0.2, precision="float64", **settings)
    run = problem.run(plan)
    # scikit-learn minimises half of the mean square.
    lasso = Lasso(alpha=0.1, tol=1e-12, max_iter=100_000).fit(X, t)
    np.testing.assert_allclose(run.params[0]["weights"][:, 0], lasso.coef_, atol=1e-9)
    assert (run.params[0]["weights"][:, 0] == 0).sum() == (lasso.coef_ == 0).sum() > 0
    np.testing.assert_allclose(run.params[0]["biases"], lasso.intercept_, atol=1e-9)
    assert run.history[-1]["penalty"] == pytest.approx(0.2 * np.abs(lasso.coef_).sum(), rel=1e-6)


def test_max_norm_shortens_what_is_longer_and_leaves_the_rest(make_problem):
    problem = make_problem(22, 0)
    settings = {"max_epochs": 1, "mode": "batch", "optimizer": "sgd", "learning_rate": 0.5, "schedule": "constant"}
    free, cut = (problem.run(problem.plan(max_norm=limit, **settings)).params for limit in (None, 0.8))
    for own, other in zip(free, cut, strict=True):
        lengths = np.linalg.norm(own["weights"], axis=0)
        np.testing.assert_allclose(other["weights"], own["weights"] * np.minimum(1, 0.8 / lengths), rtol=1e-5)
        np.testing.assert_array_equal(other["biases"], own["biases"])
    assert (lengths > 0.8).any() or (np.linalg.norm(free[0]["weights"], axis=0) > 0.8).any()


def test_mixup_mixes_inputs_and_targets_of_partners(generator):
    network = Network((3, 4, 2), Choice("tanh"), "softmax")
    structure = Structure(network, "cross_entropy", "sgd", mixup=True)
    with jax.enable_x64(True):
        params = network.initialize(generator, np.float64)
        X, t = generator.normal(size=(5, 3)), np.eye(2)[[0, 1, 1, 0, 1]]
        present = np.array([1.0, 1, 1, 1, 0])  # the last row only fills up the batch
        weights = present / 4
        for offset in (0, 1, 2, 3, 7):
            controls = {"learning_rate": 1.0, "mix_share": np.float64(0.3), "mix_offset": np.int32(offset)}
            state = initial_state(structure, params)
            after, losses, _ = update(structure, state, Batch(X, t, weights, present), controls, {})
            partner = (np.arange(4) + 1 + offset % 3) % 4
            assert (partner != np.arange(4)).all()
            mixed = Batch(0.3 * X[:4] + 0.7 * X[partner], 0.3 * t[:4] + 0.7 * t[partner], weights[:4])
            plain = replace(structure, mixup=False)
            expected, plain_losses, _ = update(plain, initial_state(plain, params), mixed, controls, {})
            np.testing.assert_allclose(losses[:4], plain_losses, rtol=1e-12)
            for a, b in zip(jax.tree.leaves(after.params), jax.tree.leaves(expected.params), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_shares_of_mixup_are_beta(make_problem):
    from entrena.training.calls import Place, Shape, Show

    problem = make_problem(22, 0)
    plan = problem.plan(batch_size=2, max_epochs=400, mixup=0.4)
    show = Show(plan, problem.training, lambda: None)
    controls = show.controls(Place(0, 300, 0, 11, True), Shape(300, 11))[1]
    assert stats.kstest(controls["mix_share"].ravel(), stats.beta(0.4, 0.4).cdf).pvalue > 0.01
    # A part of an epoch has the same as the whole epoch.
    part = show.controls(Place(7, 1, 4, 5, False), Shape(1, 11))[1]
    np.testing.assert_array_equal(part["mix_share"][0, :5], controls["mix_share"][7, 4:9])
    np.testing.assert_array_equal(part["mix_offset"][0, :5], controls["mix_offset"][7, 4:9])


def drawn(structure: Structure, n_updates: int, n_examples: int, seed: int = 0):
    words = {name: update_words(seed, np.arange(n_updates), PURPOSES[name]) for name in structure.drawn.words}
    return jax.vmap(lambda own: structure.drawn.draw(n_examples, own, None))(words)


def independent(values: np.ndarray) -> None:
    """No correlation between units, examples, updates beside each other and further apart; to five deviations."""
    centred = values - values.mean()
    for axis in range(3):
        for lag in (1, 2, 5, 16):
            a = np.moveaxis(centred, axis, 0)
            r = (a[lag:] * a[:-lag]).mean() / centred.var()
            assert abs(r) < 5 / np.sqrt(a[lag:].size), (axis, lag)


@pytest.mark.parametrize("divisor", [False, True])
def test_slopes_of_rrelu_are_uniform_and_independent(divisor):
    choice = Choice("rrelu", (("divisor", divisor),))
    structure = Structure(Network((3, 24, 20, 2), choice, "softmax"), "cross_entropy", "sgd")
    slopes = [np.asarray(each, float) for each in drawn(structure, 100, 32).slopes]
    for each in slopes:
        uniform = 1 / each if divisor else each
        low, high = (3, 8) if divisor else (1 / 8, 1 / 3)
        assert stats.kstest(uniform.ravel(), stats.uniform(low, high - low).cdf).pvalue > 0.01
        independent(uniform)
    a, b = (each[..., :20].ravel() for each in slopes)
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(a.size)
    other = np.asarray(drawn(structure, 100, 32, seed=1).slopes[0], float)
    assert abs(np.corrcoef(slopes[0].ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(other.size)


def test_noise_on_inputs_is_normal_and_independent():
    structure = Structure(Network((20, 4, 2), Choice("relu"), "softmax"), "cross_entropy", "sgd", input_noise=True)
    noise = np.asarray(drawn(structure, 100, 32).noise, float)
    assert noise.shape == (100, 32, 20)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 0.01
    n = noise.size
    assert abs(noise.mean()) < 4 / np.sqrt(n)
    assert abs(noise.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(stats.kurtosis(noise.ravel())) < 4 * np.sqrt(24 / n)
    independent(noise)


def test_noise_slopes_and_masks_of_an_update_have_nothing_in_common():
    network = Network((24, 24, 2), Choice("rrelu"), "softmax")
    structure = Structure(network, "cross_entropy", "sgd", input_noise=True, dropout=True)
    words = {name: update_words(3, np.arange(100), PURPOSES[name]) for name in structure.drawn.words}
    chance = jax.vmap(lambda own: structure.drawn.draw(32, own, np.float32(0.5)))(words)
    parts = [np.asarray(each, float).ravel() for each in (chance.kept[0], chance.slopes[0], chance.noise)]
    r = np.corrcoef(parts)
    assert (np.abs(r[np.triu_indices(3, 1)]) < 5 / np.sqrt(parts[0].size)).all()


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_alpha_dropout_keeps_the_fixed_point_of_selu(share, generator):
    """SELU of normal net inputs has mean 0 and variance 1, and so has what alpha dropout makes of it."""
    from entrena.network.activations import activation_function
    from entrena.network.dropout import alpha_drop_units, drop_units, masks

    z = generator.normal(size=(2000, 200)).astype(np.float32)
    y = activation_function(Choice("selu"))(z)
    mask = masks((200,), 2000, update_words(0, np.array(1)), np.float32(1 - share))[0]
    kept = jax.numpy.float32(1 - share)
    out = np.asarray(alpha_drop_units(y, mask, kept), float)
    n = out.size
    assert abs(out.mean()) < 5 / np.sqrt(n) + 1e-3
    assert abs(out.var() - 1) < 0.01
    assert len(np.unique(out[~np.asarray(mask)])) == 1
    assert np.asarray(drop_units(y, mask, kept)).var() > 1.03  # which plain dropout does not keep


LAYERS = {
    "plain": {},
    "batch": {"normalization": BATCH},
    "layer": {"normalization": Choice("layer")},
    "residual": {"residual": True},
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("activation", ["tanh", "prelu", "rrelu", "elu", "mish"])
@pytest.mark.parametrize(("loss", "output"), [("cross_entropy", "softmax"), ("squared_error", "linear")])
def test_gradients_are_finite_differences(loss, output, activation, layers, generator):
    network = Network((3, 4, 4, 2), Choice(activation), output, **layers)
    structure = Structure(network, loss, "sgd")
    X, t = generator.normal(size=(6, 3)), np.eye(2)[[0, 1, 1, 0, 1, 0]]
    present = np.array([1.0] * 5 + [0])
    batch = Batch(X, t, present / 5, present)
    with jax.enable_x64(True):
        params = jax.tree.map(
            lambda w: w + 0.3 * generator.normal(size=w.shape), network.initialize(generator, np.float64)
        )
        words = {name: update_words(0, np.array(4), PURPOSES[name]) for name in structure.drawn.words}
        chance = structure.drawn.draw(6, words, None) if words else None
        state = initial_state(structure, params)
        after, _, _ = update(structure, state, batch, {"learning_rate": 1.0}, {"statistics_momentum": 0.9}, chance)
        gradient = jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), params, after.params)

        from entrena.network.chance import Chance
        from entrena.network.multilayer import During

        @jax.jit
        def value(params):
            during = During(present, chance or Chance())
            return (batch.weights * batch_losses(structure, params, X, t, during)[0]).sum()

        for _ in range(3):
            direction = jax.tree.map(lambda w: generator.normal(size=w.shape), params)
            up, down = (value(jax.tree.map(lambda w, d, s=s: w + s * 1e-6 * d, params, direction)) for s in (1, -1))
            along = sum((g * d).sum() for g, d in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True))
            assert (up - down) / 2e-6 == pytest.approx(float(along), rel=2e-6, abs=1e-8)
