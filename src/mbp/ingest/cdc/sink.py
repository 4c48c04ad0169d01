"""Where changes land: the raw change logs of a warehouse, and the position, in one transaction."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape, reconcile
from mbp.ingest.cdc.batches import Parts
from mbp.ingest.cdc.capture_control import PARKED, CaptureControl, Event, ReaderState
from mbp.ingest.cdc.commit_order import SourcePlace
from mbp.ingest.cdc.exact import fitting, misfits
from mbp.ingest.cdc.letters import Letter, row_letter, stored
from mbp.ingest.cdc.source_tables import Columns
from mbp.ingest.raw_tables import CDC_CONTROL_TABLES, CDC_DEAD_LETTERS
from mbp.warehouse import Warehouse
from mbp.warehouse.connection import LockedError, engine_of, opener

LOCK_PATIENCE_SECONDS = 45.0
# What a large transaction has written waits on disk, not in memory, for its commit.
DUCKDB_SETTINGS = {"memory_limit": "256MB", "preserve_insertion_order": "false"}
LOCK_PAUSE_SECONDS = 0.1
COPY_BYTES = 1 << 16
# Places in a row of a change log, from its end.
OPERATION, POSITION = -5, -2
Row = Sequence[str | None]
LetterOf = Callable[[int, str], Letter]
# For COPY in its text format: what would end a value or a row.
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Sink:
    """Rows and position of one slot. Nothing of a transaction is visible before `commit`.

    DuckDB has one writer per file, so the file is held only from the first row of a transaction to its commit:
    in between dbt and analysts can work.

    Args:
        columns: raw table ('mbp.quotes') -> (column, type) in order.

    Attributes:
        waiting: called again and again while others hold the DuckDB file; without it, patience ends.
        refused: dead letters since the sink was made, without the parked ones.
    """

    def __init__(self, root: Path, target: str, slot: str, columns: Columns) -> None:
        self.slot, self.columns = slot, columns
        self.waiting: Callable[[], None] | None = None
        self.engine, self._connect = engine_of(root, target), opener(root, target, create=False)
        self._parts = Parts()
        self.refused = 0
        self._warehouse: Warehouse | None = None
        self._in_transaction = False

    def place(self) -> SourcePlace | None:
        """Up to where the source has been applied; None: never.

        Raises:
            MbpError: no warehouse, or one without the raw tables.
        """
        warehouse = self._open()
        _, rows = warehouse.query(
            "select table_name from information_schema.tables where table_schema = 'raw_mbp'"
        )
        there = {row[0] for row in rows}
        missing = [
            f"raw_{name}"
            for name in self.columns
            if name.startswith("mbp.") and name[4:] not in there
        ]
        missing += self._control.missing()
        if missing:
            self.close()
            raise MbpError(f"{missing[0]} is not in the warehouse", fix="run `mbp db init`")
        place = self._control.place()
        self._release()
        return place

    def highest(self) -> int:
        """The highest `__source_lsn` of all logs, also of what other commands wrote."""
        logs = [name for name in self.columns if name.startswith("mbp.")]
        inner = " union all ".join(
            f"select max(__source_lsn) as last from raw_{log}" for log in logs
        )
        ((last,),) = self._begin().query(f"select max(last) from ({inner}) as logs")[1]
        return int(last or 0)

    def ready(self) -> bool:
        """Whether the warehouse can be written now; False: another process holds the DuckDB file."""
        try:
            self._open(wait=False)
        except LockedError:
            return False
        return True

    def write(self, table: str, rows: Sequence[Row], letter_of: LetterOf | None = None) -> int:
        """Appends rows, given as text in the order of the table's columns; what does not fit becomes a dead letter.

        Args:
            letter_of: (place of the row, why it does not fit) -> its letter; without it the row itself is kept.

        Returns:
            How many rows were appended.
        """
        columns, listed = self.columns[table], by_column(rows)
        bad = misfits(rows, listed, columns)
        if bad:
            if letter_of is None:
                name = table.removeprefix("mbp.")
                self.quarantine(
                    [
                        row_letter(name, rows[index], bad[index], _position(rows[index]))
                        for index in bad
                    ]
                )
            else:
                self.quarantine([letter_of(index, bad[index]) for index in bad])
            # What a deleted row held is not needed to delete it.
            deletes = [at for at in bad if table.startswith("mbp.") and rows[at][OPERATION] == "d"]
            fit = {at: fitting(rows[at], columns) for at in deletes}
            rows = [
                fit.get(at, row)
                for at, row in enumerate(rows)
                if at not in bad or fit.get(at, [""])[0]
            ]
            listed = by_column(rows)
        self._append(f"raw_{table}", columns, rows, listed)
        return len(rows)

    def quarantine(self, letters: Sequence[Letter]) -> None:
        """Keeps dead letters; one that is kept already is not kept twice."""
        known = self.control().known(letters) if letters else set()
        rows = {
            letter.id: stored(letter, self.slot) for letter in letters if letter.id not in known
        }
        kept = list(rows.values())
        self._append(
            CDC_DEAD_LETTERS, CDC_CONTROL_TABLES[CDC_DEAD_LETTERS][0], kept, by_column(kept)
        )
        self.refused += sum(letter.kind != PARKED and letter.id in rows for letter in letters)

    def truncate(self, table: str, position: int, milliseconds: int) -> None:
        """A table was emptied at the source: a delete for each row that was there, and an event.

        Args:
            table: 'mbp.quotes'.
            milliseconds: Unix time of the commit.
        """
        own = change_shape.own_columns(self.columns[table])
        reconcile.emptied(self._begin(), table, own, position, milliseconds, change_shape.arrival())
        name = table.removeprefix("mbp.")
        self.control().happened(Event("truncate", name, position, str(milliseconds)))

    def stage(self, table: str, rows: Sequence[list[str | None]], *, first: bool) -> None:
        """Takes rows of a snapshot, as the log has them, into a temporary table.

        Of one that does not fit only the key is taken, and it becomes a dead letter. Without the key it would be taken
        for one that was deleted.
        """
        columns = change_shape.own_columns(self.columns[table])
        if first:
            reconcile.stage(self._begin(), columns)
        width, name = len(columns), table.removeprefix("mbp.")
        own: list[Row] = [row[:width] for row in rows]
        bad = misfits(own, by_column(own), columns)
        self.quarantine(
            [row_letter(name, rows[at], bad[at], _position(rows[at])) for at in sorted(bad)]
        )
        staged = [
            [row[0], *[None] * (width - 1), "false"] if at in bad else [*row, "true"]
            for at, row in enumerate(own)
        ]
        there = [*columns, (reconcile.FITS, "boolean")]
        self._append(reconcile.STAGED, there, staged, by_column(staged))

    def reconcile(self, table: str, position: int, milliseconds: int) -> tuple[int, int]:
        """Adds the difference between the log and the staged rows: (new or other, removed)."""
        own = change_shape.own_columns(self.columns[table])
        return reconcile.differences(
            self._begin(), table, own, position, milliseconds, change_shape.arrival()
        )

    def has_rows(self, table: str) -> bool:
        """Whether anything is in the log of a table."""
        return bool(self._begin().query(f"select 1 from raw_{table} limit 1")[1])

    def has(self, table: str, position: int, key: str | None) -> bool:
        """Whether a change of a key at a position is in the log of a table."""
        return self._has(table, f"= {int(position)}", key)

    def has_later(self, table: str, position: int, key: str | None) -> bool:
        """Whether a change of a key after a position is in the log of a table."""
        return self._has(table, f"> {int(position)}", key)

    def _has(self, table: str, place: str, key: str | None) -> bool:
        name = reconcile.names(self.columns[table][:1])
        warehouse = self._begin()
        sql = f"select 1 from raw_{table} where __source_lsn {place} and {name} = {self._control.mark} limit 1"
        return bool(warehouse.query(sql, [key])[1])

    def control(self) -> CaptureControl:
        """The control tables, inside of the transaction."""
        self._begin()
        return self._control

    def commit(self, place: SourcePlace | None, state: ReaderState | None = None) -> None:
        """Makes everything since the last commit visible, together with the place; None: it stays."""
        control = self.control()
        if place is not None:
            control.move(place)
        if state is not None:
            control.measured(state)
        self._open().execute("commit")
        self._in_transaction = False
        self._release()

    @property
    def in_transaction(self) -> bool:
        """Rows were written that are not visible yet."""
        return self._in_transaction or bool(self._parts)

    def close(self) -> None:
        """Ends the connection; what was not committed is lost."""
        warehouse, self._warehouse = self._warehouse, None
        self._in_transaction = False
        self._parts.close()
        if warehouse is not None:
            warehouse.close()

    @property
    def _control(self) -> CaptureControl:
        return CaptureControl(self._open(), self.slot)

    def _open(self, *, wait: bool = True) -> Warehouse:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while self._warehouse is None:
            try:
                self._warehouse = self._connect()
                if self._warehouse.engine == "duckdb":
                    for name, value in DUCKDB_SETTINGS.items():
                        self._warehouse.execute(f"set {name} = '{value}'")
            except LockedError:
                if not wait or (self.waiting is None and time.monotonic() >= deadline):
                    raise
                if self.waiting is not None:
                    self.waiting()
                time.sleep(LOCK_PAUSE_SECONDS)
        return self._warehouse

    def _begin(self) -> Warehouse:
        """The transaction, with everything in it that was appended."""
        warehouse = self._open()
        if not self._in_transaction:
            warehouse.execute("begin")
            self._in_transaction = True
        parts, self._parts = self._parts, Parts()
        with parts:
            for place, columns, source in parts.sources(warehouse):
                casts = ", ".join(f'cast("{name}" as {kind})' for name, kind in columns)
                warehouse.execute(f"insert into {place} select {casts} from {source}")
        return warehouse

    def _release(self) -> None:
        if self._warehouse is not None and self.engine == "duckdb":
            self.close()

    def _append(
        self,
        place: str,
        columns: Sequence[tuple[str, str]],
        rows: Sequence[Row],
        listed: Sequence[Row],
    ) -> None:
        if not rows:
            return
        if self.engine == "duckdb":
            self._parts.add(place, columns, listed)
            return
        escaped = [
            _escaped(values, kind) for values, (_, kind) in zip(listed, columns, strict=True)
        ]
        untouched = all(first is other for first, other in zip(escaped, listed, strict=True))
        lines: Any = rows if untouched else zip(*escaped, strict=True)
        stream = io.BytesIO(("\n".join(map("\t".join, lines)) + "\n").encode())
        warehouse: Any = self._begin()
        with warehouse.connection.cursor() as cursor:
            cursor.copy_expert(
                f"copy {place} ({reconcile.names(columns)}) from stdin", stream, COPY_BYTES
            )


def by_column(rows: Sequence[Row]) -> list[Row]:
    """The values of rows, column by column."""
    return list(zip(*rows, strict=True))


def _position(row: Row) -> int:
    """Of a row of a change log; one whose position is not a number either has 0."""
    text = row[POSITION] or ""
    return int(text) if text.isdigit() else 0


def _escaped(values: Row, kind: str) -> Sequence[str]:
    """A column as COPY wants it. Most columns need nothing; that is seen at once over all of their values.

    Only a text that fits its column can hold what is escaped.
    """
    if None in values:
        return ["\\N" if value is None else value.translate(ESCAPES) for value in values]
    whole: Sequence[str] = values  # type: ignore[assignment]
    if kind != "text":
        return whole
    joined = "".join(whole)
    if any(mark in joined for mark in "\\\t\n\r"):
        return [value.translate(ESCAPES) for value in whole]
    return whole
