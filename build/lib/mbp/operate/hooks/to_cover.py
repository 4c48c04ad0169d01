"""A KPI recovers by a measurement of at least what it broke on: "0 of 1 failed" closes no incident of 238 tests.

`verification.to_cover` holds, for each KPI that is measured per run, the ids on which it broke and which no later
measurement has covered. While one is left, the KPI has no value.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any

from mbp.runs.claims import Claim
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
