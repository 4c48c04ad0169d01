"""`mbp quality history` and `mbp quality monitor`: what the recorded runs tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.model import Rule
from mbp.contracts.policy import load_policy
from mbp.core.errors import MbpError
from mbp.core.moments import objection
from mbp.core.reporting import Finding, Suite
from mbp.core.schema_check import did_you_mean
from mbp.core.settings import load_settings
from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.ingest.loading.source_facts import source_facts
from mbp.quality.measurable import not_measurable
from mbp.quality.monitor.record import TABLE, demand_table
from mbp.runs.dbt_process import target_name
from mbp.warehouse import Warehouse, connect

Row = Mapping[str, Any]
NOTHING = "nothing was recorded: there is no history"
RECORD = "run `mbp quality record` after a run"
UNMEASURED = "rule not measured"
JUDGED = (Verdict.PASS, Verdict.FAIL, Verdict.WARN, Verdict.ERROR)


def suite(monitor: Monitor) -> Suite:
    """The alerts as findings."""
    findings = []
    for row in monitor.alerts:
        since = "" if row["kind"] == UNMEASURED else f"since {moment_text(row['since'])}"
        message = f"{row['kind']}: {row['detail']}"
        place = {"subject": row["dataset"], "severity": row["severity"], "owner": row["owner"]}
        findings.append(Finding(row["rule_id"], message, **place, evidence=since))
    lines = [
        f"{many(len(monitor.alerts), 'alert')}; {many(monitor.rules, 'rule')}, {many(monitor.runs, 'recorded run')}"
    ]
    if monitor.not_comparable:
        lines.append(
            f"{monitor.not_comparable} daily measurements have too few days to be compared with"
        )
    alerts, table = ["reliability.dq_alerts"], "\n".join(lines)
    return Suite("mbp quality monitor", alerts, findings, unit="relation", table=table)


@dataclass(frozen=True)
class Monitor:
    """What to act on, and how much was checked.

    Attributes:
        alerts: rows of `dq_alerts`, errors first.
        rules: rules of the contracts.
        runs: recorded runs.
        not_comparable: datasets and measures with too few days to compare the newest day with.
    """

    alerts: Sequence[Row]
    rules: int
    runs: int
    not_comparable: int


def history(root: Path, target: str | None, rule_id: str | None, limit: int) -> Sequence[Row]:
    """The last runs of a rule, newest first; without a rule, the state of every rule.

    Raises:
        MbpError: no such rule, nothing recorded (of it), or no warehouse.
    """
    rules = all_rules(load_contracts(root))
    known = {rule.id for rule in rules}
    if rule_id is not None and rule_id not in known:
        raise MbpError(f"no contract has the rule {rule_id!r}", fix=did_you_mean(rule_id, known))
    with connect(root, target_name(root, target), read_only=True) as warehouse:
        demand_runs(warehouse)
        reasons = not_measurable(root, rules, source_facts(root, warehouse))
        if rule_id is None and load_settings(root).hosted:
            return _status(root, warehouse)
        if rule_id is None:
            states = _rows(
                warehouse, "select * from reliability.dq_rule_status order by rule_id, engine"
            )
            # Whatever older data showed.
            return [
                {**row, "last_verdict": Verdict.NOT_MEASURED, "reason": reasons[row["rule_id"]]}
                if row["rule_id"] in reasons
                else row
                for row in states
            ]
        results = _rows(
            warehouse,
            f"select * from {TABLE} where rule_id = {warehouse.mark}"
            f" order by executed_at desc, engine limit {int(limit)}",
            [rule_id],
        )
    if not results:
        raise MbpError(f"no recorded run checked {rule_id}", fix=RECORD)
    return [
        {**row, "reason": reasons.get(str(rule_id))}
        if row["verdict"] == Verdict.NOT_MEASURED
        else row
        for row in results
    ]


def monitor(root: Path, target: str | None) -> Monitor:
    """Everything to act on.

    Raises:
        MbpError: nothing was recorded or arrived, so there is nothing to watch; or no warehouse.
    """
    rules = all_rules(load_contracts(root))
    with connect(root, target_name(root, target), read_only=True) as warehouse:
        runs = demand_runs(warehouse)
        reasons = not_measurable(root, rules, source_facts(root, warehouse))
        if load_settings(root).hosted:
            status, hours = (
                _status(root, warehouse),
                load_policy(root).monitor.rule_max_age_hours,
            )
            open_alerts = alerts_of(status, hours, datetime.now(UTC))
            return Monitor(open_alerts, len({row["rule_id"] for row in status}), runs, 0)
        _, arrivals = warehouse.query("select count(*) from intermediate.int_mbp__daily_arrivals")
        if not arrivals[0][0]:
            raise MbpError("no change ever arrived: there is nothing to watch", fix="load data")
        alerts = _rows(
            warehouse,
            "select * from reliability.dq_alerts order by severity, dataset, kind, rule_id, detail",
        )
        _, counted = warehouse.query(
            "select (select count(distinct rule_id) from reliability.dq_rule_status),"
            " 2 * (select count(distinct dataset) from intermediate.int_mbp__daily_arrivals)"
            " - (select count(*) from reliability.dq_anomalies where verdict <> 'insufficient data'"
            " and arrival_date = (select max(arrival_date) from reliability.dq_anomalies))"
        )
    alerts = [row for row in alerts if row["rule_id"] not in reasons]
    alerts += [
        {
            "kind": UNMEASURED,
            "rule_id": rule.id,
            "dataset": rule.dataset,
            "owner": rule.owner,
            "severity": rule.severity,
            "since": None,
            "detail": reasons[rule.id],
        }
        for rule in rules
        if rule.id in reasons
    ]
    alerts.sort(
        key=lambda row: (row["severity"], row["dataset"], row["kind"], row["rule_id"] or "")
    )
    return Monitor(alerts, int(counted[0][0]), runs, int(counted[0][1]))


def _status(root: Path, warehouse: Warehouse) -> Sequence[Row]:
    rules, days = all_rules(load_contracts(root)), load_policy(root).monitor.pass_rate_days
    results = _rows(warehouse, f"select * from {TABLE}")
    return rule_status(rules, results, days, datetime.now(UTC))


def demand_runs(warehouse: Warehouse) -> int:
    """How many runs were recorded.

    Raises:
        MbpError: none.
    """
    demand_table(warehouse)
    _, rows = warehouse.query(f"select count(distinct run_id) from {TABLE}")
    if not rows[0][0]:
        raise MbpError(NOTHING, fix=RECORD)
    return int(rows[0][0])


def history_text(rows: Sequence[Row]) -> str:
    """A line per run (of one rule) or per rule."""
    lines = []
    for row in rows:
        if "run_id" in row:
            count = "" if row["failing_rows"] is None else f"{row['failing_rows']:,} failing"
            of = "" if row["dataset_rows"] is None else f"of {row['dataset_rows']:,}"
            commit = row["commit_sha"] or "no commit"
            commit = commit[:10] + ("-dirty" if commit.endswith("-dirty") else "")
            lines.append(
                f"{moment_text(row['executed_at'])}  {row['engine']:<12} {row['verdict']:<14}"
                f" {count:>14} {of:<14} {float(row['duration_seconds']):7.2f} s  {commit}"
                f"  {row.get('reason') or ''}".rstrip()
            )
        else:
            rate = "" if row["pass_rate"] is None else f"{100 * float(row['pass_rate']):5.1f} %"
            lines.append(
                f"{row['rule_id']:<44} {row['engine'] or '-':<12}"
                f" {row['last_verdict'] or 'never run':<12} {rate:>8} of {row['recent_runs']:>4} runs"
                f"  {moment_text(row['last_run_at'])}  {row.get('reason') or ''}".rstrip()
            )
    return "\n".join(lines) + "\n"


def moment_text(moment: datetime | None) -> str:
    """An instant for people; `never` without one."""
    return "never" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def _rows(warehouse: Warehouse, sql: str, params: Sequence[Any] | None = None) -> list[Row]:
    columns, rows = warehouse.query(sql, params)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def rule_status(
    rules: Sequence[Rule], results: Sequence[Mapping[str, Any]], days: float, now: datetime
) -> list[Row]:
    """A row per rule and engine that judged it; one without an engine for a rule that none did.

    Args:
        results: rows of the table of results.
        days: of the pass rate.
    """
    runs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    newest_first = sorted(
        results, key=lambda row: (row["executed_at"], row["run_id"]), reverse=True
    )
    for result in newest_first:
        if result["verdict"] in JUDGED:
            runs.setdefault((result["rule_id"], result["engine"]), []).append(result)
    rows: list[Row] = []
    for rule in sorted(rules, key=lambda rule: rule.id):
        engines: list[str | None] = [*sorted(engine for name, engine in runs if name == rule.id)]
        for engine in engines or [None]:
            rows.append(_row(rule, engine, runs.get((rule.id, engine or ""), []), days, now))
    return rows


def _row(
    rule: Rule,
    engine: str | None,
    runs: Sequence[Mapping[str, Any]],
    days: float,
    now: datetime,
) -> Row:
    period = timedelta(days=days)
    recent = [run for run in runs if objection(_utc(run["executed_at"]), now, period) is None]
    broken = list(takewhile(lambda run: run["verdict"] != Verdict.PASS, runs))
    passed = sum(run["verdict"] == Verdict.PASS for run in recent)
    return {
        "rule_id": rule.id,
        "dataset": rule.dataset,
        "family": rule.family,
        "severity": rule.severity,
        "owner": rule.owner,
        "engine": engine,
        "last_verdict": runs[0]["verdict"] if runs else None,
        "last_failing_rows": runs[0]["failing_rows"] if runs else None,
        "last_run_at": _utc(runs[0]["executed_at"]) if runs else None,
        "failing_since": _utc(broken[-1]["executed_at"]) if broken else None,
        "recent_runs": len(recent),
        "pass_rate": passed / len(recent) if recent else None,
    }


def alerts_of(status: Sequence[Row], max_age_hours: float, now: datetime) -> list[Row]:
    """Rules that the last run broke, and rules that no engine judged for too long; errors first."""
    findings = [*_broken(status), *_not_run(status, timedelta(hours=max_age_hours), now)]
    return sorted(
        findings, key=lambda row: (row["severity"], row["dataset"], row["kind"], row["rule_id"])
    )


def _broken(status: Sequence[Row]) -> Iterator[Row]:
    for row in status:
        if row["last_verdict"] not in (None, Verdict.PASS):
            rows = row["last_failing_rows"]
            detail = f"{row['engine']}: {row['last_verdict']}"
            detail += "" if rows is None else f", {many(rows, 'row')}"
            yield {**row, "kind": "rule broken", "since": row["failing_since"], "detail": detail}


def _not_run(status: Sequence[Row], limit: timedelta, now: datetime) -> Iterator[Row]:
    last: dict[str, Row] = {}
    for row in status:
        known = last.setdefault(row["rule_id"], row)
        if row["last_run_at"] and (
            known["last_run_at"] is None or row["last_run_at"] > known["last_run_at"]
        ):
            last[row["rule_id"]] = row
    for row in last.values():
        at = row["last_run_at"]
        reason = "never run" if at is None else objection(at, now, limit)
        if reason:
            detail = reason if at is None else f"last run {reason}"
            yield {**row, "kind": "rule not run", "since": at, "detail": detail}


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
