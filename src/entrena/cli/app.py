"""The program `entrena`: its commands, and how every error ends in one message and the right exit code."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from entrena import __version__
from entrena.cli.compare import compare
from entrena.cli.data import data
from entrena.cli.evaluate import evaluate
from entrena.cli.failures import DEBUG, DONE, end_of_pipe, report
from entrena.cli.lesson import lesson
from entrena.cli.predict import predict
from entrena.cli.runs import runs
from entrena.cli.show import show
from entrena.cli.surface import surface
from entrena.cli.techniques import techniques
from entrena.cli.train import train
from entrena.errors import UsageError, did_you_mean

COMMANDS = (train, predict, evaluate, compare, runs, show, surface, data, techniques, lesson)


class _Commands(TyperGroup):
    """The commands, with our words for a name that is none."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise UsageError(f"there is no command '{args[0]}': {did_you_mean(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    epilog="Begin with: entrena train digits",
    add_completion=False,
    rich_markup_mode=None,  # plain help: Rich would double the time until it appears
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for _command in COMMANDS:
    app.command()(_command)


@app.callback(invoke_without_command=True)
def entrena(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Trains multilayer neural networks on your own data and shows why training goes well or badly."""
    if version:
        print(f"entrena {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        print(context.get_help())


def run(arguments: list[str]) -> int:
    """Runs a command line.

    Args:
        arguments: What stands after `entrena`.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Where a terminal lacks a sign, such as ², its number is shown instead.
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            # Not the command's own `main`: that would turn Ctrl-C into an exit without a word.
            with typer.main.get_command(app).make_context("entrena", list(arguments)) as context:
                code = int(context.command.invoke(context) or DONE)
        except typer.Exit as end:  # --help
            code = end.exit_code
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return end_of_pipe()
    except (Exception, KeyboardInterrupt) as error:
        if DEBUG in arguments:
            import traceback

            traceback.print_exc()
        return report(error, arguments)
