"""Ctrl-C, and a polite kill, as a question that training asks between two calls of the program."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def interrupt_as_flag() -> Iterator[Callable[[], bool]]:
    """A context in which Ctrl-C only sets a flag, so that nothing that was computed is lost; the second one raises.

    Yields a function that tells whether the flag is set. Signals reach only a process's main thread; in any other the
    flag is never set.
    """
    seen: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
