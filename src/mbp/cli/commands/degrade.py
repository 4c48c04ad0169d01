"""`mbp degrade`: readers on the live rows, or on the last complete snapshot."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mbp.cli.commands import DATA
from mbp.cli.options import ReportFormat, Target
from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.core.paths import project_root
from mbp.core.reporting import show

Reason = Annotated[str, typer.Option(help="Why; readers see it in published.data_as_of.")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Switch readers between live rows and the last complete snapshot.",
    )
    group.command("snapshot", epilog="Example: mbp build && mbp degrade snapshot")(snapshot)
    group.command("on", epilog='Example: mbp degrade on --reason "slot lost"')(on)
    group.command("off", epilog="Example: mbp degrade off --target postgres")(off)
    group.command("status", epilog="Example: mbp degrade status --format json")(status)
    app.add_typer(group, name="degrade", rich_help_panel=DATA)


def snapshot(target: Target = None, form: ReportFormat = "text") -> None:
    """Store a snapshot of the public datasets after a green build; `mbp build --snapshot` does it too.

    Exit code: 0 taken, 1 refused (the build is not green, readers are degraded), 2 no build of this version.
    """
    from mbp.operate.degrade.reader_snapshot import take
    from mbp.operate.degrade.switch import RefusedSwitchError
    from mbp.release.waivers.waiver_check import waived_rules

    try:
        taken = take(project_root(), target, waived_rules)
    except RefusedSwitchError as error:
        typer.echo(f"mbp: {error}", err=True)
        raise typer.Exit(EXIT_FINDINGS) from error
    lines = [f"{copy.dataset:<20} {copy.rows:>12,} rows, as of {copy.as_of}" for copy in taken]
    show(form, text="\n".join(lines), json=[asdict(copy) for copy in taken])


def on(target: Target = None, reason: Reason = "by hand") -> None:
    """Point readers at the last complete snapshot. Safe to run again.

    Exit code: 0 done, 1 refused (no complete snapshot), 2 could not check.
    """
    from mbp.operate.degrade.switch import RefusedSwitchError, as_of, copies, degrade
    from mbp.warehouse import connect

    with connect(project_root(), target, create=False) as warehouse:
        try:
            switch = degrade(warehouse, reason=reason)
        except RefusedSwitchError as error:
            typer.echo(f"mbp: {error}", err=True)
            raise typer.Exit(EXIT_FINDINGS) from error
        reached = as_of(copies(warehouse))
    typer.echo(f"readers see the snapshot as of {reached}, since {switch.since}")


def off(target: Target = None, reason: Reason = "by hand") -> None:
    """Point readers at the live rows. Safe to run again.

    Exit code: 0 done, 2 could not check.
    """
    from mbp.operate.degrade.switch import recover
    from mbp.warehouse import connect

    with connect(project_root(), target, create=False) as warehouse:
        recover(warehouse, reason=reason)
    typer.echo("readers see the live rows")


def status(target: Target = None, form: ReportFormat = "text") -> None:
    """Show what readers see, its age, and the newest snapshot.

    Exit code: 0 live, 1 degraded, 2 could not check, or a view is not where the switch says.
    """
    from mbp.operate.degrade.switch import status as look
    from mbp.warehouse import connect

    with connect(project_root(), target, read_only=True) as warehouse:
        reader_status = look(warehouse)
    switch = reader_status.switch
    since = f" since {switch.since}: {switch.reason}" if switch.since else ""
    lines = [f"readers see: {switch.mode}{since}"]
    lines += [
        f"  {dataset:<20} as of {reached}" for dataset, reached in reader_status.as_of.items()
    ]
    message = "there is none"
    if reader_status.copies:
        first = reader_status.copies[0]
        message = f"number {first.generation}, taken {first.taken_at}"
    lines.append(f"last complete snapshot: {message}")
    show(form, text="\n".join(lines), json=asdict(reader_status))
    if reader_status.problems:
        raise MbpError(
            reader_status.problems[0],
            fix=f"`mbp degrade {'on' if reader_status.switch.mode == 'snapshot' else 'off'}` points it",
        )
    if reader_status.switch.mode == "snapshot":
        raise typer.Exit(EXIT_FINDINGS)
