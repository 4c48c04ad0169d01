"""`mbp cdc status`: the position of the stream, what it kept waiting, and what the source keeps for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts.alarm_limits import load_limits
from mbp.core import moments
from mbp.core.errors import MbpError
from mbp.ingest.cdc.capture_control import CaptureControl
from mbp.ingest.cdc.change_shape import captured_tables
from mbp.ingest.cdc.market_source import SLOT, MarketSource, slot_state
from mbp.ingest.cdc.watched import MEBIBYTE, Alarm, alarms, read_watched
from mbp.ingest.raw_tables import CDC_READERS
from mbp.warehouse import Warehouse, connect

MINUTES = 5


@dataclass(frozen=True)
class TableStatus:
    """One table. Lags in seconds over the last five minutes of arrivals; None: nothing arrived.

    Attributes:
        position: of the newest change in the log; of a table that is stopped, where it is kept.
        stopped: why it is stopped; None: it is not.
        heartbeat_problem: why its last heartbeat has no age; None: it has one, or there was none.
        dead_letters: changes that are not in the log, parked ones among them.
    """

    table: str
    position: int | None
    rows: int
    lag_p50_seconds: float | None
    lag_p95_seconds: float | None
    lag_max_seconds: float | None
    heartbeat_age_seconds: float | None
    dead_letters: int
    stopped: str | None
    heartbeat_problem: str | None = None


@dataclass(frozen=True)
class CaptureStatus:
    """The slot, the clocks and the tables.

    Attributes:
        source_skew_seconds: clock of the source minus that of the reader, which stamps arrivals; lags are wrong by it.
        skew_error_seconds: how well that is known.
        findings: what needs action; empty: nothing.
    """

    position: int
    slot: dict[str, Any] | None
    retained_limit_bytes: int | None
    source_skew_seconds: float | None
    skew_error_seconds: float | None
    tables: Sequence[TableStatus]
    findings: Sequence[str]


def read_status(root: Path, target: str, source: MarketSource) -> CaptureStatus:
    """Asks source and warehouse.

    Raises:
        MbpError: one of them cannot be reached, or nothing was ever read.
    """
    slot = slot_state(source)
    with connect(root, target, read_only=True) as warehouse:
        control = CaptureControl(warehouse, SLOT)
        if control.missing():
            raise MbpError(
                f"{control.missing()[0]} is not in the warehouse", fix="run `mbp db init`"
            )
        place = control.place()
        if place is None or place.lsn < 0:
            raise MbpError("nothing was ever read from the source", fix="start `mbp cdc run`")
        letters, stopped = control.letter_counts(), control.stopped()
        limits = load_limits(root)
        skew = timedelta(seconds=limits.skew_seconds)
        tables = [_table(warehouse, name, letters, stopped, skew) for name in captured_tables(root)]
        _, rows = warehouse.query(
            "select source_skew_seconds, skew_error_seconds, retained_limit_bytes"
            f" from {CDC_READERS} where slot = {control.mark}",
            [SLOT],
        )
        seen = read_watched(warehouse)
    raised = alarms(seen, limits, seen.read_at)
    measured, error, limit = rows[0] if rows else (None, None, None)
    findings = _findings(slot, place.lsn, raised)
    findings += [
        f"{table.table}: {table.heartbeat_problem}; correct the clock"
        for table in tables
        if table.heartbeat_problem
    ]
    return CaptureStatus(place.lsn, slot, limit, measured, error, tables, findings)


def _table(
    warehouse: Warehouse,
    name: str,
    letters: dict[str, int],
    stopped: dict[str, tuple[int, str]],
    skew: timedelta,
) -> TableStatus:
    lag = "extract(epoch from (_loaded_at - emitted_at))"
    recent = f"_loaded_at >= current_timestamp - interval '{MINUTES} minutes'"
    _, counted = warehouse.query(f"select count(*), max(__source_lsn) from raw_mbp.{name}")
    _, measured = warehouse.query(
        f"with lags as (select {lag} as lag from raw_ops.cdc_heartbeats"
        f" where table_name = '{name}' and {recent} union all"
        " select extract(epoch from _loaded_at) - cast(__source_ts_ms as double precision) / 1000"
        f" from raw_mbp.{name} where __op <> 'r' and {recent})"
        " select percentile_cont(0.5) within group (order by cast(lag as double precision)),"
        " percentile_cont(0.95) within group (order by cast(lag as double precision)), max(lag) from lags"
    )
    _, beat = warehouse.query(
        f"select max(emitted_at) from raw_ops.cdc_heartbeats where table_name = '{name}'"
    )
    p50, p95, most = (None if cell is None else float(cell) for cell in measured[0])
    age, problem = heartbeat(beat[0][0], datetime.now(UTC), skew)
    kept = stopped.get(name)
    newest = None if counted[0][1] is None else int(counted[0][1])
    return TableStatus(
        name,
        kept[0] if kept else newest,
        int(counted[0][0]),
        p50,
        p95,
        most,
        age,
        letters.get(name, 0),
        kept[1] if kept else None,
        problem,
    )


def heartbeat(
    emitted_at: datetime | None, now: datetime, skew: timedelta
) -> tuple[float | None, str | None]:
    """(seconds since the last heartbeat, why there is no age); one of the future is no sign of life."""
    if emitted_at is None:
        return None, None
    try:
        return moments.age(emitted_at, now, skew=skew).total_seconds(), None
    except moments.FutureError as error:
        return None, f"the last heartbeat was emitted {error}"


def _findings(slot: dict[str, Any] | None, position: int, raised: Sequence[Alarm]) -> list[str]:
    """What the source says of the slot, and the alarms of `mbp watch`."""
    problems = []
    if slot is None:
        problems.append(
            f"the slot {SLOT} is missing: what the source changes is not kept; `mbp cdc resnapshot`"
        )
    elif slot["wal_status"] == "lost":
        problems.append(
            f"the slot {SLOT} is lost: the source kept all it may; `mbp cdc resnapshot`"
        )
    elif slot["end_lsn"] < position:
        problems.append("the source was restored from an older state; `mbp cdc resnapshot`")
    elif not slot["active"]:
        problems.append("no reader streams: start `mbp cdc run`")
    return problems + [f"{alarm.subject}: {alarm.message}; {alarm.fix}" for alarm in raised]


def text(capture_status: CaptureStatus) -> str:
    """A line per table, one of the slot, one of the clocks."""
    lines = [
        f"{'table':<14}{'position':>14}{'rows':>12}{'lag p50':>10}{'p95':>10}{'max':>10}"
        f"{'heartbeat':>12}{'dead letters':>14}"
    ]
    for table in capture_status.tables:
        lags = (table.lag_p50_seconds, table.lag_p95_seconds, table.lag_max_seconds)
        message = "".join(f"{_seconds(value):>10}" for value in lags)
        place = "-" if table.position is None else str(table.position)
        lines.append(
            f"{table.table:<14}{place:>14}{table.rows:>12,}{message}"
            f"{_seconds(table.heartbeat_age_seconds):>12}{table.dead_letters:>14,}"
        )
    if capture_status.slot is not None:
        retained = (capture_status.slot["retained_bytes"] or 0) / MEBIBYTE
        limit = capture_status.retained_limit_bytes
        message = "" if limit is None else f", limit {limit / MEBIBYTE:,.0f} MiB"
        streaming = "streaming" if capture_status.slot["active"] else "NOT streaming"
        lines.append(
            f"slot {SLOT}: {streaming}, {retained:.1f} MiB of log kept at the source{message}"
        )
    if capture_status.source_skew_seconds is not None:
        lines.append(
            f"clock of the source: {capture_status.source_skew_seconds:+.3f} s against the reader's, known to"
            f" {capture_status.skew_error_seconds:.3f} s"
        )
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
