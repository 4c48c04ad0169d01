"""Loads a folder of outside data into the raw tables, once, in one transaction."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mbp.contracts import Contract, load_contracts
from mbp.core.errors import MbpError
from mbp.core.files import atomic_path
from mbp.core.reporting.progress import SILENT, Say
from mbp.ingest.loading.loaded_facts import write_facts
from mbp.ingest.loading.mapping import Mapping, TableMapping, load_mapping
from mbp.ingest.loading.outside_file import Staged, stage
from mbp.ingest.raw_tables import create_statement, raw_tables
from mbp.warehouse import Warehouse, connect, quote_identifier
from mbp.warehouse.connection import DuckdbWarehouse, PostgresWarehouse

RAW_SCHEMA = "raw_mbp"
SNAPSHOT = "r"
UPDATE = "u"


@dataclass(frozen=True)
class TableReport:
    """What became of one table's rows: read = loaded + unchanged + rejected."""

    table: str
    staged: Staged
    loaded: int
    unchanged: int


@dataclass(frozen=True)
class LoadReport:
    """What became of a folder."""

    source: str
    tables: tuple[TableReport, ...]
    dry_run: bool

    @property
    def rejected(self) -> int:
        """Rows that could not be taken."""
        return sum(table.staged.rejected for table in self.tables)


def load_folder(
    root: Path,
    folder: Path,
    mapping_file: Path,
    *,
    target: str | None = None,
    dry_run: bool = False,
    reject_file: Path | None = None,
    say: Say = SILENT.say,
) -> LoadReport:
    """Brings the files of `folder` into raw_mbp of the target.

    A row whose key is new is a snapshot row of the change log; a row with other content than the newest
    of its key is an update; any other row is already there. So a second run loads nothing.

    Args:
        dry_run: read, map and judge, but write neither rows nor the reject file.
        reject_file: CSV of the rejected rows: table, row of the source, reason, original as JSON.

    Raises:
        MbpError: bad mapping, missing file, no place for the reject file, or a warehouse that cannot
            be opened. Nothing was written then.
    """
    if reject_file is not None:
        _check_place(reject_file)
    contracts = load_contracts(root)
    mapping = load_mapping(mapping_file, contracts)
    if not folder.is_dir():
        raise MbpError("no such folder", path=folder, fix="name the folder of the data")
    by_dataset = {contract.dataset: contract for contract in contracts}
    with duckdb.connect() as scratch:
        try:
            scratch.execute("set TimeZone = ?", [mapping.time_zone])
        except duckdb.Error as error:
            raise MbpError(
                f"unknown time zone {mapping.time_zone!r}",
                path=mapping.path,
                fix="use an IANA name",
            ) from error
        staged = {}
        for table in mapping.tables:
            say(f"reading and judging {table.table}")
            dataset = by_dataset[table.dataset]
            staged[table.table] = stage(scratch, folder, table, dataset, mapping.path)
        if dry_run:
            reports = [TableReport(name, file, file.accepted, 0) for name, file in staged.items()]
        else:
            with _rejects_written(scratch, mapping, reject_file):
                say("writing what is new")
                reports = _apply(root, target, scratch, mapping, by_dataset, staged)
    return LoadReport(mapping.source, tuple(reports), dry_run)


def _apply(
    root: Path,
    target: str | None,
    scratch: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    by_dataset: dict[str, Contract],
    staged: dict[str, Staged],
) -> list[TableReport]:
    reports = []
    with connect(root, target) as warehouse, warehouse.transaction():
        for name, columns in raw_tables(root).items():
            family, table = name.split(".")
            warehouse.execute(f"create schema if not exists raw_{family}")
            warehouse.execute(create_statement(f"raw_{family}", table, columns))
        for table_mapping in mapping.tables:
            contract = by_dataset[table_mapping.dataset]
            _copy(scratch, warehouse, table_mapping, contract)
            loaded = _append(warehouse, table_mapping, contract)
            accepted = staged[table_mapping.table].accepted
            reports.append(
                TableReport(
                    table_mapping.table, staged[table_mapping.table], loaded, accepted - loaded
                )
            )
        write_facts(
            warehouse, mapping, [f"mbp_{report.table}" for report in reports if report.loaded]
        )
    return reports


def _copy(
    scratch: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    table_mapping: TableMapping,
    contract: Contract,
) -> None:
    """The accepted rows as a temporary table of the target."""
    names = [quote_identifier(column.name) for column in contract.logged_columns]
    types = [
        "text" if column.logical_type == "string" else column.physical_type
        for column in contract.logged_columns
    ]
    inner = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    warehouse.execute(
        f"create temp table staged_{table_mapping.table} (source_row bigint, {inner})"
    )
    scratch.execute("set TimeZone = 'UTC'")
    if isinstance(warehouse, DuckdbWarehouse):
        rows = scratch.execute(f"select * from typed_{table_mapping.table}").to_arrow_table()
        warehouse.connection.register("arriving", rows)
        warehouse.execute(f"insert into staged_{table_mapping.table} select * from arriving")
        warehouse.connection.unregister("arriving")
    elif isinstance(warehouse, PostgresWarehouse):
        from pyarrow import csv

        texts = ", ".join(f"cast({name} as varchar) as {name}" for name in names)
        rows = scratch.execute(
            f"select source_row, {texts} from typed_{table_mapping.table}"
        ).to_arrow_table()
        buffer = io.BytesIO()
        csv.write_csv(rows, buffer, csv.WriteOptions(include_header=False, quoting_style="needed"))
        buffer.seek(0)
        with warehouse.connection.cursor() as cursor:
            cursor.copy_expert(f"copy staged_{table_mapping.table} from stdin (format csv)", buffer)


def _append(warehouse: Warehouse, table_mapping: TableMapping, contract: Contract) -> int:
    """Appends what is new or changed to the log; the number of rows appended."""
    raw = f"{RAW_SCHEMA}.{quote_identifier(table_mapping.table)}"
    key = quote_identifier(contract.key.name)
    names = [quote_identifier(column.name) for column in contract.logged_columns]
    changed = " or ".join(f"staged.{name} is distinct from known.{name}" for name in names)
    milliseconds = (
        f"epoch_ms(staged.{quote_identifier(table_mapping.changed_at)})"
        if warehouse.engine == "duckdb"
        else f"floor(extract(epoch from staged.{quote_identifier(table_mapping.changed_at)}) * 1000)"
    )
    before = _rows(warehouse, raw)
    warehouse.execute(
        f"insert into {raw}"
        f" with known as (select * from (select *, row_number() over (partition by {key}"
        f" order by __source_lsn desc) as recency from {raw}) as ranked where recency = 1),"
        f" base as (select coalesce(max(__source_lsn), 0) as position from {raw})"
        f" select {', '.join(f'staged.{name}' for name in names)},"
        f" case when known.{key} is null then '{SNAPSHOT}' else '{UPDATE}' end, 'false',"
        f" cast({milliseconds} as bigint),"
        " base.position + row_number() over (order by staged.source_row), current_timestamp"
        f" from staged_{table_mapping.table} as staged cross join base"
        f" left join known on staged.{key} = known.{key}"
        f" where known.{key} is null or known.__deleted = 'true' or {changed}"
    )
    return _rows(warehouse, raw) - before


def _rows(warehouse: Warehouse, relation: str) -> int:
    return int(warehouse.query(f"select count(*) from {relation}")[1][0][0])


def _check_place(reject_file: Path) -> None:
    """A file can be made there."""
    folder = reject_file.parent
    if not folder.is_dir():
        raise MbpError(
            "no such folder for the reject file", path=folder, fix="make it, or name another"
        )
    if reject_file.is_dir():
        raise MbpError("is a folder, not a reject file", path=reject_file, fix="name a file in it")
    if not os.access(folder, os.W_OK):
        raise MbpError(
            "the reject file may not be written there", path=folder, fix="name another folder"
        )


@contextmanager
def _rejects_written(
    scratch: duckdb.DuckDBPyConnection, mapping: Mapping, reject_file: Path | None
) -> Iterator[None]:
    """The rejects are on disk before the block, and in their place once it ended without an error.

    So a full disk stops the load before it is committed, and a failed load leaves no reject file.
    """
    if reject_file is None:
        yield
        return
    union = " union all ".join(f"select * from rejects_{table.table}" for table in mapping.tables)
    with atomic_path(reject_file) as temporary:
        name = str(temporary).replace("'", "''")
        try:
            scratch.execute(
                f"copy (select * from ({union}) order by table_name, source_row) to '{name}'"
                " (format csv, header true)"
            )
        except duckdb.IOException as error:
            reason = str(error).splitlines()[0]
            raise MbpError(
                f"cannot be written: {reason}",
                path=reject_file,
                fix="make room, or name another file",
            ) from error
        yield
