"""Measures one learner on one workload and prints the result as a line of JSON."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys

from benchmarks.workloads import WORKLOADS


def main(name: str, workload: str, *settings: str) -> None:
    form = dict(setting.split("=", 1) for setting in settings)
    learner = importlib.import_module(f"benchmarks.learners.{name}")
    print(json.dumps(dataclasses.asdict(learner.measure(WORKLOADS[workload], **form))))


main(*sys.argv[1:])
