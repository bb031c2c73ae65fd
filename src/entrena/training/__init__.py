"""How weights move: losses, orders, rates, optimizers, the compiled program and the loop around it.

This room sees arrays, never tables or files. Whatever changes from update to update is decided on the host by small
NumPy functions (`order`, `rates`, `stopping`); the compiled program (`program`) knows none of them.
"""

from entrena.training.checkpoint import Checkpoint
from entrena.training.losses import LOSSES
from entrena.training.optimizers import OPTIMIZERS
from entrena.training.order import ORDERS
from entrena.training.plan import Plan
from entrena.training.rates import SCHEDULES
from entrena.training.scores import SCORES
from entrena.training.settings import RateSettings, RegularizationSettings, TrainingSettings
from entrena.training.stopping import Outcome

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "ORDERS",
    "SCHEDULES",
    "SCORES",
    "Checkpoint",
    "Outcome",
    "Plan",
    "RateSettings",
    "RegularizationSettings",
    "TrainingSettings",
]
