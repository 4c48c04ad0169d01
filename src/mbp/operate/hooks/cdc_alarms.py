"""What is watched of the change data capture beside its lag: metrics, their alarms, and their place in the dashboard.

The lag is a KPI with a hook. These say why it will soon miss its target, or that a change is missing although the lag
is fine; they decide nothing, somebody has to look. When they are raised stands in contracts/a110/cdc_alarms.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mbp.contracts import alarm_limits as ids
from mbp.contracts.alarm_limits import Limits
from mbp.contracts.hook_policy import HOOKS
from mbp.core.errors import MbpError
from mbp.ingest.cdc.watched import WatchedCapture, age_seconds

GAUGES = {
    "mbp_cdc_dead_letters": "Changes that are not in the change log of a table, parked ones among them.",
    "mbp_cdc_stream_stopped": "1 while a table stands still at its position, else 0.",
    "mbp_cdc_slot_retained_bytes": "Log that the source kept for the slot when the reader last looked.",
    "mbp_cdc_slot_limit_bytes": "Log that the source may keep for it.",
    "mbp_cdc_clock_skew_seconds": "Clock of the source minus clock of the reader.",
    "mbp_cdc_reader_age_seconds": "Since the reader last wrote down that it lives, at the time of reading.",
    "mbp_cdc_unseen": "Control tables that the role of the exporter may not read.",
}
Sample = tuple[str, Mapping[str, str], float]
SLOT_LABELS = {"slot": "mbp_cdc"}
TABLE_LABELS = {"slot": "mbp_cdc", "table": "quotes"}
AT_ONCE, TWO_LOOKS = "0m", "1m"


@dataclass(frozen=True)
class AlertRule:
    """One alert rule.

    Attributes:
        id: of the alarm.
        labels: of the series in its test.
        fires: what the gauges of `expression` say, each time an alarm. calm: likewise, and each time none.
    """

    id: str
    expression: str
    waits: str
    summary: str
    labels: Mapping[str, str]
    fires: Sequence[Mapping[str, float]]
    calm: Sequence[Mapping[str, float]]

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
        MbpError: nobody would hear of them: their owner has no route.
    """
    if limits.owner not in receivers:
        raise MbpError(
            f"the owner {limits.owner} has no route: nobody would hear of an alarm",
            path=ids.FILE,
            cure=f"add {limits.owner} to `routes` in {HOOKS}",
        )
    return [_as_alert(rule, limits) for rule in _rules(limits)]


def alert_tests(limits: Limits, interval: str) -> Iterator[dict[str, Any]]:
    """Cases for promtool: each alarm is raised right above its threshold, and not at it."""
    for rule in _rules(limits):
        for number, values in enumerate(rule.calm, start=1):
            yield _case(
                f"{rule.name}: control {number}", rule, limits, values, interval, fires=False
            )
        for number, values in enumerate(rule.fires, start=1):
            yield _case(f"{rule.name}: fault {number}", rule, limits, values, interval, fires=True)


def panels(first_id: int, y: int, source: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows of panels for the dashboard that shows the lag; the log that is kept stands against its limit."""
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
    silence, skew = limits.silence_seconds, limits.skew_seconds
    share = "mbp_cdc_slot_retained_bytes / mbp_cdc_slot_limit_bytes"

    def kept(percent: float) -> dict[str, float]:
        return {"mbp_cdc_slot_retained_bytes": percent * 10, "mbp_cdc_slot_limit_bytes": 1000}

    half, most = limits.filling_share * 100, limits.full_share * 100
    return [
        AlertRule(
            ids.SLOT_FILLING,
            f"{share} > {filling} <= {full}",
            TWO_LOOKS,
            "The source keeps a large part of the log that it may keep for the slot {{ $labels.slot }}",
            SLOT_LABELS,
            [kept(half + 1), kept(most)],
            [kept(half), kept(most + 1)],
        ),
        AlertRule(
            ids.SLOT_NEARLY_FULL,
            f"{share} > {full}",
            TWO_LOOKS,
            "The slot {{ $labels.slot }} is about to be lost: the source keeps nearly all that it may",
            SLOT_LABELS,
            [kept(most + 1), kept(120)],
            [kept(most)],
        ),
        AlertRule(
            ids.SLOT_LOST,
            "mbp_cdc_slot_limit_bytes unless mbp_cdc_slot_retained_bytes",
            TWO_LOOKS,
            "The source no longer says what it keeps for the slot {{ $labels.slot }}",
            SLOT_LABELS,
            [{"mbp_cdc_slot_limit_bytes": 1000}],
            [kept(0)],
        ),
        AlertRule(
            ids.STREAM_STOPPED,
            "mbp_cdc_stream_stopped == 1",
            AT_ONCE,
            "{{ $labels.table }} stands still: its shape at the source breaks the contract",
            TABLE_LABELS,
            [{"mbp_cdc_stream_stopped": 1}],
            [{"mbp_cdc_stream_stopped": 0}],
        ),
        AlertRule(
            ids.DEAD_LETTERS,
            f"mbp_cdc_dead_letters > {limits.dead_letters}",
            AT_ONCE,
            "Changes of {{ $labels.table }} are in quarantine",
            TABLE_LABELS,
            [{"mbp_cdc_dead_letters": limits.dead_letters + 1}],
            [{"mbp_cdc_dead_letters": limits.dead_letters}],
        ),
        AlertRule(
            ids.READER_SILENT,
            f"mbp_cdc_reader_age_seconds > {silence:g} or mbp_cdc_reader_age_seconds < -{skew:g}",
            TWO_LOOKS,
            "The reader of the slot {{ $labels.slot }} gives no sign of life that can be believed",
            SLOT_LABELS,
            [
                {"mbp_cdc_reader_age_seconds": silence + 1},
                {"mbp_cdc_reader_age_seconds": -skew - 1},
            ],
            [{"mbp_cdc_reader_age_seconds": silence}, {"mbp_cdc_reader_age_seconds": -skew}],
        ),
        AlertRule(
            ids.CLOCK_SKEW,
            f"abs(mbp_cdc_clock_skew_seconds) > {skew:g}",
            TWO_LOOKS,
            "The clocks of the source and of the reader of {{ $labels.slot }} differ too much for lags to be right",
            SLOT_LABELS,
            [
                {"mbp_cdc_clock_skew_seconds": skew + 1},
                {"mbp_cdc_clock_skew_seconds": -skew - 1},
            ],
            [{"mbp_cdc_clock_skew_seconds": skew}, {"mbp_cdc_clock_skew_seconds": -skew}],
        ),
        AlertRule(
            ids.UNSEEN,
            "mbp_cdc_unseen > 0",
            AT_ONCE,
            "The exporter's role may not read the control tables: nobody sees the change data capture",
            {},
            [{"mbp_cdc_unseen": 4}],
            [{"mbp_cdc_unseen": 0}],
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


def _case(
    name: str,
    alert_rule: AlertRule,
    limits: Limits,
    values: Mapping[str, float],
    interval: str,
    *,
    fires: bool,
) -> dict[str, Any]:
    alert = _as_alert(alert_rule, limits)
    annotations = dict(alert["annotations"])
    for key, value in alert_rule.labels.items():
        annotations["summary"] = annotations["summary"].replace(f"{{{{ $labels.{key} }}}}", value)
    expected = {
        "exp_labels": {**alert["labels"], **alert_rule.labels},
        "exp_annotations": annotations,
    }
    inside = ",".join(f'{key}="{value}"' for key, value in alert_rule.labels.items())
    return {
        "name": name,
        "interval": interval,
        "input_series": [
            {"series": f"{series}{{{inside}}}", "values": f"{value:g}x10"}
            for series, value in values.items()
        ],
        "alert_rule_test": [
            {
                "eval_time": "5m",
                "alertname": alert_rule.name,
                "exp_alerts": [expected] if fires else [],
            }
        ],
    }
