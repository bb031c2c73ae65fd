"""A multilayer network under gradient descent, whose curvature is not that of a quadratic: it changes on the way.

Cohen, Kaur, Li, Kolter & Talwalkar, Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability, ICLR
(2021), arXiv:2103.00065.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.curvature import greatest_curvature
from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import Drawing, Table
from entrena.lessons.levels import end_of_race
from entrena.lessons.quadratics import GRADIENT_DESCENT, losses_of

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.fitting import Prepared
    from entrena.lessons.trials import Trials

HELD_SHARE = 0.2
LEARNED = 0.5  # of the first loss: what a rate has to reach that trains the network


def observed(examples: Examples, size: Mapping[str, Any], seed: int, trials: Trials) -> dict[str, Any]:
    """The greatest rate that trains the network, and where the curvature goes with some rates.

    Args:
        examples: Numbers to predict.
        size: `hidden` layers, `rows` of a seed's training rows, `seeds`; `multiples` of 2/λmax at the first weights
            that are tried for `updates` updates; `shares` of it that are followed through `stages` of `stage` updates.
        seed: The first.
        trials: Trains them.
    """
    starts = _starts(examples, size, seed)
    edges = [2 / curvature(start) for start in starts]
    tried = [
        with_rate(start, multiple * edge, size["updates"])
        for start, edge in zip(starts, edges, strict=True)
        for multiple in size["multiples"]
    ]
    watching = [end_of_race() for _ in tried]
    trained = trials.train(f"a multilayer network, the greatest rate: {len(tried)} networks", tried, watching)
    works = np.reshape([has_learned(losses_of(each)) for each in trained], (len(starts), -1))
    return {
        "seeds": len(starts),
        "edge": float(np.median(edges)),
        "multiples": list(size["multiples"]),
        "works": works.mean(axis=0).tolist(),
        "paths": _paths(starts, edges, size, trials),
    }


def _starts(examples: Examples, size: Mapping[str, Any], seed: int) -> list[Prepared]:
    """A network for each seed, with its first weights."""
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import make_splits
    from entrena.recipe import Recipe
    from entrena.training.seeds import generator

    recipe = Recipe.make(
        GRADIENT_DESCENT | {"hidden": list(size["hidden"]), "activation": "tanh", "target_scale": "none"}
    )
    starts = []
    for split in make_splits(examples, list(range(seed, seed + size["seeds"])), None, stratify=False):
        split = replace(split, training=split.training[: size["rows"]])
        start = rows_of(examples, split).prepare(recipe.change({"random_state": split.seed}))
        starts.append(replace(start, start=start.network.initialize(generator(split.seed, "weights"), "float64")))
    return starts


def curvature(prepared: Prepared) -> float:
    """λmax of the training loss at the weights with which a network starts."""
    part = prepared.training
    rows = part.inputs[: part.n_rows], part.targets[: part.n_rows]
    return greatest_curvature(prepared.plan.structure, prepared.start, *rows)


def with_rate(prepared: Prepared, rate: float, n_updates: int) -> Prepared:
    """The same network from the same weights, with another rate."""
    from entrena.fitting import prepare_like

    like = prepare_like(prepared, prepared.recipe.change({"learning_rate": float(rate), "max_epochs": n_updates}))
    assert like is not None
    return like


def has_learned(losses: np.ndarray) -> bool:
    """Whether the loss has stayed finite and is at most half of what it was."""
    return bool(np.isfinite(losses).all() and losses[-1] <= LEARNED * losses[0])


def _paths(
    starts: Sequence[Prepared], edges: Sequence[float], size: Mapping[str, Any], trials: Trials
) -> list[dict[str, Any]]:
    """Trains with shares of 2/λmax at the first weights, and looks at λmax again and again.

    Gradient descent remembers nothing but the weights, so training in stages is training in one go.
    """
    shares, stages = size["shares"], size["stages"]
    rates = [share * edge for share in shares for edge in edges]
    now = [with_rate(start, rate, size["stage"]) for start, rate in zip([*starts] * len(shares), rates, strict=True)]
    products, losses = [[rate * curvature(one) / 2 for one, rate in zip(now, rates, strict=True)]], []
    for stage in range(stages):
        said = f"a multilayer network, stage {stage + 1} of {stages}: {len(now)} networks"
        trained = trials.train(said, now, same=stage > 0)
        now = [replace(one, start=fitted.training.params) for one, fitted in zip(now, trained, strict=True)]
        losses.append([losses_of(fitted) for fitted in trained])
        products.append([rate * curvature(one) / 2 for one, rate in zip(now, rates, strict=True)])
    by_share = np.array(products).T.reshape(len(shares), len(starts), stages + 1)
    loss_by_share = np.concatenate(losses, axis=1).reshape(len(shares), len(starts), -1)
    return [
        path_found(share, size["stage"], of_share, own)
        for share, of_share, own in zip(shares, by_share, loss_by_share, strict=True)
    ]


def path_found(share: float, stage: int, products: np.ndarray, losses: np.ndarray) -> dict[str, Any]:
    """Where the curvature went, and whether the loss went down.

    Args:
        share: The rate over 2/λmax at the first weights.
        stage: Updates between two looks.
        products: [networks, looks] η·λmax/2: a quadratic of this curvature diverges above 1.
        losses: [networks, updates] before each update.
    """
    from entrena.population.statistics import mean_interval

    half = losses.shape[1] // 2

    def over_seeds(values: np.ndarray) -> dict[str, float]:
        mean, low, high = mean_interval(values.tolist(), HELD_SHARE)
        return {"mean": mean, "low": low, "high": high}

    return {
        "share": share,
        "stage": stage,
        "late": over_seeds(np.median(products[:, products.shape[1] // 2 :], axis=1)),
        "rises": over_seeds((np.diff(losses[:, half:]) > 0).mean(axis=1)),
        "fall": over_seeds(losses[:, -1] / losses[:, half]),
        "products": [round(float(value), 5) for value in np.median(products, axis=0)],
        "losses": [float(f"{value:.5g}") for value in np.median(losses, axis=0)[::stage]],
    }


def tables(network: Mapping[str, Any]) -> list[Table]:
    """Where the curvature goes, and which rates train the network at all."""
    rows = [
        [
            f"{path['share']:g}",
            f"{path['products'][0]:.2f}",
            *(span_of(path[name], 2) for name in ("late", "rises", "fall")),
        ]
        for path in network["paths"]
    ]
    works = [[f"{m:g}", f"{share:.2f}"] for m, share in zip(network["multiples"], network["works"], strict=True)]
    return [
        Table(
            "A multilayer network: η·λmax/2, which is above 1 where a quadratic would diverge",
            ("η", "at first", "later", "loss rises", "loss falls to"),
            rows,
            "η: over 2/λmax at the first weights. Later: the median of the second half, mean over seeds with 95 % "
            "interval. Loss rises: the share of the updates of the second half at which it does; loss falls to: what "
            "the second half leaves of the loss.",
            n_texts=0,
        ),
        Table(
            "A multilayer network: which rates train it at all",
            ("η", "share"),
            works,
            f"η: over 2/λmax at the first weights. Share: of {network['seeds']} networks, those whose loss is at most "
            "half of the first one in the end.",
            n_texts=0,
        ),
    ]


def meaning(network: Mapping[str, Any]) -> list[str]:
    """What was seen, without a verdict: the claim is about quadratics."""
    most = [m for m, share in zip(network["multiples"], network["works"], strict=True) if share == 1]
    parts = []
    if most and max(most) > 1:
        parts.append(
            f"For a multilayer network 2/λmax at the first weights is no bound: {max(most):g} times that rate trains "
            "every one, because the curvature gives way."
        )
    for path in network["paths"]:
        if path["late"]["low"] > 0.9 and path["fall"]["high"] < 1:
            parts.append(
                f"With {path['share']:g} times 2/λmax of the first weights, η·λmax/2 stays at "
                f"{span_of(path['late'], 2)} in the second half: the curvature adapts to the rate. The loss rises in "
                f"{100 * path['rises']['mean']:.0f} % of the updates and still falls in the long run: training at the "
                "edge of stability, as Cohen et al. describe it."
            )
    return parts


def figures(network: Mapping[str, Any]) -> list[Drawing]:
    """The curvature and the loss on the way."""
    from entrena.lessons.drawings import Line, lines

    paths = network["paths"]

    def drawn(what: str) -> list[Line]:
        return [
            Line(
                f"η = {path['share']:g} · 2/λmax at first",
                [k * path["stage"] for k in range(len(path[what]))],
                path[what],
                place,
            )
            for place, path in enumerate(paths)
        ]

    return [
        Drawing(
            "A multilayer network: the curvature adapts to the rate",
            lines("updates", "η·λmax/2", drawn("products"), mark=("y", 1.0)),
            "Medians over seeds. Above the dashed line a quadratic would diverge.",
        ),
        Drawing(
            "A multilayer network: the loss falls all the same",
            lines("updates", "loss (logarithmic)", drawn("losses"), logarithmic="y"),
            f"Medians over seeds, every {paths[0]['stage']} updates.",
        ),
    ]
