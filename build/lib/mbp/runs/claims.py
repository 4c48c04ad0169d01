"""Is a measurement of this source, warehouse, run, set of nodes and time? One function decides: `objections`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Literal

from mbp.core import moments
from mbp.runs.run_control import WRITES_NOTHING, RunControl

COMMIT_DIGITS = 12


class Way(StrEnum):
    """The ways in which a measurement can be of something else."""

    FUTURE = "future"
    AGE = "age"
    SOURCE = "source"
    CHANGED = "changed"
    TARGET = "target"
    WAREHOUSE = "warehouse"
    RUN = "run"
    PARTIAL = "partial"
    SETTINGS = "settings"
    DATA = "data"


@dataclass(frozen=True)
class Objection:
    """One reason why a measurement does not count, for people and by its way."""

    way: Way
    text: str

    def __str__(self) -> str:
        return self.text


class Unsaid(Enum):
    """In a claim: it does not depend on this. In a question: it is not asked."""

    UNSAID = "unsaid"


UNSAID: Literal[Unsaid.UNSAID] = Unsaid.UNSAID
Said = str | None | Literal[Unsaid.UNSAID]


@dataclass(frozen=True)
class Nodes:
    """The nodes of dbt that a run covered.

    Attributes:
        covered: how many of the demanded nodes have a result.
        demanded: how many the project has, less what policy excludes by name and what the source cannot show.
        digest: of the ids of all results, as `mbp.runs.run_control.nodes_digest` makes it.
        detail: what was left out, for people.
    """

    covered: int
    demanded: int
    digest: str
    detail: str = ""


@dataclass(frozen=True)
class Claim:
    """What a measurement says of itself.

    Attributes:
        source, source_after: digest of the source before it began and after it ended; None when not known.
        commit: for the message.
        target: dbt target; None when no warehouse was measured.
        warehouse: id of the warehouse; UNSAID when only the record of the run can tell.
        data: state of the public datasets; None when it does not depend on them.
        invocation: dbt's id of the run; None when dbt did not run.
        nodes: what that run covered.
        flaws: what its files already show to be wrong.
    """

    began_at: datetime
    ended_at: datetime
    source: Said = UNSAID
    source_after: Said = UNSAID
    commit: str | None = None
    target: str | None = None
    warehouse: Said = None
    data: str | None = None
    invocation: str | None = None
    nodes: Nodes | None = None
    flaws: Sequence[Objection] = ()


@dataclass(frozen=True)
class Asked:
    """What the reader asks about.

    Attributes:
        now: by the clock of this machine, in UTC.
        source: digest of the source; UNSAID when the files of the run tell.
        target: the dbt target.
        control: of the warehouse of that target; None when the claim names no warehouse.
        data: state of the public datasets now.
        needs_data: a measurement that does not say of which data is refused.
        max_age: an older measurement does not count; None: any age.
    """

    now: datetime
    target: str
    source: Said = UNSAID
    control: RunControl | None = None
    data: Said = UNSAID
    needs_data: bool = False
    max_age: timedelta | None = None


def objections(claim: Claim, asked: Asked) -> list[Objection]:
    """Every reason why the measurement does not speak of what is asked; empty when it does."""
    return [
        *_times(claim, asked),
        *_source(claim, asked),
        *_warehouse(claim, asked),
        *_data(claim, asked),
        *_run(claim, asked),
        *_nodes(claim),
        *claim.flaws,
    ]


def whole_text(found: Sequence[Objection]) -> str:
    """All reasons as one sentence."""
    return "; ".join(str(objection) for objection in found)


def _times(claim: Claim, asked: Asked) -> Iterator[Objection]:
    latest = max(claim.began_at, claim.ended_at)
    if why := moments.objection(latest, asked.now, None):
        yield Objection(Way.FUTURE, f"measured {why}")
    elif why := moments.objection(claim.began_at, asked.now, asked.max_age):
        yield Objection(Way.AGE, f"measured {why}")
    if moments.is_future(claim.began_at, claim.ended_at):
        yield Objection(
            Way.FUTURE,
            f"ended at {claim.ended_at.isoformat()}, before it began: a clock was set back",
        )


def _source(claim: Claim, asked: Asked) -> Iterator[Objection]:
    if asked.source is UNSAID:
        return
    if claim.source is UNSAID or claim.source is None or claim.source_after is None:
        yield Objection(Way.SOURCE, "of an unknown source")
        return
    if claim.source != claim.source_after:
        yield Objection(Way.CHANGED, "the source changed while it was measured")
    if asked.source not in (claim.source, claim.source_after):
        commit = (claim.commit or "unknown")[:COMMIT_DIGITS]
        yield Objection(Way.SOURCE, f"of another source (commit {commit})")


def _warehouse(claim: Claim, asked: Asked) -> Iterator[Objection]:
    if claim.target is None:
        return
    if claim.target != asked.target:
        yield Objection(Way.TARGET, f"of the target {claim.target}, not of {asked.target}")
        return
    if asked.control is None or claim.warehouse is UNSAID:
        return
    if claim.warehouse is None:
        yield Objection(Way.WAREHOUSE, "it does not say of which warehouse")
    elif claim.warehouse != asked.control.warehouse_id:
        yield Objection(Way.WAREHOUSE, _other_warehouse(str(claim.warehouse), asked))


def _other_warehouse(found: str, asked: Asked) -> str:
    here = asked.control.warehouse_id if asked.control else "unknown"
    return f"of another warehouse ({found}); the target {asked.target} leads to {here}"


def _data(claim: Claim, asked: Asked) -> Iterator[Objection]:
    if claim.target is not None and claim.target != asked.target:
        return
    if claim.data is None:
        if asked.needs_data:
            yield Objection(Way.DATA, "it does not say of which data")
    elif asked.data is not UNSAID and claim.data != asked.data:
        yield Objection(Way.DATA, "of other data than the warehouse holds now")


def _run(claim: Claim, asked: Asked) -> Iterator[Objection]:
    """What the warehouse itself recorded of the run (macros/engine/runs.sql)."""
    control = asked.control
    if claim.invocation is None or control is None or claim.target != asked.target:
        return
    recorded = control.runs.get(claim.invocation)
    if recorded is None:
        yield Objection(
            Way.WAREHOUSE,
            f"the run {claim.invocation} was not made in this warehouse ({control.warehouse_id})",
        )
        return
    if recorded.warehouse_id != control.warehouse_id:
        yield Objection(Way.WAREHOUSE, _other_warehouse(recorded.warehouse_id, asked))
    if why := moments.objection(recorded.began_at, asked.now, None):
        yield Objection(Way.FUTURE, f"the warehouse says that the run began {why}")
    if recorded.ended_at is None:
        yield Objection(Way.PARTIAL, f"the run {claim.invocation} did not end")
    elif claim.nodes is not None and recorded.nodes_digest != claim.nodes.digest:
        yield Objection(
            Way.RUN, f"its results are not those of the run {claim.invocation} in the warehouse"
        )
    later = [
        run
        for run in control.runs.values()
        if run.began_at > recorded.began_at and run.command not in WRITES_NOTHING
    ]
    if later:
        newest = max(later, key=lambda recorded_run: recorded_run.began_at)
        yield Objection(
            Way.DATA,
            f"the tables were built again by the run {newest.invocation} (`dbt {newest.command}`"
            f" of {newest.began_at:%Y-%m-%d %H:%M:%S} UTC)",
        )


def _nodes(claim: Claim) -> Iterator[Objection]:
    nodes = claim.nodes
    if nodes is None:
        if claim.invocation is not None:
            yield Objection(Way.PARTIAL, "it does not say which nodes it covered")
    elif nodes.covered < nodes.demanded or nodes.demanded == 0:
        detail = f": {nodes.detail}" if nodes.detail else ""
        yield Objection(
            Way.PARTIAL,
            f"a part of the project: {nodes.covered} of {nodes.demanded} nodes{detail}",
        )
