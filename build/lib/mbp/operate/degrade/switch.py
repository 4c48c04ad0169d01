"""The switch: readers on the live rows, or on the last complete snapshot. All of it may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mbp.core.errors import MbpError
from mbp.core.moments import objection
from mbp.operate.degrade import reader_views
from mbp.warehouse import Warehouse
from mbp.warehouse.relations import LIVE, READERS, SNAPSHOTS, exists, fingerprint, place

CONTROL = ("builds", "masks", "switches", "copies")
BUSY = "end the queries that hold the views (pg_stat_activity), then try again"


class RefusedSwitchError(MbpError):
    """The switch or the snapshot was refused: what it needs is not there. Everything is as it was."""


@dataclass(frozen=True)
class Copy:
    """One dataset of the snapshot. `as_of` is the newest arrival in it, in UTC."""

    dataset: str
    generation: int
    build_id: str
    as_of: datetime | None
    taken_at: datetime
    rows: int
    digest: str

    @property
    def table(self) -> str:
        """Its table in the schema of snapshots."""
        return f"{self.dataset}__{self.generation}"


@dataclass(frozen=True)
class Switch:
    """The switch that is in force: 'live' or 'snapshot', and who made it (None: a person, or not switched yet)."""

    number: int
    mode: str
    generation: int | None
    since: datetime | None
    decision_id: str | None
    reason: str | None


@dataclass(frozen=True)
class ReaderStatus:
    """What readers see.

    Attributes:
        copies: the last complete snapshot; empty when there is none.
        as_of: dataset -> newest arrival in the rows that readers see.
        problems: views that are not where the switch says; empty when all are.
    """

    switch: Switch
    copies: Sequence[Copy]
    as_of: Mapping[str, datetime | None]
    problems: Sequence[str]


def in_force(warehouse: Warehouse) -> Switch:
    """The newest row of the switches; live without a switch."""
    _, rows = warehouse.query(
        "select number, mode, generation, since, decision_id, reason"
        f" from {place(SNAPSHOTS, 'switches')} order by number desc limit 1"
    )
    return Switch(*rows[0]) if rows else Switch(0, "live", None, None, None, None)


def copies(warehouse: Warehouse) -> list[Copy]:
    """The last complete snapshot, by dataset."""
    _, rows = warehouse.query(
        "select dataset, generation, build_id, as_of, taken_at, row_count, digest"
        f" from {place(SNAPSHOTS, 'copies')} order by dataset"
    )
    return [Copy(*row) for row in rows]


def datasets(warehouse: Warehouse) -> list[str]:
    """The public datasets as they were built."""
    _, rows = warehouse.query(f"select dataset from {place(SNAPSHOTS, 'builds')} order by 1")
    return [row[0] for row in rows]


def status(warehouse: Warehouse) -> ReaderStatus:
    """Reads; changes nothing.

    Raises:
        MbpError: the warehouse was never built with the switch.
    """
    demand_built(warehouse)
    switch, stored = in_force(warehouse), copies(warehouse)
    snapshot = {copy.dataset: copy for copy in stored}
    _, rows = warehouse.query(f"select dataset, as_of from {place(SNAPSHOTS, 'builds')} order by 1")
    reached: dict[str, datetime | None] = dict(rows)
    problems = []
    now = project_now(warehouse)
    for dataset, newest in list(reached.items()):
        moment = newest
        wanted = (LIVE, dataset)
        if switch.mode == "snapshot":
            if dataset not in snapshot:
                problems.append(f"{dataset} is not in the snapshot that readers are on")
                continue
            wanted = (SNAPSHOTS, snapshot[dataset].table)
            moment = reached[dataset] = snapshot[dataset].as_of
        if moment is not None and (why := objection(moment, now, None)):
            problems.append(f"{dataset} is as of an arrival {why}")
        target_of_views = reader_views.pointed_at(warehouse, dataset)
        if target_of_views != wanted:
            seen = "nothing" if target_of_views is None else ".".join(target_of_views)
            problems.append(f"{READERS}.{dataset} shows {seen}, not {'.'.join(wanted)}")
    return ReaderStatus(switch, stored, reached, problems)


def degrade(
    warehouse: Warehouse,
    *,
    reason: str,
    decision_id: str | None = None,
    now: datetime | None = None,
) -> Switch:
    """Points readers at the last complete snapshot: all datasets in one transaction, or none.

    When they are there already, who switched first stays written; views that are not in place are fixed.

    Raises:
        RefusedSwitchError: no complete snapshot, or one that is not what was stored or has other columns than today.
        MbpError: the warehouse cannot be used; nothing was changed.
    """
    demand_built(warehouse)
    stored = copies(warehouse)
    _demand_complete(warehouse, stored)

    def switch() -> Switch:
        reader_views.hold_views(warehouse, [snapshot.dataset for snapshot in stored])
        before = in_force(warehouse)
        if copies(warehouse) != stored:
            raise RefusedSwitchError(
                "the snapshot was replaced meanwhile", fix="`mbp degrade on` again"
            )
        for copy in stored:
            reader_views.point(warehouse, copy.dataset, SNAPSHOTS, copy.table)
        if before.mode == "live":
            generation = stored[0].generation
            _write(warehouse, before, "snapshot", generation, reason, decision_id, now)
        return in_force(warehouse)

    with reader_views.told("readers were not degraded", BUSY):
        return reader_views.patiently(warehouse, switch)


def recover(
    warehouse: Warehouse,
    *,
    reason: str,
    decision_id: str | None = None,
    now: datetime | None = None,
) -> Switch | None:
    """Points readers at the live rows again: all datasets in one transaction, or none.

    Args:
        decision_id: only when this decision has degraded them; a person (None) may always.

    Returns:
        The switch in force; None when it was left alone, because another one degraded or none did.

    Raises:
        MbpError: a live table is missing, or the warehouse cannot be used; nothing was changed.
    """
    demand_built(warehouse)
    names = datasets(warehouse)
    missing = [name for name in names if not exists(warehouse, LIVE, name)]
    if missing:
        raise MbpError(f"{LIVE}.{missing[0]} is not in the warehouse", fix="run `mbp build`")

    def switch() -> Switch | None:
        reader_views.hold_views(warehouse, names)
        reader_views.hold_still(warehouse, names, "access share")
        before = in_force(warehouse)
        if decision_id is not None and (before.mode, before.decision_id) != (
            "snapshot",
            decision_id,
        ):
            return None
        for name in names:
            reader_views.point(warehouse, name, LIVE, name)
        if before.mode == "snapshot":
            _write(warehouse, before, "live", None, reason, decision_id, now)
        return in_force(warehouse)

    with reader_views.told("readers were not brought back", BUSY):
        return reader_views.patiently(warehouse, switch)


def as_of(stored: Sequence[Copy]) -> datetime | None:
    """The newest arrival in a snapshot."""
    return max((copy.as_of for copy in stored if copy.as_of is not None), default=None)


def project_now(warehouse: Warehouse) -> datetime:
    """The project's now; the wall clock while its model is being rebuilt."""
    if exists(warehouse, "reliability", "kpi_clock"):
        _, rows = warehouse.query("select now_at from reliability.kpi_clock")
        if rows and rows[0][0] is not None:
            moment: datetime = rows[0][0]
            return moment
    return datetime.now(UTC)


def demand_built(warehouse: Warehouse) -> None:
    """Raises:
    MbpError: the warehouse was never built with the control tables.
    """
    for name in CONTROL:
        if not exists(warehouse, SNAPSHOTS, name):
            raise MbpError(f"{SNAPSHOTS}.{name} is not in the warehouse", fix="run `mbp build`")


def _demand_complete(warehouse: Warehouse, stored: Sequence[Copy]) -> None:
    fix = "`mbp build`, or `mbp degrade snapshot`, when the rules hold again"
    if not stored:
        raise RefusedSwitchError(
            "there is no complete snapshot: readers stay on the live rows", fix=fix
        )
    missing = sorted(set(datasets(warehouse)) - {snapshot.dataset for snapshot in stored})
    if missing:
        raise RefusedSwitchError(f"the snapshot has no {', '.join(missing)}", fix=fix)
    for copy in stored:
        if not exists(warehouse, SNAPSHOTS, copy.table):
            raise RefusedSwitchError(f"{SNAPSHOTS}.{copy.table} is missing", fix=fix)
        rows, digest = fingerprint(warehouse, SNAPSHOTS, copy.table)
        same_release = digest.split(":")[0] == copy.digest.split(":")[0]
        if rows != copy.rows or (same_release and digest != copy.digest):
            raise RefusedSwitchError(f"{SNAPSHOTS}.{copy.table} is not what was stored", fix=fix)
        today = reader_views.columns(warehouse, LIVE, copy.dataset)
        if today and today != reader_views.columns(warehouse, SNAPSHOTS, copy.table):
            raise RefusedSwitchError(
                f"the columns of {copy.dataset} changed after the snapshot", fix=fix
            )


def _write(
    warehouse: Warehouse,
    before: Switch,
    mode: str,
    generation: int | None,
    reason: str,
    decision_id: str | None,
    now: datetime | None,
) -> None:
    mark = warehouse.mark
    warehouse.execute(
        f"insert into {place(SNAPSHOTS, 'switches')}"
        " (number, mode, generation, since, decision_id, reason)"
        f" values ({', '.join([mark] * 6)})",
        [
            before.number + 1,
            mode,
            generation,
            now or project_now(warehouse),
            decision_id,
            reason,
        ],
    )
