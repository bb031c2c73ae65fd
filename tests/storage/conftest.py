"""A small disk and a read-only one: tests run as root, whom permissions do not stop."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[object]:
    """A function that mounts a file system in memory; skips the test where mounting is not permitted."""
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


class Died(BaseException):
    """Stands for a SIGKILL: nothing after it may change a file."""


class MortalSystem:
    """The system calls that change files; after a number of them the process is as good as dead.

    A dead process runs no clean-up, so every later call fails as well. The last write before the death is half-done.
    """

    CALLS = ("open", "write", "fsync", "replace", "rename", "unlink", "mkdir", "ftruncate")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n_calls: int) -> None:
        self.left = n_calls
        self.died = False
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._mortal(name, getattr(os, name)))

    def _mortal(self, name: str, call: object) -> object:
        def wrapper(*args: object, **options: object) -> object:
            self.left -= 1
            if self.left < 0:
                if name == "write" and not self.died:
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])  # type: ignore[operator, index, arg-type]
                self.died = True
                raise Died(name)
            return call(*args, **options)  # type: ignore[operator]

        return wrapper


@pytest.fixture
def mortal_system() -> type[MortalSystem]:
    return MortalSystem


@pytest.fixture
def died() -> type[Died]:
    return Died
