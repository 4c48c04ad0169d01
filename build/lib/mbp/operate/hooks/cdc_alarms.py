"""What is watched of the change data capture beside its lag: metrics, their alarms, and their place in the dashboard.

The lag is a KPI with a hook. These say why it will soon miss its target, or that a change is missing although the lag
is fine; they decide nothing and need a person. contracts/a110/cdc_alarms.yaml says when they are raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mbp.contracts import alarm_limits as ids
from mbp.contracts.alarm_limits import Limits
from mbp.contracts.hook_policy import HOOKS
from mbp.core.errors import MbpError
from mbp.ingest.cdc.watched import WatchedCapture, age_seconds

GAUGES = {
    "mbp_cdc_dead_letters": "Changes that are not in the change log of a table, parked ones among them.",
    "mbp_cdc_stream_stopped": "1 while a table is stopped at its position, else 0.",
    "mbp_cdc_slot_retained_bytes": "Log that the source kept for the slot when the reader last checked.",
    "mbp_cdc_slot_limit_bytes": "Log that the source may keep for it.",
    "mbp_cdc_clock_skew_seconds": "Clock of the source minus clock of the reader.",
    "mbp_cdc_reader_age_seconds": "Since the reader last wrote down that it lives, at the time of reading.",
    "mbp_cdc_unseen": "Control tables that the role of the exporter may not read.",
}
Sample = tuple[str, Mapping[str, str], float]
AT_ONCE, TWO_LOOKS = "0m", "1m"


@dataclass(frozen=True)
class AlertRule:
    """One alert rule; `id` is that of the alarm."""

    id: str
    expression: str
    waits: str
    summary: str

    @property
    def name(self) -> str:
        """As Prometheus shows it."""
        return "Mbp" + "".join(part.capitalize() for part in self.id.split("_"))


def samples(watched: WatchedCapture) -> list[Sample]:
    """What the control tables of a warehouse say; nothing where no reader ever wrote into it."""
    pairs: list[Sample] = []
    if watched.unseen:
        pairs.append(("mbp_cdc_unseen", {}, len(watched.unseen)))
    for slot in watched.slots:
        for table in watched.tables:
            labels, key = {"slot": slot, "table": table}, (slot, table)
            pairs.append(("mbp_cdc_dead_letters", labels, watched.dead_letters.get(key, 0)))
            pairs.append(("mbp_cdc_stream_stopped", labels, int(key in watched.stopped)))
    for reader in watched.readers:
        measured = {
            "mbp_cdc_slot_retained_bytes": reader.retained_bytes,
            "mbp_cdc_slot_limit_bytes": reader.limit_bytes,
            "mbp_cdc_clock_skew_seconds": reader.skew_seconds,
            "mbp_cdc_reader_age_seconds": age_seconds(reader, watched.read_at),
        }
        pairs += [
            (name, {"slot": reader.slot}, value)
            for name, value in measured.items()
            if value is not None
        ]
    return pairs


def alert_rules(limits: Limits, receivers: Mapping[str, str]) -> list[dict[str, Any]]:
    """As Prometheus reads them.

    Raises:
        MbpError: they would reach no one: their owner has no route.
    """
    if limits.owner not in receivers:
        raise MbpError(
            f"the owner {limits.owner} has no route: an alarm would reach no one",
            path=ids.FILE,
            fix=f"add {limits.owner} to `routes` in {HOOKS}",
        )
    return [_as_alert(rule, limits) for rule in _rules(limits)]


def panels(first_id: int, y: int, source: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows of panels for the dashboard that shows the lag; the log that is kept is shown with its limit."""
    together = {"mbp_cdc_slot_retained_bytes": ("mbp_cdc_slot_limit_bytes",)}
    beside = {name for names in together.values() for name in names}
    units = {"bytes": "bytes", "seconds": "s"}
    return [
        {
            "id": first_id + place,
            "type": "timeseries",
            "title": f"CDC: {name.removeprefix('mbp_cdc_').replace('_', ' ')}",
            "description": f"{GAUGES[name]} Runbook: docs/runbooks/cdc_lag.md.",
            "datasource": source,
            "gridPos": {"h": 6, "w": 8, "x": 8 * (place % 3), "y": y + 6 * (place // 3)},
            "fieldConfig": {
                "defaults": {"unit": units.get(name.rsplit("_", 1)[1], "none")},
                "overrides": [],
            },
            "targets": [
                {
                    "refId": chr(ord("A") + number),
                    "datasource": source,
                    "expr": shown,
                    "legendFormat": f"{'limit of ' if number else ''}{{{{slot}}}} {{{{table}}}}",
                }
                for number, shown in enumerate((name, *together.get(name, ())))
            ],
        }
        for place, name in enumerate(gauge for gauge in GAUGES if gauge not in beside)
    ]


def _rules(limits: Limits) -> list[AlertRule]:
    filling, full = f"{limits.filling_share:g}", f"{limits.full_share:g}"
    silence, skew = f"{limits.silence_seconds:g}", f"{limits.skew_seconds:g}"
    share = "mbp_cdc_slot_retained_bytes / mbp_cdc_slot_limit_bytes"
    return [
        AlertRule(
            ids.SLOT_FILLING,
            f"{share} > {filling} <= {full}",
            TWO_LOOKS,
            "The source keeps a large part of the log that it may keep for the slot {{ $labels.slot }}",
        ),
        AlertRule(
            ids.SLOT_NEARLY_FULL,
            f"{share} > {full}",
            TWO_LOOKS,
            "The slot {{ $labels.slot }} is about to be lost: the source keeps nearly all that it may",
        ),
        AlertRule(
            ids.SLOT_LOST,
            "mbp_cdc_slot_limit_bytes unless mbp_cdc_slot_retained_bytes",
            TWO_LOOKS,
            "The source no longer says what it keeps for the slot {{ $labels.slot }}",
        ),
        AlertRule(
            ids.STREAM_STOPPED,
            "mbp_cdc_stream_stopped == 1",
            AT_ONCE,
            "{{ $labels.table }} is stopped: its shape at the source breaks the contract",
        ),
        AlertRule(
            ids.DEAD_LETTERS,
            f"mbp_cdc_dead_letters > {limits.dead_letters}",
            AT_ONCE,
            "Changes of {{ $labels.table }} are in quarantine",
        ),
        AlertRule(
            ids.READER_SILENT,
            f"mbp_cdc_reader_age_seconds > {silence} or mbp_cdc_reader_age_seconds < -{skew}",
            TWO_LOOKS,
            "The reader of the slot {{ $labels.slot }} gives no sign of life that can be believed",
        ),
        AlertRule(
            ids.CLOCK_SKEW,
            f"abs(mbp_cdc_clock_skew_seconds) > {skew}",
            TWO_LOOKS,
            "The clocks of the source and of the reader of {{ $labels.slot }} differ too much for lags to be right",
        ),
        AlertRule(
            ids.UNSEEN,
            "mbp_cdc_unseen > 0",
            AT_ONCE,
            "The exporter's role may not read the control tables: change data capture is not watched",
        ),
    ]


def _as_alert(alert_rule: AlertRule, limits: Limits) -> dict[str, Any]:
    return {
        "alert": alert_rule.name,
        "expr": alert_rule.expression,
        "for": alert_rule.waits,
        "labels": {
            "owner": limits.owner,
            "severity": limits.severity[alert_rule.id],
            "alarm": alert_rule.id,
        },
        "annotations": {
            "summary": alert_rule.summary,
            "why": limits.why[alert_rule.id],
            "runbook": limits.runbook,
        },
    }
