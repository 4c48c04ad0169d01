"""The columns of the raw tables: those of a contract with the change log's own, and the telemetry.

Sources, seeds, staging, the raw tables in the warehouse and the simulator all follow from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from mbp.contracts.model import ChangeLog, Contract
from mbp.core.forms import SOME, Name, Narrowed, Version, read_as

TELEMETRY = "contracts/a71/telemetry.yaml"
# The one source that is captured and loaded: its raw tables are in `raw_mbp`.
SOURCE = "mbp"
# Both embedded engines take the other types as the contract writes them; `text` is DuckDB's alias of VARCHAR.
RAW_TYPES = {"string": "text"}
TYPE = r"^(text|bigint|boolean|timestamptz|decimal\([0-9]+,[0-9]+\))$"


@dataclass(frozen=True)
class CollectedColumn:
    """A column of telemetry; `staged` is its name in the staging model, where it differs."""

    name: Name
    type: Annotated[str, Narrowed(pattern=TYPE)]
    classification: str | None = None
    staged: Name | None = None


@dataclass(frozen=True)
class CollectedTable:
    """A table of telemetry; `computed` are columns that its staging model computes."""

    name: Name
    description: str
    columns: Annotated[tuple[CollectedColumn, ...], SOME]
    computed: tuple[Name, ...] = ()


@dataclass(frozen=True)
class TelemetryFile:
    """The whole file."""

    version: Version
    tables: Annotated[tuple[CollectedTable, ...], SOME]


@dataclass(frozen=True)
class RawColumn:
    """One column of a raw table.

    Attributes:
        type: as DuckDB and PostgreSQL both take it.
        doc: name of the doc block that describes it.
        classification: of telemetry; None where the contract classifies the column, or nothing is masked.
    """

    name: str
    type: str
    doc: str
    classification: str | None = None


@dataclass(frozen=True)
class RawTable:
    """One raw table.

    Attributes:
        columns: in the order of arrival, with those that the loader adds.
        staged: columns of the staging model of telemetry, without those that the loader adds.
    """

    name: str
    description: str
    columns: tuple[RawColumn, ...]
    staged: tuple[RawColumn, ...] = ()


ARRIVAL = RawColumn("_loaded_at", "timestamptz", "change_log__loaded_at")
# Described in docs/dbt/change_log.md.
CHANGE_LOG = (
    RawColumn("__op", "text", "change_log__op"),
    RawColumn("__deleted", "text", "change_log__deleted"),
    RawColumn("__source_ts_ms", "bigint", "change_log__source_ts_ms"),
    RawColumn("__source_lsn", "bigint", "change_log__source_lsn"),
    ARRIVAL,
)


def doc_name(dataset: str, column: str) -> str:
    """Name of the doc block of a column."""
    return f"{dataset}__{column}"


def logged(contracts: Iterable[Contract]) -> list[tuple[Contract, ChangeLog]]:
    """The datasets that have a change log, in the order of the contracts."""
    return [
        (contract, contract.change_log) for contract in contracts if contract.change_log is not None
    ]


def own_columns(contract: Contract) -> tuple[RawColumn, ...]:
    """The columns that the source sends, the key first; the change log adds its own."""
    return tuple(
        RawColumn(
            column.name,
            RAW_TYPES.get(column.physical_type, column.physical_type),
            doc_name(contract.dataset, column.name),
        )
        for column in contract.logged_columns
    )


def change_logs(contracts: Sequence[Contract]) -> list[RawTable]:
    """The raw tables of the datasets that have a change log, in the order of the contracts."""
    return [
        RawTable(
            change_log.table,
            f"One row per change of {row_noun(contract)} (or per row of a snapshot), "
            "in the order of arrival.",
            (*own_columns(contract), *CHANGE_LOG),
        )
        for contract, change_log in logged(contracts)
    ]


def row_noun(contract: Contract) -> str:
    """What one row is, with its article: `One row per order` -> `an order`."""
    noun = contract.grain.removeprefix("One row per ")
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def telemetry(root: Path) -> list[RawTable]:
    """The tables of contracts/a71/telemetry.yaml, in its order.

    Raises:
        MbpError: the file is missing or not of the schema.
    """
    _, form = read_as(TelemetryFile, root, TELEMETRY)
    return [_collected(table) for table in form.tables]


def _collected(table: CollectedTable) -> RawTable:
    def column(entry: CollectedColumn, name: str | None = None) -> RawColumn:
        doc = doc_name(f"ops_{table.name}", name or entry.name)
        return RawColumn(name or entry.name, entry.type, doc, entry.classification)

    def staged(entry: CollectedColumn) -> RawColumn:
        # Staging converts numbers that it renames; a text keeps its meaning, and so its description.
        if entry.type != "text":
            return column(entry, entry.staged)
        return replace(column(entry), name=entry.staged or entry.name)

    return RawTable(
        table.name,
        table.description,
        (*map(column, table.columns), ARRIVAL),
        (
            *map(staged, table.columns),
            *(column(CollectedColumn(name, "")) for name in table.computed),
        ),
    )
