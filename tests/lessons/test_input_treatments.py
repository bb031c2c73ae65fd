"""The lessons on centring, scaling, decorrelation, whitening: theory, training against theory, verdicts."""

from __future__ import annotations

import json
from math import exp, log, sqrt

import numpy as np
import pytest
from scipy import stats

from entrena.lessons import find
from entrena.lessons.centring import shifted
from entrena.lessons.decorrelation import CORRELATED, TURNED, WHITENED, correlated
from entrena.lessons.input_treatments import (
    ADAM,
    DESCENT,
    LEVEL,
    RAW,
    TREATED,
    condition_where_it_varies,
    experiment,
    farthest_from_theory,
    gain_of,
    made_inputs,
    passes_bound,
    passes_predicted,
    predicted_gain,
)
from entrena.lessons.quadratics import quadratic_of
from entrena.lessons.rate_search import neighbours_between
from entrena.lessons.scaling import stretched
from entrena.lessons.trials import Trials
from tests.lessons.checks import assert_pages, assert_told

IDS = ("centring", "scaling", "decorrelation", "whitening")
NO_NETWORKS = {
    "strengths": [3],
    "linear": ["iris"],
    "linear_most": 400,
    "networks": [],
    "methods": [],
    "most": 10,
    "seeds": 2,
    "tuning_seeds": 1,
}


def treatment_of(name):
    from importlib import import_module

    return import_module(f"entrena.lessons.{name}").TREATMENT


def table_of(examples):
    return np.column_stack([column.values for column in examples.inputs])


def made_up(linear, networks=(), *, noise=0.02, n=6):
    """Results: gains of linear units by name; (name, method, gain) of networks. None: the raw side never arrives."""
    signs = (-1.0) ** np.arange(n)

    def sides(gain):
        treated = [10.0] * n
        raw = [None] * n if gain is None else (10 * gain * np.exp(noise * signs)).tolist()
        return raw, treated

    found = {"linear": [], "networks": []}
    for name, gain in linear.items():
        raw, treated = sides(gain)
        side = {"condition": [50.0] * n, "bound": [57.0] * n}
        theory = [[one or 5000.0 for one in raw], treated]
        found["linear"].append(
            {"name": name, "made": name.startswith("made"), "most": 500, "seeds": n}
            | {RAW: {**side, "predicted": theory[0], "found": raw}}
            | {TREATED: {**side, "condition": [1.0] * n, "predicted": theory[1], "found": treated}}
        )
    for name, way, gain in networks:
        raw, treated = sides(gain)
        found["networks"].append(
            {"name": name, "method": way, "level": 0.01, "most": 500}
            | {RAW: {"condition": 50.0, "rate": 0.5, "found": raw}}
            | {TREATED: {"condition": 1.0, "rate": 2.0, "found": treated}}
        )
    return found


@pytest.mark.parametrize("mean", [1, 3])
def test_a_mean_makes_a_ravine(mean, generator):
    X = table_of(made_inputs(shifted, mean, generator))
    own = quadratic_of(X, np.zeros((len(X), 1)))
    total = 2 + X.shape[1] * mean**2  # of the two eigenvalues other than 1; their product is 1
    greatest = (total + sqrt(total**2 - 4)) / 2
    assert own.condition == pytest.approx(greatest**2)
    assert np.sort(own.eigenvalues / 2)[1:-1] == pytest.approx(np.ones(X.shape[1] - 1))


def test_scales_and_correlations_make_ravines(generator):
    X = table_of(made_inputs(stretched, 10, generator))
    assert X.std(axis=0) == pytest.approx(np.geomspace(1, 10, X.shape[1]))
    assert quadratic_of(X, np.zeros((len(X), 1))).condition == pytest.approx(100)
    X = table_of(made_inputs(correlated, 0.9, generator))
    d = X.shape[1]
    assert np.corrcoef(X.T) == pytest.approx(np.full((d, d), 0.9) + 0.1 * np.eye(d))
    assert X.mean(axis=0) == pytest.approx(np.zeros(d), abs=1e-12)
    assert quadratic_of(X, np.zeros((len(X), 1))).condition == pytest.approx((1 + (d - 1) * 0.9) / 0.1)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_predicted_passes_are_those_of_descent(n_outputs, generator):
    X = generator.normal(size=(40, 3)) * [0.5, 1, 2] + 1
    targets = generator.normal(size=(40, n_outputs)) + X[:, :1]
    own, w = quadratic_of(X, targets), np.zeros((4, n_outputs))
    table = np.column_stack([X, np.ones(40)])
    losses = []
    for _ in range(20_000):
        losses.append(np.square(table @ w - targets).mean() - own.least)
        if losses[-1] <= LEVEL * losses[0]:
            break
        w = w - own.fastest * 2 / n_outputs * table.T @ (table @ w - targets) / 40
    counted = len(losses) - 1
    assert counted > 3
    assert passes_predicted(own, np.zeros((4, n_outputs)), own.fastest) == counted
    assert passes_bound(own.condition) >= counted - 1
    assert passes_predicted(own, np.zeros((4, n_outputs)), 1.1 * own.edge) == np.inf


def test_the_bound_by_hand():
    assert passes_bound(1) == 1
    assert passes_bound(3) == pytest.approx(log(LEVEL) / log(0.25))
    assert condition_where_it_varies(np.array([1e-9, 2.0, 4.0, 10.0])) == 5


@pytest.mark.parametrize("name", IDS)
def test_linear_units_take_the_predicted_passes(name):
    size = NO_NETWORKS | ({"strengths": [0.9]} if name in ("decorrelation", "whitening") else {})
    found = experiment(treatment_of(name), size, 5, Trials(name))
    made, iris = found["linear"]
    assert farthest_from_theory(found["linear"]) == 0
    assert made[TREATED]["found"] != [None, None]
    if name == "decorrelation":
        for each in found["linear"]:
            assert each[RAW]["found"] == each[TREATED]["found"]
            assert each[RAW]["condition"] == pytest.approx(each[TREATED]["condition"], rel=1e-6)
            assert predicted_gain(each) == 1
    else:
        # The variances have the divisor n − 1, the second moment of the bias has n.
        n = 128 if name == "whitening" else np.inf
        assert made[TREATED]["condition"] == pytest.approx([1 / (1 - 1 / n)] * 2)
        assert made[TREATED]["found"] == [1, 1]
        assert min(made[RAW]["predicted"]) > 1
    if name == "whitening":
        assert iris[TREATED]["found"] == [1, 1] and iris[TREATED]["condition"] == pytest.approx([120 / 119] * 2)
    assert experiment(treatment_of(name), size, 5, Trials(name)) == found
    again = assert_told(find(name), found, 2, 1)
    assert "exactly as many passes as the eigenvalues" in " ".join(find(name).meaning(again))


def test_networks_are_raced(tmp_path):
    size = NO_NETWORKS | {"strengths": [], "linear": ["iris"], "linear_most": 5}
    size |= {"networks": ["wine"], "methods": [DESCENT, ADAM], "most": 12}
    found = experiment(treatment_of("scaling"), size, 0, Trials("scaling"))
    for each in found["networks"]:
        assert each[RAW]["condition"] > 1e6
        assert each[TREATED]["condition"] < 100
        assert each[RAW]["found"] == [None, None]  # no rate suits the raw wine in a dozen passes
    assert [each["method"] for each in found["networks"]] == [DESCENT, ADAM]
    assert_told(find("scaling"), found, 2, 2)
    assert_pages(find("scaling"), size, found, tmp_path)


@pytest.mark.parametrize(
    ("linear", "networks", "more", "name", "words"),
    [
        ({"made": 5.0, "iris": 2.0}, [("wine", DESCENT, 3.0)], {}, "holds", "holds"),
        ({"made": 1.0, "iris": 0.9}, [("wine", DESCENT, 1.0)], {}, "fails", "fails"),
        ({"made": 1.0}, [("wine", DESCENT, 1.0), ("wine", ADAM, 2.0)], {}, "depends", "depends on the optimizer"),
        ({"made": 5.0}, [("wine", DESCENT, 0.5)], {}, "depends", "depends on the inputs and the network"),
        ({"made": 1.2}, [], {"noise": 0.4}, "not_decided", "not decided at this size"),
        ({"made": 5.0, "iris": None}, [("wine", DESCENT, None)], {}, "holds", "holds"),
    ],
)
@pytest.mark.parametrize("lesson", IDS)
def test_the_verdict_on_made_up_results(lesson, linear, networks, more, name, words):
    results = made_up(linear, networks, **more)
    verdict = find(lesson).judge(results)
    assert (verdict.name, verdict.words) == (name, words)
    assert all(f"{each}, linear" in verdict.sentence for each in linear)
    told = assert_told(find(lesson), results, 2, 1 + bool(networks))
    assert json.loads(json.dumps(told)) == results


def test_gains_are_geometric_means_with_their_intervals():
    found = made_up({"made": 5.0}, noise=0.3)["linear"][0]
    logs = [log(a / b) for a, b in zip(found[RAW]["found"], found[TREATED]["found"], strict=True)]
    low, high = stats.t.interval(0.95, 5, np.mean(logs), stats.sem(logs))
    gain = gain_of(found)
    assert (gain["mean"], gain["low"], gain["high"]) == pytest.approx((5.0, exp(low), exp(high)))
    wider = gain_of({**found, "made": False})  # splits of a data set: a fifth is held out
    assert log(wider["high"] / 5) == pytest.approx(log(gain["high"] / 5) * sqrt((1 / 6 + 0.2 / 0.8) / (1 / 6)))
    never = gain_of(made_up({"made": None})["linear"][0])
    assert never["mean"] == pytest.approx(500 / 10)  # the passes that were allowed
    found[TREATED]["found"][0] = found[RAW]["found"][0] = None
    assert np.isnan(gain_of(found)["mean"])
    lost = made_up({"made": 2.0})
    lost["linear"][0][RAW]["found"] = lost["linear"][0][TREATED]["found"] = [None] * 6
    assert find("scaling").judge(lost).name == "not_decided"
    assert find("scaling").tables(lost)[0].rows[0][-1] == "unknown"


def test_the_examples_that_are_drawn():
    raw, turned, white = (np.array(each) for each in (CORRELATED, TURNED, WHITENED))
    assert raw.T @ raw / 4 == pytest.approx(np.array([[1, 0.9], [0.9, 1]]))
    assert turned.T @ turned / 4 == pytest.approx(np.diag([1.9, 0.1]))
    assert white.T @ white / 4 == pytest.approx(np.eye(2))
    assert np.linalg.norm(raw, axis=1) == pytest.approx(np.linalg.norm(turned, axis=1))


def test_more_rates_between():
    assert neighbours_between({1.0: 3.0, 16.0: 2.0, 256.0: 5.0}, 3) == pytest.approx([2, 4, 8, 32, 64, 128])
