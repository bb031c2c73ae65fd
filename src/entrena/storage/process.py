"""Whether a process that a file tells of still lives, without taking another one that got its number for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

HEARTBEAT_SECONDS = 60.0
"""Where the operating system does not tell about processes, one with so recent a sign of life is taken as alive."""


def start_of_process(pid: int) -> str | None:
    """When a process was started: a text that no later process of the same number has; None where there is none.

    A process that has ended but was not yet waited for by its parent (a zombie) counts as none.
    """
    if pid <= 0:
        return None
    if Path("/proc/self/stat").exists():
        return _from_proc(pid)
    return _from_ps(pid)


def is_alive(pid: object, started: object, heartbeat: object) -> bool:
    """Whether the process that wrote a status still lives.

    Args:
        pid: Its number.
        started: What `start_of_process` gave for it then.
        heartbeat: Its last sign of life, UNIX seconds; asked only where processes cannot be.
    """
    if not isinstance(pid, int) or isinstance(pid, bool):
        return False
    if isinstance(started, str):
        return start_of_process(pid) == started
    return isinstance(heartbeat, int | float) and abs(time.time() - heartbeat) < HEARTBEAT_SECONDS


def _from_proc(pid: int) -> str | None:
    """Linux: the clock ticks from the start of the machine, and which start of the machine that was."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # The second field is the command in parentheses, and may hold anything.
    state, started = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}/{started}"


def _from_ps(pid: int) -> str | None:
    """Other systems with the POSIX command `ps`; None also where there is no such command."""
    import subprocess  # Only here, since most systems need it never.

    try:
        answer = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    state, _, started = answer.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
