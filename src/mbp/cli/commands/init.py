"""`mbp init`: contracts for the models of an existing dbt project."""

from __future__ import annotations

from typing import Annotated

import typer

from mbp.cli.commands import START
from mbp.cli.options import ReportFormat, Target, examples
from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.core.paths import dbt_projects
from mbp.core.reporting import show
from mbp.core.reporting.progress import progress

EXAMPLES = examples(
    "mbp init                                  # the models that are neither staging nor intermediate",
    "mbp init orders customers --owner SALES --pack A87",
)


def register(app: typer.Typer) -> None:
    """Adds `mbp init`."""
    app.command("init", epilog=EXAMPLES, rich_help_panel=START)(init)


def init(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models, seeds or snapshots to draft contracts of.")
    ] = None,
    target: Target = None,
    owner: Annotated[
        str | None, typer.Option(help="Team that owns the contracts. [default: DATA]")
    ] = None,
    channel: Annotated[str, typer.Option(help="Where the team is reached.")] = "#data",
    pack: Annotated[
        list[str] | None, typer.Option(help="A87 (words and metrics) or A108 (personal data) too.")
    ] = None,
    form: ReportFormat = "text",
) -> None:
    """Start with contracts in an existing dbt project: settings, policies, a draft for each model.

    Run `dbt build` first: types, keys and ranges are read from the tables. Nothing that exists is changed.
    Exit code: 0 written, 1 some chosen model has no draft, 2 could not run.
    """
    from dataclasses import asdict

    from mbp.core.schema_check import did_you_mean
    from mbp.core.settings import PACKS
    from mbp.runs.start_project import Start, start_project

    packs = tuple(name.upper() for name in pack or ())
    for name in packs:
        if name not in PACKS:
            raise MbpError(f"unknown pack {name!r}", fix=did_you_mean(name, PACKS))
    asked = Start(tuple(models or ()), packs, target, owner, channel)
    with progress() as shown:
        done = start_project(dbt_projects()[0], asked, shown.say)
    lines = [f"wrote {name}" for name in done.written] + [f"kept  {name}" for name in done.kept]
    lines.append(
        "Next: `mbp contracts lint` says what to write; `mbp contracts render` writes tests."
    )
    show(form, text="\n".join(lines), json=asdict(done))
    for dataset, reasons in done.skipped.items():
        typer.echo(f"no draft of {dataset}: {'; '.join(reasons)}", err=True)
    if done.skipped:
        raise typer.Exit(EXIT_FINDINGS)
