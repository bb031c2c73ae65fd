"""What the measurements come to: means over seeds, pairs of losses, and the targets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quality.datasets import DIGITS, all_sets
from benchmarks.quality.learners import LEARNERS
from benchmarks.quality.results import Key, Row

PEER = "sklearn-mlp"
TREES_AND_MORE = ("hist-gb", "lightgbm", "realmlp-td")
WORSE = 1.1  # no loss should be more than this times the peer's
SHARE = 0.8  # of set × seed on which the loss should be at most the peer's
DIGITS_ACCURACY = 0.97


@dataclass(frozen=True)
class Pair:
    """Two losses on the same rows."""

    set: str
    seed: int
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs > 0 else math.inf


class Measured:
    """The newest row of each set, seed and learner."""

    def __init__(self, rows: Mapping[Key, Row]) -> None:
        self._rows = {(row["set"], row["seed"], row["learner"]): row for row in rows.values()}
        self.rows = list(self._rows.values())
        self.learners = [name for name in LEARNERS if any(row["learner"] == name for row in self.rows)]

    @property
    def ours(self) -> str:
        """The name of entrena's rows: with the frame as it is, if that was measured."""
        succeeded = {row["learner"] for row in self.rows if "error" not in row}
        return "entrena-preencoded" if "entrena" not in succeeded and "entrena-preencoded" in succeeded else "entrena"

    @property
    def everywhere(self) -> list[str]:
        """The learners that are run on every set."""
        wanted = [name for name in self.learners if not LEARNERS[name].only and LEARNERS[name].n_seeds is None]
        return [name for name in wanted if not name.startswith("entrena") or name == self.ours]

    def mean(self, set_name: str, learner: str, key: str = "loss") -> float | None:
        """The mean over seeds; infinite where a fit failed, None where nothing was measured."""
        rows = [row for row in self.rows if (row["set"], row["learner"]) == (set_name, learner)]
        if any("error" in row for row in rows):
            return math.inf
        values = [row[key] for row in rows if key in row]
        return sum(values) / len(values) if values else None

    def seconds(self, set_name: str, learner: str) -> float | None:
        """Mean seconds of fit and prediction."""
        parts = [self.mean(set_name, learner, key) for key in ("fit_seconds", "predict_seconds")]
        return None if None in parts else sum(part for part in parts if part is not None)

    def losses(self, sets: Iterable[str], learners: Sequence[str]) -> tuple[list[str], dict[str, list[float]]]:
        """The sets that all of the learners were run on, and their losses there, means over the seeds of all."""
        common: list[str] = []
        losses: dict[str, list[float]] = {learner: [] for learner in learners}
        for name in sets:
            own = [{seed for place, seed, of in self._rows if (place, of) == (name, each)} for each in learners]
            seeds = set.intersection(*own)
            if not seeds:
                continue
            common.append(name)
            for learner in learners:
                values = [self._rows[name, seed, learner].get("loss", math.inf) for seed in sorted(seeds)]
                losses[learner].append(sum(values) / len(values))
        return common, losses

    def pairs(self, learner: str, peer: str, sets: Iterable[str]) -> list[Pair]:
        """Both losses for each set and seed that both were run on; infinite for a failed fit of the first."""
        pairs, chosen = [], set(sets)
        for (name, seed, of), row in self._rows.items():
            other = self._rows.get((name, seed, peer))
            if of != learner or name not in chosen or other is None or "error" in other:
                continue
            pairs.append(Pair(name, seed, row.get("loss", math.inf), other["loss"]))
        return pairs

    def digits(self) -> list[float]:
        """entrena's accuracy on digits, for each seed."""
        rows = [row for row in self.rows if (row["set"], row["learner"]) == (DIGITS, self.ours)]
        return [row.get("accuracy", 0.0) for row in sorted(rows, key=lambda row: row["seed"])]

    def failures(self) -> list[Row]:
        """Every fit that failed."""
        return [row for row in self.rows if "error" in row]


def share_at_least_as_good(pairs: Sequence[Pair]) -> float:
    """On which share of set × seed ours is at most theirs."""
    return sum(pair.ours <= pair.theirs for pair in pairs) / len(pairs) if pairs else math.nan


def tabular_sets() -> list[str]:
    """The sets of both halves."""
    return [name for name, each in all_sets().items() if each.half != "extra"]
