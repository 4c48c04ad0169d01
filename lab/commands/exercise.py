"""`mbp exercise`: does every fault end in its decision?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mbp.cli.commands import DECISIONS
from mbp.cli.options import ReportFormat
from mbp.core.errors import EXIT_FINDINGS, MbpError

if TYPE_CHECKING:
    pass


def exercise(
    name: Annotated[list[str] | None, typer.Argument(help="Exercises by id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    mutations: Annotated[
        bool, typer.Option("--mutations", help="Also weaken each hook: its exercise must fail.")
    ] = False,
    form: ReportFormat = "text",
) -> None:
    """Inject faults into an isolated copy and check that each ends in its decision.

    Exit code: 0 every exercise passes, 1 one fails, 2 could not run.
    """
    from dataclasses import asdict

    from lab.exercises.exercise import as_table
    from lab.exercises.exercise import exercise as run
    from mbp.core.paths import project_root
    from mbp.core.reporting import show
    from mbp.core.reporting.progress import progress

    if every == bool(name):
        raise MbpError("name exercises, or give --all", fix="see contracts/a110/exercises.yaml")
    with progress() as shown:
        results = run(project_root(), name or [], shown.say, mutations=mutations)
    document = [{**asdict(result), "passed": result.passed} for result in results]
    show(form, text=as_table(results), json=document)
    if not all(result.passed for result in results):
        raise typer.Exit(EXIT_FINDINGS)


def register(app: typer.Typer) -> None:
    """Adds what the lab adds to the program."""
    app.command(
        "exercise",
        rich_help_panel=DECISIONS,
        epilog="Example: mbp exercise cdc_delay; mbp exercise --all",
    )(exercise)
