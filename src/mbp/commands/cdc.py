"""`mbp cdc`: change data capture from the market's PostgreSQL."""

from __future__ import annotations

import json
import signal
from typing import Annotated

import typer

from mbp.errors import EXIT_FINDINGS

RUN_EXAMPLES = """
Examples:

  export MBP_SOURCE_HOST=... MBP_SOURCE_USER=mbp_cdc_reader MBP_SOURCE_DATABASE=market

  mbp cdc run --target postgres          # goes on until it is stopped

  mbp cdc run --once                     # what there is now, then ends
"""
Target = Annotated[str | None, typer.Option(help="dbt target. [default: duckdb]")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(no_args_is_help=True, help="Capture changes of the market's own tables.")
    group.command("setup", epilog="Example: mbp cdc setup | psql market")(setup)
    group.command("run", epilog=RUN_EXAMPLES)(run)
    group.command("status", epilog="Example: mbp cdc status --json")(status)
    app.add_typer(group, name="cdc")


def setup(
    schema: Annotated[str, typer.Option(help="Schema of the market's tables.")] = "public",
) -> None:
    """Print the SQL that an administrator of the source runs once: role, grants, publication."""
    from mbp.cdc.source import setup_sql

    for statement in setup_sql(schema):
        typer.echo(f"{statement};")


def run(
    once: Annotated[bool, typer.Option("--once", help="End when the source is caught up.")] = False,
    target: Target = None,
) -> None:
    """Snapshot the four tables, then stream their changes into the raw change logs.

    Rows and position are committed together: it may be killed at any time and goes on where it was.
    Exit code: 0 ended as asked, 2 could not go on (the reason and the cure are told).
    """
    from mbp.building.dbt_process import target_name
    from mbp.cdc.run import Reader
    from mbp.cdc.source import source_of_environment
    from mbp.paths import project_root

    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    reader = Reader(
        project_root(),
        target_name(target),
        source_of_environment(),
        lambda told: typer.echo(told, err=True),
        lambda: bool(asked),
    )
    rows = reader.run(once=once)
    typer.echo(f"{rows:,} rows written, position {reader.applied}", err=True)


def status(
    target: Target = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show lag, rows and heartbeat per table, and what the slot keeps at the source.

    Exit code: 0 streaming, 1 the slot is gone or nobody streams from it, 2 could not look.
    """
    from dataclasses import asdict

    from mbp.building.dbt_process import target_name
    from mbp.cdc import status as looking
    from mbp.cdc.source import source_of_environment
    from mbp.paths import project_root

    found = looking.read_status(project_root(), target_name(target), source_of_environment())
    told = json.dumps(asdict(found), indent=2) + "\n" if as_json else looking.text(found)
    typer.echo(told, nl=False)
    if found.slot is None or not found.slot["active"]:
        raise typer.Exit(EXIT_FINDINGS)
