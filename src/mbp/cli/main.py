"""`mbp`: the command line. Every command is a module of mbp.cli.commands."""

from __future__ import annotations

import importlib
import pkgutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mbp.cli import commands, last_resort
from mbp.core.command_tree import provide
from mbp.core.errors import MbpError
from mbp.core.garbage import collect_seldom
from mbp.core.paths import project_root
from mbp.core.reporting.progress import silence
from mbp.core.reporting.terminal import guard, printable
from mbp.core.settings import load_settings


@contextmanager
def _shown_escaped() -> Iterator[None]:
    """Errors of typer quote arguments, and are drawn with colours that the guard lets pass."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):
            error.message = printable(error.message)  # type: ignore[attr-defined]
        raise


class ByTask(TyperGroup):
    """The commands in the order of their headings, and by name below each."""

    def main(self, *given: Any, **named: Any) -> Any:
        """Runs the command line; from here on, all output passes one place."""
        guard()
        return super().main(*given, **named)

    def make_context(self, *given: Any, **named: Any) -> typer.Context:
        """The context, or an error about the arguments that shows them escaped."""
        with _shown_escaped():
            return super().make_context(*given, **named)  # type: ignore[return-value]

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Runs the command, or an error about its arguments that shows them escaped."""
        with _shown_escaped():
            return super().invoke(ctx)

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Names as the help and the completion show them; a command without a known heading comes last."""
        del ctx
        return sorted(self.commands, key=self._place)

    def _place(self, name: str) -> tuple[int, str]:
        panel = getattr(self.commands[name], "rich_help_panel", None)
        known = panel in commands.PANELS
        return (commands.PANELS.index(panel) if known else len(commands.PANELS), name)


app = typer.Typer(
    name="mbp",
    cls=ByTask,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    # Colours of data are shown escaped, not taken out: mbp.core.reporting.terminal.
    context_settings={"help_option_names": ["-h", "--help"], "color": True},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib import metadata

        typer.echo(f"mbp {metadata.version('mbp-data-contracts')}")
        raise typer.Exit


def root(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show results alone, without progress.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What all commands share."""
    del version
    silence(quiet)


def _help() -> str:
    """The first line of the help, with the title of the project."""
    try:
        title = load_settings(project_root()).title
    except MbpError:
        title = ""
    of = f" for {title}" if title else ""
    return f"Data contracts and quality{of}. Exit codes: 0 pass, 1 findings, 2 could not run."


def plugins() -> list[ModuleType]:
    """Packages of further commands: `<name>.commands` for each name in the setting `plugins`.

    The project's own folder comes last on the path, so a plug-in never hides an installed package.

    Raises:
        MbpError: a plug-in that cannot be imported.
    """
    try:
        root = project_root()
    except MbpError:
        return []
    names = load_settings(root).plugins
    if names and str(root) not in sys.path:
        sys.path.append(str(root))
    texts = []
    for name in names:
        try:
            texts.append(importlib.import_module(f"{name}.commands"))
        except ImportError as error:
            raise MbpError(
                f"the plug-in {name!r} cannot be imported: {error}",
                fix="correct the setting `plugins`, or restore the package",
            ) from error
    return texts


def register() -> None:
    """Adds every module of mbp.cli.commands: each has `register(app)`. Sorted, so help is stable."""
    if app.registered_commands or app.registered_groups:
        return
    app.callback(help=_help())(root)
    for package in (commands, *plugins()):
        pairs = sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name)
        for module in pairs:
            importlib.import_module(f"{package.__name__}.{module.name}").register(app)
    provide(cache(lambda: typer.main.get_command(app)))


def main() -> None:
    """Entry point: one clear line on stderr for bad input, never a traceback."""

    def command() -> None:
        register()
        app()

    collect_seldom()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, last_resort.interrupt)
    sys.exit(last_resort.run(command))


if __name__ == "__main__":
    main()
