"""What the warehouse measured: the newest windows of every KPI, the project's now, and open decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from mbp.core.errors import MbpError
from mbp.core.moments import objection
from mbp.quality.measurable import noted_kpis
from mbp.warehouse import Warehouse

# How far back a watcher reads: past the longest patience (three days) with what is older than "now" by then.
# The cost of an evaluation must not grow with the history.
HORIZON = timedelta(days=4)
INSUFFICIENT = "insufficient data"


@dataclass(frozen=True)
class KpiWindow:
    """One row of `kpi_windows`; instants in UTC. What was collected from a run begins where it ends."""

    kpi_id: str
    entity: str
    window_start: datetime
    window_end: datetime
    value: Decimal | None
    samples: int
    verdict: str


@dataclass(frozen=True)
class Decision:
    """What a hook decided: now, or before and it has not recovered; of the latter the ledger says less.

    Attributes:
        decision_id: same policy, hook, entity, reason and breach: same id.
        reason: 'breach' or 'unknown'.
        action: what the executors do, joined by `+`; an incident is opened for every decision.
    """

    decision_id: str
    hook_id: str
    kpi_id: str
    entity: str
    reason: str
    action: str
    owner: str
    opened_at: datetime
    breached_at: datetime
    value: Decimal | None = None
    target: str = ""
    window_end: datetime | None = None
    samples: int | None = None

    @property
    def actions(self) -> tuple[str, ...]:
        """One by one."""
        return tuple(self.action.split("+"))


@dataclass(frozen=True)
class WarehouseFacts:
    """All that a decision may depend on beside the policy.

    Attributes:
        windows: (KPI, entity) -> its newest windows, newest first.
        seen: decisions that the ledger knows, open or not.
        clock_problem: why nothing can be said of this now; empty: it can.
        went_back: the hooks were evaluated at a later now than this; empty: they were not.
        unmeasured: KPI -> what the loaded source lacks of it, with the column.
    """

    now: datetime
    windows: Mapping[tuple[str, str], Sequence[KpiWindow]]
    open: Sequence[Decision]
    seen: frozenset[str]
    clock_problem: str = ""
    went_back: str = ""
    unmeasured: Mapping[str, str] = field(default_factory=dict)


def picture_of(warehouse: Warehouse, unmeasured: Mapping[str, str] | None = None) -> WarehouseFacts:
    """Reads the warehouse as it is.

    Args:
        unmeasured: KPIs that the loaded source cannot show, with the reason.

    Raises:
        MbpError: it was built without the KPI models, or without data.
    """
    demand_models(warehouse)
    _, clock = warehouse.query("select now_at from reliability.kpi_clock")
    if not clock or clock[0][0] is None:
        raise MbpError("no data ever arrived: the project has no now", fix="load data, then build")
    since = (clock[0][0] - HORIZON).isoformat()
    _, rows = warehouse.query(
        "select kpi_id, entity, window_start, window_end, value, samples, verdict"
        f" from reliability.kpi_windows where window_end >= timestamptz '{since}'"
        " order by kpi_id, entity, window_end desc"
    )
    # Those of the last `mbp build`; a plain `dbt build` knows none, and measures placeholders.
    absent = {**noted_kpis(warehouse), **(unmeasured or {})}
    windows: dict[tuple[str, str], list[KpiWindow]] = {}
    for row in rows:
        window = KpiWindow(*row)
        if window.kpi_id in absent:
            window = replace(window, value=None, verdict=INSUFFICIENT)
        windows.setdefault((window.kpi_id, window.entity), []).append(window)
    _, known = warehouse.query("select decision_id from reliability.hook_decisions")
    _, still = warehouse.query(
        "select decision_id, hook_id, kpi_id, entity, reason, action, owner, opened_at, breached_at"
        " from reliability.hook_decisions where closed_at is null order by decision_id"
    )
    _, evaluated = warehouse.query("select max(evaluated_at) from reliability.hook_evaluations")
    now, last = clock[0][0], evaluated[0][0]
    ahead = objection(now, datetime.now(UTC), None)
    later = None if last is None else objection(last, now, None)
    return WarehouseFacts(
        now,
        windows,
        tuple(Decision(*row) for row in still),
        frozenset(row[0] for row in known),
        f"the project's now is {ahead}. Correct _loaded_at or MBP_NOW" if ahead else "",
        f"the hooks were last evaluated {later}" if later else "",
        absent,
    )


def demand_models(warehouse: Warehouse) -> None:
    """Raises:
    MbpError: the warehouse was not built with what a watcher reads.
    """
    _, rows = warehouse.query(
        "select table_name from information_schema.tables where table_schema = 'reliability'"
    )
    there = {row[0] for row in rows}
    for name in ("kpi_windows", "kpi_clock", "kpi_runs", "hook_decisions", "hook_evaluations"):
        if name not in there:
            raise MbpError(f"reliability.{name} is not in the warehouse", fix="run `mbp build`")
