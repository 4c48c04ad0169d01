"""The state of the source at one position, taken over: first of all, or over a log that has rows already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture_control import PARKED, Event
from mbp.ingest.cdc.letters import Letter
from mbp.ingest.cdc.market_source import MarketSource, Snapshot, snapshot_rows, source_tables
from mbp.ingest.cdc.sink import Sink

Columns = Mapping[str, Sequence[tuple[str, str]]]


def take_over(
    sink: Sink,
    source: MarketSource,
    snapshot: Snapshot,
    tables: Sequence[str],
    columns: Columns,
    say: Callable[[str], None],
) -> int:
    """Writes the rows of the snapshot that the log does not have yet, and counts them; the caller commits.

    A table whose log is empty gets them all. Over a log with rows only the differences are written: rows that are new
    or other, and a delete for each that was removed. Parked changes from before the snapshot are contained in it.

    Raises:
        MbpError: a table does not fit its contract; nothing is written then.
    """
    followed = source_tables(source, {table: columns[table] for table in tables}, snapshot)
    for table in tables:
        change_shape.demand_fit(followed[table].shape, columns[table])
    place, written = change_shape.before(snapshot.position), 0
    for table in tables:
        log = f"mbp.{table}"
        if sink.has_rows(log):
            written += _reconcile(sink, source, snapshot, table, columns, say)
        else:
            count = 0
            for part in snapshot_rows(source, snapshot, table, _names(columns[table])):
                at = change_shape.arrival()
                rows = [
                    [*change_shape.snapshot_row(row, place, snapshot.milliseconds), at]
                    for row in part
                ]
                count += sink.write(log, rows)
            written += count
            say(f"snapshot of {table}: {count:,} rows")
            sink.control().happened(Event("snapshot", table, place, f"{count} rows"))
        control = sink.control()
        control.delivered(_contained(control.letters(table), snapshot.position))
        control.resume(table)
        control.follow(followed[table])
    return written


def _reconcile(
    sink: Sink,
    source: MarketSource,
    snapshot: Snapshot,
    table: str,
    columns: Columns,
    say: Callable[[str], None],
) -> int:
    log, place = f"mbp.{table}", change_shape.before(snapshot.position)
    sink.stage(log, [], first=True)
    for part in snapshot_rows(source, snapshot, table, _names(columns[table])):
        sink.stage(log, part, first=False)
    new, gone = sink.reconcile(log, place, snapshot.milliseconds)
    message = f"{new:,} rows were new or other, {gone:,} were removed"
    say(f"snapshot of {table} reconciled: {message}")
    sink.control().happened(Event("reconciled", table, place, message))
    return new + gone


def _contained(letters: Sequence[Letter], position: int) -> list[Letter]:
    """Letters whose change the snapshot already shows; also those that did not fit: their row fits now."""
    return [letter for letter in letters if letter.position < position or letter.kind != PARKED]


def _names(columns: Sequence[tuple[str, str]]) -> list[str]:
    return [name for name, _ in columns]
