"""The progress bar: epoch, loss, validation score, rate and time left.

On a terminal and in a notebook it is a bar that redraws itself; in a pipe it is a plain line now and then. It is an
ordinary callback: `train(…, callbacks=[bar])`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Self

from entrena.training.watching import Progress

REDRAW_SECONDS = 0.1
LINE_SECONDS = 10.0


class ProgressBar:
    """A callback that shows how training goes; a context, so that the bar is closed whatever happens.

    Args:
        stream: Where it is shown; None: the standard error stream.
        words: What is said of a look beside the epochs; None: loss, score and rate.
    """

    def __init__(self, stream: IO[str] | None = None, words: Callable[[Progress], str] | None = None) -> None:
        self._words = words or describe
        self._stream = stream if stream is not None else sys.stderr
        self._next = 0.0
        self._first_line = time.monotonic() + LINE_SECONDS
        self._bar: Any = None
        self._task: Any = None
        self._last: Progress | None = None
        self._shown: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, progress: Progress) -> None:
        """Shows a look; most looks of short epochs are skipped."""
        self._last = progress
        now = time.monotonic()
        if now < self._next:
            return
        if self._is_live():
            self._draw(progress)
            self._next = now + REDRAW_SECONDS
        elif now >= self._first_line:
            self._print(progress)
            self._next = now + LINE_SECONDS

    def say(self, line: str) -> None:
        """A line before the first look."""
        self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Shows the last look and leaves the line."""
        if self._last is None:
            return
        if self._is_live():
            self._draw(self._last)
            self._bar.stop()
            self._bar = None
        elif self._last is not self._shown:
            self._print(self._last)
        self._last = None

    def _is_live(self) -> bool:
        return self._bar is not None or self._stream.isatty() or "ipykernel" in sys.modules

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = _rich_bar(self._stream)
            self._task = self._bar.add_task("", total=progress.n_epochs, said="")
            self._bar.start()
        self._bar.update(self._task, completed=progress.epoch, said=self._words(progress))
        self._bar.refresh()

    def _print(self, progress: Progress) -> None:
        share = f"epoch {progress.epoch}/{progress.n_epochs}"
        self._stream.write(f"{share}  {self._words(progress)}  {progress.seconds:.1f} s\n")
        self._stream.flush()
        self._shown = progress


def describe(progress: Progress) -> str:
    """The numbers of a look in one line: `loss 0.213  accuracy 0.954  rate 0.0081`."""
    parts = [f"loss {progress.loss:.4g}"]
    if progress.score is not None:
        parts.append(f"{progress.score_name} {progress.score:.4g}")
    parts.append(f"rate {progress.learning_rate:.2g}")
    return "  ".join(parts)


def _rich_bar(stream: IO[str]) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(compact=True),
    )
    console = None if "ipykernel" in sys.modules else Console(file=stream)
    return Progress(*columns, console=console, auto_refresh=False)
