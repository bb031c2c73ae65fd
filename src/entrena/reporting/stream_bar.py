"""What is shown while a stream is learned: rows so far, rows a second, scores."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO, Any, Self

REDRAW_SECONDS = 0.1
LINE_SECONDS = 10.0
PATIENCE = 2.0  # seconds of silence


def saying_so(stop: Callable[[], bool], n_rows: int, stream: IO[str] | None = None) -> Callable[[], bool]:
    """A question whether to stop waiting that says, after some seconds, what is waited for.

    Args:
        stop: The question.
        n_rows: Rows that are waited for.
        stream: Where it is said; None: the standard error stream.
    """
    began, has_said = time.monotonic(), False

    def ask() -> bool:
        nonlocal has_said
        if not has_said and time.monotonic() - began > PATIENCE:
            has_said = True
            file = sys.stderr if stream is None else stream
            file.write(
                f"Waiting for the first {n_rows:,} rows, which show what the columns and classes are "
                "(fewer: --first-rows N). Ctrl-C learns those that are there and ends.\n"
            )
            file.flush()
        return stop()

    return ask


class StreamBar:
    """A line that is written again on a terminal; in a pipe a plain line now and then.

    Args:
        stream: Where it is shown; None: the standard error stream.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._next = time.monotonic() + (0 if self._stream.isatty() else LINE_SECONDS)
        self._live: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, n_rows: int, seconds: float, scores: Mapping[str, float]) -> None:
        """Shows how far the stream is; most calls are skipped.

        Args:
            n_rows: Rows learned.
            seconds: Time of the stream so far.
            scores: Of all rows.
        """
        now = time.monotonic()
        if now < self._next:
            return
        said = "  ".join(f"{name} {value:.4g}" for name, value in scores.items())
        line = f"{n_rows:,} rows  {n_rows / max(seconds, 1e-9):,.0f}/s  {said}"
        if not self._stream.isatty():
            self._next = now + LINE_SECONDS
            self._stream.write(line + "\n")
            self._stream.flush()
            return
        self._next = now + REDRAW_SECONDS
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self._stream), auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(line, refresh=True)
