"""Orders as their users meet them: from the estimators, `train` and the command line."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from entrena import NetworkClassifier, NetworkRegressor, train
from entrena.errors import RecipeError

N = 20_000
SHARES = {2: np.array([0.92, 0.08]), 3: np.array([0.8, 0.15, 0.05])}
MEANS = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])


def sample(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal classes of deviation 1, rare ones among them."""
    chance = np.random.default_rng(8)
    y = chance.choice(n_classes, size=N, p=SHARES[n_classes])
    return chance.standard_normal((N, 2)) + MEANS[y], y


def posterior(X: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """P(class | x) by Bayes' rule: linear in x for normal classes of one variance."""
    means = MEANS[: len(shares)]
    return softmax(X @ means.T - np.square(means).sum(axis=1) / 2 + np.log(shares), axis=1)


def away(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.abs(p - q).mean())


# The most likely weights for such a sample (scikit-learn's LogisticRegression, classes weighted) are 0.006 to 0.012
# away from the truth on average; predictions by the wrong shares are 0.26 to 0.32 away.
CLOSE = 0.02
SETTINGS = dict(hidden=(), batch_size=64, max_epochs=20, learning_rate=0.005, weight_decay=0.0)


@pytest.mark.parametrize(("n_classes", "output"), [(2, "softmax"), (2, "logistic"), (3, "softmax")])
def test_balanced_predicts_by_the_true_shares(n_classes, output):
    X, y = sample(n_classes)
    grid = np.random.default_rng(9).uniform(-1, 2.5, (500, 2))
    restored = NetworkClassifier(order="balanced", output=output, **SETTINGS).fit(X, y)
    assert away(restored.predict_proba(grid), posterior(grid, SHARES[n_classes])) < CLOSE
    told = restored.model_.facts["priors"]
    np.testing.assert_allclose(told["true"], np.bincount(y) / N, atol=1e-4)  # a tenth was held out
    assert told["restored"] and told["drawn"] == [1 / n_classes] * n_classes

    as_drawn = {"name": "balanced", "restore_priors": False}
    equal = NetworkClassifier(order=as_drawn, output=output, **SETTINGS).fit(X, y)
    even = np.full(n_classes, 1 / n_classes)
    assert away(equal.predict_proba(grid), posterior(grid, even)) < CLOSE


def test_independent_logistic_outputs_get_their_own_odds():
    # Without inputs that tell anything, each output can only say how frequent its class is.
    chance = np.random.default_rng(3)
    y = chance.choice(3, size=6_000, p=SHARES[3])
    X = chance.standard_normal((6_000, 1))
    fitted = NetworkClassifier(order="balanced", output="logistic", **SETTINGS).fit(X, y)
    z = fitted.model_.net_inputs(X[:1] * 0)[0]
    np.testing.assert_allclose(expit(z), np.bincount(y) / len(y), atol=0.03)


def test_validation_and_score_are_by_the_true_shares():
    X, y = sample(2)
    fitted = NetworkClassifier(order="balanced", early_stopping=True, **SETTINGS).fit(X, y)
    best = -np.log(posterior(X, SHARES[2])[np.arange(N), y]).mean()
    assert abs(min(fitted.validation_loss_curve_) - best) < 0.03  # as drawn it is about 0.2 above


@pytest.mark.parametrize("order", ["interleaved", "balanced"])
def test_orders_by_class_are_refused_for_numbers(order):
    with pytest.raises(RecipeError, match=f"'{order}' goes by classes, and numbers have none: take shuffled"):
        NetworkRegressor(order=order).fit(np.eye(4), np.arange(4.0))


@pytest.mark.parametrize("order", ["sequential", "interleaved", "balanced", "by_error"])
def test_an_order_is_refused_where_all_rows_are_shown_at_once(order):
    with pytest.raises(RecipeError, match="mode=batch shows all rows in each update"):
        NetworkClassifier(order=order, mode="batch").fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.parametrize("order", ["sequential", "interleaved", "balanced", "by_error"])
@pytest.mark.parametrize("mode", ["online", "mini_batch"])
def test_every_order_learns(order, mode):
    X, y = sample(2)
    y = (X[:, 0] > 0.5).astype(int)
    fitted = NetworkClassifier(hidden=(8,), order=order, mode=mode, max_epochs=5).fit(X[:600], y[:600])
    assert fitted.score(X[600:2000], y[600:2000]) > 0.9  # guessing: 0.69


def test_mislabelled_rows_are_found_and_named(tmp_path):
    chance = np.random.default_rng(1)
    X = chance.standard_normal((800, 2))
    y = (X[:, 0] > 0).astype(int)
    X += 6 * np.sign(X[:, :1]) * [1, 0]  # far from the border
    wrong = chance.choice(800, 8, replace=False)
    y[wrong] = 1 - y[wrong]
    # Without importance weights the network learns to expect such rows as often as they are drawn.
    order = {"name": "by_error", "cap": 80, "floor": 0.05, "importance_weights": True}
    recipe = {"order": order, "hidden": [], "max_epochs": 40, "learning_rate": 0.1, "early_stopping": False}
    run = train(recipe, (X, y), test_fraction=0, runs_dir=tmp_path)
    (finding,) = run.findings
    assert finding.name == "few_rows_take_most_draws"
    assert set(finding.rows[:8]) == set(wrong + 1)  # rows of arrays are counted from 1
    assert "rows took" in finding.evidence and "mislabelled" in finding.advice
    assert (run.path / "findings.json").read_text().count('"rows"') == 1


def test_a_tidy_set_has_no_finding():
    X, y = sample(2)
    run = train({"order": "by_error", "max_epochs": 3}, (X[:1000], y[:1000]), save=False)
    assert run.findings == ()
