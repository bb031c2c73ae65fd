from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from entrena.storage import process
from entrena.storage.process import is_alive, start_of_process

READERS = [process._from_proc, process._from_ps] if sys.platform == "linux" else [process._from_ps]


@pytest.mark.parametrize("reader", READERS)
def test_two_processes_and_one_that_ended(reader: object) -> None:
    assert callable(reader)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mine, other = reader(os.getpid()), reader(child.pid)
    assert mine and other
    assert reader(os.getpid()) == mine
    child.kill()
    deadline = time.monotonic() + 30
    while reader(child.pid) is not None and time.monotonic() < deadline:  # A zombie until it is waited for.
        time.sleep(0.01)
    assert reader(child.pid) is None
    child.communicate()
    assert reader(child.pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_later_process_of_the_same_number_differs() -> None:
    # Two processes started 50 ms apart differ in clock ticks (10 ms), so the number alone is not what is compared.
    first = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    time.sleep(0.05)
    second = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert start_of_process(first.pid) != start_of_process(second.pid)
    first.communicate(b"\n")
    second.communicate(b"\n")


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**62])
def test_numbers_that_are_no_process(pid: int) -> None:
    assert start_of_process(pid) is None


def test_a_system_without_proc_and_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert process._from_ps(os.getpid()) is None


def test_alive() -> None:
    mine = start_of_process(os.getpid())
    assert is_alive(os.getpid(), mine, None)
    assert not is_alive(os.getpid(), "another", time.time())
    for pid in (None, "1", True, 1.0):
        assert not is_alive(pid, mine, time.time())


def test_alive_by_its_heartbeat_where_the_system_does_not_tell() -> None:
    assert is_alive(1, None, time.time() - 5)
    assert not is_alive(1, None, time.time() - 3600)
    assert not is_alive(1, None, None)
