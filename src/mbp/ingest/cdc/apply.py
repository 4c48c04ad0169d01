"""From messages of the source to rows, dead letters and events of the warehouse, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture_control import PARKED, Event, ReaderState
from mbp.ingest.cdc.commit_order import Epoch, SourcePlace, next_number
from mbp.ingest.cdc.letters import Letter
from mbp.ingest.cdc.pgoutput import (
    Begin,
    Commit,
    Note,
    RowChange,
    TableShape,
    Truncate,
    Value,
    decode,
    inserted,
    relation_of,
)
from mbp.ingest.cdc.sink import Sink

# A batch is committed when it has so many rows, or is so old.
BATCH_ROWS = 20_000
BATCH_SECONDS = 0.5
PREFIX = "mbp_cdc"
HEARTBEATS = "ops.cdc_heartbeats"
# Place of the commit's time in a row of a change log, from its end.
MILLISECONDS = -3


@dataclass
class KnownTable:
    """A table of the source as it is now.

    Attributes:
        places: the place of each contracted column; empty while it does not fit.
        log: its raw table.
        in_order: the source has the contracted columns in their order, and no others.
    """

    relation: TableShape
    places: Sequence[int]
    log: str
    in_order: bool = False


@dataclass
class Batch:
    """Rows that wait to be written, and the messages they came as."""

    rows: dict[str, list[list[Value]]] = field(default_factory=dict)
    origins: dict[str, list[tuple[TableShape | None, int, bytes]]] = field(default_factory=dict)
    refused: list[Letter] = field(default_factory=list)
    size: int = 0
    since: float = 0.0


class Applier:
    """The state of one stream between two positions.

    Args:
        columns: source table -> its contracted columns.

    Attributes:
        position, applied: up to where transactions were taken in, and up to where they are in the warehouse. The
            source is sent only the second: it forgets everything up to there.
        last: the `__source_lsn` of the last change.
        until, ended: the first transaction that is not taken in, by its LSN; and that it has come.
        stopped: tables that are stopped; their changes are parked.
    """

    def __init__(
        self,
        sink: Sink,
        columns: Mapping[str, Sequence[tuple[str, str]]],
        say: Callable[[str], None],
    ) -> None:
        self.sink, self.columns, self.say = sink, columns, say
        self.position = self.applied = 0
        self.transaction: Begin | None = None
        self.stopped: set[str] = set()
        self.rows_written = 0
        self.epoch: Epoch | None = None
        self.until: int | None = None
        self.reset(SourcePlace(0, 0))

    @property
    def place(self) -> SourcePlace:
        """What is written down with the rows."""
        return SourcePlace(self.position, self.last, self.epoch)

    def reset(self, place: SourcePlace) -> None:
        """Forgets what is not in the warehouse: the source will send it again."""
        self.position = self.applied = place.lsn
        self.last, self.epoch = place.last or 0, place.epoch
        self.transaction = None
        self.ended = False
        self.skipping = False
        self.milliseconds = ""
        self.rows_flushed = 0
        self.batch = Batch()
        self.known: dict[int, KnownTable] = {}
        self.events: list[Event] = []
        self.state: ReaderState | None = None

    def take(self, payload: bytes, lsn: int) -> None:
        """One message.

        Raises:
            MbpError: of an unknown kind; it must not be skipped.
        """
        plain = inserted(payload)
        if plain is not None:
            if not self.skipping:
                self.last = position = lsn if lsn > self.last else self.last + 1
                self._inserted(plain[0], plain[1], payload, position)
            return
        try:
            message = decode(payload)
        except MbpError as error:
            self._undecodable(payload, lsn, error)
            return
        if isinstance(message, RowChange):
            if not self.skipping:
                self._change(message, payload, self._number(lsn))
        elif isinstance(message, Begin):
            self.ended = self.until is not None and message.final_lsn >= self.until
            if self.ended:
                return
            self.transaction = message
            self.milliseconds = str(message.committed_at_microseconds // 1000)
            # What was committed before the position is in the warehouse already.
            self.skipping = message.final_lsn < self.position
        elif isinstance(message, Commit):
            self.transaction = None
            if not self.skipping:
                self.position = message.end_lsn
        elif isinstance(message, TableShape):
            self._know(message)
        elif self.skipping or self.transaction is None:
            return
        elif isinstance(message, Truncate):
            self._truncate(message, payload, self._number(lsn))
        elif isinstance(message, Note) and message.prefix == PREFIX:
            at, position = self.transaction.committed_at_microseconds, self._number(lsn)
            for row in change_shape.heartbeat_rows(self.columns, position, at):
                self._wait(HEARTBEATS, list(row), position, payload)

    def _number(self, lsn: int) -> int:
        self.last = next_number(lsn, self.last)
        return self.last

    @property
    def is_due(self) -> bool:
        """A part that was written already holds the warehouse: it is committed as soon as its transaction ends."""
        if self.transaction is not None:
            return False
        waited = time.monotonic() - self.batch.since
        return self.sink.in_transaction or (self.batch.size > 0 and waited >= BATCH_SECONDS)

    def commit(self) -> None:
        """Writes what waits, with the position."""
        self.flush()
        if self.sink.in_transaction:
            self.sink.commit(self.place, self.state)
            self.applied, self.state = self.position, None
            self.rows_written, self.rows_flushed = self.rows_written + self.rows_flushed, 0

    def flush(self) -> None:
        """Writes what waits; it is not visible before the commit."""
        batch, self.batch = self.batch, Batch()
        events, self.events = self.events, []
        if not (batch.size or events):
            return
        for table, rows in batch.rows.items():
            at = change_shape.arrival()
            for row in rows:
                row.append(at)
            letter_of = partial(_letter, table.removeprefix("mbp."), rows, batch.origins[table])
            self.rows_flushed += self.sink.write(table, rows, letter_of)  # type: ignore[arg-type]
        self.sink.quarantine(batch.refused)
        for event in events:
            self.sink.control().happened(event)

    def _inserted(
        self, relation_id: int, values: list[Value], payload: bytes, position: int
    ) -> None:
        """The common case of `_change`, by the shortest way."""
        known = self.known.get(relation_id)
        if known is None or (self.stopped and known.relation.name in self.stopped):
            self._change(RowChange("c", relation_id, None, tuple(values)), payload, position)
            return
        row = values if known.in_order else [values[place] for place in known.places]
        row += ("c", "false", self.milliseconds, str(position))
        batch, log = self.batch, known.log
        if not batch.size or log not in batch.rows:
            self._wait(log, row, position, payload, known.relation)
            return
        batch.rows[log].append(row)
        batch.origins[log].append((known.relation, position, payload))
        batch.size += 1
        if batch.size >= BATCH_ROWS:
            self._grown()

    def _change(self, change: RowChange, payload: bytes, position: int) -> None:
        known = self.known.get(change.relation_id)
        if known is None:
            raise MbpError(
                f"a change of relation {change.relation_id} came before its shape",
                fix="run it again: the source then sends every shape again",
            )
        name = known.relation.name
        if name in self.stopped:
            self._park(name, known.relation, payload, position)
            return
        try:
            rows = change_shape.rows_of(change, known.places, self.milliseconds, position)
        except MbpError as error:
            self._refuse(name, known.relation, payload, position, "value", error.what)
            return
        for row in rows:
            self._wait(known.log, row, position, payload, known.relation)

    def _truncate(self, message: Truncate, payload: bytes, position: int) -> None:
        for number in message.relation_ids:
            relation = self.known[number].relation
            if relation.name in self.stopped:
                self._park(relation.name, relation, payload, position)
                continue
            self.flush()
            self.sink.truncate(f"mbp.{relation.name}", position, int(self.milliseconds))
            self.say(f"{relation.name} was emptied at the source: its rows are deleted")

    def _know(self, relation: TableShape) -> None:
        columns = self.columns.get(relation.name)
        if columns is None:
            return
        name = relation.name
        try:
            more = change_shape.demand_fit(relation, columns)
        except MbpError as error:
            self.known[relation.relation_id] = KnownTable(relation, (), f"mbp.{name}")
            if name not in self.stopped and not self.skipping:
                self._stop(name, error.what)
            return
        places = change_shape.places_of(relation, columns)
        in_order = places == list(range(len(relation.columns)))
        self.known[relation.relation_id] = KnownTable(relation, places, f"mbp.{name}", in_order)
        if more and not self.skipping:
            message = f"columns without a contract: {', '.join(more)}"
            self.say(f"drift: {name} has {message}")
            self._happened(Event("drift", name, self.last, message))

    def _stop(self, name: str, reason: str) -> None:
        # What came before is written first: the table ends exactly before the change that does not fit.
        self.flush()
        self.stopped.add(name)
        position = self.last
        self.sink.control().stop(name, position, f"{change_shape.BREAK}: {reason}")
        self._happened(Event("stopped", name, position, reason))
        self.say(
            f"{change_shape.BREAK}: {reason}. {name} is stopped at {position}; its changes are kept, the other tables"
            " go on. Fix: change the contract and start again, or fix the source and"
            f" `mbp cdc resnapshot --table {name}`"
        )

    def _undecodable(self, payload: bytes, lsn: int, error: MbpError) -> None:
        known = self.known.get(relation_of(payload) or 0)
        if known is None:
            raise error
        if not self.skipping:
            name, position = known.relation.name, self._number(lsn)
            self._refuse(name, known.relation, payload, position, "message", error.what)

    def _park(self, name: str, relation: TableShape, payload: bytes, position: int) -> None:
        self._refuse(name, relation, payload, position, PARKED, "its table is stopped")

    def _refuse(
        self, name: str, relation: TableShape, payload: bytes, position: int, kind: str, reason: str
    ) -> None:
        letter = Letter(name, position, int(self.milliseconds), kind, reason, relation, payload)
        self.batch.refused.append(letter)
        self._grow()

    def _wait(
        self,
        table: str,
        row: list[Value],
        position: int,
        payload: bytes,
        relation: TableShape | None = None,
    ) -> None:
        batch = self.batch
        rows = batch.rows.get(table)
        if rows is None:
            rows = batch.rows[table] = []
            batch.origins[table] = []
        rows.append(row)
        batch.origins[table].append((relation, position, payload))
        batch.size += 1
        if batch.size == 1 or batch.size >= BATCH_ROWS:
            self._grown()

    def _happened(self, event: Event) -> None:
        self.events.append(event)
        self._grow()

    def _grow(self) -> None:
        self.batch.size += 1
        self._grown()

    def _grown(self) -> None:
        if self.batch.size == 1:
            self.batch.since = time.monotonic()
        if self.batch.size >= BATCH_ROWS:
            # A transaction of the source may be larger than memory: it is written in parts, and committed whole.
            self.flush()


def _letter(
    name: str,
    rows: Sequence[Sequence[Value]],
    origins: Sequence[tuple[TableShape | None, int, bytes]],
    place: int,
    reason: str,
) -> Letter:
    """What becomes of a row that does not fit: the message that it came as."""
    relation, position, payload = origins[place]
    committed = int(str(rows[place][MILLISECONDS]))
    return Letter(name, position, committed, "value", reason, relation, payload)
