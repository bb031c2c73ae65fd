"""A comparison as `entrena compare --json` prints it, made up, so that no network has to be trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from entrena.recipe import Recipe


def made_up_comparison(
    names: list[str] | None = None, *, data: tuple[str, ...] = ("iris",), n_splits: int = 4, n_epochs: int = 12
) -> dict[str, Any]:
    """Variants whose scores and losses are random, each with a split that ends early."""
    names = names or ["activation=relu", "activation=tanh", "activation=elu"]
    recipe = Recipe(max_epochs=n_epochs).to_plain()
    chance = np.random.default_rng(7)
    n_best = [int(np.argmax(ranks)) for ranks in chance.random((len(data), len(names)))]
    ranks = 1.0 + chance.permutation(len(names))
    return {
        "variants": [{"name": name, "values": {"activation": name[11:]}, "recipe": recipe} for name in names],
        "data": [
            made_up_result(chance, each, best, len(names), n_splits, n_epochs)
            for each, best in zip(data, n_best, strict=True)
        ],
        "ranking": {"mean_ranks": ranks.tolist(), "statistic": 3.5, "p_value": 0.04, "critical_difference": 1.25}
        if len(data) > 1
        else None,
        "verdicts": [f"{n_splits} splits do not tell {names[0]} from {'; '.join(names[1:])}."],
        "seconds": 4.2,
        "path": None,
        "command": "entrena compare iris --vary activation=relu,tanh,elu",
        "versions": {"entrena": "0.1.0", "jax": "0.10.2"},
    }


def made_up_result(
    chance: np.random.Generator, data: str, best: int, n_variants: int, n_splits: int, n_epochs: int
) -> dict[str, Any]:
    """What came out on one data set."""
    table = chance.uniform(0.6, 0.8, (n_splits, n_variants))
    table[:, best] += 0.15
    curves = []
    for k in range(n_variants):
        of_variant = (1 + k) * np.exp(-chance.uniform(0.1, 0.3) * np.arange(n_epochs))
        curves.append((of_variant * chance.uniform(0.8, 1.2, (n_splits, n_epochs))).tolist())
        curves[-1][0][n_epochs // 2 :] = [None] * (n_epochs - n_epochs // 2)
    against = {"behind": {"mean": 0.15, "low": 0.05, "high": 0.25, "p_value": 0.004}, "p_adjusted": 0.008}
    means = table.mean(axis=0)
    return {
        "data": data,
        "task": "classification",
        "target": ["species"],
        "classes": ["setosa", "versicolor", "virginica"],
        "score": "accuracy",
        "sizes": {"training": 96, "held_out": 24, "test": 30},
        "splits": [{"seed": seed, "fold": 0} for seed in range(n_splits)],
        "best": best,
        "means": [{"mean": m, "low": m - 0.04, "high": m + 0.03} for m in means.tolist()],
        "against": [None if k == best or n_splits < 2 else against for k in range(n_variants)],
        "scores": {"accuracy": table.tolist(), "log_loss": (1 - table).tolist()},
        "epochs": [[n_epochs] * n_variants for _ in range(n_splits)],
        "level": 0.5,
        "epochs_to_level": [[3.0] * n_variants for _ in range(n_splits)],
        "seconds_an_epoch": [[0.002] * n_variants for _ in range(n_splits)],
        "seconds_to_level": [[0.006] * n_variants for _ in range(n_splits)],
        "curves": curves,
        "outcomes": [["out_of_epochs"] * n_variants for _ in range(n_splits)],
    }


HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    '"><svg onload="window.hacked = 3">',
    '<a href="javascript:window.hacked=4">press</a>',
    '=HYPERLINK("http://example.com","here") %{x} $x^2$ &lt;b&gt; <b>bold</b><br>{{7*7}}',
    "\u202eright to left\u2066\u200f",
    "two\u2028lines\u2029and\nmore\x00\x1b[31m",
    "long " + "x" * 10_000,
    "\udcff is no UTF-8",
)
"""Names that a file may bring, each of them a reason why a page once broke somewhere."""
