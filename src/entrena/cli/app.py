"""The program `entrena`: its commands, and how every error ends in one message and the right exit code."""

from __future__ import annotations

import traceback
from typing import Annotated

import typer

from entrena import __version__
from entrena.cli.data import data
from entrena.cli.evaluate import evaluate
from entrena.cli.failures import DEBUG, DONE, end_of_pipe, report
from entrena.cli.predict import predict
from entrena.cli.runs import runs
from entrena.cli.show import show
from entrena.cli.techniques import techniques
from entrena.cli.train import train

COMMANDS = (train, predict, evaluate, runs, show, data, techniques)

app = typer.Typer(
    help="Trains multilayer neural networks on your own data and shows why training goes well or badly.",
    epilog="Begin with: entrena train digits",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in COMMANDS:
    app.command()(command)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"entrena {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Trains multilayer neural networks on your own data and shows why training goes well or badly."""


def run(arguments: list[str]) -> int:
    """Runs a command line.

    Args:
        arguments: What stands after `entrena`.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """
    try:
        return app(args=arguments, prog_name="entrena", standalone_mode=False) or DONE
    except BrokenPipeError:
        return end_of_pipe()
    except (Exception, KeyboardInterrupt) as error:
        if DEBUG in arguments:
            traceback.print_exc()
        return report(error, arguments)
