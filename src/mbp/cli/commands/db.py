"""`mbp db`: prepares a warehouse."""

from __future__ import annotations

from typing import Annotated

import typer

from mbp.cli.commands import DATA
from mbp.cli.options import Target
from mbp.core.paths import project_root
from mbp.core.wording import many

EPILOG = "Example: mbp db init --target postgres --dry-run"


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(no_args_is_help=True, help="Prepare a warehouse.")
    group.callback()(lambda: None)
    group.command("init", epilog=EPILOG)(init)
    app.add_typer(group, name="db", rich_help_panel=DATA)


def init(
    target: Target = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL, run nothing.")] = False,
) -> None:
    """Create schemas, raw tables and, on PostgreSQL, the three roles. Safe to run again."""
    from mbp.ingest.initialise import (
        CANCELLING,
        LOADER,
        READER,
        TRANSFORMER,
        initialise,
        statements,
    )
    from mbp.warehouse import connect
    from mbp.warehouse.profile import read_target

    root = project_root()
    settings = read_target(root, target)[1]
    if dry_run:
        for statement in statements(root, str(settings["type"])):
            typer.echo(f"{statement};")
        return
    # Roles that this command makes: they may not be there yet, and none of them may do what it does.
    made_here = settings.get("role") in (LOADER, TRANSFORMER, READER)
    if made_here:
        typer.echo(
            f"MBP_PG_ROLE ({settings['role']}) is not used here: this command makes the role",
            err=True,
        )
    with connect(root, target, take_role=not made_here) as warehouse:
        done = initialise(root, warehouse)
        if (
            warehouse.engine == "postgres"
            and not warehouse.query(
                f"select pg_has_role('{TRANSFORMER}', '{CANCELLING}', 'member')"
            )[1][0][0]
        ):
            typer.echo(
                "Ctrl-C does not end the queries of plain dbt yet. Fix: a superuser runs"
                f" `grant {CANCELLING} to {TRANSFORMER}`",
                err=True,
            )
        typer.echo(f"{warehouse.engine}: {many(len(done), 'statement')}, everything is in place")
