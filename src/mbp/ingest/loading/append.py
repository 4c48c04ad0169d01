"""Appends what is new of the staged rows to the change logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mbp.contracts import Contract
from mbp.ingest.loading.column_values import literal
from mbp.ingest.loading.mapping import TableMapping
from mbp.ingest.loading.staging import Staging, column_type
from mbp.warehouse import Warehouse, connect, quote_identifier
from mbp.warehouse.connection import DuckdbWarehouse, MissingError, PostgresWarehouse
from mbp.warehouse.relations import exists

RAW_SCHEMA = "raw_mbp"
SNAPSHOT = "r"
UPDATE = "u"
MEMORY = "1GB"  # of the engine, while it reads files and while it compares their rows with the log
# Where the staged rows of a table are, as the warehouse sees them.
Place = Callable[[TableMapping, Contract], str]


@dataclass(frozen=True)
class Appended:
    """Rows of one table: appended; already in the log; older than what the log has of their keys."""

    loaded: int
    unchanged: int
    superseded: int


@contextmanager
def copy_staged(staging: Staging, warehouse: Warehouse) -> Iterator[Place]:
    """Makes the staged rows visible to the warehouse: a DuckDB reads their file, a server gets a copy."""
    database = staging.connection.execute(
        "select path from duckdb_databases() where database_name = current_database()"
    ).fetchone()
    if isinstance(warehouse, DuckdbWarehouse):
        # Two connections of a process may not have a file open in two ways; the rows have a separate database.
        staging.connection.close()
        warehouse.execute(
            f"attach {literal(database[0] if database else '')} as staged (read_only)"
        )
        warehouse.execute(f"set memory_limit = '{MEMORY}'")
        try:
            yield lambda table, _: f"staged.staged_{table.table}"
        finally:
            warehouse.execute("detach staged")
            warehouse.execute("reset memory_limit")
    elif isinstance(warehouse, PostgresWarehouse):
        yield lambda table, contract: _copied(staging, warehouse, table, contract)


def _copied(
    staging: Staging, warehouse: PostgresWarehouse, table: TableMapping, contract: Contract
) -> str:
    """The staged rows as a temporary table of a server."""
    columns = [
        (column.name, "text" if column_type(column) == "varchar" else column_type(column))
        for column in contract.logged_columns
    ]
    inner = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in columns)
    name = f"staged_{table.table}"
    warehouse.execute(
        f"create temp table {name} ({inner}, source_position bigint, version bigint) on commit drop"
    )
    with TemporaryDirectory(prefix="mbp-load-") as folder:
        file = Path(folder) / "rows.csv"
        staging.connection.execute(
            f"copy (select * from {name}) to {literal(str(file))} (format csv, header false)"
        )
        with (
            file.open(encoding="utf-8", newline="") as rows,
            warehouse.connection.cursor() as cursor,
        ):
            cursor.copy_expert(f"copy {name} from stdin (format csv)", rows)
    warehouse.execute(f"analyze {name}")
    return name


def lost_keys(root: Path, target: str | None, staging: Staging, table: str, column: str) -> str:
    """A table of the keys (`key`) that were rejected and that no other row has, here or in the warehouse."""
    name = f"lost_{table}"
    key = quote_identifier(column)
    run = staging.connection.execute
    run(
        f"create or replace table {name} as select distinct {key} as key from judged_{table}"
        f" where reason <> '' and {key} is not null"
        f" and {key} not in (select {key} from judged_{table} where reason is null and {key} is not null)"
    )
    lost = [row[0] for row in run(f"select key from {name}").fetchall()]
    if lost:
        try:
            with connect(root, target, create=False) as warehouse:
                for value in _there(warehouse, table, key, lost):
                    run(f"delete from {name} where key = ?", [value])
        except MissingError:
            pass
    return name


def _there(warehouse: Warehouse, table: str, key: str, values: list[str]) -> list[str]:
    if not exists(warehouse, RAW_SCHEMA, table):
        return []
    marks = ", ".join([warehouse.mark] * len(values))
    raw = f"{RAW_SCHEMA}.{quote_identifier(table)}"
    _, rows = warehouse.query(f"select distinct {key} from {raw} where {key} in ({marks})", values)
    return [value for (value,) in rows]


def append(warehouse: Warehouse, staged: str, table: TableMapping, contract: Contract) -> Appended:
    """Appends what its key never had, and what did not change earlier than the newest row of its key.

    Args:
        staged: relation of the staged rows.
    """
    raw = f"{RAW_SCHEMA}.{quote_identifier(table.table)}"
    key, changed = quote_identifier(contract.key.name), quote_identifier(table.changed_at)
    names = [quote_identifier(column.name) for column in contract.logged_columns]
    before, total = _rows(warehouse, raw), _rows(warehouse, staged)
    source = staged
    if before:
        same = " and ".join(f"known.{name} is not distinct from staged.{name}" for name in names)
        warehouse.execute(
            f"create temp table new_content as select staged.* from {staged} as staged"
            f" left join {raw} as known on known.{key} = staged.{key} and {same}"
            f" where known.{key} is null"
        )
        source = "new_content"
    warehouse.execute(
        f"create temp table newest as select distinct on ({key}) {key} as key, {changed} as changed,"
        f" __source_ts_ms from {raw} where {key} in (select {key} from {source})"
        f" order by {key}, __source_lsn desc"
    )
    milliseconds = (
        f"epoch_ms(staged.{changed})"
        if warehouse.engine == "duckdb"
        else f"floor(extract(epoch from staged.{changed}) * 1000)"
    )
    rows = f"{source} as staged left join newest on newest.key = staged.{key}"
    older = "false" if table.corrections else f"coalesce(staged.{changed} < newest.changed, false)"
    superseded = _rows(warehouse, f"{rows} where {older}")
    superseded += _superseded(warehouse, staged, source, raw, key, names)
    warehouse.execute(
        f"insert into {raw} select {', '.join(f'staged.{name}' for name in names)},"
        f" case when newest.key is null and staged.version = 1 then '{SNAPSHOT}' else '{UPDATE}' end, 'false',"
        # A correction is made after what it corrects.
        f" greatest(cast({milliseconds} as bigint), coalesce(newest.__source_ts_ms, 0)),"
        f" (select coalesce(max(__source_lsn), 0) from {raw}) + staged.source_position, current_timestamp"
        f" from {rows} where not {older}"
    )
    loaded = _rows(warehouse, raw) - before
    warehouse.execute("drop table newest")
    if before:
        warehouse.execute("drop table new_content")
    return Appended(loaded, total - loaded - superseded, superseded)


def _superseded(
    warehouse: Warehouse, staged: str, source: str, raw: str, key: str, names: list[str]
) -> int:
    """Staged rows that the log has, and has a newer one of.

    Args:
        source: those of them that the log does not have.
    """
    warehouse.execute(
        f"create temp table last as select distinct on ({key}) * from {raw}"
        f" where {key} in (select {key} from {raw} where __op <> '{SNAPSHOT}')"
        f" order by {key}, __source_lsn desc"
    )
    same = " and ".join(f"last.{name} is not distinct from staged.{name}" for name in names)
    rows = _rows(
        warehouse,
        f"{staged} as staged join last on last.{key} = staged.{key} where not ({same})"
        f" and not exists (select 1 from {source} as fresh where fresh.source_position = staged.source_position)",
    )
    warehouse.execute("drop table last")
    return rows


def _rows(warehouse: Warehouse, relation: str) -> int:
    return int(warehouse.query(f"select count(*) from {relation}")[1][0][0])
