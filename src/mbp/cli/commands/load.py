"""`mbp load`: outside data into the raw tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mbp.cli.commands import DATA
from mbp.cli.options import TextOrJson
from mbp.core.errors import EXIT_FINDINGS
from mbp.core.paths import project_root

EPILOG = (
    "Example: MBP_DUCKDB_PATH=pooledmarket.duckdb mbp load ../shared/data/pooledmarket"
    " --mapping contracts/mappings/pooledmarket.yaml"
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("load", rich_help_panel=DATA, epilog=EPILOG)(load)


def load(
    folder: Annotated[Path, typer.Argument(help="Folder of CSV or Parquet files.")],
    mapping: Annotated[Path, typer.Option(help="Mapping of their columns to ours (YAML).")],
    target: Annotated[str | None, typer.Option(help="dbt target: duckdb or postgres.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the rows, write nothing.")
    ] = False,
    reject_file: Annotated[
        Path | None, typer.Option(help="Write rejected rows with their reason to this CSV.")
    ] = None,
    form: TextOrJson = "text",
) -> None:
    """Load a folder; loading it again changes nothing. Exit 1 when rows were rejected."""
    from mbp.core.reporting import show
    from mbp.core.reporting.progress import progress
    from mbp.ingest.loading import load_folder

    with progress() as shown:
        report = load_folder(
            project_root(),
            folder,
            mapping,
            target=target,
            dry_run=dry_run,
            reject_file=reject_file,
            say=shown.say,
        )
    counts = [_counts(table) for table in report.tables]
    names = ("table", "read", "loaded", "unchanged", "rejected")
    lines = [f"{names[0]:14}" + "".join(f"{name:>10}" for name in names[1:])]
    for count in counts:
        lines.append(f"{count['table']:14}" + "".join(f"{count[name]:10,}" for name in names[1:]))
        lines += [
            f"  {column}: {rows:,} values rounded half to even"
            for column, rows in count["rounded"].items()
        ]
        lines += [
            f"  {column}: {rows:,} gaps filled as the mapping says"
            for column, rows in count["filled"].items()
        ]
    if dry_run:
        lines.append("dry run: nothing was written; `loaded` is what could be")
    document = {"source": report.source, "dry_run": dry_run, "tables": counts}
    show(form, text="\n".join(lines), json=document)
    if report.rejected:
        where = (
            f"see {reject_file}" if reject_file and not dry_run else "use --reject-file to see them"
        )
        typer.echo(f"{report.rejected:,} rows rejected: {where}", err=True)
        raise typer.Exit(EXIT_FINDINGS)


def _counts(table: Any) -> dict[str, Any]:
    return {
        "table": table.table,
        "read": table.staged.read,
        "loaded": table.loaded,
        "unchanged": table.unchanged,
        "rejected": table.staged.rejected,
        "rounded": table.staged.rounded,
        "filled": table.staged.filled,
    }
