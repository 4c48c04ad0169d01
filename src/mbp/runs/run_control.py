"""Which warehouse this is, the runs of dbt that were made in it, and the state of its rows.

The control tables are those of macros/engine/runs.sql; for a project without these hooks they are written here.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.core.settings import load_settings
from mbp.warehouse.connection import Rows, Warehouse
from mbp.warehouse.relations import exists, fingerprint

SCHEMA = "verification"
WAREHOUSE, RUNS = f"{SCHEMA}.warehouse", f"{SCHEMA}.runs"
# Nodes with their own verdict. Exposures and saved queries are in the results of a build too; hooks are.
NODE_KINDS = ("function", "model", "seed", "snapshot", "test", "unit_test")
# Commands after which the rows are those of before.
WRITES_NOTHING = ("test", "compile", "generate", "show", "freshness")
FIX = "run `mbp build` (or `dbt build`), which writes it"
# Of the engines whose warehouse is read again; what `mbp.runs.run_control` says of them holds here.
ENGINES = ("duckdb", "postgres")
COMMANDS = ("build", "run", "seed", "snapshot", "test")


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


def is_recorded(root: Path, command: str, engine: str) -> bool:
    """A run of this command is written down here, and not by hooks of the project."""
    return command in COMMANDS and engine in ENGINES and load_settings(root).hosted


@contextmanager
def recorded(task: Any, command: str) -> Iterator[None]:
    """Writes that the run of a dbt task began and, unless it was interrupted, ended."""
    _event(task, command, "began", None)
    yield
    ids = [result.node.unique_id for result in task.node_results if hasattr(result, "node")]
    _event(task, command, "ended", nodes_digest(ids))


def _event(task: Any, command: str, event: str, digest: str | None) -> None:
    from dbt_common.invocation import get_invocation_id

    began = [
        f"create schema if not exists {SCHEMA}",
        *statements(),
        f"create table if not exists {RUNS} (invocation_id text, warehouse_id text, command text,"
        " event text, happened_at timestamptz, nodes_digest text)",
    ]
    quoted = "cast(null as text)" if digest is None else f"'{digest}'"
    insert = (
        f"insert into {RUNS} select '{get_invocation_id()}', warehouse_id, '{command}', '{event}',"
        f" current_timestamp, {quoted} from {WAREHOUSE}"
    )
    _execute(task, [*(began if event == "began" else ()), insert])


def _execute(task: Any, sql: Sequence[str]) -> None:
    from dbt.adapters.factory import get_adapter

    adapter: Any = get_adapter(task.config)
    try:
        with adapter.connection_named("mbp_runs"):
            for statement in sql:
                adapter.execute(statement, auto_begin=True)
            commit: Callable[[], None] = adapter.connections.commit_if_has_connection
            commit()
    except Exception as error:  # whatever the driver raises: the build itself goes on
        reason = str(error).strip().splitlines()[0]
        print(f"mbp: the run could not be recorded in {RUNS}: {reason}", file=sys.stderr)


if TYPE_CHECKING:
    from mbp.warehouse import Warehouse


def data_state(root: Path, warehouse: Warehouse) -> str:
    """SHA-256 over rows and content of the public datasets, whatever the order of their rows.

    Another row, or another value in one, is another state; so is another release of the engine.

    Raises:
        MbpError: a public dataset that is not there.
    """
    import duckdb
    import psycopg2

    digest = hashlib.sha256()
    for contract in sorted(load_contracts(root), key=lambda contract: contract.dataset):
        schema = contract.schema_in(warehouse)
        try:
            rows, content = fingerprint(warehouse, schema, contract.dataset)
        except (duckdb.Error, psycopg2.Error) as error:
            what = f"{schema}.{contract.dataset} cannot be read: {str(error).splitlines()[0]}"
            raise MbpError(what, fix="run `mbp build`") from error
        digest.update(f"{contract.dataset}\0{rows}\0{content}\n".encode())
    return digest.hexdigest()
