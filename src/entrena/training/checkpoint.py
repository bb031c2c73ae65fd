"""The state of a run between two calls of the program, as arrays and plain numbers.

Orders and rates are functions of seed, epoch and update number, so there is no generator to save: the position in the
run is enough. Files are the business of the room `storage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from entrena.errors import RunError
from entrena.training.stopping import Best, OutcomeName
from entrena.training.structure import State


@dataclass(frozen=True, eq=False)
class ShownRows:
    """What is remembered of each training row where the order depends on it, as it is between two epochs.

    Attributes:
        losses: [rows] its loss when it was last shown; NaN: it was not.
        draws: [rows] how often it was shown.
    """

    losses: np.ndarray
    draws: np.ndarray

    @classmethod
    def none(cls, n_rows: int) -> ShownRows:
        """No row was shown yet."""
        return cls(np.full(n_rows, np.nan, np.float32), np.zeros(n_rows, np.int64))

    def after(self, sequence: np.ndarray, losses: np.ndarray) -> ShownRows:
        """After an epoch that showed these rows with these losses, in this sequence; the last time of a row counts."""
        last = self.losses.copy()
        last[sequence] = losses
        return ShownRows(last, self.draws + np.bincount(sequence, minlength=len(last)))


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands.

    Attributes:
        state: Weights, the optimizer's memory and what runs beside them.
        best_state: What predicts with the best weights so far.
        best: When and how good they were.
        epoch: Epochs done.
        update: Updates done of the epoch that follows.
        partial_losses: The losses of the examples that these updates have seen.
        seconds: Training time so far.
        ended: The outcome of a run that has come to its end, else None.
        why: What made it diverge.
        shown: What is known of each row, where the order asks for it.
    """

    state: State
    best_state: State
    best: Best
    epoch: int
    update: int
    partial_losses: np.ndarray
    seconds: float
    ended: OutcomeName | None = None
    why: str = ""
    shown: ShownRows | None = None

    @classmethod
    def first(cls, state: State) -> Checkpoint:
        """Before the first update: the initial weights are the best so far."""
        return cls(state, state.to_predict(), Best(), 0, 0, np.zeros(0, np.float32), 0.0)

    def to_parts(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays by name, and a record of plain numbers."""
        arrays = {"partial_losses": self.partial_losses}
        if self.shown is not None:
            arrays |= {"last_losses": self.shown.losses, "draws": self.shown.draws}
        for name, tree in (("state", self.state), ("best", self.best_state)):
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
                arrays[name + jax.tree_util.keystr(path)] = np.asarray(leaf)
        record = {
            "epoch": self.epoch,
            "update": self.update,
            "best_epoch": self.best.epoch,
            "best_value": self.best.value,
            "seconds": self.seconds,
            "ended": self.ended,
            "why": self.why,
        }
        return arrays, record

    @classmethod
    def from_parts(cls, template: State, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> Checkpoint:
        """Rebuilds a checkpoint.

        Args:
            template: A freshly built state of the same structure; its tree and shapes say what must be there.
            arrays: As `to_parts` made them.
            record: As `to_parts` made it.

        Raises:
            RunError: The checkpoint is of another network or optimizer.
        """

        def fill(name: str, tree: Any) -> Any:
            def leaf(path: Any, like: np.ndarray) -> np.ndarray:
                key = name + jax.tree_util.keystr(path)
                found = arrays.get(key)
                if found is None or found.shape != like.shape or found.dtype != like.dtype:
                    raise RunError(f"the checkpoint does not fit this recipe: {key} is missing or of another shape")
                return found

            return jax.tree_util.tree_map_with_path(leaf, tree)

        if "partial_losses" not in arrays:
            raise RunError("the checkpoint does not fit this recipe: partial_losses is missing")
        return cls(
            state=fill("state", template),
            best_state=fill("best", template.to_predict()),
            best=Best(int(record["best_epoch"]), float(record["best_value"])),
            epoch=int(record["epoch"]),
            update=int(record["update"]),
            partial_losses=arrays["partial_losses"],
            seconds=float(record["seconds"]),
            ended=record.get("ended"),
            why=str(record.get("why", "")),
            shown=ShownRows(arrays["last_losses"], arrays["draws"]) if "last_losses" in arrays else None,
        )
