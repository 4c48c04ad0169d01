"""Which warehouse this is, and which runs of dbt were made in it: the control tables of macros/engine/runs.sql."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mbp.core.errors import MbpError
from mbp.warehouse.connection import Rows, Warehouse
from mbp.warehouse.relations import exists

SCHEMA = "verification"
WAREHOUSE, RUNS = f"{SCHEMA}.warehouse", f"{SCHEMA}.runs"
# Nodes with their own verdict. Exposures and saved queries are in the results of a build too; hooks are.
NODE_KINDS = ("function", "model", "seed", "snapshot", "test", "unit_test")
# Commands after which the rows are those of before.
WRITES_NOTHING = ("test", "compile", "generate", "show", "freshness")
FIX = "run `mbp build` (or `dbt build`), which writes it"


@dataclass(frozen=True)
class RecordedRun:
    """A run of dbt as the warehouse recorded it; times are of the warehouse's clock, in UTC.

    Attributes:
        ended_at, nodes_digest: None when the run did not end.
    """

    invocation: str
    warehouse_id: str
    command: str
    began_at: datetime
    ended_at: datetime | None
    nodes_digest: str | None


@dataclass(frozen=True)
class RunControl:
    """The identity of a warehouse and the runs that were made in it, by invocation."""

    warehouse_id: str
    runs: Mapping[str, RecordedRun]


def nodes_digest(unique_ids: Iterable[str]) -> str:
    """MD5 over the sorted ids of all nodes of NODE_KINDS, as `end_run` of macros/engine/runs.sql makes it."""
    ids = sorted(unique_id for unique_id in unique_ids if unique_id.partition(".")[0] in NODE_KINDS)
    return hashlib.md5("\n".join(ids).encode(), usedforsecurity=False).hexdigest()


def read_control(warehouse: Warehouse) -> RunControl:
    """The control tables.

    Raises:
        MbpError: the warehouse has no identity, or more than one.
    """
    identity = warehouse_id(warehouse)
    if not exists(warehouse, *RUNS.split(".")):
        return RunControl(identity, {})
    _, rows = warehouse.query(
        "select invocation_id, min(warehouse_id), min(command),"
        " min(case when event = 'began' then happened_at end),"
        " max(case when event = 'ended' then happened_at end),"
        " max(case when event = 'ended' then nodes_digest end)"
        f" from {RUNS} group by invocation_id"
        " having min(case when event = 'began' then happened_at end) is not null"
    )
    return RunControl(identity, {str(row[0]): RecordedRun(*row) for row in rows})


def warehouse_id(warehouse: Warehouse) -> str:
    """The random id that was written into the warehouse.

    Raises:
        MbpError: there is none, or there are several.
    """
    rows: Rows = []
    if exists(warehouse, *WAREHOUSE.split(".")):
        _, rows = warehouse.query(f"select warehouse_id from {WAREHOUSE}")
    if len(rows) != 1 or not rows[0][0]:
        if len(rows) > 1:
            raise MbpError(
                f"{WAREHOUSE} holds {len(rows)} ids, expected one row",
                fix=f"delete all rows of {WAREHOUSE}, then {FIX}",
            )
        raise MbpError(f"the warehouse has no id ({WAREHOUSE} is missing or empty)", fix=FIX)
    return str(rows[0][0])


def statements() -> list[str]:
    """SQL for DuckDB and PostgreSQL that gives a warehouse its id; one that has an id keeps it."""
    return [
        f"create table if not exists {WAREHOUSE} (warehouse_id text, created_at timestamptz)",
        f"insert into {WAREHOUSE} (warehouse_id, created_at)"
        " select cast(gen_random_uuid() as text), current_timestamp"
        f" where not exists (select 1 from {WAREHOUSE})",
    ]
