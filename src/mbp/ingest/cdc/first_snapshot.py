"""The state of the source at one position, taken over: first of all, or over a log that has rows already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mbp.core.wording import many
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture_control import Event
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
    number: int,
) -> int:
    """Writes the rows of the snapshot that the log does not have yet, and counts them; the caller commits.

    A table whose log is empty gets them all. Over a log with rows only the differences are written: rows that are new
    or other, and a delete for each that was removed. A row that does not fit becomes a dead letter. What was in
    quarantine is forgotten: the snapshot contains it.

    Args:
        number: `__source_lsn` of its rows; everything in the logs is before it.
    """
    followed = source_tables(source, {table: columns[table] for table in tables}, snapshot)
    written = 0
    for table in tables:
        change_shape.demand_fit(followed[table].shape, columns[table])
    for table in tables:
        control = sink.control()
        control.forget(table)
        control.resume(table)
        control.follow(followed[table])
        log, count = f"mbp.{table}", 0
        over = sink.has_rows(log)
        if over:
            sink.stage(log, [], first=True)
        for part in snapshot_rows(source, snapshot, table, [name for name, _ in columns[table]]):
            at = change_shape.arrival()
            rows = [
                [*change_shape.snapshot_row(row, number, snapshot.milliseconds), at] for row in part
            ]
            if over:
                sink.stage(log, rows, first=False)
            else:
                count += sink.write(log, rows)
        kind, message = "snapshot", many(count, "row")
        if over:
            new, gone = sink.reconcile(log, number, snapshot.milliseconds)
            kind, count = "reconciled", new + gone
            message = f"{new:,} rows were new or other, {gone:,} were removed"
        written += count
        say(f"snapshot of {table}{' reconciled' if over else ''}: {message}")
        sink.control().happened(Event(kind, table, number, message))
    return written
