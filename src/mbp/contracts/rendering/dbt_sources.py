"""The way from the raw tables to the latest state, as dbt properties: sources, seeds, staging, intermediate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mbp.contracts.model import Contract, ServiceLevel
from mbp.contracts.raw_columns import (
    CHANGE_LOG,
    RawColumn,
    RawTable,
    change_logs,
    logged,
    own_columns,
    row_noun,
)
from mbp.contracts.rendering.yaml_text import HEADER, yaml_text
from mbp.core.errors import MbpError

PERIODS = (("day", 86400), ("hour", 3600), ("minute", 60))
SOURCES = {
    "mbp": "Append-only change logs of the market's own tables, in Debezium's flattened shape.",
    "ops": "Telemetry as it was collected; spans, web vitals, the audit log, sampled log lines, check results.",
}
# How macros/logs/change_log_columns.sql types and names the change log: column -> doc block.
STAGED = {
    "change_operation": "change_log__op",
    "is_deleted": "change_log__is_deleted",
    "log_position": "change_log__source_lsn",
    "committed_at": "change_log__committed_at",
    "loaded_at": "change_log__loaded_at",
}
# What macros/logs/latest_change.sql adds to the columns of the dataset.
LATEST = {
    **{name: STAGED[name] for name in ("is_deleted", "log_position", "loaded_at")},
    "first_loaded_at": "change_log__first_loaded_at",
}
SEED_TYPES = {"text": "varchar"}


def change_log_sources_yaml(contracts: Sequence[Contract]) -> str:
    """models/sources/_raw_mbp__sources.gen.yml.

    Raises:
        MbpError: a freshness without a half in whole minutes.
    """
    tables = [
        _source_table(table, contract.service_level("freshness"), contract)
        for table, (contract, _) in zip(change_logs(contracts), logged(contracts), strict=True)
    ]
    return _sources_yaml("mbp", tables)


def telemetry_sources_yaml(tables: Iterable[RawTable]) -> str:
    """models/sources/_raw_ops__sources.gen.yml."""
    return _sources_yaml("ops", [_source_table(table) for table in tables])


def seeds_yaml(contracts: Sequence[Contract], telemetry: Iterable[RawTable]) -> str:
    """seeds/sample/_sample__seeds.gen.yml; types are given, so that no engine guesses them."""
    seeds = [
        {
            "name": f"raw_{family}__{table.name}",
            "description": f"The committed sample. {table.description}",
            "config": {
                "schema": f"sample_{family}",
                "alias": table.name,
                "tags": ["raw"],
                "column_types": {
                    column.name: SEED_TYPES.get(column.type, column.type)
                    for column in table.columns
                },
            },
            "columns": [_column(column.name, column.doc) for column in table.columns],
        }
        for family, tables in (("mbp", change_logs(contracts)), ("ops", telemetry))
        for table in tables
    ]
    return HEADER + yaml_text({"version": 2, "seeds": seeds})


def staging_yaml(contracts: Sequence[Contract]) -> str:
    """models/staging/mbp/_mbp_staging__models.gen.yml."""
    models = [
        {
            "name": log.staging,
            "description": f"One row per delivered change of {row_noun(contract)}, typed; "
            "redeliveries are still in it.",
            "columns": _columns(own_columns(contract), STAGED),
        }
        for contract, log in logged(contracts)
    ]
    return HEADER + yaml_text({"version": 2, "models": models})


def telemetry_staging_yaml(tables: Iterable[RawTable]) -> str:
    """models/staging/ops/_ops_staging__models.gen.yml."""
    models = [
        {
            "name": f"stg_ops__{table.name}",
            "description": f"{table.description.rstrip('.')}, typed.",
            "columns": _columns(table.staged, {"loaded_at": STAGED["loaded_at"]}),
        }
        for table in tables
    ]
    return HEADER + yaml_text({"version": 2, "models": models})


def latest_yaml(contracts: Sequence[Contract]) -> str:
    """models/intermediate/_intermediate__latest.gen.yml."""
    models = [
        {
            "name": log.latest,
            "description": f"One row per key of {log.table}, with the change in force; a deleted "
            "row stays as a tombstone, so that an older change arriving late cannot bring it back.",
            "columns": _columns(own_columns(contract), LATEST),
        }
        for contract, log in logged(contracts)
    ]
    return HEADER + yaml_text({"version": 2, "models": models})


def _sources_yaml(family: str, tables: list[dict[str, Any]]) -> str:
    source = {
        "name": f"raw_{family}",
        "description": SOURCES[family],
        # The committed sample and loaded data live apart: see macros/engine/raw_log.sql.
        "schema": f"{{{{ 'sample_{family}' if env_var('MBP_RAW', 'sample') == 'sample' "
        f"else 'raw_{family}' }}}}",
        "loader": "CDC, mbp load or the committed sample",
        "config": {
            "loaded_at_field": CHANGE_LOG[-1].name,
            "tags": ["raw"],
            "meta": {"owner": "DATA"},
        },
        "tables": tables,
    }
    return HEADER + yaml_text({"version": 2, "sources": [source]})


def _source_table(
    table: RawTable, freshness: ServiceLevel | None = None, contract: Contract | None = None
) -> dict[str, Any]:
    rendered: dict[str, Any] = {"name": table.name, "description": table.description}
    if freshness and contract:
        rendered["config"] = {"freshness": _freshness(freshness, contract)}
    rendered["columns"] = [
        _column(column.name, column.doc, column.classification) for column in table.columns
    ]
    return rendered


def _columns(own: Iterable[RawColumn], staged: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        *(_column(column.name, column.doc) for column in own),
        *(_column(name, doc) for name, doc in staged.items()),
    ]


def _column(name: str, doc: str, classification: str | None = None) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "description": f"{{{{ doc('{doc}') }}}}"}
    if classification:
        column["config"] = {"meta": {"classification": classification}}
    return column


def _freshness(promise: ServiceLevel, contract: Contract) -> dict[str, Any]:
    """The service level is the error; half of it is the warning."""
    seconds = promise.seconds or 0
    if seconds % 120:
        what = f"freshness: {promise.value} {promise.unit} has no half in whole minutes"
        fix = "state an even number of minutes"
        raise MbpError(what, path=contract.path, line=promise.line, fix=fix)
    return {"warn_after": _period(seconds // 2), "error_after": _period(seconds)}


def _period(seconds: int) -> dict[str, Any]:
    period, size = next(entry for entry in PERIODS if seconds % entry[1] == 0)
    return {"count": seconds // size, "period": period}
