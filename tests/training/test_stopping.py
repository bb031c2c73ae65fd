"""The best look, patience, and the sentences of the ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.training.stopping import Best, describe_end, out_of_patience


@given(st.lists(st.floats(allow_infinity=True, allow_nan=True), max_size=20))
def test_the_best_is_the_first_of_the_smallest(values):
    best = Best()
    for epoch, value in enumerate(values, 1):
        best = best.better(epoch, value)
    finite = [(value, epoch) for epoch, value in enumerate(values, 1) if value < math.inf]
    value, epoch = min(finite, default=(math.inf, 0))
    assert (best.value, best.epoch) == (value, epoch)


@pytest.mark.parametrize(
    ("best", "epoch", "patience", "out"),
    [(3, 7, 5, False), (3, 8, 5, True), (3, 9, 5, True), (3, 900, None, False), (0, 2, 2, True), (0, 1, 2, False)],
)
def test_patience(best, epoch, patience, out):
    assert out_of_patience(Best(best, 1.0), epoch, patience) is out


@pytest.mark.parametrize(
    ("name", "epoch", "best", "restored", "why", "sentence"),
    [
        ("out_of_epochs", 8, 8, True, "", "All 8 epochs were run."),
        ("out_of_epochs", 8, 3, False, "", "All 8 epochs were run."),
        ("out_of_epochs", 8, 3, True, "", "All 8 epochs were run. The weights of epoch 3, the best, are kept."),
        (
            "stopped_early",
            8,
            3,
            True,
            "",
            "Stopped after 8 epochs: no improvement since epoch 3. The weights of epoch 3, the best, are kept.",
        ),
        ("out_of_time", 0, 0, False, "", "Stopped after 0 epochs: max_seconds was reached."),
        ("stopped_by_callback", 1, 1, True, "", "Stopped after 1 epoch by a callback."),
        ("interrupted", 2, 2, False, "", "Interrupted after 2 epochs."),
        (
            "diverged",
            1,
            0,
            True,
            "the loss became nan",
            "Diverged in epoch 1: the loss became nan. The initial weights are kept.",
        ),
        (
            "diverged",
            5,
            2,
            True,
            "the loss became inf",
            "Diverged in epoch 5: the loss became inf. The weights of epoch 2, the best, are kept.",
        ),
    ],
)
def test_sentences(name, epoch, best, restored, why, sentence):
    outcome = describe_end(name, epoch=epoch, best=Best(best, 0.5), restored=restored, why=why)
    assert (outcome.name, outcome.sentence) == (name, sentence)


def test_one_epoch_is_no_plural():
    sentence = describe_end("out_of_epochs", epoch=1, best=Best(1, 0.5), restored=True).sentence
    assert sentence == "The one epoch was run."
