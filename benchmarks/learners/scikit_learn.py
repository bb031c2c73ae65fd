"""scikit-learn's MLPClassifier.

With two classes it has a single logistic output where the others have two units with softmax: a little less work.
"""

from __future__ import annotations

import time
from typing import Any

from sklearn.neural_network import MLPClassifier

from benchmarks.learners.measurement import Measurement
from benchmarks.workloads import MOMENTUM, SEED, Workload, make_data

LEAST_SECONDS = 0.5


class TimedClassifier(MLPClassifier):
    """Times the epochs from the second on and stops when that is long enough.

    The method is what `fit` calls at the end of each epoch to see whether it should stop.
    """

    def _update_no_improvement_count(self, *args: Any) -> None:
        super()._update_no_improvement_count(*args)
        if self.n_iter_ == 1:
            self.start = time.perf_counter()
        self.seconds = time.perf_counter() - self.start
        self._no_improvement_count = 0 if self.seconds < LEAST_SECONDS else self.n_iter_no_change + 1


def measure(workload: Workload) -> Measurement:
    data = make_data(workload)
    model = TimedClassifier(
        workload.hidden,
        solver="sgd",
        alpha=0.0,
        batch_size=workload.batch_size,
        learning_rate_init=workload.learning_rate,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        max_iter=1000,
        random_state=SEED,
    )
    model.fit(data.inputs, data.classes)
    return Measurement(model.seconds, (model.n_iter_ - 1) * workload.n_updates, float(model.loss_))
