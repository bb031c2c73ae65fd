"""A system whose process dies after a number of calls."""

from __future__ import annotations

import os

import pytest


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
