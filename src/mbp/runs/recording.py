"""Records a run of dbt in the warehouse of a project that has no hooks for it (see `mbp.runs.run_control`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mbp.core.settings import load_settings
from mbp.runs.run_control import RUNS, SCHEMA, WAREHOUSE, nodes_digest, statements

# Of the engines whose warehouse is read again; what `mbp.runs.run_control` says of them holds here.
ENGINES = ("duckdb", "postgres")
COMMANDS = ("build", "run", "seed", "snapshot", "test")


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
