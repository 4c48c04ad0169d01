"""`mbp engines`: what each engine enforces by itself, measured."""

from __future__ import annotations

from typing import Annotated

import typer

from mbp.cli.commands import QUALITY
from mbp.core.errors import EXIT_FINDINGS
from mbp.core.paths import project_root

EPILOG = "Example: mbp engines --check"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("engines", rich_help_panel=QUALITY, epilog=EPILOG)(engines)


def engines(
    write: Annotated[
        bool, typer.Option("--write", help="Write the matrix to docs/engines.md.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 when docs/engines.md is stale.")
    ] = False,
    spark: Annotated[
        bool,
        typer.Option(
            "--spark", help="Probe Spark again (extra `spark`, Java 17); keep the record."
        ),
    ] = False,
) -> None:
    """Break every kind of constraint on live engines and show which of them refuse it."""
    from lab.engines import document

    root = project_root()
    if spark:
        from lab.engines.spark import record

        record()
    table = document.measured_matrix()
    if write:
        document.write_matrix(root, table)
    elif check and document.current_matrix(root) != table:
        typer.echo(f"{document.DOCUMENT}: stale. Fix: mbp engines --write")
        raise typer.Exit(EXIT_FINDINGS)
    typer.echo(table, nl=False)
