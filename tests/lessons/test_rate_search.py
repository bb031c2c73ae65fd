"""The search for rates: the cheapest of those tried, by the given seeds only."""

from __future__ import annotations

from math import inf, log, nan
from types import SimpleNamespace

import pytest

from entrena.lessons.rate_search import Candidate, cheapest_rates, neighbours_between, passes_or_more

RATES = (0.01, 0.04, 0.16, 0.64)


class NoTrials:
    """Hands back what it is given, and remembers it."""

    def __init__(self):
        self.met = []

    def train(self, said, prepared, watching=()):
        assert len(watching) == len(prepared)
        self.met += prepared
        return prepared


def candidate(name, best, *, never=inf):
    """Costs rise with the distance from the best rate; from a rate on they are no number."""

    def cost(seed, fitted):
        assert fitted == (name, seed, fitted[2])
        return nan if fitted[2] >= never else log(fitted[2] / best) ** 2 + 0.1 * seed

    return Candidate(name, lambda seed, rate: (name, seed, rate), cost)


def test_the_nearest_of_all_rates_that_are_tried():
    trials = NoTrials()
    found = cheapest_rates("made up", [candidate("a", 0.05), candidate("b", 0.3)], RATES, [7, 8], trials)
    assert found == pytest.approx([0.04, 0.32])  # 0.32 = √(0.16·0.64) is nearer to 0.3 than all of the first round
    assert {seed for _, seed, _ in trials.met} == {7, 8}
    tried = {(name, round(rate, 6)) for name, _, rate in trials.met}
    first = {(name, rate) for name in "ab" for rate in RATES}
    assert tried == first | {("a", 0.02), ("a", 0.08), ("b", 0.08), ("b", 0.32)}


def test_what_diverges_is_never_the_cheapest():
    assert cheapest_rates("made up", [candidate("a", 0.64, never=0.1)], RATES, [1], NoTrials()) == pytest.approx([0.08])


def test_at_the_ends_there_is_one_neighbour():
    assert neighbours_between({1.0: 1.0, 4.0: 2.0}) == [2.0]
    assert neighbours_between({1.0: 2.0, 4.0: 2.0, 9.0: 1.0}) == pytest.approx([6.0])


def trained(*losses, outcome="out_of_epochs"):
    history = [{"validation_loss": loss} for loss in losses]
    return SimpleNamespace(training=SimpleNamespace(history=history, outcome=SimpleNamespace(name=outcome)))


def test_passes_or_more():
    assert passes_or_more(trained(0.8, 0.4, 0.1), 0.2, 3) == pytest.approx(2.5)  # by equal factors between two passes
    assert passes_or_more(trained(0.1), 0.2, 3) == 1
    near, far = (passes_or_more(trained(0.8, loss), 0.2, 3) for loss in (0.3, 0.6))
    assert 3 < near < far < inf  # above any that gets there, and less with a lower loss
    assert passes_or_more(trained(0.8, 0.9, outcome="diverged"), 0.2, 3) == inf
    assert passes_or_more(trained(0.8, nan), 0.2, 3) == inf
    assert passes_or_more(trained(), 0.2, 3) == inf
