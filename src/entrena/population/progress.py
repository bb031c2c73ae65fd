"""One progress bar for many networks."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from entrena.reporting.progress import ProgressBar
from entrena.training.watching import OnLook, Progress


class Together:
    """A bar over the epochs of all networks; they are trained in several threads.

    Args:
        n_networks: How many there are.
        shown: Whether there is a bar at all.
    """

    def __init__(self, n_networks: int, *, shown: bool) -> None:
        self._bar = ProgressBar() if shown else None
        self._done = [0] * n_networks
        self._planned = [0] * n_networks
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
            with self._lock:
                self._done[number], self._planned[number] = progress.epoch, progress.n_epochs
                if self._bar is not None:
                    known = [planned for planned in self._planned if planned]
                    total = sum(known) + max(known) * (len(self._planned) - len(known))
                    self._bar(Progress(**{**progress.__dict__, "epoch": sum(self._done), "n_epochs": total}))

        return on_look
