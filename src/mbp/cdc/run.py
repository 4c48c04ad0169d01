"""`mbp cdc run`: snapshot, then stream, from one position to the next; every position with its rows."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from mbp.cdc import shape
from mbp.cdc.pgoutput import Begin, Change, Commit, Note, Relation, Truncate, decode
from mbp.cdc.sink import Sink
from mbp.cdc.source import (
    PUBLICATION,
    SLOT,
    TABLES,
    Source,
    create_slot,
    demand_ready,
    drop_slot,
    lsn_number,
    slot_state,
    snapshot_rows,
)
from mbp.errors import MbpError
from mbp.warehouse.raw_tables import raw_tables

# A batch is committed when it has so many rows, or is so old.
BATCH_ROWS = 20_000
BATCH_SECONDS = 0.5
HEARTBEAT_SECONDS = 10.0
PREFIX = "mbp_cdc"
SNAPSHOT_BEGUN = -1
HEARTBEATS = "ops.cdc_heartbeats"
Say = Callable[[str], None]


class Reader:
    """One slot into one warehouse.

    Args:
        stopping: asked between transactions; True ends the run when what came is committed.
    """

    def __init__(
        self, root: Path, target: str, source: Source, say: Say, stopping: Callable[[], bool]
    ) -> None:
        tables = raw_tables(root)
        self.source, self.say, self.stopping = source, say, stopping
        self.columns = shape.by_name(tables)
        self.sink = Sink(root, target, SLOT, tables)
        self.relations: dict[int, Relation] = {}
        self.waiting: dict[str, list[list[str | None]]] = {}
        self.rows_waiting = 0
        self.batch_since = 0.0
        # Up to where transactions were taken in, and up to where they are in the warehouse. The source is told
        # the second only: what it was told, it forgets.
        self.position = 0
        self.applied = 0
        self.transaction: Begin | None = None
        self.skipping = False
        self.rows_written = 0

    def run(self, *, once: bool) -> int:
        """Reads until it is stopped, or with `once` until it has what the source had; rows written.

        Raises:
            MbpError: the source is not set up, the slot is lost or in use, or a contract is broken.
        """
        demand_ready(self.source)
        try:
            self.position = self.applied = self._start()
            self._stream(once)
        except (duckdb.Error, psycopg2.Error) as error:
            reason = " ".join(str(error).split())
            raise MbpError(
                f"source or warehouse failed: {reason[:300]}",
                cure="mend what it names and run it again: it goes on where it stopped",
            ) from error
        finally:
            self.sink.close()
        return self.rows_written

    def _start(self) -> int:
        position, slot = self.sink.position(), slot_state(self.source)
        if position is None and slot is not None:
            raise MbpError(
                f"the source has a slot {SLOT} already, and this warehouse knows no position in it",
                cure="it serves another warehouse; or drop it at the source when nobody needs it any more",
            )
        if position is None or position == SNAPSHOT_BEGUN:
            if slot is not None:
                self.say("the last snapshot did not end; it begins again")
                drop_slot(self.source)
            return self._snapshot()
        if slot is None or slot["wal_status"] == "lost":
            raise MbpError(
                "the slot is gone, and with it what the source changed meanwhile",
                cure="load the tables anew: empty the change logs and the position, then run again",
            )
        return position

    def _snapshot(self) -> int:
        # Written down first: a slot without a position is otherwise taken for another warehouse's.
        self.sink.commit(SNAPSHOT_BEGUN)
        snapshot = create_slot(self.source)
        try:
            milliseconds = time.time_ns() // 1_000_000
            for table in TABLES:
                names = [name for name, _ in self.columns[table]]
                count = 0
                for part in snapshot_rows(self.source, snapshot, table, names):
                    rows = [
                        shape.snapshot_row(row, snapshot.position, milliseconds) for row in part
                    ]
                    self._write(f"mbp.{table}", rows)
                    count += len(part)
                self.say(f"snapshot of {table}: {count:,} rows")
            self.sink.commit(snapshot.position)
        finally:
            snapshot.connection.close()
        return snapshot.position

    def _stream(self, once: bool) -> None:
        connection = self.source.connect(replication=True)
        beat = self.source.connect()
        beat.autocommit = True
        next_beat, until = 0.0, None
        cursor = connection.cursor()
        try:
            self._begin_stream(cursor)
            while True:
                if time.monotonic() >= next_beat:
                    with beat.cursor() as ordinary:
                        ordinary.execute("select pg_logical_emit_message(true, %s, '')", [PREFIX])
                    next_beat = time.monotonic() + HEARTBEAT_SECONDS
                    if once and until is None:
                        until = self._end_of_source()
                message = cursor.read_message()
                if message is not None:
                    self._take(message.payload, message.data_start)
                if self.transaction is None:
                    ends = self._has_reached(until, cursor) or self.stopping()
                    if ends or self._is_due():
                        self._commit(cursor)
                    if ends:
                        return
                if message is None:
                    select.select([cursor], [], [], 0.05)
                    cursor.send_feedback(flush_lsn=self.applied, reply=until is not None)
        finally:
            beat.close()
            connection.close()

    def _begin_stream(self, cursor: Any) -> None:
        options = {"proto_version": "1", "publication_names": PUBLICATION, "messages": "true"}
        try:
            cursor.start_replication(
                slot_name=SLOT, start_lsn=self.position, options=options, decode=False
            )
        except psycopg2.errors.ObjectInUse as error:
            raise MbpError(
                f"another reader streams from the slot {SLOT}", cure="stop it; one is enough"
            ) from error

    def _has_reached(self, until: int | None, cursor: Any) -> bool:
        return until is not None and max(int(cursor.wal_end or 0), self.position) >= until

    def _end_of_source(self) -> int:
        connection = self.source.connect()
        try:
            with connection, connection.cursor() as cursor:
                # Of what was inserted, not only written: the source may commit asynchronously.
                cursor.execute("select pg_current_wal_insert_lsn()")
                return lsn_number(cursor.fetchone()[0])
        finally:
            connection.close()

    def _take(self, payload: bytes, position: int) -> None:
        message = decode(payload)
        if isinstance(message, Begin):
            self.transaction = message
            # What was committed before the position is in the warehouse already.
            self.skipping = message.final_lsn < self.position
        elif isinstance(message, Relation):
            self._know(message)
        elif isinstance(message, Commit):
            self._end(message)
        elif self.skipping or self.transaction is None:
            return
        elif isinstance(message, Truncate):
            names = [self.relations[one].name for one in message.relation_ids]
            raise MbpError(
                f"{', '.join(names)} was emptied at the source",
                cure="a change log has no such event: delete rows instead, and load anew",
            )
        elif isinstance(message, Change):
            relation = self.relations[message.relation_id]
            row = shape.row_of(
                message,
                relation,
                self.columns[relation.name],
                position=position,
                committed_at_microseconds=self.transaction.committed_at_microseconds,
            )
            self._wait(f"mbp.{relation.name}", [row])
        elif isinstance(message, Note) and message.prefix == PREFIX:
            at = self.transaction.committed_at_microseconds
            rows = shape.heartbeat_rows(TABLES, position, at)
            self._wait(HEARTBEATS, [list(row) for row in rows])

    def _know(self, relation: Relation) -> None:
        if relation.name not in self.columns:
            return
        more = shape.demand_fit(relation, self.columns[relation.name])
        if more:
            self.say(f"drift: {relation.name} has columns without a contract: {', '.join(more)}")
        self.relations[relation.relation_id] = relation

    def _wait(self, table: str, rows: list[list[str | None]]) -> None:
        if not self.rows_waiting:
            self.batch_since = time.monotonic()
        self.waiting.setdefault(table, []).extend(rows)
        self.rows_waiting += len(rows)
        if self.rows_waiting >= BATCH_ROWS:
            # A transaction of the source may be larger than memory: it is written in parts, and committed whole.
            self._flush()

    def _end(self, commit: Commit) -> None:
        self.transaction = None
        if not self.skipping:
            self.position = commit.end_lsn

    def _is_due(self) -> bool:
        """A part that was written already holds the warehouse: it is committed as soon as its transaction ends."""
        waited = time.monotonic() - self.batch_since
        return self.sink.in_transaction or (self.rows_waiting > 0 and waited >= BATCH_SECONDS)

    def _commit(self, cursor: Any) -> None:
        self._flush()
        if self.sink.in_transaction:
            self.sink.commit(self.position)
            self.applied = self.position
        cursor.send_feedback(flush_lsn=self.applied, force=True)

    def _flush(self) -> None:
        for table, rows in self.waiting.items():
            self._write(table, rows)
        self.waiting, self.rows_waiting = {}, 0

    def _write(self, table: str, rows: list[list[str | None]]) -> None:
        at = shape.arrival()
        self.sink.write(table, [[*row, at] for row in rows])
        self.rows_written += len(rows)
