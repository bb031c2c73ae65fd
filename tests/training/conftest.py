"""A small problem, and plans for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from entrena.network import Network
from entrena.registry import Choice
from entrena.training import RateSettings, RegularizationSettings, TrainingSettings
from entrena.training.loop import Training, train_network
from entrena.training.parts import TrainingPart, ValidationPart
from entrena.training.plan import Disturbances, Plan, make_plan


def accuracy(targets: np.ndarray, z: np.ndarray) -> float:
    return float((z.argmax(axis=1) == targets.argmax(axis=1)).mean())


@dataclass(frozen=True)
class Problem:
    """Rows, a network and how to train it."""

    network: Network
    training: TrainingPart
    validation: ValidationPart | None

    def plan(self, *, loss: str = "cross_entropy", seed: int = 0, **settings: Any) -> Plan:
        """A plan; `settings` are names of the recipe."""
        sections = [
            kind(**{name: settings.pop(name) for name in tuple(settings) if name in kind.model_fields})
            for kind in (TrainingSettings, RateSettings, RegularizationSettings)
        ]
        disturbances = Disturbances(
            **{field.name: settings.pop(field.name) for field in fields(Disturbances) if field.name in settings}
        )
        statistics = settings.pop("batch_statistics", None)
        assert not settings, settings
        weight = self.training.weight
        return make_plan(
            self.network,
            loss,
            *sections,
            n_rows=len(self.training.inputs) if weight is None else int((weight > 0).sum()),
            n_validation=0 if self.validation is None else len(self.validation.inputs),
            seed=seed,
            platform="cpu",
            disturbances=disturbances,
            batch_statistics=statistics,
        )

    def run(self, plan: Plan, **options: Any) -> Training:
        """Trains by a plan."""
        return train_network(self.network, plan, self.training, self.validation, **options)


@pytest.fixture
def make_problem() -> Callable[..., Problem]:
    """Makes two noisy classes in three columns, or one number of them."""

    def make(
        n_rows: int = 22,
        n_validation: int = 9,
        hidden: tuple[int, ...] = (5,),
        dtype: str = "float32",
        numbers: bool = False,
        weight: np.ndarray | None = None,
    ) -> Problem:
        generator = np.random.default_rng(11)
        X = generator.normal(size=(n_rows + n_validation, 3)).astype(dtype)
        score = X[:, :1] * 2 - X[:, 1:2] + 0.7 * generator.normal(size=(len(X), 1))
        targets = score if numbers else np.concatenate([score <= 0, score > 0], axis=1)
        targets = targets.astype(dtype)
        training = TrainingPart(X[:n_rows], targets[:n_rows], weight)
        held = None
        if n_validation:
            held_targets = targets[n_rows:]
            held = ValidationPart(X[n_rows:], held_targets, score=lambda z: accuracy(held_targets, z))
        network = Network((3, *hidden, targets.shape[1]), Choice("tanh"), "linear" if numbers else "softmax")
        return Problem(network, training, held)

    return make
