"""What a comparison says, in sentences and as plain values."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from entrena.population.found import Comparison, OnData
from entrena.storage.model_file import versions

LEVEL = 0.05
SURE = 0.95
MOST_NAMED = 4  # recipes in one sentence


def verdicts(comparison: Comparison) -> list[str]:
    """What may be concluded: a sentence for each data set, and one on the ranks."""
    several = len(comparison.results) > 1
    said = [
        f"On {result.data}: {_verdict(comparison, result)}" if several else _verdict(comparison, result)
        for result in comparison.results
        if len(comparison.variants) > 1
    ]
    ranking = comparison.ranking
    if ranking is not None:
        names = [variant.name for variant in comparison.variants]
        order = np.argsort(ranking.mean_ranks)
        if ranking.p_value >= LEVEL:
            said.append(
                f"Over {len(comparison.results)} data sets the ranks differ no more than by chance (Friedman, "
                f"p = {_p(ranking.p_value)})."
            )
        else:
            far = [
                names[k]
                for k in order
                if ranking.mean_ranks[k] - ranking.mean_ranks[order[0]] > ranking.critical_difference
            ]
            said.append(
                f"Over {len(comparison.results)} data sets the ranks differ (Friedman, p = {_p(ranking.p_value)}): "
                + (
                    f"{names[order[0]]} is ahead of {_listed(far, names[1:])}."
                    if far
                    else "no two of them beyond chance."
                )
            )
    return said


def _verdict(comparison: Comparison, result: OnData) -> str:
    names = [variant.name for variant in comparison.variants]
    best = names[result.best]
    if result.n_compared == 0:
        return f"{result.score} is not defined on the rows that the splits hold out: take another --metric."
    if result.n_compared < 2 <= len(result.splits) - result.n_undefined:
        return f"All splits hold the same rows out, and decide nothing: {best} is ahead on them. Take --folds 5."
    if result.n_compared < 2:
        return f"One split decides nothing: {best} is ahead on it. Take --seeds 5 or --folds 5."
    pairs = [(name, found) for name, found in zip(names, result.against, strict=True) if found is not None]
    others = dict(sorted(pairs, key=lambda pair: pair[1].difference.mean))
    worse = [name for name, found in others.items() if found.p_value < LEVEL]
    same = [
        name
        for name, found in others.items()
        if name not in worse and found.posterior is not None and found.posterior.equal >= SURE
    ]
    open_ = [name for name in others if name not in worse and name not in same]
    said = []
    if worse:
        least = max(others[name].p_value for name in worse)
        said.append(f"{best} is better than {_listed(worse, others)} (p ≤ {_p(least)}, adjusted).")
    if same:
        said.append(f"No difference that matters (under 0.01) from {_listed(same, others)}.")
    if open_:
        said.append(f"{result.n_compared} splits do not tell {best} from {_listed(open_, others)}.")
    if result.n_undefined:
        said.append(f"{result.score} is not defined on {result.n_undefined} of the splits, which do not count.")
    return " ".join(said)


def _listed(names: Sequence[str], others: Collection[str]) -> str:
    """Recipes in a sentence, as long as one reads them."""
    if len(names) == len(others) > MOST_NAMED:
        return f"any of the other {len(others)}"
    if len(names) > MOST_NAMED:
        return "; ".join(names[: MOST_NAMED - 1]) + f"; and {len(names) - MOST_NAMED + 1} more"
    return "; ".join(names)


def _p(p_value: float) -> str:
    return "0.0001" if p_value < 1e-4 else f"{p_value:.2g}"


def to_plain(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values, for JSON; what is undefined is None."""
    plain: dict[str, Any] = {
        "variants": [
            {"name": each.name, "values": dict(each.values), "recipe": each.recipe.to_plain()}
            for each in comparison.variants
        ],
        "data": [_result(result) for result in comparison.results],
        "ranking": None if comparison.ranking is None else asdict(comparison.ranking),
        "verdicts": verdicts(comparison),
        "seconds": comparison.seconds,
        "path": None if comparison.path is None else str(comparison.path),
        "versions": versions(),
    }
    return plain


def _result(result: OnData) -> dict[str, Any]:
    against = [
        None
        if found is None
        else {
            "behind": asdict(found.difference),
            "p_adjusted": found.p_value,
            "posterior": None if found.posterior is None else asdict(found.posterior),
        }
        for found in result.against
    ]
    return {
        "data": result.data,
        "task": result.schema.task,
        "target": list(result.schema.target_names),
        "classes": None if result.schema.classes is None else list(result.schema.classes),
        "score": result.score,
        "sizes": dict(result.sizes),
        "splits": [{"seed": seed, "fold": fold} for seed, fold in result.splits],
        "best": result.best,
        "n_compared": result.n_compared,
        "n_undefined": result.n_undefined,
        "means": [
            {"mean": _finite(mean), "low": _finite(low), "high": _finite(high)} for mean, low, high in result.means
        ],
        "against": against,
        "scores": {name: [list(map(_finite, row)) for row in table.tolist()] for name, table in result.scores.items()},
        "epochs": result.epochs.tolist(),
        "level": _finite(result.level),
        "epochs_to_level": [[_finite(value) for value in row] for row in result.epochs_to_level.tolist()],
        "seconds_an_epoch": [[_finite(value) for value in row] for row in result.seconds_an_epoch.tolist()],
        "seconds_to_level": [[_finite(value) for value in row] for row in result.seconds_to_level.tolist()],
        "curves": [[[_finite(value) for value in curve] for curve in curves.tolist()] for curves in result.curves],
        "outcomes": [list(row) for row in result.outcomes],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
