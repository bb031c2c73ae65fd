"""Optimizers: how gradients become a step.

A function of this registry is called as `function(momentum, nesterov, **settings)` and returns the Optax transformation
of gradients into a direction; the program multiplies it with the rate of each update and applies the weight decay. It
is called inside the compiled program, so momentum and settings are traced numbers: another value compiles nothing.

In the details: `learning_rate`, `weight_decay` and `momentum` are the optimizer's own defaults; `decay_rows`, in place
of a `weight_decay`, is the number k in λ = k/(η·n) for n training rows; `uses` names the recipe's keys that it obeys;
`decay` says whether the weight decay is added to the gradient (`coupled`, the gradient of λ/2·Σw²) or to the step
(`decoupled`).
"""

from __future__ import annotations

from typing import Any

import optax

from entrena.registry import Choice, Entry, Registry, Setting

# Between these lies the weight decay that follows from the number of rows; docs/defaults.md has the measurements.
LEAST_DECAY, GREATEST_DECAY = 0.05, 1.0


def sgd(momentum: Any, nesterov: bool) -> optax.GradientTransformation:
    """v ← μ·v + g; the step is v, or g + μ·v with Nesterov's momentum."""
    if momentum is None:
        return optax.identity()
    return optax.trace(decay=momentum, nesterov=nesterov)


def adam(momentum: Any, nesterov: bool, *, beta1: Any, beta2: Any, epsilon: Any) -> optax.GradientTransformation:
    """m̂/(√v̂ + ε) with bias-corrected running means m of g and v of g²."""
    return optax.scale_by_adam(b1=beta1, b2=beta2, eps=epsilon)


_ADAM_SETTINGS = (
    Setting("beta1", 0.9, "decay of the running mean of the gradient", low=0, high=1, high_open=True),
    Setting("beta2", 0.999, "decay of the running mean of its square", low=0, high=1, high_open=True),
    Setting("epsilon", 1e-8, "added to the root in the divisor", low=0, low_open=True),
)

OPTIMIZERS = Registry(
    "training.optimizer",
    "Training modes",
    (
        Entry(
            "sgd",
            "v ← μ·v + g;  w ← w − η·v  (Nesterov: w ← w − η·(g + μ·v))",
            "Gradient descent with momentum μ: faster along small consistent gradients, slower along large "
            "inconsistent ones.",
            sgd,
            source="Hinton, Neural Networks for Machine Learning, lecture 6",
            other_names=("gradient_descent", "momentum", "SGD"),
            lesson="ravine",
            details={
                "learning_rate": 0.05,
                "uses": ("momentum", "nesterov"),
                "decay": "coupled",
                "momentum": 0.9,
                "weight_decay": 1e-4,
            },
        ),
        Entry(
            "adam",
            "m ← β1·m + (1 − β1)·g;  v ← β2·v + (1 − β2)·g²;  w ← w − η·m̂/(√v̂ + ε)",
            "A rate for each weight, from running means of its gradient and of the gradient's square.",
            adam,
            source="Kingma & Ba, ICLR (2015)",
            settings=_ADAM_SETTINGS,
            other_names=("Adam",),
            lesson="rates_per_weight",
            details={"learning_rate": 0.01, "uses": (), "decay": "coupled", "weight_decay": 0.0},
        ),
        Entry(
            "adamw",
            "as adam, and w ← w − η·λ·w",
            "Adam with the weight decay λ taken out of the gradient; its own λ is 10/(η·n) for n training rows, at "
            "least 0.05 and at most 1.",
            adam,
            source="Loshchilov & Hutter, ICLR (2019)",
            settings=_ADAM_SETTINGS,
            other_names=("AdamW",),
            lesson="rates_per_weight",
            details={"learning_rate": 0.01, "uses": (), "decay": "decoupled", "decay_rows": 10},
        ),
    ),
)


def transformation(
    choice: Choice, momentum: Any, nesterov: bool, settings: dict[str, Any]
) -> optax.GradientTransformation:
    """The Optax transformation of one optimizer; `settings` may be traced numbers."""
    function = OPTIMIZERS[choice.name].function
    assert function is not None
    return function(momentum, nesterov, **settings)


def own_default(choice: Choice, name: str) -> float | None:
    """An optimizer's own value of the recipe's key `name`, or None where it has none."""
    return OPTIMIZERS[choice.name].details.get(name)


def own_decay(choice: Choice, learning_rate: float, n_rows: int) -> float:
    """An optimizer's own weight decay λ.

    With a decoupled decay an update shrinks the weights by η·λ. The fewer rows there are, the more it takes to keep the
    network from learning them by heart: η·λ = k/n, with λ between 0.05 and 1.

    Args:
        choice: The optimizer.
        learning_rate: η, of one_cycle the peak.
        n_rows: n, the training rows.
    """
    k = own_default(choice, "decay_rows")
    if k is None:
        return OPTIMIZERS[choice.name].details["weight_decay"]
    return min(GREATEST_DECAY, max(LEAST_DECAY, k / (learning_rate * n_rows)))


def is_decoupled(choice: Choice) -> bool:
    """Whether the weight decay acts on the step instead of the gradient."""
    return OPTIMIZERS[choice.name].details["decay"] == "decoupled"
