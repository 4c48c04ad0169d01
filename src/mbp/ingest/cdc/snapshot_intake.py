"""A snapshot that another engine takes: rows come one after the other, table by table, and the last one says so.

Over a log that has rows already only what differs is written, as `snapshot.take_over` does it. Nothing is committed
before the end: a snapshot that was cut off leaves no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.apply import BATCH_ROWS
from mbp.ingest.cdc.capture_control import Event
from mbp.ingest.cdc.debezium_records import DebeziumChange
from mbp.ingest.cdc.letters import Letter
from mbp.ingest.cdc.sink import Sink

LAST = "last"
Waiting = list[tuple[DebeziumChange, bytes]]


class SnapshotIntake:
    """One snapshot.

    Args:
        expects: one is due, so a table of which no row comes is empty at the source.

    Attributes:
        running: rows of it are written that are not committed.
        staging: the table at hand has a log, and its rows are compared with it at its end.
    """

    def __init__(
        self, sink: Sink, columns: Mapping[str, Sequence[tuple[str, str]]], *, expects: bool
    ) -> None:
        self.sink, self.columns, self.expects = sink, columns, expects
        self.running = self.staging = False
        self.rows_written = 0
        self._table = ""
        self._at = (0, 0)
        self._count = 0
        self._waiting: Waiting = []
        self._seen: set[str] = set()

    def take(self, change: DebeziumChange, payload: bytes) -> None:
        """One row of it."""
        self.running = self.expects = True
        self._at = (change.position, change.milliseconds)
        if change.table != self._table:
            self._end_table()
            self._begin_table(change.table)
        self._waiting.append((change, payload))
        if len(self._waiting) >= BATCH_ROWS:
            self._write()
        if change.snapshot == LAST:
            self.finish(*self._at)

    def finish(self, position: int, milliseconds: int) -> None:
        """Its end; again, or without a snapshot, it does nothing. The caller commits.

        Args:
            position, milliseconds: where the stream stands, in case that no row came at all.
        """
        if not self.expects:
            return
        self._end_table()
        if not self._seen:
            self._at = (change_shape.before(position), milliseconds)
        for table in self.columns:
            if table not in self._seen and self.sink.has_rows(f"mbp.{table}"):
                self._begin_table(table)
                self._end_table()
        self.running = self.expects = False

    def _begin_table(self, table: str) -> None:
        self._table, self._count = table, 0
        self._seen.add(table)
        self.staging = self.sink.has_rows(f"mbp.{table}")
        if self.staging:
            self.sink.stage(f"mbp.{table}", [], first=True)

    def _end_table(self) -> None:
        if not self._table:
            return
        self._write()
        table, self._table = self._table, ""
        if self.staging:
            new, gone = self.sink.reconcile(f"mbp.{table}", *self._at)
            self.rows_written += new + gone
            event = Event("reconciled", table, self._at[0], f"{new} new or other, {gone} gone")
        else:
            event = Event("snapshot", table, self._at[0], f"{self._count} rows")
        self.staging = False
        self.sink.control().happened(event)

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        log = f"mbp.{self._table}"
        self._count += len(waiting)
        if self.staging:
            own = len(self.columns[self._table])
            staged: list[Any] = [change.row[:own] for change, _ in waiting]
            self.sink.stage(log, staged, first=False)
            return

        def letter_of(place: int, reason: str) -> Letter:
            change, payload = waiting[place]
            return Letter(
                change.table, change.position, change.milliseconds, "value", reason, None, payload
            )

        at = change_shape.arrival()
        rows: list[Any] = [[*change.row, at] for change, _ in waiting]
        self.rows_written += self.sink.write(log, rows, letter_of)
