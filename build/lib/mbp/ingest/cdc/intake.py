"""Changes of other pipelines into a sink: in order, none twice, and what cannot be taken in kept as dead letters.

Such pipelines deliver at least once. A change is known by its key, its position and its operation; one that the log has
already is counted and left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.apply import BATCH_ROWS, HEARTBEATS
from mbp.ingest.cdc.debezium_records import (
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
OPERATION, MILLISECONDS, POSITION = -4, -2, -1
UNKNOWN_TABLE = "unknown"
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
        self._rows: dict[str, list[tuple[list[Value], bytes]]] = {}
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
            self._rows.setdefault(change.table, []).append((list(change.row), payload))
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
        letters, self._letters = self._letters, []
        beats, self._beats = self._beats, {}
        self._size = self._bytes = 0
        before = self.sink.refused
        for table, waiting in rows.items():
            self._write(table, waiting)
        if letters:
            self.sink.quarantine(letters)
        if beats:
            self._beat(beats)
        self.counts.refused += self.sink.refused - before

    def forget(self) -> None:
        """What was not committed is lost in the warehouse too."""
        self._rows, self._letters, self._beats = {}, [], {}
        self._size = self._bytes = 0
        self._furthest = {}

    def _grow(self, payload_bytes: int = 0) -> None:
        self._size += 1
        self._bytes += payload_bytes
        if self._size >= BATCH_ROWS or self._bytes >= BATCH_BYTES:
            self.flush()

    def _write(self, table: str, waiting: list[tuple[list[Value], bytes]]) -> None:
        positions = [int(str(row[POSITION])) for row, _ in waiting]
        first, last = min(positions), max(positions)
        furthest = self._furthest_of(table)
        seen = self._known(table, waiting, first, last) if first <= furthest else set()
        fresh: list[tuple[list[Value], bytes]] = []
        for position, (row, payload) in zip(positions, waiting, strict=True):
            identity = (row[0], position, row[OPERATION])
            if identity in seen:
                self.counts.repeated += 1
                continue
            seen.add(identity)
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
        self._furthest[table] = max(furthest, last)
        if first <= furthest:
            # What was emptied after a change that comes late must not come back with it.
            for position, milliseconds in self.sink.control().truncated(table, first):
                self.sink.truncate(f"mbp.{table}", position, milliseconds)

    def _truncate(self, change: DebeziumChange) -> None:
        known = self.sink.control().truncated(change.table, change.position - 1)
        if any(position == change.position for position, _ in known):
            self.counts.repeated += 1
            return
        self.sink.truncate(f"mbp.{change.table}", change.position, change.milliseconds)
        self.counts.changes += 1
        self._furthest[change.table] = max(self._furthest_of(change.table), change.position)

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
        self, table: str, waiting: Sequence[tuple[list[Value], bytes]], first: int, last: int
    ) -> set[tuple[Value, int, Value]]:
        """Of the changes that wait, those that the log has. It is read no further than they reach."""
        key = quote_identifier(self.columns[table][0][0])
        rows = self._query(
            f"select {key}, __source_lsn, __op from raw_mbp.{table}"
            f" where __source_lsn between {first} and {last} and {key} {{among}}",
            sorted({str(row[0]) for row, _ in waiting}),
        )
        return {(row[0], int(row[1]), row[2]) for row in rows}

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
