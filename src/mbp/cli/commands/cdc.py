"""`mbp cdc`: change data capture from the market's PostgreSQL."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mbp.cli.commands import DATA
from mbp.cli.options import Format, ReportFormat, Target, examples
from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.core.paths import project_root
from mbp.core.reporting import Finding, Suite, report, show
from mbp.core.wording import many

if TYPE_CHECKING:
    from mbp.ingest.cdc.capture import SlotReader

RUN_EXAMPLES = examples(
    "export MBP_SOURCE_HOST=... MBP_SOURCE_USER=mbp_cdc_reader MBP_SOURCE_DATABASE=market",
    "mbp cdc run --target postgres          # goes on until it is stopped",
    "mbp cdc run --once                     # what there is now, then ends",
)
REPLAY_EXAMPLES = examples(
    "mbp cdc replay --list                  # what is in quarantine, and why; nothing is changed",
    "mbp cdc replay --table quotes          # after the fix",
)
RESNAPSHOT_EXAMPLES = examples(
    "mbp cdc resnapshot                     # the slot was lost, or the server is another one: all tables",
    "mbp cdc resnapshot --table quotes      # one table whose stream was stopped, after the source was fixed",
)
RECONCILE_EXAMPLES = examples(
    "mbp cdc reconcile --target postgres    # every captured table",
    "mbp cdc reconcile --table quotes --format json",
)
LAND_EXAMPLES = examples(
    "mbp cdc land exports/market            # files of an existing Debezium pipeline: .jsonl, .json, .ndjson, .parquet",
)


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(no_args_is_help=True, help="Capture changes of the market's tables.")
    group.command("setup", epilog="Example: mbp cdc setup | psql market")(setup)
    group.command("run", epilog=RUN_EXAMPLES)(run)
    group.command("status", epilog="Example: mbp cdc status --format json")(status)
    group.command("replay", epilog=REPLAY_EXAMPLES)(replay)
    group.command("resnapshot", epilog=RESNAPSHOT_EXAMPLES)(resnapshot)
    group.command("reconcile", epilog=RECONCILE_EXAMPLES)(reconcile)
    group.command("land", epilog=LAND_EXAMPLES)(land)
    app.add_typer(group, name="cdc", rich_help_panel=DATA)


def setup(
    schema: Annotated[str, typer.Option(help="Schema of the market's tables.")] = "public",
) -> None:
    """Print the SQL that an administrator of the source runs: role, grants, publication.

    It is one transaction. Run again, it changes only what differs, and a running reader continues.
    """
    from mbp.ingest.cdc.change_shape import by_name
    from mbp.ingest.cdc.market_source import setup_sql
    from mbp.ingest.raw_tables import raw_tables

    captured = by_name(raw_tables(project_root()))
    for statement in ("begin", *setup_sql(captured, schema), "commit"):
        typer.echo(f"{statement};")
    # Of the whole server, and its administrator's to decide: said, not done.
    typer.echo(
        "-- A forgotten slot must cost the slot, not the disk; the reader's alarms go by this limit:"
    )
    typer.echo("-- alter system set max_slot_wal_keep_size = '2GB'; select pg_reload_conf();")


def run(
    once: Annotated[bool, typer.Option("--once", help="End when the source is caught up.")] = False,
    target: Target = None,
) -> None:
    """Snapshot the tables of the contracts, then stream their changes into the raw change logs.

    Rows and position are committed together: the process may be killed at any time and continues where it was.
    It waits for servers and networks that go away. Exit code: 0 ended as requested, 1 ended, but a table is stopped or
    a change is in quarantine, 2 could not continue (prints the reason and the fix).
    """
    asked = StopSignal()  # before what takes time
    reader = _reader(target, asked)
    with asked.obeyed(once=once):
        rows = reader.run(once=once)
    typer.echo(f"{many(rows, 'row')} written, position {reader.applied}", err=True)
    if reader.problems:
        typer.echo(f"not all of it: {reader.problems}", err=True)
        raise typer.Exit(EXIT_FINDINGS)


def replay(
    table: Annotated[str | None, typer.Option(help="One table. [default: all]")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Show the letters only.")] = False,
    reader: Annotated[
        str, typer.Option(help="Reader whose letters are tried: native or landing.")
    ] = "native",
    target: Target = None,
) -> None:
    """Try the dead letters again: changes that could not be written, after the fix.

    Changes of a stopped table are all applied or none, by the reader itself when it starts.
    Exit code: 0 none is left, 1 some still do not fit, 2 could not check.
    """
    from mbp.ingest.cdc.change_shape import captured_tables, one_of
    from mbp.ingest.cdc.replay import list_letters, replay_tables
    from mbp.runs.dbt_process import target_name

    root = project_root()
    name = target_name(root, target)
    captured = captured_tables(root)
    tables = captured if table is None else (one_of(captured, table),)
    if reader == "native":
        lines, left = (list_letters if only_list else replay_tables)(root, name, tables)
    elif reader == "landing" and not only_list and table is None:
        from mbp.ingest.cdc.landing import SLOT
        from mbp.ingest.cdc.replay import replay_records

        lines, left = replay_records(root, name, SLOT)
    else:
        raise MbpError(
            f"no such replay of the reader {reader!r}",
            fix="use native, or landing without --list and --table",
        )
    for line in lines:
        typer.echo(line)
    if left:
        raise typer.Exit(EXIT_FINDINGS)


def resnapshot(
    table: Annotated[
        list[str] | None,
        typer.Option(help="Tables; may be repeated. [default: all, whatever state the slot is in]"),
    ] = None,
    target: Target = None,
) -> None:
    """Copy the state of the source again: writes what differs and deletes rows that the source no longer has.

    Position and slot change only when all of it is written. No reader may run meanwhile. Exit code: 0 done and caught
    up, 2 could not.
    """
    asked = StopSignal()
    from mbp.ingest.cdc.change_shape import captured_tables, one_of

    captured = captured_tables(project_root())
    tables = [one_of(captured, name) for name in table or captured]
    reader = _reader(target, asked)
    with asked.obeyed(once=True):
        rows = reader.run(once=True, anew=tables)
    typer.echo(f"{rows:,} streamed rows written, position {reader.applied}", err=True)


def _reader(target: str | None, asked: StopSignal) -> SlotReader:
    from mbp.ingest.cdc.capture import SlotReader
    from mbp.ingest.cdc.market_source import source_of_environment
    from mbp.runs.dbt_process import target_name

    root = project_root()
    return SlotReader(root, target_name(root, target), source_of_environment(), _say, asked)


def _say(message: str) -> None:
    typer.echo(message, err=True)


class StopSignal:
    """True when this must end: after Ctrl-C or SIGTERM, for which the reader ends in good order."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self._numbers.append(number))

    def __call__(self) -> bool:
        return bool(self._numbers)

    @contextmanager
    def obeyed(self, *, once: bool) -> Iterator[None]:
        """Around the reader: why it ended is not forgotten.

        Raises:
            KeyboardInterrupt: it ended by Ctrl-C.
            MbpError: it was to end when it had caught up, and ended by SIGTERM.
        """
        try:
            yield
        except MbpError as error:
            if signal.SIGINT in self._numbers:
                raise KeyboardInterrupt from error
            raise
        if signal.SIGINT in self._numbers:
            raise KeyboardInterrupt
        if self._numbers and once:
            raise MbpError(
                "stopped before the source was caught up",
                fix="run the command again: it continues where it stopped",
            )


def status(
    target: Target = None,
    form: Format = "text",
) -> None:
    """Show position, rows, lag, heartbeat and dead letters per table, the slot, and the clocks.

    Exit code: 0 streaming, 1 findings (no slot, no reader streams, a table is stopped, dead letters, no heartbeat, too
    much log kept at the source), 2 could not check.
    """
    from dataclasses import asdict

    from mbp.ingest.cdc import capture_status as looking
    from mbp.ingest.cdc.market_source import source_of_environment
    from mbp.runs.dbt_process import target_name

    root = project_root()
    status = looking.read_status(root, target_name(root, target), source_of_environment())
    findings = [Finding("capture", finding) for finding in status.findings]
    names, table = [table.table for table in status.tables], looking.text(status)
    suite = Suite("mbp cdc status", names or ["slot"], findings, unit="table", table=table)
    report(suite, form, json=asdict(status))


def reconcile(
    table: Annotated[
        list[str] | None, typer.Option(help="Tables; may be repeated. [default: all]")
    ] = None,
    target: Target = None,
    form: Format = "text",
) -> None:
    """Compare the rows of source and warehouse at one point of the log: a count and a hash per range of keys.

    It waits until the running reader has reached that point; without a reader it reads up to there first, like
    `mbp cdc run --once`. Keys are shown masked: the first digits of their sha-256.
    Exit code: 0 equal, 1 a table differs or is stopped, 2 could not compare.
    """
    from mbp.core.masking import mask
    from mbp.ingest.cdc import comparison
    from mbp.ingest.cdc.change_shape import captured_tables, one_of
    from mbp.ingest.cdc.market_source import source_of_environment
    from mbp.runs.dbt_process import target_name

    root, asked = project_root(), StopSignal()
    captured = captured_tables(root)
    names = [one_of(captured, name) for name in table or captured]
    with asked.obeyed(once=True):
        compared = comparison.compare(
            root, target_name(root, target), source_of_environment(), names, _say, asked
        )
    findings = [finding for one in compared for finding in comparison.findings(one, mask)]
    shown = comparison.text(compared)
    extra = {"tables": [comparison.summary(one) for one in compared]}
    suite = Suite("mbp cdc reconcile", names, findings, extra=extra, unit="table", table=shown)
    report(suite, form)


def land(
    folder: Annotated[Path, typer.Argument(help="Where the pipeline writes its files.")],
    target: Target = None,
    form: ReportFormat = "text",
) -> None:
    """Load files of an existing Debezium pipeline, in the order of their names: JSON lines and Parquet.

    Each file is one transaction and is loaded once. Exit code: 0 all rows are in the logs, 1 done,
    but a record is in quarantine or a file has an unknown form, 2 a file could not be loaded (all others were).
    """
    from mbp.ingest.cdc import landing
    from mbp.runs.dbt_process import target_name

    root = project_root()
    landed = landing.land(root, target_name(root, target), folder, _say)
    text = (
        f"{many(landed.files, 'file')}, {many(landed.counts.changes, 'change')},"
        f" {landed.counts.repeated:,} repeated; {landed.known:,} known before"
    )
    show(form, text=text, json=landing.summary(landed))
    if landed.problems:
        _say(f"not all of it: {landed.problems}")
        raise typer.Exit(EXIT_FINDINGS)
