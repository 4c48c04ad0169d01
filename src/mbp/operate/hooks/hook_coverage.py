"""Which hooks are covered; and what a KPI that broke must cover before it recovers.

A KPI recovers by a measurement of at least what it broke on: "0 of 1 failed" closes no incident of 238 tests.
`verification.to_cover` holds, for each KPI that is measured per run, the ids on which it broke and which no later
measurement has covered. While one is left, the KPI has no value.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts.hook_policy import HookPolicy
from mbp.core import moments
from mbp.operate.hooks.measurements import demand_models
from mbp.runs import envelope
from mbp.runs import exercise_report as exercises
from mbp.runs.claims import Claim
from mbp.runs.derive_runs import has_passed
from mbp.runs.run_control import SCHEMA
from mbp.warehouse import Warehouse

TABLE = f"{SCHEMA}.to_cover"
NAMED = 3


def demand_coverage(
    warehouse: Warehouse, collected: Collected, excused: Container[str]
) -> Collected:
    """`one`, or the same without a value when it does not cover what the KPI broke on before.

    Call it inside a transaction: it also writes down what the next measurement has to cover.

    Args:
        excused: ids that the policy says need not be covered (`not_demanded` of contracts/a89/policy.yaml).
    """
    mark = warehouse.mark
    warehouse.execute(f"create table if not exists {TABLE} (kpi_id text, id text)")
    _, rows = warehouse.query(f"select id from {TABLE} where kpi_id = {mark}", [collected.kpi_id])
    covered = collected.covered if collected.value is not None else frozenset()
    missing = {str(row[0]) for row in rows if row[0] not in excused} - covered
    warehouse.execute(f"delete from {TABLE} where kpi_id = {mark}", [collected.kpi_id])
    for name in sorted(missing | collected.broken):
        warehouse.execute(f"insert into {TABLE} values ({mark}, {mark})", [collected.kpi_id, name])
    if not missing or collected.value is None:
        return collected
    names = ", ".join(sorted(missing)[:NAMED])
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    message = (
        f"could not be measured: it does not cover {names}{more}, on which the KPI broke before."
        " Run it again, or write an exception not_demanded in contracts/a89/policy.yaml"
    )
    return replace(collected, value=None, samples=0, detail=message)


CONTENT = ("kpi_id", "value", "samples", "detail", "evidence")


@dataclass(frozen=True)
class Collected:
    """One KPI of one run.

    Attributes:
        value: None when it could not be measured; `detail` says why.
        samples: how much was checked.
        covered: ids of everything that was judged.
        broken: those of them that are not as they should be.
        run: of dbt, where the KPI is of one.
    """

    kpi_id: str
    value: float | None
    samples: int
    detail: str
    evidence: Any
    covered: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    run: Claim | None = None

    def content(self) -> dict[str, Any]:
        """For people and for the evidence."""
        return {name: getattr(self, name) for name in CONTENT}


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
