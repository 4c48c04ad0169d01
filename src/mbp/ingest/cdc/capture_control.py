"""What change data capture keeps beside the logs: statements on the control tables, for one slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from mbp.ingest.cdc.commit_order import Epoch, SourcePlace
from mbp.ingest.cdc.letters import Letter, restored
from mbp.ingest.cdc.source_tables import SourceTable
from mbp.ingest.cdc.source_tables import stored as stored_table
from mbp.ingest.raw_tables import (
    CDC_CONTROL_TABLES,
    CDC_DEAD_LETTERS,
    CDC_EPOCHS,
    CDC_EVENTS,
    CDC_POSITIONS,
    CDC_READERS,
    CDC_STREAMS,
    CDC_TABLES,
)
from mbp.warehouse import Warehouse

PARKED = "parked"
MOVED = "moved"


@dataclass(frozen=True)
class Event:
    """Something that happened beside rows; see `_cdc_events` for the kinds."""

    kind: str
    table: str | None
    position: int
    detail: str


@dataclass(frozen=True)
class ReaderState:
    """What a running reader measured last.

    Attributes:
        source_skew_seconds: clock of the source minus clock of the reader, which stamps arrivals.
        skew_error_seconds: half of the round trip: the skew is known no better.
        retained_bytes: log that the source keeps for the slot; None: not known.
        retained_limit_bytes: where that becomes dangerous.
    """

    source_skew_seconds: float
    skew_error_seconds: float
    retained_bytes: int | None
    retained_limit_bytes: int


class CaptureControl:
    """The control tables of an open warehouse. The caller has the transaction."""

    def __init__(self, warehouse: Warehouse, slot: str) -> None:
        self.warehouse, self.slot, self.mark = warehouse, slot, warehouse.mark

    def missing(self) -> list[str]:
        """Control tables that are not there, by name."""
        _, rows = self.warehouse.query(
            "select table_name from information_schema.tables where table_schema = 'raw_mbp'"
        )
        there = {f"raw_mbp.{row[0]}" for row in rows}
        return sorted(CDC_CONTROL_TABLES.keys() - there)

    def place(self) -> SourcePlace | None:
        """Up to where the slot was applied; None: never."""
        lsn = self._of_slot("max(position)", CDC_POSITIONS)[0][0]
        if lsn is None:
            return None
        rows = self._of_slot("last_number, system_identifier, timeline", CDC_EPOCHS)
        if not rows:
            return SourcePlace(int(lsn))
        last, system, timeline = rows[0]
        return SourcePlace(int(lsn), int(last), Epoch(str(system), int(timeline)))

    def move(self, place: SourcePlace) -> None:
        """Replaces the place."""
        self._replace(CDC_POSITIONS, [place.lsn])
        if place.epoch is not None:
            epoch = place.epoch
            self._replace(CDC_EPOCHS, [place.last, epoch.system_identifier, epoch.timeline])

    def measured(self, state: ReaderState) -> None:
        """Replaces what the reader measured."""
        self._replace(CDC_READERS, astuple(state))

    def happened(self, event: Event) -> None:
        """Adds an event."""
        self._insert(CDC_EVENTS, astuple(event))

    def stopped(self) -> dict[str, tuple[int, str]]:
        """Table -> (position that it is kept at, reason), of the tables that are stopped."""
        rows = self._of_slot("table_name, position, reason", CDC_STREAMS)
        return {str(row[0]): (int(row[1]), str(row[2])) for row in rows}

    def stop(self, table: str, position: int, reason: str) -> None:
        """Stops a table, if it does not already."""
        if table not in self.stopped():
            self._insert(CDC_STREAMS, [table, position, reason])

    def resume(self, table: str) -> None:
        """Lets it go on."""
        self._remove(CDC_STREAMS, table)

    def source_tables(self) -> dict[str, SourceTable]:
        """Table -> the one at the source that its log follows."""
        rows = self._of_slot("table_name, source_table", CDC_TABLES)
        return {str(row[0]): stored_table(str(row[1])) for row in rows}

    def follow(self, table: SourceTable) -> None:
        """Replaces the one that a log follows."""
        self._remove(CDC_TABLES, table.name)
        self._insert(CDC_TABLES, [table.name, table.text])

    def letters(
        self, table: str, after: tuple[int, str] = (-1, ""), count: int = 1_000_000
    ) -> list[Letter]:
        """Dead letters of a table, by position and id, from after (position, id) on."""
        mark = self.mark
        _, rows = self.warehouse.query(
            "select table_name, position, round(extract(epoch from committed_at) * 1000), kind, reason, relation,"
            f" payload from {CDC_DEAD_LETTERS} where slot = {mark} and table_name = {mark}"
            f" and (position > {mark} or (position = {mark} and letter_id > {mark}))"
            f" order by position, letter_id limit {int(count)}",
            [self.slot, table, after[0], after[0], after[1]],
        )
        return [restored(row) for row in rows]

    def forget(self, table: str) -> None:
        """Removes the letters of a table: a snapshot contains all their changes."""
        self._remove(CDC_DEAD_LETTERS, table)

    def letter_counts(self) -> dict[str, int]:
        """Table -> dead letters."""
        sql = f"select table_name, count(*) from {CDC_DEAD_LETTERS} where slot = {self.mark} group by 1"
        return {str(row[0]): int(row[1]) for row in self.warehouse.query(sql, [self.slot])[1]}

    def delivered(self, letters: Sequence[Letter]) -> None:
        """Takes letters out, in parts: an engine limits its parameters."""
        for start in range(0, len(letters), 1000):
            part = [letter.id for letter in letters[start : start + 1000]]
            marks = ", ".join(self.mark for _ in part)
            self.warehouse.execute(
                f"delete from {CDC_DEAD_LETTERS} where slot = {self.mark} and letter_id in ({marks})",
                [self.slot, *part],
            )

    def known(self, letters: Sequence[Letter]) -> set[str]:
        """Ids among `letters` that are kept already. Reads no further back than they reach."""
        first = min(letter.position for letter in letters)
        _, rows = self.warehouse.query(
            f"select letter_id from {CDC_DEAD_LETTERS} where slot = {self.mark} and position >= {self.mark}",
            [self.slot, first],
        )
        return {str(row[0]) for row in rows} & {letter.id for letter in letters}

    def truncated(self, table: str, after: int) -> list[tuple[int, int]]:
        """(position, commit in Unix milliseconds) of each time that the table was emptied after a position."""
        _, rows = self.warehouse.query(
            f"select position, cast(detail as bigint) from {CDC_EVENTS} where slot = {self.mark}"
            f" and kind = 'truncate' and table_name = {self.mark} and position > {self.mark}"
            " order by position",
            [self.slot, table, after],
        )
        return [(int(row[0]), int(row[1])) for row in rows]

    def moved(self, table: str, after: int) -> dict[tuple[str, int], int]:
        """(key, LSN) -> `__source_lsn` of changes whose LSN is not in the order of commits, from a number on."""
        _, rows = self.warehouse.query(
            f"select detail, position from {CDC_EVENTS} where slot = {self.mark} and kind = '{MOVED}'"
            f" and table_name = {self.mark} and position >= {self.mark}",
            [self.slot, table, after],
        )
        listed = ((str(row[0]).partition(" "), int(row[1])) for row in rows)
        return {(key, int(lsn)): number for (lsn, _, key), number in listed}

    def _of_slot(self, what: str, table: str) -> list[tuple[Any, ...]]:
        sql = f"select {what} from {table} where slot = {self.mark}"
        return self.warehouse.query(sql, [self.slot])[1]

    def _remove(self, control: str, table: str) -> None:
        self.warehouse.execute(
            f"delete from {control} where slot = {self.mark} and table_name = {self.mark}",
            [self.slot, table],
        )

    def _replace(self, table: str, values: Sequence[Any]) -> None:
        self.warehouse.execute(f"delete from {table} where slot = {self.mark}", [self.slot])
        self._insert(table, values)

    def _insert(self, table: str, values: Sequence[Any]) -> None:
        """Of these tables the first column is the slot, and the last one when the row was written."""
        marks = ", ".join(self.mark for _ in (self.slot, *values))
        self.warehouse.execute(
            f"insert into {table} values ({marks}, current_timestamp)", [self.slot, *values]
        )
