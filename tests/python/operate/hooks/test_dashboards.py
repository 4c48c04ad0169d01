"""Dashboards as Grafana loads them: by its schema, a grid without overlap, metrics that are exported."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator

from mbp.contracts.hook_policy import load_hooks
from mbp.operate.hooks.alarming import GAUGES
from mbp.operate.hooks.alert_rules import FOLDER
from mbp.operate.hooks.exposition import HELP

SCHEMA = json.loads((Path(__file__).parent / "dashboard.schema.json").read_text("utf-8"))
# What PromQL itself says in the expressions.
WORDS = {"and", "or", "unless", "by", "on", "without", "max", "min", "sum", "rate", "increase"}
Dashboard = dict[str, Any]


def objections(dashboard: Dashboard, kpis: set[str]) -> Iterator[str]:
    """Everything that Grafana, or a reader of it, would stumble over."""
    schema = [error.message for error in Draft201909Validator(SCHEMA).iter_errors(dashboard)]
    yield from schema
    if schema:
        return
    panels = dashboard["panels"]
    if len({panel["id"] for panel in panels}) < len(panels):
        yield "two panels have one id"
    variables = {f"${{{each['name']}}}" for each in dashboard["templating"]["list"]}
    for first, second in combinations([panel["gridPos"] for panel in panels], 2):
        if all(
            first[at] < second[at] + second[size] and second[at] < first[at] + first[size]
            for at, size in (("x", "w"), ("y", "h"))
        ):
            yield f"{first} and {second} overlap"
    for panel in panels:
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24:
            yield f"{panel['title']} is wider than the grid"
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        values = [step["value"] for step in steps]
        if values and (values[0] is not None or values[1:] != sorted(values[1:])):
            yield f"{panel['title']}: thresholds do not begin with null, or are out of order"
        if len({target["refId"] for target in panel["targets"]}) < len(panel["targets"]):
            yield f"{panel['title']}: two targets have one refId"
        for target in (panel, *panel["targets"]):
            if target["datasource"]["uid"] not in variables:
                yield f"{panel['title']}: no data source {target['datasource']['uid']}"
        for expression in (target["expr"] for target in panel["targets"]):
            named = set(re.findall(r"[a-z_]\w*", re.sub(r"\{[^}]*\}", "", expression)))
            yield from (f"no metric {name}" for name in named - WORDS - {*HELP, *GAUGES})
            for matched in re.findall(r'kpi=~?"([^"]*)"', expression):
                yield from (f"no KPI {kpi}" for kpi in set(matched.split("|")) - kpis)


@pytest.fixture(scope="module")
def committed(project_root: Path) -> dict[str, Dashboard]:
    files = sorted((project_root / FOLDER / "grafana").glob("*.json"))
    return {path.stem: json.loads(path.read_text("utf-8")) for path in files}


@pytest.fixture(scope="module")
def kpis(project_root: Path) -> set[str]:
    return set(load_hooks(project_root).sheet.kpis)


def test_grafana_loads_every_dashboard(committed: dict[str, Dashboard], kpis: set[str]) -> None:
    assert committed
    for name, dashboard in committed.items():
        assert list(objections(dashboard, kpis)) == [], name
    assert len({one["uid"] for one in committed.values()}) == len(committed)


@pytest.mark.parametrize(
    ("where", "value", "objection"),
    [
        (("panels", 1, "id"), 1, "two panels have one id"),
        (("panels", 1, "gridPos", "x"), 6, "overlap"),
        (("panels", 1, "gridPos", "w"), 25, "25 is greater than"),
        (("panels", 1, "gridPos", "x"), 13, "wider than the grid"),
        (("panels", 0, "targets", 0, "expr"), 'mbp_kpi_valu{kpi="dec_p95"}', "no metric mbp_kpi"),
        (("panels", 0, "targets", 0, "expr"), 'mbp_kpi_value{kpi="dec"}', "no KPI dec"),
        (("panels", 0, "datasource", "uid"), "${other}", "no data source"),
        (("panels", 0, "type"), "graph", "'graph' is not one of"),
        (("panels", 0, "colour"), "red", "Additional properties"),
        (("panels", 0, "fieldConfig", "defaults", "thresholds", "steps", 0, "value"), 1, "begin with"),
        (("uid",), "a b", "does not match"),
    ],
)  # fmt: skip
def test_what_grafana_would_not_load_is_found(
    committed: dict[str, Dashboard],
    kpis: set[str],
    where: tuple[str | int, ...],
    value: object,
    objection: str,
) -> None:
    spoiled: Any = copy.deepcopy(committed["DEC"])
    place = spoiled
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    assert any(objection in one for one in objections(spoiled, kpis))
