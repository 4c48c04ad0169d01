"""State and alerts of the rules from the recorded runs, for a project without the models that compute them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from mbp.contracts.model import Rule
from mbp.core.moments import objection
from mbp.core.verdict import Verdict

Row = Mapping[str, Any]
JUDGED = (Verdict.PASS, Verdict.FAIL, Verdict.WARN, Verdict.ERROR)


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


def alerts(status: Sequence[Row], max_age_hours: float, now: datetime) -> list[Row]:
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
            detail += "" if rows is None else f", {rows} rows"
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
