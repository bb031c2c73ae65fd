"""Mean ranks of learners over sets, with Friedman's test and Nemenyi's critical difference (Demšar, JMLR 2006)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05
SMALLEST_LOSS = 0.001  # smaller log losses count as this one in means of ratios: 0.0001 is not ten times 0.00001


@dataclass(frozen=True)
class Ranking:
    """Who is how good.

    Attributes:
        ranks: Mean rank of each learner, 1 the best; ties share their ranks.
        p_value: Of Friedman's test that all are alike; NaN with fewer than three learners or two sets.
        critical_difference: Mean ranks that lie further apart differ at the 5 % level.
        n_sets: Over how many sets.
    """

    ranks: dict[str, float]
    p_value: float
    critical_difference: float
    n_sets: int


def ranking(losses: Mapping[str, Sequence[float]]) -> Ranking:
    """Ranks learners by their losses on the same sets.

    Args:
        losses: For each learner the loss on each set; infinite where it failed.
    """
    from scipy.stats import friedmanchisquare, rankdata

    table = np.array([losses[name] for name in losses], float).T  # [sets, learners]
    n_sets, n_learners = table.shape
    ranks = rankdata(table, axis=1).mean(axis=0) if n_sets else np.full(n_learners, math.nan)
    enough = n_learners >= 3 and n_sets >= 2
    return Ranking(
        {name: float(rank) for name, rank in zip(losses, ranks, strict=True)},
        float(friedmanchisquare(*table.T).pvalue) if enough else math.nan,
        critical_difference(n_learners, n_sets) if enough else math.nan,
        n_sets,
    )


def critical_difference(n_learners: int, n_sets: int) -> float:
    """q · √(k(k+1) / 6N), with q the 5 % point of the studentized range of k groups over √2.

    >>> round(critical_difference(4, 14), 2)  # Demšar's example, page 15: 2.569 · √(4 · 5 / (6 · 14))
    1.25
    """
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - LEVEL, n_learners, math.inf) / math.sqrt(2)
    return float(q * math.sqrt(n_learners * (n_learners + 1) / (6 * n_sets)))


def mean_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Geometric mean of the ratios of losses; below 1: ours are smaller."""
    logs = [math.log(max(a, SMALLEST_LOSS) / max(b, SMALLEST_LOSS)) for a, b in zip(ours, theirs, strict=True)]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan
