"""One progress bar for many networks."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from time import perf_counter
from types import TracebackType
from typing import Self

from entrena.reporting.progress import ProgressBar
from entrena.reporting.wording import count
from entrena.training.watching import OnLook, Progress


class Together:
    """A bar over the epochs of all networks; they are trained in several threads.

    Args:
        n_networks: How many there are.
        shown: Whether there is a bar at all.
        said: What they are for; None: how many they are, and their mean loss.
    """

    def __init__(self, n_networks: int, *, shown: bool, said: str | None = None) -> None:
        self._bar = ProgressBar(words=self._words) if shown else None
        self._n, self._said = n_networks, said
        self._last: dict[int, Progress] = {}
        self._epochs = self._planned = self._longest = 0
        self._began = perf_counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def watch(self, number: int) -> OnLook:
        """What looks on at one of the networks."""

        def on_look(progress: Progress) -> None:
            if self._bar is None:
                return
            with self._lock:
                before = self._last.get(number)
                self._epochs += progress.epoch - (0 if before is None else before.epoch)
                if before is None:
                    self._planned += progress.n_epochs
                    self._longest = max(self._longest, progress.n_epochs)
                self._last[number] = progress
                planned = self._planned + self._longest * (self._n - len(self._last))
                seconds = perf_counter() - self._began
                self._bar(replace(progress, epoch=self._epochs, n_epochs=planned, seconds=seconds))

        return on_look

    def _words(self, _: Progress) -> str:
        if self._said is not None:
            return self._said
        losses = [each.loss for each in self._last.values() if math.isfinite(each.loss)]
        mean = f"  mean loss {sum(losses) / len(losses):.4g}" if losses else ""
        return count(self._n, "network") + mean
