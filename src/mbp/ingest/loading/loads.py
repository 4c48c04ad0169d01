"""What was loaded, kept in the warehouse: each load with its counts and rejected rows, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from mbp.contracts import Contract
from mbp.core.errors import MbpError
from mbp.core.masking import mask
from mbp.ingest.loading.mapping import Mapping, TableMapping
from mbp.ingest.loading.source_facts import forget_facts
from mbp.ingest.loading.staging import Staged
from mbp.ingest.raw_tables import LOAD_REJECTS, LOADS, control_statements
from mbp.warehouse import Warehouse, quote_identifier
from mbp.warehouse.relations import exists

# Of one table in one load; more tell a reader nothing new, and are counted.
MOST_REJECTS = 10_000


@dataclass(frozen=True)
class TableReport:
    """What became of one table's rows: read = loaded + unchanged + superseded + rejected + left out.

    Attributes:
        unchanged: already in the log, or repeated in the files.
        superseded: older than what the log has of their keys.
        absent: columns that the source does not have.
    """

    table: str
    staged: Staged
    loaded: int
    unchanged: int
    superseded: int
    absent: tuple[str, ...]


@dataclass(frozen=True)
class TableLoad:
    """One table of one load."""

    load_id: int
    source: str
    dataset: str
    loaded_at: datetime
    files: str
    digest: str
    read: int
    loaded: int
    unchanged: int
    superseded: int
    rejected: int
    max_rejects: int

    @property
    def rejects(self) -> str:
        """How many rows were rejected, in words; empty when none were."""
        if not self.rejected:
            return ""
        allowed = f", {self.max_rejects:,} allowed" if self.max_rejects else ""
        return (
            f"load {self.load_id} of {self.source}: {self.rejected:,} of {self.read:,} rows of"
            f" {self.dataset} rejected{allowed}"
        )


def begin_load(warehouse: Warehouse) -> int:
    """The id of a new load.

    Runs inside the caller's transaction.
    """
    for statement in control_statements():
        warehouse.execute(statement)
    _, rows = warehouse.query(f"select coalesce(max(load_id), 0) + 1 from {LOADS}")
    return int(rows[0][0])


def end_load(
    warehouse: Warehouse,
    load_id: int,
    mapping: Mapping,
    table: TableMapping,
    digest: str,
    rejects: Sequence[tuple[str, int, str, str]],
    report: TableReport,
) -> None:
    """Notes what became of one table, in the transaction of its rows.

    Args:
        digest: of the files and of how they are read.
        rejects: the first rejected rows: file, row in it, column, reason.
    """
    mark = warehouse.mark
    staged = report.staged
    values = [
        load_id,
        mapping.source,
        table.dataset,
        ", ".join(name for name, _ in staged.files),
        digest,
        staged.read,
        report.loaded,
        report.unchanged,
        report.superseded,
        staged.rejected,
        table.max_rejects,
    ]
    marks = ", ".join([mark] * 3) + ", current_timestamp, " + ", ".join([mark] * 8)
    warehouse.execute(f"insert into {LOADS} values ({marks})", values)
    marks = ", ".join([mark] * 7)
    for reject in rejects:
        warehouse.execute(
            f"insert into {LOAD_REJECTS} values ({marks})",
            [load_id, mapping.source, table.dataset, *reject],
        )


def masked_rejects(
    contract: Contract, rejects: Iterable[tuple[str, int, str, str]]
) -> list[tuple[str, int, str, str]]:
    """The first of them, without the values of classified columns: column, what is wrong with it, value."""
    open_columns = {column.name for column in contract.logged_columns if column.open}
    shown = []
    for file, row, column, reason in islice(rejects, MOST_REJECTS):
        parts = reason.split(": ", 2)
        if column not in open_columns and len(parts) > 2:  # noqa: PLR2004 (the value is the third)
            parts[2] = mask(parts[2])
        shown.append((file, row, column, ": ".join(parts)))
    return shown


def list_loads(warehouse: Warehouse) -> list[TableLoad]:
    """Every load that was not undone, a row per table, the newest first."""
    if not exists(warehouse, *LOADS.split(".")):
        return []
    _, rows = warehouse.query(f"select * from {LOADS} order by load_id desc, dataset")
    return [TableLoad(*row) for row in rows]


def rows_already_loaded(warehouse: Warehouse, dataset: str, raw: str, digest: str) -> int | None:
    """The rows of files that were loaded whole before, when nothing came after them; None when they must be read.

    Args:
        raw: the log of the dataset.
        digest: of the files and of how they are read.
    """
    loads = [load for load in list_loads(warehouse) if load.dataset == dataset and load.loaded]
    if not loads or loads[0].digest != digest or loads[0].loaded != loads[0].read:
        return None
    _, rows = warehouse.query(
        f"select count(*), count(case when _loaded_at = {warehouse.mark} then 1 end),"
        f" count(case when _loaded_at > {warehouse.mark} then 1 end) from {raw}",
        [loads[0].loaded_at, loads[0].loaded_at],
    )
    _, there, later = rows[0]
    return loads[0].read if there == loads[0].loaded and not later else None


def undo(warehouse: Warehouse, load_id: int, tables: dict[str, str]) -> dict[str, int]:
    """Takes the rows of a load out of the logs again; dataset -> rows.

    Args:
        tables: dataset -> the table of its change log.

    Raises:
        MbpError: no such load.
    """
    loads = [load for load in list_loads(warehouse) if load.load_id == load_id]
    if not loads:
        raise MbpError(f"no load {load_id}", fix="see the loads with `mbp load --list`")
    removed = {}
    with warehouse.transaction():
        for load in loads:
            raw = f"raw_mbp.{quote_identifier(tables[load.dataset])}"
            moment = f"select loaded_at from {LOADS} where load_id = {load_id} and dataset = {warehouse.mark}"
            mine = f"_loaded_at = ({moment})"
            _, rows = warehouse.query(f"select count(*) from {raw} where {mine}", [load.dataset])
            removed[load.dataset] = int(rows[0][0])
            warehouse.execute(f"delete from {raw} where {mine}", [load.dataset])
        for table in (LOADS, LOAD_REJECTS):
            warehouse.execute(f"delete from {table} where load_id = {load_id}")
        forget_facts(warehouse, {load.source for load in loads})
    return removed
