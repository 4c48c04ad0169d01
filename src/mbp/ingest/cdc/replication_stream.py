"""The messages of a slot after a first snapshot, and what is confirmed of them: only what the warehouse has.

psycopg2 confirms by itself whatever the source says it has sent, as long as it believes that all it has read is
confirmed: the slot is then ahead of the warehouse after an ordinary stop. So nothing is confirmed through it. The
answers to the source are ours, and so are the first messages, before which psycopg2 has read nothing at all.
"""

from __future__ import annotations

import ctypes
import select
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg2
import psycopg2.errors

from mbp.core.wording import many
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture_control import Event
from mbp.ingest.cdc.market_source import MarketSource, Snapshot, snapshot_rows, source_tables
from mbp.ingest.cdc.pgoutput import POSTGRES_EPOCH_MICROSECONDS
from mbp.ingest.cdc.sink import Sink
from mbp.ingest.cdc.source_tables import Columns

STATUS_SECONDS = 10.0
# A message: its kind, LSN, end of the log and time of the source, and from there on its payload. A sign of life: kind,
# end of the log, time, and whether it wants an answer.
MESSAGE, PAYLOAD = ord("w"), 25
BEGIN = ord("B")
STATUS = struct.Struct(">cQQQqB")
SQLSTATE = ord("C")


class Message(NamedTuple):
    """As psycopg2 gives it: what the plugin wrote, and its LSN."""

    payload: bytes
    data_start: int


def _libpq() -> ctypes.PyDLL:
    library = ctypes.PyDLL(psycopg2._psycopg.__file__)
    library.PQfreemem.restype = None
    library.PQgetResult.restype = ctypes.c_void_p
    for name in ("PQerrorMessage", "PQresultErrorMessage", "PQresultErrorField"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


class ReplicationStream:
    """A slot that is read from a position on, over a separate connection.

    Attributes:
        read: gives the next message; None: nothing has come. It raises psycopg2.Error where the connection ended, or
            what the source says is wrong. It changes as the stream begins: do not keep it.
    """

    def __init__(
        self, connection: Any, slot: str, position: int, options: Mapping[str, str]
    ) -> None:
        cursor = connection.cursor()
        cursor.start_replication(
            slot_name=slot, start_lsn=position, options=dict(options), decode=False
        )
        self._cursor, self._socket = cursor, connection.fileno()
        self._library, self._connection = _libpq(), ctypes.c_void_p(connection.pgconn_ptr)
        self.read: Any = self._read_first
        self._sent_until = self._answered_until = 0
        self._heard_at = self._answered_at = time.monotonic()
        self.confirm(position)

    @property
    def sent_until(self) -> int:
        """Up to there the source has sent everything; to be asked between transactions."""
        self._sent_until = max(self._sent_until, int(self._cursor.wal_end or 0))
        return self._sent_until

    def wait(self, seconds: float, *, ask: bool) -> float:
        """Until something comes, or so long; seconds since the source was heard.

        Args:
            ask: for how far the source has sent.
        """
        # A source that stops waits for the answer that all was received.
        new = self.sent_until > self._answered_until
        if ask or new or time.monotonic() - self._answered_at > STATUS_SECONDS:
            self.answer(ask=ask)
        if select.select([self._socket], [], [], seconds)[0]:
            self._heard_at = time.monotonic()
        return time.monotonic() - self._heard_at

    def confirm(self, position: int) -> None:
        """The warehouse has everything committed before it: the source may forget it."""
        self._answer(position, ask=False)

    def answer(self, *, ask: bool = False) -> None:
        """A sign of life, which confirms nothing."""
        self._answer(0, ask=ask)

    def _answer(self, confirmed: int, *, ask: bool) -> None:
        received = max(self.sent_until, confirmed)
        self._answered_at, self._answered_until = time.monotonic(), received
        now = int(time.time() * 1_000_000) - POSTGRES_EPOCH_MICROSECONDS
        status = STATUS.pack(b"r", received, confirmed, confirmed, now, ask)
        library, connection = self._library, self._connection
        if library.PQputCopyData(connection, status, len(status)) != 1 or library.PQflush(
            connection
        ):
            raise psycopg2.OperationalError(library.PQerrorMessage(connection).decode())

    def _read_first(self) -> Message | None:
        """Through libpq. After the beginning of a transaction come its changes: psycopg2 reads on from there."""
        library, connection, buffer = self._library, self._connection, ctypes.c_void_p()
        while True:
            length = library.PQgetCopyData(connection, ctypes.byref(buffer), 1)
            if not length:
                if not library.PQconsumeInput(connection):
                    raise psycopg2.OperationalError(library.PQerrorMessage(connection).decode())
                length = library.PQgetCopyData(connection, ctypes.byref(buffer), 1)
                if not length:
                    return None
            if length < 0:
                raise self._error()
            data = ctypes.string_at(buffer, length)
            library.PQfreemem(buffer)
            if data[0] == MESSAGE:
                if data[PAYLOAD] == BEGIN:
                    self.read = self._cursor.read_message
                return Message(data[PAYLOAD:], int.from_bytes(data[1:9]))
            self._sent_until = max(self._sent_until, int.from_bytes(data[1:9]))
            if data[-1]:
                self.answer()

    def _error(self) -> psycopg2.Error:
        library = self._library
        result = ctypes.c_void_p(library.PQgetResult(self._connection))
        state = library.PQresultErrorField(result, SQLSTATE) if result else None
        if state is None:
            text = library.PQerrorMessage(self._connection).decode()
            return psycopg2.OperationalError(text or "the source ended the stream")
        text = library.PQresultErrorMessage(result).decode(errors="replace")
        try:
            return psycopg2.errors.lookup(state.decode())(text)
        except KeyError:
            return psycopg2.DatabaseError(text)


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
