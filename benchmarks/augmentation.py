"""What augmentation costs an update of 128 images of 28×28, and what Keras's layers cost for the same.

python -m benchmarks.augmentation       # about 10 minutes on 2 cores
"""

from __future__ import annotations

import argparse

from benchmarks import processes, report
from benchmarks.ratios import median_interval, number, paired_ratios, run_alternately
from benchmarks.workloads import SEED, WORKLOADS

ROUNDS = 7
WORKLOAD = WORKLOADS["mnist"]
NONE = "none"
# What is asked: the update's time over that of one without, at most.
TARGETS = {"shift+flip": 1.1, "rotation": 1.6, "affine": 1.6, "noise": 1.3, "all": 2.0}
LEARNERS = {"entrena": "entrena_augmented", "Keras": "keras_augmented"}


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """µs of an update, by learner and transformation, in rounds."""

    def run(learner: str, augment: str) -> float:
        result = processes.learner(learner, WORKLOAD.name, {"augment": augment})
        return result["seconds"] / result["n_updates"] * 1e6

    names = [(learner, augment) for augment in (NONE, *TARGETS) for learner in LEARNERS]
    jobs = {
        f"{learner} {augment}": lambda learner=learner, augment=augment: run(LEARNERS[learner], augment)
        for learner, augment in names
    }
    found = run_alternately(jobs, dict.fromkeys(jobs, rounds), WORKLOAD.name)
    return {learner: {augment: found[f"{learner} {augment}"] for augment in (NONE, *TARGETS)} for learner in LEARNERS}


def section(times: dict[str, dict[str, list[float]]]) -> str:
    """The table."""
    own, keras = times["entrena"], times["Keras"]
    rows = [
        [
            NONE,
            number(median_interval(own[NONE]).median),
            1,
            "",
            "",
            number(median_interval(keras[NONE]).median),
            "",
            "",
        ]
    ]
    for augment, goal in TARGETS.items():
        cost = median_interval(paired_ratios(own[augment], own[NONE]))
        more = [a - b for a, b in zip(own[augment], own[NONE], strict=True)]
        keras_more = [a - b for a, b in zip(keras[augment], keras[NONE], strict=True)]
        rows.append(
            [
                augment,
                number(median_interval(own[augment]).median),
                cost,
                f"{goal:g}",
                "yes" if cost.high <= goal else "**no**",
                number(median_interval(keras[augment]).median),
                median_interval(paired_ratios(keras[augment], own[augment])),
                f"{number(median_interval(more).median)} / {number(median_interval(keras_more).median)}",
            ]
        )
    header = ["transformation", "entrena, µs an update", "over none [95 %]", "at most", "met", "Keras, µs an update",
              "Keras's time / entrena's [95 %]", "µs more than none, entrena / Keras"]  # fmt: skip
    return report.table(header, rows)


METHOD = """The `mnist` workload: 784-256-128-10, batches of 128 images of 28×28, sgd with momentum; time of an
update from the second epoch on. `shift+flip`: up to a tenth and mirrored, by whole pixels; `rotation` by up to 15°;
`affine`: mirrored, shifted, turned and scaled by up to a tenth, in one resampling; `noise` of deviation 0.1; `all`
of these. Keras 3 on JAX with RandomFlip, RandomTranslation, RandomRotation, RandomZoom (nearest pixel beyond the
border, bilinear) and GaussianNoise as layers of the model, 32 steps a call and an epoch; each of them resamples for
itself. Learners run alternately, each measurement in a process of its own; medians of paired ratios with the order-
statistic interval. A bound is met where the interval's upper end is within it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmentation", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    times = measure(options.rounds)
    report.write("augmentation", "What augmentation costs", [METHOD, section(times)], {"microseconds": times},
                 seeds=f"data, first weights, order and draws {SEED}")  # fmt: skip


if __name__ == "__main__":
    main()
