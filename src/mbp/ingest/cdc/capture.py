"""`mbp cdc run`: snapshot, then stream, from one position to the next; every position with its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from mbp.contracts.alarm_limits import load_limits
from mbp.core.errors import MbpError
from mbp.core.wording import many
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.apply import Applier
from mbp.ingest.cdc.commit_order import SourcePlace, next_number
from mbp.ingest.cdc.market_source import (
    PUBLICATION,
    SLOT,
    MarketSource,
    demand_ready,
    drop_slot,
    epoch_of,
    keep_slot,
    lsn_number,
    slot_state,
    source_tables,
    take_snapshot,
)
from mbp.ingest.cdc.replay import replay
from mbp.ingest.cdc.replication_stream import ReplicationStream, take_over
from mbp.ingest.cdc.sink import Sink
from mbp.ingest.cdc.source_tables import read_tables, replaced
from mbp.ingest.cdc.watch_source import Beat, lock_source
from mbp.ingest.raw_tables import raw_tables
from mbp.warehouse.connection import UnreachableError

SNAPSHOT_BEGUN = -1
# Waits between attempts: doubled from the first to the last.
BACK_OFF_SECONDS = (0.5, 30.0)
ONCE_PATIENCE_SECONDS = 60.0
# Nothing was heard of the source, not even that it is alive, which it says every half minute and we ask for.
SILENCE_SECONDS = 45.0
STOP_PATIENCE_SECONDS = 5.0
IDLE_SECONDS = 0.05
# So many messages of one transaction are read before heartbeats get their turn.
MESSAGES = 1000
Say = Callable[[str], None]
# What passes: servers that restart, networks that break, disks that are full. Everything else is a mistake.
PASSING = (psycopg2.OperationalError, psycopg2.InterfaceError, duckdb.IOException, UnreachableError)


class SlotReader:
    """One slot into one warehouse.

    Args:
        stopping: asked between transactions; True ends the run when what came is committed.
    """

    def __init__(
        self, root: Path, target: str, source: MarketSource, say: Say, stopping: Callable[[], bool]
    ) -> None:
        tables = raw_tables(root)
        self.source, self.say, self.stopping = source, say, stopping
        self.columns = change_shape.by_name(tables)
        self.alarm_share = load_limits(root).alarms.cdc_slot_filling.share
        self.sink = Sink(root, target, SLOT, tables)
        self.applier = Applier(self.sink, self.columns, say, source.schema)
        self.sink.waiting = self._keep_alive
        self._told = False
        self._slot_is_usable = True
        self._messages: ReplicationStream | None = None

    @property
    def applied(self) -> int:
        """Up to where the source is in the warehouse."""
        return self.applier.applied

    @property
    def problems(self) -> str:
        """What of the run is not in the logs, in a few words; empty: nothing."""
        messages = [f"{name} is stopped" for name in sorted(self.applier.stopped)]
        if self.sink.refused:
            messages.append(
                f"{many(self.sink.refused, 'change')} in quarantine (`mbp cdc replay --list`)"
            )
        return ", ".join(messages)

    def run(self, *, once: bool, anew: Sequence[str] | None = None) -> int:
        """Reads until it is stopped, or with `once` until it has what the source had; rows written.

        Where source or warehouse go away it waits and goes on from the last position. That they are there at the
        beginning is demanded: a wrong password does not pass.

        Args:
            anew: tables whose state is copied again; all of them: without reading up to there first.

        Raises:
            MbpError: the source is not set up, the slot is lost or in use, or what is read makes no sense.
        """
        demand_ready(self.source)
        pause, give_up = BACK_OFF_SECONDS[0], time.monotonic() + ONCE_PATIENCE_SECONDS
        begun = False
        while True:
            applied = self.applied
            try:
                with lock_source(self.source, patient=begun) as control:
                    begun = True
                    self._session(control, once, anew)
                return self.applier.rows_written
            except (psycopg2.Error, duckdb.Error, UnreachableError) as error:
                reason = " ".join(str(error).split())
                # A disk that is full shows at a commit of DuckDB as an error of the transaction.
                full = "no space left" in reason.lower()
                lost = type(error) is psycopg2.DatabaseError
                if isinstance(error, psycopg2.errors.UndefinedObject) and "publication" in reason:
                    raise MbpError(
                        f"the source has changes from a time without the publication: {reason[:300]}",
                        fix="run the SQL that `mbp cdc setup` prints, then `mbp cdc resnapshot`",
                    ) from error
                passes = isinstance(error, PASSING) or lost or full
                if not passes or not begun or (once and time.monotonic() > give_up):
                    raise MbpError(
                        f"source or warehouse failed: {reason[:300]}",
                        fix="fix what it names and run it again: it continues where it stopped",
                    ) from error
                longer = min(2 * pause, BACK_OFF_SECONDS[1])
                pause = BACK_OFF_SECONDS[0] if self.applied > applied else longer
                self.say(f"interrupted, trying again in {pause:.1f} s: {reason[:300]}")
            finally:
                self._messages = None
                self.sink.close()
            if not self._wait(pause):
                return self.applier.rows_written

    def _wait(self, seconds: float) -> bool:
        """Whether to go on after it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.stopping():
                return False
            time.sleep(IDLE_SECONDS)
        return not self.stopping()

    def _session(self, control: Any, once: bool, anew: Sequence[str] | None) -> None:
        whole = anew is not None and set(anew) == set(self.columns)
        place = self._start(again=whole)
        self.applier.reset(place)
        if whole or place.lsn < 0:
            self._copy(control, list(self.columns), up_to_it=False)
        else:
            self._check_tables(control)
            self.sink.commit(place)
            self._look_at_stopped(but=anew or ())
            if anew:
                self._copy(control, anew, up_to_it=True)
        if not (once and self.stopping()):
            self._stream(control, once)

    def _start(self, *, again: bool) -> SourcePlace:
        place, slot, epoch = self.sink.place(), slot_state(self.source), epoch_of(self.source)
        fix = "`mbp cdc resnapshot` takes over the state of the source and what differs"
        if place is None and again:
            raise MbpError("nothing was ever read", fix="`mbp cdc run` takes the first snapshot")
        if place is None and slot is not None:
            raise MbpError(
                f"the source has a slot {SLOT} already, and this warehouse knows no position in it",
                fix="it serves another warehouse; or drop it at the source when it is not needed any more",
            )
        if slot is not None and slot["database"] != self.source.database:
            raise MbpError(
                f"the slot {SLOT} belongs to the database {slot['database']}",
                fix=f"set MBP_SOURCE_DATABASE={slot['database']}; or drop the slot at the source, then"
                " `mbp cdc resnapshot`",
            )
        self._slot_is_usable = slot is not None and slot["wal_status"] != "lost"
        if place is None:
            # Written down first: a slot without a position is otherwise taken for another warehouse's.
            place = SourcePlace(SNAPSHOT_BEGUN)
            self.sink.commit(place)
        elif place.lsn == SNAPSHOT_BEGUN:
            self.say("the last snapshot did not end; it begins again")
        elif not again:
            if place.epoch not in (None, epoch):
                raise MbpError(
                    f"{self.source.place} is another server ({epoch}) than the one that was read ({place.epoch}):"
                    " positions of the one mean nothing on the other",
                    fix="`mbp cdc resnapshot` takes over the state of this one; its changes come after the old ones",
                )
            if not self._slot_is_usable:
                raise MbpError(
                    "the slot was removed, and with it what the source changed meanwhile", fix=fix
                )
            if slot is not None and slot["end_lsn"] < place.lsn:
                raise MbpError(
                    "the log of the source ends before the position that was read: the source was restored from an"
                    " older state, and what it had changed since is in the warehouse only",
                    fix=fix,
                )
            if slot is not None and (slot["confirmed_lsn"] or 0) > place.lsn:
                raise MbpError(
                    "the slot is ahead of this warehouse: what is between was sent to another reader, or the"
                    " warehouse was restored from an older state",
                    fix=fix,
                )
        last = place.last
        if last is None:
            last = max(place.lsn, self.sink.highest())
            self.sink.close()
        return SourcePlace(place.lsn, last, epoch)

    def _copy(self, control: Any, tables: Sequence[str], *, up_to_it: bool) -> None:
        """Takes over the state of tables at one position, and goes on from there.

        Until all of it is written nothing is moved, neither here nor at the source: it may fail.

        Args:
            up_to_it: the other tables are read up to that position first.

        Raises:
            MbpError: a table does not fit its contract.
        """
        now = source_tables(self.source, {table: self.columns[table] for table in tables})
        for name, table in now.items():
            change_shape.demand_fit(table.shape, self.columns[name])
        applier, snapshot = self.applier, take_snapshot(self.source)
        try:
            if up_to_it and not self._stream(control, once=True, until=snapshot.position):
                return
            number = next_number(change_shape.before(snapshot.position), applier.last)
            written = take_over(
                self.sink, self.source, snapshot, tables, self.columns, self.say, number
            )
            place = SourcePlace(snapshot.position, number, applier.epoch)
            try:
                if not self._slot_is_usable:
                    keep_slot(self.source, snapshot)
                self.sink.commit(place)
            except BaseException:
                if not self._slot_is_usable:
                    with suppress(psycopg2.Error, MbpError):
                        drop_slot(self.source)
                raise
        finally:
            snapshot.close()
        self._slot_is_usable = True
        applier.stopped -= set(tables)
        applier.rows_written += written
        applier.reset(place)

    def _check_tables(self, control: Any) -> None:
        """Stops the tables whose log no longer shows what they are; writes down how the others have changed."""
        applier = self.applier
        with control.cursor() as cursor:
            now = read_tables(cursor, PUBLICATION, self.source.schema, self.columns)
        if not applier.tables:
            applier.tables = self.sink.control().source_tables()
        for name, table in now.items():
            before = applier.tables.get(name)
            if before == table:
                continue
            reason = table.problem or (before and replaced(before, table, self.columns[name]))
            if reason:
                applier.stop(name, reason, copy=True)
            else:
                self.sink.control().follow(table)
                applier.follow(table)

    def _look_at_stopped(self, but: Sequence[str]) -> None:
        """Tables that are stopped go on when what was parked fits by now."""
        self.applier.stopped = set(self.sink.control().stopped())
        for table in sorted(self.applier.stopped - set(but)):
            replayed = replay(self.sink, self.columns, table, stopped=True, parked_only=True)
            if not replayed.resumed:
                self.sink.close()
                self.say(f"{table} is stopped: {replayed.why}")
                continue
            self.sink.commit(self.applier.place)
            self.applier.stopped.discard(table)
            self.say(f"{table} goes on: {replayed.delivered:,} parked changes")
        self.sink.close()

    def _stream(self, control: Any, once: bool, until: int | None = None) -> bool:
        """Whether it came to the end of what was asked for, and was not stopped before.

        Args:
            until: what is committed there or later is not taken in.
        """
        connection = self.source.connect(replication=True)
        applier, beat = self.applier, Beat(control, self.say, self.alarm_share)
        applier.until, applier.ended = until, False
        try:
            options = {"proto_version": "1", "publication_names": PUBLICATION, "messages": "true"}
            messages = ReplicationStream(connection, SLOT, applier.position, options)
            self._messages = messages
            quiet_since = time.monotonic()
            take = applier.take
            while True:
                state = beat.now_and_then()
                if state is not None:
                    applier.state = state
                    self._check_tables(control)
                    if once and until is None:
                        until = applier.until = _end_of_source(control)
                message, count = messages.read(), 0
                while message is not None:
                    take(message.payload, message.data_start)
                    count += 1
                    if applier.transaction is None or count == MESSAGES:
                        break
                    message = messages.read()
                if count:
                    quiet_since = time.monotonic()
                if applier.transaction is None:
                    reached = self._has_reached(until)
                    ends = reached or self.stopping()
                    # A file that others hold is written later, as long as what waits stays small.
                    if ends or (applier.is_due and self.sink.ready()):
                        self._commit()
                    if ends:
                        return reached
                elif self._is_cut_off(message, quiet_since):
                    # Its transaction does not end: it is not in the warehouse, and comes again.
                    return False
                if message is None:
                    self._idle(waiting_for_end=until is not None)
        finally:
            self._messages = None
            with suppress(psycopg2.Error):
                connection.close()

    def _is_cut_off(self, message: Any, quiet_since: float) -> bool:
        """Asked to stop within a transaction of which nothing more comes."""
        waited = message is None and time.monotonic() - quiet_since > STOP_PATIENCE_SECONDS
        return waited and self.stopping()

    def _idle(self, *, waiting_for_end: bool) -> None:
        assert self._messages is not None  # noqa: S101 - within `_stream`
        if self._messages.wait(IDLE_SECONDS, ask=waiting_for_end) > SILENCE_SECONDS:
            raise psycopg2.OperationalError(
                f"nothing was heard of the source for {SILENCE_SECONDS:.0f} s"
            )

    def _has_reached(self, until: int | None) -> bool:
        if until is None or self._messages is None:
            return False
        applier = self.applier
        return applier.ended or max(self._messages.sent_until, applier.position) >= until

    def _keep_alive(self) -> None:
        """While others hold the DuckDB file: the source gets a sign of life, and the user the reason for the wait.

        Raises:
            MbpError: a request to stop arrived.
        """
        if not self._told:
            self._told = True
            self.say("waiting for the DuckDB file, which another process has open")
        if self._messages is not None:
            self._messages.answer()
        if self.stopping():
            raise MbpError(
                "stopped while another process had the DuckDB file open",
                fix="run it again: it continues where it stopped",
            )

    def _commit(self) -> None:
        self.applier.commit()
        self._told = False
        if self._messages is not None:
            self._messages.confirm(self.applier.applied)


def _end_of_source(control: Any) -> int:
    with control.cursor() as cursor:
        # Of what was inserted, not only written: the source may commit asynchronously.
        cursor.execute("select pg_current_wal_insert_lsn()")
        return lsn_number(cursor.fetchone()[0])
