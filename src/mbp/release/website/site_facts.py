"""What the warehouse says when the site is made: rules with their history, tables, anomalies, KPIs, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.verdict import Verdict
from mbp.operate.semantic.calibration import Bin, calibration
from mbp.quality.monitor.record import TABLE
from mbp.release.report import report_project
from mbp.release.report.report_collect import watch_facts
from mbp.release.report.report_facts import WatchFacts
from mbp.release.website.site_lineage import Lineage
from mbp.runs.dbt_process import target_name
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.relations import exists, query

# Runs of a rule that its page shows.
RUNS = 30
SIGNS = {Verdict.PASS: "●", Verdict.WARN: "◐", Verdict.FAIL: "✕"}
UNKNOWN = "○"


@dataclass(frozen=True)
class RecordedState:
    """What the pages show of a warehouse; every part may be absent, and says why.

    Attributes:
        rules: by rule id, a row of `report_project.rules` for each engine, with `runs` (a sign per run, oldest first)
            and the `seconds` of its last run; empty with `rules_absent`.
    """

    read_at: datetime
    target: str
    rules: Mapping[str, Sequence[Mapping[str, Any]]]
    rules_absent: str
    anomalies: Sequence[Mapping[str, Any]]
    watch: WatchFacts | None
    watch_absent: str
    calibration: Sequence[Bin]
    lineage: Lineage = field(default_factory=Lineage)


def absent(why: str) -> RecordedState:
    """Nothing was read."""
    return RecordedState(datetime.now(UTC), "", {}, why, (), None, why, ())


def look(root: Path, target: str | None) -> RecordedState:
    """Reads the warehouse of a target; what cannot be read is absent with its reason.

    Raises:
        MbpError: unknown target.
    """
    chosen, why = target_name(root, target), ""
    rules: Mapping[str, Sequence[Mapping[str, Any]]] = {}
    anomalies: Sequence[Mapping[str, Any]] = ()
    bins: Sequence[Bin] = ()
    try:
        states = report_project.rules(root, chosen)
        with connect(root, chosen, read_only=True) as warehouse:
            rules = _rules(states, _runs(warehouse))
            anomalies = _anomalies(warehouse)
            bins = calibration(warehouse)
    except MbpError as error:
        why = f"{error.what}. Fix: {error.fix or 'run `mbp build`, then `mbp quality record`'}"
    watch, watch_why = None, ""
    try:
        watch = watch_facts(root, chosen)
    except MbpError as error:
        watch_why = f"{error.what}. Fix: {error.fix or 'run `mbp build`'}"
    return RecordedState(datetime.now(UTC), chosen, rules, why, anomalies, watch, watch_why, bins)


def _rules(
    states: Sequence[Mapping[str, Any]], runs: Mapping[tuple[str, str], Sequence[Any]]
) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    by_rule: dict[str, list[Mapping[str, Any]]] = {}
    for state in states:
        past = runs.get((str(state["rule_id"]), str(state["engine"] or "")), ())
        signs = "".join(SIGNS.get(verdict, UNKNOWN) for verdict, _ in past)
        seconds = float(past[-1][1]) if past else None
        row = {**state, "runs": signs, "seconds": seconds}
        by_rule.setdefault(str(state["rule_id"]), []).append(row)
    return by_rule


def _runs(warehouse: Warehouse) -> Mapping[tuple[str, str], Sequence[Any]]:
    """(rule, engine) -> (verdict, seconds) of its last runs, oldest first."""
    _, rows = query(
        warehouse,
        "select rule_id, engine, verdict, duration_seconds from ("
        " select *, row_number() over (partition by rule_id, engine order by executed_at desc) as place"
        f" from {TABLE}) as numbered where place <= {RUNS} order by executed_at",
        TABLE,
    )
    found: dict[tuple[str, str], list[Any]] = {}
    for rule_id, engine, verdict, seconds in rows:
        found.setdefault((rule_id, engine), []).append((verdict, seconds))
    return found


def _anomalies(warehouse: Warehouse) -> Sequence[Mapping[str, Any]]:
    name = "reliability.dq_anomalies"
    if not exists(warehouse, *name.split(".")):
        return ()
    columns, rows = query(
        warehouse,
        f"select dataset, measure, arrival_date, measured_value, median_value, verdict, owner from {name}"
        f" where arrival_date = (select max(arrival_date) from {name}) order by dataset, measure",
        name,
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]
