"""The progress bar in a pipe and on a terminal."""

from __future__ import annotations

import io

import pytest

from entrena.reporting import progress as module
from entrena.reporting.progress import ProgressBar, describe
from entrena.training.watching import Progress


def look(epoch: int, score: float | None = 0.954) -> Progress:
    return Progress(epoch, 100, epoch * 10, 0.2134567, 0.0, 0.3, score, 0.0081, 1.25, score_name="accuracy")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_numbers_of_a_look():
    assert describe(look(1)) == "loss 0.2135  accuracy 0.954  rate 0.0081"
    assert describe(look(1, score=None)) == "loss 0.2135  rate 0.0081"


def test_a_pipe_gets_a_line_at_the_end():
    pipe = io.StringIO()
    with ProgressBar(pipe) as bar:
        for epoch in range(1, 101):
            bar(look(epoch))
    assert pipe.getvalue() == "epoch 100/100  loss 0.2135  accuracy 0.954  rate 0.0081  1.2 s\n"


def test_a_pipe_gets_a_line_now_and_then(monkeypatch):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    pipe = io.StringIO()
    with ProgressBar(pipe) as bar:
        for epoch in range(1, 26):
            now += 1.0
            bar(look(epoch))
    shown = [line.split()[1] for line in pipe.getvalue().splitlines()]
    assert shown == ["10/100", "20/100", "25/100"]


def test_a_terminal_gets_a_bar_and_its_cursor_back():
    terminal = Terminal()
    with ProgressBar(terminal) as bar:
        bar(look(50))
    assert "50/100" in terminal.getvalue()
    assert "accuracy 0.954" in terminal.getvalue()
    assert terminal.getvalue().rstrip("\n").endswith("\x1b[?25h")  # the cursor is shown again


def test_the_bar_is_closed_when_training_fails():
    terminal = Terminal()
    with pytest.raises(ZeroDivisionError), ProgressBar(terminal) as bar:
        bar(look(50))
        raise ZeroDivisionError
    assert "\x1b[?25h" in terminal.getvalue()


def test_no_look_no_line():
    pipe = io.StringIO()
    with ProgressBar(pipe):
        pass
    assert pipe.getvalue() == ""
