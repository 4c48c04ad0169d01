"""Loads outside data into the raw tables, once, in one transaction."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb

from mbp.contracts import Contract, load_contracts
from mbp.core.errors import MbpError
from mbp.core.files import atomic_path
from mbp.core.masking import mask
from mbp.core.reporting.progress import SILENT, Say
from mbp.core.reporting.spreadsheet import csv_for_people
from mbp.ingest.loading.append import MEMORY, RAW_SCHEMA, Appended, append, copy_staged, lost_keys
from mbp.ingest.loading.column_values import literal
from mbp.ingest.loading.loads import (
    TableReport,
    begin_load,
    end_load,
    masked_rejects,
    rows_already_loaded,
)
from mbp.ingest.loading.mapping import Mapping, TableMapping, load_mapping
from mbp.ingest.loading.outside_file import files_of
from mbp.ingest.loading.source_facts import still_absent, write_facts
from mbp.ingest.loading.staging import Staged, Staging
from mbp.ingest.raw_tables import create_statement, raw_tables
from mbp.warehouse import connect, quote_identifier
from mbp.warehouse.connection import MissingError

SHOWN = 3  # rows of each table after a dry run


@dataclass(frozen=True)
class LoadReport:
    """What became of a folder; `load_id` is None after a dry run.

    Attributes:
        rejects: table -> the first rejected rows: file, row in it, column, reason.
        rows: table -> the first rows as they would be loaded; of a dry run.
    """

    source: str
    load_id: int | None
    tables: tuple[TableReport, ...]
    rejects: dict[str, list[tuple[str, int, str, str]]] = field(default_factory=dict)
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    @property
    def dry_run(self) -> bool:
        """Whether nothing was written."""
        return self.load_id is None

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
    max_rejects: int | None = None,
    say: Say = SILENT.say,
) -> LoadReport:
    """Brings the files of `folder` into raw_mbp of the target.

    A row whose key is new is a snapshot row of the change log; a row with content that its key never had is an
    update, unless it changed earlier than the newest one; any other row is already there. So a second run, or one
    with the files of an earlier day, loads nothing.

    Args:
        folder: of the data, or its one file.
        dry_run: read, map and judge, but write neither rows nor the reject file.
        reject_file: CSV of the rejected rows: table, file, row in it, reason, original as JSON.
        max_rejects: with more rejected rows nothing is loaded.

    Raises:
        MbpError: bad mapping, missing file, too many rejects, no place for the reject file, or a warehouse that
            cannot be opened. Nothing was written then.
    """
    if reject_file is not None:
        _check_place(reject_file)
    contracts = load_contracts(root)
    mapping = load_mapping(mapping_file, contracts)
    if not folder.exists():
        raise MbpError("no such folder or file", path=folder, fix="name the folder of the data")
    try:
        ZoneInfo(mapping.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MbpError(
            f"unknown time zone {mapping.time_zone!r}", path=mapping.path, fix="use an IANA name"
        ) from error
    by_dataset = {contract.dataset: contract for contract in contracts}
    with TemporaryDirectory(prefix="mbp-load-") as name:
        scratch = Path(name)
        with duckdb.connect(str(scratch / "staged.duckdb")) as connection:
            connection.execute(f"set memory_limit = '{MEMORY}'; set TimeZone = 'UTC'")
            staging = Staging(connection, scratch, mapping.path, mapping.time_zone)
            digests = {} if dry_run else _digests(folder, mapping, mapping_file, by_dataset)
            known = _known_rows(root, target, mapping, digests)
            for table in mapping.tables:
                say(f"reading and judging {table.table}")
                files = files_of(folder, table, mapping.path)
                staging.stage(files, table, by_dataset[table.dataset], known.get(table.table))
            _reject_children(root, target, staging, mapping, by_dataset)
            rejects = {
                table.table: masked_rejects(by_dataset[table.dataset], staging.rejects(table.table))
                for table in mapping.tables
            }
            if dry_run:
                reports = []
                for table in mapping.tables:
                    staged = staging.staged[table.table]
                    reports.append(_report(table, staged, Appended(staged.accepted, 0, 0)))
                return LoadReport(
                    mapping.source,
                    None,
                    tuple(reports),
                    {name: first[:SHOWN] for name, first in rejects.items()},
                    {
                        table.table: _first_rows(staging, table.table, by_dataset[table.dataset])
                        for table in mapping.tables
                    },
                )
            rejected = sum(staged.rejected for staged in staging.staged.values())
            if max_rejects is not None and rejected > max_rejects:
                raise MbpError(
                    f"{rejected:,} rows rejected, more than {max_rejects:,}: nothing was loaded",
                    fix="see them with --dry-run; fix the mapping or the files, or raise --max-rejects",
                )
            with _rejects_written(staging, mapping, reject_file):
                say("writing what is new")
                return _apply(root, target, staging, mapping, by_dataset, digests, rejects)


def _apply(
    root: Path,
    target: str | None,
    staging: Staging,
    mapping: Mapping,
    by_dataset: dict[str, Contract],
    digests: dict[str, str],
    rejects: dict[str, list[tuple[str, int, str, str]]],
) -> LoadReport:
    reports = []
    kept: dict[str, dict[str, str]] = {}
    with (
        connect(root, target) as warehouse,
        copy_staged(staging, warehouse) as place,
        warehouse.transaction(),
    ):
        for name, columns in raw_tables(root).items():
            family, table = name.split(".")
            warehouse.execute(f"create schema if not exists raw_{family}")
            warehouse.execute(create_statement(f"raw_{family}", table, columns))
        load_id = begin_load(warehouse)
        for entry in mapping.tables:
            contract, staged = by_dataset[entry.dataset], staging.staged[entry.table]
            if staged.known:
                appended = Appended(0, staged.read, 0)
            else:
                rows = place(entry, contract)
                appended = append(warehouse, rows, entry, contract)
                lacking = still_absent(warehouse, mapping, entry, contract.key.name, rows)
                kept[entry.dataset] = lacking
            report = _report(entry, staged, appended)
            digest, first = digests[entry.table], rejects[entry.table]
            end_load(warehouse, load_id, mapping, entry, digest, first, report)
            reports.append(report)
        write_facts(warehouse, mapping, kept)
    return LoadReport(mapping.source, load_id, tuple(reports))


def _digests(
    folder: Path, mapping: Mapping, mapping_file: Path, by_dataset: dict[str, Contract]
) -> dict[str, str]:
    """Of each table, what its rows follow from: the files, the mapping, the columns of the contract."""
    digests = {}
    for table in mapping.tables:
        digest = hashlib.sha256(mapping_file.read_bytes())
        digest.update(repr(by_dataset[table.dataset].logged_columns).encode())
        for path in files_of(folder, table, mapping.path):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        digests[table.table] = digest.hexdigest()
    return digests


def _known_rows(
    root: Path, target: str | None, mapping: Mapping, digests: dict[str, str]
) -> dict[str, int]:
    """Table -> the rows of its files, where they were loaded whole before and nothing came after them."""
    known: dict[str, int] = {}
    if not digests:
        return known
    try:
        with connect(root, target, create=False) as warehouse:
            for table in mapping.tables:
                raw = f"{RAW_SCHEMA}.{quote_identifier(table.table)}"
                digest = digests[table.table]
                rows = rows_already_loaded(warehouse, table.dataset, raw, digest)
                if rows is not None:
                    known[table.table] = rows
    except MissingError:
        pass
    return known


def _first_rows(staging: Staging, table: str, contract: Contract) -> list[tuple[Any, ...]]:
    """As they would be loaded; anybody may read the terminal, so values of classified columns are masked."""
    columns = contract.logged_columns
    return [
        tuple(
            value if column.open else mask(value)
            for column, value in zip(columns, row, strict=True)
        )
        for row in staging.first_rows(table, SHOWN)
    ]


def _report(table: TableMapping, staged: Staged, appended: Appended) -> TableReport:
    return TableReport(
        table=table.table,
        staged=staged,
        loaded=appended.loaded,
        unchanged=appended.unchanged + staged.repeated,
        superseded=appended.superseded,
        absent=tuple(table.absent),
    )


def _reject_children(
    root: Path,
    target: str | None,
    staging: Staging,
    mapping: Mapping,
    by_dataset: dict[str, Contract],
) -> None:
    """Rejects the rows that refer to a rejected row: they would only be orphans. Again, until none is left."""
    tables = {table.dataset: table.table for table in mapping.tables}
    more = True
    while more:
        more = False
        for table in mapping.tables:
            staged = staging.staged[table.table]
            for column in by_dataset[table.dataset].logged_columns:
                reference = column.reference
                parent = tables.get(reference.dataset) if reference else None
                if reference is None or parent is None or not staging.staged[parent].rejected:
                    continue
                lost = lost_keys(root, target, staging, parent, reference.column)
                before = staged.rejected
                name = quote_identifier(column.name)
                reason = literal(f"{column.name}: its row in {parent} was rejected: ")
                staging.reject(
                    table.table, f"{name} in (select key from {lost})", f"{reason} || {name}"
                )
                more |= staged.rejected > before


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
    staging: Staging, mapping: Mapping, reject_file: Path | None
) -> Iterator[None]:
    """The rejects are on disk before the block, and in their place once it ended without an error.

    So a full disk stops the load before it is committed, and a failed load leaves no reject file.
    """
    if reject_file is None:
        yield
        return
    with atomic_path(reject_file) as temporary:
        try:
            names = ("table_name", "file", "source_row", "reason", "original")
            text = csv_for_people(names, _reject_rows(staging, mapping))
            temporary.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise MbpError(
                f"cannot be written: {error.strerror}",
                path=reject_file,
                fix="make room, or name another file",
            ) from error
        yield


def _reject_rows(staging: Staging, mapping: Mapping) -> Iterator[tuple[str, str, int, str, str]]:
    for table in mapping.tables:
        if staging.staged[table.table].rejected:
            pairs = zip(staging.rejects(table.table), staging.originals(table), strict=True)
            for (name, row, _, reason), (_, _, original) in pairs:
                compact = json.dumps(
                    json.loads(original), ensure_ascii=False, separators=(",", ":")
                )
                yield table.table, name, row, reason, compact
