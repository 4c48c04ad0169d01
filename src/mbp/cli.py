"""`mbp`: the command line. Every verb lives in a module of its own under mbp.commands."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import typer

from mbp import commands
from mbp.errors import EXIT_COULD_NOT_RUN, MbpError

app = typer.Typer(
    name="mbp",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root() -> None:
    """Data contracts and quality for MBP. Exit codes: 0 pass, 1 findings, 2 could not run."""


def register() -> None:
    """Adds every module of mbp.commands: each has `register(app)`. Sorted, so help is stable."""
    if app.registered_commands or app.registered_groups:
        return
    for module in sorted(pkgutil.iter_modules(commands.__path__), key=lambda found: found.name):
        importlib.import_module(f"{commands.__name__}.{module.name}").register(app)


def main() -> None:
    """Entry point: one clear line on stderr for bad input, never a traceback."""
    register()
    try:
        app()
    except MbpError as error:
        typer.echo(f"mbp: {error}", err=True)
        sys.exit(EXIT_COULD_NOT_RUN)
    except KeyboardInterrupt:
        typer.echo("mbp: interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
