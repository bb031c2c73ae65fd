"""Starts the measured processes, all in the same environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILD = Path(__file__).parent / "build"
# Settings of a machine that would slow down scikit-learn's matrix products, or one thread for all.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "XLA_FLAGS")


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a measured process; compilation caches lie in `build/` and are warm from round to round."""
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    own = {
        "XDG_CACHE_HOME": str(BUILD / "cache"),
        "KERAS_HOME": str(BUILD / "keras"),
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
    }
    return {**kept, **own, **(changes or {})}


def learner(name: str, workload: str, form: Mapping[str, str]) -> dict[str, Any]:
    """What one learner reports of one workload, measured in a process of its own."""
    settings = [f"{key}={value}" for key, value in form.items()]
    command = [sys.executable, "-m", "benchmarks.learners", name, workload, *settings]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(BUILD / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return last_object(run(command, environment(cache)))


def run(command: Sequence[str], variables: Mapping[str, str], folder: Path | str = ROOT) -> str:
    """Runs a command in a folder and returns what it printed; its errors end the benchmark."""
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}{done.stdout}")
    return done.stdout


def last_object(printed: str) -> dict[str, Any]:
    """The JSON object on the last line."""
    return json.loads(printed.strip().splitlines()[-1])
