"""What the reader wrote down of itself, and which of it is an alarm. Asks the warehouse only, never the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mbp.contracts.alarm_limits import (
    CLOCK_SKEW,
    DEAD_LETTERS,
    READER_SILENT,
    SLOT_FILLING,
    SLOT_LOST,
    SLOT_NEARLY_FULL,
    STREAM_STOPPED,
    UNSEEN,
    Limits,
)
from mbp.core.errors import MbpError
from mbp.ingest.cdc.market_source import SLOT
from mbp.ingest.raw_tables import CDC_DEAD_LETTERS, CDC_POSITIONS, CDC_READERS, CDC_STREAMS
from mbp.warehouse import Warehouse

READ = (CDC_POSITIONS, CDC_STREAMS, CDC_DEAD_LETTERS, CDC_READERS)
MEBIBYTE = 2**20
# Id, subject, message and fix of an alarm.
Raised = tuple[str, str, str, str]


@dataclass(frozen=True)
class SeenReader:
    """A reader as it last wrote about itself.

    Attributes:
        skew_seconds: clock of the source minus clock of the reader; None: it never got as far as to measure.
        retained_bytes: log that the source keeps for the slot; None: the source no longer says.
        limit_bytes: what it may keep.
        seen_at: the last sign of life, by the clock of the warehouse.
    """

    slot: str
    skew_seconds: float | None
    skew_error_seconds: float | None
    retained_bytes: int | None
    limit_bytes: int | None
    seen_at: datetime


@dataclass(frozen=True)
class WatchedCapture:
    """What the control tables of a warehouse say.

    Attributes:
        read_at: clock of the warehouse, which stamps signs of life too. On DuckDB that is this machine's.
        slots: everything that ever wrote changes here: the reader, landed files.
        dead_letters: (slot, table) -> changes that are not in the log; none: no entry.
        stopped: (slot, table) -> why it is stopped.
        unseen: control tables that exist and that this role may not read.
        tables: change logs that exist.
    """

    read_at: datetime
    slots: Sequence[str] = ()
    readers: Sequence[SeenReader] = ()
    dead_letters: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stopped: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unseen: Sequence[str] = ()
    tables: Sequence[str] = ()


@dataclass(frozen=True)
class Alarm:
    """Something that needs action.

    Attributes:
        id: as in contracts/a110/cdc_alarms.yaml.
        subject: 'slot' or 'slot/table'; together with the id it identifies an alarm.
        message: one line.
        fix: what to do, in one line.
    """

    id: str
    severity: str
    subject: str
    message: str
    fix: str


def read_watched(warehouse: Warehouse) -> WatchedCapture:
    """Reads the control tables. No tables, or no reader that ever wrote: nothing to watch, and no error.

    Raises:
        MbpError: changes were captured, but by an older release: a control table is missing.
    """
    ((now,),) = warehouse.query("select current_timestamp")[1]
    there = _tables(warehouse)
    if CDC_POSITIONS not in there:
        return WatchedCapture(now)
    unseen = sorted(name for name in READ if there.get(name) is False)
    if unseen:
        return WatchedCapture(now, unseen=unseen)
    _, positions = warehouse.query(
        f"select slot, max(position), max(recorded_at) from {CDC_POSITIONS} group by slot order by slot"
    )
    missing = [name for name in READ if name not in there]
    if missing and positions:
        raise MbpError(f"{missing[0]} is not in the warehouse", fix="run `mbp db init`")
    if missing:
        return WatchedCapture(now)
    _, letters = warehouse.query(
        f"select slot, table_name, count(*) from {CDC_DEAD_LETTERS} group by slot, table_name"
    )
    _, stopped = warehouse.query(f"select slot, table_name, reason from {CDC_STREAMS}")
    _, rows = warehouse.query(
        "select slot, source_skew_seconds, skew_error_seconds, retained_bytes, retained_limit_bytes, recorded_at"
        f" from {CDC_READERS} order by slot"
    )
    readers = [SeenReader(*row) for row in rows]
    # The reader streams, and never measured anything: it died before its first heartbeat.
    readers += [
        SeenReader(slot, None, None, None, None, at)
        for slot, position, at in positions
        if slot == SLOT and position >= 0 and slot not in {reader.slot for reader in readers}
    ]
    counts = {(str(row[0]), str(row[1])): int(row[2]) for row in letters}
    still = {(str(row[0]), str(row[1])): str(row[2]) for row in stopped}
    slots = {str(row[0]) for row in positions} | {reader.slot for reader in readers}
    slots |= {slot for slot, _ in (*counts, *still)}
    logs = sorted(log for log in (name.partition(".")[2] for name in there) if log[0] != "_")
    return WatchedCapture(now, sorted(slots), readers, counts, still, tables=logs)


def alarms(watched: WatchedCapture, limits: Limits, now: datetime) -> list[Alarm]:
    """Everything that is an alarm, by id and subject. Pure: the same arguments, the same alarms.

    Args:
        now: `watched.read_at`, unless what was read is to be judged as of another instant.
    """
    raised = [
        *_of_role(watched),
        *_of_tables(watched, limits),
        *(alarm for reader in watched.readers for alarm in _of_reader(reader, limits, now)),
    ]
    made = [Alarm(name, getattr(limits.alarms, name).severity, *words) for name, *words in raised]
    return sorted(made, key=lambda alarm: (alarm.id, alarm.subject))


def age_seconds(reader: SeenReader, now: datetime) -> float:
    """Since its last sign of life; below zero where a clock was set back."""
    return (now - reader.seen_at).total_seconds()


def _of_role(watched: WatchedCapture) -> Iterator[Raised]:
    if watched.unseen:
        yield (
            UNSEEN,
            watched.unseen[0],
            "this role may not read it, so change data capture was not checked",
            "use a role that reads raw_mbp, like mbp_transformer",
        )


def _of_tables(watched: WatchedCapture, limits: Limits) -> Iterator[Raised]:
    for (slot, table), count in watched.dead_letters.items():
        # Without --reader it is the native one's.
        reader = "" if slot == SLOT else f" --reader {slot.removeprefix('mbp_')}"
        if count > limits.alarms.cdc_dead_letters.above_changes:
            yield (
                DEAD_LETTERS,
                f"{slot}/{table}",
                f"{count:,} changes are in quarantine and not in the log",
                f"see `mbp cdc replay --list`, fix the cause, then `mbp cdc replay{reader}`",
            )
    for (slot, table), reason in watched.stopped.items():
        yield (
            STREAM_STOPPED,
            f"{slot}/{table}",
            f"is stopped: {reason}",
            "fix the source or change the contract, then `mbp cdc resnapshot`",
        )


def _of_reader(reader: SeenReader, limits: Limits, now: datetime) -> Iterator[Raised]:
    age = age_seconds(reader, now)
    if age > limits.alarms.cdc_reader_silent.above_seconds:
        yield (
            READER_SILENT,
            reader.slot,
            f"no sign of life for {age:,.0f} s; the source keeps log for it meanwhile",
            "start `mbp cdc run`",
        )
    elif age < -limits.skew_seconds:
        # Its silence would go unnoticed until the clock has caught up.
        yield (
            READER_SILENT,
            reader.slot,
            f"its last heartbeat is {-age:,.0f} s in the future: whether it runs is not known",
            "fix the clock of the warehouse, then restart the reader",
        )
    if reader.limit_bytes is not None and reader.retained_bytes is None:
        yield (
            SLOT_LOST,
            reader.slot,
            "the source does not say what it keeps for the slot: it is lost or gone",
            "see `mbp cdc status`; a slot that is lost needs `mbp cdc resnapshot`",
        )
    if reader.limit_bytes is not None and reader.retained_bytes is not None:
        yield from _of_slot(limits, reader.slot, reader.retained_bytes, reader.limit_bytes)
    if reader.skew_seconds is not None and abs(reader.skew_seconds) > limits.skew_seconds:
        yield (
            CLOCK_SKEW,
            reader.slot,
            f"clock of the source {reader.skew_seconds:+.1f} s against the reader's, limit {limits.skew_seconds:g} s",
            "fix the clock that is wrong; until then lags are wrong by as much",
        )


def _of_slot(limits: Limits, slot: str, retained: int, limit: int) -> Iterator[Raised]:
    if retained > limits.alarms.cdc_slot_nearly_full.share * limit:
        name = SLOT_NEARLY_FULL
    elif retained > limits.alarms.cdc_slot_filling.share * limit:
        name = SLOT_FILLING
    else:
        return
    yield (
        name,
        slot,
        f"the source keeps {retained / MEBIBYTE:,.0f} MiB of log, its limit is {limit / MEBIBYTE:,.0f} MiB",
        "see whether the reader keeps up and no long transaction is open; at the limit the slot is lost",
    )


def _tables(warehouse: Warehouse) -> dict[str, bool]:
    """Raw tables that are there -> whether this role may read them. The information schema would hide those
    that it may not."""
    if warehouse.engine == "duckdb":
        _, rows = warehouse.query(
            "select table_name, true from information_schema.tables where table_schema = 'raw_mbp'"
        )
    else:
        _, rows = warehouse.query(
            "select relname, has_schema_privilege(relnamespace, 'usage')"
            " and has_table_privilege(pg_class.oid, 'select')"
            " from pg_catalog.pg_class where relkind in ('r', 'p')"
            " and relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_mbp')"
        )
    return {f"raw_mbp.{name}": bool(may) for name, may in rows}
