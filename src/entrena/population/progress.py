"""One progress bar for many networks."""

from __future__ import annotations

import math
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
        self._bar = ProgressBar(words=self._said) if shown else None
        self._n = n_networks
        self._last: dict[int, Progress] = {}
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
                self._last[number] = progress
                if self._bar is not None:
                    known = list(self._last.values())
                    longest = max(each.n_epochs for each in known)
                    total = sum(each.n_epochs for each in known) + longest * (self._n - len(known))
                    done = sum(each.epoch for each in known)
                    self._bar(Progress(**{**progress.__dict__, "epoch": done, "n_epochs": total}))

        return on_look

    def _said(self, _: Progress) -> str:
        losses = [each.loss for each in self._last.values() if math.isfinite(each.loss)]
        mean = f"  mean loss {sum(losses) / len(losses):.4g}" if losses else ""
        return f"{self._n} network{'' if self._n == 1 else 's'}{mean}"
