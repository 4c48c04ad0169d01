"""Hook coverage: KPIs whose hook is valid, was evaluated within a day, and was exercised in its current form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mbp.contracts.hook_policy import HookPolicy
from mbp.core import moments
from mbp.operate.hooks.measurements import demand_models
from mbp.runs import envelope
from mbp.runs import exercise_report as exercises
from mbp.runs.derive_runs import has_passed
from mbp.warehouse import Warehouse

EVALUATED_WITHIN = timedelta(hours=24)


@dataclass(frozen=True)
class Covered:
    """One KPI of the sheet; `gaps` is empty when its hook is covered."""

    kpi_id: str
    hook_id: str | None
    gaps: Sequence[str]


def hook_coverage(root: Path, policy: HookPolicy, warehouse: Warehouse) -> list[Covered]:
    """Every KPI of the sheet, in its order.

    Raises:
        MbpError: the warehouse has no evaluations, or the report of the exercises is broken.
    """
    demand_models(warehouse)
    _, rows = warehouse.query(
        "select hook_id, definition_hash, max(evaluated_at) from reliability.hook_evaluations"
        " group by hook_id, definition_hash"
    )
    evaluated = {(row[0], row[1]): row[2] for row in rows}
    _, clock = warehouse.query("select now_at from reliability.kpi_clock")
    exercised = exercised_hooks(root)
    wrong = {finding.subject: finding.message for finding in policy.findings}
    by_kpi = {hook.kpi.id: hook for hook in policy.hooks.values()}
    uncovered = []
    for kpi_id in policy.sheet.kpis:
        hook = by_kpi.get(kpi_id)
        if hook is None:
            uncovered.append(Covered(kpi_id, None, [wrong.get(kpi_id, "no valid hook")]))
            continue
        gaps = []
        at = evaluated.get((hook.id, hook.definition_hash))
        if at is None:
            gaps.append("never evaluated as it is now")
        elif why := moments.objection(at, clock[0][0], EVALUATED_WITHIN):
            gaps.append(f"last evaluated {why}")
        if hook.definition_hash not in exercised.get(hook.id, ()):
            gaps.append("not exercised with success as it is now")
        uncovered.append(Covered(kpi_id, hook.id, gaps))
    return uncovered


def exercised_hooks(root: Path) -> Mapping[str, Sequence[str]]:
    """Hook id -> definition hashes that an exercise proved; nothing when none was ever run.

    Raises:
        MbpError: the report is not what `mbp exercise` writes.
    """
    try:
        report = envelope.read(root, exercises.NAME)
    except envelope.NoEvidenceError:
        return {}
    if report.verdict == "not_measured":
        return {}  # the source changed while the exercises ran
    proved: dict[str, list[str]] = {}
    try:
        for entry in exercises.runs(report).values():
            if has_passed(entry) and not exercises.time_problem(entry, datetime.now(UTC)):
                for hook_id, definition in entry["hooks"].items():
                    proved.setdefault(hook_id, []).append(definition)
    except (KeyError, TypeError, AttributeError) as error:
        raise exercises.no_report(report, error) from error
    return proved
