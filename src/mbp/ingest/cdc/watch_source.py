"""What a reader does beside reading: its lock, its heartbeats, the clocks, and the log that its slot retains."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2

from mbp.core.errors import MbpError
from mbp.ingest.cdc.apply import PREFIX
from mbp.ingest.cdc.capture_control import ReaderState
from mbp.ingest.cdc.market_source import APPLICATION, SLOT, MarketSource
from mbp.ingest.cdc.watched import MEBIBYTE
from mbp.warehouse.connection import UnreachableError

HEARTBEAT_SECONDS = 5.0
# The connection of a killed reader ends at once; one whose network was cut, after its connection timed out.
LOCK_PATIENCE_SECONDS = 10.0
LIMIT_VARIABLE = "MBP_CDC_SLOT_LIMIT_MB"
DEFAULT_LIMIT_MB = 1024
# Reported at most so often; separate alarms watch it too.
ALARM_PAUSE_SECONDS = 60.0


class OtherReaderError(MbpError):
    """Another reader has the lock."""


@contextmanager
def lock_source(source: MarketSource, *, patient: bool) -> Iterator[Any]:
    """The one connection that may read the slot. The lock ends with it.

    Args:
        patient: we had it before, so the one that has it now is our own connection that is not known to be dead yet.

    Raises:
        OtherReaderError: another reader runs.
        UnreachableError: the same, when patient; try again.
    """
    connection = source.connect()
    connection.autocommit = True
    try:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        with connection.cursor() as cursor:
            while True:
                cursor.execute("select pg_try_advisory_lock(hashtext(%s))", [f"mbp cdc {SLOT}"])
                if cursor.fetchone()[0]:
                    break
                if time.monotonic() > deadline:
                    kind = UnreachableError if patient else OtherReaderError
                    raise kind(
                        f"another reader streams from the slot {SLOT}",
                        fix="stop it; one is enough",
                    )
                time.sleep(0.2)
            # With the lock in hand, who still streams is a reader that lost it with its network.
            cursor.execute(
                "select pg_terminate_backend(active_pid) from pg_replication_slots as slot"
                " join pg_stat_activity as session on session.pid = slot.active_pid"
                " where slot_name = %s and application_name = %s",
                [SLOT, APPLICATION],
            )
        yield connection
    finally:
        with suppress(psycopg2.Error):
            connection.close()


class Beat:
    """Every few seconds: a message into the log of the source, and a check of clocks and slot.

    Args:
        control: an autocommit connection to the source.
        alarm_share: from this share of its limit on, the log that the slot retains is reported.
    """

    def __init__(self, control: Any, say: Callable[[str], None], alarm_share: float) -> None:
        self.control, self.say, self.alarm_share = control, say, alarm_share
        self._next = 0.0
        self._next_alarm = 0.0

    def now_and_then(self) -> ReaderState | None:
        """Beats when it is time; what was measured then."""
        if time.monotonic() < self._next:
            return None
        with self.control.cursor() as cursor:
            asked = time.time()
            cursor.execute("select extract(epoch from clock_timestamp())")
            answered = time.time()
            skew = float(cursor.fetchone()[0]) - (asked + answered) / 2
            cursor.execute(
                "select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), pg_size_bytes(current_setting("
                "'max_slot_wal_keep_size')) from pg_replication_slots where slot_name = %s",
                [SLOT],
            )
            row = cursor.fetchone()
            cursor.execute("select pg_logical_emit_message(true, %s, '')", [PREFIX])
        retained = None if row is None or row[0] is None else int(row[0])
        limit = _limit_bytes(None if row is None else row[1])
        self._next = time.monotonic() + HEARTBEAT_SECONDS
        self._alarm(retained, limit)
        return ReaderState(skew, (answered - asked) / 2, retained, limit)

    def _alarm(self, retained: int | None, limit: int) -> None:
        if (retained or 0) < self.alarm_share * limit or time.monotonic() < self._next_alarm:
            return
        self._next_alarm = time.monotonic() + ALARM_PAUSE_SECONDS
        self.say(
            f"ALARM: the source keeps {(retained or 0) / MEBIBYTE:,.0f} MiB of log for the slot {SLOT}, limit"
            f" {limit / MEBIBYTE:,.0f} MiB: the reader does not keep up, or a long transaction is open"
        )


def _limit_bytes(of_source: int | None) -> int:
    """What the source allows (`max_slot_wal_keep_size`), or else what the environment says.

    Raises:
        MbpError: the environment does not say a number.
    """
    if of_source is not None and of_source > 0:
        return int(of_source)
    limit = os.environ.get(LIMIT_VARIABLE, str(DEFAULT_LIMIT_MB))
    if not limit.isdigit() or int(limit) == 0:
        raise MbpError(f"{LIMIT_VARIABLE} is {limit!r}", fix="write a number of MiB above zero")
    return int(limit) * MEBIBYTE
