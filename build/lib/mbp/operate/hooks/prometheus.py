"""The hooks for those who run Prometheus: recording and alerting rules, and routing by owner."""

from __future__ import annotations

from typing import Any

from mbp.contracts.alarm_limits import Limits
from mbp.contracts.hook_policy import Hook, HookPolicy
from mbp.contracts.sheet import WHOLE
from mbp.operate.hooks import cdc_alarms
from mbp.operate.hooks.decide import STALE_AFTER_WINDOWS

RULES_FILE = "mbp_rules.yml"
SCRAPE = "1m"
# A watcher and Prometheus read the same windows; one scrape may still be missing.
PATIENCE = "2m"


def rules(policy: HookPolicy, limits: Limits) -> dict[str, Any]:
    """A rule file: what is recorded, an alert per hook (two for a must-have: breach and blindness) and per alarm.

    Raises:
        MbpError: the owner of the alarms has no route.
    """
    alerts: list[dict[str, Any]] = []
    for hook in policy.hooks.values():
        alerts.append(breach_alert(hook))
        if hook.must_have:
            alerts.append(unknown_alert(hook))
    recorded = [
        {"record": "mbp:kpi_breach:max", "expr": "max by (kpi) (mbp_kpi_breach)"},
        {
            "record": "mbp:kpi_age_seconds:min",
            "expr": "min by (kpi) (time() - mbp_kpi_window_end_timestamp_seconds)",
        },
    ]
    captured = cdc_alarms.alert_rules(limits, policy.receivers)
    return {
        "groups": [
            {"name": "mbp_kpis", "interval": SCRAPE, "rules": recorded},
            {"name": "mbp_hooks", "interval": SCRAPE, "rules": alerts},
            {"name": "mbp_cdc", "interval": SCRAPE, "rules": captured},
        ]
    }


def alertmanager(policy: HookPolicy) -> dict[str, Any]:
    """Routing: one group per owner, one receiver per team."""
    receivers = sorted(set(policy.receivers.values()))
    return {
        "route": {
            "receiver": policy.receivers["PLAT"],
            "group_by": ["owner", "alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [
                {"receiver": receiver, "matchers": [f'owner="{owner}"'], "group_by": ["owner"]}
                for owner, receiver in sorted(policy.receivers.items())
            ],
        },
        # A breach says more than missing data.
        "inhibit_rules": [
            {
                "source_matchers": ['reason="breach"'],
                "target_matchers": ['reason="unknown"'],
                "equal": ["hook"],
            }
        ],
        "receivers": [{"name": receiver} for receiver in receivers],
    }


def breach_alert(hook: Hook) -> dict[str, Any]:
    """The KPI is off its target."""
    entity = f'entity="{WHOLE}"' if hook.entities == WHOLE else f'entity!="{WHOLE}"'
    waits = (hook.for_windows - 1) * hook.kpi.every_minutes
    return {
        "alert": _alert_name(hook),
        "expr": f'mbp_kpi_breach{{kpi="{hook.kpi.id}",{entity}}} == 1',
        "for": f"{waits}m",
        "labels": _labels(hook, "breach"),
        "annotations": _annotations(
            hook, f"{hook.kpi.name} on {{{{ $labels.entity }}}} misses its target {hook.kpi.target}"
        ),
    }


def unknown_alert(hook: Hook) -> dict[str, Any]:
    """The KPI has no value, or an old one."""
    series = f'kpi="{hook.kpi.id}"'
    stale = STALE_AFTER_WINDOWS * hook.kpi.every_minutes * 60
    if hook.kpi.window_minutes is None:
        stale = hook.kpi.every_minutes * 60
    return {
        "alert": f"{_alert_name(hook)}Unknown",
        "expr": (
            f"absent(mbp_kpi_window_end_timestamp_seconds{{{series}}})"
            f" or mbp:kpi_age_seconds:min{{{series}}} > {stale}"
            f' or max by (kpi) (mbp_kpi_insufficient{{{series},entity="{WHOLE}"}}) == 1'
        ),
        "for": PATIENCE,
        "labels": _labels(hook, "unknown"),
        "annotations": _annotations(hook, f"{hook.kpi.name} has no data, and it must have"),
    }


def _alert_name(hook: Hook) -> str:
    return "Mbp" + "".join(part.capitalize() for part in hook.id.split("_"))


def _labels(hook: Hook, reason: str) -> dict[str, str]:
    return {"owner": hook.owner, "severity": hook.severity, "hook": hook.id, "reason": reason}


def _annotations(hook: Hook, summary: str) -> dict[str, str]:
    return {
        "summary": summary,
        "action": hook.action,
        "rollback": hook.rollback,
        "runbook": hook.runbook,
        "query_id": hook.kpi.query_id,
    }
