"""Measures one learner and prints the result as a line of JSON."""

from __future__ import annotations

import importlib
import json
import sys


def main(name: str) -> None:
    learner = importlib.import_module(f"benchmarks.online.{name}")
    print(json.dumps({"sequences": learner.sequences(), "rows": learner.rows()}))


main(*sys.argv[1:])
