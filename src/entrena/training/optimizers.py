"""Optimizers: how gradients become a step.

A function of this registry is called as `function(momentum, nesterov, **settings)` and returns the Optax transformation
of gradients into a direction; the program multiplies it with the rate of each update and applies the weight decay. It
is called inside the compiled program, so momentum and settings are traced numbers: another value compiles nothing.

With `batch_only` in the details it needs all rows in each update; then it is called as `function(**settings)` and
returns a `BatchOptimizer`. `compiled` names the settings for which the program is compiled, `host` those that it does
not know, `cost` is a function of a `Size` and the compiled settings, and `finds_step` says that no rate is given to it.

In the details: `learning_rate`, `weight_decay` and `momentum` are the optimizer's own defaults; `decay_rows`, in place
of a `weight_decay`, is the number k in λ = k/(η·n) for n training rows, or in λ = k/n where the decay is coupled;
`uses` names the recipe's keys that it obeys; `decay` says whether the weight decay is added to the gradient (`coupled`,
the gradient of λ/2·Σw²) or to the step (`decoupled`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optax

from entrena.registry import Choice, Entry, Registry, Setting, Value
from entrena.training.batch_optimizers import BatchOptimizer, Cost, Size
from entrena.training.conjugate_gradient import conjugate_gradient, conjugate_gradient_cost
from entrena.training.levenberg_marquardt import levenberg_marquardt, levenberg_marquardt_cost
from entrena.training.quasi_newton import bfgs, bfgs_cost, lbfgs, lbfgs_cost
from entrena.training.rprop import rprop, rprop_cost

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


def _smallest_below_largest(settings: Mapping[str, Any]) -> str | None:
    smallest, largest = settings["smallest"], settings["largest"]
    return None if smallest <= largest else f"smallest = {smallest:g} is above largest = {largest:g}"


_TOLERANCE = Setting(
    "tolerance", 1e-5, "training has converged where no entry of the gradient is larger than this", low=0
)
_MEMORY_LIMIT = Setting("memory_limit", 2.0, "GiB of memory that its matrices may take", low=0, low_open=True)
_BATCH_ONLY: dict[str, Any] = {"batch_only": True, "uses": (), "decay": "coupled", "decay_rows": 1}
# The rate of an optimizer that finds its own step is 1: the step is what it is.
_FINDS_STEP: dict[str, Any] = {**_BATCH_ONLY, "finds_step": True, "learning_rate": 1.0}

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
        Entry(
            "conjugate_gradient",
            "d ← −g + β·d;  β = max(0, g·(g − g′)/|g′|²), g′ the gradient before;  w ← w + α·d",
            "A direction that does not spoil what the last ones have reached, and a line search for the step; it takes "
            "little memory. All rows in each update; an epoch is one evaluation, those of the line search included.",
            conjugate_gradient,
            source="Polak & Ribière (1969); Nocedal & Wright, Numerical Optimization (2006), 5.2",
            settings=(
                Setting(
                    "update",
                    "polak_ribiere",
                    "the formula of β: Polak & Ribière's, Fletcher & Reeves', or Hestenes & Stiefel's",
                    choices=("polak_ribiere", "fletcher_reeves", "hestenes_stiefel"),
                ),
                _TOLERANCE,
            ),
            other_names=("cg", "conjugate_gradients", "fmin_cg", "nonlinear_cg", "traincgp", "traincgf"),
            lesson="conjugate_gradients",
            details={**_FINDS_STEP, "compiled": ("update",), "cost": conjugate_gradient_cost},
        ),
        Entry(
            "lbfgs",
            "w ← w − α·H·g, H from the last m steps s and changes y of the gradient",
            "A quasi-Newton method that remembers the curvature of its last steps, in 2·m copies of the weights: the "
            "first to try on all rows at once. All rows in each update; an epoch is one evaluation, those of the line "
            "search included.",
            lbfgs,
            source="Liu & Nocedal, Mathematical Programming 45 (1989); Nocedal & Wright (2006), 7.2",
            settings=(Setting("memory", 10, "m: steps that are remembered", low=1, high=1000), _TOLERANCE),
            other_names=("l-bfgs", "l-bfgs-b", "l_bfgs", "limited_memory_bfgs", "fmin_l_bfgs_b"),
            lesson="conjugate_gradients",
            details={**_FINDS_STEP, "compiled": ("memory",), "cost": lbfgs_cost},
        ),
        Entry(
            "bfgs",
            "w ← w − α·H·g;  H ← (I − ρ·s·yᵀ)·H·(I − ρ·y·sᵀ) + ρ·s·sᵀ, ρ = 1/s·y",
            "The quasi-Newton method with the whole matrix, n² numbers for n weights: for small networks. All rows in "
            "each update; an epoch is one evaluation, those of the line search included.",
            bfgs,
            source="Broyden, Fletcher, Goldfarb, Shanno (1970); Nocedal & Wright (2006), 6.1",
            settings=(_TOLERANCE, _MEMORY_LIMIT),
            other_names=("quasi_newton", "fmin_bfgs", "trainbfg"),
            lesson="conjugate_gradients",
            details={**_FINDS_STEP, "host": ("memory_limit",), "cost": bfgs_cost},
        ),
        Entry(
            "levenberg_marquardt",
            "(JᵀJ + μ·I)·p = −g;  w ← w + p where the loss falls, then μ falls; else μ grows",
            "Newton's method for squared_error with linear outputs, JᵀJ in place of the second derivatives, n² numbers "
            "for n weights: very fast for small networks that fit a number. All rows in each update; an epoch is one "
            "evaluation.",
            levenberg_marquardt,
            source="Levenberg (1944); Marquardt, J. SIAM 11 (1963); Nielsen, IMM-REP-1999-05 (1999)",
            settings=(_TOLERANCE, _MEMORY_LIMIT),
            other_names=("lm", "levenberg", "marquardt", "damped_least_squares", "trainlm"),
            lesson="conjugate_gradients",
            details={**_FINDS_STEP, "host": ("memory_limit",), "cost": levenberg_marquardt_cost},
        ),
        Entry(
            "rprop",
            "wᵢ ← wᵢ − sign(gᵢ)·Δᵢ;  Δᵢ·1.2 where gᵢ keeps its sign, Δᵢ·0.5 and one step back where it changes it",
            "A step for each weight, from the signs of its gradients alone; learning_rate is the first Δ. All rows in "
            "each update; an epoch is one evaluation.",
            rprop,
            source="Riedmiller & Braun, IEEE ICNN (1993)",
            settings=(
                Setting("increase", 1.2, "factor of Δ where the gradient keeps its sign", low=1, low_open=True),
                Setting("decrease", 0.5, "factor of Δ where it changes it", 0, 1, True, True),
                Setting("smallest", 1e-6, "the least Δ", low=0, low_open=True),
                Setting("largest", 50.0, "the greatest Δ", low=0, low_open=True),
                Setting(
                    "backtracking",
                    True,
                    "a weight whose gradient changes its sign goes one step back, as in the paper; false: it stays, as "
                    "in PyTorch",
                ),
                _TOLERANCE,
            ),
            other_names=("resilient_backpropagation", "resilient_propagation", "trainrp"),
            lesson="rates_per_weight",
            details={**_BATCH_ONLY, "learning_rate": 0.1, "compiled": ("backtracking",), "cost": rprop_cost},
            check=_smallest_below_largest,
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


def batch_optimizer(
    choice: Choice, compiled: Mapping[str, Value], settings: Mapping[str, Any], learning_rate: Any
) -> BatchOptimizer:
    """The machine of a batch-only optimizer.

    Args:
        choice: Its name.
        compiled: Its settings for which the program is compiled.
        settings: The others; may be traced numbers.
        learning_rate: The first step of one that does not find it, also traced.
    """
    entry = OPTIMIZERS[choice.name]
    assert entry.function is not None
    first = {} if entry.details.get("finds_step") else {"first_step": learning_rate}
    return entry.function(**compiled, **settings, **first)


def is_batch_only(choice: Choice) -> bool:
    """Whether an optimizer needs all rows in each update."""
    return bool(OPTIMIZERS[choice.name].details.get("batch_only"))


def finds_step(choice: Choice) -> bool:
    """Whether an optimizer finds its own step, so that no rate is given to it."""
    return bool(OPTIMIZERS[choice.name].details.get("finds_step"))


def settings_by_use(choice: Choice) -> tuple[dict[str, Value], dict[str, Value], dict[str, Value]]:
    """All the settings of an optimizer: the numbers given to the program, those it is compiled for, and the host's."""
    details, settings = OPTIMIZERS[choice.name].details, OPTIMIZERS.settings_of(choice)
    compiled = {name: settings.pop(name) for name in details.get("compiled", ())}
    host = {name: settings.pop(name) for name in details.get("host", ())}
    return settings, compiled, host


def cost_of(choice: Choice, size: Size) -> Cost:
    """What a batch-only optimizer takes beside the evaluations; nothing that is worth to be told for the others."""
    if not is_batch_only(choice):
        return Cost(0, 0)
    _, compiled, _ = settings_by_use(choice)
    needed = {name: value for name, value in compiled.items() if name == "memory"}
    return OPTIMIZERS[choice.name].details["cost"](size, **needed)


def own_default(choice: Choice, name: str) -> float | None:
    """An optimizer's own value of the recipe's key `name`, or None where it has none."""
    return OPTIMIZERS[choice.name].details.get(name)


def own_decay(choice: Choice, learning_rate: float, n_rows: int) -> float:
    """An optimizer's own weight decay λ.

    With a decoupled decay an update shrinks the weights by η·λ. The fewer rows there are, the more it takes to keep the
    network from learning them by heart: η·λ = k/n, with λ between 0.05 and 1.

    A batch-only optimizer goes down until nothing is left to gain, on its training rows: without a decay, weights that
    separate the classes grow until all probabilities are 0 or 1. Its λ is 1/n, so that it minimises the sum of the
    rows' losses and ½·Σw²; for cross-entropy that is the likeliest network where every weight is N(0, 1) beforehand,
    and the strength that `LogisticRegression` of scikit-learn has by default (with two softmax units for two classes
    its C = 2). benchmarks/results/batch_decay.md has others.

    Args:
        choice: The optimizer.
        learning_rate: η, of one_cycle the peak.
        n_rows: n, the training rows.
    """
    k = own_default(choice, "decay_rows")
    if k is None:
        return OPTIMIZERS[choice.name].details["weight_decay"]
    if not is_decoupled(choice):
        return k / n_rows
    return min(GREATEST_DECAY, max(LEAST_DECAY, k / (learning_rate * n_rows)))


def is_decoupled(choice: Choice) -> bool:
    """Whether the weight decay acts on the step instead of the gradient."""
    return OPTIMIZERS[choice.name].details["decay"] == "decoupled"
