"""`mbp cdc status`: where the stream stands, what it kept waiting, and what the source keeps for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.cdc.source import SLOT, TABLES, Source, slot_state
from mbp.errors import MbpError
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.raw_tables import CDC_POSITIONS

MINUTES = 5


@dataclass(frozen=True)
class TableStatus:
    """One table. Lags in seconds over the last five minutes of arrivals; None: nothing arrived."""

    table: str
    rows: int
    lag_p50_seconds: float | None
    lag_p95_seconds: float | None
    lag_max_seconds: float | None
    heartbeat_age_seconds: float | None


@dataclass(frozen=True)
class Status:
    """The slot and the tables."""

    position: int
    slot: dict[str, Any] | None
    tables: Sequence[TableStatus]


def read_status(root: Path, target: str, source: Source) -> Status:
    """Asks source and warehouse.

    Raises:
        MbpError: one of them cannot be reached, or nothing was ever read.
    """
    slot = slot_state(source)
    with connect(root, target, read_only=True) as warehouse:
        _, there = warehouse.query(
            "select 1 from information_schema.tables"
            " where table_schema = 'raw_mbp' and table_name = '_cdc_position'"
        )
        mark = "?" if warehouse.engine == "duckdb" else "%s"
        found = (
            warehouse.query(
                f"select max(position) from {CDC_POSITIONS} where slot = {mark}", [SLOT]
            )[1]
            if there
            else []
        )
        if not found or found[0][0] is None or found[0][0] < 0:
            raise MbpError("nothing was ever read from the source", cure="start `mbp cdc run`")
        tables = [_table(warehouse, name) for name in TABLES]
    return Status(int(found[0][0]), slot, tables)


def _table(warehouse: Warehouse, name: str) -> TableStatus:
    lag = "extract(epoch from (_loaded_at - emitted_at))"
    recent = f"_loaded_at >= current_timestamp - interval '{MINUTES} minutes'"
    _, counted = warehouse.query(f"select count(*) from raw_mbp.{name}")
    _, measured = warehouse.query(
        f"with lags as (select {lag} as lag from raw_ops.cdc_heartbeats"
        f" where table_name = '{name}' and {recent} union all"
        " select extract(epoch from _loaded_at) - cast(__source_ts_ms as double precision) / 1000"
        f" from raw_mbp.{name} where __op <> 'r' and {recent})"
        " select percentile_cont(0.5) within group (order by cast(lag as double precision)),"
        " percentile_cont(0.95) within group (order by cast(lag as double precision)), max(lag) from lags"
    )
    _, beat = warehouse.query(
        "select extract(epoch from (current_timestamp - max(emitted_at)))"
        f" from raw_ops.cdc_heartbeats where table_name = '{name}'"
    )
    values = [None if cell is None else float(cell) for cell in (*measured[0], beat[0][0])]
    return TableStatus(name, int(counted[0][0]), *values)


def text(found: Status) -> str:
    """A line per table and one of the slot."""
    lines = [f"{'table':<14}{'rows':>12}{'lag p50':>10}{'p95':>10}{'max':>10}{'heartbeat':>12}"]
    for one in found.tables:
        lags = (one.lag_p50_seconds, one.lag_p95_seconds, one.lag_max_seconds)
        told = "".join(f"{_seconds(value):>10}" for value in lags)
        lines.append(
            f"{one.table:<14}{one.rows:>12,}{told}{_seconds(one.heartbeat_age_seconds):>12}"
        )
    if found.slot is None:
        lines.append(f"the slot {SLOT} is gone: what the source changes is not kept")
    else:
        retained = (found.slot["retained_bytes"] or 0) / 2**20
        streaming = "streaming" if found.slot["active"] else "NOT streaming"
        lines.append(f"slot {SLOT}: {streaming}, {retained:.1f} MiB of log kept at the source")
    return "\n".join(lines) + "\n"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
