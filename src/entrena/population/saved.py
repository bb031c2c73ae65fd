"""Many networks in training on the disk: their checkpoints and histories as one pair of files.

One pair for all, because networks that train side by side stand at the same update: after a kill they go on from there
together, as if nothing had been.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from entrena.errors import RunError
from entrena.fitting import Fitted, Prepared
from entrena.storage import load_checkpoint, save_checkpoint
from entrena.training.checkpoint import Checkpoint
from entrena.training.watching import OnLook, Progress

HEARTBEAT_SECONDS = 2.0
WRITE_SHARE = 10  # checkpoints that took s seconds to write are followed by none for 10·s
COLUMNS = (
    "epoch",
    "update",
    "loss",
    "penalty",
    "validation_loss",
    "score",
    "learning_rate",
    "seconds",
    "own_seconds",
)
WHOLE, ONLY_VALIDATED = ("epoch", "update"), ("validation_loss", "score")
HISTORY = "history"


class Keeper:
    """Remembers the histories of many networks, and in a folder their checkpoints as well.

    Args:
        prepared: The networks.
        folder: Where the checkpoints are kept, those of an earlier training included; None: nowhere.
        heartbeat: Called now and then while they are trained.

    Raises:
        RunError: The folder holds checkpoints of other networks.
    """

    def __init__(
        self, prepared: Sequence[Prepared], folder: Path | None = None, heartbeat: Callable[[], None] | None = None
    ) -> None:
        self.prepared, self.folder, self.heartbeat = prepared, folder, heartbeat
        self.reached: dict[int, Checkpoint] = {}
        self._records: list[list[dict[str, Any]]] = [[] for _ in prepared]
        self._own: list[list[float]] = [[] for _ in prepared]
        self._earlier_own = [0.0] * len(prepared)
        self._next_beat, self._lock = 0.0, threading.Lock()
        self._is_behind, self._next_write = False, 0.0
        found = None if folder is None else load_checkpoint(folder)
        if found is not None:
            self._take(*found)

    @property
    def resume(self) -> list[Checkpoint | None]:
        """Where an earlier training of each network stopped."""
        return [self.reached.get(number) for number in range(len(self.prepared))]

    def watch(self, number: int) -> OnLook:
        """What looks on at one of the networks."""

        def on_look(progress: Progress) -> None:
            self._records[number].append(progress.record())
            self._own[number].append(self._earlier_own[number] + progress.own_seconds)
            if self.heartbeat is not None:
                with self._lock:
                    beats = monotonic() >= self._next_beat
                    if beats:
                        self._next_beat = monotonic() + HEARTBEAT_SECONDS
                if beats:
                    self.heartbeat()

        return on_look

    def save(self, checkpoints: Mapping[int, Checkpoint]) -> None:
        """Takes in checkpoints of some of the networks; called by one thread at a time.

        All are written, unless that would take more than a tenth of the time: then `flush` has to be called at the end.

        Raises:
            StorageError: They could not be written; those before are still there.
        """
        self.reached.update(checkpoints)
        self._is_behind = True
        if monotonic() >= self._next_write:
            self.flush()

    def flush(self) -> None:
        """Replaces the checkpoints on the disk by those that were taken in since.

        Raises:
            StorageError: They could not be written; those before are still there.
        """
        if self.folder is None or not self._is_behind:
            return
        began = monotonic()
        arrays: dict[str, np.ndarray] = {}
        records: dict[str, Any] = {}
        for number, checkpoint in self.reached.items():
            own, record = checkpoint.to_parts()
            arrays |= {f"{number}/{name}": array for name, array in own.items()}
            arrays[f"{number}/{HISTORY}"] = self._table(number, checkpoint.epoch)
            records[str(number)] = record
        save_checkpoint(self.folder, arrays, {"networks": len(self.prepared), "reached": records})
        self._is_behind = False
        self._next_write = monotonic() + WRITE_SHARE * (monotonic() - began)

    def whole(self, fitted: Sequence[Fitted]) -> list[Fitted]:
        """The trained networks with the histories that began before they were resumed."""
        return [
            replace(each, training=replace(each.training, history=tuple(records)))
            for each, records in zip(fitted, self._records, strict=True)
        ]

    def seconds_an_epoch(self, number: int) -> float:
        """What an epoch of a network takes: the median of its shares of the programs' time.

        The first epoch, in which the program may be compiled, does not count; NaN where there is no other.
        """
        own = np.diff(self._own[number])
        return float(np.median(own)) if len(own) else math.nan

    def _table(self, number: int, n_epochs: int) -> np.ndarray:
        """[epochs, columns] what was recorded up to an epoch."""
        pairs = zip(self._records[number][:n_epochs], self._own[number], strict=False)
        whole = [{**record, "own_seconds": own} for record, own in pairs]
        rows = [[math.nan if each[name] is None else each[name] for name in COLUMNS] for each in whole]
        return np.array(rows, float).reshape(-1, len(COLUMNS))

    def _take(self, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
        """Takes in what an earlier training left."""
        if record.get("networks") != len(self.prepared):
            raise RunError(f"the checkpoint in {self.folder} is of {record.get('networks')} networks, not these")
        by_number: dict[int, dict[str, np.ndarray]] = {}
        for name, array in arrays.items():
            whose, _, rest = name.partition("/")
            by_number.setdefault(int(whose), {})[rest] = array
        templates: dict[Any, Any] = {}
        for key, at in record["reached"].items():
            number = int(key)
            arrays_of, prepared = by_number[number], self.prepared[number]
            structure = prepared.plan.structure, prepared.plan.dtype
            if structure not in templates:
                templates[structure] = prepared.template()
            self.reached[number] = Checkpoint.from_parts(templates[structure], arrays_of, at)
            absent = () if prepared.validation is not None else ONLY_VALIDATED
            for row in arrays_of[HISTORY].tolist():
                values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
                self._own[number].append(values.pop("own_seconds"))
                values |= {name: int(values[name]) for name in WHOLE} | dict.fromkeys(absent)
                self._records[number].append(values)
            if self._own[number]:
                self._earlier_own[number] = self._own[number][-1]
