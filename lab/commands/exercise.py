"""`mbp exercise`: does every fault end in its decision?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mbp.cli.commands import DECISIONS
from mbp.cli.options import AsJson
from mbp.core.errors import EXIT_FINDINGS, MbpError

if TYPE_CHECKING:
    pass


def exercise(
    name: Annotated[list[str] | None, typer.Argument(help="Exercises by id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    mutations: Annotated[
        bool, typer.Option("--mutations", help="Also weaken each hook: its exercise must fail.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Inject faults into an isolated copy and see each of them end in its decision.

    Exit code: 0 every edge works, 1 one does not, 2 could not run.
    """
    from lab.exercises.exercise import as_table
    from lab.exercises.exercise import exercise as run
    from mbp.core.paths import project_root
    from mbp.core.reporting.progress import progress

    if every == bool(name):
        raise MbpError("name exercises, or give --all", cure="see contracts/a110/exercises.yaml")
    with progress() as shown:
        results = run(project_root(), name or [], shown.say, mutations=mutations)
    if as_json:
        from dataclasses import asdict

        document = [{**asdict(one), "passed": one.passed} for one in results]
        typer.echo(json.dumps(document, indent=2, default=str))
    else:
        typer.echo(as_table(results), nl=False)
    if not all(one.passed for one in results):
        raise typer.Exit(EXIT_FINDINGS)


def register(app: typer.Typer) -> None:
    """Adds what the lab adds to the program."""
    app.command(
        "exercise",
        rich_help_panel=DECISIONS,
        epilog="Example: mbp exercise cdc_delay; mbp exercise --all",
    )(exercise)
