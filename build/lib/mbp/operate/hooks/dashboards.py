"""Grafana dashboards, one per name in the measurement sheet: every KPI with its target and its verdict."""

from __future__ import annotations

from typing import Any

from mbp.contracts.hook_policy import HookPolicy
from mbp.contracts.sheet import DASHBOARDS, Kpi
from mbp.operate.hooks import cdc_alarms
from mbp.operate.hooks.actions import CDC_LAG

UNITS = {"ms": "ms", "s": "s", "%": "percent", "h": "h"}
WIDTH, HEIGHT, COLUMNS = 12, 8, 2
TITLES = {
    "DEC": "MBP: decisions and their trail",
    "MBP": "MBP: the market",
    "DATA": "MBP: data and contracts",
    "FE": "MBP: front end",
}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboards(policy: HookPolicy) -> dict[str, dict[str, Any]]:
    """Name -> dashboard as Grafana imports it."""
    return {
        name: _dashboard(
            name, [kpi for kpi in policy.sheet.kpis.values() if kpi.dashboard == name], policy
        )
        for name in DASHBOARDS
    }


def _dashboard(name: str, kpis: list[Kpi], policy: HookPolicy) -> dict[str, Any]:
    hooks = {hook.kpi.id: hook for hook in policy.hooks.values()}
    panels = []
    for place, kpi in enumerate(kpis):
        hook = hooks.get(kpi.id)
        runbook = f" Runbook: {hook.runbook}." if hook else ""
        panels.append(
            {
                "id": place + 1,
                "type": "timeseries",
                "title": f"{kpi.name} (target {kpi.target})",
                "description": f"{kpi.definition} Owner: {kpi.owner}. Query: {kpi.query_id}.{runbook}",
                "datasource": SOURCE,
                "gridPos": {
                    "h": HEIGHT,
                    "w": WIDTH,
                    "x": WIDTH * (place % COLUMNS),
                    "y": HEIGHT * (place // COLUMNS),
                },
                "fieldConfig": {
                    "defaults": {
                        "unit": UNITS.get(kpi.unit, "none"),
                        "custom": {"thresholdsStyle": {"mode": "line+area"}},
                        "thresholds": {"mode": "absolute", "steps": _steps(kpi)},
                    },
                    "overrides": [],
                },
                "targets": [
                    {
                        "refId": "A",
                        "datasource": SOURCE,
                        "expr": f'mbp_kpi_value{{kpi="{kpi.id}"}}',
                        "legendFormat": "{{entity}}",
                    }
                ],
            }
        )
    rows = (len(kpis) + COLUMNS - 1) // COLUMNS
    panels.append(
        {
            "id": len(kpis) + 1,
            "type": "table",
            "title": "Hooks that are not green",
            "datasource": SOURCE,
            "gridPos": {"h": HEIGHT, "w": WIDTH * COLUMNS, "x": 0, "y": HEIGHT * rows},
            "fieldConfig": {"defaults": {}, "overrides": []},
            "targets": [
                {
                    "refId": "A",
                    "datasource": SOURCE,
                    "expr": 'mbp_hook_state{state!="green",kpi=~"'
                    + "|".join(kpi.id for kpi in kpis)
                    + '"} == 1',
                    "format": "table",
                    "instant": True,
                }
            ],
        }
    )
    if any(kpi.id == CDC_LAG for kpi in kpis):
        panels += cdc_alarms.panels(len(panels) + 1, HEIGHT * (rows + 1), SOURCE)
    return {
        "uid": f"mbp-{name.lower()}",
        "title": TITLES[name],
        "tags": ["mbp", "a87"],
        "schemaVersion": 39,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        },
        "panels": panels,
    }


def _steps(kpi: Kpi) -> list[dict[str, Any]]:
    """Red where the target is missed. Grafana colours from a value upwards."""
    if kpi.operator in (">=", ">"):
        return [{"color": "red", "value": None}, {"color": "green", "value": kpi.bound}]
    return [{"color": "green", "value": None}, {"color": "red", "value": kpi.bound}]
