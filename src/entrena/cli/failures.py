"""What a user sees when a command fails: one message on the standard error stream and an exit code."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import typer

from entrena.cli.output import print_json, visible
from entrena.errors import EntrenaError, RecipeError, did_you_mean

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

DEBUG, JSON = "--debug", "--json"

# Typer's and older Click's class of wrong usage, by way of the subclass that all versions of Typer export.
_WrongUsage: Any = typer.BadParameter.__base__


def report(error: BaseException, typed: Sequence[str]) -> int:
    """Says what went wrong, with `--json` also as an object on the standard output.

    Args:
        error: What ended the command.
        typed: The command line.

    Returns:
        The exit code.
    """
    kind, message, code = _meaning(error)
    if JSON in typed:
        told: dict[str, Any] = {"kind": kind, "message": message}
        if isinstance(error, RecipeError):
            told["problems"] = [{"key": problem.key, "message": problem.message} for problem in error.problems]
        try:
            print_json({"error": told}, in_one_line=True)  # of a stream each line is an object
            sys.stdout.flush()
        except OSError:  # Nobody reads, or the disk is full; the message below may still be seen.
            end_of_pipe()
    complain(message)
    return code


def complain(message: str) -> None:
    """Prints a message of failure."""
    colored = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    word = "\033[1;31mError:\033[0m" if colored else "Error:"
    with suppress(OSError):
        print(word, visible(message), file=sys.stderr, flush=True)


def end_of_pipe() -> int:
    """Ends quietly where the reader of our output is gone, as `| head` is after its last line."""
    with suppress(OSError, ValueError):  # What Python would still flush at its exit has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _meaning(error: BaseException) -> tuple[str, str, int]:
    """The kind of an error, its message and its exit code."""
    if isinstance(error, EntrenaError):
        return _kind(error), str(error), error.exit_code
    if isinstance(error, _WrongUsage):
        return "usage", _usage_message(error), USAGE
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", str(error) or "interrupted", INTERRUPTED
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return "system", f"{where}{error.strerror.lower()}", FAILED
    said = " ".join(str(error).split())[:300]
    name = type(error).__name__
    told = f"{name}: {said}" if said else name
    return (
        "internal",
        f"something unforeseen happened ({told}): --debug shows where",
        FAILED,
    )


def _kind(error: EntrenaError) -> str:
    """`ModelFileError` → `model_file`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower()


def _usage_message(error: Any) -> str:
    """Typer's message, with the nearest option's name and the way to the help."""
    context = error.ctx
    message = error.format_message().rstrip(".")
    if context is None:
        return message
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        there = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
        message = f"there is no option {option}: {did_you_mean(option, [*there, '--help'])}"
    return f"{message}\n'{context.command_path} --help' tells what can be typed."
