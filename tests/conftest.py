"""What holds for every test: strict JAX, repeatable randomness, and the data pack beside the repository."""

from __future__ import annotations

import os
import subprocess
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

# Read by JAX when it is first imported, here and in every process that a test starts: float32 + float64 is an error.
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# A slow, busy machine is no failure; the time limit of a test is pytest-timeout's.
settings.register_profile("local", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--random-state", type=int, default=0, help="seed of the `generator` and `seed` fixtures (0)")


def pytest_report_header(config: pytest.Config) -> str:
    return f"random state: {config.getoption('--random-state')} (--random-state)"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed of this test's own; printed, so that pytest shows it when the test fails."""
    random_state = request.config.getoption("--random-state")
    value = zlib.crc32(f"{random_state} {request.node.nodeid}".encode())
    print(f"seed {value} (--random-state {random_state})")
    return value


@pytest.fixture
def generator(seed: int) -> np.random.Generator:
    """A NumPy generator from this test's own seed."""
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def shared_data(pytestconfig: pytest.Config) -> Path:
    """The folder of public data sets beside the repository."""
    folder = pytestconfig.rootpath.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the data pack in ../shared/data ({folder} does not exist)")
    return folder


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[object]:
    """A function that mounts a small or read-only disk in memory: tests run as root, whom permissions do not stop.

    Skips the test where mounting is not permitted.
    """
    mounted: list[Path] = []

    def mount_here(*options: str) -> Path:
        folder = tmp_path / f"disk-{uuid.uuid4().hex[:6]}"
        folder.mkdir()
        try:
            command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode != 0:
            pytest.skip(f"mounting is not permitted: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount_here
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
