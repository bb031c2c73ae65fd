"""The command line: one file for each command; what they share is in `options`, `run_names`, `output` and `table_file`.

Commands read options, call the rooms below and print; they compute nothing themselves. With `--json` exactly one JSON
object goes to the standard output, also where a command fails; messages and progress go to the standard error stream.
Imports that take time stand inside the commands, so that `entrena --help` is quick.
"""

from __future__ import annotations

from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """The command `entrena`: runs it with the arguments of this process and leaves with its exit code."""
    import gc
    import os
    import signal
    import sys

    # Where standard streams are closed, as in some daemons, Python has none.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop_at_once)

    # A process of half a second: collecting garbage while thousands of objects are imported, and taking every module
    # apart at the end, would each cost a tenth of it and more.
    gc.disable()
    from entrena.cli.app import run

    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the reader of a pipe has gone
            code = code or 1
    os._exit(code)


def _stop_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C while nothing is trained: an exception amid imports would end in any message but ours.

    While a network is trained, training has a handler of its own.
    """
    import os
    import sys

    if "--json" in sys.argv:
        os.write(1, b'{"error": {"kind": "interrupted", "message": "interrupted"}}\n')
    os.write(2, b"Error: interrupted\n")
    os._exit(130)
