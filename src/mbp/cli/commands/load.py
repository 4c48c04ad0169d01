"""`mbp load`: outside data into the raw tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mbp.cli.commands import DATA
from mbp.cli.options import ReportFormat, Target
from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.core.paths import project_root
from mbp.core.reporting import show
from mbp.core.reporting.progress import progress
from mbp.core.wording import many

EPILOG = (
    "Example: MBP_DUCKDB_PATH=pooledmarket.duckdb mbp load ../shared/data/pooledmarket"
    " --mapping contracts/mappings/pooledmarket.yaml"
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("load", rich_help_panel=DATA, epilog=EPILOG)(load)


def load(
    places: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[init] FOLDER",
            help="Folder of CSV, JSON or Parquet files, or one file. `init` prints a first mapping for it.",
        ),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="Mapping of their columns to ours (YAML).")
    ] = None,
    target: Target = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the rows, write nothing.")
    ] = False,
    reject_file: Annotated[
        Path | None, typer.Option(help="Write rejected rows with their reason to this CSV.")
    ] = None,
    max_rejects: Annotated[
        int | None, typer.Option(min=0, help="Load nothing when more rows are rejected.")
    ] = None,
    list_loads: Annotated[
        bool, typer.Option("--list", help="List the loads of the warehouse instead.")
    ] = False,
    undo: Annotated[
        int | None, typer.Option(help="Take the rows of a load out of the logs again.")
    ] = None,
    form: ReportFormat = "text",
) -> None:
    """Load a folder; loading it again changes nothing. Exit 1 when rows were rejected."""
    match [str(place) for place in places or []]:
        case ["init", folder]:
            _init(Path(folder))
        case _ if list_loads:
            _list(target, form)
        case _ if undo is not None:
            _undo(undo, target, form)
        case [folder] if mapping is not None:
            _load(Path(folder), mapping, target, dry_run, reject_file, max_rejects, form)
        case _:
            raise MbpError(
                "what to load is not said",
                fix="give one folder and --mapping; or `init` and the folder, --list, or --undo with a load's number",
            )


def _load(
    folder: Path,
    mapping: Path,
    target: str | None,
    dry_run: bool,
    reject_file: Path | None,
    max_rejects: int | None,
    form: str,
) -> None:
    from mbp.core.masking import as_text
    from mbp.ingest.loading.load_sources import load_folder

    with progress() as shown:
        report = load_folder(
            project_root(),
            folder,
            mapping,
            target=target,
            dry_run=dry_run,
            reject_file=reject_file,
            max_rejects=max_rejects,
            say=shown.say,
        )
    counts = [_counts(table) for table in report.tables]
    lines = _table(counts, ("table", "read", "loaded", "unchanged", "superseded", "rejected"))
    for count in counts:
        lines += [
            f"{count['table']}.{column}: {rows:,} {what}"
            for kind, what in NOTES.items()
            for column, rows in count[kind].items()
        ]
        if count["left_out"]:
            lines.append(
                f"{count['table']}: {count['left_out']:,} rows left out, as the mapping says"
            )
        if count["absent"]:
            lines.append(f"{count['table']}: the source lacks {', '.join(count['absent'])}")
        lines += [f"warning: {count['table']}.{strange}" for strange in count["implausible"]]
    if dry_run:
        lines.append("dry run: nothing was written; `loaded` is what could be")
        for table, rows in report.rows.items():
            lines += [
                f"{table}: {', '.join('null' if value is None else as_text(value) for value in row)}"
                for row in rows
            ]
        for table, rejects in report.rejects.items():
            lines += [
                f"{table}: rejected row {row} of {file}: {reason}"
                for file, row, _, reason in rejects
            ]
    document = {
        "source": report.source,
        "load_id": report.load_id,
        "dry_run": dry_run,
        "tables": counts,
    }
    show(form, text="\n".join(lines), json=document)
    if report.rejected:
        kept = reject_file or "raw_mbp._load_rejects"
        where = "nothing was written" if dry_run else f"see {kept}"
        typer.echo(f"{report.rejected:,} rows rejected: {where}", err=True)
        raise typer.Exit(EXIT_FINDINGS)


NOTES = {
    "rounded": "values rounded half to even",
    "filled": "gaps filled as the mapping says",
}


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Counts by table, under their names."""
    lines = [f"{names[0]:14}" + "".join(f"{name:>11}" for name in names[1:])]
    return lines + [
        f"{row[names[0]]:14}" + "".join(f"{row[name]:11,}" for name in names[1:]) for row in rows
    ]


def _init(folder: Path) -> None:
    from mbp.contracts import load_contracts
    from mbp.ingest.loading.mapping_draft import draft

    typer.echo(draft(folder, load_contracts(project_root())), nl=False)


def _list(target: str | None, form: str) -> None:
    from mbp.ingest.loading.loads import list_loads
    from mbp.warehouse import connect

    with connect(project_root(), target, read_only=True) as warehouse:
        loads = list_loads(warehouse)
    lines = [
        f"{load.load_id:>4}  {load.loaded_at:%Y-%m-%d %H:%M:%S}  {load.source}  {load.dataset}:"
        f" {load.loaded:,} loaded, {load.rejected:,} rejected ({load.files})"
        for load in loads
    ]
    show(
        form,
        text="\n".join(lines) or "nothing was loaded",
        json=[{**asdict(load), "loaded_at": load.loaded_at.isoformat()} for load in loads],
    )


def _undo(load_id: int, target: str | None, form: str) -> None:
    from mbp.ingest.loading.loads import undo
    from mbp.ingest.loading.source_facts import dataset_tables
    from mbp.warehouse import connect

    root = project_root()
    with connect(root, target) as warehouse:
        removed = undo(warehouse, load_id, dataset_tables(root))
    lines = [f"{dataset}: {many(rows, 'row')} taken out" for dataset, rows in removed.items()]
    lines.append("Build with `MBP_RAW=loaded mbp build --full-refresh`: increments only add rows.")
    show(form, text="\n".join(lines), json={"load_id": load_id, "removed": removed})


def _counts(table: Any) -> dict[str, Any]:
    return {
        "table": table.table,
        "read": table.staged.read,
        "loaded": table.loaded,
        "unchanged": table.unchanged,
        "superseded": table.superseded,
        "rejected": table.staged.rejected,
        "left_out": table.staged.left_out,
        "absent": list(table.absent),
        "implausible": table.staged.implausible,
        "rounded": table.staged.rounded,
        "filled": table.staged.filled,
    }
