"""Changes of other pipelines into a sink: in order, none twice, and what cannot be taken in kept as dead letters.

Such pipelines deliver at least once. A change is known by its key, its position, its operation and its commit's time;
one that the log has already is counted and left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.apply import BATCH_ROWS, HEARTBEATS
from mbp.ingest.cdc.capture_control import MOVED, Event
from mbp.ingest.cdc.commit_order import Ordered, follows, next_number
from mbp.ingest.cdc.debezium_records import (
    ADD_FIELDS,
    BEAT,
    OTHER,
    ROW_OPERATIONS,
    TOMBSTONE,
    TRUNCATE,
    DebeziumChange,
)
from mbp.ingest.cdc.letters import Letter
from mbp.ingest.cdc.pgoutput import Value
from mbp.ingest.cdc.sink import Sink
from mbp.warehouse import quote_identifier

# Places in a row of a log, from its end, before its arrival is added.
MILLISECONDS, POSITION = -2, -1
UNKNOWN_TABLE = "unknown"
UNORDERED = (
    "source.sequence is not there, so it cannot be known whether the snapshot has this change;"
    f" set {ADD_FIELDS} in the pipeline, have it write the record again, then `mbp cdc replay`"
)
# Records that wait are kept as they came: few large ones weigh as much as many small ones.
BATCH_BYTES = 16 << 20


@dataclass
class Counts:
    """Records by result: rows that are new, changes the log had already, dead letters, and what is not a change."""

    changes: int = 0
    repeated: int = 0
    refused: int = 0
    other: dict[str, int] = field(default_factory=dict)


class Intake:
    """Between two commits of a sink; the caller commits.

    Attributes:
        position: the furthest that was taken in.
    """

    def __init__(self, sink: Sink, columns: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        self.sink, self.columns = sink, columns
        self.counts = Counts()
        self.position = 0
        self._rows: dict[str, list[tuple[DebeziumChange, bytes]]] = {}
        self._letters: list[Letter] = []
        self._beats: dict[int, int] = {}
        self._size = self._bytes = 0
        # Table -> the furthest position of its log: what is beyond cannot be there yet.
        self._furthest: dict[str, int] = {}

    def take(self, change: DebeziumChange, payload: bytes) -> None:
        """One change. `payload` is the record as it came, for the case that its values do not fit."""
        if change.kind in (TOMBSTONE, OTHER):
            name = change.table if change.kind == OTHER and change.table else change.kind
            self.counts.other[name] = self.counts.other.get(name, 0) + 1
            return
        self.position = max(self.position, change.position)
        if change.kind in ROW_OPERATIONS:
            self._rows.setdefault(change.table, []).append((change, payload))
            self._grow(len(payload))
        elif change.kind == TRUNCATE:
            self.flush()
            self._truncate(change)
        elif change.kind == BEAT:
            self._beats[change.position] = change.microseconds
            self._grow()

    def refuse(self, table: str | None, reason: str, payload: bytes) -> None:
        """A record that is not a change that can be understood."""
        self._letters.append(
            Letter(table or UNKNOWN_TABLE, 0, None, "message", reason, None, payload)
        )
        self._grow(len(payload))

    def flush(self) -> None:
        """Writes what waits; it is not visible before the commit."""
        rows, self._rows = self._rows, {}
        beats, self._beats = self._beats, {}
        self._size = self._bytes = 0
        before = self.sink.refused
        for table, waiting in rows.items():
            self._write(table, waiting)
        letters, self._letters = self._letters, []
        if letters:
            self.sink.quarantine(letters)
        if beats:
            self._beat(beats)
        self.counts.refused += self.sink.refused - before

    def _grow(self, payload_bytes: int = 0) -> None:
        self._size += 1
        self._bytes += payload_bytes
        if self._size >= BATCH_ROWS or self._bytes >= BATCH_BYTES:
            self.flush()

    def _write(self, table: str, waiting: list[tuple[DebeziumChange, bytes]]) -> None:
        first = min(change.position for change, _ in waiting)
        furthest = self._furthest_of(table)
        newest: dict[Value, Ordered] = {}
        seen: set[tuple[Value, int, str, int]] = set()
        if first <= furthest:
            newest, seen = self._known(table, waiting, first)
        fresh: list[tuple[list[Value], bytes]] = []
        for change, payload in waiting:
            row, own = list(change.row), change.position
            identity = (row[0], own, change.kind, change.milliseconds)
            if identity in seen:
                self.counts.repeated += 1
                continue
            last = newest.get(row[0])
            ordered = Ordered(own, own, change.kind, change.milliseconds, change.after)
            if last is not None and last.number >= own != last.lsn:
                later = follows(ordered, last)
                if later is None:
                    self._letters.append(
                        Letter(table, own, change.milliseconds, "message", UNORDERED, None, payload)
                    )
                    continue
                if later:
                    ordered = replace(ordered, number=next_number(own, last.number))
                    row[POSITION] = str(ordered.number)
                    self._moved(table, own, row[0], ordered.number)
            seen.add(identity)
            if last is None or ordered.number >= last.number:
                newest[row[0]] = ordered
            furthest = max(furthest, ordered.number)
            fresh.append((row, payload))
        if not fresh:
            return

        def letter_of(place: int, reason: str) -> Letter:
            row, payload = fresh[place]
            # The arrival is at its end by now.
            position, committed = int(str(row[POSITION - 1])), int(str(row[MILLISECONDS - 1]))
            return Letter(table, position, committed, "value", reason, None, payload)

        at = change_shape.arrival()
        for row, _ in fresh:
            row.append(at)
        rows: list[Any] = [row for row, _ in fresh]
        self.counts.changes += self.sink.write(f"mbp.{table}", rows, letter_of)
        if first <= self._furthest[table]:
            # What was emptied after a change that comes late must not come back with it.
            for position, milliseconds in self.sink.control().truncated(table, first):
                self.sink.truncate(f"mbp.{table}", position, milliseconds)
        self._furthest[table] = furthest

    def _truncate(self, change: DebeziumChange) -> None:
        table, number, control = change.table, change.position, self.sink.control()
        known = {position for position, _ in control.truncated(table, number - 1)}
        if number in known or ("", number) in control.moved(table, number):
            self.counts.repeated += 1
            return
        furthest = self._furthest_of(table)
        if furthest > number:
            # The newest of what is there: the same question as for a row.
            rows = control.warehouse.query(
                f"select max(__source_ts_ms) from raw_mbp.{table} where __source_lsn > {number}"
            )[1]
            newest = Ordered(furthest, furthest, "", int(rows[0][0]))
            if follows(
                Ordered(number, number, TRUNCATE, change.milliseconds, change.after), newest
            ):
                number = next_number(number, furthest)
                self._moved(table, change.position, "", number)
        self.sink.truncate(f"mbp.{table}", number, change.milliseconds)
        self.counts.changes += 1
        self._furthest[table] = max(furthest, number)

    def _moved(self, table: str, lsn: int, key: Value, number: int) -> None:
        self.sink.control().happened(Event(MOVED, table, number, f"{lsn} {key}"))

    def _beat(self, beats: Mapping[int, int]) -> None:
        rows = [
            row
            for position, microseconds in beats.items()
            for row in change_shape.heartbeat_rows(self.columns, position, microseconds)
        ]
        results = self._query(
            f"select heartbeat_id from raw_{HEARTBEATS} where heartbeat_id {{among}}",
            [row[0] for row in rows],
        )
        known, at = {row[0] for row in results}, change_shape.arrival()
        self.sink.write(HEARTBEATS, [[*row, at] for row in rows if row[0] not in known])

    def _known(
        self, table: str, waiting: Sequence[tuple[DebeziumChange, bytes]], first: int
    ) -> tuple[dict[Value, Ordered], set[tuple[Value, int, str, int]]]:
        """Of the keys that wait, the newest change and the identities of those that are not before the first."""
        key = quote_identifier(self.columns[table][0][0])
        rows = self._query(
            f"select {key}, __source_lsn, __op, __source_ts_ms from raw_mbp.{table}"
            f" where __source_lsn >= {first} and {key} {{among}} order by __source_lsn",
            sorted({str(change.row[0]) for change, _ in waiting}),
        )
        moved = self.sink.control().moved(table, first)
        own = {(key, number): lsn for (key, lsn), number in moved.items()}
        newest: dict[Value, Ordered] = {}
        seen = set()
        for name, number, kind, milliseconds in rows:
            lsn = own.get((name, int(number)), int(number))
            newest[name] = Ordered(int(number), lsn, kind, int(milliseconds))
            seen.add((name, lsn, kind, int(milliseconds)))
        return newest, seen

    def _furthest_of(self, table: str) -> int:
        if table not in self._furthest:
            warehouse = self.sink.control().warehouse
            _, rows = warehouse.query(f"select max(__source_lsn) from raw_mbp.{table}")
            self._furthest[table] = -1 if rows[0][0] is None else int(rows[0][0])
        return self._furthest[table]

    def _query(self, sql: str, values: list[str]) -> list[tuple[Any, ...]]:
        control = self.sink.control()
        among = (
            "in (select unnest(?))"
            if control.warehouse.engine == "duckdb"
            else f"= any({control.mark})"
        )
        return control.warehouse.query(sql.format(among=among), [values])[1]
