"""What is watched of the change data capture beside its lag: metrics, their alarms, and their place in the dashboard.

The lag is a KPI with a hook. These say why it will soon miss its target, or that a change is missing although the lag
is fine; they decide nothing, somebody has to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mbp.building.dbt_process import target_name
from mbp.cdc.source import TABLES
from mbp.cdc.status import SILENCE_SECONDS
from mbp.cdc.watch_source import ALARM_SHARE
from mbp.warehouse import connect
from mbp.warehouse.raw_tables import (
    CDC_CONTROL_TABLES,
    CDC_DEAD_LETTERS,
    CDC_POSITIONS,
    CDC_READERS,
    CDC_STREAMS,
)

RUNBOOK = "docs/runbooks/cdc_lag.md"
OWNER = "DATA"
GAUGES = {
    "mbp_cdc_dead_letters": "Changes that are not in the change log of a table, parked ones among them.",
    "mbp_cdc_stream_stopped": "1 while a table stands still at its position, else 0.",
    "mbp_cdc_slot_retained_bytes": "Log that the source kept for the slot when the reader last looked.",
    "mbp_cdc_slot_limit_bytes": "Log that the source may keep for it.",
    "mbp_cdc_clock_skew_seconds": "Clock of the source minus clock of the reader.",
    "mbp_cdc_reader_age_seconds": "Since the reader last wrote down that it lives, at the time of reading.",
}
Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True)
class Alarm:
    """One alert rule.

    Attributes:
        fires, calm: a sample of each series of `expression` that raises it, and one that does not.
    """

    name: str
    expression: str
    waits: str
    severity: str
    summary: str
    labels: Mapping[str, str]
    fires: Mapping[str, float]
    calm: Mapping[str, float]


ALARMS = (
    Alarm(
        "MbpCdcSlotRetained",
        f"mbp_cdc_slot_retained_bytes / mbp_cdc_slot_limit_bytes >= {ALARM_SHARE}",
        "1m",
        "page",
        "The source keeps more than half of the log that it may keep for the slot {{ $labels.slot }}",
        {"slot": "mbp_cdc"},
        {"mbp_cdc_slot_retained_bytes": 600, "mbp_cdc_slot_limit_bytes": 1000},
        {"mbp_cdc_slot_retained_bytes": 400, "mbp_cdc_slot_limit_bytes": 1000},
    ),
    Alarm(
        "MbpCdcStreamStopped",
        "mbp_cdc_stream_stopped == 1",
        "0m",
        "page",
        "{{ $labels.table }} stands still: its shape at the source breaks the contract",
        {"slot": "mbp_cdc", "table": "quotes"},
        {"mbp_cdc_stream_stopped": 1},
        {"mbp_cdc_stream_stopped": 0},
    ),
    Alarm(
        "MbpCdcDeadLetters",
        "mbp_cdc_dead_letters > 0",
        "0m",
        "ticket",
        "Changes of {{ $labels.table }} are in quarantine",
        {"slot": "mbp_cdc", "table": "quotes"},
        {"mbp_cdc_dead_letters": 3},
        {"mbp_cdc_dead_letters": 0},
    ),
    Alarm(
        "MbpCdcReaderSilent",
        f"mbp_cdc_reader_age_seconds > {SILENCE_SECONDS:.0f}",
        "1m",
        "page",
        "The reader of the slot {{ $labels.slot }} gives no sign of life",
        {"slot": "mbp_cdc"},
        {"mbp_cdc_reader_age_seconds": 90},
        {"mbp_cdc_reader_age_seconds": 5},
    ),
)


def samples(root: Path, target: str | None) -> list[Sample]:
    """What the control tables of a warehouse say; nothing where no reader ever wrote into it.

    Raises:
        MbpError: the warehouse cannot be read.
    """
    with connect(root, target_name(target), read_only=True) as warehouse:
        _, rows = warehouse.query(
            "select table_name from information_schema.tables where table_schema = 'raw_mbp'"
        )
        if CDC_CONTROL_TABLES.keys() - {f"raw_mbp.{row[0]}" for row in rows}:
            return []
        _, slots = warehouse.query(f"select distinct slot from {CDC_POSITIONS} order by 1")
        _, letters = warehouse.query(
            f"select slot, table_name, count(*) from {CDC_DEAD_LETTERS} group by 1, 2"
        )
        _, stopped = warehouse.query(f"select slot, table_name from {CDC_STREAMS}")
        _, readers = warehouse.query(
            "select slot, retained_bytes, retained_limit_bytes, source_skew_seconds, recorded_at"
            f" from {CDC_READERS} order by 1"
        )
    counts = {(str(row[0]), str(row[1])): int(row[2]) for row in letters}
    still = {(str(row[0]), str(row[1])) for row in stopped}
    found: list[Sample] = []
    for (slot,) in slots:
        for table in TABLES:
            labels = {"slot": str(slot), "table": table}
            found.append(("mbp_cdc_dead_letters", labels, counts.get((slot, table), 0)))
            found.append(("mbp_cdc_stream_stopped", labels, int((slot, table) in still)))
    for slot, retained, limit, skew, at in readers:
        own = {"slot": str(slot)}
        if retained is not None:
            found.append(("mbp_cdc_slot_retained_bytes", own, retained))
        found.append(("mbp_cdc_slot_limit_bytes", own, limit))
        found.append(("mbp_cdc_clock_skew_seconds", own, skew))
        age = (datetime.now(UTC) - at).total_seconds()
        found.append(("mbp_cdc_reader_age_seconds", own, age))
    return found


def alert_rules() -> list[dict[str, Any]]:
    """As Prometheus reads them."""
    return [
        {
            "alert": one.name,
            "expr": one.expression,
            "for": one.waits,
            "labels": {"owner": OWNER, "severity": one.severity},
            "annotations": {"summary": one.summary, "runbook": RUNBOOK},
        }
        for one in ALARMS
    ]


def alert_tests(interval: str) -> Iterator[dict[str, Any]]:
    """Cases for promtool: each alarm is raised by what it is about, and by nothing else."""
    for one, rule in zip(ALARMS, alert_rules(), strict=True):
        for name, values, raised in (("control", one.calm, False), ("fault", one.fires, True)):
            labels = ",".join(f'{key}="{value}"' for key, value in one.labels.items())
            summary = one.summary
            for key, value in one.labels.items():
                summary = summary.replace(f"{{{{ $labels.{key} }}}}", value)
            expected = {
                "exp_labels": {**rule["labels"], **one.labels},
                "exp_annotations": {"summary": summary, "runbook": RUNBOOK},
            }
            yield {
                "name": f"{one.name}: {name}",
                "interval": interval,
                "input_series": [
                    {"series": f"{series}{{{labels}}}", "values": f"{value}x10"}
                    for series, value in values.items()
                ],
                "alert_rule_test": [
                    {
                        "eval_time": "5m",
                        "alertname": one.name,
                        "exp_alerts": [expected] if raised else [],
                    }
                ],
            }


def panels(first_id: int, y: int, source: Mapping[str, str]) -> list[dict[str, Any]]:
    """Two rows of panels for the dashboard that shows the lag."""
    units = {"bytes": "bytes", "seconds": "s"}
    return [
        {
            "id": first_id + place,
            "type": "timeseries",
            "title": f"CDC: {name.removeprefix('mbp_cdc_').replace('_', ' ')}",
            "description": f"{told} Runbook: {RUNBOOK}.",
            "datasource": source,
            "gridPos": {"h": 6, "w": 8, "x": 8 * (place % 3), "y": y + 6 * (place // 3)},
            "fieldConfig": {
                "defaults": {"unit": units.get(name.rsplit("_", 1)[1], "none")},
                "overrides": [],
            },
            "targets": [
                {
                    "refId": "A",
                    "datasource": source,
                    "expr": name,
                    "legendFormat": "{{slot}} {{table}}",
                }
            ],
        }
        for place, (name, told) in enumerate(GAUGES.items())
    ]
