"""From messages of the source to rows, dead letters and events of the warehouse, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.batches import Batch, KeyOccupants, KnownTable
from mbp.ingest.cdc.capture_control import PARKED, Event, ReaderState
from mbp.ingest.cdc.commit_order import Epoch, SourcePlace, next_number
from mbp.ingest.cdc.letters import Letter
from mbp.ingest.cdc.market_source import SCHEMA
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
from mbp.ingest.cdc.source_tables import SourceTable

# A batch is committed when it has so many rows, or is so old.
BATCH_ROWS = 20_000
BATCH_SECONDS = 0.5
PREFIX = "mbp_cdc"
HEARTBEATS = "ops.cdc_heartbeats"
# SourcePlace of the commit's time in a row of a change log, from its end.
MILLISECONDS = -3


class Applier:
    """The state of one stream between two positions.

    Args:
        columns: source table -> its contracted columns.
        schema: theirs at the source; tables of another one are not ours.

    Attributes:
        tables: what each log follows at the source.
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
        schema: str = SCHEMA,
    ) -> None:
        self.sink, self.columns, self.say, self.schema = sink, columns, say, schema
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
        self.tables: dict[str, SourceTable] = {}
        self.foreign: set[int] = set()
        self.occupants = KeyOccupants()
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
            self.transaction, self.occupants = message, KeyOccupants()
            self.milliseconds = str(message.committed_at_microseconds // 1000)
            # What was committed before the position is in the warehouse already.
            self.skipping = message.final_lsn < self.position
        elif isinstance(message, Commit):
            self.transaction = None
            if not self.skipping:
                self.position = message.end_lsn
            self.skipping = False
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
        if (
            known is None
            or not known.plain
            or (self.stopped and known.relation.name in self.stopped)
        ):
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
        if change.relation_id in self.foreign:
            return
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
        change = change_shape.trimmed(change, known.padded)
        try:
            rows = change_shape.rows_of(change, known.places, self.milliseconds, position)
        except MbpError as error:
            self._refuse(name, known.relation, payload, position, "value", error.what)
            return
        if name in self.tables and not self.tables[name].keys_checked:
            old = change.old
            left = None if old is None else [old[place] for place in known.places]
            rows = self.occupants.taken(name, rows, left)
        for row in rows:
            self._wait(known.log, row, position, payload, known.relation)

    def _truncate(self, message: Truncate, payload: bytes, position: int) -> None:
        for number in message.relation_ids:
            if number in self.foreign:
                continue
            relation = self.known[number].relation
            if relation.name in self.stopped:
                self._park(relation.name, relation, payload, position)
                continue
            self.flush()
            self.sink.truncate(f"mbp.{relation.name}", position, int(self.milliseconds))
            self.say(f"{relation.name} was emptied at the source: its rows are deleted")

    def _know(self, relation: TableShape) -> None:
        number, name = relation.relation_id, relation.name
        followed = {table.oid: table.name for table in self.tables.values()}
        ours = relation.schema == self.schema and name in self.columns
        moved = followed.get(number)
        if moved is not None and (moved != name or not ours):
            self.stop(moved, f"it is {relation.schema}.{name} by now", copy=True)
        if not ours:
            self.known.pop(number, None)
            self.foreign.add(number)
            return
        self.foreign.discard(number)
        if name in self.tables and moved != name:
            self.stop(name, "another table has its name", copy=True)
        columns = self.columns[name]
        try:
            more = change_shape.demand_fit(relation, columns)
        except MbpError as error:
            self.known[relation.relation_id] = KnownTable(relation, (), f"mbp.{name}")
            self.stop(name, error.what)
            return
        places = change_shape.places_of(relation, columns)
        in_order = places == list(range(len(relation.columns)))
        padded = change_shape.padded_of(relation)
        plain = not padded and (name not in self.tables or self.tables[name].keys_checked)
        self.known[number] = KnownTable(
            relation, places, f"mbp.{name}", in_order, plain=plain, padded=padded
        )
        if more and not self.skipping:
            message = f"columns without a contract: {', '.join(more)}"
            self.say(f"drift: {name} has {message}")
            self._happened(Event("drift", name, self.last, message))

    def follow(self, table: SourceTable) -> None:
        """The table that a log follows, as it is from now on."""
        self.tables[table.name] = table
        known = self.known.get(table.oid)
        if known is not None:
            known.plain = not known.padded and table.keys_checked

    def stop(self, name: str, reason: str, *, copy: bool = False) -> None:
        """Stops a table exactly before the change that does not fit, if it is not stopped already.

        Args:
            copy: what was parked is not enough to go on; its state must be copied.
        """
        if self.skipping or (name in self.stopped and not copy):
            return
        # What came before is written first.
        self.flush()
        control = self.sink.control()
        kept = control.stopped().get(name)
        if kept is not None and (not copy or kept[1].endswith(change_shape.NEEDS_COPY)):
            return
        self.stopped.add(name)
        position = self.last
        if kept is not None:
            position = kept[0]
            control.resume(name)
        tail = f"; {change_shape.NEEDS_COPY}" if copy else ""
        control.stop(name, position, f"{change_shape.BREAK}: {reason}{tail}")
        self._happened(Event("stopped", name, position, reason))
        first = (
            "fix the source (its publication: run the SQL of `mbp cdc setup`), then"
            if copy
            else "change the contract and start again, or fix the source and"
        )
        self.say(
            f"{change_shape.BREAK}: {name if copy else ''}{': ' if copy else ''}{reason}. {name} is stopped at"
            f" {position}; its changes are kept, the other tables go on. Fix: {first}"
            f" `mbp cdc resnapshot --table {name}`"
        )

    def _undecodable(self, payload: bytes, lsn: int, error: MbpError) -> None:
        if relation_of(payload) in self.foreign:
            return
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
