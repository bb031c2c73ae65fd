"""Learning rates: how far the weights move, update by update.

A schedule of this registry is called as `function(t, n_updates, learning_rate, **settings)` with the numbers t of some
updates, counted from 0, and returns their rates in float64. `n_updates` is the T of the formulas, the updates of the
whole run. The compiled program is given the rates and knows no schedule. `details["has_end"]`: the schedule is planned
for the whole run, so patience never cuts it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from entrena.registry import Choice, Entry, Registry, Setting


def constant(t: np.ndarray, n_updates: int, learning_rate: float) -> np.ndarray:
    """η0."""
    return np.full(len(t), learning_rate)


def one_cycle(
    t: np.ndarray, n_updates: int, learning_rate: float, *, peak: float, final: float, division: float
) -> np.ndarray:
    """Linear η0 → η1 = 10·η0 at pT, back to η0 at (1 − f)T, then to η0/d at T; `learning_rate` is the peak η1."""
    eta_0 = learning_rate / 10
    points = np.array([0.0, peak, 1 - final, 1.0]) * n_updates
    return np.interp(t, points, [eta_0, learning_rate, eta_0, eta_0 / division])


def _peak_before_last_phase(settings: Mapping[str, float]) -> str | None:
    peak, final = settings["peak"], settings["final"]
    if peak + final < 1:
        return None
    return f"peak = {peak:g} and final = {final:g}: the peak lies in the last phase; their sum must be below 1"


def cosine(t: np.ndarray, n_updates: int, learning_rate: float, *, minimum: float) -> np.ndarray:
    """η_min + (η0 − η_min)(1 + cos πt/T)/2, with η_min a share of η0."""
    low = minimum * learning_rate
    return low + (learning_rate - low) * (1 + np.cos(np.pi * np.minimum(t / n_updates, 1))) / 2


SCHEDULES = Registry(
    "rate.schedule",
    "Learning rates",
    (
        Entry(
            "constant",
            "η(t) = η0",
            "The same rate from first to last; training ends by patience.",
            constant,
            other_names=("fixed", "constant_lr", "ConstantLR"),
            lesson="schedules",
            details={"has_end": False},
        ),
        Entry(
            "one_cycle",
            "η0 → η1 = 10·η0 at pT → η0 at (1 − f)T → η0/d at T, linear; learning_rate is η1",
            "Up to a high rate and down again, then several decades lower in the last phase.",
            one_cycle,
            source="Smith, arXiv:1803.09820 (2018)",
            settings=(
                Setting("peak", 0.5, "share p of the updates at which the rate is highest", 0, 1, True, True),
                Setting("final", 0.1, "share f of the updates in the last phase", 0, 1, True, True),
                Setting("division", 1000.0, "d: the last rate is η0/d", low=1),
            ),
            other_names=("OneCycleLR", "onecycle", "1cycle", "one_cycle_lr"),
            lesson="super_convergence",
            details={"has_end": True},
            check=_peak_before_last_phase,
        ),
        Entry(
            "cosine",
            "η(t) = η_min + (η0 − η_min)(1 + cos πt/T)/2",
            "Down along half a cosine: slow at first and at last.",
            cosine,
            source="Loshchilov & Hutter, arXiv:1608.03983 (2017)",
            settings=(Setting("minimum", 0.0, "the last rate η_min as a share of η0", 0, 1, high_open=True),),
            other_names=("CosineAnnealingLR", "cosine_annealing", "cosine_decay", "CosineDecay"),
            lesson="schedules",
            details={"has_end": True},
        ),
    ),
)


def rates(choice: Choice, t: np.ndarray, n_updates: int, learning_rate: float) -> np.ndarray:
    """The rates of the updates t of a run of `n_updates` updates, in float64."""
    function = SCHEDULES[choice.name].function
    assert function is not None
    return function(np.asarray(t, float), n_updates, learning_rate, **SCHEDULES.settings_of(choice))


def is_constant(choice: Choice) -> bool:
    """Whether the rate is the same in every update."""
    return choice.name == "constant"


def has_end(choice: Choice) -> bool:
    """Whether a schedule is planned for the whole run."""
    return bool(SCHEDULES[choice.name].details["has_end"])
