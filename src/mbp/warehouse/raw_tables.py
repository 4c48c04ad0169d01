"""The raw tables: which columns arrive, in which types. One place for `mbp db init`, `mbp load` and proofs.

The columns of the change logs are those of the contracts; telemetry has no contract of its own yet, so
its columns stand here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mbp.contracts import load_contracts

CHANGE_LOG_COLUMNS = (
    ("__op", "text"),
    ("__deleted", "text"),
    ("__source_ts_ms", "bigint"),
    ("__source_lsn", "bigint"),
    ("_loaded_at", "timestamptz"),
)
TELEMETRY_COLUMNS: dict[str, Sequence[tuple[str, str]]] = {
    "ops.otel_spans": (
        ("trace_id", "text"),
        ("span_id", "text"),
        ("parent_span_id", "text"),
        ("name", "text"),
        ("service_name", "text"),
        ("span_kind", "text"),
        ("start_time_unix_nano", "bigint"),
        ("end_time_unix_nano", "bigint"),
        ("status_code", "text"),
        ("http_status_code", "bigint"),
        ("attributes", "text"),
    ),
    "ops.rum_events": (
        ("event_id", "text"),
        ("page", "text"),
        ("metric_name", "text"),
        ("value_ms", "decimal(18,3)"),
        ("rating", "text"),
        ("navigation_type", "text"),
        ("session_id_hash", "text"),
        ("occurred_at", "timestamptz"),
    ),
    "ops.audit_log": (
        ("audit_id", "text"),
        ("trace_id", "text"),
        ("action", "text"),
        ("is_critical", "boolean"),
        ("actor_hash", "text"),
        ("commit_sha", "text"),
        ("entity_type", "text"),
        ("entity_id", "text"),
        ("occurred_at", "timestamptz"),
    ),
    "ops.log_samples": (
        ("log_id", "text"),
        ("service_name", "text"),
        ("severity_text", "text"),
        ("body", "text"),
        ("trace_id", "text"),
        ("logged_at", "timestamptz"),
    ),
    "ops.cdc_heartbeats": (
        ("heartbeat_id", "text"),
        ("table_name", "text"),
        ("emitted_at", "timestamptz"),
    ),
    "ops.ci_checks": (
        ("check_id", "text"),
        ("check_name", "text"),
        ("commit_sha", "text"),
        ("status", "text"),
        ("conclusion", "text"),
        ("started_at", "timestamptz"),
        ("completed_at", "timestamptz"),
    ),
}
# How far change data capture has applied each slot; committed together with the rows.
CDC_POSITIONS = "raw_mbp._cdc_position"
CREATE_CDC_POSITIONS = (
    f"create table if not exists {CDC_POSITIONS}"
    " (slot text not null, position bigint not null, recorded_at timestamptz not null)"
)
# Both engines take these spellings; `text` is DuckDB's alias of VARCHAR.
CONTRACT_TYPES = {"string": "text"}


def raw_tables(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Raw table ('mbp.quotes', 'ops.otel_spans') -> its columns and types, in order.

    Raises:
        MbpError: the contracts cannot be read.
    """
    tables: dict[str, list[tuple[str, str]]] = {}
    for contract in load_contracts(root):
        own = [
            (column.name, CONTRACT_TYPES.get(column.physical_type, column.physical_type))
            for column in contract.columns
        ]
        tables[f"mbp.{contract.dataset.removeprefix('mbp_')}"] = [*own, *CHANGE_LOG_COLUMNS]
    for name, columns in TELEMETRY_COLUMNS.items():
        tables[name] = [*columns, ("_loaded_at", "timestamptz")]
    return tables


def create_statement(schema: str, table: str, columns: Sequence[tuple[str, str]]) -> str:
    """DDL of one raw table; every column may be null, because a log takes what comes."""
    inner = ", ".join(f'"{name}" {data_type}' for name, data_type in columns)
    return f'create table if not exists "{schema}"."{table}" ({inner})'
