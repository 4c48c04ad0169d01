"""Test cases for promtool: each exercise raises its alert, and each alarm is raised right above its threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mbp.contracts import alarm_limits as ids
from mbp.contracts.alarm_limits import Limits
from mbp.contracts.exercises import Exercise
from mbp.contracts.hook_policy import Hook, HookPolicy
from mbp.operate.hooks.alert_rules import RULES_FILE, rules

SCRAPE = "1m"
STEPS = 75
SLOT = {"slot": "mbp_cdc"}
TABLE = {"slot": "mbp_cdc", "table": "quotes"}
Gauges = Mapping[str, float]


@dataclass(frozen=True)
class Alarm:
    """Labels of the series; gauges that raise the alarm, each by itself; gauges that do not."""

    labels: Mapping[str, str]
    fires: Sequence[Gauges]
    calm: Sequence[Gauges]


def rule_tests(policy: HookPolicy, exercises: Sequence[Exercise], limits: Limits) -> dict[str, Any]:
    """Test cases for promtool: each exercise raises its alert, and its control raises none."""
    hook_alerts, cdc_alerts = (group["rules"] for group in rules(policy, limits)["groups"][1:])
    alerts = {(alert["labels"]["hook"], alert["labels"]["reason"]): alert for alert in hook_alerts}
    cases = []
    for exercise in exercises:
        for wanted in exercise.expect:
            hook = policy.hooks[wanted.hook]
            alert = alerts[hook.id, wanted.reason]
            cases.append(_hook_case(f"{exercise.id}: control", hook, wanted.entity, alert, None))
            fault = "silent" if wanted.reason == "unknown" else "breach"
            cases.append(_hook_case(exercise.id, hook, wanted.entity, alert, fault))
    cases += alarm_cases(cdc_alerts, limits)
    return {"rule_files": [RULES_FILE], "evaluation_interval": SCRAPE, "tests": cases}


def alarm_cases(cdc_alerts: Sequence[dict[str, Any]], limits: Limits) -> Iterator[dict[str, Any]]:
    """Each alarm is raised right above its threshold, and not at it."""
    alerts = {str(alert["labels"]["alarm"]): alert for alert in cdc_alerts}
    alarms = _alarms(limits)
    assert alarms.keys() == alerts.keys()
    for name, alarm in alarms.items():
        for word, gauges in (("control", alarm.calm), ("fault", alarm.fires)):
            for number, values in enumerate(gauges, start=1):
                title = f"{alerts[name]['alert']}: {word} {number}"
                yield _alarm_case(title, alerts[name], alarm, values, word == "fault")


def _alarms(limits: Limits) -> dict[str, Alarm]:
    entries, skew = limits.alarms, limits.skew_seconds
    silence = entries.cdc_reader_silent.above_seconds
    half, most = entries.cdc_slot_filling.above_percent, entries.cdc_slot_nearly_full.above_percent
    age, clock = "mbp_cdc_reader_age_seconds", "mbp_cdc_clock_skew_seconds"

    def kept(percent: float) -> Gauges:
        return {"mbp_cdc_slot_retained_bytes": percent * 10, "mbp_cdc_slot_limit_bytes": 1000}

    def one(name: str, *values: float) -> list[Gauges]:
        return [{name: value} for value in values]

    letters = entries.cdc_dead_letters.above_changes
    return {
        ids.SLOT_FILLING: Alarm(SLOT, [kept(half + 1), kept(most)], [kept(half), kept(most + 1)]),
        ids.SLOT_NEARLY_FULL: Alarm(SLOT, [kept(most + 1), kept(120)], [kept(most)]),
        ids.SLOT_LOST: Alarm(SLOT, one("mbp_cdc_slot_limit_bytes", 1000), [kept(0)]),
        ids.STREAM_STOPPED: Alarm(
            TABLE, one("mbp_cdc_stream_stopped", 1), one("mbp_cdc_stream_stopped", 0)
        ),
        ids.DEAD_LETTERS: Alarm(
            TABLE, one("mbp_cdc_dead_letters", letters + 1), one("mbp_cdc_dead_letters", letters)
        ),
        ids.READER_SILENT: Alarm(SLOT, one(age, silence + 1, -skew - 1), one(age, silence, -skew)),
        ids.CLOCK_SKEW: Alarm(SLOT, one(clock, skew + 1, -skew - 1), one(clock, skew, -skew)),
        ids.UNSEEN: Alarm({}, one("mbp_cdc_unseen", 4), one("mbp_cdc_unseen", 0)),
    }


def _hook_case(
    name: str, hook: Hook, entity: str, alert: dict[str, Any], fault: str | None
) -> dict[str, Any]:
    labels = f'{{kpi="{hook.kpi.id}",entity="{entity}"}}'
    waits = (hook.for_windows - 1) * hook.kpi.every_minutes
    breach = f"0x4 1x{STEPS + waits}" if fault == "breach" else f"0x{STEPS + waits}"
    # The end of the newest window follows the clock; a silent one stands still.
    ends = f"0x{STEPS}" if fault == "silent" else f"0+60x{STEPS + waits}"
    expected = {
        "exp_labels": {**alert["labels"], "kpi": hook.kpi.id},
        "exp_annotations": {
            key: value.replace("{{ $labels.entity }}", entity)
            for key, value in alert["annotations"].items()
        },
    }
    if alert["labels"]["reason"] == "breach":
        expected["exp_labels"]["entity"] = entity
    return {
        "name": name,
        "interval": SCRAPE,
        "input_series": [
            {"series": f"mbp_kpi_breach{labels}", "values": breach},
            {"series": f"mbp_kpi_insufficient{labels}", "values": f"0x{STEPS + waits}"},
            {"series": f"mbp_kpi_window_end_timestamp_seconds{labels}", "values": ends},
        ],
        "alert_rule_test": [
            {
                "eval_time": f"{waits + 60}m",
                "alertname": alert["alert"],
                "exp_alerts": [expected] if fault else [],
            }
        ],
    }


def _alarm_case(
    name: str, alert: dict[str, Any], alarm: Alarm, values: Mapping[str, float], fires: bool
) -> dict[str, Any]:
    annotations = dict(alert["annotations"])
    for key, value in alarm.labels.items():
        annotations["summary"] = annotations["summary"].replace(f"{{{{ $labels.{key} }}}}", value)
    expected = {
        "exp_labels": {**alert["labels"], **alarm.labels},
        "exp_annotations": annotations,
    }
    inside = ",".join(f'{key}="{value}"' for key, value in alarm.labels.items())
    return {
        "name": name,
        "interval": SCRAPE,
        "input_series": [
            {"series": f"{series}{{{inside}}}", "values": f"{value:g}x10"}
            for series, value in values.items()
        ],
        "alert_rule_test": [
            {
                "eval_time": "5m",
                "alertname": alert["alert"],
                "exp_alerts": [expected] if fires else [],
            }
        ],
    }
